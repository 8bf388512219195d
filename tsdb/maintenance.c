/*
 * Two threads. One syncs the log, brings it back after a failure and tells how much memory there is
 * in use; it waits for nothing else. The other seals closed chunks, and at every interval drops
 * what is older than the retention (samples, series without any, segments, blocks), cuts the head
 * and merges blocks.
 */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "model/symbols.h"
#include "tsdb/block_upkeep.h"
#include "tsdb/head_drop.h"
#include "tsdb/head_seal.h"
#include "tsdb/tsdb_internal.h"

#define SEAL_INTERVAL_NS INT64_C(1000000000)
#define RECOVER_INTERVAL_NS INT64_C(1000000000)
/* Series between two breaths of the commit lock. */
#define COLLECT_BATCH 4096

static double seconds_since(struct tsdb *db, int64_t start_ns)
{
    return (double)(clock_monotonic_ns(db->clock) - start_ns) / 1e9;
}

/* The time before which nothing is kept; INT64_MIN = no limit. Relative to the data, not to the
 * clock: a server that stood still forgets nothing when it starts. */
static int64_t retention_cutoff_ms(struct tsdb *db)
{
    int64_t retention_ms = db->retention_ms;
    int64_t max_ms = db->head.max_ms;
    int64_t cutoff_ms;
    if (retention_ms <= 0 || max_ms == INT64_MIN ||
        __builtin_sub_overflow(max_ms, retention_ms, &cutoff_ms))
        return INT64_MIN;
    return cutoff_ms;
}

/* The limit by size: the lower of the two that may be set; 0 = none. The percentage wins. */
static uint64_t retention_bytes(struct tsdb *db)
{
    double percentage = db->retention_percentage;
    uint64_t free_bytes;
    uint64_t total_bytes;
    if (percentage > 0 && db->fs->space(db->fs, db->directory.path, &free_bytes, &total_bytes) == 0)
        return (uint64_t)((double)total_bytes * percentage / 100);
    return db->retention_bytes;
}

/* Series without samples leave, some thousands at a time, so that commits come in between. */
static size_t series_collect(struct tsdb *db)
{
    int64_t start_ns = clock_monotonic_ns(db->clock);
    struct reader reader;
    isolation_open_view(&db->head.isolation, &reader);
    size_t count = 0;
    for (series_ref ref = 1; ref != 0;) {
        MUTEX_GUARD(&db->commit_lock);
        count += head_collect(&db->head, &ref, COLLECT_BATCH);
    }
    isolation_close_view(&db->head.isolation, &reader);
    counter_observe(db->metrics.gc_duration, seconds_since(db, start_ns));
    return count;
}

static void log_truncate(struct tsdb *db, int64_t cutoff_ms)
{
    uint64_t before = wal_oldest_segment(db->wal);
    int64_t start_ns = clock_monotonic_ns(db->clock);
    wal_truncate(db->wal, cutoff_ms, UINT64_MAX, 0);
    if (wal_oldest_segment(db->wal) == before)
        return;
    counter_inc(db->metrics.wal_truncations);
    counter_observe(db->metrics.wal_truncate_duration, seconds_since(db, start_ns));
}

static void maintenance_recover(struct tsdb *db)
{
    if (!wal_has_failed(db->wal))
        return;
    struct errbuf err = ERRBUF_INIT;
    mutex_lock(&db->commit_lock);
    bool failed = wal_has_failed(db->wal); /* another thread may have been faster */
    enum err result = failed ? wal_recover(db->wal, &err) : ERR_NONE;
    mutex_unlock(&db->commit_lock);
    if (failed && result == ERR_NONE)
        log_info("Storage writes its log again");
}

/* Closed chunks leave memory; the maintenance lock is held. A failure is said once. */
static void chunks_seal(struct tsdb *db)
{
    if (!head_seal_is_due(&db->head, &db->commit_lock))
        return;
    struct errbuf err = ERRBUF_INIT;
    bool failed = head_seal(&db->head, &db->commit_lock, &db->head_files, &err) != ERR_NONE;
    if (failed && !db->seal_failed)
        log_error("Chunks stay in memory, since no file can be written for them", log_err(&err));
    db->seal_failed = failed;
}

