#include "tsdb/head_cut.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/path.h"
#include "tsdb/block_copy.h"
#include "tsdb/block_directory.h"
#include "tsdb/group.h"
#include "tsdb/head_drop.h"
#include "tsdb/head_view.h"
#include "tsdb/out_of_order.h"
#include "tsdb/tsdb_internal.h"

#include <stdlib.h>

/* How long to wait for appenders that began before older samples were refused. */
#define APPENDERS_WAIT_MS 2000

static double seconds_since(struct tsdb *db, int64_t start_ns)
{
    return (double)(clock_monotonic_ns(db->clock) - start_ns) / 1e9;
}

/* The oldest sample that is in no block. */
static int64_t head_begin_ms(const struct head *head, const struct block_list *list)
{
    return MAX((int64_t)head->min_ms, list->head_from_ms);
}

static bool is_due(const struct head *head, int64_t begin_ms)
{
    if (head->max_ms == INT64_MIN || begin_ms > head->max_ms)
        return false;
    return block_span_ms(begin_ms, head->max_ms) > head->range_ms / 2 * 3;
}

/* --- one block --- */

struct block_order {
    struct series_view *view; /* of the head */
    int64_t min_ms;
    int64_t end_ms; /* exclusive */
    bool out_of_order;
};

/* The whole head is read, which should not look as if it were in memory. */
static void evict_files(void *context)
{
    struct tsdb *db = context;
    mutex_assert_held(&db->maintenance_lock);
    head_files_evict(&db->head_files);
}

static enum err write_block(struct tsdb *db, const struct block_order *order,
                            struct block_writer *writer, struct block_meta *out_meta,
                            struct errbuf *err)
{
    struct block_copy copy = {
        .writer = writer,
        .view = order->view,
        .query = {.min_ms = order->min_ms, .max_ms = order->end_ms - 1},
        .stop = &db->stop,
        .breathe = evict_files,
        .breathe_context = db,
    };
    enum err code = block_copy_series(&copy, NULL, err);
    if (code == ERR_NONE)
        return block_writer_finish(writer, out_meta, err);
    block_writer_abort(writer);
    return code;
}

/* A block that was renamed but could not be opened, or whose directory could not be synced, is not
 * served: it is made again. */
static void discard(struct tsdb *db, const char *path)
{
    struct errbuf err = ERRBUF_INIT;
    block_leftovers_add(&db->leftovers, path);
    if (block_leftovers_remove(&db->leftovers, db->fs, &err) != ERR_NONE)
        log_warn("A block that was not finished stays for now", log_err(&err));
}

/* `*out` is NULL when there is no sample. */
static enum err make_block(struct tsdb *db, const struct block_order *order, struct block **out,
                           struct errbuf *err)
{
    struct block_meta meta = {.min_ms = order->min_ms,
                              .max_ms = order->end_ms,
                              .level = 1,
                              .out_of_order = order->out_of_order};
    ulid_make(&meta.ulid, clock_now_ms(db->clock), &db->rand);
    enum err code = block_directory_make(db->fs, db->directory.path, err);
    if (code != ERR_NONE)
        return code;
    char *blocks CLEANUP(mem_cleanup) = block_directory_path(db->directory.path);
    struct block_writer_options options = {
        .fs = db->fs, .directory = blocks, .meta = &meta, .chunk_counters = &db->metrics.chunks};
    struct block_writer *writer;
    struct block_meta written = {0};
    *out = NULL;
    code = block_writer_open(&options, &writer, err);
    if (code != ERR_NONE)
        return code;
    char *path CLEANUP(mem_cleanup) = path_join(blocks, meta.ulid.text);
    counter_set(db->metrics.populating_block, 1);
    code = write_block(db, order, writer, &written, err);
    counter_set(db->metrics.populating_block, 0);
    if (code == ERR_NONE && written.stats.samples > 0)
        code = block_open(db->fs, path, out, err);
    if (code != ERR_NONE)
        discard(db, path);
    block_meta_release(&written);
    return code;
}

