#include "tool/prometheus_head.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/path.h"
#include "model/sample.h"
#include "tool/label_texts.h"
#include "tool/prometheus_head_internal.h"

struct head_view {
    struct series_view view;
    struct prometheus_head *head;
    struct sample_columns scratch;   /* of a chunk */
    VEC(struct head_sample) samples; /* of a series */
    VEC(struct head_sample *) by_time;
};

/* --- series --- */

static bool labels_match(const struct labels *labels, const struct series_query *query)
{
    for (size_t i = 0; i < query->matcher_count; i++) {
        if (!matcher_matches(query->matchers[i], labels_get(labels, query->matchers[i]->name)))
            return false;
    }
    return true;
}

/* All that match: which of them have samples in the range tells reading. */
static enum err view_select(struct series_view *base, const struct series_query *query,
                            struct series_list *out, struct errbuf *err)
{
    const struct prometheus_head *head = ((struct head_view *)base)->head;
    vec_reset(&out->entries);
    out->truncated = false;
    for (size_t i = 0; i < head->order.len; i++) {
        const struct labels *labels = head->series.items[head->order.items[i]].labels;
        if (!labels_match(labels, query))
            continue;
        out->truncated = query->limit > 0 && out->entries.len == query->limit;
        if (out->truncated)
            break;
        vec_push(&out->entries, (struct series_entry){labels, i});
    }
    return ERR_NONE;
}

/* --- samples --- */

/* What a series has, in the order in which it wins where times are equal. */
static enum err gather_chunk(struct head_view *view, const struct prometheus_head_chunk *chunk,
                             struct sample_columns *out, struct errbuf *err)
{
    int64_t from_ms = chunk->is_late ? INT64_MIN : view->head->valid_from_ms;
    struct chunk_samples samples;
    if (chunk->max_ms < from_ms)
        return ERR_NONE;
    struct sample_columns *columns = &view->scratch;
    chunk_samples_begin(&samples, columns, from_ms, INT64_MAX, (struct tombstone_spans){0});
    enum err code = prometheus_head_chunk_read(chunk, &samples, err);
    chunk_samples_finish(&samples);
    for (size_t i = 0; i < columns->count && code == ERR_NONE; i++) {
        struct head_sample sample = {.time_ms = columns->timestamps_ms[i],
                                     .value = columns->values[i]};
        if (columns->start_timestamps_ms != NULL)
            sample.start_ms = columns->start_timestamps_ms[i];
        if (columns->histograms != NULL && columns->histograms[i] != NULL)
            sample.histogram = head_copy_histogram(&out->histogram_arena, columns->histograms[i]);
        vec_push(&view->samples, sample);
    }
    return code;
}

static enum err gather_chunks(struct head_view *view, const struct head_series *series, bool late,
                              struct sample_columns *out, struct errbuf *err)
{
    const struct prometheus_head *head = view->head;
    enum err code = ERR_NONE;
    for (uint32_t i = series->first_ref; i != HEAD_NONE; i = head->refs.items[i].next) {
        const struct head_ref *ref = &head->refs.items[i];
        for (size_t k = 0; k < ref->chunk_count && !ref->is_dead && code == ERR_NONE; k++) {
            const struct prometheus_head_chunk *chunk =
                &head->chunks.items.items[ref->first_chunk + k];
            if (chunk->is_late == late)
                code = gather_chunk(view, chunk, out, err);
        }
    }
    return code;
}

static void gather_log(struct head_view *view, const struct head_series *series,
                       struct sample_columns *out)
{
    const struct head_window *window = &view->head->window;
    size_t at = series->place - window->first;
    for (uint32_t i = 0; i < window->lens[at]; i++) {
        struct head_sample sample = window->samples[window->begins[at] + i];
        if (sample.histogram != NULL)
            sample.histogram = head_copy_histogram(&out->histogram_arena, sample.histogram);
        vec_push(&view->samples, sample);
    }
}

static int sample_compare(const void *a, const void *b)
{
    const struct head_sample *x = *(struct head_sample *const *)a;
    const struct head_sample *y = *(struct head_sample *const *)b;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return (x > y) - (x < y);
}

