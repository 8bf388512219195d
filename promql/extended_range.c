#include "promql/extended_range.h"

#include "base/assert.h"
#include "base/compiler.h"

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

bool extended_edges_find(struct extended_edges *edges, const struct extended_range *range,
                         const struct samples *samples, size_t low, size_t high)
{
    ASSERT(low < high);
    const int64_t *timestamps_ms = samples->timestamps_ms;
    size_t last = high - 1;
    size_t first = samples_find(samples, low, last, range->start_ms + 1);
    if (first > low)
        first--;
    if (range->is_smoothed)
        last = samples_find(samples, low, last, range->end_ms);
    if (timestamps_ms[last] <= range->start_ms)
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
