/*
 * Native histograms in sum, avg, count, min, max, group, stddev and stdvar. count and group take a
 * histogram as any sample. sum and avg keep a running sum for each step of a group; a step where
 * floats come as well has no result. The others ignore histograms and say so.
 *
 * Ownership: sums are in the evaluation's scratch arena, results in op->made.
 * Thread-safety: that of the evaluation.
 */
#pragma once

#include "promql/aggregate_kernel.h"
#include "promql/operator.h"

#include <stdbool.h>

/* Says that histograms were left out by the aggregation of the operator, seen at `position`. */
void aggregate_note_ignored(struct operator* op, uint32_t position);

/* What is left present in the row is for accumulator_add. To be called for rows with histograms,
 * and for all rows of a group that has met some. false when the evaluation has failed. */
bool accumulator_take_histograms(struct accumulator *accumulator, struct operator* op,
                                 struct row *row) MUST_CHECK;
/* After accumulator_finish: puts histograms into the row, for which `column` is the room. */
bool accumulator_show_histograms(struct accumulator *accumulator, struct operator* op,
                                 const struct histogram **column, struct row *out) MUST_CHECK;
