#include "tsdb/block_upkeep.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/path.h"
#include "base/rand.h"
#include "tsdb/block_directory.h"
#include "tsdb/compaction.h"
#include "tsdb/compaction_plan.h"
#include "tsdb/retention.h"

static double seconds_since(struct tsdb *db, int64_t start_ns)
{
    return (double)(clock_monotonic_ns(db->clock) - start_ns) / 1e9;
}

/* The length of the largest blocks; the smallest are those that are cut from the head. */
static int64_t largest_ms(const struct tsdb *db)
{
    int64_t max_ms = db->options.block_max_ms > 0 ? db->options.block_max_ms
                                                  : compaction_default_max_ms(db->retention_ms);
    return MAX(max_ms, db->head.range_ms);
}

/* --- lists --- */

/* Replaces blocks of the present list by others; the files of those that went are deleted. */
static void replace_blocks(struct tsdb *db, struct block *const *gone, size_t gone_count,
                           struct block *added)
{
    struct block_list *list = block_shelf_take(&db->shelf);
    block_shelf_publish(&db->shelf, block_list_change(list, gone, gone_count, &added,
                                                      added == NULL ? 0 : 1, list->head_from_ms));
    for (size_t i = 0; i < gone_count; i++)
        block_leftovers_add(&db->leftovers, block_path(gone[i]));
    struct errbuf err = ERRBUF_INIT;
    if (block_leftovers_remove(&db->leftovers, db->fs, &err) != ERR_NONE)
        log_warn("The files of a block that is not needed any more stay for now", log_err(&err));
    block_list_unref(list);
}

/* --- compaction --- */

/* The blocks of one compaction, with what they say now. */
struct candidates {
    struct block_list *list;
    struct block_meta *metas;         /* by place in the list */
    const struct block_meta **chosen; /* the first `count` are to be merged */
    struct block **blocks;            /* those */
    size_t count;
};

static void candidates_take(struct candidates *candidates, struct tsdb *db)
{
    struct block_list *list = block_shelf_take(&db->shelf);
    *candidates = (struct candidates){.list = list};
    candidates->metas = mem_zalloc((list->count + 1) * sizeof(*candidates->metas));
    candidates->chosen = mem_zalloc((list->count + 1) * sizeof(*candidates->chosen));
    candidates->blocks = mem_zalloc((list->count + 1) * sizeof(*candidates->blocks));
    for (size_t i = 0; i < list->count; i++) {
        block_meta_now(list->blocks[i], &candidates->metas[i]);
        candidates->chosen[i] = &candidates->metas[i];
    }
}

static void candidates_choose(struct candidates *candidates, const struct compaction_ranges *ranges)
{
    candidates->count = compaction_plan(ranges, candidates->chosen, candidates->list->count);
    for (size_t i = 0; i < candidates->count; i++)
        candidates->blocks[i] = candidates->list->blocks[candidates->chosen[i] - candidates->metas];
}

static void candidates_release(struct candidates *candidates)
{
    for (size_t i = 0; i < candidates->list->count; i++)
        block_meta_release(&candidates->metas[i]);
    mem_free(candidates->metas);
    mem_free(candidates->chosen);
    mem_free(candidates->blocks);
    block_list_unref(candidates->list);
}

static bool any_overlap(const struct candidates *candidates)
{
    for (size_t i = 1; i < candidates->count; i++) {
        if (candidates->chosen[i]->min_ms < candidates->chosen[i - 1]->max_ms)
            return true;
    }
    return false;
}

/* A result that is not served must not be there at the next start, which would take the blocks that
 * it was made of for left over. */
static void discard(struct tsdb *db, const char *directory, const struct ulid *ulid)
{
    struct errbuf err = ERRBUF_INIT;
    char *path CLEANUP(mem_cleanup) = path_join(directory, ulid->text);
    block_leftovers_add(&db->leftovers, path);
    if (block_leftovers_remove(&db->leftovers, db->fs, &err) != ERR_NONE)
        log_warn("A merged block that was not finished stays for now", log_err(&err));
}

