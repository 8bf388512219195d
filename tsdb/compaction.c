#include "tsdb/compaction.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/path.h"
#include "tsdb/block_copy.h"
#include "tsdb/block_writer.h"
#include "tsdb/merged_view.h"

/* So many series, counted in each block, are selected by one set of views before it is opened anew
 * to give memory back. */
#define VIEW_SERIES_MAX 65536

#define METRIC_NAME SLICE("__name__")

/* --- what the result says of itself --- */

static int ulid_compare(const void *a, const void *b)
{
    return strcmp(((const struct ulid *)a)->text, ((const struct ulid *)b)->text);
}

static void sources_sort(struct block_meta *meta)
{
    size_t kept = 0;
    if (meta->sources.len > 1)
        qsort(meta->sources.items, meta->sources.len, sizeof(struct ulid), ulid_compare);
    for (size_t i = 0; i < meta->sources.len; i++) {
        if (i == 0 || ulid_compare(&meta->sources.items[i], &meta->sources.items[kept - 1]) != 0)
            meta->sources.items[kept++] = meta->sources.items[i];
    }
    meta->sources.len = kept;
}

static void make_meta(const struct compaction *compaction, struct block_meta *out)
{
    const struct block_meta *first = block_meta(compaction->blocks[0]);
    int64_t in_order_max_ms = INT64_MIN;
    *out = (struct block_meta){
        .ulid = compaction->ulid, .min_ms = first->min_ms, .max_ms = first->max_ms};
    for (size_t i = 0; i < compaction->count; i++) {
        const struct block_meta *meta = block_meta(compaction->blocks[i]);
        out->min_ms = MIN(out->min_ms, meta->min_ms);
        out->max_ms = MAX(out->max_ms, meta->max_ms);
        out->level = MAX(out->level, meta->level);
        if (!meta->out_of_order)
            in_order_max_ms = MAX(in_order_max_ms, meta->max_ms);
        else if (meta->partly_in_order)
            in_order_max_ms = MAX(in_order_max_ms, meta->in_order_max_ms);
        for (size_t k = 0; k < meta->sources.len; k++)
            vec_push(&out->sources, meta->sources.items[k]);
        vec_push(&out->parents, (struct block_parent){meta->ulid, meta->min_ms, meta->max_ms});
    }
    /* the head may still have what lies behind the last sample in order: an imported block may
     * reach there, and must not say that the head begins at its end */
    out->out_of_order = out->max_ms > in_order_max_ms;
    if (out->out_of_order && in_order_max_ms > INT64_MIN) {
        out->partly_in_order = true;
        out->in_order_max_ms = in_order_max_ms;
    }
    out->level += compaction->rewrite ? 0 : 1;
    sources_sort(out);
}

/* --- reading --- */

static int time_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static enum err open_view(const struct compaction *compaction, struct series_view **out,
                          struct errbuf *err)
{
    VEC(struct merged_part) parts = {0};
    enum err code = ERR_NONE;
    for (size_t i = 0; i < 2 * compaction->count && code == ERR_NONE; i++) {
        struct block *block = compaction->blocks[i % compaction->count];
        const struct block_meta *meta = block_meta(block);
        /* as for queries, what came in order wins */
        if (meta->out_of_order != (i < compaction->count))
            continue;
        struct merged_part part = {.min_ms = meta->min_ms, .max_ms = meta->max_ms - 1};
        code = series_source_open(block_source(block), part.min_ms, part.max_ms, &part.view, err);
        if (code == ERR_NONE)
            vec_push(&parts, part);
    }
    if (code == ERR_NONE)
        *out = merged_view_new(&(struct merged_options){.parts = parts.items, .count = parts.len});
    for (size_t i = 0; i < parts.len && code != ERR_NONE; i++)
        series_view_close(parts.items[i].view);
    vec_release(&parts);
    return code;
}

/* A run: the writer's, and a view that is opened anew now and then. */
struct run {
    const struct compaction *compaction;
    struct block_copy copy;
    VEC(int64_t) splits_ms;
    size_t selected; /* by this view */
};

static void close_view(struct run *run)
{
    series_view_close(run->copy.view);
    run->copy.view = NULL;
    run->selected = 0;
}

