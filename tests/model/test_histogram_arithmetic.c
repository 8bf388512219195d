/* Sums, differences and multiples of native histograms, compaction, and lower resolution. */
#include "model/histogram_arithmetic.h"

#include <check.h>
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

static struct histogram *added(const char *a, const char *b)
{
    struct histogram *sum;
    ck_assert_int_eq(histogram_add(&arena, notated(&arena, a), notated(&arena, b), &sum, NULL),
                     ERR_NONE);
    return sum;
}

static struct histogram *subtracted(const char *a, const char *b)
{
    struct histogram *difference;
    ck_assert_int_eq(
        histogram_subtract(&arena, notated(&arena, a), notated(&arena, b), &difference, NULL),
        ERR_NONE);
    return difference;
}

START_TEST(equal_layouts_add_bucket_by_bucket)
{
    assert_notation(added("{{schema:1 sum:4 count:4 z_bucket:1 z_bucket_w:0.5 buckets:[1 2] "
                          "n_buckets:[3]}}",
                          "{{schema:1 sum:0.5 count:9 z_bucket:2 z_bucket_w:0.5 buckets:[4 5] "
                          "n_buckets:[6]}}"),
                    "{{schema:1 count:13 sum:4.5 z_bucket:3 z_bucket_w:0.5 buckets:[5 7] "
                    "n_buckets:[9]}}");
}
END_TEST

START_TEST(buckets_that_one_side_lacks_are_inserted)
{
    assert_notation(added("{{buckets:[1 2] offset:3}}", "{{buckets:[7] offset:1}}"),
                    "{{offset:1 buckets:[7 0 1 2]}}");
    assert_notation(added("{{buckets:[1 2]}}", "{{buckets:[7 8] offset:4}}"),
                    "{{buckets:[1 2 0 0 7 8]}}");
    assert_notation(added("{{}}", "{{buckets:[7 8] offset:4}}"), "{{offset:4 buckets:[7 8]}}");
    assert_notation(added("{{buckets:[7 8] offset:4}}", "{{}}"), "{{offset:4 buckets:[7 8]}}");
    assert_notation(added("{{buckets:[1 0 1 0 1]}}", "{{buckets:[2 2] offset:1}}"),
                    "{{buckets:[1 2 3 0 1]}}");
}
END_TEST

START_TEST(new_buckets_join_the_span_before_them)
{
    struct histogram_span spans[] = {{0, 1}, {2, 1}};
    double buckets[] = {1, 2};
    struct histogram gap = {.is_float = true,
                            .positive_spans = spans,
                            .positive_buckets = buckets,
                            .positive_span_count = 2,
                            .positive_bucket_count = 2};
    struct histogram *sum;
    ck_assert_int_eq(
        histogram_add(&arena, &gap, notated(&arena, "{{offset:1 buckets:[5]}}"), &sum, NULL),
        ERR_NONE);
    ck_assert_uint_eq(sum->positive_span_count, 2);
    ck_assert_uint_eq(sum->positive_spans[0].length, 2);
    ck_assert_int_eq(sum->positive_spans[1].offset, 1);
    /* one that is right before a span joins that */
    ck_assert_int_eq(
        histogram_add(&arena, &gap, notated(&arena, "{{offset:2 buckets:[5]}}"), &sum, NULL),
        ERR_NONE);
    ck_assert_uint_eq(sum->positive_span_count, 2);
    ck_assert_int_eq(sum->positive_spans[1].offset, 1);
    ck_assert_uint_eq(sum->positive_spans[1].length, 2);
}
END_TEST

START_TEST(inputs_stay_as_they_are)
{
    struct histogram *a = notated(&arena, "{{count:1 z_bucket:1 z_bucket_w:0.1 buckets:[1 2]}}");
    struct histogram *b =
        notated(&arena, "{{schema:2 count:1 z_bucket:1 z_bucket_w:1.5 buckets:[1 2 3 4 5 6 7]}}");
    struct histogram *a_copy = histogram_copy_into(&arena, a);
    struct histogram *b_copy = histogram_copy_into(&arena, b);
    struct histogram *sum;
    ck_assert_int_eq(histogram_add(&arena, a, b, &sum, NULL), ERR_NONE);
    ck_assert_int_eq(histogram_subtract(&arena, b, a, &sum, NULL), ERR_NONE);
    ck_assert_ptr_ne(histogram_multiply(&arena, a, 3), a);
    ck_assert_ptr_ne(histogram_compact(&arena, a, 0), a);
    ck_assert_ptr_ne(histogram_trim(&arena, a, 1, true), a);
    ck_assert_ptr_ne(histogram_at_schema(&arena, b, -1), b);
    ck_assert(histogram_equal(a, a_copy));
    ck_assert(histogram_equal(b, b_copy));
}
END_TEST