static enum err run_compaction(struct tsdb *db, struct block *const *blocks, size_t count,
                               bool rewrite, struct block **out, struct errbuf *err)
{
    char *directory CLEANUP(mem_cleanup) = block_directory_path(db->directory.path);
    struct compaction compaction = {.fs = db->fs,
                                    .directory = directory,
                                    .blocks = blocks,
                                    .count = count,
                                    .rewrite = rewrite,
                                    .stop = &db->stop};
    struct rand rand;
    rand_init(&rand, rand_seed_system());
    ulid_make(&compaction.ulid, clock_now_ms(db->clock), &rand);
    counter_set(db->metrics.populating_block, 1);
    enum err code = compaction_run(&compaction, out, err);
    counter_set(db->metrics.populating_block, 0);
    if (code != ERR_NONE)
        discard(db, directory, &compaction.ulid);
    return code;
}

/* Blocks that cannot be merged are left out of the plan from now on. A full disk is no fault of
 * theirs. */
static void mark_failed(const struct candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++) {
        struct errbuf err = ERRBUF_INIT;
        if (block_mark_failed(candidates->blocks[i], &err) != ERR_NONE)
            log_warn("A block could not be marked as one that cannot be merged", log_err(&err));
    }
}

static void note_failure(struct tsdb *db, const struct candidates *candidates, enum err code)
{
    if (code == ERR_CANCELED)
        return;
    counter_inc(db->metrics.compactions_failed);
    if (code != ERR_NO_SPACE)
        mark_failed(candidates);
}

static void report_success(struct tsdb *db, const struct candidates *candidates,
                           const struct block *merged, int64_t start_ns)
{
    counter_inc(db->metrics.compactions);
    counter_observe(db->metrics.compaction_duration, seconds_since(db, start_ns));
    log_info(
        "Merged blocks", log_uint("blocks", candidates->count),
        log_int("mint", candidates->chosen[0]->min_ms),
        log_str("ulid", merged == NULL ? "none, all is deleted" : block_meta(merged)->ulid.text),
        log_duration_ns("duration", clock_monotonic_ns(db->clock) - start_ns));
}

static enum err compact_chosen(struct tsdb *db, const struct candidates *candidates,
                               struct errbuf *err)
{
    int64_t start_ns = clock_monotonic_ns(db->clock);
    struct block *merged = NULL;
    struct errbuf local = ERRBUF_INIT;
    if (any_overlap(candidates))
        counter_inc(db->metrics.vertical_compactions);
    enum err code =
        run_compaction(db, candidates->blocks, candidates->count, false, &merged, &local);
    if (code != ERR_NONE) {
        note_failure(db, candidates, code);
        if (code == ERR_CORRUPT && damage_book_note(&db->damages, local.text) == DAMAGE_NEW)
            counter_inc(db->metrics.block_corruptions);
        return errbuf_set(err, code, "merging %zu blocks, which stay as they are: %s",
                          candidates->count, local.text);
    }
    replace_blocks(db, candidates->blocks, candidates->count, merged);
    report_success(db, candidates, merged, start_ns);
    block_unref(merged);
    return ERR_NONE;
}

enum err block_upkeep_compact(struct tsdb *db, bool *out_did, struct errbuf *err)
{
    mutex_assert_held(&db->maintenance_lock);
    struct compaction_ranges ranges;
    struct candidates candidates;
    enum err code = ERR_NONE;
    compaction_ranges_init(&ranges, db->head.range_ms, largest_ms(db));
    candidates_take(&candidates, db);
    candidates_choose(&candidates, &ranges);
    *out_did = candidates.count > 0;
    if (candidates.count > 0)
        code = compact_chosen(db, &candidates, err);
    candidates_release(&candidates);
    return code;
}

/* --- figures --- */

