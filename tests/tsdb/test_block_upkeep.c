/* A database with blocks: merged when due, dropped when old or many, cleaned of what is deleted;
 * what can be read stays the same. */
#include "tsdb/block_upkeep.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "tests/support/fault_fs.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/block_files.h"
#include "tsdb/block_writer.h"

#define HOUR_MS INT64_C(3600000)
#define STEP_MS INT64_C(60000)
#define SERIES 3
#define MADE_MAX 64

static char directory[128];
static struct tsdb_options options;
static struct tsdb *db;
static struct rand chance;
static struct ulid made[MADE_MAX];
static size_t made_count;

static void setup(void)
{
    log_set_level(LOG_ERROR);
    rand_init(&chance, 3);
    made_count = 0;
    snprintf(directory, sizeof(directory), "%s", kit_directory());
    options = (struct tsdb_options){.path = directory, .fsync_policy = TSDB_FSYNC_OFF};
    db = NULL;
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
}

static void write_series(struct block_writer *writer, const struct labels *labels, int64_t from_ms,
                         int64_t to_ms)
{
    block_writer_series(writer, labels);
    for (int64_t t = from_ms; t < to_ms; t += STEP_MS) {
        double value = (double)(t / STEP_MS);
        struct sample_columns columns = {.timestamps_ms = &t, .values = &value, .count = 1};
        block_writer_samples(writer, &columns);
    }
}

/* Series job=0, job=1, job=2 with a sample at every minute. Before the database is opened. */
static void make_block(int64_t from_hour, int64_t to_hour)
{
    struct block_meta meta = {
        .min_ms = from_hour * HOUR_MS, .max_ms = to_hour * HOUR_MS, .level = 1};
    char blocks[256];
    snprintf(blocks, sizeof(blocks), "%s/blocks", directory);
    ulid_make(&meta.ulid, (int64_t)made_count, &chance);
    made[made_count++] = meta.ulid;
    struct block_writer *writer;
    struct block_writer_options writer_options = {
        .fs = options.fs == NULL ? fs_system : options.fs, .directory = blocks, .meta = &meta};
    ck_assert(block_writer_open(&writer_options, &writer, NULL) == ERR_NONE);
    struct labels *labels[SERIES];
    for (size_t i = 0; i < SERIES; i++) {
        char text[16];
        snprintf(text, sizeof(text), "job=%zu", i);
        labels[i] = kit_labels(text);
        write_series(writer, labels[i], meta.min_ms, meta.max_ms);
    }
    struct block_meta written;
    ck_assert(block_writer_finish(writer, &written, NULL) == ERR_NONE);
    block_meta_release(&written);
    for (size_t i = 0; i < SERIES; i++)
        labels_unref(labels[i]);
}

/* The blocks that are served: "0-6 6-8". */
static const char *blocks_text(void)
{
    static char text[512];
    size_t len = 0;
    struct block_list *list = block_shelf_take(&db->shelf);
    text[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        const struct block_meta *meta = block_meta(list->blocks[i]);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%lld-%lld", i == 0 ? "" : " ",
                                (long long)(meta->min_ms / HOUR_MS),
                                (long long)(meta->max_ms / HOUR_MS));
    }
    block_list_unref(list);
    return text;
}

/* How many samples of the series all blocks show. */
static size_t count_samples(const char *labels)
{
    size_t count = 0;
    struct block_list *list = block_shelf_take(&db->shelf);
    for (size_t i = 0; i < list->count; i++) {
        struct series_view *view;
        ck_assert(series_source_open(block_source(list->blocks[i]), INT64_MIN, INT64_MAX, &view,
                                     NULL) == ERR_NONE);
        for (const char *at = kit_read_view(view, labels, INT64_MIN, INT64_MAX); *at != '\0'; at++)
            count += *at == ':';
        series_view_close(view);
    }
    block_list_unref(list);
    return count;
}

/* Directories under blocks/. */
static int each_name(const char *name, void *context)
{
    (*(size_t *)context)++;
    return 0;
}

static size_t count_directories(void)
{
    char blocks[256];
    size_t count = 0;
    snprintf(blocks, sizeof(blocks), "%s/blocks", directory);
    ck_assert_int_eq(fs_system->list(fs_system, blocks, each_name, &count), 0);
    return count;
}

static void compact(void)
{
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(tsdb_compact(db, &err) == ERR_NONE, "%s", err.text);
}

static void maintain(void)
{
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(tsdb_maintain(db, &err) == ERR_NONE, "%s", err.text);
}

