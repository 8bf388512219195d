/*
 * Functions over range vectors: series by series the samples are read, the windows of all steps are
 * found, and a kernel computes the column. Samples come from storage or from the rows of a
 * subquery, which are series with one sample a step.
 */
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "model/quote.h"
#include "model/symbols.h"
#include "promql/functions_range.h"
#include "promql/label_groups.h"
#include "promql/operators.h"
#include "promql/range_mixed.h"

/* Beyond this a subquery has more steps than any memory limit allows. */
#define INNER_STEPS_MAX ((int64_t)1 << 31)

/* Of a metric name in quotes. */
#define NAME_TEXT_MAX ((size_t)64 * 1024)

/* Samples in the windows of one series. */
struct window_counts {
    uint64_t total;
    uint64_t read;
    uint64_t largest;
    uint64_t last;
};

struct range_function {
    struct operator op; /* children: the scalar arguments, then the inner operator of a subquery */
    enum function_id id;
    range_kernel kernel;
    bool keeps_name;
    bool uses_starts;
    bool guarded;
    struct range_source source;
    struct time_shift reach_shift; /* where the windows lie; see range_source_reach */
    int64_t reach_ms;
    struct selection selection;
    VEC(int64_t) inner_timestamps_ms;
    VEC(double) inner_values;
    VEC(const struct histogram *) inner_histograms;
    VEC(int64_t) last_timestamps_ms; /* of the series before, whose windows are known */
    bool has_series;
    size_t column_steps;
    struct row row;
    const struct histogram **histograms; /* as much room; made when there is a first one */
    struct range_input input;
    struct window_counts counts;
    uint64_t window_cells; /* of them, what is held */
    struct range_scratch scratch;
    struct label_guard guard;
    uint32_t checked_name; /* symbol of the metric name that was looked at last */
};

static const range_kernel kernels[FUNCTION_COUNT_ALL] = {
    [FUNCTION_RATE] = range_rate,
    [FUNCTION_INCREASE] = range_increase,
    [FUNCTION_DELTA] = range_delta,
    [FUNCTION_IRATE] = range_irate,
    [FUNCTION_IDELTA] = range_idelta,
    [FUNCTION_RESETS] = range_resets,
    [FUNCTION_CHANGES] = range_changes,
    [FUNCTION_SUM_OVER_TIME] = range_sum,
    [FUNCTION_AVG_OVER_TIME] = range_avg,
    [FUNCTION_COUNT_OVER_TIME] = range_count,
    [FUNCTION_PRESENT_OVER_TIME] = range_present,
    [FUNCTION_FIRST_OVER_TIME] = range_first,
    [FUNCTION_LAST_OVER_TIME] = range_last,
    [FUNCTION_TS_OF_FIRST_OVER_TIME] = range_time_of_first,
    [FUNCTION_TS_OF_LAST_OVER_TIME] = range_time_of_last,
    [FUNCTION_STDDEV_OVER_TIME] = range_stddev,
    [FUNCTION_STDVAR_OVER_TIME] = range_stdvar,
    [FUNCTION_MIN_OVER_TIME] = range_min,
    [FUNCTION_MAX_OVER_TIME] = range_max,
    [FUNCTION_TS_OF_MIN_OVER_TIME] = range_time_of_min,
    [FUNCTION_TS_OF_MAX_OVER_TIME] = range_time_of_max,
    [FUNCTION_QUANTILE_OVER_TIME] = range_quantile,
    [FUNCTION_MAD_OVER_TIME] = range_mad,
    [FUNCTION_DERIV] = range_deriv,
    [FUNCTION_PREDICT_LINEAR] = range_predict_linear,
    [FUNCTION_DOUBLE_EXPONENTIAL_SMOOTHING] = range_smooth,
};

range_kernel range_kernel_of(enum function_id id)
{
    ASSERT((size_t)id < ARRAY_SIZE(kernels));
    return kernels[id];
}

