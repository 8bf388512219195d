/*
 * Native histograms of tests in the notation of PromQL scripts: reading, and comparing whole.
 */
#pragma once

#include "base/arena.h"
#include "model/histogram.h"

/* Fails the test where the text cannot be read. */
struct histogram *notated(struct arena *arena, const char *text);
/* Fails the test where the histogram, compacted, prints otherwise. */
void assert_notation(const struct histogram *histogram, const char *expected);
