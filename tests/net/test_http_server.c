/* The server against a client that says exactly what it is told. */
#include "net/http_server.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compress.h"
#include "support/raw_socket.h"

#define LARGE_SIZE ((size_t)5 << 20)

static struct http_server *server;
static uint16_t port;
static atomic_int blocked_started;
static atomic_int blocked_canceled;
static atomic_size_t large_written;
static atomic_int large_error;
static atomic_int observed_status;
static atomic_size_t observed_bytes;
static atomic_bool refuse_all;

/* -- handlers -- */

static void handle_hello(struct http_request *request, struct http_response *response, void *context)
{
    http_response_text(response, 200, "text/plain", SLICE("hello\n"));
}

/* Prints what the handler was given. */
static void handle_show(struct http_request *request, struct http_response *response, void *context)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 1 << 20);
    buf_printf(&text, "path=%.*s tail=%.*s body=%zu", SLICE_ARG(request->path),
               SLICE_ARG(request->route_tail), request->body.len);
    for (size_t i = 0; i < request->parameter_count && i < 20; i++)
        buf_printf(&text, " %.*s=%.*s", SLICE_ARG(request->parameters[i].name),
                   SLICE_ARG(request->parameters[i].value));
    struct slice first;
    if (http_request_parameter(request, "q", &first))
        buf_printf(&text, " first q=%.*s", SLICE_ARG(first));
    if (request->parameters_error != NULL)
        buf_printf(&text, " error=%s", request->parameters_error);
    struct slice custom = http_request_header(request, "x-custom");
    if (custom.len > 0)
        buf_printf(&text, " x-custom=%.*s", SLICE_ARG(custom));
    http_response_text(response, 200, "application/json", buf_slice(&text));
}

static char large_byte(size_t i)
{
    return (char)('a' + (i * 7 + i / 1000) % 26);
}

static void handle_large(struct http_request *request, struct http_response *response, void *context)
{
    char piece[10000];
    http_response_header(response, "Content-Type", "text/plain");
    atomic_store(&large_written, 0);
    for (size_t i = 0; i < LARGE_SIZE;) {
        size_t len = MIN(sizeof(piece), LARGE_SIZE - i);
        for (size_t k = 0; k < len; k++)
            piece[k] = large_byte(i + k);
        enum err failed = http_response_write(response, slice_from(piece, len));
        if (failed != ERR_NONE) {
            atomic_store(&large_error, failed);
            return;
        }
        i += len;
        atomic_store(&large_written, i);
    }
}

/* Works until it is canceled. */
static void handle_block(struct http_request *request, struct http_response *response, void *context)
{
    atomic_fetch_add(&blocked_started, 1);
    while (!atomic_load(request->canceled))
        usleep(1000);
    atomic_fetch_add(&blocked_canceled, 1);
    http_response_text(response, 503, "text/plain", SLICE("canceled\n"));
}

/* Two events, the second one when the client has gone. */
static void handle_events(struct http_request *request, struct http_response *response,
                          void *context)
{
    http_response_header(response, "Content-Type", "text/event-stream");
    enum err failed = http_response_write(response, SLICE("data: 1\n\n"));
    ck_assert_int_eq(failed, ERR_NONE);
    failed = http_response_flush(response);
    ck_assert_int_eq(failed, ERR_NONE);
    handle_block(request, response, context);
}

static void handle_empty(struct http_request *request, struct http_response *response, void *context)
{
    http_response_status(response, 204);
}

static void handle_no_body(struct http_request *request, struct http_response *response,
                           void *context)
{
}

static void handle_compressed(struct http_request *request, struct http_response *response,
                              void *context)
{
    http_response_header(response, "Content-Encoding", "br");
    http_response_text(response, 200, "text/plain", SLICE("already"));
}

static const struct http_route routes[] = {
    {.path = "/hello", .methods = HTTP_GET | HTTP_HEAD, .handler = handle_hello},
    {.path = "/slow", .methods = HTTP_GET | HTTP_HEAD, .slow = true, .handler = handle_hello},
    {.path = "/show", .methods = HTTP_GET | HTTP_POST | HTTP_PUT, .handler = handle_show},
    {.path = "/api/v1/query", .methods = HTTP_GET | HTTP_POST, .slow = true, .handler = handle_show},
    {.path = "/api/v1/label/*/values", .methods = HTTP_GET, .handler = handle_show},
    {.path = "/api/v1/label/exact/values", .methods = HTTP_GET, .handler = handle_hello},
    {.path = "/user/*", .methods = HTTP_GET, .handler = handle_show},
    {.path = "/two", .methods = HTTP_GET, .handler = handle_hello},
    {.path = "/two", .methods = HTTP_POST, .handler = handle_show},
    {.path = "/large", .methods = HTTP_GET | HTTP_HEAD, .slow = true, .handler = handle_large},
    {.path = "/large_quick", .methods = HTTP_GET, .handler = handle_large},
    {.path = "/block", .methods = HTTP_GET, .slow = true, .handler = handle_block},
    {.path = "/events", .methods = HTTP_GET, .slow = true, .handler = handle_events},
    {.path = "/empty", .methods = HTTP_GET | HTTP_POST, .handler = handle_empty},
    {.path = "/no_body", .methods = HTTP_GET, .slow = true, .handler = handle_no_body},
    {.path = "/compressed", .methods = HTTP_GET, .handler = handle_compressed},
};

