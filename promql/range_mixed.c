#include "promql/range_mixed.h"

#include <math.h>

#include "base/assert.h"
#include "model/histogram_arithmetic.h"
#include "model/quote.h"
#include "model/symbols.h"

/* About as much work as so many floats. */
#define HISTOGRAM_WORK 64
#define NAME_TEXT_MAX ((size_t)64 * 1024)

enum mixed_kind {
    MIXED_FLOATS_ONLY, /* histograms are ignored */
    MIXED_TIMES,       /* values are not looked at */
    MIXED_FIRST,       /* a sample as it is */
    MIXED_LAST,
    MIXED_RESETS, /* events between neighbours */
    MIXED_CHANGES,
    MIXED_WHOLE,    /* a window is of one type or a mistake */
    MIXED_LAST_TWO, /* the same for its last two samples */
};

struct mixed_function {
    enum mixed_kind kind;
    range_histogram_kernel kernel;
    bool needs_resets;
};

static const struct mixed_function functions[FUNCTION_COUNT_ALL] = {
    [FUNCTION_RATE] = {MIXED_WHOLE, range_histogram_rate, true},
    [FUNCTION_INCREASE] = {MIXED_WHOLE, range_histogram_increase, true},
    [FUNCTION_DELTA] = {MIXED_WHOLE, range_histogram_delta, false},
    [FUNCTION_SUM_OVER_TIME] = {MIXED_WHOLE, range_histogram_sum, false},
    [FUNCTION_AVG_OVER_TIME] = {MIXED_WHOLE, range_histogram_avg, false},
    [FUNCTION_IRATE] = {MIXED_LAST_TWO, range_histogram_irate, true},
    [FUNCTION_IDELTA] = {MIXED_LAST_TWO, range_histogram_idelta, false},
    [FUNCTION_RESETS] = {MIXED_RESETS},
    [FUNCTION_CHANGES] = {MIXED_CHANGES},
    [FUNCTION_FIRST_OVER_TIME] = {MIXED_FIRST},
    [FUNCTION_LAST_OVER_TIME] = {MIXED_LAST},
    [FUNCTION_COUNT_OVER_TIME] = {MIXED_TIMES},
    [FUNCTION_PRESENT_OVER_TIME] = {MIXED_TIMES},
    [FUNCTION_ABSENT_OVER_TIME] = {MIXED_TIMES},
    [FUNCTION_TS_OF_FIRST_OVER_TIME] = {MIXED_TIMES},
    [FUNCTION_TS_OF_LAST_OVER_TIME] = {MIXED_TIMES},
};

static const struct mixed_function extended_rate = {MIXED_WHOLE, range_histogram_extended_rate,
                                                    false};
static const struct mixed_function extended_increase = {MIXED_WHOLE,
                                                        range_histogram_extended_increase, false};
static const struct mixed_function extended_delta = {MIXED_WHOLE, range_histogram_extended_delta,
                                                     false};

static const struct mixed_function *function_of(enum function_id id,
                                                enum selector_extension extension)
{
    if (extension == SELECTOR_PLAIN)
        return &functions[id];
    switch (id) {
    case FUNCTION_RATE:
        return &extended_rate;
    case FUNCTION_INCREASE:
        return &extended_increase;
    case FUNCTION_DELTA:
        return &extended_delta;
    default:
        return &functions[id];
    }
}

static bool is_event(const struct range_input *in, size_t i, enum mixed_kind kind)
{
    const struct histogram *now = in->samples.histograms[i];
    const struct histogram *before = in->samples.histograms[i - 1];
    if ((now == NULL) != (before == NULL))
        return true;
    if (in->samples.start_timestamps_ms != NULL && samples_start_anew(&in->samples, i))
        return true;
    if (now != NULL)
        return kind == MIXED_RESETS ? histogram_is_reset(now, before)
                                    : !histogram_same_values(now, before);
    double value = in->samples.values[i], value_before = in->samples.values[i - 1];
    if (kind == MIXED_RESETS)
        return value < value_before;
    return value != value_before && !(isnan(value) && isnan(value_before));
}

