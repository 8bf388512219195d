/*
 * A target: an endpoint with its labels, its place in the schedule, and what is remembered of it
 * from scrape to scrape.
 *
 * Its labels come in three sets. *Discovered*: what discovery and the job say, before relabelling.
 * *All*: after relabelling, with the internal ones (__address__ ...), which identify the target
 * together with the URL. *Public*: without the internal ones; these go on every series.
 *
 * Ownership: a pool holds its live targets, the manager those that wait for their last stale
 * markers. Thread-safety: the scraping thread; others read the state under the manager's state
 * lock.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/heap.h"
#include "config/config.h"
#include "model/labels.h"
#include "model/labels_builder.h"
#include "scrape/metadata_cache.h"
#include "scrape/report.h"
#include "scrape/schedule.h"
#include "scrape/scrape.h"
#include "scrape/scrape_counters.h"
#include "scrape/series_cache.h"
#include "tsdb/appender.h"

#include <stdbool.h>
#include <stdint.h>

struct client_profile;
struct inflate_task;
struct http_transfer;
struct scrape_pool;

/* What the API shows; guarded by the manager's state lock. */
struct target_state {
    enum scrape_health health;
    char *last_error; /* NULL = none */
    int64_t last_scrape_ms;
    double last_scrape_duration_s;
};

struct target {
    struct heap_item due;            /* key: monotonic time in ns */
    struct scrape_pool *pool;        /* NULL once it is gone from its pool */
    const struct labels *discovered; /* counted, as the others; changes under the manager's lock */
    const struct labels *all;
    const struct labels *labels;
    char *url;
    uint64_t hash; /* of all labels and the URL: the same in every process */
    int64_t timeout_ms;
    struct schedule schedule;
    struct scrape_interval_counters counters; /* of its interval */
    struct sample_group *group;
    struct series_cache cache;
    struct metadata_cache metadata; /* guarded by the manager's metadata lock */
    struct report report;
    struct http_transfer *transfer; /* NULL while no scrape runs */
    struct client_profile *profile; /* of the transfer */
    struct inflate_task *inflating; /* its answer is being unpacked */
    int64_t sample_ms;              /* time of the scrape that runs */
    int64_t started_ns;             /* monotonic start of the last scrape, 0 = never */
    bool body_limit_warned;
    struct target_state state;
};

/* What relabelling makes of a discovered target. */
enum target_outcome {
    TARGET_KEPT,
    TARGET_DROPPED, /* by a rule */
    TARGET_INVALID, /* err says why; counted as a failed sync */
};

/* Works out the labels of a target of a group. `discovered` is always given, `*out_target` for
 * KEPT; both are the caller's. The target has no group and no schedule yet. */
enum target_outcome target_make(const struct config_scrape *scrape, const struct labels *labels,
                                const struct labels *group_labels, struct labels_builder *builder,
                                const struct labels **out_discovered, struct target **out_target,
                                struct errbuf *err) MUST_CHECK;
void target_free(struct target *target);
/* Same labels and same URL. */
bool target_same(const struct target *a, const struct target *b);
