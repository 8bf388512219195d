#include "tool/prometheus_record_histogram.h"

#include "model/histogram_arithmetic.h"
#include "model/sample.h"
#include "tool/big_endian.h"

/* The reference reserves schemas up to here and reads them at the resolution that it knows. */
#define SCHEMA_RESERVED_MAX 52

static double read_double(struct codec_reader *reader)
{
    struct slice bytes = codec_read_bytes(reader, sizeof(uint64_t));
    return reader->failed ? 0 : codec_bits_double(big_endian_u64((const uint8_t *)bytes.ptr));
}

/* How many items follow, of at least `size_min` bytes each. */
static uint32_t read_count(struct codec_reader *reader, size_t size_min)
{
    uint64_t count = codec_read_uvarint(reader);
    if (count <= codec_left(reader) / size_min)
        return (uint32_t)count;
    reader->failed = true;
    return 0;
}

static struct histogram_span *read_spans(struct codec_reader *reader, struct arena *arena,
                                         uint32_t *out_count)
{
    uint32_t count = read_count(reader, 2);
    struct histogram_span *spans = arena_alloc_array(arena, count, sizeof(*spans));
    for (uint32_t i = 0; i < count; i++) {
        int64_t offset = codec_read_varint(reader);
        uint64_t length = codec_read_uvarint(reader);
        if (offset < INT32_MIN || offset > INT32_MAX || length > UINT32_MAX)
            reader->failed = true;
        spans[i] = (struct histogram_span){(int32_t)offset, (uint32_t)length};
    }
    *out_count = count;
    return spans;
}

/* Integer buckets are told by their differences. */
static double *read_buckets(struct codec_reader *reader, bool is_float, struct arena *arena,
                            uint32_t *out_count)
{
    uint32_t count = read_count(reader, is_float ? sizeof(double) : 1);
    double *buckets = arena_alloc_array(arena, count, sizeof(*buckets));
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (is_float) {
            buckets[i] = read_double(reader);
        } else {
            sum += (uint64_t)codec_read_varint(reader);
            buckets[i] = (double)(int64_t)sum;
        }
    }
    *out_count = count;
    return buckets;
}

static void read_parts(struct codec_reader *reader, struct arena *arena,
                       struct histogram *histogram)
{
    bool is_float = histogram->is_float;
    histogram->zero_threshold = read_double(reader);
    histogram->zero_count = is_float ? read_double(reader) : (double)codec_read_uvarint(reader);
    histogram->count = is_float ? read_double(reader) : (double)codec_read_uvarint(reader);
    histogram->sum = read_double(reader);
    histogram->positive_spans = read_spans(reader, arena, &histogram->positive_span_count);
    histogram->negative_spans = read_spans(reader, arena, &histogram->negative_span_count);
    histogram->positive_buckets =
        read_buckets(reader, is_float, arena, &histogram->positive_bucket_count);
    histogram->negative_buckets =
        read_buckets(reader, is_float, arena, &histogram->negative_bucket_count);
    if (histogram->schema == HISTOGRAM_SCHEMA_CUSTOM)
        histogram->custom_bounds =
            read_buckets(reader, true, arena, &histogram->custom_bound_count);
}

static bool is_known(int64_t schema)
{
    return schema == HISTOGRAM_SCHEMA_CUSTOM ||
           (schema >= HISTOGRAM_SCHEMA_MIN && schema <= SCHEMA_RESERVED_MAX);
}

static const struct histogram *coarsen(struct arena *arena, const struct histogram *histogram,
                                       int32_t schema)
{
    struct histogram fine = *histogram;
    fine.schema = schema;
    struct histogram *coarse = histogram_at_schema(arena, &fine, HISTOGRAM_SCHEMA_MAX);
    coarse->is_float = histogram->is_float;
    coarse->reset_hint = histogram->reset_hint;
    return coarse;
}

enum err prometheus_record_histogram_read(struct codec_reader *reader, bool is_float,
                                          struct arena *arena, const struct histogram **out,
                                          struct errbuf *err)
{
    struct histogram *histogram = arena_zalloc(arena, sizeof(*histogram));
    uint8_t hint = codec_read_u8(reader);
    int64_t schema = codec_read_varint(reader);
    histogram->is_float = is_float;
    histogram->reset_hint =
        hint <= HISTOGRAM_RESET_GAUGE ? (enum histogram_reset_hint)hint : HISTOGRAM_RESET_UNKNOWN;
    histogram->schema = is_known(schema) ? (int32_t)schema : 0;
    read_parts(reader, arena, histogram);
    if (reader->failed)
        return errbuf_set(err, ERR_CORRUPT, "a histogram breaks off");
    *out = NULL;
    if (!is_known(schema))
        return ERR_NONE;
    if (sample_is_stale(histogram->sum)) {
        *histogram = (struct histogram){.is_float = is_float, .sum = histogram->sum};
        *out = histogram;
        return ERR_NONE;
    }
    /* spans and buckets must agree before anyone computes with them */
    struct errbuf why = ERRBUF_INIT;
    histogram->schema = (int32_t)MIN(schema, HISTOGRAM_SCHEMA_MAX);
    if (histogram_validate(histogram, &why) != ERR_NONE)
        return errbuf_set(err, ERR_CORRUPT, "a histogram is not consistent: %s", why.text);
    *out = schema > HISTOGRAM_SCHEMA_MAX ? coarsen(arena, histogram, (int32_t)schema) : histogram;
    return ERR_NONE;
}
