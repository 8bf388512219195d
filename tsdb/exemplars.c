/* The rules of the reference: what is a duplicate, what is too late, and what is put between. */
#include "tsdb/exemplars.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "model/matcher.h"
#include "tsdb/exemplar_labels.h"
#include "tsdb/tsdb_internal.h"

#include <stdlib.h>
#include <string.h>

#define SLOT_NONE (-1)
#define SLOTS_MAX INT32_MAX

static int64_t clamp_slots(int64_t slots_max)
{
    return slots_max < 0 ? 0 : MIN(slots_max, (int64_t)SLOTS_MAX);
}

void exemplars_init(struct exemplars *exemplars, int64_t slots_max)
{
    memset(exemplars, 0, sizeof(*exemplars));
    exemplars->slots_max = clamp_slots(slots_max);
    mutex_init(&exemplars->lock, LOCK_RANK_TSDB_EXEMPLARS);
    table_init(&exemplars->series);
}

static void series_free_entry(struct exemplar_series *series)
{
    labels_unref(series->labels);
    mem_free(series);
}

void exemplars_release(struct exemplars *exemplars)
{
    for (size_t i = 0; i < exemplars->slots.len; i++)
        mem_free(exemplars->slots.items[i].labels);
    vec_release(&exemplars->slots);
    struct exemplar_series *series;
    for (size_t at = 0; (series = table_next(&exemplars->series, &at)) != NULL;)
        series_free_entry(series);
    table_release(&exemplars->series);
    mutex_release(&exemplars->lock);
}

static bool has_labels(const void *value, const void *key)
{
    return labels_equal(((const struct exemplar_series *)value)->labels, key);
}

static struct exemplar_series *series_find(struct exemplars *exemplars, const struct labels *labels)
{
    return table_get(&exemplars->series, labels->hash, has_labels, labels);
}

static struct slice slot_labels(const struct exemplar_slot *slot)
{
    return slice_from(slot->labels, slot->labels_len);
}

/* Those that came without a time of their own are the same whatever the time of the scrape. */
static bool is_same(const struct exemplar_slot *slot, const struct exemplar_entry *entry)
{
    bool timed = slot->has_timestamp || entry->has_timestamp;
    return slice_eq(slot_labels(slot), entry->labels) &&
           !(timed && slot->timestamp_ms != entry->timestamp_ms) && slot->value == entry->value;
}

static uint64_t order_of_labels(struct slice labels)
{
    return hash_slice(labels, 0);
}

static bool is_late(const struct exemplar_slot *newest, const struct exemplar_entry *entry,
                    int64_t window_ms)
{
    if (entry->timestamp_ms != newest->timestamp_ms) {
        int64_t oldest_ms;
        if (__builtin_sub_overflow(newest->timestamp_ms, MAX(window_ms, INT64_C(0)), &oldest_ms))
            oldest_ms = INT64_MIN;
        return entry->timestamp_ms < newest->timestamp_ms && entry->timestamp_ms <= oldest_ms;
    }
    /* several at one time are told apart by an order, so that none has to be searched for */
    return entry->value < newest->value ||
           (entry->value == newest->value &&
            order_of_labels(entry->labels) < order_of_labels(slot_labels(newest)));
}

static enum exemplar_result check_locked(const struct exemplars *exemplars,
                                         const struct exemplar_series *series,
                                         const struct exemplar_entry *entry, int64_t window_ms)
{
    if (series == NULL)
        return EXEMPLAR_OK;
    const struct exemplar_slot *newest = &exemplars->slots.items[series->newest];
    if (is_same(newest, entry))
        return EXEMPLAR_SAME;
    return is_late(newest, entry, window_ms) ? EXEMPLAR_OUT_OF_ORDER : EXEMPLAR_OK;
}

enum exemplar_result exemplars_check(struct exemplars *exemplars, const struct labels *labels,
                                     const struct exemplar_entry *entry, int64_t window_ms)
{
    MUTEX_GUARD(&exemplars->lock);
    return check_locked(exemplars, series_find(exemplars, labels), entry, window_ms);
}

/* Frees a slot; its series goes with its last exemplar. */
static void slot_drop(struct exemplars *exemplars, struct exemplar_slot *slot)
{
    struct exemplar_slot *items = exemplars->slots.items;
    struct exemplar_series *series = slot->series;
    if (series == NULL)
        return;
    if (slot->previous != SLOT_NONE)
        items[slot->previous].next = slot->next;
    else
        series->oldest = slot->next;
    if (slot->next != SLOT_NONE)
        items[slot->next].previous = slot->previous;
    else
        series->newest = slot->previous;
    mem_free(slot->labels);
    *slot = (struct exemplar_slot){0};
    if (series->oldest != SLOT_NONE)
        return;
    table_remove(&exemplars->series, series->labels->hash, has_labels, series->labels);
    series_free_entry(series);
}

