/* Cutting the head: what was appended is seen all the time, by views from before and after, and
 * after restarts; memory and log shrink. */
#include "tests/support/fault_fs.h"
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/log.h"
#include "tsdb/tsdb_internal.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define START_MS INT64_C(1699999200000) /* a multiple of two hours */

static char *directory;
static struct tsdb_options options;
static struct tsdb *db;

static void setup(void)
{
    log_set_level(LOG_ERROR);
    directory = mem_strdup(kit_directory());
    options = (struct tsdb_options){.path = directory,
                                    .fsync_policy = TSDB_FSYNC_OFF,
                                    .wal_segment_bytes = 20000,
                                    .out_of_order_window_ms = 6 * HOUR_MS};
    db = kit_open(&options);
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
}

static void reopen(bool clean)
{
    /* without a snapshot a stop leaves what a kill does */
    db->options.no_snapshot = !clean;
    tsdb_close(db);
    db = kit_open(&options);
}

static void maintain(void)
{
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(tsdb_maintain(db, &err) == ERR_NONE, "%s", err.text);
}

/* Without merging the blocks afterwards. */
static void cut(void)
{
    struct errbuf err = ERRBUF_INIT;
    MUTEX_GUARD(&db->maintenance_lock);
    ck_assert_msg(head_cut(db, &err) == ERR_NONE, "%s", err.text);
}

static size_t block_count(void)
{
    struct block_list *list = block_shelf_take(&db->shelf);
    size_t count = list->count;
    block_list_unref(list);
    return count;
}

static int64_t head_from_ms(void)
{
    struct block_list *list = block_shelf_take(&db->shelf);
    int64_t from_ms = list->head_from_ms;
    block_list_unref(list);
    return from_ms;
}

static struct tsdb_head_stats stats(void)
{
    struct tsdb_head_stats out;
    tsdb_head_stats(db, &out);
    return out;
}

/* Rows of `series` series at every `step_ms`; "a=i" has the value t/1000 % 1000 + i. */
static void write_rows(struct sample_group *group, int64_t from_ms, int64_t to_ms, int64_t step_ms,
                       int series)
{
    for (int64_t t_ms = from_ms; t_ms < to_ms; t_ms += step_ms) {
        struct appender *appender = kit_begin(db, group, t_ms);
        for (int i = 0; i < series; i++) {
            char text[32];
            snprintf(text, sizeof(text), "a=%d", i);
            ck_assert_int_eq(kit_stage(appender, text, (double)(t_ms / 1000 % 1000 + i)),
                             APPEND_OK);
        }
        kit_commit(appender);
    }
}

/* Are all samples of "a=`series`" of [from_ms, to_ms) there, once? */
static void expect_rows_in(struct series_view *view, int64_t from_ms, int64_t to_ms,
                           int64_t step_ms, int series)
{
    struct buf expected;
    char text[32];
    buf_init(&expected, (size_t)16 << 20);
    snprintf(text, sizeof(text), "a=%d", series);
    for (int64_t t_ms = from_ms; t_ms < to_ms; t_ms += step_ms)
        buf_printf(&expected, "%s%ld:%ld", t_ms == from_ms ? "" : " ", (long)t_ms,
                   (long)(t_ms / 1000 % 1000 + series));
    ck_assert_str_eq(kit_read_view(view, text, from_ms, to_ms - 1), buf_cstr(&expected));
    buf_release(&expected);
}

static struct series_view *open_view(void)
{
    struct series_view *view;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, &err) ==
                      ERR_NONE,
                  "%s", err.text);
    return view;
}

static void expect_rows(int64_t from_ms, int64_t to_ms, int64_t step_ms, int series)
{
    struct series_view *view = open_view();
    for (int i = 0; i < series; i++)
        expect_rows_in(view, from_ms, to_ms, step_ms, i);
    series_view_close(view);
}

START_TEST(nothing_is_cut_before_three_hours)
{
    struct sample_group *group = sample_group_new(db);
    write_rows(group, START_MS, START_MS + 3 * HOUR_MS + 1, MINUTE_MS, 3);
    maintain();
    ck_assert_uint_eq(block_count(), 0);
    write_rows(group, START_MS + 3 * HOUR_MS + MINUTE_MS, START_MS + 3 * HOUR_MS + MINUTE_MS + 1,
               MINUTE_MS, 3);
    maintain();
    ck_assert_uint_eq(block_count(), 1);
    ck_assert_int_eq(head_from_ms(), START_MS + 2 * HOUR_MS);
    ck_assert_int_eq(stats().min_ms, START_MS + 2 * HOUR_MS);
    expect_rows(START_MS, START_MS + 3 * HOUR_MS + MINUTE_MS + 1, MINUTE_MS, 3);
    sample_group_free(group);
}
END_TEST

