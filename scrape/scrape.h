/*
 * Scraping: targets to samples. One event-loop thread drives all targets: a heap of due times,
 * libcurl multi for the transfers, a parser that feeds the series cache, one storage transaction a
 * scrape.
 *
 * Semantics are the reference's: hash-phased schedule, staleness, report series, honor_*, limits.
 *
 * Thread-safety: all functions from any thread. Snapshots live in the caller's arena.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/memory_budget.h"
#include "base/slice.h"
#include "config/config.h"
#include "model/labels.h"
#include "model/metadata.h"
#include "tsdb/tsdb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scrape_manager;

struct scrape_manager_options {
    struct tsdb *db;
    const struct clock *clock;       /* NULL = clock_system */
    const char *user_agent;          /* "Prometheus/3.x.y" */
    struct memory_budget *memory;    /* of which bodies take; NULL = none */
    uint64_t default_body_bytes_max; /* where the configuration sets none; 0 = 64 MiB */
    bool extra_scrape_metrics;
    bool type_and_unit_labels;      /* __type__ and __unit__ of the metadata */
    bool adjust_timestamps;         /* --scrape.adjust-timestamps */
    int64_t timestamp_tolerance_ms; /* 0 = 2 */
};

/* Starts the thread; nothing is scraped until a configuration is applied. */
struct scrape_manager *scrape_manager_new(const struct scrape_manager_options *options) MUST_CHECK;
/* Ends scraping without stale markers. */
void scrape_manager_free(struct scrape_manager *manager);

/* Takes a configuration over: unchanged jobs keep their targets, phase and caches; gone targets get
 * their stale markers later. Takes its own reference. */
enum err scrape_manager_apply(struct scrape_manager *manager, struct config *config,
                              struct errbuf *err) MUST_CHECK;

enum scrape_health {
    SCRAPE_HEALTH_UNKNOWN,
    SCRAPE_HEALTH_UP,
    SCRAPE_HEALTH_DOWN,
};

/* A copy of a target's state. Label sets are counted references that scrape_snapshot_release drops.
 */
struct scrape_target_state {
    const struct labels *discovered_labels;
    const struct labels *labels; /* NULL for a dropped target */
    struct slice pool;
    struct slice url; /* without user info's password */
    struct slice last_error;
    int64_t last_scrape_ms; /* 0 = never */
    double last_scrape_duration_s;
    enum scrape_health health;
    int64_t interval_ms;
    int64_t timeout_ms;
};

struct scrape_pool_state {
    struct slice name;
    struct scrape_target_state *active;
    size_t active_count;
    struct scrape_target_state *dropped;
    size_t dropped_count; /* listed: at most keep_dropped_targets */
    size_t dropped_count_total;
};

struct scrape_snapshot {
    struct scrape_pool_state *pools; /* sorted by name */
    size_t pool_count;
};

/* Of what targets are to be in a snapshot; all pools are listed in any case. */
struct scrape_selection {
    struct slice pool; /* empty = every pool's */
    bool active;
    bool dropped;
};

/* ERR_LIMIT, and nothing to release, when it needs more than `memory` gives (NULL = any). */
enum err scrape_manager_snapshot(struct scrape_manager *manager,
                                 const struct scrape_selection *selection, struct arena *arena,
                                 struct memory_hold *memory, struct scrape_snapshot *out,
                                 struct errbuf *err) MUST_CHECK;
void scrape_snapshot_release(struct scrape_snapshot *snapshot);

/* Metadata of live targets: what each says of each of its metrics, so a metric is there once for
 * every target that has it, or once for all that say the same (`distinct`). Sorted by metric, then by
 * target. */
struct scrape_metadata {
    struct slice metric;
    enum metric_type type;
    struct slice help;
    struct slice unit;
    const struct labels *target; /* counted, dropped by scrape_metadata_release */
};
struct scrape_metadata_list {
    struct scrape_metadata *items; /* texts in the arena, these on the heap */
    size_t count;
};
struct scrape_metadata_selection {
    struct slice metric; /* empty = all */
    bool distinct;
    /* NULL = any target; called under locks of the manager. */
    bool (*wants)(const struct labels *target, void *context);
    void *context;
};
/* ERR_LIMIT, and nothing to release, when it needs more than `memory` gives (NULL = any). */
enum err scrape_manager_metadata(struct scrape_manager *manager,
                                 const struct scrape_metadata_selection *selection,
                                 struct arena *arena, struct memory_hold *memory,
                                 struct scrape_metadata_list *out, struct errbuf *err) MUST_CHECK;
void scrape_metadata_release(struct scrape_metadata_list *list);
