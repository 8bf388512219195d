/*
 * Quantiles of plain values. Thread-safety: no state.
 */
#pragma once

#include <stddef.h>

/*
 * The quantile q of the values, interpolated between the two neighbours of rank q * (count - 1);
 * NaN values count as the smallest. -Inf below 0, +Inf above 1, NaN for NaN or no values. Reorders
 * the values.
 */
double quantile_of(double q, double *values, size_t count);