static void sort_samples(struct head_view *view)
{
    bool sorted = true;
    vec_reset(&view->by_time);
    for (size_t i = 0; i < view->samples.len; i++) {
        vec_push(&view->by_time, &view->samples.items[i]);
        sorted = sorted &&
                 (i == 0 || view->samples.items[i - 1].time_ms < view->samples.items[i].time_ms);
    }
    if (!sorted)
        qsort(view->by_time.items, view->by_time.len, sizeof(*view->by_time.items), sample_compare);
}

/* The log says a stale marker as a float whatever the series is; a histogram's ends as one. */
static const struct histogram *stale_histogram(struct sample_columns *out,
                                               const struct histogram *before)
{
    struct histogram *stale = arena_zalloc(&out->histogram_arena, sizeof(*stale));
    stale->is_float = before->is_float;
    stale->sum = sample_stale();
    return stale;
}

static enum err push_samples(struct head_view *view, struct chunk_samples *to, struct errbuf *err)
{
    const struct head_sample *before = NULL;
    enum err code = ERR_NONE;
    for (size_t i = 0; i < view->by_time.len && code == ERR_NONE; i++) {
        struct head_sample *sample = view->by_time.items[i];
        if (before != NULL && before->time_ms == sample->time_ms)
            continue;
        if (sample->histogram == NULL && before != NULL && before->histogram != NULL &&
            sample_is_stale(sample->value))
            sample->histogram = stale_histogram(to->out, before->histogram);
        bool wanted = false;
        code = chunk_samples_check(to, sample->time_ms, &wanted, err);
        if (code == ERR_NONE && wanted)
            chunk_samples_push(to, sample->time_ms, sample->value, sample->histogram,
                               sample->start_ms);
        before = sample;
    }
    return code;
}

static enum err view_read(struct series_view *base, const struct series_entry *entry,
                          int64_t min_ms, int64_t max_ms, struct sample_columns *out,
                          struct errbuf *err)
{
    struct head_view *view = (struct head_view *)base;
    struct prometheus_head *head = view->head;
    uint32_t number = head->order.items[entry->handle];
    const struct head_series *series = &head->series.items[number];
    enum err code = ERR_NONE;
    struct chunk_samples samples;
    chunk_samples_begin(&samples, out, min_ms, max_ms, tombstones_of(head->tombstones, number));
    if (series->sample_count > 0 && entry->handle - head->window.first >= head->window.count)
        code = prometheus_replay_window(head, entry->handle, err);
    vec_reset(&view->samples);
    if (code == ERR_NONE)
        code = gather_chunks(view, series, false, out, err);
    if (code == ERR_NONE && series->sample_count > 0)
        gather_log(view, series, out);
    if (code == ERR_NONE)
        code = gather_chunks(view, series, true, out, err);
    sort_samples(view);
    if (code == ERR_NONE)
        code = push_samples(view, &samples, err);
    chunk_samples_finish(&samples);
    return code;
}

/* --- the view --- */

static void view_close(struct series_view *base)
{
    struct head_view *view = (struct head_view *)base;
    sample_columns_release(&view->scratch);
    vec_release(&view->samples);
    vec_release(&view->by_time);
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
    struct head_view *view = mem_zalloc(sizeof(*view));
    view->view.operations = &view_operations;
    view->head = (struct prometheus_head *)source;
    sample_columns_init(&view->scratch);
    *out = &view->view;
    return ERR_NONE;
}

static const struct series_source_operations source_operations = {.open = source_open};

/* --- opening --- */

static int place_compare(const void *a, const void *b, void *context)
{
    const struct prometheus_head *head = context;
    return labels_compare(head->series.items[*(const uint32_t *)a].labels,
                          head->series.items[*(const uint32_t *)b].labels);
}

