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
/*
 * Is there a line through (0, first) that rises by `rise` over a `length` and may cut zero less than
 * `before` to the left, that is, can length * (first / rise) be below before where rise > 0 and
 * first >= 0? Asked without the division that would tell it exactly, so with a margin: true says
 * perhaps, false is certain.
 */
bool scan_any_near_zero(const double *first, const double *rise, const double *length,
                        const double *before, size_t count);
