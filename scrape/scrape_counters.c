#include "scrape/scrape_counters.h"

#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "model/duration.h"

static const double quantiles[] = {0.01, 0.05, 0.5, 0.9, 0.99};
static const double length_bounds[] = {0.01, 0.1, 1, 10};
static const struct slice discovery_name = {"scrape", 6};

/* A metric of one struct of counters: where its pointer is and how it is called. */
struct counter_place {
    size_t offset;
    enum counters_type type;
    const char *name;
    const char *help;
};

#define PLACE(field, type, name, help)                                                             \
    {                                                                                              \
        offsetof(struct scrape_counters, field), COUNTERS_##type, "prometheus_" name, help         \
    }
static const struct counter_place places[] = {
    PLACE(pools, COUNTER, "target_scrape_pools_total",
          "Total number of scrape pool creation attempts."),
    PLACE(pools_failed, COUNTER, "target_scrape_pools_failed_total",
          "Total number of scrape pool creations that failed."),
    PLACE(pool_reloads, COUNTER, "target_scrape_pool_reloads_total",
          "Total number of scrape pool reloads."),
    PLACE(pool_reloads_failed, COUNTER, "target_scrape_pool_reloads_failed_total",
          "Total number of failed scrape pool reloads."),
    PLACE(exceeded_target_limit, COUNTER, "target_scrape_pool_exceeded_target_limit_total",
          "Total number of times scrape pools hit the target limit, during sync or config reload."),
    PLACE(exceeded_label_limits, COUNTER, "target_scrape_pool_exceeded_label_limits_total",
          "Total number of times scrape pools hit the label limits, during sync or config reload."),
    PLACE(exceeded_sample_limit, COUNTER, "target_scrapes_exceeded_sample_limit_total",
          "Total number of scrapes that hit the sample limit and were rejected."),
    PLACE(exceeded_body_size_limit, COUNTER, "target_scrapes_exceeded_body_size_limit_total",
          "Total number of scrapes that hit the body size limit"),
    PLACE(exceeded_bucket_limit, COUNTER,
          "target_scrapes_exceeded_native_histogram_bucket_limit_total",
          "Total number of scrapes that hit the native histogram bucket limit and were rejected."),
    PLACE(cache_flush_forced, COUNTER, "target_scrapes_cache_flush_forced_total",
          "How many times a scrape cache was flushed due to getting big while scrapes are "
          "failing."),
    PLACE(duplicates, COUNTER, "target_scrapes_sample_duplicate_timestamp_total",
          "Total number of samples rejected due to duplicate timestamps but different values."),
    PLACE(out_of_order, COUNTER, "target_scrapes_sample_out_of_order_total",
          "Total number of samples rejected due to not being out of the expected order."),
    PLACE(out_of_bounds, COUNTER, "target_scrapes_sample_out_of_bounds_total",
          "Total number of samples rejected due to timestamp falling outside of the time bounds."),
    PLACE(exemplars_out_of_order, COUNTER, "target_scrapes_exemplar_out_of_order_total",
          "Total number of exemplar rejected due to not being out of the expected order."),
    PLACE(scrape_duration, HISTOGRAM, "target_scrape_duration_seconds",
          "Total duration of the scrape from start to commit completion in seconds."),
};

/* These have the label name="scrape": the notifier's discovery has the same metrics. */
static const struct counter_place discovery_places[] = {
    PLACE(updates, COUNTER, "sd_updates_total",
          "Total number of update events sent to the SD consumers."),
    PLACE(received_updates, COUNTER, "sd_received_updates_total",
          "Total number of update events received from the SD providers."),
    PLACE(failed_configs, GAUGE, "sd_failed_configs",
          "Current number of service discovery configurations that failed to load."),
};

void scrape_counters_init(struct scrape_counters *counters)
{
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct counters_family *family = counters_family(&(struct counters_description){
            .name = places[i].name, .help = places[i].help, .type = places[i].type});
        *(struct counter **)((char *)counters + places[i].offset) = counters_single(family);
    }
    for (size_t i = 0; i < ARRAY_SIZE(discovery_places); i++) {
        const struct counter_place *place = &discovery_places[i];
        struct counters_family *family =
            counters_family(&(struct counters_description){.name = place->name,
                                                           .help = place->help,
                                                           .type = place->type,
                                                           .label_names = {"name"}});
        *(struct counter **)((char *)counters + place->offset) =
            counters_get(family, &discovery_name);
    }
}

#define POOL_PLACE(field, type, name, help)                                                        \
    {                                                                                              \
        offsetof(struct scrape_pool_counters, field), COUNTERS_##type, "prometheus_target_" name,  \
            help                                                                                   \
    }
