/* The server against clients that are slow, leave, talk garbage, or are too many. */
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

#include "support/raw_socket.h"
#include "support/server_fixture.h"

#define HEADER_TIMEOUT_DEFAULT_MS 10000

/* -- clients that behave badly -- */

/* How long a handler runs after its client left. */
static int64_t canceled_after_ms(int number)
{
    int descriptor = raw_connect(fixture.port);
    raw_send_text(descriptor, "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
    fixture_wait_for(&fixture.blocked_started, number);
    int64_t start_ms = fixture_now_ms();
    close(descriptor);
    fixture_wait_for(&fixture.blocked_canceled, number);
    return fixture_now_ms() - start_ms;
}

START_TEST(a_client_that_leaves_cancels_its_request)
{
    fixture_start((struct http_server_options){0});
    int64_t best_ms = INT64_MAX;
    /* others may have the processor once, not each time */
    for (int number = 1; number <= 20 && best_ms >= 500; number++)
        best_ms = MIN(best_ms, canceled_after_ms(number));
    ck_assert_int_lt(best_ms, 500);
    fixture_stop();
}
END_TEST

START_TEST(a_client_that_closes_one_side_still_gets_its_answer)
{
    fixture_start((struct http_server_options){0});
    int descriptor = raw_connect(fixture.port);
    raw_send_text(descriptor, "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
    shutdown(descriptor, SHUT_WR);
    struct raw_answer answer;
    raw_read_answer(descriptor, false, &answer);
    ck_assert_int_eq(answer.status, 503);
    ck_assert_str_eq(buf_cstr(&answer.body), "canceled\n");
    raw_answer_release(&answer);
    close(descriptor);
    fixture_stop();
}
END_TEST

START_TEST(a_slow_reader_makes_the_writer_wait)
{
    fixture_start((struct http_server_options){0});
    int descriptor = raw_connect(fixture.port);
    int small = 65536;
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    raw_send_text(descriptor, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    /* until the writer stands still */
    size_t before;
    do {
        before = atomic_load(&fixture.large_written);
        usleep(200 * 1000);
    } while (before == 0 || atomic_load(&fixture.large_written) != before);
    ck_assert_uint_lt(atomic_load(&fixture.large_written), FIXTURE_LARGE_SIZE);
    struct raw_answer answer;
    raw_read_answer(descriptor, false, &answer);
    ck_assert(answer.whole);
    fixture_check_large(buf_slice(&answer.body));
    raw_answer_release(&answer);
    close(descriptor);
    fixture_stop();
}
END_TEST

START_TEST(a_reader_that_leaves_ends_the_writer)
{
    fixture_start((struct http_server_options){0});
    int descriptor = raw_connect(fixture.port);
    int small = 4096;
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    raw_send_text(descriptor, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    while (atomic_load(&fixture.large_written) == 0)
        usleep(1000);
    close(descriptor);
    fixture_wait_for(&fixture.large_error, ERR_CANCELED);
    fixture_stop();
}
END_TEST

START_TEST(a_slow_header_is_cut_off)
{
    fixture_start((struct http_server_options){.header_timeout_ms = 300});
    int descriptor = raw_connect(fixture.port);
    int64_t start_ms = fixture_now_ms();
    static const char drip[] = "GET /hello HTTP/1.1\r\nX-Never-Ending: ";
    bool closed = false;
    for (size_t i = 0; !closed && fixture_now_ms() - start_ms < FIXTURE_PATIENCE_MS; i++) {
        raw_send(descriptor, i < sizeof(drip) - 1 ? &drip[i] : "a", 1);
        closed = raw_is_closed(descriptor, 20);
    }
    ck_assert(closed);
    ck_assert_int_ge(fixture_now_ms() - start_ms, 300);
    ck_assert_int_lt(fixture_now_ms() - start_ms, HEADER_TIMEOUT_DEFAULT_MS);
    close(descriptor);
    fixture_stop();
}
END_TEST

START_TEST(a_slow_second_header_is_cut_off_too)
{
    fixture_start((struct http_server_options){.header_timeout_ms = 300});
    int descriptor = raw_connect(fixture.port);
    raw_send_text(descriptor, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    struct raw_answer answer;
    raw_read_answer(descriptor, false, &answer);
    raw_answer_release(&answer);
    int64_t start_ms = fixture_now_ms();
    bool closed = false;
    while (!closed && fixture_now_ms() - start_ms < FIXTURE_PATIENCE_MS) {
        raw_send(descriptor, "G", 1);
        closed = raw_is_closed(descriptor, 20);
    }
    ck_assert(closed);
    ck_assert_int_lt(fixture_now_ms() - start_ms, HEADER_TIMEOUT_DEFAULT_MS);
    close(descriptor);
    fixture_stop();
}
END_TEST

START_TEST(a_slow_body_is_cut_off)
{
    fixture_start((struct http_server_options){.read_timeout_ms = 500});
    int descriptor = raw_connect(fixture.port);
    raw_send_text(descriptor, "POST /show HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    int64_t start_ms = fixture_now_ms();
    bool closed = false;
    while (!closed && fixture_now_ms() - start_ms < FIXTURE_PATIENCE_MS) {
        raw_send(descriptor, "x", 1);
        closed = raw_is_closed(descriptor, 20);
    }
    ck_assert(closed);
    close(descriptor);
    fixture_stop();
}
END_TEST

START_TEST(an_idle_connection_outlives_the_header_deadline)
{
    fixture_start((struct http_server_options){.header_timeout_ms = 200});
    int fresh = raw_connect(fixture.port);
    int used = raw_connect(fixture.port);
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
    fixture_stop();
}
END_TEST

/* A process that opens connections to the fixture.port that comes through `in`, says so, and holds
 * them until `in` is closed. It is started before the fixture.server, so that it has none of its
 * descriptors. */
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
    fixture_start((struct http_server_options){0});
    int used = raw_connect(fixture.port);
    for (int i = 0; i < HOLDERS; i++) {
        char byte;
        ck_assert_int_eq(write(holders[i].to, &fixture.port, sizeof(fixture.port)),
                         sizeof(fixture.port));
        ck_assert_int_eq(read(holders[i].from, &byte, 1), 1);
        fixture_expect("GET /slow HTTP/1.1", 200, "hello\n");
    }
    for (int i = 0; i < 20; i++)
        fixture_expect(i % 2 == 0 ? "GET /hello HTTP/1.1" : "GET /slow HTTP/1.1", 200, "hello\n");
    /* it was the longest idle */
    ck_assert(raw_is_closed(used, FIXTURE_PATIENCE_MS));
    close(used);
    /* each has the pipes of those before it, which keep them alive */
    for (int i = HOLDERS - 1; i >= 0; i--) {
        close(holders[i].to);
        wait(NULL);
    }
    fixture_stop();
}
END_TEST

START_TEST(requests_above_the_limit_are_503_and_quick_ones_are_served)
{
    fixture_start((struct http_server_options){.connections_max = 2, .worker_count_max = 2});
    int busy[8];
    for (int i = 0; i < 2; i++) {
        busy[i] = raw_connect(fixture.port);
        raw_send_text(busy[i], "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
        fixture_wait_for(&fixture.blocked_started, i + 1);
    }
    for (int i = 2; i < 8; i++) {
        busy[i] = raw_connect(fixture.port);
        raw_send_text(busy[i], "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    fixture_expect("GET /hello HTTP/1.1", 200, "hello\n");
    fixture_expect("GET /slow HTTP/1.1", 503, "Service Unavailable\n");
    for (int i = 0; i < 8; i++)
        close(busy[i]);
    fixture_wait_for(&fixture.blocked_canceled, 2);
    fixture_stop();
}
END_TEST

START_TEST(garbage_does_not_harm_the_server)
{
    fixture_start((struct http_server_options){0});
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
        int descriptor = raw_connect(fixture.port);
        raw_send_text(descriptor, garbage[i]);
        shutdown(descriptor, SHUT_WR);
        ck_assert_msg(raw_is_closed(descriptor, FIXTURE_PATIENCE_MS), "%s", garbage[i]);
        close(descriptor);
    }
    fixture_expect("GET /hello HTTP/1.1", 200, "hello\n");
    fixture_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_server_hostile");
    TCase *tcase = tcase_create("http_server_hostile");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_client_that_leaves_cancels_its_request);
    tcase_add_test(tcase, a_client_that_closes_one_side_still_gets_its_answer);
    tcase_add_test(tcase, a_slow_reader_makes_the_writer_wait);
    tcase_add_test(tcase, a_reader_that_leaves_ends_the_writer);
    tcase_add_test(tcase, a_slow_header_is_cut_off);
    tcase_add_test(tcase, a_slow_second_header_is_cut_off_too);
    tcase_add_test(tcase, a_slow_body_is_cut_off);
    tcase_add_test(tcase, an_idle_connection_outlives_the_header_deadline);
    tcase_add_test(tcase, idle_connections_lock_nobody_out);
    tcase_add_test(tcase, requests_above_the_limit_are_503_and_quick_ones_are_served);
    tcase_add_test(tcase, garbage_does_not_harm_the_server);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
