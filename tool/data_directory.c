#include "tool/data_directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "tool/owner.h"
#include "tool/progress.h"
#include "tool/prometheus_block.h"
#include "tool/prometheus_head.h"
#include "tsdb/block.h"
#include "tsdb/merged_view.h"
#include "tsdb/tsdb.h"

#define FORMAT_FILE "FERULA"
#define BESIDE_NAME "ferula"
#define BLOCKS_NAME "blocks"

static bool exists(const char *directory, const char *name)
{
    char *path CLEANUP(mem_cleanup) = path_join(directory, name);
    struct fs_stat stat;
    return fs_system->stat(fs_system, path, &stat) == 0;
}

/* --- blocks --- */

static int add_size(const char *name, void *context);

struct size_scan {
    const char *directory;
    uint64_t size;
};

static uint64_t tree_size(const char *path)
{
    struct fs_stat stat;
    if (fs_system->stat(fs_system, path, &stat) != 0)
        return 0;
    if (!stat.is_directory)
        return stat.size;
    struct size_scan scan = {path, 0};
    fs_system->list(fs_system, path, add_size, &scan);
    return scan.size;
}

static int add_size(const char *name, void *context)
{
    struct size_scan *scan = context;
    char *path CLEANUP(mem_cleanup) = path_join(scan->directory, name);
    scan->size += tree_size(path);
    return 0;
}

static enum err read_meta(const struct data_directory *directory, const char *path,
                          struct block_meta *out, struct errbuf *err)
{
    if (directory->is_prometheus)
        return prometheus_block_read_meta(fs_system, path, out, err);
    char *file CLEANUP(mem_cleanup) = path_join(path, "meta.json");
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, BLOCK_META_SIZE_MAX);
    enum err code = fs_read_file(fs_system, file, &text, err);
    if (code != ERR_NONE)
        return code;
    code = block_meta_parse(buf_slice(&text), out, err);
    if (code != ERR_NONE)
        errbuf_prefix(err, "%s: ", file);
    return code;
}

struct block_scan {
    struct data_directory *directory;
    const char *path;
};

static int add_block(const char *name, void *context)
{
    struct block_scan *scan = context;
    if (!ulid_is_valid(slice_str(name)) || strlen(name) != ULID_LEN)
        return 0;
    struct errbuf err = ERRBUF_INIT;
    struct data_block block = {.path = path_join(scan->path, name)};
    if (read_meta(scan->directory, block.path, &block.meta, &err) != ERR_NONE) {
        fprintf(stderr, "left out: %s\n", err.text);
        scan->directory->unreadable++;
        mem_free(block.path);
        return 0;
    }
    block.size_bytes = tree_size(block.path);
    vec_push(&scan->directory->blocks, block);
    return 0;
}

static int block_compare(const void *a, const void *b)
{
    const struct data_block *x = a, *y = b;
    if (x->meta.min_ms != y->meta.min_ms)
        return x->meta.min_ms < y->meta.min_ms ? -1 : 1;
    if (x->meta.max_ms != y->meta.max_ms)
        return x->meta.max_ms < y->meta.max_ms ? -1 : 1;
    return strcmp(x->meta.ulid.text, y->meta.ulid.text);
}

static enum err list_blocks(struct data_directory *directory, struct errbuf *err)
{
    char *own CLEANUP(mem_cleanup) = path_join(directory->path, BLOCKS_NAME);
    struct block_scan scan = {directory, directory->is_prometheus ? directory->path : own};
    if (!directory->is_prometheus && !exists(directory->path, BLOCKS_NAME))
        return ERR_NONE;
    int failed = fs_system->list(fs_system, scan.path, add_block, &scan);
    if (failed < 0)
        return errbuf_set_errno(err, -failed, "reading %s", scan.path);
    if (directory->blocks.len > 1)
        qsort(directory->blocks.items, directory->blocks.len, sizeof(*directory->blocks.items),
              block_compare);
    return ERR_NONE;
}

