/*
 * The buckets of a native histogram with their bounds, one after the other, in ascending or
 * descending order: the negative side, the zero bucket, the positive side, or one side alone.
 *
 * Bounds are the reference's to the bit: a table of powers for schemas 0 to 8, exact powers of two
 * below, the custom bounds themselves. An index that its bounds do not cover (hostile data) gives
 * an infinity.
 *
 * Thread-safety: an iterator has one owner; it borrows the histogram.
 */
#pragma once

#include "model/histogram.h"

#include <stdbool.h>
#include <stdint.h>

struct histogram_bucket {
    double lower;
    double upper;
    bool lower_inclusive;
    bool upper_inclusive;
    double count;
    int64_t index; /* within the schema; meaningless for the zero bucket */
};

enum histogram_order {
    HISTOGRAM_ASCENDING,  /* all; the zero bucket only where it is populated, others cut by it */
    HISTOGRAM_DESCENDING, /* likewise */
    HISTOGRAM_POSITIVE,   /* positive side from the zero bucket up, uncut */
    HISTOGRAM_NEGATIVE,   /* negative side from the zero bucket down, uncut */
};

struct histogram_buckets {
    /* private */
    const struct histogram *histogram;
    enum histogram_order order;
    int stage;
    uint32_t span;
    uint32_t in_span; /* buckets of the span that are done */
    uint32_t bucket;
    int64_t index;
};

void histogram_buckets_init(struct histogram_buckets *buckets, const struct histogram *histogram,
                            enum histogram_order order);
bool histogram_buckets_next(struct histogram_buckets *buckets, struct histogram_bucket *out_bucket);

/* Upper bound of the positive bucket `index`. */
double histogram_upper_bound(const struct histogram *histogram, int64_t index);
double histogram_exponential_bound(int32_t schema, int64_t index);
struct histogram_bucket histogram_zero_bucket(const struct histogram *histogram);
/* Which part of a bucket with finite bounds lies at or below `value`, lower < value < upper:
 * linear, or uniform on a logarithmic scale. */
double histogram_fraction_below(const struct histogram_bucket *bucket, double value, bool linear);
