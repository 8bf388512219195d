/*
 * Transfers: a request from its start to its callback, over as many hops as it is redirected.
 * Redirects are followed here and not by curl, because only here it is known which headers may go
 * to another host.
 *
 * A transfer owns a hop and buffers; it is recycled, the last used first, so that a steady load
 * runs on few of them.
 *
 *     free --start--> active --(redirect: active again)--> finished --done()--> free
 *     free --start, a secret is missing--> finished
 */
#include "net/http_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "net/http_failure.h"
#include "net/pem_store.h"
#include "net/request_headers.h"
#include "net/url.h"
#include "net/wire.h"

#define MS_NS ((int64_t)1000 * 1000)
#define BODIES_BYTES_MAX ((size_t)256 << 20)
/* A recycled transfer keeps a body buffer up to this size, and so many transfers are kept. */
#define BODY_KEPT_MAX ((size_t)1 << 20)
#define TRANSFERS_KEPT_MAX 64
/* Those freed last have a body buffer: enough for what goes on at once when answers come in time. */
#define BODIES_KEPT_MAX 8
#define REDIRECTS_MAX 10
#define URL_SIZE_MAX ((size_t)64 << 10)
#define FIELD_SIZE_MAX ((size_t)64 << 10)

struct http_transfer {
    struct http_client *client;
    struct http_transfer *previous; /* in the list of active or finished ones */
    struct http_transfer *next;     /* also in the list of free ones */
    struct wire_hop *hop;
    bool finished;

    /* the request */
    http_client_done done;
    void *context;
    const struct http_client_profile *profile; /* never NULL */
    struct buf method;
    struct buf url; /* of the present hop */
    struct buf url_first;
    struct buf unix_socket;
    struct request_headers lines;
    struct slice body;
    int64_t start_ns;
    int64_t timeout_ms;
    size_t body_size_max;
    unsigned redirects;

    /* the answer */
    long status;
    struct buf received;
    bool out_of_memory; /* there was no room for more of it */
    bool answered; /* header is complete */
    struct buf status_text;
    struct buf content_type;
    struct buf content_encoding;
    struct buf retry_after;
    struct buf location;
    enum err error;
    struct buf error_text;
};

struct http_transfer_list {
    struct http_transfer *head;
    struct http_transfer *tail;
    size_t count;
};

struct http_client {
    struct wire *wire;
    struct pem_store *pems;
    struct http_transfer_list active;
    struct http_transfer_list finished; /* wait for their callback */
    struct http_transfer *free;
    size_t free_count;
    size_t bodies_bytes; /* under way */
    struct memory_budget *memory;
};

static const struct http_client_profile profile_none;

static int64_t now_ns(void)
{
    return clock_monotonic_ns(clock_system);
}

static void list_add(struct http_transfer_list *list, struct http_transfer *transfer)
{
    transfer->previous = list->tail;
    transfer->next = NULL;
    if (list->tail != NULL)
        list->tail->next = transfer;
    else
        list->head = transfer;
    list->tail = transfer;
    list->count++;
}

static void list_remove(struct http_transfer_list *list, struct http_transfer *transfer)
{
    if (transfer->previous != NULL)
        transfer->previous->next = transfer->next;
    else
        list->head = transfer->next;
    if (transfer->next != NULL)
        transfer->next->previous = transfer->previous;
    else
        list->tail = transfer->previous;
    list->count--;
}

static void set_text(struct buf *buf, const char *text)
{
    buf_reset(buf);
    if (text != NULL)
        buf_append_str(buf, text);
}

/* -- the answer comes in -- */

static bool on_body(struct slice data, int64_t announced, void *context)
{
    struct http_transfer *transfer = context;
    struct http_client *client = transfer->client;
    if (data.len > transfer->body_size_max - transfer->received.len)
        return false;
    if (client->bodies_bytes + data.len > BODIES_BYTES_MAX ||
        !memory_budget_take(client->memory, MEMORY_SCRAPES, data.len)) {
        transfer->out_of_memory = true;
        return false;
    }
    /* an honest length saves growing; a lie costs little */
    if (transfer->received.len == 0 && announced > (int64_t)data.len &&
        (uint64_t)announced <= MIN(transfer->body_size_max, BODY_KEPT_MAX))
        buf_reserve(&transfer->received, (size_t)announced);
    client->bodies_bytes += data.len;
    return buf_append_slice(&transfer->received, data);
}