range_kernel range_kernel_of_extended(enum function_id id, enum selector_extension extension)
{
    switch (id) {
    case FUNCTION_RATE:
        return range_extended_rate;
    case FUNCTION_INCREASE:
        return range_extended_increase;
    case FUNCTION_DELTA:
        return range_extended_delta;
    case FUNCTION_CHANGES:
    case FUNCTION_RESETS: /* the windows begin with the anchor */
        return extension == SELECTOR_ANCHORED ? kernels[id] : NULL;
    default:
        return NULL;
    }
}

void range_source_reach(const struct evaluation *ev, const struct range_source *source,
                        struct time_shift *out_shift, int64_t *out_range_ms)
{
    *out_shift = source->shift;
    *out_range_ms = source->range_ms;
    if (source->extension == SELECTOR_PLAIN)
        return;
    *out_range_ms += ev->lookback_ms;
    if (source->extension == SELECTOR_SMOOTHED) {
        out_shift->offset_ms -= ev->lookback_ms;
        *out_range_ms += ev->lookback_ms;
    }
}

static bool range_function_reserve(struct range_function *function)
{
    struct evaluation *ev = function->op.ev;
    size_t steps = function->op.steps.count;
    if (function->column_steps >= steps)
        return true;
    struct windows *windows = &function->input.windows;
    windows->low = evaluation_alloc(ev, steps, sizeof(*windows->low));
    windows->high = evaluation_alloc(ev, steps, sizeof(*windows->high));
    if (windows->high == NULL || !evaluation_row(ev, steps, &function->row))
        return false;
    function->column_steps = steps;
    function->histograms = NULL;
    return true;
}

/* Multiples of the step within (first - range, last]. */
bool range_source_inner_steps(struct evaluation *ev, const struct range_source *source,
                              int64_t first_ms, int64_t last_ms, struct promql_steps *out)
{
    int64_t step_ms = source->inner_step_ms;
    int64_t before_ms = first_ms - source->range_ms;
    ASSERT(step_ms > 0);
    int64_t start_ms = step_ms * (before_ms / step_ms);
    if (start_ms <= before_ms)
        start_ms += step_ms;
    if (start_ms > last_ms)
        return false;
    int64_t count = (last_ms - start_ms) / step_ms + 1;
    *out = (struct promql_steps){start_ms, step_ms, (size_t)count};
    return count <= INNER_STEPS_MAX || evaluation_room(ev, UINT64_MAX);
}

static bool range_function_start_inner(struct range_function *function, int64_t first_ms,
                                       int64_t last_ms)
{
    struct evaluation *ev = function->op.ev;
    struct promql_steps inner;
    function->has_series =
        range_source_inner_steps(ev, &function->source, first_ms, last_ms, &inner);
    if (!function->has_series)
        return ev->error == ERR_NONE;
    return sample_sheet_start(&ev->counts, function->source.inner->sheet, &inner) &&
           operator_start(function->source.inner, &inner);
}

static void range_function_drop_window(struct range_function *function)
{
    evaluation_drop(function->op.ev, function->window_cells);
    function->window_cells = 0;
}

static bool range_function_start(struct operator* op)
{
    struct range_function *function = (struct range_function *)op;
    const struct range_source *source = &function->source;
    if (!range_function_reserve(function))
        return false;
    function->input.steps = &op->steps;
    size_t scalar_count = op->child_count - (source->inner != NULL);
    for (size_t i = 0; i < scalar_count; i++) {
        function->input.arguments[i] = operator_scalar(op->children[i], &op->steps);
        if (function->input.arguments[i] == NULL)
            return false;
    }
    label_guard_clear(&function->guard, op->steps.count);
    vec_reset(&function->last_timestamps_ms);
    range_function_drop_window(function);
    function->has_series = true;
    int64_t first_ms = time_shift_apply(&function->reach_shift, op->steps.start_ms);
    int64_t last_ms = time_shift_apply(&function->reach_shift, steps_end(&op->steps));
    if (source->inner != NULL)
        return range_function_start_inner(function, first_ms, last_ms);
    return selection_start(&function->selection,
                           &(struct histogram_windows){.first_end_ms = first_ms,
                                                       .last_end_ms = last_ms,
                                                       .step_ms = op->steps.step_ms,
                                                       .reach_ms = function->reach_ms});
}

