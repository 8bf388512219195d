#include "tsdb/block_pickup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/path.h"
#include "tsdb/block_directory.h"
#include "tsdb/tsdb_internal.h"

typedef VEC(struct ulid) ulid_vector;
typedef VEC(struct block *) block_vector;

static int scan_name(const char *name, void *context)
{
    ulid_vector *names = context;
    if (strlen(name) == ULID_LEN && ulid_is_valid(slice_str(name)))
        memcpy(vec_add(names)->text, name, ULID_LEN + 1);
    return 0;
}

static bool list_has(const struct block_list *list, const struct ulid *ulid)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(block_meta(list->blocks[i])->ulid.text, ulid->text) == 0)
            return true;
    }
    return false;
}

static bool has_parent(const struct block_meta *meta, const char *ulid)
{
    for (size_t i = 0; i < meta->parents.len; i++) {
        if (strcmp(meta->parents.items[i].ulid.text, ulid) == 0)
            return true;
    }
    return false;
}

static bool refuse(struct block_pickup *pickup, const struct ulid *ulid)
{
    for (size_t i = 0; i < pickup->refused.len; i++) {
        if (strcmp(pickup->refused.items[i].text, ulid->text) == 0)
            return false;
    }
    vec_push(&pickup->refused, *ulid);
    return true;
}

/* Is it merged into a block that is served, or merged of one? NULL: neither. */
static const char *find_relative(const struct block_list *list, const struct block *block)
{
    const struct block_meta *meta = block_meta(block);
    for (size_t i = 0; i < list->count; i++) {
        const struct block_meta *served = block_meta(list->blocks[i]);
        if (has_parent(served, meta->ulid.text) || has_parent(meta, served->ulid.text))
            return served->ulid.text;
    }
    return NULL;
}

/* The block as it is to be served; on failure it is released. */
static enum err open_late(struct tsdb *db, const char *path, struct block **out, struct errbuf *err)
{
    enum err code = block_open(db->fs, path, out, err);
    if (code != ERR_NONE || block_meta(*out)->out_of_order)
        return code;
    code = block_mark_out_of_order(*out, err);
    block_unref(*out);
    return code != ERR_NONE ? code : block_open(db->fs, path, out, err);
}

static void pick_up(struct tsdb *db, const struct block_list *list, const struct ulid *ulid,
                    const char *path, block_vector *added)
{
    struct errbuf err = ERRBUF_INIT;
    struct block *block;
    if (open_late(db, path, &block, &err) != ERR_NONE) {
        if (refuse(&db->pickup, ulid))
            log_warn("A block that was put here does not open; it is tried again every minute",
                     log_str("path", path), log_err(&err));
        counter_inc(db->metrics.reloads_failed);
        return;
    }
    const char *relative = find_relative(list, block);
    if (relative == NULL) {
        const struct block_meta *meta = block_meta(block);
        log_info("A block that was put here is served", log_str("ulid", meta->ulid.text),
                 log_int("mint", meta->min_ms), log_int("maxt", meta->max_ms),
                 log_uint("samples", meta->stats.samples));
        vec_push(added, block);
        block_leftovers_forget_unopened(&db->leftovers, path);
        return;
    }
    if (refuse(&db->pickup, ulid))
        log_warn("A block that was put here is not served: a block that is has the same samples",
                 log_str("path", path), log_str("served", relative));
    block_unref(block);
}

static void find_added(struct tsdb *db, const struct block_list *list, const ulid_vector *names,
                       block_vector *added)
{
    char *blocks CLEANUP(mem_cleanup) = block_directory_path(db->directory.path);
    for (size_t i = 0; i < names->len; i++) {
        char *path CLEANUP(mem_cleanup) = path_join(blocks, names->items[i].text);
        if (!list_has(list, &names->items[i]) && !block_leftovers_have(&db->leftovers, path))
            pick_up(db, list, &names->items[i], path, added);
    }
}

static void find_gone(struct tsdb *db, const struct block_list *list, block_vector *gone)
{
    for (size_t i = 0; i < list->count; i++) {
        struct fs_stat stat;
        const char *path = block_path(list->blocks[i]);
        if (db->fs->stat(db->fs, path, &stat) != -ENOENT)
            continue;
        log_warn("A block was taken away and is not served any more", log_str("path", path));
        vec_push(gone, list->blocks[i]);
    }
}

enum err block_pickup_run(struct tsdb *db, struct errbuf *err)
{
    mutex_assert_held(&db->maintenance_lock);
    char *blocks CLEANUP(mem_cleanup) = block_directory_path(db->directory.path);
    ulid_vector names = {0};
    counter_inc(db->metrics.reloads);
    int failed = db->fs->list(db->fs, blocks, scan_name, &names);
    if (failed < 0 && failed != -ENOENT) {
        vec_release(&names);
        counter_inc(db->metrics.reloads_failed);
        return errbuf_set_errno(err, -failed, "listing %s", blocks);
    }
    struct block_list *list = block_shelf_take(&db->shelf);
    block_vector added = {0};
    block_vector gone = {0};
    find_added(db, list, &names, &added);
    find_gone(db, list, &gone);
    if (added.len + gone.len > 0)
        block_shelf_publish(&db->shelf, block_list_change(list, gone.items, gone.len, added.items,
                                                          added.len, list->head_from_ms));
    for (size_t i = 0; i < added.len; i++)
        block_unref(added.items[i]);
    vec_release(&added);
    vec_release(&gone);
    vec_release(&names);
    block_list_unref(list);
    return ERR_NONE;
}

void block_pickup_release(struct block_pickup *pickup)
{
    vec_release(&pickup->refused);
}
