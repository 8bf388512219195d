/* Deleting series: gone for those who ask from then on, also after a restart; what comes later is
 * seen. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "tests/support/fault_fs.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/tsdb_internal.h"

static char directory[128];
static struct tsdb_options options;
static struct fault_fs faults;
static struct tsdb *db;

static void setup(void)
{
    log_set_level(LOG_ERROR);
    snprintf(directory, sizeof(directory), "%s", kit_directory());
    fault_fs_init(&faults);
    options = (struct tsdb_options){.path = directory,
                                    .fs = &faults.fs,
                                    .fsync_policy = TSDB_FSYNC_OFF,
                                    .no_snapshot = true,
                                    .out_of_order_window_ms = 1000000};
    db = kit_open(&options);
}

static void teardown(void)
{
    tsdb_close(db);
    fault_fs_release(&faults);
    kit_remove(directory);
}

static enum err try_delete(const char *name, const char *value, int64_t min_ms, int64_t max_ms)
{
    struct matcher *matcher;
    struct errbuf err = ERRBUF_INIT;
    ck_assert(matcher_new(MATCHER_EQUAL, slice_str(name), slice_str(value), &matcher, NULL) ==
              ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    enum err code = tsdb_delete_series(db, matchers, 1, min_ms, max_ms, &err);
    matcher_free(matcher);
    return code;
}

static void delete_series(const char *name, const char *value, int64_t min_ms, int64_t max_ms)
{
    ck_assert_int_eq(try_delete(name, value, min_ms, max_ms), ERR_NONE);
}

static void append_three(const char *labels)
{
    for (int64_t t = 1; t <= 3; t++)
        kit_append(db, labels, t * 1000, (double)t);
}

static void store_histogram(const char *text, int64_t t_ms)
{
    struct labels *labels = kit_labels(text);
    struct histogram histogram = {.count = (double)t_ms, .sum = 1, .zero_count = (double)t_ms};
    struct appender *appender = kit_begin(db, NULL, t_ms);
    ck_assert_int_eq(
        append_histogram_at(appender, appender_series(appender, labels), t_ms, &histogram),
        APPEND_OK);
    kit_commit(appender);
    labels_unref(labels);
}

START_TEST(a_span_of_the_series_that_match_is_gone_and_nothing_else)
{
    append_three("job=a,i=1");
    append_three("job=a,i=2");
    append_three("job=b");
    delete_series("job", "a", 1500, 2000);
    ck_assert_str_eq(kit_read(db, "job=a,i=1"), "1000:1 3000:3");
    ck_assert_str_eq(kit_read(db, "job=a,i=2"), "1000:1 3000:3");
    ck_assert_str_eq(kit_read(db, "job=b"), "1000:1 2000:2 3000:3");
    delete_series("job", "a", 3000, 1000);
    ck_assert_str_eq(kit_read(db, "job=a,i=1"), "1000:1 3000:3");
}
END_TEST

START_TEST(a_series_of_which_all_is_deleted_is_not_listed)
{
    append_three("job=a");
    append_three("job=b");
    delete_series("job", "a", INT64_MIN, INT64_MAX);
    ck_assert_str_eq(kit_select(db, "job=~.+"), "{job=\"b\"}");
    ck_assert_str_eq(kit_read(db, "job=a"), "");
}
END_TEST

START_TEST(samples_that_come_later_are_seen)
{
    append_three("job=a");
    delete_series("job", "a", INT64_MIN, INT64_MAX);
    kit_append(db, "job=a", 4000, 4);
    ck_assert_str_eq(kit_read(db, "job=a"), "4000:4");
    ck_assert_str_eq(kit_select(db, "job=a"), "{job=\"a\"}");
}
END_TEST

START_TEST(members_of_a_group_too)
{
    struct sample_group *group = sample_group_new(db);
    for (int64_t t = 1; t <= 4; t++) {
        if (t == 4)
            delete_series("job", "a", 2000, INT64_MAX);
        struct appender *appender = kit_begin(db, group, t * 1000);
        kit_stage(appender, "job=a", (double)t);
        kit_stage(appender, "job=b", (double)t);
        kit_commit(appender);
    }
    ck_assert_str_eq(kit_read(db, "job=a"), "1000:1 4000:4");
    ck_assert_str_eq(kit_read(db, "job=b"), "1000:1 2000:2 3000:3 4000:4");
    sample_group_free(group);
}
END_TEST

/* The row that it was not in has nothing of it. */
START_TEST(of_a_member_that_was_absent_only_what_it_has)
{
    struct sample_group *group = sample_group_new(db);
    for (int64_t t = 1; t <= 3; t++) {
        struct appender *appender = kit_begin(db, group, t * 1000);
        if (t == 1)
            kit_stage(appender, "job=a", 1);
        kit_stage(appender, "job=b", (double)t);
        kit_commit(appender);
    }
    delete_series("job", "a", INT64_MIN, INT64_MAX);
    kit_append(db, "job=a", 2500, 5);
    ck_assert_str_eq(kit_read(db, "job=a"), "2500:5");
    sample_group_free(group);
}
END_TEST

