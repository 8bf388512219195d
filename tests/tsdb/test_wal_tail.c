/* Following the log: everything that is committed after opening, in order, and segments are held.
 */
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "model/sample.h"
#include "tsdb/wal_tail.h"

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *directory;
static struct tsdb_options options;
static struct tsdb *db;
static struct buf seen;

static void setup(void)
{
    log_set_level(LOG_ERROR);
    directory = mem_strdup(kit_directory());
    options = (struct tsdb_options){
        .path = directory, .fsync_policy = TSDB_FSYNC_OFF, .wal_segment_bytes = 1000};
    db = kit_open(&options);
    buf_init(&seen, 1 << 20);
}

static void teardown(void)
{
    buf_release(&seen);
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
}

static void see(const struct wal_tail_sample *sample, void *context)
{
    labels_print(sample->labels, &seen);
    if (sample->histogram != NULL)
        buf_printf(&seen, "%ld:h%g ", (long)sample->timestamp_ms,
                   sample_is_stale(sample->histogram->sum) ? sample->histogram->sum
                                                           : sample->histogram->count);
    else
        buf_printf(&seen, "%ld:%g ", (long)sample->timestamp_ms, sample->value);
}

static const char *read_tail(struct wal_tail *tail)
{
    buf_reset(&seen);
    buf_append_str(&seen, "");
    bool any = true;
    while (any) {
        struct errbuf err = ERRBUF_INIT;
        enum err result = wal_tail_next(tail, see, NULL, &any, &err);
        ck_assert_msg(result == ERR_NONE, "%s", err.text);
    }
    return buf_cstr(&seen);
}

START_TEST(a_tail_shows_what_comes_after_it)
{
    kit_append(db, "a=1", 1000, 1);
    struct wal_tail *tail;
    ck_assert(wal_tail_open(db, 1 << 20, &tail, NULL) == ERR_NONE);
    ck_assert_str_eq(read_tail(tail), "");
    kit_append(db, "a=1", 2000, 2);
    kit_append(db, "a=1", 3000, 2);
    ck_assert_str_eq(read_tail(tail), "{a=\"1\"}2000:2 {a=\"1\"}3000:2 ");
    ck_assert_str_eq(read_tail(tail), "");
    wal_tail_close(tail);
}
END_TEST

START_TEST(rows_arrive_whole_across_segments)
{
    struct wal_tail *tail;
    ck_assert(wal_tail_open(db, 1 << 20, &tail, NULL) == ERR_NONE);
    struct sample_group *group = sample_group_new(db);
    for (int i = 0; i < 300; i++) {
        struct appender *appender = kit_begin(db, group, 1000 + i);
        ck_assert_int_eq(kit_stage(appender, "a=1", 7), APPEND_OK);
        if (i % 3 != 0)
            ck_assert_int_eq(kit_stage(appender, "a=2", i), APPEND_OK);
        kit_commit(appender);
        char expected[128];
        int len = snprintf(expected, sizeof(expected), "{a=\"1\"}%d:7 ", 1000 + i);
        if (i % 3 != 0)
            snprintf(expected + len, sizeof(expected) - (size_t)len, "{a=\"2\"}%d:%d ", 1000 + i,
                     i);
        if (i % 40 == 0)
            (void)read_tail(tail);
        else if (i % 40 > 35)
            ck_assert_ptr_nonnull(strstr(read_tail(tail), expected));
    }
    sample_group_free(group);
    wal_tail_close(tail);
}
END_TEST

START_TEST(histograms_and_stale_markers_arrive)
{
    struct wal_tail *tail;
    ck_assert(wal_tail_open(db, 1 << 20, &tail, NULL) == ERR_NONE);
    struct histogram histogram = {.count = 3, .sum = 1.5};
    struct labels *labels = kit_labels("a=1");
    struct appender *appender = kit_begin(db, NULL, 0);
    ck_assert_int_eq(
        append_histogram_at(appender, appender_series(appender, labels), 1000, &histogram),
        APPEND_OK);
    kit_commit(appender);
    kit_append(db, "a=1", 2000, sample_stale());
    ck_assert_str_eq(read_tail(tail), "{a=\"1\"}1000:h3 {a=\"1\"}2000:hnan ");
    labels_unref(labels);
    wal_tail_close(tail);
}
END_TEST

