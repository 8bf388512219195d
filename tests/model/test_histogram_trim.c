/* Histograms without the observations beyond a bound. */
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

static void assert_trimmed(const char *text, double bound, bool keep_below, const char *expected)
{
    assert_notation(histogram_trim(&arena, notated(&arena, text), bound, keep_below), expected);
}

START_TEST(whole_buckets_beyond_the_bound_go)
{
    const char *text = "{{schema:-53 count:10 sum:20 custom_values:[1 2 4] buckets:[1 2 3 4]}}";
    /* the middles 0.5 and 1.5 make the new sum */
    assert_trimmed(text, 2, true,
                   "{{schema:-53 count:3 sum:3.5 custom_values:[1 2 4] buckets:[1 2]}}");
    assert_trimmed(text, 2, false,
                   "{{schema:-53 count:7 sum:25 custom_values:[1 2 4] offset:2 buckets:[3 4]}}");
}
END_TEST

START_TEST(a_bucket_that_is_cut_is_interpolated)
{
    const char *text = "{{schema:-53 count:4 sum:12 custom_values:[2 4] buckets:[0 4]}}";
    assert_trimmed(text, 2.5, true,
                   "{{schema:-53 count:1 sum:2.25 custom_values:[2 4] offset:1 buckets:[1]}}");
    assert_trimmed(text, 2.5, false,
                   "{{schema:-53 count:3 sum:9.75 custom_values:[2 4] offset:1 buckets:[3]}}");
    /* exponential: half of (1,4] lies below 2 */
    struct histogram *half = histogram_trim(
        &arena, notated(&arena, "{{schema:-1 count:4 offset:1 buckets:[4]}}"), 2, true);
    ck_assert_double_eq(half->count, 2);
    ck_assert_double_eq(half->sum, 2 * sqrt(2));
}
END_TEST

START_TEST(nothing_is_estimated_where_nothing_goes)
{
    const char *text = "{{count:4 sum:77 offset:1 buckets:[4]}}";
    assert_trimmed(text, 2, true, text);
    assert_trimmed(text, INFINITY, true, text);
    assert_trimmed(text, 1, false, text);
    assert_trimmed(text, -INFINITY, false, text);
}
END_TEST

START_TEST(everything_may_go)
{
    assert_trimmed("{{count:4 sum:77 offset:1 buckets:[4]}}", 0.5, true, "{{}}");
    assert_trimmed("{{count:4 sum:77 offset:1 buckets:[4]}}", 9, false, "{{}}");
    assert_trimmed("{{count:4 sum:77 offset:1 buckets:[4]}}", NAN, true, "{{}}");
    assert_trimmed("{{}}", 1, true, "{{}}");
}
END_TEST

START_TEST(the_zero_bucket_is_cut_linearly)
{
    assert_trimmed("{{count:4 sum:1 z_bucket:4 z_bucket_w:1}}", 0.5, true,
                   "{{count:3 sum:-0.75 z_bucket:3 z_bucket_w:1}}");
    assert_trimmed("{{count:4 sum:1 z_bucket:4 z_bucket_w:1}}", 0.5, false,
                   "{{count:1 sum:0.75 z_bucket:1 z_bucket_w:1}}");
    /* it begins at zero where there are positive buckets only */
    assert_trimmed("{{count:8 sum:1 z_bucket:4 z_bucket_w:1 offset:3 buckets:[4]}}", 0.5, true,
                   "{{count:2 sum:0.5 z_bucket:2 z_bucket_w:1}}");
    assert_trimmed("{{count:8 sum:1 z_bucket:4 z_bucket_w:1 n_offset:3 n_buckets:[4]}}", -0.5,
                   false, "{{count:2 sum:-0.5 z_bucket:2 z_bucket_w:1}}");
}
END_TEST

START_TEST(negative_buckets_are_mirrored)
{
    const char *text = "{{count:6 sum:1 n_offset:1 n_buckets:[2 4]}}"; /* [-2,-1) and [-4,-2) */
    struct histogram *low = histogram_trim(&arena, notated(&arena, text), -2, true);
    ck_assert_double_eq(low->count, 4);
    ck_assert_double_eq(low->sum, -4 * sqrt(8));
    struct histogram *high = histogram_trim(&arena, notated(&arena, text), -2, false);
    ck_assert_double_eq(high->count, 2);
    ck_assert_double_eq(high->sum, -2 * sqrt(2));
}
END_TEST

START_TEST(buckets_without_end_are_kept_or_dropped_whole)
{
    const char *text = "{{schema:-53 count:4 sum:5 custom_values:[1] offset:1 buckets:[4]}}";
    assert_trimmed(text, 3, true, "{{schema:-53 custom_values:[1]}}");
    assert_trimmed(text, 3, false, text);
    /* a first bucket is taken to begin at 0 where its end is positive */
    assert_trimmed("{{schema:-53 count:4 sum:5 custom_values:[2] buckets:[4]}}", 0.5, true,
                   "{{schema:-53 count:1 sum:0.25 custom_values:[2] buckets:[1]}}");
    assert_trimmed("{{schema:-53 count:4 sum:5 custom_values:[2] buckets:[4]}}", 0.5, false,
                   "{{schema:-53 count:3 sum:3.75 custom_values:[2] buckets:[3]}}");
    assert_trimmed("{{schema:-53 count:4 sum:-9 custom_values:[-2] buckets:[4]}}", -3, true,
                   "{{schema:-53 count:4 sum:-9 custom_values:[-2] buckets:[4]}}");
    assert_trimmed("{{schema:-53 count:4 sum:-9 custom_values:[-2] buckets:[4]}}", -3, false,
                   "{{schema:-53 custom_values:[-2]}}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model/histogram_trim");
    TCase *tests = tcase_create("trim");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, whole_buckets_beyond_the_bound_go);
    tcase_add_test(tests, a_bucket_that_is_cut_is_interpolated);
    tcase_add_test(tests, nothing_is_estimated_where_nothing_goes);
    tcase_add_test(tests, everything_may_go);
    tcase_add_test(tests, the_zero_bucket_is_cut_linearly);
    tcase_add_test(tests, negative_buckets_are_mirrored);
    tcase_add_test(tests, buckets_without_end_are_kept_or_dropped_whole);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
