/* The client against servers that misbehave in every way, and against our own. */
#include "net/http_client.h"

#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "net/http_server.h"
#include "support/fake_server.h"

/* A step of the loop may take so long, so one that sleeps over an event is far from SOON_MS. */
#define LOOP_WAIT_MS 30000
#define SOON_MS 20000
#define ANSWER_TIMEOUT_MS 60000
#define PATIENCE_MS 100000
/* Of requests that are to end by it; on a busy machine a header takes its time, too. */
#define HOLD_TIMEOUT_MS 1000

/* -- a request and what came of it -- */

struct outcome {
    int done_count;
    enum err error;
    char error_text[512];
    long status;
    char status_text[64];
    char content_type[64];
    char content_encoding[64];
    char retry_after[64];
    struct buf body;
};

static void copy_slice(char *out, size_t size, struct slice text)
{
    snprintf(out, size, "%.*s", SLICE_ARG(text));
}

static void on_done(const struct http_client_response *response, void *context)
{
    struct outcome *outcome = context;
    outcome->done_count++;
    outcome->error = response->error;
    outcome->status = response->status;
    snprintf(outcome->error_text, sizeof(outcome->error_text), "%s", response->error_text);
    snprintf(outcome->status_text, sizeof(outcome->status_text), "%s", response->status_text);
    copy_slice(outcome->content_type, sizeof(outcome->content_type), response->content_type);
    copy_slice(outcome->content_encoding, sizeof(outcome->content_encoding),
               response->content_encoding);
    copy_slice(outcome->retry_after, sizeof(outcome->retry_after), response->retry_after);
    buf_init(&outcome->body, (size_t)1 << 30);
    buf_append_slice(&outcome->body, response->body);
}

static struct http_client *client;

static int64_t milliseconds_since(int64_t start_ns)
{
    return (clock_monotonic_ns(clock_system) - start_ns) / 1000000;
}

static void run_until_done(const struct outcome *outcome)
{
    int64_t start_ns = clock_monotonic_ns(clock_system);
    while (outcome->done_count == 0 && milliseconds_since(start_ns) < PATIENCE_MS)
        http_client_run(client, LOOP_WAIT_MS);
    ck_assert_int_eq(outcome->done_count, 1);
}

static void fetch(struct http_client_request request, struct outcome *outcome)
{
    *outcome = (struct outcome){0};
    request.method = request.method == NULL ? "GET" : request.method;
    request.timeout_ms = request.timeout_ms == 0 ? ANSWER_TIMEOUT_MS : request.timeout_ms;
    request.done = on_done;
    request.context = outcome;
    http_client_start(client, &request);
    run_until_done(outcome);
}

static void fetch_from(struct fake_server *fake, struct outcome *outcome)
{
    char url[100];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/metrics", fake->port);
    int64_t timeout_ms = fake->end == FAKE_HOLD ? HOLD_TIMEOUT_MS : 0;
    fetch((struct http_client_request){.url = url, .timeout_ms = timeout_ms}, outcome);
}

static void setup(void)
{
    client = http_client_new();
}

static void teardown(void)
{
    http_client_free(client);
}

START_TEST(an_answer_comes_whole_with_its_headers)
{
    struct fake_server fake;
    fake_server_start(
        &fake,
        "HTTP/1.1 404 Not Here\r\ncontent-TYPE:  text/plain; version=0.0.4 \r\n"
        "Content-Encoding: gzip\r\nRetry-After: 7\r\nX: y\r\nContent-Length: 5\r\n\r\nhello",
        FAKE_CLOSE);
    struct outcome outcome;
    fetch_from(&fake, &outcome);
    ck_assert_int_eq(outcome.error, ERR_NONE);
    ck_assert_int_eq(outcome.status, 404);
    ck_assert_str_eq(outcome.status_text, "404 Not Here");
    ck_assert_str_eq(outcome.content_type, "text/plain; version=0.0.4");
    ck_assert_str_eq(outcome.content_encoding, "gzip");
    ck_assert_str_eq(outcome.retry_after, "7");
    ck_assert_str_eq(buf_cstr(&outcome.body), "hello");
    buf_release(&outcome.body);
    fake_server_stop(&fake);
    /* the next answer does not inherit them */
    fake_server_start(&fake, "HTTP/1.1 503\r\n\r\n", FAKE_CLOSE);
    fetch_from(&fake, &outcome);
    ck_assert_str_eq(outcome.status_text, "503 Service Unavailable");
    ck_assert_str_eq(outcome.content_type, "");
    ck_assert_str_eq(outcome.retry_after, "");
    ck_assert_uint_eq(outcome.body.len, 0);
    buf_release(&outcome.body);
    fake_server_stop(&fake);
}
END_TEST

