/*
 * How many samples a query looked at, as the reference counts them (stats= and the metrics): `total`
 * counts a window in full at every step, `read` what a step sees for the first time.
 *
 * Operators count into the sheet that was open when they were planned. A subquery and a part that is
 * the same at every step have sheets of their own, with their own grid of steps; when the evaluation
 * is over, sheets are added up from the innermost outwards:
 *   a subquery gives its reads only, since whoever takes its rows counts them again. A step of it goes
 *   to the first outer step that sees it, and to none when it lies in a gap between two windows;
 *   an invariant part counts in full at every step, and is read once.
 *
 * Ownership: sheets live in the arena of the evaluation. Thread-safety: one thread.
 */
#pragma once

#include "base/compiler.h"
#include "promql/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sample_sheet_kind {
    SAMPLE_SHEET_QUERY,
    SAMPLE_SHEET_SUBQUERY,
    SAMPLE_SHEET_INVARIANT,
};

struct sample_sheet {
    struct sample_sheet *outer;
    enum sample_sheet_kind kind;
    struct promql_steps steps;
    uint64_t total;
    uint64_t read;
    uint64_t *total_by_step; /* NULL where steps are not told apart */
    uint64_t *read_by_step;
    int64_t offset_ms; /* of a subquery: how much earlier its steps are than those that see them */
    int64_t range_ms;  /* 0 = no gaps */
    bool is_answer;    /* a subquery whose points are the answer: its totals count, too */
    struct sample_sheet *older;
};

struct evaluation;
struct row;

struct sample_counts {
    struct evaluation *ev;
    bool by_step; /* of the query */
    struct sample_sheet *newest;
    struct sample_sheet *query; /* the outermost */
    struct sample_sheet *open;  /* what is planned counts here */
};

/* false when a limit is reached, as below. */
bool sample_counts_init(struct sample_counts *counts, struct evaluation *ev,
                        const struct promql_steps *steps, bool by_step) MUST_CHECK;

/* Opens a sheet for what is planned next; the one that was open before is to be given back to
 * sample_counts_close. The steps of a subquery are told later. */
struct sample_sheet *sample_counts_open(struct sample_counts *counts, enum sample_sheet_kind kind);
void sample_counts_close(struct sample_counts *counts, struct sample_sheet *before);

/* A subquery begins with this grid, maybe not for the first time. */
bool sample_sheet_start(struct sample_counts *counts, struct sample_sheet *sheet,
                        const struct promql_steps *steps) MUST_CHECK;

static inline bool sample_sheet_has_steps(const struct sample_sheet *sheet)
{
    return sheet->total_by_step != NULL || sheet->read_by_step != NULL;
}

/* `step` is one of the sheet's. */
void sample_sheet_add(struct sample_sheet *sheet, size_t step, uint64_t total, uint64_t read);
/* The index in the sheet of the first of these steps, which are some of the sheet's. */
size_t sample_sheet_index(const struct sample_sheet *sheet, const struct promql_steps *steps);
/* The samples of a row of these steps, of which there are `cells`: a histogram counts as several. */
void sample_sheet_add_row(struct sample_sheet *sheet, const struct promql_steps *steps,
                          const struct row *row, uint64_t cells);

/* Adds all sheets up; the sums are then those of the query's. */
void sample_counts_finish(struct sample_counts *counts);
