/*
 * The HTTP server (the only user of libmicrohttpd). An epoll thread pool reads requests; a route is
 * either quick, answered on that thread, or slow: its connection is suspended and the handler runs
 * on a worker pool.
 *
 * A handler reads a `struct http_request` and writes a `struct http_response`. What it writes is
 * compressed when the client asked for it, and flows through a bounded buffer: a write waits while
 * the client reads slowly and fails when the client is gone. Status and headers may be set until
 * the first byte of the body has been written out; write nothing before the answer is certain.
 *
 * Known of libmicrohttpd 0.9.75: it does not notice a client that leaves while its connection is
 * suspended, and its timeout counts idle time only. So the server keeps a table of connections, and
 * a watcher polls suspended descriptors for POLLRDHUP and shuts down those past their header or
 * body deadline.
 *
 * Limits: body, headers, parameters, connections, time; all in the options.
 * Thread-safety: handlers run on several threads at once; a request and its response belong to the
 * thread of their handler.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/memory_budget.h"
#include "base/slice.h"
#include "net/url.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_method {
    HTTP_GET = 1 << 0,
    HTTP_HEAD = 1 << 1,
    HTTP_POST = 1 << 2,
    HTTP_PUT = 1 << 3,
    HTTP_DELETE = 1 << 4,
    HTTP_OPTIONS = 1 << 5,
};

struct http_request {
    enum http_method method;
    struct slice path;           /* decoded, without the route prefix */
    struct slice route_tail;     /* of a route that ends in '*': what the star matched */
    struct slice query;          /* raw */
    struct slice body;           /* whole; empty for methods without */
    struct slice client_address; /* ip:port */
    struct arena *arena;         /* for the request's lifetime */
    /* Parameters of the URL and of a form body (application/x-www-form-urlencoded), body first, as
     * Go's FormValue. */
    const struct url_parameter *parameters;
    size_t parameter_count;
    /* NULL, or why some of them could not be read: invalid URL escape "%zz". As in Go the others
     * are there; an endpoint that wants them all answers 400. */
    const char *parameters_error;
    const atomic_bool *canceled; /* becomes true when the client is gone or the server stops */
    /* private */
    const struct url_parameter *headers;
    size_t header_count;
};

/* The first parameter of that name; false when there is none. */
bool http_request_parameter(const struct http_request *request, const char *name,
                            struct slice *out);
/* A header of any case, empty when it is not there; valid until the handler returns. */
struct slice http_request_header(const struct http_request *request, const char *name);

struct http_response;

void http_response_status(struct http_response *response, unsigned status);
void http_response_header(struct http_response *response, const char *name, const char *value);
/* Appends to the body. ERR_CANCELED when the client is gone. */
enum err http_response_write(struct http_response *response, struct slice data) MUST_CHECK;
/* Sends what was written so far, with chunked coding; for streams of events. Quick routes cannot.
 */
enum err http_response_flush(struct http_response *response) MUST_CHECK;
/* Status, type and a whole body in one. */
void http_response_text(struct http_response *response, unsigned status, const char *content_type,
                        struct slice body);
/* 302 (or another code) to a location. */
void http_response_redirect(struct http_response *response, unsigned status, const char *location);

typedef void (*http_handler)(struct http_request *request, struct http_response *response,
                             void *context);

struct http_route {
    /* exact, or with one '*': for a segment (/api/v1/label/STAR/values) or, at the end, for the
     * rest */
    const char *path;
    unsigned
        methods; /* of enum http_method; others answer 405 with Allow; OPTIONS answers itself */
    bool slow;   /* run on the worker pool */
    http_handler handler;
    void *context;
};

struct http_server_options {
    const char *const *listen_addresses; /* "0.0.0.0:9090", ":9090", "[::1]:9090" */
    size_t listen_address_count;
    const char *route_prefix; /* "/" or "/prometheus" */
    /* Requests on slow routes that are worked on or wait for it; more are answered 503. 0 = 512.
     * Idle connections do not count: there may be as many as descriptors allow, and when these run
     * out the longest idle ones are closed. */
    size_t connections_max;
    int64_t read_timeout_ms;       /* 0 = 5 m */
    int64_t header_timeout_ms;     /* 0 = 10 s */
    size_t body_bytes_max;         /* 0 = 64 MiB */
    size_t worker_count_max;       /* 0 = 32 */
    struct memory_budget *memory;  /* of which bodies take; NULL = none */
    const char *cors_origin_regex; /* NULL or ".*" = any; for paths under /api/ */
    /* Looked at before every route, when the header is there and the body is not: there are no
     * parameters yet. Returns false when it has answered (not ready, for example). */
    bool (*admit)(struct http_request *request, struct http_response *response, void *context);
    void *admit_context;
    /* Called when a handler has ended, for metrics and logs, on its thread. `route` is the route's
     * path or NULL; `body_bytes` are counted as sent, compressed. */
    void (*observe)(const char *route, const struct http_request *request, unsigned status,
                    int64_t duration_ns, size_t body_bytes, void *context);
    void *observe_context;
};

struct http_server;

/* Listens and serves. "listen tcp 0.0.0.0:9090: bind: address already in use" when a port is taken.
 */
enum err http_server_start(const struct http_server_options *options,
                           const struct http_route *routes, size_t route_count,
                           struct http_server **out, struct errbuf *err) MUST_CHECK;
/* Stops accepting, cancels requests that run, waits for at most `grace_ms`, frees. */
void http_server_stop(struct http_server *server, int64_t grace_ms);
/* The port of a listen address (for ":0" in tests). */
uint16_t http_server_port(const struct http_server *server, size_t address_index);
