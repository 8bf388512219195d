#include "base/logarithm.h"

#include <math.h>
#include <stdint.h>

#include "base/codec.h"

/* ln 2 in two parts, the first with zeros at its end, so that its products with exponents are
 * exact. */
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define SQRT_HALF 0x1.6a09e667f3bcdp-1
#define ONE_BY_LN2 1.44269504088896340735992468100189214

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
