/* Blocks into one: every sample is where it was, but for what was deleted; failures cost nothing.
 */
#include "tsdb/compaction.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/histogram_arithmetic.h"
#include "model/labels_builder.h"
#include "tests/support/fault_fs.h"
#include "tests/support/tsdb_kit.h"
#include "tsdb/block_writer.h"

#define HOUR_MS INT64_C(3600000)
#define STEP_MS INT64_C(60000)
#define BLOCKS_MAX 8

static char directory[128];
static struct fault_fs faults;
static struct rand chance;
static struct block *blocks[BLOCKS_MAX];
static size_t block_count;
static struct errbuf err;
static int64_t clock_ms;
static bool late; /* blocks are made of samples that came late */

static void setup(void)
{
    snprintf(directory, sizeof(directory), "%s", kit_directory());
    fault_fs_init(&faults);
    rand_init(&chance, 7);
    block_count = 0;
    clock_ms = 1000;
    late = false;
    err = (struct errbuf)ERRBUF_INIT;
}

static void teardown(void)
{
    for (size_t i = 0; i < block_count; i++)
        block_unref(blocks[i]);
    fault_fs_release(&faults);
    kit_remove(directory);
}

/* One series of a block: a sample at every step, of `base` plus its hour. */
struct part {
    const char *labels;
    double base;
    bool histograms;
};

/* The labels are to be kept until the block is finished. */
static struct labels *write_samples(struct block_writer *writer, const struct part *part,
                                    int64_t from_ms, int64_t to_ms)
{
    struct labels *labels = kit_labels(part->labels);
    block_writer_series(writer, labels);
    for (int64_t t = from_ms; t < to_ms; t += STEP_MS) {
        double value = part->base + (double)(t / HOUR_MS);
        struct histogram histogram = {.count = value, .sum = 1, .zero_count = value};
        const struct histogram *pointer = &histogram;
        struct sample_columns columns = {.timestamps_ms = &t, .values = &value, .count = 1};
        columns.histograms = part->histograms ? &pointer : NULL;
        block_writer_samples(writer, &columns);
    }
    return labels;
}

static struct block *open_named(const char *name)
{
    struct block *block;
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    ck_assert_msg(block_open(&faults.fs, path, &block, &err) == ERR_NONE, "%s", err.text);
    return block;
}

static void make_late(bool now)
{
    late = now;
}

/* The series must be in the order of their labels. */
static struct block *make_block(int64_t from_hour, int64_t to_hour, const struct part *parts,
                                size_t count)
{
    struct block_meta meta = {.min_ms = from_hour * HOUR_MS,
                              .max_ms = to_hour * HOUR_MS,
                              .level = 1,
                              .out_of_order = late};
    ulid_make(&meta.ulid, clock_ms++, &chance);
    struct block_writer_options options = {.fs = &faults.fs, .directory = directory, .meta = &meta};
    struct block_writer *writer;
    ck_assert_int_eq(block_writer_open(&options, &writer, &err), ERR_NONE);
    struct labels *labels[BLOCKS_MAX];
    ck_assert_uint_le(count, BLOCKS_MAX);
    for (size_t i = 0; i < count; i++)
        labels[i] = write_samples(writer, &parts[i], meta.min_ms, meta.max_ms);
    struct block_meta written;
    ck_assert_int_eq(block_writer_finish(writer, &written, &err), ERR_NONE);
    block_meta_release(&written);
    for (size_t i = 0; i < count; i++)
        labels_unref(labels[i]);
    blocks[block_count++] = open_named(meta.ulid.text);
    return blocks[block_count - 1];
}

static enum err compact_stoppable(struct block **out, const _Atomic bool *stop)
{
    struct compaction compaction = {.fs = &faults.fs,
                                    .directory = directory,
                                    .blocks = blocks,
                                    .count = block_count,
                                    .stop = stop};
    ulid_make(&compaction.ulid, clock_ms++, &chance);
    return compaction_run(&compaction, out, &err);
}

static struct block *compact(void)
{
    struct block *block = NULL;
    ck_assert_msg(compact_stoppable(&block, NULL) == ERR_NONE, "%s", err.text);
    ck_assert_ptr_nonnull(block);
    return block;
}

