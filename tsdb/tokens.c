/* The encoder tries the decimal first, since that is what nearly all series are. */
#include "tsdb/tokens.h"

#include "base/assert.h"

#include <endian.h>
#include <math.h>
#include <string.h>

const double token_powers[32] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,        1e8,        1e9, 1e10,
    1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1.0 / 1024, 1.0 / 4096, 1,   1,
    1,    1,    1,    1,    1,    1,    1,    1,          1,          1,
};

/* Adding and subtracting this rounds a double below 2^51 to an integer. */
#define TOKEN_ROUND (6755399441055744.0) /* 1.5 * 2^52 */

/* Is the value an integer under the exponent, exactly? */
static inline bool token_integer(uint64_t bits, unsigned exponent, int64_t *out)
{
    double power = token_powers[exponent];
    double scaled = codec_bits_double(bits) * power;
    /* what is rounded stays below the limit, too, so that differences are below twice of it */
    if (!(fabs(scaled) <= (double)(TOKEN_INTEGER_MAX - 1)))
        return false;
    double rounded = (scaled + TOKEN_ROUND) - TOKEN_ROUND;
    int64_t integer = (int64_t)rounded;
    if (codec_double_bits((double)integer / power) != bits)
        return false;
    *out = integer;
    return true;
}

/* The integer of a value that was found to be one. */
static inline int64_t token_base(uint64_t bits, unsigned exponent)
{
    return (int64_t)((codec_bits_double(bits) * token_powers[exponent] + TOKEN_ROUND) -
                     TOKEN_ROUND);
}

