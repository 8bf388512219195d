/* What the reference has in no block: logs and head chunks that are made here, byte by byte. That
 * those of the reference itself are read so is what the peer test of migration looks at. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "model/histogram_arithmetic.h"
#include "model/sample.h"
#include "tests/support/memory_fs.h"
#include "tests/support/prometheus_log_builder.h"
#include "tool/prometheus_head.h"

#define PAGE_SIZE 32768
#define FILES_MAX 8
#define SPAN PROMETHEUS_HEAD_SPAN_MS

static struct memory_file files[FILES_MAX];
static struct buf contents[FILES_MAX];
static size_t file_count;
static struct buf record;
static struct memory_fs memory;
static struct prometheus_head *head;
static struct series_view *view;
static struct series_list list;
static struct sample_columns columns;
static struct errbuf err;

static void setup(void)
{
    file_count = 0;
    buf_init(&record, BUF_SIZE_ANY);
    sample_columns_init(&columns);
}

static void close_all(void)
{
    series_list_release(&list);
    list = (struct series_list){0};
    series_view_close(view);
    view = NULL;
    prometheus_head_close(head);
    head = NULL;
}

static void teardown(void)
{
    close_all();
    sample_columns_release(&columns);
    buf_release(&record);
    for (size_t i = 0; i < file_count; i++)
        buf_release(&contents[i]);
}

static struct buf *add_file(const char *path)
{
    files[file_count].path = path;
    buf_init(&contents[file_count], BUF_SIZE_ANY);
    return &contents[file_count++];
}

static void open_head(int64_t valid_from_ms, size_t window_bytes)
{
    close_all();
    for (size_t i = 0; i < file_count; i++)
        files[i].content = buf_slice(&contents[i]);
    memory_fs_init(&memory, files, file_count);
    struct prometheus_head_options options = {.fs = &memory.fs,
                                              .path = "d",
                                              .valid_from_ms = valid_from_ms,
                                              .window_bytes = window_bytes};
    struct series_query query = {.min_ms = INT64_MIN, .max_ms = INT64_MAX, .sorted = true};
    ck_assert_msg(prometheus_head_open(&options, &head, &err) == ERR_NONE, "%s", err.text);
    ck_assert_int_eq(
        series_source_open(prometheus_head_source(head), INT64_MIN, INT64_MAX, &view, &err),
        ERR_NONE);
    ck_assert_int_eq(series_view_select(view, &query, &list, &err), ERR_NONE);
}

static void add_series(struct buf *log, uint64_t series, const char *labels)
{
    built_series(&record, series, labels);
    built_log_record(log, &record, series % 2 == 0);
}

/* `count` samples of a series, a second apart. */
static void add_samples(struct buf *log, uint64_t series, int64_t from_s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t at_s = from_s + (int64_t)i;
        built_samples(&record, &(struct built_sample){series, at_s * 1000, (double)at_s, 0}, 1);
        built_log_record(log, &record, i % 2 == 0);
    }
}

/* The samples of the `number`-th series, as "time in s:value" with spaces between. */
static const char *samples_of(size_t number)
{
    static char text[4096];
    size_t len = 0;
    text[0] = '\0';
    ck_assert_uint_lt(number, list.entries.len);
    ck_assert_msg(series_view_read(view, &list.entries.items[number], INT64_MIN, INT64_MAX,
                                   &columns, &err) == ERR_NONE,
                  "%s", err.text);
    for (size_t i = 0; i < columns.count && len < sizeof(text) - 64; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%g:%g", i == 0 ? "" : " ",
                                (double)columns.timestamps_ms[i] / 1000, columns.values[i]);
    return text;
}

static const char *labels_of(size_t number)
{
    static char text[256];
    struct buf out CLEANUP(buf_release);
    buf_init(&out, sizeof(text));
    labels_print_metric(list.entries.items[number].labels, &out);
    snprintf(text, sizeof(text), "%s", buf_cstr(&out));
    return text;
}

