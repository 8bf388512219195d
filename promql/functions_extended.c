/*
 * rate, increase and delta over anchored and smoothed ranges: the difference of the values at the
 * edges; nothing is extrapolated.
 */
#include "promql/extended_range.h"
#include "promql/functions_range.h"

/* A counter that fell began anew: what it had reached is added. */
static double extended_resets(const struct extended_edges *edges, const double *values)
{
    double sum = 0, before = edges->left;
    for (size_t i = edges->from; i < edges->until; i++) {
        if (values[i] < before)
            sum += before;
        before = values[i];
    }
    return edges->right < before ? sum + before : sum;
}

static inline bool extended_column(struct range_input *in, bool is_counter, bool is_rate)
{
    struct extended_range range = {.is_smoothed = in->extension == SELECTOR_SMOOTHED,
                                   .is_counter = is_counter};
    double range_seconds = range_seconds_of(in);
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (!evaluation_check(in->ev, count))
            return false;
        range.end_ms = time_shift_apply(in->shift, steps_time(in->steps, i));
        range.start_ms = range.end_ms - in->range_ms;
        struct extended_edges edges;
        if (count == 0 || in->samples.timestamps_ms[low] > range.end_ms ||
            !extended_edges_find(&edges, &range, &in->samples, low, low + count))
            continue;
        double value = edges.right - edges.left;
        if (is_counter)
            value += extended_resets(&edges, in->samples.values);
        in->values[i] = is_rate ? value / range_seconds : value;
        promql_bitmap_set(in->present, i);
    }
    return true;
}

bool range_extended_rate(struct range_input *in)
{
    return extended_column(in, true, true);
}

bool range_extended_increase(struct range_input *in)
{
    return extended_column(in, true, false);
}

bool range_extended_delta(struct range_input *in)
{
    return extended_column(in, false, false);
}
