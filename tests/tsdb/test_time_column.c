/* Times come back exactly, regular ones are small, and damage is noticed. */
#include "tsdb/time_column.h"

#include "base/alloc.h"
#include "base/rand.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define TIMES_MAX 10000
#define START_MS INT64_C(1767225600137)

static struct rand rand_state;
static struct buf bytes;
static int64_t times[TIMES_MAX];
static int64_t decoded[TIMES_MAX];
static int64_t starts[TIMES_MAX];

static void setup(void)
{
    rand_init(&rand_state, 5);
    buf_init(&bytes, BUF_SIZE_ANY);
}

static void teardown(void)
{
    buf_release(&bytes);
}

static int64_t below(uint64_t bound)
{
    return (int64_t)rand_below(&rand_state, bound);
}

static bool times_ascend(size_t count)
{
    bool ascend = true;
    for (size_t i = 1; i < count; i++)
        ascend &= times[i] > times[i - 1];
    return ascend;
}

static size_t encoded_size(size_t count)
{
    buf_reset(&bytes);
    time_column_encode(times, count, &bytes);
    char *exact = mem_dup(bytes.data, bytes.len);
    bool ascends;
    ck_assert_int_eq(time_column_decode(slice_from(exact, bytes.len), count, decoded, &ascends),
                     ERR_NONE);
    ck_assert_int_eq(ascends, times_ascend(count));
    ck_assert_mem_eq(times, decoded, count * sizeof(*times));
    mem_free(exact);
    return bytes.len;
}

static void schedule(size_t count, int64_t step_ms, int64_t jitter_ms, uint64_t gap_one_in)
{
    int64_t at = START_MS;
    for (size_t i = 0; i < count; i++) {
        times[i] = at + (jitter_ms > 0 ? below((uint64_t)jitter_ms + 1) : 0);
        at += step_ms * (gap_one_in > 0 && below(gap_one_in) == 0 ? 1 + below(30) : 1);
    }
}

START_TEST(a_regular_schedule_takes_a_few_bytes)
{
    schedule(480, 15000, 0, 0);
    ck_assert_uint_le(encoded_size(480), 20);
    schedule(10000, 1000, 0, 0);
    ck_assert_uint_le(encoded_size(10000), 60);
    ck_assert_uint_le(encoded_size(1), 10);
    ck_assert_uint_le(encoded_size(2), 20);
}
END_TEST

START_TEST(jitter_takes_its_own_bits)
{
    schedule(480, 15000, 2, 0);
    ck_assert_uint_le(encoded_size(480), 480 * 2 / 8 + 16);
    schedule(480, 15000, 20, 0);
    ck_assert_uint_le(encoded_size(480), 480 * 5 / 8 + 16);
    schedule(480, 14999, 2, 0);
    ck_assert_uint_le(encoded_size(480), 480 * 2 / 8 + 16);
    schedule(480, 10007, 20, 0);
    ck_assert_uint_le(encoded_size(480), 480 * 5 / 8 + 16);
}
END_TEST

START_TEST(gaps_do_not_spoil_the_grid)
{
    schedule(480, 15000, 0, 50);
    ck_assert_uint_le(encoded_size(480), 80);
    schedule(480, 15000, 2, 50);
    ck_assert_uint_le(encoded_size(480), 480 * 2 / 8 + 80);
    schedule(480, 30000, 20, 20);
    ck_assert_uint_le(encoded_size(480), 480 * 5 / 8 + 120);
}
END_TEST

START_TEST(few_late_scrapes_are_patches)
{
    schedule(480, 15000, 0, 0);
    for (size_t i = 7; i < 480; i += 50)
        times[i] += 1 + below(200);
    ck_assert_uint_le(encoded_size(480), 60);
}
END_TEST

START_TEST(irregular_times_cost_no_more_than_their_spread)
{
    times[0] = START_MS;
    for (size_t i = 1; i < 480; i++)
        times[i] = times[i - 1] + 1 + below(60000);
    ck_assert_uint_le(encoded_size(480), 480 * 2 + 20);
}
END_TEST

START_TEST(equal_steps_come_back_whatever_their_size)
{
    static const int64_t steps_ms[] = {0, 1, -1, 15000, -15000, 86400001, INT64_MAX, INT64_MIN};
    for (size_t k = 0; k < ARRAY_SIZE(steps_ms); k++) {
        for (size_t count = 1; count < TIMES_MAX; count = count * 2 + 1) {
            for (size_t i = 0; i < count; i++)
                times[i] = (int64_t)((uint64_t)START_MS + i * (uint64_t)steps_ms[k]);
            encoded_size(count);
        }
    }
}
END_TEST

