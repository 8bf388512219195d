#include "tool/prometheus_block.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/path.h"
#include "model/labels.h"
#include "tool/label_texts.h"
#include "tool/prometheus_chunks.h"
#include "tool/prometheus_index.h"
#include "tool/prometheus_tombstones.h"

struct prometheus_block {
    struct series_source source;
    const struct fs *fs;
    char *path;
    struct block_meta meta;
    struct prometheus_index index;
    struct prometheus_chunks chunks;
    struct tombstones *tombstones;
};

struct block_view {
    struct series_view view;
    struct prometheus_block *block;
    struct arena arena;              /* label sets */
    uint32_t *symbols;               /* by the number in the index, with a reference each */
    struct prometheus_series series; /* scratch of select */
    VEC(struct label_pair) pairs;
};

/* --- series --- */

static uint32_t symbol_of(struct block_view *view, uint32_t number)
{
    if (view->symbols[number] == SYMBOL_NONE)
        view->symbols[number] =
            symbols_intern(prometheus_index_symbol(&view->block->index, number));
    return view->symbols[number];
}

/* The labels of view->series. The files of others are not trusted to be sorted. */
static enum err read_labels(struct block_view *view, const struct labels **out, struct errbuf *err)
{
    vec_reset(&view->pairs);
    for (size_t i = 0; i < view->series.pairs.len; i++) {
        struct prometheus_index_pair from = view->series.pairs.items[i];
        struct label_pair pair = {symbol_of(view, from.name), symbol_of(view, from.value)};
        if (pair.value == SYMBOL_EMPTY)
            continue; /* as good as not there */
        size_t count = view->pairs.len;
        if (pair.name == SYMBOL_EMPTY ||
            (count > 0 && slice_cmp(symbols_text(view->pairs.items[count - 1].name),
                                    symbols_text(pair.name)) >= 0))
            return errbuf_set(err, ERR_CORRUPT, "%s: the labels of series %llu are not in order",
                              view->block->index.path, (unsigned long long)view->series.ref);
        vec_push(&view->pairs, pair);
    }
    *out = labels_borrow(&view->arena, view->pairs.items, view->pairs.len);
    return ERR_NONE;
}

static bool labels_match(const struct labels *labels, const struct series_query *query)
{
    for (size_t i = 0; i < query->matcher_count; i++) {
        if (!matcher_matches(query->matchers[i], labels_get(labels, query->matchers[i]->name)))
            return false;
    }
    return true;
}

static bool chunks_overlap(const struct prometheus_series *series, int64_t min_ms, int64_t max_ms)
{
    for (size_t i = 0; i < series->chunks.len; i++) {
        if (series->chunks.items[i].min_ms <= max_ms && series->chunks.items[i].max_ms >= min_ms)
            return true;
    }
    return false;
}

static int entry_compare(const void *a, const void *b)
{
    const struct series_entry *x = a, *y = b;
    return labels_compare(x->labels, y->labels);
}

/* Files are sorted already, unless someone made them who does not know. */
static void sort_entries(struct series_list *list)
{
    for (size_t i = 1; i < list->entries.len; i++) {
        if (entry_compare(&list->entries.items[i - 1], &list->entries.items[i]) > 0) {
            qsort(list->entries.items, list->entries.len, sizeof(*list->entries.items),
                  entry_compare);
            return;
        }
    }
}

static enum err view_select(struct series_view *base, const struct series_query *query,
                            struct series_list *out, struct errbuf *err)
{
    struct block_view *view = (struct block_view *)base;
    const struct prometheus_index *index = &view->block->index;
    vec_reset(&out->entries);
    out->truncated = false;
    for (uint32_t i = 0; i < index->series_count; i++) {
        const struct labels *labels = NULL;
        enum err code = prometheus_index_series(index, i, &view->series, err);
        if (code == ERR_NONE && !chunks_overlap(&view->series, query->min_ms, query->max_ms))
            continue;
        struct arena_mark mark = arena_mark(&view->arena);
        if (code == ERR_NONE)
            code = read_labels(view, &labels, err);
        if (code != ERR_NONE)
            return code;
        if (labels_match(labels, query))
            vec_push(&out->entries, (struct series_entry){labels, i});
        else
            arena_rewind(&view->arena, mark);
    }
    if (query->sorted || query->limit > 0)
        sort_entries(out);
    out->truncated = query->limit > 0 && out->entries.len > query->limit;
    if (out->truncated)
        out->entries.len = query->limit;
    return ERR_NONE;
}

static enum err view_read(struct series_view *base, const struct series_entry *series,
                          int64_t min_ms, int64_t max_ms, struct sample_columns *out,
                          struct errbuf *err)
{
    struct block_view *view = (struct block_view *)base;
    struct prometheus_block *block = view->block;
    struct prometheus_series CLEANUP(prometheus_series_release) found = {0};
    struct buf CLEANUP(buf_release) scratch;
    buf_init(&scratch, BUF_SIZE_ANY);
    enum err code = prometheus_index_series(&block->index, (uint32_t)series->handle, &found, err);
    struct chunk_samples samples;
    chunk_samples_begin(&samples, out, min_ms, max_ms, tombstones_of(block->tombstones, found.ref));
    for (size_t i = 0; i < found.chunks.len && code == ERR_NONE; i++) {
        const struct prometheus_chunk_meta *chunk = &found.chunks.items[i];
        if (chunk->min_ms <= max_ms && chunk->max_ms >= min_ms)
            code = prometheus_chunks_read(&block->chunks, chunk->ref, &scratch, &samples, err);
    }
    chunk_samples_finish(&samples);
    return code;
}