START_TEST(blocks_are_aligned_and_the_first_begins_with_the_first_sample)
{
    struct sample_group *group = sample_group_new(db);
    int64_t from_ms = START_MS + 90 * MINUTE_MS;
    write_rows(group, from_ms, from_ms + 6 * HOUR_MS, MINUTE_MS, 2);
    maintain();
    struct block_list *list = block_shelf_take(&db->shelf);
    ck_assert_uint_eq(list->count, 3);
    ck_assert_int_eq(block_meta(list->blocks[0])->min_ms, from_ms);
    for (size_t i = 0; i < list->count; i++)
        ck_assert_int_eq(block_meta(list->blocks[i])->max_ms,
                         START_MS + 2 * ((int64_t)i + 1) * HOUR_MS);
    ck_assert_uint_eq(block_meta(list->blocks[1])->stats.samples, 2 * 120);
    ck_assert_uint_eq(block_meta(list->blocks[1])->level, 1);
    block_list_unref(list);
    expect_rows(from_ms, from_ms + 6 * HOUR_MS, MINUTE_MS, 2);
    sample_group_free(group);
}
END_TEST

START_TEST(memory_and_log_stay_flat_over_hours_of_churn)
{
    struct sample_group *group = sample_group_new(db);
    uint64_t memory_bytes = 0;
    uint64_t wal_bytes = 0;
    for (int hour = 0; hour < 12; hour++) {
        /* a tenth of the series is replaced every hour */
        for (int minute = 0; minute < 60; minute++) {
            int64_t t_ms = START_MS + hour * HOUR_MS + minute * MINUTE_MS;
            struct appender *appender = kit_begin(db, group, t_ms);
            for (int i = 0; i < 200; i++) {
                char text[32];
                snprintf(text, sizeof(text), "a=%d", i < 20 ? 1000 + hour * 20 + i : i);
                ck_assert_int_eq(kit_stage(appender, text, minute * i), APPEND_OK);
            }
            kit_commit(appender);
        }
        maintain();
        maintain();
        if (hour == 5) {
            memory_bytes = tsdb_memory(db);
            wal_bytes = stats().wal_bytes;
        }
    }
    ck_assert_uint_lt(tsdb_memory(db), memory_bytes * 5 / 4);
    ck_assert_uint_lt(stats().wal_bytes, wal_bytes * 5 / 4);
    ck_assert_uint_lt(stats().series_count, 200 + 5 * 20);
    ck_assert_uint_ge(block_count(), 1);
    ck_assert_str_eq(kit_read_range(db, "a=1001", START_MS, START_MS + MINUTE_MS),
                     "1699999200000:0 1699999260000:1");
    sample_group_free(group);
}
END_TEST

START_TEST(the_log_shrinks_however_large_its_segments_are)
{
    options.wal_segment_bytes = 0;
    reopen(false);
    struct sample_group *group = sample_group_new(db);
    uint64_t grown_bytes = 0;
    for (int hour = 0; hour < 16; hour += 2) {
        int64_t from_ms = START_MS + hour * HOUR_MS;
        uint64_t before = stats().wal_bytes;
        write_rows(group, from_ms, from_ms + 2 * HOUR_MS, MINUTE_MS, 20);
        grown_bytes += stats().wal_bytes - before;
        maintain();
    }
    ck_assert_uint_lt(stats().wal_bytes, grown_bytes / 2);
    sample_group_free(group);
    reopen(false);
    expect_rows(START_MS, START_MS + 16 * HOUR_MS, MINUTE_MS, 20);
}
END_TEST

