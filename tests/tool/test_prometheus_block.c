/* Blocks in the reference's format: what is written is read again, bit for bit; damage is told.
 * That the reference reads and writes the same is what the peer test of migration looks at. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "model/histogram_arithmetic.h"
#include "model/labels_builder.h"
#include "model/sample.h"
#include "tests/support/fault_fs.h"
#include "tool/prometheus_block.h"
#include "tool/prometheus_block_writer.h"

#define SERIES 60
#define SAMPLES 500
#define BLOCK_MS INT64_C(7200000)
#define ULID "01ARZ3NDEKTSV4RRFFQ69G5FAV"

static char directory[] = "/tmp/ferula-prometheus-block-XXXXXX";
static struct arena arena;
static struct rand random_;
static struct errbuf err;
static struct series_list list;
static struct sample_columns known[SERIES];
static struct block_meta written;

static struct histogram *make_histogram(size_t i, bool is_float)
{
    struct histogram_span positive[] = {{.offset = -2, .length = 2}, {.offset = 3, .length = 1}};
    struct histogram_span negative = {.offset = 0, .length = 1};
    double scale = is_float ? 0.25 : 1;
    double buckets[] = {(double)i * scale, (double)(i * 3) * scale, scale};
    double below[] = {(double)(i / 2) * scale};
    struct histogram histogram = {.is_float = is_float,
                                  .schema = 3,
                                  .count = buckets[0] + buckets[1] + buckets[2] + below[0] + 2,
                                  .sum = 0.1 * (double)i,
                                  .zero_count = 2,
                                  .zero_threshold = 0x1p-128,
                                  .reset_hint =
                                      i == 0 ? HISTOGRAM_RESET_UNKNOWN : HISTOGRAM_RESET_NO,
                                  .positive_span_count = 2,
                                  .positive_bucket_count = 3,
                                  .positive_spans = positive,
                                  .positive_buckets = buckets,
                                  .negative_span_count = 1,
                                  .negative_bucket_count = 1,
                                  .negative_spans = &negative,
                                  .negative_buckets = below};
    return histogram_copy_into(&arena, &histogram);
}

static struct histogram *make_custom(size_t i)
{
    struct histogram_span span = {.offset = 0, .length = 3};
    double buckets[] = {(double)i, 1, (double)i * 2};
    double bounds[] = {0.005, 1.0 / 3, 1e9};
    struct histogram histogram = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
                                  .count = 3 * (double)i + 1,
                                  .sum = (double)i,
                                  .reset_hint = HISTOGRAM_RESET_GAUGE,
                                  .positive_span_count = 1,
                                  .positive_bucket_count = 3,
                                  .positive_spans = &span,
                                  .positive_buckets = buckets,
                                  .custom_bound_count = 3,
                                  .custom_bounds = bounds};
    return histogram_copy_into(&arena, &histogram);
}

/* A stale marker at sample 300, and the counter begins anew behind it. */
static const struct histogram *histogram_of(size_t series, size_t i)
{
    if (i == 300) {
        struct histogram stale = {.is_float = series % 12 == 7, .sum = sample_stale()};
        return histogram_copy_into(&arena, &stale);
    }
    if (series % 12 == 8)
        return make_custom(i);
    struct histogram *histogram = make_histogram(i % 301, series % 12 == 7);
    if (i == 301)
        histogram->reset_hint = HISTOGRAM_RESET_YES;
    return histogram;
}

static double value_of(size_t series, size_t i)
{
    switch (series % 6) {
    case 0:
        return (double)(i * 3);
    case 1:
        return rand_double(&random_);
    case 2:
        return codec_bits_double(rand_u64(&random_));
    case 3:
        return i % 50 == 49 ? sample_stale() : 7;
    case 4:
        return i % 9 == 0 ? codec_bits_double(SAMPLE_NAN_BITS) : -0.0;
    default:
        return (double)rand_below(&random_, 100) / 10;
    }
}

static void make_samples(size_t number, struct sample_columns *out)
{
    sample_columns_init(out);
    bool histograms = number % 12 >= 6 && number % 12 <= 8, turns = number % 12 == 9;
    int64_t time_ms = -3000000 + (int64_t)number; /* before 1970, too */
    for (size_t i = 0; i < SAMPLES; i++) {
        bool is_histogram = histograms || (turns && i >= 130);
        time_ms += number % 5 == 0 ? (int64_t)rand_below(&random_, 10) * 1000 + 1 : 10000;
        if (i == 200)
            time_ms += 1100000;
        vec_push(&out->timestamp_memory, time_ms);
        vec_push(&out->value_memory, is_histogram ? 0 : value_of(number, i));
        vec_push(&out->histogram_memory, is_histogram ? histogram_of(number, i) : NULL);
    }
    out->timestamps_ms = out->timestamp_memory.items;
    out->values = out->value_memory.items;
    out->histograms = histograms || turns ? out->histogram_memory.items : NULL;
    out->count = SAMPLES;
}

