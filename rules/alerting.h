/*
 * An alerting rule: every series of its expression is an alert.
 *
 *                +------------------ condition gone ----------------+
 *                v                                                  |
 *   (none) -> pending -- active for `for` --> firing -- condition gone, keep_firing_for over --+
 *                ^                              |                                              v
 *                +------- `for` was lengthened -+            (none) <-- 15 minutes -- inactive (resolved)
 *
 * An alert whose condition returns while it is inactive begins anew. Alerts are kept in the order in
 * which they began. 0 stands for "not yet" in every time.
 *
 * Ownership: alerting_expand and alerting_advance belong together: the first, which evaluates
 * templates, needs no lock; the second changes the state that others read. Thread-safety: the owner of
 * the group sees to it that changes are made by one thread and read under the group's lock.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/table.h"
#include "base/vec.h"
#include "model/labels.h"
#include "rules/environment.h"
#include "rules/outputs.h"
#include "rules/rule_file.h"
#include "rules/rules.h"
#include "rules/vector.h"

#include <stdbool.h>
#include <stdint.h>

#define ALERT_RESOLVED_RETENTION_MS (INT64_C(15) * 60 * 1000)

struct alert {
    const struct labels *labels;
    const struct labels *annotations;
    enum alert_state state;
    double value;
    int64_t active_at_ms;
    int64_t fired_at_ms;
    int64_t resolved_at_ms;
    int64_t last_sent_ms;
    int64_t valid_until_ms;
    int64_t keep_firing_since_ms;
    /* private */
    bool is_present; /* in the last result */
    const struct labels *alerts_labels; /* of ALERTS in the present state; NULL = to be made */
    const struct labels *for_state_labels;
};

struct alerting {
    struct table by_labels;
    VEC(struct alert *) alerts;
    bool restored; /* only then ALERTS and ALERTS_FOR_STATE are written */
};

void alerting_init(struct alerting *alerting, bool restored);
void alerting_release(struct alerting *alerting);

/* What templates see besides the sample. */
struct alerting_scope {
    const struct rule_environment *environment;
    const struct labels *external_labels;
    int64_t t_ms;
    int64_t query_offset_ms;
};

/* The alerts of a result, labels and annotations expanded; to be handed to alerting_advance. */
struct alerting_result {
    VEC(struct alert *) alerts;
    size_t failed_template_count;
    struct errbuf template_error; /* the last */
    struct errbuf left_out;       /* what storage could not read for a query of a template */
};
enum err alerting_expand(const struct rule_definition *definition,
                         const struct rule_vector *vector, const struct alerting_scope *scope,
                         struct alerting_result *out, struct errbuf *err) MUST_CHECK;

/* Moves every alert on to the time of the scope; takes the result. `out` gets what is to be written.
 * More than `limit` alerts (0 = no limit) are an error that clears all. */
enum err alerting_advance(struct alerting *alerting, const struct rule_definition *definition,
                          struct alerting_result *result, const struct alerting_scope *scope,
                          int64_t limit, struct output_samples *out, struct errbuf *err) MUST_CHECK;

/* Is it time to send it? */
bool alert_needs_sending(const struct alert *alert, int64_t t_ms, int64_t resend_delay_ms);
/* Marks those that are due as sent and adds them to the list; label sets are counted references. */
struct alerting_notices {
    VEC(struct notifier_alert) items;
};
void alerting_take_due(struct alerting *alerting, int64_t t_ms, int64_t interval_ms,
                       int64_t resend_delay_ms, struct alerting_notices *out);
void alerting_notices_release(struct alerting_notices *notices);
/* <external_url>/graph?g0.expr=...&g0.tab=1 */
void alerting_generator_url(struct slice external_url, struct slice query, struct buf *out);

/* The strongest state of its alerts; ALERT_INACTIVE without any. */
enum alert_state alerting_state(const struct alerting *alerting);

/* The labels of a sample ALERTS_FOR_STATE; `alert_labels` NULL = those of the rule alone. Counted. */
struct labels *alerting_for_state_labels(const struct rule_definition *definition,
                                         const struct labels *alert_labels) MUST_CHECK;
struct alert *alerting_find(const struct alerting *alerting, const struct labels *labels);
