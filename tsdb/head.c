/* Creation and removal keep the three indexes in step: map, refs, postings. */
#include "tsdb/head.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <stdatomic.h>
#include <string.h>

/* For loading many series: so far ahead their place in the map is fetched, and so many places of a
 * label set remember their list. */
#define LOAD_AHEAD 16
#define LOAD_PLACES 32

void head_init(struct head *head)
{
    memset(head, 0, sizeof(*head));
    head->range_ms = HEAD_CHUNK_RANGE_MS;
    isolation_init(&head->isolation);
    postings_init(&head->postings, &head->isolation);
    refs_init(&head->refs, &head->isolation);
    byte_pool_init(&head->pool);
    chunk_pool_init(&head->chunk_pool);
    for (size_t i = 0; i < HEAD_SHARDS; i++) {
        mutex_init(&head->shards[i].lock, LOCK_RANK_TSDB_HEAD);
        table_init(&head->shards[i].series);
    }
    for (size_t i = 0; i < HEAD_STRIPES; i++)
        mutex_init(&head->stripes[i], LOCK_RANK_TSDB_SERIES);
    head->min_ms = INT64_MAX;
    head->max_ms = INT64_MIN;
    head->late_min_ms = INT64_MAX;
    head->recent_min_ms = INT64_MAX;
    head->recent_late_min_ms = INT64_MAX;
    head->floor_ms = INT64_MIN;
    head->cutoff_ms = INT64_MIN;
}

void head_release(struct head *head)
{
    struct series *series;
    for (series_ref ref = 1; (series = refs_next(&head->refs, &ref)) != NULL;) {
        series_drop_open(&head->pool, series);
        series_free(series);
    }
    byte_pool_release(&head->pool);
    vec_release(&head->unsealed);
    for (size_t i = 0; i < HEAD_SHARDS; i++) {
        table_release(&head->shards[i].series);
        mutex_release(&head->shards[i].lock);
    }
    for (size_t i = 0; i < HEAD_STRIPES; i++)
        mutex_release(&head->stripes[i]);
    isolation_release(&head->isolation);
    tombstones_unref((struct tombstones *)head->deleted);
    chunk_pool_release(&head->chunk_pool);
    refs_release(&head->refs);
    postings_release(&head->postings);
}

static bool series_has_labels(const void *value, const void *key)
{
    return labels_equal(((const struct series *)value)->labels, key);
}

/* Clears a mark; false when the series is being removed. */
static bool series_touch(struct series *series)
{
    uint32_t mark = series->gc_mark;
    while (UNLIKELY(mark != 0)) {
        if (mark == HEAD_GC_DEAD)
            return false;
        if (atomic_compare_exchange_weak(&series->gc_mark, &mark, 0))
            break;
    }
    return true;
}

static size_t labels_bytes(const struct labels *labels)
{
    return sizeof(*labels) + labels->count * sizeof(labels->pairs[0]);
}

static struct series *series_create(struct head *head, const struct labels *labels)
{
    const struct labels *own =
        labels->reference_count > 0 ? labels_ref(labels) : labels_copy(labels);
    rwlock_write_lock(&head->postings.lock);
    struct series *series = series_new(own, refs_take(&head->refs));
    postings_add_locked(&head->postings, series->ref, own);
    refs_set(&head->refs, series->ref, series);
    rwlock_unlock(&head->postings.lock);
    head->series_count++;
    head->series_created++;
    head->label_bytes += labels_bytes(own);
    return series;
}

/* The high bits choose the shard, since the table uses the low ones. */
static struct head_shard *head_shard(struct head *head, uint64_t hash)
{
    return &head->shards[hash >> 59 & (HEAD_SHARDS - 1)];
}

struct series *head_series_for(struct head *head, const struct labels *labels)
{
    struct head_shard *shard = head_shard(head, labels->hash);
    MUTEX_GUARD(&shard->lock);
    struct series *series = table_get(&shard->series, labels->hash, series_has_labels, labels);
    if (series != NULL) {
        bool alive = series_touch(series);
        ASSERT(alive); /* death and leaving the table are one step under the shard's lock */
        return series;
    }
    series = series_create(head, labels);
    table_add(&shard->series, labels->hash, series);
    return series;
}

void head_reserve(struct head *head, size_t series_count)
{
    for (size_t i = 0; i < HEAD_SHARDS; i++)
        table_reserve(&head->shards[i].series, series_count / HEAD_SHARDS);
}

struct series *head_load_series(struct head *head, const struct labels *labels)
{
    struct series *series = series_new(labels, refs_take(&head->refs));
    refs_set(&head->refs, series->ref, series);
    head->series_count++;
    head->series_created++;
    head->label_bytes += labels_bytes(labels);
    return series;
}

static void prefetch_slot(struct head *head, const struct labels *labels)
{
    table_prefetch(&head_shard(head, labels->hash)->series, labels->hash);
}

