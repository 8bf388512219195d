/* Handlers that show what they were given, write much, or wait until they are canceled. */
#include "support/server_fixture.h"

#include <check.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/raw_socket.h"

/* -- handlers -- */

static void handle_hello(struct http_request *request, struct http_response *response,
                         void *context)
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

char fixture_large_byte(size_t i)
{
    return (char)('a' + (i * 7 + i / 1000) % 26);
}

static void handle_large(struct http_request *request, struct http_response *response,
                         void *context)
{
    char piece[10000];
    http_response_header(response, "Content-Type", "text/plain");
    atomic_store(&fixture.large_written, 0);
    for (size_t i = 0; i < FIXTURE_LARGE_SIZE;) {
        size_t len = MIN(sizeof(piece), FIXTURE_LARGE_SIZE - i);
        for (size_t k = 0; k < len; k++)
            piece[k] = fixture_large_byte(i + k);
        enum err failed = http_response_write(response, slice_from(piece, len));
        if (failed != ERR_NONE) {
            atomic_store(&fixture.large_error, failed);
            return;
        }
        i += len;
        atomic_store(&fixture.large_written, i);
    }
}

/* Works until it is canceled. */
static void handle_block(struct http_request *request, struct http_response *response,
                         void *context)
{
    atomic_fetch_add(&fixture.blocked_started, 1);
    while (!atomic_load(request->canceled))
        usleep(1000);
    atomic_fetch_add(&fixture.blocked_canceled, 1);
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

static void handle_empty(struct http_request *request, struct http_response *response,
                         void *context)
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
    {.path = "/api/v1/query",
     .methods = HTTP_GET | HTTP_POST,
     .slow = true,
     .handler = handle_show},
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

const struct http_route *const fixture_routes = routes;
const size_t fixture_route_count = ARRAY_SIZE(routes);
struct server_fixture fixture;

static void observe(const char *route, const struct http_request *request, unsigned status,
                    int64_t duration_ns, size_t body_bytes, void *context)
{
    atomic_store(&fixture.observed_status, (int)status);
    atomic_store(&fixture.observed_bytes, body_bytes);
}

static bool admit(struct http_request *request, struct http_response *response, void *context)
{
    if (!atomic_load(&fixture.refuse_all))
        return true;
    http_response_text(response, 401, "text/plain", SLICE("Unauthorized\n"));
    return false;
}

void fixture_start(struct http_server_options options)
{
    static const char *const addresses[] = {"127.0.0.1:0"};
    options.listen_addresses = addresses;
    options.listen_address_count = 1;
    options.observe = observe;
    options.admit = admit;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(http_server_start(&options, routes, ARRAY_SIZE(routes), &fixture.server, &err) ==
                      ERR_NONE,
                  "%s", err.text);
    fixture.port = http_server_port(fixture.server, 0);
}

void fixture_stop(void)
{
    http_server_stop(fixture.server, FIXTURE_GRACE_MS);
}

int64_t fixture_now_ms(void)
{
    return clock_monotonic_ns(clock_system) / 1000000;
}

void fixture_wait_for(atomic_int *counter, int value)
{
    int64_t deadline_ms = fixture_now_ms() + FIXTURE_PATIENCE_MS;
    while (atomic_load(counter) < value && fixture_now_ms() < deadline_ms)
        usleep(1000);
    ck_assert_int_ge(atomic_load(counter), value);
}

/* The body of the answer to a request line (and header lines). */
void fixture_expect(const char *request_head, int status, const char *body)
{
    char request[8192];
    snprintf(request, sizeof(request), "%s\r\nHost: x\r\n\r\n", request_head);
    struct raw_answer answer;
    raw_exchange(fixture.port, request, false, &answer);
    ck_assert_msg(answer.status == status, "%s: %s", request_head, buf_cstr(&answer.head));
    if (body != NULL)
        ck_assert_str_eq(buf_cstr(&answer.body), body);
    ck_assert(answer.whole);
    raw_answer_release(&answer);
}

/* A worker tells it after the client may have read the answer. */
void fixture_expect_observed(int status, size_t bytes)
{
    int64_t deadline_ms = fixture_now_ms() + FIXTURE_PATIENCE_MS;
    while (atomic_load(&fixture.observed_bytes) != bytes && fixture_now_ms() < deadline_ms)
        usleep(1000);
    ck_assert_uint_eq(atomic_load(&fixture.observed_bytes), bytes);
    ck_assert_int_eq(atomic_load(&fixture.observed_status), status);
}

void fixture_expect_header(const char *request_head, const char *name, const char *value)
{
    char request[8192];
    snprintf(request, sizeof(request), "%s\r\nHost: x\r\n\r\n", request_head);
    struct raw_answer answer;
    raw_exchange(fixture.port, request, strncmp(request, "HEAD", 4) == 0, &answer);
    const char *found = raw_answer_header(&answer, name);
    ck_assert_msg((found == NULL) == (value == NULL), "%s: %s", request_head,
                  buf_cstr(&answer.head));
    if (value != NULL)
        ck_assert_str_eq(found, value);
    raw_answer_release(&answer);
}

void fixture_check_large(struct slice body)
{
    ck_assert_uint_eq(body.len, FIXTURE_LARGE_SIZE);
    for (size_t i = 0; i < body.len; i++)
        if (body.ptr[i] != fixture_large_byte(i))
            ck_abort_msg("byte %zu is wrong", i);
}
