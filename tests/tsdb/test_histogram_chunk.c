/* Chunks of native histograms come back to the bit, standing buckets are nearly free, and damage is
 * noticed. */
#include "tsdb/histogram_chunk.h"

#include "base/alloc.h"
#include "base/codec.h"
#include "base/rand.h"
#include "model/sample.h"
#include "tsdb/histogram_codec.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 600

static struct rand rand_state;
static struct arena arena;
static struct arena decoded_arena;
static struct buf bytes;
static const struct histogram *histograms[COUNT_MAX];
static const struct histogram *decoded[COUNT_MAX];

static void setup(void)
{
    rand_init(&rand_state, 12);
    arena_init(&arena, (size_t)256 << 20);
    arena_init(&decoded_arena, (size_t)256 << 20);
    buf_init(&bytes, BUF_SIZE_ANY);
}

static void teardown(void)
{
    arena_release(&arena);
    arena_release(&decoded_arena);
    buf_release(&bytes);
}

static uint64_t below(uint64_t bound)
{
    return rand_below(&rand_state, bound);
}

enum counts {
    COUNTS_WHOLE,
    COUNTS_DECIMAL,
    COUNTS_ANY,
};

static double random_count(enum counts counts)
{
    if (counts == COUNTS_WHOLE)
        return (double)(rand_u64(&rand_state) >> (12 + below(52)));
    if (counts == COUNTS_DECIMAL)
        return (double)below(100000) / 100;
    return codec_bits_double(rand_u64(&rand_state));
}

static struct histogram_span *random_spans(uint32_t count, uint32_t *out_buckets)
{
    struct histogram_span *spans = arena_alloc_array(&arena, count, sizeof(*spans));
    *out_buckets = 0;
    for (uint32_t i = 0; i < count; i++) {
        spans[i] = (struct histogram_span){(int32_t)rand_u64(&rand_state), (uint32_t)below(9)};
        *out_buckets += spans[i].length;
    }
    return spans;
}

static double *random_counts(size_t count, enum counts counts)
{
    double *values = arena_alloc_array(&arena, count, sizeof(*values));
    for (size_t i = 0; i < count; i++)
        values[i] = random_count(counts);
    return values;
}

static struct histogram *random_layout(void)
{
    struct histogram *histogram = arena_zalloc(&arena, sizeof(*histogram));
    histogram->is_float = below(2);
    histogram->schema = below(3) ? (int32_t)below(13) - 4 : HISTOGRAM_SCHEMA_CUSTOM;
    histogram->zero_threshold = below(4) ? 1e-128 : random_count(COUNTS_ANY);
    histogram->positive_span_count = (uint32_t)below(5);
    histogram->negative_span_count = (uint32_t)below(3);
    histogram->custom_bound_count = (uint32_t)below(4) * (uint32_t)below(5);
    histogram->positive_spans =
        random_spans(histogram->positive_span_count, &histogram->positive_bucket_count);
    histogram->negative_spans =
        random_spans(histogram->negative_span_count, &histogram->negative_bucket_count);
    histogram->custom_bounds = random_counts(histogram->custom_bound_count, COUNTS_DECIMAL);
    return histogram;
}

static double next_count(double last, enum counts counts)
{
    return counts == COUNTS_WHOLE ? last + (double)below(40) : random_count(counts);
}

/* Observes: all buckets grow, and the count with them. */
static struct histogram *next_sample(const struct histogram *last, enum counts counts)
{
    struct histogram *next = arena_alloc(&arena, sizeof(*next));
    *next = *last;
    next->reset_hint = below(9) ? last->reset_hint : (enum histogram_reset_hint)below(4);
    next->positive_buckets = random_counts(last->positive_bucket_count, COUNTS_WHOLE);
    next->negative_buckets = random_counts(last->negative_bucket_count, COUNTS_WHOLE);
    next->zero_count = next_count(last->zero_count, counts);
    double total = next->zero_count;
    for (uint32_t i = 0; i < last->positive_bucket_count; i++) {
        double before = last->positive_buckets == NULL ? 0 : last->positive_buckets[i];
        total += next->positive_buckets[i] = next_count(before, counts);
    }
    for (uint32_t i = 0; i < last->negative_bucket_count; i++) {
        double before = last->negative_buckets == NULL ? 0 : last->negative_buckets[i];
        total += next->negative_buckets[i] = next_count(before, counts);
    }
    next->count = below(30) ? total : random_count(counts);
    next->sum = below(30) ? last->sum + rand_double(&rand_state) : sample_stale();
    return next;
}

static void random_samples(size_t count)
{
    enum counts counts = (enum counts)below(3);
    const struct histogram *last = random_layout();
    uint64_t changes = below(3) == 0 ? 1 + below(30) : 0;
    for (size_t i = 0; i < count; i++) {
        if (changes > 0 && below(changes) == 0)
            last = random_layout();
        last = histograms[i] = next_sample(last, counts);
    }
}

static void assert_bits(const double *a, const double *b, size_t count)
{
    if (count > 0)
        ck_assert_mem_eq(a, b, count * sizeof(*a));
}

static void assert_spans(const struct histogram_span *a, const struct histogram_span *b,
                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert(a[i].offset == b[i].offset && a[i].length == b[i].length);
}