static enum err try_deleting(const char *job, int64_t min_ms, int64_t max_ms, struct errbuf *err)
{
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_EQUAL, SLICE("job"), slice_str(job), &matcher, NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    enum err code = tsdb_delete_series(db, matchers, 1, min_ms, max_ms, err);
    matcher_free(matcher);
    return code;
}

static void delete_series(const char *job, int64_t min_ms, int64_t max_ms)
{
    ck_assert(try_deleting(job, min_ms, max_ms, NULL) == ERR_NONE);
}

START_TEST(blocks_are_merged_by_levels_until_nothing_is_due)
{
    for (int64_t hour = 0; hour < 26; hour += 2)
        make_block(hour, hour + 2);
    db = kit_open(&options);
    ck_assert_uint_eq(count_samples("job=1"), 26 * 60);
    compact();
    ck_assert_str_eq(blocks_text(), "0-18 18-24 24-26");
    ck_assert_uint_eq(count_samples("job=1"), 26 * 60);
    ck_assert_uint_eq(count_directories(), 3);
    compact();
    ck_assert_str_eq(blocks_text(), "0-18 18-24 24-26");
    tsdb_close(db);
    db = kit_open(&options);
    ck_assert_str_eq(blocks_text(), "0-18 18-24 24-26");
    ck_assert_uint_eq(count_samples("job=2"), 26 * 60);
}
END_TEST

START_TEST(the_largest_block_is_a_tenth_of_the_retention)
{
    options.retention_ms = 60 * HOUR_MS;
    for (int64_t hour = 0; hour < 26; hour += 2)
        make_block(hour, hour + 2);
    db = kit_open(&options);
    compact();
    ck_assert_str_eq(blocks_text(), "0-6 6-12 12-18 18-24 24-26");
}
END_TEST

START_TEST(the_lengths_of_blocks_may_be_given)
{
    options.block_min_ms = HOUR_MS;
    options.block_max_ms = 3 * HOUR_MS;
    for (int64_t hour = 0; hour < 7; hour++)
        make_block(hour, hour + 1);
    db = kit_open(&options);
    compact();
    ck_assert_str_eq(blocks_text(), "0-3 3-6 6-7");
}
END_TEST

START_TEST(overlapping_blocks_become_one)
{
    make_block(0, 2);
    make_block(1, 3);
    make_block(4, 6);
    db = kit_open(&options);
    double before = counter_value(db->metrics.vertical_compactions);
    compact();
    ck_assert_str_eq(blocks_text(), "0-3 4-6");
    ck_assert_uint_eq(count_samples("job=0"), 5 * 60);
    ck_assert_double_eq(counter_value(db->metrics.vertical_compactions), before + 1);
}
END_TEST

START_TEST(blocks_that_are_older_than_the_retention_go)
{
    options.retention_ms = 10 * HOUR_MS;
    for (int64_t hour = 0; hour < 20; hour += 2)
        make_block(hour, hour + 2);
    db = kit_open(&options);
    double before = counter_value(db->metrics.time_retentions);
    maintain();
    ck_assert_str_eq(blocks_text(), "10-12 12-14 14-16 16-18 18-20");
    ck_assert_uint_eq(count_directories(), 5);
    ck_assert_double_eq(counter_value(db->metrics.time_retentions), before + 1);
    maintain();
    ck_assert_double_eq(counter_value(db->metrics.time_retentions), before + 1);
}
END_TEST

START_TEST(the_oldest_blocks_go_when_all_together_are_too_large)
{
    for (int64_t hour = 0; hour < 10; hour += 2)
        make_block(hour, hour + 2);
    options.block_max_ms = 2 * HOUR_MS;
    db = kit_open(&options);
    struct block_list *list = block_shelf_take(&db->shelf);
    uint64_t bytes = block_list_bytes(list) + wal_bytes(db->wal) + db->head_files.bytes;
    block_list_unref(list);
    tsdb_set_retention(db, 0, bytes, 0);
    maintain();
    ck_assert_str_eq(blocks_text(), "0-2 2-4 4-6 6-8 8-10");
    tsdb_set_retention(db, 0, bytes - 1, 0);
    maintain();
    ck_assert_str_eq(blocks_text(), "2-4 4-6 6-8 8-10");
    double before = counter_value(db->metrics.size_retentions);
    tsdb_set_retention(db, 0, 1, 0);
    maintain();
    ck_assert_str_eq(blocks_text(), "");
    ck_assert_double_ge(counter_value(db->metrics.size_retentions), before + 1);
}
END_TEST

