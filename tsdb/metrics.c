/* Names and help as the reference has them, so that dashboards and alerts work unchanged. */
#include "tsdb/metrics.h"

#include "base/assert.h"
#include "model/symbols.h"
#include "tsdb/tsdb_internal.h"

#include <string.h>

/* Gauges that are read from the database when metrics are collected. */
enum tsdb_gauge {
    GAUGE_SERIES,
    GAUGE_CHUNKS,
    GAUGE_SERIES_CREATED,
    GAUGE_SERIES_REMOVED,
    GAUGE_CHUNKS_CREATED,
    GAUGE_CHUNKS_REMOVED,
    GAUGE_CHUNKS_SEALED,
    GAUGE_HEAD_FILE_BYTES,
    GAUGE_HEAD_FILE_CORRUPTIONS,
    GAUGE_MIN_TIME,
    GAUGE_MIN_TIME_SECONDS,
    GAUGE_MAX_TIME,
    GAUGE_MAX_TIME_SECONDS,
    GAUGE_LOWEST,
    GAUGE_LOWEST_SECONDS,
    GAUGE_ACTIVE_APPENDERS,
    GAUGE_BLOCKS,
    GAUGE_BLOCKS_BYTES,
    GAUGE_WAL_SEGMENT,
    GAUGE_WAL_BYTES,
    GAUGE_SYMBOL_BYTES,
    GAUGE_RETENTION_BYTES,
    GAUGE_RETENTION_SECONDS,
    GAUGE_RETENTION_PERCENTAGE,
    GAUGE_CLEAN_START,
    GAUGE_FAILED,
    GAUGE_EXEMPLARS_APPENDED,
    GAUGE_EXEMPLARS_STORED,
    GAUGE_EXEMPLARS_SERIES,
    GAUGE_EXEMPLARS_OLDEST,
    GAUGE_EXEMPLARS_OUT_OF_ORDER,
    GAUGE_EXEMPLARS_MAX,
    GAUGE_COUNT,
};