/* scratch->events: how many up to and including each sample. */
static bool mixed_find_events(struct range_input *in, enum mixed_kind kind)
{
    size_t count = in->samples.count;
    vec_reset(&in->scratch->events);
    vec_reserve(&in->scratch->events, count);
    uint32_t *events = in->scratch->events.items;
    uint32_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += i > 0 && is_event(in, i, kind);
        events[i] = total;
    }
    return evaluation_check(in->ev, count * HISTOGRAM_WORK);
}

static bool mixed_count_events(struct range_input *in, enum mixed_kind kind)
{
    if (!mixed_find_events(in, kind))
        return false;
    const uint32_t *events = in->scratch->events.items;
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count == 0)
            continue;
        in->values[i] = (double)(events[low + count - 1] - events[low]);
        promql_bitmap_set(in->present, i);
    }
    return true;
}

static bool mixed_pick(struct range_input *in, range_kernel kernel, bool last)
{
    if (!kernel(in))
        return false;
    BITMAP_FOR_EACH(in->present, in->steps->count, i)
    {
        uint32_t index = last ? in->windows.high[i] - 1 : in->windows.low[i];
        in->histograms[i] = in->samples.histograms[index];
    }
    return true;
}

/* The floats among the samples, and scratch->float_counts: how many come before each sample. */
static void mixed_split(struct range_input *in)
{
    struct range_scratch *scratch = in->scratch;
    size_t count = in->samples.count;
    vec_reset(&scratch->float_timestamps_ms);
    vec_reset(&scratch->float_values);
    vec_reset(&scratch->float_start_timestamps_ms);
    vec_reset(&scratch->float_counts);
    for (size_t i = 0; i < count; i++) {
        vec_push(&scratch->float_counts, (uint32_t)scratch->float_values.len);
        if (in->samples.histograms[i] != NULL)
            continue;
        vec_push(&scratch->float_timestamps_ms, in->samples.timestamps_ms[i]);
        vec_push(&scratch->float_values, in->samples.values[i]);
        if (in->samples.start_timestamps_ms != NULL)
            vec_push(&scratch->float_start_timestamps_ms, in->samples.start_timestamps_ms[i]);
    }
    vec_push(&scratch->float_counts, (uint32_t)scratch->float_values.len);
}

/* The column as if there were only floats. */
static bool mixed_compute_floats(struct range_input *in, range_kernel kernel)
{
    struct range_scratch *scratch = in->scratch;
    size_t steps = in->steps->count;
    mixed_split(in);
    if (scratch->float_values.len == 0)
        return true;
    vec_reset(&scratch->float_low);
    vec_reset(&scratch->float_high);
    vec_reserve(&scratch->float_low, steps);
    vec_reserve(&scratch->float_high, steps);
    for (size_t i = 0; i < steps; i++) {
        scratch->float_low.items[i] = scratch->float_counts.items[in->windows.low[i]];
        scratch->float_high.items[i] = scratch->float_counts.items[in->windows.high[i]];
    }
    struct range_input floats = *in;
    floats.samples = (struct samples){
        .timestamps_ms = scratch->float_timestamps_ms.items,
        .values = scratch->float_values.items,
        .count = scratch->float_values.len,
        .start_timestamps_ms = in->samples.start_timestamps_ms == NULL
                                   ? NULL
                                   : scratch->float_start_timestamps_ms.items,
    };
    floats.windows = (struct windows){scratch->float_low.items, scratch->float_high.items};
    floats.same_times = false;
    floats.histograms = NULL;
    return kernel(&floats);
}

static uint32_t mixed_floats_in(const struct range_input *in, uint32_t low, uint32_t count)
{
    const uint32_t *counts = in->scratch->float_counts.items;
    return counts[low + count] - counts[low];
}

static bool mixed_ignore(struct range_input *in, range_kernel kernel)
{
    if (!mixed_compute_floats(in, kernel))
        return false;
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        uint32_t floats = mixed_floats_in(in, low, count);
        if (floats > 0 && floats < count)
            in->notes |= RANGE_NOTE_IGNORED;
        if (count > 0 && kernel == range_smooth && !range_smooth_check(in, i))
            return false;
    }
    return true;
}

