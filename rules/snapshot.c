/* What the API shows of rules: copies of one moment. */
#include "base/alloc.h"
#include "rules/manager_internal.h"

static void snapshot_alerts(const struct rule *rule, struct arena *arena, struct rule_state *out)
{
    const struct alerting *alerting = &rule->alerting;
    out->alerts = arena_alloc_array(arena, alerting->alerts.len, sizeof(*out->alerts));
    for (size_t i = 0; i < alerting->alerts.len; i++) {
        const struct alert *alert = alerting->alerts.items[i];
        if (alert->resolved_at_ms != 0)
            continue;
        out->alerts[out->alert_count++] = (struct rule_alert){
            .labels = labels_ref(alert->labels),
            .annotations = labels_ref(alert->annotations),
            .state = alert->state,
            .active_at_ms = alert->active_at_ms,
            .keep_firing_since_ms = alert->keep_firing_since_ms,
            .value = alert->value,
        };
    }
}

static void snapshot_rule(const struct rule *rule, struct arena *arena, struct rule_state *out)
{
    const struct rule_definition *definition = rule->definition;
    bool is_alerting = rule_definition_is_alerting(definition);
    *out = (struct rule_state){
        .is_alerting = is_alerting,
        .name = arena_slice(arena, rule_definition_name(definition)),
        .query = arena_slice(arena, definition->query),
        .labels = labels_ref(rule->labels),
        .annotations = labels_ref(rule->annotations),
        .for_ms = definition->for_ms,
        .keep_firing_for_ms = definition->keep_firing_for_ms,
        .state = rule->last_evaluation_ms == 0 ? ALERT_UNKNOWN : alerting_state(&rule->alerting),
        .health = rule->health,
        .last_error =
            rule->last_error == NULL ? SLICE_EMPTY : arena_slice(arena, slice_str(rule->last_error)),
        .last_evaluation_ms = rule->last_evaluation_ms,
        .evaluation_duration_s = rule->duration_s,
    };
    snapshot_alerts(rule, arena, out);
}

static void snapshot_group(struct rule_group *group, struct arena *arena,
                           struct rule_group_state *out)
{
    MUTEX_GUARD(&group->lock);
    *out = (struct rule_group_state){
        .name = arena_slice(arena, group->definition->name),
        .file = arena_slice(arena, group->file->path),
        .interval_ms = group->interval_ms,
        .limit = group->definition->limit,
        .last_evaluation_ms = group->last_evaluation_ms,
        .evaluation_duration_s = group->evaluation_duration_s,
        .rules = arena_alloc_array(arena, group->rule_count, sizeof(*out->rules)),
        .rule_count = group->rule_count,
    };
    for (size_t i = 0; i < group->rule_count; i++)
        snapshot_rule(&group->rules[i], arena, &out->rules[i]);
}

void rule_manager_snapshot(struct rule_manager *manager, struct arena *arena,
                           struct rule_snapshot *out)
{
    MUTEX_GUARD(&manager->lock);
    *out = (struct rule_snapshot){
        .groups = arena_alloc_array(arena, manager->groups.len, sizeof(*out->groups)),
        .group_count = manager->groups.len,
        .warnings = arena_alloc_array(arena, manager->unmatched.len, sizeof(*out->warnings)),
        .warning_count = manager->unmatched.len,
    };
    for (size_t i = 0; i < manager->groups.len; i++)
        snapshot_group(manager->groups.items[i], arena, &out->groups[i]);
    for (size_t i = 0; i < manager->unmatched.len; i++)
        out->warnings[i] = arena_slice(arena, slice_str(manager->unmatched.items[i]));
}

void rule_snapshot_release(struct rule_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->group_count; i++) {
        const struct rule_group_state *group = &snapshot->groups[i];
        for (size_t j = 0; j < group->rule_count; j++) {
            const struct rule_state *rule = &group->rules[j];
            labels_unref(rule->labels);
            labels_unref(rule->annotations);
            for (size_t k = 0; k < rule->alert_count; k++) {
                labels_unref(rule->alerts[k].labels);
                labels_unref(rule->alerts[k].annotations);
            }
        }
    }
    *snapshot = (struct rule_snapshot){0};
}
