#include "tool/label_texts.h"

#include <stdlib.h>

#include "model/labels.h"

static int text_compare(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Sorts, leaves out repetitions, keeps `limit`. */
static void finish_list(struct text_list *list, size_t limit)
{
    if (list->count > 1)
        qsort(list->items, list->count, sizeof(*list->items), text_compare);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (kept == 0 || !slice_eq(list->items[kept - 1], list->items[i]))
            list->items[kept++] = list->items[i];
    }
    list->truncated = limit > 0 && kept > limit;
    list->count = list->truncated ? limit : kept;
}

/* Names where `name` is NULL, else its values. */
static enum err list_texts(struct series_view *view, const struct slice *name,
                           const struct series_query *query, struct arena *arena,
                           struct text_list *out, struct errbuf *err)
{
    struct series_query all = *query;
    all.limit = 0;
    all.sorted = false;
    struct series_list CLEANUP(series_list_release) list = {0};
    VEC(struct slice) texts = {0};
    enum err code = series_view_select(view, &all, &list, err);
    for (size_t i = 0; i < list.entries.len && code == ERR_NONE; i++) {
        const struct labels *labels = list.entries.items[i].labels;
        for (uint32_t k = 0; k < labels->count; k++) {
            struct slice text = symbols_text(labels->pairs[k].name);
            if (name == NULL)
                vec_push(&texts, text);
            else if (slice_eq(text, *name))
                vec_push(&texts, symbols_text(labels->pairs[k].value));
        }
    }
    *out = (struct text_list){.items = texts.items, .count = texts.len};
    finish_list(out, query->limit);
    out->items = arena_alloc_array(arena, out->count, sizeof(*out->items));
    for (size_t i = 0; i < out->count; i++)
        out->items[i] = arena_slice(arena, texts.items[i]);
    vec_release(&texts);
    return code;
}

enum err label_texts_names(struct series_view *view, const struct series_query *query,
                           struct arena *arena, struct text_list *out, struct errbuf *err)
{
    return list_texts(view, NULL, query, arena, out, err);
}

enum err label_texts_values(struct series_view *view, struct slice name,
                            const struct series_query *query, struct arena *arena,
                            struct text_list *out, struct errbuf *err)
{
    return list_texts(view, &name, query, arena, out, err);
}
