/*
 * Label sets as keys: the groups of an aggregation, the match groups of a binary operator, and the
 * check that no step has two rows of one label set. Keys are symbol ids; no text is looked at.
 *
 * Thread-safety: that of the evaluation.
 */
#pragma once

#include "base/table.h"
#include "base/vec.h"
#include "model/labels.h"
#include "promql/evaluation.h"
#include "promql/label_set.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which labels make the key: only `names`, or all but `names`. */
struct label_grouping {
    struct label_names names;
    bool without;
    bool without_metric_name; /* with `without`: __name__ is left out too */
};

struct label_group {
    const struct labels *labels; /* the key as a set; lives as long as the result */
    size_t index;                /* dense, in the order of first appearance */
};

struct label_groups {
    struct evaluation *ev;
    struct label_grouping grouping;
    struct table table;
    VEC(struct label_group *) items; /* by index */
};

#define LABEL_GROUP_NONE SIZE_MAX

void label_groups_init(struct label_groups *groups, struct evaluation *ev,
                       const struct label_grouping *grouping);
void label_groups_release(struct label_groups *groups);
void label_groups_clear(struct label_groups *groups);

/* The index of the group of a label set, made when it is new. */
size_t label_groups_add(struct label_groups *groups, const struct labels *labels);
/* LABEL_GROUP_NONE when there is none. */
size_t label_groups_find(struct label_groups *groups, const struct labels *labels);

/* Which label sets are present at which steps. */
struct label_guard {
    struct evaluation *ev;
    size_t step_count;
    struct table table;
};

/* What a set that comes a second time means. */
enum label_guard_rule {
    LABEL_GUARD_STEPS, /* wrong where both are present at one step */
    LABEL_GUARD_ROWS,  /* wrong in any case */
};

void label_guard_init(struct label_guard *guard, struct evaluation *ev);
void label_guard_release(struct label_guard *guard);
void label_guard_clear(struct label_guard *guard, size_t step_count);
/* false with "vector cannot contain metrics with the same labelset". */
bool label_guard_add(struct label_guard *guard, const struct labels *labels,
                     const uint64_t *present, enum label_guard_rule rule);

/* The text of that error. */
#define LABEL_GUARD_TEXT "vector cannot contain metrics with the same labelset"
