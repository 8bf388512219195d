/* Straight lines through samples, and double exponential smoothing. */
#include <math.h>

#include "promql/functions_range.h"
#include "promql/kahan.h"

struct line {
    double slope;
    double intercept;
};

/* Least squares; the intercept is at `intercept_ms`, which is near the samples to save precision.
 */
static struct line line_fit(const struct range_input *in, uint32_t low, uint32_t count,
                            int64_t intercept_ms)
{
    const double *values = in->samples.values + low;
    const int64_t *timestamps_ms = in->samples.timestamps_ms + low;
    struct kahan sum_x = {0}, sum_y = {0}, sum_xy = {0}, sum_xx = {0};
    bool constant = true;
    for (uint32_t i = 0; i < count; i++) {
        if (constant && i > 0 && values[i] != values[0])
            constant = false;
        double x = (double)(timestamps_ms[i] - intercept_ms) / 1e3;
        kahan_add(&sum_x, x);
        kahan_add(&sum_y, values[i]);
        kahan_add(&sum_xy, x * values[i]);
        kahan_add(&sum_xx, x * x);
    }
    if (constant)
        return isinf(values[0]) ? (struct line){NAN, NAN} : (struct line){0, values[0]};
    double n = count;
    double x = sum_x.sum + sum_x.compensation;
    double y = sum_y.sum + sum_y.compensation;
    double xy = sum_xy.sum + sum_xy.compensation;
    double xx = sum_xx.sum + sum_xx.compensation;
    double covariance = xy - x * y / n;
    double variance = xx - x * x / n;
    double slope = covariance / variance;
    return (struct line){slope, y / n - slope * x / n};
}

bool range_deriv(struct range_input *in)
{
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count < 2)
            continue;
        in->values[i] = line_fit(in, low, count, in->samples.timestamps_ms[low]).slope;
        promql_bitmap_set(in->present, i);
        if (!evaluation_check(in->ev, count))
            return false;
    }
    return true;
}

/* Seen from the time of the step, whatever the offset. */
bool range_predict_linear(struct range_input *in)
{
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count < 2)
            continue;
        struct line line = line_fit(in, low, count, steps_time(in->steps, i));
        in->values[i] = line.slope * in->arguments[0][i] + line.intercept;
        promql_bitmap_set(in->present, i);
        if (!evaluation_check(in->ev, count))
            return false;
    }
    return true;
}

static double smooth_window(const double *values, uint32_t count, double smoothing, double trending)
{
    double before = 0;
    double smoothed = values[0];
    double trend = values[1] - values[0];
    for (uint32_t i = 1; i < count; i++) {
        double scaled = smoothing * values[i];
        if (i > 1)
            trend = trending * (smoothed - before) + (1 - trending) * trend;
        double carried = (1 - smoothing) * (smoothed + trend);
        before = smoothed;
        smoothed = scaled + carried;
    }
    return smoothed;
}

bool range_smooth_check(const struct range_input *in, size_t step)
{
    double smoothing = in->arguments[0][step];
    double trending = in->arguments[1][step];
    if (smoothing <= 0 || smoothing >= 1)
        return evaluation_fail(in->ev, ERR_EXECUTION,
                               "invalid smoothing factor. Expected: 0 < sf < 1, got: %f",
                               smoothing);
    if (trending <= 0 || trending >= 1)
        return evaluation_fail(in->ev, ERR_EXECUTION,
                               "invalid trend factor. Expected: 0 < tf < 1, got: %f", trending);
    return true;
}

bool range_smooth(struct range_input *in)
{
    for (size_t i = 0; i < in->steps->count; i++) {
        uint32_t low;
        uint32_t count = range_window(in, i, &low);
        if (count == 0)
            continue;
        if (!range_smooth_check(in, i))
            return false;
        if (count < 2)
            continue;
        in->values[i] = smooth_window(in->samples.values + low, count, in->arguments[0][i],
                                      in->arguments[1][i]);
        promql_bitmap_set(in->present, i);
        if (!evaluation_check(in->ev, count))
            return false;
    }
    return true;
}
