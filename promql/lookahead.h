/*
 * Rows ahead of their reader: where a selection has many series, helper threads read them and compute
 * their rows while the evaluation's own thread, the *reader* here, takes the rows in the order of the
 * series. All that has an order (limits, counts, annotations, label sets, what the operators above do)
 * stays with the reader, so that answers do not depend on the number of threads.
 *
 * The series are dealt out in *batches*, in order, to whoever asks: helpers, and the reader itself when
 * its next batch is not there yet. Batches lie in a ring, so no more than that many are in flight:
 *
 *     free ──claimed, by helper or reader──▶ computing ──▶ done ──read to the end──▶ free
 *
 * A *lane* is what one thread computes with; it has a fork of the evaluation, with an error of its own.
 * An error ends its batch, and fails the evaluation when the reader comes to it.
 *
 * Helpers are tasks of the engine's pool. One is only called where a processor is free (turns.h), and
 * goes as soon as a query waits for its turn: on a busy server each query has one thread.
 *
 * Ownership: belongs to an operator; memory of the ring is in the scratch arena and counts against the
 * limit, what is made beside it is looked at batch by batch. A row is valid until the next is asked for.
 * Thread-safety: everything here is called by the evaluation's thread, but for `compute`.
 */
#pragma once

#include "base/mutex.h"
#include "promql/operator.h"
#include "promql/range_column.h"
#include "promql/turns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct worker_pool;

/* What an engine has for this. One lock for all queries: it is taken once a batch. */
struct helpers {
    struct worker_pool *pool;
    struct turns *turns;
    size_t threads;    /* of one query, with its own; at least 2 */
    size_t series_min; /* smaller selections are not worth it, unless the steps are many */
    struct mutex lock;
};

struct ahead_row {
    struct row row;
    uint64_t samples;             /* that were read */
    struct range_figures figures; /* of a selector: counts.total is what it found */
    const uint64_t *totals;       /* by step, where the operator's sheet has steps; else NULL */
    const uint64_t *reads;
    bool failed; /* after the figures were known: lookahead_fail once these are counted */
};

enum ahead_outcome {
    AHEAD_NOTHING, /* the series gives no row, and nothing to be counted */
    AHEAD_ROW,
    AHEAD_FAILED,      /* before anything was to be counted */
    AHEAD_FAILED_LATE, /* the figures are to be counted first */
};

struct lookahead_methods {
    size_t lane_size;
    void (*lane_init)(void *lane, const struct operator* op, struct evaluation *fork);
    /* The operator has been started. false when the evaluation has failed. */
    bool (*lane_start)(void *lane);
    void (*lane_release)(void *lane);
    /* On any thread. The row has room for values and presence; further memory comes from `made`, which
     * lives as long as the row. Changes nothing but the lane and the row. */
    enum ahead_outcome (*compute)(void *lane, const struct series_entry *entry, struct arena *made,
                                  struct ahead_row *out);
};

struct lookahead;

/* Begins with the series of the list, which stays as it is until lookahead_end, where helpers are at
 * hand and the selection is large enough; `*at` is made when it is NULL. Nothing is started where memory
 * is short. The operator's steps are set. false when the evaluation has failed. */
bool lookahead_begin(struct lookahead **at, struct operator* op,
                     const struct lookahead_methods *methods, const struct series_list *list);
/* Do the rows come from here? NULL does not. */
bool lookahead_is_on(const struct lookahead *lookahead);
/* false at the end, or when the evaluation has failed. */
bool lookahead_next(struct lookahead *lookahead, struct ahead_row *out);
/* Fails the evaluation with what has failed the last row. Returns false. */
bool lookahead_fail(struct lookahead *lookahead);
/* Waits until no helper is at work; NULL is fine. */
void lookahead_end(struct lookahead *lookahead);
void lookahead_release(struct lookahead *lookahead);
