/* Opening, closing, and the small questions that others ask. */
#include "tsdb/tsdb.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/rand.h"
#include "tsdb/block_directory.h"
#include "tsdb/group.h"
#include "tsdb/head_snapshot.h"
#include "tsdb/tsdb_internal.h"

#include <stdio.h>
#include <string.h>

#define MAINTENANCE_INTERVAL_MS 60000

struct tsdb_replay_progress tsdb_replay_progress;

static const struct series_source_operations source_operations = {.open = tsdb_source_open};

struct sample_group *tsdb_group_new_locked(struct tsdb *db)
{
    mutex_assert_held(&db->commit_lock);
    struct sample_group *group = group_new(&db->head, ++db->group_next);
    group->db = db;
    group->next = db->groups;
    if (db->groups != NULL)
        db->groups->previous = group;
    db->groups = group;
    return group;
}

void tsdb_group_end_locked(struct tsdb *db, struct sample_group *group)
{
    mutex_assert_held(&db->commit_lock);
    group_detach_all(group);
    if (group->previous != NULL)
        group->previous->next = group->next;
    else
        db->groups = group->next;
    if (group->next != NULL)
        group->next->previous = group->previous;
    /* readers may be about to lock it */
    isolation_retire(&db->head.isolation, group, group_free);
}

static struct tsdb *tsdb_new(const struct tsdb_options *options)
{
    struct tsdb *db = mem_zalloc(sizeof(*db));
    db->source.operations = &source_operations;
    db->options = *options;
    db->fs = options->fs == NULL ? fs_system : options->fs;
    db->clock = options->clock == NULL ? clock_system : options->clock;
    if (db->options.seed == 0)
        db->options.seed = rand_seed_system();
    if (db->options.fsync_interval_ms == 0)
        db->options.fsync_interval_ms = 1000;
    if (db->options.maintenance_interval_ms == 0)
        db->options.maintenance_interval_ms = MAINTENANCE_INTERVAL_MS;
    db->directory.lock_fd = -1;
    db->retention_ms = options->retention_ms;
    db->retention_bytes = options->retention_bytes;
    db->retention_percentage = options->retention_percentage;
    db->out_of_order_window_ms = options->out_of_order_window_ms;
    rand_init(&db->rand, db->options.seed ^ (uint64_t)clock_now_ms(db->clock));
    head_init(&db->head);
    if (options->block_min_ms > 0)
        db->head.range_ms = options->block_min_ms;
    block_shelf_init(&db->shelf);
    exemplars_init(&db->exemplars, options->exemplars_max);
    damage_book_init(&db->damages, db->clock);
    mutex_init(&db->commit_lock, LOCK_RANK_TSDB_COMMIT);
    mutex_init(&db->maintenance_lock, LOCK_RANK_TSDB_MAINTENANCE);
    mutex_init(&db->stop_lock, LOCK_RANK_TSDB_ISOLATION);
    condition_init(&db->stop_condition);
    wal_writer_init(&db->writer);
    return db;
}

static void tsdb_free(struct tsdb *db)
{
    tsdb_metrics_release(db);
    wal_free(db->wal);
    while (db->groups != NULL) {
        struct sample_group *group = db->groups;
        db->groups = group->next;
        group_free(group);
    }
    for (size_t i = 0; i < db->idle.len; i++)
        tsdb_appender_free(db->idle.items[i]);
    vec_release(&db->idle);
    wal_writer_release(&db->writer);
    exemplars_release(&db->exemplars);
    block_shelf_release(&db->shelf);
    block_leftovers_release(&db->leftovers);
    damage_book_release(&db->damages);
    block_pickup_release(&db->pickup);
    head_release(&db->head);
    head_files_release(&db->head_files);
    mem_free(db->head_directory);
    directory_close(db->fs, &db->directory);
    mutex_release(&db->commit_lock);
    mutex_release(&db->maintenance_lock);
    mutex_release(&db->stop_lock);
    condition_release(&db->stop_condition);
    mem_free(db);
}