static void maintenance_seal(struct tsdb *db)
{
    MUTEX_GUARD(&db->maintenance_lock);
    chunks_seal(db);
    head_files_sweep(&db->head_files);
}

/* Until nothing is due, or the disk is full. What cannot be merged is not tried again, so others
 * come. `first` is what went wrong before. */
static enum err blocks_compact(struct tsdb *db, enum err first, struct errbuf *err)
{
    bool did = true;
    bool full = first == ERR_NO_SPACE;
    counter_inc(db->metrics.compactions_triggered);
    while (did && !db->stop && !full) {
        enum err code = block_upkeep_compact(db, &did, first == ERR_NONE ? err : NULL);
        first = first == ERR_NONE ? code : first;
        full = code == ERR_NO_SPACE;
        /* merging much takes long: the head must not grow the while */
        code = did ? head_cut(db, first == ERR_NONE ? err : NULL) : ERR_NONE;
        first = first == ERR_NONE ? code : first;
        full = full || code == ERR_NO_SPACE;
    }
    return db->stop ? ERR_NONE : first;
}

enum err tsdb_compact(struct tsdb *db, struct errbuf *err)
{
    MUTEX_GUARD(&db->maintenance_lock);
    enum err result = head_cut(db, err);
    return blocks_compact(db, result, err);
}

/* What is older than the retention; the maintenance lock is held. The head is kept whatever its size,
 * which counts: blocks go for it. */
static void maintenance_drop(struct tsdb *db)
{
    int64_t cutoff_ms = retention_cutoff_ms(db);
    int64_t oldest_ms = MIN((int64_t)db->head.min_ms, (int64_t)db->head.late_min_ms);
    if (cutoff_ms > db->head.cutoff_ms && cutoff_ms > oldest_ms) {
        counter_inc(db->metrics.truncations);
        struct head_drop drop = {.cutoff_ms = cutoff_ms, .late_cutoff_ms = cutoff_ms};
        head_drop_samples(db, &drop);
        db->head.cutoff_ms = cutoff_ms;
        log_truncate(db, cutoff_ms);
    }
    block_upkeep_retain(db, retention_bytes(db));
}

/* What could not be removed when it was to go. */
static void maintenance_remove(struct tsdb *db)
{
    if (db->leftovers.paths.len == 0)
        return;
    struct errbuf err = ERRBUF_INIT;
    if (block_leftovers_remove(&db->leftovers, db->fs, &err) != ERR_NONE)
        log_warn("Blocks stay that are not needed any more", log_err(&err));
}

/* What a person put into the directory of blocks, or took out of it. */
static void maintenance_pick_up(struct tsdb *db)
{
    struct errbuf err = ERRBUF_INIT;
    if (block_pickup_run(db, &err) != ERR_NONE)
        log_warn("The directory of blocks cannot be looked through", log_err(&err));
}

enum err tsdb_maintain(struct tsdb *db, struct errbuf *err)
{
    MUTEX_GUARD(&db->maintenance_lock);
    maintenance_recover(db);
    maintenance_remove(db);
    maintenance_pick_up(db);
    enum err result = head_cut(db, err);
    maintenance_drop(db);
    chunks_seal(db);
    size_t removed = series_collect(db);
    if (removed > 0)
        log_debug("Series without samples left the head", log_uint("series", removed));
    head_files_sweep(&db->head_files);
    result = blocks_compact(db, result, err);
    head_files_evict(&db->head_files);
    index_leaves_age(&db->shelf.leaves);
    mem_trim();
    return result;
}

static void maintenance_sync(struct tsdb *db)
{
    if (db->options.fsync_policy != TSDB_FSYNC_INTERVAL || wal_has_failed(db->wal))
        return;
    struct errbuf err = ERRBUF_INIT;
    int64_t start_ns = clock_monotonic_ns(db->clock);
    bool synced;
    if (wal_sync_pending(db->wal, &synced, &err) != ERR_NONE)
        log_error("Syncing the log failed", log_err(&err));
    if (synced)
        counter_observe(db->metrics.wal_fsync_duration, seconds_since(db, start_ns));
}

/* What open blocks keep in memory. */
static uint64_t blocks_memory(struct tsdb *db)
{
    struct block_list *list = block_shelf_take(&db->shelf);
    uint64_t bytes = index_leaves_memory(&db->shelf.leaves);
    for (size_t i = 0; i < list->count; i++)
        bytes += block_memory(list->blocks[i]);
    block_list_unref(list);
    return bytes;
}

