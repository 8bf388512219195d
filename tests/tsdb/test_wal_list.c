/* The log knows what it has lost: segments that are gone, ends that were cut off where a frame
 * ends; and what it deleted itself is not missed. */
#include "tests/support/fault_fs.h"
#include "tests/support/kept_log.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/tsdb_internal.h"

#include "base/alloc.h"
#include "base/log.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *directory;
static struct tsdb_options options;
static struct tsdb *db;
/* Three segments of two samples each, and an empty one. */
static void setup(void)
{
    kept_log_start();
    log_set_level(LOG_WARN);
    directory = mem_strdup(kit_directory());
    options = (struct tsdb_options){
        .path = directory, .fsync_policy = TSDB_FSYNC_OFF, .no_snapshot = true};
    db = kit_open(&options);
    for (int i = 0; i < 6; i++) {
        kit_append(db, "a=1", 1000 * i, i);
        if (i % 2 == 1)
            ck_assert(wal_cut(db->wal, NULL) == ERR_NONE);
    }
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
    kept_log_stop();
}

static const char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/wal/%s", directory, name);
    return path;
}

/* What the start says. */
static const char *reopen(void)
{
    kept_log_clear();
    db = kit_open(&options);
    return kept_log_text();
}

static void lose(const char *name)
{
    ck_assert_int_eq(fs_system->unlink(fs_system, path_of(name)), 0);
}

static uint64_t size_of(const char *name)
{
    struct fs_stat stat;
    ck_assert_int_eq(fs_system->stat(fs_system, path_of(name), &stat), 0);
    return stat.size;
}

static void cut(const char *name, uint64_t size)
{
    int fd = fs_system->open(fs_system, path_of(name), FS_WRITE);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fs_system->truncate(fs_system, fd, size), 0);
    fs_system->close(fs_system, fd);
}

static bool exists(const char *name)
{
    struct fs_stat stat;
    return fs_system->stat(fs_system, path_of(name), &stat) == 0;
}

START_TEST(a_log_that_is_whole_says_nothing)
{
    tsdb_close(db);
    ck_assert_str_eq(reopen(), "");
    ck_assert_str_eq(kit_read(db, "a=1"), "0:0 1000:1 2000:2 3000:3 4000:4 5000:5");
}
END_TEST

START_TEST(the_first_segment_is_missed)
{
    tsdb_close(db);
    lose("00000001");
    ck_assert_ptr_nonnull(strstr(reopen(), "wal/00000001"));
    ck_assert_str_eq(kit_read(db, "a=1"), "2000:2 3000:3 4000:4 5000:5");
    tsdb_close(db);
    ck_assert_str_eq(reopen(), "");
}
END_TEST

START_TEST(the_last_segment_is_missed_and_its_number_is_not_used_again)
{
    kit_append(db, "a=1", 6000, 6);
    tsdb_close(db);
    lose("00000004");
    ck_assert_ptr_nonnull(strstr(reopen(), "wal/00000004"));
    ck_assert_str_eq(kit_read(db, "a=1"), "0:0 1000:1 2000:2 3000:3 4000:4 5000:5");
    ck_assert(!exists("00000004"));
    ck_assert(exists("00000005"));
}
END_TEST

START_TEST(an_end_that_is_cut_off_where_a_frame_ends_is_missed)
{
    /* frames of one form, and the first of them defines the series */
    uint64_t one = size_of("00000004");
    kit_append(db, "a=1", 6000, 6);
    uint64_t two = size_of("00000004");
    kit_append(db, "a=1", 7000, 7);
    ck_assert_uint_gt(two, one);
    ck_assert(wal_cut(db->wal, NULL) == ERR_NONE);
    tsdb_close(db);
    cut("00000004", two);
    const char *said = reopen();
    ck_assert_ptr_nonnull(strstr(said, "wal/00000004"));
    ck_assert_ptr_nonnull(strstr(said, "shorter"));
    ck_assert_str_eq(kit_read_range(db, "a=1", 5000, 9000), "5000:5 6000:6");
    tsdb_close(db);
    ck_assert_str_eq(reopen(), "");
}
END_TEST

START_TEST(after_a_clean_stop_so_is_the_end_of_the_last_segment)
{
    kit_append(db, "a=1", 6000, 6);
    uint64_t size = size_of("00000004");
    kit_append(db, "a=1", 7000, 7);
    tsdb_close(db);
    cut("00000004", size);
    ck_assert_ptr_nonnull(strstr(reopen(), "wal/00000004"));
}
END_TEST

