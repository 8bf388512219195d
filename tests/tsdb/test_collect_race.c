/* Series without samples leave the head; those that somebody is about to write to stay. */
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"
#include "tsdb/tsdb_internal.h"

#include <check.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* They make a round long, so that appenders open in its midst. */
#define FILLERS 20000
#define WRITERS 3
#define COMMITS 150

static char *directory;
static struct tsdb *db;
static _Atomic bool done;
static _Atomic uint32_t rounds;
static _Atomic uint32_t collected;

static void open_database(int64_t retention_ms)
{
    log_set_level(LOG_ERROR);
    directory = mem_strdup(kit_directory());
    struct tsdb_options options = {.path = directory,
                                   .fsync_policy = TSDB_FSYNC_OFF,
                                   .retention_ms = retention_ms,
                                   .no_snapshot = true};
    db = kit_open(&options);
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
}

static void collect_all(void)
{
    MUTEX_GUARD(&db->maintenance_lock);
    struct reader reader;
    isolation_open_view(&db->head.isolation, &reader);
    for (series_ref ref = 1; ref != 0;) {
        MUTEX_GUARD(&db->commit_lock);
        collected += (uint32_t)head_collect(&db->head, &ref, SIZE_MAX);
    }
    isolation_close_view(&db->head.isolation, &reader);
    rounds++;
}

static void collect_run(void *context)
{
    while (!done)
        collect_all();
}

static void wait_for_rounds(uint32_t count)
{
    for (uint32_t until = rounds + count; rounds < until;)
        sched_yield();
}

struct writer {
    size_t number;
    bool grouped;
    struct thread thread;
};

/* Series that are new when they are staged, and that have no sample for several rounds. */
static void write_run(void *context)
{
    const struct writer *writer = context;
    struct sample_group *group = writer->grouped ? sample_group_new(db) : NULL;
    for (int i = 0; i < COMMITS; i++) {
        char text[64];
        struct appender *appender = kit_begin(db, group, 1000 + i);
        for (int k = 0; k < 3; k++) {
            snprintf(text, sizeof(text), "w=%zu,i=%d,k=%d", writer->number, i, k);
            if (kit_stage(appender, text, i) != APPEND_OK)
                abort();
        }
        wait_for_rounds(3);
        kit_commit(appender);
    }
    sample_group_free(group);
}

static void expect_all(void)
{
    for (size_t writer = 0; writer < WRITERS; writer++) {
        for (int i = 0; i < COMMITS; i++) {
            for (int k = 0; k < 3; k++) {
                char text[64], expected[64];
                snprintf(text, sizeof(text), "w=%zu,i=%d,k=%d", writer, i, k);
                snprintf(expected, sizeof(expected), "%d:%d", 1000 + i, i);
                ck_assert_str_eq(kit_read(db, text), expected);
            }
        }
    }
}

static void run(bool grouped)
{
    struct appender *appender = kit_begin(db, NULL, 1000);
    for (int i = 0; i < FILLERS; i++) {
        char text[32];
        snprintf(text, sizeof(text), "filler=%d", i);
        ck_assert_int_eq(kit_stage(appender, text, i), APPEND_OK);
    }
    kit_commit(appender);
    struct writer writers[WRITERS];
    struct thread collector = {0};
    thread_start(&collector, "collector", collect_run, NULL);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.number = i, .grouped = grouped};
        thread_start(&writers[i].thread, "writer", write_run, &writers[i]);
    }
    for (size_t i = 0; i < WRITERS; i++)
        thread_join(&writers[i].thread);
    done = true;
    thread_join(&collector);
    expect_all();
}

START_TEST(a_series_is_not_collected_while_a_row_of_it_is_staged)
{
    open_database(0);
    run(true);
}
END_TEST

START_TEST(a_series_is_not_collected_while_a_sample_of_it_is_staged)
{
    open_database(0);
    run(false);
}
END_TEST

START_TEST(a_member_that_lost_its_samples_keeps_the_row_that_is_staged)
{
    open_database(100000);
    struct sample_group *group = sample_group_new(db);
    kit_append(db, "other=1", 1000, 1);
    /* it is looked at while it is new */
    struct labels *labels = kit_labels("member=1");
    struct appender *appender = kit_begin(db, group, 1000);
    series_ref ref = appender_series(appender, labels);
    ck_assert_int_eq(append(appender, ref, 1), APPEND_OK);
    ck_assert(tsdb_maintain(db, NULL) == ERR_NONE);
    kit_commit(appender);
    /* while its next row waits, the group falls behind the retention */
    appender = kit_begin(db, group, 900000);
    ck_assert_int_eq(append(appender, ref, 2), APPEND_OK);
    kit_append(db, "other=1", 900000, 2);
    for (int i = 0; i < 3; i++)
        ck_assert(tsdb_maintain(db, NULL) == ERR_NONE);
    kit_commit(appender);
    ck_assert_str_eq(kit_read(db, "member=1"), "900000:2");
    labels_unref(labels);
    sample_group_free(group);
}
END_TEST

START_TEST(a_series_that_nobody_writes_to_goes_in_the_second_round)
{
    open_database(0);
    struct appender *appender = kit_begin(db, NULL, 1000);
    ck_assert_int_eq(kit_stage(appender, "idle=1", 1), APPEND_OK);
    for (int i = 0; i < 4; i++)
        collect_all();
    ck_assert_uint_eq(collected, 0);
    appender_rollback(appender);
    collect_all();
    collect_all();
    ck_assert_uint_eq(collected, 1);
    ck_assert_uint_eq(db->head.series_count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("collect_race");
    TCase *tests = tcase_create("collect_race");
    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, a_series_is_not_collected_while_a_row_of_it_is_staged);
    tcase_add_test(tests, a_series_is_not_collected_while_a_sample_of_it_is_staged);
    tcase_add_test(tests, a_member_that_lost_its_samples_keeps_the_row_that_is_staged);
    tcase_add_test(tests, a_series_that_nobody_writes_to_goes_in_the_second_round);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
