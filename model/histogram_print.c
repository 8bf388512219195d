/*
 * The two texts of a histogram: for people, and as PromQL scripts and rule tests write it.
 */
#include "base/float_text.h"
#include "model/histogram_arithmetic.h"
#include "model/histogram_buckets.h"

/* Gaps are written as empty buckets in the notation; wider ones only hostile data has. */
#define NOTATION_GAP_MAX 65536

static void print_float(double value, struct buf *out)
{
    char text[FLOAT_TEXT_SHORT_SIZE];
    (void)buf_append(out, text, float_text_g(value, text));
}

static void print_bucket(const struct histogram_bucket *bucket, struct buf *out)
{
    if (bucket->count == 0)
        return;
    (void)buf_append_str(out, bucket->lower_inclusive ? ", [" : ", (");
    print_float(bucket->lower, out);
    (void)buf_append_byte(out, ',');
    print_float(bucket->upper, out);
    (void)buf_append_str(out, bucket->upper_inclusive ? "]:" : "):");
    print_float(bucket->count, out);
}

/* Descending order from the outermost negative bucket is ascending order of the negative side; the
 * zero bucket cuts no bucket here, so sides are walked apart. */
static void print_negative(const struct histogram *histogram, struct buf *out)
{
    struct histogram mirrored = *histogram;
    mirrored.zero_count = 0;
    mirrored.zero_threshold = 0;
    mirrored.positive_span_count = 0;
    mirrored.positive_bucket_count = 0;
    struct histogram_buckets buckets;
    struct histogram_bucket bucket;
    histogram_buckets_init(&buckets, &mirrored, HISTOGRAM_ASCENDING);
    while (histogram_buckets_next(&buckets, &bucket))
        print_bucket(&bucket, out);
}

void histogram_print(const struct histogram *histogram, struct buf *out)
{
    (void)buf_append_str(out, "{count:");
    print_float(histogram->count, out);
    (void)buf_append_str(out, ", sum:");
    print_float(histogram->sum, out);
    print_negative(histogram, out);
    struct histogram_bucket bucket = histogram_zero_bucket(histogram);
    print_bucket(&bucket, out);
    struct histogram_buckets buckets;
    histogram_buckets_init(&buckets, histogram, HISTOGRAM_POSITIVE);
    while (histogram_buckets_next(&buckets, &bucket))
        print_bucket(&bucket, out);
    (void)buf_append_byte(out, '}');
}

static void notation_key(const char *key, struct buf *out)
{
    if (out->len > 0 && out->data[out->len - 1] != '{')
        (void)buf_append_byte(out, ' ');
    (void)buf_append_str(out, key);
    (void)buf_append_byte(out, ':');
}

static void notation_value(const char *key, double value, struct buf *out)
{
    if (value == 0)
        return;
    notation_key(key, out);
    print_float(value, out);
}

static void notation_list(const char *key, const double *values, uint32_t count, struct buf *out)
{
    notation_key(key, out);
    (void)buf_append_byte(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            (void)buf_append_byte(out, ' ');
        print_float(values[i], out);
    }
    (void)buf_append_byte(out, ']');
}

static void notation_side(const char *offset_key, const char *key,
                          const struct histogram_span *spans, uint32_t span_count,
                          const double *buckets, struct buf *out)
{
    for (uint32_t i = 0; i < span_count; i++) {
        if (spans[i].offset != 0) {
            notation_key(offset_key, out);
            (void)buf_append_int(out, spans[i].offset);
        }
        notation_list(key, buckets, spans[i].length, out);
        buckets += spans[i].length;
    }
}

void histogram_print_notation(const struct histogram *histogram, struct buf *out)
{
    static const char *const hints[] = {
        [HISTOGRAM_RESET_YES] = "reset",
        [HISTOGRAM_RESET_NO] = "not_reset",
        [HISTOGRAM_RESET_GAUGE] = "gauge",
    };
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    struct histogram *compact = histogram_compact(&arena, histogram, NOTATION_GAP_MAX);
    (void)buf_append_str(out, "{{");
    if (histogram->schema != 0) {
        notation_key("schema", out);
        (void)buf_append_int(out, histogram->schema);
    }
    notation_value("count", histogram->count, out);
    notation_value("sum", histogram->sum, out);
    notation_value("z_bucket", histogram->zero_count, out);
    notation_value("z_bucket_w", histogram->zero_threshold, out);
    if (histogram->schema == HISTOGRAM_SCHEMA_CUSTOM)
        notation_list("custom_values", histogram->custom_bounds, histogram->custom_bound_count,
                      out);
    if (histogram->reset_hint != HISTOGRAM_RESET_UNKNOWN) {
        notation_key("counter_reset_hint", out);
        (void)buf_append_str(out, hints[histogram->reset_hint]);
    }
    notation_side("offset", "buckets", compact->positive_spans, compact->positive_span_count,
                  compact->positive_buckets, out);
    notation_side("n_offset", "n_buckets", compact->negative_spans, compact->negative_span_count,
                  compact->negative_buckets, out);
    (void)buf_append_str(out, "}}");
    arena_release(&arena);
}
