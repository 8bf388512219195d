/*
 * Samples that can be told from their series and their time, so that whoever reads them while
 * anything else goes on knows what has to be there: each sample once, with its value, and of a commit
 * all or nothing.
 *
 * Three writers have each a clock and kinds of series of their own. A check takes note of what was
 * committed before it opens its view.
 *
 * A failure prints what is wrong and ends the process. Threads: any; a race_check belongs to one.
 */
#pragma once

#include "model/series_source.h"
#include "tsdb/appender.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RACE_STEP_MS INT64_C(15000)
#define RACE_WRITERS 3
#define RACE_DELETIONS_MAX 65536
/* A deletion begins no longer than this before what is committed then. */
#define RACE_DELETION_AGE_MS INT64_C(7200000)

enum race_kind {
    RACE_ROWS,      /* members of a group that come and go; writer 0 */
    RACE_HISTOGRAM, /* of the same group */
    RACE_CHURN,     /* live for a while, in a group; writer 1 */
    RACE_LOOSE,     /* writer 2 */
    RACE_LATE,      /* every second sample comes out of order; writer 2 */
    RACE_VICTIM,    /* parts are deleted; writer 2 */
    RACE_KINDS
};

/* One deletion of victims. */
struct race_deletion {
    int64_t min_ms;
    int64_t max_ms;
    _Atomic bool done;
};

/* What all threads share. */
struct race_state {
    uint64_t seed;
    _Atomic int64_t committed_ms[RACE_WRITERS];
    struct race_deletion deletions[RACE_DELETIONS_MAX];
    _Atomic size_t deletion_count; /* begun */
};

/* The series of a writer, found again from commit to commit. */
struct race_writer {
    const struct race_state *state;
    size_t number;
    struct sample_group *group; /* NULL: loose */
    series_ref refs[RACE_KINDS][16];
    int64_t churn_window;
};

/* Stages all that the writer has of one time; wrong values, where it will be rolled back. */
void race_stage(struct race_writer *writer, struct appender *appender, int64_t t_ms, bool wrong);

/* The oldest time that every writer has committed. */
int64_t race_committed_ms(const struct race_state *state);

/* A look at a database: begin, open a view, all, close the view. */
struct race_check {
    struct race_state *state;
    int64_t committed_ms[RACE_WRITERS];
    int64_t newest_ms[RACE_WRITERS]; /* that the view shows, or what was committed */
    bool *was_done;                  /* by deletion */
    size_t deletions_before;
    size_t deletions_after;
    uint64_t samples; /* looked at */
};

void race_check_begin(struct race_check *check, struct race_state *state);
/* Everything in [min_ms, max_ms], whose begin is not beyond any retention. */
void race_check_view(struct race_check *check, struct series_view *view, int64_t min_ms,
                     int64_t max_ms);
void race_check_end(struct race_check *check);
/* All of it, for a source. */
uint64_t race_check_source(struct race_state *state, struct series_source *source, int64_t min_ms,
                           int64_t max_ms);

/* The value of a float series. */
double race_value(const struct race_state *state, enum race_kind kind, uint32_t number,
                  int64_t t_ms);