static const struct {
    const char *name;
    const char *help;
    enum counters_type type;
} gauges[GAUGE_COUNT] = {
    [GAUGE_SERIES] = {"prometheus_tsdb_head_series", "Total number of series in the head block.",
                      COUNTERS_GAUGE},
    [GAUGE_CHUNKS] = {"prometheus_tsdb_head_chunks", "Total number of chunks in the head block.",
                      COUNTERS_GAUGE},
    [GAUGE_SERIES_CREATED] = {"prometheus_tsdb_head_series_created_total",
                              "Total number of series created in the head", COUNTERS_COUNTER},
    [GAUGE_SERIES_REMOVED] = {"prometheus_tsdb_head_series_removed_total",
                              "Total number of series removed in the head", COUNTERS_COUNTER},
    [GAUGE_CHUNKS_CREATED] = {"prometheus_tsdb_head_chunks_created_total",
                              "Total number of chunks created in the head", COUNTERS_COUNTER},
    [GAUGE_CHUNKS_REMOVED] = {"prometheus_tsdb_head_chunks_removed_total",
                              "Total number of chunks removed in the head", COUNTERS_COUNTER},
    [GAUGE_CHUNKS_SEALED] = {"prometheus_tsdb_mmap_chunks_total",
                             "Total number of chunks that were memory-mapped.", COUNTERS_COUNTER},
    [GAUGE_HEAD_FILE_BYTES] = {"prometheus_tsdb_head_chunks_storage_size_bytes",
                               "Size of the chunks_head directory.", COUNTERS_GAUGE},
    [GAUGE_HEAD_FILE_CORRUPTIONS] = {"prometheus_tsdb_mmap_chunk_corruptions_total",
                                     "Total number of memory-mapped chunk corruptions.",
                                     COUNTERS_COUNTER},
    [GAUGE_MIN_TIME] = {"prometheus_tsdb_head_min_time",
                        "Minimum time bound of the head block. The unit is decided by the library "
                        "consumer.",
                        COUNTERS_GAUGE},
    [GAUGE_MIN_TIME_SECONDS] = {"prometheus_tsdb_head_min_time_seconds",
                                "Minimum time bound of the head block.", COUNTERS_GAUGE},
    [GAUGE_MAX_TIME] = {"prometheus_tsdb_head_max_time",
                        "Maximum timestamp of the head block. The unit is decided by the library "
                        "consumer.",
                        COUNTERS_GAUGE},
    [GAUGE_MAX_TIME_SECONDS] = {"prometheus_tsdb_head_max_time_seconds",
                                "Maximum timestamp of the head block.", COUNTERS_GAUGE},
    [GAUGE_LOWEST] = {"prometheus_tsdb_lowest_timestamp",
                      "Lowest timestamp value stored in the database. The unit is decided by the "
                      "library consumer.",
                      COUNTERS_GAUGE},
    [GAUGE_LOWEST_SECONDS] = {"prometheus_tsdb_lowest_timestamp_seconds",
                              "Lowest timestamp value stored in the database.", COUNTERS_GAUGE},
    [GAUGE_ACTIVE_APPENDERS] = {"prometheus_tsdb_head_active_appenders",
                                "Number of currently active appender transactions", COUNTERS_GAUGE},
    [GAUGE_BLOCKS] = {"prometheus_tsdb_blocks_loaded", "Number of currently loaded data blocks",
                      COUNTERS_GAUGE},
    [GAUGE_BLOCKS_BYTES] = {"prometheus_tsdb_storage_blocks_bytes",
                            "The number of bytes that are currently used for local storage by all "
                            "blocks.",
                            COUNTERS_GAUGE},
    [GAUGE_WAL_SEGMENT] = {"prometheus_tsdb_wal_segment_current",
                           "Write log segment index that TSDB is currently writing to.",
                           COUNTERS_GAUGE},
    [GAUGE_WAL_BYTES] = {"prometheus_tsdb_wal_storage_size_bytes",
                         "Size of the write log directory.", COUNTERS_GAUGE},
    [GAUGE_SYMBOL_BYTES] = {"prometheus_tsdb_symbol_table_size_bytes",
                            "Size of symbol table in memory for loaded blocks", COUNTERS_GAUGE},
    [GAUGE_RETENTION_BYTES] = {"prometheus_tsdb_retention_limit_bytes",
                               "Max number of bytes to be retained in the tsdb blocks, configured "
                               "0 means disabled",
                               COUNTERS_GAUGE},
    [GAUGE_RETENTION_SECONDS] = {"prometheus_tsdb_retention_limit_seconds",
                                 "How long to retain samples in storage.", COUNTERS_GAUGE},
    [GAUGE_RETENTION_PERCENTAGE] = {"prometheus_tsdb_retention_limit_percentage",
                                    "Max percentage of total storage space to be retained in the "
                                    "tsdb blocks, configured 0 means disabled",
                                    COUNTERS_GAUGE},
    [GAUGE_CLEAN_START] = {"prometheus_tsdb_clean_start",
                           "-1: lockfile is disabled. 0: a lockfile from a previous execution was "
                           "replaced. 1: lockfile creation was clean",
                           COUNTERS_GAUGE},
    [GAUGE_FAILED] = {"ferula_tsdb_failed",
                      "Whether the storage refuses samples because it cannot write its log.",
                      COUNTERS_GAUGE},
    [GAUGE_EXEMPLARS_APPENDED] = {"prometheus_tsdb_exemplar_exemplars_appended_total",
                                  "Total number of appended exemplars.", COUNTERS_COUNTER},
    [GAUGE_EXEMPLARS_STORED] = {"prometheus_tsdb_exemplar_exemplars_in_storage",
                                "Number of exemplars currently in circular storage.",
                                COUNTERS_GAUGE},
    [GAUGE_EXEMPLARS_SERIES] = {"prometheus_tsdb_exemplar_series_with_exemplars_in_storage",
                                "Number of series with exemplars currently in circular storage.",
                                COUNTERS_GAUGE},
    [GAUGE_EXEMPLARS_OLDEST] =
        {"prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds",
         "The timestamp of the oldest exemplar stored in circular storage. Useful to check for "
         "what timerange the current exemplar buffer limit allows. This usually means the last "
         "timestampfor all exemplars for a typical setup. This is not true though if one of the "
         "series timestamp is in future compared to rest series.",
         COUNTERS_GAUGE},
    [GAUGE_EXEMPLARS_OUT_OF_ORDER] =
        {"prometheus_tsdb_exemplar_out_of_order_exemplars_total",
         "Total number of out of order exemplar ingestion failed attempts.", COUNTERS_COUNTER},
    [GAUGE_EXEMPLARS_MAX] =
        {"prometheus_tsdb_exemplar_max_exemplars",
         "Total number of exemplars the exemplar storage can store, resizeable.", COUNTERS_GAUGE},
};

static struct counter *gauge_counters[GAUGE_COUNT];

