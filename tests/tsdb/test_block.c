/* Blocks: what is written is read again, bit for bit; deletions; damage. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "model/histogram_arithmetic.h"
#include "model/labels_builder.h"
#include "model/sample.h"
#include "tsdb/block.h"
#include "tsdb/block_times.h"
#include "tsdb/block_writer.h"

#define SERIES 400
#define DAY_MS INT64_C(86400000)

struct known_series {
    struct labels *labels;
    VEC(int64_t) times_ms;
    VEC(double) values;
    VEC(const struct histogram *) histograms;
    VEC(int64_t) starts_ms;
};

static struct known_series known[SERIES];
static char directory[] = "/tmp/ferula-block-XXXXXX";
static struct arena arena;
static struct rand random_;
static struct errbuf err;
static struct block *block;
static struct block_meta written;

static const struct histogram *make_histogram(size_t i)
{
    struct histogram_span span = {.offset = 1, .length = 3};
    double buckets[3] = {(double)i, (double)i + 2, 1};
    struct histogram histogram = {.schema = 1,
                                  .count = 2 * (double)i + 3 + 4,
                                  .sum = 1.5 * (double)i,
                                  .zero_count = 4,
                                  .zero_threshold = 1e-128,
                                  .positive_span_count = 1,
                                  .positive_bucket_count = 3,
                                  .positive_spans = &span,
                                  .positive_buckets = buckets};
    struct histogram *copy = histogram_copy_into(&arena, &histogram);
    copy->is_float = i % 64 < 32;
    return copy;
}

static double make_value(size_t series, size_t i)
{
    switch (series % 6) {
    case 0:
        return (double)(i * 3);
    case 1:
        return (double)rand_below(&random_, 10000) / 100;
    case 2:
        return rand_double(&random_);
    case 3:
        return i % 50 == 49 ? sample_stale() : 7;
    case 4:
        return codec_bits_double(rand_u64(&random_));
    default:
        return (double)rand_below(&random_, 100);
    }
}

/* Targets of 20 series share their times; some series begin late or pause; some are histograms, or
 * turn into one. */
static void make_series(size_t number, size_t samples)
{
    struct known_series *series = &known[number];
    int64_t phase_ms = (int64_t)(number / 20) * 137;
    bool turns = number % 50 == 7, has_starts = number % 40 == 3;
    for (size_t i = number % 9 == 0 ? samples / 3 : 0; i < samples; i++) {
        if (number % 11 == 0 && i % 100 > 80)
            continue;
        bool histogram = number % 50 == 6 || (turns && i >= samples / 2);
        const struct histogram *made = histogram ? make_histogram(i) : NULL;
        vec_push(&series->times_ms, phase_ms + (int64_t)i * 15000);
        vec_push(&series->values, histogram ? 0 : make_value(number, i));
        vec_push(&series->histograms, made);
        vec_push(&series->starts_ms, has_starts ? phase_ms + (int64_t)(i / 100) * 5 + 1 : 0);
    }
}

static void make_known(size_t samples)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < SERIES; i++) {
        char text[32];
        labels_builder_reset(&builder);
        snprintf(text, sizeof(text), "metric_%03zu", i % 20);
        labels_builder_set(&builder, SLICE("__name__"), slice_str(text));
        snprintf(text, sizeof(text), "target_%03zu", i / 20);
        labels_builder_set(&builder, SLICE("instance"), slice_str(text));
        known[i].labels = labels_builder_build(&builder);
        make_series(i, samples);
    }
    labels_builder_release(&builder);
}

static int compare_known(const void *a, const void *b)
{
    return labels_compare(((const struct known_series *)a)->labels,
                          ((const struct known_series *)b)->labels);
}

static bool any_histogram(const struct known_series *series)
{
    for (size_t i = 0; i < series->histograms.len; i++) {
        if (series->histograms.items[i] != NULL)
            return true;
    }
    return false;
}

