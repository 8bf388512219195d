/*
 * The head as a file: what a clean stop leaves, so that the next start has nothing to replay.
 *
 * It holds every series with its chunks, samples out of order, start times, deletions and exemplars,
 * and the place of the log up to which it is true; a start loads it and replays what lies behind that
 * place. It never takes the place of the log: where it is damaged or does not fit, it is set aside
 * and the whole log is replayed. docs/formats/snapshot.md draws the bytes.
 *
 * Groups are not in it: they end before, so all series are loose. Refs are given anew, ascending.
 *
 * Threads: only while nobody else uses the database, at its opening and closing.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"
#include "base/vec.h"
#include "tsdb/exemplars.h"
#include "tsdb/head.h"
#include "tsdb/head_file.h"
#include "tsdb/wal.h"

#include <stdbool.h>
#include <stdint.h>

#define HEAD_SNAPSHOT_MAGIC "FERULAHS"
#define HEAD_SNAPSHOT_VERSION 1
#define HEAD_SNAPSHOT_HEADER_SIZE 96
#define HEAD_SNAPSHOT_SECTION_SIZE 12 /* of a section's header */

enum head_snapshot_section {
    HEAD_SNAPSHOT_SEGMENTS = 1,
    HEAD_SNAPSHOT_SERIES = 2,
    HEAD_SNAPSHOT_EXEMPLARS = 3,
    HEAD_SNAPSHOT_FILES = 4,
};

/* with the kind of a chunk: its bytes are in a file */
#define HEAD_SNAPSHOT_IN_FILE 0x80u

/* flags of a series */
#define HEAD_SNAPSHOT_HISTOGRAM 1u /* its newest sample is one */
#define HEAD_SNAPSHOT_EMPTY 2u
#define HEAD_SNAPSHOT_OPEN 4u
#define HEAD_SNAPSHOT_CLOSED 8u
#define HEAD_SNAPSHOT_STARTS 16u
#define HEAD_SNAPSHOT_OUT_OF_ORDER 32u
#define HEAD_SNAPSHOT_DELETIONS 64u

struct head_snapshot_header {
    struct wal_position position; /* the log up to here is in it */
    uint64_t run;                 /* of that segment */
    uint64_t series_count;
    uint64_t size; /* of the file */
    int64_t min_ms;
    int64_t max_ms;
    int64_t cutoff_ms;
    uint64_t samples_appended;
};

/* What the log's segments hold, so that they need not be read to know. */
typedef VEC(struct wal_segment) head_snapshot_segments;

/* --- bytes (head_snapshot_writer.c, head_snapshot_reader.c) --- */

/* What it is made of, and into what it is read. */
struct head_snapshot_parts {
    struct head *head;
    struct head_files *files;
    struct exemplars *exemplars;
    head_snapshot_segments *segments;
};

/* Writes all of it to the file; no group is left. `header` has the position and the run. */
enum err head_snapshot_write(const struct fs *fs, int fd, const char *path,
                             const struct head_snapshot_parts *parts,
                             struct head_snapshot_header *header, struct errbuf *err) MUST_CHECK;
/* ERR_CORRUPT, or ERR_UNSUPPORTED when a later version wrote it. Bytes may be hostile. */
enum err head_snapshot_read_header(struct slice file, struct head_snapshot_header *out,
                                   struct errbuf *err) MUST_CHECK;
/* Fills an empty head; after an error the head holds a part of it and is fit for head_release only.
 * ERR_NOT_FOUND: a file of chunks was deleted since. */
enum err head_snapshot_read(struct slice file, const struct head_snapshot_parts *parts,
                            struct errbuf *err) MUST_CHECK;

/* --- the file (head_snapshot.c) --- */

struct tsdb;

/* At a clean stop, when the groups have ended and the log is synced. */
enum err head_snapshot_store(struct tsdb *db, struct errbuf *err) MUST_CHECK;
/* Fills the empty head and returns the place from which the log is to be replayed: {0, 0} for all
 * of it, when there is no snapshot that fits. */
struct wal_position head_snapshot_load(struct tsdb *db, struct wal *wal);