bool head_link_series(struct head *head, struct series *const *series, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i + LOAD_AHEAD < count)
            prefetch_slot(head, series[i + LOAD_AHEAD]->labels);
        const struct labels *labels = series[i]->labels;
        struct table *table = &head_shard(head, labels->hash)->series;
        if (table_get(table, labels->hash, series_has_labels, labels) != NULL)
            return false;
        table_add(table, labels->hash, series[i]);
    }
    return true;
}

/* The lists of the label pairs of the series before, by place. */
struct load_places {
    const struct labels *last; /* NULL = of none */
    struct posting_place places[LOAD_PLACES];
};

static bool same_pair(const struct labels *a, const struct labels *b, uint32_t place)
{
    return a != NULL && place < a->count && a->pairs[place].name == b->pairs[place].name &&
           a->pairs[place].value == b->pairs[place].value;
}

static void load_postings(struct head *head, struct load_places *known, const struct labels *labels,
                          series_ref ref)
{
    for (uint32_t i = 0; i < labels->count; i++) {
        struct posting_place other;
        struct posting_place *place = i < LOAD_PLACES ? &known->places[i] : &other;
        if (i >= LOAD_PLACES || !same_pair(known->last, labels, i))
            *place = postings_place_locked(&head->postings, labels->pairs[i]);
        postings_add_at_locked(&head->postings, place, ref);
    }
    known->last = labels;
}

void head_load_all(struct head *head, const struct labels *const *labels, size_t count,
                   struct series **out)
{
    struct load_places known;
    known.last = NULL;
    rwlock_write_lock(&head->postings.lock);
    for (size_t i = 0; i < count; i++) {
        if (i + LOAD_AHEAD < count)
            prefetch_slot(head, labels[i + LOAD_AHEAD]);
        struct table *table = &head_shard(head, labels[i]->hash)->series;
        struct series *series =
            table_get(table, labels[i]->hash, series_has_labels, labels[i]);
        if (series != NULL) {
            labels_unref(labels[i]);
        } else {
            series = head_load_series(head, labels[i]);
            table_add(table, labels[i]->hash, series);
            load_postings(head, &known, labels[i], series->ref);
        }
        out[i] = series;
    }
    rwlock_unlock(&head->postings.lock);
}

struct series *head_series_touch(struct head *head, series_ref ref)
{
    struct series *series = refs_get(&head->refs, ref);
    return series != NULL && series_touch(series) ? series : NULL;
}

void head_init_time(struct head *head, int64_t t_ms)
{
    int64_t expected = INT64_MIN;
    atomic_compare_exchange_strong(&head->max_ms, &expected, t_ms);
    expected = INT64_MAX;
    atomic_compare_exchange_strong(&head->min_ms, &expected, t_ms);
}

static void lower(_Atomic int64_t *time_ms, int64_t to_ms)
{
    int64_t seen = *time_ms;
    while (to_ms < seen && !atomic_compare_exchange_weak(time_ms, &seen, to_ms))
        ;
}

void head_widen(struct head *head, int64_t min_ms, int64_t max_ms)
{
    if (min_ms > max_ms)
        return;
    int64_t seen = head->max_ms;
    while (max_ms > seen && !atomic_compare_exchange_weak(&head->max_ms, &seen, max_ms))
        ;
    lower(&head->min_ms, min_ms);
    lower(&head->recent_min_ms, min_ms);
}

void head_widen_late(struct head *head, int64_t min_ms)
{
    lower(&head->late_min_ms, min_ms);
    lower(&head->recent_late_min_ms, min_ms);
}

int64_t head_valid_min_ms(const struct head *head)
{
    int64_t max_ms = head->max_ms;
    int64_t floor_ms = head->floor_ms;
    if (max_ms < INT64_MIN + head->range_ms / 2)
        return floor_ms;
    return MAX(floor_ms, max_ms - head->range_ms / 2);
}

void head_push_chunk(struct head *head, struct series *series, struct chunk *chunk)
{
    if (chunk == NULL)
        return;
    head_count_chunk(head, series, chunk);
    series_push_closed(series, chunk);
}

void head_count_chunk(struct head *head, const struct series *series, const struct chunk *chunk)
{
    head->chunk_count++;
    head->chunks_created++;
    head->chunk_bytes += chunk_size(chunk);
    if (chunk->in_file)
        head->sealed_count++;
    else
        vec_push(&head->unsealed, series->ref);
}

static void chunk_free_list(void *freed)
{
    struct chunk *chunk = freed;
    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        chunk_free(chunk);
        chunk = next;
    }
}

void head_drop_chunks(struct head *head, struct series *series, int64_t cutoff_ms)
{
    _Atomic(struct chunk *) *link = &series->closed;
    struct chunk *chunk;
    while ((chunk = *link) != NULL && chunk_max_ms(chunk) >= cutoff_ms)
        link = &chunk->next;
    if (chunk == NULL)
        return;
    *link = NULL;
    for (struct chunk *gone = chunk; gone != NULL; gone = gone->next) {
        head->chunk_count--;
        head->chunks_removed++;
        head->chunk_bytes -= chunk_size(gone);
        head->sealed_count -= gone->in_file;
    }
    isolation_retire(&head->isolation, chunk, chunk_free_list);
}

