/*
 * Sums over many windows of one array from running sums. That agrees with adding up each window by
 * itself, compensated or not, only where no addition rounds: where all values are whole numbers
 * and all sums stay below 2^53. Counts, bytes and most gauges are so.
 *
 * Thread-safety: no state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* sums[i] = the sum of the first i values, for i <= count. false where it might round. */
bool prefix_sums_exact(const double *values, size_t count, double *sums);