START_TEST(any_times_come_back)
{
    for (int i = 0; i < 20000; i++) {
        size_t count = 1 + (size_t)below(below(100) == 0 ? 9000 : 130);
        unsigned shape = (unsigned)below(5);
        schedule(count, 1 + below(100000), below(50), (uint64_t)below(60));
        for (size_t k = 1; k < count; k++) {
            if (shape == 1)
                times[k] = (int64_t)rand_u64(&rand_state);
            if (shape == 2 && below(20) == 0)
                times[k] -= below(100000);
            if (shape == 3)
                times[k] = times[k - 1] + (below(9) == 0 ? INT64_MAX / (1 + below(40)) : 0) % 977;
            if (shape == 4 && below(30) == 0)
                times[k] = below(2) ? INT64_MIN : INT64_MAX;
        }
        encoded_size(count);
    }
}
END_TEST

static size_t starts_size(size_t count)
{
    buf_reset(&bytes);
    start_times_encode(starts, times, count, &bytes);
    char *exact = mem_dup(bytes.data, bytes.len);
    struct codec_reader reader = codec_reader(exact, bytes.len);
    ck_assert(start_times_read(&reader, times, count, decoded));
    ck_assert_uint_eq(codec_left(&reader), 0);
    ck_assert_mem_eq(starts, decoded, count * sizeof(*starts));
    mem_free(exact);
    return bytes.len;
}

START_TEST(start_times_are_nearly_free)
{
    schedule(9000, 15000, 20, 0);
    for (size_t i = 0; i < 9000; i++)
        starts[i] = 0;
    ck_assert_uint_eq(starts_size(9000), 1);
    for (size_t i = 0; i < 9000; i++)
        starts[i] = START_MS - 100000;
    ck_assert_uint_le(starts_size(9000), 5);
    for (size_t i = 1; i < 9000; i++)
        starts[i] = times[i - 1];
    ck_assert_uint_le(starts_size(9000), 5);
    for (size_t i = 4500; i < 9000; i++)
        starts[i] = times[4499] + 5;
    starts_size(9000);
    for (size_t i = 0; i < 9000; i++)
        starts[i] = (int64_t)rand_u64(&rand_state);
    starts_size(9000);
    ck_assert_uint_le(starts_size(1), 11);
}
END_TEST

START_TEST(times_that_do_not_ascend_are_told)
{
    static const int64_t steps[] = {15000, 1, 0, -15000, INT64_MAX / 4, INT64_MIN};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        for (size_t k = 0; k < 9000; k++)
            times[k] = (int64_t)(START_MS + k * (uint64_t)steps[i]);
        encoded_size(1);
        encoded_size(2);
        encoded_size(200);
        encoded_size(9000);
        times[100] = times[99];
        encoded_size(200);
    }
    /* each piece ascends */
    for (size_t k = 0; k < 9000; k++)
        times[k] = START_MS + 15000 * (int64_t)(k % 4096);
    encoded_size(9000);
}
END_TEST

START_TEST(damage_does_no_harm)
{
    bool ascends;
    for (int i = 0; i < 2000; i++) {
        size_t count = 1 + (size_t)below(300);
        schedule(count, 15000, below(30), (uint64_t)below(60));
        encoded_size(count);
        for (size_t len = 0; i < 40 && len < bytes.len; len++) {
            char *exact = mem_dup(bytes.data, len + 1);
            ck_assert_int_eq(time_column_decode(slice_from(exact, len), count, decoded, &ascends),
                             ERR_CORRUPT);
            mem_free(exact);
        }
        for (int k = 0; k < 20; k++) {
            bytes.data[below(bytes.len)] = (char)below(256);
            char *exact = mem_dup(bytes.data, bytes.len);
            enum err code =
                time_column_decode(slice_from(exact, bytes.len), count, decoded, &ascends);
            ck_assert(code == ERR_NONE || code == ERR_CORRUPT);
            struct codec_reader reader = codec_reader(exact, bytes.len);
            ck_assert(start_times_read(&reader, times, count, decoded) != reader.failed);
            mem_free(exact);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("time_column");
    TCase *tcase = tcase_create("time_column");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_regular_schedule_takes_a_few_bytes);
    tcase_add_test(tcase, jitter_takes_its_own_bits);
    tcase_add_test(tcase, gaps_do_not_spoil_the_grid);
    tcase_add_test(tcase, few_late_scrapes_are_patches);
    tcase_add_test(tcase, irregular_times_cost_no_more_than_their_spread);
    tcase_add_test(tcase, equal_steps_come_back_whatever_their_size);
    tcase_add_test(tcase, any_times_come_back);
    tcase_add_test(tcase, start_times_are_nearly_free);
    tcase_add_test(tcase, times_that_do_not_ascend_are_told);
    tcase_add_test(tcase, damage_does_no_harm);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
