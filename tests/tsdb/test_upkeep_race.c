/* Samples come, queries run, blocks are merged, series deleted and cleaned, snapshots taken, all at
 * once: nothing is lost, nothing is seen twice. Made for the thread sanitizer, meaningful without.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/thread.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/block_writer.h"
#include "tsdb/tsdb_internal.h"

#define HOUR_MS INT64_C(3600000)
#define STEP_MS INT64_C(60000)
#define BLOCKS 13
#define ROUNDS 6
#define SERIES 4

static char directory[128];
static struct tsdb *db;
static _Atomic bool done;
static _Atomic int64_t appended_ms; /* committed up to here */

static void write_blocks(void)
{
    struct rand chance;
    struct labels *labels[SERIES];
    char blocks[256];
    rand_init(&chance, 5);
    snprintf(blocks, sizeof(blocks), "%s/blocks", directory);
    for (int i = 0; i < SERIES; i++) {
        char text[16];
        snprintf(text, sizeof(text), "job=%d", i);
        labels[i] = kit_labels(text);
    }
    for (int64_t number = 0; number < BLOCKS; number++) {
        struct block_meta meta = {.min_ms = number * 2 * HOUR_MS, .level = 1}, written;
        meta.max_ms = meta.min_ms + 2 * HOUR_MS;
        ulid_make(&meta.ulid, number, &chance);
        struct block_writer *writer;
        struct block_writer_options options = {.fs = fs_system, .directory = blocks, .meta = &meta};
        ck_assert(block_writer_open(&options, &writer, NULL) == ERR_NONE);
        for (int i = 0; i < SERIES; i++) {
            block_writer_series(writer, labels[i]);
            for (int64_t t = meta.min_ms; t < meta.max_ms; t += STEP_MS) {
                double value = (double)t;
                struct sample_columns columns = {.timestamps_ms = &t, .values = &value, .count = 1};
                block_writer_samples(writer, &columns);
            }
        }
        ck_assert(block_writer_finish(writer, &written, NULL) == ERR_NONE);
        block_meta_release(&written);
    }
    for (int i = 0; i < SERIES; i++)
        labels_unref(labels[i]);
}

static void append_run(void *context)
{
    for (int64_t t = BLOCKS * 2 * HOUR_MS; !done; t += STEP_MS) {
        struct appender *appender = kit_begin(db, NULL, t);
        for (int i = 0; i < SERIES; i++) {
            char text[16];
            snprintf(text, sizeof(text), "job=%d", i);
            struct labels *labels = kit_labels(text);
            ck_assert_int_eq(append_at(appender, appender_series(appender, labels), t, (double)t),
                             APPEND_OK);
            labels_unref(labels);
        }
        kit_commit(appender);
        appended_ms = t;
    }
}

/* job=0 is whole at any time; its samples are their times. */
static void expect_whole(struct series_view *view, int64_t until_ms)
{
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("job"), SLICE("0"), &matcher, NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    struct series_query query = {matchers, 1, 0, until_ms, true, 0};
    struct series_list list = {0};
    struct sample_columns columns;
    sample_columns_init(&columns);
    ck_assert(series_view_select(view, &query, &list, NULL) == ERR_NONE);
    ck_assert_uint_eq(list.entries.len, 1);
    ck_assert(series_view_read(view, &list.entries.items[0], 0, until_ms, &columns, NULL) ==
              ERR_NONE);
    ck_assert_uint_eq(columns.count, (size_t)(until_ms / STEP_MS) + 1);
    for (size_t i = 0; i < columns.count; i++) {
        ck_assert_int_eq(columns.timestamps_ms[i], (int64_t)i * STEP_MS);
        ck_assert(columns.values[i] == (double)columns.timestamps_ms[i]);
    }
    sample_columns_release(&columns);
    series_list_release(&list);
    matcher_free(matcher);
}

static void query_run(void *context)
{
    while (!done) {
        int64_t until_ms = appended_ms;
        struct series_view *view;
        ck_assert(series_source_open(tsdb_source(db), 0, until_ms, &view, NULL) == ERR_NONE);
        expect_whole(view, until_ms);
        series_view_close(view);
    }
}

static void delete_series(int job, int64_t min_ms, int64_t max_ms)
{
    char text[8];
    struct matcher *matcher;
    snprintf(text, sizeof(text), "%d", job);
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("job"), slice_str(text), &matcher, NULL) ==
              ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    ck_assert(tsdb_delete_series(db, matchers, 1, min_ms, max_ms, NULL) == ERR_NONE);
    matcher_free(matcher);
}

static void delete_run(void *context)
{
    for (int64_t round = 0; round < ROUNDS; round++) {
        delete_series(1 + (int)(round % 3), round * HOUR_MS, (round + 1) * HOUR_MS);
        delete_series(1, (BLOCKS * 2 + round) * HOUR_MS, INT64_MAX);
        if (round % 4 == 3)
            ck_assert(tsdb_clean_tombstones(db, NULL) == ERR_NONE);
    }
}

static void upkeep_run(void *context)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct errbuf err = ERRBUF_INIT;
        struct buf CLEANUP(buf_release) name;
        struct buf CLEANUP(buf_release) text;
        struct json_writer json;
        buf_init(&name, 128);
        buf_init(&text, BUF_SIZE_ANY);
        json_writer_init(&json, &text);
        ck_assert_msg(tsdb_maintain(db, &err) == ERR_NONE, "%s", err.text);
        tsdb_print_blocks(db, &json);
        ck_assert(tsdb_snapshot(db, round % 2 == 0, &name, &err) == ERR_NONE);
    }
}

START_TEST(all_at_once)
{
    static const struct {
        const char *name;
        void (*run)(void *context);
    } jobs[] = {{"append", append_run},
                {"query", query_run},
                {"query", query_run},
                {"delete", delete_run},
                {"upkeep", upkeep_run}};
    struct thread threads[ARRAY_SIZE(jobs)] = {0};
    log_set_level(LOG_ERROR);
    snprintf(directory, sizeof(directory), "%s", kit_directory());
    write_blocks();
    struct tsdb_options options = {.path = directory, .fsync_policy = TSDB_FSYNC_OFF};
    db = kit_open(&options);
    appended_ms = BLOCKS * 2 * HOUR_MS - STEP_MS;
    for (size_t i = 0; i < ARRAY_SIZE(jobs); i++)
        thread_start(&threads[i], jobs[i].name, jobs[i].run, NULL);
    thread_join(&threads[3]);
    thread_join(&threads[4]);
    done = true;
    for (size_t i = 0; i < 3; i++)
        thread_join(&threads[i]);
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), 0, appended_ms, &view, NULL) == ERR_NONE);
    expect_whole(view, appended_ms);
    series_view_close(view);
    tsdb_close(db);
    db = kit_open(&options);
    ck_assert(series_source_open(tsdb_source(db), 0, appended_ms, &view, NULL) == ERR_NONE);
    expect_whole(view, appended_ms);
    series_view_close(view);
    tsdb_close(db);
    kit_remove(directory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("upkeep_race");
    TCase *tests = tcase_create("upkeep_race");
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, all_at_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
