/* What `==` compares, counter resets, overflow. */
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

START_TEST(empty_spans_and_hints_do_not_make_histograms_differ)
{
    struct histogram_span spans[] = {{1, 0}, {2, 2}, {1, 0}, {1, 1}};
    double buckets[] = {1, 2, 3};
    struct histogram a = {.is_float = true,
                          .reset_hint = HISTOGRAM_RESET_YES,
                          .positive_spans = spans,
                          .positive_span_count = 4,
                          .positive_buckets = buckets,
                          .positive_bucket_count = 3};
    struct histogram_span plain[] = {{3, 2}, {2, 1}};
    struct histogram b = a;
    b.reset_hint = HISTOGRAM_RESET_NO;
    b.positive_spans = plain;
    b.positive_span_count = 2;
    ck_assert(histogram_same_values(&a, &b));
    plain[1].offset = 1;
    ck_assert(!histogram_same_values(&a, &b));
}
END_TEST

START_TEST(every_number_counts_to_the_bit)
{
    const char *text = "{{sum:1 count:2 z_bucket:3 z_bucket_w:0.5 buckets:[4] n_buckets:[5]}}";
    const char *others[] = {
        "{{sum:7 count:2 z_bucket:3 z_bucket_w:0.5 buckets:[4] n_buckets:[5]}}",
        "{{sum:1 count:7 z_bucket:3 z_bucket_w:0.5 buckets:[4] n_buckets:[5]}}",
        "{{sum:1 count:2 z_bucket:7 z_bucket_w:0.5 buckets:[4] n_buckets:[5]}}",
        "{{sum:1 count:2 z_bucket:3 z_bucket_w:0.7 buckets:[4] n_buckets:[5]}}",
        "{{sum:1 count:2 z_bucket:3 z_bucket_w:0.5 buckets:[7] n_buckets:[5]}}",
        "{{sum:1 count:2 z_bucket:3 z_bucket_w:0.5 buckets:[4] n_buckets:[7]}}",
        "{{sum:1 count:2 z_bucket:3 z_bucket_w:0.5 buckets:[4 0] n_buckets:[5]}}",
        "{{schema:1 sum:1 count:2 z_bucket:3 z_bucket_w:0.5 buckets:[4] n_buckets:[5]}}",
    };
    struct histogram *histogram = notated(&arena, text);
    ck_assert(histogram_same_values(histogram, notated(&arena, text)));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        ck_assert_msg(!histogram_same_values(histogram, notated(&arena, others[i])), "%s",
                      others[i]);
    struct histogram *nan = histogram_copy_into(&arena, histogram);
    nan->sum = NAN;
    ck_assert(histogram_same_values(nan, nan));
    ck_assert(!histogram_same_values(notated(&arena, "{{schema:-53 custom_values:[1]}}"),
                                     notated(&arena, "{{schema:-53 custom_values:[2]}}")));
}
END_TEST

static bool is_reset(const char *now, const char *before)
{
    return histogram_is_reset(notated(&arena, now), notated(&arena, before));
}

START_TEST(less_of_anything_is_a_reset)
{
    const char *before = "{{count:10 sum:9 z_bucket:2 buckets:[1 2] n_buckets:[3 2]}}";
    ck_assert(!is_reset(before, before));
    ck_assert(!is_reset("{{count:11 sum:1 z_bucket:2 buckets:[1 2 1] n_buckets:[3 2]}}", before));
    ck_assert(is_reset("{{count:9 sum:9 z_bucket:2 buckets:[1 2] n_buckets:[3 2]}}", before));
    ck_assert(is_reset("{{count:10 sum:9 z_bucket:1 buckets:[1 3] n_buckets:[3 2]}}", before));
    ck_assert(is_reset("{{count:10 sum:9 z_bucket:2 buckets:[2 1] n_buckets:[3 2]}}", before));
    ck_assert(is_reset("{{count:10 sum:9 z_bucket:2 buckets:[1 2] n_buckets:[5]}}", before));
    ck_assert(
        is_reset("{{count:10 sum:9 z_bucket:2 offset:1 buckets:[3] n_buckets:[3 2]}}", before));
}
END_TEST

START_TEST(a_missing_bucket_is_a_reset_only_if_it_was_populated)
{
    ck_assert(!is_reset("{{count:2 buckets:[1 1]}}", "{{count:2 buckets:[1 1 0 0]}}"));
    ck_assert(is_reset("{{count:3 buckets:[1 2]}}", "{{count:3 buckets:[1 1 0 1]}}"));
    ck_assert(!is_reset("{{}}", "{{buckets:[0]}}"));
    ck_assert(is_reset("{{count:1}}", "{{count:1 buckets:[1]}}"));
    ck_assert(!is_reset("{{count:1 buckets:[1]}}", "{{}}"));
}
END_TEST

