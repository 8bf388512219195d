/* Names follow the paper where it has them: c and q of the double, k of the result, g of 10^-k. */
#include "base/float_digits.h"

#include "base/assert.h"
#include "base/codec.h"
#include "base/compiler.h"

#include <endian.h>

#define SIGNIFICAND_BITS 52
#define EXPONENT_BIAS (1023 + SIGNIFICAND_BITS)

struct decimal {
    uint64_t digits;
    int exponent;
};

/* floor(log10(2^e)), floor(log10(2^e * 3/4)), floor(log2(10^e)) */
static inline int log10_of_power(int e)
{
    return (e * 1262611) >> 22;
}

static inline int log10_of_power_three_quarters(int e)
{
    return (e * 1262611 - 524031) >> 22;
}

static inline int log2_of_power_of_ten(int e)
{
    return (e * 1741647) >> 19;
}

/* The upper 64 bits of g * value / 2^64, with the lowest bit set where anything was cut. */
static inline uint64_t multiply_to_odd(const uint64_t g[2], uint64_t value)
{
    unsigned __int128 low = (unsigned __int128)g[1] * value;
    unsigned __int128 sum = (unsigned __int128)g[0] * value + (uint64_t)(low >> 64);
    return (uint64_t)(sum >> 64) | ((uint64_t)sum > 1);
}

/* The shortest of what rounds to c * 2^q; digits may end in zeros. `closer` = the double below is
 * half as far as the one above. */
static struct decimal shortest(uint64_t c, int q, bool closer)
{
    uint64_t out = c & 1; /* the ends belong to an even significand */
    int k = closer ? log10_of_power_three_quarters(q) : log10_of_power(q);
    int h = q + log2_of_power_of_ten(-k) + 1;
    ASSERT(-k >= FLOAT_POWER_FIRST && -k <= FLOAT_POWER_LAST && h >= 1 && h <= 4);
    const uint64_t *g = float_powers[-k - FLOAT_POWER_FIRST];
    uint64_t lower = multiply_to_odd(g, (4 * c - 2 + closer) << h) + out;
    uint64_t value = multiply_to_odd(g, (4 * c) << h);
    uint64_t upper = multiply_to_odd(g, (4 * c + 2) << h) - out;
    uint64_t s = value / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool down_inside = lower <= 40 * tens;
        bool up_inside = 40 * tens + 40 <= upper;
        if (down_inside != up_inside)
            return (struct decimal){tens + up_inside, k + 1};
    }
    bool down_inside = lower <= 4 * s;
    bool up_inside = 4 * s + 4 <= upper;
    if (down_inside != up_inside)
        return (struct decimal){s + up_inside, k};
    uint64_t middle = 4 * s + 2;
    bool round_up = value > middle || (value == middle && (s & 1) != 0);
    return (struct decimal){s + round_up, k};
}

static struct decimal decimal_of(uint64_t bits)
{
    uint64_t fraction = bits & ((UINT64_C(1) << SIGNIFICAND_BITS) - 1);
    int exponent = (int)(bits >> SIGNIFICAND_BITS);
    if (exponent == 0)
        return shortest(fraction, 1 - EXPONENT_BIAS, false);
    uint64_t c = fraction | UINT64_C(1) << SIGNIFICAND_BITS;
    int q = exponent - EXPONENT_BIAS;
    if (q <= 0 && q > -SIGNIFICAND_BITS - 1 && (c & ((UINT64_C(1) << -q) - 1)) == 0)
        return (struct decimal){c >> -q, 0};
    return shortest(c, q, fraction == 0 && exponent > 1);
}

/* Eight digits, one a byte, the first in the lowest. */
static inline uint64_t eight_digits(uint32_t value)
{
    uint64_t fours = (uint64_t)(value / 10000) | (uint64_t)(value % 10000) << 32;
    uint64_t hundreds = (fours * 10486 >> 20) & UINT64_C(0x7f0000007f);
    uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
    uint64_t tens = (twos * 103 >> 10) & UINT64_C(0x000f000f000f000f);
    return tens | (twos - tens * 10) << 8;
}

static const uint64_t powers_of_ten[] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
};

static inline unsigned digit_count(uint64_t value)
{
    unsigned estimate = (unsigned)(64 - __builtin_clzll(value | 1)) * 1233 >> 12;
    return estimate + (value >= powers_of_ten[estimate]);
}

#define ZEROS UINT64_C(0x3030303030303030)

void float_digits_shortest(double magnitude, struct float_digits *out)
{
    uint64_t bits = codec_double_bits(magnitude);
    ASSERT(bits < UINT64_C(0x7ff) << SIGNIFICAND_BITS);
    if (bits == 0) {
        *out = (struct float_digits){0, 1, {ZEROS, ZEROS, ZEROS}};
        return;
    }
    struct decimal decimal = decimal_of(bits);
    unsigned count = digit_count(decimal.digits);
    out->exponent = decimal.exponent + (int)count - 1;
    /* as if there were always all digits */
    uint64_t digits = decimal.digits * powers_of_ten[FLOAT_DIGITS_MAX - count];
    uint64_t upper = digits / 100000000;
    uint64_t first = upper / 100000000;
    uint64_t middle = eight_digits((uint32_t)(upper % 100000000));
    uint64_t last = eight_digits((uint32_t)(digits % 100000000));
    unsigned zeros = last != 0 ? (unsigned)__builtin_clzll(last) / 8
                               : 8 + (unsigned)__builtin_clzll(middle | 1) / 8;
    out->count = FLOAT_DIGITS_MAX - zeros - (last == 0 && middle == 0);
    out->words[0] = htole64((first | middle << 8) + ZEROS);
    out->words[1] = htole64((middle >> 56 | last << 8) + ZEROS);
    out->words[2] = htole64((last >> 56) + ZEROS);
}
