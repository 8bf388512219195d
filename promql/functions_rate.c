/*
 * rate, increase and delta with extrapolation to the edges of the window; irate and idelta from the
 * last two samples; resets and changes by running counts.
 *
 * Counter resets are rare, so their places are listed once a series; a window adds what it
 * contains.
 */
#include <math.h>

#include "promql/functions_range.h"
#include "promql/scan.h"

/* Indices of the samples that are below the one before them, or began anew. */
static void rate_list_resets(struct range_input *in)
{
    const double *values = in->samples.values;
    size_t count = in->samples.count;
    vec_reset(&in->scratch->indices);
    if (UNLIKELY(in->samples.start_timestamps_ms != NULL)) {
        for (size_t i = 1; i < count; i++) {
            if (values[i] < values[i - 1] || samples_start_anew(&in->samples, i))
                vec_push(&in->scratch->indices, (uint32_t)i);
        }
        return;
    }
    for (size_t i = scan_decrease(values, 1, count); i < count;
         i = scan_decrease(values, i + 1, count))
        vec_push(&in->scratch->indices, (uint32_t)i);
}

/*
 * How far the line through the first and the last sample of a window is drawn out: to an edge when
 * the sample next to it is near; else by half the average distance, as the series is taken to begin
 * or end there.
 */
struct range_edges range_find_edges(const struct range_input *in, size_t step, uint32_t low,
                                    uint32_t count)
{
    const int64_t *timestamps_ms = in->samples.timestamps_ms;
    int64_t first_ms = timestamps_ms[low], last_ms = timestamps_ms[low + count - 1];
    int64_t end_ms = time_shift_apply(in->shift, steps_time(in->steps, step));
    double to_start = (double)(first_ms - (end_ms - in->range_ms)) / 1000;
    double to_end = (double)(end_ms - last_ms) / 1000;
    double sampled = (double)(last_ms - first_ms) / 1000;
    double average = count < 2 ? 0 : sampled / (double)(count - 1);
    double threshold = average * 1.1;
    to_end = to_end >= threshold ? average / 2 : to_end;
    if (UNLIKELY(range_window_begins(in, step, low))) {
        sampled = (double)(last_ms - in->samples.start_timestamps_ms[low]) / 1000;
        return (struct range_edges){.to_end = to_end, .sampled = sampled, .begins = true};
    }
    to_start = to_start >= threshold ? average / 2 : to_start;
    return (struct range_edges){.to_start = to_start, .to_end = to_end, .sampled = sampled};
}

/* This depends on times alone and is kept for the series of the same times, where there are no
 * start timestamps. */
static void rate_find_times(struct range_input *in)
{
    struct range_scratch *scratch = in->scratch;
    size_t steps = in->steps->count;
    vec_reset(&scratch->present);
    vec_reserve(&scratch->present, promql_bitmap_words(steps));
    vec_reserve(&scratch->to_start, steps);
    vec_reserve(&scratch->to_end, steps);
    vec_reserve(&scratch->sampled, steps);
    vec_reserve(&scratch->first, steps);
    bitmap_clear(scratch->present.items, steps);
    scratch->has_starts = in->samples.start_timestamps_ms != NULL;
    vec_reset(&scratch->begins);
    if (scratch->has_starts) {
        vec_reserve(&scratch->begins, promql_bitmap_words(steps));
        bitmap_clear(scratch->begins.items, steps);
    }
    for (size_t i = 0; i < steps; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        scratch->sampled.items[i] = scratch->to_start.items[i] = scratch->to_end.items[i] = 1;
        if (count < 2 && (count == 0 || !range_window_begins(in, i, low)))
            continue;
        struct range_edges edges = range_find_edges(in, i, low, count);
        scratch->sampled.items[i] = edges.sampled;
        scratch->to_start.items[i] = edges.to_start;
        scratch->to_end.items[i] = edges.to_end;
        promql_bitmap_set(scratch->present.items, i);
        if (UNLIKELY(edges.begins))
            promql_bitmap_set(scratch->begins.items, i);
    }
}

void range_count_overlaps(struct range_input *in)
{
    const struct samples *samples = &in->samples;
    size_t next = 0; /* the first overlap that may lie in a window */
    if (samples->start_timestamps_ms == NULL)
        return;
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low = in->windows.low[i], high = in->windows.high[i];
        next = MAX(next, (size_t)low + 1);
        while (next < samples->count && !samples_overlap(samples, next))
            next++;
        in->overlaps += next < high;
    }
}

/* Last minus first of every window into in->values, the first value beside it. */
static void rate_find_increases(struct range_input *in)
{
    const double *values = in->samples.values;
    double *first = in->scratch->first.items;
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low = in->windows.low[i], high = in->windows.high[i];
        bool some = high > low;
        first[i] = values[some ? low : 0];
        in->values[i] = values[some ? high - 1 : 0] - first[i];
    }
}