START_TEST(a_percentage_of_the_disk_is_a_size_too)
{
    make_block(0, 2);
    make_block(2, 4);
    db = kit_open(&options);
    tsdb_set_retention(db, 0, 1, 100);
    maintain();
    ck_assert_str_eq(blocks_text(), "0-2 2-4");
    tsdb_set_retention(db, 0, 0, 1e-9);
    maintain();
    ck_assert_str_eq(blocks_text(), "");
}
END_TEST

START_TEST(deletions_reach_blocks_and_cleaning_rewrites_them)
{
    make_block(0, 2);
    make_block(2, 4);
    make_block(4, 6);
    db = kit_open(&options);
    delete_series("1", 0, 3 * HOUR_MS - 1);
    ck_assert_uint_eq(count_samples("job=1"), 3 * 60);
    ck_assert_uint_eq(count_samples("job=2"), 6 * 60);
    struct block_list *before = block_shelf_take(&db->shelf);
    ck_assert(tsdb_clean_tombstones(db, NULL) == ERR_NONE);
    struct block_list *after = block_shelf_take(&db->shelf);
    ck_assert_uint_eq(after->count, 3);
    ck_assert_ptr_ne(after->blocks[0], before->blocks[0]);
    ck_assert_ptr_eq(after->blocks[2], before->blocks[2]);
    ck_assert_uint_eq(block_meta(after->blocks[0])->stats.series, 2);
    ck_assert_uint_eq(block_meta(after->blocks[0])->level, 1);
    ck_assert_uint_eq(block_tombstone_count(after->blocks[1]), 0);
    block_list_unref(before);
    block_list_unref(after);
    ck_assert_uint_eq(count_directories(), 3);
    ck_assert_uint_eq(count_samples("job=1"), 3 * 60);
    tsdb_close(db);
    db = kit_open(&options);
    ck_assert_uint_eq(count_samples("job=1"), 3 * 60);
}
END_TEST

START_TEST(a_block_of_which_all_is_deleted_vanishes)
{
    make_block(0, 2);
    make_block(2, 4);
    db = kit_open(&options);
    for (int i = 0; i < SERIES; i++)
        delete_series((const char *[]){"0", "1", "2"}[i], 0, 2 * HOUR_MS - 1);
    compact(); /* by itself, since there is a newer block */
    ck_assert_str_eq(blocks_text(), "2-4");
    for (int i = 0; i < SERIES; i++)
        delete_series((const char *[]){"0", "1", "2"}[i], INT64_MIN, INT64_MAX);
    ck_assert(tsdb_clean_tombstones(db, NULL) == ERR_NONE);
    ck_assert_str_eq(blocks_text(), "");
    ck_assert_uint_eq(count_directories(), 0);
}
END_TEST

static void damage_chunks(const struct ulid *block)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/blocks/%s/chunks", directory, block->text);
    int fd = fs_system->open(fs_system, path, FS_WRITE);
    ck_assert_int_eq(fs_system->pwrite(fs_system, fd, "XXXXXXXX", 8, 20), 8);
    fs_system->close(fs_system, fd);
}

START_TEST(a_block_that_cannot_be_read_stays_and_others_are_merged)
{
    for (int64_t hour = 0; hour < 14; hour += 2)
        make_block(hour, hour + 2);
    damage_chunks(&made[1]);
    db = kit_open(&options);
    double before = counter_value(db->metrics.compactions_failed);
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(tsdb_compact(db, &err), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, made[1].text));
    ck_assert_str_eq(blocks_text(), "0-2 2-4 4-6 6-12 12-14");
    ck_assert_double_eq(counter_value(db->metrics.compactions_failed), before + 1);
    compact();
    ck_assert_str_eq(blocks_text(), "0-2 2-4 4-6 6-12 12-14");
}
END_TEST

static int directories_tried;

/* There is room for one more block. Who goes on trying gets another error in the end. */
static int make_one_directory(const struct fs *fs, const char *path)
{
    if (strstr(path, BLOCK_SUFFIX_WRITING) != NULL && ++directories_tried > 1)
        return directories_tried < 10 ? -ENOSPC : -EIO;
    return fs_system->make_directory(fs_system, path);
}

