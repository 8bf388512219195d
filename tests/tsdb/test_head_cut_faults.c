/* Cutting the head on a file system that fails, or at a power cut, at any operation: what was
 * acknowledged is served, once. And while others append and query. */
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
#define STEP_MS (10 * MINUTE_MS)
#define ROWS 40
#define LATE_EVERY 7

static char *directory;
static struct tsdb_options options;
static struct fault_fs faults;

/* By row: was its commit acknowledged? */
static bool acknowledged[ROWS];
static bool late_acknowledged[ROWS];

static void start_anew(void)
{
    if (directory != NULL) {
        fault_fs_release(&faults);
        kit_remove(directory);
        mem_free(directory);
    }
    directory = mem_strdup(kit_directory());
    fault_fs_init(&faults);
    options = (struct tsdb_options){.path = directory,
                                    .fs = &faults.fs,
                                    .fsync_policy = TSDB_FSYNC_ALWAYS,
                                    .fsync_interval_ms = 3600000,
                                    .maintenance_interval_ms = 3600000,
                                    .wal_segment_bytes = 300,
                                    .out_of_order_window_ms = 6 * HOUR_MS};
    memset(acknowledged, 0, sizeof(acknowledged));
    memset(late_acknowledged, 0, sizeof(late_acknowledged));
}

static void setup(void)
{
    log_set_level(LOG_ERROR + 1);
    directory = NULL;
    start_anew();
}

static void teardown(void)
{
    fault_fs_release(&faults);
    kit_remove(directory);
    mem_free(directory);
}

static bool append_one(struct tsdb *db, struct sample_group *group, const char *text, int64_t t_ms,
                       double value)
{
    struct appender *appender;
    if (appender_begin(db, group, t_ms, &appender, NULL) != ERR_NONE)
        return false;
    struct labels *labels = kit_labels(text);
    series_ref ref = appender_series(appender, labels);
    labels_unref(labels);
    enum append_result result =
        group != NULL ? append(appender, ref, value) : append_at(appender, ref, t_ms, value);
    if (result == APPEND_OK)
        return appender_commit(appender, NULL) == ERR_NONE;
    appender_rollback(appender);
    return false;
}

static int64_t row_ms(int row)
{
    return START_MS + row * STEP_MS;
}

/* Rows of a group, and now and then a sample that is an hour late. */
static void append_rows(struct tsdb *db, int from, int to)
{
    struct sample_group *group = sample_group_new(db);
    for (int row = from; row < to; row++) {
        acknowledged[row] = append_one(db, group, "a=1", row_ms(row), row);
        if (row % LATE_EVERY == LATE_EVERY - 1)
            late_acknowledged[row] =
                append_one(db, NULL, "a=1", row_ms(row) - HOUR_MS + 1, row + 1000);
    }
    sample_group_free(group);
}

static void add_expected(struct buf *out, int64_t t_ms, int value)
{
    buf_printf(out, "%s%ld:%d", out->len == 0 ? "" : " ", (long)t_ms, value);
}

/* All that was acknowledged is there, and nothing that was not appended, or twice. */
static void expect_acknowledged(struct tsdb *db, const char *when, uint64_t k)
{
    struct buf text;
    buf_init(&text, (size_t)1 << 20);
    buf_printf(&text, " %s ", kit_read(db, "a=1"));
    int64_t before_ms = INT64_MIN;
    size_t count = 0;
    for (const char *at = buf_cstr(&text); *at != '\0'; at = strchr(at + 1, ' ')) {
        if (at[1] == '\0' || at[1] == ' ')
            break;
        long t_ms = strtol(at + 1, NULL, 10);
        ck_assert_msg(t_ms > before_ms, "%s, operation %lu: twice or unordered", when,
                      (unsigned long)k);
        before_ms = t_ms;
        count++;
    }
    for (int row = 0; row < ROWS; row++) {
        struct buf one;
        buf_init(&one, 100);
        buf_printf(&one, " %ld:%d ", (long)row_ms(row), row);
        bool there = strstr(buf_cstr(&text), buf_cstr(&one)) != NULL;
        ck_assert_msg(there || !acknowledged[row], "%s, operation %lu: row %d is lost", when,
                      (unsigned long)k, row);
        count -= there;
        buf_reset(&one);
        buf_printf(&one, " %ld:%d ", (long)(row_ms(row) - HOUR_MS + 1), row + 1000);
        there = strstr(buf_cstr(&text), buf_cstr(&one)) != NULL;
        ck_assert_msg(there || !late_acknowledged[row],
                      "%s, operation %lu: the late sample of row %d is lost", when,
                      (unsigned long)k, row);
        count -= there;
        buf_release(&one);
    }
    ck_assert_msg(count == 0, "%s, operation %lu: %zu unknown samples", when, (unsigned long)k,
                  count);
    buf_release(&text);
}

