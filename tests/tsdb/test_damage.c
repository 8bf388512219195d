/* Damage that is met while the database is open: a chunk of the head in a file, a page of a block.
 * It costs what it hits, is said once, and keeps nothing from going on. */
#include "tests/support/kept_log.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/head_seal.h"
#include "tsdb/tsdb_internal.h"

#include "base/alloc.h"
#include "base/log.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define START_MS INT64_C(1699999200000) /* a multiple of two hours */
#define SERIES 400

static char *directory;
static struct tsdb_options options;
static struct tsdb *db;
static void setup(void)
{
    kept_log_start();
    log_set_level(LOG_WARN);
    directory = mem_strdup(kit_directory());
    options = (struct tsdb_options){.path = directory, .fsync_policy = TSDB_FSYNC_OFF};
    db = kit_open(&options);
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
    kept_log_stop();
}

static double value_of(int series, int64_t t_ms)
{
    return (double)((uint64_t)(t_ms + series) * 0x9e3779b97f4a7c15u >> 30) / 7;
}

static void write_rows(struct sample_group *group, int64_t from_ms, int64_t to_ms)
{
    for (int64_t t_ms = from_ms; t_ms < to_ms; t_ms += MINUTE_MS) {
        struct appender *appender = kit_begin(db, group, t_ms);
        for (int i = 0; i < SERIES; i++) {
            char text[32];
            snprintf(text, sizeof(text), "a=%d", i);
            ck_assert_int_eq(kit_stage(appender, text, value_of(i, t_ms)), APPEND_OK);
        }
        kit_commit(appender);
    }
}

/* How many series lack samples of [from_ms, to_ms); none may have another value. */
static size_t count_incomplete(int64_t from_ms, int64_t to_ms)
{
    size_t incomplete = 0;
    for (int i = 0; i < SERIES; i++) {
        char text[32];
        size_t count = 0;
        snprintf(text, sizeof(text), "a=%d", i);
        const char *at = kit_read_range(db, text, from_ms, to_ms - 1);
        while (*at != '\0') {
            char *end;
            int64_t t_ms = strtoll(at, &end, 10);
            ck_assert_double_eq(strtod(end + 1, &end), value_of(i, t_ms));
            at = end + (*end == ' ');
            count++;
        }
        incomplete += count != (size_t)((to_ms - from_ms) / MINUTE_MS);
    }
    return incomplete;
}

static void each_damage(void *context, const char *text, int64_t since_ms)
{
    ck_assert_int_gt(since_ms, 0);
    buf_printf(context, "%s\n", text);
}

/* What people are told, a line each. */
static const char *damages(void)
{
    static struct buf text;
    uint64_t more;
    buf_release(&text);
    buf_init(&text, (size_t)1 << 20);
    buf_append_str(&text, "");
    tsdb_visit_damages(db, each_damage, &text, &more);
    ck_assert_uint_eq(more, 0);
    return buf_cstr(&text);
}

static void damage_file(const char *path, uint64_t offset)
{
    int fd = fs_system->open(fs_system, path, FS_WRITE);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fs_system->pwrite(fs_system, fd, "damaged!", 8, offset), 8);
    fs_system->close(fs_system, fd);
}

static void maintain(void)
{
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(tsdb_maintain(db, &err) == ERR_NONE, "%s", err.text);
}

static void seal(void)
{
    MUTEX_GUARD(&db->maintenance_lock);
    ck_assert(head_seal(&db->head, &db->commit_lock, &db->head_files, NULL) == ERR_NONE);
    ck_assert_ptr_nonnull(db->head_files.list);
}

