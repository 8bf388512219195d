#include "rules/notifier.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "base/vec.h"
#include "net/http_client.h"
#include "rules/alertmanager.h"
#include "rules/notification.h"

#define QUEUE_COUNT_MAX 10000
#define BATCH_COUNT_MAX 256
/* How long a stop may wait for Alertmanagers: less than what is left of the ten seconds that
 * container runtimes give. */
#define DRAIN_MS 4000
/* The thread is woken for all that happens; this bounds a wait only. */
#define IDLE_WAIT_MS 60000
#define NS_PER_MS INT64_C(1000000)

struct notifier {
    /* immutable */
    const struct clock *clock;
    size_t queue_count_max;
    size_t batch_count_max;
    bool drain_on_shutdown;
    char *user_agent;
    struct counter *discovered;
    struct http_client *client; /* the thread's, but for http_client_wake */
    struct thread thread;
    /* set by any thread: discovery has new targets */
    _Atomic bool changed;
    _Atomic bool stopping;
    struct mutex lock;
    /* guarded by lock: */
    struct config *config; /* NULL until the first apply */
    VEC(struct alertmanager_section *) sections;
    VEC(struct alertmanager *) alertmanagers;
};

/* -- what is in use -- */

/* The Alertmanager of a URL that has no section yet; better the one that the same place of the
 * configuration had. */
static struct alertmanager *find_unclaimed(struct notifier *notifier, const char *url,
                                           const struct alertmanager_section *before)
{
    struct alertmanager *found = NULL;
    for (size_t i = 0; i < notifier->alertmanagers.len; i++) {
        struct alertmanager *alertmanager = notifier->alertmanagers.items[i];
        if (alertmanager->claimed || strcmp(alertmanager->url, url) != 0)
            continue;
        if (found == NULL || (before != NULL && alertmanager->section == before))
            found = alertmanager;
    }
    return found;
}

static void retire(struct notifier *notifier, struct alertmanager *alertmanager)
{
    alertmanager->section = NULL;
    if (notifier->drain_on_shutdown || alertmanager->queue_count == 0)
        return;
    size_t count = alertmanager_drop_queue(alertmanager);
    log_warn("Alert notification queue not drained on shutdown, dropping alerts",
             log_str("alertmanager", alertmanager->url), log_uint("count", count));
}

/* Brings the Alertmanagers in line with what discovery found. `before` are the sections that these
 * take the place of, or the same ones. */
static void sync_locked(struct notifier *notifier, struct alertmanager_section *const *before,
                        size_t before_count)
{
    mutex_assert_held(&notifier->lock);
    for (size_t i = 0; i < notifier->alertmanagers.len; i++)
        notifier->alertmanagers.items[i]->claimed = false;
    size_t active_count = 0;
    for (size_t i = 0; i < notifier->sections.len; i++) {
        struct alertmanager_section *section = notifier->sections.items[i];
        alertmanager_section_sync(section);
        active_count += section->active.len;
        for (size_t j = 0; j < section->active.len; j++) {
            const char *url = section->active.items[j];
            struct alertmanager *alertmanager =
                find_unclaimed(notifier, url, i < before_count ? before[i] : NULL);
            if (alertmanager == NULL) {
                alertmanager = alertmanager_new(url, notifier->queue_count_max);
                vec_push(&notifier->alertmanagers, alertmanager);
            }
            alertmanager_claim(alertmanager, section);
        }
    }
    for (size_t i = 0; i < notifier->alertmanagers.len; i++) {
        struct alertmanager *alertmanager = notifier->alertmanagers.items[i];
        if (!alertmanager->claimed && alertmanager->section != NULL)
            retire(notifier, alertmanager);
    }
    counter_set(notifier->discovered, (double)active_count);
}

static void discovery_changed(void *context)
{
    struct notifier *notifier = context;
    atomic_store(&notifier->changed, true);
    http_client_wake(notifier->client);
}

