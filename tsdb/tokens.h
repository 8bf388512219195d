/*
 * Values as bytes: the tokens that open chunks and WAL records share.
 *
 * Most samples are decimals: 0.25 is 25 with exponent 2, 8192 is 2 with the exponent for pages. A
 * value that is an exact decimal under the exponent in force is coded as the difference of two
 * integers, one to four bytes; the encoder takes it only when the division gives back the same 64
 * bits. Everything else (NaN payloads, infinities, -0, full mantissas) is coded as the difference
 * of bits or as raw bits, so nothing is ever rounded.
 *
 *     00-7F          zigzag difference, 7 bits             (needs a decimal before it)
 *     80-BF +1       zigzag difference, 14 bits, high first
 *     C0-DF          run: the value again, 1 to 32 times
 *     E0-EF +2       zigzag difference, 20 bits, high first
 *     F0-F4 +3..7    zigzag difference, 24 to 56 bits, little-endian
 *     F6 varint      gap: what the reader of the stream makes of it (time, rows)
 *     F7 varint      run of that many
 *     FA e varint    exponent e, then the integer itself (zigzag): needs nothing before it
 *     FB tn n bytes  bits = last bits XOR (n bytes << 8t); high nibble t, low nibble n
 *     FE             the stale marker
 *     FF 8 bytes     raw bits
 *
 * The state between two values is (bits, state byte); both sides derive all else. A state byte of 0
 * knows nothing: the next token is absolute.
 *
 * Thread-safety: values.
 */
#pragma once

#include "base/codec.h"
#include "base/compiler.h"
#include "model/sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_SIZE_MAX 16
#define TOKEN_RUN_SIZE_MAX 11

#define TOKEN_STATE_DECIMAL 0x80u /* `bits` is an integer under the exponent */
#define TOKEN_STATE_RAW 0x40u     /* not worth looking for an exponent */
#define TOKEN_STATE_KNOWN 0x20u   /* `bits` is known to the reader */
#define TOKEN_STATE_EXPONENT 0x1fu

#define TOKEN_EXPONENT_DECIMALS 17
#define TOKEN_EXPONENT_KIBI 18  /* integer * 1024 */
#define TOKEN_EXPONENT_PAGES 19 /* integer * 4096 */
#define TOKEN_EXPONENT_MAX 19
#define TOKEN_INTEGER_MAX (INT64_C(1) << 51)

/* value = integer / power, exactly */
extern const double token_powers[32];

/* Codes `bits` after `last`; writes at most TOKEN_SIZE_MAX bytes, returns how many. */
size_t token_encode(uint8_t *out, uint64_t last, uint64_t bits, uint8_t *state);
/* Codes `bits` so that a reader who knows nothing gets to exactly this state. */
size_t token_encode_absolute(uint8_t *out, uint64_t bits, uint8_t state);
/* At most TOKEN_RUN_SIZE_MAX bytes; count must not be 0. */
size_t token_encode_run(uint8_t *out, uint64_t count);
size_t token_encode_gap(uint8_t *out, uint64_t gap);

/* The token of a zigzag difference, which is below 2^53. */
static inline size_t token_encode_difference(uint8_t *out, uint64_t zigzag)
{
    if (zigzag < 0x80) {
        out[0] = (uint8_t)zigzag;
        return 1;
    }
    if (zigzag < 0x4000) {
        out[0] = (uint8_t)(0x80 | zigzag >> 8);
        out[1] = (uint8_t)zigzag;
        return 2;
    }
    if (zigzag < 0x100000) {
        out[0] = (uint8_t)(0xe0 | zigzag >> 16);
        out[1] = (uint8_t)(zigzag >> 8);
        out[2] = (uint8_t)zigzag;
        return 3;
    }
    size_t bytes = (size_t)(64 - __builtin_clzll(zigzag) + 7) / 8;
    out[0] = (uint8_t)(0xf0 + bytes - 3);
    for (size_t i = 0; i < bytes; i++)
        out[1 + i] = (uint8_t)(zigzag >> (8 * i));
    return 1 + bytes;
}

/* Does a token of a value that begins so mean the same behind any other? */
static inline bool token_is_absolute(uint8_t first)
{
    return first == 0xfa || first >= 0xfe;
}

enum token_kind {
    TOKEN_VALUE, /* the reader's `bits` */
    TOKEN_RUN,   /* the last value `count` times again */
    TOKEN_GAP,   /* `count` is the gap */
    TOKEN_CORRUPT,
};

struct token_reader {
    const uint8_t *at;
    const uint8_t *end;
    uint64_t bits;
    int64_t base;
    uint64_t count;
    uint8_t state;
};

static inline struct token_reader token_reader(const uint8_t *data, size_t len)
{
    return (struct token_reader){.at = data, .end = data + len};
}

/* Goes on from the state of a stream: WAL records interleave many. */
void token_reader_resume(struct token_reader *reader, uint64_t bits, uint8_t state);

/* The rarer tokens; for token_read. */
enum token_kind token_read_rare(struct token_reader *reader, uint8_t first);

static inline enum token_kind token_take_difference(struct token_reader *reader, uint64_t zigzag)
{
    if (UNLIKELY(!(reader->state & TOKEN_STATE_DECIMAL)))
        return TOKEN_CORRUPT;
    reader->base = (int64_t)((uint64_t)reader->base + (uint64_t)codec_unzigzag(zigzag));
    if (UNLIKELY(reader->base > TOKEN_INTEGER_MAX || reader->base < -TOKEN_INTEGER_MAX))
        return TOKEN_CORRUPT;
    reader->bits = codec_double_bits((double)reader->base /
                                     token_powers[reader->state & TOKEN_STATE_EXPONENT]);
    return TOKEN_VALUE;
}

/* The next token; there must be one (at < end). Bounds-checked: bytes may be hostile. */
static inline enum token_kind token_read(struct token_reader *reader)
{
    uint8_t first = *reader->at++;
    if (LIKELY(first < 0x80))
        return token_take_difference(reader, first);
    if (first < 0xc0) {
        if (UNLIKELY(reader->at == reader->end))
            return TOKEN_CORRUPT;
        return token_take_difference(reader, (uint64_t)(first & 0x3f) << 8 | *reader->at++);
    }
    if (first < 0xe0) {
        reader->count = (first & 0x1f) + 1u;
        return TOKEN_RUN;
    }
    return token_read_rare(reader, first);
}
