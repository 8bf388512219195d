/*
 * Arithmetic over histograms made of the input's bytes: any layout, any number. Whatever goes in,
 * what comes out has spans that fit its buckets; and where only valid histograms go in, those that
 * come out of sums, compaction and lower resolution are valid as well.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "model/histogram_arithmetic.h"
#include "model/histogram_statistics.h"

#define SPANS_MAX 6
#define SPAN_LENGTH_MAX 9
#define BOUNDS_MAX 8

struct input {
    const uint8_t *at;
    const uint8_t *end;
    struct arena *arena;
    bool hostile; /* also what no valid histogram has */
};

static uint8_t take(struct input *input)
{
    return input->at < input->end ? *input->at++ : 0;
}

static double take_count(struct input *input)
{
    uint8_t byte = take(input);
    if (byte < 0xc0)
        return byte & 0x3f;
    if (byte < 0xe0)
        return ldexp(byte, 8 * (byte & 0xf));
    if (!input->hostile)
        return 0.1 * byte;
    double value = 0;
    uint8_t bytes[sizeof(value)];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = take(input);
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static int32_t take_offset(struct input *input, bool first, bool custom)
{
    int32_t offset = take(input) & 7;
    if (custom)
        return offset & 1;
    if (first)
        return (offset - 4) * (take(input) + 1);
    if (input->hostile && offset == 7)
        return INT32_MAX - take(input);
    return offset;
}

/* `room`: how many buckets there may be from the first index on; custom buckets end. */
static void take_side(struct input *input, bool custom, uint32_t room, struct histogram_span **out,
                      uint32_t *out_count, double **out_buckets, uint32_t *out_bucket_count)
{
    uint32_t count = take(input) % (SPANS_MAX + 1);
    struct histogram_span *spans = arena_alloc_array(input->arena, count, sizeof(*spans));
    uint32_t used = 0, bucket_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        spans[i].offset = take_offset(input, i == 0, custom);
        spans[i].length = take(input) % (SPAN_LENGTH_MAX + 1);
        used += custom ? (uint32_t)spans[i].offset + spans[i].length : 0;
        if (used > room) {
            count = i;
            break;
        }
        bucket_count += spans[i].length;
    }
    double *buckets = arena_alloc_array(input->arena, bucket_count, sizeof(*buckets));
    for (uint32_t i = 0; i < bucket_count; i++)
        buckets[i] = take_count(input);
    *out = spans;
    *out_count = count;
    *out_buckets = buckets;
    *out_bucket_count = bucket_count;
}

static struct histogram *take_histogram(struct input *input)
{
    struct histogram *histogram = arena_zalloc(input->arena, sizeof(*histogram));
    uint8_t kind = take(input);
    bool custom = kind % 4 == 3;
    histogram->is_float = true;
    histogram->reset_hint = (enum histogram_reset_hint)(kind >> 2 & 3);
    histogram->schema = custom ? HISTOGRAM_SCHEMA_CUSTOM : (int32_t)(take(input) % 13) - 4;
    histogram->count = take_count(input);
    histogram->sum = take_count(input) - take_count(input);
    if (custom) {
        histogram->custom_bound_count = take(input) % (BOUNDS_MAX + 1);
        histogram->custom_bounds = arena_alloc_array(input->arena, BOUNDS_MAX, sizeof(double));
        double bound = -2;
        for (uint32_t i = 0; i < histogram->custom_bound_count; i++)
            histogram->custom_bounds[i] = bound += 1 + (take(input) & 1);
    } else {
        histogram->zero_threshold = take_count(input) / 8;
        histogram->zero_count = take_count(input);
        take_side(input, false, 0, &histogram->negative_spans, &histogram->negative_span_count,
                  &histogram->negative_buckets, &histogram->negative_bucket_count);
    }
    take_side(input, custom, histogram->custom_bound_count + 1, &histogram->positive_spans,
              &histogram->positive_span_count, &histogram->positive_buckets,
              &histogram->positive_bucket_count);
    return histogram;
}