/* In two pieces, as compaction brings them. */
static void write_series(struct block_writer *writer, const struct known_series *series)
{
    size_t half = series->times_ms.len / 3;
    block_writer_series(writer, series->labels);
    for (int piece = 0; piece < 2; piece++) {
        size_t from = piece == 0 ? 0 : half;
        struct sample_columns columns;
        sample_columns_init(&columns);
        columns.count = piece == 0 ? half : series->times_ms.len - half;
        columns.timestamps_ms = series->times_ms.items + from;
        columns.values = series->values.items + from;
        columns.histograms = any_histogram(series) ? series->histograms.items + from : NULL;
        columns.start_timestamps_ms = series->starts_ms.items + from;
        block_writer_samples(writer, &columns);
        sample_columns_release(&columns);
    }
}

static void write_block(size_t samples, bool dense)
{
    make_known(samples);
    qsort(known, SERIES, sizeof(known[0]), compare_known);
    struct block_meta meta = {.min_ms = 0, .max_ms = DAY_MS, .level = 1};
    ulid_make(&meta.ulid, 1700000000000, &random_);
    struct block_writer_options options = {
        .fs = fs_system, .directory = directory, .meta = &meta, .dense = dense};
    struct block_writer *writer;
    ck_assert_msg(block_writer_open(&options, &writer, &err) == ERR_NONE, "%s", err.text);
    for (size_t i = 0; i < SERIES; i++)
        write_series(writer, &known[i]);
    ck_assert_msg(block_writer_finish(writer, &written, &err) == ERR_NONE, "%s", err.text);
}

static char *block_file(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s%s%s", directory, written.ulid.text, *name ? "/" : "", name);
    return path;
}

static void open_block(void)
{
    ck_assert_msg(block_open(fs_system, block_file(""), &block, &err) == ERR_NONE, "%s", err.text);
}