static size_t count_samples(struct block *block, const char *labels, int64_t min_ms, int64_t max_ms)
{
    struct series_view *view;
    ck_assert_int_eq(series_source_open(block_source(block), INT64_MIN, INT64_MAX, &view, &err),
                     ERR_NONE);
    const char *text = kit_read_view(view, labels, min_ms, max_ms);
    size_t count = 0;
    for (const char *at = text; *at != '\0'; at++)
        count += *at == ':';
    series_view_close(view);
    return count;
}

static const char *read_at(struct block *block, const char *labels, int64_t time_ms)
{
    struct series_view *view;
    ck_assert_int_eq(series_source_open(block_source(block), INT64_MIN, INT64_MAX, &view, &err),
                     ERR_NONE);
    const char *text = kit_read_view(view, labels, time_ms, time_ms);
    series_view_close(view);
    return text;
}

static struct matcher *match(const char *name, const char *value)
{
    struct matcher *matcher;
    ck_assert_int_eq(matcher_new(MATCHER_EQUAL, slice_str(name), slice_str(value), &matcher, &err),
                     ERR_NONE);
    return matcher;
}

static void delete_series(struct block *block, const char *metric, int64_t min_ms, int64_t max_ms)
{
    struct matcher *matcher = match("__name__", metric);
    const struct matcher *matchers[] = {matcher};
    ck_assert_int_eq(block_delete(block, matchers, 1, min_ms, max_ms, NULL, &err), ERR_NONE);
    matcher_free(matcher);
}

START_TEST(blocks_one_after_the_other_become_one_with_all_their_samples)
{
    struct part first[] = {{"__name__=a,x=1", 0, false}, {"__name__=b", 100, false}};
    struct part second[] = {{"__name__=a,x=1", 0, false}, {"__name__=c", 200, false}};
    struct part third[] = {{"__name__=a,x=1", 0, false}, {"__name__=c", 200, true}};
    make_block(0, 2, first, 2);
    make_block(2, 4, second, 2);
    make_block(4, 6, third, 2);
    struct block *merged = compact();
    ck_assert_uint_eq(count_samples(merged, "__name__=a,x=1", 0, 6 * HOUR_MS), 360);
    ck_assert_uint_eq(count_samples(merged, "__name__=b", 0, 6 * HOUR_MS), 120);
    ck_assert_uint_eq(count_samples(merged, "__name__=c", 0, 6 * HOUR_MS), 240);
    ck_assert_str_eq(read_at(merged, "__name__=a,x=1", 5 * HOUR_MS), "18000000:5");
    ck_assert_str_eq(read_at(merged, "__name__=c", 3 * HOUR_MS), "10800000:203");
    ck_assert_str_eq(read_at(merged, "__name__=c", 4 * HOUR_MS), "14400000:h204");
    const struct block_meta *meta = block_meta(merged);
    ck_assert_int_eq(meta->min_ms, 0);
    ck_assert_int_eq(meta->max_ms, 6 * HOUR_MS);
    ck_assert_uint_eq(meta->stats.samples, 720);
    ck_assert_uint_eq(meta->stats.histogram_samples, 120);
    ck_assert_uint_eq(meta->stats.series, 3);
    block_unref(merged);
}
END_TEST

START_TEST(a_merged_block_says_where_it_comes_from)
{
    struct part part = {"__name__=a", 0, false};
    make_block(0, 2, &part, 1);
    make_block(2, 4, &part, 1);
    struct block *merged = compact();
    ck_assert_uint_eq(block_meta(merged)->level, 2);
    ck_assert_uint_eq(block_meta(merged)->parents.len, 2);
    ck_assert_str_eq(block_meta(merged)->parents.items[1].ulid.text,
                     block_meta(blocks[1])->ulid.text);
    ck_assert_int_eq(block_meta(merged)->parents.items[1].min_ms, 2 * HOUR_MS);
    make_block(4, 6, &part, 1);
    block_unref(blocks[0]);
    blocks[0] = merged;
    block_unref(blocks[1]);
    blocks[1] = blocks[2];
    block_count = 2;
    struct block *higher = compact();
    ck_assert_uint_eq(block_meta(higher)->level, 3);
    ck_assert_uint_eq(block_meta(higher)->parents.len, 2);
    ck_assert_uint_eq(block_meta(higher)->sources.len, 3);
    for (size_t i = 1; i < 3; i++)
        ck_assert_int_lt(strcmp(block_meta(higher)->sources.items[i - 1].text,
                                block_meta(higher)->sources.items[i].text),
                         0);
    ck_assert_uint_eq(count_samples(higher, "__name__=a", 0, 6 * HOUR_MS), 360);
    block_unref(higher);
}
END_TEST

