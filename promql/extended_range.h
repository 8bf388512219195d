/*
 * Anchored and smoothed ranges: the values at the two edges of a range, taken from samples on both
 * sides of each edge. Anchored, an edge has the value of the last sample before it; smoothed, that
 * of the line between the samples around it.
 *
 * Thread-safety: pure functions.
 */
#pragma once

#include "promql/selection.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct extended_range {
    int64_t start_ms;
    int64_t end_ms;
    bool is_smoothed;
    bool is_counter; /* one that falls begins anew at 0 */
};

struct extended_edges {
    double left;
    double right;
    size_t from; /* samples [from, until) lie between the edges */
    size_t until;
};

/* The value at a time on the line from sample `at` to the next. */
double samples_interpolate(const struct samples *samples, size_t at, int64_t time_ms,
                           bool is_counter);

/* Of the samples [low, high), which reach beyond the range; there is at least one. false when none
 * counts. */
bool extended_edges_find(struct extended_edges *edges, const struct extended_range *range,
                         const struct samples *samples, size_t low, size_t high);