/* What does not happen here, but dashboards ask for. */
static const struct {
    const char *name;
    const char *help;
    enum counters_type type;
} constants[] = {
    {"prometheus_tsdb_compactions_skipped_total",
     "Total number of skipped compactions due to disabled auto compaction.", COUNTERS_COUNTER},
    {"prometheus_tsdb_head_truncations_failed_total",
     "Total number of head truncations that failed.", COUNTERS_COUNTER},
    {"prometheus_tsdb_wal_truncations_failed_total",
     "Total number of write log truncations that failed.", COUNTERS_COUNTER},
    {"prometheus_tsdb_wal_completed_pages_total", "Total number of completed pages.",
     COUNTERS_COUNTER},
    {"prometheus_tsdb_head_series_not_found_total",
     "Total number of requests for series that were not found.", COUNTERS_COUNTER},
    {"prometheus_tsdb_checkpoint_creations_total",
     "Total number of checkpoint creations attempted.", COUNTERS_COUNTER},
    {"prometheus_tsdb_checkpoint_creations_failed_total",
     "Total number of checkpoint creations that failed.", COUNTERS_COUNTER},
    {"prometheus_tsdb_checkpoint_deletions_total",
     "Total number of checkpoint deletions attempted.", COUNTERS_COUNTER},
    {"prometheus_tsdb_checkpoint_deletions_failed_total",
     "Total number of checkpoint deletions that failed.", COUNTERS_COUNTER},
};

static struct tsdb *collected_db;
static bool collect_registered;

static void gauge_set(enum tsdb_gauge gauge, double value)
{
    /* counters that are kept elsewhere are set by their difference */
    if (gauges[gauge].type == COUNTERS_COUNTER)
        counter_add(gauge_counters[gauge], value - counter_value(gauge_counters[gauge]));
    else
        counter_set(gauge_counters[gauge], value);
}

static void collect_times(struct tsdb *db)
{
    struct head *head = &db->head;
    struct block_list *blocks = block_shelf_take(&db->shelf);
    gauge_set(GAUGE_BLOCKS, (double)blocks->count);
    gauge_set(GAUGE_BLOCKS_BYTES, (double)block_list_bytes(blocks));
    int64_t lowest_ms = MIN(block_list_min_ms(blocks), (int64_t)head->min_ms);
    block_list_unref(blocks);
    int64_t min_ms = head->min_ms;
    int64_t max_ms = head->max_ms;
    bool empty = lowest_ms == INT64_MAX;
    gauge_set(GAUGE_MIN_TIME, (double)min_ms);
    gauge_set(GAUGE_MIN_TIME_SECONDS, (double)min_ms / 1000);
    gauge_set(GAUGE_MAX_TIME, (double)max_ms);
    gauge_set(GAUGE_MAX_TIME_SECONDS, (double)max_ms / 1000);
    gauge_set(GAUGE_LOWEST, empty ? 0 : (double)lowest_ms);
    gauge_set(GAUGE_LOWEST_SECONDS, empty ? 0 : (double)lowest_ms / 1000);
}

static void collect_exemplars(struct exemplars *exemplars)
{
    struct exemplars_figures figures;
    exemplars_figures(exemplars, &figures);
    gauge_set(GAUGE_EXEMPLARS_APPENDED, (double)figures.appended);
    gauge_set(GAUGE_EXEMPLARS_STORED, (double)figures.count);
    gauge_set(GAUGE_EXEMPLARS_SERIES, (double)figures.series_count);
    gauge_set(GAUGE_EXEMPLARS_OLDEST, (double)figures.oldest_ms / 1000);
    gauge_set(GAUGE_EXEMPLARS_OUT_OF_ORDER, (double)figures.out_of_order);
    gauge_set(GAUGE_EXEMPLARS_MAX, (double)exemplars->slots_max);
}

