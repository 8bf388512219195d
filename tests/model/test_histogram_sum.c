/* Running sums and averages of histograms. */
#include "model/histogram_arithmetic.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "tests/support/histogram_fixture.h"

static struct arena arena;

static void setup(void)
{
    arena_init(&arena, 1 << 26);
}

static void teardown(void)
{
    arena_release(&arena);
}

static struct histogram *finished(const char *const *texts, size_t count, bool average)
{
    struct histogram_sum sum;
    histogram_sum_init(&sum, &arena, average);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(histogram_sum_add(&sum, notated(&arena, texts[i])), ERR_NONE);
    ck_assert_uint_eq(sum.count, count);
    return histogram_sum_finish(&sum, &arena);
}

START_TEST(small_numbers_beside_large_ones_are_not_lost)
{
    const char *texts[] = {"{{sum:1e100 count:1e100 z_bucket:1e100 buckets:[1e100] n_buckets:[1]}}",
                           "{{sum:1 count:1 z_bucket:1 buckets:[1] n_buckets:[1e100]}}",
                           "{{sum:1 count:1 z_bucket:1 buckets:[1] n_buckets:[1]}}",
                           ("{{sum:-1e100 count:-1e100 z_bucket:-1e100 buckets:[-1e100] "
                            "n_buckets:[-1e100]}}")};
    assert_notation(finished(texts, 4, false),
                    "{{count:2 sum:2 z_bucket:2 buckets:[2] n_buckets:[2]}}");
    assert_notation(finished(texts, 4, true),
                    "{{count:0.5 sum:0.5 z_bucket:0.5 buckets:[0.5] n_buckets:[0.5]}}");
}
END_TEST

START_TEST(a_sum_takes_on_new_buckets_and_lower_resolution)
{
    const char *texts[] = {"{{schema:1 count:3 offset:1 buckets:[1 2]}}",
                           "{{schema:1 count:7 offset:-1 buckets:[3 0 0 4]}}",
                           "{{schema:0 count:5 offset:3 buckets:[5]}}",
                           "{{schema:2 count:1 offset:4 buckets:[1]}}"};
    assert_notation(finished(texts, 2, false), "{{schema:1 count:10 offset:-1 buckets:[3 0 1 6]}}");
    assert_notation(finished(texts, 4, false), "{{count:16 buckets:[3 8 0 5]}}");
}
END_TEST

START_TEST(zero_buckets_of_a_sum_are_brought_together)
{
    const char *texts[] = {"{{z_bucket:1 z_bucket_w:0.01 buckets:[2 3 4]}}",
                           "{{z_bucket:5 z_bucket_w:1.5 offset:2 buckets:[6]}}",
                           "{{z_bucket:1 z_bucket_w:0.01 buckets:[1 1 1]}}"};
    assert_notation(finished(texts, 3, false),
                    "{{z_bucket:14 z_bucket_w:2 offset:2 buckets:[11]}}");
}
END_TEST

START_TEST(custom_bounds_of_a_sum_are_reconciled)
{
    struct histogram_sum sum;
    histogram_sum_init(&sum, &arena, false);
    ck_assert_int_eq(
        histogram_sum_add(
            &sum, notated(&arena, "{{schema:-53 count:3 custom_values:[1 2] buckets:[1 1 1]}}")),
        ERR_NONE);
    ck_assert(!sum.bounds_reconciled);
    ck_assert_int_eq(
        histogram_sum_add(
            &sum, notated(&arena, "{{schema:-53 count:3 custom_values:[2 3] buckets:[1 1 1]}}")),
        ERR_NONE);
    ck_assert(sum.bounds_reconciled);
    assert_notation(histogram_sum_finish(&sum, &arena),
                    "{{schema:-53 count:6 custom_values:[2] buckets:[3 3]}}");
    ck_assert_int_eq(histogram_sum_add(&sum, notated(&arena, "{{schema:1}}")), ERR_INVALID);
    ck_assert_uint_eq(sum.count, 2);
}
END_TEST

START_TEST(an_average_survives_a_sum_that_overflows)
{
    const char *texts[] = {"{{sum:1e308 count:1.5e308 buckets:[1.5e308]}}",
                           "{{sum:1e308 count:1.5e308 buckets:[1.5e308]}}",
                           "{{sum:1e308 count:1.5e308 buckets:[1.5e308 3]}}"};
    struct histogram *average = finished(texts, 3, true);
    ck_assert_double_eq_tol(average->count / 1.5e308, 1, 1e-15);
    ck_assert_double_eq_tol(average->positive_buckets[0] / 1.5e308, 1, 1e-15);
    ck_assert_double_eq_tol(average->positive_buckets[1], 1, 1e-15);
    ck_assert(histogram_has_overflow(finished(texts, 3, false)));
}
END_TEST

START_TEST(one_histogram_is_its_own_sum_and_average)
{
    const char *text = "{{schema:3 count:3 sum:-4 z_bucket:1 z_bucket_w:0.1 "
                       "counter_reset_hint:not_reset buckets:[1 0 2]}}";
    assert_notation(finished(&text, 1, false), text);
    assert_notation(finished(&text, 1, true), text);
    const char *custom = "{{schema:-53 count:3 sum:-4 custom_values:[1 2] buckets:[1 0 2]}}";
    assert_notation(finished(&custom, 1, false), custom);
}
END_TEST

