/*
 * From the samples of one series to a column: the windows of all steps are found, then a kernel
 * computes. What is the same from series to series (windows and factors, where the times are those of
 * the series before) is kept in between, and changes nothing of the results.
 *
 * A *plan* says what to compute and does not change while rows are made; a *column* is the memory of
 * one who computes.
 *
 * Ownership: the plan is borrowed. Thread-safety: any number of columns may compute by one plan, each on
 * a thread of its own.
 */
#pragma once

#include "base/vec.h"
#include "promql/functions_range.h"
#include "promql/operators.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range_plan {
    enum function_id id;
    range_kernel kernel;
    bool uses_starts;
    struct range_source source;
    struct time_shift reach_shift; /* where the windows lie; see range_source_reach */
    int64_t reach_ms;
    const struct promql_steps *steps;
    const double *arguments[RANGE_ARGUMENTS_MAX];
};

/* Samples in the windows of one series. */
struct window_counts {
    uint64_t total;
    uint64_t read;
    uint64_t largest;
    uint64_t last;
};

/* What there is to say of a series beside its values. */
struct range_figures {
    struct window_counts counts;
    uint64_t overlaps;
    unsigned notes; /* enum range_note */
};

struct range_column {
    struct evaluation *ev;
    const struct range_plan *plan;
    struct range_input input;
    VEC(int64_t) last_timestamps_ms; /* of the series before, whose windows are known */
    size_t window_steps;             /* what the windows have room for */
    struct window_counts counts;
    struct range_scratch scratch;
};

void range_column_init(struct range_column *column, struct evaluation *ev,
                       const struct range_plan *plan);
void range_column_release(struct range_column *column);
/* Makes room for the plan's steps in the memory of `owner`, and forgets the series before. */
bool range_column_start(struct range_column *column, struct evaluation *owner);

/* The windows over these samples, which are at least one and stay until the column is filled; afterwards
 * `counts` is known. */
void range_column_find_windows(struct range_column *column, const struct samples *samples);
/* Computes values and presence; where there are histograms among the samples, `histograms` has room for
 * all steps and becomes the row's, and new ones are made in `made`. Some functions lend out histograms of
 * the samples. False when the evaluation has failed. */
bool range_column_fill(struct range_column *column, struct row *row,
                       const struct histogram **histograms, struct arena *made);
struct range_figures range_column_figures(const struct range_column *column);
/* Step by step: what range_column_figures has in sums. `totals` and `reads` are added to. */
void range_column_count_steps(const struct range_column *column, uint64_t *totals, uint64_t *reads);
