#include "tests/support/value_agreement.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "model/histogram_arithmetic.h"
#include "model/sample.h"

#define EPSILON 1e-6

bool values_agree(double a, double b)
{
    if (sample_is_stale(a) || sample_is_stale(b))
        return sample_is_stale(a) && sample_is_stale(b);
    if ((isnan(a) && isnan(b)) || a == b)
        return true;
    double sum = fabs(a) + fabs(b), difference = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN)
        return difference < EPSILON * DBL_MIN;
    return difference / fmin(sum, DBL_MAX) < EPSILON;
}

static bool arrays_agree(const double *a, uint32_t a_count, const double *b, uint32_t b_count)
{
    if (a_count != b_count)
        return false;
    for (uint32_t i = 0; i < a_count; i++) {
        if (!values_agree(a[i], b[i]))
            return false;
    }
    return true;
}

static bool bounds_agree(const struct histogram *a, const struct histogram *b)
{
    if (a->schema != HISTOGRAM_SCHEMA_CUSTOM)
        return true;
    return a->custom_bound_count == b->custom_bound_count &&
           (a->custom_bound_count == 0 || memcmp(a->custom_bounds, b->custom_bounds,
                                                 a->custom_bound_count * sizeof(double)) == 0);
}

static bool spans_agree(const struct histogram_span *a, uint32_t a_count,
                        const struct histogram_span *b, uint32_t b_count)
{
    return a_count == b_count && (a_count == 0 || memcmp(a, b, a_count * sizeof(*a)) == 0);
}

static bool compact_agree(const struct histogram *a, const struct histogram *b)
{
    return a->schema == b->schema && values_agree(a->count, b->count) &&
           values_agree(a->sum, b->sum) && bounds_agree(a, b) &&
           a->zero_threshold == b->zero_threshold && values_agree(a->zero_count, b->zero_count) &&
           spans_agree(a->negative_spans, a->negative_span_count, b->negative_spans,
                       b->negative_span_count) &&
           arrays_agree(a->negative_buckets, a->negative_bucket_count, b->negative_buckets,
                        b->negative_bucket_count) &&
           spans_agree(a->positive_spans, a->positive_span_count, b->positive_spans,
                       b->positive_span_count) &&
           arrays_agree(a->positive_buckets, a->positive_bucket_count, b->positive_buckets,
                        b->positive_bucket_count);
}

bool histograms_agree(const struct histogram *expected, const struct histogram *actual,
                      bool with_hint)
{
    if (expected == NULL || actual == NULL)
        return false;
    if (with_hint && expected->reset_hint != actual->reset_hint)
        return false;
    struct arena CLEANUP(arena_release) arena;
    arena_init(&arena, SIZE_MAX);
    return compact_agree(histogram_compact(&arena, expected, 0),
                         histogram_compact(&arena, actual, 0));
}
