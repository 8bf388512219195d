/*
 * What `==` compares, and whether a counter started anew between two histograms.
 */
#include <math.h>

#include "base/codec.h"
#include "model/histogram_arithmetic.h"
#include "model/histogram_buckets.h"
#include "model/histogram_side.h"

static bool same_bits(double a, double b)
{
    return codec_double_bits(a) == codec_double_bits(b);
}

/* The same spans but for empty ones. */
static bool spans_match(const struct histogram_side *a, const struct histogram_side *b)
{
    struct histogram_runs left;
    struct histogram_runs right;
    histogram_runs_init(&left, a);
    histogram_runs_init(&right, b);
    while (left.length > 0 && left.start == right.start && left.length == right.length) {
        (void)histogram_runs_next(&left);
        (void)histogram_runs_next(&right);
    }
    return left.length == 0 && right.length == 0;
}

static bool sides_match(const struct histogram_side *a, const struct histogram_side *b)
{
    if (a->bucket_count != b->bucket_count || !spans_match(a, b))
        return false;
    for (uint32_t i = 0; i < a->bucket_count; i++) {
        if (!same_bits(a->buckets[i], b->buckets[i]))
            return false;
    }
    return true;
}

bool histogram_same_values(const struct histogram *a, const struct histogram *b)
{
    if (a->schema != b->schema || !same_bits(a->count, b->count) || !same_bits(a->sum, b->sum) ||
        a->zero_threshold != b->zero_threshold || !same_bits(a->zero_count, b->zero_count))
        return false;
    if (a->schema == HISTOGRAM_SCHEMA_CUSTOM && !histogram_same_bounds(a, b))
        return false;
    struct histogram_side a_positive = histogram_positive_side(a);
    struct histogram_side b_positive = histogram_positive_side(b);
    struct histogram_side a_negative = histogram_negative_side(a);
    struct histogram_side b_negative = histogram_negative_side(b);
    return sides_match(&a_negative, &b_negative) && sides_match(&a_positive, &b_positive);
}

bool histogram_has_overflow(const struct histogram *histogram)
{
    return isinf(histogram->zero_count) || isinf(histogram->count) || isinf(histogram->sum) ||
           column_any_infinite(histogram->positive_buckets, histogram->positive_bucket_count) ||
           column_any_infinite(histogram->negative_buckets, histogram->negative_bucket_count) ||
           column_any_infinite(histogram->custom_bounds, histogram->custom_bound_count);
}

/* Buckets of a side at a lower resolution and beyond a zero threshold, one after the other. */
struct coarse_cursor {
    struct histogram_runs runs;
    int32_t schema; /* of the side; custom buckets have none and are not folded */
    int32_t schema_wanted;
    double threshold;
    bool beyond; /* the threshold lies behind */
    int64_t index;
    double count;
};

static void coarse_cursor_init(struct coarse_cursor *cursor, const struct histogram_side *side,
                               int32_t schema, int32_t schema_wanted, double threshold)
{
    *cursor = (struct coarse_cursor){
        .schema = schema, .schema_wanted = schema_wanted, .threshold = threshold};
    cursor->beyond = threshold == 0 || schema_wanted == HISTOGRAM_SCHEMA_CUSTOM;
    histogram_runs_init(&cursor->runs, side);
}

static bool coarse_cursor_next(struct coarse_cursor *cursor)
{
    unsigned shift = (unsigned)(cursor->schema - cursor->schema_wanted);
    struct histogram_runs *runs = &cursor->runs;
    while (runs->length > 0) {
        cursor->index = histogram_reduced_index(runs->start, shift);
        cursor->count = 0;
        do {
            cursor->count += runs->side->buckets[runs->bucket];
            histogram_runs_take(runs, 1);
        } while (runs->length > 0 && histogram_reduced_index(runs->start, shift) == cursor->index);
        cursor->beyond =
            cursor->beyond || !(histogram_exponential_bound(cursor->schema_wanted, cursor->index) <=
                                cursor->threshold);
        if (cursor->beyond)
            return true;
    }
    return false;
}

/* Every bucket of before must be in now, with no less in it; an empty one may be missing. */
static bool side_is_reset(struct coarse_cursor *now, struct coarse_cursor *before)
{
    bool there = coarse_cursor_next(now);
    while (coarse_cursor_next(before)) {
        while (there && now->index < before->index)
            there = coarse_cursor_next(now);
        bool same = there && now->index == before->index;
        if (same ? now->count < before->count : before->count != 0)
            return true;
    }
    return false;
}