static enum err check_directory(const char *path, struct errbuf *err)
{
    struct fs_stat stat;
    int failed = fs_system->stat(fs_system, path, &stat);
    if (failed < 0)
        return errbuf_set_errno(err, -failed, "opening the db dir %s", path);
    if (!stat.is_directory)
        return errbuf_set(err, ERR_INVALID, "opening the db dir: %s is a file", path);
    return ERR_NONE;
}

static enum err open_as(char *path, bool is_prometheus, struct data_directory *out,
                        struct errbuf *err)
{
    *out = (struct data_directory){.path = path, .is_prometheus = is_prometheus};
    enum err code = list_blocks(out, err);
    if (code != ERR_NONE)
        data_directory_release(out);
    return code;
}

enum err data_directory_open_prometheus(const char *path, struct data_directory *out,
                                        struct errbuf *err)
{
    enum err code = check_directory(path, err);
    return code == ERR_NONE ? open_as(mem_strdup(path), true, out, err) : code;
}

enum err data_directory_open(const char *path, struct data_directory *out, struct errbuf *err)
{
    enum err code = check_directory(path, err);
    if (code != ERR_NONE)
        return code;
    if (exists(path, FORMAT_FILE))
        return open_as(mem_strdup(path), false, out, err);
    char *beside = path_join(path, BESIDE_NAME);
    if (exists(beside, FORMAT_FILE)) {
        fprintf(stderr, "%s is a directory of Prometheus; this is about ferula's own data in %s\n",
                path, beside);
        return open_as(beside, false, out, err);
    }
    mem_free(beside);
    return data_directory_open_prometheus(path, out, err);
}

void data_directory_release(struct data_directory *directory)
{
    for (size_t i = 0; i < directory->blocks.len; i++) {
        mem_free(directory->blocks.items[i].path);
        block_meta_release(&directory->blocks.items[i].meta);
    }
    vec_release(&directory->blocks);
    mem_free(directory->path);
    directory->path = NULL;
}

/* --- samples --- */

enum err data_source_open(const struct data_directory *directory, const struct data_block *block,
                          struct data_source *out, struct errbuf *err)
{
    *out = (struct data_source){0};
    enum err code = directory->is_prometheus
                        ? prometheus_block_open(fs_system, block->path, &out->prometheus, err)
                        : block_open(fs_system, block->path, &out->block, err);
    if (code == ERR_NONE)
        out->source = directory->is_prometheus ? prometheus_block_source(out->prometheus)
                                               : block_source(out->block);
    return code;
}

void data_source_close(struct data_source *source)
{
    prometheus_block_close(source->prometheus);
    block_unref(source->block);
    *source = (struct data_source){0};
}

struct tsdb *data_directory_open_head(const struct data_directory *directory)
{
    /* as little as possible is changed: no retention, nothing written at the end */
    struct tsdb_options options = {.path = directory->path, .no_snapshot = true};
    struct errbuf err = ERRBUF_INIT;
    struct tsdb *db = NULL;
    if (tsdb_open(&options, &db, &err) == ERR_NONE)
        return db;
    fprintf(stderr, "the newest samples, which are not in blocks yet, are left out: %s\n",
            err.text);
    return NULL;
}

void data_directory_close_head(const struct data_directory *directory, struct tsdb *db)
{
    if (db == NULL)
        return;
    tsdb_close(db);
    owner_restore(directory->path);
}

/* Up to where blocks have what came in the order of time. */
static int64_t blocks_end_ms(const struct data_directory *directory)
{
    int64_t end_ms = INT64_MIN;
    for (size_t i = 0; i < directory->blocks.len; i++) {
        const struct block_meta *meta = &directory->blocks.items[i].meta;
        if (!meta->out_of_order)
            end_ms = MAX(end_ms, meta->max_ms);
    }
    return end_ms;
}

static void show_replay(uint64_t done, uint64_t total)
{
    progress_show("reading the log: MiB", done >> 20, total >> 20);
}

