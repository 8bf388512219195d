#include "model/histogram_arithmetic.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "model/histogram_side.h"

static void *copy_array(struct arena *arena, const void *items, size_t count, size_t size)
{
    if (count == 0)
        return NULL;
    void *copy = arena_alloc_array(arena, count, size);
    memcpy(copy, items, count * size);
    return copy;
}

struct histogram *histogram_copy_into(struct arena *arena, const struct histogram *histogram)
{
    struct histogram *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *histogram;
    copy->is_float = true;
    copy->positive_spans =
        copy_array(arena, histogram->positive_spans, histogram->positive_span_count,
                   sizeof(*copy->positive_spans));
    copy->negative_spans =
        copy_array(arena, histogram->negative_spans, histogram->negative_span_count,
                   sizeof(*copy->negative_spans));
    copy->positive_buckets = copy_array(arena, histogram->positive_buckets,
                                        histogram->positive_bucket_count, sizeof(double));
    copy->negative_buckets = copy_array(arena, histogram->negative_buckets,
                                        histogram->negative_bucket_count, sizeof(double));
    copy->custom_bounds =
        copy_array(arena, histogram->custom_bounds, histogram->custom_bound_count, sizeof(double));
    return copy;
}

/* The reference's struct and the pointer to it. */
#define STRUCT_SIZE_BYTES 168

size_t histogram_size_bytes(const struct histogram *histogram)
{
    size_t items = (size_t)histogram->positive_span_count + histogram->negative_span_count +
                   histogram->positive_bucket_count + histogram->negative_bucket_count +
                   histogram->custom_bound_count;
    return STRUCT_SIZE_BYTES + items * 8;
}

struct histogram *histogram_multiply(struct arena *arena, const struct histogram *histogram,
                                     double factor)
{
    struct histogram *product = histogram_copy_into(arena, histogram);
    product->zero_count *= factor;
    product->count *= factor;
    product->sum *= factor;
    column_multiply(product->positive_buckets, factor, product->positive_bucket_count);
    column_multiply(product->negative_buckets, factor, product->negative_bucket_count);
    if (factor < 0)
        product->reset_hint = HISTOGRAM_RESET_GAUGE;
    return product;
}

struct histogram *histogram_divide(struct arena *arena, const struct histogram *histogram,
                                   double divisor)
{
    struct histogram *quotient = histogram_copy_into(arena, histogram);
    quotient->zero_count /= divisor;
    quotient->count /= divisor;
    quotient->sum /= divisor;
    if (divisor == 0) {
        histogram_set_positive(quotient, (struct histogram_side){0});
        histogram_set_negative(quotient, (struct histogram_side){0});
        return quotient;
    }
    column_divide(quotient->positive_buckets, divisor, quotient->positive_bucket_count);
    column_divide(quotient->negative_buckets, divisor, quotient->negative_bucket_count);
    if (divisor < 0)
        quotient->reset_hint = HISTOGRAM_RESET_GAUGE;
    return quotient;
}

/* A gauge stays one, unknown makes unknown; only reset and no reset contradict each other. */
static enum histogram_reset_hint hint_of_sum(enum histogram_reset_hint a,
                                             enum histogram_reset_hint b, bool *out_collision)
{
    *out_collision = false;
    if (a == b)
        return a;
    if (a == HISTOGRAM_RESET_GAUGE || b == HISTOGRAM_RESET_GAUGE)
        return HISTOGRAM_RESET_GAUGE;
    *out_collision = a != HISTOGRAM_RESET_UNKNOWN && b != HISTOGRAM_RESET_UNKNOWN;
    return HISTOGRAM_RESET_UNKNOWN;
}

/* The sides of both operands at one resolution and with one zero bucket. */
struct operands {
    struct histogram_side a_positive;
    struct histogram_side a_negative;
    struct histogram_side b_positive;
    struct histogram_side b_negative;
    int32_t schema;
    double zero_threshold;
    double a_zero_count;
    double b_zero_count;
};

