#include "tests/support/prometheus_log_builder.h"

#include <string.h>

#include "base/codec.h"
#include "base/compress.h"
#include "base/crc32c.h"
#include "tool/big_endian.h"
#include "tool/xor_chunk.h"

#define PAGE_SIZE 32768
#define HEADER_SIZE 7
#define CHUNKS_HEADER_SIZE 8
#define CHUNK_HEADER_SIZE 25
#define LATE 0x80

static void put_checksum(uint8_t *to, uint32_t sum)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(sum >> (24 - 8 * i));
}

static void put_fragment(struct buf *segment, uint8_t type, struct slice data)
{
    buf_append_byte(segment, (char)type);
    buf_append_byte(segment, (char)(data.len >> 8));
    buf_append_byte(segment, (char)data.len);
    big_endian_write_u32(segment, crc32c(0, data.ptr, data.len));
    buf_append_slice(segment, data);
}

void built_log_record(struct buf *segment, const struct buf *record, bool snappy)
{
    struct buf packed CLEANUP(buf_release);
    buf_init(&packed, BUF_SIZE_ANY);
    struct slice left = buf_slice(record);
    if (snappy && compress_snappy(left, &packed, NULL) == ERR_NONE)
        left = buf_slice(&packed);
    uint8_t mark = snappy ? 8 : 0;
    for (bool first = true; first || left.len > 0; first = false) {
        size_t room = PAGE_SIZE - segment->len % PAGE_SIZE;
        for (; room > 0 && room <= HEADER_SIZE; room--)
            buf_append_byte(segment, 0);
        room = PAGE_SIZE - segment->len % PAGE_SIZE - HEADER_SIZE;
        size_t len = MIN(room, left.len);
        bool last = len == left.len;
        uint8_t type = first ? (last ? 1 : 2) : last ? 4 : 3;
        put_fragment(segment, type | mark, slice_sub(left, 0, len));
        left = slice_from_index(left, len);
    }
}

void built_series(struct buf *record, uint64_t series, const char *labels)
{
    buf_reset(record);
    buf_append_byte(record, 1);
    big_endian_write_u64(record, series);
    struct slice text = slice_str(labels);
    uint64_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '=';
    codec_write_uvarint(record, count);
    while (text.len > 0) {
        size_t comma = slice_index(text, ',');
        struct slice pair = slice_sub(text, 0, comma == SLICE_NONE ? text.len : comma);
        size_t equals = slice_index(pair, '=');
        codec_write_slice(record, slice_sub(pair, 0, equals));
        codec_write_slice(record, slice_from_index(pair, equals + 1));
        text = slice_from_index(text, MIN(pair.len + 1, text.len));
    }
}

void built_samples(struct buf *record, const struct built_sample *samples, size_t count)
{
    buf_reset(record);
    buf_append_byte(record, 2);
    big_endian_write_u64(record, samples[0].series);
    big_endian_write_u64(record, (uint64_t)samples[0].time_ms);
    for (size_t i = 0; i < count; i++) {
        codec_write_varint(record, (int64_t)(samples[i].series - samples[0].series));
        codec_write_varint(record, samples[i].time_ms - samples[0].time_ms);
        big_endian_write_u64(record, codec_double_bits(samples[i].value));
    }
}

void built_samples_2(struct buf *record, const struct built_sample *samples, size_t count)
{
    buf_reset(record);
    buf_append_byte(record, 11);
    codec_write_varint(record, (int64_t)samples[0].series);
    codec_write_varint(record, samples[0].time_ms);
    codec_write_varint(record, samples[0].start_ms);
    big_endian_write_u64(record, codec_double_bits(samples[0].value));
    for (size_t i = 1; i < count; i++) {
        codec_write_varint(record, (int64_t)(samples[i].series - samples[i - 1].series));
        codec_write_varint(record, samples[i].time_ms - samples[0].time_ms);
        bool same = samples[i].start_ms == samples[i - 1].start_ms;
        buf_append_byte(record, samples[i].start_ms == 0 ? 0 : same ? 1 : 2);
        if (samples[i].start_ms != 0 && !same)
            codec_write_varint(record, samples[i].start_ms - samples[0].start_ms);
        big_endian_write_u64(record, codec_double_bits(samples[i].value));
    }
}

void built_deletion(struct buf *record, uint64_t series, int64_t min_ms, int64_t max_ms)
{
    buf_reset(record);
    buf_append_byte(record, 3);
    big_endian_write_u64(record, series);
    codec_write_varint(record, min_ms);
    codec_write_varint(record, max_ms);
}

