/*
 * A sample group: what produces rows of samples with one time each (a target, a rule group). It
 * keeps the time column that its members share and, densely by position, what a commit needs to
 * compare a row with the one before, so that a series that did not change is not touched at all.
 *
 * Threads: `refs` and `count` are changed by the group's own commits only, so its appender reads
 * them freely; others may set the vacant bit of a ref. The rest is guarded by `lock` against
 * readers, and changed by the holder of the commit lock only.
 */
#pragma once

#include "base/mutex.h"
#include "tsdb/appender.h"
#include "tsdb/chunk.h"
#include "tsdb/head.h"
#include "tsdb/series.h"
#include "tsdb/token_packing.h"

#include <stdbool.h>
#include <stdint.h>

/* In refs: the series has left; the position is given away when the next column begins. */
#define GROUP_VACANT (UINT64_C(1) << 63)

struct sample_group {
    /* immutable: */
    struct tsdb *db;
    struct head *head;
    uint64_t id;
    struct mutex lock;
    /* changed by its own commits: */
    _Atomic(series_ref) *refs;
    uint32_t count;
    uint32_t capacity;
    /* guarded by lock: */
    uint64_t *bits;    /* the last value by position */
    uint8_t *states;   /* tokens.h */
    uint64_t *present; /* bitmap: in the last row */
    struct time_column *column;
    int64_t last_ms; /* of the last row, INT64_MIN before the first */
    /* owned by the commit lock: what the present WAL segment knows */
    uint32_t wal_segment;
    uint32_t wal_count;
    int64_t wal_last_ms;
    uint64_t *wal_changed; /* bitmap of the last row's changes */
    struct token_context *wal_contexts;
    struct sample_group *next;
    struct sample_group *previous;
};

static inline size_t group_words(uint32_t count)
{
    return (count + 63u) / 64;
}

static inline bool group_is_present(const struct sample_group *group, uint32_t position)
{
    return group->present[position / 64] >> (position % 64) & 1;
}

struct sample_group *group_new(struct head *head, uint64_t id) MUST_CHECK;
/* The members must be gone. */
void group_free(void *group); /* struct sample_group; void for the reclaimer */

/* Room for so many positions. The lock is held. */
void group_reserve(struct sample_group *group, uint32_t count);

/* Makes a member loose and closes its chunk. The commit lock is held, no other. */
void group_detach(struct sample_group *group, struct series *series);
void group_detach_all(struct sample_group *group);

/* Closes the chunks of all members and begins a new column. The commit lock and the lock are held.
 */
void group_roll(struct sample_group *group);

/* What a series' newest in-order sample is. The commit lock, or the lock of the series, is held. */
struct series_tail {
    int64_t last_ms; /* INT64_MIN: there is none */
    uint64_t bits;
    bool histogram;
};
static inline struct series_tail series_tail(const struct series *series)
{
    const struct sample_group *group = series->group;
    struct series_tail tail = {series->last_ms, series->last_bits,
                               series->flags & SERIES_HISTOGRAM};
    if (group != NULL && group_is_present(group, series->position)) {
        tail.last_ms = group->last_ms;
        tail.bits = group->bits[series->position];
        tail.histogram = false;
    }
    return tail;
}

/* Locks a series as its readers do: its group's lock, or its stripe. Says which group it is in,
 * NULL = none. The caller is a registered reader. */
struct mutex *group_lock_series(struct head *head, struct series *series,
                                struct sample_group **out_group) MUST_CHECK;

size_t group_memory(const struct sample_group *group);
