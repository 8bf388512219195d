#include "promql/binary_kernel.h"

#include <math.h>

#include "base/assert.h"
#include "promql/row.h"

/*
 * Powers as Go computes them: the whole part of the exponent by squaring the fraction of x, apart
 * from its power of two, the rest by exp and log. For whole exponents the last digit is then the
 * reference's, where pow() of C may be half a step nearer. What has no such exponent is left to C,
 * which has the same special cases.
 */
static double power(double x, double y)
{
    double whole;
    double part = modf(fabs(y), &whole);
    if (!isfinite(x) || x == 0 || !isfinite(y) || y == 0 || whole >= 0x1p62 || (x < 0 && part != 0))
        return pow(x, y);
    if (x == 1 || fabs(y) == 0.5)
        return x == 1 ? 1 : y > 0 ? sqrt(x) : 1 / sqrt(x);
    double fraction = 1;
    int64_t exponent = 0;
    if (part > 0.5) {
        part--;
        whole++;
    }
    if (part != 0)
        fraction = exp(part * log(x));
    int shift;
    double base = frexp(x, &shift);
    int64_t base_exponent = shift;
    for (int64_t rest = (int64_t)whole; rest != 0; rest >>= 1) {
        if (base_exponent < -4096 || base_exponent > 4096) {
            exponent += base_exponent; /* too large or too small whatever follows */
            break;
        }
        if (rest & 1) {
            fraction *= base;
            exponent += base_exponent;
        }
        base *= base;
        base_exponent *= 2;
        if (base < 0.5) {
            base += base;
            base_exponent--;
        }
    }
    if (y < 0) {
        fraction = 1 / fraction;
        exponent = -exponent;
    }
    return ldexp(fraction, (int)exponent);
}

#define COMPUTE(expression)                                                                        \
    for (size_t i = 0; i < count; i++) {                                                           \
        double l = left[i], r = right[i];                                                          \
        out[i] = expression;                                                                       \
    }                                                                                              \
    break

void binary_compute(enum operator_kind op, double *out, const double *left, const double *right,
                    size_t count)
{
    switch (op) {
    case OPERATOR_ADD:
        COMPUTE(l + r);
    case OPERATOR_SUB:
        COMPUTE(l - r);
    case OPERATOR_MUL:
        COMPUTE(l * r);
    case OPERATOR_DIV:
        COMPUTE(l / r);
    case OPERATOR_MOD:
        COMPUTE(fmod(l, r));
    case OPERATOR_POW:
        COMPUTE(power(l, r));
    case OPERATOR_ATAN2:
        COMPUTE(atan2(l, r));
    default:
        ASSERT(!"an arithmetic operator");
    }
}

#define COMPARE(condition)                                                                         \
    for (size_t word = 0; word < promql_bitmap_words(count); word++) {                             \
        size_t from = word * 64;                                                                   \
        size_t until = count - from < 64 ? count - from : 64;                                      \
        uint64_t bits = 0;                                                                         \
        for (size_t i = 0; i < until; i++) {                                                       \
            double l = left[from + i], r = right[from + i];                                        \
            bits |= (uint64_t)(condition) << i;                                                    \
        }                                                                                          \
        out[word] = bits;                                                                          \
    }                                                                                              \
    break

void binary_compare(enum operator_kind op, uint64_t *out, const double *left, const double *right,
                    size_t count)
{
    switch (op) {
    case OPERATOR_EQUAL:
        COMPARE(l == r);
    case OPERATOR_NOT_EQUAL:
        COMPARE(l != r);
    case OPERATOR_LESS:
        COMPARE(l < r);
    case OPERATOR_LESS_EQUAL:
        COMPARE(l <= r);
    case OPERATOR_GREATER:
        COMPARE(l > r);
    case OPERATOR_GREATER_EQUAL:
        COMPARE(l >= r);
    default:
        ASSERT(!"a comparison");
    }
}