START_TEST(failures_are_told_in_the_words_of_the_reference)
{
    static const struct {
        const char *answer;
        enum fake_server_end end;
        enum err error;
        const char *text; /* U = Get "URL":  */
    } cases[] = {
        {"", FAKE_CLOSE, ERR_IO, "U EOF"},
        {"", FAKE_HOLD, ERR_TIMEOUT, "U context deadline exceeded"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na 1\n", FAKE_CLOSE, ERR_IO,
         "unexpected EOF"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\na 1\n", FAKE_CLOSE, ERR_IO,
         "unexpected EOF"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na 1\n", FAKE_HOLD, ERR_TIMEOUT,
         "context deadline exceeded"},
        {"garbage\r\n\r\n", FAKE_CLOSE, ERR_IO,
         "U net/http: HTTP/1.x transport connection broken: malformed HTTP response"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fake_server fake;
        fake_server_start(&fake, cases[i].answer, cases[i].end);
        struct outcome outcome;
        fetch_from(&fake, &outcome);
        char expected[300];
        if (cases[i].text[0] == 'U')
            snprintf(expected, sizeof(expected), "Get \"http://127.0.0.1:%u/metrics\":%s",
                     fake.port, cases[i].text + 1);
        else
            snprintf(expected, sizeof(expected), "%s", cases[i].text);
        ck_assert_str_eq(outcome.error_text, expected);
        ck_assert_int_eq(outcome.error, cases[i].error);
        buf_release(&outcome.body);
        fake_server_stop(&fake);
    }
}
END_TEST

START_TEST(a_reset_names_both_ends)
{
    struct fake_server fake;
    fake_server_start(&fake, "", FAKE_RESET);
    struct outcome outcome;
    fetch_from(&fake, &outcome);
    char end[200];
    snprintf(end, sizeof(end), "->127.0.0.1:%u: read: connection reset by peer", fake.port);
    ck_assert_ptr_nonnull(strstr(outcome.error_text, "read tcp 127.0.0.1:"));
    ck_assert_msg(strstr(outcome.error_text, end) != NULL, "%s", outcome.error_text);
    buf_release(&outcome.body);
    fake_server_stop(&fake);
}
END_TEST

static bool has_ipv6(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int descriptor = socket(AF_INET6, SOCK_STREAM, 0);
    bool bound = bind(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(descriptor);
    return bound;
}

START_TEST(who_cannot_be_reached_is_named)
{
    static const char *const cases[][2] = {
        {"http://127.0.0.1:1/metrics",
         "Get \"http://127.0.0.1:1/metrics\": dial tcp 127.0.0.1:1: connect: connection refused"},
        {"http://[::1]:1/",
         "Get \"http://[::1]:1/\": dial tcp [::1]:1: connect: connection refused"},
        {"https://127.0.0.1:1/",
         "Get \"https://127.0.0.1:1/\": dial tcp 127.0.0.1:1: connect: connection refused"},
        {"http://u:secret@127.0.0.1:1/",
         "Get \"http://u:***@127.0.0.1:1/\": dial tcp 127.0.0.1:1: connect: connection refused"},
        {"http://nosuch.invalid/metrics",
         "Get \"http://nosuch.invalid/metrics\": dial tcp: lookup nosuch.invalid: no such host"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (strstr(cases[i][0], "[::1]") != NULL && !has_ipv6())
            continue;
        struct outcome outcome;
        fetch((struct http_client_request){.url = cases[i][0]}, &outcome);
        ck_assert_str_eq(outcome.error_text, cases[i][1]);
        ck_assert_int_eq(outcome.error, ERR_IO);
        buf_release(&outcome.body);
    }
}
END_TEST

START_TEST(other_schemes_are_not_followed)
{
    static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1:1/", "gopher://x/"};
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        struct outcome outcome;
        fetch((struct http_client_request){.url = urls[i]}, &outcome);
        ck_assert_int_eq(outcome.error, ERR_IO);
        ck_assert_uint_eq(outcome.body.len, 0);
        buf_release(&outcome.body);
    }
}
END_TEST

START_TEST(a_missing_certificate_file_is_named)
{
    struct http_client_profile profile = {.ca_file = SLICE("/nowhere/ca.pem")};
    struct outcome outcome;
    fetch((struct http_client_request){.url = "https://127.0.0.1:1/", .profile = &profile},
          &outcome);
    buf_release(&outcome.body);
    ck_assert_str_eq(outcome.error_text,
                     "Get \"https://127.0.0.1:1/\": unable to load specified CA cert "
                     "/nowhere/ca.pem: open /nowhere/ca.pem: no such file or directory");
}
END_TEST

START_TEST(a_body_above_the_limit_is_refused)
{
    struct fake_server fake;
    fake_server_start(&fake, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", FAKE_CLOSE);
    char url[100];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", fake.port);
    struct outcome outcome;
    fetch((struct http_client_request){.url = url, .body_size_max = 9}, &outcome);
    ck_assert_int_eq(outcome.error, ERR_LIMIT);
    ck_assert_str_eq(outcome.error_text, "body size limit exceeded");
    buf_release(&outcome.body);
    fetch((struct http_client_request){.url = url, .body_size_max = 10}, &outcome);
    ck_assert_int_eq(outcome.error, ERR_NONE);
    ck_assert_uint_eq(outcome.body.len, 10);
    buf_release(&outcome.body);
    fake_server_stop(&fake);
}
END_TEST

START_TEST(a_connection_is_used_again_and_replaced_when_it_is_gone)
{
    struct fake_server fake;
    fake_server_start(&fake, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", FAKE_KEEP);
    struct outcome outcome;
    for (int i = 0; i < 5; i++) {
        fetch_from(&fake, &outcome);
        ck_assert_int_eq(outcome.error, ERR_NONE);
        buf_release(&outcome.body);
    }
    ck_assert_int_eq(atomic_load(&fake.connections), 1);
    ck_assert_int_eq(atomic_load(&fake.requests), 5);
    http_client_free(client);
    client = http_client_new();
    fake_server_stop(&fake);
    /* the server closes after each answer without saying so */
    fake_server_start(&fake, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", FAKE_CLOSE);
    for (int i = 0; i < 20; i++) {
        fetch_from(&fake, &outcome);
        ck_assert_msg(outcome.error == ERR_NONE, "%s", outcome.error_text);
        buf_release(&outcome.body);
    }
    fake_server_stop(&fake);
}
END_TEST

static bool sent(struct fake_server *fake, const char *line)
{
    MUTEX_GUARD(&fake->lock);
    return strstr(fake->last_request, line) != NULL;
}

START_TEST(only_the_given_headers_are_sent)
{
    struct fake_server fake;
    fake_server_start(&fake, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FAKE_CLOSE);
    char url[100];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/x?y=z", fake.port);
    char file[] = "/tmp/test_http_client_XXXXXX";
    int descriptor = mkstemp(file);
    ck_assert_int_eq(write(descriptor, " token \n", 8), 8);
    close(descriptor);
    const struct http_client_header profile_headers[] = {
        {.name = SLICE("X-Profile"), .value = SLICE("p")},
        {.name = SLICE("X-File"), .value_file = slice_str(file)},
    };
    struct http_client_profile profile = {
        .username = SLICE("Aladdin"),
        .password = SLICE("open sesame"),
        .headers = profile_headers,
        .header_count = 2,
    };
    const struct http_client_header headers[] = {
        {.name = SLICE("Accept"), .value = SLICE("text/plain")},
        {.name = SLICE("X-Empty"), .value = SLICE("")},
    };
    struct outcome outcome;
    fetch(
        (struct http_client_request){
            .url = url, .profile = &profile, .headers = headers, .header_count = 2},
        &outcome);
    buf_release(&outcome.body);
    char expected[500];
    snprintf(expected, sizeof(expected),
             "GET /x?y=z HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: text/plain\r\nX-Empty:\r\n"
             "X-Profile: p\r\nX-File: token\r\n"
             "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
             fake.port);
    mutex_lock(&fake.lock);
    ck_assert_str_eq(fake.last_request, expected);
    mutex_unlock(&fake.lock);

    profile = (struct http_client_profile){.credentials_file = slice_str(file)};
    fetch((struct http_client_request){.url = url, .profile = &profile}, &outcome);
    buf_release(&outcome.body);
    ck_assert(sent(&fake, "Authorization: Bearer token\r\n"));
    ck_assert(!sent(&fake, "Accept"));
    /* read at each request: the file is gone now */
    unlink(file);
    fetch((struct http_client_request){.url = url, .profile = &profile}, &outcome);
    buf_release(&outcome.body);
    snprintf(expected, sizeof(expected),
             "Get \"%s\": unable to read authorization credentials: unable to read file %s: open "
             "%s: no such file or directory",
             url, file, file);
    ck_assert_str_eq(outcome.error_text, expected);
    profile = (struct http_client_profile){.username = SLICE("u"), .password = SLICE("")};
    fetch((struct http_client_request){.url = url, .profile = &profile}, &outcome);
    buf_release(&outcome.body);
    ck_assert(sent(&fake, "Authorization: Basic dTo=\r\n"));
    const struct http_client_header evil = {.name = SLICE("X"), .value = SLICE("a\r\nY: b")};
    fetch((struct http_client_request){.url = url, .headers = &evil, .header_count = 1}, &outcome);
    buf_release(&outcome.body);
    ck_assert_int_eq(outcome.error, ERR_INVALID);
    fake_server_stop(&fake);
}
END_TEST

START_TEST(a_body_is_posted)
{
    struct fake_server fake;
    fake_server_start(&fake, "HTTP/1.1 204 No Content\r\n\r\n", FAKE_CLOSE);
    char url[100];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", fake.port);
    const struct http_client_header header = {.name = SLICE("Content-Type"),
                                              .value = SLICE("application/json")};
    struct outcome outcome;
    fetch((struct http_client_request){.method = "POST",
                                       .url = url,
                                       .headers = &header,
                                       .header_count = 1,
                                       .body = SLICE("{\"a\":1}")},
          &outcome);
    ck_assert_int_eq(outcome.status, 204);
    buf_release(&outcome.body);
    ck_assert(sent(&fake, "POST / HTTP/1.1\r\n"));
    ck_assert(sent(&fake, "Content-Length: 7\r\n"));
    ck_assert(sent(&fake, "Content-Type: application/json\r\n"));
    ck_assert(!sent(&fake, "Expect"));
    /* the same handle with a GET again */
    fetch((struct http_client_request){.url = url}, &outcome);
    buf_release(&outcome.body);
    ck_assert(sent(&fake, "GET / HTTP/1.1\r\n"));
    ck_assert(!sent(&fake, "Content-Length"));
    fetch((struct http_client_request){.method = "HEAD", .url = url}, &outcome);
    buf_release(&outcome.body);
    ck_assert(sent(&fake, "HEAD / HTTP/1.1\r\n"));
    fetch((struct http_client_request){.method = "PUT", .url = url, .body = SLICE("x")}, &outcome);
    buf_release(&outcome.body);
    ck_assert(sent(&fake, "PUT / HTTP/1.1\r\n"));
    fake_server_stop(&fake);
}
END_TEST

/* -- redirects -- */

static void fetch_redirected(struct fake_server *from, const char *location,
                             const char *status_line, bool follow, const char *method,
                             struct outcome *outcome)
{
    static char answer[500];
    static const struct http_client_header secret = {.name = SLICE("X-Secret"),
                                                     .value = SLICE("s")};
    static const struct http_client_header own = {.name = SLICE("X-Own"), .value = SLICE("o")};
    mutex_lock(&from->lock);
    snprintf(answer, sizeof(answer), "HTTP/1.1 %s\r\nLocation: %s\r\nContent-Length: 3\r\n\r\nxyz",
             status_line, location);
    from->answer = answer;
    mutex_unlock(&from->lock);
    struct http_client_profile profile = {
        .credentials = SLICE("token"),
        .headers = &secret,
        .header_count = 1,
        .follow_redirects = follow,
    };
    char url[100];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/from", from->port);
    fetch((struct http_client_request){.method = method,
                                       .url = url,
                                       .profile = &profile,
                                       .headers = &own,
                                       .header_count = 1,
                                       .body =
                                           strcmp(method, "POST") == 0 ? SLICE("b") : SLICE_EMPTY},
          outcome);
    buf_release(&outcome->body);
}

START_TEST(redirects_are_followed_without_telling_secrets_to_others)
{
    struct fake_server from;
    struct fake_server to;
    struct outcome outcome;
    char location[100];
    fake_server_start(&from, "", FAKE_CLOSE);
    fake_server_start(&to, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", FAKE_CLOSE);
    snprintf(location, sizeof(location), "http://127.0.0.1:%u/to", to.port);
    fetch_redirected(&from, location, "302 Found", true, "GET", &outcome);
    ck_assert_int_eq(outcome.status, 200);
    ck_assert(sent(&to, "GET /to HTTP/1.1\r\n"));
    ck_assert(sent(&to, "Authorization: Bearer token\r\n"));
    ck_assert(sent(&to, "X-Secret: s\r\n"));
    /* another name, though it is the same machine */
    snprintf(location, sizeof(location), "http://localhost:%u/to", to.port);
    fetch_redirected(&from, location, "302 Found", true, "GET", &outcome);
    ck_assert_int_eq(outcome.status, 200);
    ck_assert(!sent(&to, "Authorization"));
    ck_assert(!sent(&to, "X-Secret"));
    ck_assert(sent(&to, "X-Own: o\r\n"));
    fetch_redirected(&from, location, "301 Moved", true, "POST", &outcome);
    ck_assert(sent(&to, "GET /to HTTP/1.1\r\n"));
    fetch_redirected(&from, location, "307 Temporary Redirect", true, "POST", &outcome);
    ck_assert(sent(&to, "POST /to HTTP/1.1\r\n"));
    fetch_redirected(&from, location, "302 Found", false, "GET", &outcome);
    ck_assert_int_eq(outcome.status, 302);
    ck_assert_int_eq(outcome.error, ERR_NONE);
    fake_server_stop(&from);
    fake_server_stop(&to);
}
END_TEST

START_TEST(redirects_end_after_ten_requests_and_at_other_schemes)
{
    struct fake_server from;
    struct outcome outcome;
    fake_server_start(&from, "", FAKE_CLOSE);
    fetch_redirected(&from, "/again", "302 Found", true, "GET", &outcome);
    ck_assert_str_eq(outcome.error_text, "Get \"/again\": stopped after 10 redirects");
    ck_assert_int_eq(atomic_load(&from.requests), 10);
    fetch_redirected(&from, "file:///etc/passwd", "302 Found", true, "GET", &outcome);
    ck_assert_str_eq(outcome.error_text,
                     "Get \"file:///etc/passwd\": unsupported protocol scheme \"file\"");
    fake_server_stop(&from);
}
END_TEST

START_TEST(the_timeout_spans_all_redirects)
{
    struct fake_server from;
    struct fake_server slow;
    fake_server_start(&slow, "", FAKE_HOLD);
    char answer[200];
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/\r\nContent-Length: 0\r\n\r\n",
             slow.port);
    fake_server_start(&from, answer, FAKE_CLOSE);
    char url[100];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", from.port);
    struct http_client_profile profile = {.follow_redirects = true};
    struct outcome outcome;
    int64_t start_ns = clock_monotonic_ns(clock_system);
    fetch((struct http_client_request){.url = url, .profile = &profile, .timeout_ms = 300},
          &outcome);
    ck_assert_int_eq(outcome.error, ERR_TIMEOUT);
    ck_assert_int_lt(milliseconds_since(start_ns), SOON_MS);
    buf_release(&outcome.body);
    fake_server_stop(&from);
    fake_server_stop(&slow);
}
END_TEST

/* -- proxies and Unix sockets -- */

START_TEST(a_proxy_is_used_only_when_asked_for)
{
    struct fake_server proxy;
    fake_server_start(&proxy, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", FAKE_CLOSE);
    char proxy_url[100];
    snprintf(proxy_url, sizeof(proxy_url), "http://127.0.0.1:%u", proxy.port);
    setenv("http_proxy", proxy_url, 1);
    setenv("HTTP_PROXY", proxy_url, 1);
    setenv("ALL_PROXY", proxy_url, 1);
    struct outcome outcome;
    static const char url[] = "http://192.0.2.1:9/metrics";
    struct http_client_profile profile = {.proxy_url = slice_str(proxy_url)};
    fetch((struct http_client_request){.url = "http://127.0.0.1:1/"}, &outcome);
    buf_release(&outcome.body);
    ck_assert_int_eq(outcome.error, ERR_IO);
    ck_assert_int_eq(atomic_load(&proxy.requests), 0);
    fetch((struct http_client_request){.url = url, .profile = &profile}, &outcome);
    buf_release(&outcome.body);
    ck_assert_int_eq(outcome.status, 200);
    ck_assert(sent(&proxy, "GET http://192.0.2.1:9/metrics HTTP/1.1\r\n"));
    profile = (struct http_client_profile){.proxy_from_environment = true};
    fetch((struct http_client_request){.url = url, .profile = &profile}, &outcome);
    buf_release(&outcome.body);
    ck_assert_int_eq(atomic_load(&proxy.requests), 2);
    profile = (struct http_client_profile){.proxy_url = slice_str(proxy_url),
                                           .no_proxy = SLICE("127.0.0.1")};
    fetch((struct http_client_request){.url = "http://127.0.0.1:1/", .profile = &profile},
          &outcome);
    buf_release(&outcome.body);
    ck_assert_int_eq(atomic_load(&proxy.requests), 2);
    profile = (struct http_client_profile){.proxy_url = SLICE("http://127.0.0.1:1")};
    fetch((struct http_client_request){.url = url, .profile = &profile}, &outcome);
    buf_release(&outcome.body);
    ck_assert_str_eq(outcome.error_text,
                     "Get \"http://192.0.2.1:9/metrics\": proxyconnect tcp: dial tcp 127.0.0.1:1: "
                     "connect: connection refused");
    fake_server_stop(&proxy);
}
END_TEST

START_TEST(a_unix_socket_is_used)
{
    struct outcome outcome;
    fetch((struct http_client_request){.url = "http://docker/x", .unix_socket = "/nowhere.sock"},
          &outcome);
    buf_release(&outcome.body);
    ck_assert_str_eq(outcome.error_text,
                     "Get \"http://docker/x\": dial unix /nowhere.sock: connect: no such file or "
                     "directory");
    struct fake_server fake = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
    mutex_init(&fake.lock, LOCK_RANK_SYMBOLS);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/test_http_client_%d.sock", getpid());
    fake.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fake.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(fake.listener, 1), 0);
    thread_start(&fake.thread, "fake", fake_server_run, &fake);
    fetch((struct http_client_request){.url = "http://docker/x", .unix_socket = address.sun_path},
          &outcome);
    buf_release(&outcome.body);
    ck_assert_int_eq(outcome.status, 200);
    fake_server_stop(&fake);
    unlink(address.sun_path);
}
END_TEST

/* -- many at once -- */

START_TEST(a_transfer_can_be_canceled)
{
    struct fake_server fake;
    fake_server_start(&fake, "", FAKE_HOLD);
    char url[100];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", fake.port);
    struct outcome outcome = {0};
    struct http_client_request request = {
        .method = "GET", .url = url, .timeout_ms = 10000, .done = on_done, .context = &outcome};
    struct http_transfer *transfer = http_client_start(client, &request);
    ck_assert_uint_eq(http_client_active(client), 1);
    while (atomic_load(&fake.requests) == 0)
        http_client_run(client, 10);
    http_client_cancel(client, transfer);
    ck_assert_uint_eq(http_client_active(client), 0);
    http_client_run(client, 10);
    ck_assert_int_eq(outcome.done_count, 0);
    /* one that runs when the client is freed */
    http_client_start(client, &request);
    http_client_run(client, 10);
    http_client_free(client);
    client = http_client_new();
    fake_server_stop(&fake);
}
END_TEST

START_TEST(an_answer_that_comes_at_once_is_not_waited_for)
{
    struct fake_server fake;
    fake_server_start(&fake, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", FAKE_KEEP);
    int64_t start_ns = clock_monotonic_ns(clock_system);
    for (int i = 0; i < 200; i++) {
        struct outcome outcome;
        fetch_from(&fake, &outcome);
        ck_assert_int_eq(outcome.error, ERR_NONE);
        buf_release(&outcome.body);
    }
    /* the loop is willing to wait for longer each time */
    ck_assert_int_lt(milliseconds_since(start_ns), LOOP_WAIT_MS);
    http_client_free(client);
    client = http_client_new();
    fake_server_stop(&fake);
}
END_TEST

static void wake_soon(void *context)
{
    usleep(50 * 1000);
    http_client_wake(context);
}

START_TEST(the_wait_can_be_ended_from_another_thread)
{
    struct thread thread = {0};
    int64_t start_ns = clock_monotonic_ns(clock_system);
    thread_start(&thread, "wake", wake_soon, client);
    http_client_run(client, LOOP_WAIT_MS);
    ck_assert_int_lt(milliseconds_since(start_ns), SOON_MS);
    thread_join(&thread);
}
END_TEST

static void handle_pattern(struct http_request *request, struct http_response *response,
                           void *context)
{
    char piece[5000];
    memset(piece, 'p', sizeof(piece));
    for (int i = 0; i < 200; i++)
        if (http_response_write(response, slice_from(piece, sizeof(piece))) != ERR_NONE)
            return;
}

/* Counts answers, and starts the next request of the row from within the callback. */
struct row {
    char url[100];
    int left;
    int good;
};

static void on_row_done(const struct http_client_response *response, void *context)
{
    struct row *row = context;
    row->left--;
    row->good += response->error == ERR_NONE && response->body.len == 1000000;
    struct http_client_request next = {.method = "GET",
                                       .url = row->url,
                                       .timeout_ms = ANSWER_TIMEOUT_MS,
                                       .done = on_row_done,
                                       .context = row};
    if (row->left > 0)
        http_client_start(client, &next);
}

START_TEST(many_transfers_run_at_once_against_our_own_server)
{
    static const char *const addresses[] = {"127.0.0.1:0"};
    static const struct http_route routes[] = {
        {.path = "/p", .methods = HTTP_GET, .slow = true, .handler = handle_pattern},
        {.path = "/q", .methods = HTTP_GET, .handler = handle_pattern},
    };
    struct http_server_options options = {.listen_addresses = addresses, .listen_address_count = 1};
    struct http_server *server;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(http_server_start(&options, routes, 2, &server, &err), ERR_NONE);
    enum { ROWS = 20, EACH = 10 };
    struct row rows[ROWS];
    for (int i = 0; i < ROWS; i++) {
        rows[i] = (struct row){.left = EACH + 1};
        snprintf(rows[i].url, sizeof(rows[i].url), "http://127.0.0.1:%u/%c",
                 http_server_port(server, 0), "pq"[i % 2]);
        struct http_client_response start = {.error = ERR_IO};
        on_row_done(&start, &rows[i]);
    }
    while (http_client_active(client) > 0)
        http_client_run(client, 1000);
    for (int i = 0; i < ROWS; i++)
        ck_assert_int_eq(rows[i].good, EACH);
    http_server_stop(server, 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_client");
    TCase *tcase = tcase_create("http_client");
    tcase_set_timeout(tcase, 240);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_answer_comes_whole_with_its_headers);
    tcase_add_test(tcase, failures_are_told_in_the_words_of_the_reference);
    tcase_add_test(tcase, a_reset_names_both_ends);
    tcase_add_test(tcase, who_cannot_be_reached_is_named);
    tcase_add_test(tcase, other_schemes_are_not_followed);
    tcase_add_test(tcase, a_missing_certificate_file_is_named);
    tcase_add_test(tcase, a_body_above_the_limit_is_refused);
    tcase_add_test(tcase, a_connection_is_used_again_and_replaced_when_it_is_gone);
    tcase_add_test(tcase, only_the_given_headers_are_sent);
    tcase_add_test(tcase, a_body_is_posted);
    tcase_add_test(tcase, redirects_are_followed_without_telling_secrets_to_others);
    tcase_add_test(tcase, redirects_end_after_ten_requests_and_at_other_schemes);
    tcase_add_test(tcase, the_timeout_spans_all_redirects);
    tcase_add_test(tcase, a_proxy_is_used_only_when_asked_for);
    tcase_add_test(tcase, a_unix_socket_is_used);
    tcase_add_test(tcase, a_transfer_can_be_canceled);
    tcase_add_test(tcase, an_answer_that_comes_at_once_is_not_waited_for);
    tcase_add_test(tcase, the_wait_can_be_ended_from_another_thread);
    tcase_add_test(tcase, many_transfers_run_at_once_against_our_own_server);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
