/*
 * The server around libmicrohttpd. An exchange is one request with its answer; it is shared by the
 * thread that owns the connection and, for slow routes, by the worker that runs the handler, so
 * that either may end first.
 *
 * libmicrohttpd calls `on_access` once when the header is there, then for each piece of the body,
 * then with no data; when nothing was answered it calls again after each resume.
 */
#include "net/http_server.h"

#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/queue.h"
#include "base/regex.h"
#include "net/http_answer.h"
#include "net/http_request.h"
#include "net/http_response.h"
#include "net/http_router.h"
#include "net/http_watcher.h"
#include "net/listener.h"

#define MS_NS ((int64_t)1000 * 1000)
/* Holds request line, header and the parsed forms of both, and later a chunk of the answer. */
#define CONNECTION_MEMORY_SIZE ((size_t)64 << 10)
#define ARENA_SIZE_MAX ((size_t)64 << 20)
#define CONNECTION_COUNT_MAX 16384
/* Bodies of all requests together. */
#define BODIES_BYTES_MAX ((size_t)256 << 20)
/* So much of a body nobody wants is read for the sake of keeping the connection. */
#define BODY_DISCARD_MAX ((size_t)256 << 10)
/* Between two connections when they come faster than old ones can be closed. */
#define ACCEPT_PAUSE_US 1000
#define STACK_SIZE ((size_t)512 << 10)

struct http_connection {
    struct http_watched watched; /* first */
    struct http_server *server;
    struct http_exchange *exchange; /* of the request that is in work; set while SUSPENDED is on */
    char address[LISTENER_PEER_SIZE];
};

enum exchange_phase {
    PHASE_HEADER, /* request line is there */
    PHASE_BODY,
    PHASE_WORK,   /* given to a worker, or done */
    PHASE_QUEUED, /* given to libmicrohttpd */
};

struct http_exchange {
    struct http_server *server;
    struct http_connection *connection;
    struct http_request request;
    struct arena arena;
    const struct http_route *route;
    struct slice uri;        /* as it came */
    struct slice path_whole; /* decoded, with the prefix */
    struct buf body;
    size_t body_discarded;
    bool answered_early; /* by something else than a route: the body is read and dropped */
    enum exchange_phase phase;
    int64_t start_ns;
    atomic_bool canceled;
    atomic_uint references;
    struct http_response response;
    /* guarded by response.lock: */
    struct MHD_Connection *mhd; /* NULL when the connection is done with it */
};

struct http_server {
    /* immutable */
    struct http_server_options options;
    struct http_router router;
    struct regex *cors_origins; /* NULL = any */
    atomic_size_t daemon_count; /* grows while the server starts */
    struct MHD_Daemon **daemons;
    int *descriptors; /* the listening ones */
    uint16_t *ports;
    struct http_watcher *watcher;
    struct worker_pool *workers;
    struct compressor_pool compressors;
    atomic_size_t bodies_bytes;
    atomic_bool stopping; /* no new requests are worked on */
};

/* -- exchanges -- */

static void on_wake(void *context)
{
    struct http_exchange *exchange = context;
    if (exchange->mhd != NULL)
        MHD_resume_connection(exchange->mhd);
}

static void bodies_give(struct http_server *server, size_t bytes)
{
    atomic_fetch_sub(&server->bodies_bytes, bytes);
    memory_budget_give(server->options.memory, MEMORY_REQUESTS, bytes);
}

static bool bodies_take(struct http_server *server, size_t bytes)
{
    if (!memory_budget_take(server->options.memory, MEMORY_REQUESTS, bytes))
        return false;
    size_t before = atomic_fetch_add(&server->bodies_bytes, bytes);
    if (before + bytes <= BODIES_BYTES_MAX)
        return true;
    bodies_give(server, bytes);
    return false;
}

