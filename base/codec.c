/* Bounds-checked integers. */
#include "base/codec.h"

static bool codec_need(struct codec_reader *reader, size_t len)
{
    if (LIKELY(!reader->failed && codec_left(reader) >= len))
        return true;
    reader->failed = true;
    return false;
}

#define CODEC_READ_FIXED(type, reader)                                                             \
    type value = 0;                                                                                \
    if (codec_need(reader, sizeof(value))) {                                                       \
        memcpy(&value, (reader)->at, sizeof(value));                                               \
        (reader)->at += sizeof(value);                                                             \
    }                                                                                              \
    return value

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "formats are little-endian");

uint16_t codec_read_u16(struct codec_reader *reader)
{
    CODEC_READ_FIXED(uint16_t, reader);
}

uint32_t codec_read_u32(struct codec_reader *reader)
{
    CODEC_READ_FIXED(uint32_t, reader);
}

uint64_t codec_read_u64(struct codec_reader *reader)
{
    CODEC_READ_FIXED(uint64_t, reader);
}

double codec_read_double(struct codec_reader *reader)
{
    return codec_bits_double(codec_read_u64(reader));
}

uint64_t codec_read_uvarint_slow(struct codec_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (!codec_need(reader, 1))
            return 0;
        uint8_t byte = *reader->at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    reader->failed = true;
    return 0;
}

struct slice codec_read_bytes(struct codec_reader *reader, size_t len)
{
    if (!codec_need(reader, len))
        return SLICE_EMPTY;
    struct slice bytes = {(const char *)reader->at, len};
    reader->at += len;
    return bytes;
}

struct slice codec_read_slice(struct codec_reader *reader)
{
    uint64_t len = codec_read_uvarint(reader);
    if (len > codec_left(reader)) {
        reader->failed = true;
        return SLICE_EMPTY;
    }
    return codec_read_bytes(reader, (size_t)len);
}

void codec_write_u8(struct buf *out, uint8_t value)
{
    buf_append(out, &value, sizeof(value));
}

void codec_write_u16(struct buf *out, uint16_t value)
{
    buf_append(out, &value, sizeof(value));
}

void codec_write_u32(struct buf *out, uint32_t value)
{
    buf_append(out, &value, sizeof(value));
}

void codec_write_u64(struct buf *out, uint64_t value)
{
    buf_append(out, &value, sizeof(value));
}

void codec_write_double(struct buf *out, double value)
{
    codec_write_u64(out, codec_double_bits(value));
}

void codec_write_uvarint(struct buf *out, uint64_t value)
{
    uint8_t bytes[10];
    size_t len = 0;
    while (value >= 0x80) {
        bytes[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (uint8_t)value;
    buf_append(out, bytes, len);
}

void codec_write_varint(struct buf *out, int64_t value)
{
    codec_write_uvarint(out, codec_zigzag(value));
}

void codec_write_slice(struct buf *out, struct slice slice)
{
    codec_write_uvarint(out, slice.len);
    buf_append_slice(out, slice);
}
