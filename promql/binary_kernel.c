#include "promql/binary_kernel.h"

#include <math.h>

#include "base/assert.h"
#include "promql/exponential.h"
#include "promql/row.h"
#include "promql/trigonometry.h"

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
        COMPUTE(arc_tangent_of(l, r));
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
