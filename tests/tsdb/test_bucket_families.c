/* Buckets of histograms, which are written side by side and as differences, are read like any
 * series; and a block of the first format is read. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/rand.h"
#include "model/labels_builder.h"
#include "model/sample.h"
#include "tests/support/first_block.h"
#include "tsdb/block.h"
#include "tsdb/block_writer.h"
#include "tsdb/bucket_order.h"
#include "tsdb/chunk_sums.h"
#include "tsdb/compaction.h"
#include "tsdb/value_chunk.h"

#define DAY_MS INT64_C(86400000)
#define BLOCK_MS INT64_C(7200000)
#define HISTOGRAMS 9
#define BUCKETS 14
#define SERIES (HISTOGRAMS * BUCKETS + 40)
#define ROWS 2880
#define BLOCK_ROWS (ROWS / 12)

static const char *const bounds[BUCKETS] = {"0.005", "0.01", "0.1", "0.5", "1",    "1.0",  "2.5",
                                            "5",     "10",   "25",  "100", "1000", "+Inf", "odd"};

struct known_series {
    struct labels *labels;
    size_t first; /* row */
    double values[ROWS];
};

static struct known_series *known[SERIES];
static int64_t times_ms[ROWS];
static char directory[] = "/tmp/ferula-families-XXXXXX";
static struct rand random_;
static struct errbuf err;
static struct block *block;

static struct labels *make_labels(const char *name, size_t service, const char *bound)
{
    struct labels_builder builder;
    char text[32];
    labels_builder_init(&builder);
    snprintf(text, sizeof(text), "service_%zu", service);
    labels_builder_set(&builder, SLICE("__name__"), slice_str(name));
    labels_builder_set(&builder, SLICE("svc"), slice_str(text));
    if (bound != NULL)
        labels_builder_set(&builder, SLICE("le"), slice_str(bound));
    struct labels *labels = labels_builder_build(&builder);
    labels_builder_release(&builder);
    return labels;
}

/* Counters that rise together, with resets, stale markers, and a bucket that comes later. */
static void make_histogram(size_t number)
{
    double counts[BUCKETS] = {0};
    struct known_series **series = known + number * BUCKETS;
    for (size_t i = 0; i < BUCKETS; i++) {
        series[i]->labels = make_labels("a_seconds_bucket", number, bounds[i]);
        series[i]->first = number == 2 && i == 4 ? 500 : 0;
    }
    for (size_t row = 0; row < ROWS; row++) {
        if (number == 3 && row == 1500)
            memset(counts, 0, sizeof(counts));
        for (size_t k = rand_below(&random_, 40); k > 0; k--) {
            for (size_t i = rand_below(&random_, BUCKETS / 2) + number % 3; i < BUCKETS; i++)
                counts[i]++;
        }
        for (size_t i = 0; i < BUCKETS; i++)
            series[i]->values[row] = counts[i];
        if (number == 4 && row % 750 == 350)
            series[row % BUCKETS]->values[row] = sample_stale();
        if (number == 5)
            series[row % BUCKETS]->values[row] = rand_double(&random_) - 0.5;
        if (number == 6 && row > 2500)
            series[7]->values[row] = -0.0;
    }
}

static int compare_known(const void *a, const void *b)
{
    return labels_compare((*(struct known_series *const *)a)->labels,
                          (*(struct known_series *const *)b)->labels);
}

static void make_known(void)
{
    for (size_t row = 0; row < ROWS; row++)
        times_ms[row] = (int64_t)row * 30000 + (int64_t)rand_below(&random_, 20);
    for (size_t i = 0; i < SERIES; i++)
        known[i] = mem_zalloc(sizeof(*known[i]));
    for (size_t i = 0; i < HISTOGRAMS; i++)
        make_histogram(i);
    for (size_t i = HISTOGRAMS * BUCKETS; i < SERIES; i++) {
        known[i]->labels = make_labels(i % 2 ? "a_seconds_count" : "A_before", i, NULL);
        for (size_t row = 0; row < ROWS; row++)
            known[i]->values[row] = (double)rand_below(&random_, i);
    }
    qsort(known, SERIES, sizeof(known[0]), compare_known);
}

static void put_samples(struct block_writer *writer, const struct known_series *series, size_t from,
                        size_t count)
{
    size_t skipped = series->first > from ? MIN(series->first - from, count) : 0;
    struct sample_columns columns = {.timestamps_ms = times_ms + from + skipped,
                                     .values = series->values + from + skipped,
                                     .count = count - skipped};
    if (columns.count > 0)
        block_writer_samples(writer, &columns);
}

