/*
 * What all operators of one evaluation share: the query, its limits, its memory and what went
 * wrong.
 *
 * Memory comes from two arenas: `result` lives as long as the answer (label sets, rows), `scratch`
 * ends with the evaluation (columns in flight, tables). Both count against one limit of bytes.
 * Large things are asked for by evaluation_column and friends, which fail; small things (a label
 * set) are taken directly and the limit is looked at when the row is handed on, so that it is
 * exceeded by one row at most.
 *
 * The first failure stays: evaluation_fail records it, every loop looks at the answer of
 * evaluation_check or operator_next and ends.
 *
 * Thread-safety: one thread. Where others make rows ahead (lookahead.h), each has a fork.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/series_source.h"
#include "promql/annotations.h"
#include "promql/promql.h"
#include "promql/row.h"
#include "promql/sample_counts.h"
#include "promql/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct helpers;
struct node;
struct operator;
struct turn;

/* Names that go when an operation changes what a metric means. */
struct reserved_labels {
    uint32_t name; /* __name__ */
    uint32_t type; /* __type__, SYMBOL_NONE when no series can have it */
    uint32_t unit; /* __unit__, likewise */
};

struct evaluation {
    /* settled before the plan is made: */
    const struct promql_query *query;
    struct slice text;
    bool delayed_name_removal;
    bool has_step_statistics;
    bool start_timestamps; /* are looked at */
    bool type_labels;      /* tell what a counter is */
    int64_t lookback_ms;
    int64_t default_subquery_step_ms;
    const struct clock *clock;
    int64_t deadline_ns;     /* monotonic */
    struct turn *turn;       /* at the processors; passed on now and then */
    struct helpers *helpers; /* NULL: the query has one thread */
    uint64_t samples_max;
    uint64_t bytes_max;
    uint64_t bytes_granted; /* up to here nobody needs to be asked */
    struct memory_budget *memory;
    uint64_t bytes_taken; /* of it; given back with the result */
    struct memory_hold selected; /* what selections take; the same */
    struct series_view *view;
    struct reserved_labels reserved;

    struct arena *result;
    struct arena scratch;
    struct annotations annotations;
    struct promql_statistics statistics;
    struct sample_counts counts;
    VEC(uint32_t) symbols; /* interned for this query: references to give back with the result */
    uint64_t symbol_bytes; /* of their text; counts against the limit */
    uint64_t made_bytes;   /* in the arenas of operators: histograms; the same */
    VEC(struct label_pair) pairs;      /* where label sets are put together */
    struct operator* operators;        /* all of the plan, for their end */
    VEC(const struct node *) outlined; /* selectors: histogram_outline.h */

    /* limits: */
    uint64_t samples_current; /* cells that the reference would hold at this moment */
    uint64_t work;            /* since the clock was last looked at */

    enum err error;
    struct errbuf *err;
};

/* Work after which the clock and the flag of cancellation are looked at: well below a millisecond.
 */
#define EVALUATION_WORK_SLICE ((uint64_t)1 << 16)

bool evaluation_check_now(struct evaluation *ev);

/* Counts work in samples; false when the evaluation has to end. For inner loops. */
static inline bool evaluation_check(struct evaluation *ev, uint64_t work)
{
    ev->work += work;
    if (LIKELY(ev->work < EVALUATION_WORK_SLICE))
        return true;
    return evaluation_check_now(ev);
}

/* Another evaluation of the same query, for computing on another thread: with the limits, the view
 * and the deadline, but with nothing in it and an error of its own. `result` is initialised here.
 * Its arenas are to be released, and nothing else. */
void evaluation_fork(struct evaluation *fork, const struct evaluation *ev, struct arena *result,
                     struct errbuf *err);

/* Records the first failure; returns false, for `return evaluation_fail(...)`. */
bool evaluation_fail(struct evaluation *ev, enum err code, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* A failure that a callee has already put into ev->err. */
bool evaluation_failed(struct evaluation *ev, enum err code);

/* What a query may take whatever the state of the memory that all share, so that small ones are
 * always answered, and in which steps it takes more. */
#define EVALUATION_BYTES_FREE ((uint64_t)1 << 20)
#define EVALUATION_BYTES_STEP ((uint64_t)4 << 20)

/* Are the bytes that are taken, and `more`, within the limits? */
bool evaluation_room(struct evaluation *ev, uint64_t more);

/* From the scratch arena; NULL when the limit is reached. */
void *evaluation_alloc(struct evaluation *ev, uint64_t count, size_t size) MUST_CHECK;
double *evaluation_column(struct evaluation *ev, size_t steps) MUST_CHECK;
uint64_t *evaluation_bitmap(struct evaluation *ev, size_t steps) MUST_CHECK; /* clear */
/* A row of scratch: no labels, values undefined, present clear. */
bool evaluation_row(struct evaluation *ev, size_t steps, struct row *out);
/* An array for the histograms of a row, of NULLs. */
const struct histogram **evaluation_histograms(struct evaluation *ev, size_t steps) MUST_CHECK;
/* A deep copy in an arena of this evaluation; NULL when the limit is reached. */
const struct histogram *evaluation_keep_histogram(struct evaluation *ev, struct arena *arena,
                                                  const struct histogram *histogram) MUST_CHECK;

/* Deep copies in place of the row's histograms; the array is the row's. */
void row_copy_histograms(struct row *row, size_t steps, struct arena *arena);

/* Cells that come into being and go, as the reference counts them against max-samples. */
bool evaluation_hold(struct evaluation *ev, uint64_t cells);
/* Would there be room for so many? */
bool evaluation_fits(struct evaluation *ev, uint64_t cells);
void evaluation_drop(struct evaluation *ev, uint64_t cells);

/* A float is one cell, a histogram as many as its size in the reference says. */
uint64_t histogram_cells(const struct histogram *histogram);
uint64_t row_cells(const struct row *row, size_t steps);

/* A symbol that lives as long as the result. */
uint32_t evaluation_symbol(struct evaluation *ev, struct slice text);