static void exchange_unref(struct http_exchange *exchange)
{
    if (atomic_fetch_sub(&exchange->references, 1) != 1)
        return;
    bodies_give(exchange->server, exchange->body.len);
    buf_release(&exchange->body);
    http_response_release(&exchange->response);
    arena_release(&exchange->arena);
    mem_free(exchange);
}

static void on_headers_complete(void *context)
{
    struct http_exchange *exchange = context;
    http_answer_add_headers(&exchange->request, &exchange->response,
                            exchange->server->cors_origins);
}

static struct http_exchange *exchange_new(struct http_server *server,
                                          struct http_connection *connection,
                                          struct MHD_Connection *mhd, struct slice uri)
{
    struct http_exchange *exchange = mem_zalloc(sizeof(*exchange));
    exchange->server = server;
    exchange->connection = connection;
    exchange->mhd = mhd;
    exchange->start_ns = clock_monotonic_ns(clock_system);
    atomic_init(&exchange->references, 1);
    arena_init(&exchange->arena, ARENA_SIZE_MAX);
    exchange->uri = arena_slice(&exchange->arena, uri);
    buf_init(&exchange->body, server->options.body_bytes_max);
    http_response_init(&exchange->response, &exchange->arena, &server->compressors);
    exchange->response.wake = on_wake;
    exchange->response.headers_complete = on_headers_complete;
    exchange->response.context = exchange;
    exchange->request = (struct http_request){
        .path = SLICE_EMPTY,
        .route_tail = SLICE_EMPTY,
        .query = SLICE_EMPTY,
        .body = SLICE_EMPTY,
        .client_address = arena_slice(&exchange->arena, slice_str(connection->address)),
        .arena = &exchange->arena,
        .canceled = &exchange->canceled,
    };
    return exchange;
}

/* -- reading the request -- */

static enum http_method method_from(const char *name)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {
        {"GET", HTTP_GET}, {"HEAD", HTTP_HEAD},     {"POST", HTTP_POST},
        {"PUT", HTTP_PUT}, {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS},
    };
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    return 0;
}

struct header_copy {
    struct http_exchange *exchange;
    struct url_parameter *fields;
    size_t count;
    size_t count_max;
};

static enum MHD_Result copy_header(void *context, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    (void)kind;
    struct header_copy *copy = context;
    if (copy->count == copy->count_max)
        return MHD_NO;
    copy->fields[copy->count++] = (struct url_parameter){
        arena_slice(&copy->exchange->arena, slice_str(name)),
        arena_slice(&copy->exchange->arena, slice_str(value == NULL ? "" : value)),
    };
    return MHD_YES;
}

/* A worker may outlive the connection, so the fields are copied. */
static void copy_headers(struct http_exchange *exchange, struct MHD_Connection *mhd)
{
    int count = MHD_get_connection_values(mhd, MHD_HEADER_KIND, NULL, NULL);
    if (count <= 0)
        return;
    struct header_copy copy = {
        .exchange = exchange,
        .fields = arena_alloc_array(&exchange->arena, (size_t)count, sizeof(*copy.fields)),
        .count_max = (size_t)count,
    };
    MHD_get_connection_values(mhd, MHD_HEADER_KIND, copy_header, &copy);
    exchange->request.headers = copy.fields;
    exchange->request.header_count = copy.count;
}

/* Path and query of "/path?query" and "http://host/path?query". False for a broken escape. */
static bool split_uri(struct http_exchange *exchange)
{
    struct slice rest = exchange->uri;
    if (slice_has_prefix(rest, SLICE("http://")) || slice_has_prefix(rest, SLICE("https://"))) {
        rest = slice_from_index(rest, slice_find(rest, SLICE("//")) + 2);
        size_t slash = slice_index(rest, '/');
        rest = slash == SLICE_NONE ? SLICE("/") : slice_from_index(rest, slash);
    }
    size_t mark = slice_index(rest, '?');
    if (mark != SLICE_NONE) {
        exchange->request.query = slice_from_index(rest, mark + 1);
        rest = slice_sub(rest, 0, mark);
    }
    struct buf path CLEANUP(buf_release);
    buf_init(&path, CONNECTION_MEMORY_SIZE);
    if (!url_path_unescape(rest, &path))
        return false;
    exchange->path_whole = arena_slice(&exchange->arena, buf_slice(&path));
    exchange->request.path = exchange->path_whole;
    return true;
}

