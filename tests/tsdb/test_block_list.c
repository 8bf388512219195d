/* The blocks of a directory: what is opened at start, what is removed and what is set aside; lists
 * that replace one another while they are read. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "model/labels_builder.h"
#include "tsdb/block_directory.h"
#include "tsdb/block_list.h"
#include "tsdb/block_writer.h"

#define HOUR_MS INT64_C(3600000)

static char directory[64];
static char *blocks;
static struct rand random_;
static struct errbuf err;
static struct block_list *list;
static struct block_leftovers leftovers;
static struct damage_book damages;
static uint64_t damaged;

static void setup(void)
{
    snprintf(directory, sizeof(directory), "/tmp/ferula-blocks-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    blocks = block_directory_path(directory);
    rand_init(&random_, 5);
    list = NULL;
    leftovers = (struct block_leftovers){0};
    damage_book_init(&damages, clock_system);
}

static void teardown(void)
{
    block_list_unref(list);
    block_leftovers_release(&leftovers);
    damage_book_release(&damages);
    mem_free(blocks);
    ck_assert_int_eq(fs_remove_tree(fs_system, directory, NULL), ERR_NONE);
}

static struct ulid write_block(int64_t min_ms, int64_t max_ms, bool out_of_order,
                               const struct ulid *parent)
{
    struct block_meta meta = {
        .min_ms = min_ms, .max_ms = max_ms, .level = 1, .out_of_order = out_of_order};
    ulid_make(&meta.ulid, 1700000000000 + min_ms, &random_);
    if (parent != NULL)
        vec_push(&meta.parents, (struct block_parent){*parent, min_ms, max_ms});
    struct block_writer_options options = {.fs = fs_system, .directory = blocks, .meta = &meta};
    struct block_writer *writer;
    ck_assert_int_eq(fs_make_directories(fs_system, blocks, &err), ERR_NONE);
    ck_assert_msg(block_writer_open(&options, &writer, &err) == ERR_NONE, "%s", err.text);
    struct labels_builder builder;
    labels_builder_init(&builder);
    labels_builder_set(&builder, SLICE("__name__"), SLICE("up"));
    struct labels *labels = labels_builder_build(&builder);
    labels_builder_release(&builder);
    int64_t times_ms[] = {min_ms, max_ms - 1};
    double values[] = {1, 2};
    struct sample_columns columns;
    sample_columns_init(&columns);
    columns.timestamps_ms = times_ms;
    columns.values = values;
    columns.count = 2;
    block_writer_series(writer, labels);
    block_writer_samples(writer, &columns);
    struct block_meta written;
    ck_assert_msg(block_writer_finish(writer, &written, &err) == ERR_NONE, "%s", err.text);
    block_meta_release(&written);
    block_meta_release(&meta);
    sample_columns_release(&columns);
    labels_unref(labels);
    return meta.ulid;
}

static const char *path_of(const struct ulid *ulid, const char *suffix)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s%s", blocks, ulid->text, suffix);
    return path;
}

static bool exists(const char *path)
{
    struct fs_stat stat;
    return fs_system->stat(fs_system, path, &stat) == 0;
}

static void open_all(void)
{
    uint64_t before = damage_book_count(&damages);
    block_list_unref(list);
    ck_assert_msg(block_directory_open(fs_system, directory, &list, &leftovers, &damages, &err) ==
                      ERR_NONE,
                  "%s", err.text);
    damaged = damage_book_count(&damages) - before;
}

static void damage(const struct ulid *ulid)
{
    int fd = fs_system->open(fs_system, path_of(ulid, "/index"), FS_TRUNCATE);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fs_write_all(fs_system, fd, "rubbish", 7, 0, "index", &err), ERR_NONE);
    fs_system->close(fs_system, fd);
}

START_TEST(a_missing_directory_has_no_blocks)
{
    open_all();
    ck_assert_uint_eq(list->count, 0);
    ck_assert_int_eq(list->head_from_ms, INT64_MIN);
    ck_assert_int_eq(block_list_min_ms(list), INT64_MAX);
}
END_TEST

START_TEST(blocks_are_opened_in_the_order_of_time)
{
    struct ulid late = write_block(4 * HOUR_MS, 6 * HOUR_MS, false, NULL);
    struct ulid early = write_block(0, 2 * HOUR_MS, false, NULL);
    struct ulid middle = write_block(2 * HOUR_MS, 4 * HOUR_MS, false, NULL);
    open_all();
    ck_assert_uint_eq(damaged, 0);
    ck_assert_uint_eq(list->count, 3);
    ck_assert_str_eq(block_meta(list->blocks[0])->ulid.text, early.text);
    ck_assert_str_eq(block_meta(list->blocks[1])->ulid.text, middle.text);
    ck_assert_str_eq(block_meta(list->blocks[2])->ulid.text, late.text);
    ck_assert_int_eq(list->head_from_ms, 6 * HOUR_MS);
    ck_assert_int_eq(block_list_min_ms(list), 0);
    ck_assert_uint_gt(block_list_bytes(list), 3 * 100);
}
END_TEST

START_TEST(blocks_of_late_samples_do_not_say_where_the_head_begins)
{
    write_block(0, 2 * HOUR_MS, false, NULL);
    write_block(4 * HOUR_MS, 6 * HOUR_MS, true, NULL);
    open_all();
    ck_assert_uint_eq(list->count, 2);
    ck_assert_int_eq(list->head_from_ms, 2 * HOUR_MS);
}
END_TEST

START_TEST(what_was_not_finished_is_removed_and_what_is_foreign_stays)
{
    struct ulid writing = write_block(0, 2 * HOUR_MS, false, NULL);
    struct ulid deleting = write_block(0, 2 * HOUR_MS, false, NULL);
    char from[512];
    snprintf(from, sizeof(from), "%s", path_of(&writing, ""));
    ck_assert_int_eq(rename(from, path_of(&writing, ".tmp")), 0);
    snprintf(from, sizeof(from), "%s", path_of(&deleting, ""));
    ck_assert_int_eq(rename(from, path_of(&deleting, ".deleting")), 0);
    char foreign[512];
    snprintf(foreign, sizeof(foreign), "%s/notes.tmp", blocks);
    ck_assert_int_eq(fs_make_directories(fs_system, foreign, &err), ERR_NONE);
    open_all();
    ck_assert_uint_eq(list->count, 0);
    ck_assert(!exists(path_of(&writing, ".tmp")));
    ck_assert(!exists(path_of(&deleting, ".deleting")));
    ck_assert(exists(foreign));
}
END_TEST

START_TEST(a_damaged_block_is_set_aside_and_the_others_are_served)
{
    struct ulid good = write_block(0, 2 * HOUR_MS, false, NULL);
    struct ulid bad = write_block(2 * HOUR_MS, 4 * HOUR_MS, false, NULL);
    damage(&bad);
    open_all();
    ck_assert_uint_eq(damaged, 1);
    ck_assert_uint_eq(list->count, 1);
    ck_assert_str_eq(block_meta(list->blocks[0])->ulid.text, good.text);
    ck_assert(!exists(path_of(&bad, "")));
    char aside[512];
    snprintf(aside, sizeof(aside), "%s/aside/%s/index", directory, bad.text);
    ck_assert(exists(aside));
    open_all();
    ck_assert_uint_eq(damaged, 0);
    ck_assert_uint_eq(list->count, 1);
}
END_TEST

START_TEST(a_block_that_lost_a_file_is_set_aside)
{
    struct ulid bad = write_block(0, 2 * HOUR_MS, false, NULL);
    ck_assert_int_eq(fs_system->unlink(fs_system, path_of(&bad, "/meta.json")), 0);
    open_all();
    ck_assert_uint_eq(damaged, 1);
    ck_assert_uint_eq(list->count, 0);
    ck_assert(!exists(path_of(&bad, "")));
}
END_TEST

START_TEST(parents_of_a_block_go_even_when_they_are_damaged)
{
    struct ulid first = write_block(0, 2 * HOUR_MS, false, NULL);
    struct ulid child = write_block(0, 4 * HOUR_MS, false, &first);
    open_all();
    ck_assert_uint_eq(list->count, 1);
    ck_assert_str_eq(block_meta(list->blocks[0])->ulid.text, child.text);
    ck_assert(!exists(path_of(&first, "")));
    struct ulid second = write_block(0, 2 * HOUR_MS, false, NULL);
    write_block(0, 6 * HOUR_MS, false, &second);
    damage(&second);
    open_all();
    ck_assert_uint_eq(damaged, 0);
    ck_assert_uint_eq(list->count, 2);
    ck_assert(!exists(path_of(&second, "")));
}
END_TEST

START_TEST(a_deleted_block_can_be_read_by_who_has_it)
{
    struct ulid ulid = write_block(0, 2 * HOUR_MS, false, NULL);
    open_all();
    struct series_view *view;
    ck_assert_int_eq(series_source_open(block_source(list->blocks[0]), 0, 2 * HOUR_MS, &view, &err),
                     ERR_NONE);
    ck_assert_int_eq(block_directory_delete(fs_system, block_path(list->blocks[0]), &err),
                     ERR_NONE);
    ck_assert(!exists(path_of(&ulid, "")));
    ck_assert(!exists(path_of(&ulid, ".deleting")));
    struct block_list *without =
        block_list_change(list, list->blocks, 1, NULL, 0, list->head_from_ms);
    block_list_unref(list);
    list = without;
    ck_assert_uint_eq(list->count, 0);
    ck_assert_int_eq(list->head_from_ms, 2 * HOUR_MS);
    struct series_query query = {.min_ms = 0, .max_ms = 2 * HOUR_MS};
    struct series_list found = {0};
    struct sample_columns columns;
    sample_columns_init(&columns);
    ck_assert_int_eq(series_view_select(view, &query, &found, &err), ERR_NONE);
    ck_assert_uint_eq(found.entries.len, 1);
    ck_assert_msg(series_view_read(view, &found.entries.items[0], 0, 2 * HOUR_MS, &columns, &err) ==
                      ERR_NONE,
                  "%s", err.text);
    ck_assert_uint_eq(columns.count, 2);
    sample_columns_release(&columns);
    series_list_release(&found);
    series_view_close(view);
}
END_TEST

START_TEST(overlap_is_half_open_at_the_end_of_a_block)
{
    write_block(HOUR_MS, 2 * HOUR_MS, false, NULL);
    open_all();
    const struct block *block = list->blocks[0];
    ck_assert(block_overlaps(block, 0, HOUR_MS));
    ck_assert(!block_overlaps(block, 0, HOUR_MS - 1));
    ck_assert(block_overlaps(block, 2 * HOUR_MS - 1, 2 * HOUR_MS));
    ck_assert(!block_overlaps(block, 2 * HOUR_MS, 3 * HOUR_MS));
}
END_TEST

static struct block_shelf shelf;
static _Atomic bool done;

static void read_lists(void *context)
{
    uint64_t *seen = context;
    while (!done) {
        struct block_list *taken = block_shelf_take(&shelf);
        /* the number of blocks and the time change together */
        ck_assert_int_eq(taken->head_from_ms, (int64_t)taken->count * 2 * HOUR_MS);
        for (size_t i = 0; i < taken->count; i++)
            ck_assert_int_eq(block_meta(taken->blocks[i])->min_ms, (int64_t)i * 2 * HOUR_MS);
        block_list_unref(taken);
        (*seen)++;
    }
}

