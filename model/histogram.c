#include "model/histogram.h"

#include <string.h>

#include "base/alloc.h"
#include "base/codec.h"

void histogram_free(struct histogram *histogram)
{
    if (histogram == NULL)
        return;
    mem_free(histogram->positive_spans);
    mem_free(histogram->negative_spans);
    mem_free(histogram->positive_buckets);
    mem_free(histogram->negative_buckets);
    mem_free(histogram->custom_bounds);
    mem_free(histogram);
}

static void *copy_array(const void *items, size_t count, size_t size)
{
    return count == 0 ? NULL : mem_dup(items, count * size);
}

struct histogram *histogram_copy(const struct histogram *histogram)
{
    struct histogram *copy = mem_dup(histogram, sizeof(*histogram));
    copy->positive_spans = copy_array(histogram->positive_spans, histogram->positive_span_count,
                                      sizeof(struct histogram_span));
    copy->negative_spans = copy_array(histogram->negative_spans, histogram->negative_span_count,
                                      sizeof(struct histogram_span));
    copy->positive_buckets =
        copy_array(histogram->positive_buckets, histogram->positive_bucket_count, sizeof(double));
    copy->negative_buckets =
        copy_array(histogram->negative_buckets, histogram->negative_bucket_count, sizeof(double));
    copy->custom_bounds =
        copy_array(histogram->custom_bounds, histogram->custom_bound_count, sizeof(double));
    return copy;
}

static bool spans_equal(const struct histogram_span *a, const struct histogram_span *b,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i].offset != b[i].offset || a[i].length != b[i].length)
            return false;
    }
    return true;
}

static bool doubles_equal(const double *a, const double *b, size_t count)
{
    return count == 0 || memcmp(a, b, count * sizeof(*a)) == 0;
}

bool histogram_equal(const struct histogram *a, const struct histogram *b)
{
    if (a->is_float != b->is_float || a->reset_hint != b->reset_hint || a->schema != b->schema ||
        a->positive_span_count != b->positive_span_count ||
        a->negative_span_count != b->negative_span_count ||
        a->positive_bucket_count != b->positive_bucket_count ||
        a->negative_bucket_count != b->negative_bucket_count ||
        a->custom_bound_count != b->custom_bound_count)
        return false;
    /* bits, not values: a stale histogram has a NaN of its own as sum */
    if (codec_double_bits(a->zero_threshold) != codec_double_bits(b->zero_threshold) ||
        codec_double_bits(a->zero_count) != codec_double_bits(b->zero_count) ||
        codec_double_bits(a->count) != codec_double_bits(b->count) ||
        codec_double_bits(a->sum) != codec_double_bits(b->sum))
        return false;
    return spans_equal(a->positive_spans, b->positive_spans, a->positive_span_count) &&
           spans_equal(a->negative_spans, b->negative_spans, a->negative_span_count) &&
           doubles_equal(a->positive_buckets, b->positive_buckets, a->positive_bucket_count) &&
           doubles_equal(a->negative_buckets, b->negative_buckets, a->negative_bucket_count) &&
           doubles_equal(a->custom_bounds, b->custom_bounds, a->custom_bound_count);
}
