/*
 * ferulatool tsdb import-prometheus: each block of Prometheus becomes a block of ours, and what it
 * has in no block yet, of which it has a log, becomes blocks too. The blocks keep their names, or
 * get one that tells what was read, so that a second run takes over what is new and nothing twice.
 */
#include "tool/tsdb_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "tool/block_table.h"
#include "tool/data_directory.h"
#include "tool/owner.h"
#include "tool/progress.h"
#include "tool/prometheus_head.h"
#include "tool/prometheus_running.h"
#include "tool/tsdb_import_head.h"
#include "tsdb/block_writer.h"
#include "tsdb/directory.h"

/* From this length on blocks are packed with more effort. */
#define DENSE_MS INT64_C(86400000)

struct import {
    struct data_directory from;
    struct data_directory to; /* what is there already */
    char *blocks_path;
    VEC(struct data_block) written;
    size_t left_out;
    size_t damaged;
    bool is_running; /* a Prometheus, on what is read */
};

static bool is_in(const struct ulid *ulid, const struct ulid *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(ulid->text, list[i].text) == 0)
            return true;
    }
    return false;
}

static bool is_there(const struct import *import, const struct ulid *ulid)
{
    for (size_t i = 0; i < import->to.blocks.len; i++) {
        const struct block_meta *meta = &import->to.blocks.items[i].meta;
        if (strcmp(meta->ulid.text, ulid->text) == 0 ||
            is_in(ulid, meta->sources.items, meta->sources.len))
            return true;
    }
    return false;
}

/* Was it imported before, maybe compacted since, by them or by us? */
static bool is_known(const struct import *import, const struct block_meta *meta)
{
    if (is_there(import, &meta->ulid))
        return true;
    for (size_t i = 0; i < meta->sources.len; i++) {
        if (!is_there(import, &meta->sources.items[i]))
            return false;
    }
    return meta->sources.len > 0;
}

/* Blocks that went into another one stay for a moment. */
static bool is_replaced(const struct import *import, const struct block_meta *meta)
{
    for (size_t i = 0; i < import->from.blocks.len; i++) {
        const struct block_meta *other = &import->from.blocks.items[i].meta;
        for (size_t k = 0; k < other->parents.len; k++) {
            if (strcmp(other->parents.items[k].ulid.text, meta->ulid.text) == 0)
                return true;
        }
    }
    return false;
}

static enum err copy_series(struct series_view *view, const struct block_meta *meta,
                            struct block_writer *writer, struct errbuf *err)
{
    struct series_list CLEANUP(series_list_release) list = {0};
    struct sample_columns CLEANUP(sample_columns_release) columns;
    sample_columns_init(&columns);
    struct series_query query = {
        .min_ms = meta->min_ms, .max_ms = meta->max_ms - 1, .sorted = true};
    enum err code = series_view_select(view, &query, &list, err);
    for (size_t i = 0; i < list.entries.len && code == ERR_NONE; i++) {
        const struct labels *labels = list.entries.items[i].labels;
        progress_show(meta->ulid.text, i, list.entries.len);
        if (i > 0 && labels_equal(labels, list.entries.items[i - 1].labels))
            return errbuf_set(err, ERR_CORRUPT, "a series is in the block twice");
        code = series_view_read(view, &list.entries.items[i], query.min_ms, query.max_ms, &columns,
                                err);
        if (code != ERR_NONE || columns.count == 0)
            continue;
        block_writer_series(writer, labels);
        block_writer_samples(writer, &columns);
        if (block_writer_failed(writer))
            break; /* its end tells why */
    }
    progress_clear();
    return code;
}

static enum err write_block(struct import *import, const struct data_block *block,
                            struct series_view *view, struct errbuf *err)
{
    /* the head of a server may have samples of the same time: such a block must not hide them */
    struct block_meta meta = block->meta;
    meta.out_of_order = true;
    struct block_writer_options options = {.fs = fs_system,
                                           .directory = import->blocks_path,
                                           .meta = &meta,
                                           .dense = meta.max_ms - meta.min_ms >= DENSE_MS};
    struct block_writer *writer;
    struct data_block written = {0};
    enum err code = block_writer_open(&options, &writer, err);
    if (code != ERR_NONE)
        return code;
    code = copy_series(view, &block->meta, writer, err);
    if (code != ERR_NONE) {
        block_writer_abort(writer);
        return code;
    }
    code = block_writer_finish(writer, &written.meta, err);
    if (code == ERR_NONE && written.meta.stats.samples > 0)
        vec_push(&import->written, written);
    else
        block_meta_release(&written.meta);
    return code;
}

static enum err import_block(struct import *import, const struct data_block *block,
                             struct errbuf *err)
{
    struct data_source source;
    struct series_view *view;
    enum err code = data_source_open(&import->from, block, &source, err);
    if (code == ERR_NONE)
        code = series_source_open(source.source, INT64_MIN, INT64_MAX, &view, err);
    if (code == ERR_NONE) {
        code = write_block(import, block, view, err);
        series_view_close(view);
    }
    data_source_close(&source);
    if (code != ERR_NONE)
        errbuf_prefix(err, "block %s: ", block->meta.ulid.text);
    return code;
}

/* A block that is damaged is no reason to leave the others behind. */
static enum err import_all(struct import *import, struct errbuf *err)
{
    enum err code = ERR_NONE;
    for (size_t i = 0; i < import->from.blocks.len && code == ERR_NONE; i++) {
        const struct data_block *block = &import->from.blocks.items[i];
        if (is_known(import, &block->meta) || is_replaced(import, &block->meta)) {
            import->left_out++;
            continue;
        }
        code = import_block(import, block, err);
        if (code == ERR_CORRUPT || code == ERR_UNSUPPORTED || code == ERR_NOT_FOUND) {
            fprintf(stderr, "left out: %s\n", err->text);
            import->damaged++;
            code = ERR_NONE;
        }
    }
    return code;
}

