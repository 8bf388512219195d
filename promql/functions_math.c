/*
 * Mathematical functions of one value. Every slot of a column is computed, present or not, so that
 * the loops have no branches; what lies in slots that are not present is never looked at.
 */
#include <math.h>

#include "base/logarithm.h"
#include "promql/exponential.h"
#include "promql/hyperbolic.h"
#include "promql/operators.h"
#include "promql/trigonometry.h"

/* Go's math.Max and math.Min: an infinity that decides wins over NaN. */
static inline double go_max(double a, double b)
{
    if (a == INFINITY || b == INFINITY)
        return INFINITY;
    if (isnan(a) || isnan(b))
        return NAN;
    if (a == 0 && b == 0)
        return signbit(a) ? b : a;
    return a > b ? a : b;
}

static inline double go_min(double a, double b)
{
    if (a == -INFINITY || b == -INFINITY)
        return -INFINITY;
    if (isnan(a) || isnan(b))
        return NAN;
    if (a == 0 && b == 0)
        return signbit(a) ? a : b;
    return a < b ? a : b;
}

static inline double sign_of(double value)
{
    return value < 0 ? -1 : value > 0 ? 1 : value;
}

static inline double to_radians(double value)
{
    return value * M_PI / 180;
}

static inline double to_degrees(double value)
{
    return value * 180 / M_PI;
}

static inline double negative(double value)
{
    return -value;
}

#define MAP_FUNCTION(name, compute)                                                                \
    static void name(struct row *row, const struct map_input *input)                               \
    {                                                                                              \
        double *values = row->values;                                                              \
        for (size_t i = 0; i < input->steps->count; i++)                                           \
            values[i] = compute(values[i]);                                                        \
    }

MAP_FUNCTION(map_abs, fabs)
MAP_FUNCTION(map_ceil, ceil)
MAP_FUNCTION(map_floor, floor)
MAP_FUNCTION(map_sqrt, sqrt)
MAP_FUNCTION(map_exp, exponential)
MAP_FUNCTION(map_ln, logarithm_natural)
MAP_FUNCTION(map_log2, logarithm_binary)
MAP_FUNCTION(map_log10, logarithm_decimal)
MAP_FUNCTION(map_sgn, sign_of)
MAP_FUNCTION(map_rad, to_radians)
MAP_FUNCTION(map_deg, to_degrees)
MAP_FUNCTION(map_sin, sine)
MAP_FUNCTION(map_cos, cosine)
MAP_FUNCTION(map_tan, tangent)
MAP_FUNCTION(map_asin, arc_sine)
MAP_FUNCTION(map_acos, arc_cosine)
MAP_FUNCTION(map_atan, arc_tangent)
MAP_FUNCTION(map_sinh, hyperbolic_sine)
MAP_FUNCTION(map_cosh, hyperbolic_cosine)
MAP_FUNCTION(map_tanh, hyperbolic_tangent)
MAP_FUNCTION(map_asinh, hyperbolic_arc_sine)
MAP_FUNCTION(map_acosh, hyperbolic_arc_cosine)
MAP_FUNCTION(map_atanh, hyperbolic_arc_tangent)
MAP_FUNCTION(map_negate, negative)

const map_kernel map_kernel_negate = map_negate;

static void map_keep(struct row *row, const struct map_input *input)
{
}

const map_kernel map_kernel_keep = map_keep;

/* Ties go up; the inverse first, as it is more exact. */
static void map_round(struct row *row, const struct map_input *input)
{
    double *values = row->values;
    for (size_t i = 0; i < input->steps->count; i++) {
        double nearest = input->argument_count > 0 ? input->arguments[0][i] : 1;
        double inverse = 1.0 / nearest;
        values[i] = floor(values[i] * inverse + 0.5) / inverse;
    }
}

static inline void clamp_column(struct row *row, const struct map_input *input, const double *low,
                                const double *high)
{
    for (size_t i = 0; i < input->steps->count; i++) {
        double least = low == NULL ? -INFINITY : low[i];
        double most = high == NULL ? INFINITY : high[i];
        if (most < least)
            bitmap_unset(row->present, i);
        row->values[i] = go_max(least, go_min(most, row->values[i]));
    }
}

static void map_clamp(struct row *row, const struct map_input *input)
{
    clamp_column(row, input, input->arguments[0], input->arguments[1]);
}

static void map_clamp_min(struct row *row, const struct map_input *input)
{
    clamp_column(row, input, input->arguments[0], NULL);
}

static void map_clamp_max(struct row *row, const struct map_input *input)
{
    clamp_column(row, input, NULL, input->arguments[0]);
}

static void map_max_of(struct row *row, const struct map_input *input)
{
    for (size_t i = 0; i < input->steps->count; i++)
        row->values[i] = go_max(row->values[i], input->arguments[0][i]);
}

static void map_min_of(struct row *row, const struct map_input *input)
{
    for (size_t i = 0; i < input->steps->count; i++)
        row->values[i] = go_min(row->values[i], input->arguments[0][i]);
}

static const map_kernel kernels[FUNCTION_COUNT_ALL] = {
    [FUNCTION_ABS] = map_abs,
    [FUNCTION_CEIL] = map_ceil,
    [FUNCTION_FLOOR] = map_floor,
    [FUNCTION_SQRT] = map_sqrt,
    [FUNCTION_EXP] = map_exp,
    [FUNCTION_LN] = map_ln,
    [FUNCTION_LOG2] = map_log2,
    [FUNCTION_LOG10] = map_log10,
    [FUNCTION_SGN] = map_sgn,
    [FUNCTION_RAD] = map_rad,
    [FUNCTION_DEG] = map_deg,
    [FUNCTION_SIN] = map_sin,
    [FUNCTION_COS] = map_cos,
    [FUNCTION_TAN] = map_tan,
    [FUNCTION_ASIN] = map_asin,
    [FUNCTION_ACOS] = map_acos,
    [FUNCTION_ATAN] = map_atan,
    [FUNCTION_SINH] = map_sinh,
    [FUNCTION_COSH] = map_cosh,
    [FUNCTION_TANH] = map_tanh,
    [FUNCTION_ASINH] = map_asinh,
    [FUNCTION_ACOSH] = map_acosh,
    [FUNCTION_ATANH] = map_atanh,
    [FUNCTION_ROUND] = map_round,
    [FUNCTION_CLAMP] = map_clamp,
    [FUNCTION_CLAMP_MIN] = map_clamp_min,
    [FUNCTION_CLAMP_MAX] = map_clamp_max,
    [FUNCTION_MAX_OF] = map_max_of,
    [FUNCTION_MIN_OF] = map_min_of,
};

map_kernel map_kernel_of_math(enum function_id id)
{
    return kernels[id];
}
