/*
 * ferulatool tsdb export-prometheus: each block of ours becomes a block of Prometheus of the same
 * name, and what is not in blocks yet becomes blocks of two hours.
 */
#include "tool/tsdb_commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/path.h"
#include "tool/data_directory.h"
#include "tool/progress.h"
#include "tool/prometheus_block_writer.h"
#include "tsdb/tsdb.h"

#define HEAD_BLOCK_MS INT64_C(7200000)

struct export
{
    const char *to;
    size_t blocks;
    size_t left_out;
    size_t damaged;
    uint64_t samples;
};

static enum err copy_series(struct series_view *view, const struct series_list *list,
                            const struct block_meta *meta, struct prometheus_block_writer *writer,
                            struct errbuf *err)
{
    struct sample_columns CLEANUP(sample_columns_release) columns;
    sample_columns_init(&columns);
    enum err code = ERR_NONE;
    for (size_t i = 0; i < list->entries.len && code == ERR_NONE; i++) {
        progress_show(meta->ulid.text, i, list->entries.len);
        code = series_view_read(view, &list->entries.items[i], meta->min_ms, meta->max_ms - 1,
                                &columns, err);
        if (code == ERR_NONE)
            prometheus_block_writer_series(writer, i, &columns);
        if (prometheus_block_writer_failed(writer))
            break; /* its end tells why */
    }
    progress_clear();
    return code;
}

/* The samples that `source` has in the time of `meta`. */
static enum err export_source(struct export *export, struct series_source *source,
                              const struct block_meta *meta, struct errbuf *err)
{
    struct series_view *view;
    struct series_list CLEANUP(series_list_release) list = {0};
    struct prometheus_block_writer *writer = NULL;
    struct block_meta written = {0};
    enum err code = series_source_open(source, meta->min_ms, meta->max_ms - 1, &view, err);
    if (code != ERR_NONE)
        return code;
    struct series_query query = {
        .min_ms = meta->min_ms, .max_ms = meta->max_ms - 1, .sorted = true};
    code = series_view_select(view, &query, &list, err);
    struct prometheus_block_writer_options options = {
        .fs = fs_system, .directory = export->to, .meta = meta, .list = &list};
    if (code == ERR_NONE)
        code = prometheus_block_writer_open(&options, &writer, err);
    if (code == ERR_NONE) {
        code = copy_series(view, &list, meta, writer, err);
        if (code == ERR_NONE)
            code = prometheus_block_writer_finish(writer, &written, err);
        else
            prometheus_block_writer_abort(writer);
    }
    export->damaged += series_view_tell_left_out(view);
    export->blocks += written.stats.samples > 0;
    export->samples += written.stats.samples;
    block_meta_release(&written);
    series_view_close(view);
    return code;
}

static bool is_exported(const struct export *export, const struct block_meta *meta)
{
    char *path CLEANUP(mem_cleanup) = path_join(export->to, meta->ulid.text);
    struct fs_stat stat;
    return fs_system->stat(fs_system, path, &stat) == 0;
}

static enum err export_blocks(struct export *export, const struct data_directory *from,
                              struct errbuf *err)
{
    enum err code = ERR_NONE;
    for (size_t i = 0; i < from->blocks.len && code == ERR_NONE; i++) {
        const struct data_block *block = &from->blocks.items[i];
        struct data_source source;
        if (is_exported(export, &block->meta)) {
            export->left_out++;
            continue;
        }
        code = data_source_open(from, block, &source, err);
        if (code == ERR_NONE)
            code = export_source(export, source.source, &block->meta, err);
        data_source_close(&source);
        if (code != ERR_NONE)
            errbuf_prefix(err, "block %s: ", block->meta.ulid.text);
        if (code == ERR_CORRUPT || code == ERR_UNSUPPORTED || code == ERR_NOT_FOUND) {
            fprintf(stderr, "left out: %s\n", err->text);
            export->damaged++;
            code = ERR_NONE;
        }
    }
    return code;
}

static int64_t floor_to(int64_t time_ms, int64_t step_ms)
{
    int64_t rest = time_ms % step_ms;
    return time_ms - (rest < 0 ? rest + step_ms : rest);
}

/* Blocks are in the source, too: from the head's oldest sample on, where one overlaps it, Prometheus
 * has a sample twice and sees it once. */
static enum err export_head(struct export *export, struct tsdb *db, struct errbuf *err)
{
    struct tsdb_head_stats stats;
    struct rand rand;
    tsdb_head_stats(db, &stats);
    rand_init(&rand, rand_seed_system());
    enum err code = ERR_NONE;
    if (stats.min_ms > stats.max_ms)
        return ERR_NONE;
    for (int64_t at = floor_to(stats.min_ms, HEAD_BLOCK_MS); at <= stats.max_ms && code == ERR_NONE;
         at += HEAD_BLOCK_MS) {
        struct block_meta meta = {
            .level = 1, .min_ms = MAX(at, stats.min_ms), .max_ms = at + HEAD_BLOCK_MS};
        /* what lies ahead of it is Prometheus' to collect */
        meta.max_ms = MIN(meta.max_ms, stats.max_ms + 1);
        ulid_make(&meta.ulid, clock_now_ms(clock_system), &rand);
        code = export_source(export, tsdb_source(db), &meta, err);
    }
    return code;
}

static enum err export_all(struct export *export, const struct data_directory *from,
                           struct errbuf *err)
{
    if (from->is_prometheus)
        return errbuf_set(err, ERR_INVALID, "%s is not a data directory of ferula", from->path);
    enum err code = fs_make_directories(fs_system, export->to, err);
    if (code != ERR_NONE)
        return code;
    /* first, so that a server cannot start while blocks are read */
    struct tsdb *db = data_directory_open_head(from);
    code = export_blocks(export, from, err);
    if (code == ERR_NONE && db != NULL)
        code = export_head(export, db, err);
    data_directory_close_head(from, db);
    return code;
}

static int run(const struct command_line *line)
{
    struct errbuf err = ERRBUF_INIT;
    struct data_directory from;
    struct export export = {.to = command_line_argument(line, 1)};
    if (data_directory_open(command_line_argument(line, 0), &from, &err) != ERR_NONE) {
        fprintf(stderr, "%s\n", err.text);
        return EXIT_FAILURE;
    }
    enum err code = export_all(&export, &from, &err);
    if (code != ERR_NONE)
        fprintf(stderr, "%s\n", err.text);
    printf("%zu blocks with %" PRIu64 " samples exported from %s to %s", export.blocks,
           export.samples, from.path, export.to);
    if (export.left_out > 0)
        printf("; %zu were there already", export.left_out);
    if (export.damaged + from.unreadable > 0)
        printf("; %zu could not be read", export.damaged + from.unreadable);
    printf("\n");
    if (export.damaged + from.unreadable > 0)
        code = ERR_CORRUPT; /* it was told */
    data_directory_release(&from);
    return code == ERR_NONE ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command tsdb_export_command = {
    .words = "tsdb export-prometheus",
    .help = "Write the samples of a data directory of ferula as blocks of Prometheus, which it "
            "takes when they lie in its data directory as it starts. While a server has the data "
            "directory open, what is not in blocks yet is left out.",
    .arguments = {{"db path", true, NULL, "The data directory of ferula."},
                  {"output directory", true, NULL,
                   "Where the blocks go; made where it is missing."}},
    .run = run,
};