START_TEST(series_and_samples_of_the_log_are_read_in_the_order_of_labels)
{
    struct buf *log = add_file("d/wal/00000000");
    add_series(log, 7, "__name__=b,job=x");
    add_series(log, 3, "__name__=a");
    struct built_sample samples[] = {{7, 1000, 1, 0}, {3, 1000, -2.5, 0}, {7, 2000, 3, 0}};
    built_samples(&record, samples, ARRAY_SIZE(samples));
    built_log_record(log, &record, true);
    open_head(INT64_MIN, 0);
    ck_assert_uint_eq(list.entries.len, 2);
    ck_assert_str_eq(labels_of(0), "a");
    ck_assert_str_eq(samples_of(0), "1:-2.5");
    ck_assert_str_eq(labels_of(1), "b{job=\"x\"}");
    ck_assert_str_eq(samples_of(1), "1:1 2:3");
    ck_assert_uint_eq(prometheus_head_notes(head)->texts.len, 0);
}
END_TEST

START_TEST(start_times_of_the_newer_records_are_read)
{
    struct buf *log = add_file("d/wal/00000000");
    add_series(log, 1, "__name__=a");
    struct built_sample samples[] = {
        {1, 5000, 1, 900}, {1, 6000, 2, 900}, {1, 7000, 3, 0}, {1, 8000, 4, 7500}};
    built_samples_2(&record, samples, ARRAY_SIZE(samples));
    built_log_record(log, &record, false);
    open_head(INT64_MIN, 0);
    ck_assert_str_eq(samples_of(0), "5:1 6:2 7:3 8:4");
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        ck_assert_int_eq(columns.start_timestamps_ms[i], samples[i].start_ms);
}
END_TEST

static struct histogram make_histogram(bool is_float, bool is_custom)
{
    static struct histogram_span span = {.offset = 0, .length = 2};
    static struct histogram_span below = {.offset = -3, .length = 1};
    static double buckets[] = {4, 2}, negative[] = {1}, bounds[] = {0.5, 10};
    struct histogram made = {.is_float = is_float,
                             .schema = is_custom ? HISTOGRAM_SCHEMA_CUSTOM : 2,
                             .reset_hint = HISTOGRAM_RESET_GAUGE,
                             .sum = 17.25,
                             .count = is_custom ? 6 : 8,
                             .zero_count = is_custom ? 0 : 1,
                             .zero_threshold = is_custom ? 0 : 0.001,
                             .positive_spans = &span,
                             .positive_span_count = 1,
                             .positive_buckets = buckets,
                             .positive_bucket_count = 2};
    if (is_custom) {
        made.custom_bounds = bounds;
        made.custom_bound_count = 2;
    } else {
        made.negative_spans = &below;
        made.negative_span_count = 1;
        made.negative_buckets = negative;
        made.negative_bucket_count = 1;
    }
    return made;
}

START_TEST(histograms_of_all_kinds_are_read)
{
    struct buf *log = add_file("d/wal/00000000");
    add_series(log, 1, "__name__=a");
    for (int i = 0; i < 8; i++) {
        struct histogram made = make_histogram((i & 1) != 0, (i & 2) != 0);
        built_histogram(&record, 1, i * 1000, i * 10, &made, (i & 4) != 0);
        built_log_record(log, &record, true);
    }
    open_head(INT64_MIN, 0);
    samples_of(0);
    ck_assert_uint_eq(columns.count, 8);
    for (int i = 0; i < 8; i++) {
        struct histogram made = make_histogram((i & 1) != 0, (i & 2) != 0);
        ck_assert_msg(histogram_equal(columns.histograms[i], &made), "histogram %d", i);
        ck_assert_int_eq(columns.start_timestamps_ms[i], (i & 4) != 0 ? i * 10 : 0);
    }
}
END_TEST

START_TEST(a_stale_marker_behind_a_histogram_is_one)
{
    struct buf *log = add_file("d/wal/00000000");
    add_series(log, 1, "__name__=a");
    struct histogram made = make_histogram(true, false);
    built_histogram(&record, 1, 1000, 0, &made, false);
    built_log_record(log, &record, true);
    built_samples(&record, &(struct built_sample){1, 2000, sample_stale(), 0}, 1);
    built_log_record(log, &record, true);
    open_head(INT64_MIN, 0);
    samples_of(0);
    ck_assert_uint_eq(columns.count, 2);
    ck_assert_ptr_nonnull(columns.histograms[1]);
    ck_assert(columns.histograms[1]->is_float && sample_is_stale(columns.histograms[1]->sum));
}
END_TEST

