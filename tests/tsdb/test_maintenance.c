/* Retention, and series that leave the head when nothing of them is left. */
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/log.h"
#include "model/symbols.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)

static char *directory;
static struct tsdb_options options;
static struct tsdb *db;

static void setup(void)
{
    log_set_level(LOG_ERROR);
    directory = mem_strdup(kit_directory());
    options = (struct tsdb_options){.path = directory,
                                    .fsync_policy = TSDB_FSYNC_OFF,
                                    .retention_ms = 10 * MINUTE_MS,
                                    .wal_segment_bytes = 4000};
    db = kit_open(&options);
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
}

static void maintain(void)
{
    ck_assert(tsdb_maintain(db, NULL) == ERR_NONE);
}

static uint64_t series_count(void)
{
    struct tsdb_head_stats stats;
    tsdb_head_stats(db, &stats);
    return stats.series_count;
}

static series_ref ref_of(const char *text)
{
    struct labels *labels = kit_labels(text);
    struct appender *appender = kit_begin(db, NULL, 0);
    series_ref ref = appender_series(appender, labels);
    appender_rollback(appender);
    labels_unref(labels);
    return ref;
}

/* A row of a group every second: `count` series of which the first stays the same. */
static void write_rows(struct sample_group *group, int64_t from_s, int64_t to_s, int series)
{
    for (int64_t s = from_s; s < to_s; s++) {
        struct appender *appender = kit_begin(db, group, s * 1000);
        for (int i = 0; i < series; i++) {
            char text[32];
            snprintf(text, sizeof(text), "a=%d", i);
            ck_assert_int_eq(kit_stage(appender, text, i == 0 ? 1 : (double)s), APPEND_OK);
        }
        kit_commit(appender);
    }
}

START_TEST(samples_older_than_the_retention_go_by_the_time_of_the_data)
{
    struct sample_group *group = sample_group_new(db);
    write_rows(group, 0, 1800, 2);
    maintain();
    struct tsdb_head_stats stats;
    tsdb_head_stats(db, &stats);
    ck_assert_int_eq(stats.max_ms, 1799000);
    ck_assert_int_eq(stats.min_ms, 1799000 - 10 * MINUTE_MS);
    ck_assert_str_eq(kit_read_range(db, "a=1", 0, 1000000), "");
    ck_assert_str_eq(kit_read_range(db, "a=1", 1799000 - 10 * MINUTE_MS, 1200000),
                     "1199000:1199 1200000:1200");
    ck_assert_str_eq(kit_read_range(db, "a=0", 1798000, 1800000), "1798000:1 1799000:1");
    sample_group_free(group);
    tsdb_close(db);
    db = kit_open(&options);
    ck_assert_str_eq(kit_read_range(db, "a=1", 1798000, 1800000), "1798000:1798 1799000:1799");
}
END_TEST

START_TEST(segments_of_the_log_go_with_their_samples_and_series_stay_known)
{
    struct sample_group *group = sample_group_new(db);
    kit_append(db, "once=1", 1500000, 3); /* said once, early in the log */
    write_rows(group, 1000, 4000, 3);
    struct tsdb_head_stats before;
    tsdb_head_stats(db, &before);
    maintain();
    struct tsdb_head_stats after;
    tsdb_head_stats(db, &after);
    ck_assert_uint_lt(after.wal_bytes, before.wal_bytes / 2);
    ck_assert_str_eq(kit_read(db, "once=1"), "");
    sample_group_free(group);
    tsdb_close(db);
    db = kit_open(&options);
    ck_assert_str_eq(kit_read_range(db, "a=2", 3998000, 4000000), "3998000:3998 3999000:3999");
}
END_TEST

START_TEST(series_without_samples_leave_and_their_refs_are_never_used_again)
{
    kit_append(db, "gone=1", 0, 1);
    kit_append(db, "gone=2", 0, 1);
    series_ref gone = ref_of("gone=1");
    size_t symbols = symbols_count();
    for (int64_t t_ms = 0; t_ms <= 60 * MINUTE_MS; t_ms += MINUTE_MS)
        kit_append(db, "stays=1", t_ms, 1);
    ck_assert_uint_eq(series_count(), 3);
    maintain();
    maintain();
    maintain();
    ck_assert_uint_eq(series_count(), 1);
    ck_assert_str_eq(kit_select(db, "gone=~.+"), "");
    struct appender *appender = kit_begin(db, NULL, 60 * MINUTE_MS);
    ck_assert_int_eq(append_at(appender, gone, 60 * MINUTE_MS, 1), APPEND_UNKNOWN_SERIES);
    ck_assert_ptr_null(appender_labels(appender, gone));
    appender_rollback(appender);
    ck_assert_uint_le(symbols_count(), symbols + 1); /* theirs are freed, "stays" is new */
    kit_append(db, "gone=1", 60 * MINUTE_MS, 5);
    ck_assert_uint_gt(ref_of("gone=1"), gone);
    ck_assert_str_eq(kit_read(db, "gone=1"), "3600000:5");
}
END_TEST

START_TEST(a_member_that_vanished_leaves_and_its_ref_is_unknown)
{
    struct sample_group *group = sample_group_new(db);
    write_rows(group, 0, 10, 3);
    series_ref gone = ref_of("a=2");
    write_rows(group, 10, 3000, 2);
    for (int i = 0; i < 3; i++)
        maintain();
    ck_assert_uint_eq(series_count(), 2);
    struct appender *appender = kit_begin(db, group, 3000000);
    ck_assert_int_eq(append(appender, gone, 1), APPEND_UNKNOWN_SERIES);
    ck_assert_int_eq(kit_stage(appender, "a=2", 7), APPEND_OK);
    kit_commit(appender);
    ck_assert_str_eq(kit_read(db, "a=2"), "3000000:7");
    sample_group_free(group);
}
END_TEST

