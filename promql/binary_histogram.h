/*
 * Binary operators where at least one side is a histogram, and trimming: step by step, after the
 * loops of binary_kernel.h have done the floats.
 *
 * Which pairs go together is decided here: + and - take two histograms, * one histogram and a
 * float on either side, / and the trims a histogram on the left and a float on the right, == and !=
 * two histograms. What does not go together gives no sample, but a note. Of one step only the last
 * note becomes an annotation, as in the reference; binary_notes_report says them at the end.
 *
 * Ownership: made histograms are the operator's (op->made); notes are in its scratch arena.
 * Thread-safety: that of the evaluation.
 */
#pragma once

#include "promql/operator.h"
#include "promql/row.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What there is to say about each step; made with the first note. */
struct binary_notes {
    uint8_t *by_step;
    size_t capacity; /* steps that there is room for */
    bool any;
};

/* One side of a row. */
struct binary_side {
    const double *values;
    const struct histogram *const *histograms; /* NULL where all are floats */
};

static inline bool operator_is_trim(enum operator_kind kind)
{
    return kind == OPERATOR_TRIM_LOWER || kind == OPERATOR_TRIM_UPPER;
}

void binary_notes_clear(struct binary_notes *notes, size_t step_count);

/*
 * Goes through the steps of `met` at which a side is a histogram, and through all of them for a
 * trim. In `row`, whose floats are computed, it settles values, presence and histograms, for which
 * `column` is the room; steps whose pair does not go together are taken out of `met` as well. The
 * sides must not point to `column`. false when the evaluation has failed.
 */
bool binary_histograms(struct operator* op, struct binary_notes *notes,
                       const struct binary_side *left, const struct binary_side *right,
                       uint64_t *met, const struct histogram **column, struct row *row) MUST_CHECK;

/* Turns the notes into annotations: once, when all rows are through. */
void binary_notes_report(struct operator* op, struct binary_notes *notes);
