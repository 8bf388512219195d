/*
 * Results of Prometheus' own arithmetic, to the bit: histogram_reference.txt holds random
 * histograms and what it makes of them. All NaN count as one.
 */
#include "model/histogram_arithmetic.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/fs.h"
#include "model/histogram_statistics.h"

#define HISTOGRAMS_MAX 8

struct reader {
    struct slice rest;
    size_t line;
    struct arena arena;
    struct histogram *histograms[HISTOGRAMS_MAX];
    size_t count;
};

static struct slice next_word(struct reader *reader)
{
    while (reader->rest.len > 0 && reader->rest.ptr[0] == ' ')
        reader->rest = slice_from_index(reader->rest, 1);
    size_t len = 0;
    while (len < reader->rest.len && reader->rest.ptr[len] != ' ')
        len++;
    struct slice word = slice_sub(reader->rest, 0, len);
    reader->rest = slice_from_index(reader->rest, len);
    ck_assert_uint_gt(len, 0);
    return word;
}

static int next_int(struct reader *reader)
{
    return (int)strtol(next_word(reader).ptr, NULL, 10);
}

static double next_double(struct reader *reader)
{
    struct slice word = next_word(reader);
    return slice_eq_str(word, "nan") ? NAN : codec_bits_double(strtoull(word.ptr, NULL, 16));
}

static struct histogram_span *next_spans(struct reader *reader, uint32_t *out_count)
{
    *out_count = (uint32_t)next_int(reader);
    struct histogram_span *spans = arena_alloc_array(&reader->arena, *out_count, sizeof(*spans));
    for (uint32_t i = 0; i < *out_count; i++) {
        spans[i].offset = next_int(reader);
        spans[i].length = (uint32_t)next_int(reader);
    }
    return spans;
}

static double *next_doubles(struct reader *reader, uint32_t *out_count)
{
    *out_count = (uint32_t)next_int(reader);
    double *values = arena_alloc_array(&reader->arena, *out_count, sizeof(*values));
    for (uint32_t i = 0; i < *out_count; i++)
        values[i] = next_double(reader);
    return values;
}

static struct histogram *next_histogram(struct reader *reader)
{
    struct histogram *histogram = arena_zalloc(&reader->arena, sizeof(*histogram));
    histogram->is_float = true;
    histogram->schema = next_int(reader);
    histogram->reset_hint = (enum histogram_reset_hint)next_int(reader);
    histogram->zero_threshold = next_double(reader);
    histogram->zero_count = next_double(reader);
    histogram->count = next_double(reader);
    histogram->sum = next_double(reader);
    histogram->positive_spans = next_spans(reader, &histogram->positive_span_count);
    histogram->negative_spans = next_spans(reader, &histogram->negative_span_count);
    histogram->positive_buckets = next_doubles(reader, &histogram->positive_bucket_count);
    histogram->negative_buckets = next_doubles(reader, &histogram->negative_bucket_count);
    histogram->custom_bounds = next_doubles(reader, &histogram->custom_bound_count);
    return histogram;
}

static void assert_number(const struct reader *reader, double expected, double actual)
{
    if (isnan(expected) && isnan(actual))
        return;
    ck_assert_msg(codec_double_bits(expected) == codec_double_bits(actual),
                  "line %zu: expected %a, got %a", reader->line, expected, actual);
}

static void assert_numbers(const struct reader *reader, const double *expected,
                           uint32_t expected_count, const double *actual, uint32_t actual_count)
{
    ck_assert_msg(expected_count == actual_count, "line %zu: expected %u numbers, got %u",
                  reader->line, expected_count, actual_count);
    for (uint32_t i = 0; i < actual_count; i++)
        assert_number(reader, expected[i], actual[i]);
}

static void assert_spans(const struct reader *reader, const struct histogram_span *expected,
                         uint32_t expected_count, const struct histogram_span *actual,
                         uint32_t actual_count)
{
    ck_assert_msg(expected_count == actual_count, "line %zu: expected %u spans, got %u",
                  reader->line, expected_count, actual_count);
    for (uint32_t i = 0; i < actual_count; i++)
        ck_assert_msg(expected[i].offset == actual[i].offset &&
                          expected[i].length == actual[i].length,
                      "line %zu: span %u differs", reader->line, i);
}

