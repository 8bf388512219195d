/*
 * Rules: recording and alerting, as the reference's
 * (https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/ and alerting_rules/).
 * The manager owns groups; each group is evaluated at slots of its interval (phase by a hash, as
 * targets have), its rules one after the other with one timestamp; groups run side by side on a small
 * pool. Missed slots are counted, never queued.
 *
 * Alert states: inactive -> pending -> firing -> (resolved, kept 15 minutes) -> gone.
 *
 * Ownership: snapshots live in the caller's arena; label sets in them are counted references that
 * rule_snapshot_release drops. Thread-safety: all functions from any thread.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/memory_budget.h"
#include "base/slice.h"
#include "config/config.h"
#include "model/labels.h"
#include "promql/promql.h"
#include "rules/notifier.h"
#include "tsdb/tsdb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rule_manager;

struct rule_manager_options {
    struct tsdb *db;
    struct promql_engine *engine;
    const struct clock *clock; /* NULL = clock_system */
    struct notifier *notifier; /* NULL = alerts are evaluated and shown only */
    const char *external_url;
    unsigned promql_features;
    int64_t outage_tolerance_ms; /* 0 = 1 h */
    int64_t grace_period_ms;     /* 0 = 10 m */
    int64_t resend_delay_ms;     /* 0 = 1 m */
};

struct rule_manager *rule_manager_new(const struct rule_manager_options *options) MUST_CHECK;
/* Begins to end: queries that run give up, nothing new is evaluated or applied. */
void rule_manager_stop(struct rule_manager *manager);
/* Waits for evaluations that run; writes no stale markers. */
void rule_manager_free(struct rule_manager *manager);

/* Loads the files of rule_files and, only if all are good, takes them over: unchanged groups keep their
 * state, `for` timers survive by name and labels. On failure nothing changes; `out_errors` has one
 * problem a line, "file:line:column: text". Patterns that match no file are warnings. */
enum err rule_manager_apply(struct rule_manager *manager, struct config *config,
                            struct buf *out_errors, struct errbuf *err) MUST_CHECK;
/* Checks the files without taking them over, for the start. */
enum err rule_files_check(const struct config *config, unsigned promql_features,
                          struct buf *out_errors, struct errbuf *err) MUST_CHECK;

enum rule_health {
    RULE_HEALTH_UNKNOWN,
    RULE_HEALTH_OK,
    RULE_HEALTH_ERROR,
};

enum alert_state {
    ALERT_UNKNOWN, /* of a rule that was never evaluated */
    ALERT_INACTIVE,
    ALERT_PENDING,
    ALERT_FIRING,
};
/* "unknown", "inactive", "pending", "firing" */
const char *alert_state_name(enum alert_state state);

struct rule_alert {
    const struct labels *labels;
    const struct labels *annotations;
    enum alert_state state;
    int64_t active_at_ms;
    int64_t keep_firing_since_ms; /* 0 = not */
    double value;
};

struct rule_state {
    bool is_alerting;
    struct slice name;
    struct slice query; /* as printed */
    const struct labels *labels;
    const struct labels *annotations; /* templates as written */
    int64_t for_ms;
    int64_t keep_firing_for_ms;
    enum alert_state state; /* the strongest of its alerts */
    enum rule_health health;
    struct slice last_error;
    int64_t last_evaluation_ms; /* 0 = never */
    double evaluation_duration_s;
    struct rule_alert *alerts; /* pending and firing */
    size_t alert_count;
};

struct rule_group_state {
    struct slice name;
    struct slice file;
    int64_t interval_ms;
    int64_t limit;
    int64_t last_evaluation_ms;
    double evaluation_duration_s;
    struct rule_state *rules;
    size_t rule_count;
};

struct rule_snapshot {
    struct rule_group_state *groups; /* sorted by file and name */
    size_t group_count;
};

/* Of what rules are to be in a snapshot; all groups are listed in any case, if without rules. */
struct rule_selection {
    /* NULL = any rule. Called under locks of the manager, before anything is copied: `rule` has its
     * kind, its name and its labels only, and `group` no rules. */
    bool (*wants)(const struct rule_group_state *group, const struct rule_state *rule,
                  void *context);
    void *context;
    bool without_alerts;
};

/* ERR_LIMIT, and nothing to release, when it needs more than `memory` gives (NULL = any). */
enum err rule_manager_snapshot(struct rule_manager *manager, const struct rule_selection *selection,
                               struct arena *arena, struct memory_hold *memory,
                               struct rule_snapshot *out, struct errbuf *err) MUST_CHECK;
void rule_snapshot_release(struct rule_snapshot *snapshot);

/* Calls `visit`, under the manager's lock, with each entry of rule_files that matched no file at the
 * last apply. */
void rule_manager_visit_unmatched(struct rule_manager *manager,
                                  void (*visit)(struct slice pattern, void *context),
                                  void *context);
