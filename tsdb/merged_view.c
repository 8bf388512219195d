#include "tsdb/merged_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/table.h"
#include "base/vec.h"

/* A series as one part has it. */
struct part_series {
    struct part_series *next; /* of a later part */
    uint32_t part;
    struct series_entry entry;
};

struct merged_series {
    const struct labels *labels;
    struct part_series first;
    struct part_series *last;
};

struct merged_view {
    struct series_view view; /* first */
    struct merged_options options;
    struct merged_part *parts;
    struct arena arena;
};

/* What a reader needs: columns of each part, and memory to merge in. */
struct merged_reader {
    size_t part_count;
    struct sample_columns *columns; /* by part */
    VEC(int64_t) timestamps_ms;
    VEC(double) values;
    VEC(const struct histogram *) histograms;
    VEC(int64_t) starts_ms;
};

static bool part_overlaps(const struct merged_part *part, int64_t min_ms, int64_t max_ms)
{
    return part->min_ms <= max_ms && part->max_ms >= min_ms;
}

/* Is this error one that the query may go on with? */
static bool forgives(const struct merged_view *view, size_t part, enum err code,
                     const struct errbuf *err)
{
    return code == ERR_CORRUPT && view->options.damage != NULL &&
           view->options.damage(view->options.context, part, err);
}

/* --- selecting --- */

static bool has_labels(const void *value, const void *key)
{
    return labels_equal(((const struct merged_series *)value)->labels, key);
}

static void add_entry(struct merged_view *view, struct table *by_labels, uint32_t part,
                      const struct series_entry *entry, struct series_list *out)
{
    struct merged_series *series =
        table_get(by_labels, entry->labels->hash, has_labels, entry->labels);
    if (series != NULL) {
        struct part_series *more = arena_alloc(&view->arena, sizeof(*more));
        *more = (struct part_series){.part = part, .entry = *entry};
        series->last->next = more;
        series->last = more;
        return;
    }
    series = arena_alloc(&view->arena, sizeof(*series));
    *series =
        (struct merged_series){.labels = entry->labels, .first = {.part = part, .entry = *entry}};
    series->last = &series->first;
    table_add(by_labels, entry->labels->hash, series);
    vec_push(&out->entries, (struct series_entry){entry->labels, (uintptr_t)series});
}

static int entry_compare(const void *a, const void *b)
{
    return labels_compare(((const struct series_entry *)a)->labels,
                          ((const struct series_entry *)b)->labels);
}

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

static enum err merged_select(struct series_view *base, const struct series_query *query,
                              struct series_list *out, struct errbuf *err)
{
    struct merged_view *view = (struct merged_view *)base;
    struct table by_labels;
    struct series_list list = {0};
    struct errbuf local = ERRBUF_INIT;
    enum err code = ERR_NONE;
    table_init(&by_labels);
    vec_reset(&out->entries);
    out->truncated = false;
    err = err == NULL ? &local : err;
    for (size_t i = 0; i < view->options.count && code == ERR_NONE; i++) {
        const struct merged_part *part = &view->parts[i];
        struct series_query clipped = *query;
        clipped.min_ms = MAX(query->min_ms, part->min_ms);
        clipped.max_ms = MIN(query->max_ms, part->max_ms);
        if (clipped.min_ms > clipped.max_ms)
            continue;
        vec_reset(&list.entries);
        list.truncated = false;
        code = series_view_select(part->view, &clipped, &list, err);
        out->truncated = out->truncated || list.truncated;
        if (code != ERR_NONE) {
            code = forgives(view, i, code, err) ? ERR_NONE : code;
            continue;
        }
        for (size_t k = 0; k < list.entries.len; k++)
            add_entry(view, &by_labels, (uint32_t)i, &list.entries.items[k], out);
    }
    series_list_release(&list);
    table_release(&by_labels);
    if (query->sorted)
        sort_entries(out);
    if (query->limit > 0 && out->entries.len > query->limit) {
        out->entries.len = query->limit;
        out->truncated = true;
    }
    return code;
}

/* --- reading --- */

static void reader_free(void *state)
{
    struct merged_reader *reader = state;
    for (size_t i = 0; i < reader->part_count; i++)
        sample_columns_release(&reader->columns[i]);
    mem_free(reader->columns);
    vec_release(&reader->timestamps_ms);
    vec_release(&reader->values);
    vec_release(&reader->histograms);
    vec_release(&reader->starts_ms);
    mem_free(reader);
}

static struct merged_reader *reader_of(struct sample_columns *columns,
                                       const struct merged_view *view)
{
    if (columns->reader.owner == view)
        return columns->reader.state;
    if (columns->reader.state != NULL)
        columns->reader.free_state(columns->reader.state);
    struct merged_reader *reader = mem_zalloc(sizeof(*reader));
    reader->part_count = view->options.count;
    reader->columns = mem_zalloc(reader->part_count * sizeof(*reader->columns));
    for (size_t i = 0; i < reader->part_count; i++)
        sample_columns_init(&reader->columns[i]);
    columns->reader.owner = view;
    columns->reader.state = reader;
    columns->reader.free_state = reader_free;
    return reader;
}