/* Takes the value of a header line whose name is `name`, in small letters and with the colon. */
static bool take_header(struct slice line, const char *name, struct buf *out)
{
    size_t len = strlen(name);
    if (line.len < len || strncasecmp(line.ptr, name, len) != 0)
        return false;
    buf_reset(out);
    buf_append_slice(out, slice_trim(slice_from_index(line, len)));
    return true;
}

/* A new answer begins: "HTTP/1.1 404 Not Found"; there may have been a 100 before. */
static void begin_answer(struct http_transfer *transfer, struct slice status_line)
{
    transfer->answered = false;
    buf_reset(&transfer->status_text);
    buf_reset(&transfer->content_type);
    buf_reset(&transfer->content_encoding);
    buf_reset(&transfer->retry_after);
    buf_reset(&transfer->location);
    size_t space = slice_index(status_line, ' ');
    if (space != SLICE_NONE)
        buf_append_slice(&transfer->status_text,
                         slice_trim(slice_from_index(status_line, space + 1)));
}

static void on_header(struct slice line, void *context)
{
    struct http_transfer *transfer = context;
    char first = line.len == 0 ? '\0' : (char)(line.ptr[0] | 0x20);
    if (slice_has_prefix(line, SLICE("HTTP/")))
        begin_answer(transfer, line);
    else if (slice_trim(line).len == 0)
        transfer->answered = true;
    else if (first == 'c' && !take_header(line, "content-type:", &transfer->content_type))
        take_header(line, "content-encoding:", &transfer->content_encoding);
    else if (first == 'r')
        take_header(line, "retry-after:", &transfer->retry_after);
    else if (first == 'l')
        take_header(line, "location:", &transfer->location);
}

/* -- transfers -- */

static void on_ended(const struct wire_result *result, void *context);

static struct http_transfer *transfer_new(struct http_client *client)
{
    static const struct wire_events events = {on_header, on_body, on_ended};
    struct http_transfer *transfer = mem_zalloc(sizeof(*transfer));
    transfer->client = client;
    transfer->hop = wire_hop_new(client->wire, &events, transfer);
    buf_init(&transfer->method, 64);
    buf_init(&transfer->url, URL_SIZE_MAX);
    buf_init(&transfer->url_first, URL_SIZE_MAX);
    buf_init(&transfer->unix_socket, 1024);
    request_headers_init(&transfer->lines);
    buf_init(&transfer->received, BUF_SIZE_ANY);
    buf_init(&transfer->status_text, FIELD_SIZE_MAX);
    buf_init(&transfer->content_type, FIELD_SIZE_MAX);
    buf_init(&transfer->content_encoding, FIELD_SIZE_MAX);
    buf_init(&transfer->retry_after, FIELD_SIZE_MAX);
    buf_init(&transfer->location, FIELD_SIZE_MAX);
    buf_init(&transfer->error_text, 4 * URL_SIZE_MAX);
    return transfer;
}

static void transfer_free(struct http_transfer *transfer)
{
    wire_hop_free(transfer->hop);
    buf_release(&transfer->method);
    buf_release(&transfer->url);
    buf_release(&transfer->url_first);
    buf_release(&transfer->unix_socket);
    request_headers_release(&transfer->lines);
    buf_release(&transfer->received);
    buf_release(&transfer->status_text);
    buf_release(&transfer->content_type);
    buf_release(&transfer->content_encoding);
    buf_release(&transfer->retry_after);
    buf_release(&transfer->location);
    buf_release(&transfer->error_text);
    mem_free(transfer);
}

/* Takes the body out of the account and empties it. */
static void forget_body(struct http_transfer *transfer)
{
    transfer->client->bodies_bytes -= transfer->received.len;
    memory_budget_give(transfer->client->memory, MEMORY_SCRAPES, transfer->received.len);
    transfer->out_of_memory = false;
    if (transfer->received.len > BODY_KEPT_MAX) {
        buf_release(&transfer->received);
        buf_init(&transfer->received, BUF_SIZE_ANY);
    }
    buf_reset(&transfer->received);
}

