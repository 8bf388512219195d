/*
 * The one side of a join: rows by match group. Internal to binary_match.c and match_side.c.
 */
#pragma once

#include "base/vec.h"
#include "promql/label_groups.h"
#include "promql/row_store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The rows of one match group on the one side; at any step at most one may be present. */
struct match_group {
    size_t index;
    const struct row **rows;
    size_t row_count;
    size_t row_capacity;
    uint64_t *present; /* of all its rows */
    uint64_t *matched; /* steps at which a row of the many side has met it */
};

/* Two rows of one group at one step: wrong as soon as the other side has any row at such a step. */
struct match_conflict {
    size_t group;
    const struct row *first;
    const struct row *second;
    uint64_t *present;
};

struct match_side {
    struct evaluation *ev;
    size_t step_count;
    struct label_groups groups;
    struct row_store store;
    VEC(struct match_group *) by_index;
    VEC(struct match_conflict) conflicts;
};

void match_side_init(struct match_side *side, struct evaluation *ev,
                     const struct label_grouping *grouping);
void match_side_release(struct match_side *side);
void match_side_clear(struct match_side *side, size_t step_count);
bool match_side_add(struct match_side *side, const struct row *row);
/* The group of a row of the other side: NULL when there is none. */
struct match_group *match_side_find(struct match_side *side, const struct labels *labels);
/* Made without rows when there is none; NULL on failure. */
struct match_group *match_side_group(struct match_side *side, const struct labels *labels);
/* false with "found duplicate series for the match group ..." when a conflict is at one of the
 * steps; `present` NULL = at any step. */
bool match_side_check(struct match_side *side, const uint64_t *present, const char *side_name);
