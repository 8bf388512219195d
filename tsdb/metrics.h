/* The storage's own metrics, under the names that dashboards use. */
#pragma once

#include "base/counters.h"
#include "tsdb/block_writer.h"

#include <stdint.h>

/* By type of sample: float, histogram. */
enum tsdb_sample_type {
    TSDB_FLOAT,
    TSDB_HISTOGRAM,
    TSDB_SAMPLE_TYPES,
};

struct tsdb_metrics {
    struct counter *samples_appended[TSDB_SAMPLE_TYPES];
    struct counter *out_of_order_appended[TSDB_SAMPLE_TYPES];
    struct counter *out_of_order[TSDB_SAMPLE_TYPES];
    struct counter *out_of_bound[TSDB_SAMPLE_TYPES];
    struct counter *too_old[TSDB_SAMPLE_TYPES];
    struct counter *appenders_created;
    struct counter *gc_duration;
    struct counter *wal_fsync_duration;
    struct counter *wal_truncate_duration;
    struct counter *wal_truncations;
    struct counter *wal_corruptions;
    struct counter *block_corruptions;
    struct counter *wal_writes_failed;
    struct counter *wal_frames;
    struct counter *truncations;
    struct counter *time_retentions;
    struct counter *size_retentions;
    struct counter *reloads;
    struct counter *reloads_failed;
    struct counter *compactions;
    struct counter *compactions_failed;
    struct counter *compactions_triggered;
    struct counter *vertical_compactions;
    struct counter *compaction_duration;
    struct counter *populating_block;
    struct block_chunk_counters chunks;
    struct counter *tombstone_cleanup;
    struct counter *replay_duration;
    struct counter *snapshot_replay_errors;
};

struct tsdb;
/* Registers all; gauges follow the database until tsdb_metrics_release. */
void tsdb_metrics_init(struct tsdb_metrics *metrics, struct tsdb *db);
void tsdb_metrics_release(struct tsdb *db);
