/*
 * Smallest, largest, quantile and median deviation over time.
 *
 * Where windows overlap much, min and max keep a queue of candidates: an index whose sample was
 * beaten by a later one can never win again, so every sample enters and leaves once whatever the
 * overlap. Where they hardly overlap, scanning each window is cheaper.
 */
#include <math.h>

#include "base/compiler.h"
#include "promql/functions_range.h"
#include "promql/quantile.h"

/* Windows that share more than this many steps with their neighbours use the queue. */
#define EXTREME_OVERLAP_SCAN 4

static inline bool beats(double candidate, double best, bool largest)
{
    return largest ? candidate > best : candidate < best;
}

/* Four independent lanes: each comparison waits for the one before it. */
static inline double scan_extreme(const double *values, uint32_t count, bool largest)
{
    double start = largest ? -INFINITY : INFINITY;
    double lanes[4] = {start, start, start, start};
    bool numbers = false;
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        for (uint32_t lane = 0; lane < 4; lane++) {
            double value = values[i + lane];
            numbers |= value == value;
            lanes[lane] = beats(value, lanes[lane], largest) ? value : lanes[lane];
        }
    }
    for (; i < count; i++) {
        numbers |= values[i] == values[i];
        lanes[0] = beats(values[i], lanes[0], largest) ? values[i] : lanes[0];
    }
    for (uint32_t lane = 1; lane < 4; lane++)
        lanes[0] = beats(lanes[lane], lanes[0], largest) ? lanes[lane] : lanes[0];
    return numbers ? lanes[0] : NAN;
}

/* Of 0 and -0 the first counts. */
static inline double first_extreme(const double *values, uint32_t count, bool largest)
{
    double best = scan_extreme(values, count, largest);
    if (LIKELY(best != 0))
        return best;
    uint32_t first = 0;
    while (values[first] != 0)
        first++;
    return values[first];
}

static inline bool scan_column(struct range_input *in, bool largest)
{
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count == 0)
            continue;
        in->values[i] = first_extreme(in->samples.values + low, count, largest);
        promql_bitmap_set(in->present, i);
        if (!evaluation_check(in->ev, count))
            return false;
    }
    return true;
}

/* Indices of candidates, the best first. Every index enters once, so an array is queue enough. */
struct extreme_queue {
    uint32_t *indices;
    size_t head;
    size_t tail;
    uint32_t entered; /* samples up to here have been looked at */
};

/* `keep_first`: of equal samples the first stays the best, else the last. */
static inline void extreme_enter(struct extreme_queue *queue, const double *values, uint32_t high,
                                 bool largest, bool keep_first)
{
    for (; queue->entered < high; queue->entered++) {
        double value = values[queue->entered];
        if (isnan(value))
            continue;
        while (queue->tail > queue->head) {
            double last = values[queue->indices[queue->tail - 1]];
            bool stays = keep_first ? !beats(value, last, largest) : beats(last, value, largest);
            if (stays)
                break;
            queue->tail--;
        }
        queue->indices[queue->tail++] = queue->entered;
    }
}

static inline bool queue_column(struct range_input *in, bool largest, bool as_time)
{
    const double *values = in->samples.values;
    vec_reset(&in->scratch->indices);
    vec_reserve(&in->scratch->indices, in->samples.count);
    struct extreme_queue queue = {.indices = in->scratch->indices.items};
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count == 0)
            continue;
        if (queue.entered < low) { /* samples between two windows */
            queue.entered = low;
            queue.head = queue.tail = 0;
        }
        extreme_enter(&queue, values, low + count, largest, !as_time);
        while (queue.head < queue.tail && queue.indices[queue.head] < low)
            queue.head++;
        /* nothing but NaN: the last one stands for all */
        uint32_t best = queue.head < queue.tail ? queue.indices[queue.head] : low + count - 1;
        in->values[i] = as_time ? (double)in->samples.timestamps_ms[best] / 1000 : values[best];
        promql_bitmap_set(in->present, i);
    }
    return evaluation_check(in->ev, in->samples.count);
}

static inline bool extreme_column(struct range_input *in, bool largest)
{
    bool overlaps = in->steps->step_ms * EXTREME_OVERLAP_SCAN < in->range_ms;
    return overlaps ? queue_column(in, largest, false) : scan_column(in, largest);
}

bool range_min(struct range_input *in)
{
    return extreme_column(in, false);
}

bool range_max(struct range_input *in)
{
    return extreme_column(in, true);
}

bool range_time_of_min(struct range_input *in)
{
    return queue_column(in, false, true);
}

bool range_time_of_max(struct range_input *in)
{
    return queue_column(in, true, true);
}

/* A copy of a window that may be reordered. */
static double *copy_window(struct range_input *in, uint32_t low, uint32_t count)
{
    vec_reset(&in->scratch->doubles);
    vec_reserve(&in->scratch->doubles, count);
    memcpy(in->scratch->doubles.items, in->samples.values + low, count * sizeof(double));
    return in->scratch->doubles.items;
}

bool range_quantile(struct range_input *in)
{
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count == 0)
            continue;
        in->values[i] = quantile_of(in->arguments[0][i], copy_window(in, low, count), count);
        promql_bitmap_set(in->present, i);
        if (!evaluation_check(in->ev, (uint64_t)count * 4))
            return false;
    }
    return true;
}

static double window_mad(double *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (isnan(values[i]))
            return NAN;
    }
    double median = quantile_of(0.5, values, count);
    for (uint32_t i = 0; i < count; i++)
        values[i] = fabs(values[i] - median);
    return quantile_of(0.5, values, count);
}

bool range_mad(struct range_input *in)
{
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count == 0)
            continue;
        in->values[i] = window_mad(copy_window(in, low, count), count);
        promql_bitmap_set(in->present, i);
        if (!evaluation_check(in->ev, (uint64_t)count * 8))
            return false;
    }
    return true;
}