static void make_known(void)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < SERIES; i++) {
        char text[32];
        labels_builder_reset(&builder);
        snprintf(text, sizeof(text), "metric_%02zu", i / 10);
        labels_builder_set(&builder, SLICE("__name__"), slice_str(text));
        snprintf(text, sizeof(text), "t\xc3\xa4rget_%zu", i % 10);
        labels_builder_set(&builder, SLICE("instance"), slice_str(text));
        vec_push(&list.entries, (struct series_entry){labels_builder_build(&builder), i});
        make_samples(i, &known[i]);
    }
    labels_builder_release(&builder);
}

static void write_block(void)
{
    struct block_meta meta = {.min_ms = -BLOCK_MS, .max_ms = 2 * BLOCK_MS, .level = 1};
    memcpy(meta.ulid.text, ULID, sizeof(meta.ulid.text));
    struct prometheus_block_writer *writer;
    struct prometheus_block_writer_options options = {
        .fs = fs_system, .directory = directory, .meta = &meta, .list = &list};
    ck_assert_int_eq(prometheus_block_writer_open(&options, &writer, &err), ERR_NONE);
    for (size_t i = 0; i < SERIES; i++)
        prometheus_block_writer_series(writer, i, &known[i]);
    ck_assert_int_eq(prometheus_block_writer_finish(writer, &written, &err), ERR_NONE);
}

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    arena_init(&arena, SIZE_MAX);
    rand_init(&random_, 7);
    make_known();
    write_block();
}

static void teardown(void)
{
    ck_assert_int_eq(fs_remove_tree(fs_system, directory, NULL), ERR_NONE);
    for (size_t i = 0; i < SERIES; i++) {
        labels_unref(list.entries.items[i].labels);
        sample_columns_release(&known[i]);
    }
    series_list_release(&list);
    block_meta_release(&written);
    arena_release(&arena);
}

static void check_sample(const struct sample_columns *expected, size_t at,
                         const struct sample_columns *found, size_t i)
{
    ck_assert_int_eq(found->timestamps_ms[i], expected->timestamps_ms[at]);
    const struct histogram *a = expected->histograms == NULL ? NULL : expected->histograms[at];
    const struct histogram *b = found->histograms == NULL ? NULL : found->histograms[i];
    ck_assert_int_eq(a == NULL, b == NULL);
    if (a == NULL)
        ck_assert_uint_eq(codec_double_bits(found->values[i]),
                          codec_double_bits(expected->values[at]));
    else if (at > 0 && a->reset_hint != HISTOGRAM_RESET_GAUGE)
        ck_assert_msg(histogram_same_values(a, b) || sample_is_stale(a->sum), "sample %zu", at);
    else
        ck_assert(histogram_equal(a, b));
    if (a != NULL && sample_is_stale(a->sum))
        ck_assert(sample_is_stale(b->sum));
}

/* The first error, with all that was read compared. */
static enum err read_all(int64_t min_ms, int64_t max_ms, size_t *out_samples)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/" ULID, directory);
    struct prometheus_block *block;
    enum err code = prometheus_block_open(fs_system, path, &block, &err);
    if (code != ERR_NONE)
        return code;
    struct series_view *view;
    struct series_list found = {0};
    struct sample_columns columns;
    sample_columns_init(&columns);
    ck_assert_int_eq(
        series_source_open(prometheus_block_source(block), min_ms, max_ms, &view, &err), ERR_NONE);
    struct series_query query = {.min_ms = min_ms, .max_ms = max_ms, .sorted = true};
    code = series_view_select(view, &query, &found, &err);
    for (size_t i = 0; code == ERR_NONE && i < found.entries.len; i++) {
        ck_assert(labels_equal(found.entries.items[i].labels, list.entries.items[i].labels));
        code = series_view_read(view, &found.entries.items[i], min_ms, max_ms, &columns, &err);
        size_t first = 0;
        while (code == ERR_NONE && known[i].timestamps_ms[first] < min_ms)
            first++;
        for (size_t k = 0; code == ERR_NONE && k < columns.count; k++)
            check_sample(&known[i], first + k, &columns, k);
        *out_samples += code == ERR_NONE ? columns.count : 0;
    }
    series_view_close(view);
    series_list_release(&found);
    sample_columns_release(&columns);
    prometheus_block_close(block);
    return code;
}

START_TEST(every_sample_comes_back)
{
    size_t samples = 0;
    ck_assert_msg(read_all(INT64_MIN, INT64_MAX, &samples) == ERR_NONE, "%s", err.text);
    ck_assert_uint_eq(samples, SERIES * SAMPLES);
    ck_assert_uint_eq(written.stats.samples, SERIES * SAMPLES);
    ck_assert_uint_eq(written.stats.series, SERIES);
    ck_assert_uint_eq(written.stats.float_samples + written.stats.histogram_samples,
                      SERIES * SAMPLES);
    ck_assert_uint_gt(written.stats.chunks, SERIES * 4);
}
END_TEST

START_TEST(a_range_gives_its_samples_alone)
{
    size_t samples = 0, expected = 0;
    int64_t min_ms = -1234567, max_ms = 765432;
    for (size_t i = 0; i < SERIES; i++) {
        for (size_t k = 0; k < SAMPLES; k++)
            expected += known[i].timestamps_ms[k] >= min_ms && known[i].timestamps_ms[k] <= max_ms;
    }
    ck_assert_msg(read_all(min_ms, max_ms, &samples) == ERR_NONE, "%s", err.text);
    ck_assert_uint_eq(samples, expected);
}
END_TEST

