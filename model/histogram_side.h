/*
 * One side of a native histogram, positive or negative: spans, which say where buckets lie, and the
 * counts of the buckets. What arithmetic does, it does to each side; a side may carry a second
 * column, the compensation of a running sum, and then every operation carries that along.
 *
 * Ownership: a side is a view or lies in an arena; operations give new sides in an arena and leave
 * their inputs alone, where not said otherwise. Internal to the histogram modules.
 *
 * Spans of any content are safe: whatever they say beyond the number of buckets is not read.
 */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "model/histogram.h"
#include "model/histogram_column.h"

#include <stdbool.h>
#include <stdint.h>

struct histogram_side {
    struct histogram_span *spans;
    double *buckets;
    double *compensation; /* one for each bucket; NULL = none is kept */
    uint32_t span_count;
    uint32_t bucket_count;
};

static inline struct histogram_side histogram_positive_side(const struct histogram *histogram)
{
    return (struct histogram_side){histogram->positive_spans, histogram->positive_buckets, NULL,
                                   histogram->positive_span_count,
                                   histogram->positive_bucket_count};
}

static inline struct histogram_side histogram_negative_side(const struct histogram *histogram)
{
    return (struct histogram_side){histogram->negative_spans, histogram->negative_buckets, NULL,
                                   histogram->negative_span_count,
                                   histogram->negative_bucket_count};
}

static inline void histogram_set_positive(struct histogram *histogram, struct histogram_side side)
{
    histogram->positive_spans = side.spans;
    histogram->positive_buckets = side.buckets;
    histogram->positive_span_count = side.span_count;
    histogram->positive_bucket_count = side.bucket_count;
}

static inline void histogram_set_negative(struct histogram *histogram, struct histogram_side side)
{
    histogram->negative_spans = side.spans;
    histogram->negative_buckets = side.buckets;
    histogram->negative_span_count = side.span_count;
    histogram->negative_bucket_count = side.bucket_count;
}

/* Runs of buckets with neighbouring indexes, one a span. */
struct histogram_runs {
    const struct histogram_side *side;
    uint32_t span;   /* the next one */
    uint32_t bucket; /* position of the run's first bucket */
    uint32_t length;
    int64_t start; /* index of the run's first bucket */
    bool whole;    /* nothing was taken from the run's span yet */
};

void histogram_runs_init(struct histogram_runs *runs, const struct histogram_side *side);
/* Goes on to the next span that is not empty. False at the end; length is 0 then. */
bool histogram_runs_next(struct histogram_runs *runs);
/* Takes `count` buckets from the front of the run; goes on where it is used up. */
void histogram_runs_take(struct histogram_runs *runs, uint32_t count);

/* Writes spans; counts only where `spans` is NULL. */
struct histogram_span_writer {
    struct histogram_span *spans;
    uint32_t count;
    int64_t end; /* index behind the last bucket */
};
void histogram_span_begin(struct histogram_span_writer *writer, int64_t start, uint32_t length);
void histogram_span_extend(struct histogram_span_writer *writer, uint32_t length);

bool histogram_same_layout(const struct histogram_side *a, const struct histogram_side *b);
struct histogram_side histogram_side_copy(struct arena *arena, const struct histogram_side *side);
/* Gives a side without compensation one of zeros; shares everything else with `side`. */
struct histogram_side histogram_side_compensated(struct arena *arena,
                                                 const struct histogram_side *side);
/* a + b or a - b. Buckets at the start of `b` whose upper bound is at most `zero_threshold` are
 * left out: they are in the zero bucket (custom buckets: -1). */
struct histogram_side histogram_side_add(struct arena *arena, const struct histogram_side *a,
                                         const struct histogram_side *b, bool subtract,
                                         int32_t schema, double zero_threshold);
/* Where a bucket lies in a schema that is lower by `shift`: each step folds two neighbours. */
static inline int64_t histogram_reduced_index(int64_t index, unsigned shift)
{
    return ((index - 1) >> shift) + 1;
}
/* a += b or a -= b in place, where `a` has all buckets of `b`; else false, and nothing is done. */
bool histogram_side_add_within(struct histogram_side *a, const struct histogram_side *b,
                               bool subtract, int32_t schema, double zero_threshold) MUST_CHECK;
/* Writes over `to`, whose arrays hold `capacity` items, or takes new ones where that is too few. */
struct histogram_side_capacity {
    uint32_t span_count;
    uint32_t bucket_count;
};
void histogram_side_assign(struct arena *arena, struct histogram_side *to,
                           struct histogram_side_capacity *capacity,
                           const struct histogram_side *from);
bool histogram_side_is_compact(const struct histogram_side *side, uint32_t empty_buckets_max);
struct histogram_side histogram_side_compact(struct arena *arena, const struct histogram_side *side,
                                             uint32_t empty_buckets_max);
struct histogram_side histogram_side_reduce(struct arena *arena, const struct histogram_side *side,
                                            int32_t schema, int32_t schema_wanted);

/* The zero bucket (histogram_zero.c). */
struct histogram_zero {
    double threshold;
    double count;
    double compensation;
};
/* What the zero bucket is where it has to reach to `threshold` at least: it takes in the buckets
 * there, and grows to the end of a populated one that the threshold cuts. */
struct histogram_zero histogram_zero_widened(int32_t schema, const struct histogram_side *positive,
                                             const struct histogram_side *negative,
                                             struct histogram_zero zero, double threshold);
/* A side without the buckets that lie in the zero bucket; compact. */
struct histogram_side histogram_side_above_zero(struct arena *arena,
                                                const struct histogram_side *side, int32_t schema,
                                                double threshold);

/* Custom bounds (histogram_custom.c). */
bool histogram_same_bounds(const struct histogram *a, const struct histogram *b);
/* The bounds that both have; *out_count of them. */
double *histogram_common_bounds(struct arena *arena, const struct histogram *a,
                                const struct histogram *b, uint32_t *out_count);
/* a + b or a - b over the common bounds, without empty buckets. Sides are given apart from the
 * histograms because `a` may have a compensation. */
struct histogram_side histogram_side_add_custom(struct arena *arena, const struct histogram_side *a,
                                                const struct histogram *a_bounds,
                                                const struct histogram_side *b,
                                                const struct histogram *b_bounds, bool subtract,
                                                const double *common, uint32_t common_count);