/* A full disk does not keep anybody from what is on it: the log begins in its failed state then,
 * and recovers when there is room. */
static enum err log_begin(struct tsdb *db, struct errbuf *err)
{
    enum err result = wal_cut(db->wal, err);
    bool anything = wal_oldest_segment(db->wal) != 0;
    return result == ERR_NO_SPACE && anything ? ERR_NONE : result;
}

static enum err tsdb_open_blocks(struct tsdb *db, struct errbuf *err)
{
    struct block_list *blocks;
    enum err result = block_directory_open(db->fs, db->directory.path, &blocks, &db->leftovers,
                                           &db->damages, err);
    if (result != ERR_NONE)
        return result;
    /* there for whoever puts blocks into it; a full disk makes it when there is a block */
    struct errbuf why = ERRBUF_INIT;
    if (block_directory_make(db->fs, db->directory.path, &why) != ERR_NONE)
        log_warn("The folder of the blocks could not be made yet", log_err(&why));
    counter_add(db->metrics.block_corruptions, (double)damage_book_count(&db->damages));
    db->head.floor_ms = blocks->head_from_ms;
    block_shelf_publish(&db->shelf, blocks);
    return ERR_NONE;
}

static enum err tsdb_open_log(struct tsdb *db, struct errbuf *err)
{
    char path[4096];
    int len = snprintf(path, sizeof(path), "%s/wal", db->directory.path);
    if (len < 0 || (size_t)len >= sizeof(path))
        return errbuf_set(err, ERR_LIMIT, "the path of the data directory is too long");
    struct wal *wal = wal_new(db->fs, path, db->options.wal_segment_bytes,
                              (uint64_t)clock_now_ms(db->clock) ^ db->options.seed);
    struct buf head_path;
    buf_init(&head_path, sizeof(path));
    buf_printf(&head_path, "%s/head", db->directory.path);
    db->head_directory = buf_take(&head_path);
    head_files_init(&db->head_files, db->fs, db->head_directory);
    enum err result = wal_load(wal, err);
    struct wal_position from = {0};
    if (result == ERR_NONE)
        from = head_snapshot_load(db, wal);
    if (result == ERR_NONE)
        head_files_clean(&db->head_files);
    /* only now may others ask for figures of the head */
    db->wal = wal;
    if (result != ERR_NONE)
        return result;
    result = tsdb_replay(db, from, err);
    if (result == ERR_NONE)
        head_cut_settle(db);
    return result == ERR_NONE ? log_begin(db, err) : result;
}

/* A command line to copy, and the way back. */
static void warn_of_prometheus(const char *path, const char *own_path)
{
    struct buf command CLEANUP(buf_release);
    buf_init(&command, BUF_SIZE_ANY);
    buf_printf(&command, "ferulatool tsdb import-prometheus %s", path);
    log_warn(
        "The data directory holds a Prometheus database, which is left as it is; ferula keeps "
        "its own data in a folder of its own in it. To take the samples of Prometheus over, if "
        "that is not done yet: stop ferula and Prometheus, run the command that stands here "
        "as `import`, and start ferula again. To go back: stop ferula and start Prometheus on "
        "the same path",
        log_str("prometheus", path), log_str("ferula", own_path),
        log_str("import", buf_cstr(&command)));
}

enum err tsdb_open(const struct tsdb_options *options, struct tsdb **out, struct errbuf *err)
{
    ASSERT(options->path != NULL);
    struct tsdb *db = tsdb_new(options);
    enum err result =
        directory_open(db->fs, options->path, options->no_lockfile, &db->directory, err);
    if (result == ERR_NONE) {
        if (db->directory.beside_prometheus)
            warn_of_prometheus(options->path, db->directory.path);
        if (db->directory.format_was_lost)
            log_warn("The file FERULA of the data directory was missing or damaged; the directory "
                     "is ours by all else that is in it, so it was written again",
                     log_str("path", db->directory.path));
        tsdb_metrics_init(&db->metrics, db);
        result = tsdb_open_blocks(db, err);
    }
    if (result == ERR_NONE)
        result = tsdb_open_log(db, err);
    if (result != ERR_NONE) {
        tsdb_free(db);
        return result;
    }
    tsdb_maintenance_start(db);
    *out = db;
    return ERR_NONE;
}

