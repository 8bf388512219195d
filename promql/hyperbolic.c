#include "promql/hyperbolic.h"

#include <math.h>

#include "base/logarithm.h"
#include "promql/exponential.h"

/* Above this e^-x does not show beside e^x. */
#define LARGE 21
/* Above this tanh is 1: half of the logarithm of 2^127. */
#define TANGENT_LARGE (0.5 * 0x1.601e678fc457bp+6)

/* Beyond it x^2 + 1 is x^2, and below its inverse 1. */
#define ARC_LARGE 0x1p28

double hyperbolic_sine(double value)
{
    double x = fabs(value), sine;
    if (value == 0)
        return value;
    if (x > LARGE) {
        sine = exponential(x) * 0.5;
    } else if (x > 0.5) {
        double e = exponential(x);
        sine = (e - 1 / e) * 0.5;
    } else {
        double z = x * x;
        double above = -0x1.a4e3de8540779p+4 * z + -0x1.69c6c36da2dfbp+11;
        above = (above * z + -0x1.5f38b8605d22dp+16) * z + -0x1.33fdeba64bb4fp+19;
        double below =
            ((z + -0x1.5b5b9fcd003bbp+7) * z + 0x1.db7963eae91e1p+13) * z + -0x1.33fdeba64bb4fp+19;
        sine = above * x / below;
    }
    return value < 0 ? -sine : sine;
}

double hyperbolic_cosine(double value)
{
    double x = fabs(value);
    if (x > LARGE)
        return exponential(x) * 0.5;
    double e = exponential(x);
    return (e + 1 / e) * 0.5;
}

double hyperbolic_tangent(double value)
{
    double x = fabs(value);
    if (x > TANGENT_LARGE)
        return value < 0 ? -1 : 1;
    if (x >= 0.625) {
        double tangent = 1 - 2 / (exponential(2 * x) + 1);
        return value < 0 ? -tangent : tangent;
    }
    if (value == 0)
        return value;
    double z = value * value;
    double above = (-0x1.edc5baafd6f4bp-1 * z + -0x1.8d26a0e26682dp+6) * z + -0x1.93ac030580563p+10;
    double below =
        ((z + 0x1.c33f28a581b86p+6) * z + 0x1.176fa0e5535fap+11) * z + 0x1.2ec102442040cp+12;
    return value + value * z * above / below;
}

double hyperbolic_arc_sine(double value)
{
    double x = fabs(value), area;
    if (!isfinite(value) || value == 0)
        return value;
    if (x > ARC_LARGE)
        area = logarithm_natural(x) + M_LN2;
    else if (x > 2)
        area = logarithm_natural(2 * x + 1 / (sqrt(x * x + 1) + x));
    else if (x < 1 / ARC_LARGE)
        area = x;
    else
        area = logarithm_above_one(x + x * x / (1 + sqrt(1 + x * x)));
    return value < 0 ? -area : area;
}

double hyperbolic_arc_cosine(double value)
{
    if (!(value >= 1))
        return NAN;
    if (value == 1)
        return 0;
    if (value >= ARC_LARGE)
        return logarithm_natural(value) + M_LN2;
    if (value > 2)
        return logarithm_natural(2 * value - 1 / (value + sqrt(value * value - 1)));
    double above = value - 1;
    return logarithm_above_one(above + sqrt(2 * above + above * above));
}

double hyperbolic_arc_tangent(double value)
{
    double x = fabs(value), area;
    if (!(x <= 1))
        return NAN;
    if (value == 0)
        return value;
    if (x == 1)
        return value < 0 ? -INFINITY : INFINITY;
    if (x < 1 / ARC_LARGE)
        area = x;
    else if (x < 0.5)
        area = 0.5 * logarithm_above_one((x + x) + (x + x) * x / (1 - x));
    else
        area = 0.5 * logarithm_above_one((x + x) / (1 - x));
    return value < 0 ? -area : area;
}
