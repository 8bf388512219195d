/* The rules of appending: what is taken, what is refused, and what is read back. */
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "model/matcher.h"
#include "model/sample.h"

#include <check.h>
#include <stdlib.h>

#define HOUR_MS INT64_C(3600000)

static char *directory;
static struct tsdb *db;

static void setup_with(struct tsdb_options options)
{
    directory = mem_strdup(kit_directory());
    options.path = directory;
    db = kit_open(&options);
}

static void setup(void)
{
    setup_with((struct tsdb_options){0});
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
}

static int64_t newest_ms(struct series_view *view)
{
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("a"), SLICE("1"), &matcher, NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    struct series_query query = {matchers, 1, INT64_MIN, INT64_MAX, false, 0};
    struct series_list list = {0};
    ck_assert(series_view_select(view, &query, &list, NULL) == ERR_NONE);
    struct sample_columns columns;
    sample_columns_init(&columns);
    columns.newest_only = true;
    ck_assert(series_view_read(view, &list.entries.items[0], INT64_MIN, INT64_MAX, &columns,
                               NULL) == ERR_NONE);
    int64_t t_ms = columns.timestamps_ms[columns.count - 1];
    sample_columns_release(&columns);
    series_list_release(&list);
    matcher_free(matcher);
    return t_ms;
}

START_TEST(loose_samples_are_read_back_in_order)
{
    kit_append(db, "a=1", 1000, 1);
    kit_append(db, "a=1", 2000, 1);
    kit_append(db, "a=1", 3000, 1.5);
    kit_append(db, "a=1", 3500, 1.5);
    kit_append(db, "a=1", 9000, -2);
    ck_assert_str_eq(kit_read(db, "a=1"), "1000:1 2000:1 3000:1.5 3500:1.5 9000:-2");
    ck_assert_str_eq(kit_read_range(db, "a=1", 2000, 3499), "2000:1 3000:1.5");
    ck_assert_str_eq(kit_read_range(db, "a=1", 4000, 8000), "");
}
END_TEST

START_TEST(rows_of_a_group_are_read_back)
{
    struct sample_group *group = sample_group_new(db);
    for (int i = 0; i < 500; i++) {
        struct appender *appender = kit_begin(db, group, 1000 * i);
        ck_assert_int_eq(kit_stage(appender, "a=same", 7), APPEND_OK);
        ck_assert_int_eq(kit_stage(appender, "a=count", i), APPEND_OK);
        if (i % 10 < 5)
            ck_assert_int_eq(kit_stage(appender, "a=some", i / 100), APPEND_OK);
        kit_commit(appender);
    }
    ck_assert_str_eq(kit_read_range(db, "a=same", 118000, 122000),
                     "118000:7 119000:7 120000:7 121000:7 122000:7");
    ck_assert_str_eq(kit_read_range(db, "a=count", 118000, 122000),
                     "118000:118 119000:119 120000:120 121000:121 122000:122");
    ck_assert_str_eq(kit_read_range(db, "a=some", 93000, 111000),
                     "93000:0 94000:0 100000:1 101000:1 102000:1 103000:1 104000:1 110000:1 "
                     "111000:1");
    sample_group_free(group);
    ck_assert_str_eq(kit_read_range(db, "a=count", 498000, INT64_MAX), "498000:498 499000:499");
}
END_TEST

START_TEST(the_head_accepts_any_time_when_empty_and_an_hour_back_afterwards)
{
    ck_assert_int_eq(kit_try(db, "a=1", -5 * HOUR_MS, 1), APPEND_OK);
    teardown();
    setup();
    kit_append(db, "a=1", 10 * HOUR_MS, 1);
    ck_assert_int_eq(kit_try(db, "a=2", 9 * HOUR_MS, 1), APPEND_OK);
    ck_assert_int_eq(kit_try(db, "a=2", 9 * HOUR_MS - 1, 1), APPEND_OUT_OF_BOUNDS);
    ck_assert_int_eq(kit_try(db, "a=1", 10 * HOUR_MS - 1, 1), APPEND_OUT_OF_ORDER);
}
END_TEST

START_TEST(one_request_may_span_any_time_going_up_on_an_empty_head)
{
    struct labels *labels = kit_labels("a=1");
    struct appender *appender = kit_begin(db, NULL, 0);
    series_ref ref = appender_series(appender, labels);
    ck_assert_int_eq(append_at(appender, ref, 0, 1), APPEND_OK);
    ck_assert_int_eq(append_at(appender, ref, 5 * HOUR_MS, 2), APPEND_OK);
    ck_assert_int_eq(append_at(appender, ref, 50 * HOUR_MS, 3), APPEND_OK);
    ck_assert_int_eq(append_at(appender, ref, -2 * HOUR_MS, 3), APPEND_OUT_OF_BOUNDS);
    kit_commit(appender);
    ck_assert_str_eq(kit_read(db, "a=1"), "0:1 18000000:2 180000000:3");
    labels_unref(labels);
}
END_TEST