/* The wider zero bucket wins, and moves out of populated buckets of either histogram, in turns. The
 * buckets of `b` below it are skipped later, when they are added. */
static void reconcile_zero_buckets(struct arena *arena, struct operands *operands,
                                   const struct histogram *a, const struct histogram *b)
{
    struct histogram_zero zero = {a->zero_threshold, a->zero_count, 0};
    struct histogram_zero other = {b->zero_threshold, b->zero_count, 0};
    /* < and > and not !=: a NaN (hostile data) must end this */
    while (zero.threshold < other.threshold || zero.threshold > other.threshold) {
        if (zero.threshold > other.threshold) {
            struct histogram_zero own = {b->zero_threshold, b->zero_count, 0};
            other = histogram_zero_widened(b->schema, &operands->b_positive, &operands->b_negative,
                                           own, zero.threshold);
        }
        if (other.threshold > zero.threshold) {
            zero.compensation = 0;
            zero = histogram_zero_widened(a->schema, &operands->a_positive, &operands->a_negative,
                                          zero, other.threshold);
            operands->a_positive =
                histogram_side_above_zero(arena, &operands->a_positive, a->schema, zero.threshold);
            operands->a_negative =
                histogram_side_above_zero(arena, &operands->a_negative, a->schema, zero.threshold);
        }
    }
    operands->zero_threshold = zero.threshold;
    operands->a_zero_count = zero.count;
    operands->b_zero_count = other.count;
}

static void reduce_to_common_schema(struct arena *arena, struct operands *operands,
                                    const struct histogram *a, const struct histogram *b)
{
    operands->schema = a->schema < b->schema ? a->schema : b->schema;
    if (b->schema < a->schema) {
        operands->a_positive =
            histogram_side_reduce(arena, &operands->a_positive, a->schema, b->schema);
        operands->a_negative =
            histogram_side_reduce(arena, &operands->a_negative, a->schema, b->schema);
    } else if (a->schema < b->schema) {
        operands->b_positive =
            histogram_side_reduce(arena, &operands->b_positive, b->schema, a->schema);
        operands->b_negative =
            histogram_side_reduce(arena, &operands->b_negative, b->schema, a->schema);
    }
}

static void combine_exponential(struct arena *arena, struct histogram *out,
                                const struct histogram *a, const struct histogram *b, bool subtract)
{
    struct operands operands = {
        .a_positive = histogram_positive_side(a),
        .a_negative = histogram_negative_side(a),
        .b_positive = histogram_positive_side(b),
        .b_negative = histogram_negative_side(b),
    };
    reconcile_zero_buckets(arena, &operands, a, b);
    reduce_to_common_schema(arena, &operands, a, b);
    out->schema = operands.schema;
    out->zero_threshold = operands.zero_threshold;
    out->zero_count = subtract ? operands.a_zero_count - operands.b_zero_count
                               : operands.a_zero_count + operands.b_zero_count;
    histogram_set_positive(out,
                           histogram_side_add(arena, &operands.a_positive, &operands.b_positive,
                                              subtract, operands.schema, operands.zero_threshold));
    histogram_set_negative(out,
                           histogram_side_add(arena, &operands.a_negative, &operands.b_negative,
                                              subtract, operands.schema, operands.zero_threshold));
}

static void combine_custom(struct arena *arena, struct histogram *out, const struct histogram *a,
                           const struct histogram *b, bool subtract,
                           struct histogram_outcome *outcome)
{
    struct histogram_side a_side = histogram_positive_side(a);
    struct histogram_side b_side = histogram_positive_side(b);
    outcome->bounds_reconciled = !histogram_same_bounds(a, b);
    if (outcome->bounds_reconciled) {
        out->custom_bounds = histogram_common_bounds(arena, a, b, &out->custom_bound_count);
        histogram_set_positive(out, histogram_side_add_custom(arena, &a_side, a, &b_side, b,
                                                              subtract, out->custom_bounds,
                                                              out->custom_bound_count));
    } else {
        out->custom_bounds =
            copy_array(arena, a->custom_bounds, a->custom_bound_count, sizeof(double));
        histogram_set_positive(out, histogram_side_add(arena, &a_side, &b_side, subtract,
                                                       HISTOGRAM_SCHEMA_CUSTOM, -1));
    }
    histogram_set_negative(out, (struct histogram_side){0});
}