static void setup(void)
{
    snprintf(directory, sizeof(directory), "%s", "/tmp/ferula-block-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    arena_init(&arena, SIZE_MAX);
    rand_init(&random_, 7);
}

static void teardown(void)
{
    block_unref(block);
    block = NULL;
    block_meta_release(&written);
    for (size_t i = 0; i < SERIES; i++) {
        labels_unref(known[i].labels);
        vec_release(&known[i].times_ms);
        vec_release(&known[i].values);
        vec_release(&known[i].histograms);
        vec_release(&known[i].starts_ms);
        memset(&known[i], 0, sizeof(known[i]));
    }
    arena_release(&arena);
    ck_assert_int_eq(fs_remove_tree(fs_system, directory, NULL), ERR_NONE);
}

static struct series_view *open_view(void)
{
    struct series_view *view;
    ck_assert_int_eq(series_source_open(block_source(block), 0, DAY_MS, &view, &err), ERR_NONE);
    return view;
}

static bool sample_is(const struct sample_columns *got, size_t at,
                      const struct known_series *series, size_t i)
{
    const struct histogram *wanted = series->histograms.items[i];
    const struct histogram *found = got->histograms == NULL ? NULL : got->histograms[at];
    int64_t since = got->start_timestamps_ms == NULL ? 0 : got->start_timestamps_ms[at];
    if (got->timestamps_ms[at] != series->times_ms.items[i] || since != series->starts_ms.items[i])
        return false;
    if (wanted == NULL || found == NULL)
        return wanted == found &&
               codec_double_bits(got->values[at]) == codec_double_bits(series->values.items[i]);
    return histogram_equal(found, wanted);
}

/* The samples of [min_ms, max_ms] but those that lie in the deleted span of a series. One check for
 * each of millions would write to a pipe each time. */
static void expect_samples(const struct known_series *series, const struct sample_columns *got,
                           int64_t min_ms, int64_t max_ms, int64_t deleted_from, int64_t deleted_to)
{
    size_t at = 0;
    for (size_t i = 0; i < series->times_ms.len; i++) {
        int64_t time_ms = series->times_ms.items[i];
        if (time_ms < min_ms || time_ms > max_ms ||
            (time_ms >= deleted_from && time_ms <= deleted_to))
            continue;
        if (at >= got->count || !sample_is(got, at, series, i))
            ck_abort_msg("sample %zu of %zu is not that of %lld", at, got->count,
                         (long long)time_ms);
        at++;
    }
    ck_assert_uint_eq(at, got->count);
}

static void expect_all(int64_t min_ms, int64_t max_ms)
{
    struct series_view *view = open_view();
    struct series_query query = {.min_ms = min_ms, .max_ms = max_ms, .sorted = true};
    struct series_list list = {0};
    struct sample_columns columns;
    sample_columns_init(&columns);
    ck_assert_msg(series_view_select(view, &query, &list, &err) == ERR_NONE, "%s", err.text);
    size_t at = 0;
    for (size_t i = 0; i < SERIES; i++) {
        const struct known_series *series = &known[i];
        if (at == list.entries.len || !labels_equal(list.entries.items[at].labels, series->labels))
            continue;
        ck_assert_msg(series_view_read(view, &list.entries.items[at++], min_ms, max_ms, &columns,
                                       &err) == ERR_NONE,
                      "%s", err.text);
        expect_samples(series, &columns, min_ms, max_ms, 1, 0);
    }
    ck_assert_uint_eq(at, list.entries.len);
    if (min_ms == 0 && max_ms == DAY_MS)
        ck_assert_uint_eq(at, SERIES);
    sample_columns_release(&columns);
    series_list_release(&list);
    series_view_close(view);
}

START_TEST(every_sample_comes_back)
{
    write_block(700, false);
    open_block();
    ck_assert_uint_eq(block_meta(block)->stats.series, SERIES);
    ck_assert_uint_eq(block_meta(block)->stats.samples, written.stats.samples);
    ck_assert_uint_gt(written.stats.histogram_samples, 0);
    expect_all(0, DAY_MS);
    expect_all(15000 * 100, 15000 * 101);
    expect_all(3600000, 7200000 - 1);
    expect_all(7200000, 7200000);
    for (int i = 0; i < 20; i++) {
        int64_t from = (int64_t)rand_below(&random_, 700 * 15000);
        expect_all(from, from + (int64_t)rand_below(&random_, 3000000));
    }
}
END_TEST

START_TEST(a_dense_block_holds_the_same)
{
    write_block(2500, true);
    open_block();
    expect_all(0, DAY_MS);
    expect_all(4000000, 30000000);
}
END_TEST

START_TEST(the_newest_sample_alone_can_be_asked_for)
{
    write_block(700, false);
    open_block();
    struct series_view *view = open_view();
    struct series_query query = {.min_ms = 0, .max_ms = DAY_MS, .sorted = true};
    struct series_list list = {0};
    ck_assert_int_eq(series_view_select(view, &query, &list, &err), ERR_NONE);
    struct sample_columns columns;
    sample_columns_init(&columns);
    columns.newest_only = true;
    for (size_t i = 0; i < SERIES; i += 7) {
        ck_assert_int_eq(series_view_read(view, &list.entries.items[i], 0, 9000000, &columns, &err),
                         ERR_NONE);
        size_t newest = 0;
        while (newest < known[i].times_ms.len && known[i].times_ms.items[newest] <= 9000000)
            newest++;
        ck_assert_uint_gt(columns.count, 0);
        ck_assert_int_eq(columns.timestamps_ms[columns.count - 1],
                         known[i].times_ms.items[newest - 1]);
    }
    sample_columns_release(&columns);
    series_list_release(&list);
    series_view_close(view);
}
END_TEST

START_TEST(a_file_of_deletions_that_is_gone_is_missed_but_in_blocks_of_the_first_format)
{
    write_block(10, false);
    char *tombstones CLEANUP(mem_cleanup) = mem_strdup(block_file("tombstones"));
    ck_assert_int_eq(fs_system->unlink(fs_system, tombstones), 0);
    ck_assert_int_eq(block_open(fs_system, block_file(""), &block, &err), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, tombstones));
    /* as it was written when it was only there with deletions in it */
    struct buf CLEANUP(buf_release) text;
    struct block_meta CLEANUP(block_meta_release) meta;
    buf_init(&text, BLOCK_META_SIZE_MAX);
    ck_assert_int_eq(fs_read_file(fs_system, block_file("meta.json"), &text, &err), ERR_NONE);
    ck_assert_int_eq(block_meta_parse(buf_slice(&text), &meta, &err), ERR_NONE);
    ck_assert(meta.always_tombstones);
    meta.always_tombstones = false;
    buf_reset(&text);
    block_meta_print(&meta, &text);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "\"ferula-1\""));
    ck_assert_int_eq(fs_replace_file(fs_system, block_file("meta.json"), buf_slice(&text), &err),
                     ERR_NONE);
    open_block();
    expect_all(0, DAY_MS);
    ck_assert_uint_eq(block_tombstone_count(block), 0);
}
END_TEST