START_TEST(duplicates_are_told_by_their_bits)
{
    kit_append(db, "a=1", 1000, sample_stale());
    ck_assert_int_eq(kit_try(db, "a=1", 1000, sample_stale()), APPEND_DUPLICATE_SAME);
    ck_assert_int_eq(kit_try(db, "a=1", 1000, codec_bits_double(SAMPLE_NAN_BITS)),
                     APPEND_DUPLICATE);
    kit_append(db, "a=2", 1000, 0.0);
    ck_assert_int_eq(kit_try(db, "a=2", 1000, -0.0), APPEND_DUPLICATE);
}
END_TEST

START_TEST(a_rolled_back_transaction_leaves_no_sample)
{
    struct appender *appender = kit_begin(db, NULL, 0);
    ck_assert_int_eq(kit_stage(appender, "a=1", 1), APPEND_OK);
    appender_rollback(appender);
    ck_assert_str_eq(kit_read(db, "a=1"), "");
    ck_assert_str_eq(kit_select(db, ""), "");
}
END_TEST

START_TEST(a_second_value_of_a_row_is_a_duplicate)
{
    struct sample_group *group = sample_group_new(db);
    for (int i = 0; i < 2; i++) {
        struct appender *appender = kit_begin(db, group, 1000 + i);
        ck_assert_int_eq(kit_stage(appender, "a=1", 1), APPEND_OK);
        ck_assert_int_eq(kit_stage(appender, "a=1", 1), APPEND_DUPLICATE_SAME);
        ck_assert_int_eq(kit_stage(appender, "a=1", 2), APPEND_DUPLICATE);
        kit_commit(appender);
    }
    ck_assert_str_eq(kit_read(db, "a=1"), "1000:1 1001:1");
    sample_group_free(group);
}
END_TEST

START_TEST(a_row_at_an_old_time_goes_through_the_rules)
{
    struct sample_group *group = sample_group_new(db);
    struct appender *appender = kit_begin(db, group, 2000);
    ck_assert_int_eq(kit_stage(appender, "a=1", 1), APPEND_OK);
    kit_commit(appender);
    appender = kit_begin(db, group, 2000);
    ck_assert_int_eq(kit_stage(appender, "a=1", 1), APPEND_DUPLICATE_SAME);
    ck_assert_int_eq(kit_stage(appender, "a=2", 5), APPEND_OK);
    kit_commit(appender);
    appender = kit_begin(db, group, 1000);
    ck_assert_int_eq(kit_stage(appender, "a=1", 1), APPEND_OUT_OF_ORDER);
    ck_assert_int_eq(kit_stage(appender, "a=3", 6), APPEND_OK);
    kit_commit(appender);
    ck_assert_str_eq(kit_read(db, "a=1"), "2000:1");
    ck_assert_str_eq(kit_read(db, "a=2"), "2000:5");
    ck_assert_str_eq(kit_read(db, "a=3"), "1000:6");
    sample_group_free(group);
}
END_TEST

START_TEST(a_series_of_two_groups_becomes_loose_and_loses_nothing)
{
    struct sample_group *one = sample_group_new(db);
    struct sample_group *two = sample_group_new(db);
    struct buf expected;
    buf_init(&expected, 1 << 20);
    for (int i = 0; i < 20; i++) {
        struct appender *appender = kit_begin(db, i % 2 ? one : two, 1000 * i);
        ck_assert_int_eq(kit_stage(appender, "a=1", i / 3), APPEND_OK);
        ck_assert_int_eq(kit_stage(appender, i % 2 ? "b=1" : "b=2", i), APPEND_OK);
        kit_commit(appender);
        buf_printf(&expected, "%s%d:%d", i > 0 ? " " : "", 1000 * i, i / 3);
        ck_assert_str_eq(kit_read(db, "a=1"), buf_cstr(&expected));
    }
    kit_append(db, "b=1", 20500, 1);
    ck_assert_str_eq(kit_read_range(db, "b=1", 17000, INT64_MAX), "17000:17 19000:19 20500:1");
    sample_group_free(one);
    ck_assert_str_eq(kit_read_range(db, "b=1", 17000, INT64_MAX), "17000:17 19000:19 20500:1");
    sample_group_free(two);
    buf_release(&expected);
}
END_TEST