START_TEST(a_schema_beyond_the_known_is_read_coarser)
{
    struct buf *log = add_file("d/wal/00000000");
    add_series(log, 1, "__name__=a");
    struct histogram fine = make_histogram(false, false);
    fine.schema = 9;
    built_histogram(&record, 1, 1000, 0, &fine, false);
    built_log_record(log, &record, true);
    fine.schema = 60; /* nobody knows it */
    built_histogram(&record, 1, 2000, 0, &fine, false);
    built_log_record(log, &record, true);
    open_head(INT64_MIN, 0);
    samples_of(0);
    ck_assert_uint_eq(columns.count, 1);
    ck_assert_int_eq(columns.histograms[0]->schema, 8);
    ck_assert(!columns.histograms[0]->is_float && columns.histograms[0]->count == 8);
    ck_assert_uint_eq(prometheus_head_notes(head)->damaged, 0);
}
END_TEST

START_TEST(kinds_of_records_that_say_no_sample_are_left_out)
{
    struct buf *log = add_file("d/wal/00000000");
    add_series(log, 1, "__name__=a");
    static const char *const others[] = {"\4exemplars", "\5marks", "\6metadata", "\x63of tomorrow"};
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        buf_reset(&record);
        buf_append_str(&record, others[i]);
        built_log_record(log, &record, false);
    }
    add_samples(log, 1, 5, 1);
    open_head(INT64_MIN, 0);
    ck_assert_str_eq(samples_of(0), "5:5");
    ck_assert_uint_eq(prometheus_head_notes(head)->texts.len, 0);
}
END_TEST

START_TEST(a_record_may_lie_on_many_pages)
{
    struct buf *log = add_file("d/wal/00000000");
    VEC(struct built_sample) samples = {0};
    add_series(log, 1, "__name__=a");
    for (int i = 0; i < 20000; i++)
        vec_push(&samples, (struct built_sample){1, i * 1000, (double)i, 0});
    built_samples(&record, samples.items, samples.len);
    ck_assert_uint_gt(record.len, 4 * PAGE_SIZE);
    built_log_record(log, &record, false);
    vec_release(&samples);
    add_samples(log, 1, 20000, 1);
    open_head(INT64_MIN, 0);
    samples_of(0);
    ck_assert_uint_eq(columns.count, 20001);
    ck_assert(columns.values[12345] == 12345);
}
END_TEST

START_TEST(what_a_chunk_has_is_not_taken_from_the_log_again)
{
    struct buf *log = add_file("d/wal/00000000");
    struct buf *chunks = add_file("d/chunks_head/000001");
    int64_t times_ms[] = {10000, 11000, 12000};
    double values[] = {1, 2, 3};
    built_head_chunk(chunks, 1, false, times_ms, values, 3);
    buf_append(chunks, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 29);
    add_series(log, 1, "__name__=a");
    add_samples(log, 1, 10, 5);
    open_head(INT64_MIN, 0);
    ck_assert_str_eq(samples_of(0), "10:1 11:2 12:3 13:13 14:14");
    ck_assert_uint_eq(prometheus_head_notes(head)->texts.len, 0);
}
END_TEST

START_TEST(a_damaged_chunk_is_taken_from_the_log)
{
    struct buf *log = add_file("d/wal/00000000");
    struct buf *chunks = add_file("d/chunks_head/000001");
    int64_t times_ms[] = {10000, 11000, 12000, 13000};
    double values[] = {1, 2, 3, 4};
    built_head_chunk(chunks, 1, false, times_ms, values, 2);
    built_head_chunk(chunks, 1, false, times_ms + 2, values + 2, 2);
    chunks->data[chunks->len - 6] ^= 4;
    add_series(log, 1, "__name__=a");
    add_samples(log, 1, 10, 5);
    open_head(INT64_MIN, 0);
    ck_assert_str_eq(samples_of(0), "10:1 11:2 12:12 13:13 14:14");
    const struct notes *notes = prometheus_head_notes(head);
    ck_assert_uint_eq(notes->texts.len, 1);
    ck_assert_uint_eq(notes->damaged, 0);
    ck_assert_ptr_nonnull(strstr(notes->texts.items[0], "d/chunks_head/000001: at offset"));
}
END_TEST

