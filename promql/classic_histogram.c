#include "promql/classic_histogram.h"

#include <float.h>
#include <math.h>

#include "base/assert.h"

/* Relative differences below this are taken for rounding. */
#define SMALL_DELTA 1e-12

static bool almost_equal(double a, double b)
{
    if (isnan(a) && isnan(b))
        return true;
    if (a == b)
        return true;
    double sum = fabs(a) + fabs(b);
    double difference = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN)
        return difference < SMALL_DELTA * DBL_MIN;
    return difference / fmin(sum, DBL_MAX) < SMALL_DELTA;
}

static size_t classic_coalesce(struct classic_bucket *buckets, size_t count)
{
    size_t last = 0;
    for (size_t i = 1; i < count; i++) {
        if (buckets[i].upper_bound == buckets[last].upper_bound)
            buckets[last].count += buckets[i].count;
        else
            buckets[++last] = buckets[i];
    }
    return last + 1;
}

/* Makes counts monotonic: small differences either way are ignored in silence, real decreases are
 * lifted and reported. */
static void classic_repair_counts(struct classic_bucket *buckets, size_t count,
                                  struct classic_repair *repair)
{
    double before = buckets[0].count;
    for (size_t i = 1; i < count; i++) {
        struct classic_bucket *bucket = &buckets[i];
        double now = bucket->count;
        if (now == before)
            continue;
        if (almost_equal(before, now)) {
            bucket->count = before;
            continue;
        }
        if (!(now < before)) {
            before = now;
            continue;
        }
        bucket->count = before;
        repair->forced = true;
        repair->bucket_min = fmin(repair->bucket_min, bucket->upper_bound);
        repair->bucket_max = fmax(repair->bucket_max, bucket->upper_bound);
        repair->difference_max = fmax(repair->difference_max, before - now);
    }
}

static double classic_interpolate(double rank, const struct classic_bucket *buckets, size_t at)
{
    double start = 0;
    double end = buckets[at].upper_bound;
    double count = buckets[at].count;
    if (at > 0) {
        start = buckets[at - 1].upper_bound;
        count -= buckets[at - 1].count;
        rank -= buckets[at - 1].count;
    }
    return start + (end - start) * (rank / count);
}

double classic_quantile(double q, struct classic_bucket *buckets, size_t count,
                        struct classic_repair *out_repair)
{
    ASSERT(count > 0);
    *out_repair = (struct classic_repair){false, INFINITY, -INFINITY, 0};
    if (isnan(q))
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    if (buckets[count - 1].upper_bound != INFINITY)
        return NAN;
    count = classic_coalesce(buckets, count);
    classic_repair_counts(buckets, count, out_repair);
    double observations = buckets[count - 1].count;
    if (count < 2 || observations == 0)
        return NAN;
    double rank = q * observations;
    size_t low = 0, high = count - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (buckets[middle].count >= rank)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == count - 1)
        return buckets[count - 2].upper_bound;
    if (low == 0 && buckets[0].upper_bound <= 0)
        return buckets[0].upper_bound;
    return classic_interpolate(rank, buckets, low);
}

/* How many observations lie below a value; all of them where it is beyond the last bound. */
static double classic_rank(double value, const struct classic_bucket *buckets, size_t count)
{
    double lower_bound = buckets[0].upper_bound <= 0 ? -INFINITY : 0;
    double rank = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            lower_bound = buckets[i - 1].upper_bound;
        double upper_bound = buckets[i].upper_bound;
        if (lower_bound >= value)
            return rank;
        if (upper_bound > value) {
            if (lower_bound == -INFINITY)
                return buckets[i].count;
            return rank +
                   (buckets[i].count - rank) * (value - lower_bound) / (upper_bound - lower_bound);
        }
        rank = buckets[i].count;
    }
    return buckets[count - 1].count;
}

double classic_fraction(double lower, double upper, struct classic_bucket *buckets, size_t count)
{
    ASSERT(count > 0);
    if (buckets[count - 1].upper_bound != INFINITY)
        return NAN;
    count = classic_coalesce(buckets, count);
    double observations = buckets[count - 1].count;
    if (observations == 0 || isnan(lower) || isnan(upper))
        return NAN;
    if (lower >= upper)
        return 0;
    double lower_rank = classic_rank(lower, buckets, count);
    double upper_rank = classic_rank(upper, buckets, count);
    if (lower_rank > observations)
        lower_rank = observations;
    if (upper_rank > observations)
        upper_rank = observations;
    return (upper_rank - lower_rank) / observations;
}
