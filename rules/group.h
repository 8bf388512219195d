/*
 * A group of rules at work: evaluates its rules one after the other, all with one timestamp, and keeps
 * what they need from one evaluation to the next.
 *
 * Evaluations lie at `phase + k * interval` of the wall clock, where the phase comes from a hash of
 * file and name: groups spread out and keep their moment across restarts.
 *
 * Ownership: the manager owns groups; a group has a reference to its file. Threads: group_evaluate by
 * one thread at a time; what the API shows is guarded by `lock`, which is never held while a query
 * runs or something is written.
 */
#pragma once

#include "base/heap.h"
#include "base/mutex.h"
#include "rules/alerting.h"
#include "rules/environment.h"
#include "rules/group_metrics.h"
#include "rules/outputs.h"
#include "rules/rule_file.h"
#include "rules/rules.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Alerts are restored after so many evaluations: in the first ones, samples may still be missing. */
#define GROUP_RESTORE_AFTER 2

struct rule {
    const struct rule_definition *definition;
    const struct labels *labels; /* templates as written */
    const struct labels *annotations;
    /* owned by the evaluation: */
    struct outputs outputs;
    bool is_incomplete; /* storage could not read all that the last evaluation asked for */
    /* guarded by the group's lock; changed by the evaluation only: */
    struct alerting alerting;
    enum rule_health health;
    char *last_error; /* NULL = none */
    int64_t last_evaluation_ms;
    double duration_s;
};

struct rule_group {
    /* immutable */
    struct rule_file *file;
    const struct rule_group_definition *definition;
    const struct rule_environment *environment;
    char *key; /* "<file>;<name>" */
    int64_t interval_ms;
    int64_t phase_ms;
    char *canonical; /* rule_group_definition_print */
    struct group_metrics metrics;
    size_t rule_count;
    struct rule *rules;
    atomic_bool stopping; /* the evaluation ends before the next rule */
    struct mutex lock;
    /* guarded by lock: */
    const struct labels *external_labels; /* NULL = none */
    int64_t query_offset_ms;
    int64_t last_evaluation_ms;
    double evaluation_duration_s;
    /* owned by the evaluation: */
    struct output_series stale; /* of rules that are gone; ended at the next evaluation */
    unsigned evaluations_until_restore; /* 0 = nothing is to be restored */
    /* owned by the manager, guarded by its lock: */
    struct heap_item due; /* key: the next slot */
    bool running;
    bool kept; /* while a configuration is taken over: it has a successor, or stays */
    void *manager;
};

/* `restore`: the group was not there before, so its alerts may go on from before a restart. */
struct rule_group *rule_group_new(const struct rule_environment *environment,
                                  struct rule_file *file,
                                  const struct rule_group_definition *definition,
                                  int64_t default_interval_ms, bool restore) MUST_CHECK;
/* Writes no markers. */
void rule_group_free(struct rule_group *group);

/* What the configuration says besides the group itself; takes a reference. */
void rule_group_configure(struct rule_group *group, const struct labels *external_labels,
                          int64_t default_query_offset_ms);
/* Takes over alerts and series of rules with the same name and labels, the first from the first and so
 * on; series of the others are ended at the next evaluation. Neither group may be running. */
void rule_group_inherit(struct rule_group *group, struct rule_group *from);
/* Moves the series of all rules to a list, to be ended later. */
void rule_group_take_series(struct rule_group *group, struct output_series *out);

/* The first slot after a time. */
int64_t rule_group_slot_after(const struct rule_group *group, int64_t now_ms);
/* One evaluation for a slot; `missed` slots before it were left out. */
void rule_group_evaluate(struct rule_group *group, int64_t slot_ms, int64_t missed);