/* Out of its list, to the free ones. */
static void recycle(struct http_transfer *transfer)
{
    struct http_client *client = transfer->client;
    wire_hop_stop(transfer->hop);
    list_remove(transfer->finished ? &client->finished : &client->active, transfer);
    forget_body(transfer);
    if (client->free_count >= TRANSFERS_KEPT_MAX) {
        transfer_free(transfer);
        return;
    }
    transfer->next = client->free;
    client->free = transfer;
    if (++client->free_count <= BODIES_KEPT_MAX)
        return;
    for (size_t i = 0; i < BODIES_KEPT_MAX; i++)
        transfer = transfer->next;
    buf_release(&transfer->received);
    buf_init(&transfer->received, BUF_SIZE_ANY);
}

/* Its callback comes at the end of http_client_run. */
static void finish(struct http_transfer *transfer, enum err error)
{
    struct http_client *client = transfer->client;
    list_remove(&client->active, transfer);
    transfer->finished = true;
    transfer->error = error;
    list_add(&client->finished, transfer);
}

/* Ends a transfer for a reason that is none of the network's. */
static void fail(struct http_transfer *transfer, enum err error, enum http_failure_kind kind,
                 const char *url, const char *detail)
{
    struct http_failure failure = {
        .kind = kind,
        .method = buf_cstr(&transfer->method),
        .url = url,
        .detail = detail,
    };
    http_failure_print(&failure, &transfer->error_text);
    finish(transfer, error);
}

/* -- a hop -- */

/* The proxy that the environment names; both spellings, as Go reads them. */
static const char *environment(const char *capital, const char *small)
{
    const char *value = getenv(capital);
    if (value == NULL || value[0] == '\0')
        value = getenv(small);
    return value == NULL ? "" : value;
}

static void choose_proxy(const struct http_client_profile *profile, bool https,
                         struct wire_request *out)
{
    out->proxy = "";
    out->no_proxy = "";
    if (profile->proxy_from_environment) {
        out->proxy = https ? environment("HTTPS_PROXY", "https_proxy")
                           : environment("HTTP_PROXY", "http_proxy");
        out->no_proxy = environment("NO_PROXY", "no_proxy");
    } else if (profile->proxy_url.len > 0) {
        out->proxy = profile->proxy_url.ptr;
        out->no_proxy = profile->no_proxy.len > 0 ? profile->no_proxy.ptr : "";
    }
}

/* A certificate or key: a path, or the path of a text; NULL for neither. A file that cannot be read
 * is told here, since curl does not say which. */
static enum err pem_path(struct http_client *client, const char *what, struct slice text,
                         struct slice file, const char **out, struct errbuf *err)
{
    *out = file.len > 0 ? file.ptr : NULL;
    if (text.len > 0)
        return pem_store_path(client->pems, text, out, err);
    if (file.len == 0 || access(file.ptr, R_OK) == 0)
        return ERR_NONE;
    const char *reason = errno == EACCES ? "permission denied" : "no such file or directory";
    return errbuf_set(err, ERR_IO, "unable to load specified %s %s: open %s: %s", what, file.ptr,
                      file.ptr, reason);
}

static enum err choose_tls(struct http_client *client, const struct http_client_profile *profile,
                           struct wire_tls *out, struct errbuf *err)
{
    *out = (struct wire_tls){
        .version_min = profile->tls_min_version,
        .version_max = profile->tls_max_version,
        .server_name = profile->server_name,
        .skip_verify = profile->insecure_skip_verify,
        .http2 = profile->enable_http2,
    };
    enum err failed =
        pem_path(client, "CA cert", profile->ca, profile->ca_file, &out->ca_path, err);
    if (failed == ERR_NONE)
        failed = pem_path(client, "client cert", profile->cert, profile->cert_file, &out->cert_path,
                          err);
    if (failed == ERR_NONE)
        failed =
            pem_path(client, "client key", profile->key, profile->key_file, &out->key_path, err);
    return failed;
}

