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
#include "promql/label_groups.h"
#include "promql/lookahead.h"
#include "promql/operators.h"
#include "promql/range_column.h"
#include "promql/range_mixed.h"

/* Beyond this a subquery has more steps than any memory limit allows. */
#define INNER_STEPS_MAX ((int64_t)1 << 31)

/* Of a metric name in quotes. */
#define NAME_TEXT_MAX ((size_t)64 * 1024)

struct range_function {
    struct operator op; /* children: the scalar arguments, then the inner operator of a subquery */
    struct range_plan plan;
    bool keeps_name;
    bool guarded;
    struct selection selection;
    VEC(int64_t) inner_timestamps_ms;
    VEC(double) inner_values;
    VEC(const struct histogram *) inner_histograms;
    bool has_series;
    struct lookahead *ahead;    /* NULL as long as there never was one */
    struct range_column column; /* where rows are not made ahead, with the memory for a row: */
    struct row own;
    const struct histogram **histograms; /* as much room; made when there is a first one */
    size_t column_steps;
    struct row row;
    VEC(uint64_t) step_counts; /* totals, then reads */
    uint64_t window_cells;     /* that are held */
    struct label_guard guard;
    uint32_t checked_name; /* symbol of the metric name that was looked at last */
};

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
    if (!range_column_start(&function->column, ev))
        return false;
    if (function->column_steps >= steps)
        return true;
    if (!evaluation_row(ev, steps, &function->own))
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
        range_source_inner_steps(ev, &function->plan.source, first_ms, last_ms, &inner);
    if (!function->has_series)
        return ev->error == ERR_NONE;
    return sample_sheet_start(&ev->counts, function->plan.source.inner->sheet, &inner) &&
           operator_start(function->plan.source.inner, &inner);
}

static void range_function_drop_window(struct range_function *function)
{
    evaluation_drop(function->op.ev, function->window_cells);
    function->window_cells = 0;
}

/* --- rows that are made ahead --- */

struct range_lane {
    const struct range_function *function;
    struct evaluation *ev;
    struct series_reader reader;
    struct range_column column;
};

static void range_lane_init(void *memory, const struct operator* op, struct evaluation *fork)
{
    struct range_lane *lane = memory;
    lane->function = (const struct range_function *)op;
    lane->ev = fork;
    series_reader_init(&lane->reader, fork, lane->function->selection.reader.outlined);
    range_column_init(&lane->column, fork, &lane->function->plan);
}

static bool range_lane_start(void *memory)
{
    struct range_lane *lane = memory;
    return range_column_start(&lane->column, lane->function->op.ev);
}

static void range_lane_release(void *memory)
{
    struct range_lane *lane = memory;
    series_reader_release(&lane->reader);
    range_column_release(&lane->column);
}

static void range_lane_count_steps(const struct range_lane *lane, struct arena *made,
                                   struct ahead_row *out)
{
    size_t steps = lane->function->op.steps.count;
    uint64_t *totals = arena_zalloc_array(made, steps, sizeof(*totals));
    uint64_t *reads = arena_zalloc_array(made, steps, sizeof(*reads));
    range_column_count_steps(&lane->column, totals, reads);
    out->totals = totals;
    out->reads = reads;
}

static bool range_lane_fill(struct range_lane *lane, struct arena *made, struct row *row)
{
    size_t steps = lane->function->op.steps.count;
    if (LIKELY(lane->column.input.samples.histograms == NULL))
        return range_column_fill(&lane->column, row, NULL, made);
    const struct histogram **histograms = arena_alloc_array(made, steps, sizeof(*histograms));
    if (!range_column_fill(&lane->column, row, histograms, made))
        return false;
    /* these lend what the reader forgets with its next series */
    if (lane->function->keeps_name)
        row_copy_histograms(row, steps, made);
    return evaluation_room(lane->ev, made->used);
}

static enum ahead_outcome range_lane_compute(void *memory, const struct series_entry *entry,
                                             struct arena *made, struct ahead_row *out)
{
    struct range_lane *lane = memory;
    struct samples samples;
    if (!series_reader_read(&lane->reader, &lane->function->selection, entry, &samples))
        return AHEAD_FAILED;
    out->samples = samples.count;
    if (samples.count > 0)
        series_reader_clean(&lane->reader, &samples);
    if (samples.count == 0)
        return AHEAD_NOTHING;
    range_column_find_windows(&lane->column, &samples);
    if (sample_sheet_has_steps(lane->function->op.sheet))
        range_lane_count_steps(lane, made, out);
    out->row.labels = entry->labels;
    out->row.drop_name = false;
    bool good = range_lane_fill(lane, made, &out->row);
    out->figures = range_column_figures(&lane->column);
    return good ? AHEAD_ROW : AHEAD_FAILED_LATE;
}

static const struct lookahead_methods range_ahead = {
    .lane_size = sizeof(struct range_lane),
    .lane_init = range_lane_init,
    .lane_start = range_lane_start,
    .lane_release = range_lane_release,
    .compute = range_lane_compute,
};

