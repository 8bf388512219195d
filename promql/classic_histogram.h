/*
 * Quantiles and fractions of a classic histogram: cumulative counts by upper bound, as the series
 * with an le label have them. Thread-safety: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct classic_bucket {
    double upper_bound;
    double count;
};

/* What was repaired: counts that fell from one bucket to the next. */
struct classic_repair {
    bool forced;
    double bucket_min;
    double bucket_max;
    double difference_max;
};

/* Buckets sorted by bound, at least one; equal bounds are put together and counts repaired in
 * place. */
double classic_quantile(double q, struct classic_bucket *buckets, size_t count,
                        struct classic_repair *out_repair);
double classic_fraction(double lower, double upper, struct classic_bucket *buckets, size_t count);