START_TEST(resolutions_meet_at_the_lower_one)
{
    /* buckets 1..4 of schema 1 are 1 and 2 of schema 0 */
    assert_notation(
        added("{{schema:1 offset:1 buckets:[1 2 3 4]}}", "{{schema:0 offset:1 buckets:[10 20]}}"),
        "{{offset:1 buckets:[13 27]}}");
    assert_notation(
        added("{{schema:0 offset:1 buckets:[10 20]}}", "{{schema:1 offset:1 buckets:[1 2 3 4]}}"),
        "{{offset:1 buckets:[13 27]}}");
    assert_notation(added("{{schema:-4 buckets:[1]}}", "{{schema:8 offset:-2 buckets:[1 1 1]}}"),
                    "{{schema:-4 buckets:[4]}}");
}
END_TEST

START_TEST(the_wider_zero_bucket_takes_in_buckets_of_the_other)
{
    /* (0.5,1] and (1,2] lie below 2 */
    assert_notation(added("{{z_bucket:1 z_bucket_w:0.01 buckets:[2 3 4]}}",
                          "{{z_bucket:5 z_bucket_w:2 offset:2 buckets:[6]}}"),
                    "{{z_bucket:11 z_bucket_w:2 offset:2 buckets:[10]}}");
    assert_notation(added("{{z_bucket:5 z_bucket_w:2 offset:2 buckets:[6]}}",
                          "{{z_bucket:1 z_bucket_w:0.01 buckets:[2 3 4]}}"),
                    "{{z_bucket:11 z_bucket_w:2 offset:2 buckets:[10]}}");
}
END_TEST

START_TEST(a_zero_bucket_grows_out_of_populated_buckets)
{
    /* 1.5 cuts the populated (1,2], so it becomes 2; the other side's (2,4] stays */
    assert_notation(added("{{z_bucket:1 z_bucket_w:0.01 offset:1 buckets:[2 3]}}",
                          "{{z_bucket:5 z_bucket_w:1.5}}"),
                    "{{z_bucket:8 z_bucket_w:2 offset:2 buckets:[3]}}");
    /* an empty bucket does not move it */
    assert_notation(added("{{z_bucket:1 z_bucket_w:0.01 offset:1 buckets:[0 3]}}",
                          "{{z_bucket:5 z_bucket_w:1.5}}"),
                    "{{z_bucket:6 z_bucket_w:1.5 offset:2 buckets:[3]}}");
    /* the negative side moves it again after the positive side was judged */
    assert_notation(added("{{z_bucket:1 z_bucket_w:0.01 offset:1 buckets:[2 4 8] n_offset:2 "
                          "n_buckets:[16]}}",
                          "{{z_bucket:5 z_bucket_w:3}}"),
                    "{{z_bucket:28 z_bucket_w:4 offset:3 buckets:[8]}}");
}
END_TEST

START_TEST(thresholds_of_nan_come_to_an_end)
{
    struct histogram *a = notated(&arena, "{{z_bucket:1 z_bucket_w:0.5 buckets:[1]}}");
    struct histogram *b = histogram_copy_into(&arena, a);
    b->zero_threshold = NAN;
    struct histogram *sum;
    ck_assert_int_eq(histogram_add(&arena, a, b, &sum, NULL), ERR_NONE);
    ck_assert_int_eq(histogram_add(&arena, b, a, &sum, NULL), ERR_NONE);
    b->zero_threshold = INFINITY;
    ck_assert_int_eq(histogram_add(&arena, a, b, &sum, NULL), ERR_NONE);
    ck_assert_double_eq(sum->zero_count, 3);
    ck_assert_uint_eq(sum->positive_bucket_count, 0);
}
END_TEST

START_TEST(a_difference_may_be_negative)
{
    assert_notation(subtracted("{{sum:1 count:3 z_bucket:1 buckets:[1 2]}}",
                               "{{sum:3 count:7 z_bucket:2 buckets:[4 0 1]}}"),
                    "{{count:-4 sum:-2 z_bucket:-1 buckets:[-3 2 -1]}}");
}
END_TEST

