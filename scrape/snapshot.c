/* What other threads see of the targets: copies in the caller's arena. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/table.h"
#include "model/symbols.h"
#include "scrape/manager_internal.h"
#include "scrape/pool.h"

/* Where copies go, and what pays for them. */
struct snapshot_room {
    struct arena *arena;
    struct memory_hold *memory;
    struct errbuf *err;
};

static bool snapshot_text(struct snapshot_room *room, const char *text, struct slice *out)
{
    return memory_hold_text(room->memory, room->arena, slice_str(text), out, room->err);
}

/* For copies of a target's state, none filled yet. */
static bool snapshot_states(struct snapshot_room *room, size_t count,
                            struct scrape_target_state **out)
{
    *out = memory_hold_alloc(room->memory, room->arena, count * sizeof(**out), room->err);
    return *out != NULL;
}

static bool snapshot_target(struct scrape_manager *manager, const struct target *target,
                            struct slice pool, struct snapshot_room *room,
                            struct scrape_target_state *out)
{
    *out = (struct scrape_target_state){
        .pool = pool,
        .interval_ms = target->schedule.interval_ms,
        .timeout_ms = target->timeout_ms,
    };
    const struct target_state *state = &target->state;
    MUTEX_GUARD(&manager->state_lock);
    if (!snapshot_text(room, target->url, &out->url) ||
        !snapshot_text(room, state->last_error == NULL ? "" : state->last_error, &out->last_error))
        return false;
    out->last_scrape_ms = state->last_scrape_ms;
    out->last_scrape_duration_s = state->last_scrape_duration_s;
    out->health = state->health;
    out->discovered_labels = labels_ref(target->discovered);
    out->labels = labels_ref(target->labels);
    return true;
}

static bool snapshot_active(struct scrape_manager *manager, const struct scrape_pool *pool,
                            struct snapshot_room *room, struct scrape_pool_state *out)
{
    if (!snapshot_states(room, pool->targets.len, &out->active))
        return false;
    for (size_t i = 0; i < pool->targets.len; i++, out->active_count++)
        if (!snapshot_target(manager, pool->targets.items[i], out->name, room, &out->active[i]))
            return false;
    return true;
}

static bool snapshot_dropped(const struct scrape_pool *pool, struct snapshot_room *room,
                             struct scrape_pool_state *out)
{
    if (!snapshot_states(room, pool->dropped.len, &out->dropped))
        return false;
    out->dropped_count = pool->dropped.len;
    for (size_t i = 0; i < out->dropped_count; i++)
        out->dropped[i] = (struct scrape_target_state){
            .discovered_labels = labels_ref(pool->dropped.items[i]),
            .pool = out->name,
        };
    return true;
}

static bool snapshot_pool(struct scrape_manager *manager, const struct scrape_pool *pool,
                          const struct scrape_selection *selection, struct snapshot_room *room,
                          struct scrape_pool_state *out)
{
    *out = (struct scrape_pool_state){.dropped_count_total = pool->dropped_count};
    if (!snapshot_text(room, pool->name, &out->name))
        return false;
    if (selection->pool.len > 0 && !slice_eq(selection->pool, out->name))
        return true;
    return (!selection->active || snapshot_active(manager, pool, room, out)) &&
           (!selection->dropped || snapshot_dropped(pool, room, out));
}

/* What is filled counts, also when there is no room for the rest. */
static bool snapshot_pools(struct scrape_manager *manager, const struct scrape_selection *selection,
                           struct snapshot_room *room, struct scrape_snapshot *out)
{
    MUTEX_GUARD(&manager->lock);
    size_t count = manager->pools.len;
    out->pools =
        memory_hold_alloc(room->memory, room->arena, count * sizeof(*out->pools), room->err);
    if (out->pools == NULL)
        return false;
    while (out->pool_count < count) {
        size_t i = out->pool_count++;
        if (!snapshot_pool(manager, manager->pools.items[i], selection, room, &out->pools[i]))
            return false;
    }
    return true;
}

enum err scrape_manager_snapshot(struct scrape_manager *manager,
                                 const struct scrape_selection *selection, struct arena *arena,
                                 struct memory_hold *memory, struct scrape_snapshot *out,
                                 struct errbuf *err)
{
    struct snapshot_room room = {arena, memory, err};
    *out = (struct scrape_snapshot){0};
    if (snapshot_pools(manager, selection, &room, out))
        return ERR_NONE;
    scrape_snapshot_release(out);
    return ERR_LIMIT;
}

void scrape_snapshot_release(struct scrape_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->pool_count; i++) {
        struct scrape_pool_state *pool = &snapshot->pools[i];
        for (size_t j = 0; j < pool->active_count; j++) {
            labels_unref(pool->active[j].discovered_labels);
            labels_unref(pool->active[j].labels);
        }
        for (size_t j = 0; j < pool->dropped_count; j++)
            labels_unref(pool->dropped[j].discovered_labels);
    }
    *snapshot = (struct scrape_snapshot){0};
}

/* The text of a symbol in the arena, one copy for all: targets of a job say the same things. */
struct snapshot_text {
    uint32_t symbol;
    struct slice text;
};

static bool snapshot_text_is(const void *value, const void *key)
{
    return ((const struct snapshot_text *)value)->symbol == *(const uint32_t *)key;
}

/* An entry as symbols, to tell whether it is there already. */
struct snapshot_words {
    uint32_t metric;
    uint32_t help;
    uint32_t unit;
    enum metric_type type;
};

