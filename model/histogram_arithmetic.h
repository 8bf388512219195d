/*
 * Arithmetic of native histograms: what the operators and functions of the query language do with
 * them. Results agree with the reference's to the last bit, so the order of additions is part of
 * the contract, and nothing here may be contracted into fused operations.
 *
 * All histograms are taken as float histograms; results have `is_float` set. Inputs are never
 * changed; a result is new, lies whole in the given arena, and may be changed by its maker until he
 * shows it to somebody.
 *
 * Histograms of different resolution meet at the lower one, different zero buckets at the wider one
 * that cuts through no populated bucket, different custom bounds at those they have in common.
 *
 * Thread-safety: functions of their arguments. Limits: a result has at most as many buckets as both
 * inputs together; whoever takes in histograms limits their buckets.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "model/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an addition has to tell beside its result; set to false where it did not happen. */
struct histogram_outcome {
    bool reset_collision;   /* one hint says reset, the other no reset: the result's is unknown */
    bool bounds_reconciled; /* custom bounds differed: only the common ones are left */
};

/* A deep copy that is a float histogram, as all results are. */
struct histogram *histogram_copy_into(struct arena *arena,
                                      const struct histogram *histogram) MUST_CHECK;
/* What the reference counts for a histogram in memory; max-samples charges a sixteenth of it. */
size_t histogram_size_bytes(const struct histogram *histogram);

/* A negative factor or divisor makes a gauge of it; a divisor of 0 takes all buckets away. */
struct histogram *histogram_multiply(struct arena *arena, const struct histogram *histogram,
                                     double factor) MUST_CHECK;
struct histogram *histogram_divide(struct arena *arena, const struct histogram *histogram,
                                   double divisor) MUST_CHECK;

/* a + b and a - b, not compacted. ERR_INVALID where one has exponential and the other custom
 * buckets; nothing is written then. The hint of a difference follows the rules of sums; the
 * operator
 * `-` makes a gauge of it afterwards. `outcome` may be NULL. */
enum err histogram_add(struct arena *arena, const struct histogram *a, const struct histogram *b,
                       struct histogram **out, struct histogram_outcome *outcome) MUST_CHECK;
enum err histogram_subtract(struct arena *arena, const struct histogram *a,
                            const struct histogram *b, struct histogram **out,
                            struct histogram_outcome *outcome) MUST_CHECK;

/* Without empty buckets at the ends of spans, without runs of more than `empty_buckets_max` empty
 * ones within, and with spans merged that are no further apart. */
struct histogram *histogram_compact(struct arena *arena, const struct histogram *histogram,
                                    unsigned empty_buckets_max) MUST_CHECK;
/* The same with a maximum of 0 for a histogram of the caller's own: free where it is compact. */
void histogram_compact_in_place(struct arena *arena, struct histogram *histogram);

/* A copy at a lower resolution: `schema` is at most the histogram's own, both are exponential. A
 * change of schema forgets the reset hint, as in the reference. */
struct histogram *histogram_at_schema(struct arena *arena, const struct histogram *histogram,
                                      int32_t schema) MUST_CHECK;

/* `h </ bound` (keep_below) and `h >/ bound`: observations beyond it go, buckets that it cuts are
 * interpolated, count and sum are estimated anew. */
struct histogram *histogram_trim(struct arena *arena, const struct histogram *histogram,
                                 double bound, bool keep_below) MUST_CHECK;

/* What `==` compares: data to the bit, not the reset hint, not how spans are cut at length 0. */
bool histogram_same_values(const struct histogram *a, const struct histogram *b);
/* Did the counter start anew between `before` and `now`? Hints of `now` decide where it has one. */
bool histogram_is_reset(const struct histogram *now, const struct histogram *before);
/* An infinity in any count, sum or bound. */
bool histogram_has_overflow(const struct histogram *histogram);

/* {count:4, sum:2.5, (1,2]:3, ...}: how results and messages show a histogram. */
void histogram_print(const struct histogram *histogram, struct buf *out);
/* {{schema:1 count:4 ...}}: as PromQL scripts and rule tests write it. */
void histogram_print_notation(const struct histogram *histogram, struct buf *out);

/* Kahan-compensated running sum, and running average, of many histograms. */
struct histogram_sum {
    bool reset_collision;   /* some had the hint reset, some no reset */
    bool bounds_reconciled; /* at some addition */
    size_t count;           /* histograms added */
    /* private */
    bool average;
    bool may_overflow; /* an average that has seen a huge number */
    bool incremental;  /* the sum would overflow: it is a mean now */
    bool reset_seen;
    bool no_reset_seen;
    struct arena *arena;
    struct histogram_sum_state *state;
};

/* All memory comes from the arena and is reused while layouts stay; there is no release. A sum is
 * made for totals or for averages: an average changes to an incremental mean where a sum would
 * overflow. */
void histogram_sum_init(struct histogram_sum *sum, struct arena *arena, bool average);
/* Empties it and keeps its memory: for the next window or step. */
void histogram_sum_reset(struct histogram_sum *sum);
/* ERR_INVALID where exponential and custom buckets are mixed: nothing is changed. */
enum err histogram_sum_add(struct histogram_sum *sum, const struct histogram *histogram) MUST_CHECK;
/* Total or average of what was added (at least one), new in `arena`, not compacted. The sum may go
 * on. */
struct histogram *histogram_sum_finish(const struct histogram_sum *sum,
                                       struct arena *arena) MUST_CHECK;