/* A counter that fell began anew: what it had reached is added. */
static bool rate_add_resets(struct range_input *in)
{
    const double *values = in->samples.values;
    const uint32_t *resets = in->scratch->indices.items;
    size_t reset_count = in->scratch->indices.len, reset = 0;
    for (size_t i = 0; i < in->steps->count && reset < reset_count; i++) {
        uint32_t low = in->windows.low[i], high = in->windows.high[i];
        while (reset < reset_count && resets[reset] <= low)
            reset++;
        size_t end = reset;
        for (; end < reset_count && resets[end] < high; end++)
            in->values[i] += values[resets[end] - 1];
        if (!evaluation_check(in->ev, end - reset + 1))
            return false;
    }
    return true;
}

/* Where the series begins within the window, its first sample counts from 0. */
static void rate_add_beginnings(struct range_input *in)
{
    BITMAP_FOR_EACH(in->scratch->begins.items, in->steps->count, i)
    {
        in->values[i] += in->scratch->first.items[i];
    }
    range_count_overlaps(in);
}

/* By how much drawing out makes an increase larger; a rate is per second. */
static inline double rate_factor(double sampled, double before, double after, bool is_rate,
                                 double range_seconds)
{
    double factor = (sampled + before + after) / sampled;
    factor = sampled == 0 ? 1 : factor;
    return is_rate ? factor / range_seconds : factor;
}

/* The factors of all steps, as far as times decide. */
static void rate_find_factors(struct range_input *in, bool is_rate)
{
    struct range_scratch *scratch = in->scratch;
    double range_seconds = range_seconds_of(in);
    vec_reserve(&scratch->factor, in->steps->count);
    for (size_t i = 0; i < in->steps->count; i++)
        scratch->factor.items[i] =
            rate_factor(scratch->sampled.items[i], scratch->to_start.items[i],
                        scratch->to_end.items[i], is_rate, range_seconds);
}

/* A counter is not drawn out below zero. Without branches. */
static void rate_extrapolate_near_zero(struct range_input *in, size_t from, size_t to, bool is_rate)
{
    const double *restrict to_start = in->scratch->to_start.items;
    const double *restrict to_end = in->scratch->to_end.items;
    const double *restrict sampled = in->scratch->sampled.items;
    const double *restrict first = in->scratch->first.items;
    double *restrict out = in->values;
    double range_seconds = range_seconds_of(in);
    for (size_t i = from; i < to; i++) {
        double increase = out[i];
        double before = to_start[i];
        double to_zero = sampled[i] * (first[i] / increase);
        to_zero = increase > 0 ? to_zero : before;
        to_zero = first[i] >= 0 ? to_zero : before;
        before = to_zero < before ? to_zero : before;
        out[i] = increase * rate_factor(sampled[i], before, to_end[i], is_rate, range_seconds);
    }
}

#define EXTRAPOLATE_BLOCK 64

static inline void rate_extrapolate(struct range_input *in, bool is_counter, bool is_rate)
{
    const struct range_scratch *scratch = in->scratch;
    const double *restrict factor = scratch->factor.items;
    double *restrict out = in->values;
    for (size_t from = 0; from < in->steps->count; from += EXTRAPOLATE_BLOCK) {
        size_t to = MIN(from + EXTRAPOLATE_BLOCK, in->steps->count);
        if (is_counter &&
            scan_any_near_zero(scratch->first.items + from, out + from, scratch->sampled.items + from,
                               scratch->to_start.items + from, to - from)) {
            rate_extrapolate_near_zero(in, from, to, is_rate);
            continue;
        }
        for (size_t i = from; i < to; i++)
            out[i] *= factor[i];
    }
}

static inline bool rate_column(struct range_input *in, bool is_counter, bool is_rate)
{
    bool has_starts = in->samples.start_timestamps_ms != NULL;
    if (!in->same_times || has_starts || in->scratch->has_starts) {
        rate_find_times(in);
        rate_find_factors(in, is_rate);
    }
    rate_find_increases(in);
    if (is_counter) {
        rate_list_resets(in);
        if (!rate_add_resets(in))
            return false;
    }
    if (UNLIKELY(has_starts))
        rate_add_beginnings(in);
    rate_extrapolate(in, is_counter, is_rate);
    bitmap_copy(in->present, in->scratch->present.items, in->steps->count);
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
    bool has_starts = in->samples.start_timestamps_ms != NULL;
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count < 2)
            continue;
        uint32_t last = low + count - 1;
        int64_t distance_ms = timestamps_ms[last] - timestamps_ms[last - 1];
        if (distance_ms == 0)
            continue;
        bool was_reset = is_rate && (values[last] < values[last - 1] ||
                                     (has_starts && samples_start_anew(&in->samples, last)));
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
    bool has_starts = in->samples.start_timestamps_ms != NULL;
    uint32_t total = 0;
    for (size_t i = 0; i < in->samples.count; i++) {
        if (i > 0 && (happens(values[i - 1], values[i]) ||
                      (has_starts && samples_start_anew(&in->samples, i))))
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