static void assert_histogram(struct reader *reader, const struct histogram *actual)
{
    const struct histogram *expected = next_histogram(reader);
    ck_assert_msg(expected->schema == actual->schema && expected->reset_hint == actual->reset_hint,
                  "line %zu: schema or hint differ", reader->line);
    assert_number(reader, expected->zero_threshold, actual->zero_threshold);
    assert_number(reader, expected->zero_count, actual->zero_count);
    assert_number(reader, expected->count, actual->count);
    assert_number(reader, expected->sum, actual->sum);
    assert_spans(reader, expected->positive_spans, expected->positive_span_count,
                 actual->positive_spans, actual->positive_span_count);
    assert_spans(reader, expected->negative_spans, expected->negative_span_count,
                 actual->negative_spans, actual->negative_span_count);
    assert_numbers(reader, expected->positive_buckets, expected->positive_bucket_count,
                   actual->positive_buckets, actual->positive_bucket_count);
    assert_numbers(reader, expected->negative_buckets, expected->negative_bucket_count,
                   actual->negative_buckets, actual->negative_bucket_count);
    assert_numbers(reader, expected->custom_bounds, expected->custom_bound_count,
                   actual->custom_bounds, actual->custom_bound_count);
}

static void check_pair(struct reader *reader, bool subtract)
{
    struct histogram *result;
    enum err code = (subtract ? histogram_subtract : histogram_add)(
        &reader->arena, reader->histograms[0], reader->histograms[1], &result, NULL);
    ck_assert_int_eq(code, ERR_NONE);
    histogram_compact_in_place(&reader->arena, result);
    assert_histogram(reader, result);
}

static void check_sum(struct reader *reader, bool average)
{
    struct histogram_sum sum;
    histogram_sum_init(&sum, &reader->arena, average);
    for (size_t i = 0; i < reader->count; i++)
        ck_assert_int_eq(histogram_sum_add(&sum, reader->histograms[i]), ERR_NONE);
    struct histogram *result = histogram_sum_finish(&sum, &reader->arena);
    histogram_compact_in_place(&reader->arena, result);
    assert_histogram(reader, result);
}

static void check_statistic(struct reader *reader, struct slice what)
{
    const struct histogram *histogram = reader->histograms[0];
    enum histogram_note note;
    double value;
    if (slice_eq_str(what, "quantile")) {
        value = histogram_quantile(histogram, next_double(reader), &note);
    } else if (slice_eq_str(what, "fraction")) {
        double lower = next_double(reader);
        value = histogram_fraction(histogram, lower, next_double(reader), &note);
    } else {
        ck_assert(slice_eq_str(what, "variance"));
        value = histogram_variance(histogram);
    }
    assert_number(reader, next_double(reader), value);
}

static void check_line(struct reader *reader)
{
    struct slice what = next_word(reader);
    if (slice_eq_str(what, "case")) {
        arena_reset(&reader->arena);
        reader->count = 0;
    } else if (slice_eq_str(what, "histogram")) {
        ck_assert_uint_lt(reader->count, HISTOGRAMS_MAX);
        reader->histograms[reader->count++] = next_histogram(reader);
    } else if (slice_eq_str(what, "add") || slice_eq_str(what, "subtract")) {
        check_pair(reader, slice_eq_str(what, "subtract"));
    } else if (slice_eq_str(what, "sum") || slice_eq_str(what, "average")) {
        check_sum(reader, slice_eq_str(what, "average"));
    } else if (slice_eq_str(what, "trim")) {
        double bound = next_double(reader);
        bool keep_below = next_int(reader) == 1;
        assert_histogram(reader,
                         histogram_trim(&reader->arena, reader->histograms[0], bound, keep_below));
    } else if (slice_eq_str(what, "reset")) {
        bool is_reset = histogram_is_reset(reader->histograms[1], reader->histograms[0]);
        ck_assert_msg(is_reset == (next_int(reader) == 1), "line %zu: reset", reader->line);
    } else {
        check_statistic(reader, what);
    }
}

START_TEST(results_are_the_references_to_the_bit)
{
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, 16 << 20);
    ck_assert_int_eq(
        fs_read_file(fs_system, SOURCE_ROOT "/tests/model/histogram_reference.txt", &text, NULL),
        ERR_NONE);
    struct reader reader = {0};
    arena_init(&reader.arena, 1 << 26);
    size_t cases = 0;
    for (struct slice rest = buf_slice(&text); rest.len > 0;) {
        size_t end = slice_index(rest, '\n');
        ck_assert_uint_ne(end, SLICE_NONE);
        reader.line++;
        reader.rest = slice_sub(rest, 0, end);
        rest = slice_from_index(rest, end + 1);
        if (reader.rest.ptr[0] == '#')
            continue;
        cases += slice_has_prefix(reader.rest, SLICE("case"));
        check_line(&reader);
    }
    ck_assert_uint_eq(cases, 60);
    arena_release(&reader.arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model/histogram_reference");
    TCase *tests = tcase_create("reference");
    tcase_add_test(tests, results_are_the_references_to_the_bit);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