START_TEST(what_is_deleted_is_not_seen_by_later_views)
{
    write_block(700, false);
    open_block();
    struct matcher *one, *all;
    ck_assert_int_eq(matcher_new(MATCHER_EQUAL, SLICE("instance"), SLICE("target_003"), &one, &err),
                     ERR_NONE);
    ck_assert_int_eq(matcher_new(MATCHER_EQUAL, SLICE("instance"), SLICE("target_004"), &all, &err),
                     ERR_NONE);
    struct series_view *before = open_view();
    uint64_t count;
    ck_assert_int_eq(
        block_delete(block, (const struct matcher *const *)&one, 1, 2000000, 5000000, &count, &err),
        ERR_NONE);
    ck_assert_uint_eq(count, 20);
    ck_assert_int_eq(block_delete(block, (const struct matcher *const *)&all, 1, INT64_MIN,
                                  INT64_MAX, &count, &err),
                     ERR_NONE);
    ck_assert_uint_eq(block_tombstone_count(block), 40);
    /* also after opening anew */
    block_unref(block);
    open_block();
    struct series_view *view = open_view();
    struct series_query query = {.min_ms = 0, .max_ms = DAY_MS, .sorted = true};
    struct series_list list = {0}, old = {0};
    ck_assert_int_eq(series_view_select(view, &query, &list, &err), ERR_NONE);
    ck_assert_int_eq(series_view_select(before, &query, &old, &err), ERR_NONE);
    ck_assert_uint_eq(list.entries.len, SERIES - 20);
    ck_assert_uint_eq(old.entries.len, SERIES);
    struct sample_columns columns;
    sample_columns_init(&columns);
    size_t at = 0;
    for (size_t i = 0; i < SERIES; i++) {
        struct slice target = labels_get(known[i].labels, SLICE("instance"));
        if (slice_eq_str(target, "target_004"))
            continue;
        bool cut = slice_eq_str(target, "target_003");
        ck_assert_int_eq(
            series_view_read(view, &list.entries.items[at++], 0, DAY_MS, &columns, &err), ERR_NONE);
        expect_samples(&known[i], &columns, 0, DAY_MS, cut ? 2000000 : 1, cut ? 5000000 : 0);
    }
    sample_columns_release(&columns);
    series_list_release(&list);
    series_list_release(&old);
    series_view_close(view);
    series_view_close(before);
    matcher_free(one);
    matcher_free(all);
}
END_TEST

START_TEST(names_and_values_are_listed)
{
    write_block(30, false);
    open_block();
    struct series_view *view = open_view();
    struct series_query query = {.min_ms = 0, .max_ms = DAY_MS};
    struct text_list list;
    ck_assert_int_eq(series_view_label_names(view, &query, &arena, &list, &err), ERR_NONE);
    ck_assert_uint_eq(list.count, 2);
    ck_assert(slice_eq_str(list.items[1], "instance"));
    ck_assert_int_eq(series_view_label_values(view, SLICE("instance"), &query, &arena, &list, &err),
                     ERR_NONE);
    ck_assert_uint_eq(list.count, 20);
    ck_assert(slice_eq_str(list.items[19], "target_019"));
    struct matcher *matcher;
    ck_assert_int_eq(
        matcher_new(MATCHER_REGEX, SLICE("instance"), SLICE("target_00[12]"), &matcher, &err),
        ERR_NONE);
    query.matchers = (const struct matcher *const *)&matcher;
    query.matcher_count = 1;
    ck_assert_int_eq(series_view_label_values(view, SLICE("instance"), &query, &arena, &list, &err),
                     ERR_NONE);
    ck_assert_uint_eq(list.count, 2);
    query.limit = 1;
    ck_assert_int_eq(series_view_label_values(view, SLICE("instance"), &query, &arena, &list, &err),
                     ERR_NONE);
    ck_assert_uint_eq(list.count, 1);
    ck_assert(list.truncated);
    matcher_free(matcher);
    series_view_close(view);
}
END_TEST