/* --- beginning --- */

static bool range_function_start_selection(struct range_function *function, int64_t first_ms,
                                           int64_t last_ms)
{
    lookahead_end(function->ahead); /* the list may change */
    return selection_start(&function->selection,
                           &(struct histogram_windows){.first_end_ms = first_ms,
                                                       .last_end_ms = last_ms,
                                                       .step_ms = function->op.steps.step_ms,
                                                       .reach_ms = function->plan.reach_ms}) &&
           lookahead_begin(&function->ahead, &function->op, &range_ahead,
                           &function->selection.list);
}

static bool range_function_start(struct operator* op)
{
    struct range_function *function = (struct range_function *)op;
    struct range_plan *plan = &function->plan;
    size_t scalar_count = op->child_count - (plan->source.inner != NULL);
    for (size_t i = 0; i < scalar_count; i++) {
        plan->arguments[i] = operator_scalar(op->children[i], &op->steps);
        if (plan->arguments[i] == NULL)
            return false;
    }
    if (!range_function_reserve(function))
        return false;
    label_guard_clear(&function->guard, op->steps.count);
    range_function_drop_window(function);
    function->has_series = true;
    int64_t first_ms = time_shift_apply(&plan->reach_shift, op->steps.start_ms);
    int64_t last_ms = time_shift_apply(&plan->reach_shift, steps_end(&op->steps));
    if (plan->source.inner != NULL)
        return range_function_start_inner(function, first_ms, last_ms);
    return range_function_start_selection(function, first_ms, last_ms);
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
    size_t steps = function->plan.source.inner->steps.count;
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
    struct operator* inner = function->plan.source.inner;
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
    if (function->plan.source.inner != NULL)
        return range_function_next_inner(function, out);
    function->row.drop_name = false;
    return selection_next(&function->selection, &function->row.labels, out);
}

/* The rows of a subquery were counted as read when they were made. */
static void range_function_count_steps(struct range_function *function, const uint64_t *totals,
                                       const uint64_t *reads)
{
    struct operator* op = & function->op;
    size_t first = sample_sheet_index(op->sheet, &op->steps);
    bool is_read = function->plan.source.inner == NULL;
    for (size_t i = 0; i < op->steps.count; i++)
        sample_sheet_add(op->sheet, first + i, totals[i], is_read ? reads[i] : 0);
}

/* `totals` and `reads` by step, where the sheet has steps. */
static bool range_function_count(struct range_function *function,
                                 const struct window_counts *counts, const uint64_t *totals,
                                 const uint64_t *reads)
{
    struct evaluation *ev = function->op.ev;
    function->op.sample_count += counts->total;
    if (totals != NULL) {
        range_function_count_steps(function, totals, reads);
    } else {
        function->op.sheet->total += counts->total;
        function->op.sheet->read += function->plan.source.inner == NULL ? counts->read : 0;
    }
    /* the window of the last step stays until the next series */
    range_function_drop_window(function);
    if (!evaluation_fits(ev, counts->largest) || !evaluation_hold(ev, counts->last))
        return false;
    function->window_cells = counts->last;
    return true;
}