START_TEST(histograms_and_samples_out_of_order_too)
{
    store_histogram("job=a", 1000);
    store_histogram("job=a", 2000);
    kit_append(db, "job=a", 5000, 5);
    kit_append(db, "job=a", 3000, 3);
    kit_append(db, "job=a", 4000, 4);
    delete_series("job", "a", 2000, 3500);
    ck_assert_str_eq(kit_read(db, "job=a"), "1000:h1000 4000:4 5000:5");
}
END_TEST

START_TEST(a_view_that_is_open_goes_on_seeing_them)
{
    append_three("job=a");
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), 0, 9000, &view, NULL) == ERR_NONE);
    delete_series("job", "a", 0, 2000);
    delete_series("job", "a", 3000, 3000);
    ck_assert_str_eq(kit_read_view(view, "job=a", 0, 9000), "1000:1 2000:2 3000:3");
    series_view_close(view);
    ck_assert_str_eq(kit_read(db, "job=a"), "");
}
END_TEST

START_TEST(whoever_asks_for_the_newest_sample_gets_the_newest_that_is_left)
{
    append_three("job=a");
    delete_series("job", "a", 2500, INT64_MAX);
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), 0, 9000, &view, NULL) == ERR_NONE);
    struct series_query query = {.min_ms = 0, .max_ms = 9000};
    struct series_list list = {0};
    ck_assert(series_view_select(view, &query, &list, NULL) == ERR_NONE);
    ck_assert_uint_eq(list.entries.len, 1);
    struct sample_columns columns;
    sample_columns_init(&columns);
    columns.newest_only = true;
    ck_assert(series_view_read(view, &list.entries.items[0], 0, 9000, &columns, NULL) == ERR_NONE);
    ck_assert_uint_gt(columns.count, 0);
    ck_assert_int_eq(columns.timestamps_ms[columns.count - 1], 2000);
    sample_columns_release(&columns);
    series_list_release(&list);
    series_view_close(view);
}
END_TEST

static void reopen(bool snapshot)
{
    tsdb_close(db);
    options.no_snapshot = !snapshot;
    db = kit_open(&options);
}

static void delete_and_reopen(bool snapshot)
{
    append_three("job=a,i=1");
    append_three("job=a,i=2");
    append_three("job=b");
    delete_series("i", "2", 1000, 2000);
    reopen(snapshot);
    ck_assert_str_eq(kit_read(db, "job=a,i=1"), "1000:1 2000:2 3000:3");
    ck_assert_str_eq(kit_read(db, "job=a,i=2"), "3000:3");
    delete_series("job", "b", INT64_MIN, INT64_MAX);
    kit_append(db, "job=b", 4000, 4);
    reopen(snapshot);
    ck_assert_str_eq(kit_read(db, "job=a,i=2"), "3000:3");
    ck_assert_str_eq(kit_read(db, "job=b"), "4000:4");
}

START_TEST(the_log_remembers_them)
{
    delete_and_reopen(false);
}
END_TEST