START_TEST(views_that_are_open_during_a_cut_see_what_they_saw)
{
    struct sample_group *group = sample_group_new(db);
    write_rows(group, START_MS, START_MS + 4 * HOUR_MS, MINUTE_MS, 3);
    kit_append(db, "late=1", START_MS + 3 * HOUR_MS, 1);
    kit_append(db, "late=1", START_MS + HOUR_MS, 2);
    struct series_view *before = open_view();
    maintain();
    ck_assert_uint_gt(block_count(), 0);
    /* the head has not let go of anything */
    ck_assert_int_eq(stats().min_ms, START_MS);
    struct series_view *after = open_view();
    write_rows(group, START_MS + 4 * HOUR_MS, START_MS + 8 * HOUR_MS, MINUTE_MS, 3);
    maintain();
    for (int i = 0; i < 3; i++) {
        expect_rows_in(before, START_MS, START_MS + 4 * HOUR_MS, MINUTE_MS, i);
        expect_rows_in(after, START_MS, START_MS + 4 * HOUR_MS, MINUTE_MS, i);
    }
    const char *late = "1700002800000:2 1700010000000:1";
    ck_assert_str_eq(kit_read_view(before, "late=1", 0, INT64_MAX), late);
    ck_assert_str_eq(kit_read_view(after, "late=1", 0, INT64_MAX), late);
    series_view_close(before);
    maintain();
    expect_rows_in(after, START_MS, START_MS + 4 * HOUR_MS, MINUTE_MS, 0);
    ck_assert_str_eq(kit_read_view(after, "late=1", 0, INT64_MAX), late);
    series_view_close(after);
    maintain();
    ck_assert_int_eq(stats().min_ms, START_MS + 6 * HOUR_MS);
    expect_rows(START_MS, START_MS + 8 * HOUR_MS, MINUTE_MS, 3);
    ck_assert_str_eq(kit_read(db, "late=1"), late);
    sample_group_free(group);
}
END_TEST

START_TEST(restarts_bring_everything_once)
{
    for (int clean = 0; clean < 2; clean++) {
        struct sample_group *group = sample_group_new(db);
        int64_t from_ms = START_MS + clean * 24 * HOUR_MS;
        write_rows(group, from_ms, from_ms + 5 * HOUR_MS, MINUTE_MS, 3);
        maintain();
        sample_group_free(group);
        reopen(clean);
        expect_rows(from_ms, from_ms + 5 * HOUR_MS, MINUTE_MS, 3);
        ck_assert_int_eq(head_from_ms(), from_ms + 2 * HOUR_MS);
        ck_assert_int_eq(stats().min_ms, from_ms + 2 * HOUR_MS);
        /* what the blocks have is not in the head again */
        struct block_list *list = block_shelf_take(&db->shelf);
        uint64_t in_blocks = 0;
        for (size_t i = 0; i < list->count; i++) {
            if (block_meta(list->blocks[i])->min_ms >= from_ms)
                in_blocks += block_meta(list->blocks[i])->stats.samples;
        }
        block_list_unref(list);
        ck_assert_uint_eq(in_blocks, 3 * 120);
    }
}
END_TEST

START_TEST(samples_before_the_head_are_refused_or_late)
{
    struct sample_group *group = sample_group_new(db);
    write_rows(group, START_MS, START_MS + 5 * HOUR_MS, MINUTE_MS, 1);
    maintain();
    ck_assert_int_eq(head_from_ms(), START_MS + 2 * HOUR_MS);
    sample_group_free(group);
    options.out_of_order_window_ms = 0;
    reopen(false);
    ck_assert_int_eq(kit_try(db, "b=1", START_MS + 2 * HOUR_MS - 1, 1), APPEND_OUT_OF_BOUNDS);
    tsdb_set_out_of_order_window(db, 4 * HOUR_MS);
    ck_assert_int_eq(kit_try(db, "b=1", START_MS + 2 * HOUR_MS - 1, 1), APPEND_OK);
    ck_assert_int_eq(kit_try(db, "b=1", START_MS + HOUR_MS - MINUTE_MS - 1, 1), APPEND_TOO_OLD);
    /* only blocks: still nothing older */
    tsdb_set_out_of_order_window(db, 0);
}
END_TEST