/* The same for a row that is made here. */
static bool range_function_count_own(struct range_function *function)
{
    size_t steps = function->op.steps.count;
    const struct window_counts *counts = &function->column.counts;
    if (!sample_sheet_has_steps(function->op.sheet))
        return range_function_count(function, counts, NULL, NULL);
    vec_reserve(&function->step_counts, 2 * steps);
    uint64_t *totals = function->step_counts.items, *reads = totals + steps;
    memset(totals, 0, 2 * steps * sizeof(*totals));
    range_column_count_steps(&function->column, totals, reads);
    return range_function_count(function, counts, totals, reads);
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

/* Where types are labels, these tell. */
static void range_function_check_type(struct range_function *function, struct slice name)
{
    struct slice type = labels_get(function->row.labels, SLICE("__type__"));
    if (slice_eq_str(type, "counter") || slice_eq_str(type, "histogram"))
        return;
    struct buf CLEANUP(buf_release) quoted_type;
    struct buf CLEANUP(buf_release) quoted_name;
    buf_init(&quoted_type, NAME_TEXT_MAX);
    buf_init(&quoted_name, NAME_TEXT_MAX);
    quote_go(type, &quoted_type);
    quote_go(name, &quoted_name);
    annotations_add(&function->op.ev->annotations, PROMQL_INFO, range_function_position(function),
                    "metric might not be a counter, __type__ label is not set to \"counter\" or "
                    "\"histogram\", got %s: %s",
                    buf_cstr(&quoted_type), buf_cstr(&quoted_name));
}

static void range_function_check_counter(struct range_function *function)
{
    struct evaluation *ev = function->op.ev;
    if (function->plan.id != FUNCTION_RATE && function->plan.id != FUNCTION_INCREASE)
        return;
    if (!row_has_floats(&function->row, function->op.steps.count))
        return;
    uint32_t symbol = labels_value(function->row.labels, ev->reserved.name);
    if (symbol == SYMBOL_EMPTY)
        return;
    if (ev->type_labels) {
        range_function_check_type(function, symbols_text(symbol));
        return;
    }
    if (symbol == function->checked_name)
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
    if (function->plan.id != FUNCTION_QUANTILE_OVER_TIME)
        return;
    const double *quantiles = function->plan.arguments[0];
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

static void range_function_check_overlaps(struct range_function *function, uint64_t overlaps)
{
    struct evaluation *ev = function->op.ev;
    if (LIKELY(overlaps == 0))
        return;
    struct buf CLEANUP(buf_release) name;
    buf_init(&name, BUF_SIZE_ANY);
    quote_go(symbols_text(labels_value(function->row.labels, ev->reserved.name)), &name);
    annotations_add_counted(&ev->annotations, PROMQL_WARNING,
                            node_unwrap(function->op.node->children[0])->start, overlaps,
                            "sample has start time that overlaps with previous sample timestamp "
                            "for metric %s",
                            buf_cstr(&name));
}

/* Extended rates do without start timestamps. */
static bool range_function_uses_starts(const struct range_function *function)
{
    if (!function->op.ev->start_timestamps)
        return false;
    switch (function->plan.id) {
    case FUNCTION_RATE:
    case FUNCTION_IRATE:
    case FUNCTION_INCREASE:
        return function->plan.source.extension == SELECTOR_PLAIN;
    default:
        return function->plan.id == FUNCTION_RESETS;
    }
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

/* Computes the row of the next series that has samples. */
static bool range_function_make_row(struct range_function *function, struct range_figures *out)
{
    struct range_column *column = &function->column;
    struct samples samples;
    do {
        if (!range_function_next_samples(function, &samples))
            return false;
        selection_clean(&function->selection, &samples);
    } while (samples.count == 0);
    range_column_find_windows(column, &samples);
    if (!range_function_count_own(function))
        return false;
    if (UNLIKELY(samples.histograms != NULL && function->histograms == NULL)) {
        function->histograms = evaluation_histograms(function->op.ev, function->column_steps);
        if (function->histograms == NULL)
            return false;
    }
    function->row.values = function->own.values;
    function->row.present = function->own.present;
    if (!range_column_fill(column, &function->row, function->histograms, &function->op.made))
        return false;
    *out = range_column_figures(column);
    return true;
}

/* Takes it from those who work ahead. */
static bool range_function_take_row(struct range_function *function, struct range_figures *out)
{
    struct ahead_row ahead;
    if (!lookahead_next(function->ahead, &ahead) ||
        !range_function_count(function, &ahead.figures.counts, ahead.totals, ahead.reads))
        return false;
    if (ahead.failed)
        return lookahead_fail(function->ahead);
    function->row = ahead.row;
    *out = ahead.figures;
    return true;
}

static bool range_function_next(struct operator* op, struct row *out)
{
    struct range_function *function = (struct range_function *)op;
    struct range_figures figures = {0};
    bool is_ahead = lookahead_is_on(function->ahead);
    while (is_ahead ? range_function_take_row(function, &figures)
                    : range_function_make_row(function, &figures)) {
        if (figures.notes != 0)
            range_mixed_annotate(op->ev, figures.notes, function->row.labels,
                                 range_function_position(function));
        range_function_check_overlaps(function, figures.overlaps);
        if (!bitmap_any(function->row.present, op->steps.count))
            continue;
        if (!range_function_finish(function))
            return false;
        *out = function->row;
        return true;
    }
    if (op->ev->error == ERR_NONE)
        range_function_drop_window(function);
    return false;
}

static void range_function_release(struct operator* op)
{
    struct range_function *function = (struct range_function *)op;
    lookahead_release(function->ahead);
    selection_release(&function->selection);
    range_column_release(&function->column);
    label_guard_release(&function->guard);
    vec_release(&function->inner_timestamps_ms);
    vec_release(&function->inner_values);
    vec_release(&function->inner_histograms);
    vec_release(&function->step_counts);
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
    struct range_plan *plan = &function->plan;
    plan->id = call->call.function->id;
    plan->kernel = source->extension == SELECTOR_PLAIN
                       ? range_kernel_of(plan->id)
                       : range_kernel_of_extended(plan->id, source->extension);
    function->keeps_name =
        plan->id == FUNCTION_LAST_OVER_TIME || plan->id == FUNCTION_FIRST_OVER_TIME;
    plan->source = *source;
    plan->steps = &function->op.steps;
    range_source_reach(ev, source, &plan->reach_shift, &plan->reach_ms);
    plan->uses_starts = range_function_uses_starts(function);
    range_column_init(&function->column, ev, plan);
    selection_init(&function->selection, ev, source->selector, source->sorted);
    label_guard_init(&function->guard, ev);
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
    function->plan.kernel = range_present;
    function->guarded = false;
    return op;
}