START_TEST(a_silent_group_lets_its_series_go)
{
    struct sample_group *group = sample_group_new(db);
    write_rows(group, 0, 10, 3);
    kit_append(db, "later=1", 60 * MINUTE_MS, 1);
    for (int i = 0; i < 3; i++)
        maintain();
    ck_assert_uint_eq(series_count(), 1);
    struct appender *appender = kit_begin(db, group, 60 * MINUTE_MS);
    ck_assert_int_eq(kit_stage(appender, "a=0", 7), APPEND_OK);
    kit_commit(appender);
    ck_assert_str_eq(kit_read(db, "a=0"), "3600000:7");
    sample_group_free(group);
}
END_TEST

START_TEST(a_staged_series_is_not_collected_under_its_transaction)
{
    struct labels *labels = kit_labels("new=1");
    struct appender *appender = kit_begin(db, NULL, 0);
    series_ref ref = appender_series(appender, labels);
    ck_assert_int_eq(append_at(appender, ref, 1000, 1), APPEND_OK);
    for (int i = 0; i < 4; i++) {
        maintain();
        appender_rollback(kit_begin(db, NULL, 0));
    }
    kit_commit(appender);
    ck_assert_str_eq(kit_read(db, "new=1"), "1000:1");
    labels_unref(labels);
}
END_TEST

START_TEST(what_a_view_was_handed_stays)
{
    kit_append(db, "gone=1", 0, 1);
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, NULL) == ERR_NONE);
    struct series_query query = {NULL, 0, INT64_MIN, INT64_MAX, true, 0};
    struct series_list list = {0};
    ck_assert(series_view_select(view, &query, &list, NULL) == ERR_NONE);
    ck_assert_uint_eq(list.entries.len, 1);
    kit_append(db, "later=1", 60 * MINUTE_MS, 1);
    for (int i = 0; i < 3; i++)
        maintain();
    ck_assert_uint_eq(series_count(), 1);
    struct labels *labels = kit_labels("gone=1");
    ck_assert(labels_equal(list.entries.items[0].labels, labels));
    labels_unref(labels);
    struct sample_columns columns;
    sample_columns_init(&columns);
    ck_assert(series_view_read(view, &list.entries.items[0], INT64_MIN, INT64_MAX, &columns,
                               NULL) == ERR_NONE);
    sample_columns_release(&columns);
    series_list_release(&list);
    series_view_close(view);
}
END_TEST

START_TEST(a_limit_by_size_leaves_the_head_alone)
{
    struct sample_group *group = sample_group_new(db);
    write_rows(group, 0, 500, 3);
    tsdb_set_retention(db, 0, 10000, 0);
    maintain();
    struct tsdb_head_stats stats;
    tsdb_head_stats(db, &stats);
    ck_assert_uint_gt(stats.wal_bytes, 10000);
    ck_assert_str_eq(kit_read_range(db, "a=1", 499000, 500000), "499000:499");
    ck_assert_str_eq(kit_read_range(db, "a=1", 0, 0), "0:0");
    sample_group_free(group);
}
END_TEST

START_TEST(cardinality_counts)
{
    kit_append(db, "__name__=m,a=1", 0, 1);
    kit_append(db, "__name__=m,a=22", 0, 1);
    kit_append(db, "__name__=n,a=1", 0, 1);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct tsdb_cardinality tables;
    tsdb_cardinality(db, 10, &arena, &tables);
    ck_assert_uint_eq(tables.series_by_metric_count, 2);
    ck_assert(slice_eq_str(tables.series_by_metric[0].name, "m"));
    ck_assert_uint_eq(tables.series_by_metric[0].value, 2);
    ck_assert_uint_eq(tables.values_by_label_count, 2);
    ck_assert_uint_eq(tables.values_by_label[0].value, 2);
    ck_assert(slice_eq_str(tables.bytes_by_label[0].name, "a"));
    ck_assert_uint_eq(tables.bytes_by_label[0].value, 3);
    ck_assert_uint_eq(tables.series_by_pair_count, 4);
    ck_assert_uint_eq(tables.series_by_pair[0].value, 2);
    tsdb_cardinality(db, 1, &arena, &tables);
    ck_assert_uint_eq(tables.series_by_pair_count, 1);
    arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("maintenance");
    TCase *tcase = tcase_create("maintenance");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, samples_older_than_the_retention_go_by_the_time_of_the_data);
    tcase_add_test(tcase, segments_of_the_log_go_with_their_samples_and_series_stay_known);
    tcase_add_test(tcase, series_without_samples_leave_and_their_refs_are_never_used_again);
    tcase_add_test(tcase, a_member_that_vanished_leaves_and_its_ref_is_unknown);
    tcase_add_test(tcase, a_silent_group_lets_its_series_go);
    tcase_add_test(tcase, a_staged_series_is_not_collected_under_its_transaction);
    tcase_add_test(tcase, what_a_view_was_handed_stays);
    tcase_add_test(tcase, a_limit_by_size_leaves_the_head_alone);
    tcase_add_test(tcase, cardinality_counts);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
