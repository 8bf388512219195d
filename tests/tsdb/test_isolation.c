/* Many threads at once: a view is one picture, whatever is committed meanwhile. */
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/thread.h"

#include <check.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define WIDTH 40 /* series that are written together and must be equal */
#define WRITERS 3

static char *directory;
static struct tsdb_options options;
static struct tsdb *db;
static _Atomic bool stop;
static _Atomic uint64_t reads;
static _Atomic int newest_round;

#define RETENTION_MS 400

static void setup(void)
{
    log_set_level(LOG_ERROR);
    directory = mem_strdup(kit_directory());
    options = (struct tsdb_options){.path = directory,
                                    .fsync_interval_ms = 1,
                                    .wal_segment_bytes = 50000,
                                    .retention_ms = RETENTION_MS};
    db = kit_open(&options);
    stop = false;
    reads = 0;
    newest_round = 0;
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
}

struct writer {
    size_t number;
    bool grouped;
    int count;
    struct thread thread;
};

/* It never goes back, also where a writer that lags tells late. */
static void note_round(int round)
{
    int newest = newest_round;
    while (round > newest && !atomic_compare_exchange_weak(&newest_round, &newest, round))
        ;
}

/* Somebody reads beside the writers, however late the threads of readers get to run. */
static void wait_for_readers(void)
{
    while (reads == 0)
        sched_yield();
}

/* Every commit writes the same value into all series of the writer. */
static void write_rounds(void *context)
{
    struct writer *writer = context;
    struct labels *labels[WIDTH];
    series_ref refs[WIDTH] = {0};
    for (size_t i = 0; i < WIDTH; i++) {
        char text[64];
        snprintf(text, sizeof(text), "w=%c,i=%zu", (char)('a' + writer->number), i);
        labels[i] = kit_labels(text);
    }
    struct sample_group *group = writer->grouped ? sample_group_new(db) : NULL;
    for (int round = 1; round <= writer->count; round++) {
        struct appender *appender;
        if (appender_begin(db, group, round, &appender, NULL) != ERR_NONE)
            abort();
        for (size_t i = 0; i < WIDTH; i++) {
            if (refs[i] == 0 || appender_labels(appender, refs[i]) == NULL)
                refs[i] = appender_series(appender, labels[i]);
            if (append(appender, refs[i], round) != APPEND_OK)
                abort();
        }
        if (round % 7 == 0) {
            appender_rollback(appender);
            continue;
        }
        if (appender_commit(appender, NULL) != ERR_NONE)
            abort();
        note_round(round);
        if (round == writer->count / 2)
            wait_for_readers();
        if (round % 97 == 0 && group != NULL) {
            sample_group_free(group);
            group = sample_group_new(db);
        }
    }
    sample_group_free(group);
    for (size_t i = 0; i < WIDTH; i++)
        labels_unref(labels[i]);
}

/* The newest value of every series of a writer must be the same in one view. */
static void check_view(struct series_view *view, const struct matcher *matcher)
{
    struct series_query query = {&matcher, 1, INT64_MIN, INT64_MAX, true, 0};
    struct series_list list = {0};
    if (series_view_select(view, &query, &list, NULL) != ERR_NONE)
        abort();
    struct sample_columns columns;
    sample_columns_init(&columns);
    double newest = -1;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < list.entries.len; i++) {
            if (series_view_read(view, &list.entries.items[i], INT64_MIN, INT64_MAX, &columns,
                                 NULL) != ERR_NONE)
                abort();
            double value = columns.count == 0 ? 0 : columns.values[columns.count - 1];
            /* retention may take what a writer that lags has written */
            if (newest_round > RETENTION_MS / 2 && value < newest_round - RETENTION_MS / 2)
                continue;
            if (newest < 0)
                newest = value;
            if (value != newest) {
                fprintf(stderr, "half a commit: %g and %g\n", value, newest);
                abort();
            }
            for (size_t k = 1; k < columns.count; k++) {
                if (columns.timestamps_ms[k] <= columns.timestamps_ms[k - 1])
                    abort();
            }
        }
    }
    reads += list.entries.len;
    sample_columns_release(&columns);
    series_list_release(&list);
}

static void read_rounds(void *context)
{
    struct matcher *matchers[WRITERS];
    for (size_t i = 0; i < WRITERS; i++) {
        char value[2] = {(char)('a' + i), '\0'};
        if (matcher_new(MATCHER_EQUAL, SLICE("w"), slice_str(value), &matchers[i], NULL) !=
            ERR_NONE)
            abort();
    }
    while (!stop) {
        struct series_view *view;
        if (series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, NULL) != ERR_NONE)
            abort();
        for (size_t i = 0; i < WRITERS; i++)
            check_view(view, matchers[i]);
        struct arena arena;
        arena_init(&arena, 1 << 20);
        struct text_list values;
        struct series_query query = {NULL, 0, INT64_MIN, INT64_MAX, true, 0};
        if (series_view_label_values(view, SLICE("i"), &query, &arena, &values, NULL) != ERR_NONE)
            abort();
        arena_release(&arena);
        series_view_close(view);
    }
    for (size_t i = 0; i < WRITERS; i++)
        matcher_free(matchers[i]);
}

static void maintain_rounds(void *context)
{
    while (!stop) {
        struct tsdb_head_stats stats;
        if (tsdb_maintain(db, NULL) != ERR_NONE)
            abort();
        tsdb_head_stats(db, &stats);
    }
}

static void run(bool grouped, int count)
{
    struct writer writers[WRITERS];
    struct thread readers[2] = {0};
    struct thread maintainer = {0};
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.number = i, .grouped = grouped, .count = count};
        thread_start(&writers[i].thread, "writer", write_rounds, &writers[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
        thread_start(&readers[i], "reader", read_rounds, NULL);
    thread_start(&maintainer, "maintainer", maintain_rounds, NULL);
    for (size_t i = 0; i < WRITERS; i++)
        thread_join(&writers[i].thread);
    stop = true;
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
        thread_join(&readers[i]);
    thread_join(&maintainer);
    ck_assert_uint_gt(reads, 0);
}

START_TEST(a_view_never_sees_half_a_row)
{
    run(true, 1500);
}
END_TEST

START_TEST(a_view_never_sees_half_a_request)
{
    run(false, 1500);
}
END_TEST

START_TEST(a_view_shows_nothing_that_was_committed_later)
{
    struct sample_group *group = sample_group_new(db);
    struct series_view *views[300];
    for (int i = 0; i < 300; i++) {
        struct appender *appender = kit_begin(db, group, 1000 + i);
        ck_assert_int_eq(kit_stage(appender, "g=1", i), APPEND_OK);
        kit_commit(appender);
        kit_append(db, "l=1", 1000 + i, i);
        ck_assert(series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &views[i], NULL) ==
                  ERR_NONE);
    }
    for (int i = 299; i >= 0; i--) {
        char expected[32];
        snprintf(expected, sizeof(expected), "%d:%d", 1000 + i, i);
        ck_assert_str_eq(kit_read_view(views[i], "g=1", 1000 + i, INT64_MAX), expected);
        ck_assert_str_eq(kit_read_view(views[i], "l=1", 1000 + i, INT64_MAX), expected);
        series_view_close(views[i]);
    }
    sample_group_free(group);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("isolation");
    TCase *tcase = tcase_create("isolation");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_view_never_sees_half_a_row);
    tcase_add_test(tcase, a_view_never_sees_half_a_request);
    tcase_add_test(tcase, a_view_shows_nothing_that_was_committed_later);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
