/*
 * Smoothed instant selectors: at a step between two samples the value on the line between them; the
 * value of the last sample where no later one is near.
 */
#include "base/assert.h"
#include "promql/extended_range.h"
#include "promql/operators.h"
#include "promql/selection.h"

struct smoothed_selector {
    struct operator op;
    struct selection selection;
    struct time_shift shift;
    size_t column_steps; /* what the row below has room for */
    struct row row;
};

static bool smoothed_selector_start(struct operator* op)
{
    struct smoothed_selector *selector = (struct smoothed_selector *)op;
    if (selector->column_steps < op->steps.count) {
        if (!evaluation_row(op->ev, op->steps.count, &selector->row))
            return false;
        selector->column_steps = op->steps.count;
    }
    int64_t lookback_ms = op->ev->lookback_ms;
    int64_t first_ms = time_shift_apply(&selector->shift, op->steps.start_ms);
    int64_t last_ms = time_shift_apply(&selector->shift, steps_end(&op->steps));
    return selection_start(&selector->selection, first_ms - lookback_ms + 1, last_ms + lookback_ms);
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

static bool smoothed_selector_next(struct operator* op, struct row *out)
{
    struct smoothed_selector *selector = (struct smoothed_selector *)op;
    struct samples samples;
    while (selection_next(&selector->selection, &selector->row.labels, &samples)) {
        selection_clean(&selector->selection, &samples);
        bitmap_clear(selector->row.present, op->steps.count);
        smoothed_selector_fill(selector, &samples);
        if (!bitmap_any(selector->row.present, op->steps.count))
            continue;
        *out = selector->row;
        return true;
    }
    return false;
}

static void smoothed_selector_release(struct operator* op)
{
    selection_release(&((struct smoothed_selector *)op)->selection);
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
