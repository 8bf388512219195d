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

/* The same for histograms, in the arena or one of the two. NULL where they do not go together; what
 * there is to say goes to `notes`, of enum range_note. */
const struct histogram *samples_interpolate_histogram(struct arena *arena,
                                                      const struct samples *samples, size_t at,
                                                      int64_t time_ms, bool is_counter,
                                                      unsigned *notes);

/* The first and the last sample that count of [low, high), of which there is at least one and which
 * reach beyond the range. false when none does. */
bool extended_range_find(const struct extended_range *range, const struct samples *samples,
                         size_t low, size_t high, size_t *out_first, size_t *out_last);

/* Of floats: the edges, as far as any sample counts. */
bool extended_edges_find(struct extended_edges *edges, const struct extended_range *range,
                         const struct samples *samples, size_t low, size_t high);