/* Series in the order of their labels, each by itself. */
static struct block *write_plain(size_t from, size_t count, bool dense, uint64_t id)
{
    struct block_meta meta = {.min_ms = times_ms[from] / BLOCK_MS * BLOCK_MS, .level = 1}, written;
    meta.max_ms = meta.min_ms + (count == ROWS ? DAY_MS : BLOCK_MS);
    ulid_make(&meta.ulid, (int64_t)id, &random_);
    struct block_writer_options options = {
        .fs = fs_system, .directory = directory, .meta = &meta, .dense = dense};
    struct block_writer *writer;
    ck_assert_msg(block_writer_open(&options, &writer, &err) == ERR_NONE, "%s", err.text);
    for (size_t i = 0; i < SERIES; i++) {
        block_writer_series(writer, known[i]->labels);
        put_samples(writer, known[i], from, count);
    }
    ck_assert_msg(block_writer_finish(writer, &written, &err) == ERR_NONE, "%s", err.text);
    block_meta_release(&written);
    char path[256];
    struct block *opened;
    snprintf(path, sizeof(path), "%s/%s", directory, meta.ulid.text);
    ck_assert_msg(block_open(fs_system, path, &opened, &err) == ERR_NONE, "%s", err.text);
    return opened;
}

static struct block *merge(struct block *const *blocks, size_t count)
{
    struct compaction compaction = {.fs = fs_system,
                                    .directory = directory,
                                    .blocks = blocks,
                                    .count = count,
                                    .rewrite = count == 1};
    struct block *merged;
    ulid_make(&compaction.ulid, 1700000000000, &random_);
    ck_assert_msg(compaction_run(&compaction, &merged, &err) == ERR_NONE, "%s", err.text);
    return merged;
}