START_TEST(custom_buckets_add_where_bounds_agree)
{
    assert_notation(added("{{schema:-53 count:3 custom_values:[1 2] buckets:[1 2]}}",
                          "{{schema:-53 count:4 custom_values:[1 2] buckets:[1 0 3]}}"),
                    "{{schema:-53 count:7 custom_values:[1 2] buckets:[2 2 3]}}");
}
END_TEST

START_TEST(differing_custom_bounds_leave_the_common_ones)
{
    struct histogram *a =
        notated(&arena, "{{schema:-53 count:10 custom_values:[1 2 5] buckets:[1 2 3 4]}}");
    struct histogram *b =
        notated(&arena, "{{schema:-53 count:6 custom_values:[2 3 5] buckets:[1 2 3]}}");
    struct histogram *sum;
    struct histogram_outcome outcome;
    ck_assert_int_eq(histogram_add(&arena, a, b, &sum, &outcome), ERR_NONE);
    ck_assert(outcome.bounds_reconciled);
    assert_notation(sum, "{{schema:-53 count:16 custom_values:[2 5] buckets:[4 8 4]}}");
    ck_assert_int_eq(histogram_subtract(&arena, a, b, &sum, &outcome), ERR_NONE);
    assert_notation(sum, "{{schema:-53 count:4 custom_values:[2 5] buckets:[2 -2 4]}}");
    /* nothing in common: all is in the last bucket */
    b = notated(&arena, "{{schema:-53 count:1 custom_values:[7] buckets:[1]}}");
    ck_assert_int_eq(histogram_add(&arena, a, b, &sum, &outcome), ERR_NONE);
    assert_notation(sum, "{{schema:-53 count:11 custom_values:[] buckets:[11]}}");
    ck_assert_int_eq(histogram_add(&arena, a, a, &sum, &outcome), ERR_NONE);
    ck_assert(!outcome.bounds_reconciled);
}
END_TEST

START_TEST(exponential_and_custom_buckets_do_not_mix)
{
    struct histogram *a = notated(&arena, "{{schema:-53 custom_values:[1]}}");
    struct histogram *b = notated(&arena, "{{schema:1}}");
    struct histogram *sum = NULL;
    ck_assert_int_eq(histogram_add(&arena, a, b, &sum, NULL), ERR_INVALID);
    ck_assert_int_eq(histogram_subtract(&arena, b, a, &sum, NULL), ERR_INVALID);
    ck_assert_ptr_null(sum);
}
END_TEST

START_TEST(hints_of_a_sum_follow_the_more_careful_one)
{
    static const enum histogram_reset_hint unknown = HISTOGRAM_RESET_UNKNOWN,
                                           yes = HISTOGRAM_RESET_YES, no = HISTOGRAM_RESET_NO,
                                           gauge = HISTOGRAM_RESET_GAUGE;
    const struct {
        enum histogram_reset_hint a, b, sum;
        bool collision;
    } cases[] = {
        {yes, yes, yes, false},    {no, no, no, false},           {gauge, yes, gauge, false},
        {no, gauge, gauge, false}, {unknown, no, unknown, false}, {yes, unknown, unknown, false},
        {yes, no, unknown, true},  {no, yes, unknown, true},      {unknown, gauge, gauge, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct histogram a = {.is_float = true, .reset_hint = cases[i].a};
        struct histogram b = {.is_float = true, .reset_hint = cases[i].b};
        struct histogram *sum;
        struct histogram_outcome outcome;
        ck_assert_int_eq(histogram_add(&arena, &a, &b, &sum, &outcome), ERR_NONE);
        ck_assert_int_eq(sum->reset_hint, cases[i].sum);
        ck_assert(outcome.reset_collision == cases[i].collision);
    }
}
END_TEST

START_TEST(scaling_touches_every_count_and_the_sum)
{
    struct histogram *histogram = notated(
        &arena, "{{schema:1 sum:4 count:4 z_bucket:1 z_bucket_w:0.5 buckets:[1 2] n_buckets:[3]}}");
    assert_notation(histogram_multiply(&arena, histogram, 2),
                    "{{schema:1 count:8 sum:8 z_bucket:2 z_bucket_w:0.5 buckets:[2 4] "
                    "n_buckets:[6]}}");
    assert_notation(histogram_divide(&arena, histogram, 4),
                    "{{schema:1 count:1 sum:1 z_bucket:0.25 z_bucket_w:0.5 buckets:[0.25 0.5] "
                    "n_buckets:[0.75]}}");
    ck_assert_int_eq(histogram_multiply(&arena, histogram, -1)->reset_hint, HISTOGRAM_RESET_GAUGE);
    ck_assert_int_eq(histogram_divide(&arena, histogram, -1)->reset_hint, HISTOGRAM_RESET_GAUGE);
    ck_assert_int_eq(histogram_multiply(&arena, histogram, 0)->reset_hint, HISTOGRAM_RESET_UNKNOWN);
    struct histogram *infinite = histogram_multiply(&arena, histogram, INFINITY);
    ck_assert(histogram_has_overflow(infinite));
    ck_assert_uint_eq(infinite->positive_bucket_count, 2);
}
END_TEST

START_TEST(division_by_zero_takes_the_buckets_away)
{
    struct histogram *quotient = histogram_divide(
        &arena, notated(&arena, "{{sum:-4 count:4 z_bucket:1 buckets:[1 2] n_buckets:[3]}}"), 0);
    ck_assert_double_eq(quotient->count, INFINITY);
    ck_assert_double_eq(quotient->sum, -INFINITY);
    ck_assert_double_eq(quotient->zero_count, INFINITY);
    ck_assert_uint_eq(quotient->positive_bucket_count, 0);
    ck_assert_uint_eq(quotient->negative_span_count, 0);
    ck_assert(isnan(histogram_divide(&arena, notated(&arena, "{{}}"), 0)->count));
}
END_TEST

static struct histogram layout(struct histogram_span *spans, uint32_t span_count, double *buckets,
                               uint32_t bucket_count)
{
    return (struct histogram){.is_float = true,
                              .positive_spans = spans,
                              .positive_buckets = buckets,
                              .positive_span_count = span_count,
                              .positive_bucket_count = bucket_count};
}

static void assert_spans(const struct histogram *histogram, const struct histogram_span *spans,
                         uint32_t count)
{
    ck_assert_uint_eq(histogram->positive_span_count, count);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_int_eq(histogram->positive_spans[i].offset, spans[i].offset);
        ck_assert_uint_eq(histogram->positive_spans[i].length, spans[i].length);
    }
}

