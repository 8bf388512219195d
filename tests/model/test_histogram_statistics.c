/* Bounds, order of buckets, quantiles, fractions, deviation, and the text of a histogram. */
#include "model/histogram_statistics.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "model/histogram_arithmetic.h"
#include "model/histogram_buckets.h"
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

static double quantile(const char *text, double q)
{
    enum histogram_note note;
    double value = histogram_quantile(notated(&arena, text), q, &note);
    ck_assert_int_eq(note, HISTOGRAM_NOTE_NONE);
    return value;
}

START_TEST(bounds_are_the_references_in_every_schema)
{
    ck_assert_double_eq(histogram_exponential_bound(0, 3), 8);
    ck_assert_double_eq(histogram_exponential_bound(0, -3), 0.125);
    ck_assert_double_eq(histogram_exponential_bound(-4, 1), 65536);
    ck_assert_double_eq(histogram_exponential_bound(-4, 64), DBL_MAX);
    ck_assert_double_eq(histogram_exponential_bound(-4, 65), INFINITY);
    ck_assert_double_eq(histogram_exponential_bound(0, 1024), DBL_MAX);
    ck_assert_double_eq(histogram_exponential_bound(0, 1025), INFINITY);
    ck_assert_double_eq(histogram_exponential_bound(8, 1024 * 256), DBL_MAX);
    ck_assert_double_eq(histogram_exponential_bound(8, 1024 * 256 + 1), INFINITY);
    /* one below the nearest double, which exp2 gives */
    ck_assert_double_eq(histogram_exponential_bound(1, 1), 0x1.6a09e667f3bccp0);
    ck_assert_double_eq(histogram_exponential_bound(8, 256), 2);
    ck_assert_double_eq(histogram_exponential_bound(0, INT64_MAX), INFINITY);
    ck_assert_double_eq(histogram_exponential_bound(-4, INT64_MIN), 0);
    ck_assert_double_eq(histogram_exponential_bound(8, INT64_MIN), 0);
    for (int schema = 0; schema <= 8; schema++) {
        for (int i = -1000; i < 1000; i++)
            ck_assert_double_lt(histogram_exponential_bound(schema, i),
                                histogram_exponential_bound(schema, i + 1));
    }
}
END_TEST

static void assert_order(const char *text, enum histogram_order order, const double *counts,
                         size_t count)
{
    struct histogram_buckets buckets;
    struct histogram_bucket bucket;
    size_t i = 0;
    histogram_buckets_init(&buckets, notated(&arena, text), order);
    for (; histogram_buckets_next(&buckets, &bucket); i++) {
        ck_assert_uint_lt(i, count);
        ck_assert_double_eq(bucket.count, counts[i]);
        ck_assert_double_lt(bucket.lower, bucket.upper);
    }
    ck_assert_uint_eq(i, count);
    ck_assert(!histogram_buckets_next(&buckets, &bucket));
}

START_TEST(buckets_come_in_either_order)
{
    const char *text = "{{z_bucket:3 z_bucket_w:0.25 buckets:[4 5] n_buckets:[2 1]}}";
    assert_order(text, HISTOGRAM_ASCENDING, (double[]){1, 2, 3, 4, 5}, 5);
    assert_order(text, HISTOGRAM_DESCENDING, (double[]){5, 4, 3, 2, 1}, 5);
    assert_order(text, HISTOGRAM_POSITIVE, (double[]){4, 5}, 2);
    assert_order(text, HISTOGRAM_NEGATIVE, (double[]){2, 1}, 2);
    assert_order("{{}}", HISTOGRAM_ASCENDING, NULL, 0);
    assert_order("{{}}", HISTOGRAM_DESCENDING, NULL, 0);
    assert_order("{{schema:-53 custom_values:[1 2] buckets:[1 2 3]}}", HISTOGRAM_DESCENDING,
                 (double[]){3, 2, 1}, 3);
}
END_TEST

START_TEST(the_zero_bucket_cuts_its_neighbours)
{
    struct histogram_buckets buckets;
    struct histogram_bucket bucket;
    struct histogram *histogram =
        notated(&arena, "{{z_bucket:1 z_bucket_w:0.75 buckets:[1] n_buckets:[1]}}");
    histogram_buckets_init(&buckets, histogram, HISTOGRAM_ASCENDING);
    ck_assert(histogram_buckets_next(&buckets, &bucket));
    ck_assert_double_eq(bucket.lower, -1);
    ck_assert_double_eq(bucket.upper, -0.75);
    ck_assert(bucket.lower_inclusive && !bucket.upper_inclusive);
    ck_assert(histogram_buckets_next(&buckets, &bucket));
    ck_assert(bucket.lower_inclusive && bucket.upper_inclusive);
    ck_assert(histogram_buckets_next(&buckets, &bucket));
    ck_assert_double_eq(bucket.lower, 0.75);
    ck_assert(!bucket.lower_inclusive && bucket.upper_inclusive);
    histogram_buckets_init(&buckets, histogram, HISTOGRAM_POSITIVE);
    ck_assert(histogram_buckets_next(&buckets, &bucket));
    ck_assert_double_eq(bucket.lower, 0.5);
}
END_TEST

