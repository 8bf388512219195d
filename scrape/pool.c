#include "scrape/pool.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/table.h"
#include "model/symbols.h"
#include "scrape/fetch.h"
#include "scrape/scrape_loop.h"

#define ACCEPT_BYTES_MAX 4096
#define TIMESTAMP_TOLERANCE_MS_DEFAULT 2

static bool rule_equal(const struct relabel_rule *a, const struct relabel_rule *b)
{
    if (a->source_label_count != b->source_label_count || a->modulus != b->modulus ||
        a->action != b->action || a->utf8_names != b->utf8_names)
        return false;
    for (size_t i = 0; i < a->source_label_count; i++) {
        if (!slice_eq(a->source_labels[i], b->source_labels[i]))
            return false;
    }
    return slice_eq(a->separator, b->separator) && slice_eq(a->regex_text, b->regex_text) &&
           slice_eq(a->target_label, b->target_label) && slice_eq(a->replacement, b->replacement);
}

/* Do both jobs make the same labels of the same lines? */
static bool pool_same_labels(const struct config_scrape *a, const struct config_scrape *b)
{
    if (a->honor_labels != b->honor_labels || a->utf8_names != b->utf8_names ||
        !slice_eq(a->escaping_scheme, b->escaping_scheme) || a->limits.labels != b->limits.labels ||
        a->limits.label_name_length != b->limits.label_name_length ||
        a->limits.label_value_length != b->limits.label_value_length ||
        a->metric_relabel_rule_count != b->metric_relabel_rule_count)
        return false;
    for (size_t i = 0; i < a->metric_relabel_rule_count; i++) {
        if (!rule_equal(&a->metric_relabel_rules[i], &b->metric_relabel_rules[i]))
            return false;
    }
    return true;
}

static void pool_discovered(void *context)
{
    struct scrape_pool *pool = context;
    pool->discovered = true;
    pool->manager->discovered = true;
    http_client_wake(pool->manager->client);
}

/* What hangs on the configuration object, whether the job changed or not. */
static void pool_adopt(struct scrape_pool *pool, struct config *config,
                       const struct config_scrape *scrape, struct failure_log *failure_log)
{
    struct config *old = pool->config;
    pool->config = config_ref(config);
    pool->scrape = scrape;
    client_profile_unref(pool->profile);
    pool->profile = client_profile_new(config, &scrape->http);
    failure_log_unref(pool->failure_log);
    pool->failure_log = failure_log;
    buf_reset(&pool->accept);
    fetch_accept_header(scrape, &pool->accept);
    counter_set(pool->counters.target_limit, (double)scrape->limits.targets);
    if (scrape->http.oauth2 != NULL) {
        log_warn("oauth2 has no effect yet: the targets of the job are asked without it",
                 log_str("scrape_pool", pool->name));
    }
    config_unref(old);
}

struct scrape_pool *scrape_pool_new(struct scrape_manager *manager, struct config *config,
                                    const struct config_scrape *scrape, uint64_t seed,
                                    struct failure_log *failure_log)
{
    struct scrape_pool *pool = mem_zalloc(sizeof(*pool));
    pool->manager = manager;
    pool->name = mem_strndup(scrape->job_name.ptr, scrape->job_name.len);
    pool->seed = seed;
    buf_init(&pool->accept, ACCEPT_BYTES_MAX);
    scrape_pool_counters_init(&pool->counters, scrape->job_name);
    pool_adopt(pool, config, scrape, failure_log);
    pool->discovery = discovery_new(&scrape->discovery, pool_discovered, pool);
    return pool;
}

static void pool_clear_dropped(struct scrape_pool *pool)
{
    for (size_t i = 0; i < pool->dropped.len; i++)
        labels_unref(pool->dropped.items[i]);
    vec_reset(&pool->dropped);
    pool->dropped_count = 0;
}

void scrape_pool_free(struct scrape_pool *pool)
{
    if (pool == NULL)
        return;
    discovery_free(pool->discovery);
    for (size_t i = 0; i < pool->targets.len; i++) {
        scrape_loop_remove(pool->manager, pool->targets.items[i]);
        target_free(pool->targets.items[i]);
    }
    vec_release(&pool->targets);
    pool_clear_dropped(pool);
    vec_release(&pool->dropped);
    scrape_pool_counters_remove(slice_str(pool->name));
    client_profile_unref(pool->profile);
    failure_log_unref(pool->failure_log);
    buf_release(&pool->accept);
    config_unref(pool->config);
    mem_free(pool->forced_error);
    mem_free(pool->name);
    mem_free(pool);
}