START_TEST(samples_that_blocks_have_are_left_out)
{
    struct buf *log = add_file("d/wal/00000000");
    add_series(log, 1, "__name__=a");
    add_samples(log, 1, 10, 5);
    open_head(12000, 0);
    ck_assert_str_eq(samples_of(0), "12:12 13:13 14:14");
}
END_TEST

START_TEST(late_samples_come_from_their_own_log_and_chunks)
{
    struct buf *log = add_file("d/wal/00000000");
    struct buf *late = add_file("d/wbl/00000000");
    struct buf *chunks = add_file("d/chunks_head/000001");
    int64_t times_ms[] = {1000, 11500};
    double values[] = {-1, -2};
    built_head_chunk(chunks, 1, true, times_ms, values, 2);
    add_series(log, 1, "__name__=a");
    add_samples(log, 1, 10, 3);
    add_samples(log, 1, 11, 1); /* the log of all has them too, where they do not count */
    add_samples(log, 1, 5, 1);
    add_samples(log, 1, 13, 1);
    add_samples(late, 1, 5, 1);
    add_samples(late, 1, 2, 1);
    add_samples(late, 1, 5, 1);  /* twice */
    add_samples(late, 99, 5, 1); /* of nobody */
    open_head(10000, 0);
    ck_assert_str_eq(samples_of(0), "1:-1 2:2 5:5 10:10 11:11 11.5:-2 12:12 13:13");
    const struct notes *notes = prometheus_head_notes(head);
    ck_assert_uint_eq(notes->texts.len, 1);
    ck_assert_ptr_nonnull(strstr(notes->texts.items[0], "1 samples belong to series"));
}
END_TEST

START_TEST(deleted_samples_stay_deleted)
{
    struct buf *log = add_file("d/wal/00000000");
    add_series(log, 1, "__name__=a");
    add_samples(log, 1, 10, 6);
    built_deletion(&record, 1, 11000, 12500);
    built_log_record(log, &record, false);
    built_deletion(&record, 1, 14000, 14000);
    built_log_record(log, &record, true);
    open_head(INT64_MIN, 0);
    ck_assert_str_eq(samples_of(0), "10:10 13:13 15:15");
}
END_TEST

START_TEST(a_series_that_left_the_head_returns_by_another_number)
{
    struct buf *log = add_file("d/wal/00000000");
    add_series(log, 1, "__name__=a");
    add_samples(log, 1, 10, 3);
    built_deletion(&record, 1, INT64_MIN, INT64_MAX); /* into a block of its own */
    built_log_record(log, &record, false);
    add_series(log, 5, "__name__=a");
    add_samples(log, 5, 11, 2);
    add_series(log, 6, "__name__=a"); /* after a restart */
    add_samples(log, 6, 13, 1);
    open_head(INT64_MIN, 0);
    ck_assert_uint_eq(list.entries.len, 1);
    ck_assert_str_eq(samples_of(0), "11:11 12:12 13:13");
}
END_TEST

START_TEST(a_checkpoint_takes_the_place_of_the_segments_up_to_it)
{
    struct buf *old = add_file("d/wal/00000003");
    struct buf *next = add_file("d/wal/00000004");
    struct buf *older = add_file("d/wal/checkpoint.00000002/00000000");
    struct buf *checkpoint = add_file("d/wal/checkpoint.00000003/00000000");
    struct buf *unfinished = add_file("d/wal/checkpoint.00000004.tmp/00000000");
    add_series(checkpoint, 1, "__name__=a");
    add_samples(checkpoint, 1, 10, 1);
    add_samples(next, 1, 11, 1);
    add_series(old, 2, "__name__=not_read");
    add_series(older, 3, "__name__=not_read");
    add_series(unfinished, 4, "__name__=not_read");
    open_head(INT64_MIN, 0);
    ck_assert_uint_eq(list.entries.len, 1);
    ck_assert_str_eq(samples_of(0), "10:10 11:11");
}
END_TEST

