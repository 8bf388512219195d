/*
 * One alert on its way: a copy that the queues of several Alertmanagers share.
 *
 * Ownership: counted. Thread-safety: immutable but for the count, which is atomic.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "model/labels.h"
#include "model/relabel.h"
#include "rules/notifier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct notification {
    _Atomic uint32_t reference_count;
    const struct labels *labels;      /* counted */
    const struct labels *annotations; /* counted */
    int64_t starts_at_ms;
    int64_t ends_at_ms;
    char *generator_url;
};

struct notification *notification_new(const struct notifier_alert *alert) MUST_CHECK;
struct notification *notification_ref(struct notification *notification);
void notification_unref(struct notification *notification); /* NULL is fine */

/* The alert with labels added where it has none of that name (NULL = none) and relabelled; the same
 * one with one more reference where that changes nothing. NULL = it is dropped. */
struct notification *notification_relabel(struct notification *notification,
                                          const struct labels *external,
                                          const struct relabel_rule *rules,
                                          size_t rule_count) MUST_CHECK;

/* The body of POST /api/v2/alerts. false when it does not fit into the buffer. */
bool notifications_print(struct notification *const *notifications, size_t count, struct buf *out);