/* The count of the buckets up to `bound` that were not yet asked for. */
static double count_up_to(struct histogram_runs *runs, const struct histogram *histogram,
                          double bound)
{
    double count = 0;
    while (runs->length > 0 && histogram_upper_bound(histogram, runs->start) <= bound) {
        count += runs->side->buckets[runs->bucket];
        histogram_runs_take(runs, 1);
    }
    return count;
}

static double bound_at(const struct histogram *histogram, uint32_t index)
{
    return index < histogram->custom_bound_count ? histogram->custom_bounds[index] : INFINITY;
}

/* Custom bounds that differ: the common ones cut both into pieces that can be compared. */
static bool custom_is_reset(const struct histogram *now, const struct histogram *before)
{
    struct histogram_side now_side = histogram_positive_side(now);
    struct histogram_side before_side = histogram_positive_side(before);
    struct histogram_runs now_runs;
    struct histogram_runs before_runs;
    histogram_runs_init(&now_runs, &now_side);
    histogram_runs_init(&before_runs, &before_side);
    uint32_t i = 0;
    uint32_t j = 0;
    while (i <= now->custom_bound_count && j <= before->custom_bound_count) {
        double bound = bound_at(now, i);
        double other = bound_at(before, j);
        if (bound == other) {
            double count = count_up_to(&now_runs, now, bound);
            if (count < count_up_to(&before_runs, before, bound))
                return true;
            i++;
            j++;
        } else if (bound < other) {
            i++;
        } else {
            j++;
        }
    }
    return false;
}

static bool buckets_are_reset(const struct histogram_side *now, int32_t schema,
                              const struct histogram_side *before, int32_t schema_before,
                              double threshold)
{
    /* bounds ascend: if the first bucket is beyond the zero bucket, all are */
    bool all_beyond = schema == HISTOGRAM_SCHEMA_CUSTOM || threshold == 0 || now->span_count == 0 ||
                      histogram_exponential_bound(schema, now->spans[0].offset) > threshold;
    if (schema == schema_before && all_beyond && histogram_same_layout(now, before))
        return column_any_below(now->buckets, before->buckets, now->bucket_count);
    struct coarse_cursor now_cursor;
    struct coarse_cursor before_cursor;
    coarse_cursor_init(&now_cursor, now, schema, schema, threshold);
    coarse_cursor_init(&before_cursor, before, schema_before, schema, threshold);
    return side_is_reset(&now_cursor, &before_cursor);
}

bool histogram_is_reset(const struct histogram *now, const struct histogram *before)
{
    /* unknown and, since nobody keeps users from taking a gauge for a counter, gauges are compared
     */
    if (now->reset_hint == HISTOGRAM_RESET_YES || now->reset_hint == HISTOGRAM_RESET_NO)
        return now->reset_hint == HISTOGRAM_RESET_YES;
    if (now->count < before->count)
        return true;
    if (now->schema == HISTOGRAM_SCHEMA_CUSTOM && before->schema != HISTOGRAM_SCHEMA_CUSTOM)
        return true;
    if (now->schema == HISTOGRAM_SCHEMA_CUSTOM && !histogram_same_bounds(now, before))
        return custom_is_reset(now, before);
    /* within the life of a counter resolution only falls and the zero bucket only grows */
    if (now->schema > before->schema || now->zero_threshold < before->zero_threshold)
        return true;
    struct histogram_side before_positive = histogram_positive_side(before);
    struct histogram_side before_negative = histogram_negative_side(before);
    struct histogram_zero zero = {before->zero_threshold, before->zero_count, 0};
    zero = histogram_zero_widened(before->schema, &before_positive, &before_negative, zero,
                                  now->zero_threshold);
    if (zero.threshold != now->zero_threshold || now->zero_count < zero.count)
        return true;
    struct histogram_side positive = histogram_positive_side(now);
    struct histogram_side negative = histogram_negative_side(now);
    return buckets_are_reset(&positive, now->schema, &before_positive, before->schema,
                             now->zero_threshold) ||
           buckets_are_reset(&negative, now->schema, &before_negative, before->schema,
                             now->zero_threshold);
}
