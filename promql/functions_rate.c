/*
 * rate, increase and delta with extrapolation to the edges of the window; irate and idelta from the
 * last two samples; resets and changes by running counts.
 *
 * Counter resets are rare, so their places are listed once a series; a window adds what it contains.
 */
#include <math.h>

#include "promql/functions_range.h"

/* Indices of the samples that are below the one before them. */
static void rate_list_resets(struct range_input *in)
{
    const double *values = in->samples.values;
    vec_reset(&in->scratch->indices);
    for (size_t i = 1; i < in->samples.count; i++) {
        if (values[i] < values[i - 1])
            vec_push(&in->scratch->indices, (uint32_t)i);
    }
}

/* time.Duration.Seconds() */
static double rate_range_seconds(int64_t range_ms)
{
    return (double)(range_ms / 1000) + (double)(range_ms % 1000 * 1000000) / 1e9;
}

struct rate_window {
    double first;
    double increase; /* resets corrected */
    int64_t first_ms;
    int64_t last_ms;
    int64_t start_ms; /* of the window, exclusive */
    int64_t end_ms;
    uint32_t count; /* of samples, at least 2 */
};

/*
 * By how much the increase between the first and the last sample is multiplied to stand for the whole
 * window. The line is drawn out to an edge when the sample next to it is near; else by half the average
 * distance, as the series is taken to begin or end there; and never below zero for a counter.
 */
static inline double rate_factor(const struct rate_window *window, bool is_counter)
{
    double to_start = (double)(window->first_ms - window->start_ms) / 1000;
    double to_end = (double)(window->end_ms - window->last_ms) / 1000;
    double sampled = (double)(window->last_ms - window->first_ms) / 1000;
    double average = sampled / (double)(window->count - 1);
    double threshold = average * 1.1;
    if (to_start >= threshold)
        to_start = average / 2;
    if (is_counter) {
        double to_zero = to_start;
        if (window->increase > 0 && window->first >= 0)
            to_zero = sampled * (window->first / window->increase);
        if (to_zero < to_start)
            to_start = to_zero;
    }
    if (to_end >= threshold)
        to_end = average / 2;
    return sampled == 0 ? 1 : (sampled + to_start + to_end) / sampled;
}

static inline bool rate_column(struct range_input *in, bool is_counter, bool is_rate)
{
    const double *values = in->samples.values;
    const int64_t *timestamps_ms = in->samples.timestamps_ms;
    double range_seconds = rate_range_seconds(in->range_ms);
    if (is_counter)
        rate_list_resets(in);
    const uint32_t *resets = in->scratch->indices.items;
    size_t reset_count = is_counter ? in->scratch->indices.len : 0;
    size_t reset = 0;
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count < 2)
            continue;
        uint32_t last = low + count - 1;
        double increase = values[last] - values[low];
        while (reset < reset_count && resets[reset] <= low)
            reset++;
        size_t end = reset;
        for (; end < reset_count && resets[end] <= last; end++)
            increase += values[resets[end] - 1];
        int64_t end_ms = time_shift_apply(in->shift, steps_time(in->steps, i));
        struct rate_window window = {values[low], increase,        timestamps_ms[low],
                                     timestamps_ms[last], end_ms - in->range_ms, end_ms, count};
        double factor = rate_factor(&window, is_counter);
        if (is_rate)
            factor /= range_seconds;
        in->values[i] = increase * factor;
        promql_bitmap_set(in->present, i);
        if (!evaluation_check(in->ev, end - reset + 1))
            return false;
    }
    return true;
}

bool range_rate(struct range_input *in)
{
    return rate_column(in, true, true);
}

bool range_increase(struct range_input *in)
{
    return rate_column(in, true, false);
}

bool range_delta(struct range_input *in)
{
    return rate_column(in, false, false);
}

static inline bool instant_column(struct range_input *in, bool is_rate)
{
    const double *values = in->samples.values;
    const int64_t *timestamps_ms = in->samples.timestamps_ms;
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count < 2)
            continue;
        uint32_t last = low + count - 1;
        int64_t distance_ms = timestamps_ms[last] - timestamps_ms[last - 1];
        if (distance_ms == 0)
            continue;
        bool was_reset = is_rate && values[last] < values[last - 1];
        double change = was_reset ? values[last] : values[last] - values[last - 1];
        in->values[i] = is_rate ? change / ((double)distance_ms / 1000) : change;
        promql_bitmap_set(in->present, i);
    }
    return true;
}

bool range_irate(struct range_input *in)
{
    return instant_column(in, true);
}

bool range_idelta(struct range_input *in)
{
    return instant_column(in, false);
}

/* Counts what happens between neighbours: events[i] = how many up to and including sample i. */
static inline bool event_column(struct range_input *in, bool (*happens)(double before, double now))
{
    const double *values = in->samples.values;
    vec_reset(&in->scratch->indices);
    vec_reserve(&in->scratch->indices, in->samples.count);
    uint32_t *events = in->scratch->indices.items;
    uint32_t total = 0;
    for (size_t i = 0; i < in->samples.count; i++) {
        if (i > 0 && happens(values[i - 1], values[i]))
            total++;
        events[i] = total;
    }
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count == 0)
            continue;
        in->values[i] = (double)(events[low + count - 1] - events[low]);
        promql_bitmap_set(in->present, i);
    }
    return true;
}

static inline bool is_reset(double before, double now)
{
    return now < before;
}

static inline bool is_change(double before, double now)
{
    return now != before && !(isnan(now) && isnan(before));
}

bool range_resets(struct range_input *in)
{
    return event_column(in, is_reset);
}

bool range_changes(struct range_input *in)
{
    return event_column(in, is_change);
}