START_TEST(segments_that_were_deleted_are_not_missed)
{
    wal_truncate(db->wal, 2500, UINT64_MAX, 0);
    ck_assert(!exists("00000001"));
    ck_assert(exists("00000002"));
    tsdb_close(db);
    ck_assert_str_eq(reopen(), "");
    ck_assert_str_eq(kit_read(db, "a=1"), "2000:2 3000:3 4000:4 5000:5");
}
END_TEST

START_TEST(a_segment_whose_deletion_failed_is_read_once_more)
{
    struct fault_fs faults;
    fault_fs_init(&faults);
    tsdb_close(db);
    options.fs = &faults.fs;
    (void)reopen();
    fault_fs_fail(&faults, 6, false, EIO); /* behind the five of replacing the list */
    wal_truncate(db->wal, 2500, UINT64_MAX, 0);
    fault_fs_fail(&faults, 0, false, 0);
    ck_assert(exists("00000001"));
    tsdb_close(db);
    options.fs = NULL;
    fault_fs_release(&faults);
    ck_assert_str_eq(reopen(), "");
    ck_assert_str_eq(kit_read_range(db, "a=1", 0, 3000), "0:0 1000:1 2000:2 3000:3");
    wal_truncate(db->wal, 2500, UINT64_MAX, 0);
    ck_assert(!exists("00000001"));
}
END_TEST

START_TEST(nothing_is_deleted_while_the_list_cannot_be_written)
{
    struct fault_fs faults;
    fault_fs_init(&faults);
    tsdb_close(db);
    options.fs = &faults.fs;
    (void)reopen();
    for (uint64_t k = 1; k <= 5; k++) {
        fault_fs_fail(&faults, k, true, ENOSPC);
        wal_truncate(db->wal, 2500, UINT64_MAX, 0);
        ck_assert(exists("00000001"));
    }
    fault_fs_fail(&faults, 0, false, 0);
    tsdb_close(db);
    ck_assert_str_eq(reopen(), "");
    ck_assert_str_eq(kit_read_range(db, "a=1", 0, 3000), "0:0 1000:1 2000:2 3000:3");
    tsdb_close(db);
    options.fs = NULL;
    fault_fs_release(&faults);
    ck_assert_str_eq(reopen(), "");
}
END_TEST

START_TEST(a_damaged_list_is_set_aside_and_the_log_is_read)
{
    tsdb_close(db);
    cut("segments", size_of("segments") - 1);
    ck_assert_ptr_nonnull(strstr(reopen(), "wal/segments.damaged"));
    ck_assert(exists("segments.damaged"));
    ck_assert_str_eq(kit_read(db, "a=1"), "0:0 1000:1 2000:2 3000:3 4000:4 5000:5");
}
END_TEST

START_TEST(a_list_that_is_gone_is_named_and_gaps_are_still_seen)
{
    tsdb_close(db);
    lose("segments");
    lose("00000002");
    const char *said = reopen();
    ck_assert_ptr_nonnull(strstr(said, "wal/segments"));
    ck_assert_ptr_nonnull(strstr(said, "wal/00000002"));
    ck_assert_str_eq(kit_read(db, "a=1"), "0:0 1000:1 4000:4 5000:5");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_list");
    TCase *tests = tcase_create("wal_list");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_log_that_is_whole_says_nothing);
    tcase_add_test(tests, the_first_segment_is_missed);
    tcase_add_test(tests, the_last_segment_is_missed_and_its_number_is_not_used_again);
    tcase_add_test(tests, an_end_that_is_cut_off_where_a_frame_ends_is_missed);
    tcase_add_test(tests, after_a_clean_stop_so_is_the_end_of_the_last_segment);
    tcase_add_test(tests, segments_that_were_deleted_are_not_missed);
    tcase_add_test(tests, a_segment_whose_deletion_failed_is_read_once_more);
    tcase_add_test(tests, nothing_is_deleted_while_the_list_cannot_be_written);
    tcase_add_test(tests, a_damaged_list_is_set_aside_and_the_log_is_read);
    tcase_add_test(tests, a_list_that_is_gone_is_named_and_gaps_are_still_seen);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