/* -- the thread -- */

static void request_done(const struct http_client_response *response, void *context)
{
    alertmanager_finish(context, response);
}

static bool url_in_use_locked(const struct notifier *notifier, const char *url)
{
    for (size_t i = 0; i < notifier->alertmanagers.len; i++) {
        if (strcmp(notifier->alertmanagers.items[i]->url, url) == 0)
            return true;
    }
    return false;
}

/* Frees the retired ones that have nothing left to do. */
static void reap_locked(struct notifier *notifier)
{
    for (size_t i = notifier->alertmanagers.len; i > 0; i--) {
        struct alertmanager *alertmanager = notifier->alertmanagers.items[i - 1];
        if (alertmanager->section != NULL || alertmanager->in_flight ||
            alertmanager->queue_count > 0)
            continue;
        notifier->alertmanagers.items[i - 1] =
            notifier->alertmanagers.items[--notifier->alertmanagers.len];
        if (!url_in_use_locked(notifier, alertmanager->url))
            alertmanager_forget_counters(alertmanager);
        alertmanager_free(alertmanager);
    }
}

/* Takes the next batch of everyone who has none under way; what they are is in `out`. */
static void take_batches(struct notifier *notifier, struct alertmanager ***out, size_t *out_count,
                         bool *out_busy)
{
    VEC(struct alertmanager *) ready = {0};
    *out_busy = false;
    MUTEX_GUARD(&notifier->lock);
    reap_locked(notifier);
    for (size_t i = 0; i < notifier->alertmanagers.len; i++) {
        struct alertmanager *alertmanager = notifier->alertmanagers.items[i];
        *out_busy = *out_busy || alertmanager->in_flight || alertmanager->queue_count > 0;
        if (alertmanager->in_flight || alertmanager->queue_count == 0)
            continue;
        alertmanager_take_batch(alertmanager, notifier->batch_count_max);
        vec_push(&ready, alertmanager);
    }
    *out = ready.items;
    *out_count = ready.len;
}

/* Starts what can be started; false when nothing is under way. `left_ms`: of the time to drain, < 0
 * = no end. */
static bool send_batches(struct notifier *notifier, int64_t left_ms)
{
    CLEANUP(mem_cleanup) struct alertmanager **ready = NULL;
    size_t ready_count;
    bool busy;
    take_batches(notifier, &ready, &ready_count, &busy);
    for (size_t i = 0; i < ready_count; i++) {
        if (left_ms >= 0)
            ready[i]->flight_timeout_ms = MIN(ready[i]->flight_timeout_ms, left_ms);
        if (!alertmanager_start(ready[i], notifier->client, notifier->user_agent, request_done))
            http_client_wake(notifier->client);
    }
    return busy;
}

/* What cannot be sent any more is counted and told. */
static void drop_rest(struct notifier *notifier)
{
    MUTEX_GUARD(&notifier->lock);
    for (size_t i = 0; i < notifier->alertmanagers.len; i++) {
        struct alertmanager *alertmanager = notifier->alertmanagers.items[i];
        size_t count = alertmanager_drop_queue(alertmanager) + alertmanager->batch.len;
        counter_add(alertmanager->dropped, (double)alertmanager->batch.len);
        if (count > 0)
            log_warn("Alert notification queue not drained on shutdown, dropping alerts",
                     log_str("alertmanager", alertmanager->url), log_uint("count", count));
    }
}

