/* Replaying the logs of the reference (prometheus_head.h). The rules are those of its own replay:
 * a sample that a chunk has, that is older than the blocks or not newer than the one before it is
 * left out; the out-of-order log has the latter. */
#include "base/assert.h"
#include "base/hash.h"
#include "model/histogram_arithmetic.h"
#include "tool/prometheus_head_internal.h"

#define WINDOW_BYTES_DEFAULT ((size_t)512 << 20)

/* --- series and refs --- */

struct ref_key {
    const struct prometheus_head *head;
    uint64_t ref;
};

static bool ref_is(const void *entry, const void *key)
{
    const struct ref_key *wanted = key;
    return wanted->head->refs.items[(uintptr_t)entry - 1].ref == wanted->ref;
}

static struct head_ref *find_ref(const struct prometheus_head *head, uint64_t ref)
{
    struct ref_key key = {head, ref};
    uintptr_t entry = (uintptr_t)table_get(&head->by_ref, hash_mix(0, ref), ref_is, &key);
    return entry == 0 ? NULL : &head->refs.items[entry - 1];
}

struct labels_key {
    const struct prometheus_head *head;
    const struct labels *labels;
};

static bool labels_are(const void *entry, const void *key)
{
    const struct labels_key *wanted = key;
    return labels_equal(wanted->head->series.items[(uintptr_t)entry - 1].labels, wanted->labels);
}

static uint32_t find_or_add_series(struct prometheus_head *head, struct labels_builder *builder)
{
    struct labels *labels = labels_builder_take(builder);
    struct labels_key key = {head, labels};
    uintptr_t entry = (uintptr_t)table_get(&head->by_labels, labels->hash, labels_are, &key);
    if (entry != 0) {
        labels_unref(labels);
        return (uint32_t)(entry - 1);
    }
    vec_push(&head->series,
             (struct head_series){.labels = labels, .first_ref = HEAD_NONE, .last_ms = INT64_MIN});
    table_add(&head->by_labels, labels->hash, (void *)(uintptr_t)head->series.len);
    return (uint32_t)head->series.len - 1;
}

/* --- spans of time --- */

static int64_t span_of(int64_t time_ms)
{
    int64_t rest = time_ms % PROMETHEUS_HEAD_SPAN_MS;
    /* the first span may begin before there is time */
    if (rest < 0)
        rest += PROMETHEUS_HEAD_SPAN_MS;
    return time_ms < INT64_MIN + rest ? INT64_MIN : time_ms - rest;
}

static void note_time(struct prometheus_head *head, int64_t time_ms)
{
    head->max_ms = MAX(head->max_ms, time_ms);
    int64_t span = span_of(time_ms);
    size_t low = 0, high = head->spans.len;
    /* nearly all are in the newest */
    if (high > 0 && head->spans.items[high - 1] == span)
        return;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (head->spans.items[middle] < span)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < head->spans.len && head->spans.items[low] == span)
        return;
    vec_push(&head->spans, span);
    memmove(head->spans.items + low + 1, head->spans.items + low,
            (head->spans.len - 1 - low) * sizeof(*head->spans.items));
    head->spans.items[low] = span;
}

static void note_chunk_times(struct prometheus_head *head,
                             const struct prometheus_head_chunk *chunk)
{
    if (span_of(chunk->min_ms) == span_of(chunk->max_ms)) {
        note_time(head, chunk->max_ms);
        return;
    }
    struct sample_columns CLEANUP(sample_columns_release) columns;
    struct chunk_samples samples;
    sample_columns_init(&columns);
    chunk_samples_begin(&samples, &columns, INT64_MIN, INT64_MAX, (struct tombstone_spans){0});
    /* it was decoded when it was found */
    if (prometheus_head_chunk_read(chunk, &samples, NULL) != ERR_NONE)
        return;
    chunk_samples_finish(&samples);
    for (size_t i = 0; i < columns.count; i++)
        note_time(head, columns.timestamps_ms[i]);
}

/* --- the first replay --- */

static void learn_chunks(struct prometheus_head *head, struct head_ref *ref)
{
    size_t count;
    ref->first_chunk = prometheus_head_chunks_find(&head->chunks, ref->ref, &count);
    ref->chunk_count = (uint32_t)count;
    ref->chunks_max_ms = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        const struct prometheus_head_chunk *chunk = &head->chunks.items.items[ref->first_chunk + i];
        if (!chunk->is_late && chunk->max_ms < head->valid_from_ms)
            continue;
        if (!chunk->is_late)
            ref->chunks_max_ms = MAX(ref->chunks_max_ms, chunk->max_ms);
        note_chunk_times(head, chunk);
    }
}

