/* What other threads see of the targets: copies in the caller's arena. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/table.h"
#include "model/symbols.h"
#include "scrape/manager_internal.h"
#include "scrape/pool.h"

static void snapshot_target(struct scrape_manager *manager, const struct target *target,
                            struct slice pool, struct arena *arena, struct scrape_target_state *out)
{
    *out = (struct scrape_target_state){
        .discovered_labels = labels_ref(target->discovered),
        .labels = labels_ref(target->labels),
        .pool = pool,
        .url = arena_slice(arena, slice_str(target->url)),
        .interval_ms = target->schedule.interval_ms,
        .timeout_ms = target->timeout_ms,
    };
    const struct target_state *state = &target->state;
    MUTEX_GUARD(&manager->state_lock);
    out->last_error = arena_slice(arena, slice_str(state->last_error));
    out->last_scrape_ms = state->last_scrape_ms;
    out->last_scrape_duration_s = state->last_scrape_duration_s;
    out->health = state->health;
}

static void snapshot_pool(struct scrape_manager *manager, const struct scrape_pool *pool,
                          struct arena *arena, struct scrape_pool_state *out)
{
    *out = (struct scrape_pool_state){
        .name = arena_slice(arena, slice_str(pool->name)),
        .active_count = pool->targets.len,
        .dropped_count = pool->dropped.len,
        .dropped_count_total = pool->dropped_count,
    };
    out->active = arena_alloc_array(arena, out->active_count, sizeof(*out->active));
    for (size_t i = 0; i < out->active_count; i++)
        snapshot_target(manager, pool->targets.items[i], out->name, arena, &out->active[i]);
    out->dropped = arena_zalloc_array(arena, out->dropped_count, sizeof(*out->dropped));
    for (size_t i = 0; i < out->dropped_count; i++) {
        out->dropped[i].discovered_labels = labels_ref(pool->dropped.items[i]);
        out->dropped[i].pool = out->name;
    }
}

void scrape_manager_snapshot(struct scrape_manager *manager, struct arena *arena,
                             struct scrape_snapshot *out)
{
    MUTEX_GUARD(&manager->lock);
    out->pool_count = manager->pools.len;
    out->pools = arena_alloc_array(arena, out->pool_count, sizeof(*out->pools));
    for (size_t i = 0; i < out->pool_count; i++)
        snapshot_pool(manager, manager->pools.items[i], arena, &out->pools[i]);
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

struct snapshot_texts {
    struct arena *arena;
    struct table by_symbol;
};

static bool snapshot_text_is(const void *value, const void *key)
{
    return ((const struct snapshot_text *)value)->symbol == *(const uint32_t *)key;
}

/* false when the arena is full. */
static bool snapshot_text_of(struct snapshot_texts *texts, uint32_t symbol, struct slice *out)
{
    uint64_t hash = hash_mix(0, symbol);
    struct snapshot_text *copy = table_get(&texts->by_symbol, hash, snapshot_text_is, &symbol);
    if (copy == NULL) {
        struct slice text = symbols_text(symbol);
        copy = arena_try_alloc(texts->arena, sizeof(*copy) + text.len + 1);
        if (copy == NULL)
            return false;
        char *to = (char *)(copy + 1);
        memcpy(to, text.ptr, text.len);
        to[text.len] = '\0';
        *copy = (struct snapshot_text){.symbol = symbol, .text = slice_from(to, text.len)};
        table_add(&texts->by_symbol, hash, copy);
    }
    *out = copy->text;
    return true;
}

static bool snapshot_entry(struct snapshot_texts *texts, const struct metadata_entry *entry,
                           const struct target *target, struct scrape_metadata *out)
{
    if (!snapshot_text_of(texts, entry->family, &out->metric) ||
        !snapshot_text_of(texts, entry->help, &out->help) ||
        !snapshot_text_of(texts, entry->unit, &out->unit))
        return false;
    out->type = entry->type;
    out->target = labels_ref(target->labels);
    return true;
}

static size_t snapshot_count_metadata(const struct scrape_manager *manager)
{
    size_t count = 0;
    for (size_t i = 0; i < manager->pools.len; i++) {
        const struct scrape_pool *pool = manager->pools.items[i];
        for (size_t j = 0; j < pool->targets.len; j++)
            count += pool->targets.items[j]->metadata.entries.len;
    }
    return count;
}

/* Adds what a target says; false when there is no more room. */
static bool snapshot_metadata(struct snapshot_texts *texts, const struct target *target,
                              uint32_t metric, size_t count_max, struct scrape_metadata_list *out)
{
    for (size_t i = 0; i < target->metadata.entries.len; i++) {
        const struct metadata_entry *entry = &target->metadata.entries.items[i];
        if (metric != SYMBOL_EMPTY && entry->family != metric)
            continue;
        if (out->count == count_max ||
            !snapshot_entry(texts, entry, target, &out->items[out->count]))
            return false;
        out->count++;
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

void scrape_manager_metadata(struct scrape_manager *manager, struct slice metric,
                             struct arena *arena, struct scrape_metadata_list *out)
{
    *out = (struct scrape_metadata_list){0};
    struct snapshot_texts texts = {.arena = arena};
    table_init(&texts.by_symbol);
    mutex_lock(&manager->lock);
    mutex_lock(&manager->metadata_lock);
    uint32_t symbol = metric.len == 0 ? SYMBOL_EMPTY : symbols_find(metric);
    size_t count_max = symbol == SYMBOL_NONE ? 0 : snapshot_count_metadata(manager);
    do {
        out->items = arena_try_alloc(arena, count_max * sizeof(*out->items));
    } while (out->items == NULL && (count_max /= 2) > 0);
    bool room = count_max > 0;
    for (size_t i = 0; room && i < manager->pools.len; i++) {
        const struct scrape_pool *pool = manager->pools.items[i];
        for (size_t j = 0; room && j < pool->targets.len; j++)
            room = snapshot_metadata(&texts, pool->targets.items[j], symbol, count_max, out);
    }
    mutex_unlock(&manager->metadata_lock);
    mutex_unlock(&manager->lock);
    symbols_unref(symbol);
    table_release(&texts.by_symbol);
    if (out->count > 1)
        qsort(out->items, out->count, sizeof(*out->items), snapshot_metadata_compare);
}

void scrape_metadata_release(struct scrape_metadata_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        labels_unref(list->items[i].target);
    *list = (struct scrape_metadata_list){0};
}
