#include "scrape/scrape_loop.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "scrape/fetch.h"
#include "scrape/pool.h"

#define NS_PER_MS INT64_C(1000000)
/* Above this the memory of a body is given back. */
#define INFLATED_BYTES_KEPT ((size_t)8 << 20)
/* A storage that takes nothing is told once in a while, not at every scrape. */
#define STORAGE_ERROR_EVERY_NS (INT64_C(10) * 1000 * NS_PER_MS)

/* What is known of a scrape when its report is written. */
struct scrape_outcome {
    bool failed;
    bool parsed;         /* the parser has begun with the body */
    struct errbuf error; /* why, if it failed */
    struct ingest_result counts;
    int64_t body_size; /* -1 = the size limit was hit */
};

static uint64_t scrape_body_limit(const struct scrape_manager *manager,
                                  const struct config_scrape *scrape)
{
    if (scrape->limits.body_size > 0)
        return scrape->limits.body_size;
    uint64_t given = manager->options.default_body_bytes_max;
    return given > 0 ? given : FETCH_BODY_BYTES_DEFAULT;
}

static void scrape_enqueue(struct scrape_manager *manager, struct target *target)
{
    int64_t wait_ms = schedule_wait_ms(&target->schedule, clock_now_ms(manager->clock));
    int64_t due_ns = clock_monotonic_ns(manager->clock) + wait_ms * NS_PER_MS;
    heap_push(&manager->due, &target->due, due_ns);
}

/* The transfer is over, or given up. */
static void scrape_transfer_ended(struct target *target)
{
    target->transfer = NULL;
    client_profile_unref(target->profile);
    target->profile = NULL;
}

/* Puts into the API's view how the scrape went. */
static void scrape_set_state(struct scrape_manager *manager, struct target *target,
                             const char *error, double duration_s)
{
    struct target_state *state = &target->state;
    MUTEX_GUARD(&manager->state_lock);
    state->health = error == NULL ? SCRAPE_HEALTH_UP : SCRAPE_HEALTH_DOWN;
    state->last_scrape_ms = target->sample_ms;
    state->last_scrape_duration_s = duration_s;
    if (error != NULL && state->last_error != NULL && strcmp(error, state->last_error) == 0)
        return;
    mem_free(state->last_error);
    state->last_error = error == NULL ? NULL : mem_strdup(error);
}

static void scrape_storage_refused(struct scrape_manager *manager, const struct target *target,
                                   const struct errbuf *err)
{
    int64_t now_ns = clock_monotonic_ns(manager->clock);
    if (manager->storage_error_logged_ns != 0 &&
        now_ns - manager->storage_error_logged_ns < STORAGE_ERROR_EVERY_NS)
        return;
    manager->storage_error_logged_ns = now_ns;
    log_error("Scrape commit failed", log_str("scrape_pool", target->pool->name),
              log_str("target", target->url), log_err(err));
}

/* Counts and tells what storage did not take of a body. */
static void scrape_count_rejected(struct scrape_manager *manager, const struct target *target,
                                  const struct ingest_result *counts)
{
    static const char *const messages[] = {
        "Error on ingesting out-of-order samples",
        "Error on ingesting samples with different value but same timestamp",
        "Error on ingesting samples that are too old or are too far into the future",
        "Error on ingesting out-of-order exemplars",
    };
    const uint64_t numbers[] = {counts->out_of_order, counts->duplicates, counts->out_of_bounds,
                                counts->exemplars_out_of_order};
    struct counter *const counters[] = {
        manager->counters.out_of_order, manager->counters.duplicates,
        manager->counters.out_of_bounds, manager->counters.exemplars_out_of_order};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (numbers[i] == 0)
            continue;
        counter_add(counters[i], (double)numbers[i]);
        log_warn(messages[i], log_str("scrape_pool", target->pool->name),
                 log_str("target", target->url), log_uint("num_dropped", numbers[i]));
    }
    if (counts->label_limit_exceeded)
        counter_inc(manager->counters.exceeded_label_limits);
    if (counts->sample_limit_exceeded)
        counter_inc(manager->counters.exceeded_sample_limit);
    if (counts->bucket_limit_exceeded)
        counter_inc(manager->counters.exceeded_bucket_limit);
}

/* The media type of the job's fallback protocol, empty if it has none. */
static struct slice scrape_fallback_type(const struct config_scrape *scrape)
{
    if (scrape->fallback_protocol == SCRAPE_PROTOCOL_NONE)
        return SLICE_EMPTY;
    struct slice type = slice_str(config_scrape_protocol_media_type(scrape->fallback_protocol));
    size_t parameters = slice_index(type, ';');
    return parameters == SLICE_NONE ? type : slice_sub(type, 0, parameters);
}

