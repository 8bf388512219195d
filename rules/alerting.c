/* States of alerts; alerting_expand.c makes alerts of results. */
#include "rules/alerting.h"

#include "base/alloc.h"
#include "model/labels_builder.h"
#include "net/url.h"
#include "rules/alerting_internal.h"

#define LABEL_ALERT_STATE "alertstate"
#define METRIC_ALERTS "ALERTS"
#define METRIC_ALERTS_FOR_STATE "ALERTS_FOR_STATE"

const char *alert_state_name(enum alert_state state)
{
    switch (state) {
    case ALERT_INACTIVE:
        return "inactive";
    case ALERT_PENDING:
        return "pending";
    case ALERT_FIRING:
        return "firing";
    case ALERT_UNKNOWN:
        break;
    }
    return "unknown";
}

void alert_free(struct alert *alert)
{
    labels_unref(alert->labels);
    labels_unref(alert->annotations);
    labels_unref(alert->alerts_labels);
    labels_unref(alert->for_state_labels);
    mem_free(alert);
}

bool alert_has_labels(const void *value, const void *key)
{
    return labels_equal(((const struct alert *)value)->labels, key);
}

void alerting_init(struct alerting *alerting, bool restored)
{
    *alerting = (struct alerting){.restored = restored};
    table_init(&alerting->by_labels);
}

static void alerting_clear(struct alerting *alerting)
{
    for (size_t i = 0; i < alerting->alerts.len; i++)
        alert_free(alerting->alerts.items[i]);
    alerting->alerts.len = 0;
    table_clear(&alerting->by_labels);
}

void alerting_release(struct alerting *alerting)
{
    alerting_clear(alerting);
    vec_release(&alerting->alerts);
    table_release(&alerting->by_labels);
}

struct alert *alerting_find(const struct alerting *alerting, const struct labels *labels)
{
    return table_get(&alerting->by_labels, labels->hash, alert_has_labels, labels);
}

enum alert_state alerting_state(const struct alerting *alerting)
{
    enum alert_state state = ALERT_INACTIVE;
    for (size_t i = 0; i < alerting->alerts.len; i++)
        state = MAX(state, alerting->alerts.items[i]->state);
    return state;
}

/* The rule's labels as they are written, the alert's over them: what a template made empty shows as
 * its text, as in the reference. */
static struct labels *sample_labels(const struct rule_definition *definition,
                                    const struct labels *alert_labels, struct slice metric,
                                    const char *state)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < definition->label_count; i++)
        labels_builder_set(&builder, definition->labels[i].name, definition->labels[i].value);
    for (size_t i = 0; alert_labels != NULL && i < alert_labels->count; i++)
        labels_builder_set_symbols(&builder, alert_labels->pairs[i].name,
                                   alert_labels->pairs[i].value);
    labels_builder_set(&builder, SLICE(LABEL_METRIC_NAME), metric);
    labels_builder_set(&builder, SLICE(LABEL_ALERT_NAME), definition->alert);
    if (state != NULL)
        labels_builder_set(&builder, SLICE(LABEL_ALERT_STATE), slice_str(state));
    struct labels *labels = labels_builder_take(&builder);
    labels_builder_release(&builder);
    return labels;
}

struct labels *alerting_for_state_labels(const struct rule_definition *definition,
                                         const struct labels *alert_labels)
{
    return sample_labels(definition, alert_labels, SLICE(METRIC_ALERTS_FOR_STATE), NULL);
}

static void alert_set_state(struct alert *alert, enum alert_state state)
{
    alert->state = state;
    labels_unref(alert->alerts_labels);
    alert->alerts_labels = NULL;
}

/* Unix seconds, rounded down. */
static double unix_seconds(int64_t t_ms)
{
    return (double)(t_ms / 1000 - (t_ms % 1000 < 0));
}

static void alert_add_samples(struct alert *alert, const struct rule_definition *definition,
                              struct output_samples *out)
{
    if (alert->alerts_labels == NULL)
        alert->alerts_labels = sample_labels(definition, alert->labels, SLICE(METRIC_ALERTS),
                                             alert_state_name(alert->state));
    if (alert->for_state_labels == NULL)
        alert->for_state_labels = alerting_for_state_labels(definition, alert->labels);
    vec_push(&out->items, (struct output_sample){labels_ref(alert->alerts_labels), 1, NULL});
    vec_push(&out->items, (struct output_sample){labels_ref(alert->for_state_labels),
                                                 unix_seconds(alert->active_at_ms), NULL});
}

/* Takes over what the result says of alerts that are known, and adds the others. */
static void alerting_merge(struct alerting *alerting, struct alerting_result *result)
{
    for (size_t i = 0; i < alerting->alerts.len; i++)
        alerting->alerts.items[i]->is_present = false;
    for (size_t i = 0; i < result->alerts.len; i++) {
        struct alert *seen = result->alerts.items[i];
        struct alert *known = alerting_find(alerting, seen->labels);
        if (known == NULL) {
            seen->is_present = true;
            vec_push(&alerting->alerts, seen);
            table_add(&alerting->by_labels, seen->labels->hash, seen);
            continue;
        }
        known->value = seen->value;
        const struct labels *annotations = known->annotations;
        known->annotations = TAKE(seen->annotations);
        labels_unref(annotations);
        known->is_present = true;
        if (known->state == ALERT_INACTIVE) {
            /* it begins anew, nothing of it was sent */
            alert_set_state(known, ALERT_PENDING);
            known->active_at_ms = seen->active_at_ms;
            known->fired_at_ms = known->resolved_at_ms = known->last_sent_ms = 0;
            known->valid_until_ms = known->keep_firing_since_ms = 0;
        }
        alert_free(seen);
    }
    vec_release(&result->alerts);
}

