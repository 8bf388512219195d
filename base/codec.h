/*
 * Integers to bytes and back: little-endian fixed widths, LEB128 varints, zigzag. Reading is bounds-
 * checked: a cursor that ran over its end, or met a varint of more than 10 bytes, sets `failed`,
 * stays there and yields zeros, so that a parser may read a whole record and look once.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct codec_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct codec_reader codec_reader(const void *data, size_t len)
{
    const uint8_t *at = data;
    return (struct codec_reader){at, at + len, false};
}
static inline size_t codec_left(const struct codec_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

static inline uint8_t codec_read_u8(struct codec_reader *reader)
{
    if (LIKELY(reader->at < reader->end && !reader->failed))
        return *reader->at++;
    reader->failed = true;
    return 0;
}
uint16_t codec_read_u16(struct codec_reader *reader);
uint32_t codec_read_u32(struct codec_reader *reader);
uint64_t codec_read_u64(struct codec_reader *reader);
double codec_read_double(struct codec_reader *reader); /* 8 bytes, bits kept */
uint64_t codec_read_uvarint_slow(struct codec_reader *reader);
/* Borrowed from the input. */
struct slice codec_read_bytes(struct codec_reader *reader, size_t len);
/* uvarint length, then bytes. */
struct slice codec_read_slice(struct codec_reader *reader);

void codec_write_u8(struct buf *out, uint8_t value);
void codec_write_u16(struct buf *out, uint16_t value);
void codec_write_u32(struct buf *out, uint32_t value);
void codec_write_u64(struct buf *out, uint64_t value);
void codec_write_double(struct buf *out, double value);
void codec_write_uvarint(struct buf *out, uint64_t value);
void codec_write_varint(struct buf *out, int64_t value);
void codec_write_slice(struct buf *out, struct slice slice);

static inline uint64_t codec_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}
static inline int64_t codec_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}
static inline uint64_t codec_double_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}
/* Most are one byte. */
static inline uint64_t codec_read_uvarint(struct codec_reader *reader)
{
    if (LIKELY(reader->at < reader->end && *reader->at < 0x80 && !reader->failed))
        return *reader->at++;
    return codec_read_uvarint_slow(reader);
}
static inline int64_t codec_read_varint(struct codec_reader *reader) /* zigzag */
{
    return codec_unzigzag(codec_read_uvarint(reader));
}
static inline double codec_bits_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}