/* --- the view and the block --- */

static void view_close(struct series_view *base)
{
    struct block_view *view = (struct block_view *)base;
    for (size_t i = 0; i < view->block->index.symbols.len; i++) {
        if (view->symbols[i] != SYMBOL_NONE)
            symbols_unref(view->symbols[i]);
    }
    mem_free(view->symbols);
    arena_release(&view->arena);
    prometheus_series_release(&view->series);
    vec_release(&view->pairs);
    mem_free(view);
}

static const struct series_view_operations view_operations = {
    .select = view_select,
    .read = view_read,
    .label_names = label_texts_names,
    .label_values = label_texts_values,
    .close = view_close,
};

static enum err source_open(struct series_source *source, int64_t min_ms, int64_t max_ms,
                            struct series_view **out, struct errbuf *err)
{
    struct block_view *view = mem_zalloc(sizeof(*view));
    view->view.operations = &view_operations;
    view->block = (struct prometheus_block *)source;
    arena_init(&view->arena, SIZE_MAX);
    size_t symbols = view->block->index.symbols.len;
    view->symbols = mem_alloc_array(symbols, sizeof(*view->symbols));
    for (size_t i = 0; i < symbols; i++)
        view->symbols[i] = SYMBOL_NONE;
    *out = &view->view;
    return ERR_NONE;
}

static const struct series_source_operations source_operations = {.open = source_open};

enum err prometheus_block_read_meta(const struct fs *fs, const char *path, struct block_meta *out,
                                    struct errbuf *err)
{
    char *file CLEANUP(mem_cleanup) = path_join(path, "meta.json");
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, BLOCK_META_SIZE_MAX);
    enum err code = fs_read_file(fs, file, &text, err);
    if (code != ERR_NONE)
        return code;
    code = block_meta_parse_reference(buf_slice(&text), out, err);
    if (code != ERR_NONE)
        errbuf_prefix(err, "%s: ", file);
    return code;
}

static enum err open_parts(struct prometheus_block *block, struct errbuf *err)
{
    char *index CLEANUP(mem_cleanup) = path_join(block->path, "index");
    char *chunks CLEANUP(mem_cleanup) = path_join(block->path, "chunks");
    char *tombstones CLEANUP(mem_cleanup) = path_join(block->path, "tombstones");
    enum err code = prometheus_block_read_meta(block->fs, block->path, &block->meta, err);
    if (code == ERR_NONE)
        code = prometheus_index_open(&block->index, block->fs, index, err);
    if (code == ERR_NONE)
        code = prometheus_chunks_open(&block->chunks, block->fs, chunks, err);
    if (code == ERR_NONE)
        code = prometheus_tombstones_read(block->fs, tombstones, &block->tombstones, err);
    return code;
}

enum err prometheus_block_open(const struct fs *fs, const char *path, struct prometheus_block **out,
                               struct errbuf *err)
{
    struct prometheus_block *block = mem_zalloc(sizeof(*block));
    block->source.operations = &source_operations;
    block->fs = fs;
    block->path = mem_strdup(path);
    enum err code = open_parts(block, err);
    if (code != ERR_NONE)
        prometheus_block_close(block);
    else
        *out = block;
    return code;
}

void prometheus_block_close(struct prometheus_block *block)
{
    if (block == NULL)
        return;
    prometheus_index_close(&block->index);
    if (block->chunks.directory != NULL)
        prometheus_chunks_close(&block->chunks);
    tombstones_unref(block->tombstones);
    block_meta_release(&block->meta);
    mem_free(block->path);
    mem_free(block);
}

const struct block_meta *prometheus_block_meta(const struct prometheus_block *block)
{
    return &block->meta;
}

uint64_t prometheus_block_size_bytes(const struct prometheus_block *block)
{
    static const char *const files[] = {"meta.json", "tombstones"};
    const struct fs *fs = block->fs;
    uint64_t size = block->index.size;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        char *path CLEANUP(mem_cleanup) = path_join(block->path, files[i]);
        struct fs_stat stat;
        size += fs->stat(fs, path, &stat) == 0 ? stat.size : 0;
    }
    for (size_t i = 0; i < block->chunks.files.len; i++) {
        int64_t bytes = fs->size(fs, block->chunks.files.items[i]);
        size += bytes > 0 ? (uint64_t)bytes : 0;
    }
    return size;
}

struct series_source *prometheus_block_source(struct prometheus_block *block)
{
    return &block->source;
}

enum err prometheus_block_measure(struct prometheus_block *block, uint64_t handle,
                                  void (*each)(void *context,
                                               const struct prometheus_chunk_figures *figures),
                                  void *context, struct errbuf *err)
{
    struct prometheus_series CLEANUP(prometheus_series_release) series = {0};
    struct sample_columns CLEANUP(sample_columns_release) columns;
    struct buf CLEANUP(buf_release) scratch;
    sample_columns_init(&columns);
    buf_init(&scratch, BUF_SIZE_ANY);
    enum err code = prometheus_index_series(&block->index, (uint32_t)handle, &series, err);
    for (size_t i = 0; i < series.chunks.len && code == ERR_NONE; i++) {
        struct prometheus_chunk_figures figures;
        code = prometheus_chunks_measure(&block->chunks, series.chunks.items[i].ref, &scratch,
                                         &columns, &figures, err);
        if (code == ERR_NONE)
            each(context, &figures);
    }
    return code;
}
