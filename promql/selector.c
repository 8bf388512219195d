/* Instant selectors: the newest sample of each series that is not older than the lookback delta. */
#include "base/assert.h"
#include "model/sample.h"
#include "promql/operators.h"
#include "promql/selection.h"

struct selector {
    struct operator op;
    struct selection selection;
    struct time_shift shift;
    enum selector_yield yield;
    size_t column_steps; /* what the row below has room for */
    struct row row;
    const struct histogram **histograms; /* as much room; made when there is a first one */
};

static bool selector_start(struct operator* op)
{
    struct selector *selector = (struct selector *)op;
    if (selector->column_steps < op->steps.count) {
        if (!evaluation_row(op->ev, op->steps.count, &selector->row))
            return false;
        selector->column_steps = op->steps.count;
        selector->histograms = NULL;
    }
    int64_t first = time_shift_apply(&selector->shift, op->steps.start_ms);
    int64_t last = time_shift_apply(&selector->shift, steps_end(&op->steps));
    /* an outline has its reset hint from the sample before */
    selector->selection.columns.newest_only =
        first == last && !selector->selection.outlined && selector->yield != SELECTOR_START_TIMES;
    return selection_start(&selector->selection,
                           &(struct histogram_windows){.first_end_ms = first,
                                                       .last_end_ms = last,
                                                       .step_ms = op->steps.step_ms,
                                                       .reach_ms = op->ev->lookback_ms});
}

/* Fills the column; answers how many steps have a value. */
static size_t selector_fill(struct selector *selector, const struct samples *samples)
{
    const struct promql_steps *steps = &selector->op.steps;
    int64_t lookback_ms = selector->op.ev->lookback_ms;
    bool times = selector->yield == SELECTOR_TIMES;
    double *values = selector->row.values;
    uint64_t *present = selector->row.present;
    struct sample_cursor cursor = {0};
    size_t found = 0;
    bitmap_clear(present, steps->count);
    for (size_t i = 0; i < steps->count; i++) {
        int64_t time_ms = time_shift_apply(&selector->shift, steps_time(steps, i));
        size_t until = sample_cursor_move(&cursor, samples->timestamps_ms, samples->count, time_ms);
        if (until == 0)
            continue;
        double value = samples->values[until - 1];
        int64_t sample_ms = samples->timestamps_ms[until - 1];
        bool good = sample_ms > time_ms - lookback_ms && !sample_is_stale(value);
        values[i] = times ? (double)sample_ms / 1000 : value;
        present[i / 64] |= (uint64_t)good << (i % 64);
        found += good;
    }
    return found;
}

/* The same for samples with histograms among them; those are lent out as they are. */
static bool selector_fill_mixed(struct selector *selector, const struct samples *samples)
{
    const struct promql_steps *steps = &selector->op.steps;
    struct evaluation *ev = selector->op.ev;
    struct row *row = &selector->row;
    struct sample_cursor cursor = {0};
    bool times = selector->yield == SELECTOR_TIMES;
    if (selector->histograms == NULL)
        selector->histograms = evaluation_histograms(ev, selector->column_steps);
    if (selector->histograms == NULL)
        return false;
    bitmap_clear(row->present, steps->count);
    for (size_t i = 0; i < steps->count; i++) {
        int64_t time_ms = time_shift_apply(&selector->shift, steps_time(steps, i));
        size_t until = sample_cursor_move(&cursor, samples->timestamps_ms, samples->count, time_ms);
        if (until == 0 || samples->timestamps_ms[until - 1] <= time_ms - ev->lookback_ms ||
            samples_is_stale(samples, until - 1))
            continue;
        row->values[i] =
            times ? (double)samples->timestamps_ms[until - 1] / 1000 : samples->values[until - 1];
        selector->histograms[i] = samples->histograms[until - 1];
        promql_bitmap_set(row->present, i);
    }
    row->histograms = selector->histograms;
    return true;
}

/* Since when the newest samples count, whatever they are; 0 where that is not known. */
static size_t selector_fill_starts(struct selector *selector, const struct samples *samples)
{
    const struct promql_steps *steps = &selector->op.steps;
    const int64_t *starts_ms = samples->start_timestamps_ms;
    struct row *row = &selector->row;
    struct sample_cursor cursor = {0};
    size_t found = 0;
    bitmap_clear(row->present, steps->count);
    for (size_t i = 0; i < steps->count; i++) {
        int64_t time_ms = time_shift_apply(&selector->shift, steps_time(steps, i));
        size_t until = sample_cursor_move(&cursor, samples->timestamps_ms, samples->count, time_ms);
        if (until == 0 ||
            samples->timestamps_ms[until - 1] <= time_ms - selector->op.ev->lookback_ms ||
            samples_is_stale(samples, until - 1))
            continue;
        row->values[i] = starts_ms == NULL ? 0 : (double)starts_ms[until - 1] / 1000;
        promql_bitmap_set(row->present, i);
        found++;
    }
    return found;
}

/* The reference counts the size of histograms. */
static bool selector_fill_any(struct selector *selector, const struct samples *samples,
                              uint64_t *out_found)
{
    struct row *row = &selector->row;
    row->histograms = NULL;
    if (UNLIKELY(selector->yield == SELECTOR_START_TIMES)) {
        *out_found = selector_fill_starts(selector, samples);
        return true;
    }
    if (LIKELY(samples->histograms == NULL)) {
        *out_found = selector_fill(selector, samples);
        return true;
    }
    if (!selector_fill_mixed(selector, samples))
        return false;
    *out_found = row_cells(row, selector->op.steps.count);
    if (selector->yield == SELECTOR_TIMES)
        row->histograms = NULL;
    return true;
}

static bool selector_next(struct operator* op, struct row *out)
{
    struct selector *selector = (struct selector *)op;
    const struct labels *labels;
    struct samples samples;
    while (selection_next(&selector->selection, &labels, &samples)) {
        uint64_t found;
        if (!selector_fill_any(selector, &samples, &found))
            return false;
        if (found == 0)
            continue;
        op->sample_count += found;
        sample_sheet_add_row(op->sheet, &op->steps, &selector->row, found);
        selector->row.labels = labels;
        selector->row.drop_name = false;
        *out = selector->row;
        return true;
    }
    return false;
}

static void selector_release(struct operator* op)
{
    selection_release(&((struct selector *)op)->selection);
}

static const struct operator_methods selector_methods = {
    .name = "selector",
    .start = selector_start,
    .next = selector_next,
    .release = selector_release,
};

struct operator* selector_new(struct evaluation *ev, const struct node *node,
                              const struct time_shift *shift, bool sorted,
                              enum selector_yield yield)
{
    ASSERT(node->kind == NODE_VECTOR_SELECTOR);
    struct selector *selector = operator_new(ev, sizeof(*selector), &selector_methods, node, 0);
    selection_init(&selector->selection, ev, node, sorted);
    selector->shift = *shift;
    selector->yield = yield;
    selector->op.unique = true;
    selector->op.name_unique = selection_has_one_name(ev, node);
    return &selector->op;
}
