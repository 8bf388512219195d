#include "tsdb/merged_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/table.h"
#include "base/vec.h"
#include "model/sample.h"
#include "tsdb/histogram_hints.h"

/* A series as one part has it. */
struct part_series {
    struct part_series *next; /* of a later part */
    struct part_series *previous;
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

/* What a reader keeps. */
struct merged_reader {
    size_t part_count;
    struct merged_reader_part {
        struct columns_reader reader;  /* what the part's reader keeps */
        struct sample_columns columns; /* where the part does not append */
    } * parts;
    struct sample_columns moved; /* samples that have to make room */
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

/* Without a table the series is known to be new. */
static void add_entry(struct merged_view *view, struct table *by_labels, uint32_t part,
                      const struct series_entry *entry, struct series_list *out)
{
    struct merged_series *series =
        by_labels == NULL ? NULL
                          : table_get(by_labels, entry->labels->hash, has_labels, entry->labels);
    if (series != NULL) {
        struct part_series *more = arena_alloc(&view->arena, sizeof(*more));
        *more = (struct part_series){.previous = series->last, .part = part, .entry = *entry};
        series->last->next = more;
        series->last = more;
        return;
    }
    series = arena_alloc(&view->arena, sizeof(*series));
    *series =
        (struct merged_series){.labels = entry->labels, .first = {.part = part, .entry = *entry}};
    series->last = &series->first;
    if (by_labels != NULL)
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

/* May two parts have a series of this query? */
static bool is_shared(const struct merged_view *view, const struct series_query *query)
{
    size_t asked = 0;
    for (size_t i = 0; i < view->options.count; i++)
        asked += part_overlaps(&view->parts[i], query->min_ms, query->max_ms);
    return asked > 1;
}

static enum err merged_select(struct series_view *base, const struct series_query *query,
                              struct series_list *out, struct errbuf *err)
{
    struct merged_view *view = (struct merged_view *)base;
    struct table by_labels;
    struct series_list list = {0};
    struct errbuf local = ERRBUF_INIT;
    enum err code = ERR_NONE;
    bool shared = is_shared(view, query);
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
        size_t used = view->arena.used;
        for (size_t k = 0; k < list.entries.len; k++)
            add_entry(view, shared ? &by_labels : NULL, (uint32_t)i, &list.entries.items[k], out);
        code = memory_hold_take(query->memory, view->arena.used - used, err);
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
    for (size_t i = 0; i < reader->part_count; i++) {
        columns_reader_release(&reader->parts[i].reader);
        sample_columns_release(&reader->parts[i].columns);
    }
    mem_free(reader->parts);
    sample_columns_release(&reader->moved);
    mem_free(reader);
}

static struct merged_reader *reader_of(struct sample_columns *columns,
                                       const struct merged_view *view)
{
    if (columns->reader.owner == view)
        return columns->reader.state;
    columns_reader_release(&columns->reader);
    struct merged_reader *reader = mem_zalloc(sizeof(*reader));
    reader->part_count = view->options.count;
    reader->parts = mem_zalloc(reader->part_count * sizeof(*reader->parts));
    for (size_t i = 0; i < reader->part_count; i++)
        sample_columns_init(&reader->parts[i].columns);
    sample_columns_init(&reader->moved);
    columns->reader = (struct columns_reader){view, reader, reader_free};
    return reader;
}

/* Samples [from, to) behind those of `out`. Histograms stay where they are. */
static void append(const struct sample_columns *columns, size_t from, size_t to,
                   struct sample_columns *out)
{
    size_t before = out->timestamp_memory.len, count = to - from;
    if (count == 0)
        return;
    vec_reserve(&out->timestamp_memory, count);
    vec_reserve(&out->value_memory, count);
    memcpy(out->timestamp_memory.items + before, columns->timestamps_ms + from,
           count * sizeof(int64_t));
    memcpy(out->value_memory.items + before, columns->values + from, count * sizeof(double));
    out->timestamp_memory.len = out->value_memory.len = before + count;
    for (size_t i = from; columns->histograms != NULL && i < to; i++) {
        while (out->histogram_memory.len < before + i - from)
            vec_push(&out->histogram_memory, NULL);
        vec_push(&out->histogram_memory, columns->histograms[i]);
    }
    for (size_t i = from; columns->start_timestamps_ms != NULL && i < to; i++) {
        while (out->start_timestamp_memory.len < before + i - from)
            vec_push(&out->start_timestamp_memory, 0);
        vec_push(&out->start_timestamp_memory, columns->start_timestamps_ms[i]);
    }
}

static void move_sample(const struct sample_columns *from, size_t at, struct sample_columns *out,
                        size_t to)
{
    out->timestamp_memory.items[to] = from->timestamps_ms[at];
    out->value_memory.items[to] = from->values[at];
    if (out->histogram_memory.len > 0)
        out->histogram_memory.items[to] = from->histograms == NULL ? NULL : from->histograms[at];
    if (out->start_timestamp_memory.len > 0)
        out->start_timestamp_memory.items[to] =
            from->start_timestamps_ms == NULL ? 0 : from->start_timestamps_ms[at];
}

/* What a histogram says of resets is meant of the sample that its part has before it; here another
 * part's is before it. */
static void settle_hint(struct sample_columns *out, size_t at)
{
    const struct histogram *histogram =
        at < out->histogram_memory.len ? out->histogram_memory.items[at] : NULL;
    if (LIKELY(histogram == NULL) || sample_is_stale(histogram->sum))
        return;
    const struct histogram *before = out->histogram_memory.items[at - 1];
    struct histogram *copy = arena_alloc(&out->histogram_arena, sizeof(*copy));
    *copy = *histogram;
    if (before == NULL)
        histogram_hint_forget(copy);
    else
        histogram_hint_settle(copy, before);
    out->histogram_memory.items[at] = copy;
}

/* Published columns whose samples from `middle` on do not all come behind the others: puts them in
 * order. Of equal times the later part's, which is behind the middle, stays. What is before
 * `middle` and not before the first behind it moves out of the way; the place of the next sample
 * never passes that of the next one behind the middle. */
static void merge(struct sample_columns *moved, size_t middle, struct sample_columns *out)
{
    size_t low = 0, high = middle;
    while (low < high) {
        size_t half = low + (high - low) / 2;
        if (out->timestamps_ms[half] < out->timestamps_ms[middle])
            low = half + 1;
        else
            high = half;
    }
    sample_columns_begin(moved);
    append(out, low, middle, moved);
    sample_columns_publish(moved);
    size_t to = low, i = 0, k = middle;
    bool was_moved = true;
    while (i < moved->count || k < out->count) {
        bool from_moved = k == out->count ||
                          (i < moved->count && moved->timestamps_ms[i] < out->timestamps_ms[k]);
        if (from_moved) {
            move_sample(moved, i++, out, to);
        } else {
            if (i < moved->count && moved->timestamps_ms[i] == out->timestamps_ms[k])
                i++;
            move_sample(out, k++, out, to);
        }
        if (from_moved != was_moved && to > 0)
            settle_hint(out, to);
        was_moved = from_moved;
        to++;
    }
    out->kept = to;
    sample_columns_begin(out);
    sample_columns_publish(out);
}

/* With what the part's reader keeps in the place of what ours does. */
static enum err read_behind(const struct merged_part *part, struct merged_reader_part *state,
                            const struct series_entry *entry, int64_t min_ms, int64_t max_ms,
                            struct sample_columns *out, struct errbuf *err)
{
    struct columns_reader ours = out->reader;
    out->reader = state->reader;
    enum err code = series_view_read(part->view, entry, min_ms, max_ms, out, err);
    state->reader = out->reader;
    out->reader = ours;
    return code;
}

static enum err read_apart(const struct merged_part *part, struct merged_reader_part *state,
                           const struct series_entry *entry, int64_t min_ms, int64_t max_ms,
                           struct sample_columns *out, struct errbuf *err)
{
    struct sample_columns *columns = &state->columns;
    columns->newest_only = out->newest_only;
    enum err code = series_view_read(part->view, entry, min_ms, max_ms, columns, err);
    if (code == ERR_NONE)
        append(columns, 0, columns->count, out);
    return code;
}

/* Adds what the part has to what is in the memory of `out`, and publishes it. */
static enum err read_part(struct merged_view *view, struct merged_reader *reader,
                          const struct part_series *series, int64_t min_ms, int64_t max_ms,
                          struct sample_columns *out, struct errbuf *err)
{
    const struct merged_part *part = &view->parts[series->part];
    struct merged_reader_part *state = &reader->parts[series->part];
    min_ms = MAX(min_ms, part->min_ms);
    max_ms = MIN(max_ms, part->max_ms);
    out->kept = out->timestamp_memory.len;
    enum err code = part->view->operations->appends
                        ? read_behind(part, state, &series->entry, min_ms, max_ms, out, err)
                        : read_apart(part, state, &series->entry, min_ms, max_ms, out, err);
    if (code != ERR_NONE) {
        sample_columns_begin(out);
        code = forgives(view, series->part, code, err) ? ERR_NONE : code;
    }
    sample_columns_publish(out);
    return code;
}

/* The last sample of the part that has the newest; of equal ones the last part's. */
static enum err read_newest(struct merged_view *view, struct merged_reader *reader,
                            const struct merged_series *series, int64_t min_ms, int64_t max_ms,
                            struct sample_columns *out, struct errbuf *err)
{
    enum err code = ERR_NONE;
    for (const struct part_series *at = series->last; at != NULL && code == ERR_NONE;
         at = at->previous) {
        const struct merged_part *part = &view->parts[at->part];
        size_t before = out->count;
        if (!part_overlaps(part, min_ms, max_ms) ||
            (before > 0 && part->max_ms <= out->timestamps_ms[0]))
            continue;
        code = read_part(view, reader, at, min_ms, max_ms, out, err);
        if (out->count == before)
            continue;
        size_t last = out->count - 1;
        if (before == 0 || out->timestamps_ms[last] > out->timestamps_ms[0])
            move_sample(out, last, out, 0);
        out->kept = 1;
        sample_columns_begin(out);
        sample_columns_publish(out);
    }
    return code;
}

static enum err read_all(struct merged_view *view, struct merged_reader *reader,
                         const struct merged_series *series, int64_t min_ms, int64_t max_ms,
                         struct sample_columns *out, struct errbuf *err)
{
    enum err code = ERR_NONE;
    for (const struct part_series *at = &series->first; at != NULL && code == ERR_NONE;
         at = at->next) {
        size_t before = out->count;
        if (!part_overlaps(&view->parts[at->part], min_ms, max_ms))
            continue;
        code = read_part(view, reader, at, min_ms, max_ms, out, err);
        if (before == 0 || out->count == before)
            continue;
        if (out->timestamps_ms[before] <= out->timestamps_ms[before - 1])
            merge(&reader->moved, before, out);
        else
            settle_hint(out, before);
    }
    return code;
}

static enum err merged_read(struct series_view *base, const struct series_entry *entry,
                            int64_t min_ms, int64_t max_ms, struct sample_columns *out,
                            struct errbuf *err)
{
    struct merged_view *view = (struct merged_view *)base;
    const struct merged_series *series = (const struct merged_series *)(uintptr_t)entry->handle;
    struct merged_reader *reader = reader_of(out, view);
    struct errbuf local = ERRBUF_INIT;
    ASSERT(out->kept == 0);
    err = err == NULL ? &local : err;
    sample_columns_begin(out);
    sample_columns_publish(out);
    enum err code = out->newest_only ? read_newest(view, reader, series, min_ms, max_ms, out, err)
                                     : read_all(view, reader, series, min_ms, max_ms, out, err);
    out->kept = 0;
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
    if (code == ERR_NONE)
        code = memory_hold_take(query->memory, all.len * sizeof(*all.items), err);
    if (code != ERR_NONE)
        all.len = 0;
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

static void merged_warnings(struct series_view *base, struct arena *arena, struct text_list *out)
{
    const struct merged_view *view = (const struct merged_view *)base;
    if (view->options.warnings != NULL)
        view->options.warnings(view->options.context, arena, out);
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
    .warnings = merged_warnings,
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
