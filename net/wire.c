/* Options, callbacks and the loop of libcurl. */
#include "net/wire.h"

#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "net/request_headers.h"
#include "net/url.h"

#define MS_NS ((int64_t)1000 * 1000)
#define RECEIVE_BUFFER_SIZE (96L << 10)
#define CONNECTIONS_KEPT_MAX 20000
#define CONNECTION_AGE_MAX_S 300L
/* Long enough for the addresses of one connection, short enough for a change of address. */
#define NAMES_KEPT_S 1L
#define ADDRESS_SIZE 128
#define EVENTS_MAX 64

struct wire {
    CURLM *multi;
    int epoll;
    int wakeup;
    int64_t timer_ns; /* when curl wants to be called, INT64_MAX = never */
    char *ca_default; /* what curl takes when nothing is set */
};

struct wire_hop {
    struct wire *wire;
    struct wire_events events;
    void *context;
    CURL *easy;
    bool running;
    struct curl_slist *headers;
    struct curl_slist *proxy_headers;
    struct curl_slist *connect_to;
    bool is_unix;
    char address[ADDRESS_SIZE]; /* that was dialed first */
    char error[CURL_ERROR_SIZE];
};

static int64_t now_ns(void)
{
    return clock_monotonic_ns(clock_system);
}

/* -- what curl calls -- */

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct wire_hop *hop = context;
    curl_off_t announced = -1;
    curl_easy_getinfo(hop->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    bool more = hop->events.body(slice_from(data, size * count), announced, hop->context);
    return more ? size * count : 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct wire_hop *hop = context;
    hop->events.header(slice_from(data, size * count), hop->context);
    return size * count;
}

/* Remembers the address for the error text; Go tells the first one it tried. */
static curl_socket_t on_open_socket(void *context, curlsocktype purpose,
                                    struct curl_sockaddr *address)
{
    struct wire_hop *hop = context;
    (void)purpose;
    if (hop->address[0] == '\0' && address->family != AF_UNIX) {
        char host[64];
        char port[16];
        if (getnameinfo(&address->addr, address->addrlen, host, sizeof(host), port, sizeof(port),
                        NI_NUMERICHOST | NI_NUMERICSERV) == 0)
            snprintf(hop->address, sizeof(hop->address),
                     address->family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int on_socket(CURL *easy, curl_socket_t descriptor, int what, void *context, void *known)
{
    struct wire *wire = context;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(wire->epoll, EPOLL_CTL_DEL, descriptor, NULL);
        return 0;
    }
    struct epoll_event event = {.data.fd = descriptor};
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        event.events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        event.events |= EPOLLOUT;
    int action = known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(wire->epoll, action, descriptor, &event) != 0 && errno == EEXIST)
        epoll_ctl(wire->epoll, EPOLL_CTL_MOD, descriptor, &event);
    if (known == NULL)
        curl_multi_assign(wire->multi, descriptor, wire);
    return 0;
}

/* curl counts whole milliseconds, rounded down, and does not ask again when it is called too early.
 */
static void set_timer(struct wire *wire, long timeout_ms)
{
    if (timeout_ms < 0)
        wire->timer_ns = INT64_MAX;
    else
        wire->timer_ns = now_ns() + (timeout_ms == 0 ? 0 : (timeout_ms + 1) * MS_NS);
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
    (void)multi;
    set_timer(context, timeout_ms);
    return 0;
}

/* -- hops -- */

/* What is the same for all requests. */
static void set_lasting_options(struct wire_hop *hop)
{
    CURL *easy = hop->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, hop);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_SIZE);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, NAMES_KEPT_S);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, CONNECTION_AGE_MAX_S);
    /* a look-up that hangs is left to its thread when its request has timed out */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, hop->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, hop);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, hop);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, hop);
    curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
}

struct wire_hop *wire_hop_new(struct wire *wire, const struct wire_events *events, void *context)
{
    struct wire_hop *hop = mem_zalloc(sizeof(*hop));
    hop->wire = wire;
    hop->events = *events;
    hop->context = context;
    hop->easy = curl_easy_init();
    ASSERT(hop->easy != NULL);
    set_lasting_options(hop);
    if (wire->ca_default == NULL) {
        char *path = NULL;
        curl_easy_getinfo(hop->easy, CURLINFO_CAINFO, &path);
        wire->ca_default = path == NULL ? NULL : mem_strdup(path);
    }
    return hop;
}

