/*
 * Loops over columns of bucket counts, in a file of their own because they are compiled as vectors.
 * Sums are taken slot by slot, so that results do not depend on the width of vectors.
 *
 * Arrays do not overlap. Thread-safety: functions of their arguments. Internal to the histogram
 * modules.
 */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* *sum += value, and what rounding lost goes to *compensation (Neumaier). The order of operations
 * is the reference's. */
static inline void compensated_add(double value, double *sum, double *compensation)
{
    double before = *sum;
    double total = before + value;
    bool before_is_larger = fabs(before) >= fabs(value);
    double large = before_is_larger ? before : value;
    double small = before_is_larger ? value : before;
    double lost = (large - total) + small;
    *compensation = fabs(total) == INFINITY ? 0 : *compensation + lost;
    *sum = total;
}

void column_add(double *restrict sum, const double *restrict values, size_t count);
void column_subtract(double *restrict sum, const double *restrict values, size_t count);
/* values * sign, with compensation. */
void column_add_compensated(double *restrict sum, double *restrict compensation,
                            const double *restrict values, double sign, size_t count);
void column_multiply(double *values, double factor, size_t count);
void column_divide(double *values, double divisor, size_t count);
/* Is any of `values` below its partner? NaN is not. */
bool column_any_below(const double *values, const double *partners, size_t count);
bool column_any_zero(const double *values, size_t count);
bool column_any_infinite(const double *values, size_t count);
/* Is any value, apart from its sign, at least `limit`? NaN is not. */
bool column_any_beyond(const double *values, double limit, size_t count);
