/*
 * How a part of the configuration talks HTTP (a job, an Alertmanager, a discovery), in the terms of
 * net/http_client.h. Transfers that run keep the profile with which they began, and it keeps its
 * configuration.
 *
 * Ownership: counted. Thread-safety: immutable but for the count, which is atomic.
 */
#pragma once

#include "base/compiler.h"
#include "config/config.h"
#include "net/http_client.h"

#include <stdint.h>

struct client_profile {
    struct http_client_profile http;
    /* private */
    _Atomic uint32_t reference_count;
    struct config *config;
    struct http_client_header *headers;
    struct http_client_header *proxy_headers;
};

/* `client` is a part of `config`, which gets one more reference. */
struct client_profile *client_profile_new(struct config *config,
                                          const struct config_http_client *client) MUST_CHECK;
struct client_profile *client_profile_ref(struct client_profile *profile);
void client_profile_unref(struct client_profile *profile); /* NULL is fine */