static void flip(const char *name, long at, unsigned bit)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/" ULID "/%s", directory, name);
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    fseek(file, at, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ (1 << bit), file);
    fclose(file);
}

static long size_of(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/" ULID "/%s", directory, name);
    struct fs_stat stat;
    ck_assert_int_eq(fs_system->stat(fs_system, path, &stat), 0);
    return (long)stat.size;
}

START_TEST(damage_never_gives_a_wrong_value)
{
    static const char *const names[] = {"index", "chunks/000001", "tombstones"};
    unsigned noticed = 0;
    for (unsigned round = 0; round < 30; round++) {
        const char *name = names[round % 3];
        long at = (long)rand_below(&random_, (uint64_t)size_of(name));
        unsigned bit = (unsigned)rand_below(&random_, 8);
        size_t samples = 0;
        flip(name, at, bit);
        enum err code = read_all(INT64_MIN, INT64_MAX, &samples);
        /* lists of series that are not read, and padding, may be damaged without a word */
        ck_assert_msg(code != ERR_NONE || samples == SERIES * SAMPLES, "%s at %ld", name, at);
        if (code != ERR_NONE) {
            noticed++;
            ck_assert_msg(strstr(err.text, name) != NULL, "%s", err.text);
        }
        flip(name, at, bit);
    }
    ck_assert_uint_gt(noticed, 18);
}
END_TEST

START_TEST(a_block_without_samples_leaves_nothing)
{
    struct block_meta meta = {.min_ms = 0, .max_ms = 1, .level = 1}, nothing;
    memcpy(meta.ulid.text, "01ARZ3NDEKTSV4RRFFQ69G5FAW", sizeof(meta.ulid.text));
    struct prometheus_block_writer *writer;
    struct prometheus_block_writer_options options = {
        .fs = fs_system, .directory = directory, .meta = &meta, .list = &list};
    ck_assert_int_eq(prometheus_block_writer_open(&options, &writer, &err), ERR_NONE);
    ck_assert_int_eq(prometheus_block_writer_finish(writer, &nothing, &err), ERR_NONE);
    ck_assert_uint_eq(nothing.stats.samples, 0);
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, meta.ulid.text);
    ck_assert_int_ne(access(path, F_OK), 0);
    block_meta_release(&nothing);
}
END_TEST

/* Some series into a block of that name; the error of whatever fails. */
static enum err try_to_write(const struct fs *fs, const char *ulid)
{
    struct block_meta meta = {.min_ms = -BLOCK_MS, .max_ms = 2 * BLOCK_MS, .level = 1}, made = {0};
    memcpy(meta.ulid.text, ulid, sizeof(meta.ulid.text));
    struct prometheus_block_writer *writer;
    struct prometheus_block_writer_options options = {
        .fs = fs, .directory = directory, .meta = &meta, .list = &list};
    enum err code = prometheus_block_writer_open(&options, &writer, &err);
    if (code != ERR_NONE)
        return code;
    for (size_t i = 0; i < 10; i++)
        prometheus_block_writer_series(writer, i, &known[i]);
    code = prometheus_block_writer_finish(writer, &made, &err);
    block_meta_release(&made);
    return code;
}

START_TEST(whichever_operation_fails_no_part_of_a_block_stays)
{
    static const char ulid[] = "01ARZ3NDEKTSV4RRFFQ69G5FAX";
    struct fault_fs faults;
    fault_fs_init(&faults);
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", directory, ulid);
    enum err code = ERR_IO;
    unsigned failures = 0;
    for (uint64_t k = 1; code != ERR_NONE; k++) {
        fault_fs_fail(&faults, k, false, ENOSPC);
        code = try_to_write(&faults.fs, ulid);
        if (code != ERR_NONE) {
            failures++;
            ck_assert_uint_gt(strlen(err.text), 0);
            /* the name comes last, so a block that is there is whole */
            struct prometheus_block *block = NULL;
            ck_assert_msg(access(path, F_OK) != 0 ||
                              prometheus_block_open(fs_system, path, &block, &err) == ERR_NONE,
                          "operation %u: %s", (unsigned)k, err.text);
            prometheus_block_close(block);
            ck_assert_int_eq(fs_remove_tree(fs_system, path, NULL), ERR_NONE);
        }
        ck_assert_uint_lt(k, 1000);
    }
    ck_assert_uint_gt(failures, 10);
    fault_fs_release(&faults);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tool/prometheus_block");
    TCase *tests = tcase_create("prometheus_block");
    tcase_set_timeout(tests, 240);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, every_sample_comes_back);
    tcase_add_test(tests, a_range_gives_its_samples_alone);
    tcase_add_test(tests, damage_never_gives_a_wrong_value);
    tcase_add_test(tests, a_block_without_samples_leaves_nothing);
    tcase_add_test(tests, whichever_operation_fails_no_part_of_a_block_stays);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