/* The last one of a series that is not later than `t_ms`; SLOT_NONE when all are. */
static int32_t find_before(const struct exemplars *exemplars, const struct exemplar_series *series,
                           int64_t t_ms)
{
    int32_t at = series->newest;
    while (at != SLOT_NONE && exemplars->slots.items[at].timestamp_ms > t_ms)
        at = exemplars->slots.items[at].previous;
    return at;
}

/* A slot for one more: the oldest is given up when the ring is full. */
static int32_t slot_take(struct exemplars *exemplars)
{
    if ((int64_t)exemplars->slots.len < exemplars->slots_max) {
        vec_push(&exemplars->slots, (struct exemplar_slot){0});
        return (int32_t)(exemplars->slots.len - 1);
    }
    size_t at = exemplars->next_slot;
    slot_drop(exemplars, &exemplars->slots.items[at]);
    exemplars->next_slot = (at + 1) % exemplars->slots.len;
    return (int32_t)at;
}

static void slot_link(struct exemplars *exemplars, struct exemplar_series *series, int32_t at)
{
    struct exemplar_slot *items = exemplars->slots.items;
    struct exemplar_slot *slot = &items[at];
    slot->series = series;
    slot->previous = find_before(exemplars, series, slot->timestamp_ms);
    slot->next = slot->previous == SLOT_NONE ? series->oldest : items[slot->previous].next;
    if (slot->previous == SLOT_NONE)
        series->oldest = at;
    else
        items[slot->previous].next = at;
    if (slot->next == SLOT_NONE)
        series->newest = at;
    else
        items[slot->next].previous = at;
}

static void add_locked(struct exemplars *exemplars, const struct labels *labels,
                       const struct exemplar_entry *entry, int64_t window_ms)
{
    struct exemplar_series *series = series_find(exemplars, labels);
    enum exemplar_result result = check_locked(exemplars, series, entry, window_ms);
    exemplars->out_of_order += result == EXEMPLAR_OUT_OF_ORDER;
    if (result != EXEMPLAR_OK)
        return;
    if (series != NULL &&
        entry->timestamp_ms < exemplars->slots.items[series->newest].timestamp_ms) {
        int32_t before = find_before(exemplars, series, entry->timestamp_ms);
        /* taken for a duplicate, as comparing all would take too long */
        if (before != SLOT_NONE &&
            exemplars->slots.items[before].timestamp_ms == entry->timestamp_ms)
            return;
    }
    int32_t at = slot_take(exemplars); /* which may have been the last of the series */
    series = series_find(exemplars, labels);
    if (series == NULL) {
        series = mem_alloc(sizeof(*series));
        *series = (struct exemplar_series){labels_ref(labels), SLOT_NONE, SLOT_NONE};
        table_add(&exemplars->series, labels->hash, series);
    }
    struct exemplar_slot *slot = &exemplars->slots.items[at];
    slot->labels = mem_dup(entry->labels.ptr, entry->labels.len);
    slot->labels_len = (uint32_t)entry->labels.len;
    slot->has_timestamp = entry->has_timestamp;
    slot->timestamp_ms = entry->timestamp_ms;
    slot->value = entry->value;
    slot_link(exemplars, series, at);
    exemplars->appended++;
}

void exemplars_add(struct exemplars *exemplars, const struct labels *labels,
                   const struct exemplar_entry *entry, int64_t window_ms)
{
    ASSERT(entry->labels.len > 0 && entry->labels.len <= EXEMPLAR_LABEL_BYTES_MAX);
    MUTEX_GUARD(&exemplars->lock);
    if (exemplars->slots_max > 0)
        add_locked(exemplars, labels, entry, window_ms);
}

/* The slot that is the i-th oldest. */
static size_t slot_by_age(const struct exemplars *exemplars, size_t i)
{
    return (exemplars->next_slot + i) % exemplars->slots.len;
}

void exemplars_resize(struct exemplars *exemplars, int64_t slots_max)
{
    MUTEX_GUARD(&exemplars->lock);
    exemplars->slots_max = clamp_slots(slots_max);
    size_t count = exemplars->slots.len;
    size_t kept = MIN(count, (size_t)exemplars->slots_max);
    if (kept == count && exemplars->next_slot == 0)
        return;
    size_t dropped = count - kept;
    for (size_t i = 0; i < dropped; i++)
        slot_drop(exemplars, &exemplars->slots.items[slot_by_age(exemplars, i)]);
    /* the rest in the order of age, so that the ring can go on behind it */
    struct exemplar_slot *items = kept == 0 ? NULL : mem_alloc_array(kept, sizeof(*items));
    int32_t *moved = mem_alloc_array(MAX(count, (size_t)1), sizeof(*moved));
    for (size_t i = 0; i < kept; i++) {
        size_t from = slot_by_age(exemplars, dropped + i);
        items[i] = exemplars->slots.items[from];
        moved[from] = (int32_t)i;
    }
    for (size_t i = 0; i < kept; i++) {
        items[i].next = items[i].next == SLOT_NONE ? SLOT_NONE : moved[items[i].next];
        items[i].previous = items[i].previous == SLOT_NONE ? SLOT_NONE : moved[items[i].previous];
    }
    struct exemplar_series *series;
    for (size_t at = 0; (series = table_next(&exemplars->series, &at)) != NULL;) {
        series->oldest = moved[series->oldest];
        series->newest = moved[series->newest];
    }
    mem_free(moved);
    vec_release(&exemplars->slots);
    exemplars->slots.items = items;
    exemplars->slots.len = exemplars->slots.cap = kept;
    exemplars->next_slot = 0;
}

