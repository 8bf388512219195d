/* What was committed is there after a restart, and damage costs only what lies behind it. */
#include "tests/support/kept_log.h"
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/fs.h"
#include "base/rand.h"
#include "model/sample.h"
#include "tsdb/wal_frame.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *directory;
static struct tsdb_options options;
static struct tsdb *db;
static void setup(void)
{
    kept_log_start();
    directory = mem_strdup(kit_directory());
    options = (struct tsdb_options){.path = directory, .fsync_policy = TSDB_FSYNC_OFF, .no_snapshot = true};
    db = kit_open(&options);
}

static void teardown(void)
{
    tsdb_close(db);
    kit_remove(directory);
    mem_free(directory);
    kept_log_stop();
}

static void restart(void)
{
    tsdb_close(db);
    db = kit_open(&options);
}

static void stage(struct appender *appender, const char *labels, double value)
{
    ck_assert_int_eq(kit_stage(appender, labels, value), APPEND_OK);
}

START_TEST(loose_samples_survive_a_restart)
{
    for (int i = 0; i < 300; i++)
        kit_append(db, i % 2 ? "a=1" : "a=2", i * 100, i / 7 * 0.1);
    char *before = mem_strdup(kit_read(db, "a=1"));
    restart();
    ck_assert_str_eq(kit_read(db, "a=1"), before);
    kit_append(db, "a=1", 50000, 1);
    restart();
    ck_assert_str_eq(kit_read_range(db, "a=1", 29900, 50000), "29900:4.2000000000000002 50000:1");
    mem_free(before);
}
END_TEST

START_TEST(groups_survive_restarts_with_members_that_come_and_go)
{
    struct buf expected[4];
    for (int i = 0; i < 4; i++)
        buf_init(&expected[i], 1 << 20);
    static const char *const names[] = {"a=0", "a=1", "a=2", "a=3"};
    for (int round = 0; round < 3; round++) {
        struct sample_group *group = sample_group_new(db);
        for (int i = 0; i < 200; i++) {
            int64_t t_ms = (round * 200 + i) * 1000;
            struct appender *appender = kit_begin(db, group, t_ms);
            for (int k = 0; k < 4; k++) {
                if (k > 0 && (i + round) % (3 * k) == 0)
                    continue;
                double value = k == 1 ? 5 : i / (k + 1) * 0.01;
                stage(appender, names[k], value);
                buf_printf(&expected[k], "%s%ld:%.17g", expected[k].len > 0 ? " " : "", (long)t_ms,
                           value);
            }
            kit_commit(appender);
        }
        sample_group_free(group);
        restart();
        for (int k = 0; k < 4; k++)
            ck_assert_str_eq(kit_read(db, names[k]), buf_cstr(&expected[k]));
    }
    for (int i = 0; i < 4; i++)
        buf_release(&expected[i]);
}
END_TEST

/* The bits of all samples of a series. */
static size_t read_bits(const char *text, uint64_t *out, size_t max)
{
    struct series_view *view;
    ck_assert(series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, NULL) == ERR_NONE);
    struct labels *labels = kit_labels(text);
    struct matcher *matcher;
    ck_assert(matcher_new(MATCHER_EQUAL, symbols_text(labels->pairs[0].name),
                          symbols_text(labels->pairs[0].value), &matcher, NULL) == ERR_NONE);
    const struct matcher *matchers[] = {matcher};
    struct series_query query = {matchers, 1, INT64_MIN, INT64_MAX, true, 0};
    struct series_list list = {0};
    ck_assert(series_view_select(view, &query, &list, NULL) == ERR_NONE);
    ck_assert_uint_eq(list.entries.len, 1);
    struct sample_columns columns;
    sample_columns_init(&columns);
    ck_assert(series_view_read(view, &list.entries.items[0], INT64_MIN, INT64_MAX, &columns,
                               NULL) == ERR_NONE);
    ck_assert_uint_le(columns.count, max);
    for (size_t i = 0; i < columns.count; i++)
        out[i] = codec_double_bits(columns.values[i]);
    size_t count = columns.count;
    sample_columns_release(&columns);
    series_list_release(&list);
    series_view_close(view);
    matcher_free(matcher);
    labels_unref(labels);
    return count;
}