static void groups_end(struct tsdb *db)
{
    MUTEX_GUARD(&db->commit_lock);
    while (db->groups != NULL)
        tsdb_group_end_locked(db, db->groups);
}

/* Without it the next start replays the log, so a failure is no more than a delay. */
static void store_snapshot(struct tsdb *db)
{
    struct errbuf err = ERRBUF_INIT;
    bool synced;
    enum err result = ERR_NONE;
    if (wal_has_failed(db->wal))
        result = errbuf_set(&err, ERR_UNAVAILABLE, "the log cannot be written");
    if (result == ERR_NONE)
        result = wal_sync_pending(db->wal, &synced, &err);
    if (result == ERR_NONE)
        result = head_snapshot_store(db, &err);
    if (result != ERR_NONE)
        log_warn("The next start will take longer: no snapshot of the head was written",
                 log_err(&err));
}

void tsdb_close(struct tsdb *db)
{
    if (db == NULL)
        return;
    tsdb_maintenance_stop(db);
    groups_end(db);
    head_cut_finish(db);
    if (!db->options.no_snapshot)
        store_snapshot(db);
    tsdb_free(db);
}

struct series_source *tsdb_source(struct tsdb *db)
{
    return &db->source;
}

void tsdb_set_retention(struct tsdb *db, int64_t retention_ms, uint64_t retention_bytes,
                        double retention_percentage)
{
    db->retention_ms = retention_ms;
    db->retention_bytes = retention_bytes;
    db->retention_percentage = retention_percentage;
}

void tsdb_set_out_of_order_window(struct tsdb *db, int64_t window_ms)
{
    db->out_of_order_window_ms = window_ms;
}

void tsdb_set_exemplars_max(struct tsdb *db, int64_t exemplars_max)
{
    exemplars_resize(&db->exemplars, exemplars_max);
}

bool tsdb_takes_exemplars(const struct tsdb *db)
{
    return db->exemplars.slots_max > 0;
}

uint64_t tsdb_memory(struct tsdb *db)
{
    MUTEX_GUARD(&db->commit_lock);
    uint64_t bytes = head_memory(&db->head);
    for (struct sample_group *group = db->groups; group != NULL; group = group->next)
        bytes += group_memory(group);
    return bytes;
}

void tsdb_head_stats(struct tsdb *db, struct tsdb_head_stats *out)
{
    struct head *head = &db->head;
    memset(out, 0, sizeof(*out));
    out->series_count = head->series_count;
    out->chunk_count = head->chunk_count + head->series_count;
    out->label_pair_count = postings_pair_count(&head->postings);
    out->min_ms = head->min_ms;
    out->max_ms = head->max_ms;
    out->samples_appended = head->samples_appended;
    out->wal_bytes = wal_bytes(db->wal);
}

bool tsdb_failed(struct tsdb *db, struct buf *out_reason)
{
    if (!wal_has_failed(db->wal))
        return false;
    if (out_reason != NULL)
        wal_failure_text(db->wal, out_reason);
    return true;
}

void tsdb_visit_damages(struct tsdb *db,
                        void (*each)(void *context, const char *text, int64_t since_ms),
                        void *context, uint64_t *out_more)
{
    damage_book_visit(&db->damages, each, context, out_more);
}

uint64_t tsdb_corruption_count(struct tsdb *db)
{
    return (uint64_t)counter_value(db->metrics.wal_corruptions);
}
