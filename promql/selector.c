/* Instant selectors: the newest sample of each series that is not older than the lookback delta. */
#include "base/assert.h"
#include "model/sample.h"
#include "promql/lookahead.h"
#include "promql/operators.h"
#include "promql/selection.h"

struct selector {
    struct operator op;
    struct selection selection;
    struct time_shift shift;
    enum selector_yield yield;
    struct lookahead *ahead; /* NULL as long as there never was one */
    size_t column_steps;     /* what the row below has room for */
    struct row row;
    const struct histogram **histograms; /* as much room; made when there is a first one */
};

/* Fills the column; answers how many steps have a value. */
static size_t selector_fill(const struct selector *selector, const struct samples *samples,
                            struct row *row)
{
    const struct promql_steps *steps = &selector->op.steps;
    int64_t lookback_ms = selector->op.ev->lookback_ms;
    bool times = selector->yield == SELECTOR_TIMES;
    double *values = row->values;
    uint64_t *present = row->present;
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
static void selector_fill_mixed(const struct selector *selector, const struct samples *samples,
                                struct row *row, const struct histogram **histograms)
{
    const struct promql_steps *steps = &selector->op.steps;
    int64_t lookback_ms = selector->op.ev->lookback_ms;
    struct sample_cursor cursor = {0};
    bool times = selector->yield == SELECTOR_TIMES;
    bitmap_clear(row->present, steps->count);
    for (size_t i = 0; i < steps->count; i++) {
        int64_t time_ms = time_shift_apply(&selector->shift, steps_time(steps, i));
        size_t until = sample_cursor_move(&cursor, samples->timestamps_ms, samples->count, time_ms);
        if (until == 0 || samples->timestamps_ms[until - 1] <= time_ms - lookback_ms ||
            samples_is_stale(samples, until - 1))
            continue;
        row->values[i] =
            times ? (double)samples->timestamps_ms[until - 1] / 1000 : samples->values[until - 1];
        histograms[i] = samples->histograms[until - 1];
        promql_bitmap_set(row->present, i);
    }
    row->histograms = histograms;
}

/* Since when the newest samples count, whatever they are; 0 where that is not known. */
static size_t selector_fill_starts(const struct selector *selector, const struct samples *samples,
                                   struct row *row)
{
    const struct promql_steps *steps = &selector->op.steps;
    const int64_t *starts_ms = samples->start_timestamps_ms;
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

/* Answers how many cells were found: the reference counts the size of histograms. Where there are such,
 * `histograms` has room for all steps. */
static uint64_t selector_fill_any(const struct selector *selector, const struct samples *samples,
                                  struct row *row, const struct histogram **histograms)
{
    row->histograms = NULL;
    if (UNLIKELY(selector->yield == SELECTOR_START_TIMES))
        return selector_fill_starts(selector, samples, row);
    if (LIKELY(samples->histograms == NULL))
        return selector_fill(selector, samples, row);
    selector_fill_mixed(selector, samples, row, histograms);
    return row_cells(row, selector->op.steps.count);
}

/* --- rows that are made ahead --- */

struct selector_lane {
    const struct selector *selector;
    struct evaluation *ev;
    struct series_reader reader;
};

static void selector_lane_init(void *memory, const struct operator* op, struct evaluation *fork)
{
    struct selector_lane *lane = memory;
    lane->selector = (const struct selector *)op;
    lane->ev = fork;
    series_reader_init(&lane->reader, fork, lane->selector->selection.reader.outlined);
}

static bool selector_lane_start(void *memory)
{
    struct selector_lane *lane = memory;
    lane->reader.columns.newest_only = lane->selector->selection.reader.columns.newest_only;
    return true;
}

static void selector_lane_release(void *memory)
{
    series_reader_release(&((struct selector_lane *)memory)->reader);
}

static enum ahead_outcome selector_lane_compute(void *memory, const struct series_entry *entry,
                                                struct arena *made, struct ahead_row *out)
{
    struct selector_lane *lane = memory;
    const struct selector *selector = lane->selector;
    size_t steps = selector->op.steps.count;
    struct samples samples;
    if (!series_reader_read(&lane->reader, &selector->selection, entry, &samples))
        return AHEAD_FAILED;
    out->samples = samples.count;
    if (samples.count == 0)
        return AHEAD_NOTHING;
    const struct histogram **histograms = NULL;
    if (UNLIKELY(samples.histograms != NULL))
        histograms = arena_zalloc_array(made, steps, sizeof(*histograms));
    uint64_t found = selector_fill_any(selector, &samples, &out->row, histograms);
    if (found == 0)
        return AHEAD_NOTHING;
    if (UNLIKELY(out->row.histograms != NULL)) {
        /* the reader forgets them with its next series */
        row_copy_histograms(&out->row, steps, made);
        if (!evaluation_room(lane->ev, made->used))
            return AHEAD_FAILED;
    }
    out->row.labels = entry->labels;
    out->row.drop_name = false;
    out->figures = (struct range_figures){.counts = {.total = found}};
    return AHEAD_ROW;
}

static const struct lookahead_methods selector_ahead = {
    .lane_size = sizeof(struct selector_lane),
    .lane_init = selector_lane_init,
    .lane_start = selector_lane_start,
    .lane_release = selector_lane_release,
    .compute = selector_lane_compute,
};

/* --- the operator --- */

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
    selector->selection.reader.columns.newest_only =
        first == last && !selector->selection.reader.outlined &&
        selector->yield != SELECTOR_START_TIMES;
    lookahead_end(selector->ahead); /* the list may change */
    return selection_start(&selector->selection,
                           &(struct histogram_windows){.first_end_ms = first,
                                                       .last_end_ms = last,
                                                       .step_ms = op->steps.step_ms,
                                                       .reach_ms = op->ev->lookback_ms}) &&
           lookahead_begin(&selector->ahead, op, &selector_ahead, &selector->selection.list);
}

/* Computes the next row that has a value. */
static bool selector_make_row(struct selector *selector, struct row *out, uint64_t *out_found)
{
    struct row *row = &selector->row;
    struct samples samples;
    do {
        if (!selection_next(&selector->selection, &row->labels, &samples))
            return false;
        if (UNLIKELY(samples.histograms != NULL && selector->histograms == NULL)) {
            selector->histograms = evaluation_histograms(selector->op.ev, selector->column_steps);
            if (selector->histograms == NULL)
                return false;
        }
        *out_found = selector_fill_any(selector, &samples, row, selector->histograms);
    } while (*out_found == 0);
    *out = *row;
    return true;
}

static bool selector_take_row(struct selector *selector, struct row *out, uint64_t *out_found)
{
    struct ahead_row ahead;
    if (!lookahead_next(selector->ahead, &ahead))
        return false;
    *out = ahead.row;
    *out_found = ahead.figures.counts.total;
    return true;
}

static bool selector_next(struct operator* op, struct row *out)
{
    struct selector *selector = (struct selector *)op;
    uint64_t found;
    bool any = lookahead_is_on(selector->ahead) ? selector_take_row(selector, out, &found)
                                                : selector_make_row(selector, out, &found);
    if (!any)
        return false;
    if (selector->yield == SELECTOR_TIMES)
        out->histograms = NULL;
    op->sample_count += found;
    sample_sheet_add_row(op->sheet, &op->steps, out, found);
    return true;
}

static void selector_release(struct operator* op)
{
    struct selector *selector = (struct selector *)op;
    lookahead_release(selector->ahead);
    selection_release(&selector->selection);
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