static void sort_series(struct prometheus_head *head)
{
    for (uint32_t i = 0; i < head->series.len; i++)
        vec_push(&head->order, i);
    if (head->order.len > 1)
        qsort_r(head->order.items, head->order.len, sizeof(*head->order.items), place_compare,
                head);
    for (uint32_t i = 0; i < head->order.len; i++)
        head->series.items[head->order.items[i]].place = i;
}

static enum err open_files(struct prometheus_head *head, struct errbuf *err)
{
    char *chunks CLEANUP(mem_cleanup) = path_join(head->path, "chunks_head");
    char *wal CLEANUP(mem_cleanup) = path_join(head->path, "wal");
    char *wbl CLEANUP(mem_cleanup) = path_join(head->path, "wbl");
    enum err code = prometheus_log_add_checkpointed(&head->log, wal, err);
    if (code == ERR_NONE && head->log.segments.len == 0)
        return errbuf_set(err, ERR_NOT_FOUND, "%s has no log", head->path);
    if (code == ERR_NONE)
        code = prometheus_log_add(&head->late_log, wbl, 0, err);
    if (code == ERR_NONE)
        code = prometheus_head_chunks_open(&head->chunks, head->fs, chunks, &head->notes, err);
    return code;
}

enum err prometheus_head_open(const struct prometheus_head_options *options,
                              struct prometheus_head **out, struct errbuf *err)
{
    struct prometheus_head *head = mem_zalloc(sizeof(*head));
    head->source.operations = &source_operations;
    head->fs = options->fs;
    head->path = mem_strdup(options->path);
    head->valid_from_ms = options->valid_from_ms;
    head->window_bytes = options->window_bytes;
    head->progress = options->progress;
    head->max_ms = INT64_MIN;
    head->chunks.fs = options->fs;
    prometheus_log_init(&head->log, head->fs, &head->notes);
    prometheus_log_init(&head->late_log, head->fs, &head->notes);
    prometheus_record_reader_init(&head->reader);
    table_init(&head->by_ref);
    table_init(&head->by_labels);
    enum err code = open_files(head, err);
    if (code == ERR_NONE)
        code = prometheus_replay_learn(head, err);
    if (code != ERR_NONE) {
        prometheus_head_close(head);
        return code;
    }
    sort_series(head);
    *out = head;
    return ERR_NONE;
}

void prometheus_head_close(struct prometheus_head *head)
{
    if (head == NULL)
        return;
    prometheus_replay_window_release(&head->window);
    prometheus_head_chunks_close(&head->chunks);
    prometheus_log_release(&head->log);
    prometheus_log_release(&head->late_log);
    prometheus_record_reader_release(&head->reader);
    for (size_t i = 0; i < head->series.len; i++)
        labels_unref(head->series.items[i].labels);
    vec_release(&head->series);
    vec_release(&head->refs);
    vec_release(&head->deletions);
    vec_release(&head->order);
    vec_release(&head->spans);
    table_release(&head->by_ref);
    table_release(&head->by_labels);
    tombstones_unref(head->tombstones);
    notes_release(&head->notes);
    mem_free(head->path);
    mem_free(head);
}

struct series_source *prometheus_head_source(struct prometheus_head *head)
{
    return &head->source;
}

struct notes *prometheus_head_notes(struct prometheus_head *head)
{
    return &head->notes;
}

uint64_t prometheus_head_fingerprint(const struct prometheus_head *head)
{
    return head->fingerprint;
}

bool prometheus_head_has_changed(const struct prometheus_head *head)
{
    struct prometheus_log now;
    char *wal CLEANUP(mem_cleanup) = path_join(head->path, "wal");
    prometheus_log_init(&now, head->fs, NULL);
    bool changed = prometheus_log_add_checkpointed(&now, wal, NULL) != ERR_NONE ||
                   now.segments.len != head->log.segments.len ||
                   now.bytes_total != head->log.bytes_total;
    prometheus_log_release(&now);
    return changed;
}

struct prometheus_head_spans prometheus_head_spans(const struct prometheus_head *head)
{
    return (struct prometheus_head_spans){head->spans.items, head->spans.len};
}

int64_t prometheus_head_max_ms(const struct prometheus_head *head)
{
    return head->max_ms;
}