static void learn_series(void *context, uint64_t number, struct labels_builder *labels)
{
    struct prometheus_head *head = context;
    if (find_ref(head, number) != NULL)
        return;
    uint32_t series = find_or_add_series(head, labels);
    struct head_ref ref = {
        .ref = number, .series = series, .next = head->series.items[series].first_ref};
    learn_chunks(head, &ref);
    vec_push(&head->refs, ref);
    table_add(&head->by_ref, hash_mix(0, number), (void *)(uintptr_t)head->refs.len);
    head->series.items[series].first_ref = (uint32_t)head->refs.len - 1;
}

/* Is a sample of the log in the order of time one that counts? */
static bool is_wanted(const struct prometheus_head *head, const struct head_ref *ref,
                      struct head_series *series, int64_t time_ms)
{
    if (time_ms < head->valid_from_ms || time_ms <= ref->chunks_max_ms ||
        time_ms <= series->last_ms)
        return false;
    series->last_ms = time_ms;
    return true;
}

static void count_sample(struct prometheus_head *head, struct head_series *series,
                         const struct prometheus_sample *sample)
{
    note_time(head, sample->time_ms);
    series->sample_count++;
    series->sample_bytes += sizeof(struct head_sample);
    if (sample->histogram != NULL)
        series->sample_bytes += histogram_size_bytes(sample->histogram) + sizeof(struct histogram);
}

static void learn_sample(void *context, const struct prometheus_sample *sample)
{
    struct prometheus_head *head = context;
    struct head_ref *ref = find_ref(head, sample->series);
    if (ref == NULL) {
        head->unknown_count += sample->time_ms >= head->valid_from_ms;
        return;
    }
    struct head_series *series = &head->series.items[ref->series];
    if (!ref->is_dead && is_wanted(head, ref, series, sample->time_ms))
        count_sample(head, series, sample);
}

static void learn_late_sample(void *context, const struct prometheus_sample *sample)
{
    struct prometheus_head *head = context;
    struct head_ref *ref = find_ref(head, sample->series);
    if (ref == NULL)
        head->unknown_count++;
    else if (!ref->is_dead)
        count_sample(head, &head->series.items[ref->series], sample);
}

static void learn_deletion(void *context, uint64_t number, int64_t min_ms, int64_t max_ms)
{
    struct prometheus_head *head = context;
    const struct head_ref *ref = find_ref(head, number);
    if (ref == NULL)
        return;
    struct head_series *series = &head->series.items[ref->series];
    if (min_ms == INT64_MIN && max_ms == INT64_MAX) {
        /* not deleted by anyone: stale for long, so it went into a block and out of the head */
        for (uint32_t i = series->first_ref; i != HEAD_NONE; i = head->refs.items[i].next)
            head->refs.items[i].is_dead = true;
        series->last_ms = INT64_MIN;
    } else if (max_ms >= head->valid_from_ms) {
        vec_push(&head->deletions, (struct tombstone){ref->series, min_ms, max_ms});
    }
}

static enum err replay(struct prometheus_head *head, struct prometheus_log *log,
                       const struct prometheus_record_sink *sink, struct errbuf *err)
{
    struct slice record;
    while (prometheus_log_next(log, &record)) {
        struct errbuf own = ERRBUF_INIT;
        if (prometheus_record_read(&head->reader, record, sink, &own) != ERR_NONE)
            prometheus_log_note_record(log, &own);
        if (head->progress != NULL)
            head->progress(log->bytes_read, log->bytes_total);
    }
    if (log->failure != ERR_NONE)
        return errbuf_set(err, log->failure, "%s", log->err.text);
    return ERR_NONE;
}

static void note_unknown(struct prometheus_head *head)
{
    if (head->unknown_count > 0)
        notes_add(
            &head->notes, head->notes.damaged > 0,
            "%s/wal: %llu samples belong to series that are not in the log; Prometheus leaves "
            "them out, too",
            head->path, (unsigned long long)head->unknown_count);
}

