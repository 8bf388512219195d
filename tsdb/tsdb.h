/*
 * Storage: series with their samples, in memory (the head) and in files (WAL, later blocks). It
 * knows nothing of targets, HTTP, configuration or PromQL.
 *
 * Durability, one sentence: one commit is one WAL frame, and write() has returned before commit
 * returns, so `kill -9` loses no commit that returned; a power cut loses at most the fsync
 * interval.
 *
 * Ownership: one `struct tsdb` owns the directory (file lock) until tsdb_close. Thread-safety: all
 * functions from any thread, but open and close.
 */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json_writer.h"
#include "base/memory_budget.h"
#include "model/exemplar.h"
#include "model/matcher.h"
#include "model/series_source.h"

#include <stdbool.h>
#include <stdint.h>

struct tsdb;

enum tsdb_fsync_policy {
    TSDB_FSYNC_INTERVAL, /* every second */
    TSDB_FSYNC_ALWAYS,   /* before a commit returns */
    TSDB_FSYNC_OFF,
};

/* Zero is the default of every field that says so. */
struct tsdb_options {
    const char *path;
    const struct fs *fs;       /* NULL = fs_system */
    const struct clock *clock; /* NULL = clock_system */
    int64_t retention_ms;      /* 0 = no limit by time */
    uint64_t retention_bytes;  /* 0 = no limit by size */
    double retention_percentage;
    int64_t out_of_order_window_ms; /* 0 = none */
    int64_t exemplars_max;          /* 0 or less: exemplars are not stored */
    bool store_start_times;         /* since when samples count */
    bool start_zero_samples;        /* a sample of 0 where a counter starts */
    uint64_t wal_segment_bytes;     /* 0 = 128 MiB */
    enum tsdb_fsync_policy fsync_policy;
    int64_t fsync_interval_ms;   /* 0 = 1000 */
    int64_t maintenance_interval_ms; /* 0 = 60000 */
    struct memory_budget *memory; /* is told what storage holds; may be NULL */
    int64_t block_min_ms; /* of the blocks that are cut from the head; 0 = 2 h */
    int64_t block_max_ms; /* 0 = a tenth of the retention, at most 31 d */
    bool no_lockfile;
    bool no_snapshot; /* a stop leaves the head to the log, as a kill does */
    uint64_t seed; /* 0 = from the system */
};

/* Opens or creates the directory and replays the WAL. Errors say in plain words what to do: whose
 * the directory is when it cannot be written, which process has it, what lies in it that is not
 * ours. */
enum err tsdb_open(const struct tsdb_options *options, struct tsdb **out,
                   struct errbuf *err) MUST_CHECK;
/* Syncs and closes; all appenders and views must be gone. */
void tsdb_close(struct tsdb *db);

/* Samples for queries. Valid until close. */
struct series_source *tsdb_source(struct tsdb *db);

/* Progress of the replay, for the API before the database is open: segments. Any thread. */
struct tsdb_replay_progress {
    _Atomic uint32_t segment_min;
    _Atomic uint32_t segment_max;
    _Atomic uint32_t segment_current;
};
extern struct tsdb_replay_progress tsdb_replay_progress;

/* Retention may change at a reload. */
void tsdb_set_retention(struct tsdb *db, int64_t retention_ms, uint64_t retention_bytes,
                        double retention_percentage);
void tsdb_set_out_of_order_window(struct tsdb *db, int64_t window_ms);

/* The newest are kept when the limit falls. */
void tsdb_set_exemplars_max(struct tsdb *db, int64_t exemplars_max);
bool tsdb_takes_exemplars(const struct tsdb *db);

