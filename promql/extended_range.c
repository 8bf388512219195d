#include "promql/extended_range.h"

#include "base/assert.h"
#include "base/compiler.h"
#include "model/histogram_arithmetic.h"
#include "promql/range_mixed.h"

double samples_interpolate(const struct samples *samples, size_t at, int64_t time_ms,
                           bool is_counter)
{
    const int64_t *timestamps_ms = samples->timestamps_ms;
    double before = samples->values[at], after = samples->values[at + 1];
    if (is_counter && after < before)
        before = 0;
    return before + (after - before) * (double)(time_ms - timestamps_ms[at]) /
                        (double)(timestamps_ms[at + 1] - timestamps_ms[at]);
}

/* The first of [low, high) that is not before a time; `high` when there is none. */
static size_t samples_find(const struct samples *samples, size_t low, size_t high, int64_t time_ms)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (samples->timestamps_ms[middle] < time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct histogram *samples_interpolate_histogram(struct arena *arena,
                                                      const struct samples *samples, size_t at,
                                                      int64_t time_ms, bool is_counter,
                                                      unsigned *notes)
{
    const struct histogram *before = samples->histograms[at];
    const struct histogram *after = samples->histograms[at + 1];
    int64_t before_ms = samples->timestamps_ms[at], after_ms = samples->timestamps_ms[at + 1];
    if (time_ms == before_ms || time_ms == after_ms)
        return time_ms == before_ms ? before : after;
    double fraction = (double)(time_ms - before_ms) / (double)(after_ms - before_ms);
    if (is_counter && histogram_is_reset(after, before))
        return histogram_multiply(arena, after, fraction);
    struct histogram *difference, *sum;
    struct histogram_outcome outcome;
    if (histogram_subtract(arena, after, before, &difference, &outcome) != ERR_NONE) {
        *notes |= RANGE_NOTE_MIXED_SCHEMAS;
        return NULL;
    }
    if (outcome.bounds_reconciled)
        *notes |= RANGE_NOTE_RECONCILED_DIFFERENCE;
    difference = histogram_multiply(arena, difference, fraction);
    if (histogram_add(arena, difference, before, &sum, &outcome) != ERR_NONE) {
        *notes |= RANGE_NOTE_MIXED_SCHEMAS;
        return NULL;
    }
    if (outcome.bounds_reconciled)
        *notes |= RANGE_NOTE_RECONCILED_SUM;
    return sum;
}

bool extended_range_find(const struct extended_range *range, const struct samples *samples,
                         size_t low, size_t high, size_t *out_first, size_t *out_last)
{
    ASSERT(low < high);
    size_t last = high - 1;
    size_t first = samples_find(samples, low, last, range->start_ms + 1);
    if (first > low)
        first--;
    if (range->is_smoothed)
        last = samples_find(samples, low, last, range->end_ms);
    *out_first = first;
    *out_last = last;
    return samples->timestamps_ms[last] > range->start_ms;
}

bool extended_edges_find(struct extended_edges *edges, const struct extended_range *range,
                         const struct samples *samples, size_t low, size_t high)
{
    const int64_t *timestamps_ms = samples->timestamps_ms;
    size_t first, last;
    if (!extended_range_find(range, samples, low, high, &first, &last))
        return false;
    edges->left = samples->values[first];
    edges->right = samples->values[last];
    if (range->is_smoothed && timestamps_ms[first] < range->start_ms)
        edges->left = samples_interpolate(samples, first, range->start_ms, range->is_counter);
    if (range->is_smoothed && last > low && timestamps_ms[last] > range->end_ms)
        edges->right = samples_interpolate(samples, last - 1, range->end_ms, range->is_counter);
    edges->from = timestamps_ms[first] <= range->start_ms ? first + 1 : first;
    edges->until = timestamps_ms[last] >= range->end_ms ? last : last + 1;
    edges->until = MAX(edges->from, edges->until);
    return true;
}
