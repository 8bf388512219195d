/*
 * Histograms without their buckets. Where histogram_count, histogram_sum or histogram_avg is all
 * that an expression makes of a selector, buckets are dropped as soon as samples are read; sums and
 * rates of what is left are cheap. As counter resets could not be seen any longer, each sample is
 * given a reset hint before, from the one before it. Where windows leave a gap, its samples are not
 * looked at, and the first one behind it has no sample before it.
 *
 * That shows, as in the reference: contradicting resets are only known here, and histograms are
 * equal whose counts and sums are.
 *
 * Thread-safety: that of the evaluation.
 */
#pragma once

#include "base/arena.h"
#include "base/vec.h"
#include "promql/ast.h"
#include "promql/evaluation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Notes in ev->outlined which selectors of the tree are of that kind. Before the plan is made. */
void histogram_outline_mark(struct evaluation *ev, const struct node *root);
bool histogram_outline_wanted(const struct evaluation *ev, const struct node *selector);

/* The outlines of the samples of one series. */
struct histogram_outlines {
    struct arena arena;
    VEC(const struct histogram *) items;
};

/* Which samples are looked at: those of the window of `reach_ms` before each end. */
struct histogram_windows {
    int64_t first_end_ms;
    int64_t last_end_ms;
    int64_t step_ms; /* 0: there is one */
    int64_t reach_ms;
};

void histogram_outlines_init(struct histogram_outlines *outlines);
void histogram_outlines_release(struct histogram_outlines *outlines);
/* histograms[i] is NULL for floats. The answer is valid until the next call. */
const struct histogram *const *histogram_outlines_make(struct histogram_outlines *outlines,
                                                       const int64_t *timestamps_ms,
                                                       const struct histogram *const *histograms,
                                                       size_t count,
                                                       const struct histogram_windows *windows);
