#include "model/histogram_statistics.h"

#include <math.h>

#include "base/logarithm.h"
#include "model/histogram_buckets.h"
#include "model/histogram_side.h"

double histogram_fraction_below(const struct histogram_bucket *bucket, double value, bool linear)
{
    if (linear)
        return (value - bucket->lower) / (bucket->upper - bucket->lower);
    /* on a logarithmic scale bounds lie evenly; negative buckets are mirrored */
    double lower = logarithm_binary(fabs(bucket->lower));
    double upper = logarithm_binary(fabs(bucket->upper));
    double at = logarithm_binary(fabs(value));
    if (value > 0)
        return (at - lower) / (upper - lower);
    return 1 - ((at - upper) / (lower - upper));
}

/* A zero bucket reaches to one side only where the other side has no buckets. */
static void cut_zero_bucket(const struct histogram *histogram, struct histogram_bucket *bucket)
{
    if (histogram->negative_bucket_count == 0 && histogram->positive_bucket_count > 0)
        bucket->lower = 0;
    else if (histogram->positive_bucket_count == 0 && histogram->negative_bucket_count > 0)
        bucket->upper = 0;
}

/* The place of a rank within its bucket, of which it is `fraction` of the way up. */
static double place_in_bucket(const struct histogram_bucket *bucket, double fraction, bool custom)
{
    if (custom || (bucket->lower <= 0 && bucket->upper >= 0))
        return bucket->lower + (bucket->upper - bucket->lower) * fraction;
    double lower = logarithm_binary(fabs(bucket->lower));
    double upper = logarithm_binary(fabs(bucket->upper));
    if (bucket->lower > 0)
        return power_of_two(lower + (upper - lower) * fraction);
    return -power_of_two(upper + (lower - upper) * (1 - fraction));
}

/* The search for the bucket of a rank: from the end that is nearer, but from the lower one where
 * there are NaNs, which lie in no bucket and hence above all. */
struct rank_search {
    struct histogram_buckets buckets;
    struct histogram_bucket bucket; /* the last one looked at */
    double rank;
    double count; /* of the buckets so far */
    bool ascending;
};

static void rank_search_run(struct rank_search *search, const struct histogram *histogram, double q)
{
    *search = (struct rank_search){.ascending = isnan(histogram->sum) || q < 0.5};
    search->rank = (search->ascending ? q : 1 - q) * histogram->count;
    histogram_buckets_init(&search->buckets, histogram,
                           search->ascending ? HISTOGRAM_ASCENDING : HISTOGRAM_DESCENDING);
    while (histogram_buckets_next(&search->buckets, &search->bucket)) {
        if (search->bucket.count == 0)
            continue;
        search->count += search->bucket.count;
        if (search->count >= search->rank)
            break;
    }
}

/* Counts the buckets above the one found; were there observations in none of them? */
static enum histogram_note note_of_rest(struct rank_search *search,
                                        const struct histogram *histogram)
{
    while (histogram_buckets_next(&search->buckets, &search->bucket))
        search->count += search->bucket.count;
    return search->count < histogram->count ? HISTOGRAM_NOTE_NAN_SKEW : HISTOGRAM_NOTE_NONE;
}

double histogram_quantile(const struct histogram *histogram, double q,
                          enum histogram_note *out_note)
{
    *out_note = HISTOGRAM_NOTE_NONE;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    if (histogram->count == 0 || isnan(q))
        return NAN;
    bool custom = histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
    struct rank_search search;
    rank_search_run(&search, histogram, q);
    struct histogram_bucket *bucket = &search.bucket;
    if (!custom && bucket->lower < 0 && bucket->upper > 0) {
        cut_zero_bucket(histogram, bucket);
    } else if (custom && isinf(bucket->lower) && bucket->lower < 0) {
        if (bucket->upper <= 0)
            return bucket->upper;
        bucket->lower = 0;
    } else if (custom && isinf(bucket->upper) && bucket->upper > 0) {
        return bucket->lower;
    }
    if (search.count > histogram->count)
        search.count = histogram->count; /* rounding must not make more of them */
    if (search.count < search.rank) {
        if (!isnan(histogram->sum))
            return bucket->upper; /* counts that do not fit; the highest bound is the best guess */
        *out_note = HISTOGRAM_NOTE_NAN_RESULT;
        return NAN;
    }
    double rank = search.ascending ? search.rank - (search.count - bucket->count)
                                   : search.count - search.rank;
    if (isnan(histogram->sum))
        *out_note = note_of_rest(&search, histogram);
    return place_in_bucket(bucket, rank / bucket->count, custom);
}