/* The steps of a subquery skip samples or see them twice, so what a histogram says about the sample
 * before it does not hold for the step before: resets are to be found by comparing. */
static const struct histogram *without_reset_hint(struct range_function *function,
                                                  const struct histogram *histogram)
{
    if (histogram == NULL || histogram->reset_hint == HISTOGRAM_RESET_UNKNOWN ||
        histogram->reset_hint == HISTOGRAM_RESET_GAUGE)
        return histogram;
    struct histogram *unhinted = arena_alloc(&function->op.made, sizeof(*unhinted));
    *unhinted = *histogram;
    unhinted->reset_hint = HISTOGRAM_RESET_UNKNOWN;
    return unhinted;
}

/* The histograms of a row, side by side as its values are; NULL where there are none. */
static const struct histogram *const *
range_function_inner_histograms(struct range_function *function, const struct row *row)
{
    size_t steps = function->source.inner->steps.count;
    if (LIKELY(!row_has_histograms(row, steps)))
        return NULL;
    vec_reset(&function->inner_histograms);
    BITMAP_FOR_EACH(row->present, steps, i)
    {
        vec_push(&function->inner_histograms, without_reset_hint(function, row->histograms[i]));
    }
    return function->inner_histograms.items;
}

/* The next row of a subquery as a series of samples. */
static bool range_function_next_inner(struct range_function *function, struct samples *out)
{
    struct operator* inner = function->source.inner;
    struct row row;
    if (!operator_next(inner, &row))
        return false;
    vec_reset(&function->inner_timestamps_ms);
    vec_reset(&function->inner_values);
    vec_reserve(&function->inner_timestamps_ms, inner->steps.count);
    vec_reserve(&function->inner_values, inner->steps.count);
    size_t len = 0;
    BITMAP_FOR_EACH(row.present, inner->steps.count, i)
    {
        function->inner_timestamps_ms.items[len] = steps_time(&inner->steps, i);
        function->inner_values.items[len++] = row.values[i];
    }
    function->row.labels = row.labels;
    function->row.drop_name = row.drop_name;
    *out = (struct samples){
        .timestamps_ms = function->inner_timestamps_ms.items,
        .values = function->inner_values.items,
        .histograms = range_function_inner_histograms(function, &row),
        .count = len,
    };
    return true;
}

static bool range_function_next_samples(struct range_function *function, struct samples *out)
{
    if (!function->has_series)
        return false;
    if (function->source.inner != NULL)
        return range_function_next_inner(function, out);
    function->row.drop_name = false;
    return selection_next(&function->selection, &function->row.labels, out);
}

/* Counts samples as the reference does: every window in full, and what a step sees for the first
 * time. */
static void range_function_count_windows(struct range_function *function)
{
    const struct windows *windows = &function->input.windows;
    struct window_counts counts = {0};
    uint32_t seen = 0;
    bool refetch = !function->source.shift.is_fixed;
    for (size_t i = 0; i < function->op.steps.count; i++) {
        uint32_t low = windows->low[i], high = windows->high[i];
        counts.total += high - low;
        counts.last = high - low;
        counts.largest = MAX(counts.largest, counts.last);
        if (i == 0 || refetch)
            counts.read += high - MIN(high, MAX(low, seen));
        seen = high;
    }
    function->counts = counts;
}

/* The same for samples with histograms, which count as much as they are large. */
static void range_function_count_cells(struct range_function *function)
{
    const struct windows *windows = &function->input.windows;
    const struct samples *samples = &function->input.samples;
    struct window_counts counts = {0};
    uint32_t seen = 0;
    bool refetch = !function->source.shift.is_fixed;
    vec_reset(&function->scratch.cells);
    vec_push(&function->scratch.cells, 0);
    for (size_t i = 0; i < samples->count; i++) {
        const struct histogram *histogram = samples->histograms[i];
        uint64_t cells = histogram == NULL ? 1 : histogram_cells(histogram);
        vec_push(&function->scratch.cells, *vec_last(&function->scratch.cells) + cells);
    }
    const uint64_t *cells = function->scratch.cells.items;
    for (size_t i = 0; i < function->op.steps.count; i++) {
        uint32_t low = windows->low[i], high = windows->high[i];
        counts.last = cells[high] - cells[low];
        counts.total += counts.last;
        counts.largest = MAX(counts.largest, counts.last);
        if (i == 0 || refetch)
            counts.read += cells[high] - cells[MIN(high, MAX(low, seen))];
        seen = high;
    }
    function->counts = counts;
}

