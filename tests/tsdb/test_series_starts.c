/* Start timestamps: stored beside the samples, logged, and samples of 0 where counters start. */
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/log.h"
#include "model/sample.h"

#include <check.h>
#include <stdlib.h>

static char *directory;
static struct tsdb_options options;
static struct tsdb *db;

static void setup(void)
{
    log_set_level(LOG_ERROR);
    directory = mem_strdup(kit_directory());
    options = (struct tsdb_options){.path = directory, .store_start_times = true};
    db = kit_open(&options);
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
}

static void restart(void)
{
    tsdb_close(db);
    db = kit_open(&options);
}

static void store(const char *series, int64_t t_ms, int64_t start_ms, double value)
{
    struct labels *labels = kit_labels(series);
    struct appender *appender = kit_begin(db, NULL, 0);
    series_ref ref = appender_series(appender, labels);
    append_start(appender, ref, t_ms, start_ms, NULL);
    ck_assert_int_eq(append_at(appender, ref, t_ms, value), APPEND_OK);
    kit_commit(appender);
    labels_unref(labels);
}

START_TEST(starts_are_read_beside_their_samples)
{
    store("a=1", 1000, 500, 1);
    store("a=1", 2000, 500, 2);
    store("a=1", 3000, 2500, 1);
    store("a=1", 4000, 0, 2);
    store("a=1", 5000, 0, 2);
    store("b=1", 1000, 0, 1);
    const char *expected = "1000:since 500:1 2000:since 500:2 3000:since 2500:1 4000:2 5000:2";
    for (int round = 0; round < 2; round++) {
        ck_assert_str_eq(kit_read(db, "a=1"), expected);
        ck_assert_str_eq(kit_read_range(db, "a=1", 2000, 3500),
                         "2000:since 500:2 3000:since 2500:1");
        ck_assert_str_eq(kit_read_range(db, "a=1", 4000, 9000), "4000:2 5000:2");
        ck_assert_str_eq(kit_read(db, "b=1"), "1000:1");
        restart();
    }
}
END_TEST

START_TEST(a_late_sample_has_a_start_of_its_own)
{
    tsdb_set_out_of_order_window(db, 100000);
    store("a=1", 1000, 500, 1);
    store("a=1", 3000, 500, 3);
    store("a=1", 5000, 4000, 1);
    store("a=1", 2000, 100, 2);
    store("a=1", 4500, 0, 2);
    const char *expected = "1000:since 500:1 2000:since 100:2 3000:since 500:3 4500:2 "
                           "5000:since 4000:1";
    ck_assert_str_eq(kit_read(db, "a=1"), expected);
    restart();
    ck_assert_str_eq(kit_read(db, "a=1"), expected);
}
END_TEST

START_TEST(rows_of_a_group_have_starts)
{
    struct sample_group *group = sample_group_new(db);
    struct labels *labels = kit_labels("a=1");
    for (int i = 1; i <= 200; i++) {
        struct appender *appender = kit_begin(db, group, 1000 * i);
        series_ref ref = appender_series(appender, labels);
        append_start(appender, ref, 1000 * i, i < 150 ? 500 : 149500, NULL);
        ck_assert_int_eq(append(appender, ref, i), APPEND_OK);
        kit_commit(appender);
    }
    ck_assert_str_eq(kit_read_range(db, "a=1", 149000, 150000),
                     "149000:since 500:149 150000:since 149500:150");
    sample_group_free(group);
    restart();
    ck_assert_str_eq(kit_read_range(db, "a=1", 149000, 150000),
                     "149000:since 500:149 150000:since 149500:150");
    labels_unref(labels);
}
END_TEST

START_TEST(every_segment_says_what_its_samples_count_since)
{
    tsdb_close(db);
    options.wal_segment_bytes = 1000;
    options.retention_ms = 1000 * 1000;
    db = kit_open(&options);
    store("a=1", 1000, 500, 1);
    for (int i = 2; i <= 8000; i++)
        store("a=1", 1000 * i, 500, i % 7 + 0.5);
    struct errbuf err = ERRBUF_INIT;
    ck_assert(tsdb_maintain(db, &err) == ERR_NONE);
    restart();
    ck_assert_str_eq(kit_read_range(db, "a=1", 7999000, 8000000),
                     "7999000:since 500:5.5 8000000:since 500:6.5");
    ck_assert_str_eq(kit_read_range(db, "a=1", 0, 2000000), "");
}
END_TEST

static void with_zeros(void)
{
    tsdb_close(db);
    options.store_start_times = false;
    options.start_zero_samples = true;
    db = kit_open(&options);
}

START_TEST(counters_begin_at_0_where_that_is_wanted)
{
    with_zeros();
    store("a=1", 1000, 500, 1);
    store("a=1", 2000, 500, 2);
    store("a=1", 3000, 2500, 1);
    store("a=1", 4000, 4000, 2); /* no counter starts with its sample */
    store("a=1", 5000, 9000, 2);
    ck_assert_str_eq(kit_read(db, "a=1"), "500:0 1000:1 2000:2 2500:0 3000:1 4000:2 5000:2");
    struct sample_group *group = sample_group_new(db);
    struct labels *labels = kit_labels("b=1");
    for (int i = 1; i <= 3; i++) {
        struct appender *appender = kit_begin(db, group, 10000 * i);
        series_ref ref = appender_series(appender, labels);
        append_start(appender, ref, 10000 * i, i < 3 ? 5000 : 25000, NULL);
        ck_assert_int_eq(append(appender, ref, i), APPEND_OK);
        kit_commit(appender);
    }
    ck_assert_str_eq(kit_read(db, "b=1"), "5000:0 10000:1 20000:2 25000:0 30000:3");
    sample_group_free(group);
    labels_unref(labels);
}
END_TEST

START_TEST(histograms_begin_empty)
{
    with_zeros();
    struct labels *labels = kit_labels("a=1");
    struct appender *appender = kit_begin(db, NULL, 0);
    series_ref ref = appender_series(appender, labels);
    struct histogram histogram = {.schema = 3, .zero_count = 4, .count = 4, .zero_threshold = 0.1};
    append_start(appender, ref, 1000, 500, &histogram);
    ck_assert_int_eq(append_histogram_at(appender, ref, 1000, &histogram), APPEND_OK);
    kit_commit(appender);
    ck_assert_str_eq(kit_read(db, "a=1"), "500:h0 1000:h4");
    labels_unref(labels);
}
END_TEST

START_TEST(nothing_is_done_with_starts_that_nobody_wants)
{
    tsdb_close(db);
    options.store_start_times = false;
    db = kit_open(&options);
    store("a=1", 1000, 500, 1);
    ck_assert_str_eq(kit_read(db, "a=1"), "1000:1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("series_starts");
    TCase *tcase = tcase_create("series_starts");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, starts_are_read_beside_their_samples);
    tcase_add_test(tcase, a_late_sample_has_a_start_of_its_own);
    tcase_add_test(tcase, rows_of_a_group_have_starts);
    tcase_add_test(tcase, every_segment_says_what_its_samples_count_since);
    tcase_add_test(tcase, counters_begin_at_0_where_that_is_wanted);
    tcase_add_test(tcase, histograms_begin_empty);
    tcase_add_test(tcase, nothing_is_done_with_starts_that_nobody_wants);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