static void assert_same(const struct histogram *in, const struct histogram *out)
{
    ck_assert(out->is_float == in->is_float && out->reset_hint == in->reset_hint &&
              out->schema == in->schema);
    assert_bits(&out->zero_threshold, &in->zero_threshold, 4); /* to sum: four doubles */
    ck_assert_uint_eq(out->positive_span_count, in->positive_span_count);
    ck_assert_uint_eq(out->negative_span_count, in->negative_span_count);
    ck_assert_uint_eq(out->positive_bucket_count, in->positive_bucket_count);
    ck_assert_uint_eq(out->negative_bucket_count, in->negative_bucket_count);
    ck_assert_uint_eq(out->custom_bound_count, in->custom_bound_count);
    assert_spans(out->positive_spans, in->positive_spans, in->positive_span_count);
    assert_spans(out->negative_spans, in->negative_spans, in->negative_span_count);
    assert_bits(out->positive_buckets, in->positive_buckets, in->positive_bucket_count);
    assert_bits(out->negative_buckets, in->negative_buckets, in->negative_bucket_count);
    assert_bits(out->custom_bounds, in->custom_bounds, in->custom_bound_count);
}

static enum err decode(const char *data, size_t len, size_t count)
{
    char *exact = mem_dup(data, len == 0 ? 1 : len);
    arena_reset(&decoded_arena);
    enum err code = histogram_chunk_decode(slice_from(exact, len), count, &decoded_arena, decoded);
    mem_free(exact);
    return code;
}

static size_t round_trip(size_t count)
{
    buf_reset(&bytes);
    ck_assert_uint_eq(histogram_chunk_fit(histograms, count), count);
    histogram_chunk_encode(histograms, count, &bytes);
    ck_assert_int_eq(decode(bytes.data, bytes.len, count), ERR_NONE);
    for (size_t i = 0; i < count; i++)
        assert_same(histograms[i], decoded[i]);
    return bytes.len;
}

START_TEST(histograms_come_back_to_the_bit)
{
    for (int i = 0; i < 1500; i++) {
        arena_reset(&arena);
        size_t count = 1 + below(below(30) ? 60 : COUNT_MAX);
        random_samples(count);
        round_trip(count);
    }
}
END_TEST

static struct histogram *steady(uint32_t buckets)
{
    struct histogram *histogram = arena_zalloc(&arena, sizeof(*histogram));
    histogram->positive_span_count = 1;
    histogram->positive_spans = arena_zalloc(&arena, sizeof(struct histogram_span));
    histogram->positive_spans[0].length = buckets;
    histogram->positive_bucket_count = buckets;
    histogram->positive_buckets = arena_zalloc_array(&arena, buckets, sizeof(double));
    return histogram;
}

START_TEST(a_bucket_that_stands_still_takes_three_bytes)
{
    struct histogram *histogram = steady(160);
    for (size_t i = 0; i < 120; i++)
        histograms[i] = histogram;
    ck_assert_uint_le(round_trip(120), 160 * 3 + 40);
}
END_TEST

START_TEST(the_count_of_an_integer_histogram_is_free)
{
    for (size_t i = 0; i < 120; i++) {
        struct histogram *histogram = steady(1);
        histogram->positive_buckets[0] = (double)below(1000000);
        histogram->count = histogram->positive_buckets[0];
        histograms[i] = histogram;
    }
    ck_assert_uint_le(round_trip(120), 120 * 20 / 8 + 50);
}
END_TEST

START_TEST(a_chunk_takes_only_what_it_may_hold)
{
    struct histogram *histogram = steady(60000);
    for (size_t i = 0; i < COUNT_MAX; i++)
        histograms[i] = histogram;
    size_t fits = histogram_chunk_fit(histograms, COUNT_MAX);
    ck_assert_uint_lt(fits, COUNT_MAX);
    ck_assert_uint_gt(fits, 30);
    round_trip(fits);
    buf_reset(&bytes);
    histogram_chunk_encode(histograms, fits, &bytes);
    struct arena small;
    arena_init(&small, 100000);
    ck_assert_int_eq(histogram_chunk_decode(buf_slice(&bytes), fits, &small, decoded), ERR_LIMIT);
    arena_release(&small);
}
END_TEST

START_TEST(cut_chunks_are_refused)
{
    for (int i = 0; i < 20; i++) {
        arena_reset(&arena);
        size_t count = 1 + below(20);
        random_samples(count);
        round_trip(count);
        for (size_t len = 0; len < bytes.len; len++)
            ck_assert_int_eq(decode(bytes.data, len, count), ERR_CORRUPT);
        ck_assert_int_eq(decode(bytes.data, bytes.len, count + 1), ERR_CORRUPT);
        ck_assert_int_eq(decode(bytes.data, bytes.len, 0), ERR_CORRUPT);
    }
}
END_TEST

START_TEST(damaged_chunks_do_no_harm)
{
    for (int i = 0; i < 300; i++) {
        arena_reset(&arena);
        size_t count = 1 + below(50);
        random_samples(count);
        round_trip(count);
        for (int k = 0; k < 30; k++) {
            bytes.data[below(MIN(bytes.len, below(2) ? 30 : bytes.len))] = (char)below(256);
            enum err code = decode(bytes.data, bytes.len, count);
            ck_assert(code == ERR_NONE || code == ERR_CORRUPT || code == ERR_LIMIT);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("histogram_chunk");
    TCase *tcase = tcase_create("histogram_chunk");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, histograms_come_back_to_the_bit);
    tcase_add_test(tcase, a_bucket_that_stands_still_takes_three_bytes);
    tcase_add_test(tcase, the_count_of_an_integer_histogram_is_free);
    tcase_add_test(tcase, a_chunk_takes_only_what_it_may_hold);
    tcase_add_test(tcase, cut_chunks_are_refused);
    tcase_add_test(tcase, damaged_chunks_do_no_harm);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
