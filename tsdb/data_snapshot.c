/*
 * Snapshots of all data for backups: blocks as hard links, which cost nothing, and the head as a
 * block. What is made looks like a data directory, so a server can be started on it or on a copy.
 */
#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/path.h"
#include "base/rand.h"
#include "tsdb/block_copy.h"
#include "tsdb/block_directory.h"
#include "tsdb/head_view.h"
#include "tsdb/tsdb_internal.h"

struct data_snapshot {
    struct tsdb *db;
    struct buf path;   /* of the snapshot */
    char *blocks_path; /* of its blocks */
    struct rand rand;
};

/* --- blocks --- */

/* The files of one directory into another. */
struct link_walk {
    const struct fs *fs;
    const char *from;
    const char *to;
    struct errbuf *err;
};

static int link_file(const char *name, void *context)
{
    struct link_walk *walk = context;
    char *from CLEANUP(mem_cleanup) = path_join(walk->from, name);
    char *to CLEANUP(mem_cleanup) = path_join(walk->to, name);
    int linked = walk->fs->link(walk->fs, from, to);
    if (linked < 0)
        errbuf_set_errno(walk->err, -linked, "linking %s", from);
    return linked;
}

static enum err sync_directory(const struct fs *fs, const char *path, struct errbuf *err)
{
    int synced = fs->sync_directory(fs, path);
    return synced < 0 ? errbuf_set_errno(err, -synced, "syncing %s", path) : ERR_NONE;
}

static enum err link_block(struct data_snapshot *snapshot, const struct block *block,
                           struct errbuf *err)
{
    const struct fs *fs = snapshot->db->fs;
    char *to CLEANUP(mem_cleanup) = path_join(snapshot->blocks_path, block_meta(block)->ulid.text);
    enum err code = fs_make_directories(fs, to, err);
    if (code != ERR_NONE)
        return code;
    struct errbuf local = ERRBUF_INIT;
    struct link_walk walk = {fs, block_path(block), to, &local};
    int listed = fs->list(fs, walk.from, link_file, &walk);
    if (listed < 0 && local.code == ERR_NONE)
        errbuf_set_errno(&local, -listed, "listing %s", walk.from);
    if (listed < 0)
        return errbuf_set(err, local.code, "%s", local.text);
    return sync_directory(fs, walk.to, err);
}

/* --- the head --- */

static enum err write_head(struct data_snapshot *snapshot, struct series_view *view,
                           const struct block_meta *meta, struct errbuf *err)
{
    struct block_writer *writer;
    struct block_writer_options options = {
        .fs = snapshot->db->fs, .directory = snapshot->blocks_path, .meta = meta};
    enum err code = block_writer_open(&options, &writer, err);
    if (code != ERR_NONE)
        return code;
    struct block_copy copy = {.writer = writer,
                              .view = view,
                              .query = {.min_ms = meta->min_ms, .max_ms = meta->max_ms - 1},
                              .stop = &snapshot->db->stop};
    code = block_copy_series(&copy, NULL, err);
    if (code != ERR_NONE) {
        block_writer_abort(writer);
        return code;
    }
    struct block_meta CLEANUP(block_meta_release) written = {0};
    return block_writer_finish(writer, &written, err);
}

/* What the blocks of the list have not. */
static enum err snapshot_head(struct data_snapshot *snapshot, const struct block_list *list,
                              struct errbuf *err)
{
    struct tsdb *db = snapshot->db;
    struct series_view *view = head_view_open(db, HEAD_SAMPLES_ALL);
    head_view_begin_at(view, list->head_from_ms);
    int64_t from_ms = MAX((int64_t)db->head.min_ms, list->head_from_ms);
    struct block_meta meta = {.level = 1,
                              .min_ms = MIN(from_ms, (int64_t)db->head.late_min_ms),
                              .max_ms = db->head.max_ms};
    enum err code = ERR_NONE;
    if (meta.min_ms <= meta.max_ms && meta.max_ms < INT64_MAX) {
        meta.max_ms++;
        ulid_make(&meta.ulid, clock_now_ms(db->clock), &snapshot->rand);
        code = write_head(snapshot, view, &meta, err);
    }
    series_view_close(view);
    return code;
}

/* --- the whole --- */

/* 20171210T211224Z-2be650b6d019eb54: the time of day, and chance. */
static void append_name(struct data_snapshot *snapshot, struct buf *out)
{
    time_t seconds = (time_t)(clock_now_ms(snapshot->db->clock) / 1000);
    struct tm now;
    char text[32];
    gmtime_r(&seconds, &now);
    strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &now);
    buf_printf(out, "%s-%016" PRIx64, text, rand_u64(&snapshot->rand) >> 1);
}

static enum err fill(struct data_snapshot *snapshot, bool skip_head, struct errbuf *err)
{
    struct tsdb *db = snapshot->db;
    struct tsdb_directory made;
    enum err code = directory_open(db->fs, buf_cstr(&snapshot->path), true, &made, err);
    if (code != ERR_NONE)
        return code;
    directory_close(db->fs, &made);
    code = fs_make_directories(db->fs, snapshot->blocks_path, err);
    struct block_list *list = block_shelf_take(&db->shelf);
    for (size_t i = 0; i < list->count && code == ERR_NONE; i++)
        code = link_block(snapshot, list->blocks[i], err);
    if (code == ERR_NONE && !skip_head)
        code = snapshot_head(snapshot, list, err);
    if (code == ERR_NONE)
        code = sync_directory(db->fs, snapshot->blocks_path, err);
    block_list_unref(list);
    return code;
}

enum err tsdb_snapshot(struct tsdb *db, bool skip_head, struct buf *out_name, struct errbuf *err)
{
    MUTEX_GUARD(&db->maintenance_lock);
    struct data_snapshot snapshot = {.db = db};
    struct buf CLEANUP(buf_release) name;
    buf_init(&name, 64);
    buf_init(&snapshot.path, PATH_SIZE_MAX);
    rand_init(&snapshot.rand, rand_seed_system());
    append_name(&snapshot, &name);
    buf_printf(&snapshot.path, "%s/snapshots/%s", db->directory.path, buf_cstr(&name));
    snapshot.blocks_path = block_directory_path(buf_cstr(&snapshot.path));
    enum err code = fill(&snapshot, skip_head, err);
    if (code == ERR_NONE)
        buf_append_slice(out_name, buf_slice(&name));
    else if (fs_remove_tree(db->fs, buf_cstr(&snapshot.path), NULL) != ERR_NONE)
        log_warn("A snapshot that failed was not removed",
                 log_str("path", buf_cstr(&snapshot.path)));
    mem_free(snapshot.blocks_path);
    buf_release(&snapshot.path);
    return code;
}
