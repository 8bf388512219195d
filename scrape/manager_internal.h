/*
 * The inside of the scrape manager, shared by its files: manager.c (thread, configuration), pool.c
 * (a job's targets), scrape_loop.c (one scrape from due time to commit) and snapshot.c (what others
 * see).
 *
 * Everything belongs to the scraping thread but what stands under a lock. Lock order: `lock`, then
 * `state_lock` or `metadata_lock`.
 */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "base/vec.h"
#include "net/http_client.h"
#include "scrape/inflater.h"
#include "scrape/ingest.h"
#include "scrape/scrape.h"
#include "scrape/scrape_counters.h"
#include "scrape/target.h"

#include <stdbool.h>
#include <stdint.h>

struct scrape_pool;

struct scrape_manager {
    /* immutable */
    struct scrape_manager_options options;
    const struct clock *clock;
    char *user_agent;
    struct thread thread;
    struct http_client
        *client; /* http_client_wake from any thread, the rest by the scraping thread */

    /* owned by the scraping thread: */
    struct ingest ingest;
    struct buf inflated;
    struct inflater *inflater; /* of large bodies */
    struct heap due;     /* targets by the time of their next scrape; not those whose scrape runs */
    struct heap endings; /* targets that are gone, by the time of their last stale markers */
    VEC(struct target *)
    forced; /* due targets that are not fetched: their pool is above target_limit */
    struct scrape_counters counters;
    int64_t storage_error_logged_ns;

    /* set by any thread, so that the scraping thread need not look under the lock: */
    _Atomic bool discovered; /* a provider has new targets */
    _Atomic bool pending;    /* next_config is there */
    _Atomic bool stopping;

    struct mutex lock;
    struct condition applied;
    /* guarded by lock: */
    VEC(struct scrape_pool *) pools; /* sorted by name; written by the scraping thread alone */
    struct config *next_config;      /* handed over by scrape_manager_apply */
    bool apply_done;
    enum err apply_result;
    struct errbuf apply_error;
    bool applying;

    struct mutex state_lock;    /* struct target_state of every target */
    struct mutex metadata_lock; /* struct metadata_cache of every target */
};

/* For tests: a manager without its thread, and what the thread does. */
struct scrape_manager *scrape_manager_make(const struct scrape_manager_options *options) MUST_CHECK;
enum err scrape_manager_install(struct scrape_manager *manager, struct config *config,
                                struct errbuf *err) MUST_CHECK;
/* Does all that is due and waits for at most `wait_ms` for more. */
void scrape_manager_step(struct scrape_manager *manager, int64_t wait_ms);
