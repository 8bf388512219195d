/*
 * The metrics that scraping has about itself, by the reference's names.
 *
 * Thread-safety: the scraping thread; the registry itself is safe.
 */
#pragma once

#include "base/counters.h"
#include "base/slice.h"

#include <stdint.h>

struct scrape_counters {
    struct counter *pools;
    struct counter *pools_failed;
    struct counter *pool_reloads;
    struct counter *pool_reloads_failed;
    struct counter *exceeded_target_limit;
    struct counter *exceeded_label_limits;
    struct counter *exceeded_sample_limit;
    struct counter *exceeded_body_size_limit;
    struct counter *exceeded_bucket_limit;
    struct counter *cache_flush_forced;
    struct counter *duplicates;
    struct counter *out_of_order;
    struct counter *out_of_bounds;
    struct counter *exemplars_out_of_order;
    struct counter *scrape_duration;
    struct counter *updates; /* prometheus_sd_* with name="scrape" */
    struct counter *received_updates;
    struct counter *failed_configs;
};

/* Registers everything that has no label of its own. */
void scrape_counters_init(struct scrape_counters *counters);

/* Those of one job. */
struct scrape_pool_counters {
    struct counter *targets;
    struct counter *target_limit;
    struct counter *syncs;
    struct counter *sync_failed;
    struct counter *sync_length;
    struct counter *sync_length_histogram;
    struct counter *symbols;
    struct counter *metadata_entries;
    struct counter *metadata_bytes;
    struct counter *discovered_targets;
    struct counter *last_update;
};
void scrape_pool_counters_init(struct scrape_pool_counters *counters, struct slice job);
/* The job is gone: its metrics vanish. */
void scrape_pool_counters_remove(struct slice job);

/* Times from one scrape of a target to its next, by interval. */
struct scrape_interval_counters {
    struct counter *length;
    struct counter *length_histogram;
};
void scrape_interval_counters_init(struct scrape_interval_counters *counters, int64_t interval_ms);
void scrape_counters_reload(int64_t interval_ms, double seconds);
