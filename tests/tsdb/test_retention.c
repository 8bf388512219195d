/* Which blocks go, as tables of ends and sizes. */
#include "tsdb/retention.h"

#include <check.h>

#include "base/compiler.h"

#define GIB (UINT64_C(1) << 30)

static struct retention_block blocks[4];
static struct retention_limits limits;

/* Oldest first, to be sorted; each of a GiB. */
static struct retention_verdict judge(int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t ends[] = {a, b, c, d};
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        blocks[i] = (struct retention_block){.max_ms = ends[i], .bytes = GIB, .place = i};
    return retention_judge(&limits, blocks, ARRAY_SIZE(blocks));
}

static void setup(void)
{
    limits = (struct retention_limits){0};
}

START_TEST(without_limits_all_is_kept)
{
    struct retention_verdict verdict = judge(0, 1, 2, INT64_MAX);
    ck_assert_uint_eq(verdict.kept, 4);
    ck_assert(!verdict.by_time && !verdict.by_size);
    ck_assert_uint_eq(retention_judge(&limits, NULL, 0).kept, 0);
}
END_TEST

START_TEST(a_block_goes_whose_end_is_as_far_back_as_the_retention)
{
    limits.time_ms = 100;
    struct retention_verdict verdict = judge(50, 100, 101, 200);
    ck_assert_uint_eq(verdict.kept, 2);
    ck_assert(verdict.by_time && !verdict.by_size);
    ck_assert_uint_eq(blocks[0].place, 3);
    ck_assert_uint_eq(blocks[1].place, 2);
    ck_assert_uint_eq(judge(101, 150, 160, 200).kept, 4);
}
END_TEST

START_TEST(the_newest_block_is_kept_by_any_time)
{
    limits.time_ms = 1;
    ck_assert_uint_eq(judge(1, 2, 3, 4).kept, 1);
    ck_assert_uint_eq(judge(INT64_MIN, 2, 3, INT64_MAX).kept, 1);
}
END_TEST

START_TEST(the_oldest_go_until_the_rest_is_within_the_size)
{
    limits.bytes = 3 * GIB;
    struct retention_verdict verdict = judge(1, 2, 3, 4);
    ck_assert_uint_eq(verdict.kept, 3);
    ck_assert(verdict.by_size && !verdict.by_time);
    ck_assert_uint_eq(blocks[3].place, 0);
    limits.bytes--;
    ck_assert_uint_eq(judge(1, 2, 3, 4).kept, 2);
    limits.bytes = 4 * GIB;
    ck_assert_uint_eq(judge(1, 2, 3, 4).kept, 4);
}
END_TEST

START_TEST(log_and_head_count_too)
{
    limits.bytes = 4 * GIB;
    limits.besides = 1;
    ck_assert_uint_eq(judge(1, 2, 3, 4).kept, 3);
    limits.besides = UINT64_MAX;
    ck_assert_uint_eq(judge(1, 2, 3, 4).kept, 0);
}
END_TEST

START_TEST(the_stricter_limit_decides)
{
    limits.bytes = 3 * GIB;
    limits.time_ms = 2;
    struct retention_verdict verdict = judge(1, 2, 3, 4);
    ck_assert_uint_eq(verdict.kept, 2);
    ck_assert(verdict.by_time && verdict.by_size);
    limits.bytes = GIB;
    ck_assert_uint_eq(judge(1, 2, 3, 4).kept, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("retention");
    TCase *tests = tcase_create("retention");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, without_limits_all_is_kept);
    tcase_add_test(tests, a_block_goes_whose_end_is_as_far_back_as_the_retention);
    tcase_add_test(tests, the_newest_block_is_kept_by_any_time);
    tcase_add_test(tests, the_oldest_go_until_the_rest_is_within_the_size);
    tcase_add_test(tests, log_and_head_count_too);
    tcase_add_test(tests, the_stricter_limit_decides);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
