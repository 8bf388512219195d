/* Files are whole or absent, trees come and go, and errors carry path and reason. */
#include "base/fs.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static void setup(void)
{
    snprintf(folder, sizeof(folder), "/tmp/ferula-test-fs-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
    ck_assert_int_eq(fs_remove_tree(fs_system, folder, NULL), ERR_NONE);
    ck_assert_int_eq(access(folder, F_OK), -1);
}

static const char *path_of(const char *name)
{
    static char paths[4][200];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void expect_content(const char *name, const char *want)
{
    struct buf content CLEANUP(buf_release);
    buf_init(&content, 1 << 20);
    ck_assert_int_eq(fs_read_file(fs_system, path_of(name), &content, NULL), ERR_NONE);
    ck_assert_str_eq(buf_cstr(&content), want);
}

START_TEST(fs_replace_file_leaves_nothing_beside)
{
    ck_assert_int_eq(fs_replace_file(fs_system, path_of("f"), SLICE("old"), NULL), ERR_NONE);
    expect_content("f", "old");
    ck_assert_int_eq(fs_replace_file(fs_system, path_of("f"), SLICE("new text"), NULL), ERR_NONE);
    expect_content("f", "new text");
    ck_assert_int_eq(access(path_of("f.tmp"), F_OK), -1);
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(fs_replace_file(fs_system, path_of("no/f"), SLICE("x"), &err), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "no/f.tmp: no such file or directory"));
}
END_TEST

/* A table like the system's that writes at most three bytes at a time and fails after some. */
static struct fs short_fs;
static int writes_left;

static ssize_t short_pwrite(const struct fs *fs, int fd, const void *data, size_t len,
                            uint64_t offset)
{
    if (writes_left-- == 0)
        return -ENOSPC;
    return fs_system->pwrite(fs_system, fd, data, len > 3 ? 3 : len, offset);
}

START_TEST(fs_replace_file_keeps_the_old_content_when_a_write_fails)
{
    short_fs = *fs_system;
    short_fs.pwrite = short_pwrite;
    writes_left = 100;
    ck_assert_int_eq(fs_replace_file(&short_fs, path_of("f"), SLICE("0123456789"), NULL), ERR_NONE);
    expect_content("f", "0123456789");
    writes_left = 2;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(fs_replace_file(&short_fs, path_of("f"), SLICE("abcdefghij"), &err),
                     ERR_NO_SPACE);
    expect_content("f", "0123456789");
    ck_assert_int_eq(access(path_of("f.tmp"), F_OK), -1);
}
END_TEST

START_TEST(fs_read_file_refuses_what_is_above_the_maximum)
{
    ck_assert_int_eq(fs_replace_file(fs_system, path_of("f"), SLICE("12345"), NULL), ERR_NONE);
    struct buf content CLEANUP(buf_release);
    buf_init(&content, 5);
    ck_assert_int_eq(fs_read_file(fs_system, path_of("f"), &content, NULL), ERR_NONE);
    buf_release(&content);
    buf_init(&content, 4);
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(fs_read_file(fs_system, path_of("f"), &content, &err), ERR_LIMIT);
    buf_release(&content);
    buf_init(&content, 1 << 16);
    /* the kernel says that its size is 0 */
    ck_assert_int_eq(fs_read_file(fs_system, "/proc/self/status", &content, NULL), ERR_NONE);
    ck_assert_uint_gt(content.len, 100);
    ck_assert_int_eq(fs_read_file(fs_system, path_of("none"), &content, &err), ERR_NOT_FOUND);
}
END_TEST

START_TEST(fs_makes_directories_and_removes_trees)
{
    ck_assert_int_eq(fs_make_directories(fs_system, path_of("a/b//c/"), NULL), ERR_NONE);
    ck_assert_int_eq(fs_make_directories(fs_system, path_of("a/b/c"), NULL), ERR_NONE);
    ck_assert_int_eq(fs_replace_file(fs_system, path_of("a/b/c/f"), SLICE("x"), NULL), ERR_NONE);
    ck_assert_int_eq(symlink(folder, path_of("a/loop")), 0);
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(fs_make_directories(fs_system, path_of("a/b/c/f"), &err), ERR_EXISTS);
    ck_assert_int_eq(fs_make_directories(fs_system, path_of("a/b/c/f/g"), &err), ERR_EXISTS);
    ck_assert_int_eq(fs_remove_tree(fs_system, path_of("a"), NULL), ERR_NONE);
    ck_assert_int_eq(access(path_of("a"), F_OK), -1);
    ck_assert_int_eq(access(folder, F_OK), 0);
    ck_assert_int_eq(fs_remove_tree(fs_system, path_of("a"), NULL), ERR_NONE);
}
END_TEST

static int stop_at_second(const char *name, void *context)
{
    int *count = context;
    return ++*count == 2 ? 42 : 0;
}

START_TEST(fs_system_reports_negative_errno)
{
    const struct fs *fs = fs_system;
    ck_assert_int_eq(fs->open(fs, path_of("f"), FS_READ), -ENOENT);
    int fd = fs->open(fs, path_of("f"), FS_CREATE);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fs->open(fs, path_of("f"), FS_CREATE), -EEXIST);
    ck_assert_int_eq(fs_write_all(fs, fd, "abcdef", 6, 2, "f", NULL), ERR_NONE);
    ck_assert_int_eq(fs->size(fs, fd), 8);
    char bytes[8];
    ck_assert_int_eq(fs->pread(fs, fd, bytes, sizeof(bytes), 2), 6);
    ck_assert_mem_eq(bytes, "abcdef", 6);
    ck_assert_int_eq(fs->sync(fs, fd), 0);
    const char *mapped = fs->map(fs, fd, 8);
    ck_assert_mem_eq(mapped, "\0\0abcdef", 8);
    fs->unmap(fs, (void *)(uintptr_t)mapped, 8);
    ck_assert_int_eq(fs->truncate(fs, fd, 3), 0);
    struct fs_stat found;
    ck_assert_int_eq(fs->stat(fs, path_of("f"), &found), 0);
    ck_assert_uint_eq(found.size, 3);
    ck_assert(!found.is_directory);
    ck_assert_int_eq(fs->lock(fs, fd), 0);
    int other = fs->open(fs, path_of("f"), FS_WRITE);
    ck_assert_int_eq(fs->lock(fs, other), -EWOULDBLOCK);
    ck_assert_int_eq(fs->close(fs, fd), 0);
    ck_assert_int_eq(fs->lock(fs, other), 0);
    ck_assert_int_eq(fs->close(fs, other), 0);
    ck_assert_int_eq(fs->link(fs, path_of("f"), path_of("g")), 0);
    ck_assert_int_eq(fs->rename(fs, path_of("g"), path_of("h")), 0);
    int count = 0;
    ck_assert_int_eq(fs->list(fs, folder, stop_at_second, &count), 42);
    ck_assert_int_eq(fs->list(fs, path_of("none"), stop_at_second, &count), -ENOENT);
    ck_assert_int_eq(fs->sync_directory(fs, folder), 0);
    ck_assert_int_eq(fs->unlink(fs, path_of("none")), -ENOENT);
    ck_assert_int_eq(fs->remove_directory(fs, folder), -ENOTEMPTY);
    uint64_t free_bytes;
    uint64_t total_bytes;
    ck_assert_int_eq(fs->space(fs, folder, &free_bytes, &total_bytes), 0);
    ck_assert_uint_le(free_bytes, total_bytes);
    ck_assert_uint_gt(total_bytes, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fs");
    TCase *tcase = tcase_create("fs");
    tcase_add_test(tcase, fs_replace_file_leaves_nothing_beside);
    tcase_add_test(tcase, fs_replace_file_keeps_the_old_content_when_a_write_fails);
    tcase_add_test(tcase, fs_read_file_refuses_what_is_above_the_maximum);
    tcase_add_test(tcase, fs_makes_directories_and_removes_trees);
    tcase_add_test(tcase, fs_system_reports_negative_errno);
    tcase_add_checked_fixture(tcase, setup, teardown);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