static enum err copy_selected(struct run *run, const struct matcher *matcher, struct errbuf *err)
{
    size_t selected = 0;
    if (run->selected * run->compaction->count >= VIEW_SERIES_MAX)
        close_view(run);
    if (run->copy.view == NULL) {
        enum err code = open_view(run->compaction, &run->copy.view, err);
        if (code != ERR_NONE)
            return code;
    }
    run->copy.query.matchers = &matcher;
    run->copy.query.matcher_count = matcher == NULL ? 0 : 1;
    enum err code = block_copy_series(&run->copy, &selected, err);
    run->copy.query.matchers = NULL;
    run->selected += selected;
    return code;
}

static enum err copy_metric(struct run *run, struct slice name, struct errbuf *err)
{
    struct matcher *matcher = NULL;
    enum err code = matcher_new(MATCHER_EQUAL, METRIC_NAME, name, &matcher, err);
    if (code == ERR_NONE)
        code = copy_selected(run, matcher, err);
    matcher_free(matcher);
    return code;
}

/* Metric by metric is the order of labels only where no label comes before the name of the metric,
 * which those with capitals do. */
static enum err copy_all(struct run *run, struct arena *arena, struct errbuf *err)
{
    struct series_query all = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    struct text_list names = {0}, metrics = {0};
    struct series_view *view;
    enum err code = open_view(run->compaction, &view, err);
    if (code != ERR_NONE)
        return code;
    code = series_view_label_names(view, &all, arena, &names, err);
    if (code == ERR_NONE)
        code = series_view_label_values(view, METRIC_NAME, &all, arena, &metrics, err);
    series_view_close(view);
    if (code != ERR_NONE)
        return code;
    if (names.count == 0 || slice_cmp(names.items[0], METRIC_NAME) < 0)
        return copy_selected(run, NULL, err);
    for (size_t i = 0; i < metrics.count && code == ERR_NONE; i++)
        code = copy_metric(run, metrics.items[i], err);
    return code == ERR_NONE ? copy_metric(run, SLICE(""), err) : code;
}

static enum err copy_blocks(const struct compaction *compaction, const struct block_meta *meta,
                            struct block_writer *writer, struct errbuf *err)
{
    struct run run = {.compaction = compaction,
                      .copy = {.writer = writer,
                               .query = {.min_ms = meta->min_ms, .max_ms = meta->max_ms - 1},
                               .stop = compaction->stop}};
    for (size_t i = 0; i < compaction->count; i++) {
        vec_push(&run.splits_ms, block_meta(compaction->blocks[i])->min_ms);
        vec_push(&run.splits_ms, block_meta(compaction->blocks[i])->max_ms);
    }
    qsort(run.splits_ms.items, run.splits_ms.len, sizeof(int64_t), time_compare);
    run.copy.splits_ms = run.splits_ms.items;
    run.copy.split_count = run.splits_ms.len;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    enum err code = copy_all(&run, &arena, err);
    close_view(&run);
    arena_release(&arena);
    vec_release(&run.splits_ms);
    return code;
}

/* --- the whole --- */

static enum err open_result(const struct compaction *compaction, struct block **out,
                            struct errbuf *err)
{
    char *path CLEANUP(mem_cleanup) = path_join(compaction->directory, compaction->ulid.text);
    return block_open(compaction->fs, path, out, err);
}

static enum err write_result(const struct compaction *compaction, const struct block_meta *meta,
                             struct block **out, struct errbuf *err)
{
    struct block_writer *writer;
    struct block_writer_options options = {.fs = compaction->fs,
                                           .directory = compaction->directory,
                                           .meta = meta,
                                           .dense = block_span_ms(meta->min_ms, meta->max_ms) >=
                                                    COMPACTION_DENSE_MS};
    enum err code = block_writer_open(&options, &writer, err);
    if (code != ERR_NONE)
        return code;
    code = copy_blocks(compaction, meta, writer, err);
    if (code != ERR_NONE) {
        block_writer_abort(writer);
        return code;
    }
    struct block_meta CLEANUP(block_meta_release) written = {0};
    code = block_writer_finish(writer, &written, err);
    if (code == ERR_NONE && written.stats.samples > 0)
        code = open_result(compaction, out, err);
    return code;
}

enum err compaction_run(const struct compaction *compaction, struct block **out, struct errbuf *err)
{
    ASSERT(compaction->count > 0);
    ASSERT(!compaction->rewrite || compaction->count == 1);
    struct block_meta CLEANUP(block_meta_release) meta;
    make_meta(compaction, &meta);
    *out = NULL;
    return write_result(compaction, &meta, out, err);
}