/* The body into the transaction. */
static enum err scrape_ingest(struct scrape_manager *manager, struct target *target,
                              struct appender *appender, struct slice content_type,
                              struct slice body, struct scrape_outcome *outcome)
{
    const struct config_scrape *scrape = target->pool->scrape;
    struct errbuf *err = &outcome->error;
    enum exposition_format format = EXPOSITION_TEXT;
    if (body.len > 0) {
        struct slice fallback = scrape_fallback_type(scrape);
        bool used_fallback = false;
        enum err code = exposition_format_of(content_type, fallback, &format, &used_fallback, err);
        if (code != ERR_NONE) {
            log_error("Failed to determine correct type of scrape target.",
                      log_str("scrape_pool", target->pool->name), log_str("target", target->url),
                      log_slice("content_type", content_type),
                      log_slice("fallback_media_type", fallback), log_err(err));
            return code;
        }
    }
    struct ingest_job job = {
        .scrape = scrape,
        .target = target->labels,
        .cache = &target->cache,
        .metadata = &target->metadata,
        .type_and_unit_labels = manager->options.type_and_unit_labels,
        .appender = appender,
        .row_ms = target->sample_ms,
        .now_ms = clock_now_ms(manager->clock),
    };
    size_t entries = target->metadata.entries.len;
    size_t bytes = target->metadata.text_bytes;
    outcome->parsed = true;
    enum err code = ingest_body(&manager->ingest, &job, format, body, &outcome->counts, err);
    struct scrape_pool_counters *counters = &target->pool->counters;
    if (target->metadata.entries.len != entries || target->metadata.text_bytes != bytes) {
        counter_add(counters->metadata_entries,
                    (double)target->metadata.entries.len - (double)entries);
        counter_add(counters->metadata_bytes, (double)target->metadata.text_bytes - (double)bytes);
    }
    scrape_count_rejected(manager, target, &outcome->counts);
    return code;
}

/* After a body that failed: the transaction starts again with nothing but stale markers. */
static enum err scrape_restart(struct scrape_manager *manager, struct target *target,
                               bool was_parsed, struct appender **appender, struct errbuf *err)
{
    appender_rollback(*appender);
    *appender = NULL;
    enum err code =
        appender_begin(manager->options.db, target->group, target->sample_ms, appender, err);
    if (code != ERR_NONE)
        *appender = NULL;
    if (was_parsed) {
        if (!ingest_abandon(&manager->ingest, *appender, target->sample_ms))
            counter_inc(manager->counters.cache_flush_forced);
    } else if (*appender != NULL) {
        ingest_stale(&target->cache, *appender, target->sample_ms);
    }
    return code;
}

static double scrape_duration_s(const struct scrape_manager *manager, const struct target *target)
{
    return (double)(clock_monotonic_ns(manager->clock) - target->started_ns) / 1e9;
}

static void scrape_report(struct scrape_manager *manager, struct target *target,
                          const struct scrape_outcome *outcome, double duration_s,
                          struct appender *appender)
{
    const struct config_scrape *scrape = target->pool->scrape;
    struct report_values values = {
        .up = !outcome->failed,
        .duration_s = duration_s,
        .samples_scraped = outcome->counts.scraped,
        .samples_kept = outcome->counts.kept,
        .series_added = outcome->counts.series_added,
        .extra = scrape->extra_scrape_metrics || manager->options.extra_scrape_metrics,
        .timeout_s = (double)target->timeout_ms / 1000,
        .sample_limit = scrape->limits.samples,
        .body_size = outcome->body_size,
    };
    report_write(&target->report, &manager->ingest.labels, target->labels, &values, appender);
}

/* Stores what came, or what follows from nothing having come: the transaction of one scrape.
 * `outcome` says whether the fetch went well. */
static enum err scrape_store(struct scrape_manager *manager, struct target *target,
                             struct slice content_type, struct slice body,
                             struct scrape_outcome *outcome, struct errbuf *err)
{
    struct appender *appender = NULL;
    enum err code =
        appender_begin(manager->options.db, target->group, target->sample_ms, &appender, err);
    if (code != ERR_NONE)
        return code;
    if (outcome->failed) {
        ingest_stale(&target->cache, appender, target->sample_ms);
    } else if (scrape_ingest(manager, target, appender, content_type, body, outcome) != ERR_NONE) {
        outcome->failed = true;
        code = scrape_restart(manager, target, outcome->parsed, &appender, err);
        if (code != ERR_NONE)
            return code;
    }
    double duration_s = scrape_duration_s(manager, target);
    scrape_report(manager, target, outcome, duration_s, appender);
    scrape_set_state(manager, target, outcome->failed ? outcome->error.text : NULL, duration_s);
    return appender_commit(appender, err);
}