START_TEST(a_damaged_file_of_head_chunks_costs_a_part_of_it_and_the_head_is_cut)
{
    char path[512];
    struct sample_group *group = sample_group_new(db);
    write_rows(group, START_MS, START_MS + 4 * HOUR_MS);
    seal();
    ck_assert_uint_gt(db->head_files.list->size, 3 * HEAD_FILE_PIECE_BYTES);
    snprintf(path, sizeof(path), "%s/head/chunks.%08lu", directory,
             (unsigned long)db->head_files.list->number);
    damage_file(path, HEAD_FILE_PIECE_BYTES + 1000);
    maintain();
    /* the chunks that touch the piece, and no others */
    size_t lost = count_incomplete(START_MS, START_MS + 2 * HOUR_MS);
    ck_assert_uint_gt(lost, 0);
    ck_assert_uint_lt(lost, SERIES / 2);
    ck_assert_uint_eq(kept_log_count("head/chunks.00000001"), kept_log_count("chunks.00000001"));
    ck_assert_uint_gt(kept_log_count("chunks.00000001"), 0);
    ck_assert_uint_eq(kept_log_count("aside/head-chunks.1"), 1);
    ck_assert_ptr_nonnull(strstr(damages(), path));
    ck_assert_uint_gt(db->head_files.corruptions, 0);
    snprintf(path, sizeof(path), "%s/aside/head-chunks.1", directory);
    struct fs_stat stat;
    ck_assert_int_eq(fs_system->stat(fs_system, path, &stat), 0);
    /* it goes on */
    ck_assert_int_ge((int64_t)db->head.min_ms, START_MS + 2 * HOUR_MS);
    write_rows(group, START_MS + 4 * HOUR_MS, START_MS + 8 * HOUR_MS);
    seal();
    maintain();
    ck_assert_int_ge((int64_t)db->head.min_ms, START_MS + 6 * HOUR_MS);
    ck_assert_uint_eq(count_incomplete(START_MS + 4 * HOUR_MS, START_MS + 8 * HOUR_MS), 0);
    sample_group_free(group);
    tsdb_close(db);
    db = kit_open(&options);
    ck_assert_uint_eq(count_incomplete(START_MS, START_MS + 2 * HOUR_MS), lost);
    ck_assert_uint_eq(count_incomplete(START_MS + 4 * HOUR_MS, START_MS + 8 * HOUR_MS), 0);
}
END_TEST

START_TEST(files_of_head_chunks_that_are_cut_short_do_no_more)
{
    char path[512];
    struct sample_group *group = sample_group_new(db);
    write_rows(group, START_MS, START_MS + 4 * HOUR_MS);
    seal();
    snprintf(path, sizeof(path), "%s/head/chunks.%08lu", directory,
             (unsigned long)db->head_files.list->number);
    int fd = fs_system->open(fs_system, path, FS_WRITE);
    ck_assert_int_eq(
        fs_system->truncate(fs_system, fd, db->head_files.list->size - HEAD_FILE_PIECE_BYTES), 0);
    fs_system->close(fs_system, fd);
    maintain();
    size_t lost = count_incomplete(START_MS, START_MS + 2 * HOUR_MS);
    ck_assert_uint_gt(lost, 0);
    ck_assert_uint_lt(lost, SERIES);
    ck_assert_ptr_nonnull(strstr(damages(), "head/chunks."));
    sample_group_free(group);
}
END_TEST

START_TEST(a_damaged_page_of_a_block_is_said_once_however_often_it_is_read)
{
    char path[512];
    struct sample_group *group = sample_group_new(db);
    write_rows(group, START_MS, START_MS + 4 * HOUR_MS);
    maintain();
    sample_group_free(group);
    ck_assert_str_eq(damages(), "");
    struct block_list *list = block_shelf_take(&db->shelf);
    ck_assert_uint_eq(list->count, 1);
    snprintf(path, sizeof(path), "%s/chunks", block_path(list->blocks[0]));
    block_list_unref(list);
    damage_file(path, 1000);
    double before = counter_value(db->metrics.block_corruptions);
    size_t lost = count_incomplete(START_MS, START_MS + 2 * HOUR_MS);
    ck_assert_uint_gt(lost, 0);
    ck_assert_uint_lt(lost, SERIES);
    ck_assert_uint_eq(count_incomplete(START_MS, START_MS + 2 * HOUR_MS), lost);
    ck_assert_uint_eq(kept_log_count("A block is damaged"), 1);
    ck_assert_double_eq(counter_value(db->metrics.block_corruptions), before + 1);
    ck_assert_ptr_nonnull(strstr(damages(), path));
    ck_assert_ptr_eq(strchr(damages(), '\n')[1] == '\0' ? db : NULL, db); /* one line */
}
END_TEST

START_TEST(damage_that_a_start_finds_is_told_too)
{
    char path[512];
    struct sample_group *group = sample_group_new(db);
    write_rows(group, START_MS, START_MS + 4 * HOUR_MS);
    maintain();
    sample_group_free(group);
    struct block_list *list = block_shelf_take(&db->shelf);
    snprintf(path, sizeof(path), "%s/index", block_path(list->blocks[0]));
    block_list_unref(list);
    tsdb_close(db);
    damage_file(path, 0);
    db = kit_open(&options);
    ck_assert_ptr_nonnull(strstr(damages(), path));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("damage");
    TCase *tests = tcase_create("damage");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_damaged_file_of_head_chunks_costs_a_part_of_it_and_the_head_is_cut);
    tcase_add_test(tests, files_of_head_chunks_that_are_cut_short_do_no_more);
    tcase_add_test(tests, a_damaged_page_of_a_block_is_said_once_however_often_it_is_read);
    tcase_add_test(tests, damage_that_a_start_finds_is_told_too);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