/* Finds who answers. What is clear now is answered now; the body is read first all the same. */
static void route(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    struct http_request *request = &exchange->request;
    struct http_response *response = &exchange->response;
    struct http_router_match match;
    struct buf location CLEANUP(buf_release);
    buf_init(&location, BUF_SIZE_ANY);
    enum http_router_verdict verdict = http_router_match(&server->router, exchange->path_whole,
                                                         request->method, &match, &location);
    request->path = match.path;
    request->route_tail = match.tail;
    response->encoding_accepted =
        http_response_accepted(http_request_header(request, "Accept-Encoding"));
    if (server->options.admit != NULL &&
        !server->options.admit(request, response, server->options.admit_context)) {
        exchange->answered_early = true;
        return;
    }
    bool is_get = request->method == HTTP_GET || request->method == HTTP_HEAD;
    bool is_options = request->method == HTTP_OPTIONS;
    exchange->answered_early = verdict != HTTP_ROUTER_FOUND;
    if (verdict == HTTP_ROUTER_FOUND)
        exchange->route = match.route;
    else if (verdict == HTTP_ROUTER_REDIRECT)
        /* 308 keeps the method */
        http_answer_redirect(request, response, is_get ? 301 : 308, buf_slice(&location));
    else if (verdict == HTTP_ROUTER_TO_PREFIX)
        http_answer_redirect(request, response, 302, buf_slice(&location));
    else if (is_options && (verdict == HTTP_ROUTER_METHOD_NOT_ALLOWED ||
                            (match.inside && http_answer_is_cors_path(request))))
        http_answer_options(request, response, match.methods_allowed);
    else if (verdict == HTTP_ROUTER_METHOD_NOT_ALLOWED)
        http_answer_not_allowed(response, match.methods_allowed);
    else
        http_answer_plain(response, 404, "404 page not found\n");
}

/* The size that the client announces; 0 when there is none or it comes in chunks. */
static uint64_t announced_bytes(const struct http_exchange *exchange)
{
    struct slice text = http_request_header(&exchange->request, "Content-Length");
    return text.len == 0 ? 0 : strtoull(text.ptr, NULL, 10);
}

/* -- answering -- */

static void answer_early(struct http_exchange *exchange, unsigned status, const char *text)
{
    http_answer_plain(&exchange->response, status, text);
    exchange->answered_early = true;
}

/* Gives the reader what the handler wrote; runs on the connection's thread. */
static ssize_t on_read(void *context, uint64_t position, char *out, size_t size)
{
    (void)position;
    struct http_exchange *exchange = context;
    MUTEX_GUARD(&exchange->response.lock);
    size_t len = 0;
    switch (http_response_read_locked(&exchange->response, out, size, &len)) {
    case HTTP_READ_DATA:
        return (ssize_t)len;
    case HTTP_READ_END:
        return MHD_CONTENT_READER_END_OF_STREAM;
    case HTTP_READ_WAIT:
        exchange->response.waiting = true;
        MHD_suspend_connection(exchange->mhd);
        return 0;
    case HTTP_READ_FAILED:
        break;
    }
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void on_read_end(void *context)
{
    exchange_unref(context);
}

/* A handler that has ended leaves a whole body to take; else it comes through `on_read`. */
static struct MHD_Response *make_answer(struct http_exchange *exchange, bool done)
{
    struct http_response *response = &exchange->response;
    if (done && response->body.len == 0)
        return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    if (done) {
        size_t len = response->body.len;
        return MHD_create_response_from_buffer_with_free_callback(len, buf_take(&response->body),
                                                                  mem_free);
    }
    atomic_fetch_add(&exchange->references, 1);
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, on_read, exchange,
                                             on_read_end);
}

