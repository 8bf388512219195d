/* The scrape manager: its thread, and how it takes over a configuration. */
#include "scrape/manager_internal.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/rand.h"
#include "scrape/pool.h"
#include "scrape/scrape_loop.h"

#define NS_PER_MS INT64_C(1000000)
/* How long the thread waits when nothing is due. */
#define WAIT_MS_MAX 1000
/* New targets of a discovery are taken over at most this often. */
#define SYNC_EVERY_NS (INT64_C(5000) * NS_PER_MS)
#define HOST_NAME_SIZE 256

static void manager_breathe(void *context)
{
    scrape_loop_start_due(context);
}

static void manager_wake(void *context)
{
    struct scrape_manager *manager = context;
    http_client_wake(manager->client);
}

struct scrape_manager *scrape_manager_make(const struct scrape_manager_options *options)
{
    struct scrape_manager *manager = mem_zalloc(sizeof(*manager));
    manager->options = *options;
    manager->clock = options->clock == NULL ? clock_system : options->clock;
    manager->user_agent = mem_strdup(options->user_agent == NULL ? "" : options->user_agent);
    manager->client = http_client_new();
    http_client_set_memory(manager->client, options->memory);
    ingest_init(&manager->ingest, rand_seed_system());
    manager->ingest.breathe = manager_breathe;
    manager->ingest.breathe_context = manager;
    manager->ingest.metadata_scan.lock = &manager->metadata_lock;
    buf_init(&manager->inflated, BUF_SIZE_ANY);
    manager->inflater = inflater_new(manager_wake, manager);
    heap_init(&manager->due);
    heap_init(&manager->endings);
    scrape_counters_init(&manager->counters);
    mutex_init(&manager->lock, LOCK_RANK_SCRAPE_MANAGER);
    mutex_init(&manager->state_lock, LOCK_RANK_SCRAPE_TARGET);
    mutex_init(&manager->metadata_lock, LOCK_RANK_SCRAPE_METADATA);
    condition_init(&manager->applied);
    return manager;
}

/* Servers of a pair scrape at different times: the seed comes from the host and the external
 * labels, which tell replicas apart, and does not change over restarts. */
static uint64_t manager_seed(const struct config *config)
{
    char host[HOST_NAME_SIZE] = "";
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    buf_append_str(&text, host);
    if (config->global.external_labels != NULL)
        labels_print(config->global.external_labels, &text);
    return hash_slice(buf_slice(&text), 0);
}

static size_t manager_find_pool(const struct scrape_manager *manager, struct slice name)
{
    for (size_t i = 0; i < manager->pools.len; i++) {
        if (slice_eq_str(name, manager->pools.items[i]->name))
            return i;
    }
    return SIZE_MAX;
}

/* One log for each file that is named, in the order of the jobs; jobs without a file have NULL. */
static enum err manager_open_logs(const struct config *config, struct failure_log **logs,
                                  struct errbuf *err)
{
    for (size_t i = 0; i < config->scrape_count; i++) {
        struct slice path = config->scrapes[i].scrape_failure_log_file;
        if (path.len == 0)
            continue;
        for (size_t j = 0; j < i && logs[i] == NULL; j++) {
            if (slice_eq(config->scrapes[j].scrape_failure_log_file, path))
                logs[i] = failure_log_ref(logs[j]);
        }
        if (logs[i] != NULL)
            continue;
        enum err code = failure_log_open(path, &logs[i], err);
        if (code != ERR_NONE) {
            for (size_t j = 0; j < i; j++)
                failure_log_unref(logs[j]);
            return code;
        }
    }
    return ERR_NONE;
}

/* Ends the pools whose job is no longer there. */
static void manager_drop_pools(struct scrape_manager *manager, const struct config *config)
{
    for (size_t i = 0; i < manager->pools.len; i++) {
        struct scrape_pool *pool = manager->pools.items[i];
        bool wanted = false;
        for (size_t j = 0; j < config->scrape_count && !wanted; j++)
            wanted = slice_eq_str(config->scrapes[j].job_name, pool->name);
        if (wanted)
            continue;
        scrape_pool_end_targets(pool);
        mutex_lock(&manager->lock);
        for (size_t j = i; j + 1 < manager->pools.len; j++)
            manager->pools.items[j] = manager->pools.items[j + 1];
        manager->pools.len--;
        mutex_unlock(&manager->lock);
        scrape_pool_free(pool);
        i--;
    }
}

static void manager_add_pool(struct scrape_manager *manager, struct scrape_pool *pool)
{
    MUTEX_GUARD(&manager->lock);
    vec_push(&manager->pools, pool);
    size_t at = manager->pools.len - 1;
    struct slice name = slice_str(pool->name);
    for (; at > 0 && slice_cmp(slice_str(manager->pools.items[at - 1]->name), name) > 0; at--)
        manager->pools.items[at] = manager->pools.items[at - 1];
    manager->pools.items[at] = pool;
}