static void collect(void *context)
{
    struct tsdb *db = collected_db;
    if (db == NULL || db->wal == NULL)
        return;
    struct tsdb_head_stats stats;
    tsdb_head_stats(db, &stats);
    collect_times(db);
    collect_exemplars(&db->exemplars);
    gauge_set(GAUGE_SERIES, (double)stats.series_count);
    gauge_set(GAUGE_CHUNKS, (double)stats.chunk_count);
    gauge_set(GAUGE_SERIES_CREATED, (double)db->head.series_created);
    gauge_set(GAUGE_SERIES_REMOVED, (double)db->head.series_removed);
    gauge_set(GAUGE_CHUNKS_CREATED, (double)(db->head.chunks_created + stats.series_count));
    gauge_set(GAUGE_CHUNKS_REMOVED, (double)db->head.chunks_removed);
    gauge_set(GAUGE_CHUNKS_SEALED, (double)db->head.sealed_total);
    gauge_set(GAUGE_HEAD_FILE_BYTES, (double)db->head_files.bytes);
    gauge_set(GAUGE_HEAD_FILE_CORRUPTIONS, (double)db->head_files.corruptions);
    gauge_set(GAUGE_ACTIVE_APPENDERS, (double)isolation_appender_count(&db->head.isolation));
    gauge_set(GAUGE_WAL_SEGMENT, (double)wal_end(db->wal).segment);
    gauge_set(GAUGE_WAL_BYTES, (double)stats.wal_bytes);
    gauge_set(GAUGE_SYMBOL_BYTES, (double)symbols_bytes());
    gauge_set(GAUGE_RETENTION_BYTES, (double)db->retention_bytes);
    gauge_set(GAUGE_RETENTION_SECONDS, (double)db->retention_ms / 1000);
    gauge_set(GAUGE_RETENTION_PERCENTAGE, db->retention_percentage);
    gauge_set(GAUGE_CLEAN_START, db->options.no_lockfile ? -1 : !db->directory.was_unclean);
    gauge_set(GAUGE_FAILED, wal_has_failed(db->wal));
}

static void by_type(const char *name, const char *help, struct counter **out)
{
    struct counters_family *family = counters_family(&(struct counters_description){
        .name = name, .help = help, .type = COUNTERS_COUNTER, .label_names = {"type"}});
    out[TSDB_FLOAT] = counters_get(family, &SLICE("float"));
    out[TSDB_HISTOGRAM] = counters_get(family, &SLICE("histogram"));
}

static struct counter *summary(const char *name, const char *help)
{
    static const double quantiles[] = {0.5, 0.9, 0.99};
    return counters_single(counters_family(
        &(struct counters_description){.name = name,
                                       .help = help,
                                       .type = COUNTERS_SUMMARY,
                                       .bounds = quantiles,
                                       .bound_count = sizeof(quantiles) / sizeof(*quantiles)}));
}

static struct counter *histogram(const char *name, const char *help, const double *bounds,
                                 size_t count)
{
    return counters_single(
        counters_family(&(struct counters_description){.name = name,
                                                       .help = help,
                                                       .type = COUNTERS_HISTOGRAM,
                                                       .bounds = bounds,
                                                       .bound_count = count}));
}

static void register_samples(struct tsdb_metrics *metrics)
{
    by_type("prometheus_tsdb_head_samples_appended_total", "Total number of appended samples.",
            metrics->samples_appended);
    by_type("prometheus_tsdb_head_out_of_order_samples_appended_total",
            "Total number of appended out of order samples.", metrics->out_of_order_appended);
    by_type("prometheus_tsdb_out_of_order_samples_total",
            "Total number of out of order samples ingestion failed attempts due to out of order "
            "being disabled.",
            metrics->out_of_order);
    by_type("prometheus_tsdb_out_of_bound_samples_total",
            "Total number of out of bound samples ingestion failed attempts with out of order "
            "support disabled.",
            metrics->out_of_bound);
    by_type("prometheus_tsdb_too_old_samples_total",
            "Total number of out of order samples ingestion failed attempts with out of support "
            "enabled, but sample outside of time window.",
            metrics->too_old);
}

static void register_wal(struct tsdb_metrics *metrics)
{
    metrics->wal_fsync_duration =
        summary("prometheus_tsdb_wal_fsync_duration_seconds", "Duration of write log fsync.");
    metrics->wal_truncate_duration =
        summary("prometheus_tsdb_wal_truncate_duration_seconds", "Duration of WAL truncation.");
    metrics->wal_truncations = counters_counter("prometheus_tsdb_wal_truncations_total",
                                                "Total number of write log truncations attempted.");
    metrics->wal_corruptions = counters_counter("prometheus_tsdb_wal_corruptions_total",
                                                "Total number of WAL corruptions.");
    metrics->block_corruptions = counters_counter("ferula_tsdb_block_corruptions_total",
                                                  "Total number of damages that were found in blocks.");
    metrics->wal_writes_failed = counters_counter("prometheus_tsdb_wal_writes_failed_total",
                                                  "Total number of write log writes that failed.");
    metrics->wal_frames =
        counters_counter("prometheus_tsdb_wal_page_flushes_total", "Total number of page flushes.");
}

/* Bounds that grow by a factor from one to the next. */
static struct counter *growing_histogram(const char *name, const char *help, double first,
                                         double factor, size_t count)
{
    double bounds[16];
    DCHECK(count <= 16);
    for (size_t i = 0; i < count; i++, first *= factor)
        bounds[i] = first;
    return histogram(name, help, bounds, count);
}

