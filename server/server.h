/*
 * The whole server: it opens the parts in order, hands them to each other, reloads the configuration
 * and closes everything in the opposite order. The only place that knows everyone.
 *
 * Thread-safety: server_reload and server_request_stop from any thread, the rest from main.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "server/options.h"

#include <stdbool.h>

struct server;

/* Exit codes, as the reference's. */
enum server_exit {
    SERVER_EXIT_OK = 0,
    SERVER_EXIT_FAILURE = 1,
    SERVER_EXIT_CONFIG = 2,
};

/* Loads the configuration, listens, opens storage, begins to scrape. Failures are logged. `options`
 * must outlive the server. */
enum server_exit server_start(const struct options *options, struct server **out) MUST_CHECK;
/* Stops within seconds: no stale markers, everything on disk. */
void server_stop(struct server *server);

/* Reads the configuration file again. On failure the old one stays in force and `out_text` says why. */
bool server_reload(struct server *server, struct buf *out_text);
