#include "tool/bit_stream.h"

#include "base/assert.h"
#include "base/codec.h"

#define VARINT_BYTES_MAX 10

/* Widths of varbits by the number of ones before the first zero. */
static const uint8_t varbit_widths[] = {0, 3, 6, 9, 12, 18, 25, 56, 64};
#define VARBIT_PREFIX_MAX 8

void bit_reader_init(struct bit_reader *reader, const void *data, size_t len)
{
    *reader = (struct bit_reader){.data = data, .bit_count = (uint64_t)len * 8};
}

uint64_t bit_read(struct bit_reader *reader, unsigned count)
{
    ASSERT(count <= 64);
    if (reader->failed || count > reader->bit_count - reader->at) {
        reader->failed = true;
        return 0;
    }
    uint64_t value = 0;
    while (count > 0) {
        unsigned used = reader->at & 7;
        unsigned here = MIN(8 - used, count);
        uint64_t byte = reader->data[reader->at >> 3];
        uint64_t part = (byte >> (8 - used - here)) & ((1u << here) - 1);
        value = here == 64 ? part : (value << here) | part;
        reader->at += here;
        count -= here;
    }
    return value;
}

uint64_t bit_read_uvarint(struct bit_reader *reader)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        uint64_t byte = bit_read(reader, 8);
        if (i == VARINT_BYTES_MAX - 1 && byte > 1)
            break;
        value |= (byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return value;
    }
    reader->failed = true;
    return 0;
}

int64_t bit_read_varint(struct bit_reader *reader)
{
    return codec_unzigzag(bit_read_uvarint(reader));
}

static unsigned read_varbit_width(struct bit_reader *reader)
{
    unsigned ones = 0;
    while (ones < VARBIT_PREFIX_MAX && bit_read(reader, 1) == 1)
        ones++;
    return varbit_widths[ones];
}

uint64_t bit_read_varbit_uint(struct bit_reader *reader)
{
    return bit_read(reader, read_varbit_width(reader));
}

int64_t bit_read_signed(struct bit_reader *reader, unsigned width)
{
    uint64_t bits = bit_read(reader, width);
    if (width > 0 && width < 64 && bits > UINT64_C(1) << (width - 1))
        bits -= UINT64_C(1) << width;
    return (int64_t)bits;
}

int64_t bit_read_varbit_int(struct bit_reader *reader)
{
    return bit_read_signed(reader, read_varbit_width(reader));
}

void bit_writer_init(struct bit_writer *writer, struct buf *out)
{
    *writer = (struct bit_writer){.out = out};
}

void bit_write(struct bit_writer *writer, uint64_t bits, unsigned count)
{
    ASSERT(count <= 64);
    while (count > 0) {
        if (writer->free_bits == 0) {
            if (!buf_append_byte(writer->out, 0))
                return; /* the buffer tells */
            writer->free_bits = 8;
        }
        unsigned here = MIN(writer->free_bits, count);
        uint64_t part = (bits >> (count - here)) & ((1u << here) - 1);
        writer->free_bits -= here;
        count -= here;
        writer->out->data[writer->out->len - 1] |= (char)(part << writer->free_bits);
    }
}

void bit_write_uvarint(struct bit_writer *writer, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        bit_write(writer, (value & 0x7f) | 0x80, 8);
    bit_write(writer, value, 8);
}

void bit_write_varint(struct bit_writer *writer, int64_t value)
{
    bit_write_uvarint(writer, codec_zigzag(value));
}

/* `ones` ones, a zero unless it is the longest prefix, and the value. */
static void write_varbit(struct bit_writer *writer, uint64_t value, unsigned ones)
{
    uint64_t prefix = ((UINT64_C(1) << ones) - 1) << (ones < VARBIT_PREFIX_MAX ? 1 : 0);
    bit_write(writer, prefix, ones < VARBIT_PREFIX_MAX ? ones + 1 : ones);
    bit_write(writer, value, varbit_widths[ones]);
}

void bit_write_varbit_uint(struct bit_writer *writer, uint64_t value)
{
    unsigned ones = 0;
    while (ones < VARBIT_PREFIX_MAX && value >> varbit_widths[ones] != 0)
        ones++;
    write_varbit(writer, value, ones);
}

bool bit_fits_signed(int64_t value, unsigned width)
{
    if (width == 0)
        return value == 0;
    int64_t half = INT64_C(1) << (width - 1);
    return value > -half && value <= half;
}

void bit_write_varbit_int(struct bit_writer *writer, int64_t value)
{
    unsigned ones = 0;
    while (ones < VARBIT_PREFIX_MAX && !bit_fits_signed(value, varbit_widths[ones]))
        ones++;
    write_varbit(writer, (uint64_t)value, ones);
}

void xor_value_init(struct xor_value *value)
{
    *value = (struct xor_value){.leading = XOR_NO_WINDOW};
}

void xor_value_read_window(struct xor_value *value, struct bit_reader *reader)
{
    /* the reference begins with a window of all bits */
    unsigned leading = value->leading == XOR_NO_WINDOW ? 0 : value->leading;
    uint64_t bits = bit_read(reader, 64 - leading - value->trailing);
    bits = codec_double_bits(value->value) ^ (bits << value->trailing);
    value->value = codec_bits_double(bits);
}

void xor_value_read_new_window(struct xor_value *value, struct bit_reader *reader)
{
    unsigned leading = (unsigned)bit_read(reader, 5);
    unsigned width = (unsigned)bit_read(reader, 6);
    if (width == 0)
        width = 64; /* it does not fit into six bits */
    if (leading + width > 64) {
        reader->failed = true;
        return;
    }
    value->leading = (uint8_t)leading;
    value->trailing = (uint8_t)(64 - leading - width);
    xor_value_read_window(value, reader);
}

void xor_value_read(struct xor_value *value, struct bit_reader *reader)
{
    if (bit_read(reader, 1) == 0)
        return;
    if (bit_read(reader, 1) == 0)
        xor_value_read_window(value, reader);
    else
        xor_value_read_new_window(value, reader);
}

void xor_value_write(struct xor_value *value, double now, struct bit_writer *writer)
{
    uint64_t difference = codec_double_bits(now) ^ codec_double_bits(value->value);
    value->value = now;
    if (difference == 0) {
        bit_write(writer, 0, 1);
        return;
    }
    unsigned leading = MIN((unsigned)__builtin_clzll(difference), 31u); /* five bits */
    unsigned trailing = (unsigned)__builtin_ctzll(difference);
    if (value->leading != XOR_NO_WINDOW && leading >= value->leading &&
        trailing >= value->trailing) {
        bit_write(writer, 2, 2);
        bit_write(writer, difference >> value->trailing, 64u - value->leading - value->trailing);
        return;
    }
    value->leading = (uint8_t)leading;
    value->trailing = (uint8_t)trailing;
    unsigned width = 64 - leading - trailing;
    bit_write(writer, 3, 2);
    bit_write(writer, leading, 5);
    bit_write(writer, width & 63, 6);
    bit_write(writer, difference >> trailing, width);
}