static void report_block(struct tsdb *db, const struct block *block, int64_t start_ns)
{
    const struct block_meta *meta = block_meta(block);
    int64_t duration_ns = clock_monotonic_ns(db->clock) - start_ns;
    counter_inc(db->metrics.compactions);
    counter_observe(db->metrics.compaction_duration, (double)duration_ns / 1e9);
    log_info("Head samples were written to a block", log_str("ulid", meta->ulid.text),
             log_int("mint", meta->min_ms), log_int("maxt", meta->max_ms),
             log_uint("series", meta->stats.series), log_uint("samples", meta->stats.samples),
             log_str("out_of_order", meta->out_of_order ? "true" : "false"),
             log_duration_ns("duration", duration_ns));
}

/* --- samples in order --- */

/* Samples before `floor_ms` are refused from now on; false when an appender that began before does
 * not end. */
static bool refuse_older(struct tsdb *db, int64_t floor_ms)
{
    struct isolation *isolation = &db->head.isolation;
    db->head.floor_ms = MAX((int64_t)db->head.floor_ms, floor_ms);
    uint32_t last = isolation_appender_number(isolation);
    bool gone = (int32_t)(isolation_oldest_appender(isolation) - last) > 0;
    for (int i = 0; i < APPENDERS_WAIT_MS && !gone && !db->stop; i++) {
        mutex_lock(&db->stop_lock);
        condition_wait_until(&db->stop_condition, &db->stop_lock,
                             clock_monotonic_ns(clock_system) + 1000000);
        mutex_unlock(&db->stop_lock);
        gone = (int32_t)(isolation_oldest_appender(isolation) - last) > 0;
    }
    return gone;
}

static void publish(struct tsdb *db, const struct block_list *list, struct block *const *added,
                    size_t count, int64_t head_from_ms)
{
    block_shelf_publish(&db->shelf, block_list_change(list, NULL, 0, added, count, head_from_ms));
    db->head_cut.drop_mark = isolation_mark(&db->head.isolation);
    db->head_cut.drop_is_due = true;
}

/* One range. */
static enum err cut_range(struct tsdb *db, struct block_list *list, int64_t begin_ms,
                          int64_t end_ms, struct errbuf *err)
{
    int64_t start_ns = clock_monotonic_ns(db->clock);
    if (!refuse_older(db, end_ms))
        return errbuf_set(err, ERR_UNAVAILABLE, "an appender is open for long");
    struct series_view *view = head_view_open(db, HEAD_SAMPLES_IN_ORDER);
    head_view_begin_at(view, list->head_from_ms);
    head_view_leave_out_damaged(view);
    struct block_order order = {.view = view, .min_ms = begin_ms, .end_ms = end_ms};
    struct block *block;
    enum err code = make_block(db, &order, &block, err);
    uint64_t left_out = head_view_left_out(view);
    if (code == ERR_NONE && left_out > 0)
        log_error("Damaged chunks of the head were left out of a block, and their samples are lost",
                  log_uint("chunks", left_out), log_int("mint", begin_ms), log_int("maxt", end_ms));
    series_view_close(view);
    if (code != ERR_NONE)
        return code;
    publish(db, list, &block, block == NULL ? 0 : 1, end_ms);
    if (block != NULL)
        report_block(db, block, start_ns);
    block_unref(block);
    return ERR_NONE;
}

/* What is damaged must not go on into blocks, nor keep the head from shrinking. */
static void check_files(struct tsdb *db)
{
    struct errbuf damage = ERRBUF_INIT;
    struct head_file *file;
    while ((file = head_files_check(&db->head_files, &damage)) != NULL) {
        struct errbuf err = ERRBUF_INIT;
        struct buf aside CLEANUP(buf_release);
        buf_init(&aside, PATH_SIZE_MAX);
        char *directory CLEANUP(mem_cleanup) = path_print("%s/aside", db->directory.path);
        enum err code = head_files_set_aside(&db->head_files, file, directory, &aside, &err);
        damage_book_note(&db->damages, damage.text);
        log_error(
            "A file of head chunks is damaged and was set aside; chunks of it that the damage "
            "hit are left out of the block that is written now",
            log_err(&damage), log_str("aside", code == ERR_NONE ? buf_cstr(&aside) : err.text));
    }
}

