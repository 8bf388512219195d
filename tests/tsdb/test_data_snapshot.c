/* Snapshots: a directory that opens as a database and has the same samples; failures leave none. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "tests/support/fault_fs.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/tsdb_internal.h"

#define HOUR_MS INT64_C(3600000)

static char directory[128];
static char snapshot[512];
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
                                    .out_of_order_window_ms = HOUR_MS};
    db = kit_open(&options);
}

static void teardown(void)
{
    tsdb_close(db);
    fault_fs_release(&faults);
    kit_remove(directory);
}

static enum err try_snapshot(bool skip_head)
{
    struct errbuf err = ERRBUF_INIT;
    struct buf CLEANUP(buf_release) name;
    buf_init(&name, 128);
    enum err code = tsdb_snapshot(db, skip_head, &name, &err);
    snprintf(snapshot, sizeof(snapshot), "%s/snapshots/%s", directory, buf_cstr(&name));
    return code;
}

/* Opens the last snapshot as a database. */
static struct tsdb *open_snapshot(void)
{
    struct tsdb_options of_snapshot = {.path = snapshot, .fsync_policy = TSDB_FSYNC_OFF};
    return kit_open(&of_snapshot);
}

static void expect_sample(struct tsdb *from, const char *labels, const char *text)
{
    ck_assert_str_eq(kit_read(from, labels), text);
}

static int each_name(const char *name, void *context)
{
    (*(size_t *)context)++;
    return 0;
}

static size_t count_names(const char *below)
{
    char path[600];
    size_t count = 0;
    snprintf(path, sizeof(path), "%s/%s", directory, below);
    fs_system->list(fs_system, path, each_name, &count);
    return count;
}

START_TEST(a_snapshot_opens_as_a_database_with_the_same_samples)
{
    kit_append(db, "a=1", 1000, 1);
    kit_append(db, "a=1", 3000, 3);
    kit_append(db, "a=1", 2000, 2); /* out of order */
    kit_append(db, "b=1", 3000, 7);
    ck_assert_int_eq(try_snapshot(false), ERR_NONE);
    kit_append(db, "b=1", 4000, 8);
    struct tsdb *copy = open_snapshot();
    expect_sample(copy, "a=1", "1000:1 2000:2 3000:3");
    expect_sample(copy, "b=1", "3000:7");
    kit_append(copy, "b=1", 5000, 9);
    expect_sample(copy, "b=1", "3000:7 5000:9");
    tsdb_close(copy);
    expect_sample(db, "b=1", "3000:7 4000:8");
}
END_TEST

START_TEST(what_is_deleted_is_not_in_it)
{
    struct matcher *matcher;
    kit_append(db, "a=1", 1000, 1);
    kit_append(db, "a=1", 2000, 2);
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("a"), SLICE("1"), &matcher, NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    ck_assert(tsdb_delete_series(db, matchers, 1, 0, 1500, NULL) == ERR_NONE);
    matcher_free(matcher);
    ck_assert_int_eq(try_snapshot(false), ERR_NONE);
    struct tsdb *copy = open_snapshot();
    expect_sample(copy, "a=1", "2000:2");
    tsdb_close(copy);
}
END_TEST

START_TEST(without_the_head_and_of_an_empty_one_it_is_empty)
{
    ck_assert_int_eq(try_snapshot(false), ERR_NONE);
    struct tsdb *copy = open_snapshot();
    ck_assert_str_eq(kit_select(copy, "a=~.*"), "");
    tsdb_close(copy);
    kit_append(db, "a=1", 1000, 1);
    ck_assert_int_eq(try_snapshot(true), ERR_NONE);
    copy = open_snapshot();
    ck_assert_str_eq(kit_select(copy, "a=~.*"), "");
    tsdb_close(copy);
}
END_TEST

START_TEST(blocks_are_linked_not_copied_and_keep_their_deletions)
{
    kit_append(db, "a=1", 1000, 1);
    kit_append(db, "a=1", 2000, 2);
    kit_append(db, "b=1", 2000, 5);
    ck_assert_int_eq(try_snapshot(false), ERR_NONE);
    /* its one block becomes the database's */
    tsdb_close(db);
    char moved[128];
    snprintf(moved, sizeof(moved), "%s", kit_directory());
    ck_assert_int_eq(fs_system->remove_directory(fs_system, moved), 0);
    ck_assert_int_eq(fs_system->rename(fs_system, snapshot, moved), 0);
    kit_remove(directory);
    snprintf(directory, sizeof(directory), "%s", moved);
    db = kit_open(&options);
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("a"), SLICE("1"), &matcher, NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    ck_assert(tsdb_delete_series(db, matchers, 1, 0, 1500, NULL) == ERR_NONE);
    ck_assert_int_eq(try_snapshot(false), ERR_NONE);
    struct block_list *list = block_shelf_take(&db->shelf);
    ck_assert_uint_eq(list->count, 1);
    char path[1024];
    struct stat ours, theirs;
    snprintf(path, sizeof(path), "%s/chunks", block_path(list->blocks[0]));
    ck_assert_int_eq(stat(path, &ours), 0);
    snprintf(path, sizeof(path), "%s/blocks/%s/chunks", snapshot,
             block_meta(list->blocks[0])->ulid.text);
    ck_assert_int_eq(stat(path, &theirs), 0);
    ck_assert_uint_eq(ours.st_ino, theirs.st_ino);
    block_list_unref(list);
    struct tsdb *copy = open_snapshot();
    expect_sample(copy, "a=1", "2000:2");
    expect_sample(copy, "b=1", "2000:5");
    ck_assert(tsdb_clean_tombstones(copy, NULL) == ERR_NONE);
    expect_sample(copy, "a=1", "2000:2");
    tsdb_close(copy);
    ck_assert(tsdb_delete_series(db, matchers, 1, 0, 9000, NULL) == ERR_NONE);
    copy = open_snapshot();
    expect_sample(copy, "a=1", "2000:2");
    tsdb_close(copy);
    matcher_free(matcher);
}
END_TEST

START_TEST(a_snapshot_that_fails_leaves_nothing)
{
    kit_append(db, "a=1", 1000, 1);
    enum err code = ERR_IO;
    for (uint64_t at = 1; code != ERR_NONE && at < 200; at++) {
        size_t before = count_names("snapshots");
        fault_fs_fail(&faults, at, false, ENOSPC);
        code = try_snapshot(false);
        fault_fs_fail(&faults, 0, false, 0);
        if (code != ERR_NONE)
            ck_assert_uint_eq(count_names("snapshots"), before);
    }
    ck_assert_int_eq(code, ERR_NONE);
    struct tsdb *copy = open_snapshot();
    expect_sample(copy, "a=1", "1000:1");
    tsdb_close(copy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("data_snapshot");
    TCase *tests = tcase_create("data_snapshot");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_snapshot_opens_as_a_database_with_the_same_samples);
    tcase_add_test(tests, what_is_deleted_is_not_in_it);
    tcase_add_test(tests, without_the_head_and_of_an_empty_one_it_is_empty);
    tcase_add_test(tests, blocks_are_linked_not_copied_and_keep_their_deletions);
    tcase_add_test(tests, a_snapshot_that_fails_leaves_nothing);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