START_TEST(quantiles_lie_evenly_on_a_logarithmic_scale)
{
    const char *text = "{{count:4 sum:6 offset:1 buckets:[4]}}"; /* (1,2] */
    ck_assert_double_eq(quantile(text, 0), 1);
    ck_assert_double_eq_tol(quantile(text, 0.5), sqrt(2), 1e-15);
    ck_assert_double_eq(quantile(text, 1), 2);
    text = "{{count:4 sum:-6 n_offset:1 n_buckets:[4]}}";
    ck_assert_double_eq(quantile(text, 0), -2);
    ck_assert_double_eq_tol(quantile(text, 0.5), -sqrt(2), 1e-15);
    ck_assert_double_eq(quantile(text, 1), -1);
}
END_TEST

START_TEST(quantiles_are_linear_in_custom_and_zero_buckets)
{
    const char *text = "{{schema:-53 count:4 sum:5 custom_values:[1 3] buckets:[2 2]}}";
    ck_assert_double_eq(quantile(text, 0.25), 0.5);
    ck_assert_double_eq(quantile(text, 0.75), 2);
    ck_assert_double_eq(quantile(text, 1), 3);
    /* the last bucket has no end, the first one below zero no beginning */
    ck_assert_double_eq(
        quantile("{{schema:-53 count:4 sum:5 custom_values:[1 3] buckets:[0 0 4]}}", 0.5), 3);
    ck_assert_double_eq(
        quantile("{{schema:-53 count:4 sum:-5 custom_values:[-1] buckets:[4]}}", 0.5), -1);
    ck_assert_double_eq(quantile("{{count:4 sum:0 z_bucket:4 z_bucket_w:0.5}}", 0.75), 0.25);
    /* with one side empty the zero bucket ends at zero */
    ck_assert_double_eq(
        quantile("{{count:4 sum:1 z_bucket:4 z_bucket_w:0.5 offset:5 buckets:[0]}}", 0.5), 0.25);
    ck_assert_double_eq(
        quantile("{{count:4 sum:-1 z_bucket:4 z_bucket_w:0.5 n_offset:5 n_buckets:[0]}}", 0.5),
        -0.25);
}
END_TEST

START_TEST(quantiles_beyond_the_range_are_infinite)
{
    const char *text = "{{count:4 sum:6 offset:1 buckets:[4]}}";
    ck_assert_double_eq(quantile(text, -0.1), -INFINITY);
    ck_assert_double_eq(quantile(text, 1.1), INFINITY);
    ck_assert(isnan(quantile(text, NAN)));
    ck_assert(isnan(quantile("{{}}", 0.5)));
    /* counts that do not add up: the highest bound */
    ck_assert_double_eq(quantile("{{count:9 sum:6 offset:1 buckets:[4]}}", 0.5), 2);
}
END_TEST

START_TEST(observations_of_nan_are_noted)
{
    struct histogram *histogram = notated(&arena, "{{count:8 sum:NaN offset:1 buckets:[4]}}");
    enum histogram_note note;
    ck_assert_double_eq_tol(histogram_quantile(histogram, 0.25, &note), sqrt(2), 1e-15);
    ck_assert_int_eq(note, HISTOGRAM_NOTE_NAN_SKEW);
    ck_assert(isnan(histogram_quantile(histogram, 0.75, &note)));
    ck_assert_int_eq(note, HISTOGRAM_NOTE_NAN_RESULT);
    ck_assert_double_eq(histogram_fraction(histogram, -INFINITY, INFINITY, &note), 0.5);
    ck_assert_int_eq(note, HISTOGRAM_NOTE_NAN_IGNORED);
    /* a sum of NaN may also come from both infinities */
    histogram->count = 4;
    ck_assert_double_eq(histogram_fraction(histogram, 1, 2, &note), 1);
    ck_assert_int_eq(note, HISTOGRAM_NOTE_NONE);
}
END_TEST

