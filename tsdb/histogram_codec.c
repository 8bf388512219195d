/* Counts of integer histograms are whole numbers, which varints hold in a byte or two. */
#include "tsdb/histogram_codec.h"

#include <math.h>
#include <string.h>

#define FLAG_FLOAT 1u
#define FLAG_HINT_SHIFT 1
#define FLAG_HINT_MASK 6u
#define FLAG_WHOLE 8u

/* Every whole number below this survives the way through uint64_t; -0 does not. */
#define WHOLE_MAX 9007199254740992.0

static bool is_whole(double value)
{
    return value >= 0 && value < WHOLE_MAX && value == (double)(uint64_t)value && !signbit(value);
}

static bool all_whole(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_whole(values[i]))
            return false;
    }
    return true;
}

static uint64_t span_total(const struct histogram_span *spans, uint32_t count)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += spans[i].length;
    return total;
}

bool histogram_encodable(const struct histogram *histogram)
{
    return histogram->positive_span_count <= HISTOGRAM_CODEC_BUCKETS_MAX &&
           histogram->negative_span_count <= HISTOGRAM_CODEC_BUCKETS_MAX &&
           histogram->custom_bound_count <= HISTOGRAM_CODEC_BUCKETS_MAX &&
           histogram->positive_bucket_count <= HISTOGRAM_CODEC_BUCKETS_MAX &&
           histogram->negative_bucket_count <= HISTOGRAM_CODEC_BUCKETS_MAX &&
           span_total(histogram->positive_spans, histogram->positive_span_count) ==
               histogram->positive_bucket_count &&
           span_total(histogram->negative_spans, histogram->negative_span_count) ==
               histogram->negative_bucket_count;
}

static void put_counts(struct buf *out, const double *values, size_t count, bool whole)
{
    for (size_t i = 0; i < count; i++) {
        if (whole)
            codec_write_uvarint(out, (uint64_t)values[i]);
        else
            codec_write_double(out, values[i]);
    }
}

static void put_spans(struct buf *out, const struct histogram_span *spans, uint32_t count)
{
    codec_write_uvarint(out, count);
    for (uint32_t i = 0; i < count; i++) {
        codec_write_varint(out, spans[i].offset);
        codec_write_uvarint(out, spans[i].length);
    }
}

void histogram_encode(const struct histogram *histogram, struct buf *out)
{
    bool whole = is_whole(histogram->count) && is_whole(histogram->zero_count) &&
                 all_whole(histogram->positive_buckets, histogram->positive_bucket_count) &&
                 all_whole(histogram->negative_buckets, histogram->negative_bucket_count);
    codec_write_u8(out, (uint8_t)((histogram->is_float ? FLAG_FLOAT : 0) |
                                  (unsigned)histogram->reset_hint << FLAG_HINT_SHIFT |
                                  (whole ? FLAG_WHOLE : 0)));
    codec_write_varint(out, histogram->schema);
    codec_write_double(out, histogram->zero_threshold);
    codec_write_double(out, histogram->sum);
    put_counts(out, &histogram->count, 1, whole);
    put_counts(out, &histogram->zero_count, 1, whole);
    put_spans(out, histogram->positive_spans, histogram->positive_span_count);
    put_spans(out, histogram->negative_spans, histogram->negative_span_count);
    codec_write_uvarint(out, histogram->custom_bound_count);
    put_counts(out, histogram->custom_bounds, histogram->custom_bound_count, false);
    put_counts(out, histogram->positive_buckets, histogram->positive_bucket_count, whole);
    put_counts(out, histogram->negative_buckets, histogram->negative_bucket_count, whole);
}

/* `count` values are at least `count` bytes, so memory is bounded by the input. */
static double *get_counts(struct codec_reader *reader, struct arena *arena, uint64_t count,
                          bool whole)
{
    size_t size_min = whole ? 1 : 8;
    if (count > HISTOGRAM_CODEC_BUCKETS_MAX || count * size_min > codec_left(reader)) {
        reader->failed = true;
        return NULL;
    }
    double *values = arena_alloc_array(arena, count, sizeof(*values));
    for (uint64_t i = 0; i < count; i++)
        values[i] = whole ? (double)codec_read_uvarint(reader) : codec_read_double(reader);
    return values;
}

static struct histogram_span *get_spans(struct codec_reader *reader, struct arena *arena,
                                        uint32_t *out_count, uint32_t *out_buckets)
{
    uint64_t count = codec_read_uvarint(reader);
    if (count > HISTOGRAM_CODEC_BUCKETS_MAX || count * 2 > codec_left(reader)) {
        reader->failed = true;
        return NULL;
    }
    struct histogram_span *spans = arena_alloc_array(arena, count, sizeof(*spans));
    uint64_t total = 0;
    for (uint64_t i = 0; i < count; i++) {
        spans[i].offset = (int32_t)codec_read_varint(reader);
        uint64_t length = codec_read_uvarint(reader);
        if (length > HISTOGRAM_CODEC_BUCKETS_MAX)
            reader->failed = true;
        spans[i].length = (uint32_t)length;
        total += spans[i].length;
    }
    if (total > HISTOGRAM_CODEC_BUCKETS_MAX)
        reader->failed = true;
    *out_count = (uint32_t)count;
    *out_buckets = (uint32_t)total;
    return spans;
}

struct histogram *histogram_decode(struct codec_reader *reader, struct arena *arena)
{
    struct histogram *histogram = arena_zalloc(arena, sizeof(*histogram));
    uint8_t flags = codec_read_u8(reader);
    bool whole = flags & FLAG_WHOLE;
    histogram->is_float = flags & FLAG_FLOAT;
    histogram->reset_hint = (enum histogram_reset_hint)(flags >> FLAG_HINT_SHIFT & 3);
    histogram->schema = (int32_t)codec_read_varint(reader);
    histogram->zero_threshold = codec_read_double(reader);
    histogram->sum = codec_read_double(reader);
    histogram->count = whole ? (double)codec_read_uvarint(reader) : codec_read_double(reader);
    histogram->zero_count = whole ? (double)codec_read_uvarint(reader) : codec_read_double(reader);
    histogram->positive_spans = get_spans(reader, arena, &histogram->positive_span_count,
                                          &histogram->positive_bucket_count);
    if (reader->failed)
        return NULL;
    histogram->negative_spans = get_spans(reader, arena, &histogram->negative_span_count,
                                          &histogram->negative_bucket_count);
    if (reader->failed)
        return NULL;
    uint64_t bounds = codec_read_uvarint(reader);
    histogram->custom_bounds = get_counts(reader, arena, bounds, false);
    if (reader->failed)
        return NULL;
    histogram->custom_bound_count = (uint32_t)bounds;
    histogram->positive_buckets =
        get_counts(reader, arena, histogram->positive_bucket_count, whole);
    if (reader->failed)
        return NULL;
    histogram->negative_buckets =
        get_counts(reader, arena, histogram->negative_bucket_count, whole);
    return reader->failed ? NULL : histogram;
}

bool histogram_encoded_same(struct slice a, struct slice b)
{
    if (a.len != b.len || a.len == 0)
        return false;
    uint8_t different = (uint8_t)(a.ptr[0] ^ b.ptr[0]);
    return (different & ~FLAG_HINT_MASK) == 0 && memcmp(a.ptr + 1, b.ptr + 1, a.len - 1) == 0;
}