/* Hands the answer to libmicrohttpd. That has locks of its own, which it holds around `on_read`, so
 * ours is not held meanwhile. */
static enum MHD_Result queue_answer(struct http_exchange *exchange, struct MHD_Connection *mhd)
{
    struct http_response *response = &exchange->response;
    mutex_lock(&response->lock);
    bool done = response->done && response->body_sent == 0;
    bool failed = response->failed;
    bool lost = response->gone || (response->failed && response->started);
    mutex_unlock(&response->lock);
    if (lost)
        return MHD_NO;
    if (failed) {
        response->status = 500;
        buf_reset(&response->body);
        vec_reset(&response->fields);
    }
    struct MHD_Response *answer = make_answer(exchange, done);
    for (size_t i = 0; i < response->fields.len; i++)
        MHD_add_response_header(answer, response->fields.items[i].name,
                                response->fields.items[i].value);
    if (atomic_load(&exchange->server->stopping))
        MHD_add_response_header(answer, "Connection", "close");
    exchange->phase = PHASE_QUEUED;
    enum MHD_Result result = MHD_queue_response(mhd, response->status, answer);
    MHD_destroy_response(answer);
    return result;
}

static void finish(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    http_response_finish(&exchange->response);
    if (server->options.observe == NULL)
        return;
    int64_t duration_ns = clock_monotonic_ns(clock_system) - exchange->start_ns;
    server->options.observe(exchange->route == NULL ? NULL : exchange->route->path,
                            &exchange->request, exchange->response.status, duration_ns,
                            exchange->response.body_bytes, server->options.observe_context);
}

static void run_handler(struct http_exchange *exchange)
{
    exchange->request.body = buf_slice(&exchange->body);
    http_request_parse_parameters(&exchange->request);
    exchange->route->handler(&exchange->request, &exchange->response, exchange->route->context);
    finish(exchange);
}

static void run_worker(void *context)
{
    struct http_exchange *exchange = context;
    run_handler(exchange);
    exchange_unref(exchange);
}

/* Gives the exchange to a worker and suspends its connection; false when too many wait. */
static bool start_worker(struct http_exchange *exchange, struct MHD_Connection *mhd)
{
    struct http_server *server = exchange->server;
    struct http_response *response = &exchange->response;
    response->may_wait = true;
    http_watcher_set(server->watcher, &exchange->connection->watched, HTTP_WATCHED_SUSPENDED);
    MUTEX_GUARD(&response->lock);
    atomic_fetch_add(&exchange->references, 1);
    if (response->gone || !worker_pool_submit(server->workers, run_worker, exchange)) {
        atomic_fetch_sub(&exchange->references, 1);
        response->may_wait = false;
        return false;
    }
    response->waiting = true;
    MHD_suspend_connection(mhd);
    return true;
}

/* The request is whole. */
static enum MHD_Result dispatch(struct http_exchange *exchange, struct MHD_Connection *mhd)
{
    struct http_server *server = exchange->server;
    exchange->phase = PHASE_WORK;
    exchange->connection->exchange = exchange;
    http_watcher_set(server->watcher, &exchange->connection->watched, HTTP_WATCHED_BUSY);
    if (!exchange->answered_early && atomic_load(&server->stopping))
        answer_early(exchange, 503, "Service Unavailable\n");
    if (!exchange->answered_early && exchange->route->slow) {
        if (start_worker(exchange, mhd))
            return MHD_YES;
        answer_early(exchange, 503, "Service Unavailable\n");
    }
    if (exchange->answered_early)
        finish(exchange);
    else
        run_handler(exchange);
    return queue_answer(exchange, mhd);
}

/* A connection was resumed: by its handler, or because its client is gone. */
static enum MHD_Result go_on(struct http_exchange *exchange, struct MHD_Connection *mhd)
{
    struct http_response *response = &exchange->response;
    mutex_lock(&response->lock);
    bool ready = response->done || response->started || response->gone;
    if (!ready) {
        response->waiting = true;
        MHD_suspend_connection(mhd);
    }
    mutex_unlock(&response->lock);
    return ready ? queue_answer(exchange, mhd) : MHD_YES;
}

