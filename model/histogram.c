#include "model/histogram.h"

#include <math.h>
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

/* Spans against buckets, and bucket counts, whose sum is added to *sum. `side` is for errors. */
static enum err validate_side(const char *side, const struct histogram_span *spans,
                              size_t span_count, const double *buckets, size_t bucket_count,
                              double *sum, struct errbuf *err)
{
    uint64_t needed = 0;
    for (size_t i = 0; i < span_count; i++) {
        if (i > 0 && spans[i].offset < 0)
            return errbuf_set(err, ERR_INVALID,
                              "%s side: span number %zu with offset %d: histogram has a span whose "
                              "offset is negative",
                              side, i + 1, (int)spans[i].offset);
        needed += spans[i].length;
    }
    if (needed != bucket_count)
        return errbuf_set(
            err, ERR_INVALID,
            "%s side: spans need %llu buckets, have %zu buckets: histogram spans specify "
            "different number of buckets than provided",
            side, (unsigned long long)needed, bucket_count);
    for (size_t i = 0; i < bucket_count; i++) {
        if (buckets[i] < 0)
            return errbuf_set(
                err, ERR_INVALID,
                "%s side: bucket number %zu has observation count of %g: histogram has a "
                "bucket whose observation count is negative",
                side, i + 1, buckets[i]);
        *sum += buckets[i];
    }
    return ERR_NONE;
}

static enum err validate_bounds(const struct histogram *histogram, struct errbuf *err)
{
    const double *bounds = histogram->custom_bounds;
    uint32_t count = histogram->custom_bound_count;
    for (uint32_t i = 0; i < count; i++) {
        if (isnan(bounds[i]))
            return errbuf_set(err, ERR_INVALID,
                              "custom buckets: histogram custom bounds must not be NaN");
        if (i > 0 && bounds[i] <= bounds[i - 1])
            return errbuf_set(err, ERR_INVALID,
                              "custom buckets: previous bound is %f and current is %f: histogram "
                              "custom bounds must be in strictly increasing order",
                              bounds[i - 1], bounds[i]);
    }
    if (count > 0 && isinf(bounds[count - 1]) && bounds[count - 1] > 0)
        return errbuf_set(
            err, ERR_INVALID,
            "custom buckets: last +Inf bound must not be explicitly defined: histogram "
            "custom bounds must be finite");
    return ERR_NONE;
}

static enum err validate_custom(const struct histogram *histogram, struct errbuf *err)
{
    enum err code = validate_bounds(histogram, err);
    if (code != ERR_NONE)
        return code;
    uint64_t buckets = 0;
    for (uint32_t i = 0; i < histogram->positive_span_count; i++) {
        if (histogram->positive_spans[i].offset < 0)
            return errbuf_set(err, ERR_INVALID,
                              "custom buckets: span number %u with offset %d: histogram has a span "
                              "whose offset is negative",
                              i + 1, (int)histogram->positive_spans[i].offset);
        buckets +=
            (uint64_t)histogram->positive_spans[i].offset + histogram->positive_spans[i].length;
    }
    if (buckets > (uint64_t)histogram->custom_bound_count + 1)
        return errbuf_set(
            err, ERR_INVALID,
            "custom buckets: only %u custom bounds defined which is insufficient to cover "
            "total span length of %llu: histogram custom bounds are too few",
            histogram->custom_bound_count, (unsigned long long)buckets);
    if (histogram->zero_count != 0)
        return errbuf_set(err, ERR_INVALID, "custom buckets: must have zero count of 0");
    if (histogram->zero_threshold != 0)
        return errbuf_set(err, ERR_INVALID, "custom buckets: must have zero threshold of 0");
    if (histogram->negative_span_count > 0)
        return errbuf_set(err, ERR_INVALID, "custom buckets: must not have negative spans");
    if (histogram->negative_bucket_count > 0)
        return errbuf_set(err, ERR_INVALID, "custom buckets: must not have negative buckets");
    return ERR_NONE;
}

/* Integer histograms: what is in the buckets is what was observed, but for NaN, which is in none.
 */
static enum err validate_count(const struct histogram *histogram, double in_buckets,
                               struct errbuf *err)
{
    if (histogram->count < 0)
        return errbuf_set(err, ERR_INVALID,
                          "observation count is %g: histogram's observation count is negative",
                          histogram->count);
    if (histogram->is_float)
        return ERR_NONE;
    bool good =
        isnan(histogram->sum) ? in_buckets <= histogram->count : in_buckets == histogram->count;
    if (good)
        return ERR_NONE;
    return errbuf_set(
        err, ERR_INVALID,
        "%.0f observations found in buckets, but the Count field is %.0f: histogram's "
        "observation count should %s the number of observations found in the buckets%s",
        in_buckets, histogram->count, isnan(histogram->sum) ? "be at least" : "equal",
        isnan(histogram->sum) ? "" : " (in absence of NaN)");
}

enum err histogram_validate(const struct histogram *histogram, struct errbuf *err)
{
    enum err code = ERR_NONE;
    bool custom = histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
    if (custom)
        code = validate_custom(histogram, err);
    else if (histogram->schema < HISTOGRAM_SCHEMA_MIN || histogram->schema > HISTOGRAM_SCHEMA_MAX)
        code = errbuf_set(err, ERR_INVALID,
                          "histogram has an invalid schema, which must be between %d and %d for "
                          "exponential buckets, or %d for custom buckets, got schema %d",
                          HISTOGRAM_SCHEMA_MIN, HISTOGRAM_SCHEMA_MAX, HISTOGRAM_SCHEMA_CUSTOM,
                          (int)histogram->schema);
    else if (histogram->custom_bound_count > 0)
        code = errbuf_set(err, ERR_INVALID,
                          "histogram with exponential schema must not have custom bounds");
    double in_buckets = histogram->zero_count;
    if (code == ERR_NONE)
        code = validate_side("positive", histogram->positive_spans, histogram->positive_span_count,
                             histogram->positive_buckets, histogram->positive_bucket_count,
                             &in_buckets, err);
    if (code == ERR_NONE)
        code = validate_side("negative", histogram->negative_spans, histogram->negative_span_count,
                             histogram->negative_buckets, histogram->negative_bucket_count,
                             &in_buckets, err);
    if (code == ERR_NONE && histogram->zero_count < 0)
        code = errbuf_set(err, ERR_INVALID,
                          "zero bucket has observation count of %g: histogram has a bucket whose "
                          "observation count is negative",
                          histogram->zero_count);
    return code == ERR_NONE ? validate_count(histogram, in_buckets, err) : code;
}
