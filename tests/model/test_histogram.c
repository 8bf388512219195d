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

static void assert_invalid(const struct histogram *histogram, const char *expected)
{
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(histogram_validate(histogram, &err), ERR_INVALID);
    ck_assert_str_eq(err.text, expected);
}

START_TEST(histogram_validate_refuses_what_contradicts_itself)
{
    struct histogram_span spans[] = {{-2, 2}, {3, 1}};
    double buckets[] = {1, 5, 2};
    struct histogram good = {
        .schema = 3,
        .zero_count = 2,
        .count = 10,
        .sum = 9.5,
        .positive_span_count = 2,
        .positive_bucket_count = 3,
        .positive_spans = spans,
        .positive_buckets = buckets,
    };
    ck_assert_int_eq(histogram_validate(&good, NULL), ERR_NONE);
    struct histogram bad = good;
    bad.count = 9;
    assert_invalid(&bad, "10 observations found in buckets, but the Count field is 9: histogram's "
                         "observation count should equal the number of observations found in the "
                         "buckets (in absence of NaN)");
    bad.sum = sample_stale();
    bad.count = 11;
    ck_assert_int_eq(histogram_validate(&bad, NULL), ERR_NONE);
    bad = good;
    bad.is_float = true;
    bad.count = 3;
    ck_assert_int_eq(histogram_validate(&bad, NULL), ERR_NONE);
    bad = good;
    bad.schema = 9;
    assert_invalid(&bad, "histogram has an invalid schema, which must be between -4 and 8 for "
                         "exponential buckets, or -53 for custom buckets, got schema 9");
    bad = good;
    bad.positive_bucket_count = 2;
    assert_invalid(&bad,
                   "positive side: spans need 3 buckets, have 2 buckets: histogram spans specify "
                   "different number of buckets than provided");
    struct histogram_span backwards[] = {{1, 2}, {-1, 1}};
    bad = good;
    bad.positive_spans = backwards;
    assert_invalid(&bad, "positive side: span number 2 with offset -1: histogram has a span whose "
                         "offset is negative");
    double negative[] = {1, -5, 2};
    bad = good;
    bad.positive_buckets = negative;
    assert_invalid(&bad,
                   "positive side: bucket number 2 has observation count of -5: histogram has a "
                   "bucket whose observation count is negative");
}
END_TEST

START_TEST(histogram_validate_knows_custom_buckets)
{
    struct histogram_span spans[] = {{0, 3}};
    double buckets[] = {1, 5, 2};
    double bounds[] = {0.5, 1};
    struct histogram good = {
        .schema = HISTOGRAM_SCHEMA_CUSTOM,
        .count = 8,
        .positive_span_count = 1,
        .positive_bucket_count = 3,
        .custom_bound_count = 2,
        .positive_spans = spans,
        .positive_buckets = buckets,
        .custom_bounds = bounds,
    };
    ck_assert_int_eq(histogram_validate(&good, NULL), ERR_NONE);
    struct histogram bad = good;
    bad.custom_bound_count = 1;
    assert_invalid(&bad,
                   "custom buckets: only 1 custom bounds defined which is insufficient to cover "
                   "total span length of 3: histogram custom bounds are too few");
    bad = good;
    bad.zero_count = 1;
    assert_invalid(&bad, "custom buckets: must have zero count of 0");
    double equal[] = {1, 1};
    bad = good;
    bad.custom_bounds = equal;
    assert_invalid(&bad,
                   "custom buckets: previous bound is 1.000000 and current is 1.000000: histogram "
                   "custom bounds must be in strictly increasing order");
    bad = good;
    bad.schema = 0;
    assert_invalid(&bad, "histogram with exponential schema must not have custom bounds");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("histogram");
    TCase *tcase = tcase_create("histogram");
    tcase_add_test(tcase, histogram_copy_is_equal_and_independent);
    tcase_add_test(tcase, histogram_compares_the_bits_of_the_stale_sum);
    tcase_add_test(tcase, histogram_validate_refuses_what_contradicts_itself);
    tcase_add_test(tcase, histogram_validate_knows_custom_buckets);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