/* A list while it grows. */
struct snapshot_metadata {
    struct snapshot_room room;
    const struct scrape_metadata_selection *selection;
    uint32_t metric; /* SYMBOL_EMPTY = all */
    struct table texts;
    struct table known; /* numbers + 1 of distinct entries */
    VEC(struct snapshot_words) words; /* of these entries */
    VEC(struct scrape_metadata) entries;
};


/* false when there is no room. */
static bool snapshot_text_of(struct snapshot_metadata *list, uint32_t symbol, struct slice *out)
{
    uint64_t hash = hash_mix(0, symbol);
    struct snapshot_text *copy = table_get(&list->texts, hash, snapshot_text_is, &symbol);
    if (copy == NULL) {
        copy = memory_hold_alloc(list->room.memory, list->room.arena,
                                 sizeof(*copy) + 2 * sizeof(struct table_slot), list->room.err);
        if (copy == NULL || !memory_hold_text(list->room.memory, list->room.arena,
                                              symbols_text(symbol), &copy->text, list->room.err))
            return false;
        copy->symbol = symbol;
        table_add(&list->texts, hash, copy);
    }
    *out = copy->text;
    return true;
}

struct snapshot_words_key {
    const struct snapshot_metadata *list;
    const struct snapshot_words *words;
};

static bool snapshot_words_equal(const void *value, const void *key)
{
    const struct snapshot_words_key *wanted = key;
    const struct snapshot_words *a = &wanted->list->words.items[(uintptr_t)value - 1];
    const struct snapshot_words *b = wanted->words;
    return a->metric == b->metric && a->help == b->help && a->unit == b->unit && a->type == b->type;
}

/* Is the same in the list already? If not, it is known from now on. */
static bool snapshot_knows(struct snapshot_metadata *list, const struct metadata_entry *entry)
{
    struct snapshot_words words = {entry->family, entry->help, entry->unit, entry->type};
    struct snapshot_words_key key = {list, &words};
    uint64_t hash = hash_mix(hash_mix(hash_mix(0, words.metric), words.help),
                             (uint64_t)words.unit << 8 | (uint64_t)words.type);
    if (table_get(&list->known, hash, snapshot_words_equal, &key) != NULL)
        return true;
    vec_push(&list->words, words);
    /* numbers, not addresses: entries move when the array grows */
    table_add(&list->known, hash, (void *)(uintptr_t)list->words.len);
    return false;
}

static bool snapshot_entry(struct snapshot_metadata *list, const struct metadata_entry *entry,
                           const struct target *target)
{
    if (list->selection->distinct && snapshot_knows(list, entry))
        return true;
    size_t bytes = 2 * sizeof(struct scrape_metadata);
    if (list->selection->distinct)
        bytes += 2 * (sizeof(struct snapshot_words) + sizeof(struct table_slot));
    struct scrape_metadata added = {.type = entry->type};
    if (memory_hold_take(list->room.memory, bytes, list->room.err) != ERR_NONE ||
        !snapshot_text_of(list, entry->family, &added.metric) ||
        !snapshot_text_of(list, entry->help, &added.help) ||
        !snapshot_text_of(list, entry->unit, &added.unit))
        return false;
    added.target = labels_ref(target->labels);
    vec_push(&list->entries, added);
    return true;
}

/* Adds what a target says; false when there is no room. */
static bool snapshot_said(struct snapshot_metadata *list, const struct target *target)
{
    const struct scrape_metadata_selection *selection = list->selection;
    if (selection->wants != NULL && !selection->wants(target->labels, selection->context))
        return true;
    for (size_t i = 0; i < target->metadata.entries.len; i++) {
        const struct metadata_entry *entry = &target->metadata.entries.items[i];
        if ((list->metric == SYMBOL_EMPTY || entry->family == list->metric) &&
            !snapshot_entry(list, entry, target))
            return false;
    }
    return true;
}

static bool snapshot_said_by_all(struct snapshot_metadata *list, struct scrape_manager *manager)
{
    MUTEX_GUARD(&manager->lock);
    MUTEX_GUARD(&manager->metadata_lock);
    for (size_t i = 0; i < manager->pools.len; i++) {
        const struct scrape_pool *pool = manager->pools.items[i];
        for (size_t j = 0; j < pool->targets.len; j++)
            if (!snapshot_said(list, pool->targets.items[j]))
                return false;
    }
    return true;
}

static int snapshot_metadata_compare(const void *a, const void *b)
{
    const struct scrape_metadata *left = a;
    const struct scrape_metadata *right = b;
    int order = slice_cmp(left->metric, right->metric);
    return order != 0 ? order : labels_compare(left->target, right->target);
}

enum err scrape_manager_metadata(struct scrape_manager *manager,
                                 const struct scrape_metadata_selection *selection,
                                 struct arena *arena, struct memory_hold *memory,
                                 struct scrape_metadata_list *out, struct errbuf *err)
{
    struct snapshot_metadata list = {
        .room = {arena, memory, err},
        .selection = selection,
        .metric = selection->metric.len == 0 ? SYMBOL_EMPTY : symbols_find(selection->metric),
    };
    bool room = list.metric == SYMBOL_NONE || snapshot_said_by_all(&list, manager);
    symbols_unref(list.metric);
    table_release(&list.texts);
    table_release(&list.known);
    vec_release(&list.words);
    *out = (struct scrape_metadata_list){list.entries.items, list.entries.len};
    if (!room) {
        scrape_metadata_release(out);
        return ERR_LIMIT;
    }
    if (out->count > 1)
        qsort(out->items, out->count, sizeof(*out->items), snapshot_metadata_compare);
    return ERR_NONE;
}

void scrape_metadata_release(struct scrape_metadata_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        labels_unref(list->items[i].target);
    mem_free(list->items);
    *list = (struct scrape_metadata_list){0};
}
