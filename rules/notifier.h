/*
 * Alerts on their way to Alertmanagers (POST <prefix>/api/v2/alerts). Each Alertmanager has a bounded
 * queue of its own (oldest dropped first) and is sent batches; a batch that fails is dropped, since the
 * next resend covers it. One thread drives all of them.
 *
 * Ownership: what is sent is copied. Thread-safety: all functions from any thread.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/memory_budget.h"
#include "base/slice.h"
#include "config/config.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct notifier;

struct notifier_options {
    const struct clock *clock; /* NULL = clock_system */
    size_t queue_count_max;    /* alerts of one Alertmanager; 0 = 10,000 */
    size_t batch_count_max;    /* 0 = 256 */
    bool drain_on_shutdown;
    const char *user_agent;
};

struct notifier *notifier_new(const struct notifier_options *options) MUST_CHECK;
/* Sends what is queued first when it is to drain (at most a few seconds), then ends. */
void notifier_free(struct notifier *notifier);
/* alerting, alert_relabel_configs and external labels. Unchanged Alertmanagers keep their queues. */
enum err notifier_apply(struct notifier *notifier, struct config *config,
                        struct errbuf *err) MUST_CHECK;

/* One alert as the v2 API has it. */
struct notifier_alert {
    const struct labels *labels;
    const struct labels *annotations;
    int64_t starts_at_ms;
    int64_t ends_at_ms;
    struct slice generator_url;
};
/* Queues copies; external labels are added where absent, then alerts are relabelled. Never waits. */
void notifier_send(struct notifier *notifier, const struct notifier_alert *alerts, size_t count);

/* URLs of the Alertmanagers in use and of those that relabelling dropped; texts in the arena. */
struct notifier_snapshot {
    struct slice *active;
    size_t active_count;
    struct slice *dropped;
    size_t dropped_count;
};
/* ERR_LIMIT when it needs more than `memory` gives (NULL = any). */
enum err notifier_snapshot(struct notifier *notifier, struct arena *arena,
                           struct memory_hold *memory, struct notifier_snapshot *out,
                           struct errbuf *err) MUST_CHECK;