static const struct counter_place pool_places[] = {
    POOL_PLACE(targets, GAUGE, "scrape_pool_targets",
               "Current number of targets in this scrape pool."),
    POOL_PLACE(target_limit, GAUGE, "scrape_pool_target_limit",
               "Maximum number of targets allowed in this scrape pool."),
    POOL_PLACE(syncs, COUNTER, "scrape_pool_sync_total",
               "Total number of syncs that were executed on a scrape pool."),
    POOL_PLACE(sync_failed, COUNTER, "sync_failed_total", "Total number of target sync failures."),
    POOL_PLACE(sync_length, SUMMARY, "sync_length_seconds",
               "Actual interval to sync the scrape pool."),
    POOL_PLACE(sync_length_histogram, HISTOGRAM, "sync_length_histogram_seconds",
               "Actual interval to sync the scrape pool."),
    POOL_PLACE(symbols, GAUGE, "scrape_pool_symboltable_items",
               "Current number of symbols in table for this scrape pool."),
    POOL_PLACE(metadata_entries, GAUGE, "metadata_cache_entries",
               "Total number of metric metadata entries in the cache"),
    POOL_PLACE(metadata_bytes, GAUGE, "metadata_cache_bytes",
               "The number of bytes that are currently used for storing metric metadata in the "
               "cache"),
};

static struct counters_family *counter_place_family(const struct counter_place *place,
                                                    const char *label)
{
    struct counters_description description = {
        .name = place->name, .help = place->help, .type = place->type, .label_names = {label}};
    if (place->type == COUNTERS_SUMMARY) {
        description.bounds = quantiles;
        description.bound_count = ARRAY_SIZE(quantiles);
    } else if (place->type == COUNTERS_HISTOGRAM) {
        description.bounds = length_bounds;
        description.bound_count = ARRAY_SIZE(length_bounds);
    }
    return counters_family(&description);
}

static struct counters_family *counters_discovered(void)
{
    return counters_family(&(struct counters_description){
        .name = "prometheus_sd_discovered_targets",
        .help = "Current number of discovered targets.",
        .type = COUNTERS_GAUGE,
        .label_names = {"name", "config"},
    });
}

static struct counters_family *counters_last_update(void)
{
    return counters_family(&(struct counters_description){
        .name = "prometheus_sd_last_update_timestamp_seconds",
        .help = "Timestamp of the last update sent to the SD consumers.",
        .type = COUNTERS_GAUGE,
        .label_names = {"name", "config"},
    });
}

void scrape_pool_counters_init(struct scrape_pool_counters *counters, struct slice job)
{
    for (size_t i = 0; i < ARRAY_SIZE(pool_places); i++) {
        struct counters_family *family = counter_place_family(&pool_places[i], "scrape_job");
        *(struct counter **)((char *)counters + pool_places[i].offset) = counters_get(family, &job);
    }
    const struct slice values[] = {discovery_name, job};
    counters->discovered_targets = counters_get(counters_discovered(), values);
    counters->last_update = counters_get(counters_last_update(), values);
}

void scrape_pool_counters_remove(struct slice job)
{
    for (size_t i = 0; i < ARRAY_SIZE(pool_places); i++)
        counters_remove(counter_place_family(&pool_places[i], "scrape_job"), &job);
    const struct slice values[] = {discovery_name, job};
    counters_remove(counters_discovered(), values);
    counters_remove(counters_last_update(), values);
}

static const struct counter_place interval_places[] = {
    {offsetof(struct scrape_interval_counters, length), COUNTERS_SUMMARY,
     "prometheus_target_interval_length_seconds", "Actual intervals between scrapes."},
    {offsetof(struct scrape_interval_counters, length_histogram), COUNTERS_HISTOGRAM,
     "prometheus_target_interval_length_histogram_seconds", "Actual intervals between scrapes."},
};
static const struct counter_place reload_place = {
    0, COUNTERS_SUMMARY, "prometheus_target_reload_length_seconds",
    "Actual interval to reload the scrape pool with a given configuration."};

static struct counter *counter_by_interval(const struct counter_place *place, int64_t interval_ms)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 64);
    duration_print_go(interval_ms * 1000000, &text);
    struct slice value = buf_slice(&text);
    return counters_get(counter_place_family(place, "interval"), &value);
}

void scrape_interval_counters_init(struct scrape_interval_counters *counters, int64_t interval_ms)
{
    for (size_t i = 0; i < ARRAY_SIZE(interval_places); i++) {
        *(struct counter **)((char *)counters + interval_places[i].offset) =
            counter_by_interval(&interval_places[i], interval_ms);
    }
}

void scrape_counters_reload(int64_t interval_ms, double seconds)
{
    counter_observe(counter_by_interval(&reload_place, interval_ms), seconds);
}
