/*
 * Rows that are kept: for operators that need all rows before they answer, and for the result.
 * Columns are copied into an arena, exactly as many bytes as the steps need, and their histograms
 * with them.
 *
 * Ownership: rows and columns are the arena's; the table is freed by row_store_release.
 */
#pragma once

#include "base/arena.h"
#include "base/table.h"
#include "base/vec.h"
#include "promql/evaluation.h"
#include "promql/row.h"

#include <stdbool.h>
#include <stddef.h>

struct row_store {
    struct evaluation *ev;
    struct arena *arena;
    size_t step_count;
    struct table by_labels; /* used by row_store_merge only */
    VEC(struct row *) rows;
};

void row_store_init(struct row_store *store, struct evaluation *ev, struct arena *arena);
void row_store_release(struct row_store *store);
/* Empties it; the arena keeps what was there. */
void row_store_clear(struct row_store *store, size_t step_count);

/* Keeps a copy; NULL when a limit is reached. */
struct row *row_store_add(struct row_store *store, const struct row *row);
/* Keeps a copy, or adds the values to the row with the same labels: false with the error of equal
 * label sets where both are present at one step. */
bool row_store_merge(struct row_store *store, const struct row *row);
