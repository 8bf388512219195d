/* The server against a client that says exactly what it is told. */
#include "net/http_server.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compress.h"
#include "support/raw_socket.h"
#include "support/server_fixture.h"

/* -- routes and methods -- */

START_TEST(routes_are_exact_or_have_a_star)
{
    fixture_start((struct http_server_options){0});
    fixture_expect("GET /hello HTTP/1.1", 200, "hello\n");
    fixture_expect("GET /slow HTTP/1.1", 200, "hello\n");
    fixture_expect("GET /api/v1/label/a%20b/values HTTP/1.1", 200,
                   "path=/api/v1/label/a b/values tail=a b body=0");
    fixture_expect("GET /api/v1/label/exact/values HTTP/1.1", 200, "hello\n");
    fixture_expect("GET /api/v1/label/a/b/values HTTP/1.1", 404, NULL);
    fixture_expect("GET /user/a/b.css HTTP/1.1", 200, "path=/user/a/b.css tail=a/b.css body=0");
    fixture_expect("GET /%68ello HTTP/1.1", 200, "hello\n");
    fixture_expect("GET /Hello HTTP/1.1", 404, "404 page not found\n");
    fixture_expect("GET /hell HTTP/1.1", 404, "404 page not found\n");
    fixture_expect("GET http://x:1/hello?a HTTP/1.1", 200, "hello\n");
    fixture_expect("GET /%zz HTTP/1.1", 400, "400 Bad Request");
    fixture_stop();
}
END_TEST

START_TEST(other_methods_answer_405_with_allow)
{
    fixture_start((struct http_server_options){0});
    fixture_expect("POST /hello HTTP/1.1\r\nContent-Length: 0", 405, "Method Not Allowed\n");
    fixture_expect_header("DELETE /hello HTTP/1.1", "Allow", "GET, HEAD, OPTIONS");
    fixture_expect_header("PATCH /api/v1/query HTTP/1.1", "Allow", "GET, OPTIONS, POST");
    fixture_expect_header("FOO /two HTTP/1.1", "Allow", "GET, OPTIONS, POST");
    fixture_expect_header("HEAD /two HTTP/1.1", "Allow", "GET, OPTIONS, POST");
    fixture_expect("GET /two HTTP/1.1", 200, "hello\n");
    fixture_expect("POST /two HTTP/1.1\r\nContent-Length: 0", 200, "path=/two tail= body=0");
    fixture_stop();
}
END_TEST

START_TEST(head_has_the_headers_of_get_and_no_body)
{
    fixture_start((struct http_server_options){0});
    int descriptor = raw_connect(fixture.port);
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
    fixture_stop();
}
END_TEST

