/* The bounded run of bytes between a handler and its connection. */
#include "net/http_response.h"

#include <check.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/thread.h"

static struct compressor_pool compressors;
static struct arena arena;
static struct http_response response;
static int woken;
static int completed;

static void on_wake(void *context)
{
    woken++;
}

static void on_headers_complete(void *context)
{
    completed++;
    http_response_header(&response, "X-Last", "1");
}

static void setup(void)
{
    compressor_pool_init(&compressors);
    arena_init(&arena, 1 << 20);
    http_response_init(&response, &arena, &compressors);
    response.wake = on_wake;
    response.headers_complete = on_headers_complete;
    response.may_wait = true;
    woken = completed = 0;
}

static void teardown(void)
{
    http_response_release(&response);
    arena_release(&arena);
    compressor_pool_release(&compressors);
}

static enum http_response_read take(char *out, size_t size, size_t *out_len)
{
    MUTEX_GUARD(&response.lock);
    *out_len = 0;
    return http_response_read_locked(&response, out, size, out_len);
}

static enum err write_bytes(size_t len)
{
    static char bytes[4 * RESPONSE_UNSENT_MAX];
    ck_assert_uint_le(len, sizeof(bytes));
    return http_response_write(&response, slice_from(bytes, len));
}

START_TEST(a_small_answer_is_held_until_its_handler_ends)
{
    http_response_status(&response, 404);
    ck_assert_int_eq(write_bytes(1000), ERR_NONE);
    ck_assert_int_eq(completed, 0);
    ck_assert(!response.started);
    http_response_finish(&response);
    ck_assert_int_eq(completed, 1);
    ck_assert_str_eq(http_response_field_value(&response, "x-last"), "1");
    ck_assert(response.done && !response.started && !response.failed);
    ck_assert_uint_eq(response.body.len, 1000);
    /* too late */
    http_response_status(&response, 200);
    http_response_header(&response, "X-Late", "1");
    ck_assert_uint_eq(response.status, 404);
    ck_assert_ptr_null(http_response_field_value(&response, "X-Late"));
}
END_TEST

START_TEST(a_header_is_set_once)
{
    http_response_header(&response, "Content-Type", "a");
    http_response_header(&response, "content-type", "b");
    ck_assert_str_eq(http_response_field_value(&response, "Content-Type"), "b");
    ck_assert_uint_eq(response.fields.len, 1);
    http_response_finish(&response);
}
END_TEST

START_TEST(a_reader_that_stands_still_is_given_up)
{
    response.stall_ns = 50 * 1000 * 1000;
    response.waiting = true;
    ck_assert_int_eq(write_bytes(4 * RESPONSE_UNSENT_MAX), ERR_CANCELED);
    ck_assert_int_eq(woken, 1);
    ck_assert(response.started);
    ck_assert_uint_le(response.body.len, RESPONSE_UNSENT_MAX);
    http_response_finish(&response);
    ck_assert(response.failed);
    char piece[10];
    size_t len;
    ck_assert_int_eq(take(piece, sizeof(piece), &len), HTTP_READ_FAILED);
}
END_TEST

static void leave_soon(void *context)
{
    for (bool started = false; !started;) {
        MUTEX_GUARD(&response.lock);
        started = response.started;
    }
    http_response_abandon(&response);
}

START_TEST(a_reader_that_leaves_wakes_the_writer)
{
    struct thread thread = {0};
    thread_start(&thread, "leave", leave_soon, NULL);
    int64_t start_ns = clock_monotonic_ns(clock_system);
    ck_assert_int_eq(write_bytes(4 * RESPONSE_UNSENT_MAX), ERR_CANCELED);
    /* it was woken: by itself it gives up a reader that stands still */
    ck_assert_int_lt(clock_monotonic_ns(clock_system) - start_ns, RESPONSE_STALL_NS);
    ck_assert_int_eq(write_bytes(RESPONSE_UNSENT_MAX), ERR_CANCELED);
    http_response_finish(&response);
    thread_join(&thread);
}
END_TEST

