/* Native histograms for naive_evaluator.h. */
#include <math.h>

#include "base/assert.h"
#include "model/histogram_arithmetic.h"
#include "model/histogram_statistics.h"
#include "promql/functions.h"
#include "tests/support/naive_evaluator.h"

static enum naive_outcome operate_both(struct naive_evaluator *naive, enum operator_kind op,
                                       const struct histogram *a, const struct histogram *b,
                                       struct naive_sample *out)
{
    struct histogram *made = NULL;
    switch (op) {
    case OPERATOR_EQUAL:
    case OPERATOR_NOT_EQUAL:
        out->histogram = a;
        return histogram_same_values(a, b) == (op == OPERATOR_EQUAL) ? NAIVE_KEPT : NAIVE_DROPPED;
    case OPERATOR_ADD:
        if (histogram_add(&naive->arena, a, b, &made, NULL) != ERR_NONE)
            return NAIVE_NOTHING;
        break;
    case OPERATOR_SUB:
        if (histogram_subtract(&naive->arena, a, b, &made, NULL) != ERR_NONE)
            return NAIVE_NOTHING;
        break;
    default:
        return NAIVE_NOTHING;
    }
    out->histogram = histogram_compact(&naive->arena, made, 0);
    return NAIVE_KEPT;
}

enum naive_outcome naive_operate_histograms(struct naive_evaluator *naive, enum operator_kind op,
                                            const struct naive_sample *a,
                                            const struct naive_sample *b, struct naive_sample *out)
{
    ASSERT(a->histogram != NULL || b->histogram != NULL);
    if (a->histogram != NULL && b->histogram != NULL)
        return operate_both(naive, op, a->histogram, b->histogram, out);
    const struct histogram *histogram = a->histogram != NULL ? a->histogram : b->histogram;
    if (op == OPERATOR_MUL)
        out->histogram = histogram_multiply(&naive->arena, histogram,
                                            a->histogram != NULL ? b->value : a->value);
    else if (op == OPERATOR_DIV && a->histogram != NULL)
        out->histogram = histogram_divide(&naive->arena, histogram, b->value);
    else
        return NAIVE_NOTHING;
    out->histogram = histogram_compact(&naive->arena, out->histogram, 0);
    return NAIVE_KEPT;
}

const struct histogram *naive_histogram_total(struct naive_evaluator *naive,
                                              const struct histogram *const *histograms,
                                              size_t count, bool average)
{
    struct histogram *total = histogram_copy_into(&naive->arena, histograms[0]);
    for (size_t i = 1; i < count; i++) {
        if (histogram_add(&naive->arena, total, histograms[i], &total, NULL) != ERR_NONE)
            return NULL;
    }
    if (average)
        total = histogram_divide(&naive->arena, total, (double)count);
    return total;
}

bool naive_is_histogram_function(enum function_id id)
{
    switch (id) {
    case FUNCTION_HISTOGRAM_COUNT:
    case FUNCTION_HISTOGRAM_SUM:
    case FUNCTION_HISTOGRAM_AVG:
    case FUNCTION_HISTOGRAM_STDDEV:
    case FUNCTION_HISTOGRAM_STDVAR:
    case FUNCTION_HISTOGRAM_FRACTION:
        return true;
    default:
        return false;
    }
}

static double histogram_value(enum function_id id, const struct histogram *histogram,
                              const double *scalars)
{
    enum histogram_note note;
    switch (id) {
    case FUNCTION_HISTOGRAM_COUNT:
        return histogram->count;
    case FUNCTION_HISTOGRAM_SUM:
        return histogram->sum;
    case FUNCTION_HISTOGRAM_AVG:
        return histogram->sum / histogram->count;
    case FUNCTION_HISTOGRAM_STDDEV:
        return histogram_standard_deviation(histogram);
    case FUNCTION_HISTOGRAM_STDVAR:
        return histogram_variance(histogram);
    default:
        ASSERT(id == FUNCTION_HISTOGRAM_FRACTION);
        return histogram_fraction(histogram, scalars[0], scalars[1], &note);
    }
}

bool naive_call_histogram(struct naive_evaluator *naive, const struct node *call, int64_t at_ms,
                          struct naive_vector *out)
{
    struct naive_vector inner, scalar;
    double scalars[2] = {0};
    size_t vector = call->child_count - 1;
    for (size_t i = 0; i < vector; i++) {
        if (!naive_evaluate(naive, call->children[i], at_ms, &scalar))
            return false;
        scalars[i] = scalar.items[0].value;
    }
    if (!naive_evaluate(naive, call->children[vector], at_ms, &inner))
        return false;
    *out = naive_vector_new(naive, inner.len);
    for (size_t i = 0; i < inner.len; i++) {
        const struct histogram *histogram = inner.items[i].histogram;
        if (histogram == NULL)
            continue;
        out->items[out->len++] = (struct naive_sample){
            .labels = naive_labels_without_name(naive, inner.items[i].labels),
            .value = histogram_value(call->call.function->id, histogram, scalars),
        };
    }
    return naive_is_unique(naive, out);
}

static bool near(double a, double b, double scale)
{
    if (!isfinite(a) || !isfinite(b))
        return (isnan(a) && isnan(b)) || a == b;
    return fabs(a - b) <= 1e-9 * fmax(1, scale);
}

static bool all_near_zero(const double *values, uint32_t count, double scale)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!near(values[i], 0, scale))
            return false;
    }
    return true;
}

bool naive_histograms_agree(struct arena *arena, const struct histogram *a,
                            const struct histogram *b)
{
    struct histogram *difference;
    double scale = fabs(a->count);
    if (!near(a->count, b->count, scale) || !near(a->sum, b->sum, fmax(scale, fabs(a->sum))))
        return false;
    if (!isfinite(a->count) || a->count == 0)
        return true;
    if (a->schema != b->schema || histogram_subtract(arena, a, b, &difference, NULL) != ERR_NONE)
        return false;
    return near(difference->zero_count, 0, scale) &&
           all_near_zero(difference->positive_buckets, difference->positive_bucket_count, scale) &&
           all_near_zero(difference->negative_buckets, difference->negative_bucket_count, scale);
}