static void scrape_finish(struct scrape_manager *manager, struct target *target,
                          struct slice content_type, struct slice body,
                          struct scrape_outcome *outcome)
{
    struct errbuf err = ERRBUF_INIT;
    if (scrape_store(manager, target, content_type, body, outcome, &err) != ERR_NONE) {
        scrape_storage_refused(manager, target, &err);
        scrape_set_state(manager, target, err.text, scrape_duration_s(manager, target));
    }
    if (target->pool->scrape->extra_scrape_metrics || manager->options.extra_scrape_metrics)
        counter_observe(manager->counters.scrape_duration, scrape_duration_s(manager, target));
    if (outcome->failed)
        log_debug("Scrape failed", log_str("scrape_pool", target->pool->name),
                  log_str("target", target->url), log_err(&outcome->error));
    scrape_enqueue(manager, target);
}

static void scrape_body_too_large(struct scrape_manager *manager, struct target *target,
                                  uint64_t limit)
{
    counter_inc(manager->counters.exceeded_body_size_limit);
    if (target->pool->scrape->limits.body_size > 0 || target->body_limit_warned)
        return;
    target->body_limit_warned = true;
    log_warn("A scrape body is above the default limit; set body_size_limit if it should be",
             log_str("scrape_pool", target->pool->name), log_str("target", target->url),
             log_uint("limit_bytes", limit));
}

/* The body of a target, or why there is none. */
static void scrape_take_body(struct scrape_manager *manager, struct target *target,
                             struct slice content_type, struct slice body, enum err code,
                             struct scrape_outcome *outcome)
{
    struct scrape_pool *pool = target->pool;
    outcome->failed = code != ERR_NONE;
    if (code == ERR_LIMIT) {
        outcome->body_size = -1;
        scrape_body_too_large(manager, target, scrape_body_limit(manager, pool->scrape));
    } else if (code == ERR_NONE) {
        outcome->body_size = (int64_t)body.len;
    }
    if (outcome->failed) {
        failure_log_write(pool->failure_log, clock_now_ms(manager->clock), pool->scrape->job_name,
                          target->url, outcome->error.text);
    }
    scrape_finish(manager, target, content_type, body, outcome);
}

/* The answer is there, or will not come. */
static void scrape_done(const struct http_client_response *response, void *context)
{
    struct target *target = context;
    ASSERT(target->pool != NULL && target->transfer != NULL);
    struct scrape_manager *manager = target->pool->manager;
    scrape_transfer_ended(target);
    struct scrape_outcome outcome = {0};
    struct slice body = SLICE_EMPTY;
    bool large = false;
    uint64_t limit = scrape_body_limit(manager, target->pool->scrape);
    enum err code = fetch_read(response, limit, &manager->inflated, &body, &large, &outcome.error);
    if (large) {
        target->inflating =
            inflater_submit(manager->inflater, body, response->content_type, limit, target);
        if (target->inflating != NULL)
            return;
        code = fetch_unpack(body, limit, &manager->inflated, &outcome.error);
        body = buf_slice(&manager->inflated);
    }
    scrape_take_body(manager, target, response->content_type, body, code, &outcome);
    if (manager->inflated.len > INFLATED_BYTES_KEPT) {
        buf_release(&manager->inflated);
        buf_init(&manager->inflated, BUF_SIZE_ANY);
    }
}

void scrape_loop_finish_inflated(struct scrape_manager *manager)
{
    struct inflate_task *task;
    while ((task = inflater_next(manager->inflater)) != NULL) {
        struct target *target = task->owner;
        if (target != NULL) {
            target->inflating = NULL;
            struct scrape_outcome outcome = {.error = task->err};
            scrape_take_body(manager, target, buf_slice(&task->content_type),
                             buf_slice(&task->body), task->error, &outcome);
        }
        inflater_dispose(manager->inflater, task);
    }
}

static void scrape_fetch(struct scrape_manager *manager, struct target *target)
{
    struct scrape_pool *pool = target->pool;
    struct slice socket = labels_get(target->all, SLICE("__unix_socket__"));
    target->profile = client_profile_ref(pool->profile);
    target->transfer = fetch_start(manager->client,
                                   &(struct fetch_request){
                                       .url = target->url,
                                       .unix_socket = socket.len > 0 ? socket.ptr : NULL,
                                       .accept = buf_cstr(&pool->accept),
                                       .user_agent = manager->user_agent,
                                       .compression = pool->scrape->enable_compression,
                                       .timeout_ms = target->timeout_ms,
                                       .body_size_limit = scrape_body_limit(manager, pool->scrape),
                                       .profile = &target->profile->http,
                                       .done = scrape_done,
                                       .context = target,
                                   });
}

