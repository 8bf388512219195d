/*
 * The Alertmanagers of one entry of alerting.alertmanagers: a section has what they share, and an
 * endpoint is one of them with its queue. Endpoints outlive sections: a reload gives an endpoint
 * whose URL stays to the new section, with what is queued; one that belongs to no section has
 * retired and goes when its queue is empty and its request has ended.
 *
 * Ownership: both belong to the notifier. Thread-safety: under the notifier's lock, but for the
 * batch under way, which is the notifier thread's.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/counters.h"
#include "base/vec.h"
#include "config/config.h"
#include "discovery/client_profile.h"
#include "discovery/discovery.h"
#include "model/relabel.h"
#include "net/http_client.h"
#include "rules/notification.h"

#include <stdbool.h>
#include <stddef.h>

struct alertmanager_section {
    /* immutable */
    size_t index;
    struct config *config;
    const struct config_alertmanager *alertmanager; /* in config */
    struct client_profile *profile;
    struct discovery *discovery;
    /* guarded by the notifier's lock: what discovery found, as URLs */
    VEC(char *) active;
    VEC(char *) dropped;
};

struct alertmanager_section *alertmanager_section_new(struct config *config, size_t index,
                                                      void (*changed)(void *context),
                                                      void *context) MUST_CHECK;
void alertmanager_section_free(struct alertmanager_section *section);
/* Asks discovery, relabels, and writes the URLs anew; each once. Targets with a wrong address are
 * left out and logged. */
void alertmanager_section_sync(struct alertmanager_section *section);

struct alertmanager {
    char *url;
    /* guarded by the notifier's lock */
    const struct alertmanager_section *section; /* NULL = retired */
    bool claimed;                               /* during a sync: has a section */
    struct client_profile *profile;
    int64_t timeout_ms;
    struct notification **ring; /* queue_count_max places once it is used */
    size_t queue_count_max;
    size_t queue_first;
    size_t queue_count;
    struct counter *sent;
    struct counter *errors;
    struct counter *dropped;
    struct counter *queue_length;
    /* owned by the notifier thread: the batch under way */
    VEC(struct notification *) batch;
    struct client_profile *flight_profile;
    int64_t flight_timeout_ms;
    struct buf body;
    bool in_flight;
};

struct alertmanager *alertmanager_new(const char *url, size_t queue_count_max) MUST_CHECK;
void alertmanager_free(struct alertmanager *alertmanager);
/* Takes its settings from a section. */
void alertmanager_claim(struct alertmanager *alertmanager,
                        const struct alertmanager_section *section);
/* Its metrics go, as those of Alertmanagers that are gone do in the reference. */
void alertmanager_forget_counters(const struct alertmanager *alertmanager);

/* Queues references; the oldest ones give way, counted and logged. */
void alertmanager_push(struct alertmanager *alertmanager, struct notification *const *notifications,
                       size_t count);
/* Empties the queue, counts what was in it as dropped and returns how many that were. */
size_t alertmanager_drop_queue(struct alertmanager *alertmanager);
/* Moves up to `count_max` of the queue to the batch. */
void alertmanager_take_batch(struct alertmanager *alertmanager, size_t count_max);

/* Sends the batch; `done` is called with the Alertmanager as its context. false when there is
 * nothing to wait for, since the batch could not be written and was dropped. */
bool alertmanager_start(struct alertmanager *alertmanager, struct http_client *client,
                        const char *user_agent, http_client_done done);
/* Counts, logs and ends the batch: a failed one is dropped. */
void alertmanager_finish(struct alertmanager *alertmanager,
                         const struct http_client_response *response);