/* -- callbacks of libmicrohttpd -- */

static enum MHD_Result on_header(struct http_exchange *exchange, struct MHD_Connection *mhd,
                                 const char *method)
{
    exchange->phase = PHASE_BODY;
    exchange->request.method = method_from(method);
    copy_headers(exchange, mhd);
    http_watcher_set(exchange->server->watcher, &exchange->connection->watched, HTTP_WATCHED_BODY);
    if (split_uri(exchange))
        route(exchange);
    else
        answer_early(exchange, 400, "400 Bad Request");
    uint64_t announced = announced_bytes(exchange);
    if (!exchange->answered_early && announced > exchange->server->options.body_bytes_max)
        answer_early(exchange, 413, "Request Entity Too Large\n");
    if (!exchange->answered_early || announced <= BODY_DISCARD_MAX)
        return MHD_YES;
    /* answered before the body came: libmicrohttpd closes the connection behind the answer */
    exchange->phase = PHASE_WORK;
    finish(exchange);
    return queue_answer(exchange, mhd);
}

static enum MHD_Result on_body(struct http_exchange *exchange, struct slice data)
{
    struct http_server *server = exchange->server;
    if (!exchange->answered_early) {
        if (!bodies_take(server, data.len)) {
            answer_early(exchange, 503, "Service Unavailable\n");
        } else if (!buf_append_slice(&exchange->body, data)) {
            bodies_give(server, data.len);
            answer_early(exchange, 413, "Request Entity Too Large\n");
        } else {
            return MHD_YES;
        }
        bodies_give(server, exchange->body.len);
        buf_release(&exchange->body);
    }
    exchange->body_discarded += data.len;
    return exchange->body_discarded <= BODY_DISCARD_MAX ? MHD_YES : MHD_NO;
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *mhd, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_len, void **exchange_pointer)
{
    (void)context;
    (void)url;
    (void)version;
    struct http_exchange *exchange = *exchange_pointer;
    if (exchange == NULL)
        return MHD_NO;
    switch (exchange->phase) {
    case PHASE_HEADER:
        return on_header(exchange, mhd, method);
    case PHASE_BODY:
        if (*data_len == 0)
            return dispatch(exchange, mhd);
        struct slice piece = slice_from(data, *data_len);
        *data_len = 0;
        return on_body(exchange, piece);
    case PHASE_WORK:
        return go_on(exchange, mhd);
    case PHASE_QUEUED:
        break;
    }
    return MHD_NO;
}

static struct http_connection *connection_of(struct MHD_Connection *mhd)
{
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* The request line is there; what is returned becomes the context of the request. */
static void *on_request_line(void *context, const char *uri, struct MHD_Connection *mhd)
{
    struct http_server *server = context;
    struct http_connection *connection = connection_of(mhd);
    http_watcher_set(server->watcher, &connection->watched, HTTP_WATCHED_HEADER);
    struct http_exchange *exchange = exchange_new(server, connection, mhd, slice_str(uri));
    /* libmicrohttpd goes on to list the parameters in the connection's memory, and stands still
     * when that is full. We read them ourselves, so it shall find none: the text is its own and may
     * be changed. */
    char *mark = uri == NULL ? NULL : strchr(uri, '?');
    if (mark != NULL)
        mark[1] = '\0';
    return exchange;
}

static void on_completed(void *context, struct MHD_Connection *mhd, void **exchange_pointer,
                         enum MHD_RequestTerminationCode code)
{
    (void)mhd;
    (void)code;
    struct http_server *server = context;
    struct http_exchange *exchange = *exchange_pointer;
    if (exchange == NULL)
        return;
    *exchange_pointer = NULL;
    http_watcher_set(server->watcher, &exchange->connection->watched, HTTP_WATCHED_IDLE_USED);
    mutex_lock(&exchange->response.lock);
    exchange->mhd = NULL;
    mutex_unlock(&exchange->response.lock);
    atomic_store(&exchange->canceled, true);
    http_response_abandon(&exchange->response);
    exchange_unref(exchange);
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        struct http_connection *connection = *socket_context;
        http_watcher_remove(server->watcher, &connection->watched);
        mem_free(connection);
        return;
    }
    struct http_connection *connection = mem_zalloc(sizeof(*connection));
    connection->server = server;
    listener_print_peer(
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
        connection->address, sizeof(connection->address));
    *socket_context = connection;
    int descriptor = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (http_watcher_add(server->watcher, &connection->watched, descriptor))
        usleep(ACCEPT_PAUSE_US);
}

