/*
 * Sums, averages, counts and deviations over time. Compensated sums have a defined order within
 * each window, so every window is added up anew: the price of agreeing with the reference to the
 * last bit. But for sums of whole numbers, which are exact in any order.
 */
#include <math.h>

#include "base/compiler.h"
#include "promql/functions_range.h"
#include "promql/kahan.h"
#include "promql/prefix_sums.h"

/* One value from the samples of one window. */
typedef double (*window_function)(const struct range_input *in, uint32_t low, uint32_t count);

static inline bool window_column(struct range_input *in, window_function compute)
{
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count == 0)
            continue;
        in->values[i] = compute(in, low, count);
        promql_bitmap_set(in->present, i);
        if (!evaluation_check(in->ev, count))
            return false;
    }
    return true;
}

static inline double window_sum(const struct range_input *in, uint32_t low, uint32_t count)
{
    const double *values = in->samples.values + low;
    struct kahan sum = {0};
    for (uint32_t i = 0; i < count; i++)
        kahan_add(&sum, values[i]);
    return isinf(sum.sum) ? sum.sum : sum.sum + sum.compensation;
}

/* Sums or averages by running sums, where these are exact; false where they are not. */
static bool exact_column(struct range_input *in, bool average)
{
    const struct windows *windows = &in->windows;
    size_t steps = in->steps->count, count = in->samples.count;
    size_t last_window = windows->high[steps - 1] - windows->low[steps - 1];
    if (last_window * steps < 2 * count)
        return false; /* each sample is in few windows */
    vec_reserve(&in->scratch->doubles, count + 1);
    double *sums = in->scratch->doubles.items;
    if (!prefix_sums_exact(in->samples.values, count, sums))
        return false;
    for (size_t i = 0; i < steps; i++) {
        uint32_t low = windows->low[i], high = windows->high[i];
        double sum = sums[high] - sums[low];
        in->values[i] = average && high > low ? sum / (high - low) : sum;
        in->present[i / 64] |= (uint64_t)(high > low) << (i % 64);
    }
    return true;
}

bool range_sum(struct range_input *in)
{
    return exact_column(in, false) || window_column(in, window_sum);
}

/* The mean from sample `at` on, when the plain sum of those before would overflow. */
static double window_mean_from(const double *values, uint32_t at, uint32_t count, struct kahan sum)
{
    struct kahan mean = {sum.sum / at, sum.compensation / at};
    for (uint32_t i = at; i < count; i++) {
        double n = (double)(i + 1);
        double weight = (n - 1) / n;
        mean = (struct kahan){weight * mean.sum, weight * mean.compensation};
        kahan_add(&mean, values[i] / n);
    }
    return mean.sum + mean.compensation;
}

static inline double window_avg(const struct range_input *in, uint32_t low, uint32_t count)
{
    const double *values = in->samples.values + low;
    struct kahan sum = {values[0], 0};
    for (uint32_t i = 1; i < count; i++) {
        struct kahan next = sum;
        kahan_add(&next, values[i]);
        if (UNLIKELY(isinf(next.sum)))
            return window_mean_from(values, i, count, sum);
        sum = next;
    }
    return sum.sum / count + sum.compensation / count;
}

bool range_avg(struct range_input *in)
{
    return exact_column(in, true) || window_column(in, window_avg);
}

static inline double window_count(const struct range_input *in, uint32_t low, uint32_t count)
{
    return count;
}

bool range_count(struct range_input *in)
{
    return window_column(in, window_count);
}

static inline double window_present(const struct range_input *in, uint32_t low, uint32_t count)
{
    return 1;
}

bool range_present(struct range_input *in)
{
    return window_column(in, window_present);
}

static inline double window_first(const struct range_input *in, uint32_t low, uint32_t count)
{
    return in->samples.values[low];
}

bool range_first(struct range_input *in)
{
    return window_column(in, window_first);
}

static inline double window_last(const struct range_input *in, uint32_t low, uint32_t count)
{
    return in->samples.values[low + count - 1];
}

bool range_last(struct range_input *in)
{
    return window_column(in, window_last);
}

static inline double window_time_of_first(const struct range_input *in, uint32_t low,
                                          uint32_t count)
{
    return (double)in->samples.timestamps_ms[low] / 1000;
}

bool range_time_of_first(struct range_input *in)
{
    return window_column(in, window_time_of_first);
}

static inline double window_time_of_last(const struct range_input *in, uint32_t low, uint32_t count)
{
    return (double)in->samples.timestamps_ms[low + count - 1] / 1000;
}

bool range_time_of_last(struct range_input *in)
{
    return window_column(in, window_time_of_last);
}

/* Welford's method, compensated. */
static inline double window_stdvar(const struct range_input *in, uint32_t low, uint32_t count)
{
    const double *values = in->samples.values + low;
    struct kahan mean = {0}, squares = {0};
    for (uint32_t i = 0; i < count; i++) {
        double delta = values[i] - (mean.sum + mean.compensation);
        kahan_add(&mean, delta / (double)(i + 1));
        kahan_add(&squares, delta * (values[i] - (mean.sum + mean.compensation)));
    }
    return (squares.sum + squares.compensation) / count;
}

bool range_stdvar(struct range_input *in)
{
    return window_column(in, window_stdvar);
}

static inline double window_stddev(const struct range_input *in, uint32_t low, uint32_t count)
{
    return sqrt(window_stdvar(in, low, count));
}

bool range_stddev(struct range_input *in)
{
    return window_column(in, window_stddev);
}
