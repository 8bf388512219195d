#include "promql/trigonometry.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/codec.h"
#include "base/compiler.h"

#define FOUR_BY_PI 0x1.45f306dc9c883p+0
#define PI_BY_FOUR 0x1.921fb54442d18p-1
#define PI_BY_TWO 0x1.921fb54442d18p+0
#define PI_LOW 0x1.1a62633145c07p-54 /* what PI_BY_TWO lacks */
#define TANGENT_OF_3_PI_BY_8 0x1.3504f333f9de6p+1

/* Above this the quotient by pi/4 has more digits than the short reduction can bear. */
#define SHORT_REDUCTION_MAX 0x1p29

/* An angle as whole eighths of a turn, even ones, and the rest within [-pi/4, pi/4]. */
struct reduced {
    unsigned eighths;
    double rest;
};

/* The digits of 4/pi in base 2^64, the first in front of the point. */
static const uint64_t four_by_pi[] = {
    0x0000000000000001, 0x45f306dc9c882a53, 0xf84eafa3ea69bb81, 0xb6c52b3278872083,
    0xfca2c757bd778ac3, 0x6e48dc74849ba5c0, 0x0c925dd413a32439, 0xfc3bd63962534e7d,
    0xd1046bea5d768909, 0xd338e04d68befc82, 0x7323ac7306a673e9, 0x3908bf177bf25076,
    0x3ff12fffbc0b301f, 0xde5e2316b414da3e, 0xda6cfd9e4f96136e, 0x9e8c7ecd3cbfd45a,
    0xea4f758fd7cbe2f6, 0x7a0e73ef14a525d4, 0xd7f6bf623f1aba10, 0xac06608df8f6d757,
};

/* 64 digits of 4/pi from binary digit `at` on. */
static uint64_t four_by_pi_from(unsigned at)
{
    unsigned index = at / 64, shift = at % 64;
    if (shift == 0)
        return four_by_pi[index];
    return four_by_pi[index] << shift | four_by_pi[index + 1] >> (64 - shift);
}

/* Payne and Hanek: of the product with 4/pi only the digits around the point are computed. */
static struct reduced reduce_large(double x)
{
    uint64_t bits = codec_double_bits(x);
    unsigned at = (unsigned)((int)(bits >> 52) - 1023 - 52 + 61);
    bits = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x0010000000000000);
    unsigned __int128 product = (unsigned __int128)(four_by_pi_from(at) * bits) << 64;
    product += (unsigned __int128)four_by_pi_from(at + 64) * bits;
    product += (unsigned __int128)four_by_pi_from(at + 128) * bits >> 64;
    struct reduced reduced = {.eighths = (unsigned)(product >> 125)};
    /* What is behind the point, cut to the digits of a double. Digits that come up from the lower
     * half are three places off, as they are in Go. */
    uint64_t high = (uint64_t)(product >> 61), low = (uint64_t)product;
    unsigned shift = (unsigned)__builtin_clzll(high | 1) + 1;
    high = shift == 64 ? low : high << shift | low >> (64 - shift);
    reduced.rest = codec_bits_double(high >> 12 | (uint64_t)(1023 - shift) << 52);
    if (reduced.eighths & 1) {
        reduced.eighths = (reduced.eighths + 1) & 7;
        reduced.rest -= 1;
    }
    reduced.rest *= PI_BY_FOUR;
    return reduced;
}

/* Of a positive angle. pi/4 is taken away in three parts, the first two of which are short. */
static struct reduced reduce(double x)
{
    if (x >= SHORT_REDUCTION_MAX)
        return reduce_large(x);
    uint64_t eighths = (uint64_t)(x * FOUR_BY_PI);
    eighths += eighths & 1;
    double count = (double)eighths;
    double rest =
        ((x - count * 0x1.921fb4p-1) - count * 0x1.4442dp-25) - count * 0x1.8469898cc5170p-49;
    return (struct reduced){(unsigned)(eighths & 7), rest};
}

static double sine_series(double z)
{
    double zz = z * z;
    double sum = 0x1.5d8fd1fd19ccdp-33 * zz + -0x1.ae5e5a9291f5dp-26;
    sum = sum * zz + 0x1.71de3567d48a1p-19;
    sum = sum * zz + -0x1.a01a019bfdf03p-13;
    sum = sum * zz + 0x1.111111110f7d0p-7;
    sum = sum * zz + -0x1.5555555555548p-3;
    return z + z * zz * sum;
}