START_TEST(readers_see_a_list_before_or_after_a_change)
{
    write_block(0, 2 * HOUR_MS, false, NULL);
    write_block(2 * HOUR_MS, 4 * HOUR_MS, false, NULL);
    open_all();
    block_shelf_init(&shelf);
    block_shelf_publish(&shelf, block_list_new(list->blocks, 1, 2 * HOUR_MS));
    struct thread threads[2] = {0};
    uint64_t seen[2] = {0};
    done = false;
    for (int i = 0; i < 2; i++)
        thread_start(&threads[i], "reader", read_lists, &seen[i]);
    for (int i = 0; i < 2000; i++)
        block_shelf_publish(
            &shelf, block_list_new(list->blocks, (size_t)(i % 2) + 1, (i % 2 + 1) * 2 * HOUR_MS));
    done = true;
    for (int i = 0; i < 2; i++)
        thread_join(&threads[i]);
    block_shelf_release(&shelf);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block_list");
    TCase *tcase = tcase_create("block_list");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_missing_directory_has_no_blocks);
    tcase_add_test(tcase, blocks_are_opened_in_the_order_of_time);
    tcase_add_test(tcase, blocks_of_late_samples_do_not_say_where_the_head_begins);
    tcase_add_test(tcase, what_was_not_finished_is_removed_and_what_is_foreign_stays);
    tcase_add_test(tcase, a_damaged_block_is_set_aside_and_the_others_are_served);
    tcase_add_test(tcase, a_block_that_lost_a_file_is_set_aside);
    tcase_add_test(tcase, parents_of_a_block_go_even_when_they_are_damaged);
    tcase_add_test(tcase, a_deleted_block_can_be_read_by_who_has_it);
    tcase_add_test(tcase, overlap_is_half_open_at_the_end_of_a_block);
    tcase_add_test(tcase, readers_see_a_list_before_or_after_a_change);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