static bool mixed_by_type(struct range_input *in, const struct mixed_function *function,
                          range_kernel kernel)
{
    if (!mixed_compute_floats(in, kernel))
        return false;
    if (function->needs_resets && !mixed_find_events(in, MIXED_RESETS))
        return false;
    bool last_two = function->kind == MIXED_LAST_TWO;
    if (!last_two)
        range_count_overlaps(in);
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (last_two && count > 2) {
            low += count - 2;
            count = 2;
        }
        uint32_t floats = mixed_floats_in(in, low, count);
        if (floats == count)
            continue;
        if (floats > 0) {
            in->notes |= RANGE_NOTE_MIXED_TYPES;
            bitmap_unset(in->present, i);
            continue;
        }
        arena_reset(&in->scratch->steps_own);
        in->histograms[i] = function->kernel(in, i, low, count);
        if (in->histograms[i] != NULL)
            promql_bitmap_set(in->present, i);
        else
            bitmap_unset(in->present, i); /* two floats before the last two have set it */
        if (!evaluation_check(in->ev, (uint64_t)count * HISTOGRAM_WORK) ||
            !evaluation_room(in->ev, in->made->used + in->scratch->steps_own.used))
            return false;
    }
    return true;
}

bool range_mixed(struct range_input *in, enum function_id id, range_kernel kernel)
{
    ASSERT(in->samples.histograms != NULL);
    const struct mixed_function *function = function_of(id, in->extension);
    switch (function->kind) {
    case MIXED_FLOATS_ONLY:
        return mixed_ignore(in, kernel);
    case MIXED_TIMES:
        return kernel(in);
    case MIXED_FIRST:
    case MIXED_LAST:
        return mixed_pick(in, kernel, function->kind == MIXED_LAST);
    case MIXED_RESETS:
    case MIXED_CHANGES:
        return mixed_count_events(in, function->kind);
    case MIXED_WHOLE:
    case MIXED_LAST_TWO:
        return mixed_by_type(in, function, kernel);
    }
    ASSERT(!"a kind of function");
    return false;
}

struct note_text {
    unsigned note;
    enum promql_annotation_level level;
    bool names_metric;
    const char *text;
};

static const struct note_text note_texts[] = {
    {RANGE_NOTE_MIXED_TYPES, PROMQL_WARNING, true,
     "encountered a mix of histograms and floats for metric name "},
    {RANGE_NOTE_MIXED_SCHEMAS, PROMQL_WARNING, true,
     "vector contains a mix of histograms with exponential and custom buckets schemas for metric "
     "name "},
    {RANGE_NOTE_NOT_COUNTER, PROMQL_WARNING, true,
     "this native histogram metric is not a counter: "},
    {RANGE_NOTE_NOT_GAUGE, PROMQL_WARNING, true, "this native histogram metric is not a gauge: "},
    {RANGE_NOTE_IGNORED, PROMQL_INFO, true,
     "ignored histograms in a range containing both floats and histograms for metric name "},
    {RANGE_NOTE_COLLISION, PROMQL_WARNING, false,
     "conflicting counter resets during histogram aggregation"},
    {RANGE_NOTE_RECONCILED_DIFFERENCE, PROMQL_INFO, false,
     "mismatched custom buckets were reconciled during subtraction"},
    {RANGE_NOTE_RECONCILED_SUM, PROMQL_INFO, false,
     "mismatched custom buckets were reconciled during addition"},
    {RANGE_NOTE_RECONCILED_TOTAL, PROMQL_INFO, false,
     "mismatched custom buckets were reconciled during aggregation"},
};

void range_mixed_annotate(struct evaluation *ev, unsigned notes, const struct labels *labels,
                          uint32_t position)
{
    struct buf CLEANUP(buf_release) name;
    buf_init(&name, NAME_TEXT_MAX);
    quote_go(symbols_text(labels_value(labels, ev->reserved.name)), &name);
    for (size_t i = 0; i < ARRAY_SIZE(note_texts); i++) {
        const struct note_text *text = &note_texts[i];
        if ((notes & text->note) != 0)
            annotations_add(&ev->annotations, text->level, position, "%s%s", text->text,
                            text->names_metric ? buf_cstr(&name) : "");
    }
}
