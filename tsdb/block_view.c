/* Views of a block: which series there are. Their samples: block_read.c. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "model/labels.h"
#include "tsdb/block_internal.h"
#include "tsdb/index_select.h"

typedef VEC(uint32_t) symbol_ids;

/* Has the series a chunk in the range, of which something is not deleted? */
static bool series_is_visible(const struct block_view *view, uint32_t id, int64_t min_ms,
                              int64_t max_ms)
{
    const struct index_row *row = &view->cursor.row;
    struct tombstone_spans spans = tombstones_of(view->tombstones, id);
    for (size_t i = 0; i < row->chunks.len; i++) {
        const struct index_chunk_times *chunk = &row->chunks.items[i];
        if (chunk->min_ms <= max_ms && chunk->max_ms >= min_ms &&
            !tombstone_spans_cover(spans, MAX(chunk->min_ms, min_ms), MIN(chunk->max_ms, max_ms)))
            return true;
    }
    return false;
}

static enum err series_labels(struct block_view *view, const struct labels **out,
                              struct errbuf *err)
{
    const struct index_row *row = &view->cursor.row;
    const struct index_name *names = view->block->index->names;
    /* the row is read again by nobody while its symbols are made */
    vec_reset(&view->pairs);
    for (size_t i = 0; i < row->pairs.len; i++) {
        struct label_pair pair;
        enum err code = block_symbol(view->block, &view->cursor,
                                     names[row->pairs.items[i].name].symbol, &pair.name, err);
        if (code == ERR_NONE)
            code = block_symbol(view->block, &view->cursor, row->pairs.items[i].value, &pair.value,
                                err);
        if (code != ERR_NONE)
            return code;
        vec_push(&view->pairs, pair);
    }
    *out = labels_borrow(&view->arena, view->pairs.items, view->pairs.len);
    return ERR_NONE;
}

/* Neighbours mostly have chunks of the same times: they share them. */
static struct block_series *series_new(struct block_view *view, uint32_t id,
                                       const struct block_series *before)
{
    const struct index_row *row = &view->cursor.row;
    struct block_series *series = arena_alloc(&view->arena, sizeof(*series));
    size_t bytes = row->chunks.len * sizeof(*row->chunks.items);
    *series = (struct block_series){.id = id,
                                    .chunk_count = (uint32_t)row->chunks.len,
                                    .chunk_step = row->chunk_step,
                                    .chunk_first = row->chunk_first};
    if (before != NULL && before->chunk_count == series->chunk_count &&
        memcmp(before->times, row->chunks.items, bytes) == 0) {
        series->times = before->times;
        return series;
    }
    struct index_chunk_times *times = arena_alloc(&view->arena, bytes);
    memcpy(times, row->chunks.items, bytes);
    series->times = times;
    return series;
}

static int place_compare(const void *a, const void *b)
{
    const struct series_entry *x = a, *y = b;
    uint64_t first = ((const struct block_series *)(uintptr_t)x->handle)->chunk_first;
    uint64_t second = ((const struct block_series *)(uintptr_t)y->handle)->chunk_first;
    return (first > second) - (first < second);
}

/* Buckets of one histogram share pages: who asks for no order reads them one after another. */
static void sort_by_place(struct series_list *list)
{
    bool ascends = true;
    for (size_t i = 1; i < list->entries.len && ascends; i++)
        ascends = place_compare(&list->entries.items[i - 1], &list->entries.items[i]) <= 0;
    if (!ascends)
        qsort(list->entries.items, list->entries.len, sizeof(*list->entries.items), place_compare);
}

static enum err block_view_select(struct series_view *base, const struct series_query *query,
                                  struct series_list *out, struct errbuf *err)
{
    struct block_view *view = (struct block_view *)base;
    series_ids ids = {0};
    vec_reset(&out->entries);
    out->truncated = false;
    enum err code = index_select(&view->cursor, query->matchers, query->matcher_count, &ids, err);
    const struct block_series *before = NULL;
    for (size_t i = 0; i < ids.len && code == ERR_NONE; i++) {
        const struct labels *labels = NULL;
        code = index_cursor_series(&view->cursor, ids.items[i], err);
        if (code != ERR_NONE ||
            !series_is_visible(view, ids.items[i], query->min_ms, query->max_ms))
            continue;
        if (query->limit > 0 && out->entries.len == query->limit) {
            out->truncated = true;
            break;
        }
        size_t used = view->arena.used;
        code = series_labels(view, &labels, err);
        before = series_new(view, ids.items[i], before);
        if (code == ERR_NONE)
            code = memory_hold_take(query->memory,
                                    view->arena.used - used + sizeof(*out->entries.items), err);
        if (code == ERR_NONE)
            vec_push(&out->entries, (struct series_entry){labels, (uintptr_t)before});
    }
    vec_release(&ids);
    if (code == ERR_NONE && !query->sorted)
        sort_by_place(out);
    return code;
}

/* --- names and values --- */

static int id_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void symbol_ids_sort(symbol_ids *ids)
{
    if (ids->len > 1)
        qsort(ids->items, ids->len, sizeof(*ids->items), id_compare);
    size_t kept = 0;
    for (size_t i = 0; i < ids->len; i++) {
        if (i == 0 || ids->items[i] != ids->items[kept - 1])
            ids->items[kept++] = ids->items[i];
    }
    ids->len = kept;
}

