/*
 * Functions of windows of native histograms: rate, increase and delta, irate and idelta, sum and
 * average over time.
 */
#include "base/assert.h"
#include "model/histogram_arithmetic.h"
#include "promql/range_mixed.h"

static bool uses_custom_buckets(const struct histogram *histogram)
{
    return histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
}

static bool is_gauge(const struct histogram *histogram)
{
    return histogram->reset_hint == HISTOGRAM_RESET_GAUGE;
}

/* A window of counters or gauges, and what was noted about it. */
struct window {
    const struct histogram *const *histograms;
    const uint32_t *resets; /* how many up to each; NULL for gauges */
    uint32_t count;
    unsigned notes;
};

static const struct histogram *window_fails(struct window *window, unsigned note)
{
    window->notes = note;
    return NULL;
}

/* The lowest resolution, which the others have to meet. false where a histogram is of the other
 * kind. The histograms in between only count when they may be resets. */
static bool window_find_schema(struct window *window, const struct histogram *first,
                               int32_t *out_schema)
{
    const struct histogram *last = window->histograms[window->count - 1];
    int32_t schema = MIN(first->schema, last->schema);
    for (uint32_t i = 1; i + 1 < window->count && window->resets != NULL; i++) {
        const struct histogram *histogram = window->histograms[i];
        if (is_gauge(histogram))
            window->notes |= RANGE_NOTE_NOT_COUNTER;
        if (uses_custom_buckets(histogram) != uses_custom_buckets(first))
            return false;
        schema = MIN(schema, histogram->schema);
    }
    *out_schema = schema;
    return true;
}

/* What a counter had reached before each reset is added. The reset between the first two is known
 * already: the first is left out. */
static struct histogram *window_add_resets(struct window *window, struct arena *arena,
                                           struct histogram *sum)
{
    if (window->resets[window->count - 1] == window->resets[1])
        return sum;
    for (uint32_t i = 2; i < window->count; i++) {
        struct histogram_outcome outcome;
        if (window->resets[i] == window->resets[i - 1])
            continue;
        if (histogram_add(arena, sum, window->histograms[i - 1], &sum, &outcome) != ERR_NONE)
            return NULL;
        if (outcome.bounds_reconciled)
            window->notes |= RANGE_NOTE_RECONCILED_SUM;
    }
    return sum;
}

static void window_check_hints(struct window *window)
{
    bool first = is_gauge(window->histograms[0]);
    bool last = is_gauge(window->histograms[window->count - 1]);
    if (window->resets != NULL && (first || last))
        window->notes |= RANGE_NOTE_NOT_COUNTER;
    if (window->resets == NULL && (!first || !last))
        window->notes |= RANGE_NOTE_NOT_GAUGE;
}

/* Last minus first, with resets made good. NULL where the histograms do not go together. */
static const struct histogram *window_increase(struct window *window, struct arena *arena)
{
    const struct histogram *first = window->histograms[0];
    const struct histogram *last = window->histograms[window->count - 1];
    const struct histogram *second = window->histograms[1];
    struct histogram nothing = {
        .is_float = true,
        .schema = second->schema,
        .custom_bounds = second->custom_bounds,
        .custom_bound_count = second->custom_bound_count,
    };
    unsigned hint_notes;
    window_check_hints(window);
    hint_notes = window->notes;
    /* reset at once: whatever the layout of the first was, it does not matter */
    if (window->resets != NULL && window->resets[1] != window->resets[0])
        first = &nothing;
    if (uses_custom_buckets(last) != uses_custom_buckets(first))
        return window_fails(window,
                            (hint_notes & RANGE_NOTE_NOT_COUNTER) | RANGE_NOTE_MIXED_SCHEMAS);
    int32_t schema;
    if (!window_find_schema(window, first, &schema))
        return window_fails(window, RANGE_NOTE_MIXED_SCHEMAS);
    if (last->schema != schema)
        last = histogram_at_schema(arena, last, schema);
    struct histogram *increase;
    struct histogram_outcome outcome;
    if (histogram_subtract(arena, last, first, &increase, &outcome) != ERR_NONE)
        return window_fails(window, RANGE_NOTE_MIXED_SCHEMAS);
    if (outcome.bounds_reconciled)
        window->notes |= RANGE_NOTE_RECONCILED_DIFFERENCE;
    if (window->resets != NULL)
        increase = window_add_resets(window, arena, increase);
    if (increase == NULL)
        return window_fails(window, RANGE_NOTE_MIXED_SCHEMAS);
    increase->reset_hint = HISTOGRAM_RESET_GAUGE;
    histogram_compact_in_place(arena, increase);
    return increase;
}

/* Where the series begins within the window, its first histogram counts from nothing. */
static const struct histogram *window_increase_of(struct window *window, struct arena *arena,
                                                  bool begins)
{
    const struct histogram *first = window->histograms[0];
    if (window->count < 2)
        return first;
    const struct histogram *increase = window_increase(window, arena);
    if (!begins || increase == NULL)
        return increase;
    struct histogram *sum;
    struct histogram_outcome outcome;
    if (histogram_add(arena, increase, first, &sum, &outcome) != ERR_NONE)
        return window_fails(window, window->notes | RANGE_NOTE_MIXED_SCHEMAS);
    if (outcome.bounds_reconciled)
        window->notes |= RANGE_NOTE_RECONCILED_SUM;
    return sum;
}

