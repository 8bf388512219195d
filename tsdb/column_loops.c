/* Plain loops that the compiler turns into vector code: this file is built at -O3, once a
 * processor. */
#include "tsdb/column_kernels.h"

#include "base/codec.h"
#include "base/compiler.h"
#include "tsdb/bit_unpack.h"

#include <endian.h>
#include <math.h>
#include <string.h>

/* Added to a double below 2^51, it leaves the whole part in the low bits; and back. */
#define MAGIC 6755399441055744.0
#define MAGIC_BITS UINT64_C(0x4338000000000000)
#define INTEGER_LIMIT 2251799813685248.0 /* 2^51 */

static const double powers[32] = {1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,
                                  1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17};

static uint64_t load_word(const uint8_t *bytes, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, bytes, len);
    return le64toh(word);
}

/* Lists the ones of a word; may write up to 7 positions too many, which the slack takes. */
static inline size_t list_ones(uint64_t word, uint32_t base, uint32_t *positions)
{
    size_t count = (size_t)__builtin_popcountll(word);
    for (size_t listed = 0; listed < count; listed += 4) {
        for (size_t i = 0; i < 4; i++) {
            /* past the last one: 64 zeros, any number */
            positions[listed + i] = base + (uint32_t)__builtin_ctzll(word | UINT64_C(1) << 63);
            word &= word - 1;
        }
    }
    return count;
}

static bool add_quotients(const uint8_t *bitmap, size_t len, unsigned shift, size_t count,
                          uint32_t *positions, uint64_t *values)
{
    size_t found = 0;
    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = load_word(bitmap + at, MIN(len - at, (size_t)8));
        if (found + (size_t)__builtin_popcountll(word) > count)
            return false;
        found += list_ones(word, (uint32_t)(at * 8), positions + found);
    }
    if (found != count)
        return false;
    if (count == 0)
        return true;
    values[0] += (uint64_t)positions[0] << shift;
    for (size_t i = 1; i < count; i++)
        values[i] += (uint64_t)(positions[i] - positions[i - 1] - 1) << shift;
    return true;
}

static void unzigzag(uint64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = values[i] >> 1 ^ -(values[i] & 1);
}

static uint64_t sum_of(const uint64_t *values, size_t from, size_t to)
{
    uint64_t sum = 0;
    for (size_t i = from; i < to; i++)
        sum += values[i];
    return sum;
}

static void restore(const struct column_frame *frame, uint64_t *values, size_t low, size_t high)
{
    uint64_t offset = frame->reference * frame->factor;
    uint64_t sum = frame->first;
    uint64_t step = frame->second;
    size_t i = low;
    if (frame->factor != 1) {
        for (size_t k = frame->order; k < high; k++)
            values[k] *= frame->factor;
    }
    switch (frame->order) {
    case 0:
        sum += offset;
        for (; i < high; i++)
            values[i] += sum;
        break;
    case 1:
        values[0] = sum;
        if (i > 1)
            sum += sum_of(values, 1, i) + offset * (i - 1);
        for (i = MAX(i, (size_t)1); i < high; i++)
            values[i] = sum += values[i] + offset;
        break;
    default:
        values[0] = sum;
        if (high > 1)
            values[1] = sum += step;
        for (i = 2; i < high; i++) {
            step += values[i] + offset;
            values[i] = sum += step;
        }
        break;
    }
}

static inline double load_double(uint64_t integer)
{
    return codec_bits_double(integer + MAGIC_BITS) - MAGIC;
}

/*
 * Both ways give the quotient correctly rounded. Without a division: the product with the
 * reciprocal is off by less than two units of the last place; the first correction makes it off by
 * less than one, after which, as Markstein proved, the second makes it right.
 */
static void decimals(const uint64_t *integers, size_t count, unsigned exponent, double *out)
{
    double power = powers[exponent & 31];
    if (exponent == 0) {
        for (size_t i = 0; i < count; i++)
            out[i] = load_double(integers[i]);
        return;
    }
#ifdef __FMA__
    double reciprocal = 1 / power;
    for (size_t i = 0; i < count; i++) {
        double integer = load_double(integers[i]);
        double quotient = integer * reciprocal;
        quotient = __builtin_fma(__builtin_fma(-quotient, power, integer), reciprocal, quotient);
        out[i] = __builtin_fma(__builtin_fma(-quotient, power, integer), reciprocal, quotient);
    }
#else
    for (size_t i = 0; i < count; i++)
        out[i] = load_double(integers[i]) / power;
#endif
}

static void rotated(const uint64_t *integers, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = codec_bits_double(integers[i] >> 1 | integers[i] << 63);
}

static size_t to_integers(const double *values, size_t count, unsigned exponent, uint64_t *out)
{
    double power = powers[exponent & 31];
    size_t misses = 0;
    for (size_t i = 0; i < count; i++) {
        double rounded = values[i] * power + MAGIC;
        double whole = rounded - MAGIC;
        out[i] = codec_double_bits(rounded) - MAGIC_BITS;
        misses += !(fabs(whole) < INTEGER_LIMIT) ||
                  codec_double_bits(whole / power) != codec_double_bits(values[i]);
    }
    return misses;
}

static inline unsigned bit_length(uint64_t value)
{
    return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

/* Four tables, so that equal neighbours do not wait for each other. */
static void count_lengths(const uint64_t *values, size_t count, uint64_t reference, bool zigzag,
                          uint32_t out_lengths[65])
{
    uint32_t tables[4][65] = {0};
    for (size_t i = 0; i < count; i++) {
        uint64_t residual = values[i] - reference;
        if (zigzag)
            residual = codec_zigzag((int64_t)residual);
        tables[i % 4][bit_length(residual)]++;
    }
    for (size_t i = 0; i < 65; i++)
        out_lengths[i] = tables[0][i] + tables[1][i] + tables[2][i] + tables[3][i];
}

static void steps(uint64_t first, uint64_t step, size_t count, uint64_t *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = first;
        first += step;
    }
}

static void add(const double *restrict values, size_t count, double *restrict sums)
{
    for (size_t i = 0; i < count; i++)
        sums[i] += values[i];
}

extern const struct column_kernels COLUMN_NAME(column_loops);

const struct column_kernels COLUMN_NAME(column_loops) = {
    .name = COLUMN_TEXT(COLUMN_BUILD),
    .unpack = COLUMN_NAME(bit_unpack),
    .sum = COLUMN_NAME(bit_sum),
    .add_quotients = add_quotients,
    .unzigzag = unzigzag,
    .restore = restore,
    .decimals = decimals,
    .rotated = rotated,
    .to_integers = to_integers,
    .count_lengths = count_lengths,
    .steps = steps,
    .add = add,
};