static void scrape_begin(struct scrape_manager *manager, struct target *target)
{
    int64_t now_ns = clock_monotonic_ns(manager->clock);
    target->sample_ms = schedule_take(&target->schedule, clock_now_ms(manager->clock));
    if (target->started_ns != 0) {
        double seconds = (double)(now_ns - target->started_ns) / 1e9;
        counter_observe(target->counters.length, seconds);
        counter_observe(target->counters.length_histogram, seconds);
    }
    target->started_ns = now_ns;
    if (target->pool->forced_error != NULL)
        vec_push(&manager->forced, target);
    else
        scrape_fetch(manager, target);
}

void scrape_loop_start_due(struct scrape_manager *manager)
{
    int64_t now_ns = clock_monotonic_ns(manager->clock);
    struct heap_item *item;
    while ((item = heap_peek(&manager->due)) != NULL && item->key <= now_ns) {
        heap_pop(&manager->due);
        scrape_begin(manager, CONTAINER_OF(item, struct target, due));
    }
}

void scrape_loop_finish_forced(struct scrape_manager *manager)
{
    while (manager->forced.len > 0) {
        struct target *target = vec_pop(&manager->forced);
        struct scrape_outcome outcome = {.failed = true};
        const char *reason = target->pool->forced_error;
        errbuf_set(&outcome.error, ERR_LIMIT, "%s",
                   reason != NULL ? reason : "the target was not scraped");
        scrape_finish(manager, target, SLICE_EMPTY, SLICE_EMPTY, &outcome);
    }
}

void scrape_loop_add(struct scrape_manager *manager, struct target *target)
{
    schedule_start(&target->schedule, clock_now_ms(manager->clock));
    scrape_enqueue(manager, target);
}

void scrape_loop_reschedule(struct scrape_manager *manager, struct target *target)
{
    schedule_start(&target->schedule, clock_now_ms(manager->clock));
    if (target->due.index == 0)
        return; /* a scrape runs and puts it back itself */
    heap_remove(&manager->due, &target->due);
    scrape_enqueue(manager, target);
}

void scrape_loop_remove(struct scrape_manager *manager, struct target *target)
{
    if (target->transfer != NULL) {
        http_client_cancel(manager->client, target->transfer);
        scrape_transfer_ended(target);
    }
    if (target->inflating != NULL) {
        target->inflating->owner = NULL; /* its result is dropped when it comes */
        target->inflating = NULL;
    }
    heap_remove(&manager->due, &target->due);
    for (size_t i = 0; i < manager->forced.len; i++) {
        if (manager->forced.items[i] == target)
            manager->forced.items[i--] = manager->forced.items[--manager->forced.len];
    }
}

void scrape_loop_end(struct scrape_manager *manager, struct target *target)
{
    scrape_loop_remove(manager, target);
    target->pool = NULL;
    if (target->started_ns == 0) {
        target_free(target); /* never scraped: nothing to end */
        return;
    }
    /* The markers have the time of what would have been the next scrape, and are written when the
     * one after it would have been, and a little later: by then a target that came back has
     * samples. */
    struct schedule *schedule = &target->schedule;
    target->sample_ms = schedule->slot_ms;
    int64_t wait_ms = schedule_wait_ms(schedule, clock_now_ms(manager->clock)) +
                      schedule->interval_ms + schedule->interval_ms / 10;
    heap_push(&manager->endings, &target->due,
              clock_monotonic_ns(manager->clock) + wait_ms * NS_PER_MS);
}

static void scrape_write_ending(struct scrape_manager *manager, struct target *target)
{
    struct errbuf err = ERRBUF_INIT;
    struct appender *appender = NULL;
    enum err code =
        appender_begin(manager->options.db, target->group, target->sample_ms, &appender, &err);
    if (code == ERR_NONE) {
        ingest_stale(&target->cache, appender, target->sample_ms);
        report_write_stale(&target->report, appender, target->sample_ms);
        code = appender_commit(appender, &err);
    }
    if (code != ERR_NONE)
        log_warn("Stale commit failed", log_str("target", target->url), log_err(&err));
}

void scrape_loop_finish_endings(struct scrape_manager *manager)
{
    int64_t now_ns = clock_monotonic_ns(manager->clock);
    struct heap_item *item;
    while ((item = heap_peek(&manager->endings)) != NULL && item->key <= now_ns) {
        heap_pop(&manager->endings);
        struct target *target = CONTAINER_OF(item, struct target, due);
        scrape_write_ending(manager, target);
        target_free(target);
    }
}
