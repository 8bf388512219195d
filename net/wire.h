/*
 * One HTTP request and its answer on libcurl (wire.c is the only user of it). A wire is the event
 * loop: curl's multi handle driven by epoll, so that a step costs what happens in it and not how
 * many requests wait. A hop is one request at a time: no redirects, no retries, no memory of the
 * last one; its easy handle is kept and used again.
 *
 * Ownership: what a hop is started with must stay until it has ended or was stopped; what events
 * get is borrowed for the call. Thread-safety: one owner thread, but for wire_wake. Limits: the
 * owner's events decide.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"
#include "net/http_failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire;
struct wire_hop;

struct wire_tls {
    const char *ca_path; /* NULL = those of the system */
    const char *cert_path;
    const char *key_path;
    struct slice version_min; /* "TLS12", empty = 1.2 */
    struct slice version_max;
    struct slice server_name; /* to ask for and to verify; empty = the URL's host */
    bool skip_verify;
    bool http2;
};

#define WIRE_LINES_MAX 2

struct wire_request {
    const char *method;
    const char *url;
    const struct buf *lines[WIRE_LINES_MAX]; /* header lines, see request_headers.h; NULL = none */
    const struct buf *proxy_lines;
    struct slice body;
    const char *unix_socket; /* NULL = TCP */
    const char *proxy;       /* "" = none */
    const char *no_proxy;    /* "" = none */
    int64_t timeout_ms;      /* 0 = none */
    struct wire_tls tls;     /* looked at for https only */
};

struct wire_result {
    bool failed;
    enum http_failure_kind kind; /* when it failed */
    const char *detail;
    int system_error;
    const char *local_address;  /* "127.0.0.1:4711" */
    const char *remote_address; /* that was dialed first */
    long status;
    const char *redirect_url; /* absolute, NULL when there is none */
};

/* Called from wire_run. */
struct wire_events {
    void (*header)(struct slice line, void *context); /* with its end, the empty one too */
    /* false = no more, the hop ends with HTTP_FAILURE_BODY_LIMIT; `announced` < 0 = not known. */
    bool (*body)(struct slice data, int64_t announced, void *context);
    /* The hop may be started again, stopped or freed in it. */
    void (*ended)(const struct wire_result *result, void *context);
};

struct wire *wire_new(void) MUST_CHECK;
void wire_free(struct wire *wire); /* its hops must be gone */
struct wire_hop *wire_hop_new(struct wire *wire, const struct wire_events *events,
                              void *context) MUST_CHECK;
void wire_hop_free(struct wire_hop *hop);
/* false when it cannot be started at all; `ended` is not called then. */
bool wire_hop_start(struct wire_hop *hop, const struct wire_request *request) MUST_CHECK;
/* Ends it without `ended`; nothing happens when it does not run. */
void wire_hop_stop(struct wire_hop *hop);
/* Moves all hops on; waits for at most `wait_ms` (-1 = any time) for something to happen. */
void wire_run(struct wire *wire, int wait_ms);
/* Ends the wait of wire_run from another thread. */
void wire_wake(struct wire *wire);