START_TEST(late_samples_within_the_window_are_merged)
{
    teardown();
    setup_with((struct tsdb_options){.out_of_order_window_ms = 10000});
    kit_append(db, "a=1", 20000, 20);
    kit_append(db, "a=1", 15000, 15);
    kit_append(db, "a=1", 10000, 10);
    kit_append(db, "a=1", 12000, 12);
    ck_assert_int_eq(kit_try(db, "a=1", 9999, 9), APPEND_TOO_OLD);
    kit_append(db, "a=1", 21000, 21);
    ck_assert_str_eq(kit_read(db, "a=1"), "10000:10 12000:12 15000:15 20000:20 21000:21");
    ck_assert_str_eq(kit_read_range(db, "a=1", 11000, 15000), "12000:12 15000:15");
}
END_TEST

START_TEST(a_series_in_the_row_and_beside_it_keeps_both_samples)
{
    struct sample_group *group = sample_group_new(db);
    struct labels *labels = kit_labels("a=1");
    for (int i = 0; i < 6; i++) {
        struct appender *appender = kit_begin(db, group, 1000 * i + 500);
        series_ref ref = appender_series(appender, labels);
        ck_assert_int_eq(kit_stage(appender, "b=1", i), APPEND_OK);
        ck_assert_int_eq(append(appender, ref, i), APPEND_OK);
        if (i % 2 == 1)
            ck_assert_int_eq(append_at(appender, ref, 1000 * i, i + 0.5), APPEND_OK);
        kit_commit(appender);
    }
    ck_assert_str_eq(kit_read(db, "a=1"), "500:0 1000:1.5 1500:1 2500:2 3000:3.5 3500:3 4500:4 "
                                          "5000:5.5 5500:5");
    ck_assert_str_eq(kit_read(db, "b=1"), "500:0 1500:1 2500:2 3500:3 4500:4 5500:5");
    labels_unref(labels);
    sample_group_free(group);
}
END_TEST

START_TEST(times_at_the_ends_of_what_can_be_said_are_kept)
{
    static const int64_t times_ms[] = {INT64_MIN / 2, -1, 0, INT64_MAX / 2, INT64_MAX - 1};
    struct labels *labels = kit_labels("a=1");
    struct appender *appender = kit_begin(db, NULL, 0);
    series_ref ref = appender_series(appender, labels);
    struct histogram histogram = {.count = 1};
    struct labels *other = kit_labels("b=1");
    series_ref other_ref = appender_series(appender, other);
    for (size_t i = 0; i < ARRAY_SIZE(times_ms); i++) {
        ck_assert_int_eq(append_at(appender, ref, times_ms[i], (double)i), APPEND_OK);
        ck_assert_int_eq(append_histogram_at(appender, other_ref, times_ms[i], &histogram),
                         APPEND_OK);
    }
    kit_commit(appender);
    labels_unref(labels);
    labels_unref(other);
    const char *expected = "-4611686018427387904:0 -1:1 0:2 4611686018427387903:3 "
                           "9223372036854775806:4";
    ck_assert_str_eq(kit_read(db, "a=1"), expected);
    ck_assert_str_eq(kit_read_range(db, "b=1", 0, INT64_MAX - 2), "0:h1 4611686018427387903:h1");
}
END_TEST

START_TEST(histogram_duplicates_are_told_by_their_content)
{
    struct labels *labels = kit_labels("a=1");
    struct histogram histogram = {.count = 1, .sum = 2};
    struct appender *appender = kit_begin(db, NULL, 0);
    series_ref ref = appender_series(appender, labels);
    ck_assert_int_eq(append_histogram_at(appender, ref, 1000, &histogram), APPEND_OK);
    kit_commit(appender);
    appender = kit_begin(db, NULL, 0);
    ck_assert_int_eq(append_histogram_at(appender, ref, 1000, &histogram), APPEND_DUPLICATE_SAME);
    ck_assert_int_eq(append_at(appender, ref, 1000, 0), APPEND_DUPLICATE);
    histogram.sum = 3;
    ck_assert_int_eq(append_histogram_at(appender, ref, 1000, &histogram), APPEND_DUPLICATE);
    ck_assert_int_eq(append_histogram_at(appender, ref, 999, &histogram), APPEND_OUT_OF_ORDER);
    ck_assert_int_eq(append_at(appender, ref, 2000, sample_stale()), APPEND_OK);
    kit_commit(appender);
    ck_assert_str_eq(kit_read(db, "a=1"), "1000:h1 2000:hstale");
    labels_unref(labels);
}
END_TEST