static void observe(const char *route, const struct http_request *request, unsigned status,
                    int64_t duration_ns, size_t body_bytes, void *context)
{
    atomic_store(&observed_status, (int)status);
    atomic_store(&observed_bytes, body_bytes);
}

static bool admit(struct http_request *request, struct http_response *response, void *context)
{
    if (!atomic_load(&refuse_all))
        return true;
    http_response_text(response, 401, "text/plain", SLICE("Unauthorized\n"));
    return false;
}

static void start(struct http_server_options options)
{
    static const char *const addresses[] = {"127.0.0.1:0"};
    options.listen_addresses = addresses;
    options.listen_address_count = 1;
    options.observe = observe;
    options.admit = admit;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(http_server_start(&options, routes, ARRAY_SIZE(routes), &server, &err) ==
                      ERR_NONE,
                  "%s", err.text);
    port = http_server_port(server, 0);
}

static void stop(void)
{
    http_server_stop(server, 5000);
}

static int64_t now_ms(void)
{
    return clock_monotonic_ns(clock_system) / 1000000;
}

static void wait_for(atomic_int *counter, int value)
{
    int64_t deadline_ms = now_ms() + 10000;
    while (atomic_load(counter) < value && now_ms() < deadline_ms)
        usleep(1000);
    ck_assert_int_ge(atomic_load(counter), value);
}

/* The body of the answer to a request line (and header lines). */
static void expect(const char *request_head, int status, const char *body)
{
    char request[8192];
    snprintf(request, sizeof(request), "%s\r\nHost: x\r\n\r\n", request_head);
    struct raw_answer answer;
    raw_exchange(port, request, false, &answer);
    ck_assert_msg(answer.status == status, "%s: %s", request_head, buf_cstr(&answer.head));
    if (body != NULL)
        ck_assert_str_eq(buf_cstr(&answer.body), body);
    ck_assert(answer.whole);
    raw_answer_release(&answer);
}

/* A worker tells it after the client may have read the answer. */
static void expect_observed(int status, size_t bytes)
{
    int64_t deadline_ms = now_ms() + 5000;
    while (atomic_load(&observed_bytes) != bytes && now_ms() < deadline_ms)
        usleep(1000);
    ck_assert_uint_eq(atomic_load(&observed_bytes), bytes);
    ck_assert_int_eq(atomic_load(&observed_status), status);
}

static void expect_header(const char *request_head, const char *name, const char *value)
{
    char request[8192];
    snprintf(request, sizeof(request), "%s\r\nHost: x\r\n\r\n", request_head);
    struct raw_answer answer;
    raw_exchange(port, request, strncmp(request, "HEAD", 4) == 0, &answer);
    const char *found = raw_answer_header(&answer, name);
    ck_assert_msg((found == NULL) == (value == NULL), "%s: %s", request_head,
                  buf_cstr(&answer.head));
    if (value != NULL)
        ck_assert_str_eq(found, value);
    raw_answer_release(&answer);
}

/* -- routes and methods -- */

START_TEST(routes_are_exact_or_have_a_star)
{
    start((struct http_server_options){0});
    expect("GET /hello HTTP/1.1", 200, "hello\n");
    expect("GET /slow HTTP/1.1", 200, "hello\n");
    expect("GET /api/v1/label/a%20b/values HTTP/1.1", 200,
           "path=/api/v1/label/a b/values tail=a b body=0");
    expect("GET /api/v1/label/exact/values HTTP/1.1", 200, "hello\n");
    expect("GET /api/v1/label/a/b/values HTTP/1.1", 404, NULL);
    expect("GET /user/a/b.css HTTP/1.1", 200, "path=/user/a/b.css tail=a/b.css body=0");
    expect("GET /%68ello HTTP/1.1", 200, "hello\n");
    expect("GET /Hello HTTP/1.1", 404, "404 page not found\n");
    expect("GET /hell HTTP/1.1", 404, "404 page not found\n");
    expect("GET http://x:1/hello?a HTTP/1.1", 200, "hello\n");
    expect("GET /%zz HTTP/1.1", 400, "400 Bad Request");
    stop();
}
END_TEST

START_TEST(other_methods_answer_405_with_allow)
{
    start((struct http_server_options){0});
    expect("POST /hello HTTP/1.1\r\nContent-Length: 0", 405, "Method Not Allowed\n");
    expect_header("DELETE /hello HTTP/1.1", "Allow", "GET, HEAD, OPTIONS");
    expect_header("PATCH /api/v1/query HTTP/1.1", "Allow", "GET, OPTIONS, POST");
    expect_header("FOO /two HTTP/1.1", "Allow", "GET, OPTIONS, POST");
    expect_header("HEAD /two HTTP/1.1", "Allow", "GET, OPTIONS, POST");
    expect("GET /two HTTP/1.1", 200, "hello\n");
    expect("POST /two HTTP/1.1\r\nContent-Length: 0", 200, "path=/two tail= body=0");
    stop();
}
END_TEST

