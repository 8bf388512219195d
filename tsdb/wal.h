/*
 * The files of the write-ahead log: segments of frames, of which the last is written.
 *
 * A frame is written with one pwrite behind the last good one. When that fails or is short, the
 * segment is cut back to its last good frame and closed, and the log is in its *failed* state: it
 * refuses frames until wal_recover could begin a new segment and write to it.
 *
 *      wal_open ─▶ good ──write, sync or cut fails──▶ failed ──wal_recover succeeds──▶ good
 *
 * Which segments there are is written down beside them (wal_list.h), so that one that is gone, or
 * shorter than it was, is missed.
 *
 * Threads: wal_append, wal_cut and wal_recover by the holder of the commit lock; the rest from any.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mutex.h"
#include "base/vec.h"
#include "tsdb/wal_list.h"

#include <stdbool.h>
#include <stdint.h>

#define WAL_SEGMENT_BYTES_DEFAULT ((uint64_t)128 << 20)

struct wal_segment {
    uint64_t number;
    uint64_t size;
    int64_t max_ms; /* newest sample; INT64_MIN = none */
};

/* Where a reader of the log is. */
struct wal_position {
    uint64_t segment;
    uint64_t offset;
};

struct wal {
    /* immutable: */
    const struct fs *fs;
    char *directory;
    uint64_t segment_bytes;
    uint64_t run;
    struct mutex sync_lock; /* held across fsync; commits go on meanwhile */
    struct mutex lock;
    /* changed under the commit lock, sync_lock and lock; each of them is enough to read: */
    int fd;     /* -1 = no segment is open */
    char *path; /* of the segment that is written */
    /* guarded by lock: */
    VEC(struct wal_segment) segments; /* ascending; the last is written */
    uint64_t number_min;              /* of the next segment: those before may have been in use */
    uint64_t late_from;               /* samples out of order in segments before are in blocks */
    uint64_t written;                 /* bytes of all frames of this process */
    uint64_t synced;                  /* so many of them are on disk, but those below */
    uint64_t lost_from;               /* from the first sync that failed to the last: it is not */
    uint64_t lost_to;                 /* known what became of these */
    VEC(struct wal_hold *) holds;
    char *failure; /* NULL = good */
    _Atomic bool failed;
    /* owned by the commit lock: */
    struct buf frame;
    uint64_t size; /* of the segment that is written, up to the last good frame */
};

/* A reader that holds segments back, within its limit. */
struct wal_hold {
    struct wal_position position;
    uint64_t bytes_max;
    bool lost; /* the limit was reached: segments it had not read are gone */
};

struct wal *wal_new(const struct fs *fs, const char *directory, uint64_t segment_bytes,
                    uint64_t run) MUST_CHECK;
/* Syncs and closes. */
void wal_free(struct wal *wal);
/* Lists the segments on disk (the directory is made where it is missing). */
enum err wal_load(struct wal *wal, struct errbuf *err) MUST_CHECK;
char *wal_segment_path(const struct wal *wal, uint64_t number) MUST_CHECK;
/* The list of the segments as they were written; to be released. As wal_list_read. */
enum err wal_read_list(const struct wal *wal, struct wal_list *out, struct errbuf *err) MUST_CHECK;
/* At start: the numbers up to this were in use. */
void wal_reserve(struct wal *wal, uint64_t number);
/* What a replay found out about a segment on disk. */
void wal_note_segment(struct wal *wal, uint64_t number, uint64_t size, int64_t max_ms);

/* Begins a new segment, closing the one before. */
enum err wal_cut(struct wal *wal, struct errbuf *err) MUST_CHECK;
bool wal_is_full(struct wal *wal);
/* Writes a frame with the payload. Returns the total that has to be synced for it to be durable. */
enum err wal_append(struct wal *wal, struct slice payload, int64_t max_ms, uint64_t *out_total,
                    struct errbuf *err) MUST_CHECK;
/* Makes all durable that was written before `total`; any thread. Who waits for another's sync finds
 * that it was for both. */
enum err wal_sync(struct wal *wal, uint64_t total, struct errbuf *err) MUST_CHECK;
/* Syncs what is not synced yet. */
enum err wal_sync_pending(struct wal *wal, bool *out_synced, struct errbuf *err) MUST_CHECK;

bool wal_has_failed(const struct wal *wal);
void wal_failure_text(struct wal *wal, struct buf *out);
/* Tries to leave the failed state. */
enum err wal_recover(struct wal *wal, struct errbuf *err) MUST_CHECK;

/* Deletes segments from the oldest on whose samples are all older than `cutoff_ms`, up to the one
 * called `number_end`, never the last. Samples out of order that are in segments before `late_from`
 * are in blocks; 0 = nothing new is known of that. */
void wal_truncate(struct wal *wal, int64_t cutoff_ms, uint64_t number_end, uint64_t late_from);
uint64_t wal_bytes(struct wal *wal);
/* The end of what was written. */
struct wal_position wal_end(struct wal *wal);
uint64_t wal_oldest_segment(struct wal *wal);
/* The segment that follows `number`, 0 when there is none. */
uint64_t wal_next_segment(struct wal *wal, uint64_t number);
uint64_t wal_segment_size(struct wal *wal, uint64_t number);
void wal_hold_add(struct wal *wal, struct wal_hold *hold);
void wal_hold_remove(struct wal *wal, struct wal_hold *hold);
void wal_hold_move(struct wal *wal, struct wal_hold *hold, struct wal_position position);
/* Did it lose segments that it had not read? Asking forgets it. */
bool wal_hold_take_lost(struct wal *wal, struct wal_hold *hold);