static void notifier_run(void *context)
{
    struct notifier *notifier = context;
    int64_t drain_end_ns = 0;
    for (;;) {
        if (atomic_exchange(&notifier->changed, false)) {
            MUTEX_GUARD(&notifier->lock);
            sync_locked(notifier, notifier->sections.items, notifier->sections.len);
        }
        int64_t left_ms = -1;
        if (atomic_load(&notifier->stopping)) {
            int64_t now_ns = clock_monotonic_ns(notifier->clock);
            if (drain_end_ns == 0)
                drain_end_ns = now_ns + DRAIN_MS * NS_PER_MS;
            left_ms = (drain_end_ns - now_ns) / NS_PER_MS;
            if (!notifier->drain_on_shutdown || left_ms <= 0)
                break;
        }
        if (!send_batches(notifier, left_ms) && left_ms >= 0)
            break;
        http_client_run(notifier->client, left_ms >= 0 ? (int)left_ms : IDLE_WAIT_MS);
    }
    drop_rest(notifier);
}

/* -- life -- */

struct notifier *notifier_new(const struct notifier_options *options)
{
    struct notifier *notifier = mem_zalloc(sizeof(*notifier));
    notifier->clock = options->clock == NULL ? clock_system : options->clock;
    notifier->queue_count_max =
        options->queue_count_max == 0 ? QUEUE_COUNT_MAX : options->queue_count_max;
    notifier->batch_count_max =
        options->batch_count_max == 0 ? BATCH_COUNT_MAX : options->batch_count_max;
    notifier->drain_on_shutdown = options->drain_on_shutdown;
    notifier->user_agent = mem_strdup(options->user_agent == NULL ? "" : options->user_agent);
    notifier->discovered = counters_gauge("prometheus_notifications_alertmanagers_discovered",
                                          "The number of alertmanagers discovered and active.");
    counter_set(counters_gauge("prometheus_notifications_queue_capacity",
                               "The capacity of the alert notifications queue."),
                (double)notifier->queue_count_max);
    mutex_init(&notifier->lock, LOCK_RANK_NOTIFIER);
    notifier->client = http_client_new();
    thread_start(&notifier->thread, "notifier", notifier_run, notifier);
    return notifier;
}

void notifier_free(struct notifier *notifier)
{
    if (notifier == NULL)
        return;
    atomic_store(&notifier->stopping, true);
    http_client_wake(notifier->client);
    thread_join(&notifier->thread);
    /* discovery may call until its sections are gone */
    for (size_t i = 0; i < notifier->sections.len; i++)
        alertmanager_section_free(notifier->sections.items[i]);
    vec_release(&notifier->sections);
    http_client_free(notifier->client);
    for (size_t i = 0; i < notifier->alertmanagers.len; i++) {
        alertmanager_forget_counters(notifier->alertmanagers.items[i]);
        alertmanager_free(notifier->alertmanagers.items[i]);
    }
    vec_release(&notifier->alertmanagers);
    config_unref(notifier->config);
    mutex_release(&notifier->lock);
    mem_free(notifier->user_agent);
    mem_free(notifier);
}

enum err notifier_apply(struct notifier *notifier, struct config *config, struct errbuf *err)
{
    (void)err;
    VEC(struct alertmanager_section *) made = {0};
    for (size_t i = 0; i < config->alerting.alertmanager_count; i++)
        vec_push(&made, alertmanager_section_new(config, i, discovery_changed, notifier));
    struct alertmanager_section **before;
    size_t before_count;
    struct config *config_before;
    {
        MUTEX_GUARD(&notifier->lock);
        before = notifier->sections.items;
        before_count = notifier->sections.len;
        config_before = notifier->config;
        notifier->sections.items = made.items;
        notifier->sections.len = made.len;
        notifier->sections.cap = made.cap;
        notifier->config = config_ref(config);
        sync_locked(notifier, before, before_count);
    }
    /* not under the lock: a discovery that ends may wait for its thread */
    for (size_t i = 0; i < before_count; i++)
        alertmanager_section_free(before[i]);
    mem_free(before);
    config_unref(config_before);
    http_client_wake(notifier->client);
    return ERR_NONE;
}

/* -- alerts -- */

struct notifications {
    VEC(struct notification *) items;
};

static void notifications_release(struct notifications *notifications)
{
    for (size_t i = 0; i < notifications->items.len; i++)
        notification_unref(notifications->items.items[i]);
    vec_release(&notifications->items);
}

