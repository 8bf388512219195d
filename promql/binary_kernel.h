/*
 * Arithmetic and comparison of columns: plain loops over all slots, present or not.
 * Thread-safety: no state.
 */
#pragma once

#include "promql/ast.h"

#include <stddef.h>
#include <stdint.h>

/* out[i] = left[i] op right[i]; out may be left or right. Arithmetic operators only. */
void binary_compute(enum operator_kind op, double *out, const double *left, const double *right,
                    size_t count);
/* Bit i of `out` says whether left[i] op right[i]; bits above count are clear. Comparisons only. */
void binary_compare(enum operator_kind op, uint64_t *out, const double *left, const double *right,
                    size_t count);
