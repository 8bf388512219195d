/*
 * A series in the head: labels, ref, its open chunk and the list of closed ones. There may be
 * millions, so the fixed part is small and everything rare hangs behind `extra`.
 *
 * A series is either a *member* of a sample group (its open chunk is kind rows and the group keeps
 * its last value) or *loose* (it keeps last time and value itself, floats or histograms).
 *
 *      new ──first sample──▶ loose ◀──append_at, or a second group──┐
 *       └──first row of a group──▶ member ──────────────────────────┘
 *                                    └─ the group ends: closed, may join another
 *
 * Invariants:
 *   1. A member's open chunk belongs to its group's present column.
 *   2. len == 0: all samples of the open chunk have one value (and one step), so it owns no bytes.
 *   3. `last_ms` and `last_bits` are those of the newest in-order sample, of a member as of its
 * joining.
 *
 * Threads: all changes are made by the holder of the commit lock, who also takes the lock that
 * readers take: the group's for a member, the stripe's for a loose series. So the committer may
 * read without.
 */
#pragma once

#include "base/compiler.h"
#include "model/labels.h"
#include "tsdb/appender.h"
#include "tsdb/byte_pool.h"
#include "tsdb/chunk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out_of_order;
struct series_starts;

/* What few series have. */
struct series_extra {
    struct out_of_order *out_of_order; /* NULL = none */
    struct series_starts *series_starts;   /* NULL = no sample has a start */
    /* commits before the last that an open view must not see, oldest first */
    struct series_hidden {
        uint64_t commit;
        uint32_t count;
    } * hidden;
    uint32_t hidden_count;
};

#define SERIES_ROW_NONE 0xff
/* A series that changed its writer this often stays loose. */
#define SERIES_FLIPS_MAX 2

enum series_flag {
    SERIES_HISTOGRAM = 1, /* the newest sample is a histogram */
    SERIES_EMPTY = 2,     /* never had a sample, or retention took all */
};

struct series {
    /* immutable: */
    const struct labels *labels; /* counted */
    series_ref ref;
    /* guarded as said above: */
    _Atomic(struct chunk *) closed; /* newest first */
    struct series_extra *extra;
    _Atomic(struct sample_group *) group; /* NULL = loose */
    /* what a change of a member touches is together */
    struct byte_block *bytes; /* of the open chunk: byte_pool.h */
    uint32_t len;
    uint16_t
        tail; /* loose: samples behind the bytes; member: last row that the bytes account for */
    uint8_t row_first;       /* member: SERIES_ROW_NONE = no open chunk */
    uint8_t count;           /* loose: samples in the open chunk */
    _Atomic int64_t last_ms; /* loose: advisory reads take no lock */
    uint64_t last_bits;
    uint64_t last_commit;       /* loose: the commit of the newest samples */
    uint32_t last_commit_count; /* and how many it brought */
    union {
        int32_t step_ms;   /* loose */
        uint32_t position; /* member: in the group */
    };
    uint8_t state; /* tokens.h, of the loose stream */
    uint8_t flags;
    uint8_t flips;     /* owned by the commit lock */
    uint8_t in_commit; /* owned by the commit lock: staged in the commit that runs */
    /* owned by the commit lock: the number that the present WAL segment knows it by */
    uint32_t wal_segment;
    uint32_t wal_id;
    _Atomic uint32_t gc_mark; /* head.h */
};

struct series *series_new(const struct labels *labels, series_ref ref) MUST_CHECK;
/* The start of a loose open chunk that has bytes. */
int64_t series_loose_first_ms(const struct series *series);
/* Without an open chunk. struct series; void for the reclaimer. */
void series_free(void *series);
/* Forgets the open chunk. */
void series_drop_open(struct byte_pool *pool, struct series *series);
struct series_extra *series_extra(struct series *series);

/* --- member: rows of a group; `bits` and `state` are the group's, before the change --- */

/* A row brings another value, coded by `token`. */
void series_row_change(struct byte_pool *pool, struct series *series, uint32_t row, uint64_t bits,
                       uint8_t state, const uint8_t *token, size_t token_len);
/* It is not in this row, but was in the one before. */
void series_row_leave(struct byte_pool *pool, struct series *series, uint32_t row);
/* It is in this row, but was not in the one before. */
void series_row_return(struct byte_pool *pool, struct series *series, uint32_t row, uint64_t bits,
                       uint8_t state);
/* Closes the open chunk; `row_end` is one past the last row that it is in. NULL when there is none.
 */
struct chunk *series_row_close(struct byte_pool *pool, struct series *series,
                               struct time_column *column, uint32_t row_end, uint64_t bits,
                               uint8_t state);

/* --- loose --- */

/* Fetches what the next sample will change. */
static inline void series_prefetch(const struct series *series)
{
    __builtin_prefetch(&series->bytes, 1);
    __builtin_prefetch(&series->state, 1);
}

/* Must the open chunk be closed before a float sample at `t_ms`? */
bool series_loose_is_full(const struct series *series, int64_t t_ms, bool histogram);
/* `token` codes `bits` after last_bits; `state` is the state behind it. */
void series_loose_append(struct byte_pool *pool, struct series *series, int64_t t_ms, uint64_t bits,
                         const uint8_t *token, size_t token_len, uint8_t state);
void series_histogram_append(struct byte_pool *pool, struct series *series, int64_t t_ms,
                             struct slice encoded);
/* Closes the open chunk; NULL when there is none. */
struct chunk *series_loose_close(struct byte_pool *pool, struct series *series);
/* Notes that `commit` brings samples; `low_watermark` is the lowest of open views. */
void series_note_commit(struct series *series, uint64_t commit, uint64_t low_watermark);
/* How many of the newest loose samples a view may not see. */
uint32_t series_hidden(const struct series *series, uint64_t watermark);

void series_push_closed(struct series *series, struct chunk *chunk);
/* Forgets the samples out of order that are deleted; there is a list of them. */
void series_drop_deleted(struct series *series);
/* Has it no sample at all? */
bool series_is_empty(const struct series *series);