START_TEST(options_and_origin_get_cors_headers_under_api)
{
    fixture_start((struct http_server_options){.cors_origin_regex = "https?://(a|b)\\.example"});
    fixture_expect("OPTIONS /api/v1/nope HTTP/1.1", 204, "");
    fixture_expect("OPTIONS /api/v1/query HTTP/1.1", 204, "");
    fixture_expect("OPTIONS /nope HTTP/1.1", 404, NULL);
    fixture_expect_header("OPTIONS /hello HTTP/1.1", "Allow", "GET, HEAD, OPTIONS");
    static const char with_origin[] = "GET /api/v1/query HTTP/1.1\r\nOrigin: http://a.example";
    fixture_expect_header(with_origin, "Access-Control-Allow-Origin", "http://a.example");
    fixture_expect_header(with_origin, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    fixture_expect_header(with_origin, "Access-Control-Allow-Headers",
                          "Accept, Authorization, Content-Type, Origin");
    fixture_expect_header(with_origin, "Access-Control-Expose-Headers", "Date");
    fixture_expect_header(with_origin, "Vary", "Accept-Encoding, Origin");
    fixture_expect_header("GET /api/v1/query HTTP/1.1\r\nOrigin: http://c.example",
                          "Access-Control-Allow-Origin", NULL);
    fixture_expect_header("GET /hello HTTP/1.1\r\nOrigin: http://a.example",
                          "Access-Control-Allow-Origin", NULL);
    fixture_stop();
    fixture_start((struct http_server_options){.cors_origin_regex = ".*"});
    fixture_expect_header("OPTIONS /api/v1/query HTTP/1.1\r\nOrigin: http://c.example",
                          "Access-Control-Allow-Origin", "*");
    fixture_expect_header("GET /api/v1/query HTTP/1.1", "Access-Control-Allow-Origin", NULL);
    fixture_stop();
}
END_TEST

START_TEST(other_spellings_of_a_path_are_redirected)
{
    fixture_start((struct http_server_options){0});
    fixture_expect("GET //api//v1/query?q=1 HTTP/1.1", 301, "");
    fixture_expect_header("GET /api//v1/query?q=1 HTTP/1.1", "Location", "/api/v1/query?q=1");
    fixture_expect_header("GET /x/../hello HTTP/1.1", "Location", "/hello");
    fixture_expect_header("GET /../../hello/. HTTP/1.1", "Location", "/hello");
    fixture_expect_header("GET /hello/ HTTP/1.1", "Location", "/hello");
    fixture_expect_header("GET /%68ello%0d%0aX:y/../%20a// HTTP/1.1", "Location", "/%20a/");
    fixture_expect("POST //api/v1/query HTTP/1.1\r\nContent-Length: 0", 308, "");
    fixture_expect("GET /nope/ HTTP/1.1", 404, NULL);
    fixture_stop();
}
END_TEST

START_TEST(the_route_prefix_is_stripped_and_others_are_not_found)
{
    fixture_start((struct http_server_options){.route_prefix = "/prom/"});
    fixture_expect("GET /prom/user/x HTTP/1.1", 200, "path=/user/x tail=x body=0");
    fixture_expect("GET /hello HTTP/1.1", 404, NULL);
    fixture_expect("GET /promhello HTTP/1.1", 404, NULL);
    fixture_expect("GET / HTTP/1.1", 302, "");
    fixture_expect_header("GET / HTTP/1.1", "Location", "/prom");
    fixture_expect_header("GET /prom HTTP/1.1", "Location", "/prom/");
    fixture_expect_header("GET /prom//hello?a=b HTTP/1.1", "Location", "/prom/hello?a=b");
    fixture_expect("OPTIONS /prom/api/v1/x HTTP/1.1", 204, "");
    fixture_expect("OPTIONS /api/v1/x HTTP/1.1", 404, NULL);
    fixture_stop();
}
END_TEST

START_TEST(who_is_not_admitted_reaches_no_route)
{
    fixture_start((struct http_server_options){0});
    atomic_store(&fixture.refuse_all, true);
    fixture_expect("GET /hello HTTP/1.1", 401, "Unauthorized\n");
    fixture_expect("GET /nope HTTP/1.1", 401, "Unauthorized\n");
    fixture_expect("GET /block HTTP/1.1", 401, "Unauthorized\n");
    atomic_store(&fixture.refuse_all, false);
    fixture_expect("GET /hello HTTP/1.1", 200, "hello\n");
    fixture_stop();
}
END_TEST

/* -- parameters and bodies -- */

START_TEST(form_parameters_come_before_those_of_the_url)
{
    fixture_start((struct http_server_options){0});
    fixture_expect("POST /api/v1/query?q=url&z=1 HTTP/1.1\r\n"
                   "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
                   "Content-Length: 12\r\nHost: x\r\n\r\nq=b%2By&e=+%\r\n",
                   200,
                   "path=/api/v1/query tail= body=12 q=b+y q=url z=1 first q=b+y"
                   " error=invalid URL escape \"%\"");
    fixture_expect("POST /show?q=url HTTP/1.1\r\nContent-Type: text/plain\r\n"
                   "Content-Length: 6\r\nHost: x\r\n\r\nq=body",
                   200, "path=/show tail= body=6 q=url first q=url");
    fixture_expect("GET /show?a=%zz&q=%41+b&q=2;3&c HTTP/1.1\r\nX-Custom: 1", 200,
                   "path=/show tail= body=0 q=A b c= first q=A b error=invalid URL escape \"%zz\""
                   " x-custom=1");
    fixture_stop();
}
END_TEST

START_TEST(a_chunked_request_body_is_read)
{
    fixture_start((struct http_server_options){0});
    struct raw_answer answer;
    raw_exchange(fixture.port,
                 "POST /show HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                 "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
                 "4\r\nq=ab\r\n3\r\ncde\r\n0\r\n\r\n",
                 false, &answer);
    ck_assert_str_eq(buf_cstr(&answer.body), "path=/show tail= body=7 q=abcde first q=abcde");
    raw_answer_release(&answer);
    fixture_stop();
}
END_TEST

START_TEST(a_body_above_the_limit_is_413)
{
    fixture_start((struct http_server_options){.body_bytes_max = 1000});
    struct raw_answer answer;
    /* announced and small enough to be dropped: the connection lives on */
    int descriptor = raw_connect(fixture.port);
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
    descriptor = raw_connect(fixture.port);
    raw_send_text(descriptor, "POST /show HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                              "Content-Length: 99999999999\r\n\r\n");
    raw_read_answer(descriptor, false, &answer);
    ck_assert_int_eq(answer.status, 413);
    raw_answer_release(&answer);
    ck_assert(raw_is_closed(descriptor, FIXTURE_PATIENCE_MS));
    close(descriptor);
    fixture_stop();
}
END_TEST

START_TEST(headers_and_urls_above_the_limit_are_refused)
{
    fixture_start((struct http_server_options){0});
    size_t size = 1 << 20;
    char *huge = malloc(size);
    memset(huge, 'a', size);
    static const char *const starts[] = {"GET /hello?", "GET /hello HTTP/1.1\r\nHost: x\r\nX-A: "};
    static const char *const ends[] = {" HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n"};
    for (int i = 0; i < 2; i++) {
        int descriptor = raw_connect(fixture.port);
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
    fixture_expect("GET /hello HTTP/1.1", 200, "hello\n");
    fixture_stop();
}
END_TEST

START_TEST(a_url_of_40_kilobytes_is_served)
{
    fixture_start((struct http_server_options){0});
    struct buf request CLEANUP(buf_release);
    buf_init(&request, 1 << 20);
    buf_append_str(&request, "GET /show?q=");
    for (int i = 0; i < 20000; i++)
        buf_append_byte(&request, 'a');
    for (int i = 0; i < 2000; i++)
        buf_append_str(&request, "&match[]=up");
    buf_append_str(&request, " HTTP/1.1\r\nHost: x\r\n\r\n");
    struct raw_answer answer;
    raw_exchange(fixture.port, buf_cstr(&request), false, &answer);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_uint_gt(answer.body.len, 20000);
    raw_answer_release(&answer);
    fixture_stop();
}
END_TEST

/* -- answers -- */

START_TEST(large_answers_are_chunked_and_whole)
{
    fixture_start((struct http_server_options){0});
    struct raw_answer answer;
    raw_exchange(fixture.port, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", false, &answer);
    ck_assert(answer.chunked && answer.whole);
    fixture_check_large(buf_slice(&answer.body));
    raw_answer_release(&answer);
    raw_exchange(fixture.port, "GET /large_quick HTTP/1.1\r\nHost: x\r\n\r\n", false, &answer);
    ck_assert(!answer.chunked && answer.whole);
    fixture_check_large(buf_slice(&answer.body));
    raw_answer_release(&answer);
    /* an old client gets the end of the connection as the end of the body */
    raw_exchange(fixture.port, "GET /large HTTP/1.0\r\n\r\n", false, &answer);
    ck_assert(!answer.chunked && answer.whole);
    fixture_check_large(buf_slice(&answer.body));
    raw_answer_release(&answer);
    fixture_stop();
}
END_TEST

START_TEST(answers_are_compressed_when_asked)
{
    fixture_start((struct http_server_options){0});
    static const char *const paths[] = {"/large", "/large_quick"};
    for (int i = 0; i < 2; i++) {
        char request[200];
        snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br, gzip;q=0.8\r\n\r\n", paths[i]);
        struct raw_answer answer;
        raw_exchange(fixture.port, request, false, &answer);
        ck_assert(answer.whole);
        ck_assert_str_eq(raw_answer_header(&answer, "Content-Encoding"), "gzip");
        ck_assert_str_eq(raw_answer_header(&answer, "Vary"), "Accept-Encoding");
        ck_assert_uint_lt(answer.body.len, FIXTURE_LARGE_SIZE / 4);
        struct buf plain CLEANUP(buf_release);
        buf_init(&plain, FIXTURE_LARGE_SIZE);
        struct errbuf err = ERRBUF_INIT;
        ck_assert_msg(decompress_gzip(buf_slice(&answer.body), FIXTURE_LARGE_SIZE, &plain, &err) ==
                          ERR_NONE,
                      "%s", err.text);
        fixture_check_large(buf_slice(&plain));
        raw_answer_release(&answer);
    }
    static const char hello[] = "GET /hello HTTP/1.1\r\nAccept-Encoding: ";
    static const char *const cases[][2] = {
        {"gzip", "gzip"},
        {"deflate", "deflate"},
        {"deflate,gzip", "deflate"},
        {"br", NULL},
        {"gzip;q=0", NULL},
        {"", NULL},
        {"xgzip, identity", NULL},
        {" ,,;,gzip ; q=1", "gzip"},
        {"gzip;q=0.000,deflate", "deflate"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char head[200];
        snprintf(head, sizeof(head), "%s%s", hello, cases[i][0]);
        fixture_expect_header(head, "Content-Encoding", cases[i][1]);
    }
    fixture_expect_header("GET /compressed HTTP/1.1\r\nAccept-Encoding: gzip", "Content-Encoding",
                          "br");
    fixture_expect_header("GET /empty HTTP/1.1\r\nAccept-Encoding: gzip", "Content-Encoding", NULL);
    fixture_expect_header("GET /no_body HTTP/1.1\r\nAccept-Encoding: gzip", "Content-Length", "0");
    fixture_stop();
}
END_TEST

START_TEST(one_connection_serves_many_requests)
{
    fixture_start((struct http_server_options){0});
    int descriptor = raw_connect(fixture.port);
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
    ck_assert(raw_is_closed(descriptor, FIXTURE_PATIENCE_MS));
    close(descriptor);
    fixture_stop();
}
END_TEST

START_TEST(pipelined_requests_are_answered_in_order)
{
    fixture_start((struct http_server_options){0});
    int descriptor = raw_connect(fixture.port);
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
    fixture_stop();
}
END_TEST

START_TEST(events_arrive_as_they_are_flushed)
{
    fixture_start((struct http_server_options){0});
    int descriptor = raw_connect(fixture.port);
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
    fixture_wait_for(&fixture.blocked_canceled, 1);
    fixture_stop();
}
END_TEST

START_TEST(answers_are_observed)
{
    fixture_start((struct http_server_options){0});
    fixture_expect("GET /hello HTTP/1.1", 200, NULL);
    fixture_expect_observed(200, 6);
    fixture_expect("GET /nope HTTP/1.1", 404, NULL);
    fixture_expect_observed(404, 19);
    fixture_expect("GET /large HTTP/1.1", 200, NULL);
    fixture_expect_observed(200, FIXTURE_LARGE_SIZE);
    fixture_stop();
}
END_TEST

/* -- start and stop -- */

START_TEST(a_port_in_use_is_told_as_go_does)
{
    fixture_start((struct http_server_options){0});
    char address[64];
    snprintf(address, sizeof(address), "127.0.0.1:%u", fixture.port);
    const char *addresses[] = {address};
    struct http_server_options options = {.listen_addresses = addresses, .listen_address_count = 1};
    struct http_server *second;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(http_server_start(&options, fixture_routes, 1, &second, &err), ERR_IO);
    char expected[200];
    snprintf(expected, sizeof(expected), "listen tcp %s: bind: address already in use", address);
    ck_assert_str_eq(err.text, expected);
    static const char *const wrong[][2] = {
        {"localhost", "listen tcp: address localhost: missing port in address; write it "
                      "behind a colon, as in 0.0.0.0:9090"},
        {"[::1]", "listen tcp: address [::1]: missing port in address; write it "
                  "behind a colon, as in 0.0.0.0:9090"},
        {"::1:80", "listen tcp: address ::1:80: too many colons in address"},
        {"127.0.0.1:nope", "listen tcp: lookup tcp/nope: unknown port"},
        {"127.0.0.1:+9090", "listen tcp: lookup tcp/+9090: unknown port"},
        {"127.0.0.1:65536", "listen tcp: address 65536: invalid port; the highest is 65535"},
        {"127.0.0.1:100000", "listen tcp: address 100000: invalid port; the highest is 65535"},
        {"192.0.2.1:0", "listen tcp 192.0.2.1:0: bind: cannot assign requested address"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        addresses[0] = wrong[i][0];
        ck_assert_int_ne(http_server_start(&options, fixture_routes, 1, &second, &err), ERR_NONE);
        ck_assert_str_eq(err.text, wrong[i][1]);
    }
    fixture_stop();
}
END_TEST

START_TEST(several_addresses_are_listened_on)
{
    static const char *const addresses[] = {":0", "localhost:0", "0.0.0.0:0"};
    struct http_server_options options = {.listen_addresses = addresses, .listen_address_count = 3};
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(
        http_server_start(&options, fixture_routes, fixture_route_count, &fixture.server, &err),
        ERR_NONE);
    for (size_t i = 0; i < 3; i += 2) {
        fixture.port = http_server_port(fixture.server, i);
        fixture_expect("GET /slow HTTP/1.1", 200, "hello\n");
    }
    fixture_stop();
}
END_TEST

START_TEST(stopping_cancels_what_runs_and_answers_it)
{
    fixture_start((struct http_server_options){0});
    int idle = raw_connect(fixture.port);
    int busy = raw_connect(fixture.port);
    raw_send_text(busy, "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_wait_for(&fixture.blocked_started, 1);
    int64_t start_ms = fixture_now_ms();
    fixture_stop();
    ck_assert_int_lt(fixture_now_ms() - start_ms, FIXTURE_GRACE_MS);
    struct raw_answer answer;
    raw_read_answer(busy, false, &answer);
    ck_assert_int_eq(answer.status, 503);
    ck_assert_str_eq(raw_answer_header(&answer, "Connection"), "close");
    raw_answer_release(&answer);
    ck_assert(raw_is_closed(idle, FIXTURE_PATIENCE_MS));
    close(idle);
    close(busy);
}
END_TEST

START_TEST(stopping_does_not_wait_for_a_reader_that_stands_still)
{
    fixture_start((struct http_server_options){0});
    int descriptor = raw_connect(fixture.port);
    raw_send_text(descriptor, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    while (atomic_load(&fixture.large_written) == 0)
        usleep(1000);
    int64_t start_ms = fixture_now_ms();
    http_server_stop(fixture.server, 100);
    ck_assert_int_lt(fixture_now_ms() - start_ms, FIXTURE_PATIENCE_MS);
    close(descriptor);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_server");
    TCase *tcase = tcase_create("http_server");
    tcase_set_timeout(tcase, 120);
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
    tcase_add_test(tcase, a_url_of_40_kilobytes_is_served);
    tcase_add_test(tcase, large_answers_are_chunked_and_whole);
    tcase_add_test(tcase, answers_are_compressed_when_asked);
    tcase_add_test(tcase, one_connection_serves_many_requests);
    tcase_add_test(tcase, pipelined_requests_are_answered_in_order);
    tcase_add_test(tcase, events_arrive_as_they_are_flushed);
    tcase_add_test(tcase, answers_are_observed);
    tcase_add_test(tcase, a_port_in_use_is_told_as_go_does);
    tcase_add_test(tcase, several_addresses_are_listened_on);
    tcase_add_test(tcase, stopping_cancels_what_runs_and_answers_it);
    tcase_add_test(tcase, stopping_does_not_wait_for_a_reader_that_stands_still);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
