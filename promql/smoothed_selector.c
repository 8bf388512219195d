/*
 * Smoothed instant selectors: at a step between two samples the value on the line between them; the
 * value of the last sample where no later one is near.
 */
#include "base/assert.h"
#include "model/histogram_arithmetic.h"
#include "promql/extended_range.h"
#include "promql/operators.h"
#include "promql/range_mixed.h"
#include "promql/selection.h"

struct smoothed_selector {
    struct operator op;
    struct selection selection;
    struct time_shift shift;
    uint64_t window_cells; /* the last windows of the series so far, which the reference holds */
    size_t column_steps;   /* what the row below has room for */
    struct row row;
    const struct histogram **histograms; /* as much room; made when there is a first one */
    VEC(uint32_t) float_counts;          /* floats before each sample, where there are histograms */
};

static bool smoothed_selector_start(struct operator* op)
{
    struct smoothed_selector *selector = (struct smoothed_selector *)op;
    evaluation_drop(op->ev, selector->window_cells);
    selector->window_cells = 0;
    if (selector->column_steps < op->steps.count) {
        if (!evaluation_row(op->ev, op->steps.count, &selector->row))
            return false;
        selector->column_steps = op->steps.count;
        selector->histograms = NULL;
    }
    int64_t lookback_ms = op->ev->lookback_ms;
    int64_t first_ms = time_shift_apply(&selector->shift, op->steps.start_ms);
    int64_t last_ms = time_shift_apply(&selector->shift, steps_end(&op->steps));
    return selection_start(&selector->selection,
                           &(struct histogram_windows){.first_end_ms = first_ms + lookback_ms,
                                                       .last_end_ms = last_ms + lookback_ms,
                                                       .step_ms = op->steps.step_ms,
                                                       .reach_ms = 2 * lookback_ms});
}

static void smoothed_selector_fill(struct smoothed_selector *selector,
                                   const struct samples *samples)
{
    const struct promql_steps *steps = &selector->op.steps;
    int64_t lookback_ms = selector->op.ev->lookback_ms;
    const int64_t *timestamps_ms = samples->timestamps_ms;
    double *values = selector->row.values;
    struct sample_cursor cursor = {0};
    for (size_t i = 0; i < steps->count; i++) {
        int64_t time_ms = time_shift_apply(&selector->shift, steps_time(steps, i));
        size_t after = sample_cursor_move(&cursor, timestamps_ms, samples->count, time_ms - 1);
        bool has_after = after < samples->count && timestamps_ms[after] <= time_ms + lookback_ms;
        bool has_before = after > 0 && timestamps_ms[after - 1] > time_ms - lookback_ms;
        if (has_after && timestamps_ms[after] == time_ms)
            values[i] = samples->values[after];
        else if (has_after && has_before)
            values[i] = samples_interpolate(samples, after - 1, time_ms, false);
        else if (has_before)
            values[i] = samples->values[after - 1];
        else
            continue;
        promql_bitmap_set(selector->row.present, i);
    }
}

/* What lies around a step: samples [low, high), of which [low, after) are before it. */
struct smoothed_place {
    int64_t time_ms;
    size_t low;
    size_t after;
    size_t high;
};

/* A histogram is a counter unless both sides say that they are gauges. */
static const struct histogram *smoothed_histogram(struct smoothed_selector *selector,
                                                  const struct samples *samples,
                                                  const struct smoothed_place *place,
                                                  unsigned *notes)
{
    struct arena *made = &selector->op.made;
    size_t after = place->after;
    if (after < place->high && samples->timestamps_ms[after] == place->time_ms)
        return samples->histograms[after];
    if (after == place->low)
        return NULL;
    const struct histogram *before = samples->histograms[after - 1];
    if (after == place->high) {
        /* carried on, it is no news about a reset */
        struct histogram *unhinted = histogram_copy_into(made, before);
        unhinted->reset_hint = HISTOGRAM_RESET_UNKNOWN;
        return unhinted;
    }
    const struct histogram *next = samples->histograms[after];
    if ((before->schema == HISTOGRAM_SCHEMA_CUSTOM) != (next->schema == HISTOGRAM_SCHEMA_CUSTOM)) {
        *notes |= RANGE_NOTE_MIXED_SCHEMAS;
        return NULL;
    }
    bool is_counter =
        before->reset_hint != HISTOGRAM_RESET_GAUGE || next->reset_hint != HISTOGRAM_RESET_GAUGE;
    return samples_interpolate_histogram(made, samples, after - 1, place->time_ms, is_counter,
                                         notes);
}

static void smoothed_selector_count_floats(struct smoothed_selector *selector,
                                           const struct samples *samples)
{
    vec_reset(&selector->float_counts);
    vec_push(&selector->float_counts, 0);
    for (size_t i = 0; i < samples->count; i++)
        vec_push(&selector->float_counts,
                 *vec_last(&selector->float_counts) + (samples->histograms[i] == NULL));
}