static void lists_free(struct wire_hop *hop)
{
    curl_slist_free_all(TAKE(hop->headers));
    curl_slist_free_all(TAKE(hop->proxy_headers));
    curl_slist_free_all(TAKE(hop->connect_to));
}

void wire_hop_stop(struct wire_hop *hop)
{
    if (hop->running)
        curl_multi_remove_handle(hop->wire->multi, hop->easy);
    hop->running = false;
}

void wire_hop_free(struct wire_hop *hop)
{
    if (hop == NULL)
        return;
    wire_hop_stop(hop);
    curl_easy_cleanup(hop->easy);
    lists_free(hop);
    mem_free(hop);
}

/* -- what a request sends -- */

static void add_lines(struct curl_slist **list, const struct buf *lines)
{
    const char *line = NULL;
    while (lines != NULL && (line = request_headers_next(lines, line)) != NULL)
        *list = curl_slist_append(*list, line);
}

static void make_lists(struct wire_hop *hop, const struct wire_request *request)
{
    /* what curl would add by itself is taken back */
    static const char *const defaults[][2] = {
        {"Accept", "Accept:"}, {"Content-Type", "Content-Type:"}, {"Expect", "Expect:"}};
    lists_free(hop);
    for (size_t i = 0; i < WIRE_LINES_MAX; i++)
        add_lines(&hop->headers, request->lines[i]);
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
        bool given = false;
        for (size_t k = 0; k < WIRE_LINES_MAX; k++)
            given |= request->lines[k] != NULL &&
                     request_headers_have(request->lines[k], defaults[i][0]);
        if (!given)
            hop->headers = curl_slist_append(hop->headers, defaults[i][1]);
    }
    add_lines(&hop->proxy_headers, request->proxy_lines);
}

static void set_method_options(struct wire_hop *hop, const struct wire_request *request)
{
    CURL *easy = hop->easy;
    const char *method = request->method;
    const char *custom = NULL;
    if (request->body.len > 0 || strcmp(method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.len == 0 ? "" : request->body.ptr);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        custom = strcmp(method, "POST") == 0 ? NULL : method;
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        if (strcmp(method, "HEAD") == 0)
            curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        else if (strcmp(method, "GET") != 0)
            custom = method;
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, custom);
}

static long tls_versions(struct slice name_min, struct slice name_max)
{
    static const struct {
        const char *name;
        long min;
        long max;
    } versions[] = {
        {"TLS10", CURL_SSLVERSION_TLSv1_0, CURL_SSLVERSION_MAX_TLSv1_0},
        {"TLS11", CURL_SSLVERSION_TLSv1_1, CURL_SSLVERSION_MAX_TLSv1_1},
        {"TLS12", CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_MAX_TLSv1_2},
        {"TLS13", CURL_SSLVERSION_TLSv1_3, CURL_SSLVERSION_MAX_TLSv1_3},
    };
    long min = CURL_SSLVERSION_TLSv1_2;
    long max = CURL_SSLVERSION_MAX_DEFAULT;
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        if (slice_eq_str(name_min, versions[i].name))
            min = versions[i].min;
        if (slice_eq_str(name_max, versions[i].name))
            max = versions[i].max;
    }
    return min | max;
}

/* The name to ask for and to verify, when it is not the host's: curl takes it from the URL, so the
 * URL gets it, and curl is told where to connect and which Host to send instead. */
static void set_server_name(struct wire_hop *hop, const struct wire_request *request)
{
    struct slice name = request->tls.server_name;
    struct url url;
    if (name.len == 0 || url_parse(slice_str(request->url), &url, NULL) != ERR_NONE)
        return;
    struct slice port = url.port.len == 0 ? SLICE("443") : url.port;
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    buf_printf(&text, "::%.*s:%.*s", SLICE_ARG(url.host), SLICE_ARG(port));
    hop->connect_to = curl_slist_append(NULL, buf_cstr(&text));
    buf_reset(&text);
    buf_printf(&text, "Host: %.*s%s%.*s", SLICE_ARG(url.host), url.port.len > 0 ? ":" : "",
               SLICE_ARG(url.port));
    hop->headers = curl_slist_append(hop->headers, buf_cstr(&text));
    buf_reset(&text);
    buf_printf(&text, "https://%.*s:%.*s%.*s%s%.*s", SLICE_ARG(name), SLICE_ARG(port),
               SLICE_ARG(url.path), url.query.len > 0 ? "?" : "", SLICE_ARG(url.query));
    curl_easy_setopt(hop->easy, CURLOPT_URL, buf_cstr(&text));
}

