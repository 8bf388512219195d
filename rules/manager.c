/* The rule manager: its threads, and when groups run; apply.c takes over configurations. */
#include "base/alloc.h"
#include "base/counters.h"
#include "base/log.h"
#include "rules/manager_internal.h"
#include "rules/template.h"

#define NS_PER_MS INT64_C(1000000)
/* How long the thread waits at most, so that a step of the wall clock is noticed. */
#define WAIT_MS_MAX 1000
#define POOL_THREADS_MAX 8
#define POOL_TASKS_MAX 1000000

#define DEFAULT_OUTAGE_TOLERANCE_MS (INT64_C(3600) * 1000)
#define DEFAULT_GRACE_PERIOD_MS (INT64_C(600) * 1000)
#define DEFAULT_RESEND_DELAY_MS (INT64_C(60) * 1000)

static int64_t value_or(int64_t value, int64_t otherwise)
{
    return value == 0 ? otherwise : value;
}

struct rule_manager *rule_manager_make(const struct rule_manager_options *options)
{
    struct rule_manager *manager = mem_zalloc(sizeof(*manager));
    manager->external_url = mem_strdup(options->external_url == NULL ? "" : options->external_url);
    struct slice url = slice_str(manager->external_url);
    while (url.len > 0 && url.ptr[url.len - 1] == '/')
        url.len--;
    manager->environment = (struct rule_environment){
        .db = options->db,
        .engine = options->engine,
        .clock = options->clock == NULL ? clock_system : options->clock,
        .notifier = options->notifier,
        .external_url = url,
        .promql_features = options->promql_features,
        .outage_tolerance_ms = value_or(options->outage_tolerance_ms, DEFAULT_OUTAGE_TOLERANCE_MS),
        .grace_period_ms = value_or(options->grace_period_ms, DEFAULT_GRACE_PERIOD_MS),
        .resend_delay_ms = value_or(options->resend_delay_ms, DEFAULT_RESEND_DELAY_MS),
    };
    manager->unmatched_patterns = counters_gauge("ferula_rule_files_unmatched",
                                                 "Entries of rule_files that match no file.");
    mutex_init(&manager->lock, LOCK_RANK_RULES);
    condition_init(&manager->changed);
    condition_init(&manager->idle);
    heap_init(&manager->due);
    return manager;
}

static void run_group(void *context)
{
    struct rule_group *group = context;
    struct rule_manager *manager = group->manager;
    const struct clock *clock = manager->environment.clock;
    mutex_lock(&manager->lock);
    int64_t slot_ms = group->due.key;
    int64_t missed = MAX(clock_now_ms(clock) - slot_ms, INT64_C(0)) / group->interval_ms;
    mutex_unlock(&manager->lock);
    slot_ms += missed * group->interval_ms;
    if (!group->stopping)
        rule_group_evaluate(group, slot_ms, missed);
    MUTEX_GUARD(&manager->lock);
    group->running = false;
    if (!group->stopping) {
        heap_push(&manager->due, &group->due, slot_ms + group->interval_ms);
        condition_signal(&manager->changed);
    }
    condition_broadcast(&manager->idle);
}

/* Slots that a step of the clock has put out of reach are planned anew. Then takes what is due. */
static struct rule_group *take_due_locked(struct rule_manager *manager, int64_t now_ms,
                                          int64_t *out_wait_ms)
{
    struct heap_item *item = heap_peek(&manager->due);
    *out_wait_ms = WAIT_MS_MAX;
    if (item == NULL)
        return NULL;
    struct rule_group *group = CONTAINER_OF(item, struct rule_group, due);
    if (item->key - now_ms > group->interval_ms) {
        heap_update(&manager->due, item, rule_group_slot_after(group, now_ms));
        item = heap_peek(&manager->due);
        group = CONTAINER_OF(item, struct rule_group, due);
    }
    if (item->key > now_ms) {
        *out_wait_ms = MIN((int64_t)WAIT_MS_MAX, item->key - now_ms);
        return NULL;
    }
    heap_pop(&manager->due);
    group->running = true;
    return group;
}