void tsdb_print_blocks(struct tsdb *db, struct json_writer *json)
{
    struct block_list *list = block_shelf_take(&db->shelf);
    json_array_begin(json);
    for (size_t i = 0; i < list->count; i++) {
        struct block_meta CLEANUP(block_meta_release) meta;
        block_meta_now(list->blocks[i], &meta);
        struct buf CLEANUP(buf_release) text;
        buf_init(&text, BLOCK_META_SIZE_MAX);
        block_meta_print_reference(&meta, &text);
        json_raw(json, slice_trim(buf_slice(&text)));
    }
    json_array_end(json);
    block_list_unref(list);
}

/* --- retention --- */

void block_upkeep_retain(struct tsdb *db, uint64_t bytes_max)
{
    mutex_assert_held(&db->maintenance_lock);
    struct block_list *list = block_shelf_take(&db->shelf);
    struct retention_limits limits = {.time_ms = db->retention_ms,
                                      .bytes = bytes_max,
                                      .besides = wal_bytes(db->wal) + db->head_files.bytes};
    struct retention_block *blocks = mem_zalloc((list->count + 1) * sizeof(*blocks));
    struct block **gone = mem_zalloc((list->count + 1) * sizeof(*gone));
    for (size_t i = 0; i < list->count; i++)
        blocks[i] = (struct retention_block){.max_ms = block_meta(list->blocks[i])->max_ms,
                                             .bytes = block_size_bytes(list->blocks[i]),
                                             .place = i};
    struct retention_verdict verdict = retention_judge(&limits, blocks, list->count);
    size_t gone_count = 0;
    for (size_t i = verdict.kept; i < list->count; i++)
        gone[gone_count++] = list->blocks[blocks[i].place];
    if (verdict.by_time)
        counter_inc(db->metrics.time_retentions);
    if (verdict.by_size)
        counter_inc(db->metrics.size_retentions);
    if (gone_count > 0) {
        log_info("Blocks beyond the retention are deleted", log_uint("blocks", gone_count),
                 log_int("until", blocks[verdict.kept].max_ms));
        replace_blocks(db, gone, gone_count, NULL);
    }
    mem_free(gone);
    mem_free(blocks);
    block_list_unref(list);
}

/* --- deletions --- */

enum err block_upkeep_delete(struct tsdb *db, const struct matcher *const *matchers, size_t count,
                             int64_t min_ms, int64_t max_ms, struct errbuf *err)
{
    mutex_assert_held(&db->maintenance_lock);
    struct block_list *list = block_shelf_take(&db->shelf);
    enum err code = ERR_NONE;
    for (size_t i = 0; i < list->count && code == ERR_NONE; i++) {
        if (block_overlaps(list->blocks[i], min_ms, max_ms))
            code = block_delete(list->blocks[i], matchers, count, min_ms, max_ms, NULL, err);
    }
    block_list_unref(list);
    return code;
}

/* A block once more, without what is deleted from it. */
static enum err clean_block(struct tsdb *db, struct block *block, struct errbuf *err)
{
    struct block *cleaned = NULL;
    enum err code = run_compaction(db, &block, 1, true, &cleaned, err);
    if (code == ERR_NONE)
        replace_blocks(db, &block, 1, cleaned);
    block_unref(cleaned);
    return code;
}

enum err tsdb_clean_tombstones(struct tsdb *db, struct errbuf *err)
{
    MUTEX_GUARD(&db->maintenance_lock);
    int64_t start_ns = clock_monotonic_ns(db->clock);
    struct block_list *list = block_shelf_take(&db->shelf);
    enum err code = ERR_NONE;
    for (size_t i = 0; i < list->count && code == ERR_NONE; i++) {
        if (block_tombstone_count(list->blocks[i]) > 0)
            code = clean_block(db, list->blocks[i], err);
    }
    block_list_unref(list);
    counter_observe(db->metrics.tombstone_cleanup, seconds_since(db, start_ns));
    return code;
}