START_TEST(every_bit_pattern_survives_in_groups_and_loose)
{
    static const uint64_t patterns[] = {
        SAMPLE_STALE_BITS,
        SAMPLE_NAN_BITS,
        0x7ff0000000000001u,
        0xfff8000000000000u,
        0xfff8dead0000beefu,
        0x7ff0000000000000u,
        0xfff0000000000000u,
        0x8000000000000000u,
        0,
        1,
        0x000fffffffffffffu,
        0x7fefffffffffffffu,
        0x3ff0000000000001u,
        0x4340000000000001u,
        0xc340000000000000u,
        0x3fb999999999999au,
    };
    enum { COUNT = 1000 };
    static uint64_t written[COUNT];
    struct rand rand;
    rand_init(&rand, 42);
    struct sample_group *group = sample_group_new(db);
    for (size_t i = 0; i < COUNT; i++) {
        written[i] = patterns[rand_below(&rand, ARRAY_SIZE(patterns))];
        if (rand_below(&rand, 4) == 0)
            written[i] = rand_u64(&rand);
        struct appender *appender = kit_begin(db, group, (int64_t)i * 1000);
        stage(appender, "a=1", codec_bits_double(written[i]));
        kit_commit(appender);
        kit_append(db, "b=1", (int64_t)i * 1000, codec_bits_double(written[i]));
    }
    sample_group_free(group);
    static uint64_t read[COUNT];
    for (int round = 0; round < 2; round++) {
        ck_assert_uint_eq(read_bits("a=1", read, COUNT), COUNT);
        ck_assert_mem_eq(read, written, sizeof(written));
        ck_assert_uint_eq(read_bits("b=1", read, COUNT), COUNT);
        ck_assert_mem_eq(read, written, sizeof(written));
        restart();
    }
}
END_TEST

/* 2^51 / 10^11 is a decimal whose integer is found a little below 2^51: from one sign to the other is
 * the longest way that two integers can be apart. */
START_TEST(the_largest_decimals_of_both_signs_survive)
{
    const double largest = 22517.99813685248;
    struct sample_group *group = sample_group_new(db);
    for (int i = 0; i < 6; i++) {
        double value = i % 2 == 0 ? -largest : largest;
        struct appender *appender = kit_begin(db, group, i * 1000);
        stage(appender, "a=1", value);
        kit_commit(appender);
        kit_append(db, "b=1", i * 1000, value);
    }
    sample_group_free(group);
    for (int round = 0; round < 2; round++) {
        uint64_t read[6];
        for (const char *const *labels = (const char *const[]){"a=1", "b=1", NULL};
             *labels != NULL; labels++) {
            ck_assert_uint_eq(read_bits(*labels, read, 6), 6);
            for (int i = 0; i < 6; i++)
                ck_assert_uint_eq(read[i], codec_double_bits(i % 2 == 0 ? -largest : largest));
        }
        restart();
    }
}
END_TEST

START_TEST(histograms_and_late_samples_survive)
{
    tsdb_set_out_of_order_window(db, 100000);
    struct histogram_span span = {3, 2};
    double buckets[] = {4, 5};
    struct histogram histogram = {.count = 12,
                                  .sum = 99.5,
                                  .zero_count = 3,
                                  .zero_threshold = 0.001,
                                  .schema = 2,
                                  .positive_span_count = 1,
                                  .positive_spans = &span,
                                  .positive_bucket_count = 2,
                                  .positive_buckets = buckets};
    struct labels *labels = kit_labels("a=1");
    for (int i = 0; i < 300; i++) {
        struct appender *appender = kit_begin(db, NULL, 0);
        series_ref ref = appender_series(appender, labels);
        histogram.count = 12 + i;
        int64_t t_ms = i == 250 ? 100500 : i * 1000;
        if (i % 50 == 49)
            ck_assert_int_eq(append_at(appender, ref, t_ms, sample_stale()), APPEND_OK);
        else
            ck_assert_int_eq(append_histogram_at(appender, ref, t_ms, &histogram),
                             i == 250 ? APPEND_TOO_OLD : APPEND_OK);
        kit_commit(appender);
    }
    kit_append(db, "a=1", 299500, 7);
    struct appender *appender = kit_begin(db, NULL, 0);
    ck_assert_int_eq(
        append_histogram_at(appender, appender_series(appender, labels), 298500, &histogram),
        APPEND_OK);
    kit_commit(appender);
    kit_append(db, "a=1", 297500, 8);
    labels_unref(labels);
    const char *expected = "297000:h309 297500:8 298000:h310 298500:h311 299000:hstale 299500:7";
    ck_assert_str_eq(kit_read_range(db, "a=1", 296500, 300000), expected);
    char *before = mem_strdup(kit_read(db, "a=1"));
    restart();
    ck_assert_str_eq(kit_read(db, "a=1"), before);
    mem_free(before);
}
END_TEST