START_TEST(a_tail_holds_segments_within_its_limit)
{
    struct wal_tail *tail;
    ck_assert(wal_tail_open(db, 100000, &tail, NULL) == ERR_NONE);
    for (int i = 0; i < 100; i++)
        kit_append(db, "a=1", 1000 + i, i * 0.37);
    tsdb_set_retention(db, 10, 0, 0);
    ck_assert(tsdb_maintain(db, NULL) == ERR_NONE);
    const char *text = read_tail(tail);
    ck_assert_ptr_nonnull(strstr(text, "{a=\"1\"}1000:0 "));
    ck_assert_ptr_nonnull(strstr(text, "{a=\"1\"}1099:36.63 "));
    wal_tail_close(tail);
}
END_TEST

START_TEST(a_tail_that_is_too_far_behind_goes_on_with_what_is_there)
{
    struct wal_tail *tail;
    ck_assert(wal_tail_open(db, 500, &tail, NULL) == ERR_NONE);
    for (int i = 0; i < 200; i++)
        kit_append(db, "a=1", 1000 + i, i * 0.37);
    tsdb_set_retention(db, 50, 0, 0);
    ck_assert(tsdb_maintain(db, NULL) == ERR_NONE);
    const char *text = read_tail(tail);
    ck_assert_ptr_null(strstr(text, "{a=\"1\"}1000:0 "));
    ck_assert_ptr_nonnull(strstr(text, "{a=\"1\"}1199:73.63 "));
    kit_append(db, "a=1", 2000, 5);
    ck_assert_str_eq(read_tail(tail), "{a=\"1\"}2000:5 ");
    wal_tail_close(tail);
}
END_TEST

#define RACE_COMMITS 600

static int sync_nothing(const struct fs *fs, int fd)
{
    return 0;
}

static int sync_no_directory(const struct fs *fs, const char *path)
{
    return 0;
}

static _Atomic bool race_done;

static void race_write(void *context)
{
    struct tsdb *raced = context;
    for (int i = 0; i < RACE_COMMITS; i++)
        kit_append(raced, "a=1", 1000 + i, i);
    race_done = true;
}

static void race_see(const struct wal_tail_sample *sample, void *context)
{
    *(int *)context += 1;
}

/* Whether a segment goes on is asked while it is closed and the next begins. */
START_TEST(a_tail_misses_nothing_where_segments_end)
{
    struct fs quick = *fs_system;
    quick.sync = sync_nothing;
    quick.sync_directory = sync_no_directory;
    struct tsdb_options own = {.path = kit_directory(),
                               .fs = &quick,
                               .fsync_policy = TSDB_FSYNC_OFF,
                               .no_snapshot = true,
                               .wal_segment_bytes = 1};
    char *path = mem_strdup(own.path);
    struct tsdb *raced = kit_open(&own);
    struct wal_tail *tail;
    struct thread writer = {0};
    int count = 0;
    ck_assert(wal_tail_open(raced, 1 << 30, &tail, NULL) == ERR_NONE);
    thread_start(&writer, "writer", race_write, raced);
    for (bool any = true; any || !race_done;)
        ck_assert(wal_tail_next(tail, race_see, &count, &any, NULL) == ERR_NONE);
    thread_join(&writer);
    for (bool any = true; any;)
        ck_assert(wal_tail_next(tail, race_see, &count, &any, NULL) == ERR_NONE);
    ck_assert_int_eq(count, RACE_COMMITS);
    wal_tail_close(tail);
    tsdb_close(raced);
    kit_remove(path);
    mem_free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_tail");
    TCase *tcase = tcase_create("wal_tail");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_tail_shows_what_comes_after_it);
    tcase_add_test(tcase, rows_arrive_whole_across_segments);
    tcase_add_test(tcase, histograms_and_stale_markers_arrive);
    tcase_add_test(tcase, a_tail_holds_segments_within_its_limit);
    tcase_add_test(tcase, a_tail_that_is_too_far_behind_goes_on_with_what_is_there);
    tcase_add_test(tcase, a_tail_misses_nothing_where_segments_end);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