void scrape_pool_configure(struct scrape_pool *pool, struct config *config,
                           const struct config_scrape *scrape, struct failure_log *failure_log)
{
    if (slice_eq(pool->scrape->canonical, scrape->canonical)) {
        pool_adopt(pool, config, scrape, failure_log);
        return;
    }
    struct scrape_manager *manager = pool->manager;
    int64_t started_ns = clock_monotonic_ns(manager->clock);
    counter_inc(manager->counters.pool_reloads);
    if (!pool_same_labels(pool->scrape, scrape)) {
        for (size_t i = 0; i < pool->targets.len; i++)
            series_cache_forget(&pool->targets.items[i]->cache);
    }
    discovery_free(pool->discovery);
    pool_adopt(pool, config, scrape, failure_log);
    pool->discovery = discovery_new(&scrape->discovery, pool_discovered, pool);
    scrape_counters_reload(scrape->interval_ms,
                           (double)(clock_monotonic_ns(manager->clock) - started_ns) / 1e9);
}

/* What a sync works with. */
struct pool_sync {
    VEC(struct target *) fresh; /* as discovered now, each once */
    VEC(const struct labels *) dropped;
    size_t dropped_count;
    size_t discovered_count;
    size_t failed_count;
};

/* Values are targets, keyed by identity or by public labels; the key is a target too. */
static bool target_is(const void *value, const void *key)
{
    return target_same(value, key);
}

static bool target_has_labels(const void *value, const void *key)
{
    const struct target *a = value;
    const struct target *b = key;
    return labels_equal(a->labels, b->labels);
}

static void pool_sync_one(struct scrape_pool *pool, struct pool_sync *sync, struct table *seen,
                          const struct target_group *group, size_t index,
                          struct labels_builder *builder)
{
    struct errbuf err = ERRBUF_INIT;
    const struct labels *discovered = NULL;
    struct target *target = NULL;
    enum target_outcome outcome = target_make(pool->scrape, group->targets.items[index],
                                              group->labels, builder, &discovered, &target, &err);
    switch (outcome) {
    case TARGET_INVALID:
        sync->failed_count++;
        errbuf_prefix(&err, "instance %zu in group %s: ", index, group->source);
        log_error("Creating target failed", log_str("scrape_pool", pool->name), log_err(&err));
        break;
    case TARGET_DROPPED:
        sync->dropped_count++;
        if (pool->scrape->limits.keep_dropped_targets == 0 ||
            sync->dropped.len < pool->scrape->limits.keep_dropped_targets)
            vec_push(&sync->dropped, labels_ref(discovered));
        break;
    case TARGET_KEPT:
        if (table_get(seen, target->hash, target_is, target) != NULL) {
            target_free(target); /* the same endpoint under the same labels once more */
            break;
        }
        table_add(seen, target->hash, target);
        vec_push(&sync->fresh, target);
        break;
    }
    labels_unref(discovered);
}

/* Everything that discovery says now. */
static void pool_sync_discover(struct scrape_pool *pool, struct pool_sync *sync)
{
    struct discovery_groups groups;
    discovery_groups(pool->discovery, &groups);
    struct labels_builder builder;
    labels_builder_init(&builder);
    struct table seen;
    table_init(&seen);
    for (size_t i = 0; i < groups.items.len; i++) {
        const struct target_group *group = groups.items.items[i];
        sync->discovered_count += group->targets.len;
        for (size_t j = 0; j < group->targets.len; j++)
            pool_sync_one(pool, sync, &seen, group, j, &builder);
    }
    table_release(&seen);
    labels_builder_release(&builder);
    discovery_groups_free(&groups);
}

#define SWAP(a, b)                                                                                 \
    do {                                                                                           \
        __typeof__(a) swap_ = (a);                                                                 \
        (a) = (b);                                                                                 \
        (b) = swap_;                                                                               \
    } while (0)

