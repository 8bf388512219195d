/*
 * The columns of one group of sum, avg, count, min, max, group, stddev and stdvar. Rows are added
 * one after the other; nothing of them is kept.
 */
#pragma once

#include "promql/ast.h"
#include "promql/evaluation.h"
#include "promql/row.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct accumulator_histograms;

struct accumulator {
    double *value;
    double *extra; /* compensation of sums; mean of deviations */
    double *count; /* of avg and deviations */
    uint64_t *seen;
    uint64_t *incremental; /* avg: steps whose sum would overflow */
    bool is_incremental;   /* any of them */
    bool drop_name;
    struct accumulator_histograms *histograms; /* NULL until there is one: aggregate_histogram.h */
};

/* false when a limit is reached. */
bool accumulator_init(struct accumulator *accumulator, struct evaluation *ev,
                      enum aggregate_kind kind, size_t steps);
void accumulator_add(struct accumulator *accumulator, enum aggregate_kind kind,
                     const struct row *row, size_t steps);
/* Leaves the results in `value`; `seen` says where. */
void accumulator_finish(struct accumulator *accumulator, enum aggregate_kind kind, size_t steps);