static char *segment_path(int number)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/wal/%08d", directory, number);
    return path;
}

static long file_size(const char *path)
{
    struct fs_stat stat;
    return fs_system->stat(fs_system, path, &stat) == 0 ? (long)stat.size : -1;
}

static void overwrite(const char *path, long offset, const char *bytes, size_t len)
{
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    fseek(file, offset, SEEK_SET);
    fwrite(bytes, 1, len, file);
    fclose(file);
}

static void put_u32(char *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (char)(value >> (8 * i));
}

START_TEST(replay_stops_at_torn_record)
{
    kit_append(db, "a=1", 1000, 1);
    long good = file_size(segment_path(1));
    kit_append(db, "a=1", 2000, 2);
    long size = file_size(segment_path(1));
    tsdb_close(db);
    ck_assert_int_eq(truncate(segment_path(1), size - 3), 0);
    db = kit_open(&options);
    ck_assert_str_eq(kit_read(db, "a=1"), "1000:1");
    char aside[512];
    snprintf(aside, sizeof(aside), "%s.damaged-%ld", segment_path(1), good);
    ck_assert_int_eq(file_size(aside), size - 3 - good);
    ck_assert_int_eq(file_size(segment_path(1)), good);
    ck_assert_msg(kept_log_has(segment_path(1)), "%s", kept_log_text());
    kept_log_clear();
    restart();
    ck_assert_str_eq(kit_read(db, "a=1"), "1000:1");
    ck_assert(!kept_log_has("damaged"));
}
END_TEST

START_TEST(damage_costs_only_the_rest_of_its_segment)
{
    kit_append(db, "a=1", 1000, 1);
    long good = file_size(segment_path(1));
    kit_append(db, "a=1", 2000, 2);
    kit_append(db, "a=1", 3000, 3);
    restart();
    kit_append(db, "a=1", 4000, 4);
    kit_append(db, "a=2", 4000, 4);
    tsdb_close(db);
    overwrite(segment_path(1), good + 18, "\xff", 1);
    db = kit_open(&options);
    ck_assert_str_eq(kit_read(db, "a=1"), "1000:1 4000:4");
    ck_assert_str_eq(kit_read(db, "a=2"), "4000:4");
}
END_TEST

START_TEST(a_segment_without_header_is_set_aside_whole)
{
    kit_append(db, "a=1", 1000, 1);
    restart();
    kit_append(db, "a=1", 2000, 2);
    tsdb_close(db);
    overwrite(segment_path(1), 0, "XXXX", 4);
    ck_assert_int_eq(truncate(segment_path(3), 0), -1);
    FILE *file = fopen(segment_path(3), "wb"); /* a kill between create and the header */
    fclose(file);
    db = kit_open(&options);
    ck_assert_str_eq(kit_read(db, "a=1"), "2000:2");
}
END_TEST

START_TEST(segments_stand_for_themselves)
{
    tsdb_close(db);
    options.wal_segment_bytes = 2000;
    db = kit_open(&options);
    struct sample_group *group = sample_group_new(db);
    for (int i = 0; i < 1000; i++) {
        struct appender *appender = kit_begin(db, group, i * 1000);
        stage(appender, "a=same", 3);
        stage(appender, "a=count", i * 0.5);
        kit_commit(appender);
        kit_append(db, "a=loose", i * 1000, i / 10);
    }
    sample_group_free(group);
    int last = 1;
    while (file_size(segment_path(last + 1)) >= 0)
        last++;
    ck_assert_int_gt(last, 10);
    restart();
    ck_assert_str_eq(kit_read_range(db, "a=count", 100000, 102000),
                     "100000:50 101000:50.5 102000:51");
    tsdb_close(db);
    for (int i = 1; i <= last - 3; i++)
        ck_assert_int_eq(unlink(segment_path(i)), 0);
    db = kit_open(&options);
    ck_assert_str_eq(kit_read_range(db, "a=count", 998000, 999000), "998000:499 999000:499.5");
    ck_assert_str_eq(kit_read_range(db, "a=same", 998000, 999000), "998000:3 999000:3");
    ck_assert_str_eq(kit_read_range(db, "a=loose", 998000, 999000), "998000:99 999000:99");
}
END_TEST

