/*
 * The zero bucket of a histogram that meets one with a wider zero bucket.
 */
#include "model/histogram_side.h"

#include "base/assert.h"
#include "model/histogram_buckets.h"

/* Takes the buckets of one side into `zero` that begin below the threshold. Where a bucket reaches
 * beyond it, this is the last one; true if that bucket is populated and moves the threshold. */
static bool take_in(const struct histogram_side *side, int32_t schema, struct histogram_zero *zero)
{
    struct histogram_runs runs;
    for (histogram_runs_init(&runs, side); runs.length > 0; histogram_runs_take(&runs, 1)) {
        if (histogram_exponential_bound(schema, runs.start - 1) >= zero->threshold)
            return false;
        double count = side->buckets[runs.bucket];
        compensated_add(count, &zero->count, &zero->compensation);
        if (side->compensation != NULL)
            compensated_add(side->compensation[runs.bucket], &zero->count, &zero->compensation);
        double upper = histogram_exponential_bound(schema, runs.start);
        if (upper > zero->threshold) {
            if (count == 0)
                return false;
            zero->threshold = upper;
            return true;
        }
    }
    return false;
}

struct histogram_zero histogram_zero_widened(int32_t schema, const struct histogram_side *positive,
                                             const struct histogram_side *negative,
                                             struct histogram_zero zero, double threshold)
{
    if (threshold == zero.threshold)
        return zero;
    double count = zero.count;
    zero.threshold = threshold;
    do {
        /* begun anew where the negative side moved the threshold, since the positive side was
         * judged by the old one; the compensation is not, as in the reference */
        zero.count = count;
        (void)take_in(positive, schema, &zero);
    } while (take_in(negative, schema, &zero));
    return zero;
}

struct histogram_side histogram_side_above_zero(struct arena *arena,
                                                const struct histogram_side *side, int32_t schema,
                                                double threshold)
{
    struct histogram_side copy = histogram_side_copy(arena, side);
    struct histogram_runs runs;
    for (histogram_runs_init(&runs, side); runs.length > 0; histogram_runs_take(&runs, 1)) {
        if (histogram_exponential_bound(schema, runs.start - 1) >= threshold)
            break;
        copy.buckets[runs.bucket] = 0;
        if (copy.compensation != NULL)
            copy.compensation[runs.bucket] = 0;
    }
    return histogram_side_compact(arena, &copy, 0);
}