void exemplars_figures(struct exemplars *exemplars, struct exemplars_figures *out)
{
    MUTEX_GUARD(&exemplars->lock);
    *out = (struct exemplars_figures){
        .appended = exemplars->appended,
        .out_of_order = exemplars->out_of_order,
        .count = exemplars->slots.len,
        .series_count = exemplars->series.len,
    };
    if (exemplars->slots.len > 0)
        out->oldest_ms = exemplars->slots.items[exemplars->next_slot].timestamp_ms;
}

/* --- selecting --- */

static bool matches_any(const struct labels *labels, const struct tsdb_matcher_set *sets,
                        size_t set_count)
{
    for (size_t i = 0; i < set_count; i++) {
        bool matches = true;
        for (size_t k = 0; k < sets[i].count && matches; k++) {
            const struct matcher *matcher = sets[i].matchers[k];
            matches = matcher_matches(matcher, labels_get(labels, matcher->name));
        }
        if (matches)
            return true;
    }
    return false;
}

/* The exemplars of a series within the range; none is added when there is none. */
static enum err select_series(const struct exemplars *exemplars,
                              const struct exemplar_series *series, int64_t min_ms, int64_t max_ms,
                              struct arena *arena, struct tsdb_exemplar_series *out)
{
    size_t count = 0;
    int32_t first = SLOT_NONE;
    const struct exemplar_slot *items = exemplars->slots.items;
    for (int32_t at = series->oldest; at != SLOT_NONE && items[at].timestamp_ms <= max_ms;
         at = items[at].next) {
        if (items[at].timestamp_ms < min_ms)
            continue;
        first = count++ == 0 ? at : first;
    }
    out->count = count;
    if (count == 0)
        return ERR_NONE;
    struct exemplar *list = arena_try_alloc(arena, count * sizeof(*list));
    if (list == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < count; i++, first = items[first].next) {
        const struct exemplar_slot *slot = &items[first];
        list[i] = (struct exemplar){.value = slot->value,
                                    .timestamp_ms = slot->timestamp_ms,
                                    .has_timestamp = slot->has_timestamp};
        list[i].labels = exemplar_labels_decode(slot_labels(slot), arena, &list[i].label_count);
        if (list[i].labels == NULL)
            return ERR_LIMIT;
    }
    out->exemplars = list;
    out->labels = labels_ref(series->labels);
    return ERR_NONE;
}

static int by_labels(const void *a, const void *b)
{
    return labels_compare(((const struct tsdb_exemplar_series *)a)->labels,
                          ((const struct tsdb_exemplar_series *)b)->labels);
}

enum err tsdb_exemplars_select(struct tsdb *db, int64_t min_ms, int64_t max_ms,
                               const struct tsdb_matcher_set *sets, size_t set_count,
                               struct arena *arena, struct tsdb_exemplar_list *out,
                               struct errbuf *err)
{
    struct exemplars *exemplars = &db->exemplars;
    enum err result = ERR_NONE;
    *out = (struct tsdb_exemplar_list){0};
    {
        MUTEX_GUARD(&exemplars->lock);
        struct exemplar_series *series;
        for (size_t at = 0; (series = table_next(&exemplars->series, &at)) != NULL;) {
            struct tsdb_exemplar_series found = {0};
            if (matches_any(series->labels, sets, set_count))
                result = select_series(exemplars, series, min_ms, max_ms, arena, &found);
            if (result != ERR_NONE)
                break;
            if (found.count > 0)
                vec_push(&out->series, found);
        }
    }
    if (result != ERR_NONE) {
        tsdb_exemplar_list_release(out);
        return errbuf_set(err, result, "more exemplars than an answer may have");
    }
    if (out->series.len > 1)
        qsort(out->series.items, out->series.len, sizeof(*out->series.items), by_labels);
    return ERR_NONE;
}

void tsdb_exemplar_list_release(struct tsdb_exemplar_list *list)
{
    for (size_t i = 0; i < list->series.len; i++)
        labels_unref(list->series.items[i].labels);
    vec_release(&list->series);
}