START_TEST(compacting_cuts_empty_buckets_and_merges_spans)
{
    struct histogram_span spans[] = {{-3, 2}, {0, 0}, {1, 0}, {0, 3}, {0, 1}, {5, 2}};
    double buckets[] = {0, 1, 2, 0, 3, 4, 0, -0.0};
    struct histogram histogram = layout(spans, 6, buckets, 8);
    assert_spans(histogram_compact(&arena, &histogram, 0),
                 (struct histogram_span[]){{-2, 1}, {1, 1}, {1, 2}}, 3);
    assert_spans(histogram_compact(&arena, &histogram, 1), (struct histogram_span[]){{-2, 6}}, 1);
    ck_assert_uint_eq(histogram_compact(&arena, &histogram, 1)->positive_bucket_count, 6);
    histogram_compact_in_place(&arena, &histogram);
    assert_spans(&histogram, (struct histogram_span[]){{-2, 1}, {1, 1}, {1, 2}}, 3);
}
END_TEST

START_TEST(compacting_leaves_nothing_of_empty_buckets)
{
    struct histogram_span spans[] = {{7, 2}, {3, 0}};
    double buckets[] = {0, 0};
    struct histogram histogram = layout(spans, 2, buckets, 2);
    assert_spans(histogram_compact(&arena, &histogram, 0), NULL, 0);
    histogram = layout(spans + 1, 1, NULL, 0);
    assert_spans(histogram_compact(&arena, &histogram, 3), NULL, 0);
    double nan[] = {NAN, NAN};
    histogram = layout(spans, 1, nan, 2);
    assert_spans(histogram_compact(&arena, &histogram, 0), spans, 1);
}
END_TEST

START_TEST(every_schema_reduces_to_every_lower_one)
{
    for (int32_t schema = HISTOGRAM_SCHEMA_MIN; schema <= HISTOGRAM_SCHEMA_MAX; schema++) {
        struct histogram_span span = {-600, 1200};
        double buckets[1200];
        for (int i = 0; i < 1200; i++)
            buckets[i] = 1;
        struct histogram histogram = layout(&span, 1, buckets, 1200);
        histogram.schema = schema;
        for (int32_t lower = HISTOGRAM_SCHEMA_MIN; lower <= schema; lower++) {
            struct histogram *coarse = histogram_at_schema(&arena, &histogram, lower);
            double total = 0;
            for (uint32_t i = 0; i < coarse->positive_bucket_count; i++) {
                total += coarse->positive_buckets[i];
                ck_assert_double_le(coarse->positive_buckets[i], 1 << (schema - lower));
            }
            ck_assert_double_eq(total, 1200);
            ck_assert_int_eq(coarse->schema, lower);
            ck_assert_uint_eq(coarse->positive_span_count, 1);
        }
    }
}
END_TEST

