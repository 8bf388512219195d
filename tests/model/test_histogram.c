/* Histograms copy deeply and compare bit for bit. */
#include "model/histogram.h"

#include <check.h>
#include <stdlib.h>

#include "model/sample.h"

START_TEST(histogram_copy_is_equal_and_independent)
{
    struct histogram_span spans[] = {{-2, 2}, {3, 1}};
    double buckets[] = {1, 5, 2};
    double bounds[] = {0.5, 1};
    struct histogram histogram = {
        .schema = 3,
        .zero_threshold = 1e-128,
        .zero_count = 2,
        .count = 18,
        .sum = 9.5,
        .positive_span_count = 2,
        .positive_bucket_count = 3,
        .negative_span_count = 1,
        .negative_bucket_count = 2,
        .custom_bound_count = 2,
        .positive_spans = spans,
        .negative_spans = spans,
        .positive_buckets = buckets,
        .negative_buckets = buckets,
        .custom_bounds = bounds,
    };
    struct histogram *copy = histogram_copy(&histogram);
    ck_assert(histogram_equal(&histogram, copy));
    buckets[1] = 6;
    ck_assert(!histogram_equal(&histogram, copy));
    ck_assert_double_eq(copy->positive_buckets[1], 5);
    buckets[1] = 5;
    spans[1].offset = 4;
    ck_assert(!histogram_equal(&histogram, copy));
    spans[1].offset = 3;
    histogram.reset_hint = HISTOGRAM_RESET_GAUGE;
    ck_assert(!histogram_equal(&histogram, copy));
    histogram_free(copy);
    histogram_free(NULL);
}
END_TEST

START_TEST(histogram_compares_the_bits_of_the_stale_sum)
{
    struct histogram a = {.sum = sample_stale()};
    struct histogram b = {.sum = sample_stale()};
    ck_assert(histogram_equal(&a, &b));
    b.sum = codec_bits_double(SAMPLE_NAN_BITS);
    ck_assert(!histogram_equal(&a, &b));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("histogram");
    TCase *tcase = tcase_create("histogram");
    tcase_add_test(tcase, histogram_copy_is_equal_and_independent);
    tcase_add_test(tcase, histogram_compares_the_bits_of_the_stale_sum);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
