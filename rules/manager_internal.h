/*
 * The rule manager from inside: for its own files, and for tests, which drive it step by step with a
 * clock of their own.
 */
#pragma once

#include "base/heap.h"
#include "base/mutex.h"
#include "base/queue.h"
#include "base/thread.h"
#include "base/vec.h"
#include "rules/environment.h"
#include "rules/group.h"
#include "rules/rule_set.h"
#include "rules/rules.h"

/* Series of a group that is gone: they are ended two intervals later, when a group of another name may
 * have taken them over. */
struct departed_group {
    struct output_series series;
    int64_t due_ms;
    int64_t marker_ms; /* time of the markers: when the group went */
};

struct rule_manager {
    /* immutable */
    struct rule_environment environment;
    char *external_url;
    struct worker_pool *pool; /* NULL = groups run in rule_manager_step */
    struct thread thread;
    struct counter *unmatched_patterns;
    struct mutex lock;
    struct condition changed; /* something is due sooner, or the manager ends */
    struct condition idle;    /* a group or an apply has finished */
    /* guarded by lock: */
    VEC(struct rule_group *) groups; /* sorted by file and name */
    struct heap due;
    VEC(struct departed_group) departed;
    VEC(char *) unmatched;
    bool applying;
    bool applied; /* at least once */
    bool stopping;
};

/* Without threads. */
struct rule_manager *rule_manager_make(const struct rule_manager_options *options) MUST_CHECK;
/* Starts, or without a pool does, everything that is due; returns how long nothing more will be. The
 * lock is not held. */
int64_t rule_manager_step(struct rule_manager *manager);
