/*
 * The head: all series in memory, found by labels (a sharded map), by ref (refs.h) and by label
 * pairs (postings.h), and the time that they span.
 *
 * A series is taken out by garbage collection in two rounds. The first marks those without samples
 * with the number of the newest appender; whoever touches one clears the mark. The second removes
 * those whose mark is older than the oldest open appender, so that a series which a transaction has
 * staged cannot vanish under it. Rows stage members without touching them: a member has no mark.
 *
 * Thread-safety: all functions from any registered reader (isolation.h), unless said otherwise.
 */
#pragma once

#include "base/mutex.h"
#include "base/table.h"
#include "tsdb/byte_pool.h"
#include "tsdb/chunk_pool.h"
#include "tsdb/isolation.h"
#include "tsdb/postings.h"
#include "tsdb/refs.h"
#include "tsdb/series.h"
#include "tsdb/tombstones.h"

#include <stdbool.h>
#include <stdint.h>

#define HEAD_SHARDS 32
#define HEAD_STRIPES 256
/* Neighbours share a stripe, so that a commit of many series in a row locks once for all of them.
 */
#define HEAD_STRIPE_SHIFT 6
/* The reference's block range; half of it is how far behind the newest sample one may be. */
#define HEAD_CHUNK_RANGE_MS INT64_C(7200000)

/* gc_mark of a series that is being removed */
#define HEAD_GC_DEAD UINT32_MAX

struct head_shard {
    struct mutex lock;
    struct table series; /* guarded by lock */
};

struct head {
    int64_t range_ms; /* immutable: of the blocks that are cut from it */
    struct isolation isolation;
    struct postings postings;
    struct refs refs;
    struct head_shard shards[HEAD_SHARDS];
    struct mutex stripes[HEAD_STRIPES]; /* loose series */
    struct byte_pool pool;              /* owned by the commit lock */
    struct chunk_pool chunk_pool;
    VEC(series_ref) unsealed;           /* owned by the commit lock: have new closed chunks */
    /* What is deleted of the samples in order, by ref; NULL = nothing. A reader that is open may use it until it closes.
     * Changes: maintenance lock. */
    _Atomic(const struct tombstones *) deleted;
    _Atomic uint64_t deletion; /* the last one's number; samples out of order know theirs */
    _Atomic int64_t min_ms;        /* of those in order; INT64_MAX when empty */
    _Atomic int64_t max_ms;        /* INT64_MIN when empty */
    _Atomic int64_t late_min_ms;   /* of samples that came out of order; INT64_MAX: none */
    _Atomic int64_t recent_min_ms; /* as min_ms, since the last drop began */
    _Atomic int64_t recent_late_min_ms;
    _Atomic int64_t floor_ms;  /* older samples are in blocks, or going there */
    _Atomic int64_t cutoff_ms; /* retention: nothing older is there */
    _Atomic uint64_t series_count;
    _Atomic uint64_t series_created;
    _Atomic uint64_t series_removed;
    _Atomic uint64_t chunk_count; /* closed ones */
    _Atomic uint64_t chunk_bytes; /* closed ones that are not in files */
    _Atomic uint64_t sealed_count; /* closed ones, in files */
    _Atomic uint64_t sealed_total; /* since the start */
    _Atomic uint64_t chunks_created;
    _Atomic uint64_t chunks_removed;
    _Atomic uint64_t samples_appended;
    _Atomic uint64_t label_bytes;
};

void head_init(struct head *head);
void head_release(struct head *head);

/* The series of a label set, made when it is new. Never NULL. */
struct series *head_series_for(struct head *head, const struct labels *labels);
/* NULL when the ref is gone. Keeps the series from being collected while the caller is registered.
 */
struct series *head_series_touch(struct head *head, series_ref ref);

/* For loading very many while nobody else uses the head: room for them, and a series without
 * postings, which takes over the reference to the labels and is not found by them yet. */
void head_reserve(struct head *head, size_t series_count);
struct series *head_load_series(struct head *head, const struct labels *labels) MUST_CHECK;
/* Lets loaded series be found by their labels; false when two have the same. */
bool head_link_series(struct head *head, struct series *const *series, size_t count) MUST_CHECK;
/* All of that for many sets, whose references it takes over, and those that are there already are found.
 * Neighbours may share pairs at the same places, which costs less. */
void head_load_all(struct head *head, const struct labels *const *labels, size_t count,
                   struct series **out);

static inline struct series *head_series(const struct head *head, series_ref ref)
{
    return refs_get(&head->refs, ref);
}

static inline struct mutex *head_stripe(struct head *head, const struct series *series)
{
    return &head->stripes[(series->ref >> HEAD_STRIPE_SHIFT) % HEAD_STRIPES];
}

/* The first sample of an empty head sets its time. */
void head_init_time(struct head *head, int64_t t_ms);
/* A commit brought samples of these times. */
void head_widen(struct head *head, int64_t min_ms, int64_t max_ms);
/* Samples that came out of order. */
void head_widen_late(struct head *head, int64_t min_ms);
/* Samples before this are out of bounds; INT64_MIN for an empty head without blocks. */
int64_t head_valid_min_ms(const struct head *head);

/* Adds a chunk to the closed ones of a series; NULL is nothing. The series' lock is held. */
void head_push_chunk(struct head *head, struct series *series, struct chunk *chunk);
/* Counts a closed chunk that was put into the list of a series otherwise. */
void head_count_chunk(struct head *head, const struct series *series, const struct chunk *chunk);
/* Drops closed chunks whose samples are all older than the cutoff. The commit lock and the series'
 * lock are held. */
void head_drop_chunks(struct head *head, struct series *series, int64_t cutoff_ms);

/* Deletes these spans, by ref and in any order. */
void head_delete(struct head *head, const struct tombstone *spans, size_t count);
/* Forgets deletions of what is older than the cutoff. */
void head_drop_deletions(struct head *head, int64_t cutoff_ms);

/* The bytes of everything in memory but groups; the commit lock is held. */
size_t head_memory(struct head *head);

/* Garbage collection of the next `batch` series from `*ref` on, which becomes 0 at the end; the
 * commit lock is held. Returns how many series went. */
size_t head_collect(struct head *head, series_ref *ref, size_t batch);
