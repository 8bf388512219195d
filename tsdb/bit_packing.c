/* Writing goes through a 64-bit word; reading through the kernels, the end by way of a padded copy.
 */
#include "tsdb/bit_packing.h"

#include "base/assert.h"
#include "tsdb/integer_column.h"

#include <endian.h>
#include <string.h>

/* The groups that lie within COLUMN_READ_SLACK of the end, and that slack. */
#define TAIL_SIZE 256

static size_t packed_size(size_t count, unsigned width)
{
    return (count * width + 7) / 8;
}

static void store_word(uint8_t *at, uint64_t word)
{
    word = htole64(word);
    memcpy(at, &word, sizeof(word));
}

void bit_packing_write(struct buf *out, const uint64_t *values, size_t count, unsigned width)
{
    ASSERT(width <= 64);
    size_t size = packed_size(count, width);
    uint8_t *at = (uint8_t *)buf_reserve(out, size + 8);
    if (at == NULL || size == 0)
        return;
    uint64_t mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
    uint64_t word = 0;
    unsigned filled = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t value = values[i] & mask;
        word |= value << filled;
        filled += width;
        if (filled >= 64) {
            store_word(at, word);
            at += 8;
            filled -= 64;
            word = filled == 0 ? 0 : value >> (width - filled);
        }
    }
    store_word(at, word);
    buf_commit(out, size);
}

/* So many groups may be read where they lie, by the bytes that are behind them. */
static size_t groups_direct(const struct codec_reader *reader, unsigned width)
{
    size_t left = codec_left(reader);
    return left < COLUMN_READ_SLACK ? 0 : (left - COLUMN_READ_SLACK) / width;
}

size_t bit_packing_sum(struct codec_reader *reader, size_t count, unsigned width, uint64_t *out_sum)
{
    *out_sum = 0;
    if (reader->failed || width == 0 || width > 64)
        return 0;
    size_t groups = MIN(count / 8, groups_direct(reader, width));
    *out_sum = column_kernels()->sum(reader->at, width, groups);
    reader->at += groups * width;
    return groups * 8;
}

bool bit_packing_read(struct codec_reader *reader, size_t count, unsigned width, uint64_t *out)
{
    ASSERT(count <= INTEGER_COLUMN_COUNT_MAX);
    if (width == 0) {
        memset(out, 0, count * sizeof(*out));
        return !reader->failed;
    }
    size_t size = packed_size(count, width);
    if (reader->failed || width > 64 || codec_left(reader) < size) {
        reader->failed = true;
        return false;
    }
    const struct column_kernels *kernels = column_kernels();
    size_t groups = (count + 7) / 8;
    size_t direct = MIN(groups, groups_direct(reader, width));
    kernels->unpack(reader->at, width, direct, out);
    if (direct < groups) {
        uint8_t tail[TAIL_SIZE] = {0};
        size_t done = direct * width;
        ASSERT((groups - direct) * width + COLUMN_READ_SLACK <= TAIL_SIZE);
        memcpy(tail, reader->at + done, size - done);
        kernels->unpack(tail, width, groups - direct, out + direct * 8);
    }
    reader->at += size;
    return true;
}

void bit_quotients_write(struct buf *out, const uint64_t *values, size_t count, unsigned shift)
{
    size_t bits = count;
    for (size_t i = 0; i < count; i++) {
        DCHECK(values[i] >> shift <= BIT_QUOTIENT_MAX);
        bits += values[i] >> shift;
    }
    size_t size = (bits + 7) / 8;
    codec_write_uvarint(out, size);
    uint8_t *bitmap = (uint8_t *)buf_reserve(out, size);
    if (bitmap == NULL)
        return;
    memset(bitmap, 0, size);
    size_t position = 0;
    for (size_t i = 0; i < count; i++) {
        position += values[i] >> shift;
        bitmap[position / 8] |= (uint8_t)(1u << position % 8);
        position++;
    }
    buf_commit(out, size);
}

bool bit_quotients_read(struct codec_reader *reader, size_t count, unsigned shift, uint64_t *values)
{
    uint32_t positions[INTEGER_COLUMN_COUNT_MAX + COLUMN_SLACK];
    ASSERT(count <= INTEGER_COLUMN_COUNT_MAX && shift < 64);
    uint64_t size = codec_read_uvarint(reader);
    if (reader->failed || size > codec_left(reader) ||
        size > packed_size(count, BIT_QUOTIENT_MAX + 1) ||
        !column_kernels()->add_quotients(reader->at, size, shift, count, positions, values)) {
        reader->failed = true;
        return false;
    }
    reader->at += size;
    return true;
}
