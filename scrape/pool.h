/*
 * A scrape job: its part of the configuration, its discovery, and the targets that come of both.
 * sync brings the targets in line with what is discovered: targets that stay keep their phase,
 * cache and state; one whose labels on the series stay, though its URL or interval changed, goes on
 * as the same target too; gone ones are handed to the manager, which writes their stale markers
 * later, and are taken back when they return before that.
 *
 * Ownership: belongs to the manager. Thread-safety: the scraping thread; `targets`, `dropped` and
 * what identifies a target change under the manager's lock.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/vec.h"
#include "config/config.h"
#include "discovery/client_profile.h"
#include "discovery/discovery.h"
#include "scrape/failure_log.h"
#include "scrape/manager_internal.h"
#include "scrape/scrape_counters.h"
#include "scrape/target.h"

#include <stdbool.h>
#include <stdint.h>

struct scrape_pool {
    struct scrape_manager *manager;
    char *name;
    uint64_t seed; /* of the server, for the phases */
    struct config *config;
    const struct config_scrape *scrape; /* in config */
    struct client_profile *profile;
    struct buf accept; /* header */
    struct failure_log *failure_log;
    struct discovery *discovery;
    _Atomic bool discovered; /* set by any thread: there are new targets */
    int64_t synced_ns;
    char *forced_error; /* why no target is fetched; NULL = they are */
    struct scrape_pool_counters counters;
    /* guarded by the manager's lock: */
    VEC(struct target *) targets;
    VEC(const struct labels *) dropped;
    size_t dropped_count;
};

/* A pool without targets yet; takes over the reference to the log. */
struct scrape_pool *scrape_pool_new(struct scrape_manager *manager, struct config *config,
                                    const struct config_scrape *scrape, uint64_t seed,
                                    struct failure_log *failure_log) MUST_CHECK;
/* Its targets are dropped without stale markers; end them first where they are due. */
void scrape_pool_free(struct scrape_pool *pool);
/* Takes the job of another configuration over; takes over the reference to the log. Unless the
 * texts are equal, sync it afterwards. */
void scrape_pool_configure(struct scrape_pool *pool, struct config *config,
                           const struct config_scrape *scrape, struct failure_log *failure_log);
void scrape_pool_sync(struct scrape_pool *pool);
/* Hands all targets to the manager: the job is gone. */
void scrape_pool_end_targets(struct scrape_pool *pool);
