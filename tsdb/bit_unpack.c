/*
 * Up to 16 bits, four integers lie in one 64-bit word: it is copied to four lanes, and each lane is
 * shifted by its own constant. Wider ones get a word each.
 */
#include "tsdb/bit_unpack.h"

#include "base/assert.h"
#include "base/compiler.h"

#include <endian.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef uint64_t lanes __attribute__((vector_size(32), aligned(8), may_alias));

INLINE uint64_t load_word(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return le64toh(word);
}

INLINE void four(const uint8_t *bytes, unsigned width, unsigned shift, lanes *out)
{
    uint64_t word = load_word(bytes);
    uint64_t mask = (UINT64_C(1) << width) - 1;
    lanes shifts = {shift, shift + width, shift + 2 * width, shift + 3 * width};
    lanes words = {word, word, word, word};
    *out = words >> shifts & (lanes){mask, mask, mask, mask};
}

INLINE void unpack_four(const uint8_t *bytes, unsigned width, unsigned shift, uint64_t *out)
{
    lanes words;
    four(bytes, width, shift, &words);
    memcpy(out, &words, sizeof(words));
}

INLINE uint64_t unpack_one(const uint8_t *bytes, unsigned width, unsigned index)
{
    unsigned at = width * index / 8;
    unsigned shift = width * index % 8;
    uint64_t word = load_word(bytes + at) >> shift;
    if (shift + width > 64)
        word |= (uint64_t)bytes[at + 8] << (64 - shift);
    return width == 64 ? word : word & ((UINT64_C(1) << width % 64) - 1);
}

INLINE void unpack_groups(const uint8_t *bytes, unsigned width, size_t groups, uint64_t *out)
{
    for (size_t i = 0; i < groups; i++, bytes += width, out += 8) {
        if (width <= 16) {
            unpack_four(bytes, width, 0, out);
            unpack_four(bytes + width / 2, width, width % 2 * 4, out + 4);
            continue;
        }
        for (unsigned index = 0; index < 8; index++)
            out[index] = unpack_one(bytes, width, index);
    }
}

INLINE uint64_t sum_groups(const uint8_t *bytes, unsigned width, size_t groups)
{
    lanes low = {0}, high = {0};
    uint64_t sum = 0;
    for (size_t i = 0; i < groups; i++, bytes += width) {
        if (width <= 16) {
            lanes left, right;
            four(bytes, width, 0, &left);
            four(bytes + width / 2, width, width % 2 * 4, &right);
            low += left;
            high += right;
            continue;
        }
        for (unsigned index = 0; index < 8; index++)
            sum += unpack_one(bytes, width, index);
    }
    low += high;
    return sum + low[0] + low[1] + low[2] + low[3];
}

#define EACH_OF_8(step, first)                                                                     \
    step(first) step(first + 1) step(first + 2) step(first + 3) step(first + 4) step(first + 5)    \
        step(first + 6) step(first + 7)
#define EACH_WIDTH(step)                                                                           \
    EACH_OF_8(step, 1)                                                                             \
    EACH_OF_8(step, 9)                                                                             \
    EACH_OF_8(step, 17)                                                                            \
    EACH_OF_8(step, 25)                                                                            \
    EACH_OF_8(step, 33)                                                                            \
    EACH_OF_8(step, 41)                                                                            \
    EACH_OF_8(step, 49)                                                                            \
    EACH_OF_8(step, 57)

void COLUMN_NAME(bit_unpack)(const uint8_t *bytes, unsigned width, size_t groups, uint64_t *out)
{
    ASSERT(width >= 1 && width <= 64);
    switch (width) {
#define UNPACK_CASE(w)                                                                             \
    case w:                                                                                        \
        unpack_groups(bytes, w, groups, out);                                                      \
        break;
        EACH_WIDTH(UNPACK_CASE)
    default:
        break;
    }
}

uint64_t COLUMN_NAME(bit_sum)(const uint8_t *bytes, unsigned width, size_t groups)
{
    ASSERT(width >= 1 && width <= 64);
    switch (width) {
#define SUM_CASE(w)                                                                                \
    case w:                                                                                        \
        return sum_groups(bytes, w, groups);
        EACH_WIDTH(SUM_CASE)
    default:
        return 0;
    }
}