/* The columns without their memory. */
struct merged_samples {
    const int64_t *timestamps_ms;
    const double *values;
    const struct histogram *const *histograms;
    const int64_t *starts_ms;
    size_t count;
};

static struct merged_samples samples_of(const struct sample_columns *columns)
{
    return (struct merged_samples){columns->timestamps_ms, columns->values, columns->histograms,
                                   columns->start_timestamps_ms, columns->count};
}

static void publish(const struct merged_samples *samples, struct sample_columns *out)
{
    out->timestamps_ms = samples->timestamps_ms;
    out->values = samples->values;
    out->histograms = samples->histograms;
    out->start_timestamps_ms = samples->starts_ms;
    out->count = samples->count;
}

static void take(struct merged_reader *reader, const struct merged_samples *from, size_t at,
                 bool histograms, bool starts)
{
    vec_push(&reader->timestamps_ms, from->timestamps_ms[at]);
    vec_push(&reader->values, from->values[at]);
    if (histograms)
        vec_push(&reader->histograms, from->histograms == NULL ? NULL : from->histograms[at]);
    if (starts)
        vec_push(&reader->starts_ms, from->starts_ms == NULL ? 0 : from->starts_ms[at]);
}

/* Of equal times that of the later part `b`. */
static void merge_two(struct merged_reader *reader, const struct merged_samples *a,
                      const struct merged_samples *b, bool histograms, bool starts)
{
    size_t i = 0, k = 0;
    while (i < a->count || k < b->count) {
        bool from_b = i == a->count || (k < b->count && b->timestamps_ms[k] <= a->timestamps_ms[i]);
        if (!from_b) {
            take(reader, a, i++, histograms, starts);
            continue;
        }
        if (i < a->count && a->timestamps_ms[i] == b->timestamps_ms[k])
            i++;
        take(reader, b, k++, histograms, starts);
    }
}

/* All parts one after another into the reader's memory; `merged` is what was gathered so far. */
static void merge_into(struct merged_reader *reader, struct merged_samples *merged,
                       const struct merged_samples *next)
{
    if (next->count == 0)
        return;
    if (merged->count == 0) {
        *merged = *next;
        return;
    }
    /* what was gathered may lie in the memory that is written: it moves out of the way */
    struct merged_reader old = {.timestamps_ms = {0}};
    old.timestamps_ms.items = reader->timestamps_ms.items;
    old.values.items = reader->values.items;
    old.histograms.items = reader->histograms.items;
    old.starts_ms.items = reader->starts_ms.items;
    memset(&reader->timestamps_ms, 0, sizeof(reader->timestamps_ms));
    memset(&reader->values, 0, sizeof(reader->values));
    memset(&reader->histograms, 0, sizeof(reader->histograms));
    memset(&reader->starts_ms, 0, sizeof(reader->starts_ms));
    bool histograms = merged->histograms != NULL || next->histograms != NULL;
    bool starts = merged->starts_ms != NULL || next->starts_ms != NULL;
    vec_reserve(&reader->timestamps_ms, merged->count + next->count);
    vec_reserve(&reader->values, merged->count + next->count);
    merge_two(reader, merged, next, histograms, starts);
    mem_free(old.timestamps_ms.items);
    mem_free(old.values.items);
    mem_free(old.histograms.items);
    mem_free(old.starts_ms.items);
    *merged =
        (struct merged_samples){reader->timestamps_ms.items, reader->values.items,
                                histograms ? reader->histograms.items : NULL,
                                starts ? reader->starts_ms.items : NULL, reader->timestamps_ms.len};
}

static enum err read_part(struct merged_view *view, struct merged_reader *reader,
                          const struct part_series *series, int64_t min_ms, int64_t max_ms,
                          bool newest_only, struct errbuf *err)
{
    const struct merged_part *part = &view->parts[series->part];
    struct sample_columns *columns = &reader->columns[series->part];
    columns->newest_only = newest_only;
    columns->count = 0;
    if (!part_overlaps(part, min_ms, max_ms))
        return ERR_NONE;
    enum err code = series_view_read(part->view, &series->entry, MAX(min_ms, part->min_ms),
                                     MIN(max_ms, part->max_ms), columns, err);
    if (code == ERR_NONE)
        return ERR_NONE;
    columns->count = 0;
    return forgives(view, series->part, code, err) ? ERR_NONE : code;
}

/* The last sample of the part that has the newest. */
static enum err read_newest(struct merged_view *view, struct merged_reader *reader,
                            const struct merged_series *series, int64_t min_ms, int64_t max_ms,
                            struct merged_samples *out, struct errbuf *err)
{
    for (const struct part_series *at = &series->first; at != NULL; at = at->next) {
        enum err code = read_part(view, reader, at, min_ms, max_ms, true, err);
        if (code != ERR_NONE)
            return code;
        struct merged_samples found = samples_of(&reader->columns[at->part]);
        if (found.count > 0 && (out->count == 0 || found.timestamps_ms[found.count - 1] >=
                                                       out->timestamps_ms[out->count - 1]))
            *out = found;
    }
    return ERR_NONE;
}

