/* Failing disks, full disks, and power cuts at every operation: nothing that was acknowledged is
 * lost, nothing is half there, and writing goes on when it can. */
#include "tests/support/fault_fs.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/wal.h"

#include "base/alloc.h"
#include "base/log.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMITS 30

static char *directory;
static struct fault_fs faults;
static struct tsdb_options options;

static void setup(void)
{
    log_set_level(LOG_ERROR);
    log_set_sink(NULL, NULL);
    directory = mem_strdup(kit_directory());
    fault_fs_init(&faults);
    /* the thread never comes in between: the tests do the maintenance */
    options = (struct tsdb_options){.path = directory,
                                    .fs = &faults.fs,
                                    .fsync_interval_ms = 3600000,
                                    .no_snapshot = true,
                                    .wal_segment_bytes = 300};
}

static void teardown(void)
{
    fault_fs_release(&faults);
    kit_remove(directory);
    mem_free(directory);
}

static void quiet(const char *line, size_t len, void *context)
{
}

/* One row and one loose sample, both of value `number`. */
static bool commit_pair(struct tsdb *db, struct sample_group *group, int number)
{
    struct appender *appender;
    if (appender_begin(db, group, 1000 * number, &appender, NULL) != ERR_NONE)
        return false;
    struct labels *loose = kit_labels("l=1");
    ck_assert_int_eq(kit_stage(appender, "g=1", number), APPEND_OK);
    ck_assert_int_eq(append_at(appender, appender_series(appender, loose), 1000 * number, number),
                     APPEND_OK);
    labels_unref(loose);
    return appender_commit(appender, NULL) == ERR_NONE;
}

/* The acknowledged commits as they should be read. */
static void expect(struct buf *out, int number)
{
    buf_printf(out, "%s%d:%d", out->len > 0 ? " " : "", 1000 * number, number);
}

static void check_pairs(struct tsdb *db, const char *expected, const char *what, uint64_t k)
{
    const char *actual = kit_read(db, "g=1");
    ck_assert_msg(strcmp(actual, expected) == 0, "operation %lu, %s, row:\n%s\nexpected\n%s",
                  (unsigned long)k, what, actual, expected);
    actual = kit_read(db, "l=1");
    ck_assert_msg(strcmp(actual, expected) == 0, "operation %lu, %s, loose:\n%s\nexpected\n%s",
                  (unsigned long)k, what, actual, expected);
}

/* Fails operation k (and with `and_after` the ten that follow); true when all went by without it.
 */
static bool run_failing(uint64_t k, bool and_after, int error)
{
    struct buf expected;
    buf_init(&expected, 1 << 16);
    buf_append_str(&expected, "");
    struct tsdb *db = kit_open(&options);
    struct sample_group *group = sample_group_new(db);
    fault_fs_fail(&faults, k, and_after, error);
    uint64_t until = faults.operations + k;
    bool reached = false;
    for (int i = 1; i <= COMMITS; i++) {
        bool written = commit_pair(db, group, i);
        if (written)
            expect(&expected, i);
        else
            ck_assert(tsdb_failed(db, NULL));
        check_pairs(db, buf_cstr(&expected), "while it runs", k);
        reached = reached || faults.operations >= until;
        if (reached && i % 4 == 0) {
            fault_fs_fail(&faults, 0, false, 0);
            ck_assert(tsdb_maintain(db, NULL) == ERR_NONE);
            ck_assert_msg(!tsdb_failed(db, NULL), "operation %lu: no recovery", (unsigned long)k);
            ck_assert(commit_pair(db, group, 1000 + i));
            expect(&expected, 1000 + i);
            break;
        }
    }
    fault_fs_fail(&faults, 0, false, 0);
    sample_group_free(group);
    tsdb_close(db);
    db = kit_open(&options);
    check_pairs(db, buf_cstr(&expected), "after a restart", k);
    tsdb_close(db);
    buf_release(&expected);
    return !reached;
}

static void start_anew(void)
{
    teardown();
    setup();
    log_set_sink(quiet, NULL);
}

START_TEST(every_failing_operation_costs_its_commit_only)
{
    for (uint64_t k = 1;; k++) {
        start_anew();
        if (run_failing(k, false, EIO))
            break;
        ck_assert_uint_lt(k, 1000);
    }
}
END_TEST

START_TEST(a_full_disk_refuses_and_recovers)
{
    for (uint64_t k = 1;; k++) {
        start_anew();
        if (run_failing(k, true, ENOSPC))
            break;
        ck_assert_uint_lt(k, 1000);
    }
}
END_TEST

