/*
 * Questions about whole arrays whose answer is nearly always no: asked of two values at once, in
 * blocks without branches. Thread-safety: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Is any of them NaN? Stale markers are. */
bool scan_has_nan(const double *values, size_t count);
/* The index of the first value from `from` on that is below the one before it; count if none is. */
size_t scan_decrease(const double *values, size_t from, size_t count);
