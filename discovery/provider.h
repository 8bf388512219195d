/*
 * One source of targets inside a discovery: static_configs, and later a file, a URL, a DNS name or
 * a docker socket. A provider is a table of functions; `struct discovery` keeps a list of them.
 *
 * Ownership: the discovery frees its providers. Thread-safety: groups may be called from any thread
 * while the provider's own thread, if it has one, runs; free is called once, by the owner.
 */
#pragma once

#include "base/compiler.h"
#include "config/config.h"
#include "discovery/discovery.h"

struct provider;

struct provider_operations {
    /* Adds the groups that are known now; the caller owns them. */
    void (*groups)(struct provider *provider, struct discovery_groups *out);
    void (*free)(struct provider *provider);
};

/* Implementers embed it as their first member. */
struct provider {
    const struct provider_operations *operations;
};

/* static_configs: one group for each entry; copies what it needs of the configuration. */
struct provider *static_provider_new(const struct config_discovery *config) MUST_CHECK;