static double cosine_series(double z)
{
    double zz = z * z;
    double sum = -0x1.8fa49a0861a9bp-37 * zz + 0x1.1ee9d7b4e3f05p-29;
    sum = sum * zz + -0x1.27e4f7eac4bc6p-22;
    sum = sum * zz + 0x1.a01a019c844f5p-16;
    sum = sum * zz + -0x1.6c16c16c14f91p-10;
    sum = sum * zz + 0x1.555555555554bp-5;
    return 1 - 0.5 * zz + zz * zz * sum;
}

double sine(double angle)
{
    if (angle == 0 || isnan(angle))
        return angle;
    if (isinf(angle))
        return NAN;
    struct reduced reduced = reduce(fabs(angle));
    unsigned quarter = reduced.eighths / 2;
    double value = quarter & 1 ? cosine_series(reduced.rest) : sine_series(reduced.rest);
    return (angle < 0) != (quarter >= 2) ? -value : value;
}

double cosine(double angle)
{
    if (!isfinite(angle))
        return NAN;
    struct reduced reduced = reduce(fabs(angle));
    unsigned quarter = reduced.eighths / 2;
    double value = quarter & 1 ? sine_series(reduced.rest) : cosine_series(reduced.rest);
    return quarter == 1 || quarter == 2 ? -value : value;
}

double tangent(double angle)
{
    if (angle == 0 || isnan(angle))
        return angle;
    if (isinf(angle))
        return NAN;
    struct reduced reduced = reduce(fabs(angle));
    double z = reduced.rest, zz = z * z, value = z;
    if (zz > 1e-14) {
        double above =
            (-0x1.992d8d24f3f38p+13 * zz + 0x1.199eca5fc9dddp+20) * zz + -0x1.11fead3299176p+24;
        double below = zz + 0x1.ab8a5eeb36572p+13;
        below = below * zz + -0x1.427bc582abc96p+20;
        below = below * zz + 0x1.7d98fc2ead8efp+24;
        below = below * zz + -0x1.9afe03cbe5a31p+25;
        value = z + z * (zz * above / below);
    }
    if (reduced.eighths & 2)
        value = -1 / value;
    return angle < 0 ? -value : value;
}

/* Up to 0.66. */
static double arc_tangent_series(double x)
{
    double z = x * x;
    double above = -0x1.c007fa1f72594p-1 * z + -0x1.028545b6b807ap+4;
    above = above * z + -0x1.2c08c36880273p+6;
    above = above * z + -0x1.eb8bf2d05ba25p+6;
    above = above * z + -0x1.03669fd28ec8ep+6;
    double below = z + 0x1.8dbc45b14603cp+4;
    below = below * z + 0x1.4a0dd43b8fa25p+7;
    below = below * z + 0x1.b0e18d2e2be3bp+8;
    below = below * z + 0x1.e563f13b049eap+8;
    below = below * z + 0x1.8519efbbd62ecp+7;
    z = z * above / below;
    return x * z + x;
}

static double arc_tangent_positive(double x)
{
    if (x <= 0.66)
        return arc_tangent_series(x);
    if (x > TANGENT_OF_3_PI_BY_8)
        return PI_BY_TWO - arc_tangent_series(1 / x) + PI_LOW;
    return PI_BY_FOUR + arc_tangent_series((x - 1) / (x + 1)) + 0.5 * PI_LOW;
}

double arc_tangent(double value)
{
    if (value == 0)
        return value;
    return value > 0 ? arc_tangent_positive(value) : -arc_tangent_positive(-value);
}

double arc_sine(double value)
{
    double x = fabs(value);
    if (value == 0)
        return value;
    if (!(x <= 1))
        return NAN;
    double other = sqrt(1 - x * x);
    double angle =
        x > 0.7 ? PI_BY_TWO - arc_tangent_positive(other / x) : arc_tangent_positive(x / other);
    return value < 0 ? -angle : angle;
}

double arc_cosine(double value)
{
    return PI_BY_TWO - arc_sine(value);
}

double arc_tangent_of(double y, double x)
{
    if (isnan(x) || isnan(y) || isinf(x) || isinf(y) || x == 0 || y == 0)
        return atan2(y, x); /* there is no choice of digits */
    double angle = arc_tangent(y / x);
    if (x > 0)
        return angle;
    return angle <= 0 ? angle + M_PI : angle - M_PI;
}