/* Step by step. The rows of a subquery were counted as read when they were made. */
static void range_function_count_steps(struct range_function *function)
{
    struct operator* op = & function->op;
    const struct windows *windows = &function->input.windows;
    bool mixed = function->input.samples.histograms != NULL;
    const uint64_t *cells = function->scratch.cells.items;
    size_t first = sample_sheet_index(op->sheet, &op->steps);
    bool refetch = !function->source.shift.is_fixed;
    uint32_t seen = 0;
    for (size_t i = 0; i < op->steps.count; i++) {
        uint32_t low = windows->low[i], high = windows->high[i];
        uint32_t fresh = MIN(high, MAX(low, seen));
        bool reads = function->source.inner == NULL && (i == 0 || refetch);
        uint64_t total = mixed ? cells[high] - cells[low] : high - low;
        uint64_t read = mixed ? cells[high] - cells[fresh] : high - fresh;
        sample_sheet_add(op->sheet, first + i, total, reads ? read : 0);
        seen = high;
    }
}

static bool range_function_count(struct range_function *function)
{
    struct evaluation *ev = function->op.ev;
    const struct window_counts *counts = &function->counts;
    function->op.sample_count += counts->total;
    if (sample_sheet_has_steps(function->op.sheet)) {
        range_function_count_steps(function);
    } else {
        function->op.sheet->total += counts->total;
        function->op.sheet->read += function->source.inner == NULL ? counts->read : 0;
    }
    /* the window of the last step stays until the next series */
    range_function_drop_window(function);
    if (!evaluation_fits(ev, counts->largest) || !evaluation_hold(ev, counts->last))
        return false;
    function->window_cells = counts->last;
    return true;
}

static bool is_counter_name(struct slice name)
{
    return slice_has_suffix(name, SLICE("_total")) || slice_has_suffix(name, SLICE("_sum")) ||
           slice_has_suffix(name, SLICE("_count")) || slice_has_suffix(name, SLICE("_bucket"));
}

/* What is said about samples is said at the first argument; where that is a subquery, the reference
 * has lost its place and says the beginning. */
static uint32_t range_function_position(const struct range_function *function)
{
    const struct node *argument = node_unwrap(function->op.node->children[0]);
    return argument->kind == NODE_SUBQUERY ? 0 : argument->start;
}

static void range_function_check_counter(struct range_function *function)
{
    struct evaluation *ev = function->op.ev;
    if (function->id != FUNCTION_RATE && function->id != FUNCTION_INCREASE)
        return;
    if (!row_has_floats(&function->row, function->op.steps.count))
        return;
    uint32_t symbol = labels_value(function->row.labels, ev->reserved.name);
    if (symbol == SYMBOL_EMPTY || symbol == function->checked_name)
        return;
    function->checked_name = symbol;
    struct slice name = symbols_text(symbol);
    if (is_counter_name(name))
        return;
    struct buf CLEANUP(buf_release) quoted;
    buf_init(&quoted, NAME_TEXT_MAX);
    quote_go(name, &quoted);
    annotations_add(&ev->annotations, PROMQL_INFO, range_function_position(function),
                    "metric might not be a counter, name does not end in "
                    "_total/_sum/_count/_bucket: %s",
                    buf_cstr(&quoted));
}

static void range_function_check_quantile(struct range_function *function)
{
    if (function->id != FUNCTION_QUANTILE_OVER_TIME)
        return;
    const double *quantiles = function->input.arguments[0];
    BITMAP_FOR_EACH(function->row.present, function->op.steps.count, i)
    {
        char text[ANNOTATION_NUMBER_SIZE];
        if (quantiles[i] >= 0 && quantiles[i] <= 1)
            continue;
        annotations_add(&function->op.ev->annotations, PROMQL_WARNING,
                        range_function_position(function),
                        "quantile value should be between 0 and 1, got %s",
                        annotation_number(quantiles[i], text));
    }
}