static void notifications_relabel(const struct notifications *all, const struct labels *external,
                                  const struct relabel_rule *rules, size_t rule_count,
                                  struct notifications *out)
{
    for (size_t i = 0; i < all->items.len; i++) {
        struct notification *made =
            notification_relabel(all->items.items[i], external, rules, rule_count);
        if (made != NULL)
            vec_push(&out->items, made);
    }
}

static void section_push_locked(struct notifier *notifier,
                                const struct alertmanager_section *section,
                                const struct notifications *all)
{
    CLEANUP(notifications_release) struct notifications relabeled = {0};
    notifications_relabel(all, NULL, section->alertmanager->alert_relabel_rules,
                          section->alertmanager->alert_relabel_rule_count, &relabeled);
    if (relabeled.items.len == 0)
        return;
    for (size_t i = 0; i < notifier->alertmanagers.len; i++) {
        struct alertmanager *alertmanager = notifier->alertmanagers.items[i];
        if (alertmanager->section == section)
            alertmanager_push(alertmanager, relabeled.items.items, relabeled.items.len);
    }
}

void notifier_send(struct notifier *notifier, const struct notifier_alert *alerts, size_t count)
{
    if (count == 0 || atomic_load(&notifier->stopping))
        return;
    CLEANUP(notifications_release) struct notifications all = {0};
    for (size_t i = 0; i < count; i++)
        vec_push(&all.items, notification_new(&alerts[i]));
    {
        MUTEX_GUARD(&notifier->lock);
        const struct config *config = notifier->config;
        if (config == NULL || notifier->sections.len == 0)
            return;
        CLEANUP(notifications_release) struct notifications relabeled = {0};
        notifications_relabel(&all, config->global.external_labels,
                              config->alerting.alert_relabel_rules,
                              config->alerting.alert_relabel_rule_count, &relabeled);
        for (size_t i = 0; i < notifier->sections.len; i++)
            section_push_locked(notifier, notifier->sections.items[i], &relabeled);
    }
    http_client_wake(notifier->client);
}

/* Where copies of URLs go, and what pays for them. */
struct url_room {
    struct arena *arena;
    struct memory_hold *memory;
    struct errbuf *err;
};

static bool copy_urls(struct url_room *room, char *const *urls, size_t count, struct slice *out,
                      size_t *out_count)
{
    for (size_t i = 0; i < count; i++)
        if (!memory_hold_text(room->memory, room->arena, slice_str(urls[i]), &out[(*out_count)++],
                              room->err))
            return false;
    return true;
}

enum err notifier_snapshot(struct notifier *notifier, struct arena *arena,
                           struct memory_hold *memory, struct notifier_snapshot *out,
                           struct errbuf *err)
{
    struct url_room room = {arena, memory, err};
    MUTEX_GUARD(&notifier->lock);
    size_t active_count = 0;
    size_t dropped_count = 0;
    for (size_t i = 0; i < notifier->sections.len; i++) {
        active_count += notifier->sections.items[i]->active.len;
        dropped_count += notifier->sections.items[i]->dropped.len;
    }
    *out = (struct notifier_snapshot){
        .active = memory_hold_alloc(memory, arena, active_count * sizeof(struct slice), err),
        .dropped = memory_hold_alloc(memory, arena, dropped_count * sizeof(struct slice), err),
    };
    if (out->active == NULL || out->dropped == NULL)
        return ERR_LIMIT;
    for (size_t i = 0; i < notifier->sections.len; i++) {
        const struct alertmanager_section *section = notifier->sections.items[i];
        if (!copy_urls(&room, section->active.items, section->active.len, out->active,
                       &out->active_count) ||
            !copy_urls(&room, section->dropped.items, section->dropped.len, out->dropped,
                       &out->dropped_count))
            return ERR_LIMIT;
    }
    return ERR_NONE;
}