static enum err write_times(const int64_t *times_ms, size_t count)
{
    static const double values[4];
    struct block_meta meta = {.min_ms = 100, .max_ms = 200, .level = 1};
    ulid_make(&meta.ulid, 1700000000000, &random_);
    struct block_writer_options options = {.fs = fs_system, .directory = directory, .meta = &meta};
    struct block_writer *writer;
    ck_assert_int_eq(block_writer_open(&options, &writer, &err), ERR_NONE);
    block_writer_series(writer, known[0].labels);
    struct sample_columns columns = {.timestamps_ms = times_ms, .values = values, .count = count};
    block_writer_samples(writer, &columns);
    block_meta_release(&written);
    return block_writer_finish(writer, &written, &err);
}

/* As a damaged block may give them to whoever merges it. */
START_TEST(samples_in_no_order_are_an_error_that_leaves_nothing)
{
    make_known(0);
    ck_assert_int_eq(write_times((const int64_t[]){100, 120, 110}, 3), ERR_CORRUPT);
    ck_assert_int_eq(write_times((const int64_t[]){100, 100}, 2), ERR_CORRUPT);
    ck_assert_int_eq(write_times((const int64_t[]){99}, 1), ERR_CORRUPT);
    ck_assert_int_eq(write_times((const int64_t[]){150, 200}, 2), ERR_CORRUPT);
    ck_assert_int_eq(rmdir(directory), 0);
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    ck_assert_int_eq(write_times((const int64_t[]){100, 199}, 2), ERR_NONE);
}
END_TEST

/* The times of the block, with right checksums. */
static void replace_times(const int64_t *times_ms, size_t count)
{
    ck_assert_int_eq(unlink(block_file("times")), 0);
    struct block_times_writer writer;
    block_times_writer_open(&writer, fs_system, block_file("times"));
    uint32_t row;
    ck_assert_uint_eq(block_times_add(&writer, times_ms, count, &row), 0);
    ck_assert_int_eq(block_times_writer_finish(&writer, &err), ERR_NONE);
    block_times_writer_release(&writer);
}

static enum err read_forged(const int64_t *times_ms, size_t count)
{
    replace_times(times_ms, count);
    open_block();
    struct series_view *view = open_view();
    struct series_query query = {.min_ms = 0, .max_ms = DAY_MS, .sorted = true};
    struct series_list list = {0};
    struct sample_columns columns;
    sample_columns_init(&columns);
    ck_assert_int_eq(series_view_select(view, &query, &list, &err), ERR_NONE);
    ck_assert_uint_eq(list.entries.len, 1);
    enum err code = series_view_read(view, &list.entries.items[0], 0, DAY_MS, &columns, &err);
    sample_columns_release(&columns);
    series_list_release(&list);
    series_view_close(view);
    block_unref(block);
    block = NULL;
    return code;
}

START_TEST(times_in_no_order_are_damage)
{
    make_known(0);
    ck_assert_int_eq(write_times((const int64_t[]){100, 120, 130, 199}, 4), ERR_NONE);
    ck_assert_int_eq(read_forged((const int64_t[]){100, 110, 140, 199}, 4), ERR_NONE);
    ck_assert_int_eq(read_forged((const int64_t[]){100, 140, 110, 199}, 4), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(err.text, "times"));
    ck_assert_int_eq(read_forged((const int64_t[]){100, 140, 140, 199}, 4), ERR_CORRUPT);
    ck_assert_int_eq(read_forged((const int64_t[]){190, 160, 130, 100}, 4), ERR_CORRUPT);
}
END_TEST