/* All ranges that are due. */
static enum err cut_ranges(struct tsdb *db, struct errbuf *err)
{
    struct block_list *list = block_shelf_take(&db->shelf);
    enum err code = ERR_NONE;
    int64_t begin_ms = head_begin_ms(&db->head, list);
    while (code == ERR_NONE && !db->stop && is_due(&db->head, begin_ms)) {
        /* what the head says is a bound, and may lie in ranges that were cut before */
        begin_ms = head_oldest_ms(db, list->head_from_ms);
        if (!is_due(&db->head, begin_ms))
            break;
        check_files(db);
        code = cut_range(db, list, begin_ms, block_range_end_ms(begin_ms, db->head.range_ms), err);
        db->head_cut.late_is_due = db->head_cut.late_is_due || code == ERR_NONE;
        block_list_unref(list);
        list = block_shelf_take(&db->shelf);
    }
    block_list_unref(list);
    return code;
}

/* --- samples out of order --- */

typedef VEC(int64_t) range_list;

static int range_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The ends of the aligned ranges that have such samples, ascending. */
static void late_ranges(struct head *head, range_list *out)
{
    struct series *series;
    for (series_ref ref = 1; (series = refs_next(&head->refs, &ref)) != NULL;) {
        struct sample_group *group;
        struct mutex *lock = group_lock_series(head, series, &group);
        const struct out_of_order *late =
            series->extra == NULL ? NULL : series->extra->out_of_order;
        int64_t last_ms = INT64_MIN;
        for (size_t i = 0; late != NULL && i < late->samples.len; i++) {
            int64_t end_ms =
                block_range_end_ms(late->samples.items[i].timestamp_ms, head->range_ms);
            if (end_ms != last_ms)
                vec_push(out, end_ms);
            last_ms = end_ms;
        }
        mutex_unlock(lock);
    }
    if (out->len > 1)
        qsort(out->items, out->len, sizeof(*out->items), range_compare);
    size_t kept = 0;
    for (size_t i = 0; i < out->len; i++) {
        if (kept == 0 || out->items[kept - 1] != out->items[i])
            out->items[kept++] = out->items[i];
    }
    out->len = kept;
}

typedef VEC(struct block *) block_vector;

static void blocks_release(block_vector *blocks)
{
    for (size_t i = 0; i < blocks->len; i++)
        block_unref(blocks->items[i]);
    vec_release(blocks);
}

static enum err write_late(struct tsdb *db, struct series_view *view, block_vector *out,
                           struct errbuf *err)
{
    range_list ends = {0};
    late_ranges(&db->head, &ends);
    enum err code = ERR_NONE;
    for (size_t i = 0; i < ends.len && code == ERR_NONE; i++) {
        int64_t start_ns = clock_monotonic_ns(db->clock);
        struct block_order order = {.view = view,
                                    .min_ms = ends.items[i] - db->head.range_ms,
                                    .end_ms = ends.items[i],
                                    .out_of_order = true};
        struct block *block;
        code = make_block(db, &order, &block, err);
        if (code != ERR_NONE || block == NULL)
            continue;
        report_block(db, block, start_ns);
        vec_push(out, block);
    }
    vec_release(&ends);
    return code;
}

/* Blocks that were made of late samples are of no use without the others. */
static void discard_all(struct tsdb *db, const block_vector *blocks)
{
    for (size_t i = 0; i < blocks->len; i++)
        discard(db, block_path(blocks->items[i]));
}

/* So that a replay does not bring them back from the log: they may be deleted by then. Failures are
 * the log's own to tell; samples are on disk twice then. */
static void log_late_stored(struct tsdb *db, uint64_t segment)
{
    uint64_t total;
    MUTEX_GUARD(&db->commit_lock);
    if (tsdb_open_log_locked(db, NULL) != ERR_NONE)
        return;
    wal_writer_begin(&db->writer);
    wal_writer_late_stored(&db->writer, segment);
    (void)!wal_append(db->wal, wal_writer_finish(&db->writer, NULL), db->head.max_ms, &total, NULL);
}

/* `out_segment` is the segment of the log from which on there may be samples that are not in blocks
 * for their commits being too new. */