START_TEST(hints_that_collide_are_reported)
{
    struct histogram_sum sum;
    histogram_sum_init(&sum, &arena, false);
    const char *texts[] = {"{{counter_reset_hint:reset}}", "{{}}", "{{counter_reset_hint:gauge}}",
                           "{{counter_reset_hint:not_reset}}"};
    for (size_t i = 0; i < 4; i++) {
        ck_assert(!sum.reset_collision);
        ck_assert_int_eq(histogram_sum_add(&sum, notated(&arena, texts[i])), ERR_NONE);
    }
    ck_assert(sum.reset_collision);
    ck_assert_int_eq(histogram_sum_finish(&sum, &arena)->reset_hint, HISTOGRAM_RESET_GAUGE);
    histogram_sum_reset(&sum);
    ck_assert(!sum.reset_collision);
}
END_TEST

START_TEST(a_sum_that_is_reset_starts_anew_in_the_same_memory)
{
    struct histogram_sum sum;
    histogram_sum_init(&sum, &arena, false);
    struct histogram *wide = notated(&arena, "{{count:6 buckets:[1 2 3]}}");
    struct histogram *narrow = notated(&arena, "{{count:2 offset:1 buckets:[2]}}");
    ck_assert_int_eq(histogram_sum_add(&sum, wide), ERR_NONE);
    ck_assert_int_eq(histogram_sum_add(&sum, wide), ERR_NONE);
    size_t used = arena.used;
    for (int i = 0; i < 1000; i++) {
        histogram_sum_reset(&sum);
        ck_assert_int_eq(histogram_sum_add(&sum, wide), ERR_NONE);
        ck_assert_int_eq(histogram_sum_add(&sum, wide), ERR_NONE);
        ck_assert_int_eq(histogram_sum_add(&sum, narrow), ERR_NONE);
    }
    ck_assert_uint_eq(arena.used, used);
    assert_notation(histogram_sum_finish(&sum, &arena), "{{count:14 buckets:[2 6 6]}}");
    histogram_sum_reset(&sum);
    ck_assert_int_eq(histogram_sum_add(&sum, narrow), ERR_NONE);
    assert_notation(histogram_sum_finish(&sum, &arena), "{{count:2 offset:1 buckets:[2]}}");
}
END_TEST

START_TEST(layouts_that_come_by_leave_no_memory_behind)
{
    const char *texts[] = {
        "{{schema:2 count:6 buckets:[1 2 3]}}",
        "{{schema:1 count:4 offset:5 buckets:[4] n_buckets:[1 0 0 2]}}",
        "{{schema:3 count:4 z_bucket:1 z_bucket_w:0.001 offset:-9 buckets:[1 0 0 0 0 2]}}",
        "{{count:3 offset:-20 buckets:[3]}}",
        "{{count:3 offset:20 buckets:[3]}}",
    };
    const char *bounds[] = {"{{schema:-53 count:3 custom_values:[1 2 3 4] buckets:[1 0 1 1]}}",
                            "{{schema:-53 count:3 custom_values:[1 3 4] buckets:[1 1 1]}}",
                            "{{schema:-53 count:3 custom_values:[1 2 4] buckets:[0 3]}}"};
    for (int average = 0; average < 2; average++) {
        struct histogram_sum exponential, custom;
        histogram_sum_init(&exponential, &arena, average);
        histogram_sum_init(&custom, &arena, average);
        struct histogram *items[5], *bounded[3];
        for (size_t i = 0; i < 5; i++)
            items[i] = notated(&arena, texts[i]);
        for (size_t i = 0; i < 3; i++)
            bounded[i] = notated(&arena, bounds[i]);
        size_t used = arena.used;
        for (size_t i = 0; i < 5000; i++) {
            ck_assert_int_eq(histogram_sum_add(&exponential, items[i % 5]), ERR_NONE);
            ck_assert_int_eq(histogram_sum_add(&custom, bounded[i % 3]), ERR_NONE);
        }
        ck_assert_uint_lt(arena.used - used, 16384);
        ck_assert_double_eq(histogram_sum_finish(&exponential, &arena)->count, average ? 4 : 20000);
        ck_assert_double_eq(histogram_sum_finish(&custom, &arena)->count, average ? 3 : 15000);
    }
}
END_TEST

START_TEST(a_sum_may_go_on_after_it_was_asked_for)
{
    struct histogram_sum sum;
    histogram_sum_init(&sum, &arena, true);
    struct histogram *two = notated(&arena, "{{count:2 buckets:[2]}}");
    ck_assert_int_eq(histogram_sum_add(&sum, two), ERR_NONE);
    struct histogram *first = histogram_sum_finish(&sum, &arena);
    ck_assert_int_eq(histogram_sum_add(&sum, notated(&arena, "{{count:4 buckets:[4]}}")), ERR_NONE);
    assert_notation(histogram_sum_finish(&sum, &arena), "{{count:3 buckets:[3]}}");
    assert_notation(first, "{{count:2 buckets:[2]}}");
    assert_notation(two, "{{count:2 buckets:[2]}}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model/histogram_sum");
    TCase *tests = tcase_create("sum");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, small_numbers_beside_large_ones_are_not_lost);
    tcase_add_test(tests, a_sum_takes_on_new_buckets_and_lower_resolution);
    tcase_add_test(tests, zero_buckets_of_a_sum_are_brought_together);
    tcase_add_test(tests, custom_bounds_of_a_sum_are_reconciled);
    tcase_add_test(tests, an_average_survives_a_sum_that_overflows);
    tcase_add_test(tests, one_histogram_is_its_own_sum_and_average);
    tcase_add_test(tests, hints_that_collide_are_reported);
    tcase_add_test(tests, a_sum_that_is_reset_starts_anew_in_the_same_memory);
    tcase_add_test(tests, layouts_that_come_by_leave_no_memory_behind);
    tcase_add_test(tests, a_sum_may_go_on_after_it_was_asked_for);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