START_TEST(late_samples_go_into_a_block_of_their_own)
{
    struct sample_group *group = sample_group_new(db);
    write_rows(group, START_MS, START_MS + 4 * HOUR_MS, MINUTE_MS, 2);
    sample_group_free(group);
    kit_append(db, "a=0", START_MS + 10 * MINUTE_MS + 1, 77);
    kit_append(db, "a=0", START_MS + 130 * MINUTE_MS + 1, 78);
    /* of a time that has a sample: the one that was there wins */
    kit_append(db, "a=0", START_MS + 12 * MINUTE_MS, -1);
    char *before = mem_strdup(kit_read(db, "a=0"));
    ck_assert_ptr_nonnull(strstr(before, ":77 "));
    ck_assert_ptr_null(strstr(before, ":-1"));
    cut();
    ck_assert_str_eq(kit_read(db, "a=0"), before);
    ck_assert_int_eq((int64_t)db->head.late_min_ms, INT64_MAX);
    size_t late = 0;
    struct block_list *list = block_shelf_take(&db->shelf);
    for (size_t i = 0; i < list->count; i++)
        late += block_meta(list->blocks[i])->out_of_order;
    block_list_unref(list);
    ck_assert_uint_eq(late, 2);
    reopen(false);
    ck_assert_str_eq(kit_read(db, "a=0"), before);
    maintain();
    ck_assert_str_eq(kit_read(db, "a=0"), before);
    /* late for what is in a block */
    kit_append(db, "a=0", START_MS + 20 * MINUTE_MS + 1, 79);
    kit_append(db, "a=0", START_MS + 21 * MINUTE_MS, -1);
    ck_assert_ptr_nonnull(strstr(kit_read(db, "a=0"), "1700000400001:79 "));
    ck_assert_ptr_null(strstr(kit_read(db, "a=0"), ":-1"));
    ck_assert_str_eq(
        kit_read_range(db, "a=0", START_MS + 20 * MINUTE_MS + 1, START_MS + 20 * MINUTE_MS + 1),
        "1700000400001:79");
    for (int clean = 0; clean < 2; clean++) {
        reopen(clean);
        ck_assert_ptr_nonnull(strstr(kit_read(db, "a=0"), "1700000400001:79 "));
        ck_assert_ptr_null(strstr(kit_read(db, "a=0"), ":-1"));
    }
    mem_free(before);
}
END_TEST

/* They are in segments of the log that stay for other samples. */
static char *store_late_samples(void)
{
    struct sample_group *group = sample_group_new(db);
    write_rows(group, START_MS, START_MS + 4 * HOUR_MS, MINUTE_MS, 2);
    sample_group_free(group);
    kit_append(db, "a=0", START_MS + 10 * MINUTE_MS + 1, 77);
    kit_append(db, "a=0", START_MS + 130 * MINUTE_MS + 1, 78);
    char *before = mem_strdup(kit_read(db, "a=0"));
    cut();
    ck_assert_int_eq((int64_t)db->head.late_min_ms, INT64_MAX);
    return before;
}

START_TEST(late_samples_that_a_block_has_are_not_read_from_the_log)
{
    char *before = store_late_samples();
    reopen(false);
    ck_assert_int_eq((int64_t)db->head.late_min_ms, INT64_MAX);
    ck_assert_str_eq(kit_read(db, "a=0"), before);
    kit_append(db, "a=0", START_MS + 20 * MINUTE_MS + 1, 79);
    reopen(false);
    ck_assert_int_eq((int64_t)db->head.late_min_ms, START_MS + 20 * MINUTE_MS + 1);
    mem_free(before);
}
END_TEST

START_TEST(late_samples_that_are_in_a_block_and_in_the_head_are_seen_once_and_become_one)
{
    char *before = store_late_samples();
    char path[512];
    /* as when the process was killed before it could note that they are stored */
    snprintf(path, sizeof(path), "%s/wal/segments", directory);
    db->options.no_snapshot = true;
    tsdb_close(db);
    ck_assert_int_eq(fs_system->unlink(fs_system, path), 0);
    log_set_level(LOG_ERROR);
    db = kit_open(&options);
    ck_assert_int_eq((int64_t)db->head.late_min_ms, START_MS + 10 * MINUTE_MS + 1);
    ck_assert_str_eq(kit_read(db, "a=0"), before);
    struct sample_group *group = sample_group_new(db);
    write_rows(group, START_MS + 4 * HOUR_MS, START_MS + 8 * HOUR_MS, MINUTE_MS, 1);
    sample_group_free(group);
    maintain();
    ck_assert_int_eq((int64_t)db->head.late_min_ms, INT64_MAX);
    uint64_t samples = 0;
    struct block_list *list = block_shelf_take(&db->shelf);
    for (size_t i = 0; i < list->count; i++)
        samples += block_meta(list->blocks[i])->stats.samples;
    ck_assert_int_eq(list->head_from_ms, START_MS + 6 * HOUR_MS);
    block_list_unref(list);
    /* six hours of "a=0", four of "a=1", and the two */
    ck_assert_uint_eq(samples, 360 + 240 + 2);
    ck_assert_int_eq(strncmp(kit_read(db, "a=0"), before, strlen(before)), 0);
    mem_free(before);
}
END_TEST