enum err data_directory_open_prometheus_head(const struct data_directory *directory,
                                             struct prometheus_head **out, size_t *out_damaged,
                                             struct errbuf *err)
{
    struct prometheus_head_options options = {.fs = fs_system,
                                              .path = directory->path,
                                              .valid_from_ms = blocks_end_ms(directory),
                                              .progress = show_replay};
    struct errbuf own = ERRBUF_INIT;
    *out = NULL;
    enum err code = prometheus_head_open(&options, out, &own);
    progress_clear();
    if (code == ERR_NOT_FOUND)
        return ERR_NONE;
    if (code != ERR_NONE)
        return errbuf_set(err, code, "%s", own.text);
    const struct notes *notes = prometheus_head_notes(*out);
    for (size_t i = 0; i < notes->texts.len; i++)
        fprintf(stderr, "%s\n", notes->texts.items[i]);
    if (notes->left_out > 0)
        fprintf(stderr, "%zu more of this kind\n", notes->left_out);
    *out_damaged += notes->damaged;
    return ERR_NONE;
}

static enum err open_blocks(const struct data_directory *directory, int64_t min_ms, int64_t max_ms,
                            struct data_view *out, struct errbuf *err)
{
    VEC(struct merged_part) parts = {0};
    enum err code = ERR_NONE;
    for (size_t i = 0; i < directory->blocks.len && code == ERR_NONE; i++) {
        const struct data_block *block = &directory->blocks.items[i];
        if (block->meta.min_ms > max_ms || block->meta.max_ms <= min_ms)
            continue;
        struct merged_part part = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
        code = data_source_open(directory, block, vec_add(&out->sources), err);
        if (code == ERR_NONE)
            code = series_source_open(out->sources.items[out->sources.len - 1].source, min_ms,
                                      max_ms, &part.view, err);
        if (code == ERR_NONE)
            vec_push(&parts, part);
    }
    if (code == ERR_NONE && out->prometheus_head != NULL) {
        struct merged_part part = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
        code = series_source_open(prometheus_head_source(out->prometheus_head), min_ms, max_ms,
                                  &part.view, err);
        if (code == ERR_NONE)
            vec_push(&parts, part);
    }
    struct merged_options options = {.parts = parts.items, .count = parts.len};
    if (code == ERR_NONE)
        out->view = merged_view_new(&options);
    for (size_t i = 0; code != ERR_NONE && i < parts.len; i++)
        series_view_close(parts.items[i].view);
    vec_release(&parts);
    return code;
}

enum err data_view_open(const struct data_directory *directory, int64_t min_ms, int64_t max_ms,
                        struct data_view *out, struct errbuf *err)
{
    *out = (struct data_view){.directory = directory};
    if (directory->is_prometheus) {
        size_t damaged = 0;
        enum err code =
            data_directory_open_prometheus_head(directory, &out->prometheus_head, &damaged, err);
        if (code != ERR_NONE)
            return code;
    } else {
        out->db = data_directory_open_head(directory);
    }
    enum err code = out->db != NULL
                        ? series_source_open(tsdb_source(out->db), min_ms, max_ms, &out->view, err)
                        : open_blocks(directory, min_ms, max_ms, out, err);
    if (code != ERR_NONE)
        data_view_close(out);
    return code;
}

size_t series_view_tell_left_out(struct series_view *view)
{
    struct arena arena CLEANUP(arena_release);
    struct text_list left_out;
    arena_init(&arena, SIZE_MAX);
    series_view_warnings(view, &arena, &left_out);
    for (size_t i = 0; i < left_out.count; i++)
        fprintf(stderr, "%.*s\n", SLICE_ARG(left_out.items[i]));
    return left_out.count;
}

void data_view_close(struct data_view *view)
{
    series_view_close(view->view);
    for (size_t i = 0; i < view->sources.len; i++)
        data_source_close(&view->sources.items[i]);
    vec_release(&view->sources);
    prometheus_head_close(view->prometheus_head);
    data_directory_close_head(view->directory, view->db);
    *view = (struct data_view){0};
}