static enum err combine(struct arena *arena, const struct histogram *a, const struct histogram *b,
                        bool subtract, struct histogram **out, struct histogram_outcome *outcome)
{
    bool custom = a->schema == HISTOGRAM_SCHEMA_CUSTOM;
    if (custom != (b->schema == HISTOGRAM_SCHEMA_CUSTOM))
        return ERR_INVALID;
    struct histogram_outcome ignored;
    if (outcome == NULL)
        outcome = &ignored;
    outcome->bounds_reconciled = false;
    struct histogram *result = arena_alloc(arena, sizeof(*result));
    *result = *a;
    result->is_float = true;
    result->reset_hint = hint_of_sum(a->reset_hint, b->reset_hint, &outcome->reset_collision);
    result->count = subtract ? a->count - b->count : a->count + b->count;
    result->sum = subtract ? a->sum - b->sum : a->sum + b->sum;
    if (custom)
        combine_custom(arena, result, a, b, subtract, outcome);
    else
        combine_exponential(arena, result, a, b, subtract);
    *out = result;
    return ERR_NONE;
}

enum err histogram_add(struct arena *arena, const struct histogram *a, const struct histogram *b,
                       struct histogram **out, struct histogram_outcome *outcome)
{
    return combine(arena, a, b, false, out, outcome);
}

enum err histogram_subtract(struct arena *arena, const struct histogram *a,
                            const struct histogram *b, struct histogram **out,
                            struct histogram_outcome *outcome)
{
    return combine(arena, a, b, true, out, outcome);
}

struct histogram *histogram_compact(struct arena *arena, const struct histogram *histogram,
                                    unsigned empty_buckets_max)
{
    struct histogram_side positive = histogram_positive_side(histogram);
    struct histogram_side negative = histogram_negative_side(histogram);
    struct histogram *compact = arena_alloc(arena, sizeof(*compact));
    *compact = *histogram;
    compact->is_float = true;
    compact->custom_bounds =
        copy_array(arena, histogram->custom_bounds, histogram->custom_bound_count, sizeof(double));
    histogram_set_positive(compact, histogram_side_compact(arena, &positive, empty_buckets_max));
    histogram_set_negative(compact, histogram_side_compact(arena, &negative, empty_buckets_max));
    return compact;
}

void histogram_compact_in_place(struct arena *arena, struct histogram *histogram)
{
    struct histogram_side positive = histogram_positive_side(histogram);
    struct histogram_side negative = histogram_negative_side(histogram);
    if (!histogram_side_is_compact(&positive, 0))
        histogram_set_positive(histogram, histogram_side_compact(arena, &positive, 0));
    if (!histogram_side_is_compact(&negative, 0))
        histogram_set_negative(histogram, histogram_side_compact(arena, &negative, 0));
}

struct histogram *histogram_at_schema(struct arena *arena, const struct histogram *histogram,
                                      int32_t schema)
{
    if (schema == histogram->schema)
        return histogram_copy_into(arena, histogram);
    ASSERT(histogram->schema != HISTOGRAM_SCHEMA_CUSTOM && schema < histogram->schema);
    struct histogram_side positive = histogram_positive_side(histogram);
    struct histogram_side negative = histogram_negative_side(histogram);
    struct histogram *coarse = arena_alloc(arena, sizeof(*coarse));
    *coarse = *histogram;
    coarse->is_float = true;
    coarse->reset_hint = HISTOGRAM_RESET_UNKNOWN;
    coarse->schema = schema;
    histogram_set_positive(coarse,
                           histogram_side_reduce(arena, &positive, histogram->schema, schema));
    histogram_set_negative(coarse,
                           histogram_side_reduce(arena, &negative, histogram->schema, schema));
    return coarse;
}