START_TEST(where_blocks_overlap_the_later_one_wins)
{
    struct part part = {"__name__=a", 0, false}, other = {"__name__=a", 500, false};
    struct part only = {"__name__=b", 7, false};
    struct part both[] = {other, only};
    make_block(0, 4, &part, 1);
    make_block(2, 6, both, 2);
    struct block *merged = compact();
    ck_assert_uint_eq(count_samples(merged, "__name__=a", 0, 6 * HOUR_MS), 360);
    ck_assert_uint_eq(count_samples(merged, "__name__=b", 0, 6 * HOUR_MS), 240);
    ck_assert_str_eq(read_at(merged, "__name__=a", HOUR_MS), "3600000:1");
    ck_assert_str_eq(read_at(merged, "__name__=a", 3 * HOUR_MS), "10800000:503");
    block_unref(merged);
}
END_TEST

START_TEST(only_blocks_of_late_samples_make_a_block_of_late_samples)
{
    struct part part = {"__name__=a", 0, false};
    make_late(true);
    make_block(0, 2, &part, 1);
    make_block(1, 3, &part, 1);
    struct block *merged = compact();
    ck_assert(block_meta(merged)->out_of_order);
    block_unref(merged);
    make_late(false);
    make_block(2, 4, &part, 1);
    merged = compact();
    ck_assert(!block_meta(merged)->out_of_order);
    block_unref(merged);
}
END_TEST

START_TEST(late_samples_beyond_those_in_order_make_a_block_of_late_samples)
{
    struct part part = {"__name__=a", 0, false};
    make_late(false);
    make_block(0, 2, &part, 1);
    make_late(true);
    make_block(1, 3, &part, 1);
    struct block *merged = compact();
    ck_assert(block_meta(merged)->out_of_order);
    block_unref(merged);
}
END_TEST

START_TEST(what_was_deleted_is_left_out)
{
    struct part parts[] = {{"__name__=a", 0, false}, {"__name__=b", 0, false}};
    make_block(0, 2, parts, 2);
    make_block(2, 4, parts, 2);
    delete_series(blocks[0], "a", INT64_MIN, INT64_MAX);
    delete_series(blocks[1], "b", 3 * HOUR_MS, INT64_MAX);
    struct block *merged = compact();
    ck_assert_uint_eq(block_tombstone_count(merged), 0);
    ck_assert_uint_eq(count_samples(merged, "__name__=a", 0, 4 * HOUR_MS), 120);
    ck_assert_str_eq(read_at(merged, "__name__=a", HOUR_MS), "");
    ck_assert_uint_eq(count_samples(merged, "__name__=b", 0, 4 * HOUR_MS), 180);
    ck_assert_uint_eq(block_meta(merged)->stats.samples, 300);
    block_unref(merged);
}
END_TEST

START_TEST(of_blocks_that_are_deleted_wholly_nothing_is_left)
{
    struct part part = {"__name__=a", 0, false};
    make_block(0, 2, &part, 1);
    delete_series(blocks[0], "a", INT64_MIN, INT64_MAX);
    struct block *merged = blocks[0];
    ck_assert_int_eq(compact_stoppable(&merged, NULL), ERR_NONE);
    ck_assert_ptr_null(merged);
}
END_TEST

START_TEST(labels_before_the_name_and_series_without_one_keep_their_order)
{
    struct part upper[] = {{"A=1,__name__=b", 1, false},
                           {"A=2,__name__=a", 2, false},
                           {"__name__=a", 3, false},
                           {"job=x", 4, false}};
    make_block(0, 2, upper, 4);
    make_block(2, 4, upper + 1, 3);
    struct block *merged = compact();
    ck_assert_uint_eq(block_meta(merged)->stats.series, 4);
    ck_assert_uint_eq(count_samples(merged, "A=2,__name__=a", 0, 4 * HOUR_MS), 240);
    block_unref(merged);
    for (size_t i = 0; i < block_count; i++)
        block_unref(blocks[i]);
    block_count = 0;
    make_block(0, 2, upper + 2, 2);
    make_block(2, 4, upper + 3, 1);
    merged = compact();
    ck_assert_uint_eq(block_meta(merged)->stats.series, 2);
    ck_assert_uint_eq(count_samples(merged, "job=x", 0, 4 * HOUR_MS), 240);
    block_unref(merged);
}
END_TEST

