/* Blocks that are put into the directory of a running database, or taken out of it. */
#include "tsdb/block_pickup.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/block_writer.h"
#include "tsdb/tsdb_internal.h"

#define HOUR_MS INT64_C(3600000)

static char directory[128];
static char blocks[160];
static struct tsdb_options options;
static struct tsdb *db;
static struct rand chance;
static uint64_t made_count;

static void setup(void)
{
    log_set_level(LOG_ERROR);
    rand_init(&chance, 5);
    made_count = 0;
    snprintf(directory, sizeof(directory), "%s", kit_directory());
    snprintf(blocks, sizeof(blocks), "%s/blocks", directory);
    options = (struct tsdb_options){.path = directory, .fsync_policy = TSDB_FSYNC_OFF};
    db = kit_open(&options);
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
}

/* A block of two series of one sample each, at its begin and at its end: `path` is where it is. */
static struct ulid make_block(int64_t from_ms, int64_t to_ms, const struct ulid *parent, char *path,
                              size_t path_size)
{
    struct block_meta meta = {.min_ms = from_ms, .max_ms = to_ms, .level = 1};
    ulid_make(&meta.ulid, (int64_t)++made_count, &chance);
    struct ulid ulid = meta.ulid;
    if (parent != NULL)
        vec_push(&meta.parents, (struct block_parent){*parent, from_ms, to_ms});
    ck_assert(fs_make_directories(fs_system, blocks, NULL) == ERR_NONE);
    struct block_writer *writer;
    struct block_writer_options writer_options = {
        .fs = fs_system, .directory = blocks, .meta = &meta};
    ck_assert(block_writer_open(&writer_options, &writer, NULL) == ERR_NONE);
    struct labels *labels = kit_labels("job=put");
    block_writer_series(writer, labels);
    int64_t times[] = {from_ms, to_ms - 1};
    double values[] = {1, 2};
    struct sample_columns columns = {.timestamps_ms = times, .values = values, .count = 2};
    block_writer_samples(writer, &columns);
    struct block_meta written;
    ck_assert(block_writer_finish(writer, &written, NULL) == ERR_NONE);
    block_meta_release(&written);
    labels_unref(labels);
    vec_release(&meta.parents);
    snprintf(path, path_size, "%s/%s", blocks, ulid.text);
    return ulid;
}

static void maintain(void)
{
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(tsdb_maintain(db, &err) == ERR_NONE, "%s", err.text);
}

static void reopen(void)
{
    tsdb_close(db);
    db = kit_open(&options);
}

START_TEST(the_folder_is_there_before_the_first_block)
{
    ck_assert_int_eq(access(blocks, W_OK), 0);
}
END_TEST

START_TEST(a_block_that_is_put_there_is_served)
{
    char path[256];
    make_block(HOUR_MS, 2 * HOUR_MS, NULL, path, sizeof(path));
    ck_assert_str_eq(kit_read(db, "job=put"), "");
    double before = counter_value(db->metrics.reloads);
    maintain();
    ck_assert_str_eq(kit_read(db, "job=put"), "3600000:1 7199999:2");
    ck_assert_double_eq(counter_value(db->metrics.reloads), before + 1);
    maintain();
    ck_assert_str_eq(kit_read(db, "job=put"), "3600000:1 7199999:2");
}
END_TEST

START_TEST(samples_of_the_head_before_its_end_stay_also_after_a_start)
{
    char path[256];
    kit_append(db, "job=own", HOUR_MS, 7);
    make_block(0, 6 * HOUR_MS, NULL, path, sizeof(path));
    maintain();
    ck_assert_str_eq(kit_read(db, "job=own"), "3600000:7");
    ck_assert_str_eq(kit_read(db, "job=put"), "0:1 21599999:2");
    kit_append(db, "job=own", 2 * HOUR_MS, 8);
    reopen();
    ck_assert_str_eq(kit_read(db, "job=own"), "3600000:7 7200000:8");
    ck_assert_str_eq(kit_read(db, "job=put"), "0:1 21599999:2");
}
END_TEST

START_TEST(a_block_that_is_still_being_copied_is_served_when_it_is_complete)
{
    char path[256];
    char index[300];
    char away[300];
    make_block(0, HOUR_MS, NULL, path, sizeof(path));
    snprintf(index, sizeof(index), "%s/index", path);
    snprintf(away, sizeof(away), "%s/index-to-come", directory);
    ck_assert_int_eq(rename(index, away), 0);
    double before = counter_value(db->metrics.reloads_failed);
    maintain();
    maintain();
    ck_assert_str_eq(kit_read(db, "job=put"), "");
    ck_assert_double_eq(counter_value(db->metrics.reloads_failed), before + 2);
    ck_assert_uint_eq(db->pickup.refused.len, 1); /* said once */
    ck_assert_int_eq(rename(away, index), 0);
    maintain();
    ck_assert_str_eq(kit_read(db, "job=put"), "0:1 3599999:2");
}
END_TEST

START_TEST(a_block_that_is_taken_away_is_not_served)
{
    char path[256];
    char away[300];
    make_block(0, HOUR_MS, NULL, path, sizeof(path));
    maintain();
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), 0, HOUR_MS, &view, NULL) == ERR_NONE);
    snprintf(away, sizeof(away), "%s/away", directory);
    ck_assert_int_eq(rename(path, away), 0);
    maintain();
    ck_assert_str_eq(kit_read(db, "job=put"), "");
    ck_assert_str_eq(kit_read_view(view, "job=put", 0, HOUR_MS), "0:1 3599999:2");
    series_view_close(view);
    ck_assert_int_eq(rename(away, path), 0);
    maintain();
    ck_assert_str_eq(kit_read(db, "job=put"), "0:1 3599999:2");
}
END_TEST

START_TEST(what_was_merged_is_not_served_beside_what_it_became)
{
    char parent_path[256];
    char path[256];
    char away[300];
    struct ulid parent = make_block(0, HOUR_MS, NULL, parent_path, sizeof(parent_path));
    snprintf(away, sizeof(away), "%s/away", directory);
    ck_assert_int_eq(rename(parent_path, away), 0);
    make_block(0, HOUR_MS, &parent, path, sizeof(path));
    maintain();
    ck_assert_int_eq(rename(away, parent_path), 0);
    maintain();
    struct block_list *list = block_shelf_take(&db->shelf);
    ck_assert_uint_eq(list->count, 1);
    ck_assert_str_eq(block_path(list->blocks[0]), path);
    block_list_unref(list);
}
END_TEST

START_TEST(deletions_reach_it)
{
    char path[256];
    make_block(0, HOUR_MS, NULL, path, sizeof(path));
    maintain();
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("job"), SLICE("put"), &matcher, NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    ck_assert(tsdb_delete_series(db, matchers, 1, 0, 1, NULL) == ERR_NONE);
    matcher_free(matcher);
    ck_assert_str_eq(kit_read(db, "job=put"), "3599999:2");
    reopen();
    ck_assert_str_eq(kit_read(db, "job=put"), "3599999:2");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block_pickup");
    TCase *tcase = tcase_create("pickup");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_folder_is_there_before_the_first_block);
    tcase_add_test(tcase, a_block_that_is_put_there_is_served);
    tcase_add_test(tcase, samples_of_the_head_before_its_end_stay_also_after_a_start);
    tcase_add_test(tcase, a_block_that_is_still_being_copied_is_served_when_it_is_complete);
    tcase_add_test(tcase, a_block_that_is_taken_away_is_not_served);
    tcase_add_test(tcase, what_was_merged_is_not_served_beside_what_it_became);
    tcase_add_test(tcase, deletions_reach_it);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
