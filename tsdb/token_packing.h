/*
 * Tokens of the log in bits. Differences are Rice codes whose parameter follows the stream that they
 * are of: a counter of bytes takes some twenty bits a step, one of requests six. All other tokens are
 * rare, and go as they are behind an escape.
 *
 *     q ones, a zero, k bits              v = q << k | the k bits, for q < 12
 *     12 ones, n (6 bits), n bits         the zigzag difference itself, n up to 53
 *     12 ones, 63 (6 bits), 5 bits, ...   a token of another kind: its length and its bytes
 *
 * Bits fill bytes from the lowest on. v is the difference where none is negative lately, and its zigzag
 * form otherwise. How a stream moves is its context, which both sides bring up to date behind each
 * difference:
 *
 *     k            scale / 4; scale is 32 at first and at most 211
 *     q = 0, > 1   scale - 1, scale + (q + 1) / 2
 *     negative     restless = 8; any other: one less. scale + 4 where it becomes restless, scale - 4
 *                  where that ends
 *     escaped      scale = 4 * (bits of v - 1) + 2, v as it would be coded next
 *
 * Thread-safety: values.
 */
#pragma once

#include "base/compiler.h"

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* All zero at first. */
struct token_context {
    uint8_t scale_change; /* scale XOR its first value */
    uint8_t restless;
};

#define TOKEN_QUOTIENT_END 12
#define TOKEN_SCALE_FIRST 32
#define TOKEN_SCALE_MAX 211
#define TOKEN_SCALE_STEP 4 /* of one bit */
#define TOKEN_RESTLESS 8

static inline int token_context_scale(const struct token_context *context)
{
    return context->scale_change ^ TOKEN_SCALE_FIRST;
}

static inline void token_context_set_scale(struct token_context *context, int scale)
{
    scale = scale < 0 ? 0 : scale;
    scale = scale > TOKEN_SCALE_MAX ? TOKEN_SCALE_MAX : scale;
    context->scale_change = (uint8_t)(scale ^ TOKEN_SCALE_FIRST);
}

/* A difference was negative, or not. */
static inline void token_context_note_sign(struct token_context *context, bool negative)
{
    if (LIKELY((context->restless | negative) == 0))
        return;
    int scale = token_context_scale(context);
    if (negative) {
        if (context->restless == 0)
            token_context_set_scale(context, scale + TOKEN_SCALE_STEP);
        context->restless = TOKEN_RESTLESS;
    } else if (--context->restless == 0) {
        token_context_set_scale(context, scale - TOKEN_SCALE_STEP);
    }
}

/* A difference was coded with this quotient. */
static inline void token_context_note(struct token_context *context, unsigned quotient,
                                      bool negative)
{
    static const int8_t step[TOKEN_QUOTIENT_END] = {-1, 0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6};
    token_context_set_scale(context, token_context_scale(context) + step[quotient]);
    token_context_note_sign(context, negative);
}

/* A token takes so many bytes at most, and writing needs so many more behind the last. */
#define TOKEN_PACKED_SIZE_MAX 20
#define TOKEN_PACKED_SLACK 8

struct token_packer {
    uint8_t *at;
    uint64_t word;
    unsigned filled;
};

static inline struct token_packer token_packer(uint8_t *out)
{
    return (struct token_packer){.at = out};
}
/* A token that codes a value: no run, no gap. */
void token_pack(struct token_packer *packer, struct token_context *context, const uint8_t *token,
                size_t len);
/* The end of what was written. */
static inline uint8_t *token_packer_end(const struct token_packer *packer)
{
    return packer->at + (packer->filled > 0);
}

struct token_unpacker {
    const uint8_t *data;
    size_t size;
    size_t bit; /* the next */
};

enum token_packed {
    TOKEN_PACKED_DIFFERENCE, /* a zigzag difference */
    TOKEN_PACKED_OTHER,      /* a token as it is */
    TOKEN_PACKED_CORRUPT,
};

/* What comes out: the difference, or a token of `len` bytes. */
struct token_unpacked {
    uint64_t zigzag;
    size_t len;
    uint8_t token[32];
};

/* At least 57 bits from the next on; behind the end there are zeros. */
static inline uint64_t token_unpacker_peek(const struct token_unpacker *unpacker)
{
    size_t at = unpacker->bit / 8;
    uint64_t word = 0;
    if (LIKELY(at + sizeof(word) <= unpacker->size))
        memcpy(&word, unpacker->data + at, sizeof(word));
    else if (at < unpacker->size)
        memcpy(&word, unpacker->data + at, unpacker->size - at);
    return le64toh(word) >> (unpacker->bit % 8);
}

/* What begins with an escape; for token_unpack. */
enum token_packed token_unpack_escaped(struct token_unpacker *unpacker,
                                       struct token_context *context, struct token_unpacked *out);

/* The next token; bounds-checked, since bytes may be hostile. */
static inline enum token_packed token_unpack(struct token_unpacker *unpacker,
                                             struct token_context *context,
                                             struct token_unpacked *out)
{
    uint64_t word = token_unpacker_peek(unpacker);
    unsigned quotient = (unsigned)__builtin_ctzll(~word | UINT64_C(1) << TOKEN_QUOTIENT_END);
    if (UNLIKELY(quotient == TOKEN_QUOTIENT_END))
        return token_unpack_escaped(unpacker, context, out);
    unsigned k = (unsigned)token_context_scale(context) / TOKEN_SCALE_STEP;
    unpacker->bit += quotient + 1;
    word = LIKELY(quotient + 1 + k <= 57) ? word >> (quotient + 1) : token_unpacker_peek(unpacker);
    unpacker->bit += k;
    uint64_t value = (uint64_t)quotient << k | (word & ((UINT64_C(1) << k) - 1));
    out->zigzag = value << (context->restless == 0);
    token_context_note(context, quotient, out->zigzag & 1);
    return LIKELY(unpacker->bit <= unpacker->size * 8) ? TOKEN_PACKED_DIFFERENCE
                                                       : TOKEN_PACKED_CORRUPT;
}

/* The bytes up to the end of the last token. */
static inline size_t token_unpacker_size(const struct token_unpacker *unpacker)
{
    return (unpacker->bit + 7) / 8;
}