/* One bound of a fraction: how many observations lie below it. */
struct fraction_bound {
    double value;
    double rank;
    bool known;
};

static void find_in_bucket(struct fraction_bound *bound, const struct histogram_bucket *bucket,
                           double rank, bool linear)
{
    if (bound->known || !(bucket->lower < bound->value && bucket->upper > bound->value))
        return;
    if (linear && isinf(bucket->lower) && bucket->lower < 0)
        bound->rank = bucket->count; /* nothing is known of where they are: all are below */
    else
        bound->rank = rank + bucket->count * histogram_fraction_below(bucket, bound->value, linear);
    bound->known = true;
}

static void find_at_lower_bound(struct fraction_bound *bound, const struct histogram_bucket *bucket,
                                double rank)
{
    if (bound->known || !(bucket->lower >= bound->value))
        return;
    bound->rank = rank;
    bound->known = true;
}

/* Finds both ranks; *out_count is what lies in the buckets looked at. */
static void find_ranks(struct histogram_buckets *buckets, const struct histogram *histogram,
                       struct fraction_bound *lower, struct fraction_bound *upper,
                       double *out_count)
{
    bool custom = histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
    double rank = 0;
    struct histogram_bucket bucket;
    while (histogram_buckets_next(buckets, &bucket)) {
        *out_count += bucket.count;
        bool is_zero = bucket.lower <= 0 && bucket.upper >= 0;
        if (is_zero)
            cut_zero_bucket(histogram, &bucket);
        find_at_lower_bound(lower, &bucket, rank);
        find_at_lower_bound(upper, &bucket, rank);
        if (lower->known && upper->known)
            return;
        find_in_bucket(lower, &bucket, rank, custom || is_zero);
        find_in_bucket(upper, &bucket, rank, custom || is_zero);
        if (lower->known && upper->known)
            return;
        rank += bucket.count;
    }
}

double histogram_fraction(const struct histogram *histogram, double lower, double upper,
                          enum histogram_note *out_note)
{
    *out_note = HISTOGRAM_NOTE_NONE;
    if (histogram->count == 0 || isnan(lower) || isnan(upper))
        return NAN;
    if (lower >= upper)
        return 0;
    struct fraction_bound low = {.value = lower};
    struct fraction_bound high = {.value = upper};
    struct histogram_buckets buckets;
    double count = 0;
    histogram_buckets_init(&buckets, histogram, HISTOGRAM_ASCENDING);
    find_ranks(&buckets, histogram, &low, &high, &count);
    if (isnan(histogram->sum)) {
        struct histogram_bucket bucket;
        while (histogram_buckets_next(&buckets, &bucket))
            count += bucket.count;
        if (count < histogram->count)
            *out_note = HISTOGRAM_NOTE_NAN_IGNORED;
    } else {
        count = histogram->count;
    }
    if (!low.known || low.rank > count)
        low.rank = count;
    if (!high.known || high.rank > count)
        high.rank = count;
    return (high.rank - low.rank) / histogram->count;
}

double histogram_average(const struct histogram *histogram)
{
    return histogram->sum / histogram->count;
}

/* Where the observations of a bucket are taken to lie, for the variance. */
static double middle_of_bucket(const struct histogram_bucket *bucket, bool custom)
{
    if (custom)
        return (bucket->upper + bucket->lower) / 2.0;
    if (bucket->lower <= 0 && bucket->upper >= 0)
        return 0;
    double mean = sqrt(bucket->upper * bucket->lower);
    return bucket->upper < 0 ? -mean : mean;
}

double histogram_variance(const struct histogram *histogram)
{
    bool custom = histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
    double mean = histogram_average(histogram);
    double variance = 0;
    double compensation = 0;
    struct histogram_buckets buckets;
    struct histogram_bucket bucket;
    histogram_buckets_init(&buckets, histogram, HISTOGRAM_ASCENDING);
    while (histogram_buckets_next(&buckets, &bucket)) {
        if (bucket.count == 0)
            continue;
        double delta = middle_of_bucket(&bucket, custom) - mean;
        compensated_add(bucket.count * delta * delta, &variance, &compensation);
    }
    return (variance + compensation) / histogram->count;
}

double histogram_standard_deviation(const struct histogram *histogram)
{
    return sqrt(histogram_variance(histogram));
}