struct reading {
    size_t bytes;
    size_t most_unsent;
    enum http_response_read last;
};

static void read_all(void *context)
{
    struct reading *reading = context;
    static char piece[50000];
    size_t len;
    do {
        mutex_lock(&response.lock);
        reading->most_unsent = MAX(reading->most_unsent, response.body.len - response.body_sent);
        reading->last = http_response_read_locked(&response, piece, sizeof(piece), &len);
        mutex_unlock(&response.lock);
        if (reading->last == HTTP_READ_DATA)
            reading->bytes += len;
    } while (reading->last == HTTP_READ_DATA || reading->last == HTTP_READ_WAIT);
}

START_TEST(what_is_unsent_stays_within_its_bound)
{
    struct reading reading = {0};
    struct thread thread = {0};
    thread_start(&thread, "read", read_all, &reading);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(write_bytes(333333), ERR_NONE);
    http_response_finish(&response);
    thread_join(&thread);
    ck_assert_int_eq(reading.last, HTTP_READ_END);
    ck_assert_uint_eq(reading.bytes, 20 * 333333);
    ck_assert_uint_eq(response.body_bytes, 20 * 333333);
    ck_assert_uint_le(reading.most_unsent, RESPONSE_UNSENT_MAX);
}
END_TEST

START_TEST(a_waiting_reader_is_woken_when_there_is_much)
{
    ck_assert_int_eq(http_response_flush(&response), ERR_NONE);
    response.waiting = true;
    ck_assert_int_eq(write_bytes(RESPONSE_UNSENT_HALF - 1), ERR_NONE);
    ck_assert_int_eq(woken, 0);
    ck_assert_int_eq(write_bytes(RESPONSE_UNSENT_HALF), ERR_NONE);
    ck_assert_int_eq(woken, 1);
    response.waiting = true;
    ck_assert_int_eq(http_response_flush(&response), ERR_NONE);
    ck_assert_int_eq(woken, 2);
    response.waiting = true;
    http_response_finish(&response);
    ck_assert_int_eq(woken, 3);
}
END_TEST

START_TEST(a_quick_answer_does_not_wait)
{
    response.may_wait = false;
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(write_bytes(4 * RESPONSE_UNSENT_MAX), ERR_NONE);
    ck_assert_int_eq(http_response_flush(&response), ERR_NONE);
    http_response_finish(&response);
    ck_assert(!response.started);
    ck_assert_uint_eq(response.body.len, 40 * RESPONSE_UNSENT_MAX);
}
END_TEST

START_TEST(compressors_are_used_again_from_a_clean_start)
{
    for (int i = 0; i < 3; i++) {
        struct http_response other;
        http_response_init(&other, &arena, &compressors);
        other.encoding_accepted = HTTP_ENCODING_GZIP;
        ck_assert_int_eq(http_response_write(&other, SLICE("the same text")), ERR_NONE);
        http_response_finish(&other);
        ck_assert_uint_eq(compressors.counts[COMPRESS_GZIP], 1);
        struct buf plain;
        buf_init(&plain, 1000);
        ck_assert_int_eq(decompress_gzip(buf_slice(&other.body), 1000, &plain, NULL), ERR_NONE);
        ck_assert_str_eq(buf_cstr(&plain), "the same text");
        buf_release(&plain);
        http_response_release(&other);
    }
    http_response_finish(&response);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_response");
    TCase *tcase = tcase_create("http_response");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_small_answer_is_held_until_its_handler_ends);
    tcase_add_test(tcase, a_header_is_set_once);
    tcase_add_test(tcase, a_reader_that_stands_still_is_given_up);
    tcase_add_test(tcase, a_reader_that_leaves_wakes_the_writer);
    tcase_add_test(tcase, what_is_unsent_stays_within_its_bound);
    tcase_add_test(tcase, a_waiting_reader_is_woken_when_there_is_much);
    tcase_add_test(tcase, a_quick_answer_does_not_wait);
    tcase_add_test(tcase, compressors_are_used_again_from_a_clean_start);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