static void range_function_check_overlaps(struct range_function *function)
{
    struct evaluation *ev = function->op.ev;
    if (LIKELY(function->input.overlaps == 0))
        return;
    struct buf CLEANUP(buf_release) name;
    buf_init(&name, BUF_SIZE_ANY);
    quote_go(symbols_text(labels_value(function->row.labels, ev->reserved.name)), &name);
    annotations_add_counted(&ev->annotations, PROMQL_WARNING,
                            node_unwrap(function->op.node->children[0])->start,
                            function->input.overlaps,
                            "sample has start time that overlaps with previous sample timestamp "
                            "for metric %s",
                            buf_cstr(&name));
}

/* The series of one target have been scraped together, so their times are often the same: then the
 * windows are, too. */
static void range_function_find_windows(struct range_function *function,
                                        const struct samples *samples)
{
    struct range_input *input = &function->input;
    const struct range_source *source = &function->source;
    size_t count = samples->count, bytes = count * sizeof(*samples->timestamps_ms);
    const int64_t *last = function->last_timestamps_ms.items;
    input->same_times = samples->histograms == NULL && count == function->last_timestamps_ms.len &&
                        samples->timestamps_ms[0] == last[0] &&
                        memcmp(samples->timestamps_ms, last, bytes) == 0;
    if (input->same_times)
        return;
    vec_reset(&function->last_timestamps_ms);
    vec_reserve(&function->last_timestamps_ms, count);
    memcpy(function->last_timestamps_ms.items, samples->timestamps_ms, bytes);
    function->last_timestamps_ms.len = count;
    windows_find(&input->windows, samples->timestamps_ms, count, &function->op.steps,
                 &function->reach_shift, function->reach_ms);
    if (UNLIKELY(samples->histograms != NULL))
        range_function_count_cells(function);
    else
        range_function_count_windows(function);
    if (source->extension == SELECTOR_ANCHORED &&
        (function->id == FUNCTION_CHANGES || function->id == FUNCTION_RESETS))
        windows_anchor(&input->windows, samples->timestamps_ms, count, &function->op.steps,
                       &source->shift, source->range_ms);
}

/* With histograms. What is kept about windows and times from series to series is void then. */
static bool range_function_compute_mixed(struct range_function *function)
{
    struct evaluation *ev = function->op.ev;
    struct range_input *input = &function->input;
    if (function->histograms == NULL)
        function->histograms = evaluation_histograms(ev, function->column_steps);
    if (function->histograms == NULL)
        return false;
    memset(function->histograms, 0, function->op.steps.count * sizeof(*function->histograms));
    input->histograms = function->row.histograms = function->histograms;
    input->made = &function->op.made;
    input->notes = 0;
    vec_reset(&function->last_timestamps_ms);
    if (!range_mixed(input, function->id, function->kernel))
        return false;
    if (input->notes != 0)
        range_mixed_annotate(ev, input->notes, function->row.labels,
                             range_function_position(function));
    return true;
}

/* Extended rates do without start timestamps. */
static bool range_function_uses_starts(const struct range_function *function)
{
    if (!function->op.ev->start_timestamps)
        return false;
    switch (function->id) {
    case FUNCTION_RATE:
    case FUNCTION_IRATE:
    case FUNCTION_INCREASE:
        return function->source.extension == SELECTOR_PLAIN;
    default:
        return function->id == FUNCTION_RESETS;
    }
}

static bool range_function_compute(struct range_function *function, const struct samples *samples)
{
    struct range_input *input = &function->input;
    input->samples = *samples;
    input->overlaps = 0;
    if (!function->uses_starts)
        input->samples.start_timestamps_ms = NULL;
    input->values = function->row.values;
    input->present = function->row.present;
    range_function_find_windows(function, samples);
    bitmap_clear(input->present, function->op.steps.count);
    function->row.histograms = NULL;
    if (!range_function_count(function))
        return false;
    if (UNLIKELY(samples->histograms != NULL))
        return range_function_compute_mixed(function);
    return function->kernel(input);
}