START_TEST(head_has_the_headers_of_get_and_no_body)
{
    start((struct http_server_options){0});
    int descriptor = raw_connect(port);
    struct raw_answer answer;
    for (int i = 0; i < 2; i++) {
        raw_send_text(descriptor, i == 0 ? "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n"
                                         : "HEAD /slow HTTP/1.1\r\nHost: x\r\n\r\n");
        raw_read_answer(descriptor, true, &answer);
        ck_assert_int_eq(answer.status, 200);
        ck_assert_str_eq(raw_answer_header(&answer, "Content-Length"), "6");
        raw_answer_release(&answer);
    }
    /* the connection is not out of step */
    raw_send_text(descriptor, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_read_answer(descriptor, false, &answer);
    ck_assert_str_eq(buf_cstr(&answer.body), "hello\n");
    raw_answer_release(&answer);
    raw_send_text(descriptor, "HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_read_answer(descriptor, true, &answer);
    ck_assert_int_eq(answer.status, 200);
    raw_answer_release(&answer);
    close(descriptor);
    stop();
}
END_TEST

START_TEST(options_and_origin_get_cors_headers_under_api)
{
    start((struct http_server_options){.cors_origin_regex = "https?://(a|b)\\.example"});
    expect("OPTIONS /api/v1/nope HTTP/1.1", 204, "");
    expect("OPTIONS /api/v1/query HTTP/1.1", 204, "");
    expect("OPTIONS /nope HTTP/1.1", 404, NULL);
    expect_header("OPTIONS /hello HTTP/1.1", "Allow", "GET, HEAD, OPTIONS");
    static const char with_origin[] = "GET /api/v1/query HTTP/1.1\r\nOrigin: http://a.example";
    expect_header(with_origin, "Access-Control-Allow-Origin", "http://a.example");
    expect_header(with_origin, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    expect_header(with_origin, "Access-Control-Allow-Headers",
                  "Accept, Authorization, Content-Type, Origin");
    expect_header(with_origin, "Access-Control-Expose-Headers", "Date");
    expect_header(with_origin, "Vary", "Accept-Encoding, Origin");
    expect_header("GET /api/v1/query HTTP/1.1\r\nOrigin: http://c.example",
                  "Access-Control-Allow-Origin", NULL);
    expect_header("GET /hello HTTP/1.1\r\nOrigin: http://a.example",
                  "Access-Control-Allow-Origin", NULL);
    stop();
    start((struct http_server_options){.cors_origin_regex = ".*"});
    expect_header("OPTIONS /api/v1/query HTTP/1.1\r\nOrigin: http://c.example",
                  "Access-Control-Allow-Origin", "*");
    expect_header("GET /api/v1/query HTTP/1.1", "Access-Control-Allow-Origin", NULL);
    stop();
}
END_TEST

START_TEST(other_spellings_of_a_path_are_redirected)
{
    start((struct http_server_options){0});
    expect("GET //api//v1/query?q=1 HTTP/1.1", 301, "");
    expect_header("GET /api//v1/query?q=1 HTTP/1.1", "Location", "/api/v1/query?q=1");
    expect_header("GET /x/../hello HTTP/1.1", "Location", "/hello");
    expect_header("GET /../../hello/. HTTP/1.1", "Location", "/hello");
    expect_header("GET /hello/ HTTP/1.1", "Location", "/hello");
    expect_header("GET /%68ello%0d%0aX:y/../%20a// HTTP/1.1", "Location", "/%20a/");
    expect("POST //api/v1/query HTTP/1.1\r\nContent-Length: 0", 308, "");
    expect("GET /nope/ HTTP/1.1", 404, NULL);
    stop();
}
END_TEST

START_TEST(the_route_prefix_is_stripped_and_others_are_not_found)
{
    start((struct http_server_options){.route_prefix = "/prom/"});
    expect("GET /prom/user/x HTTP/1.1", 200, "path=/user/x tail=x body=0");
    expect("GET /hello HTTP/1.1", 404, NULL);
    expect("GET /promhello HTTP/1.1", 404, NULL);
    expect("GET / HTTP/1.1", 302, "");
    expect_header("GET / HTTP/1.1", "Location", "/prom");
    expect_header("GET /prom HTTP/1.1", "Location", "/prom/");
    expect_header("GET /prom//hello?a=b HTTP/1.1", "Location", "/prom/hello?a=b");
    expect("OPTIONS /prom/api/v1/x HTTP/1.1", 204, "");
    expect("OPTIONS /api/v1/x HTTP/1.1", 404, NULL);
    stop();
}
END_TEST

START_TEST(who_is_not_admitted_reaches_no_route)
{
    start((struct http_server_options){0});
    atomic_store(&refuse_all, true);
    expect("GET /hello HTTP/1.1", 401, "Unauthorized\n");
    expect("GET /nope HTTP/1.1", 401, "Unauthorized\n");
    expect("GET /block HTTP/1.1", 401, "Unauthorized\n");
    atomic_store(&refuse_all, false);
    expect("GET /hello HTTP/1.1", 200, "hello\n");
    stop();
}
END_TEST

/* -- parameters and bodies -- */

START_TEST(form_parameters_come_before_those_of_the_url)
{
    start((struct http_server_options){0});
    expect("POST /api/v1/query?q=url&z=1 HTTP/1.1\r\n"
           "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
           "Content-Length: 12\r\nHost: x\r\n\r\nq=b%2By&e=+%\r\n",
           200, "path=/api/v1/query tail= body=12 q=b+y q=url z=1 first q=b+y"
                " error=invalid URL escape \"%\"");
    expect("POST /show?q=url HTTP/1.1\r\nContent-Type: text/plain\r\n"
           "Content-Length: 6\r\nHost: x\r\n\r\nq=body",
           200, "path=/show tail= body=6 q=url first q=url");
    expect("GET /show?a=%zz&q=%41+b&q=2;3&c HTTP/1.1\r\nX-Custom: 1", 200,
           "path=/show tail= body=0 q=A b c= first q=A b error=invalid URL escape \"%zz\""
           " x-custom=1");
    stop();
}
END_TEST

START_TEST(a_chunked_request_body_is_read)
{
    start((struct http_server_options){0});
    struct raw_answer answer;
    raw_exchange(port,
                 "POST /show HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                 "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
                 "4\r\nq=ab\r\n3\r\ncde\r\n0\r\n\r\n",
                 false, &answer);
    ck_assert_str_eq(buf_cstr(&answer.body), "path=/show tail= body=7 q=abcde first q=abcde");
    raw_answer_release(&answer);
    stop();
}
END_TEST

START_TEST(a_body_above_the_limit_is_413)
{
    start((struct http_server_options){.body_bytes_max = 1000});
    struct raw_answer answer;
    /* announced and small enough to be dropped: the connection lives on */
    int descriptor = raw_connect(port);
    char body[2000];
    memset(body, 'x', sizeof(body));
    raw_send_text(descriptor, "POST /show HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n");
    raw_send(descriptor, body, sizeof(body));
    raw_read_answer(descriptor, false, &answer);
    ck_assert_int_eq(answer.status, 413);
    raw_answer_release(&answer);
    raw_send_text(descriptor, "POST /show HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    raw_send(descriptor, body, 1000);
    raw_read_answer(descriptor, false, &answer);
    ck_assert_int_eq(answer.status, 200);
    raw_answer_release(&answer);
    /* in chunks, not announced */
    raw_send_text(descriptor, "POST /show HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "7d0\r\n");
    raw_send(descriptor, body, sizeof(body));
    raw_send_text(descriptor, "\r\n0\r\n\r\n");
    raw_read_answer(descriptor, false, &answer);
    ck_assert_int_eq(answer.status, 413);
    raw_answer_release(&answer);
    close(descriptor);
    /* announced and huge: answered before it is sent */
    descriptor = raw_connect(port);
    raw_send_text(descriptor, "POST /show HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                              "Content-Length: 99999999999\r\n\r\n");
    raw_read_answer(descriptor, false, &answer);
    ck_assert_int_eq(answer.status, 413);
    raw_answer_release(&answer);
    ck_assert(raw_is_closed(descriptor, 5000));
    close(descriptor);
    stop();
}
END_TEST

START_TEST(headers_and_urls_above_the_limit_are_refused)
{
    start((struct http_server_options){0});
    size_t size = 1 << 20;
    char *huge = malloc(size);
    memset(huge, 'a', size);
    static const char *const starts[] = {"GET /hello?", "GET /hello HTTP/1.1\r\nHost: x\r\nX-A: "};
    static const char *const ends[] = {" HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n"};
    for (int i = 0; i < 2; i++) {
        int descriptor = raw_connect(port);
        raw_send_text(descriptor, starts[i]);
        raw_send(descriptor, huge, size);
        raw_send_text(descriptor, ends[i]);
        struct raw_answer answer;
        raw_read_answer(descriptor, false, &answer);
        /* the answer may be lost when the rest of the request resets the connection */
        ck_assert_msg(answer.status == 0 || answer.status == 414 || answer.status == 431, "%d: %s",
                      i, buf_cstr(&answer.head));
        raw_answer_release(&answer);
        close(descriptor);
    }
    free(huge);
    expect("GET /hello HTTP/1.1", 200, "hello\n");
    stop();
}
END_TEST

START_TEST(a_url_of_20_kilobytes_is_served)
{
    start((struct http_server_options){0});
    struct buf request CLEANUP(buf_release);
    buf_init(&request, 1 << 20);
    buf_append_str(&request, "GET /show?q=");
    for (int i = 0; i < 20000; i++)
        buf_append_byte(&request, 'a');
    for (int i = 0; i < 200; i++)
        buf_append_str(&request, "&match[]=up");
    buf_append_str(&request, " HTTP/1.1\r\nHost: x\r\n\r\n");
    struct raw_answer answer;
    raw_exchange(port, buf_cstr(&request), false, &answer);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_uint_gt(answer.body.len, 20000);
    raw_answer_release(&answer);
    stop();
}
END_TEST

/* -- answers -- */

static void check_large(struct slice body)
{
    ck_assert_uint_eq(body.len, LARGE_SIZE);
    for (size_t i = 0; i < body.len; i++)
        if (body.ptr[i] != large_byte(i))
            ck_abort_msg("byte %zu is wrong", i);
}

START_TEST(large_answers_are_chunked_and_whole)
{
    start((struct http_server_options){0});
    struct raw_answer answer;
    raw_exchange(port, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", false, &answer);
    ck_assert(answer.chunked && answer.whole);
    check_large(buf_slice(&answer.body));
    raw_answer_release(&answer);
    raw_exchange(port, "GET /large_quick HTTP/1.1\r\nHost: x\r\n\r\n", false, &answer);
    ck_assert(!answer.chunked && answer.whole);
    check_large(buf_slice(&answer.body));
    raw_answer_release(&answer);
    /* an old client gets the end of the connection as the end of the body */
    raw_exchange(port, "GET /large HTTP/1.0\r\n\r\n", false, &answer);
    ck_assert(!answer.chunked && answer.whole);
    check_large(buf_slice(&answer.body));
    raw_answer_release(&answer);
    stop();
}
END_TEST

START_TEST(answers_are_compressed_when_asked)
{
    start((struct http_server_options){0});
    static const char *const paths[] = {"/large", "/large_quick"};
    for (int i = 0; i < 2; i++) {
        char request[200];
        snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br, gzip;q=0.8\r\n\r\n", paths[i]);
        struct raw_answer answer;
        raw_exchange(port, request, false, &answer);
        ck_assert(answer.whole);
        ck_assert_str_eq(raw_answer_header(&answer, "Content-Encoding"), "gzip");
        ck_assert_str_eq(raw_answer_header(&answer, "Vary"), "Accept-Encoding");
        ck_assert_uint_lt(answer.body.len, LARGE_SIZE / 4);
        struct buf plain CLEANUP(buf_release);
        buf_init(&plain, LARGE_SIZE);
        struct errbuf err = ERRBUF_INIT;
        ck_assert_msg(decompress_gzip(buf_slice(&answer.body), LARGE_SIZE, &plain, &err) ==
                          ERR_NONE,
                      "%s", err.text);
        check_large(buf_slice(&plain));
        raw_answer_release(&answer);
    }
    static const char hello[] = "GET /hello HTTP/1.1\r\nAccept-Encoding: ";
    static const char *const cases[][2] = {
        {"gzip", "gzip"},         {"deflate", "deflate"},     {"deflate,gzip", "deflate"},
        {"br", NULL},             {"gzip;q=0", NULL},         {"", NULL},
        {"xgzip, identity", NULL}, {" ,,;,gzip ; q=1", "gzip"}, {"gzip;q=0.000,deflate", "deflate"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char head[200];
        snprintf(head, sizeof(head), "%s%s", hello, cases[i][0]);
        expect_header(head, "Content-Encoding", cases[i][1]);
    }
    expect_header("GET /compressed HTTP/1.1\r\nAccept-Encoding: gzip", "Content-Encoding", "br");
    expect_header("GET /empty HTTP/1.1\r\nAccept-Encoding: gzip", "Content-Encoding", NULL);
    expect_header("GET /no_body HTTP/1.1\r\nAccept-Encoding: gzip", "Content-Length", "0");
    stop();
}
END_TEST

START_TEST(one_connection_serves_many_requests)
{
    start((struct http_server_options){0});
    int descriptor = raw_connect(port);
    for (int i = 0; i < 50; i++) {
        static const char *const paths[] = {"/hello", "/slow", "/large", "/nope", "/empty"};
        char request[100];
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i % 5]);
        raw_send_text(descriptor, request);
        struct raw_answer answer;
        raw_read_answer(descriptor, false, &answer);
        ck_assert(answer.whole);
        raw_answer_release(&answer);
    }
    raw_send_text(descriptor, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    ck_assert(raw_is_closed(descriptor, 5000));
    close(descriptor);
    stop();
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
    start((struct http_server_options){0});
    int descriptor = raw_connect(port);
    struct buf all CLEANUP(buf_release);
    buf_init(&all, 1 << 20);
    for (int i = 0; i < 100; i++)
        buf_printf(&all, "GET %s?q=%d HTTP/1.1\r\nHost: x\r\n\r\n",
                   i % 2 == 0 ? "/show" : "/api/v1/query", i);
    raw_send(descriptor, all.data, all.len);
    for (int i = 0; i < 100; i++) {
        struct raw_answer answer;
        raw_read_answer(descriptor, false, &answer);
        char expected[100];
        snprintf(expected, sizeof(expected), "path=%s tail= body=0 q=%d first q=%d",
                 i % 2 == 0 ? "/show" : "/api/v1/query", i, i);
        ck_assert_str_eq(buf_cstr(&answer.body), expected);
        raw_answer_release(&answer);
    }
    close(descriptor);
    stop();
}
END_TEST

START_TEST(events_arrive_as_they_are_flushed)
{
    start((struct http_server_options){0});
    int descriptor = raw_connect(port);
    raw_send_text(descriptor, "GET /events HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
    struct buf got CLEANUP(buf_release);
    buf_init(&got, 10000);
    while (slice_find(buf_slice(&got), SLICE("data: 1\n\n")) == SLICE_NONE) {
        char piece[1000];
        ssize_t len = recv(descriptor, piece, sizeof(piece), 0);
        ck_assert_int_gt(len, 0);
        buf_append(&got, piece, (size_t)len);
    }
    close(descriptor);
    wait_for(&blocked_canceled, 1);
    stop();
}
END_TEST

START_TEST(answers_are_observed)
{
    start((struct http_server_options){0});
    expect("GET /hello HTTP/1.1", 200, NULL);
    expect_observed(200, 6);
    expect("GET /nope HTTP/1.1", 404, NULL);
    expect_observed(404, 19);
    expect("GET /large HTTP/1.1", 200, NULL);
    expect_observed(200, LARGE_SIZE);
    stop();
}
END_TEST

/* -- clients that behave badly -- */

START_TEST(a_client_that_leaves_cancels_its_request)
{
    start((struct http_server_options){0});
    int descriptor = raw_connect(port);
    raw_send_text(descriptor, "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for(&blocked_started, 1);
    int64_t start_ms = now_ms();
    close(descriptor);
    wait_for(&blocked_canceled, 1);
    ck_assert_int_lt(now_ms() - start_ms, 500);
    stop();
}
END_TEST

START_TEST(a_client_that_closes_one_side_still_gets_its_answer)
{
    start((struct http_server_options){0});
    int descriptor = raw_connect(port);
    raw_send_text(descriptor, "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
    shutdown(descriptor, SHUT_WR);
    struct raw_answer answer;
    raw_read_answer(descriptor, false, &answer);
    ck_assert_int_eq(answer.status, 503);
    ck_assert_str_eq(buf_cstr(&answer.body), "canceled\n");
    raw_answer_release(&answer);
    close(descriptor);
    stop();
}
END_TEST

START_TEST(a_slow_reader_makes_the_writer_wait)
{
    start((struct http_server_options){0});
    int descriptor = raw_connect(port);
    int small = 65536;
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    raw_send_text(descriptor, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    /* until the writer stands still */
    size_t before;
    do {
        before = atomic_load(&large_written);
        usleep(200 * 1000);
    } while (before == 0 || atomic_load(&large_written) != before);
    ck_assert_uint_lt(atomic_load(&large_written), LARGE_SIZE);
    struct raw_answer answer;
    raw_read_answer(descriptor, false, &answer);
    ck_assert(answer.whole);
    check_large(buf_slice(&answer.body));
    raw_answer_release(&answer);
    close(descriptor);
    stop();
}
END_TEST

START_TEST(a_reader_that_leaves_ends_the_writer)
{
    start((struct http_server_options){0});
    int descriptor = raw_connect(port);
    int small = 4096;
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    raw_send_text(descriptor, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    while (atomic_load(&large_written) == 0)
        usleep(1000);
    close(descriptor);
    wait_for(&large_error, ERR_CANCELED);
    stop();
}
END_TEST

START_TEST(a_slow_header_is_cut_off)
{
    start((struct http_server_options){.header_timeout_ms = 300});
    int descriptor = raw_connect(port);
    int64_t start_ms = now_ms();
    static const char drip[] = "GET /hello HTTP/1.1\r\nX-Never-Ending: ";
    bool closed = false;
    for (size_t i = 0; !closed && now_ms() - start_ms < 10000; i++) {
        raw_send(descriptor, i < sizeof(drip) - 1 ? &drip[i] : "a", 1);
        closed = raw_is_closed(descriptor, 20);
    }
    ck_assert(closed);
    ck_assert_int_ge(now_ms() - start_ms, 300);
    ck_assert_int_lt(now_ms() - start_ms, 3000);
    close(descriptor);
    stop();
}
END_TEST

START_TEST(a_slow_second_header_is_cut_off_too)
{
    start((struct http_server_options){.header_timeout_ms = 300});
    int descriptor = raw_connect(port);
    raw_send_text(descriptor, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    struct raw_answer answer;
    raw_read_answer(descriptor, false, &answer);
    raw_answer_release(&answer);
    int64_t start_ms = now_ms();
    bool closed = false;
    while (!closed && now_ms() - start_ms < 10000) {
        raw_send(descriptor, "G", 1);
        closed = raw_is_closed(descriptor, 20);
    }
    ck_assert(closed);
    ck_assert_int_lt(now_ms() - start_ms, 3000);
    close(descriptor);
    stop();
}
END_TEST

START_TEST(a_slow_body_is_cut_off)
{
    start((struct http_server_options){.read_timeout_ms = 500});
    int descriptor = raw_connect(port);
    raw_send_text(descriptor, "POST /show HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    int64_t start_ms = now_ms();
    bool closed = false;
    while (!closed && now_ms() - start_ms < 10000) {
        raw_send(descriptor, "x", 1);
        closed = raw_is_closed(descriptor, 20);
    }
    ck_assert(closed);
    ck_assert_int_lt(now_ms() - start_ms, 3000);
    close(descriptor);
    stop();
}
END_TEST

START_TEST(an_idle_connection_outlives_the_header_deadline)
{
    start((struct http_server_options){.header_timeout_ms = 200});
    int fresh = raw_connect(port);
    int used = raw_connect(port);
    raw_send_text(used, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    struct raw_answer answer;
    raw_read_answer(used, false, &answer);
    raw_answer_release(&answer);
    ck_assert(!raw_is_closed(fresh, 1000));
    raw_send_text(used, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_read_answer(used, false, &answer);
    ck_assert_int_eq(answer.status, 200);
    raw_answer_release(&answer);
    close(fresh);
    close(used);
    stop();
}
END_TEST

/* A process that opens connections to the port that comes through `in`, says so, and holds them until `in`
 * is closed. It is started before the server, so that it has none of its descriptors. */
struct holder {
    int to;
    int from;
};

static void hold(int in, int out, int count)
{
    uint16_t target;
    char byte = 'r';
    if (read(in, &target, sizeof(target)) != sizeof(target))
        _exit(1);
    for (int i = 0; i < count; i++)
        raw_connect(target);
    if (write(out, &byte, 1) != 1 || read(in, &byte, 1) != 0)
        _exit(1);
    _exit(0);
}

static struct holder holder_start(int count)
{
    int to[2];
    int from[2];
    ck_assert_int_eq(pipe2(to, O_CLOEXEC) | pipe2(from, O_CLOEXEC), 0);
    if (fork() == 0) {
        close(to[1]);
        hold(to[0], from[1], count);
    }
    close(to[0]);
    close(from[1]);
    return (struct holder){to[1], from[0]};
}

START_TEST(idle_connections_lock_nobody_out)
{
    enum { HOLDERS = 3, EACH = 700 };
    struct rlimit limit = {.rlim_cur = 1000, .rlim_max = 1000};
    setrlimit(RLIMIT_NOFILE, &limit);
    struct holder holders[HOLDERS];
    for (int i = 0; i < HOLDERS; i++)
        holders[i] = holder_start(EACH);
    start((struct http_server_options){0});
    int used = raw_connect(port);
    for (int i = 0; i < HOLDERS; i++) {
        char byte;
        ck_assert_int_eq(write(holders[i].to, &port, sizeof(port)), sizeof(port));
        ck_assert_int_eq(read(holders[i].from, &byte, 1), 1);
        expect("GET /slow HTTP/1.1", 200, "hello\n");
    }
    for (int i = 0; i < 20; i++)
        expect(i % 2 == 0 ? "GET /hello HTTP/1.1" : "GET /slow HTTP/1.1", 200, "hello\n");
    /* it was the longest idle */
    ck_assert(raw_is_closed(used, 1000));
    close(used);
    /* each has the pipes of those before it, which keep them alive */
    for (int i = HOLDERS - 1; i >= 0; i--) {
        close(holders[i].to);
        wait(NULL);
    }
    stop();
}
END_TEST

START_TEST(requests_above_the_limit_are_503_and_quick_ones_are_served)
{
    start((struct http_server_options){.connections_max = 2, .worker_count_max = 2});
    int busy[8];
    for (int i = 0; i < 2; i++) {
        busy[i] = raw_connect(port);
        raw_send_text(busy[i], "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
        wait_for(&blocked_started, i + 1);
    }
    for (int i = 2; i < 8; i++) {
        busy[i] = raw_connect(port);
        raw_send_text(busy[i], "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    expect("GET /hello HTTP/1.1", 200, "hello\n");
    expect("GET /slow HTTP/1.1", 503, "Service Unavailable\n");
    for (int i = 0; i < 8; i++)
        close(busy[i]);
    wait_for(&blocked_canceled, 2);
    stop();
}
END_TEST

START_TEST(garbage_does_not_harm_the_server)
{
    start((struct http_server_options){0});
    static const char *const garbage[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /hello\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS hello",
        "GET /hello HTTP/9.9\r\n\r\n",
        "GET /hello HTTP/1.1\r\nContent-Length: -1\r\nHost: x\r\n\r\n",
        "POST /show HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\nHost: x\r\n\r\n",
        "POST /show HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /show HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "GET /hello HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
        "GET /hello HTTP/1.1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET hello HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT h:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
        int descriptor = raw_connect(port);
        raw_send_text(descriptor, garbage[i]);
        shutdown(descriptor, SHUT_WR);
        ck_assert_msg(raw_is_closed(descriptor, 5000), "%s", garbage[i]);
        close(descriptor);
    }
    expect("GET /hello HTTP/1.1", 200, "hello\n");
    stop();
}
END_TEST

/* -- start and stop -- */

START_TEST(a_port_in_use_is_told_as_go_does)
{
    start((struct http_server_options){0});
    char address[64];
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    const char *addresses[] = {address};
    struct http_server_options options = {.listen_addresses = addresses, .listen_address_count = 1};
    struct http_server *second;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(http_server_start(&options, routes, 1, &second, &err), ERR_IO);
    char expected[200];
    snprintf(expected, sizeof(expected), "listen tcp %s: bind: address already in use", address);
    ck_assert_str_eq(err.text, expected);
    static const char *const wrong[][2] = {
        {"localhost", "listen tcp: address localhost: missing port in address"},
        {"[::1]", "listen tcp: address [::1]: missing port in address"},
        {"::1:80", "listen tcp: address ::1:80: too many colons in address"},
        {"127.0.0.1:nope", "listen tcp: lookup tcp/nope: unknown port"},
        {"192.0.2.1:0", "listen tcp 192.0.2.1:0: bind: cannot assign requested address"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        addresses[0] = wrong[i][0];
        ck_assert_int_ne(http_server_start(&options, routes, 1, &second, &err), ERR_NONE);
        ck_assert_str_eq(err.text, wrong[i][1]);
    }
    stop();
}
END_TEST

START_TEST(several_addresses_are_listened_on)
{
    static const char *const addresses[] = {":0", "localhost:0", "0.0.0.0:0"};
    struct http_server_options options = {.listen_addresses = addresses, .listen_address_count = 3};
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(http_server_start(&options, routes, ARRAY_SIZE(routes), &server, &err),
                     ERR_NONE);
    for (size_t i = 0; i < 3; i += 2) {
        port = http_server_port(server, i);
        expect("GET /slow HTTP/1.1", 200, "hello\n");
    }
    stop();
}
END_TEST

START_TEST(stopping_cancels_what_runs_and_answers_it)
{
    start((struct http_server_options){0});
    int idle = raw_connect(port);
    int busy = raw_connect(port);
    raw_send_text(busy, "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_for(&blocked_started, 1);
    int64_t start_ms = now_ms();
    stop();
    ck_assert_int_lt(now_ms() - start_ms, 2000);
    struct raw_answer answer;
    raw_read_answer(busy, false, &answer);
    ck_assert_int_eq(answer.status, 503);
    ck_assert_str_eq(raw_answer_header(&answer, "Connection"), "close");
    raw_answer_release(&answer);
    ck_assert(raw_is_closed(idle, 1000));
    close(idle);
    close(busy);
}
END_TEST

START_TEST(stopping_does_not_wait_for_a_reader_that_stands_still)
{
    start((struct http_server_options){0});
    int descriptor = raw_connect(port);
    raw_send_text(descriptor, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    while (atomic_load(&large_written) == 0)
        usleep(1000);
    int64_t start_ms = now_ms();
    http_server_stop(server, 100);
    ck_assert_int_lt(now_ms() - start_ms, 3000);
    close(descriptor);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_server");
    TCase *tcase = tcase_create("http_server");
    tcase_set_timeout(tcase, 120);
    TCase *crowd = tcase_create("crowd");
    tcase_set_timeout(crowd, 120);
    tcase_add_test(tcase, routes_are_exact_or_have_a_star);
    tcase_add_test(tcase, other_methods_answer_405_with_allow);
    tcase_add_test(tcase, head_has_the_headers_of_get_and_no_body);
    tcase_add_test(tcase, options_and_origin_get_cors_headers_under_api);
    tcase_add_test(tcase, other_spellings_of_a_path_are_redirected);
    tcase_add_test(tcase, the_route_prefix_is_stripped_and_others_are_not_found);
    tcase_add_test(tcase, who_is_not_admitted_reaches_no_route);
    tcase_add_test(tcase, form_parameters_come_before_those_of_the_url);
    tcase_add_test(tcase, a_chunked_request_body_is_read);
    tcase_add_test(tcase, a_body_above_the_limit_is_413);
    tcase_add_test(tcase, headers_and_urls_above_the_limit_are_refused);
    tcase_add_test(tcase, a_url_of_20_kilobytes_is_served);
    tcase_add_test(tcase, large_answers_are_chunked_and_whole);
    tcase_add_test(tcase, answers_are_compressed_when_asked);
    tcase_add_test(tcase, one_connection_serves_many_requests);
    tcase_add_test(tcase, pipelined_requests_are_answered_in_order);
    tcase_add_test(tcase, events_arrive_as_they_are_flushed);
    tcase_add_test(tcase, answers_are_observed);
    tcase_add_test(tcase, a_client_that_leaves_cancels_its_request);
    tcase_add_test(tcase, a_client_that_closes_one_side_still_gets_its_answer);
    tcase_add_test(tcase, a_slow_reader_makes_the_writer_wait);
    tcase_add_test(tcase, a_reader_that_leaves_ends_the_writer);
    tcase_add_test(tcase, a_slow_header_is_cut_off);
    tcase_add_test(tcase, a_slow_second_header_is_cut_off_too);
    tcase_add_test(tcase, a_slow_body_is_cut_off);
    tcase_add_test(tcase, an_idle_connection_outlives_the_header_deadline);
    tcase_add_test(crowd, idle_connections_lock_nobody_out);
    tcase_add_test(tcase, requests_above_the_limit_are_503_and_quick_ones_are_served);
    tcase_add_test(tcase, garbage_does_not_harm_the_server);
    tcase_add_test(tcase, a_port_in_use_is_told_as_go_does);
    tcase_add_test(tcase, several_addresses_are_listened_on);
    tcase_add_test(tcase, stopping_cancels_what_runs_and_answers_it);
    tcase_add_test(tcase, stopping_does_not_wait_for_a_reader_that_stands_still);
    suite_add_tcase(suite, tcase);
    suite_add_tcase(suite, crowd);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
