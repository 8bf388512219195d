/*
 * Where targets are. A discovery turns a part of the configuration into target groups and says when
 * they have changed. Today: static_configs; file, http, dns and docker use the same interface.
 *
 * Ownership: a provider belongs to its pool. Thread-safety: discovery_groups from any thread.
 */
#pragma once

#include "base/compiler.h"
#include "base/vec.h"
#include "config/config.h"
#include "model/target_group.h"

#include <stddef.h>

struct discovery;

/* The groups of a scrape job or of an Alertmanager section; what is needed of the configuration is
 * copied. `changed` is called, from any thread, when they are new; it may be NULL. */
struct discovery *discovery_new(const struct config_discovery *config,
                                void (*changed)(void *context), void *context) MUST_CHECK;
void discovery_free(struct discovery *discovery);

/* A snapshot, in the order of the configuration; free it with discovery_groups_free. */
struct discovery_groups {
    VEC(struct target_group *) items;
};
void discovery_groups(struct discovery *discovery, struct discovery_groups *out);
void discovery_groups_free(struct discovery_groups *groups);
