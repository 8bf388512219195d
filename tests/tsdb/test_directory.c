/* Claiming a data directory, and what is said when that fails. */
#include "tests/support/kept_log.h"
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *directory;
static struct tsdb_options options;
static void setup(void)
{
    kept_log_start();
    directory = mem_strdup(kit_directory());
    options = (struct tsdb_options){.path = directory};
}

static void teardown(void)
{
    kit_remove(directory);
    mem_free(directory);
    kept_log_stop();
}

static char *in_directory(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_directory(name), "wb");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static bool file_exists(const char *name)
{
    return access(in_directory(name), F_OK) == 0;
}

static void expect_error(const char *first, const char *second)
{
    struct tsdb *db;
    struct errbuf err = ERRBUF_INIT;
    ck_assert(tsdb_open(&options, &db, &err) != ERR_NONE);
    ck_assert_msg(strstr(err.text, first) != NULL, "no \"%s\" in: %s", first, err.text);
    ck_assert_msg(strstr(err.text, second) != NULL, "no \"%s\" in: %s", second, err.text);
}

START_TEST(a_new_directory_is_made_with_its_parents)
{
    options.path = in_directory("a/b/c");
    char *path = mem_strdup(options.path);
    options.path = path;
    struct tsdb *db = kit_open(&options);
    kit_append(db, "a=1", 1, 1);
    tsdb_close(db);
    ck_assert(file_exists("a/b/c/FERULA"));
    ck_assert(file_exists("a/b/c/wal/00000001"));
    mem_free(path);
}
END_TEST

START_TEST(a_second_process_is_refused_and_told_which_has_it)
{
    struct tsdb *db = kit_open(&options);
    char pid[32];
    snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    expect_error("lock DB directory: resource temporarily unavailable", pid);
    tsdb_close(db);
    db = kit_open(&options); /* a lock file that is left over is no hindrance */
    tsdb_close(db);
}
END_TEST

START_TEST(without_lockfile_none_is_written)
{
    options.no_lockfile = true;
    struct tsdb *db = kit_open(&options);
    ck_assert(!file_exists("lock"));
    tsdb_close(db);
}
END_TEST

START_TEST(a_prometheus_directory_is_left_alone)
{
    ck_assert_int_eq(mkdir(in_directory("wal"), 0755), 0);
    ck_assert_int_eq(mkdir(in_directory("chunks_head"), 0755), 0);
    write_file("wal/00000000", "theirs");
    write_file("lock", "123");
    struct tsdb *db = kit_open(&options);
    kit_append(db, "a=1", 1, 1);
    tsdb_close(db);
    ck_assert(file_exists("ferula/FERULA"));
    ck_assert(file_exists("ferula/wal/00000001"));
    ck_assert(!file_exists("FERULA"));
    ck_assert(!file_exists("wal/00000001"));
    ck_assert_msg(kept_log_has("Prometheus"), "%s", kept_log_text());
    db = kit_open(&options);
    ck_assert_str_eq(kit_read(db, "a=1"), "1:1");
    tsdb_close(db);
}
END_TEST

START_TEST(a_block_of_prometheus_is_recognised)
{
    ck_assert_int_eq(mkdir(in_directory("01BKGV7JBM69T2G1BGBGM6KB12"), 0755), 0);
    write_file("01BKGV7JBM69T2G1BGBGM6KB12/meta.json", "{}");
    struct tsdb *db = kit_open(&options);
    tsdb_close(db);
    ck_assert(file_exists("ferula/FERULA"));
}
END_TEST

START_TEST(a_later_format_is_refused)
{
    write_file("FERULA", "ferula storage, format 9\n");
    expect_error("FERULA", "format 9");
}
END_TEST

START_TEST(a_format_file_that_is_lost_or_damaged_is_written_again)
{
    struct tsdb *db = kit_open(&options);
    kit_append(db, "a=1", 1, 1);
    tsdb_close(db);
    const char *const contents[] = {NULL, "", "ferula stoxage, format 1\n",
                                    "ferula storage, format ;\n"};
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        ck_assert_int_eq(unlink(in_directory("FERULA")), 0);
        if (contents[i] != NULL)
            write_file("FERULA", contents[i]);
        kept_log_clear();
        db = kit_open(&options);
        ck_assert_str_eq(kit_read(db, "a=1"), "1:1");
        ck_assert_msg(kept_log_has("FERULA"), "%s", kept_log_text());
        tsdb_close(db);
        ck_assert(!file_exists("ferula"));
    }
}
END_TEST

START_TEST(a_directory_of_another_owner_is_explained)
{
    if (geteuid() != 0)
        return; /* only root can make one */
    ck_assert_int_eq(chown(directory, 1000, 1000), 0);
    ck_assert_int_eq(chmod(directory, 0755), 0);
    ck_assert_int_eq(seteuid(65534), 0);
    struct tsdb *db;
    struct errbuf err = ERRBUF_INIT;
    enum err result = tsdb_open(&options, &db, &err);
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert(result != ERR_NONE);
    ck_assert_msg(strstr(err.text, "is owned by uid 1000 and this process runs as uid 65534") !=
                      NULL,
                  "%s", err.text);
    ck_assert_ptr_nonnull(strstr(err.text, "chown -R 65534"));
    char *below = mem_strdup(in_directory("below"));
    options.path = below;
    ck_assert_int_eq(seteuid(65534), 0);
    result = tsdb_open(&options, &db, &err);
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert(result != ERR_NONE);
    ck_assert_msg(strstr(err.text, "is owned by uid 1000") != NULL, "%s", err.text);
    mem_free(below);
}
END_TEST

START_TEST(a_file_in_place_of_the_directory_is_told)
{
    write_file("file", "x");
    options.path = in_directory("file");
    char *path = mem_strdup(options.path);
    options.path = path;
    expect_error(path, "is a file, not a directory");
    mem_free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("directory");
    TCase *tcase = tcase_create("directory");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_new_directory_is_made_with_its_parents);
    tcase_add_test(tcase, a_second_process_is_refused_and_told_which_has_it);
    tcase_add_test(tcase, without_lockfile_none_is_written);
    tcase_add_test(tcase, a_prometheus_directory_is_left_alone);
    tcase_add_test(tcase, a_block_of_prometheus_is_recognised);
    tcase_add_test(tcase, a_later_format_is_refused);
    tcase_add_test(tcase, a_format_file_that_is_lost_or_damaged_is_written_again);
    tcase_add_test(tcase, a_directory_of_another_owner_is_explained);
    tcase_add_test(tcase, a_file_in_place_of_the_directory_is_told);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