START_TEST(a_disk_that_fills_up_after_another_failure_ends_the_merging)
{
    struct fs full = *fs_system;
    for (int64_t hour = 0; hour < 14; hour += 2)
        make_block(hour, hour + 2);
    damage_chunks(&made[1]);
    options.fs = &full;
    db = kit_open(&options);
    full.make_directory = make_one_directory;
    ck_assert_int_eq(tsdb_compact(db, NULL), ERR_CORRUPT);
    ck_assert_int_eq(directories_tried, 2);
    ck_assert_str_eq(blocks_text(), "0-2 2-4 4-6 6-8 8-10 10-12 12-14");
    full.make_directory = fs_system->make_directory;
    compact();
    ck_assert_str_eq(blocks_text(), "0-2 2-4 4-6 6-12 12-14");
    tsdb_close(db);
    db = NULL;
}
END_TEST

START_TEST(a_view_that_is_open_outlives_the_files_of_its_block)
{
    for (int64_t hour = 0; hour < 8; hour += 2)
        make_block(hour, hour + 2);
    db = kit_open(&options);
    struct block_list *list = block_shelf_take(&db->shelf);
    struct series_view *view;
    ck_assert(series_source_open(block_source(list->blocks[0]), 0, INT64_MAX, &view, NULL) ==
              ERR_NONE);
    block_list_unref(list);
    compact();
    ck_assert_str_eq(blocks_text(), "0-6 6-8");
    ck_assert_str_eq(kit_read_view(view, "job=0", 60000, 120000), "60000:1 120000:2");
    series_view_close(view);
}
END_TEST

static void quiet(const char *line, size_t len, void *context)
{
}

/* From the k-th operation of a merge on the disk fails, and works again later. False when the merge
 * has fewer. */
static bool merge_fails_and_a_deletion_follows(struct fault_fs *faults, uint64_t k)
{
    struct errbuf err = ERRBUF_INIT;
    for (int64_t hour = 0; hour < 8; hour += 2)
        make_block(hour, hour + 2);
    db = kit_open(&options);
    fault_fs_fail(faults, k, true, EIO);
    bool failed = tsdb_compact(db, NULL) != ERR_NONE || db->leftovers.paths.len > 0;
    if (failed)
        ck_assert_msg(try_deleting("1", 0, 8 * HOUR_MS, &err) != ERR_NONE, "operation %lu",
                      (unsigned long)k);
    fault_fs_fail(faults, 0, false, 0);
    delete_series("1", 0, 8 * HOUR_MS);
    tsdb_close(db);
    db = kit_open(&options);
    ck_assert_uint_eq(count_samples("job=0"), 8 * 60);
    ck_assert_msg(count_samples("job=1") == 0, "operation %lu", (unsigned long)k);
    maintain();
    ck_assert_str_eq(blocks_text(), "0-6 6-8");
    ck_assert_uint_eq(count_directories(), 2);
    tsdb_close(db);
    db = NULL;
    return failed;
}

START_TEST(a_merge_that_failed_does_not_bring_back_what_was_deleted_later)
{
    struct fault_fs faults;
    fault_fs_init(&faults);
    options.fs = &faults.fs;
    log_set_sink(quiet, NULL);
    uint64_t k = 1;
    while (merge_fails_and_a_deletion_follows(&faults, k)) {
        kit_remove(directory);
        snprintf(directory, sizeof(directory), "%s", kit_directory());
        made_count = 0;
        k++;
    }
    ck_assert_uint_gt(k, 20);
    fault_fs_release(&faults);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block_upkeep");
    TCase *tests = tcase_create("block_upkeep");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, blocks_are_merged_by_levels_until_nothing_is_due);
    tcase_add_test(tests, the_largest_block_is_a_tenth_of_the_retention);
    tcase_add_test(tests, the_lengths_of_blocks_may_be_given);
    tcase_add_test(tests, overlapping_blocks_become_one);
    tcase_add_test(tests, blocks_that_are_older_than_the_retention_go);
    tcase_add_test(tests, the_oldest_blocks_go_when_all_together_are_too_large);
    tcase_add_test(tests, a_percentage_of_the_disk_is_a_size_too);
    tcase_add_test(tests, deletions_reach_blocks_and_cleaning_rewrites_them);
    tcase_add_test(tests, a_block_of_which_all_is_deleted_vanishes);
    tcase_add_test(tests, a_block_that_cannot_be_read_stays_and_others_are_merged);
    tcase_add_test(tests, a_disk_that_fills_up_after_another_failure_ends_the_merging);
    tcase_add_test(tests, a_merge_that_failed_does_not_bring_back_what_was_deleted_later);
    tcase_add_test(tests, a_view_that_is_open_outlives_the_files_of_its_block);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