START_TEST(a_record_that_breaks_off_at_the_end_is_told_and_no_damage)
{
    struct buf *log = add_file("d/wal/00000000");
    add_series(log, 1, "__name__=a");
    add_samples(log, 1, 10, 2);
    size_t whole = log->len;
    add_samples(log, 1, 12, 1);
    size_t end = log->len;
    for (size_t len = whole + 1; len < end; len++) {
        buf_truncate(log, len);
        open_head(INT64_MIN, 0);
        ck_assert_str_eq(samples_of(0), "10:10 11:11");
        const struct notes *notes = prometheus_head_notes(head);
        ck_assert_uint_eq(notes->texts.len, 1);
        ck_assert_uint_eq(notes->damaged, 0);
        ck_assert_ptr_nonnull(strstr(notes->texts.items[0], "d/wal/00000000"));
        buf_append(log,
                   "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                   MIN(end - len, (size_t)37));
    }
}
END_TEST

START_TEST(behind_a_damaged_page_reading_goes_on)
{
    struct buf *log = add_file("d/wal/00000000");
    add_series(log, 1, "__name__=a");
    add_samples(log, 1, 1, 6000);
    ck_assert_uint_gt(log->len, 4 * PAGE_SIZE);
    log->data[PAGE_SIZE + 100] ^= 1;
    open_head(INT64_MIN, 0);
    samples_of(0);
    ck_assert_uint_gt(columns.count, 4000);
    ck_assert_uint_lt(columns.count, 6000);
    ck_assert(columns.values[columns.count - 1] == 6000);
    const struct notes *notes = prometheus_head_notes(head);
    ck_assert_uint_eq(notes->damaged, 1);
    ck_assert_ptr_nonnull(strstr(notes->texts.items[0], "d/wal/00000000: at offset 32"));
}
END_TEST

START_TEST(a_missing_segment_is_told)
{
    struct buf *first = add_file("d/wal/00000000");
    struct buf *third = add_file("d/wal/00000002");
    add_series(first, 1, "__name__=a");
    add_samples(third, 1, 10, 1);
    open_head(INT64_MIN, 0);
    ck_assert_str_eq(samples_of(0), "10:10");
    ck_assert_uint_eq(prometheus_head_notes(head)->damaged, 1);
}
END_TEST

START_TEST(small_windows_give_the_same_samples)
{
    struct buf *log = add_file("d/wal/00000000");
    struct buf *late = add_file("d/wbl/00000000");
    char expected[40][256];
    for (uint64_t i = 0; i < 40; i++) {
        char labels[64];
        snprintf(labels, sizeof(labels), "__name__=m,i=%02u", (unsigned)(i * 7 % 40));
        add_series(log, i + 1, labels);
        add_samples(log, i + 1, 100 + (int64_t)i, 5 + i % 3);
        add_samples(late, i + 1, (int64_t)i, 2);
    }
    open_head(INT64_MIN, 0);
    ck_assert_uint_eq(list.entries.len, 40);
    for (size_t i = 0; i < 40; i++)
        snprintf(expected[i], sizeof(expected[i]), "%s", samples_of(i));
    for (size_t window_bytes = 1; window_bytes < 10000; window_bytes *= 7) {
        open_head(INT64_MIN, window_bytes);
        for (size_t i = 0; i < 40; i++)
            ck_assert_str_eq(samples_of(i), expected[i]);
        ck_assert_str_eq(samples_of(3), expected[3]); /* and back again */
    }
}
END_TEST

START_TEST(spans_are_those_that_have_samples)
{
    struct buf *log = add_file("d/wal/00000000");
    struct buf *late = add_file("d/wbl/00000000");
    add_series(log, 1, "__name__=a");
    add_samples(log, 1, 5 * SPAN / 1000 - 1, 2);
    add_samples(late, 1, -1, 1);
    open_head(INT64_MIN, 0);
    struct prometheus_head_spans spans = prometheus_head_spans(head);
    ck_assert_uint_eq(spans.count, 3);
    ck_assert_int_eq(spans.begins_ms[0], -SPAN);
    ck_assert_int_eq(spans.begins_ms[1], 4 * SPAN);
    ck_assert_int_eq(spans.begins_ms[2], 5 * SPAN);
    ck_assert_int_eq(prometheus_head_max_ms(head), 5 * SPAN);
}
END_TEST

/* Each byte of each file, damaged: what is read is what was written, or nothing. */
START_TEST(no_damage_makes_a_sample_that_was_not_there)
{
    struct buf *log = add_file("d/wal/00000000");
    struct buf *chunks = add_file("d/chunks_head/000001");
    int64_t times_ms[] = {10000, 11000, 12000};
    double values[] = {10, 11, 12};
    built_head_chunk(chunks, 1, false, times_ms, values, 3);
    add_series(log, 1, "__name__=a");
    add_samples(log, 1, 10, 8);
    for (size_t file = 0; file < file_count; file++) {
        for (size_t at = 0; at < contents[file].len; at++) {
            contents[file].data[at] ^= (char)(1 << at % 8);
            open_head(INT64_MIN, 0);
            if (list.entries.len > 0)
                samples_of(0);
            for (size_t i = 0; list.entries.len > 0 && i < columns.count; i++)
                ck_assert(columns.values[i] * 1000 == (double)columns.timestamps_ms[i]);
            contents[file].data[at] ^= (char)(1 << at % 8);
        }
    }
}
END_TEST

START_TEST(the_fingerprint_tells_whether_there_is_more)
{
    struct buf *log = add_file("d/wal/00000000");
    add_series(log, 1, "__name__=a");
    add_samples(log, 1, 10, 8);
    open_head(INT64_MIN, 0);
    uint64_t before = prometheus_head_fingerprint(head);
    ck_assert(!prometheus_head_has_changed(head));
    open_head(INT64_MIN, 1);
    ck_assert_uint_eq(prometheus_head_fingerprint(head), before);
    add_samples(log, 1, 18, 1);
    open_head(INT64_MIN, 0);
    ck_assert_uint_ne(prometheus_head_fingerprint(head), before);
}
END_TEST

START_TEST(a_directory_without_a_log_has_no_head)
{
    struct prometheus_head_options options = {.fs = &memory.fs, .path = "d"};
    memory_fs_init(&memory, files, 0);
    ck_assert_int_eq(prometheus_head_open(&options, &head, &err), ERR_NOT_FOUND);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tool/prometheus_head");
    TCase *tests = tcase_create("head");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, series_and_samples_of_the_log_are_read_in_the_order_of_labels);
    tcase_add_test(tests, start_times_of_the_newer_records_are_read);
    tcase_add_test(tests, histograms_of_all_kinds_are_read);
    tcase_add_test(tests, a_stale_marker_behind_a_histogram_is_one);
    tcase_add_test(tests, a_schema_beyond_the_known_is_read_coarser);
    tcase_add_test(tests, kinds_of_records_that_say_no_sample_are_left_out);
    tcase_add_test(tests, a_record_may_lie_on_many_pages);
    tcase_add_test(tests, what_a_chunk_has_is_not_taken_from_the_log_again);
    tcase_add_test(tests, a_damaged_chunk_is_taken_from_the_log);
    tcase_add_test(tests, samples_that_blocks_have_are_left_out);
    tcase_add_test(tests, late_samples_come_from_their_own_log_and_chunks);
    tcase_add_test(tests, deleted_samples_stay_deleted);
    tcase_add_test(tests, a_series_that_left_the_head_returns_by_another_number);
    tcase_add_test(tests, a_checkpoint_takes_the_place_of_the_segments_up_to_it);
    tcase_add_test(tests, a_record_that_breaks_off_at_the_end_is_told_and_no_damage);
    tcase_add_test(tests, behind_a_damaged_page_reading_goes_on);
    tcase_add_test(tests, a_missing_segment_is_told);
    tcase_add_test(tests, small_windows_give_the_same_samples);
    tcase_add_test(tests, spans_are_those_that_have_samples);
    tcase_add_test(tests, no_damage_makes_a_sample_that_was_not_there);
    tcase_add_test(tests, the_fingerprint_tells_whether_there_is_more);
    tcase_add_test(tests, a_directory_without_a_log_has_no_head);
    tcase_set_timeout(tests, 120);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