START_TEST(the_failed_state_says_why_and_appends_are_refused_at_once)
{
    log_set_sink(quiet, NULL);
    struct tsdb *db = kit_open(&options);
    fault_fs_fail(&faults, 1, true, ENOSPC);
    ck_assert(!commit_pair(db, NULL, 1));
    struct buf reason;
    buf_init(&reason, 4096);
    ck_assert(tsdb_failed(db, &reason));
    ck_assert_msg(strstr(buf_cstr(&reason), "no space left on device") != NULL, "%s",
                  buf_cstr(&reason));
    buf_release(&reason);
    struct appender *appender;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(appender_begin(db, NULL, 0, &appender, &err), ERR_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.text, "no space left on device"));
    ck_assert_str_eq(kit_read(db, "l=1"), "");
    fault_fs_fail(&faults, 0, false, 0);
    ck_assert(tsdb_maintain(db, NULL) == ERR_NONE);
    ck_assert(!tsdb_failed(db, NULL));
    ck_assert(commit_pair(db, NULL, 1));
    tsdb_close(db);
}
END_TEST

/* The power goes at operation k. Returns true when the run ended before. */
static bool run_power_cut(uint64_t k, enum tsdb_fsync_policy policy)
{
    start_anew();
    options.fsync_policy = policy;
    struct tsdb *db = kit_open(&options);
    struct sample_group *group = sample_group_new(db);
    fault_fs_fail(&faults, k, true, EIO);
    uint64_t until = faults.operations + k;
    int acknowledged = 0;
    for (int i = 1; i <= COMMITS && commit_pair(db, group, i); i++)
        acknowledged = i;
    bool reached = faults.operations >= until;
    sample_group_free(group);
    tsdb_close(db);
    fault_fs_fail(&faults, 0, false, 0);
    fault_fs_cut_power(&faults, 0);
    db = kit_open(&options);
    struct buf expected;
    buf_init(&expected, 1 << 16);
    buf_append_str(&expected, "");
    /* what is there is a beginning of what was written, without holes */
    const char *actual = kit_read(db, "g=1");
    int there = 0;
    while (strlen(actual) > expected.len)
        expect(&expected, ++there);
    check_pairs(db, buf_cstr(&expected), "after the power cut", k);
    if (policy == TSDB_FSYNC_ALWAYS)
        ck_assert_msg(there >= acknowledged, "operation %lu: %d of %d are there", (unsigned long)k,
                      there, acknowledged);
    ck_assert(commit_pair(db, NULL, 1000));
    tsdb_close(db);
    buf_release(&expected);
    return !reached;
}

START_TEST(a_power_cut_loses_nothing_when_every_commit_is_synced)
{
    for (uint64_t k = 1; !run_power_cut(k, TSDB_FSYNC_ALWAYS); k++)
        ck_assert_uint_lt(k, 1000);
}
END_TEST

START_TEST(a_power_cut_leaves_a_beginning)
{
    for (uint64_t k = 1; !run_power_cut(k, TSDB_FSYNC_INTERVAL); k++)
        ck_assert_uint_lt(k, 1000);
}
END_TEST

static size_t file_size(const char *path)
{
    struct fs_stat stat;
    return fs_system->stat(fs_system, path, &stat) == 0 ? (size_t)stat.size : 0;
}

/* The power is cut while what lies behind a damage is put aside: it is there or in its segment. */
START_TEST(a_power_cut_loses_nothing_that_is_damaged)
{
    bool reached = true;
    for (uint64_t k = 1; reached; k++) {
        char segment[512], aside[600];
        start_anew();
        struct tsdb *db = kit_open(&options);
        snprintf(segment, sizeof(segment), "%s/wal/00000001", directory);
        ck_assert(commit_pair(db, NULL, 1));
        size_t good = file_size(segment);
        ck_assert(commit_pair(db, NULL, 2));
        tsdb_close(db);
        size_t size = file_size(segment);
        snprintf(aside, sizeof(aside), "%s.damaged-%zu", segment, good);
        FILE *file = fopen(segment, "r+b");
        ck_assert_int_eq(fseek(file, (long)good + 18, SEEK_SET), 0);
        ck_assert_int_eq(fputc(0xff, file), 0xff);
        ck_assert_int_eq(fclose(file), 0);
        fault_fs_fail(&faults, k, true, EIO);
        uint64_t until = faults.operations + k;
        if (tsdb_open(&options, &db, NULL) == ERR_NONE)
            tsdb_close(db);
        reached = faults.operations >= until;
        fault_fs_fail(&faults, 0, false, 0);
        fault_fs_cut_power(&faults, 0);
        ck_assert_msg(file_size(segment) == size || file_size(aside) == size - good,
                      "operation %lu", (unsigned long)k);
        ck_assert_uint_lt(k, 1000);
    }
}
END_TEST