/* What storage takes, for who shares the memory with it; said once when it is all of it. */
static void maintenance_account(struct tsdb *db, bool *was_over)
{
    struct memory_budget *memory = db->options.memory;
    if (memory == NULL)
        return;
    uint64_t blocks = blocks_memory(db);
    uint64_t bytes = tsdb_memory(db) + symbols_bytes();
    memory_budget_note(memory, MEMORY_STORAGE, bytes);
    memory_budget_note(memory, MEMORY_BLOCKS, blocks);
    bytes += blocks;
    bool over = memory->limit_bytes > 0 && bytes > memory->limit_bytes;
    if (over && !*was_over)
        log_warn("Storage holds more memory than --storage.memory-limit plans with: samples are "
                 "taken as before, larger queries are refused",
                 log_uint("bytes", bytes), log_uint("limit", memory->limit_bytes));
    *was_over = over;
}

/* The failed state is said once when it begins and once when it ends. */
static void maintenance_report(struct tsdb *db, bool was_failed)
{
    if (wal_has_failed(db->wal) && !was_failed) {
        struct buf reason;
        buf_init(&reason, 2048);
        wal_failure_text(db->wal, &reason);
        log_error("Storage refuses samples until it can write its log again",
                  log_str("reason", buf_cstr(&reason)));
        buf_release(&reason);
        counter_inc(db->metrics.wal_writes_failed);
    }
}

/* Waits under the stop lock; false when the time to stop has come. */
static bool maintenance_wait_locked(struct tsdb *db, int64_t wait_ns)
{
    if (!db->stop)
        condition_wait_until(&db->stop_condition, &db->stop_lock,
                             clock_monotonic_ns(clock_system) + wait_ns);
    return !db->stop;
}

static void sync_run(void *context)
{
    struct tsdb *db = context;
    int64_t interval_ns = db->options.fsync_interval_ms * 1000000;
    int64_t recover_ns = MIN(interval_ns, RECOVER_INTERVAL_NS);
    bool was_failed = false;
    bool was_over = false;
    maintenance_account(db, &was_over);
    mutex_lock(&db->stop_lock);
    while (maintenance_wait_locked(db, wal_has_failed(db->wal) ? recover_ns : interval_ns)) {
        mutex_unlock(&db->stop_lock);
        maintenance_sync(db);
        maintenance_report(db, was_failed);
        maintenance_recover(db);
        was_failed = wal_has_failed(db->wal);
        maintenance_account(db, &was_over);
        mutex_lock(&db->stop_lock);
    }
    mutex_unlock(&db->stop_lock);
}

static void maintenance_run(void *context)
{
    struct tsdb *db = context;
    int64_t interval_ns = db->options.maintenance_interval_ms * 1000000;
    int64_t maintain_ns = clock_monotonic_ns(clock_system) + interval_ns;
    mutex_lock(&db->stop_lock);
    while (maintenance_wait_locked(db, MIN(interval_ns, SEAL_INTERVAL_NS))) {
        mutex_unlock(&db->stop_lock);
        maintenance_seal(db);
        if (clock_monotonic_ns(clock_system) >= maintain_ns) {
            struct errbuf err = ERRBUF_INIT;
            if (tsdb_maintain(db, &err) != ERR_NONE)
                log_error("Maintenance of the storage failed", log_err(&err));
            maintain_ns = clock_monotonic_ns(clock_system) + interval_ns;
        }
        mutex_lock(&db->stop_lock);
    }
    mutex_unlock(&db->stop_lock);
}

void tsdb_maintenance_start(struct tsdb *db)
{
    ASSERT(!db->thread.started);
    thread_start(&db->thread, "tsdb", maintenance_run, db);
    thread_start(&db->sync_thread, "tsdb sync", sync_run, db);
}

void tsdb_maintenance_stop(struct tsdb *db)
{
    mutex_lock(&db->stop_lock);
    db->stop = true;
    condition_broadcast(&db->stop_condition);
    mutex_unlock(&db->stop_lock);
    thread_join(&db->thread);
    thread_join(&db->sync_thread);
}