static size_t token_put_varint(uint8_t *out, uint64_t value)
{
    size_t len = 0;
    while (value >= 0x80) {
        out[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (uint8_t)value;
    return len;
}

static size_t token_put_integer(uint8_t *out, unsigned exponent, int64_t integer)
{
    out[0] = 0xfa;
    out[1] = (uint8_t)exponent;
    return 2 + token_put_varint(out + 2, codec_zigzag(integer));
}

static size_t token_put_raw(uint8_t *out, uint64_t bits)
{
    out[0] = 0xff;
    for (unsigned i = 0; i < 8; i++)
        out[1 + i] = (uint8_t)(bits >> (8 * i));
    return 9;
}

static size_t token_put_bits(uint8_t *out, uint64_t last, uint64_t bits, uint8_t state)
{
    uint64_t difference = last ^ bits;
    if (!(state & TOKEN_STATE_KNOWN) || difference == 0)
        return token_put_raw(out, bits);
    unsigned skip = (unsigned)__builtin_ctzll(difference) / 8;
    difference >>= 8 * skip;
    unsigned count = (unsigned)(64 - __builtin_clzll(difference) + 7) / 8;
    if (count > 6)
        return token_put_raw(out, bits);
    out[0] = 0xfb;
    out[1] = (uint8_t)(skip << 4 | count);
    for (unsigned i = 0; i < count; i++)
        out[2 + i] = (uint8_t)(difference >> (8 * i));
    return 2 + count;
}

/* The exponent under which the integer is smallest. */
static bool token_choose(uint64_t bits, bool integers_only, unsigned *out_exponent,
                         int64_t *out_integer)
{
    unsigned exponent_end = integers_only ? 1 : TOKEN_EXPONENT_DECIMALS + 1;
    for (unsigned exponent = 0; exponent < exponent_end; exponent++) {
        if (!token_integer(bits, exponent, out_integer))
            continue;
        *out_exponent = exponent;
        if (exponent == 0 && *out_integer != 0 && *out_integer % 1024 == 0) {
            *out_exponent = *out_integer % 4096 == 0 ? TOKEN_EXPONENT_PAGES : TOKEN_EXPONENT_KIBI;
            *out_integer /= *out_integer % 4096 == 0 ? 4096 : 1024;
        }
        return true;
    }
    return false;
}

/* A value that is no decimal under the exponent in force. */
static __attribute__((noinline)) size_t token_encode_other(uint8_t *out, uint64_t last,
                                                           uint64_t bits, uint8_t *state)
{
    if (bits == SAMPLE_STALE_BITS) {
        *out = 0xfe;
        *state = (uint8_t)((*state & ~TOKEN_STATE_DECIMAL) | TOKEN_STATE_KNOWN);
        return 1;
    }
    int64_t integer;
    unsigned exponent_first = *state & TOKEN_STATE_EXPONENT;
    if (*state & TOKEN_STATE_KNOWN && token_integer(bits, exponent_first, &integer)) {
        *state = (uint8_t)(TOKEN_STATE_DECIMAL | TOKEN_STATE_KNOWN | exponent_first);
        return token_put_integer(out, exponent_first, integer);
    }
    unsigned exponent;
    if (token_choose(bits, *state & TOKEN_STATE_RAW, &exponent, &integer)) {
        *state = (uint8_t)(TOKEN_STATE_DECIMAL | TOKEN_STATE_KNOWN | exponent);
        return token_put_integer(out, exponent, integer);
    }
    size_t len = token_put_bits(out, last, bits, *state);
    double value = codec_bits_double(bits);
    uint8_t raw = isfinite(value) && value != 0 ? TOKEN_STATE_RAW : 0;
    *state = (uint8_t)((*state & ~TOKEN_STATE_DECIMAL) | TOKEN_STATE_KNOWN | raw);
    return len;
}

size_t token_encode(uint8_t *out, uint64_t last, uint64_t bits, uint8_t *state)
{
    int64_t integer;
    unsigned exponent = *state & TOKEN_STATE_EXPONENT;
    if (LIKELY((*state & TOKEN_STATE_DECIMAL) && token_integer(bits, exponent, &integer)))
        return token_encode_difference(out, codec_zigzag(integer - token_base(last, exponent)));
    return token_encode_other(out, last, bits, state);
}

size_t token_encode_absolute(uint8_t *out, uint64_t bits, uint8_t state)
{
    if (state & TOKEN_STATE_DECIMAL) {
        unsigned exponent = state & TOKEN_STATE_EXPONENT;
        return token_put_integer(out, exponent, token_base(bits, exponent));
    }
    if (bits == SAMPLE_STALE_BITS) {
        *out = 0xfe;
        return 1;
    }
    return token_put_raw(out, bits);
}

size_t token_encode_run(uint8_t *out, uint64_t count)
{
    ASSERT(count > 0);
    if (count <= 32) {
        *out = (uint8_t)(0xc0 + count - 1);
        return 1;
    }
    *out = 0xf7;
    return 1 + token_put_varint(out + 1, count);
}

size_t token_encode_gap(uint8_t *out, uint64_t gap)
{
    *out = 0xf6;
    return 1 + token_put_varint(out + 1, gap);
}

void token_reader_resume(struct token_reader *reader, uint64_t bits, uint8_t state)
{
    reader->bits = bits;
    reader->state = state;
    reader->base = state & TOKEN_STATE_DECIMAL ? token_base(bits, state & TOKEN_STATE_EXPONENT) : 0;
}

static bool token_get_varint(struct token_reader *reader, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (reader->at == reader->end)
            return false;
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool token_get_fixed(struct token_reader *reader, size_t len, uint64_t *out)
{
    if ((size_t)(reader->end - reader->at) < len)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value |= (uint64_t)reader->at[i] << (8 * i);
    reader->at += len;
    *out = value;
    return true;
}

static enum token_kind token_take_bits(struct token_reader *reader, uint64_t bits)
{
    reader->bits = bits;
    reader->state = (uint8_t)((reader->state & ~TOKEN_STATE_DECIMAL) | TOKEN_STATE_KNOWN);
    return TOKEN_VALUE;
}

static enum token_kind token_read_integer(struct token_reader *reader)
{
    uint64_t exponent;
    uint64_t zigzag;
    if (!token_get_fixed(reader, 1, &exponent) || exponent > TOKEN_EXPONENT_MAX ||
        !token_get_varint(reader, &zigzag))
        return TOKEN_CORRUPT;
    reader->base = 0;
    reader->state = (uint8_t)(TOKEN_STATE_DECIMAL | TOKEN_STATE_KNOWN | exponent);
    return token_take_difference(reader, zigzag);
}

static enum token_kind token_read_xor(struct token_reader *reader)
{
    uint64_t shape;
    uint64_t difference;
    if (!(reader->state & TOKEN_STATE_KNOWN) || !token_get_fixed(reader, 1, &shape))
        return TOKEN_CORRUPT;
    unsigned skip = (unsigned)shape >> 4;
    unsigned count = (unsigned)shape & 15;
    if (skip + count > 8 || skip > 7 || !token_get_fixed(reader, count, &difference))
        return TOKEN_CORRUPT;
    return token_take_bits(reader, reader->bits ^ difference << (8 * skip));
}

/* The difference behind a first byte of E0 to F4; eight bytes can be read. */
static inline uint64_t token_get_long(struct token_reader *reader, uint8_t first)
{
    uint64_t word;
    memcpy(&word, reader->at, sizeof(word));
    word = le64toh(word);
    if (first < 0xf0) {
        reader->at += 2;
        return (uint64_t)(first & 0x0f) << 16 | (word & 0xff) << 8 | (word >> 8 & 0xff);
    }
    unsigned len = first - 0xf0u + 3;
    reader->at += len;
    return word & (UINT64_MAX >> (64 - 8 * len));
}

enum token_kind token_read_rare(struct token_reader *reader, uint8_t first)
{
    uint64_t value;
    if (first < 0xf5) {
        if (LIKELY(reader->end - reader->at >= (ptrdiff_t)sizeof(uint64_t)))
            return token_take_difference(reader, token_get_long(reader, first));
        if (!token_get_fixed(reader, first < 0xf0 ? 2 : first - 0xf0u + 3, &value))
            return TOKEN_CORRUPT;
        if (first < 0xf0)
            value = (uint64_t)(first & 0x0f) << 16 | (value & 0xff) << 8 | value >> 8;
        return token_take_difference(reader, value);
    }
    switch (first) {
    case 0xf6:
        return token_get_varint(reader, &reader->count) ? TOKEN_GAP : TOKEN_CORRUPT;
    case 0xf7:
        return token_get_varint(reader, &reader->count) ? TOKEN_RUN : TOKEN_CORRUPT;
    case 0xfa:
        return token_read_integer(reader);
    case 0xfb:
        return token_read_xor(reader);
    case 0xfe:
        return token_take_bits(reader, SAMPLE_STALE_BITS);
    case 0xff:
        return token_get_fixed(reader, 8, &value) ? token_take_bits(reader, value) : TOKEN_CORRUPT;
    default:
        return TOKEN_CORRUPT;
    }
}