/* Takes a marked series out of the map for good; false when somebody touched it. */
static bool series_kill(struct head *head, struct series *series, uint32_t mark)
{
    struct head_shard *shard = head_shard(head, series->labels->hash);
    MUTEX_GUARD(&shard->lock);
    if (!atomic_compare_exchange_strong(&series->gc_mark, &mark, HEAD_GC_DEAD))
        return false;
    table_remove(&shard->series, series->labels->hash, series_has_labels, series->labels);
    return true;
}

size_t head_memory(struct head *head)
{
    return (size_t)head->series_count * (sizeof(struct series) + 2 * sizeof(struct table_slot)) +
           (size_t)head->label_bytes + (size_t)head->chunk_bytes +
           chunk_pool_memory(&head->chunk_pool) + byte_pool_memory(&head->pool) +
           postings_memory(&head->postings) + refs_memory(&head->refs);
}

/* What a round takes out. */
struct head_dead {
    VEC(struct posting_removal) removed;
    VEC(struct series *) series;
};

/* Out of the indexes; the memory goes when no reader is left that may hold it. */
static void dead_remove(struct head *head, struct head_dead *dead)
{
    postings_remove(&head->postings, dead->removed.items, dead->removed.len);
    rwlock_write_lock(&head->postings.lock);
    for (size_t i = 0; i < dead->series.len; i++)
        refs_clear(&head->refs, dead->series.items[i]->ref);
    rwlock_unlock(&head->postings.lock);
    for (size_t i = 0; i < dead->series.len; i++) {
        head->label_bytes -= labels_bytes(dead->series.items[i]->labels);
        isolation_retire(&head->isolation, dead->series.items[i], series_free);
    }
    head->series_count -= dead->series.len;
    head->series_removed += dead->series.len;
}

static uint32_t mark_of_newest(const struct head *head)
{
    uint32_t newest = isolation_appender_number(&head->isolation);
    return newest == 0 || newest == HEAD_GC_DEAD ? 1 : newest;
}

/* Who opens between the two looks at the number may touch the series before the mark is there: the
 * mark has to be as new as that appender. Who touches it later finds the mark and clears it. */
static void series_mark(const struct head *head, struct series *series)
{
    uint32_t none = 0;
    uint32_t mark = mark_of_newest(head);
    if (!atomic_compare_exchange_strong(&series->gc_mark, &none, mark))
        return;
    uint32_t newest = mark_of_newest(head);
    if (newest != mark)
        atomic_compare_exchange_strong(&series->gc_mark, &mark, newest);
}

size_t head_collect(struct head *head, series_ref *ref, size_t batch)
{
    uint32_t oldest = isolation_oldest_appender(&head->isolation);
    struct head_dead dead = {0};
    struct series *series = NULL;
    for (size_t i = 0; i < batch && (series = refs_next(&head->refs, ref)) != NULL; i++) {
        if (!series_is_empty(series))
            continue;
        uint32_t mark = series->gc_mark;
        if (mark == 0) {
            series_mark(head, series);
        } else if ((int32_t)(oldest - mark) > 0 && series_kill(head, series, mark)) {
            vec_push(&dead.removed, (struct posting_removal){series->ref, series->labels});
            vec_push(&dead.series, series);
        }
    }
    if (series == NULL)
        *ref = 0;
    if (dead.series.len > 0)
        dead_remove(head, &dead);
    size_t count = dead.series.len;
    vec_release(&dead.removed);
    vec_release(&dead.series);
    return count;
}

/* --- deletions --- */

static void release_deleted(void *deleted)
{
    tombstones_unref(deleted);
}

/* Readers that are open may be using what was there. */
static void deleted_replace(struct head *head, const struct tombstones *deleted)
{
    struct tombstones *old = (struct tombstones *)head->deleted;
    head->deleted = deleted;
    if (old != NULL)
        isolation_retire(&head->isolation, old, release_deleted);
}

void head_delete(struct head *head, const struct tombstone *spans, size_t count)
{
    if (count > 0)
        deleted_replace(head, tombstones_new(head->deleted, spans, count));
}

void head_drop_deletions(struct head *head, int64_t cutoff_ms)
{
    const struct tombstones *deleted = head->deleted;
    VEC(struct tombstone) kept = {0};
    if (deleted == NULL)
        return;
    for (size_t i = 0; i < deleted->items.len; i++) {
        if (deleted->items.items[i].max_ms >= cutoff_ms)
            vec_push(&kept, deleted->items.items[i]);
    }
    if (kept.len < deleted->items.len)
        deleted_replace(head, kept.len == 0 ? NULL : tombstones_new(NULL, kept.items, kept.len));
    vec_release(&kept);
}