START_TEST(hints_decide_where_there_are_any)
{
    ck_assert(is_reset("{{count:5 counter_reset_hint:reset}}", "{{count:1}}"));
    ck_assert(!is_reset("{{count:1 counter_reset_hint:not_reset}}", "{{count:5}}"));
    ck_assert(is_reset("{{count:1 counter_reset_hint:gauge}}", "{{count:5}}"));
    ck_assert(!is_reset("{{count:5}}", "{{count:1 counter_reset_hint:reset}}"));
}
END_TEST

START_TEST(resolution_may_fall_and_the_zero_bucket_may_grow)
{
    ck_assert(!is_reset("{{count:6 offset:1 buckets:[3 3]}}",
                        "{{schema:1 count:6 offset:1 buckets:[1 2 1 2]}}"));
    ck_assert(is_reset("{{count:6 offset:1 buckets:[2 4]}}",
                       "{{schema:1 count:6 offset:1 buckets:[1 2 1 2]}}"));
    ck_assert(is_reset("{{schema:1 count:9 buckets:[9]}}", "{{count:6}}"));
    /* (0.5,1] is in the zero bucket now */
    ck_assert(!is_reset("{{count:6 z_bucket:3 z_bucket_w:1 offset:1 buckets:[3]}}",
                        "{{count:6 z_bucket:1 z_bucket_w:0.5 buckets:[2 3]}}"));
    ck_assert(is_reset("{{count:6 z_bucket:2 z_bucket_w:1 offset:1 buckets:[4]}}",
                       "{{count:6 z_bucket:1 z_bucket_w:0.5 buckets:[2 3]}}"));
    ck_assert(is_reset("{{count:6 z_bucket:6 z_bucket_w:0.7}}",
                       "{{count:6 z_bucket:1 z_bucket_w:0.5 buckets:[2 3]}}"));
    ck_assert(is_reset("{{count:9 z_bucket_w:0.1}}", "{{count:6 z_bucket_w:0.5}}"));
    ck_assert(is_reset("{{schema:-53 count:9 custom_values:[1]}}", "{{count:6}}"));
    ck_assert(is_reset("{{count:9}}", "{{schema:-53 count:6 custom_values:[1]}}"));
}
END_TEST

START_TEST(custom_bounds_are_compared_where_they_agree)
{
    const char *before = "{{schema:-53 count:10 custom_values:[1 2 5] buckets:[1 2 3 4]}}";
    ck_assert(!is_reset("{{schema:-53 count:10 custom_values:[2 5] buckets:[3 3 4]}}", before));
    ck_assert(!is_reset("{{schema:-53 count:10 custom_values:[2 3 5] buckets:[3 1 2 4]}}", before));
    ck_assert(is_reset("{{schema:-53 count:10 custom_values:[2 5] buckets:[2 4 4]}}", before));
    ck_assert(is_reset("{{schema:-53 count:10 custom_values:[2 5] buckets:[4 2 4]}}", before));
    ck_assert(!is_reset("{{schema:-53 count:10 custom_values:[7] buckets:[0 10]}}", before));
}
END_TEST

START_TEST(infinities_anywhere_are_overflow)
{
    ck_assert(!histogram_has_overflow(notated(&arena, "{{sum:1 count:NaN buckets:[1]}}")));
    ck_assert(histogram_has_overflow(notated(&arena, "{{sum:-Inf}}")));
    ck_assert(histogram_has_overflow(notated(&arena, "{{count:Inf}}")));
    ck_assert(histogram_has_overflow(notated(&arena, "{{z_bucket:Inf}}")));
    ck_assert(histogram_has_overflow(notated(&arena, "{{buckets:[1 Inf]}}")));
    ck_assert(histogram_has_overflow(notated(&arena, "{{n_buckets:[-Inf]}}")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model/histogram_compare");
    TCase *tests = tcase_create("compare");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, empty_spans_and_hints_do_not_make_histograms_differ);
    tcase_add_test(tests, every_number_counts_to_the_bit);
    tcase_add_test(tests, less_of_anything_is_a_reset);
    tcase_add_test(tests, a_missing_bucket_is_a_reset_only_if_it_was_populated);
    tcase_add_test(tests, hints_decide_where_there_are_any);
    tcase_add_test(tests, resolution_may_fall_and_the_zero_bucket_may_grow);
    tcase_add_test(tests, custom_bounds_are_compared_where_they_agree);
    tcase_add_test(tests, infinities_anywhere_are_overflow);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