enum err scrape_manager_install(struct scrape_manager *manager, struct config *config,
                                struct errbuf *err)
{
    struct failure_log **logs CLEANUP(mem_cleanup) =
        mem_zalloc_array(config->scrape_count + 1, sizeof(*logs));
    enum err code = manager_open_logs(config, logs, err);
    if (code != ERR_NONE) {
        counter_inc(manager->counters.pool_reloads_failed);
        return code;
    }
    uint64_t seed = manager_seed(config);
    manager_drop_pools(manager, config);
    for (size_t i = 0; i < config->scrape_count; i++) {
        const struct config_scrape *scrape = &config->scrapes[i];
        size_t found = manager_find_pool(manager, scrape->job_name);
        if (found == SIZE_MAX) {
            counter_inc(manager->counters.pools);
            struct scrape_pool *pool = scrape_pool_new(manager, config, scrape, seed, logs[i]);
            manager_add_pool(manager, pool);
            scrape_pool_sync(pool);
            continue;
        }
        struct scrape_pool *pool = manager->pools.items[found];
        bool changed = !slice_eq(pool->scrape->canonical, scrape->canonical);
        scrape_pool_configure(pool, config, scrape, logs[i]);
        if (changed)
            scrape_pool_sync(pool);
    }
    return ERR_NONE;
}

/* Takes over what scrape_manager_apply has handed in. */
static void manager_apply_pending(struct scrape_manager *manager)
{
    if (!manager->pending)
        return;
    mutex_lock(&manager->lock);
    struct config *config = TAKE(manager->next_config);
    manager->pending = false;
    mutex_unlock(&manager->lock);
    struct errbuf err = ERRBUF_INIT;
    enum err code = scrape_manager_install(manager, config, &err);
    config_unref(config);
    MUTEX_GUARD(&manager->lock);
    manager->apply_result = code;
    manager->apply_error = err;
    manager->apply_done = true;
    condition_broadcast(&manager->applied);
}

enum err scrape_manager_apply(struct scrape_manager *manager, struct config *config,
                              struct errbuf *err)
{
    MUTEX_GUARD(&manager->lock);
    while (manager->applying)
        condition_wait(&manager->applied, &manager->lock);
    manager->applying = true;
    manager->apply_done = false;
    manager->next_config = config_ref(config);
    manager->pending = true;
    http_client_wake(manager->client);
    while (!manager->apply_done)
        condition_wait(&manager->applied, &manager->lock);
    manager->applying = false;
    condition_broadcast(&manager->applied);
    if (manager->apply_result != ERR_NONE && err != NULL)
        *err = manager->apply_error;
    return manager->apply_result;
}

/* Brings pools up to date whose discovery has something new; returns the time until one may be. */
static int64_t manager_sync_discovered(struct scrape_manager *manager)
{
    int64_t wait_ns = INT64_MAX;
    if (!manager->discovered)
        return wait_ns;
    manager->discovered = false;
    int64_t now_ns = clock_monotonic_ns(manager->clock);
    for (size_t i = 0; i < manager->pools.len; i++) {
        struct scrape_pool *pool = manager->pools.items[i];
        if (!pool->discovered)
            continue;
        int64_t left_ns = pool->synced_ns + SYNC_EVERY_NS - now_ns;
        if (left_ns <= 0) {
            scrape_pool_sync(pool);
            continue;
        }
        manager->discovered = true;
        wait_ns = MIN(wait_ns, left_ns);
    }
    return wait_ns;
}

static int64_t manager_heap_wait_ns(const struct heap *heap, int64_t now_ns)
{
    const struct heap_item *item = heap_peek(heap);
    return item == NULL ? INT64_MAX : MAX(item->key - now_ns, (int64_t)0);
}

void scrape_manager_step(struct scrape_manager *manager, int64_t wait_ms)
{
    manager_apply_pending(manager);
    int64_t wait_ns = manager_sync_discovered(manager);
    scrape_loop_start_due(manager);
    scrape_loop_finish_inflated(manager);
    scrape_loop_finish_forced(manager);
    scrape_loop_finish_endings(manager);
    int64_t now_ns = clock_monotonic_ns(manager->clock);
    wait_ns = MIN(wait_ns, manager_heap_wait_ns(&manager->due, now_ns));
    wait_ns = MIN(wait_ns, manager_heap_wait_ns(&manager->endings, now_ns));
    if (wait_ns < wait_ms * NS_PER_MS)
        wait_ms = (wait_ns + NS_PER_MS - 1) / NS_PER_MS;
    http_client_run(manager->client, (int)wait_ms);
}

static void manager_run(void *context)
{
    struct scrape_manager *manager = context;
    while (!manager->stopping)
        scrape_manager_step(manager, WAIT_MS_MAX);
}

struct scrape_manager *scrape_manager_new(const struct scrape_manager_options *options)
{
    struct scrape_manager *manager = scrape_manager_make(options);
    thread_start(&manager->thread, "scrape", manager_run, manager);
    return manager;
}

void scrape_manager_free(struct scrape_manager *manager)
{
    if (manager == NULL)
        return;
    manager->stopping = true;
    http_client_wake(manager->client);
    thread_join(&manager->thread);
    for (size_t i = 0; i < manager->pools.len; i++)
        scrape_pool_free(manager->pools.items[i]);
    vec_release(&manager->pools);
    struct heap_item *item;
    while ((item = heap_pop(&manager->endings)) != NULL)
        target_free(CONTAINER_OF(item, struct target, due));
    inflater_free(manager->inflater);
    http_client_free(manager->client);
    ingest_release(&manager->ingest);
    buf_release(&manager->inflated);
    heap_release(&manager->due);
    heap_release(&manager->endings);
    vec_release(&manager->forced);
    condition_release(&manager->applied);
    mutex_release(&manager->metadata_lock);
    mutex_release(&manager->state_lock);
    mutex_release(&manager->lock);
    mem_free(manager->user_agent);
    mem_free(manager);
}
