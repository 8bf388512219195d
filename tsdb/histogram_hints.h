/*
 * The counter reset hints that readers get. What a client said of a counter is not handed on: a
 * sample that continues the one before it says "no reset", and one that does not, or that has none
 * before it, says "unknown", so that the reader compares for himself. "Gauge" stays. A histogram
 * that is a stale marker has its sum and nothing else.
 *
 * A sample continues the one before it if both are of one kind (integer or float, schema, zero
 * threshold, custom bounds) and nothing has decreased, which is what the reference asks for keeping
 * both in one chunk.
 *
 * Nothing of it is in the formats but the hints themselves. The first sample of a range is compared with
 * the one before the range where that is in the same chunk, and where parts of a view meet, their
 * neighbours are (merged_view.h).
 *
 * Threads: none of its own.
 */
#pragma once

#include "base/compiler.h"
#include "model/histogram.h"

#include <stdbool.h>
#include <stddef.h>

/* Takes back a "no reset" that nobody has seen to be true: a client's, or that of a sample which has
 * got another one before it. */
void histogram_hint_forget(struct histogram *histogram);
/* Sets the hint of one sample by the one before it, whose hint is as it was stored. */
void histogram_hint_settle(struct histogram *histogram, const struct histogram *before);

/* Sets the hints of samples in the order of time; NULL stands for a float sample. The histograms
 * are the caller's own copies. A "no reset" of the first stays: it was settled by a sample that is not
 * among these. */
void histogram_hints_settle(const struct histogram *const *histograms, size_t count);
