#include "rules/group_metrics.h"

#include "base/compiler.h"

struct family {
    const char *name;
    const char *help;
    enum counters_type type;
    size_t offset; /* of the metric in struct group_metrics */
};

#define PLACE(member) offsetof(struct group_metrics, member)

static const struct family families[] = {
    {"prometheus_rule_group_iterations_total",
     "Evaluations of the group that were due, whether they took place or were missed.",
     COUNTERS_COUNTER, PLACE(iterations)},
    {"prometheus_rule_group_iterations_missed_total",
     "Evaluations of the group that were left out because one before took too long.",
     COUNTERS_COUNTER, PLACE(iterations_missed)},
    {"prometheus_rule_evaluations_total", "Evaluations of rules.", COUNTERS_COUNTER,
     PLACE(evaluations)},
    {"prometheus_rule_evaluation_failures_total", "Evaluations of rules that failed.",
     COUNTERS_COUNTER, PLACE(evaluation_failures)},
    {"prometheus_rule_group_interval_seconds", "The interval of the group.", COUNTERS_GAUGE,
     PLACE(interval_s)},
    {"prometheus_rule_group_last_evaluation_timestamp_seconds",
     "When the group was evaluated last, in Unix seconds.", COUNTERS_GAUGE,
     PLACE(last_evaluation_s)},
    {"prometheus_rule_group_last_duration_seconds", "How long the last evaluation took.",
     COUNTERS_GAUGE, PLACE(last_duration_s)},
    {"prometheus_rule_group_last_rule_duration_sum_seconds",
     "How long the rules of the group took in the last evaluation, added up.", COUNTERS_GAUGE,
     PLACE(last_rule_duration_sum_s)},
    {"prometheus_rule_group_last_restore_duration_seconds",
     "How long it took to restore the state of alerts from ALERTS_FOR_STATE.", COUNTERS_GAUGE,
     PLACE(last_restore_duration_s)},
    {"prometheus_rule_group_rules", "Rules of the group.", COUNTERS_GAUGE, PLACE(rules)},
    {"prometheus_rule_group_last_evaluation_samples",
     "Samples that the last evaluation has brought.", COUNTERS_GAUGE, PLACE(last_samples)},
};

static struct counters_family *family_get(const struct family *family)
{
    return counters_family(&(struct counters_description){
        .name = family->name,
        .help = family->help,
        .type = family->type,
        .label_names = {"rule_group"},
    });
}

static struct counter *duration_metric(const char *name, const char *help, enum counters_type type,
                                       const double *bounds, size_t bound_count)
{
    return counters_single(counters_family(&(struct counters_description){
        .name = name,
        .help = help,
        .type = type,
        .bounds = bounds,
        .bound_count = bound_count,
    }));
}

void group_metrics_init(struct group_metrics *metrics, struct slice key)
{
    static const double rule_quantiles[] = {0.5, 0.9, 0.99};
    static const double group_quantiles[] = {0.01, 0.05, 0.5, 0.9, 0.99};
    static const double buckets[] = {.01, .1, 1, 10};
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        struct counter **place = (struct counter **)((char *)metrics + families[i].offset);
        *place = counters_get(family_get(&families[i]), &key);
    }
    metrics->evaluation_duration =
        duration_metric("prometheus_rule_evaluation_duration_seconds", "How long a rule takes.",
                        COUNTERS_SUMMARY, rule_quantiles, ARRAY_SIZE(rule_quantiles));
    metrics->evaluation_duration_histogram =
        duration_metric("prometheus_rule_evaluation_duration_histogram_seconds",
                        "How long a rule takes.", COUNTERS_HISTOGRAM, buckets, ARRAY_SIZE(buckets));
    metrics->iteration_duration = duration_metric(
        "prometheus_rule_group_duration_seconds", "How long an evaluation of a group takes.",
        COUNTERS_SUMMARY, group_quantiles, ARRAY_SIZE(group_quantiles));
    metrics->iteration_duration_histogram =
        duration_metric("prometheus_rule_group_duration_histogram_seconds",
                        "How long an evaluation of a group takes.", COUNTERS_HISTOGRAM, buckets,
                        ARRAY_SIZE(buckets));
}

void group_metrics_remove(struct slice key)
{
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        counters_remove(family_get(&families[i]), &key);
}
