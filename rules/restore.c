#include "rules/restore.h"

#include "base/log.h"
#include "model/matcher.h"
#include "model/sample.h"

struct restoration {
    struct rule_group *group;
    struct rule *rule;
    struct series_view *view;
    int64_t now_ms;
};

/* The last sample of a series, false when there is none or it is a stale marker. */
static bool last_sample(struct restoration *restoration, const struct series_entry *series,
                        int64_t *out_ms, double *out_value)
{
    struct sample_columns columns CLEANUP(sample_columns_release);
    struct errbuf err = ERRBUF_INIT;
    sample_columns_init(&columns);
    int64_t min_ms = restoration->now_ms - restoration->group->environment->outage_tolerance_ms;
    if (series_view_read(restoration->view, series, min_ms, restoration->now_ms, &columns, &err) !=
        ERR_NONE) {
        log_error("Failed to restore 'for' state",
                  log_slice("alertname", restoration->rule->definition->alert),
                  log_str("stage", "Iterator"), log_err(&err));
        return false;
    }
    if (columns.count == 0 || sample_is_stale(columns.values[columns.count - 1]))
        return false;
    *out_ms = columns.timestamps_ms[columns.count - 1];
    *out_value = columns.values[columns.count - 1];
    return true;
}

/* From when the alert counts as active, in whole seconds as they were written. */
static int64_t restored_active_at(const struct restoration *restoration, int64_t sample_ms,
                                  double value)
{
    int64_t down_ms = sample_ms / 1000 * 1000;
    int64_t active_ms = (int64_t)value * 1000;
    int64_t for_ms = restoration->rule->definition->for_ms;
    int64_t grace_ms = restoration->group->environment->grace_period_ms;
    int64_t remaining_ms = for_ms - (down_ms - active_ms);
    if (remaining_ms <= 0)
        return active_ms; /* it was firing, and does so again at the next evaluation */
    if (remaining_ms < grace_ms)
        return restoration->now_ms + grace_ms - for_ms;
    return active_ms + (restoration->now_ms - down_ms);
}

static void restore_series(struct restoration *restoration, const struct series_list *list)
{
    const struct alerting *alerting = &restoration->rule->alerting;
    for (size_t i = 0; i < alerting->alerts.len; i++) {
        struct alert *alert = alerting->alerts.items[i];
        struct labels *wanted =
            alerting_for_state_labels(restoration->rule->definition, alert->labels);
        for (size_t j = 0; j < list->entries.len; j++) {
            int64_t sample_ms;
            double value;
            if (!labels_equal(list->entries.items[j].labels, wanted) ||
                !last_sample(restoration, &list->entries.items[j], &sample_ms, &value))
                continue;
            int64_t active_at_ms = restored_active_at(restoration, sample_ms, value);
            MUTEX_GUARD(&restoration->group->lock);
            alert->active_at_ms = active_at_ms;
        }
        labels_unref(wanted);
    }
}

/* Labels with templates differ from alert to alert, so they do not select. */
static void select_series(struct restoration *restoration, struct series_list *out)
{
    struct labels *labels = alerting_for_state_labels(restoration->rule->definition, NULL);
    VEC(struct matcher *) matchers = {0};
    struct errbuf err = ERRBUF_INIT;
    enum err code = ERR_NONE;
    for (size_t i = 0; i < labels->count && code == ERR_NONE; i++) {
        struct slice value = symbols_text(labels->pairs[i].value);
        struct matcher *matcher;
        if (slice_find(value, SLICE("{{")) != SLICE_NONE)
            continue;
        code = matcher_new(MATCHER_EQUAL, symbols_text(labels->pairs[i].name), value, &matcher,
                           &err);
        if (code == ERR_NONE)
            vec_push(&matchers, matcher);
    }
    const struct series_query query = {
        .matchers = (const struct matcher *const *)matchers.items,
        .matcher_count = matchers.len,
        .min_ms = restoration->now_ms - restoration->group->environment->outage_tolerance_ms,
        .max_ms = restoration->now_ms,
    };
    if (code == ERR_NONE)
        code = series_view_select(restoration->view, &query, out, &err);
    if (code != ERR_NONE)
        log_error("Failed to restore 'for' state",
                  log_slice("alertname", restoration->rule->definition->alert),
                  log_str("stage", "Select"), log_err(&err));
    for (size_t i = 0; i < matchers.len; i++)
        matcher_free(matchers.items[i]);
    vec_release(&matchers);
    labels_unref(labels);
}

static void restore_rule(struct restoration *restoration)
{
    struct series_list list = {0};
    select_series(restoration, &list);
    restore_series(restoration, &list);
    series_list_release(&list);
}

void restore_alerts(struct rule_group *group, int64_t now_ms)
{
    const struct rule_environment *environment = group->environment;
    struct restoration restoration = {.group = group, .now_ms = now_ms};
    struct errbuf err = ERRBUF_INIT;
    int64_t started_ns = clock_monotonic_ns(environment->clock);
    if (series_source_open(tsdb_source(environment->db), now_ms - environment->outage_tolerance_ms,
                           now_ms, &restoration.view, &err) != ERR_NONE)
        log_error("Failed to restore 'for' state", log_str("rule_group", group->key),
                  log_str("stage", "open"), log_err(&err));
    for (size_t i = 0; i < group->rule_count; i++) {
        struct rule *rule = &group->rules[i];
        if (!rule_definition_is_alerting(rule->definition))
            continue;
        restoration.rule = rule;
        if (restoration.view != NULL && rule->definition->for_ms >= environment->grace_period_ms)
            restore_rule(&restoration);
        MUTEX_GUARD(&group->lock);
        rule->alerting.restored = true;
    }
    series_view_close(restoration.view);
    counter_set(group->metrics.last_restore_duration_s,
                (double)(clock_monotonic_ns(environment->clock) - started_ns) / 1e9);
}