START_TEST(a_stop_ends_it_and_leaves_nothing_behind)
{
    struct part part = {"__name__=a", 0, false};
    _Atomic bool stop = true;
    make_block(0, 2, &part, 1);
    make_block(2, 4, &part, 1);
    struct block *merged;
    ck_assert_int_eq(compact_stoppable(&merged, &stop), ERR_CANCELED);
    ck_assert_ptr_null(merged);
    char command[256];
    snprintf(command, sizeof(command), "test $(ls %s | wc -l) = 2", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(whichever_operation_fails_the_blocks_stay_whole)
{
    struct part parts[] = {{"__name__=a", 0, false}, {"__name__=b", 0, true}};
    make_block(0, 2, parts, 2);
    make_block(2, 4, parts, 2);
    bool done = false;
    for (uint64_t at = 1; !done; at++) {
        struct block *merged = NULL;
        fault_fs_fail(&faults, at, false, at % 2 == 0 ? ENOSPC : EIO);
        enum err code = compact_stoppable(&merged, NULL);
        uint64_t used = faults.operations;
        fault_fs_fail(&faults, 0, false, 0);
        if (code == ERR_NONE) {
            ck_assert_uint_eq(count_samples(merged, "__name__=a", 0, 4 * HOUR_MS), 240);
            block_unref(merged);
            done = used < at || at > 200;
        } else {
            ck_assert_ptr_null(merged);
        }
        ck_assert_uint_eq(count_samples(blocks[0], "__name__=a", 0, 4 * HOUR_MS), 120);
        ck_assert_uint_eq(count_samples(blocks[1], "__name__=b", 0, 4 * HOUR_MS), 120);
        ck_assert_uint_lt(at, 300);
    }
}
END_TEST

START_TEST(a_damaged_block_is_named_and_a_mark_stays_with_it)
{
    struct part part = {"__name__=a", 0, false};
    make_block(0, 2, &part, 1);
    make_block(2, 4, &part, 1);
    char path[256];
    snprintf(path, sizeof(path), "%s/chunks", block_path(blocks[1]));
    int fd = faults.fs.open(&faults.fs, path, FS_WRITE);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(faults.fs.pwrite(&faults.fs, fd, "XXXXXXXX", 8, 20), 8);
    faults.fs.close(&faults.fs, fd);
    struct block *merged;
    ck_assert_int_eq(compact_stoppable(&merged, NULL), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    ck_assert_int_eq(block_mark_failed(blocks[0], &err), ERR_NONE);
    struct block_meta meta;
    block_meta_now(blocks[0], &meta);
    ck_assert(meta.failed);
    block_meta_release(&meta);
    struct block *again = open_named(block_meta(blocks[0])->ulid.text);
    ck_assert(block_meta(again)->failed);
    block_unref(again);
}
END_TEST

START_TEST(a_block_of_a_day_is_packed_more_densely)
{
    struct part part = {"__name__=a", 0, false};
    uint64_t small = 0;
    for (int64_t hour = 0; hour < 24; hour += 6)
        small += block_size_bytes(make_block(hour, hour + 6, &part, 1));
    struct block *merged = compact();
    ck_assert_uint_eq(block_meta(merged)->stats.samples, 1440);
    ck_assert_uint_lt(block_meta(merged)->stats.chunks, 4);
    ck_assert_uint_lt(block_size_bytes(merged), small / 2);
    block_unref(merged);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compaction");
    TCase *tests = tcase_create("compaction");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, blocks_one_after_the_other_become_one_with_all_their_samples);
    tcase_add_test(tests, a_merged_block_says_where_it_comes_from);
    tcase_add_test(tests, where_blocks_overlap_the_later_one_wins);
    tcase_add_test(tests, only_blocks_of_late_samples_make_a_block_of_late_samples);
    tcase_add_test(tests, late_samples_beyond_those_in_order_make_a_block_of_late_samples);
    tcase_add_test(tests, what_was_deleted_is_left_out);
    tcase_add_test(tests, of_blocks_that_are_deleted_wholly_nothing_is_left);
    tcase_add_test(tests, labels_before_the_name_and_series_without_one_keep_their_order);
    tcase_add_test(tests, a_stop_ends_it_and_leaves_nothing_behind);
    tcase_add_test(tests, whichever_operation_fails_the_blocks_stay_whole);
    tcase_add_test(tests, a_damaged_block_is_named_and_a_mark_stays_with_it);
    tcase_add_test(tests, a_block_of_a_day_is_packed_more_densely);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