START_TEST(an_appender_from_before_the_cut_is_waited_for)
{
    struct sample_group *group = sample_group_new(db);
    write_rows(group, START_MS, START_MS + 3 * HOUR_MS, MINUTE_MS, 1);
    struct appender *appender = kit_begin(db, NULL, START_MS);
    struct labels *labels = kit_labels("slow=1");
    ck_assert_int_eq(
        append_at(appender, appender_series(appender, labels), START_MS + 121 * MINUTE_MS, 5),
        APPEND_OK);
    labels_unref(labels);
    write_rows(group, START_MS + 3 * HOUR_MS, START_MS + 5 * HOUR_MS + 2 * MINUTE_MS, MINUTE_MS, 1);
    db->head.range_ms = HOUR_MS; /* so that its sample lies in what is cut */
    maintain();
    ck_assert_uint_eq(block_count(), 0);
    kit_commit(appender);
    maintain();
    ck_assert_uint_gt(block_count(), 0);
    ck_assert_str_eq(kit_read(db, "slow=1"), "1700006460000:5");
    expect_rows(START_MS, START_MS + 5 * HOUR_MS, MINUTE_MS, 1);
    sample_group_free(group);
}
END_TEST

START_TEST(a_cut_that_fails_is_tried_again)
{
    struct fault_fs faults;
    fault_fs_init(&faults);
    tsdb_close(db);
    options.fs = &faults.fs;
    db = kit_open(&options);
    struct sample_group *group = sample_group_new(db);
    write_rows(group, START_MS, START_MS + 4 * HOUR_MS, MINUTE_MS, 3);
    bool failed = true;
    for (uint64_t k = 1; failed; k++) {
        fault_fs_fail(&faults, k, true, ENOSPC);
        log_set_level(LOG_ERROR + 1);
        mutex_lock(&db->maintenance_lock);
        failed = head_cut(db, NULL) != ERR_NONE;
        mutex_unlock(&db->maintenance_lock);
        log_set_level(LOG_ERROR);
        fault_fs_fail(&faults, 0, false, 0);
        expect_rows(START_MS, START_MS + 4 * HOUR_MS, MINUTE_MS, 3);
        ck_assert_uint_eq(block_count(), !failed);
        ck_assert_uint_lt(k, 200);
    }
    ck_assert_uint_eq(block_count(), 1);
    maintain(); /* the log may have failed too: it recovers */
    ck_assert_int_eq(kit_try(db, "b=1", START_MS + 4 * HOUR_MS, 1), APPEND_OK);
    sample_group_free(group);
    tsdb_close(db);
    options.fs = NULL;
    db = kit_open(&options);
    fault_fs_release(&faults);
    expect_rows(START_MS, START_MS + 4 * HOUR_MS, MINUTE_MS, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_cut");
    TCase *tcase = tcase_create("head_cut");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, nothing_is_cut_before_three_hours);
    tcase_add_test(tcase, blocks_are_aligned_and_the_first_begins_with_the_first_sample);
    tcase_add_test(tcase, memory_and_log_stay_flat_over_hours_of_churn);
    tcase_add_test(tcase, the_log_shrinks_however_large_its_segments_are);
    tcase_add_test(tcase, views_that_are_open_during_a_cut_see_what_they_saw);
    tcase_add_test(tcase, restarts_bring_everything_once);
    tcase_add_test(tcase, samples_before_the_head_are_refused_or_late);
    tcase_add_test(tcase, late_samples_go_into_a_block_of_their_own);
    tcase_add_test(tcase, late_samples_that_a_block_has_are_not_read_from_the_log);
    tcase_add_test(tcase,
                   late_samples_that_are_in_a_block_and_in_the_head_are_seen_once_and_become_one);
    tcase_add_test(tcase, an_appender_from_before_the_cut_is_waited_for);
    tcase_add_test(tcase, a_cut_that_fails_is_tried_again);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
