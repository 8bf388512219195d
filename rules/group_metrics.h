/*
 * The server's own metrics of rules, under the reference's names. Those of a group have the label
 * rule_group="<file>;<group>" and are removed with it.
 * Thread-safety: any thread.
 */
#pragma once

#include "base/counters.h"
#include "base/slice.h"

struct group_metrics {
    struct counter *iterations;
    struct counter *iterations_missed;
    struct counter *evaluations;
    struct counter *evaluation_failures;
    struct counter *interval_s;
    struct counter *last_evaluation_s; /* a time */
    struct counter *last_duration_s;
    struct counter *last_rule_duration_sum_s;
    struct counter *last_restore_duration_s;
    struct counter *rules;
    struct counter *last_samples;
    /* of all groups together */
    struct counter *evaluation_duration;
    struct counter *evaluation_duration_histogram;
    struct counter *iteration_duration;
    struct counter *iteration_duration_histogram;
};

void group_metrics_init(struct group_metrics *metrics, struct slice key);
void group_metrics_remove(struct slice key);