static void setup(void)
{
    snprintf(directory, sizeof(directory), "%s", "/tmp/ferula-families-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    rand_init(&random_, 11);
    make_known();
}

static void teardown(void)
{
    block_unref(block);
    block = NULL;
    for (size_t i = 0; i < SERIES; i++) {
        labels_unref(known[i]->labels);
        mem_free(known[i]);
    }
    ck_assert_int_eq(fs_remove_tree(fs_system, directory, NULL), ERR_NONE);
}

static const struct known_series *find_known(const struct labels *labels)
{
    for (size_t i = 0; i < SERIES; i++) {
        if (labels_equal(known[i]->labels, labels))
            return known[i];
    }
    ck_abort_msg("an unknown series");
    return NULL;
}

static void expect_samples(const struct known_series *series, const struct sample_columns *got,
                           int64_t min_ms, int64_t max_ms)
{
    size_t at = 0;
    for (size_t row = series->first; row < ROWS; row++) {
        if (times_ms[row] < min_ms || times_ms[row] > max_ms)
            continue;
        ck_assert_uint_lt(at, got->count);
        ck_assert_int_eq(got->timestamps_ms[at], times_ms[row]);
        ck_assert(codec_double_bits(got->values[at++]) == codec_double_bits(series->values[row]));
    }
    ck_assert_uint_eq(at, got->count);
}

/* Every `step`-th series of the selection. */
static void expect_all(int64_t min_ms, int64_t max_ms, bool sorted, size_t step)
{
    struct series_view *view;
    struct series_list list = {0};
    struct sample_columns columns;
    struct series_query query = {.min_ms = min_ms, .max_ms = max_ms, .sorted = sorted};
    ck_assert_int_eq(series_source_open(block_source(block), 0, DAY_MS, &view, &err), ERR_NONE);
    ck_assert_msg(series_view_select(view, &query, &list, &err) == ERR_NONE, "%s", err.text);
    sample_columns_init(&columns);
    for (size_t i = 0; i < list.entries.len; i += step) {
        const struct series_entry *entry = &list.entries.items[i];
        if (sorted && i > 0)
            ck_assert_int_lt(labels_compare(entry[-1].labels, entry->labels), 0);
        ck_assert_msg(series_view_read(view, entry, min_ms, max_ms, &columns, &err) == ERR_NONE,
                      "%s", err.text);
        expect_samples(find_known(entry->labels), &columns, min_ms, max_ms);
    }
    if (min_ms == 0 && max_ms == DAY_MS)
        ck_assert_uint_eq(list.entries.len, SERIES);
    sample_columns_release(&columns);
    series_list_release(&list);
    series_view_close(view);
}

static void expect_everything(void)
{
    ck_assert_uint_eq(block_meta(block)->stats.series, SERIES);
    expect_all(0, DAY_MS, true, 1);
    expect_all(0, DAY_MS, false, 1);
    for (int i = 0; i < 6; i++) {
        int64_t from = (int64_t)rand_below(&random_, DAY_MS);
        int64_t to = from + (int64_t)rand_below(&random_, DAY_MS / 4);
        expect_all(from, to, i % 2, 1 + (size_t)i * 3);
    }
}

START_TEST(merged_buckets_come_back_and_take_less)
{
    struct block *blocks[12];
    uint64_t bytes = 0;
    for (size_t i = 0; i < 12; i++) {
        blocks[i] = write_plain(i * BLOCK_ROWS, BLOCK_ROWS, false, i + 1);
        bytes += block_size_bytes(blocks[i]);
    }
    block = merge(blocks, 12);
    for (size_t i = 0; i < 12; i++)
        block_unref(blocks[i]);
    ck_assert_uint_eq(block_meta(block)->stats.samples, (uint64_t)SERIES * ROWS - 500);
    /* half of the bytes are those of the histogram that is random, and of other series */
    ck_assert_uint_lt(block_size_bytes(block), bytes * 8 / 10);
    expect_everything();
    /* what is in families is merged again */
    struct block *once = block;
    block = merge(&once, 1);
    ck_assert_uint_lt(block_size_bytes(block), block_size_bytes(once) + 1000);
    block_unref(once);
    expect_everything();
}
END_TEST

START_TEST(buckets_of_a_short_block_come_back)
{
    struct block *plain = write_plain(2 * BLOCK_ROWS, BLOCK_ROWS, false, 1);
    block = merge(&plain, 1);
    ck_assert_uint_lt(block_size_bytes(block), block_size_bytes(plain) * 9 / 10);
    block_unref(plain);
    for (int sorted = 0; sorted < 2; sorted++) {
        expect_all(2 * BLOCK_MS, 3 * BLOCK_MS - 1, sorted, 1);
        expect_all(2 * BLOCK_MS + 1000000, 2 * BLOCK_MS + 2000000, sorted, 7);
    }
}
END_TEST

START_TEST(buckets_are_ordered_by_bound_within_their_histogram)
{
    struct series_entry entries[2 * BUCKETS];
    bucket_places places = {0};
    bool buckets;
    size_t first = 0;
    while (!slice_eq_str(labels_get(known[first]->labels, SLICE("__name__")), "a_seconds_bucket"))
        first++;
    for (size_t i = 0, k = 0; k < 2 * BUCKETS; i++) {
        struct slice service = labels_get(known[first + i]->labels, SLICE("svc"));
        if (slice_eq_str(service, "service_1") || slice_eq_str(service, "service_7"))
            entries[k++] = (struct series_entry){known[first + i]->labels, i};
    }
    ck_assert_uint_eq(bucket_order_metric(entries, 2 * BUCKETS, &buckets), 2 * BUCKETS);
    ck_assert(buckets);
    bucket_order_make(entries, 2 * BUCKETS, &places);
    for (size_t i = 0; i < 2 * BUCKETS; i++) {
        const struct bucket_place *place = &places.items[i];
        ck_assert_int_eq(place->related, i % BUCKETS != 0);
        /* what is no number comes first; the others are in order in the list above */
        const char *bound = i % BUCKETS == 0 ? "odd" : bounds[i % BUCKETS - 1];
        ck_assert(slice_eq_str(labels_get(place->entry->labels, SLICE("le")), bound));
        ck_assert(slice_eq_str(labels_get(place->entry->labels, SLICE("svc")),
                               i < BUCKETS ? "service_1" : "service_7"));
    }
    ck_assert_uint_eq(bucket_order_metric(entries, 1, &buckets), 1);
    vec_release(&places);
}
END_TEST

static bool decode(struct chunk_sums *sums, const struct page *page, uint32_t number, double *out)
{
    struct chunk_place place = {.page = page, .page_first = 10, .number = number};
    return chunk_sums_decode(sums, &place, 0, 2, out);
}

/* A page of three chunks of two values. */
static void make_page(struct page *page, struct buf *bytes, const enum page_chunk_kind kinds[3],
                      uint32_t rows)
{
    static const double values[2] = {1, 2};
    for (uint32_t i = 0; i < 3; i++) {
        size_t start = bytes->len;
        value_chunk_encode(values, 2, bytes);
        page->chunks[i] =
            (struct page_chunk){.kind = kinds[i], .count = 2, .row_first = i == 1 ? rows : 0};
        page->chunks[i].bytes = slice_from(bytes->data + start, bytes->len - start);
    }
    page->count = 3;
}

START_TEST(differences_without_what_they_are_added_to_are_damage)
{
    const enum page_chunk_kind good[3] = {PAGE_CHUNK_VALUES, PAGE_CHUNK_ABOVE, PAGE_CHUNK_ABOVE};
    const enum page_chunk_kind first[3] = {PAGE_CHUNK_ABOVE, PAGE_CHUNK_ABOVE, PAGE_CHUNK_VALUES};
    const enum page_chunk_kind other[3] = {PAGE_CHUNK_HISTOGRAMS, PAGE_CHUNK_ABOVE,
                                           PAGE_CHUNK_ABOVE};
    struct chunk_sums sums = {0};
    struct page *page = mem_zalloc(sizeof(*page));
    struct buf CLEANUP(buf_release) bytes;
    double out[2];
    buf_init(&bytes, 4096);
    ck_assert_ptr_nonnull(buf_reserve(&bytes, 1024)); /* so that it stays where it is */
    make_page(page, &bytes, good, 0);
    for (int again = 0; again < 2; again++) {
        for (uint32_t i = 3; i-- > 0;) {
            ck_assert(decode(&sums, page, i, out));
            ck_assert(out[0] == i + 1.0 && out[1] == 2.0 * (i + 1.0));
        }
    }
    chunk_sums_release(&sums);
    make_page(page, &bytes, good, 1);
    ck_assert(!decode(&sums, page, 2, out));
    make_page(page, &bytes, first, 0);
    ck_assert(!decode(&sums, page, 0, out));
    ck_assert(!decode(&sums, page, 1, out));
    make_page(page, &bytes, other, 0);
    ck_assert(!decode(&sums, page, 2, out));
    chunk_sums_release(&sums);
    mem_free(page);
}
END_TEST

static void write_file(const char *name, const void *bytes, size_t len)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/" FIRST_BLOCK_ULID "/%s", directory, name);
    ck_assert_int_eq(fs_replace_file(fs_system, path, slice_from(bytes, len), &err), ERR_NONE);
}