static void set_tls_options(struct wire_hop *hop, const struct wire_request *request)
{
    const struct wire_tls *tls = &request->tls;
    CURL *easy = hop->easy;
    curl_easy_setopt(easy, CURLOPT_CAINFO,
                     tls->ca_path == NULL ? hop->wire->ca_default : tls->ca_path);
    curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert_path);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key_path);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls->skip_verify ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls->skip_verify ? 0L : 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, tls_versions(tls->version_min, tls->version_max));
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     tls->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    set_server_name(hop, request);
}

bool wire_hop_start(struct wire_hop *hop, const struct wire_request *request)
{
    CURL *easy = hop->easy;
    ASSERT(!hop->running);
    hop->address[0] = '\0';
    hop->error[0] = '\0';
    hop->is_unix = request->unix_socket != NULL;
    make_lists(hop, request);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
    curl_easy_setopt(easy, CURLOPT_PROXY, request->proxy);
    /* "" keeps curl from reading the environment */
    curl_easy_setopt(easy, CURLOPT_NOPROXY, request->no_proxy);
    set_method_options(hop, request);
    if (strncasecmp(request->url, "https:", 6) == 0)
        set_tls_options(hop, request);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, hop->connect_to);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, hop->headers);
    curl_easy_setopt(easy, CURLOPT_PROXYHEADER, hop->proxy_headers);
    hop->running = curl_multi_add_handle(hop->wire->multi, easy) == CURLM_OK;
    return hop->running;
}

/* -- how it ended -- */

static enum http_failure_kind failure_kind(const struct wire_hop *hop, CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_FAILURE_RESOLVE;
    case CURLE_COULDNT_CONNECT:
        return HTTP_FAILURE_DIAL;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_FAILURE_TIMEOUT;
    case CURLE_GOT_NOTHING:
        return HTTP_FAILURE_NO_ANSWER;
    case CURLE_PARTIAL_FILE:
        return HTTP_FAILURE_SHORT_BODY;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return HTTP_FAILURE_RESET;
    case CURLE_WEIRD_SERVER_REPLY:
        return HTTP_FAILURE_MALFORMED;
    case CURLE_UNSUPPORTED_PROTOCOL:
        return strstr(hop->error, "HTTP/0.9") != NULL ? HTTP_FAILURE_MALFORMED : HTTP_FAILURE_OTHER;
    case CURLE_PEER_FAILED_VERIFICATION:
        return HTTP_FAILURE_CERTIFICATE;
    case CURLE_SSL_CONNECT_ERROR:
        return strstr(hop->error, "unexpected TLS packet") != NULL ? HTTP_FAILURE_NOT_TLS
                                                                   : HTTP_FAILURE_TLS;
    case CURLE_WRITE_ERROR:
        return HTTP_FAILURE_BODY_LIMIT;
    default:
        return HTTP_FAILURE_OTHER;
    }
}

static const char *failure_detail(const struct wire_hop *hop, CURLcode code)
{
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return strstr(hop->error, "subject name") == NULL
                   ? "certificate signed by unknown authority"
                   : "certificate is not valid for this name";
    return hop->error[0] == '\0' ? curl_easy_strerror(code) : hop->error;
}

static void print_address(CURL *easy, CURLINFO host_info, CURLINFO port_info, char *out)
{
    char *host = NULL;
    long port = 0;
    curl_easy_getinfo(easy, host_info, &host);
    curl_easy_getinfo(easy, port_info, &port);
    if (host == NULL)
        host = (char *)"";
    snprintf(out, ADDRESS_SIZE, strchr(host, ':') != NULL ? "[%s]:%ld" : "%s:%ld", host, port);
}