/* A float, or a histogram, or a note. */
static void smoothed_selector_fill_step(struct smoothed_selector *selector,
                                        const struct samples *samples, size_t step,
                                        const struct smoothed_place *place, unsigned *notes)
{
    const uint32_t *counts = selector->float_counts.items;
    struct row *row = &selector->row;
    size_t floats = counts[place->high] - counts[place->low], after = place->after;
    selector->histograms[step] = NULL;
    if (floats > 0 && floats < place->high - place->low) {
        *notes |= RANGE_NOTE_MIXED_TYPES;
        return;
    }
    if (floats == 0) {
        const struct histogram *histogram = smoothed_histogram(selector, samples, place, notes);
        selector->histograms[step] = histogram;
        if (histogram != NULL)
            promql_bitmap_set(row->present, step);
        return;
    }
    if (after < place->high && samples->timestamps_ms[after] == place->time_ms)
        row->values[step] = samples->values[after];
    else if (after == place->low)
        return;
    else if (after < place->high)
        row->values[step] = samples_interpolate(samples, after - 1, place->time_ms, false);
    else
        row->values[step] = samples->values[after - 1];
    promql_bitmap_set(row->present, step);
}

static bool smoothed_selector_fill_mixed(struct smoothed_selector *selector,
                                         const struct samples *samples)
{
    struct evaluation *ev = selector->op.ev;
    const struct promql_steps *steps = &selector->op.steps;
    struct sample_cursor low = {0}, after = {0}, high = {0};
    unsigned notes = 0;
    if (selector->histograms == NULL)
        selector->histograms = evaluation_histograms(ev, selector->column_steps);
    if (selector->histograms == NULL)
        return false;
    smoothed_selector_count_floats(selector, samples);
    for (size_t i = 0; i < steps->count; i++) {
        const int64_t *timestamps_ms = samples->timestamps_ms;
        struct smoothed_place place;
        place.time_ms = time_shift_apply(&selector->shift, steps_time(steps, i));
        place.low = sample_cursor_move(&low, timestamps_ms, samples->count,
                                       place.time_ms - ev->lookback_ms);
        place.after = sample_cursor_move(&after, timestamps_ms, samples->count, place.time_ms - 1);
        place.high = sample_cursor_move(&high, timestamps_ms, samples->count,
                                        place.time_ms + ev->lookback_ms);
        smoothed_selector_fill_step(selector, samples, i, &place, &notes);
        if (!evaluation_check(ev, 1) || !evaluation_room(ev, selector->op.made.used))
            return false;
    }
    if (notes != 0)
        range_mixed_annotate(ev, notes, selector->row.labels, selector->op.node->start);
    selector->row.histograms = selector->histograms;
    return true;
}

/* The samples around the last step, as far as there are more than the row has values. */
static bool smoothed_selector_hold(struct smoothed_selector *selector,
                                   const struct samples *samples)
{
    const struct promql_steps *steps = &selector->op.steps;
    int64_t time_ms = time_shift_apply(&selector->shift, steps_end(steps));
    int64_t after_ms = time_ms - selector->op.ev->lookback_ms;
    uint64_t cells = 0, values = bitmap_count(selector->row.present, steps->count);
    for (size_t i = samples->count; i > 0 && samples->timestamps_ms[i - 1] > after_ms; i--) {
        const struct histogram *histogram =
            samples->histograms == NULL ? NULL : samples->histograms[i - 1];
        cells += histogram == NULL ? 1 : histogram_cells(histogram);
    }
    if (cells <= values)
        return true;
    selector->window_cells += cells - values;
    return evaluation_hold(selector->op.ev, cells - values);
}

static bool smoothed_selector_next(struct operator* op, struct row *out)
{
    struct smoothed_selector *selector = (struct smoothed_selector *)op;
    struct samples samples;
    while (selection_next(&selector->selection, &selector->row.labels, &samples)) {
        selection_clean(&selector->selection, &samples);
        bitmap_clear(selector->row.present, op->steps.count);
        selector->row.histograms = NULL;
        if (LIKELY(samples.histograms == NULL))
            smoothed_selector_fill(selector, &samples);
        else if (!smoothed_selector_fill_mixed(selector, &samples))
            return false;
        if (!bitmap_any(selector->row.present, op->steps.count))
            continue;
        if (!smoothed_selector_hold(selector, &samples))
            return false;
        *out = selector->row;
        return true;
    }
    return false;
}

static void smoothed_selector_release(struct operator* op)
{
    struct smoothed_selector *selector = (struct smoothed_selector *)op;
    selection_release(&selector->selection);
    vec_release(&selector->float_counts);
}

static const struct operator_methods smoothed_selector_methods = {
    .name = "smoothed selector",
    .start = smoothed_selector_start,
    .next = smoothed_selector_next,
    .release = smoothed_selector_release,
};

struct operator* smoothed_selector_new(struct evaluation *ev, const struct node *node,
                                       const struct time_shift *shift, bool sorted)
{
    ASSERT(node->kind == NODE_VECTOR_SELECTOR);
    struct smoothed_selector *selector =
        operator_new(ev, sizeof(*selector), &smoothed_selector_methods, node, 0);
    selection_init(&selector->selection, ev, node, sorted);
    selector->shift = *shift;
    selector->op.unique = true;
    selector->op.name_unique = selection_has_one_name(ev, node);
    return &selector->op;
}
