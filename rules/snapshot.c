/* What the API shows of rules: copies of one moment. */
#include "base/alloc.h"
#include "rules/manager_internal.h"

/* Where copies go, and what pays for them. */
struct snapshot_room {
    struct arena *arena;
    struct memory_hold *memory;
    struct errbuf *err;
};

static void *snapshot_array(struct snapshot_room *room, size_t count, size_t size)
{
    return memory_hold_alloc(room->memory, room->arena, count * size, room->err);
}

static bool snapshot_text(struct snapshot_room *room, struct slice text, struct slice *out)
{
    return memory_hold_text(room->memory, room->arena, text, out, room->err);
}

static bool snapshot_alerts(const struct rule *rule, struct snapshot_room *room,
                            struct rule_state *out)
{
    const struct alerting *alerting = &rule->alerting;
    out->alerts = snapshot_array(room, alerting->alerts.len, sizeof(*out->alerts));
    if (out->alerts == NULL)
        return false;
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
    return true;
}

/* What a selection may look at; borrowed. */
static struct rule_state snapshot_outline(const struct rule *rule)
{
    return (struct rule_state){
        .is_alerting = rule_definition_is_alerting(rule->definition),
        .name = rule_definition_name(rule->definition),
        .labels = rule->labels,
    };
}

static bool snapshot_rule(const struct rule *rule, bool without_alerts, struct snapshot_room *room,
                          struct rule_state *out)
{
    const struct rule_definition *definition = rule->definition;
    const char *last_error = rule->last_error == NULL ? "" : rule->last_error;
    *out = (struct rule_state){
        .is_alerting = rule_definition_is_alerting(definition),
        .for_ms = definition->for_ms,
        .keep_firing_for_ms = definition->keep_firing_for_ms,
        .state = rule->last_evaluation_ms == 0 ? ALERT_UNKNOWN : alerting_state(&rule->alerting),
        .health = rule->health,
        .last_evaluation_ms = rule->last_evaluation_ms,
        .evaluation_duration_s = rule->duration_s,
    };
    if (!snapshot_text(room, rule_definition_name(definition), &out->name) ||
        !snapshot_text(room, definition->query, &out->query) ||
        !snapshot_text(room, slice_str(last_error), &out->last_error))
        return false;
    out->labels = labels_ref(rule->labels);
    out->annotations = labels_ref(rule->annotations);
    return without_alerts || snapshot_alerts(rule, room, out);
}

static size_t snapshot_count_wanted(const struct rule_group *group,
                                    const struct rule_selection *selection,
                                    const struct rule_group_state *state, bool *wanted)
{
    size_t count = 0;
    for (size_t i = 0; i < group->rule_count; i++) {
        struct rule_state rule = snapshot_outline(&group->rules[i]);
        wanted[i] = selection->wants == NULL ||
                    selection->wants(state, &rule, selection->context);
        count += wanted[i];
    }
    return count;
}

static bool snapshot_rules(const struct rule_group *group, const struct rule_selection *selection,
                           struct snapshot_room *room, struct rule_group_state *out)
{
    bool *wanted = snapshot_array(room, group->rule_count, sizeof(*wanted));
    if (wanted == NULL)
        return false;
    size_t count = snapshot_count_wanted(group, selection, out, wanted);
    out->rules = snapshot_array(room, count, sizeof(*out->rules));
    if (out->rules == NULL)
        return false;
    for (size_t i = 0; i < group->rule_count; i++) {
        /* what is filled counts, also when there is no room for the rest */
        if (wanted[i] && !snapshot_rule(&group->rules[i], selection->without_alerts, room,
                                        &out->rules[out->rule_count++]))
            return false;
    }
    return true;
}

static bool snapshot_group(struct rule_group *group, const struct rule_selection *selection,
                           struct snapshot_room *room, struct rule_group_state *out)
{
    MUTEX_GUARD(&group->lock);
    *out = (struct rule_group_state){
        .interval_ms = group->interval_ms,
        .limit = group->definition->limit,
        .last_evaluation_ms = group->last_evaluation_ms,
        .evaluation_duration_s = group->evaluation_duration_s,
    };
    return snapshot_text(room, group->definition->name, &out->name) &&
           snapshot_text(room, group->file->path, &out->file) &&
           snapshot_rules(group, selection, room, out);
}

static bool snapshot_groups(struct rule_manager *manager, const struct rule_selection *selection,
                            struct snapshot_room *room, struct rule_snapshot *out)
{
    MUTEX_GUARD(&manager->lock);
    out->groups = snapshot_array(room, manager->groups.len, sizeof(*out->groups));
    if (out->groups == NULL)
        return false;
    while (out->group_count < manager->groups.len) {
        size_t i = out->group_count++;
        if (!snapshot_group(manager->groups.items[i], selection, room, &out->groups[i]))
            return false;
    }
    return true;
}

enum err rule_manager_snapshot(struct rule_manager *manager, const struct rule_selection *selection,
                               struct arena *arena, struct memory_hold *memory,
                               struct rule_snapshot *out, struct errbuf *err)
{
    struct snapshot_room room = {arena, memory, err};
    *out = (struct rule_snapshot){0};
    if (snapshot_groups(manager, selection, &room, out))
        return ERR_NONE;
    rule_snapshot_release(out);
    return ERR_LIMIT;
}

void rule_manager_visit_unmatched(struct rule_manager *manager,
                                  void (*visit)(struct slice pattern, void *context),
                                  void *context)
{
    MUTEX_GUARD(&manager->lock);
    for (size_t i = 0; i < manager->unmatched.len; i++)
        visit(slice_str(manager->unmatched.items[i]), context);
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