/* Series that match all of `matchers`. */
struct tsdb_matcher_set {
    const struct matcher *const *matchers;
    size_t count;
};
struct tsdb_exemplar_series {
    const struct labels *labels;      /* counted */
    const struct exemplar *exemplars; /* in the order of time */
    size_t count;
};
struct tsdb_exemplar_list {
    VEC(struct tsdb_exemplar_series) series; /* in the order of labels_compare */
};
/* The exemplars of [min_ms, max_ms] of the series that match one of the sets; memory from the
 * arena. ERR_LIMIT when that is full. */
enum err tsdb_exemplars_select(struct tsdb *db, int64_t min_ms, int64_t max_ms,
                               const struct tsdb_matcher_set *sets, size_t set_count,
                               struct arena *arena, struct tsdb_exemplar_list *out,
                               struct errbuf *err) MUST_CHECK;
void tsdb_exemplar_list_release(struct tsdb_exemplar_list *list);

/* Deletes the samples of [min_ms, max_ms] of the series that match: no view that is opened after the
 * return shows them. Waits for maintenance that runs. */
enum err tsdb_delete_series(struct tsdb *db, const struct matcher *const *matchers, size_t count,
                            int64_t min_ms, int64_t max_ms, struct errbuf *err) MUST_CHECK;

/* Rewrites the blocks of which something is deleted, without that. */
enum err tsdb_clean_tombstones(struct tsdb *db, struct errbuf *err) MUST_CHECK;
/* A copy of what is there now, under snapshots/ of the data directory, in a directory of its own that
 * can be opened as one: blocks as hard links, the head as a block unless it is left out. Appends the
 * name. */
enum err tsdb_snapshot(struct tsdb *db, bool skip_head, struct buf *out_name,
                       struct errbuf *err) MUST_CHECK;
/* Writes an array of what the blocks say of themselves, oldest first. */
void tsdb_print_blocks(struct tsdb *db, struct json_writer *json);
/* Writes what is due of the head into blocks and merges the blocks that are due. */
enum err tsdb_compact(struct tsdb *db, struct errbuf *err) MUST_CHECK;

/* One round of maintenance, as the maintenance thread does at every interval: head GC, WAL truncation,
 * retention, compaction, and a try to leave the failed state. For tests and shutdown. */
enum err tsdb_maintain(struct tsdb *db, struct errbuf *err) MUST_CHECK;

/* The head's figures, for status/tsdb and /metrics. */
struct tsdb_head_stats {
    uint64_t series_count;
    uint64_t chunk_count;
    uint64_t label_pair_count;
    int64_t min_ms; /* INT64_MAX when empty */
    int64_t max_ms; /* INT64_MIN when empty */
    uint64_t samples_appended;
    uint64_t wal_bytes;
};
void tsdb_head_stats(struct tsdb *db, struct tsdb_head_stats *out);

/* One row of the tables of status/tsdb. */
struct tsdb_cardinality_row {
    struct slice name;
    uint64_t value;
};
struct tsdb_cardinality {
    struct tsdb_cardinality_row *series_by_metric;
    size_t series_by_metric_count;
    struct tsdb_cardinality_row *values_by_label;
    size_t values_by_label_count;
    struct tsdb_cardinality_row *bytes_by_label;
    size_t bytes_by_label_count;
    struct tsdb_cardinality_row *series_by_pair; /* "name=value" */
    size_t series_by_pair_count;
};
/* The `limit` largest of each, largest first; memory from the arena. */
void tsdb_cardinality(struct tsdb *db, size_t limit, struct arena *arena,
                      struct tsdb_cardinality *out);

/* Damages that replay has set aside. */
uint64_t tsdb_corruption_count(struct tsdb *db);

/* The damages that were found since the start, oldest first: each names a file. `more` are not listed. The
 * text is valid during the call, which must not call storage. */
void tsdb_visit_damages(struct tsdb *db,
                        void (*each)(void *context, const char *text, int64_t since_ms),
                        void *context, uint64_t *out_more);

/* Is the storage in its failed state (a write failed and space has not come back)? The text says
 * why. */
bool tsdb_failed(struct tsdb *db, struct buf *out_reason);
