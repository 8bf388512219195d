/*
 * What is deleted: spans of time by series. A set is immutable and reference-counted, so that a
 * view keeps the one that it began with; deleting makes a new one.
 *
 * Of a block the set is a file: a paged file without pages, whose directory is
 *     uv entries  x:  uv series, less the one before  zz begin  uv end - begin     milliseconds,
 * inclusive
 *
 * Thread-safety: as said; pure functions otherwise.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tombstone {
    uint64_t series; /* number in a block, or ref */
    int64_t min_ms;
    int64_t max_ms; /* inclusive */
};

/* Sorted by series and time; spans of one series neither overlap nor touch. */
struct tombstones {
    _Atomic uint32_t reference_count;
    VEC(struct tombstone) items;
};

/* A set with the spans of `old` (may be NULL) and these, in any order. */
struct tombstones *tombstones_new(const struct tombstones *old, const struct tombstone *added,
                                  size_t count) MUST_CHECK;
struct tombstones *tombstones_ref(struct tombstones *tombstones); /* NULL is fine, here and below */
void tombstones_unref(struct tombstones *tombstones);

/* The spans of one series, by time. */
struct tombstone_spans {
    const struct tombstone *items;
    size_t count;
};
struct tombstone_spans tombstones_of(const struct tombstones *tombstones, uint64_t series);
bool tombstone_spans_cover(struct tombstone_spans spans, int64_t min_ms, int64_t max_ms);
/* The span that holds the time, NULL if none does. `*at` begins as 0 and moves on with rising
 * times. */
const struct tombstone *tombstone_spans_find(struct tombstone_spans spans, size_t *at,
                                             int64_t time_ms);

/* Replaces the file. */
enum err tombstones_write(const struct tombstones *tombstones, const struct fs *fs,
                          const char *path, struct errbuf *err) MUST_CHECK;
/* `may_be_missing`: an empty set where there is no file. ERR_CORRUPT names path and offset. */
enum err tombstones_read(const struct fs *fs, const char *path, bool may_be_missing,
                         struct tombstones **out, struct errbuf *err) MUST_CHECK;