/* The client of a request in work is gone, or has closed its side of the connection. */
static void on_left(struct http_watched *watched, bool closed)
{
    struct http_connection *connection = (struct http_connection *)watched;
    struct http_exchange *exchange = connection->exchange;
    atomic_store(&exchange->canceled, true);
    if (closed)
        http_response_abandon(&exchange->response);
}

/* A new connection wakes all threads of libmicrohttpd. */
static void on_stuck(void *context)
{
    struct http_server *server = context;
    if (atomic_load(&server->stopping))
        return;
    for (size_t i = 0; i < server->daemon_count; i++)
        listener_poke(server->descriptors[i]);
}

/* -- start and stop -- */

/* As many descriptors as we may have; a part of them is for connections. */
static size_t connection_count_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 512;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            getrlimit(RLIMIT_NOFILE, &limit);
    }
    rlim_t count = limit.rlim_cur / 4 * 3;
    return count < CONNECTION_COUNT_MAX ? MAX((size_t)count, (size_t)16) : CONNECTION_COUNT_MAX;
}

static enum err start_daemon(struct http_server *server, size_t index, struct errbuf *err)
{
    const struct http_server_options *options = &server->options;
    int descriptor = -1;
    enum err failed =
        listener_open(options->listen_addresses[index], &descriptor, &server->ports[index], err);
    if (failed != ERR_NONE)
        return failed;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = processors >= 8 ? 4 : 2;
    /* the watcher keeps to the limit; libmicrohttpd, which gives each thread an equal part of its
     * own, must never reach it, since it would stop to accept */
    unsigned connections = (2 * (unsigned)connection_count_max() + 64) * threads;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    server->daemons[index] = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, NULL, NULL,
        on_access, server, MHD_OPTION_LISTEN_SOCKET, descriptor, MHD_OPTION_THREAD_POOL_SIZE,
        threads, MHD_OPTION_THREAD_STACK_SIZE, STACK_SIZE, MHD_OPTION_CONNECTION_LIMIT, connections,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_SIZE, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)((options->read_timeout_ms + 999) / 1000), MHD_OPTION_URI_LOG_CALLBACK,
        on_request_line, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    server->descriptors[index] = descriptor;
    if (server->daemons[index] != NULL)
        return ERR_NONE;
    close(descriptor);
    return errbuf_set(err, ERR_IO, "listen tcp %s: cannot start the HTTP server",
                      options->listen_addresses[index]);
}

static void set_defaults(struct http_server_options *options)
{
    if (options->connections_max == 0)
        options->connections_max = 512;
    if (options->read_timeout_ms == 0)
        options->read_timeout_ms = 5 * 60 * 1000;
    if (options->header_timeout_ms == 0)
        options->header_timeout_ms = 10 * 1000;
    if (options->body_bytes_max == 0)
        options->body_bytes_max = (size_t)64 << 20;
    if (options->worker_count_max == 0)
        options->worker_count_max = 32;
}

static enum err compile_cors(struct http_server *server, struct errbuf *err)
{
    const char *pattern = server->options.cors_origin_regex;
    if (pattern == NULL || strcmp(pattern, ".*") == 0)
        return ERR_NONE;
    return regex_new(slice_str(pattern), &server->cors_origins, err);
}

