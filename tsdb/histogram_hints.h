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
 * Threads: none of its own.
 */
#pragma once

#include "base/compiler.h"
#include "model/histogram.h"

#include <stdbool.h>
#include <stddef.h>

/* Sets the hints of samples in the order of time; NULL stands for a float sample. The histograms
 * are the caller's own copies. */
void histogram_hints_settle(const struct histogram *const *histograms, size_t count);