/* Numbers ascend as their texts do. */
static enum err list_texts(struct block_view *view, symbol_ids *ids,
                           const struct series_query *query, struct arena *arena,
                           struct text_list *out, struct errbuf *err)
{
    symbol_ids_sort(ids);
    out->truncated = query->limit > 0 && ids->len > query->limit;
    size_t count = out->truncated ? query->limit : ids->len;
    enum err code = memory_hold_take(query->memory, count * sizeof(*out->items), err);
    if (code != ERR_NONE)
        return code;
    out->items = arena_alloc_array(arena, count, sizeof(*out->items));
    for (size_t i = 0; i < count; i++) {
        struct slice text;
        code = index_cursor_symbol(&view->cursor, ids->items[i], &text, err);
        if (code == ERR_NONE)
            code = memory_hold_take(query->memory, text.len + 16, err);
        if (code != ERR_NONE)
            return code;
        out->items[i] = arena_slice(arena, text);
    }
    out->count = count;
    return ERR_NONE;
}

/* The names, or with `name` the values of that name, of the series that match. */
static enum err ids_of_series(struct block_view *view, uint32_t name,
                              const struct series_query *query, symbol_ids *out, struct errbuf *err)
{
    series_ids ids = {0};
    enum err code = index_select(&view->cursor, query->matchers, query->matcher_count, &ids, err);
    for (size_t i = 0; i < ids.len && code == ERR_NONE; i++) {
        code = index_cursor_series(&view->cursor, ids.items[i], err);
        if (code != ERR_NONE ||
            !series_is_visible(view, ids.items[i], query->min_ms, query->max_ms))
            continue;
        const struct index_row *row = &view->cursor.row;
        for (size_t k = 0; k < row->pairs.len; k++) {
            if (name == INDEX_NONE)
                vec_push(out, view->block->index->names[row->pairs.items[k].name].symbol);
            else if (row->pairs.items[k].name == name)
                vec_push(out, row->pairs.items[k].value);
        }
    }
    vec_release(&ids);
    return code;
}

static bool is_outside(const struct block_view *view, const struct series_query *query)
{
    return query->max_ms < view->block->meta.min_ms || query->min_ms >= view->block->meta.max_ms;
}

static enum err block_view_label_names(struct series_view *base, const struct series_query *query,
                                       struct arena *arena, struct text_list *out,
                                       struct errbuf *err)
{
    struct block_view *view = (struct block_view *)base;
    const struct index_reader *index = view->block->index;
    symbol_ids ids = {0};
    enum err code = ERR_NONE;
    *out = (struct text_list){0};
    if (is_outside(view, query))
        return ERR_NONE;
    if (query->matcher_count > 0)
        code = ids_of_series(view, INDEX_NONE, query, &ids, err);
    for (size_t i = 0; query->matcher_count == 0 && i < index->name_count; i++)
        vec_push(&ids, index->names[i].symbol);
    if (code == ERR_NONE)
        code = list_texts(view, &ids, query, arena, out, err);
    vec_release(&ids);
    return code;
}

static enum err push_value(void *context, const struct index_value *value, struct errbuf *err)
{
    symbol_ids *ids = context;
    vec_push(ids, value->symbol);
    return ERR_NONE;
}

static enum err block_view_label_values(struct series_view *base, struct slice name,
                                        const struct series_query *query, struct arena *arena,
                                        struct text_list *out, struct errbuf *err)
{
    struct block_view *view = (struct block_view *)base;
    symbol_ids ids = {0};
    uint32_t ordinal;
    *out = (struct text_list){0};
    enum err code = index_cursor_find_name(&view->cursor, name, &ordinal, err);
    if (code != ERR_NONE || ordinal == INDEX_NONE || is_outside(view, query))
        return code;
    if (query->matcher_count > 0)
        code = ids_of_series(view, ordinal, query, &ids, err);
    else
        code = index_cursor_values(&view->cursor, ordinal, push_value, &ids, err);
    if (code == ERR_NONE)
        code = list_texts(view, &ids, query, arena, out, err);
    vec_release(&ids);
    return code;
}

/* --- the view --- */

static void block_view_close(struct series_view *base)
{
    struct block_view *view = (struct block_view *)base;
    index_cursor_release(&view->cursor);
    arena_release(&view->arena);
    vec_release(&view->pairs);
    tombstones_unref(view->tombstones);
    block_unref(view->block);
    mem_free(view);
}

static const struct series_view_operations block_view_operations = {
    .appends = true,
    .select = block_view_select,
    .read = block_view_read,
    .label_names = block_view_label_names,
    .label_values = block_view_label_values,
    .close = block_view_close,
};

static enum err block_source_open(struct series_source *source, int64_t min_ms, int64_t max_ms,
                                  struct series_view **out, struct errbuf *err)
{
    struct block *block = (struct block *)source;
    struct block_view *view = mem_zalloc(sizeof(*view));
    view->view.operations = &block_view_operations;
    view->block = block_ref(block);
    mutex_lock(&block->lock);
    view->tombstones = tombstones_ref(block->tombstones);
    mutex_unlock(&block->lock);
    index_cursor_init(&view->cursor, block->index);
    arena_init(&view->arena, SIZE_MAX);
    *out = &view->view;
    return ERR_NONE;
}

const struct series_source_operations block_source_operations = {.open = block_source_open};