START_TEST(a_block_of_the_first_format_is_read)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/" FIRST_BLOCK_ULID, directory);
    ck_assert_int_eq(fs_make_directories(fs_system, path, &err), ERR_NONE);
    write_file("meta.json", first_block_meta, sizeof(first_block_meta));
    write_file("index", first_block_index, sizeof(first_block_index));
    write_file("chunks", first_block_chunks, sizeof(first_block_chunks));
    write_file("times", first_block_times, sizeof(first_block_times));
    ck_assert_msg(block_open(fs_system, path, &block, &err) == ERR_NONE, "%s", err.text);
    struct series_view *view;
    struct series_list list = {0};
    struct sample_columns columns;
    struct series_query query = {.min_ms = 0, .max_ms = INT64_MAX};
    ck_assert_int_eq(series_source_open(block_source(block), 0, INT64_MAX, &view, &err), ERR_NONE);
    ck_assert_msg(series_view_select(view, &query, &list, &err) == ERR_NONE, "%s", err.text);
    ck_assert_uint_eq(list.entries.len, 40);
    sample_columns_init(&columns);
    for (size_t i = 0; i < 40; i++) {
        const struct series_entry *entry = &list.entries.items[i];
        ck_assert_msg(series_view_read(view, entry, 0, INT64_MAX, &columns, &err) == ERR_NONE, "%s",
                      err.text);
        ck_assert_uint_eq(columns.count, 4);
        struct slice name = labels_get(entry->labels, SLICE("__name__"));
        double before = 1000 * strtod(name.ptr + strlen("metric_"), NULL);
        for (size_t k = 0; k < 4; k++) {
            ck_assert_int_eq(columns.timestamps_ms[k], 1700006400000 + (int64_t)k * 1800000);
            ck_assert(columns.values[k] >= before && columns.values[k] < before + 10);
            before = columns.values[k];
        }
    }
    sample_columns_release(&columns);
    series_list_release(&list);
    series_view_close(view);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/bucket_families");
    TCase *test = tcase_create("families");
    tcase_set_timeout(test, 240);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, merged_buckets_come_back_and_take_less);
    tcase_add_test(test, buckets_of_a_short_block_come_back);
    tcase_add_test(test, buckets_are_ordered_by_bound_within_their_histogram);
    tcase_add_test(test, differences_without_what_they_are_added_to_are_damage);
    tcase_add_test(test, a_block_of_the_first_format_is_read);
    suite_add_tcase(suite, test);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