/* `trusted` = it goes to the host that the profile is for. */
static void launch(struct http_transfer *transfer, bool trusted)
{
    struct errbuf err = ERRBUF_INIT;
    int64_t spent_ms = (now_ns() - transfer->start_ns) / MS_NS;
    struct wire_request request = {
        .method = buf_cstr(&transfer->method),
        .url = buf_cstr(&transfer->url),
        .lines = {&transfer->lines.own, trusted ? &transfer->lines.profile : NULL},
        .proxy_lines = &transfer->lines.proxy,
        .body = transfer->body,
        .unix_socket = transfer->unix_socket.len > 0 ? buf_cstr(&transfer->unix_socket) : NULL,
    };
    if (transfer->timeout_ms > 0)
        request.timeout_ms = MAX(transfer->timeout_ms - spent_ms, (int64_t)1);
    bool https = strncasecmp(request.url, "https:", 6) == 0;
    choose_proxy(transfer->profile, https, &request);
    enum err failed =
        https ? choose_tls(transfer->client, transfer->profile, &request.tls, &err) : ERR_NONE;
    transfer->answered = false;
    if (failed != ERR_NONE)
        fail(transfer, failed, HTTP_FAILURE_OTHER, request.url, err.text);
    else if (!wire_hop_start(transfer->hop, &request))
        fail(transfer, ERR_IO, HTTP_FAILURE_OTHER, request.url, "the request cannot be started");
}

/* -- redirects -- */

