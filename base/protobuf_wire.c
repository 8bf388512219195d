/* The protobuf wire format. */
#include "base/protobuf_wire.h"

#include "base/codec.h"
#include "base/compiler.h"

#define PROTOBUF_NUMBER_MAX ((1u << 29) - 1)

static bool protobuf_varint(struct protobuf_reader *reader, uint64_t *out)
{
    const unsigned char *at = (const unsigned char *)reader->left.ptr;
    size_t len = MIN(reader->left.len, (size_t)10);
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        value |= (uint64_t)(at[i] & 0x7f) << (7 * i);
        if (at[i] < 0x80) {
            reader->left = slice_from_index(reader->left, i + 1);
            *out = value;
            return true;
        }
    }
    return false;
}

static bool protobuf_fixed(struct protobuf_reader *reader, size_t len, uint64_t *out)
{
    if (reader->left.len < len)
        return false;
    struct codec_reader bytes = codec_reader(reader->left.ptr, len);
    *out = len == 8 ? codec_read_u64(&bytes) : codec_read_u32(&bytes);
    reader->left = slice_from_index(reader->left, len);
    return true;
}

static bool protobuf_bytes(struct protobuf_reader *reader, struct slice *out)
{
    uint64_t len;
    if (!protobuf_varint(reader, &len) || len > reader->left.len)
        return false;
    *out = slice_sub(reader->left, 0, (size_t)len);
    reader->left = slice_from_index(reader->left, (size_t)len);
    return true;
}

static bool protobuf_value(struct protobuf_reader *reader, uint64_t type,
                           struct protobuf_field *out)
{
    out->type = (enum protobuf_wire_type)type;
    out->value = 0;
    out->bytes = SLICE_EMPTY;
    switch (type) {
    case PROTOBUF_VARINT:
        return protobuf_varint(reader, &out->value);
    case PROTOBUF_FIXED64:
        return protobuf_fixed(reader, 8, &out->value);
    case PROTOBUF_BYTES:
        return protobuf_bytes(reader, &out->bytes);
    case PROTOBUF_FIXED32:
        return protobuf_fixed(reader, 4, &out->value);
    default:
        return false;
    }
}

bool protobuf_next(struct protobuf_reader *reader, struct protobuf_field *out)
{
    if (reader->left.len == 0 || reader->failed)
        return false;
    uint64_t tag;
    if (protobuf_varint(reader, &tag) && tag >> 3 != 0 && tag >> 3 <= PROTOBUF_NUMBER_MAX) {
        out->number = (uint32_t)(tag >> 3);
        if (LIKELY(protobuf_value(reader, tag & 7, out)))
            return true;
    }
    reader->failed = true;
    return false;
}

double protobuf_field_double(const struct protobuf_field *field)
{
    return codec_bits_double(field->value);
}

static void protobuf_write_tag(struct buf *out, uint32_t number, enum protobuf_wire_type type)
{
    codec_write_uvarint(out, (uint64_t)number << 3 | type);
}

void protobuf_write_varint(struct buf *out, uint32_t number, uint64_t value)
{
    protobuf_write_tag(out, number, PROTOBUF_VARINT);
    codec_write_uvarint(out, value);
}

void protobuf_write_sint(struct buf *out, uint32_t number, int64_t value)
{
    protobuf_write_varint(out, number, codec_zigzag(value));
}

void protobuf_write_fixed64(struct buf *out, uint32_t number, uint64_t value)
{
    protobuf_write_tag(out, number, PROTOBUF_FIXED64);
    codec_write_u64(out, value);
}

void protobuf_write_double(struct buf *out, uint32_t number, double value)
{
    protobuf_write_fixed64(out, number, codec_double_bits(value));
}

void protobuf_write_bytes(struct buf *out, uint32_t number, struct slice value)
{
    protobuf_write_tag(out, number, PROTOBUF_BYTES);
    codec_write_slice(out, value);
}
