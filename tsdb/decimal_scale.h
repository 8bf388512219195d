/*
 * Under which power of ten values are integers. Thread-safety: pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DECIMAL_EXPONENT_MAX 17

/* The exponent that serves the values best, judged by a sample; false when they are better kept as
 * bits. Values that are not finite do not count; there may be stray values that are no decimals. */
bool decimal_scale_choose(const double *values, size_t count, unsigned *out_exponent);
/* The least exponent, from `exponent` on, under which the value is an integer below 2^51; above
 * DECIMAL_EXPONENT_MAX when there is none. */
unsigned decimal_scale_least(double value, unsigned exponent);
/* For values that are decimals but for the rounding of how they were computed (milliseconds times
 * 0.001, sums of decimals): an exponent under which all of a sample lie close to one. */
bool decimal_scale_near(const double *values, size_t count, unsigned *out_exponent);