/* A counter is not drawn out below zero; the number of observations tells when that would be. */
static const struct histogram *increase_extrapolated(struct range_input *in, size_t step,
                                                     uint32_t low, uint32_t count, bool is_counter,
                                                     bool is_rate)
{
    if (count < 2 && !range_window_begins(in, step, low))
        return NULL;
    struct window window = {
        .histograms = in->samples.histograms + low,
        .resets = is_counter ? in->scratch->events.items + low : NULL,
        .count = count,
    };
    struct range_edges edges = range_find_edges(in, step, low, count);
    const struct histogram *increase =
        window_increase_of(&window, &in->scratch->steps_own, edges.begins);
    in->notes |= window.notes;
    if (increase == NULL)
        return NULL;
    double first_count = window.histograms[0]->count;
    if (is_counter && !edges.begins && increase->count > 0 && first_count >= 0)
        edges.to_start = MIN(edges.sampled * (first_count / increase->count), edges.to_start);
    double factor = 1;
    if (edges.sampled != 0)
        factor = (edges.sampled + edges.to_start + edges.to_end) / edges.sampled;
    if (is_rate)
        factor /= range_seconds_of(in);
    return histogram_multiply(in->made, increase, factor);
}

const struct histogram *range_histogram_rate(struct range_input *in, size_t step, uint32_t low,
                                             uint32_t count)
{
    return increase_extrapolated(in, step, low, count, true, true);
}

const struct histogram *range_histogram_increase(struct range_input *in, size_t step, uint32_t low,
                                                 uint32_t count)
{
    return increase_extrapolated(in, step, low, count, true, false);
}

const struct histogram *range_histogram_delta(struct range_input *in, size_t step, uint32_t low,
                                              uint32_t count)
{
    return increase_extrapolated(in, step, low, count, false, false);
}

const struct histogram *range_histogram_irate(struct range_input *in, size_t step, uint32_t low,
                                              uint32_t count)
{
    if (count < 2)
        return NULL;
    const struct histogram *before = in->samples.histograms[low];
    const struct histogram *now = in->samples.histograms[low + 1];
    const uint32_t *resets = in->scratch->events.items + low;
    struct arena *arena = &in->scratch->steps_own;
    struct histogram_outcome outcome = {0};
    struct histogram *change;
    if (is_gauge(before) || is_gauge(now))
        in->notes |= RANGE_NOTE_NOT_COUNTER;
    if (resets[1] != resets[0])
        change = histogram_copy_into(arena, now);
    else if (histogram_subtract(arena, now, before, &change, &outcome) != ERR_NONE) {
        in->notes |= RANGE_NOTE_MIXED_SCHEMAS;
        return NULL;
    }
    if (outcome.bounds_reconciled)
        in->notes |= RANGE_NOTE_RECONCILED_DIFFERENCE;
    change->reset_hint = HISTOGRAM_RESET_GAUGE;
    histogram_compact_in_place(arena, change);
    int64_t distance_ms = in->samples.timestamps_ms[low + 1] - in->samples.timestamps_ms[low];
    ASSERT(distance_ms > 0);
    return histogram_divide(in->made, change, (double)distance_ms / 1000);
}

const struct histogram *range_histogram_idelta(struct range_input *in, size_t step, uint32_t low,
                                               uint32_t count)
{
    if (count < 2)
        return NULL;
    const struct histogram *before = in->samples.histograms[low];
    const struct histogram *now = in->samples.histograms[low + 1];
    struct histogram_outcome outcome;
    struct histogram *change;
    if (!is_gauge(before) || !is_gauge(now))
        in->notes |= RANGE_NOTE_NOT_GAUGE;
    if (histogram_subtract(in->made, now, before, &change, &outcome) != ERR_NONE) {
        in->notes |= RANGE_NOTE_MIXED_SCHEMAS;
        return NULL;
    }
    if (outcome.bounds_reconciled)
        in->notes |= RANGE_NOTE_RECONCILED_DIFFERENCE;
    change->reset_hint = HISTOGRAM_RESET_GAUGE;
    histogram_compact_in_place(in->made, change);
    return change;
}

static const struct histogram *total_of(struct range_input *in, uint32_t low, uint32_t count,
                                        bool average)
{
    struct histogram_sum sum;
    histogram_sum_init(&sum, &in->scratch->steps_own, average);
    for (uint32_t i = 0; i < count; i++) {
        if (histogram_sum_add(&sum, in->samples.histograms[low + i]) == ERR_NONE)
            continue;
        in->notes |= RANGE_NOTE_MIXED_SCHEMAS;
        return NULL;
    }
    if (sum.reset_collision)
        in->notes |= RANGE_NOTE_COLLISION;
    if (sum.bounds_reconciled)
        in->notes |= RANGE_NOTE_RECONCILED_TOTAL;
    return histogram_sum_finish(&sum, in->made);
}

const struct histogram *range_histogram_sum(struct range_input *in, size_t step, uint32_t low,
                                            uint32_t count)
{
    return total_of(in, low, count, false);
}

const struct histogram *range_histogram_avg(struct range_input *in, size_t step, uint32_t low,
                                            uint32_t count)
{
    return total_of(in, low, count, true);
}