/* The name goes, unless the function picks one sample as it is. */
static bool range_function_finish(struct range_function *function)
{
    struct evaluation *ev = function->op.ev;
    range_function_check_counter(function);
    range_function_check_quantile(function);
    struct row *row = &function->row;
    row->drop_name = row->drop_name || !function->keeps_name;
    if (ev->delayed_name_removal)
        return true;
    if (!function->keeps_name)
        row->labels = label_set_without_reserved(ev, row->labels);
    return !function->guarded ||
           label_guard_add(&function->guard, row->labels, row->present, LABEL_GUARD_ROWS);
}

static bool range_function_next(struct operator* op, struct row *out)
{
    struct range_function *function = (struct range_function *)op;
    struct samples samples;
    while (range_function_next_samples(function, &samples)) {
        selection_clean(&function->selection, &samples);
        if (samples.count == 0)
            continue;
        if (!range_function_compute(function, &samples))
            return false;
        range_function_check_overlaps(function);
        if (!bitmap_any(function->row.present, op->steps.count))
            continue;
        if (!range_function_finish(function))
            return false;
        *out = function->row;
        return true;
    }
    range_function_drop_window(function);
    return false;
}

static void range_function_release(struct operator* op)
{
    struct range_function *function = (struct range_function *)op;
    selection_release(&function->selection);
    range_scratch_release(&function->scratch);
    label_guard_release(&function->guard);
    vec_release(&function->inner_timestamps_ms);
    vec_release(&function->inner_values);
    vec_release(&function->inner_histograms);
    vec_release(&function->last_timestamps_ms);
}

static const struct operator_methods range_function_methods = {
    .name = "range function",
    .start = range_function_start,
    .next = range_function_next,
    .release = range_function_release,
};

struct operator* range_function_new(struct evaluation *ev, const struct node *call,
                                    const struct range_source *source, struct operator** scalars,
                                    size_t scalar_count)
{
    ASSERT(scalar_count <= RANGE_ARGUMENTS_MAX);
    size_t child_count = scalar_count + (source->inner != NULL);
    struct range_function *function =
        operator_new(ev, sizeof(*function), &range_function_methods, call, child_count);
    for (size_t i = 0; i < scalar_count; i++)
        function->op.children[i] = scalars[i];
    if (source->inner != NULL)
        function->op.children[scalar_count] = source->inner;
    function->id = call->call.function->id;
    function->kernel = source->extension == SELECTOR_PLAIN
                           ? range_kernel_of(function->id)
                           : range_kernel_of_extended(function->id, source->extension);
    function->keeps_name =
        function->id == FUNCTION_LAST_OVER_TIME || function->id == FUNCTION_FIRST_OVER_TIME;
    function->source = *source;
    range_source_reach(ev, source, &function->reach_shift, &function->reach_ms);
    function->uses_starts = range_function_uses_starts(function);
    range_scratch_init(&function->scratch);
    selection_init(&function->selection, ev, source->selector, source->sorted);
    label_guard_init(&function->guard, ev);
    function->input = (struct range_input){.ev = ev,
                                           .shift = &function->source.shift,
                                           .range_ms = source->range_ms,
                                           .extension = source->extension,
                                           .scratch = &function->scratch};
    const struct operator* inner = source->inner;
    bool name_unique =
        inner != NULL ? inner->name_unique : selection_has_one_name(ev, source->selector);
    bool drops_now = !function->keeps_name && !ev->delayed_name_removal;
    function->guarded = drops_now && !name_unique;
    function->op.keeps_input = true;
    function->op.unique = true;
    function->op.nameless = drops_now || (inner != NULL && inner->nameless);
    function->op.name_unique = drops_now || name_unique;
    return &function->op;
}

struct operator* range_presence_new(struct evaluation *ev, const struct node *call,
                                    const struct range_source *source)
{
    struct operator* op = range_function_new(ev, call, source, NULL, 0);
    struct range_function *function = (struct range_function *)op;
    function->kernel = range_present;
    function->guarded = false;
    return op;
}
