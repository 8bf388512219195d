/*
 * What the files of the database share. Locks, in the order in which they may be taken:
 *
 *     maintenance   one maintenance action at a time
 *     commit        order of commits: the WAL, then memory
 *     wal           the files of the log
 *     exemplars     the ring of exemplars
 *     block shelf   which blocks are served
 *     head shard, postings, group, series stripe, isolation: see their headers
 */
#pragma once

#include "base/fs.h"
#include "base/mutex.h"
#include "base/rand.h"
#include "base/thread.h"
#include "base/vec.h"
#include "tsdb/block_leftovers.h"
#include "tsdb/block_list.h"
#include "tsdb/block_pickup.h"
#include "tsdb/damage_book.h"
#include "tsdb/directory.h"
#include "tsdb/exemplars.h"
#include "tsdb/head.h"
#include "tsdb/head_cut.h"
#include "tsdb/head_file.h"
#include "tsdb/metrics.h"
#include "tsdb/transaction.h"
#include "tsdb/tsdb.h"
#include "tsdb/wal.h"
#include "tsdb/wal_writer.h"

#include <stdbool.h>
#include <stdint.h>

/* Appenders are kept for reuse, since their buffers have grown to the right size. */
#define TSDB_APPENDERS_IDLE_MAX 8

struct tsdb {
    struct series_source source; /* first: see querier.c */
    /* immutable: */
    struct tsdb_options options;
    const struct fs *fs;
    const struct clock *clock;
    struct tsdb_directory directory;
    struct tsdb_metrics metrics;
    struct head head;
    char *head_directory;
    struct head_files head_files; /* owned by the maintenance lock */
    bool seal_failed;             /* the same */
    struct exemplars exemplars;
    struct damage_book damages;
    struct block_shelf shelf; /* the blocks that are served */
    struct block_leftovers leftovers; /* owned by the maintenance lock */
    struct block_pickup pickup;       /* the same */
    struct head_cut head_cut; /* owned by the maintenance lock */
    struct rand rand;         /* the same: names of blocks */
    struct wal *wal; /* NULL only while opening */
    struct mutex commit_lock;
    /* guarded by commit_lock: */
    struct wal_writer writer;
    struct sample_group *groups; /* list */
    uint64_t group_next;
    VEC(struct appender *) idle;
    /* maintenance: */
    struct mutex maintenance_lock;
    struct mutex stop_lock;
    struct condition stop_condition;
    _Atomic bool stop; /* changed under stop_lock */
    struct thread thread;
    struct thread sync_thread;
    _Atomic int64_t retention_ms;
    _Atomic uint64_t retention_bytes;
    _Atomic double retention_percentage;
    _Atomic int64_t out_of_order_window_ms;
};

/* A group that the caller adds to the list under the commit lock; also for replay. */
struct sample_group *tsdb_group_new_locked(struct tsdb *db) MUST_CHECK;
void tsdb_group_end_locked(struct tsdb *db, struct sample_group *group);

/* The bytes that the head takes in memory. */
uint64_t tsdb_memory(struct tsdb *db);

/* Commits what was staged; the transaction keeps its memory. `logged` is false in a replay. */
enum err tsdb_commit(struct tsdb *db, struct transaction *transaction, bool logged,
                     struct errbuf *err) MUST_CHECK;
/* Readies the log for a frame: a segment that is not full, in `writer`. */
enum err tsdb_open_log_locked(struct tsdb *db, struct errbuf *err) MUST_CHECK;
/* An appender without the public checks: for replay. */
struct appender *tsdb_appender_open(struct tsdb *db);
void tsdb_appender_close(struct appender *appender);
void tsdb_appender_free(struct appender *appender);
struct transaction *tsdb_appender_transaction(struct appender *appender);

enum err tsdb_source_open(struct series_source *source, int64_t min_ms, int64_t max_ms,
                          struct series_view **out, struct errbuf *err) MUST_CHECK;

/* Reads the segments into memory, from the position on. Damage is set aside; an error means that
 * the directory is unusable. */
enum err tsdb_replay(struct tsdb *db, struct wal_position from, struct errbuf *err) MUST_CHECK;

void tsdb_maintenance_start(struct tsdb *db);
void tsdb_maintenance_stop(struct tsdb *db);
