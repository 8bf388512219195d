/*
 * The info series that info() takes labels from, found by target: by the values of the labels
 * `instance` and `job`. Of two series of one name and target the one with the newer sample counts,
 * step by step; so at any step a target has at most one series of each name.
 *
 * Ownership: rows are scratch of the evaluation, their label sets the view's. A load takes the
 * place of the one before. Thread-safety: that of the evaluation.
 */
#pragma once

#include "base/vec.h"
#include "model/matcher.h"
#include "model/series_source.h"
#include "promql/ast.h"
#include "promql/evaluation.h"
#include "promql/label_groups.h"
#include "promql/row.h"
#include "promql/windows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The labels that identify a target: instance and job. */
#define INFO_LABELS 2

struct info_row {
    const struct labels *labels;
    uint64_t *present;
    double *times_ms;      /* of its samples; NULL where no other row is of this name and target */
    struct info_row *next; /* of the same target */
};

/* Values of one identifying label, as symbols; sorted and without duplicates once it is complete.
 */
struct info_values {
    VEC(uint32_t) symbols;
};

/* What the series to be enriched ask for. */
struct info_wanted {
    struct info_values values[INFO_LABELS];
    uint64_t *present; /* steps at which there is any of them */
};

struct info_series {
    struct evaluation *ev;
    struct time_shift shift;    /* at which time samples are looked for */
    struct sample_sheet *sheet; /* where they are counted */
    struct label_names identifying;
    struct matcher *own_name; /* made here; NULL where there is none */
    struct matcher *own_values[INFO_LABELS];
    VEC(const struct matcher *) name_matchers;
    VEC(const struct matcher *) data_matchers;
    struct label_groups keys;    /* by name and target */
    struct label_groups targets; /* by target */
    VEC(uint32_t) key_counts;
    VEC(struct info_row *) rows; /* the first of each target, by its index; NULL = none */
    struct series_list list;
    struct sample_columns columns;
    uint64_t cells;
    size_t conflict_step; /* the first at which two samples have one time; SIZE_MAX = none */
    const struct info_row *conflict[2];
};

/* `selector` is the second argument of info(), NULL when there is none. false on failure. */
bool info_series_init(struct info_series *series, struct evaluation *ev,
                      const struct node *selector);
void info_series_release(struct info_series *series);

/* Is it an info series itself, going by its name? */
bool info_series_has_name(const struct info_series *series, struct slice metric_name);
bool info_series_load(struct info_series *series, const struct promql_steps *steps,
                      struct info_wanted *wanted);
/* How many of the series have a sample at a step. */
uint64_t info_series_count_at(const struct info_series *series, size_t step);
/* The rows of the target that a label set belongs to; NULL when there is none. */
const struct info_row *info_series_find(struct info_series *series, const struct labels *labels);

void info_wanted_add(struct info_wanted *wanted, const struct info_series *series,
                     const struct labels *labels);
void info_wanted_release(struct info_wanted *wanted);