START_TEST(fractions_count_what_lies_between)
{
    enum histogram_note note;
    struct histogram *histogram =
        notated(&arena, "{{count:16 sum:6 z_bucket:4 z_bucket_w:0.5 offset:1 buckets:[4 4] "
                        "n_offset:1 n_buckets:[4]}}");
    ck_assert_double_eq(histogram_fraction(histogram, -INFINITY, INFINITY, &note), 1);
    ck_assert_double_eq(histogram_fraction(histogram, 0, INFINITY, &note), 0.625);
    ck_assert_double_eq(histogram_fraction(histogram, 1, 2, &note), 0.25);
    ck_assert_double_eq_tol(histogram_fraction(histogram, sqrt(2), 2, &note), 0.125, 1e-15);
    ck_assert_double_eq_tol(histogram_fraction(histogram, -INFINITY, -sqrt(2), &note), 0.125,
                            1e-15);
    ck_assert_double_eq(histogram_fraction(histogram, 3, 3, &note), 0);
    ck_assert_double_eq(histogram_fraction(histogram, 5, 3, &note), 0);
    ck_assert_double_eq(histogram_fraction(histogram, 100, 200, &note), 0);
    ck_assert(isnan(histogram_fraction(histogram, NAN, 1, &note)));
    ck_assert(isnan(histogram_fraction(notated(&arena, "{{}}"), 0, 1, &note)));
    histogram = notated(&arena, "{{schema:-53 count:4 custom_values:[-1 3] buckets:[1 2 1]}}");
    /* a bucket around zero begins there, as there are no negative ones */
    ck_assert_double_eq_tol(histogram_fraction(histogram, -INFINITY, 1, &note), 5.0 / 12, 1e-15);
    ck_assert_double_eq(histogram_fraction(histogram, -INFINITY, -2, &note), 0.25);
    ck_assert_double_eq(histogram_fraction(histogram, 4, INFINITY, &note), 0.25);
}
END_TEST

START_TEST(average_and_deviation_come_from_the_middles_of_buckets)
{
    struct histogram *histogram = notated(&arena, "{{count:4 sum:10 offset:2 buckets:[2 0 2]}}");
    ck_assert_double_eq(histogram_average(histogram), 2.5);
    double low = sqrt(8) - 2.5, high = sqrt(128) - 2.5;
    ck_assert_double_eq_tol(histogram_variance(histogram), (low * low + high * high) / 2, 1e-12);
    ck_assert_double_eq(histogram_standard_deviation(histogram),
                        sqrt(histogram_variance(histogram)));
    histogram = notated(&arena, "{{schema:-53 count:2 sum:4 custom_values:[1 3] buckets:[0 2]}}");
    ck_assert_double_eq(histogram_variance(histogram), 0);
    ck_assert_double_eq(histogram_variance(notated(&arena, "{{count:2 z_bucket:2 z_bucket_w:1}}")),
                        0);
    ck_assert(isnan(histogram_average(notated(&arena, "{{}}"))));
}
END_TEST

START_TEST(a_histogram_prints_its_buckets_in_order)
{
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, 4096);
    histogram_print(notated(&arena, "{{count:10 sum:-2.5 z_bucket:3 z_bucket_w:0.001 offset:1 "
                                    "buckets:[1 0 2] n_buckets:[1 3]}}"),
                    &text);
    ck_assert_str_eq(buf_cstr(&text), "{count:10, sum:-2.5, [-2,-1):3, [-1,-0.5):1, "
                                      "[-0.001,0.001]:3, (1,2]:1, (4,8]:2}");
    buf_reset(&text);
    histogram_print(
        notated(&arena, "{{schema:-53 count:2 sum:NaN custom_values:[1 2] buckets:[1 0 1e6]}}"),
        &text);
    ck_assert_str_eq(buf_cstr(&text), "{count:2, sum:NaN, [-Inf,1]:1, (2,+Inf]:1e+06}");
    buf_reset(&text);
    histogram_print(notated(&arena, "{{}}"), &text);
    ck_assert_str_eq(buf_cstr(&text), "{count:0, sum:0}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model/histogram_statistics");
    TCase *tests = tcase_create("statistics");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, bounds_are_the_references_in_every_schema);
    tcase_add_test(tests, buckets_come_in_either_order);
    tcase_add_test(tests, the_zero_bucket_cuts_its_neighbours);
    tcase_add_test(tests, quantiles_lie_evenly_on_a_logarithmic_scale);
    tcase_add_test(tests, quantiles_are_linear_in_custom_and_zero_buckets);
    tcase_add_test(tests, quantiles_beyond_the_range_are_infinite);
    tcase_add_test(tests, observations_of_nan_are_noted);
    tcase_add_test(tests, fractions_count_what_lies_between);
    tcase_add_test(tests, average_and_deviation_come_from_the_middles_of_buckets);
    tcase_add_test(tests, a_histogram_prints_its_buckets_in_order);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
