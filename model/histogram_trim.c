/*
 * `h </ bound` and `h >/ bound`: histograms without the observations beyond a bound.
 */
#include <math.h>

#include "model/histogram_arithmetic.h"
#include "model/histogram_buckets.h"
#include "model/histogram_side.h"

struct trim {
    struct histogram *histogram; /* the copy that is trimmed */
    double bound;
    bool keep_below;
    bool custom;
    bool changed;
    double count; /* of what is kept */
    double sum;
};

/* What is kept of one bucket, and where those observations are taken to lie. */
struct kept {
    double count;
    double middle;
};

static double middle_between(double lower, double upper, bool positive, bool linear)
{
    if (isinf(lower)) {
        if (isinf(upper))
            return 0;
        return upper > 0 ? upper / 2 : upper;
    }
    if (isinf(upper))
        return lower;
    if (linear)
        return (lower + upper) / 2;
    double mean = sqrt(fabs(lower * upper));
    return positive ? mean : -mean;
}

static double finite_or_zero(double value)
{
    return isinf(value) ? 0 : value;
}

/* A first bucket from -Inf on. With a positive end it is taken to begin at 0, else nothing is known
 * of how observations lie in it: all or none are kept. */
static struct kept trim_from_minus_infinity(const struct trim *trim,
                                            const struct histogram_bucket *bucket)
{
    double bound = trim->bound;
    double upper = bucket->upper;
    bool finite = !(isinf(upper) && upper > 0);
    if (trim->keep_below) {
        if (bound >= upper)
            return (struct kept){bucket->count, 0};
        if (bound > 0 && upper > 0 && finite)
            return (struct kept){bucket->count * bound / upper, bound / 2};
        if (upper <= 0)
            return (struct kept){bucket->count, bound};
        return (struct kept){0, finite_or_zero(upper)};
    }
    if (bound <= bucket->lower)
        return (struct kept){bucket->count, 0};
    if (bound >= 0 && upper > bound && finite)
        return (struct kept){bucket->count * (1 - bound / upper), (bound + upper) / 2};
    return (struct kept){0, finite_or_zero(upper)};
}

/* A last bucket to +Inf: kept whole from a bound within it on, else not at all. */
static struct kept trim_to_infinity(const struct trim *trim, const struct histogram_bucket *bucket)
{
    if (!trim->keep_below && trim->bound >= bucket->lower)
        return (struct kept){bucket->count, trim->bound};
    return (struct kept){0, finite_or_zero(bucket->lower)};
}

static double count_below(const struct trim *trim, const struct histogram_bucket *bucket)
{
    if (trim->bound <= bucket->lower)
        return 0;
    if (trim->bound >= bucket->upper)
        return bucket->count;
    return bucket->count * histogram_fraction_below(bucket, trim->bound, trim->custom);
}

/* A bucket that the bound lies in. */
static struct kept trim_cut_bucket(const struct trim *trim, const struct histogram_bucket *bucket,
                                   bool positive)
{
    if (isinf(bucket->lower) && bucket->lower < 0)
        return trim_from_minus_infinity(trim, bucket);
    if (isinf(bucket->upper) && bucket->upper > 0)
        return trim_to_infinity(trim, bucket);
    double below = count_below(trim, bucket);
    if (trim->keep_below)
        return (struct kept){below,
                             middle_between(bucket->lower, trim->bound, positive, trim->custom)};
    return (struct kept){bucket->count - below,
                         middle_between(trim->bound, bucket->upper, positive, trim->custom)};
}

static void keep(struct trim *trim, struct kept kept)
{
    trim->count += kept.count;
    trim->sum += kept.middle * kept.count;
}

static void trim_bucket(struct trim *trim, const struct histogram_bucket *bucket, double *count,
                        bool positive)
{
    bool is_inside = trim->keep_below ? bucket->upper <= trim->bound : bucket->lower >= trim->bound;
    bool is_cut = trim->keep_below ? bucket->lower < trim->bound : bucket->upper > trim->bound;
    if (is_inside) {
        double middle = middle_between(bucket->lower, bucket->upper, positive, trim->custom);
        keep(trim, (struct kept){bucket->count, middle});
    } else if (is_cut) {
        struct kept kept = trim_cut_bucket(trim, bucket, positive);
        keep(trim, kept);
        if (*count != kept.count) {
            *count = kept.count;
            trim->changed = true;
        }
    } else {
        *count = 0;
        trim->changed = true;
    }
}

/* True where the side has populated buckets. */
static bool trim_side(struct trim *trim, bool positive)
{
    struct histogram *histogram = trim->histogram;
    double *counts = positive ? histogram->positive_buckets : histogram->negative_buckets;
    struct histogram_buckets buckets;
    struct histogram_bucket bucket;
    bool populated = false;
    histogram_buckets_init(&buckets, histogram, positive ? HISTOGRAM_POSITIVE : HISTOGRAM_NEGATIVE);
    for (uint32_t i = 0; histogram_buckets_next(&buckets, &bucket); i++) {
        if (bucket.count == 0)
            continue;
        populated = true;
        trim_bucket(trim, &bucket, &counts[i], positive);
    }
    return populated;
}

static struct kept kept_of_zero_bucket(const struct trim *trim, bool has_negative,
                                       bool has_positive)
{
    double count = trim->histogram->zero_count;
    double bound = trim->bound;
    double lower = has_positive && !has_negative ? 0 : -trim->histogram->zero_threshold;
    double upper = has_negative && !has_positive ? 0 : trim->histogram->zero_threshold;
    if (bound <= lower)
        return trim->keep_below ? (struct kept){0, 0} : (struct kept){count, (lower + upper) / 2};
    if (bound >= upper)
        return trim->keep_below ? (struct kept){count, (lower + upper) / 2} : (struct kept){0, 0};
    if (trim->keep_below)
        return (struct kept){count * ((bound - lower) / (upper - lower)), (lower + bound) / 2};
    return (struct kept){count * ((upper - bound) / (upper - lower)), (bound + upper) / 2};
}

struct histogram *histogram_trim(struct arena *arena, const struct histogram *histogram,
                                 double bound, bool keep_below)
{
    struct histogram *copy = histogram_copy_into(arena, histogram);
    struct trim trim = {.histogram = copy,
                        .bound = bound,
                        .keep_below = keep_below,
                        .custom = histogram->schema == HISTOGRAM_SCHEMA_CUSTOM};
    bool has_positive = trim_side(&trim, true);
    bool has_negative = trim_side(&trim, false);
    if (copy->zero_count > 0) {
        struct kept kept = kept_of_zero_bucket(&trim, has_negative, has_positive);
        if (copy->zero_count != kept.count) {
            copy->zero_count = kept.count;
            trim.changed = true;
        }
        trim.sum += kept.middle * kept.count;
        trim.count += kept.count;
    }
    if (trim.changed) {
        copy->count = trim.count;
        copy->sum = trim.sum;
        histogram_compact_in_place(arena, copy);
    }
    return copy;
}