START_TEST(opening_fails_or_works_at_every_failing_operation)
{
    for (uint64_t k = 1;; k++) {
        start_anew();
        struct tsdb *db = kit_open(&options);
        ck_assert(commit_pair(db, NULL, 1));
        tsdb_close(db);
        fault_fs_fail(&faults, k, false, EIO);
        uint64_t until = faults.operations + k;
        struct errbuf err = ERRBUF_INIT;
        enum err result = tsdb_open(&options, &db, &err);
        if (result == ERR_NONE)
            tsdb_close(db);
        else
            ck_assert_uint_gt(strlen(err.text), 10);
        bool reached = faults.operations >= until;
        fault_fs_fail(&faults, 0, false, 0);
        db = kit_open(&options);
        ck_assert_str_eq(kit_read(db, "l=1"), "1000:1");
        tsdb_close(db);
        if (!reached)
            break;
        ck_assert_uint_lt(k, 1000);
    }
}
END_TEST

static struct wal *wal_begin(void)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/wal", directory);
    struct wal *wal = wal_new(&faults.fs, path, 0, 1);
    ck_assert(wal_load(wal, NULL) == ERR_NONE);
    ck_assert(wal_cut(wal, NULL) == ERR_NONE);
    return wal;
}

static uint64_t wal_put(struct wal *wal)
{
    uint64_t total;
    ck_assert(wal_append(wal, slice_from("payload", 7), 1000, &total, NULL) == ERR_NONE);
    return total;
}

/* Another commit's sync fails for what was written, and the log recovers. */
static void wal_lose(struct wal *wal)
{
    bool synced;
    fault_fs_fail(&faults, 1, false, EIO);
    ck_assert(wal_sync_pending(wal, &synced, NULL) != ERR_NONE);
    fault_fs_fail(&faults, 0, false, 0);
    ck_assert(wal_has_failed(wal));
    ck_assert(wal_recover(wal, NULL) == ERR_NONE);
}

START_TEST(who_waits_for_a_failed_sync_learns_of_it_after_later_ones)
{
    struct wal *wal = wal_begin();
    uint64_t good = wal_put(wal);
    ck_assert(wal_sync(wal, good, NULL) == ERR_NONE);
    uint64_t first = wal_put(wal);
    wal_lose(wal);
    uint64_t second = wal_put(wal);
    wal_lose(wal);
    uint64_t last = wal_put(wal);
    ck_assert(wal_sync(wal, last, NULL) == ERR_NONE);
    ck_assert(wal_sync(wal, good, NULL) == ERR_NONE);
    ck_assert_int_eq(wal_sync(wal, first, NULL), ERR_IO);
    ck_assert_int_eq(wal_sync(wal, second, NULL), ERR_IO);
    wal_free(wal);
}
END_TEST

/* A kill would leave just what is there now. */
static void check_listed_are_there(const struct wal *wal, uint64_t k)
{
    struct wal_list list;
    ck_assert(wal_read_list(wal, &list, NULL) == ERR_NONE);
    for (size_t i = 0; i < list.segments.len; i++) {
        char *path = wal_segment_path(wal, list.segments.items[i].number);
        ck_assert_msg(file_size(path) > 0, "operation %lu: %s is listed", (unsigned long)k, path);
        mem_free(path);
    }
    wal_list_release(&list);
}

static void check_failing_cuts(bool and_after)
{
    enum err result = ERR_IO;
    for (uint64_t k = 1; result != ERR_NONE; k++) {
        start_anew();
        struct wal *wal = wal_begin();
        (void)wal_put(wal);
        fault_fs_fail(&faults, k, and_after, EIO);
        result = wal_cut(wal, NULL);
        check_listed_are_there(wal, k);
        ck_assert(wal_recover(wal, NULL) == ERR_NONE || and_after);
        check_listed_are_there(wal, k);
        fault_fs_fail(&faults, 0, false, 0);
        ck_assert(wal_recover(wal, NULL) == ERR_NONE);
        check_listed_are_there(wal, k);
        wal_free(wal);
        ck_assert_uint_lt(k, 100);
    }
}

START_TEST(no_segment_is_listed_that_a_failed_cut_took_away)
{
    check_failing_cuts(false);
    check_failing_cuts(true);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_faults");
    TCase *tcase = tcase_create("wal_faults");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, every_failing_operation_costs_its_commit_only);
    tcase_add_test(tcase, a_full_disk_refuses_and_recovers);
    tcase_add_test(tcase, the_failed_state_says_why_and_appends_are_refused_at_once);
    tcase_add_test(tcase, a_power_cut_loses_nothing_when_every_commit_is_synced);
    tcase_add_test(tcase, a_power_cut_leaves_a_beginning);
    tcase_add_test(tcase, a_power_cut_loses_nothing_that_is_damaged);
    tcase_add_test(tcase, opening_fails_or_works_at_every_failing_operation);
    tcase_add_test(tcase, who_waits_for_a_failed_sync_learns_of_it_after_later_ones);
    tcase_add_test(tcase, no_segment_is_listed_that_a_failed_cut_took_away);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