/* --- what is in no block --- */

static bool head_block_is_known(const void *context, const struct ulid *ulid)
{
    return is_there(context, ulid);
}

static enum err import_head(struct import *import, struct errbuf *err)
{
    struct prometheus_head *head = NULL;
    enum err code =
        data_directory_open_prometheus_head(&import->from, &head, &import->damaged, err);
    if (code != ERR_NONE || head == NULL)
        return code;
    struct head_import run = {.head = head,
                              .blocks_path = import->blocks_path,
                              .is_known = head_block_is_known,
                              .context = import};
    code = head_import_run(&run, err);
    for (size_t i = 0; i < run.written.len; i++) {
        vec_push(&import->written, (struct data_block){.meta = run.written.items[i]});
        run.written.items[i] = (struct block_meta){0};
    }
    import->left_out += run.left_out;
    import->is_running |= prometheus_head_has_changed(head);
    head_import_release(&run);
    prometheus_head_close(head);
    return code;
}

static void tell_of_running(const struct import *import, const char *path)
{
    if (import->is_running)
        fprintf(
            stderr,
            "Prometheus is running on %s: what it stores from now on was not taken. Stop it and "
            "run this again to get that too; what is there already does no harm.\n",
            path);
}

static uint64_t sample_count(const struct import *import)
{
    uint64_t count = 0;
    for (size_t i = 0; i < import->written.len; i++)
        count += import->written.items[i].meta.stats.samples;
    return count;
}

static void tell(const struct import *import, const char *from, const char *to)
{
    if (import->written.len > 0)
        block_table_print(import->written.items, import->written.len, true, true);
    printf("%zu blocks with %" PRIu64 " samples imported from %s into %s", import->written.len,
           sample_count(import), from, to);
    if (import->left_out > 0)
        printf("; %zu were there already", import->left_out);
    if (import->damaged + import->from.unreadable > 0)
        printf("; %zu could not be read", import->damaged + import->from.unreadable);
    printf("\n");
    fflush(stdout);
    tell_of_running(import, from);
}

/* The table has a column for sizes. */
static void measure(struct import *import)
{
    struct data_directory now;
    if (data_directory_open(import->to.path, &now, NULL) != ERR_NONE)
        return;
    for (size_t i = 0; i < import->written.len; i++) {
        for (size_t k = 0; k < now.blocks.len; k++) {
            if (strcmp(now.blocks.items[k].meta.ulid.text,
                       import->written.items[i].meta.ulid.text) == 0)
                import->written.items[i].size_bytes = now.blocks.items[k].size_bytes;
        }
    }
    data_directory_release(&now);
}

static enum err import_into(struct import *import, const char *path, struct errbuf *err)
{
    struct tsdb_directory directory;
    enum err code = directory_open(fs_system, path, false, &directory, err);
    if (code != ERR_NONE)
        return code;
    import->blocks_path = path_print("%s/blocks", directory.path);
    code = fs_make_directories(fs_system, import->blocks_path, err);
    if (code == ERR_NONE)
        code = data_directory_open(directory.path, &import->to, err);
    if (code == ERR_NONE) {
        code = import_all(import, err);
        if (code == ERR_NONE)
            code = import_head(import, err);
        measure(import);
    }
    owner_restore(directory.path);
    directory_close(fs_system, &directory);
    return code;
}

/* A slip in the path would make a data directory of ours there. */
static enum err check_source(const struct import *import, const char *path, struct errbuf *err)
{
    if (import->from.blocks.len + import->from.unreadable > 0 ||
        directory_holds_prometheus(fs_system, path))
        return ERR_NONE;
    return errbuf_set(err, ERR_NOT_FOUND,
                      "%s is no data directory of Prometheus: there are no blocks and no log of it",
                      path);
}

static int run(const struct command_line *line)
{
    struct errbuf err = ERRBUF_INIT;
    const char *from = command_line_argument(line, 0);
    const char *to = command_line_text(line, "storage.tsdb.path");
    struct import import = {0};
    import.is_running = prometheus_is_running(fs_system, from);
    enum err code = data_directory_open_prometheus(from, &import.from, &err);
    if (code == ERR_NONE)
        code = check_source(&import, from, &err);
    if (code == ERR_NONE) {
        code = import_into(&import, to == NULL ? from : to, &err);
        tell(&import, from, import.to.path == NULL ? (to == NULL ? from : to) : import.to.path);
    }
    if (code != ERR_NONE)
        fprintf(stderr, "%s\n", err.text);
    else if (import.damaged + import.from.unreadable > 0)
        code = ERR_CORRUPT; /* it was told */
    for (size_t i = 0; i < import.written.len; i++)
        block_meta_release(&import.written.items[i].meta);
    vec_release(&import.written);
    data_directory_release(&import.from);
    data_directory_release(&import.to);
    mem_free(import.blocks_path);
    return code == ERR_NONE ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command tsdb_import_command = {
    .words = "tsdb import-prometheus",
    .help =
        "Take over the samples of a data directory of Prometheus, or of a snapshot of it: its "
        "blocks, and what is in no block yet. Prometheus' files are not changed. It should be "
        "stopped: of one that runs, what it stores from then on is missing. May be repeated: what "
        "is there already is left out. ferula must not run on its own data directory meanwhile.",
    .flags = {{"storage.tsdb.path", 0, COMMAND_TEXT, NULL, "DATA",
               "The data directory of ferula (default: the directory of Prometheus, in which "
               "ferula keeps a folder of its own)."}},
    .arguments = {{"directory", true, NULL, "The data directory of Prometheus."}},
    .run = run,
};