/* Ends the series of groups that went two intervals ago. */
static void end_departed(struct rule_manager *manager, int64_t now_ms)
{
    for (;;) {
        struct departed_group departed = {.due_ms = 0};
        {
            MUTEX_GUARD(&manager->lock);
            for (size_t i = 0; i < manager->departed.len && departed.due_ms == 0; i++) {
                if (manager->departed.items[i].due_ms > now_ms)
                    continue;
                departed = manager->departed.items[i];
                manager->departed.items[i] =
                    manager->departed.items[--manager->departed.len];
            }
        }
        if (departed.due_ms == 0)
            return;
        struct errbuf err = ERRBUF_INIT;
        if (output_series_end(manager->environment.db, &departed.series, departed.marker_ms,
                              &err) != ERR_NONE)
            log_warn("Stale sample appending for previous configuration failed", log_err(&err));
        output_series_release(&departed.series);
    }
}

int64_t rule_manager_step(struct rule_manager *manager)
{
    int64_t wait_ms;
    for (;;) {
        int64_t now_ms = clock_now_ms(manager->environment.clock);
        mutex_lock(&manager->lock);
        struct rule_group *group = take_due_locked(manager, now_ms, &wait_ms);
        mutex_unlock(&manager->lock);
        if (group == NULL) {
            end_departed(manager, now_ms);
            return wait_ms;
        }
        if (manager->pool == NULL || !worker_pool_submit(manager->pool, run_group, group))
            run_group(group);
    }
}

static void manager_run(void *context)
{
    struct rule_manager *manager = context;
    for (;;) {
        int64_t wait_ms = rule_manager_step(manager);
        MUTEX_GUARD(&manager->lock);
        if (manager->stopping)
            return;
        /* what was signalled since the step is seen by looking again */
        const struct heap_item *item = heap_peek(&manager->due);
        int64_t now_ms = clock_now_ms(manager->environment.clock);
        if (item != NULL)
            wait_ms = MIN(wait_ms, item->key - now_ms);
        if (wait_ms > 0)
            condition_wait_until(&manager->changed, &manager->lock,
                                 clock_monotonic_ns(clock_system) + wait_ms * NS_PER_MS);
    }
}

struct rule_manager *rule_manager_new(const struct rule_manager_options *options)
{
    struct rule_manager *manager = rule_manager_make(options);
    template_register_counters();
    manager->pool = worker_pool_new("rules", POOL_THREADS_MAX, POOL_TASKS_MAX);
    thread_start(&manager->thread, "rules", manager_run, manager);
    return manager;
}

void rule_manager_stop(struct rule_manager *manager)
{
    if (manager == NULL)
        return;
    manager->environment.canceled = true;
    MUTEX_GUARD(&manager->lock);
    manager->stopping = true;
    for (size_t i = 0; i < manager->groups.len; i++)
        manager->groups.items[i]->stopping = true;
    condition_broadcast(&manager->changed);
}

void rule_manager_free(struct rule_manager *manager)
{
    if (manager == NULL)
        return;
    rule_manager_stop(manager);
    thread_join(&manager->thread);
    if (manager->pool != NULL)
        worker_pool_free(manager->pool);
    for (size_t i = 0; i < manager->groups.len; i++)
        rule_group_free(manager->groups.items[i]);
    for (size_t i = 0; i < manager->departed.len; i++)
        output_series_release(&manager->departed.items[i].series);
    for (size_t i = 0; i < manager->unmatched.len; i++)
        mem_free(manager->unmatched.items[i]);
    vec_release(&manager->groups);
    vec_release(&manager->departed);
    vec_release(&manager->unmatched);
    heap_release(&manager->due);
    condition_release(&manager->changed);
    condition_release(&manager->idle);
    mutex_release(&manager->lock);
    mem_free(manager->external_url);
    mem_free(manager);
}