static void check_side(const struct histogram_span *spans, uint32_t count, uint32_t bucket_count)
{
    uint64_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(i == 0 || spans[i].offset >= 0);
        length += spans[i].length;
    }
    ASSERT(length == bucket_count);
}

/* A threshold of NaN is the one number that is compared as a number. */
static bool equal(const struct histogram *a, const struct histogram *b)
{
    return histogram_same_values(a, b) || isnan(a->zero_threshold);
}

static void check(const struct histogram *histogram, bool valid)
{
    check_side(histogram->positive_spans, histogram->positive_span_count,
               histogram->positive_bucket_count);
    check_side(histogram->negative_spans, histogram->negative_span_count,
               histogram->negative_bucket_count);
    if (valid)
        ASSERT(histogram_validate(histogram, NULL) == ERR_NONE);
    ASSERT(equal(histogram, histogram));
}

static void check_one(struct arena *arena, const struct histogram *histogram, double number,
                      bool valid)
{
    struct histogram *compact = histogram_compact(arena, histogram, 0);
    check(compact, valid);
    for (uint32_t i = 0; i < compact->positive_bucket_count; i++)
        ASSERT(compact->positive_buckets[i] != 0);
    ASSERT(equal(compact, histogram_compact(arena, compact, 0)));
    check(histogram_compact(arena, histogram, 3), valid);
    check(histogram_multiply(arena, histogram, number), false);
    check(histogram_divide(arena, histogram, number), false);
    check(histogram_trim(arena, histogram, number - 8, true), false);
    check(histogram_trim(arena, histogram, number - 8, false), false);
    for (int32_t schema = HISTOGRAM_SCHEMA_MIN; schema <= histogram->schema; schema++)
        check(histogram_at_schema(arena, histogram, schema), valid);
    enum histogram_note note;
    double value = histogram_quantile(histogram, number / 64, &note);
    value += histogram_fraction(histogram, -number, number, &note);
    value += histogram_standard_deviation(histogram);
    (void)value;
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, 1 << 16);
    histogram_print(histogram, &text);
    ASSERT(text.len > 0);
}

static void check_pair(struct arena *arena, const struct histogram *a, const struct histogram *b,
                       bool valid)
{
    struct histogram *sum;
    bool mixed = (a->schema == HISTOGRAM_SCHEMA_CUSTOM) != (b->schema == HISTOGRAM_SCHEMA_CUSTOM);
    enum err code = histogram_add(arena, a, b, &sum, NULL);
    ASSERT(code == (mixed ? ERR_INVALID : ERR_NONE));
    (void)histogram_is_reset(a, b);
    if (mixed)
        return;
    check(sum, valid);
    histogram_compact_in_place(arena, sum);
    check(sum, valid);
    ASSERT(histogram_subtract(arena, a, b, &sum, NULL) == ERR_NONE);
    check(sum, false);
}

static void check_sums(struct arena *arena, struct histogram *const *histograms, size_t count,
                       bool valid)
{
    for (int average = 0; average < 2; average++) {
        struct histogram_sum sum;
        histogram_sum_init(&sum, arena, average);
        for (int round = 0; round < 2; round++) {
            histogram_sum_reset(&sum);
            for (size_t i = 0; i < count; i++) {
                if (histogram_sum_add(&sum, histograms[i]) == ERR_NONE)
                    check(histogram_sum_finish(&sum, arena), valid);
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, (size_t)1 << 28);
    struct input input = {data, data + size, &arena, false};
    input.hostile = take(&input) & 1;
    double number = take_count(&input);
    struct histogram *histograms[3];
    for (size_t i = 0; i < 3; i++)
        histograms[i] = take_histogram(&input);
    for (size_t i = 0; i < 3; i++) {
        bool valid = !input.hostile;
        if (valid)
            ASSERT(histogram_validate(histograms[i], NULL) == ERR_NONE);
        check_one(&arena, histograms[i], number, valid);
        check_pair(&arena, histograms[i], histograms[(i + 1) % 3], valid);
    }
    check_sums(&arena, histograms, 3, !input.hostile);
    arena_release(&arena);
    return 0;
}