static void register_chunks(struct block_chunk_counters *chunks)
{
    chunks->size_bytes =
        growing_histogram("prometheus_tsdb_compaction_chunk_size_bytes",
                          "Final size of chunks on their first compaction", 32, 1.5, 12);
    chunks->samples =
        growing_histogram("prometheus_tsdb_compaction_chunk_samples",
                          "Final number of samples on their first compaction", 4, 1.5, 12);
    chunks->range_seconds =
        growing_histogram("prometheus_tsdb_compaction_chunk_range_seconds",
                          "Final time range of chunks on their first compaction", 100, 4, 10);
}

static void register_compaction(struct tsdb_metrics *metrics)
{
    static const double tombstone_bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                              0.5,   1,    2.5,   5,    10};
    metrics->compactions =
        counters_counter("prometheus_tsdb_compactions_total",
                         "Total number of compactions that were executed for the partition.");
    metrics->compactions_failed =
        counters_counter("prometheus_tsdb_compactions_failed_total",
                         "Total number of compactions that failed for the partition.");
    metrics->compactions_triggered =
        counters_counter("prometheus_tsdb_compactions_triggered_total",
                         "Total number of triggered compactions for the partition.");
    metrics->vertical_compactions =
        counters_counter("prometheus_tsdb_vertical_compactions_total",
                         "Total number of compactions done on overlapping blocks.");
    metrics->compaction_duration = growing_histogram("prometheus_tsdb_compaction_duration_seconds",
                                                     "Duration of compaction runs", 1, 2, 14);
    metrics->populating_block =
        counters_gauge("prometheus_tsdb_compaction_populating_block",
                       "Set to 1 when a block is currently being written to the disk.");
    register_chunks(&metrics->chunks);
    metrics->tombstone_cleanup =
        histogram("prometheus_tsdb_tombstone_cleanup_seconds",
                  "The time taken to recompact blocks to remove tombstones.", tombstone_bounds,
                  sizeof(tombstone_bounds) / sizeof(*tombstone_bounds));
}

void tsdb_metrics_init(struct tsdb_metrics *metrics, struct tsdb *db)
{
    memset(metrics, 0, sizeof(*metrics));
    register_samples(metrics);
    register_wal(metrics);
    metrics->appenders_created = counters_counter("prometheus_tsdb_head_appenders_created_total",
                                                  "Total number of appender transactions created.");
    metrics->gc_duration = summary("prometheus_tsdb_head_gc_duration_seconds",
                                   "Runtime of garbage collection in the head block.");
    metrics->truncations = counters_counter("prometheus_tsdb_head_truncations_total",
                                            "Total number of head truncations attempted.");
    metrics->time_retentions =
        counters_counter("prometheus_tsdb_time_retentions_total",
                         "The number of times that blocks were deleted because the maximum time "
                         "limit was exceeded.");
    metrics->size_retentions =
        counters_counter("prometheus_tsdb_size_retentions_total",
                         "The number of times that blocks were deleted because the maximum number "
                         "of bytes was exceeded.");
    metrics->snapshot_replay_errors =
        counters_counter("prometheus_tsdb_snapshot_replay_error_total",
                         "Total number snapshot replays that failed.");
    metrics->replay_duration = counters_gauge("prometheus_tsdb_data_replay_duration_seconds",
                                              "Time taken to replay the data on disk.");
    metrics->reloads =
        counters_counter("prometheus_tsdb_reloads_total",
                         "Number of times the database reloaded block data from disk.");
    metrics->reloads_failed = counters_counter(
        "prometheus_tsdb_reloads_failures_total",
        "Number of times the database failed to reloadBlocks block data from disk.");
    register_compaction(metrics);
    for (size_t i = 0; i < sizeof(constants) / sizeof(*constants); i++) {
        if (constants[i].type == COUNTERS_GAUGE)
            counters_gauge(constants[i].name, constants[i].help);
        else
            counters_counter(constants[i].name, constants[i].help);
    }
    for (size_t i = 0; i < GAUGE_COUNT; i++)
        gauge_counters[i] = gauges[i].type == COUNTERS_GAUGE
                                ? counters_gauge(gauges[i].name, gauges[i].help)
                                : counters_counter(gauges[i].name, gauges[i].help);
    collected_db = db;
    if (!collect_registered)
        counters_on_collect(collect, NULL);
    collect_registered = true;
}

void tsdb_metrics_release(struct tsdb *db)
{
    if (collected_db == db)
        collected_db = NULL;
}