START_TEST(indexes_beyond_32_bits_are_kept)
{
    struct histogram_span spans[] = {{INT32_MAX, 1}, {INT32_MAX, 1}};
    double buckets[] = {1, 2};
    struct histogram far = layout(spans, 2, buckets, 2);
    struct histogram near = layout(spans, 1, buckets, 1);
    struct histogram *sum;
    ck_assert_int_eq(histogram_add(&arena, &near, &far, &sum, NULL), ERR_NONE);
    ck_assert_uint_eq(sum->positive_bucket_count, 2);
    ck_assert_double_eq(sum->positive_buckets[0], 2);
    /* the first bucket is gone: the other is as far away as before */
    buckets[0] = 0;
    struct histogram *compact = histogram_compact(&arena, &far, 0);
    int64_t index = 0;
    for (uint32_t i = 0; i < compact->positive_span_count; i++)
        index += compact->positive_spans[i].offset;
    ck_assert_int_eq(index, 2 * (int64_t)INT32_MAX + 1);
    ck_assert_uint_eq(compact->positive_bucket_count, 1);
}
END_TEST

START_TEST(spans_that_claim_too_much_are_not_believed)
{
    struct histogram_span spans[] = {{0, UINT32_MAX}, {3, 7}};
    double buckets[] = {1, 2};
    struct histogram hostile = layout(spans, 2, buckets, 2);
    struct histogram *sum;
    ck_assert_int_eq(histogram_add(&arena, &hostile, &hostile, &sum, NULL), ERR_NONE);
    ck_assert_uint_eq(histogram_compact(&arena, &hostile, 0)->positive_bucket_count, 2);
    ck_assert_uint_eq(histogram_at_schema(&arena, &hostile, -4)->positive_bucket_count, 2);
}
END_TEST

START_TEST(size_counts_as_the_reference_does)
{
    ck_assert_uint_eq(histogram_size_bytes(notated(&arena, "{{}}")), 168);
    ck_assert_uint_eq(histogram_size_bytes(notated(&arena, "{{buckets:[1 2 3] n_buckets:[1]}}")),
                      168 + 8 * (3 + 1 + 2));
    ck_assert_uint_eq(
        histogram_size_bytes(notated(&arena, "{{schema:-53 custom_values:[1 2] buckets:[1]}}")),
        168 + 8 * (2 + 1 + 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model/histogram_arithmetic");
    TCase *tests = tcase_create("arithmetic");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, equal_layouts_add_bucket_by_bucket);
    tcase_add_test(tests, buckets_that_one_side_lacks_are_inserted);
    tcase_add_test(tests, new_buckets_join_the_span_before_them);
    tcase_add_test(tests, inputs_stay_as_they_are);
    tcase_add_test(tests, resolutions_meet_at_the_lower_one);
    tcase_add_test(tests, the_wider_zero_bucket_takes_in_buckets_of_the_other);
    tcase_add_test(tests, a_zero_bucket_grows_out_of_populated_buckets);
    tcase_add_test(tests, thresholds_of_nan_come_to_an_end);
    tcase_add_test(tests, a_difference_may_be_negative);
    tcase_add_test(tests, custom_buckets_add_where_bounds_agree);
    tcase_add_test(tests, differing_custom_bounds_leave_the_common_ones);
    tcase_add_test(tests, exponential_and_custom_buckets_do_not_mix);
    tcase_add_test(tests, hints_of_a_sum_follow_the_more_careful_one);
    tcase_add_test(tests, scaling_touches_every_count_and_the_sum);
    tcase_add_test(tests, division_by_zero_takes_the_buckets_away);
    tcase_add_test(tests, compacting_cuts_empty_buckets_and_merges_spans);
    tcase_add_test(tests, compacting_leaves_nothing_of_empty_buckets);
    tcase_add_test(tests, every_schema_reduces_to_every_lower_one);
    tcase_add_test(tests, indexes_beyond_32_bits_are_kept);
    tcase_add_test(tests, spans_that_claim_too_much_are_not_believed);
    tcase_add_test(tests, size_counts_as_the_reference_does);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