START_TEST(the_snapshot_of_the_head_remembers_them)
{
    tsdb_close(db);
    options.no_snapshot = false; /* of the one that closes */
    db = kit_open(&options);
    delete_and_reopen(true);
    reopen(false);
    ck_assert_str_eq(kit_read(db, "job=b"), "4000:4");
}
END_TEST

START_TEST(a_series_that_the_segment_does_not_know_is_defined_for_its_deletion)
{
    append_three("job=a");
    append_three("job=b");
    reopen(false); /* begins a segment */
    delete_series("job", "a", 2000, 2000);
    kit_append(db, "job=b", 4000, 4);
    kit_append(db, "job=a", 4000, 4);
    reopen(false);
    ck_assert_str_eq(kit_read(db, "job=a"), "1000:1 3000:3 4000:4");
    ck_assert_str_eq(kit_read(db, "job=b"), "1000:1 2000:2 3000:3 4000:4");
}
END_TEST

START_TEST(when_the_log_cannot_be_written_nothing_is_deleted)
{
    append_three("job=a");
    fault_fs_fail(&faults, 1, true, ENOSPC);
    ck_assert_int_ne(try_delete("job", "a", 0, 9000), ERR_NONE);
    fault_fs_fail(&faults, 0, false, 0);
    ck_assert_str_eq(kit_read(db, "job=a"), "1000:1 2000:2 3000:3");
    reopen(false);
    ck_assert_str_eq(kit_read(db, "job=a"), "1000:1 2000:2 3000:3");
}
END_TEST

START_TEST(deletions_of_what_is_not_kept_any_more_are_forgotten)
{
    append_three("job=a");
    append_three("job=b");
    delete_series("job", "a", 0, 2000);
    delete_series("job", "b", 0, 3000);
    ck_assert_uint_eq(db->head.deleted->items.len, 2);
    head_drop_deletions(&db->head, 2500);
    ck_assert_uint_eq(db->head.deleted->items.len, 1);
    head_drop_deletions(&db->head, 3001);
    ck_assert_ptr_null((const void *)db->head.deleted);
}
END_TEST

START_TEST(more_series_than_fit_into_one_frame)
{
    struct appender *appender = kit_begin(db, NULL, 1000);
    for (int i = 0; i < 10000; i++) {
        char text[64];
        snprintf(text, sizeof(text), "job=%s,i=%d", i % 2 == 0 ? "a" : "b", i);
        struct labels *labels = kit_labels(text);
        ck_assert_int_eq(append_at(appender, appender_series(appender, labels), 1000, 1),
                         APPEND_OK);
        labels_unref(labels);
    }
    kit_commit(appender);
    delete_series("job", "a", 0, 9000);
    reopen(false);
    ck_assert_str_eq(kit_read(db, "job=a,i=9998"), "");
    ck_assert_str_eq(kit_read(db, "job=a,i=0"), "");
    ck_assert_str_eq(kit_read(db, "job=b,i=9999"), "1000:1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("deletion");
    TCase *tests = tcase_create("deletion");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_span_of_the_series_that_match_is_gone_and_nothing_else);
    tcase_add_test(tests, a_series_of_which_all_is_deleted_is_not_listed);
    tcase_add_test(tests, samples_that_come_later_are_seen);
    tcase_add_test(tests, members_of_a_group_too);
    tcase_add_test(tests, of_a_member_that_was_absent_only_what_it_has);
    tcase_add_test(tests, histograms_and_samples_out_of_order_too);
    tcase_add_test(tests, a_view_that_is_open_goes_on_seeing_them);
    tcase_add_test(tests, whoever_asks_for_the_newest_sample_gets_the_newest_that_is_left);
    tcase_add_test(tests, the_log_remembers_them);
    tcase_add_test(tests, the_snapshot_of_the_head_remembers_them);
    tcase_add_test(tests, a_series_that_the_segment_does_not_know_is_defined_for_its_deletion);
    tcase_add_test(tests, when_the_log_cannot_be_written_nothing_is_deleted);
    tcase_add_test(tests, deletions_of_what_is_not_kept_any_more_are_forgotten);
    tcase_add_test(tests, more_series_than_fit_into_one_frame);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