/* Appends, cuts twice and restarts, with operation `k` failing on the way. */
static bool run(uint64_t k, bool and_after, int error, uint64_t *out_cuts)
{
    start_anew();
    struct tsdb *db = kit_open(&options);
    fault_fs_fail(&faults, k, and_after, error);
    uint64_t until = faults.operations + k;
    append_rows(db, 0, ROWS / 2);
    (void)!tsdb_maintain(db, NULL);
    append_rows(db, ROWS / 2, ROWS);
    (void)!tsdb_maintain(db, NULL);
    expect_acknowledged(db, "before the end", k);
    struct block_list *list = block_shelf_take(&db->shelf);
    *out_cuts += list->count;
    block_list_unref(list);
    tsdb_close(db);
    struct tsdb *again = NULL;
    if (!and_after && tsdb_open(&options, &again, NULL) == ERR_NONE) {
        expect_acknowledged(again, "after a restart", k);
        tsdb_close(again);
    }
    bool reached = faults.operations >= until;
    fault_fs_fail(&faults, 0, false, 0);
    return reached;
}

START_TEST(a_failure_of_any_operation_loses_nothing)
{
    uint64_t cuts = 0;
    bool reached = true;
    uint64_t step = getenv("HEAD_CUT_ALL") != NULL ? 1 : 7;
    for (uint64_t k = 1 + rand_seed_system() % step; reached; k += step) {
        reached = run(k, false, k % 2 ? EIO : ENOSPC, &cuts);
        options.fs = NULL;
        struct tsdb *db = kit_open(&options);
        expect_acknowledged(db, "with a good disk", k);
        ck_assert_int_eq(tsdb_maintain(db, NULL), ERR_NONE);
        expect_acknowledged(db, "after maintenance", k);
        tsdb_close(db);
        db = kit_open(&options);
        expect_acknowledged(db, "at the end", k);
        tsdb_close(db);
    }
    ck_assert_uint_gt(cuts, 0);
}
END_TEST

START_TEST(a_power_cut_at_any_operation_loses_nothing_that_was_synced)
{
    uint64_t cuts = 0;
    bool reached = true;
    uint64_t step = getenv("HEAD_CUT_ALL") != NULL ? 1 : 7;
    for (uint64_t k = 1 + rand_seed_system() % step; reached; k += step) {
        reached = run(k, true, EIO, &cuts);
        fault_fs_cut_power(&faults, k % 2 ? 0 : k);
        options.fs = NULL;
        struct tsdb *db = kit_open(&options);
        expect_acknowledged(db, "after the power cut", k);
        ck_assert_int_eq(tsdb_maintain(db, NULL), ERR_NONE);
        expect_acknowledged(db, "after maintenance", k);
        tsdb_close(db);
    }
    ck_assert_uint_gt(cuts, 0);
}
END_TEST

/* --- with others at work --- */

#define CROWD_SERIES 20
#define CROWD_ROWS 3000 /* a minute each */

static struct tsdb *crowd_db;
static _Atomic int64_t committed_ms; /* rows up to here are acknowledged */
static _Atomic bool finished;

static void crowd_append(void *context)
{
    struct sample_group *group = sample_group_new(crowd_db);
    for (int row = 0; row < CROWD_ROWS; row++) {
        int64_t t_ms = START_MS + row * MINUTE_MS;
        struct appender *appender = kit_begin(crowd_db, group, t_ms);
        for (int i = 0; i < CROWD_SERIES; i++) {
            char text[32];
            snprintf(text, sizeof(text), "c=%d", i);
            ck_assert_int_eq(kit_stage(appender, text, row), APPEND_OK);
        }
        kit_commit(appender);
        committed_ms = t_ms;
        if (row % 50 == 49)
            kit_append(crowd_db, "late=1", t_ms - 90 * MINUTE_MS, row);
    }
    sample_group_free(group);
    finished = true;
}

