/*
 * Who may see what, and when memory may go.
 *
 * Commits are numbered and published one after another. A *view* takes the number of the last
 * published commit as its watermark. Views and appenders register as *readers*; what is taken out
 * of the shared structures is retired and freed when every reader that could still hold it is gone.
 *
 * Readers are kept in order of opening, so the oldest watermark and the oldest age are at the head
 * of the list and cost nothing to know.
 *
 * Thread-safety: all functions from any thread; publishing is the committer's alone.
 */
#pragma once

#include "base/mutex.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

/* No open view: everything that is published is seen by all. */
#define WATERMARK_NONE UINT64_MAX

struct reader {
    struct reader *newer;
    struct reader *older;
    uint64_t age;       /* retirements before it was opened */
    uint64_t watermark; /* appenders: WATERMARK_NONE */
    uint32_t number;    /* appenders: counts up, for head GC */
};

struct retired {
    void *memory;
    void (*free_memory)(void *memory);
    uint64_t age;
};

struct isolation {
    _Atomic uint64_t published;
    _Atomic uint32_t appender_number; /* changed under lock */
    struct mutex lock;
    /* guarded by lock: */
    struct reader views;     /* ring: newer = oldest */
    struct reader appenders; /* the same */
    uint64_t age;
    size_t appender_count;
    VEC(struct retired) retired;
};

void isolation_init(struct isolation *isolation);
/* Frees what is retired; no reader may be open. */
void isolation_release(struct isolation *isolation);

void isolation_open_view(struct isolation *isolation, struct reader *reader);
void isolation_close_view(struct isolation *isolation, struct reader *reader);
void isolation_open_appender(struct isolation *isolation, struct reader *reader);
void isolation_close_appender(struct isolation *isolation, struct reader *reader);

/* A mark between the views that are open now and those that open from now on. */
uint64_t isolation_mark(struct isolation *isolation);
/* Is a view open that was opened before the mark? */
bool isolation_has_view_before(struct isolation *isolation, uint64_t mark);

/* The lowest watermark of open views, WATERMARK_NONE without any. A view that opens from now on has
 * at least the last published commit. */
uint64_t isolation_low_watermark(struct isolation *isolation);
/* The number of the oldest open appender; the next number when there is none. */
uint32_t isolation_oldest_appender(struct isolation *isolation);
/* The number of the newest appender. Whoever opens one later sees what the caller has written. */
static inline uint32_t isolation_appender_number(const struct isolation *isolation)
{
    return isolation->appender_number;
}
size_t isolation_appender_count(struct isolation *isolation);

static inline uint64_t isolation_published(const struct isolation *isolation)
{
    return isolation->published;
}
void isolation_publish(struct isolation *isolation, uint64_t commit);

/* Frees the memory as soon as no reader that is open now is left. It must be unreachable for new
 * ones. */
void isolation_retire(struct isolation *isolation, void *memory, void (*free_memory)(void *memory));