START_TEST(unknown_refs_are_told)
{
    struct appender *appender = kit_begin(db, NULL, 0);
    ck_assert_int_eq(append(appender, 0, 1), APPEND_UNKNOWN_SERIES);
    ck_assert_int_eq(append(appender, 12345, 1), APPEND_UNKNOWN_SERIES);
    ck_assert_int_eq(append_at(appender, UINT64_C(1) << 60, 1, 1), APPEND_UNKNOWN_SERIES);
    appender_rollback(appender);
}
END_TEST

START_TEST(selectors_match_as_the_reference_does)
{
    kit_append(db, "__name__=up,job=a,i=1", 0, 1);
    kit_append(db, "__name__=up,job=b", 0, 1);
    kit_append(db, "__name__=down,job=b,i=2", 0, 1);
    kit_append(db, "__name__=up,i=3", 0, 1);
    ck_assert_str_eq(kit_select(db, "__name__=up,job=a"), "{__name__=\"up\", i=\"1\", job=\"a\"}");
    ck_assert_str_eq(kit_select(db, "job=b"), "{__name__=\"down\", i=\"2\", job=\"b\"} "
                                              "{__name__=\"up\", job=\"b\"}");
    ck_assert_str_eq(kit_select(db, "job="), "{__name__=\"up\", i=\"3\"}");
    ck_assert_str_eq(kit_select(db, "job!=b,__name__=up"),
                     "{__name__=\"up\", i=\"1\", job=\"a\"} {__name__=\"up\", i=\"3\"}");
    ck_assert_str_eq(kit_select(db, "job!=,i!="), "{__name__=\"down\", i=\"2\", job=\"b\"} "
                                                  "{__name__=\"up\", i=\"1\", job=\"a\"}");
    ck_assert_str_eq(kit_select(db, "i=~.+,job!~a"), "{__name__=\"down\", i=\"2\", job=\"b\"} "
                                                     "{__name__=\"up\", i=\"3\"}");
    ck_assert_str_eq(kit_select(db, "job=~a|,__name__=~u.*"),
                     "{__name__=\"up\", i=\"1\", job=\"a\"} {__name__=\"up\", i=\"3\"}");
    ck_assert_str_eq(kit_select(db, "nobody=x"), "");
    ck_assert_str_eq(kit_select(db, "nobody!~x.*,i=2"), "{__name__=\"down\", i=\"2\", job=\"b\"}");
    ck_assert_str_eq(kit_select(db, "nobody=~.+"), "");
}
END_TEST

/* Behind a pause it is too old for the head's order, yet newer than what the series had. */
START_TEST(a_late_sample_may_be_the_newest_of_its_series)
{
    teardown();
    setup_with((struct tsdb_options){.out_of_order_window_ms = 10 * HOUR_MS});
    kit_append(db, "a=1", 1000, 1);
    kit_append(db, "a=2", 5 * HOUR_MS, 1);
    kit_append(db, "a=1", HOUR_MS, 2);
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, NULL) == ERR_NONE);
    ck_assert_int_eq(newest_ms(view), HOUR_MS);
    series_view_close(view);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("appender");
    TCase *tcase = tcase_create("appender");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, loose_samples_are_read_back_in_order);
    tcase_add_test(tcase, rows_of_a_group_are_read_back);
    tcase_add_test(tcase, the_head_accepts_any_time_when_empty_and_an_hour_back_afterwards);
    tcase_add_test(tcase, one_request_may_span_any_time_going_up_on_an_empty_head);
    tcase_add_test(tcase, duplicates_are_told_by_their_bits);
    tcase_add_test(tcase, a_rolled_back_transaction_leaves_no_sample);
    tcase_add_test(tcase, a_second_value_of_a_row_is_a_duplicate);
    tcase_add_test(tcase, a_row_at_an_old_time_goes_through_the_rules);
    tcase_add_test(tcase, a_series_of_two_groups_becomes_loose_and_loses_nothing);
    tcase_add_test(tcase, late_samples_within_the_window_are_merged);
    tcase_add_test(tcase, a_series_in_the_row_and_beside_it_keeps_both_samples);
    tcase_add_test(tcase, times_at_the_ends_of_what_can_be_said_are_kept);
    tcase_add_test(tcase, histogram_duplicates_are_told_by_their_content);
    tcase_add_test(tcase, unknown_refs_are_told);
    tcase_add_test(tcase, a_late_sample_may_be_the_newest_of_its_series);
    tcase_add_test(tcase, selectors_match_as_the_reference_does);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
