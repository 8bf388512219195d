#include "base/logarithm.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/codec.h"

/* ln 2 in two parts, the first with zeros at its end, so that its products with exponents are
 * exact. */
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define SQRT_HALF 0x1.6a09e667f3bcdp-1
#define ONE_BY_LN2 1.44269504088896340735992468100189214
#define ONE_BY_LN10 0.43429448190325182765112891891660508
#define SQRT2_LESS_ONE 0x1.a827999fcef32p-2
#define SQRT_HALF_LESS_ONE (-0x1.2bec333018867p-2)
#define FRACTION_BITS UINT64_C(0x000fffffffffffff)
#define FRACTION_OF_SQRT2 UINT64_C(0x0006a09e667f3bcd)

/* The approximation of Sun's fdlibm: log(1 + f) by a polynomial in f / (2 + f), even and odd terms
 * apart. */
static double logarithm_near_one(double f, double exponent)
{
    double s = f / (2 + f);
    double square = s * s;
    double fourth = square * square;
    double odd =
        square * (0x1.5555555555593p-1 +
                  fourth * (0x1.2492494229359p-2 +
                            fourth * (0x1.7466496cb03dep-3 + fourth * 0x1.2f112df3e5244p-3)));
    double even = fourth * (0x1.999999997fa04p-2 +
                            fourth * (0x1.c71c51d8e78afp-3 + fourth * 0x1.39a09d078c69fp-3));
    double rest = odd + even;
    double half_square = 0.5 * f * f;
    return exponent * LN2_HIGH -
           ((half_square - (s * (half_square + rest) + exponent * LN2_LOW)) - f);
}

double logarithm_natural(double value)
{
    if (isnan(value) || value == INFINITY)
        return value;
    if (value < 0)
        return NAN;
    if (value == 0)
        return -INFINITY;
    /* exponent and fraction are taken from the bits, so denormals come out as Go has them: wrong */
    uint64_t bits = codec_double_bits(value);
    double exponent = (double)((int)(bits >> 52) - 1022);
    double fraction =
        codec_bits_double((bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3fe0000000000000));
    if (fraction <= SQRT_HALF) {
        exponent -= 1;
        fraction *= 2;
    }
    return logarithm_near_one(fraction - 1, exponent);
}

double logarithm_binary(double value)
{
    int exponent;
    double fraction = frexp(value, &exponent);
    if (fraction == 0.5)
        return exponent - 1;
    return logarithm_natural(fraction) * ONE_BY_LN2 + (isfinite(value) ? exponent : 0);
}

double logarithm_decimal(double value)
{
    return logarithm_natural(value) * ONE_BY_LN10;
}

/* 1 + value as (1 + f) * 2^exponent, with 1 + f between the square roots of 1/2 and 2. */
struct above_one {
    double f;
    double exponent;
    double lost; /* what rounding took from 1 + value, relative to it */
    bool is_tiny;
};

static struct above_one above_one_split(double value)
{
    double sum = fabs(value) < 0x1p53 ? 1 + value : value;
    uint64_t bits = codec_double_bits(sum);
    int exponent = (int)(bits >> 52) - 1023;
    struct above_one split = {0};
    if (fabs(value) < 0x1p53)
        split.lost = (exponent > 0 ? 1 - (sum - value) : value - (sum - 1)) / sum;
    bits &= FRACTION_BITS;
    if (bits < FRACTION_OF_SQRT2) {
        sum = codec_bits_double(bits | UINT64_C(0x3ff0000000000000));
        split.is_tiny = bits == 0;
    } else {
        exponent++;
        sum = codec_bits_double(bits | UINT64_C(0x3fe0000000000000));
        split.is_tiny = (UINT64_C(0x0010000000000000) - bits) >> 2 == 0;
    }
    split.f = sum - 1;
    split.exponent = exponent;
    return split;
}

/* The same polynomial as above, its terms in one chain. */
static double above_one_logarithm(const struct above_one *split)
{
    double f = split->f, exponent = split->exponent;
    double half_square = 0.5 * f * f;
    double low = exponent * LN2_LOW + split->lost;
    if (split->is_tiny && f == 0)
        return exponent == 0 ? 0 : exponent * LN2_HIGH + low;
    if (split->is_tiny) {
        double rest = half_square * (1 - 0x1.5555555555555p-1 * f);
        return exponent == 0 ? f - rest : exponent * LN2_HIGH - ((rest - low) - f);
    }
    double s = f / (2 + f);
    double z = s * s;
    double rest =
        z * (0x1.5555555555593p-1 +
             z * (0x1.999999997fa04p-2 +
                  z * (0x1.2492494229359p-2 +
                       z * (0x1.c71c51d8e78afp-3 +
                            z * (0x1.7466496cb03dep-3 +
                                 z * (0x1.39a09d078c69fp-3 + z * 0x1.2f112df3e5244p-3))))));
    if (exponent == 0)
        return f - (half_square - s * (half_square + rest));
    return exponent * LN2_HIGH - ((half_square - (s * (half_square + rest) + low)) - f);
}

double logarithm_above_one(double value)
{
    double size = fabs(value);
    if (value < -1 || isnan(value))
        return NAN;
    if (value == -1)
        return -INFINITY;
    if (value == INFINITY || size < 0x1p-54)
        return value;
    if (size < 0x1p-29)
        return value - value * value * 0.5;
    if (size < SQRT2_LESS_ONE && value > SQRT_HALF_LESS_ONE)
        return above_one_logarithm(&(struct above_one){.f = value});
    struct above_one split = above_one_split(value);
    return above_one_logarithm(&split);
}

#define EXPONENT_MAX 1023.9999999999999
#define EXPONENT_MIN (-1074.0)

double power_of_two(double exponent)
{
    if (isnan(exponent))
        return exponent;
    if (exponent > EXPONENT_MAX)
        return INFINITY;
    if (exponent < EXPONENT_MIN)
        return 0;
    int whole = (int)(exponent > 0 ? exponent + 0.5 : exponent - 0.5);
    double part = exponent - whole;
    double high = part * LN2_HIGH;
    double low = -part * LN2_LOW;
    /* e^(high - low) as a rational approximation in the square, from Sun's fdlibm */
    double r = high - low;
    double t = r * r;
    double c = r - t * (0x1.5555555555555p-3 +
                        t * (-0x1.6c16c16bebd93p-9 +
                             t * (0x1.1566aaf25de2cp-14 +
                                  t * (-0x1.bbd41c5d26bf1p-20 + t * 0x1.6376972bea4dp-25))));
    double y = 1 - ((low - (r * c) / (2 - c)) - high);
    return ldexp(y, whole);
}