/* Makes a segment one of version 1, whose records are all of those before 12. */
static void write_as_version_1(const char *path, struct buf *segment)
{
    char *at = segment->data;
    at[8] = 1;
    put_u32(at + 28, crc32c(0, at, 28));
    for (size_t i = WAL_SEGMENT_HEADER_SIZE; i < segment->len;) {
        char *frame = at + i;
        struct codec_reader reader = codec_reader(frame, 4);
        uint32_t len = codec_read_u32(&reader);
        frame[10] = 1;
        uint32_t crc = crc32c(0, frame, 12);
        put_u32(frame + 12, crc32c(crc, frame + WAL_FRAME_HEADER_SIZE, len));
        i += WAL_FRAME_HEADER_SIZE + len;
    }
    overwrite(path, 0, segment->data, segment->len);
}

START_TEST(a_log_of_version_1_is_read)
{
    struct sample_group *group = sample_group_new(db);
    struct appender *appender = kit_begin(db, group, 1000);
    stage(appender, "a=1", 10);
    stage(appender, "a=2", 20);
    kit_commit(appender);
    kit_append(db, "a=3", 1000, 5);
    sample_group_free(group);
    tsdb_close(db);
    struct buf segment CLEANUP(buf_release);
    buf_init(&segment, 1 << 20);
    ck_assert(fs_read_file(fs_system, segment_path(1), &segment, NULL) == ERR_NONE);
    /* the next row and the next loose sample, with their tokens as bytes */
    static const char row[] = {10, 1, '\xd0', 0x0f, 0, 0, 3, 2, 1};
    static const char loose[] = {4, 1, 4, '\xa0', 0x1f, 4};
    ck_assert(wal_frame_write(WAL_FRAME_COMMIT, slice_from(row, sizeof(row)), &segment, NULL) ==
              ERR_NONE);
    ck_assert(wal_frame_write(WAL_FRAME_COMMIT, slice_from(loose, sizeof(loose)), &segment,
                              NULL) == ERR_NONE);
    write_as_version_1(segment_path(1), &segment);
    db = kit_open(&options);
    ck_assert_str_eq(kit_read(db, "a=1"), "1000:10 2000:11");
    ck_assert_str_eq(kit_read(db, "a=2"), "1000:20 2000:19");
    ck_assert_str_eq(kit_read(db, "a=3"), "1000:5 2000:7");
}
END_TEST

/* Commits of many series in any order, some twice, some that rest for long. */
START_TEST(loose_commits_of_many_series_survive)
{
    struct rand rand;
    rand_init(&rand, 11);
    struct buf expected[20];
    for (int i = 0; i < 20; i++)
        buf_init(&expected[i], 1 << 20);
    for (int round = 0; round < 300; round++) {
        struct appender *appender = kit_begin(db, NULL, 0);
        for (int i = 0; i < 40; i++) {
            size_t which = rand_below(&rand, 20);
            char name[16];
            snprintf(name, sizeof(name), "a=%zu", which);
            struct labels *labels = kit_labels(name);
            int64_t t_ms = round * 1000 + i * 10 + (int64_t)rand_below(&rand, 10);
            double value = which < 8 ? round / 50 : (double)rand_below(&rand, 1u << which) * 0.25;
            ck_assert_int_eq(append_at(appender, appender_series(appender, labels), t_ms, value),
                             APPEND_OK);
            labels_unref(labels);
            buf_printf(&expected[which], "%s%ld:%.17g", expected[which].len > 0 ? " " : "",
                       (long)t_ms, value);
        }
        kit_commit(appender);
        if (round % 100 == 99)
            restart();
    }
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "a=%d", i);
        ck_assert_str_eq(kit_read(db, name), buf_cstr(&expected[i]));
        buf_release(&expected[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_replay");
    TCase *tcase = tcase_create("wal_replay");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, loose_samples_survive_a_restart);
    tcase_add_test(tcase, groups_survive_restarts_with_members_that_come_and_go);
    tcase_add_test(tcase, every_bit_pattern_survives_in_groups_and_loose);
    tcase_add_test(tcase, the_largest_decimals_of_both_signs_survive);
    tcase_add_test(tcase, histograms_and_late_samples_survive);
    tcase_add_test(tcase, replay_stops_at_torn_record);
    tcase_add_test(tcase, damage_costs_only_the_rest_of_its_segment);
    tcase_add_test(tcase, a_segment_without_header_is_set_aside_whole);
    tcase_add_test(tcase, segments_stand_for_themselves);
    tcase_add_test(tcase, a_log_of_version_1_is_read);
    tcase_add_test(tcase, loose_commits_of_many_series_survive);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
