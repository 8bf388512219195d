/* Histograms as bytes come back to the bit, and broken bytes are refused. */
#include "tsdb/histogram_codec.h"

#include "base/rand.h"
#include "model/sample.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct rand rand_state;
static struct arena arena;

static void setup(void)
{
    rand_init(&rand_state, 11);
    arena_init(&arena, (size_t)64 << 20);
}

static void teardown(void)
{
    arena_release(&arena);
}

static double random_count(bool whole)
{
    if (whole)
        return (double)(rand_u64(&rand_state) >> (11 + rand_below(&rand_state, 53)));
    return codec_bits_double(rand_u64(&rand_state));
}

static double *random_counts(size_t count, bool whole)
{
    double *values = arena_alloc_array(&arena, count, sizeof(*values));
    for (size_t i = 0; i < count; i++)
        values[i] = random_count(whole);
    return values;
}

static struct histogram_span *random_spans(uint32_t count, uint32_t *out_buckets)
{
    struct histogram_span *spans = arena_alloc_array(&arena, count, sizeof(*spans));
    *out_buckets = 0;
    for (uint32_t i = 0; i < count; i++) {
        spans[i] = (struct histogram_span){(int32_t)rand_u64(&rand_state),
                                           (uint32_t)rand_below(&rand_state, 20)};
        *out_buckets += spans[i].length;
    }
    return spans;
}

static struct histogram random_histogram(void)
{
    bool whole = rand_below(&rand_state, 2);
    struct histogram histogram = {
        .is_float = rand_below(&rand_state, 2),
        .reset_hint = (enum histogram_reset_hint)rand_below(&rand_state, 4),
        .schema = (int32_t)rand_below(&rand_state, 70) - 60,
        .zero_threshold = codec_bits_double(rand_u64(&rand_state)),
        .zero_count = random_count(whole),
        .count = random_count(whole),
        .sum = rand_below(&rand_state, 4) ? 1.5 : sample_stale(),
        .positive_span_count = (uint32_t)rand_below(&rand_state, 6),
        .negative_span_count = (uint32_t)rand_below(&rand_state, 3),
        .custom_bound_count = (uint32_t)rand_below(&rand_state, 8),
    };
    histogram.positive_spans =
        random_spans(histogram.positive_span_count, &histogram.positive_bucket_count);
    histogram.negative_spans =
        random_spans(histogram.negative_span_count, &histogram.negative_bucket_count);
    histogram.positive_buckets = random_counts(histogram.positive_bucket_count, whole);
    histogram.negative_buckets = random_counts(histogram.negative_bucket_count, whole);
    histogram.custom_bounds = random_counts(histogram.custom_bound_count, false);
    return histogram;
}

static void assert_bits(const double *a, const double *b, size_t count)
{
    if (count > 0)
        ck_assert_mem_eq(a, b, count * sizeof(*a));
}

START_TEST(histograms_come_back_to_the_bit)
{
    for (int i = 0; i < 3000; i++) {
        arena_reset(&arena);
        struct histogram in = random_histogram();
        ck_assert(histogram_encodable(&in));
        struct buf bytes;
        buf_init(&bytes, 1 << 20);
        histogram_encode(&in, &bytes);
        struct codec_reader reader = codec_reader(bytes.data, bytes.len);
        const struct histogram *out = histogram_decode(&reader, &arena);
        ck_assert_ptr_nonnull(out);
        ck_assert_uint_eq(codec_left(&reader), 0);
        ck_assert(out->is_float == in.is_float && out->reset_hint == in.reset_hint &&
                  out->schema == in.schema);
        assert_bits(&out->zero_threshold, &in.zero_threshold, 4); /* to sum: four doubles */
        ck_assert_uint_eq(out->positive_span_count, in.positive_span_count);
        ck_assert_uint_eq(out->negative_bucket_count, in.negative_bucket_count);
        ck_assert_uint_eq(out->custom_bound_count, in.custom_bound_count);
        for (uint32_t k = 0; k < in.positive_span_count; k++)
            ck_assert(out->positive_spans[k].offset == in.positive_spans[k].offset &&
                      out->positive_spans[k].length == in.positive_spans[k].length);
        assert_bits(out->positive_buckets, in.positive_buckets, in.positive_bucket_count);
        assert_bits(out->negative_buckets, in.negative_buckets, in.negative_bucket_count);
        assert_bits(out->custom_bounds, in.custom_bounds, in.custom_bound_count);
        buf_release(&bytes);
    }
}
END_TEST

START_TEST(cut_bytes_are_refused)
{
    struct histogram in = random_histogram();
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    histogram_encode(&in, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        struct codec_reader reader = codec_reader(bytes.data, len);
        ck_assert_ptr_null(histogram_decode(&reader, &arena));
    }
    buf_release(&bytes);
}
END_TEST

START_TEST(spans_that_do_not_fit_their_buckets_are_not_stored)
{
    struct histogram_span span = {0, 3};
    double buckets[2] = {1, 2};
    struct histogram histogram = {.positive_span_count = 1,
                                  .positive_spans = &span,
                                  .positive_bucket_count = 2,
                                  .positive_buckets = buckets};
    ck_assert(!histogram_encodable(&histogram));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("histogram_codec");
    TCase *tcase = tcase_create("histogram_codec");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, histograms_come_back_to_the_bit);
    tcase_add_test(tcase, cut_bytes_are_refused);
    tcase_add_test(tcase, spans_that_do_not_fit_their_buckets_are_not_stored);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