static void tell_end(struct wire_hop *hop, CURLcode code)
{
    struct wire_result result = {.failed = code != CURLE_OK};
    char local[ADDRESS_SIZE];
    char *redirect_url = NULL;
    curl_easy_getinfo(hop->easy, CURLINFO_RESPONSE_CODE, &result.status);
    if (result.failed) {
        long system_error = 0;
        curl_easy_getinfo(hop->easy, CURLINFO_OS_ERRNO, &system_error);
        print_address(hop->easy, CURLINFO_LOCAL_IP, CURLINFO_LOCAL_PORT, local);
        if (hop->address[0] == '\0' && !hop->is_unix)
            print_address(hop->easy, CURLINFO_PRIMARY_IP, CURLINFO_PRIMARY_PORT, hop->address);
        result.kind = failure_kind(hop, code);
        result.detail = failure_detail(hop, code);
        result.system_error = (int)system_error;
        result.local_address = local;
        result.remote_address = hop->address;
    } else if (result.status >= 300 && result.status < 400) {
        curl_easy_getinfo(hop->easy, CURLINFO_REDIRECT_URL, &redirect_url);
        /* it lives in the handle, which may be started again while it is looked at */
        redirect_url = redirect_url == NULL ? NULL : mem_strdup(redirect_url);
        result.redirect_url = redirect_url;
    }
    hop->events.ended(&result, hop->context);
    mem_free(redirect_url);
}

/* -- the loop -- */

static void collect(struct wire *wire)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(wire->multi, &left)) != NULL) {
        struct wire_hop *hop = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        /* the message goes when the handle leaves */
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &hop);
        wire_hop_stop(hop);
        tell_end(hop, code);
    }
}

/* Calls curl when its time has come. */
static void run_timer(struct wire *wire)
{
    int running;
    long left_ms = -1;
    if (wire->timer_ns > now_ns())
        return;
    wire->timer_ns = INT64_MAX;
    curl_multi_socket_action(wire->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    /* it says nothing when the next time is the one that it has told before */
    if (wire->timer_ns == INT64_MAX && curl_multi_timeout(wire->multi, &left_ms) == CURLM_OK)
        set_timer(wire, left_ms);
}

static int wait_time_ms(const struct wire *wire, int wait_ms)
{
    if (wire->timer_ns == INT64_MAX)
        return wait_ms;
    int64_t left_ns = wire->timer_ns - now_ns();
    int64_t left_ms = left_ns <= 0 ? 0 : (left_ns + MS_NS - 1) / MS_NS;
    return wait_ms < 0 || left_ms < wait_ms ? (int)MIN(left_ms, (int64_t)INT32_MAX) : wait_ms;
}

static void run_event(struct wire *wire, const struct epoll_event *event)
{
    int running;
    int what = 0;
    if (event->data.fd == wire->wakeup) {
        eventfd_t value;
        eventfd_read(wire->wakeup, &value);
        return;
    }
    if ((event->events & (EPOLLIN | EPOLLHUP)) != 0)
        what |= CURL_CSELECT_IN;
    if ((event->events & EPOLLOUT) != 0)
        what |= CURL_CSELECT_OUT;
    if ((event->events & EPOLLERR) != 0)
        what |= CURL_CSELECT_ERR;
    curl_multi_socket_action(wire->multi, event->data.fd, what, &running);
}

void wire_run(struct wire *wire, int wait_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(wire->epoll, events, EVENTS_MAX, wait_time_ms(wire, wait_ms));
    for (int i = 0; i < count; i++)
        run_event(wire, &events[i]);
    run_timer(wire);
    collect(wire);
}

void wire_wake(struct wire *wire)
{
    eventfd_write(wire->wakeup, 1);
}

static void initialize_curl(void)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    ASSERT(code == CURLE_OK);
}

/* Idle connections that may be kept: not so many that they take the descriptors of others. */
static long connections_kept_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 100;
    return (long)MIN(limit.rlim_max / 4, (rlim_t)CONNECTIONS_KEPT_MAX);
}

struct wire *wire_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize_curl);
    struct wire *wire = mem_zalloc(sizeof(*wire));
    wire->timer_ns = INT64_MAX;
    wire->epoll = epoll_create1(EPOLL_CLOEXEC);
    wire->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    wire->multi = curl_multi_init();
    ASSERT(wire->epoll >= 0 && wire->wakeup >= 0 && wire->multi != NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = wire->wakeup};
    epoll_ctl(wire->epoll, EPOLL_CTL_ADD, wire->wakeup, &event);
    curl_multi_setopt(wire->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(wire->multi, CURLMOPT_SOCKETDATA, wire);
    curl_multi_setopt(wire->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(wire->multi, CURLMOPT_TIMERDATA, wire);
    curl_multi_setopt(wire->multi, CURLMOPT_MAXCONNECTS, connections_kept_max());
    return wire;
}

void wire_free(struct wire *wire)
{
    if (wire == NULL)
        return;
    curl_multi_cleanup(wire->multi);
    close(wire->epoll);
    close(wire->wakeup);
    mem_free(wire->ca_default);
    mem_free(wire);
}