static void pool_set_schedule(struct scrape_pool *pool, struct target *target, int64_t interval_ms)
{
    const struct scrape_manager_options *options = &pool->manager->options;
    int64_t tolerance_ms = options->timestamp_tolerance_ms > 0 ? options->timestamp_tolerance_ms
                                                               : TIMESTAMP_TOLERANCE_MS_DEFAULT;
    schedule_init(&target->schedule, target->hash, pool->seed, interval_ms,
                  options->adjust_timestamps, tolerance_ms);
    scrape_interval_counters_init(&target->counters, interval_ms);
}

/* An old target goes on under the identity of a fresh one that has its labels: series, cache and
 * sample group stay. Frees the fresh one. */
static void pool_continue(struct scrape_pool *pool, struct target *target, struct target *fresh)
{
    bool moved = strcmp(target->url, fresh->url) != 0;
    SWAP(target->discovered, fresh->discovered);
    SWAP(target->all, fresh->all);
    SWAP(target->labels, fresh->labels);
    SWAP(target->url, fresh->url);
    target->hash = fresh->hash;
    target->timeout_ms = fresh->timeout_ms;
    target->pool = pool;
    pool_set_schedule(pool, target, fresh->schedule.interval_ms);
    if (moved) {
        MUTEX_GUARD(&pool->manager->state_lock);
        mem_free(target->state.last_error);
        target->state = (struct target_state){0};
    }
    target_free(fresh);
}

/* Old targets by labels: those that are left over, and those that wait for their end. */
static void pool_index_leftovers(struct scrape_pool *pool, struct table *by_labels,
                                 struct table *by_identity)
{
    size_t at = 0;
    struct target *target;
    while ((target = table_next(by_identity, &at)) != NULL) {
        if (table_get(by_labels, target->labels->hash, target_has_labels, target) == NULL)
            table_add(by_labels, target->labels->hash, target);
    }
    const struct heap *endings = &pool->manager->endings;
    for (size_t i = 0; i < endings->len; i++) {
        target = CONTAINER_OF(endings->items[i], struct target, due);
        if (table_get(by_labels, target->labels->hash, target_has_labels, target) == NULL)
            table_add(by_labels, target->labels->hash, target);
    }
}

/* A fresh target that is not there under its identity: another one goes on as it, or it starts. */
static struct target *pool_sync_enter(struct scrape_pool *pool, struct target *fresh,
                                      struct table *by_labels, struct table *by_identity)
{
    struct scrape_manager *manager = pool->manager;
    struct target *old = table_remove(by_labels, fresh->labels->hash, target_has_labels, fresh);
    if (old == NULL) {
        fresh->pool = pool;
        fresh->group = sample_group_new(manager->options.db);
        pool_set_schedule(pool, fresh, fresh->schedule.interval_ms);
        scrape_loop_add(manager, fresh);
        return fresh;
    }
    if (old->pool != NULL) {
        struct target *removed = table_remove(by_identity, old->hash, target_is, old);
        ASSERT(removed == old);
        pool_continue(pool, old, fresh);
        scrape_loop_reschedule(manager, old);
        return old;
    }
    /* it comes back before its stale markers were written */
    heap_remove(&manager->endings, &old->due);
    series_cache_forget(&old->cache);
    counter_add(pool->counters.metadata_entries, (double)old->metadata.entries.len);
    counter_add(pool->counters.metadata_bytes, (double)old->metadata.text_bytes);
    pool_continue(pool, old, fresh);
    scrape_loop_add(manager, old);
    return old;
}

/* Brings the pool's list in line with what was discovered; `by_identity` is left with what is gone.
 */