static bool is_redirect(const struct http_transfer *transfer, long status)
{
    return transfer->profile->follow_redirects && transfer->location.len > 0 &&
           (status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
}

static bool equal_fold(struct slice a, struct slice b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

/* May the credentials for the first URL go to this one? Not to another host, and not unencrypted
 * when they began encrypted. */
static bool is_trusted(const struct http_transfer *transfer, const struct url *url)
{
    struct url first;
    return url_parse(buf_slice(&transfer->url_first), &first, NULL) == ERR_NONE &&
           equal_fold(url->host, first.host) &&
           (equal_fold(url->scheme, SLICE("https")) || equal_fold(first.scheme, SLICE("http")));
}

static void follow(struct http_transfer *transfer, long status, const char *target)
{
    struct url url = {.scheme = SLICE_EMPTY};
    bool known = target != NULL && url_parse(slice_str(target), &url, NULL) == ERR_NONE &&
                 (equal_fold(url.scheme, SLICE("http")) || equal_fold(url.scheme, SLICE("https")));
    if (++transfer->redirects >= REDIRECTS_MAX) {
        fail(transfer, ERR_IO, HTTP_FAILURE_REDIRECTS, buf_cstr(&transfer->location), NULL);
        return;
    }
    if (!known) {
        char detail[128];
        snprintf(detail, sizeof(detail), "unsupported protocol scheme \"%.*s\"",
                 SLICE_ARG(url.scheme));
        fail(transfer, ERR_IO, HTTP_FAILURE_OTHER, buf_cstr(&transfer->location), detail);
        return;
    }
    set_text(&transfer->url, target);
    forget_body(transfer);
    /* as Go: only these keep the method */
    if (status != 307 && status != 308 && strcmp(buf_cstr(&transfer->method), "HEAD") != 0) {
        set_text(&transfer->method, "GET");
        transfer->body = SLICE_EMPTY;
    }
    launch(transfer, is_trusted(transfer, &url));
}

/* -- how it ended -- */

static void describe_failure(struct http_transfer *transfer, const struct wire_result *result)
{
    const struct http_client_profile *profile = transfer->profile;
    bool proxied = profile->proxy_url.len > 0 && !profile->proxy_from_environment;
    bool is_unix = transfer->unix_socket.len > 0;
    char host[256] = "";
    struct url url;
    if (url_parse(proxied ? profile->proxy_url : buf_slice(&transfer->url), &url, NULL) == ERR_NONE)
        snprintf(host, sizeof(host), "%.*s", SLICE_ARG(url.host));
    struct http_failure failure = {
        .kind = result->kind,
        .method = buf_cstr(&transfer->method),
        .url = buf_cstr(&transfer->url),
        .answered = transfer->answered,
        .proxied = proxied,
        .host = host,
        .address = is_unix ? buf_cstr(&transfer->unix_socket) : result->remote_address,
        .is_unix = is_unix,
        .local_address = result->local_address,
        .system_error = result->system_error,
        .detail = result->detail,
    };
    http_failure_print(&failure, &transfer->error_text);
}

static void on_ended(const struct wire_result *result, void *context)
{
    struct http_transfer *transfer = context;
    transfer->status = result->status;
    if (!result->failed && is_redirect(transfer, result->status)) {
        follow(transfer, result->status, result->redirect_url);
        return;
    }
    enum err error = ERR_NONE;
    if (result->failed && transfer->out_of_memory) {
        struct wire_result without_room = *result;
        without_room.kind = HTTP_FAILURE_MEMORY;
        describe_failure(transfer, &without_room);
        error = ERR_UNAVAILABLE;
    } else if (result->failed) {
        describe_failure(transfer, result);
        error = result->kind == HTTP_FAILURE_TIMEOUT      ? ERR_TIMEOUT
                : result->kind == HTTP_FAILURE_BODY_LIMIT ? ERR_LIMIT
                                                          : ERR_IO;
    }
    finish(transfer, error);
}

static void call_back(struct http_transfer *transfer)
{
    /* HTTP/2 has no reason, and a server may leave it out */
    if (transfer->status_text.len <= 3 && transfer->status != 0) {
        buf_reset(&transfer->status_text);
        http_status_print(transfer->status, &transfer->status_text);
    }
    struct http_client_response response = {
        .error = transfer->error,
        .error_text = buf_cstr(&transfer->error_text),
        .status = transfer->status,
        .status_text = buf_cstr(&transfer->status_text),
        .content_type = buf_slice(&transfer->content_type),
        .content_encoding = buf_slice(&transfer->content_encoding),
        .retry_after = buf_slice(&transfer->retry_after),
        .body = buf_slice(&transfer->received),
        .duration_ns = now_ns() - transfer->start_ns,
    };
    transfer->done(&response, transfer->context);
}

/* -- the client -- */

struct http_client *http_client_new(void)
{
    struct http_client *client = mem_zalloc(sizeof(*client));
    client->wire = wire_new();
    client->pems = pem_store_new();
    return client;
}

void http_client_set_memory(struct http_client *client, struct memory_budget *memory)
{
    ASSERT(client->active.head == NULL);
    client->memory = memory;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    while (client->active.head != NULL)
        recycle(client->active.head);
    while (client->finished.head != NULL)
        recycle(client->finished.head);
    struct http_transfer *next;
    for (struct http_transfer *transfer = client->free; transfer != NULL; transfer = next) {
        next = transfer->next;
        transfer_free(transfer);
    }
    wire_free(client->wire);
    pem_store_free(client->pems);
    mem_free(client);
}

static struct http_transfer *take_free(struct http_client *client)
{
    struct http_transfer *transfer = client->free;
    if (transfer == NULL)
        return transfer_new(client);
    client->free = transfer->next;
    client->free_count--;
    return transfer;
}

struct http_transfer *http_client_start(struct http_client *client,
                                        const struct http_client_request *request)
{
    struct http_transfer *transfer = take_free(client);
    list_add(&client->active, transfer);
    transfer->finished = false;
    transfer->done = request->done;
    transfer->context = request->context;
    transfer->profile = request->profile == NULL ? &profile_none : request->profile;
    transfer->body = request->body;
    transfer->start_ns = now_ns();
    transfer->timeout_ms = request->timeout_ms;
    transfer->body_size_max = request->body_size_max == 0 ? SIZE_MAX : request->body_size_max;
    transfer->redirects = 0;
    transfer->status = 0;
    set_text(&transfer->method, request->method);
    set_text(&transfer->url, request->url);
    set_text(&transfer->url_first, request->url);
    set_text(&transfer->unix_socket, request->unix_socket);
    buf_reset(&transfer->error_text);
    begin_answer(transfer, SLICE_EMPTY);
    struct errbuf err = ERRBUF_INIT;
    enum err failed = request_headers_make(&transfer->lines, request->headers,
                                           request->header_count, request->profile, &err);
    if (failed != ERR_NONE)
        fail(transfer, failed, HTTP_FAILURE_OTHER, request->url, err.text);
    else
        launch(transfer, true);
    return transfer;
}

void http_client_cancel(struct http_client *client, struct http_transfer *transfer)
{
    ASSERT(transfer->client == client);
    recycle(transfer);
}

void http_client_run(struct http_client *client, int wait_ms)
{
    wire_run(client->wire, client->finished.count > 0 ? 0 : wait_ms);
    /* callbacks may start and cancel transfers: look anew each time, and leave what they start */
    for (size_t i = client->finished.count; i > 0 && client->finished.head != NULL; i--) {
        struct http_transfer *transfer = client->finished.head;
        call_back(transfer);
        recycle(transfer);
    }
}

void http_client_wake(struct http_client *client)
{
    wire_wake(client->wire);
}

size_t http_client_active(const struct http_client *client)
{
    return client->active.count + client->finished.count;
}