static enum err merged_read(struct series_view *base, const struct series_entry *entry,
                            int64_t min_ms, int64_t max_ms, struct sample_columns *out,
                            struct errbuf *err)
{
    struct merged_view *view = (struct merged_view *)base;
    const struct merged_series *series = (const struct merged_series *)(uintptr_t)entry->handle;
    struct merged_reader *reader = reader_of(out, view);
    struct merged_samples merged = {0};
    struct errbuf local = ERRBUF_INIT;
    enum err code = ERR_NONE;
    err = err == NULL ? &local : err;
    if (out->newest_only) {
        code = read_newest(view, reader, series, min_ms, max_ms, &merged, err);
    } else {
        for (const struct part_series *at = &series->first; at != NULL && code == ERR_NONE;
             at = at->next) {
            code = read_part(view, reader, at, min_ms, max_ms, false, err);
            struct merged_samples next = samples_of(&reader->columns[at->part]);
            if (code == ERR_NONE)
                merge_into(reader, &merged, &next);
        }
    }
    publish(&merged, out);
    return code;
}

/* --- names and values --- */

typedef enum err (*list_texts)(struct series_view *view, struct slice name,
                               const struct series_query *query, struct arena *arena,
                               struct text_list *out, struct errbuf *err);

static enum err list_names(struct series_view *view, struct slice name,
                           const struct series_query *query, struct arena *arena,
                           struct text_list *out, struct errbuf *err)
{
    return series_view_label_names(view, query, arena, out, err);
}

static int text_compare(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* One sorted list without repetitions. */
static void unite(struct slice *items, size_t len, size_t limit, struct text_list *out)
{
    size_t kept = 0;
    if (len > 1)
        qsort(items, len, sizeof(*items), text_compare);
    for (size_t i = 0; i < len; i++) {
        if (i == 0 || slice_cmp(items[i], items[kept - 1]) != 0)
            items[kept++] = items[i];
    }
    out->items = items;
    out->truncated = out->truncated || (limit > 0 && kept > limit);
    out->count = limit > 0 && kept > limit ? limit : kept;
}

static enum err merged_list(struct merged_view *view, list_texts list, struct slice name,
                            const struct series_query *query, struct arena *arena,
                            struct text_list *out, struct errbuf *err)
{
    VEC(struct slice) all = {0};
    struct errbuf local = ERRBUF_INIT;
    enum err code = ERR_NONE;
    *out = (struct text_list){0};
    err = err == NULL ? &local : err;
    for (size_t i = 0; i < view->options.count && code == ERR_NONE; i++) {
        const struct merged_part *part = &view->parts[i];
        struct text_list of_part = {0};
        if (!part_overlaps(part, query->min_ms, query->max_ms))
            continue;
        code = list(part->view, name, query, arena, &of_part, err);
        if (code != ERR_NONE) {
            code = forgives(view, i, code, err) ? ERR_NONE : code;
            continue;
        }
        out->truncated = out->truncated || of_part.truncated;
        for (size_t k = 0; k < of_part.count; k++)
            vec_push(&all, of_part.items[k]);
    }
    struct slice *items = arena_alloc_array(arena, all.len, sizeof(*items));
    if (all.len > 0)
        memcpy(items, all.items, all.len * sizeof(*items));
    unite(items, all.len, query->limit, out);
    vec_release(&all);
    return code;
}

static enum err merged_label_names(struct series_view *base, const struct series_query *query,
                                   struct arena *arena, struct text_list *out, struct errbuf *err)
{
    return merged_list((struct merged_view *)base, list_names, (struct slice){0}, query, arena, out,
                       err);
}

static enum err merged_label_values(struct series_view *base, struct slice name,
                                    const struct series_query *query, struct arena *arena,
                                    struct text_list *out, struct errbuf *err)
{
    return merged_list((struct merged_view *)base, series_view_label_values, name, query, arena,
                       out, err);
}

static void merged_close(struct series_view *base)
{
    struct merged_view *view = (struct merged_view *)base;
    for (size_t i = 0; i < view->options.count; i++)
        series_view_close(view->parts[i].view);
    if (view->options.closed != NULL)
        view->options.closed(view->options.context);
    arena_release(&view->arena);
    mem_free(view->parts);
    mem_free(view);
}

static const struct series_view_operations merged_operations = {
    .select = merged_select,
    .read = merged_read,
    .label_names = merged_label_names,
    .label_values = merged_label_values,
    .close = merged_close,
};

struct series_view *merged_view_new(const struct merged_options *options)
{
    struct merged_view *view = mem_zalloc(sizeof(*view));
    view->view.operations = &merged_operations;
    view->options = *options;
    view->parts = mem_alloc_array(options->count + 1, sizeof(*view->parts));
    for (size_t i = 0; i < options->count; i++)
        view->parts[i] = options->parts[i];
    view->options.parts = view->parts;
    arena_init(&view->arena, SIZE_MAX);
    return &view->view;
}
