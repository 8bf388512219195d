/*
 * The HTTP API: requests to answers, in the reference's JSON member order, number forms, status codes
 * and error types. One file a family of endpoints.
 *
 * Ownership: an api borrows everything in its options. Thread-safety: handlers run on any thread.
 */
#pragma once

#include "base/clock.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "config/config.h"
#include "model/series_source.h"
#include "net/http_server.h"
#include "promql/promql.h"
#include "rules/notifier.h"
#include "rules/rules.h"
#include "scrape/scrape.h"
#include "tsdb/tsdb.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api;

struct api_flag {
    const char *name;
    const char *value;
};

/* What is shown of the program by status/runtimeinfo and status/buildinfo. */
struct api_program {
    const char *version; /* 3.x.y: clients pick features by it */
    const char *revision;
    const char *branch;
    const char *build_user;
    const char *build_date;
    const char *compiler; /* in the place of goVersion */
    int64_t start_ms;
    const char *working_directory;
    const char *hostname;
};

struct api_options {
    struct api_program program;
    const struct clock *clock; /* NULL = clock_system */
    const struct api_flag *flags; /* sorted by name */
    size_t flag_count;
    struct promql_engine *engine;
    struct memory_budget *memory; /* of which answers take; NULL = none */
    const char *external_url;     /* http://host:9090/ */
    const char *listen_port;      /* "9090" */
    const char *page_title;       /* of the web pages */
    bool enable_remote_write_receiver;
    bool enable_admin_api;
    bool enable_lifecycle;
    unsigned promql_features;
    /* The configuration in force: a reference that the caller drops. */
    struct config *(*config)(void *context);
    void *context;
    /* POST /-/reload and /-/quit: true = 200, with the text of the answer. */
    bool (*reload)(void *context, struct buf *out_text);
    bool (*quit)(void *context, struct buf *out_text);
    /* Of the last (re)load, for runtimeinfo. */
    const atomic_bool *config_ok;
    const _Atomic int64_t *config_loaded_ms;
    /* "15d", "200h or 512MB": status/runtimeinfo */
    void (*retention_text)(struct buf *out, void *context);
};

enum api_state {
    API_STARTING, /* 503 for all but health, walreplay and notifications */
    API_READY,
    API_STOPPING,
};

struct api *api_new(const struct api_options *options) MUST_CHECK;
void api_free(struct api *api);
void api_set_state(struct api *api, enum api_state state);
/* How the last reload of the configuration went, for `notifications`. */
void api_reload_ended(struct api *api, bool ok);
/* Hands over what is there only after storage was opened. */
struct api_parts {
    struct tsdb *db;
    struct scrape_manager *scrape;
    struct rule_manager *rules;
    struct notifier *notifier;
};
void api_set_parts(struct api *api, const struct api_parts *parts);

/* The routes, for http_server_start; borrowed from the api. */
const struct http_route *api_routes(struct api *api, size_t *out_count);
/* http_server_options.admit and .observe with the api as context. */
bool api_admit(struct http_request *request, struct http_response *response, void *context);
void api_observe(const char *route, const struct http_request *request, unsigned status,
                 int64_t duration_ns, size_t body_bytes, void *context);