static void put_spans(struct buf *record, const struct histogram_span *spans, uint32_t count)
{
    codec_write_uvarint(record, count);
    for (uint32_t i = 0; i < count; i++) {
        codec_write_varint(record, spans[i].offset);
        codec_write_uvarint(record, spans[i].length);
    }
}

static void put_count(struct buf *record, bool is_float, double count)
{
    if (is_float)
        big_endian_write_u64(record, codec_double_bits(count));
    else
        codec_write_uvarint(record, (uint64_t)count);
}

static void put_buckets(struct buf *record, bool is_float, const double *buckets, uint32_t count)
{
    codec_write_uvarint(record, count);
    for (uint32_t i = 0; i < count; i++) {
        if (is_float)
            big_endian_write_u64(record, codec_double_bits(buckets[i]));
        else
            codec_write_varint(record, (int64_t)(buckets[i] - (i == 0 ? 0 : buckets[i - 1])));
    }
}

void built_histogram(struct buf *record, uint64_t series, int64_t time_ms, int64_t start_ms,
                     const struct histogram *histogram, bool second)
{
    bool is_float = histogram->is_float, is_custom = histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
    buf_reset(record);
    buf_append_byte(record, (char)((second ? 12 : is_custom ? 9 : 7) + is_float));
    if (second) {
        codec_write_varint(record, (int64_t)series);
        codec_write_varint(record, time_ms);
        codec_write_varint(record, start_ms);
    } else {
        big_endian_write_u64(record, series);
        big_endian_write_u64(record, (uint64_t)time_ms);
        codec_write_varint(record, 0);
        codec_write_varint(record, 0);
    }
    buf_append_byte(record, (char)histogram->reset_hint);
    codec_write_varint(record, histogram->schema);
    big_endian_write_u64(record, codec_double_bits(histogram->zero_threshold));
    put_count(record, is_float, histogram->zero_count);
    put_count(record, is_float, histogram->count);
    big_endian_write_u64(record, codec_double_bits(histogram->sum));
    put_spans(record, histogram->positive_spans, histogram->positive_span_count);
    put_spans(record, histogram->negative_spans, histogram->negative_span_count);
    put_buckets(record, is_float, histogram->positive_buckets, histogram->positive_bucket_count);
    put_buckets(record, is_float, histogram->negative_buckets, histogram->negative_bucket_count);
    if (is_custom)
        put_buckets(record, true, histogram->custom_bounds, histogram->custom_bound_count);
}

void built_head_chunk(struct buf *file, uint64_t series, bool is_late, const int64_t *times_ms,
                      const double *values, size_t count)
{
    struct buf data CLEANUP(buf_release);
    buf_init(&data, BUF_SIZE_ANY);
    xor_chunk_write(times_ms, values, count, &data);
    if (file->len == 0) {
        big_endian_write_u32(file, 0x0130bc91);
        buf_append(file, "\1\0\0\0", 4);
    }
    size_t begin = file->len;
    big_endian_write_u64(file, series);
    big_endian_write_u64(file, (uint64_t)times_ms[0]);
    big_endian_write_u64(file, (uint64_t)times_ms[count - 1]);
    buf_append_byte(file, (char)(1 | (is_late ? LATE : 0)));
    codec_write_slice(file, buf_slice(&data));
    big_endian_write_u32(file, crc32c(0, file->data + begin, file->len - begin));
}

void built_log_mend(uint8_t *bytes, size_t size)
{
    for (size_t page = 0; page < size; page += PAGE_SIZE) {
        size_t at = page, end = MIN(size, page + PAGE_SIZE);
        while (end - at > HEADER_SIZE && (bytes[at] & 7) != 0) {
            size_t len = (size_t)bytes[at + 1] << 8 | bytes[at + 2];
            if (len > end - at - HEADER_SIZE)
                break;
            put_checksum(bytes + at + 3, crc32c(0, bytes + at + HEADER_SIZE, len));
            at += HEADER_SIZE + len;
        }
    }
}

void built_head_chunks_mend(uint8_t *bytes, size_t size)
{
    size_t at = CHUNKS_HEADER_SIZE;
    while (at < size && size - at > CHUNK_HEADER_SIZE) {
        struct codec_reader reader =
            codec_reader(bytes + at + CHUNK_HEADER_SIZE, size - at - CHUNK_HEADER_SIZE);
        (void)codec_read_slice(&reader);
        if (reader.failed || codec_left(&reader) < 4)
            return;
        size_t end = (size_t)(reader.at - bytes);
        put_checksum(bytes + end, crc32c(0, bytes + at, end - at));
        at = end + 4;
    }
}