enum err prometheus_replay_learn(struct prometheus_head *head, struct errbuf *err)
{
    struct prometheus_record_sink sink = {head, learn_series, learn_sample, learn_deletion};
    struct prometheus_record_sink late = {.context = head, .sample = learn_late_sample};
    if (head->window_bytes == 0)
        head->window_bytes = WINDOW_BYTES_DEFAULT;
    enum err code = replay(head, &head->log, &sink, err);
    if (code == ERR_NONE)
        code = replay(head, &head->late_log, &late, err);
    if (code != ERR_NONE)
        return code;
    note_unknown(head);
    head->tombstones = tombstones_new(NULL, head->deletions.items, head->deletions.len);
    head->fingerprint = hash_mix(head->log.fingerprint, head->late_log.fingerprint);
    head->fingerprint = hash_mix(head->fingerprint, head->chunks.fingerprint);
    head->fingerprint = hash_mix(head->fingerprint, (uint64_t)head->valid_from_ms);
    return ERR_NONE;
}

/* --- windows --- */

void prometheus_replay_window_release(struct head_window *window)
{
    mem_free(window->samples);
    mem_free(window->begins);
    mem_free(window->lens);
    arena_release(&window->arena);
    *window = (struct head_window){0};
}

/* As many series as fit, and at least one. */
static void choose_window(struct prometheus_head *head, size_t place)
{
    struct head_window *window = &head->window;
    uint64_t bytes = 0;
    size_t samples = 0, end = place;
    while (end < head->order.len) {
        const struct head_series *series = &head->series.items[head->order.items[end]];
        if (end > place && bytes + series->sample_bytes > head->window_bytes)
            break;
        bytes += series->sample_bytes;
        end++;
    }
    prometheus_replay_window_release(window);
    arena_init(&window->arena, SIZE_MAX);
    window->first = place;
    window->count = end - place;
    window->begins = mem_alloc_array(window->count + 1, sizeof(*window->begins));
    window->lens = mem_zalloc(MAX(window->count, 1) * sizeof(*window->lens));
    for (size_t i = 0; i < window->count; i++) {
        struct head_series *series = &head->series.items[head->order.items[place + i]];
        window->begins[i] = samples;
        samples += series->sample_count;
        series->last_ms = INT64_MIN;
    }
    window->begins[window->count] = samples;
    window->samples = mem_alloc_array(samples, sizeof(*window->samples));
}

/* The series of a ref, if it is in the window. */
static struct head_series *in_window(const struct prometheus_head *head, const struct head_ref *ref)
{
    if (ref == NULL || ref->is_dead)
        return NULL;
    struct head_series *series = &head->series.items[ref->series];
    size_t at = series->place - head->window.first; /* wraps for those before it */
    return at < head->window.count ? series : NULL;
}

static void keep_sample(struct prometheus_head *head, const struct head_series *series,
                        const struct prometheus_sample *sample)
{
    struct head_window *window = &head->window;
    size_t at = series->place - window->first;
    /* more than before: somebody writes to the log meanwhile */
    if (window->begins[at] + window->lens[at] == window->begins[at + 1])
        return;
    const struct histogram *histogram = sample->histogram;
    if (histogram != NULL)
        histogram = head_copy_histogram(&window->arena, histogram);
    window->samples[window->begins[at] + window->lens[at]++] =
        (struct head_sample){sample->time_ms, sample->start_ms, sample->value, histogram};
}

static void load_sample(void *context, const struct prometheus_sample *sample)
{
    struct prometheus_head *head = context;
    const struct head_ref *ref = find_ref(head, sample->series);
    struct head_series *series = in_window(head, ref);
    if (series != NULL && is_wanted(head, ref, series, sample->time_ms))
        keep_sample(head, series, sample);
}

static void load_late_sample(void *context, const struct prometheus_sample *sample)
{
    struct prometheus_head *head = context;
    const struct head_series *series = in_window(head, find_ref(head, sample->series));
    if (series != NULL)
        keep_sample(head, series, sample);
}

enum err prometheus_replay_window(struct prometheus_head *head, size_t place, struct errbuf *err)
{
    ASSERT(place < head->order.len);
    choose_window(head, place);
    struct prometheus_record_sink sink = {.context = head, .sample = load_sample};
    struct prometheus_record_sink late = {.context = head, .sample = load_late_sample};
    head->progress = NULL;
    prometheus_log_rewind(&head->log);
    prometheus_log_rewind(&head->late_log);
    enum err code = replay(head, &head->log, &sink, err);
    if (code == ERR_NONE)
        code = replay(head, &head->late_log, &late, err);
    if (code != ERR_NONE)
        prometheus_replay_window_release(&head->window);
    return code;
}