static void pool_sync_merge(struct scrape_pool *pool, struct pool_sync *sync,
                            struct table *by_identity)
{
    for (size_t i = 0; i < pool->targets.len; i++)
        table_add(by_identity, pool->targets.items[i]->hash, pool->targets.items[i]);
    VEC(struct target *) targets = {0};
    size_t unknown = 0;
    for (size_t i = 0; i < sync->fresh.len; i++) {
        struct target *fresh = sync->fresh.items[i];
        struct target *old = table_remove(by_identity, fresh->hash, target_is, fresh);
        vec_push(&targets, old);
        if (old == NULL) {
            unknown++;
            continue;
        }
        SWAP(old->discovered, fresh->discovered);
        target_free(fresh);
    }
    struct table by_labels;
    table_init(&by_labels);
    if (unknown > 0)
        pool_index_leftovers(pool, &by_labels, by_identity);
    for (size_t i = 0; unknown > 0 && i < targets.len; i++) {
        if (targets.items[i] == NULL) {
            targets.items[i] = pool_sync_enter(pool, sync->fresh.items[i], &by_labels, by_identity);
        }
    }
    table_release(&by_labels);
    mem_free(pool->targets.items);
    pool->targets.items = targets.items;
    pool->targets.len = targets.len;
    pool->targets.cap = targets.cap;
    pool_clear_dropped(pool);
    for (size_t i = 0; i < sync->dropped.len; i++)
        vec_push(&pool->dropped, sync->dropped.items[i]);
    pool->dropped_count = sync->dropped_count;
}

static void pool_check_limit(struct scrape_pool *pool)
{
    mem_free(pool->forced_error);
    pool->forced_error = NULL;
    uint64_t limit = pool->scrape->limits.targets;
    if (limit == 0 || pool->targets.len <= limit)
        return;
    counter_inc(pool->manager->counters.exceeded_target_limit);
    struct errbuf err = ERRBUF_INIT;
    errbuf_set(&err, ERR_LIMIT, "target_limit exceeded (number of targets: %zu, limit: %llu)",
               pool->targets.len, (unsigned long long)limit);
    pool->forced_error = mem_strdup(err.text);
}

/* A target leaves the pool, and its metadata the pool's count. */
static void pool_end_target(struct scrape_pool *pool, struct target *target)
{
    counter_add(pool->counters.metadata_entries, -(double)target->metadata.entries.len);
    counter_add(pool->counters.metadata_bytes, -(double)target->metadata.text_bytes);
    scrape_loop_end(pool->manager, target);
}

static void pool_count_sync(struct scrape_pool *pool, const struct pool_sync *sync,
                            int64_t started_ns)
{
    struct scrape_manager *manager = pool->manager;
    double seconds = (double)(clock_monotonic_ns(manager->clock) - started_ns) / 1e9;
    counter_set(pool->counters.targets, (double)pool->targets.len);
    counter_set(pool->counters.discovered_targets, (double)sync->discovered_count);
    counter_set(pool->counters.symbols, (double)symbols_count());
    counter_add(pool->counters.sync_failed, (double)sync->failed_count);
    counter_inc(pool->counters.syncs);
    counter_observe(pool->counters.sync_length, seconds);
    counter_observe(pool->counters.sync_length_histogram, seconds);
    counter_set(pool->counters.last_update, (double)clock_now_ms(manager->clock) / 1000);
    counter_inc(manager->counters.received_updates);
    counter_inc(manager->counters.updates);
}

void scrape_pool_sync(struct scrape_pool *pool)
{
    struct scrape_manager *manager = pool->manager;
    int64_t started_ns = clock_monotonic_ns(manager->clock);
    pool->discovered = false;
    pool->synced_ns = started_ns;
    struct pool_sync sync = {0};
    pool_sync_discover(pool, &sync);
    struct table gone;
    table_init(&gone);
    mutex_lock(&manager->lock);
    pool_sync_merge(pool, &sync, &gone);
    mutex_unlock(&manager->lock);
    size_t at = 0;
    struct target *target;
    while ((target = table_next(&gone, &at)) != NULL)
        pool_end_target(pool, target);
    table_release(&gone);
    pool_check_limit(pool);
    pool_count_sync(pool, &sync, started_ns);
    vec_release(&sync.fresh);
    vec_release(&sync.dropped);
}

void scrape_pool_end_targets(struct scrape_pool *pool)
{
    mutex_lock(&pool->manager->lock);
    VEC(struct target *) targets = {pool->targets.items, pool->targets.len, pool->targets.cap};
    pool->targets.items = NULL;
    pool->targets.len = pool->targets.cap = 0;
    mutex_unlock(&pool->manager->lock);
    for (size_t i = 0; i < targets.len; i++)
        pool_end_target(pool, targets.items[i]);
    vec_release(&targets);
}