enum err http_server_start(const struct http_server_options *options,
                           const struct http_route *routes, size_t route_count,
                           struct http_server **out, struct errbuf *err)
{
    struct http_server *server = mem_zalloc(sizeof(*server));
    server->options = *options;
    set_defaults(&server->options);
    compressor_pool_init(&server->compressors);
    http_router_init(&server->router, options->route_prefix, routes, route_count);
    struct http_watcher_options watcher_options = {
        .header_timeout_ms = server->options.header_timeout_ms,
        .body_timeout_ms = server->options.read_timeout_ms,
        .connection_count_max = connection_count_max(),
        .left = on_left,
        .stuck = on_stuck,
        .stuck_context = server,
    };
    server->watcher = http_watcher_new(&watcher_options);
    server->workers = worker_pool_new("http-worker", server->options.worker_count_max,
                                      server->options.connections_max);
    size_t count = options->listen_address_count;
    server->daemons = mem_zalloc_array(count + 1, sizeof(struct MHD_Daemon *));
    server->descriptors = mem_zalloc_array(count + 1, sizeof(*server->descriptors));
    server->ports = mem_zalloc_array(count + 1, sizeof(*server->ports));
    enum err failed = compile_cors(server, err);
    for (size_t i = 0; failed == ERR_NONE && i < count; i++) {
        failed = start_daemon(server, i, err);
        if (failed == ERR_NONE)
            server->daemon_count++;
    }
    if (failed != ERR_NONE) {
        http_server_stop(server, 0);
        return failed;
    }
    *out = server;
    return ERR_NONE;
}

static void cancel_request(struct http_watched *watched, void *context)
{
    (void)context;
    if (watched->state == HTTP_WATCHED_SUSPENDED)
        atomic_store(&((struct http_connection *)watched)->exchange->canceled, true);
}

static void abandon_request(struct http_watched *watched, void *context)
{
    (void)context;
    if (watched->state == HTTP_WATCHED_SUSPENDED)
        on_left(watched, true);
}

/* Waits until nothing is answered any more, or the time is over. */
static void wait_until_quiet(struct http_server *server, int64_t grace_ms)
{
    int64_t deadline_ns = clock_monotonic_ns(clock_system) + grace_ms * MS_NS;
    while (http_watcher_busy_count(server->watcher) > 0 &&
           clock_monotonic_ns(clock_system) < deadline_ns)
        usleep(5 * 1000);
}

void http_server_stop(struct http_server *server, int64_t grace_ms)
{
    if (server == NULL)
        return;
    atomic_store(&server->stopping, true);
    /* under the watcher's lock, so that it knows of it before the descriptors are shut */
    http_watcher_each(server->watcher, cancel_request, NULL);
    for (size_t i = 0; i < server->daemon_count; i++) {
        (void)MHD_quiesce_daemon(server->daemons[i]);
        shutdown(server->descriptors[i], SHUT_RDWR); /* new connections are refused */
    }
    wait_until_quiet(server, grace_ms);
    /* libmicrohttpd wants no connection suspended when it stops; new ones are not since `stopping`
     */
    http_watcher_each(server->watcher, abandon_request, NULL);
    for (size_t i = 0; i < server->daemon_count; i++) {
        MHD_stop_daemon(server->daemons[i]);
        /* not before: its thread still uses the descriptor, whose number another may have by then */
        close(server->descriptors[i]);
    }
    worker_pool_free(server->workers);
    http_watcher_free(server->watcher);
    compressor_pool_release(&server->compressors);
    regex_free(server->cors_origins);
    mem_free(server->daemons);
    mem_free(server->descriptors);
    mem_free(server->ports);
    mem_free(server);
}

uint16_t http_server_port(const struct http_server *server, size_t address_index)
{
    ASSERT(address_index < server->daemon_count);
    return server->ports[address_index];
}
