/* Both sides go through a 64-bit word, of which at most 7 bits are left over from the token before. */
#include "tsdb/token_packing.h"

#include "base/assert.h"

#define ESCAPE_BITS 18
#define ESCAPE_ONES 0xfffu
#define ESCAPE_TOKEN 63
#define ZIGZAG_BITS_MAX 53
#define LENGTH_BITS 5

static inline unsigned bit_length(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

static inline uint64_t low_bits(uint64_t word, unsigned count)
{
    return word & ((UINT64_C(1) << count) - 1);
}

static void note_escaped(struct token_context *context, uint64_t zigzag)
{
    token_context_note_sign(context, zigzag & 1);
    unsigned bits = bit_length(zigzag >> (context->restless == 0));
    int whole = bits == 0 ? 0 : (int)bits - 1;
    token_context_set_scale(context, TOKEN_SCALE_STEP * whole + TOKEN_SCALE_STEP / 2);
}

/* `count` is at most 56. */
static inline void put_bits(struct token_packer *packer, uint64_t bits, unsigned count)
{
    packer->word |= bits << packer->filled;
    packer->filled += count;
    uint64_t word = htole64(packer->word);
    memcpy(packer->at, &word, sizeof(word));
    unsigned bytes = packer->filled / 8;
    packer->at += bytes;
    packer->word >>= 8 * bytes;
    packer->filled %= 8;
}

/* The difference that a token says; false when it is of another kind. */
static inline bool token_zigzag(const uint8_t *token, size_t len, uint64_t *out)
{
    uint8_t first = token[0];
    if (first < 0x80) {
        *out = first;
    } else if (first < 0xc0) {
        *out = (uint64_t)(first & 0x3f) << 8 | token[1];
    } else if (first >= 0xe0 && first < 0xf0) {
        *out = (uint64_t)(first & 0x0f) << 16 | (uint64_t)token[1] << 8 | token[2];
    } else if (first >= 0xf0 && first < 0xf5) {
        *out = 0;
        for (size_t i = 1; i < len; i++)
            *out |= (uint64_t)token[i] << (8 * (i - 1));
    } else {
        return false;
    }
    return true;
}

static void pack_token(struct token_packer *packer, const uint8_t *token, size_t len)
{
    ASSERT(len < 1u << LENGTH_BITS);
    put_bits(packer, ESCAPE_ONES | (uint64_t)ESCAPE_TOKEN << TOKEN_QUOTIENT_END, ESCAPE_BITS);
    put_bits(packer, len, LENGTH_BITS);
    for (size_t i = 0; i < len; i++)
        put_bits(packer, token[i], 8);
}

void token_pack(struct token_packer *packer, struct token_context *context, const uint8_t *token,
                size_t len)
{
    uint64_t zigzag;
    if (UNLIKELY(!token_zigzag(token, len, &zigzag))) {
        pack_token(packer, token, len);
        return;
    }
    bool negative = zigzag & 1;
    if (LIKELY(context->restless > 0 || !negative)) {
        uint64_t value = zigzag >> (context->restless == 0);
        unsigned k = (unsigned)token_context_scale(context) / TOKEN_SCALE_STEP;
        if (LIKELY(value >> k < TOKEN_QUOTIENT_END)) {
            unsigned quotient = (unsigned)(value >> k);
            put_bits(packer, (1u << quotient) - 1, quotient + 1);
            put_bits(packer, low_bits(value, k), k);
            token_context_note(context, quotient, negative);
            return;
        }
    }
    unsigned bits = bit_length(zigzag);
    ASSERT(bits <= ZIGZAG_BITS_MAX);
    put_bits(packer, ESCAPE_ONES | (uint64_t)bits << TOKEN_QUOTIENT_END, ESCAPE_BITS);
    put_bits(packer, zigzag, bits);
    note_escaped(context, zigzag);
}

static bool is_within(const struct token_unpacker *unpacker)
{
    return unpacker->bit <= unpacker->size * 8;
}

static enum token_packed unpack_token(struct token_unpacker *unpacker, struct token_unpacked *out)
{
    out->len = low_bits(token_unpacker_peek(unpacker), LENGTH_BITS);
    unpacker->bit += LENGTH_BITS;
    for (size_t i = 0; i < out->len; i++) {
        out->token[i] = (uint8_t)token_unpacker_peek(unpacker);
        unpacker->bit += 8;
    }
    return out->len > 0 && is_within(unpacker) ? TOKEN_PACKED_OTHER : TOKEN_PACKED_CORRUPT;
}

enum token_packed token_unpack_escaped(struct token_unpacker *unpacker,
                                       struct token_context *context, struct token_unpacked *out)
{
    unsigned bits =
        (unsigned)low_bits(token_unpacker_peek(unpacker) >> TOKEN_QUOTIENT_END, 6);
    unpacker->bit += ESCAPE_BITS;
    if (bits == ESCAPE_TOKEN)
        return unpack_token(unpacker, out);
    if (bits > ZIGZAG_BITS_MAX)
        return TOKEN_PACKED_CORRUPT;
    out->zigzag = low_bits(token_unpacker_peek(unpacker), bits);
    unpacker->bit += bits;
    note_escaped(context, out->zigzag);
    return is_within(unpacker) ? TOKEN_PACKED_DIFFERENCE : TOKEN_PACKED_CORRUPT;
}