/* Every row that was there when the view was opened is seen, and none twice. */
static void crowd_query(void *context)
{
    uint64_t *queries = context;
    struct rand rand;
    rand_init(&rand, (uint64_t)(uintptr_t)context);
    struct labels *labels = kit_labels("c=1");
    while (!finished) {
        int64_t upto_ms = committed_ms;
        struct series_view *view;
        struct errbuf err = ERRBUF_INIT;
        ck_assert_msg(series_source_open(tsdb_source(crowd_db), INT64_MIN, INT64_MAX, &view,
                                         &err) == ERR_NONE,
                      "%s", err.text);
        struct series_query query = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
        struct series_list list = {0};
        struct sample_columns columns;
        sample_columns_init(&columns);
        ck_assert_int_eq(series_view_select(view, &query, &list, &err), ERR_NONE);
        for (size_t i = 0; i < list.entries.len; i++) {
            if (!labels_equal(list.entries.items[i].labels, labels))
                continue;
            ck_assert_msg(series_view_read(view, &list.entries.items[i], INT64_MIN, INT64_MAX,
                                           &columns, &err) == ERR_NONE,
                          "%s", err.text);
            for (size_t k = 0; k < columns.count; k++)
                ck_assert_int_eq(columns.timestamps_ms[k], START_MS + (int64_t)k * MINUTE_MS);
            if (upto_ms != 0)
                ck_assert_int_ge(START_MS + (int64_t)columns.count * MINUTE_MS, upto_ms);
        }
        sample_columns_release(&columns);
        series_list_release(&list);
        series_view_close(view);
        (*queries)++;
    }
    labels_unref(labels);
}

START_TEST(appending_querying_and_cutting_at_once)
{
    options.fs = NULL;
    options.fsync_policy = TSDB_FSYNC_OFF;
    options.wal_segment_bytes = 100000;
    crowd_db = kit_open(&options);
    committed_ms = 0;
    finished = false;
    struct thread appender = {0};
    struct thread readers[2] = {0};
    uint64_t queries[2] = {0};
    thread_start(&appender, "append", crowd_append, NULL);
    for (int i = 0; i < 2; i++)
        thread_start(&readers[i], "query", crowd_query, &queries[i]);
    uint64_t cuts = 0;
    while (!finished) {
        struct errbuf err = ERRBUF_INIT;
        ck_assert_msg(tsdb_maintain(crowd_db, &err) == ERR_NONE, "%s", err.text);
        cuts++;
    }
    thread_join(&appender);
    for (int i = 0; i < 2; i++)
        thread_join(&readers[i]);
    ck_assert_int_eq(tsdb_maintain(crowd_db, NULL), ERR_NONE);
    ck_assert_int_eq(tsdb_maintain(crowd_db, NULL), ERR_NONE);
    struct block_list *list = block_shelf_take(&crowd_db->shelf);
    ck_assert_uint_gt(list->count, 0);
    ck_assert_int_gt(list->head_from_ms, START_MS + (CROWD_ROWS - 200) * MINUTE_MS);
    block_list_unref(list);
    tsdb_close(crowd_db);
    crowd_db = kit_open(&options);
    struct buf expected;
    buf_init(&expected, (size_t)1 << 20);
    for (int row = 0; row < CROWD_ROWS; row++)
        add_expected(&expected, START_MS + row * MINUTE_MS, row);
    ck_assert_str_eq(kit_read(crowd_db, "c=7"), buf_cstr(&expected));
    buf_reset(&expected);
    for (int row = 49; row < CROWD_ROWS; row += 50)
        add_expected(&expected, START_MS + (row - 90) * MINUTE_MS, row);
    ck_assert_str_eq(kit_read(crowd_db, "late=1"), buf_cstr(&expected));
    buf_release(&expected);
    tsdb_close(crowd_db);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_cut_faults");
    TCase *tcase = tcase_create("head_cut_faults");
    tcase_set_timeout(tcase, 280);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_failure_of_any_operation_loses_nothing);
    tcase_add_test(tcase, a_power_cut_at_any_operation_loses_nothing_that_was_synced);
    tcase_add_test(tcase, appending_querying_and_cutting_at_once);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