/* The condition is gone: does the alert fire on? It is forgotten when *out_forget says so. */
static bool alert_fade(struct alert *alert, const struct rule_definition *definition, int64_t t_ms,
                       bool *out_forget)
{
    bool keeps_firing = false;
    if (alert->state == ALERT_FIRING && definition->keep_firing_for_ms > 0) {
        if (alert->keep_firing_since_ms == 0)
            alert->keep_firing_since_ms = t_ms;
        keeps_firing = t_ms - alert->keep_firing_since_ms < definition->keep_firing_for_ms;
    }
    *out_forget = alert->state == ALERT_PENDING ||
                  (alert->resolved_at_ms != 0 &&
                   t_ms - alert->resolved_at_ms > ALERT_RESOLVED_RETENTION_MS);
    if (alert->state != ALERT_INACTIVE && !keeps_firing) {
        alert_set_state(alert, ALERT_INACTIVE);
        alert->resolved_at_ms = t_ms;
    }
    return keeps_firing;
}

static void alert_ripen(struct alert *alert, const struct rule_definition *definition, int64_t t_ms)
{
    bool long_enough = t_ms - alert->active_at_ms >= definition->for_ms;
    if (alert->state == ALERT_PENDING && long_enough) {
        alert_set_state(alert, ALERT_FIRING);
        alert->fired_at_ms = t_ms;
    } else if (alert->state == ALERT_FIRING && !long_enough) {
        /* `for` was lengthened */
        alert_set_state(alert, ALERT_PENDING);
        alert->fired_at_ms = alert->last_sent_ms = alert->keep_firing_since_ms = 0;
    }
}

enum err alerting_advance(struct alerting *alerting, const struct rule_definition *definition,
                          struct alerting_result *result, const struct alerting_scope *scope,
                          int64_t limit, struct output_samples *out, struct errbuf *err)
{
    size_t active_count = 0;
    size_t kept = 0;
    alerting_merge(alerting, result);
    for (size_t i = 0; i < alerting->alerts.len; i++) {
        struct alert *alert = alerting->alerts.items[i];
        bool forget = false;
        bool active = true;
        if (alert->is_present)
            alert->keep_firing_since_ms = 0;
        else
            active = alert_fade(alert, definition, scope->t_ms, &forget);
        if (forget) {
            table_remove(&alerting->by_labels, alert->labels->hash, alert_has_labels,
                         alert->labels);
            alert_free(alert);
            continue;
        }
        alerting->alerts.items[kept++] = alert;
        if (!active)
            continue;
        active_count++;
        alert_ripen(alert, definition, scope->t_ms);
        if (alerting->restored)
            alert_add_samples(alert, definition, out);
    }
    alerting->alerts.len = kept;
    if (limit == 0 || active_count <= (uint64_t)limit)
        return ERR_NONE;
    alerting_clear(alerting);
    output_samples_release(out);
    *out = (struct output_samples){0};
    return errbuf_set(err, ERR_EXECUTION, "exceeded limit of %lld with %zu alerts",
                      (long long)limit, active_count);
}

bool alert_needs_sending(const struct alert *alert, int64_t t_ms, int64_t resend_delay_ms)
{
    if (alert->state == ALERT_PENDING)
        return false;
    if (alert->resolved_at_ms > alert->last_sent_ms)
        return true;
    return alert->last_sent_ms == 0 || alert->last_sent_ms + resend_delay_ms < t_ms;
}

void alerting_take_due(struct alerting *alerting, int64_t t_ms, int64_t interval_ms,
                       int64_t resend_delay_ms, struct alerting_notices *out)
{
    for (size_t i = 0; i < alerting->alerts.len; i++) {
        struct alert *alert = alerting->alerts.items[i];
        if (!alert_needs_sending(alert, t_ms, resend_delay_ms))
            continue;
        alert->last_sent_ms = t_ms;
        /* two evaluations or deliveries may fail before an Alertmanager takes it for resolved */
        alert->valid_until_ms = t_ms + 4 * MAX(interval_ms, resend_delay_ms);
        vec_push(&out->items,
                 (struct notifier_alert){
                     .labels = labels_ref(alert->labels),
                     .annotations = labels_ref(alert->annotations),
                     .starts_at_ms = alert->fired_at_ms,
                     .ends_at_ms = alert->resolved_at_ms != 0 ? alert->resolved_at_ms
                                                              : alert->valid_until_ms,
                 });
    }
}

void alerting_notices_release(struct alerting_notices *notices)
{
    for (size_t i = 0; i < notices->items.len; i++) {
        labels_unref(notices->items.items[i].labels);
        labels_unref(notices->items.items[i].annotations);
    }
    vec_release(&notices->items);
}

void alerting_generator_url(struct slice external_url, struct slice query, struct buf *out)
{
    buf_append_slice(out, external_url);
    buf_append_str(out, "/graph?g0.expr=");
    url_query_escape(query, out);
    buf_append_str(out, "&g0.tab=1");
}