START_TEST(a_block_without_samples_leaves_nothing)
{
    struct block_meta meta = {.min_ms = 0, .max_ms = DAY_MS, .level = 1};
    ulid_make(&meta.ulid, 1, &random_);
    struct block_writer_options options = {.fs = fs_system, .directory = directory, .meta = &meta};
    struct block_writer *writer;
    ck_assert_int_eq(block_writer_open(&options, &writer, &err), ERR_NONE);
    ck_assert_int_eq(block_writer_finish(writer, &written, &err), ERR_NONE);
    ck_assert_uint_eq(written.stats.samples, 0);
    ck_assert_int_ne(access(block_file(""), F_OK), 0);
}
END_TEST

/* Reads everything; what a damage does not reach must be right. */
static enum err read_everything(void)
{
    struct block *damaged;
    enum err code = block_open(fs_system, block_file(""), &damaged, &err);
    if (code != ERR_NONE)
        return code;
    struct series_view *view;
    ck_assert_int_eq(series_source_open(block_source(damaged), 0, DAY_MS, &view, &err), ERR_NONE);
    struct series_query query = {.min_ms = 0, .max_ms = DAY_MS, .sorted = true};
    struct series_list list = {0};
    struct sample_columns columns;
    sample_columns_init(&columns);
    code = series_view_select(view, &query, &list, &err);
    for (size_t i = 0; code == ERR_NONE && i < list.entries.len; i++) {
        enum err read = series_view_read(view, &list.entries.items[i], 0, DAY_MS, &columns, &err);
        if (read == ERR_NONE)
            expect_samples(&known[i], &columns, 0, DAY_MS, 1, 0);
        else
            code = read;
    }
    sample_columns_release(&columns);
    series_list_release(&list);
    series_view_close(view);
    block_unref(damaged);
    return code;
}

static void damage(const char *name, long at, int bit)
{
    FILE *file = fopen(block_file(name), "r+b");
    ck_assert_ptr_nonnull(file);
    fseek(file, at, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ (1 << bit), file);
    fclose(file);
}

static long size_of(const char *name)
{
    FILE *file = fopen(block_file(name), "rb");
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fclose(file);
    return size;
}

START_TEST(damage_never_gives_a_wrong_value)
{
    static const char *const names[] = {"index", "chunks", "times"};
    write_block(300, false);
    int noticed = 0;
    for (int round = 0; round < 30; round++) {
        const char *name = names[round % 3];
        long at = (long)rand_below(&random_, (uint64_t)size_of(name));
        int bit = (int)rand_below(&random_, 8);
        damage(name, at, bit);
        err.text[0] = 0;
        if (read_everything() != ERR_NONE) {
            noticed++;
            ck_assert_msg(strstr(err.text, name) != NULL, "%s", err.text);
        }
        damage(name, at, bit);
    }
    ck_assert_int_gt(noticed, 26);
    ck_assert_int_eq(read_everything(), ERR_NONE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/block");
    TCase *tests = tcase_create("block");
    tcase_set_timeout(tests, 240);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, every_sample_comes_back);
    tcase_add_test(tests, a_dense_block_holds_the_same);
    tcase_add_test(tests, the_newest_sample_alone_can_be_asked_for);
    tcase_add_test(tests, what_is_deleted_is_not_seen_by_later_views);
    tcase_add_test(tests,
                   a_file_of_deletions_that_is_gone_is_missed_but_in_blocks_of_the_first_format);
    tcase_add_test(tests, names_and_values_are_listed);
    tcase_add_test(tests, samples_in_no_order_are_an_error_that_leaves_nothing);
    tcase_add_test(tests, times_in_no_order_are_damage);
    tcase_add_test(tests, a_block_without_samples_leaves_nothing);
    tcase_add_test(tests, damage_never_gives_a_wrong_value);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