static enum err cut_late(struct tsdb *db, uint64_t *out_segment, struct errbuf *err)
{
    /* one moment for both: what is in an earlier segment is seen by the view */
    mutex_lock(&db->commit_lock);
    struct series_view *view = head_view_open(db, HEAD_SAMPLES_LATE);
    /* segments that end where heads are cut can go at the next cut, however slowly they grow; a
     * failure is the log's own to tell */
    if (!wal_has_failed(db->wal))
        (void)!wal_cut(db->wal, NULL);
    *out_segment = wal_end(db->wal).segment;
    mutex_unlock(&db->commit_lock);
    uint64_t commit = head_view_watermark(view);
    block_vector blocks = {0};
    enum err code = ERR_NONE;
    if (db->head.late_min_ms != INT64_MAX)
        code = write_late(db, view, &blocks, err);
    series_view_close(view);
    if (code != ERR_NONE) {
        discard_all(db, &blocks);
    } else if (blocks.len > 0) {
        struct block_list *list = block_shelf_take(&db->shelf);
        publish(db, list, blocks.items, blocks.len, list->head_from_ms);
        block_list_unref(list);
        db->head_cut.late_is_stored = true;
        db->head_cut.late_commit = commit;
        log_late_stored(db, *out_segment);
    }
    blocks_release(&blocks);
    return code;
}

/* --- what the blocks have --- */

static void truncate_log(struct tsdb *db, int64_t head_from_ms, uint64_t segment)
{
    uint64_t before = wal_oldest_segment(db->wal);
    int64_t start_ns = clock_monotonic_ns(db->clock);
    wal_truncate(db->wal, head_from_ms, segment, segment);
    if (wal_oldest_segment(db->wal) == before)
        return;
    counter_inc(db->metrics.wal_truncations);
    counter_observe(db->metrics.wal_truncate_duration, seconds_since(db, start_ns));
}

static void drop_what_blocks_have(struct tsdb *db)
{
    struct head_cut *cut = &db->head_cut;
    if (!cut->drop_is_due || isolation_has_view_before(&db->head.isolation, cut->drop_mark))
        return;
    struct block_list *list = block_shelf_take(&db->shelf);
    struct head_drop drop = {.cutoff_ms = list->head_from_ms,
                             .late_cutoff_ms = INT64_MIN,
                             .late_is_stored = cut->late_is_stored,
                             .late_commit = cut->late_commit};
    block_list_unref(list);
    counter_inc(db->metrics.truncations);
    head_drop_samples(db, &drop);
    cut->drop_is_due = false;
    cut->late_is_stored = false;
}

static enum err cut_all(struct tsdb *db, struct errbuf *err)
{
    enum err code = cut_ranges(db, err);
    if (code != ERR_NONE || !db->head_cut.late_is_due)
        return code;
    uint64_t segment;
    code = cut_late(db, &segment, err);
    if (code != ERR_NONE)
        return code;
    struct block_list *list = block_shelf_take(&db->shelf);
    truncate_log(db, list->head_from_ms, segment);
    block_list_unref(list);
    db->head_cut.late_is_due = false;
    return ERR_NONE;
}

enum err head_cut(struct tsdb *db, struct errbuf *err)
{
    mutex_assert_held(&db->maintenance_lock);
    struct errbuf own = ERRBUF_INIT;
    enum err code = cut_all(db, &own);
    drop_what_blocks_have(db);
    bool failed = code != ERR_NONE && code != ERR_CANCELED && code != ERR_UNAVAILABLE;
    if (failed)
        counter_inc(db->metrics.compactions_failed);
    if (failed && !db->head_cut.has_failed)
        log_error("Cutting the head failed; its samples stay there and it is tried again",
                  log_err(&own));
    db->head_cut.has_failed = failed;
    return failed ? errbuf_set(err, code, "cutting the head: %s", own.text) : ERR_NONE;
}

void head_cut_finish(struct tsdb *db)
{
    MUTEX_GUARD(&db->maintenance_lock);
    drop_what_blocks_have(db);
}

void head_cut_settle(struct tsdb *db)
{
    struct block_list *list = block_shelf_take(&db->shelf);
    struct head_drop drop = {.cutoff_ms = list->head_from_ms, .late_cutoff_ms = INT64_MIN};
    bool any = list->count > 0;
    block_list_unref(list);
    MUTEX_GUARD(&db->maintenance_lock);
    if (any && db->head.min_ms < drop.cutoff_ms)
        head_drop_samples(db, &drop);
}
