/*
 * e^x as N. Shibata describes it ("Efficient evaluation methods of elementary functions suitable
 * for SIMD computation", 2010): a Taylor series of a sixteenth of what is left beside whole powers
 * of two, squared four times. Go takes fused operations where the processor has them, which shows
 * in the last digit; so do we.
 */
#include "promql/exponential.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/codec.h"
#include "base/compiler.h"
#include "base/logarithm.h"

#define EXPONENT_MAX 0x1.62e42fefa39efp+9
#define ONE_BY_LN2 0x1.71547652b82fep+0
#define LN2_HIGH 0x1.62e42fefa3p-1
#define LN2_LOW 0x1.3de6af278ece6p-42

static inline __attribute__((always_inline)) double multiply_add(double a, double b, double c,
                                                                 bool is_fused)
{
    return is_fused ? __builtin_fma(a, b, c) : a * b + c;
}

/* e^x - 1 of a small x, then of 16 x: (1 + y)^2 - 1 is y * (y + 2). */
static inline __attribute__((always_inline)) double series(double x, bool is_fused)
{
    static const double coefficients[] = {
        0x1.a01a01a01a01ap-13,
        0x1.6c16c16c16c17p-10,
        0x1.1111111111111p-7,
        0x1.5555555555555p-5,
        0x1.5555555555555p-3,
        0x1p-1,
        1,
    };
    double sum = 0x1.a01a01a01a01ap-16;
    for (size_t i = 0; i < ARRAY_SIZE(coefficients); i++)
        sum = multiply_add(x, sum, coefficients[i], is_fused);
    double y = x * sum;
    for (int i = 0; i < 3; i++)
        y *= y + 2;
    return multiply_add(y + 2, y, 1, is_fused);
}

static inline __attribute__((always_inline)) double exponential_with(double x, bool is_fused)
{
    int whole = (int)lrint(x * ONE_BY_LN2);
    double rest = multiply_add(-whole, LN2_HIGH, x, is_fused);
    rest = multiply_add(-whole, LN2_LOW, rest, is_fused);
    double fraction = series(rest * 0.0625, is_fused);
    if (whole > 1023)
        return INFINITY;
    if (whole < -1022)
        return ldexp(fraction, whole);
    return fraction * codec_bits_double((uint64_t)(whole + 1023) << 52);
}

#ifdef __x86_64__
__attribute__((target("fma"))) static double exponential_fused(double x)
{
    return exponential_with(x, true);
}

static double exponential_plain(double x)
{
    return exponential_with(x, false);
}
#endif

double exponential(double x)
{
    if (isnan(x) || x > EXPONENT_MAX)
        return isnan(x) ? x : INFINITY;
    if (x < -1000)
        return 0;
#ifdef __x86_64__
    return __builtin_cpu_supports("fma") ? exponential_fused(x) : exponential_plain(x);
#else
    return exponential_with(x, true);
#endif
}

/* fraction * base^whole as a fraction and a power of two, by squaring. */
static double power_by_squaring(double fraction, double base, int64_t whole, int64_t *exponent)
{
    int shift;
    double square = frexp(base, &shift);
    int64_t square_exponent = shift;
    *exponent = 0;
    for (int64_t rest = whole; rest != 0; rest >>= 1) {
        if (square_exponent < -4096 || square_exponent > 4096) {
            *exponent += square_exponent; /* too large or too small whatever follows */
            break;
        }
        if (rest & 1) {
            fraction *= square;
            *exponent += square_exponent;
        }
        square *= square;
        square_exponent *= 2;
        if (square < 0.5) {
            square += square;
            square_exponent--;
        }
    }
    return fraction;
}

/* Go's way: the whole part of the exponent by squaring, the rest by exp and log. */
double power(double base, double exponent)
{
    double whole;
    if (base == 1 || exponent == 0)
        return 1;
    double part = modf(fabs(exponent), &whole);
    if (!isfinite(base) || base == 0 || !isfinite(exponent) || whole >= 0x1p63 ||
        (base < 0 && part != 0))
        return pow(base, exponent);
    if (fabs(exponent) == 0.5)
        return exponent > 0 ? sqrt(base) : 1 / sqrt(base);
    double fraction = 1;
    if (part > 0.5) {
        part--;
        whole++;
    }
    if (part != 0)
        fraction = exponential(part * logarithm_natural(base));
    int64_t twos;
    fraction = power_by_squaring(fraction, base, (int64_t)whole, &twos);
    if (exponent < 0) {
        fraction = 1 / fraction;
        twos = -twos;
    }
    return ldexp(fraction, (int)twos);
}
