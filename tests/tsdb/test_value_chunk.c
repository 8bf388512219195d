/* Sealed values come back to the bit, are small where they should be, and damage is noticed. */
#include "tsdb/value_chunk.h"

#include "base/alloc.h"
#include "base/rand.h"
#include "model/sample.h"
#include "tsdb/column_kernels.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNKS_RANDOM 60000

static struct rand rand_state;
static struct buf bytes;
static double values[VALUE_CHUNK_COUNT_MAX];
static double decoded[VALUE_CHUNK_COUNT_MAX];

static void setup(void)
{
    rand_init(&rand_state, 7);
    buf_init(&bytes, BUF_SIZE_ANY);
}

static void teardown(void)
{
    buf_release(&bytes);
}

static uint64_t below(uint64_t bound)
{
    return rand_below(&rand_state, bound);
}

static double from_bits(uint64_t bits)
{
    return codec_bits_double(bits);
}

static double special_value(void)
{
    static const uint64_t specials[] = {
        SAMPLE_STALE_BITS,
        0x7ff8000000000001,
        0xfff8000000000abc,
        0x8000000000000000,
        0x7ff0000000000000,
        0xfff0000000000000,
        1,
        0x800fffffffffffff,
        0x7fefffffffffffff,
        0x4340000000000001,
        0xc340000000000003,
        0x7ff8000000000000,
        0,
        0x4320000000000000,
        0xc320000000000000,
        0xffffffffffffffff,
    };
    return from_bits(specials[below(sizeof(specials) / sizeof(specials[0]))]);
}

/* One of many ways to go on from a value. */
static double next_value(unsigned shape, double last, double power)
{
    switch (shape) {
    case 0:
        return last;
    case 1:
        return last + (double)below(3);
    case 2:
        return (double)(int64_t)(below(2000) - 1000) / power;
    case 3:
        return (round(last * power) + (double)below(100)) / power;
    case 4:
        return from_bits(rand_u64(&rand_state));
    case 5:
        return rand_double(&rand_state) * 1000 - 300;
    case 6:
        return last + rand_double(&rand_state);
    case 7:
        return (double)(rand_u64(&rand_state) >> below(64)) / power;
    case 8:
        return last + (double)(below(50) == 0 ? below(1000000) : 4096 * below(9));
    case 9:
        return from_bits(codec_double_bits(last) + below(9) - 4);
    case 10:
        return below(100) == 0 ? 0 : last + 15;
    case 11:
        return last + (double)below(100000) * 1e-6;
    case 12:
        return (double)below(1000000) * 0.001;
    default:
        return -fabs(last) - 0.1;
    }
}

static size_t random_count(void)
{
    switch (below(8)) {
    case 0:
        return 1 + below(9);
    case 1:
        return below(20) == 0 ? 1 + below(4000) : 1 + below(600);
    default:
        return 1 + below(140);
    }
}

static void random_chunk(size_t count)
{
    unsigned shape = (unsigned)below(14);
    unsigned other = (unsigned)below(14);
    uint64_t mixing = below(3) == 0 ? 1 + below(60) : 0;
    uint64_t specials = below(3) == 0 ? 1 + below(100) : 0;
    double power = pow(10, (double)below(19));
    double last = below(2) ? 0 : (double)below(1000000000) / power;
    for (size_t i = 0; i < count; i++) {
        last = next_value(mixing > 0 && below(mixing) == 0 ? other : shape, last, power);
        values[i] = specials > 0 && below(specials) == 0 ? special_value() : last;
        if (specials > 0 && i > 0 && below(4) == 0)
            values[i] = values[i - 1];
    }
}

/* A part of what was just decoded from `exact`. */
static void check_part(struct slice exact, size_t count)
{
    static double part[VALUE_CHUNK_COUNT_MAX];
    size_t low = below(count), high = low + 1 + below(below(3) == 0 ? 1 : count - low);
    ck_assert_int_eq(value_chunk_decode_part(exact, count, low, high, part), ERR_NONE);
    ck_assert_mem_eq(part, decoded + low, (high - low) * sizeof(*part));
}

static void check_round_trip(size_t count)
{
    buf_reset(&bytes);
    value_chunk_encode(values, count, &bytes);
    ck_assert_uint_le(bytes.len, count * 9 + 64);
    /* an exact allocation, so that a read beyond the end is seen */
    char *exact = mem_dup(bytes.data, bytes.len);
    memset(decoded, 0x5a, count * sizeof(*decoded));
    ck_assert_int_eq(value_chunk_decode(slice_from(exact, bytes.len), count, decoded), ERR_NONE);
    check_part(slice_from(exact, bytes.len), count);
    ck_assert_mem_eq(values, decoded, count * sizeof(*values));
    mem_free(exact);
}

START_TEST(random_values_come_back_to_the_bit)
{
    for (int i = 0; i < CHUNKS_RANDOM; i++) {
        size_t count = random_count();
        random_chunk(count);
        check_round_trip(count);
    }
}
END_TEST

START_TEST(both_builds_of_the_loops_give_the_same_bits)
{
    const struct column_kernels *chosen = column_kernels();
    const struct column_kernels *plain = column_kernels_plain();
    uint64_t integers[256 + COLUMN_SLACK];
    double other[256];
    for (int i = 0; i < 5000; i++) {
        unsigned exponent = (unsigned)below(18);
        for (size_t k = 0; k < 256; k++)
            integers[k] = (uint64_t)((int64_t)rand_u64(&rand_state) >> (13 + below(51)));
        chosen->decimals(integers, 256, exponent, decoded);
        plain->decimals(integers, 256, exponent, other);
        ck_assert_mem_eq(decoded, other, sizeof(other));
        for (size_t k = 0; k < 256; k++)
            ck_assert(decoded[k] == (double)(int64_t)integers[k] / pow(10, exponent));
    }
    for (size_t count = 0; count < 30; count++) {
        uint64_t steps[30], step = rand_u64(&rand_state);
        double sums[30];
        for (size_t k = 0; k < 30; k++) {
            other[k] = (double)below(1000);
            sums[k] = other[k] / 4;
            steps[k] = 0;
        }
        chosen->steps(7, step, count, steps);
        chosen->add(other, count, sums);
        for (size_t k = 0; k < 30; k++) {
            ck_assert_uint_eq(steps[k], k < count ? 7 + k * step : 0);
            ck_assert(sums[k] == other[k] / 4 + (k < count ? other[k] : 0));
        }
    }
    for (unsigned width = 1; width <= 64; width++) {
        uint8_t packed[4 * 64 + COLUMN_READ_SLACK];
        uint64_t first[32];
        uint64_t second[32];
        for (size_t k = 0; k < sizeof(packed); k++)
            packed[k] = (uint8_t)below(256);
        chosen->unpack(packed, width, 4, first);
        plain->unpack(packed, width, 4, second);
        ck_assert_mem_eq(first, second, sizeof(first));
        uint64_t sum = 0;
        for (size_t k = 0; k < 32; k++)
            sum += first[k];
        ck_assert_uint_eq(chosen->sum(packed, width, 4), sum);
        ck_assert_uint_eq(plain->sum(packed, width, 4), sum);
    }
}
END_TEST

static size_t encoded_size(size_t count)
{
    check_round_trip(count);
    return bytes.len;
}

START_TEST(a_constant_takes_a_few_bytes)
{
    for (size_t i = 0; i < 480; i++)
        values[i] = 0.25;
    ck_assert_uint_le(encoded_size(480), 4);
    for (size_t i = 0; i < 480; i++)
        values[i] = 1.0 / 3;
    ck_assert_uint_le(encoded_size(480), 10);
    for (size_t i = 0; i < 480; i++)
        values[i] = sample_stale();
    ck_assert_uint_le(encoded_size(480), 10);
}
END_TEST

START_TEST(a_steady_counter_takes_a_few_bytes)
{
    for (size_t i = 0; i < 480; i++)
        values[i] = 1e6 + 15 * (double)i;
    ck_assert_uint_le(encoded_size(480), 10);
    for (size_t i = 400; i < 480; i++)
        values[i] = sample_stale();
    ck_assert_uint_le(encoded_size(480), 26);
}
END_TEST

START_TEST(a_decimal_takes_the_bits_of_its_digits)
{
    for (size_t i = 0; i < 480; i++)
        values[i] = (double)below(1024) / 100;
    ck_assert_uint_le(encoded_size(480), 480 * 10 / 8 + 12);
    values[100] = 1.0 / 3; /* one stray value does not spoil it */
    values[101] = INFINITY;
    ck_assert_uint_le(encoded_size(480), 480 * 10 / 8 + 40);
}
END_TEST

START_TEST(decimals_that_were_computed_pay_for_their_rounding_only)
{
    for (size_t i = 0; i < 480; i++)
        values[i] = (double)below(1024) * 0.001; /* not always what 0.123 is */
    ck_assert_uint_le(encoded_size(480), 480 * 12 / 8 + 30);
    values[0] = 0.123456789;
    for (size_t i = 1; i < 480; i++)
        values[i] = values[i - 1] + (double)below(1 << 20) / 1e9;
    ck_assert_uint_le(encoded_size(480), 480 * 30 / 8);
    values[7] = sample_stale();
    values[9] = -0.0;
    ck_assert_uint_le(encoded_size(480), 480 * 30 / 8 + 20);
}
END_TEST

START_TEST(multiples_of_a_page_do_not_pay_for_it)
{
    for (size_t i = 0; i < 480; i++)
        values[i] = 8e9 + 4096 * (double)below(256);
    ck_assert_uint_le(encoded_size(480), 480 + 20);
}
END_TEST

START_TEST(cut_chunks_are_refused)
{
    for (int i = 0; i < 60; i++) {
        size_t count = 2 + below(200);
        random_chunk(count);
        check_round_trip(count);
        for (size_t len = 0; len < bytes.len; len++) {
            char *exact = mem_dup(bytes.data, len + 1);
            ck_assert_int_eq(value_chunk_decode(slice_from(exact, len), count, decoded),
                             ERR_CORRUPT);
            mem_free(exact);
        }
        buf_append_byte(&bytes, 0);
        ck_assert_int_eq(value_chunk_decode(buf_slice(&bytes), count, decoded), ERR_CORRUPT);
    }
    ck_assert_int_eq(value_chunk_decode(buf_slice(&bytes), 0, decoded), ERR_CORRUPT);
    ck_assert_int_eq(value_chunk_decode(buf_slice(&bytes), VALUE_CHUNK_COUNT_MAX + 1, decoded),
                     ERR_CORRUPT);
}
END_TEST

START_TEST(damaged_chunks_do_no_harm)
{
    for (int i = 0; i < 3000; i++) {
        size_t count = random_count();
        random_chunk(count);
        check_round_trip(count);
        for (int k = 0; k < 20; k++) {
            size_t at = below(MIN(bytes.len, below(2) ? 16 : bytes.len));
            bytes.data[at] = (char)below(256);
            char *exact = mem_dup(bytes.data, bytes.len);
            enum err code = value_chunk_decode(slice_from(exact, bytes.len), count, decoded);
            ck_assert(code == ERR_NONE || code == ERR_CORRUPT);
            mem_free(exact);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("value_chunk");
    TCase *tcase = tcase_create("value_chunk");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, random_values_come_back_to_the_bit);
    tcase_add_test(tcase, both_builds_of_the_loops_give_the_same_bits);
    tcase_add_test(tcase, a_constant_takes_a_few_bytes);
    tcase_add_test(tcase, a_steady_counter_takes_a_few_bytes);
    tcase_add_test(tcase, a_decimal_takes_the_bits_of_its_digits);
    tcase_add_test(tcase, decimals_that_were_computed_pay_for_their_rounding_only);
    tcase_add_test(tcase, multiples_of_a_page_do_not_pay_for_it);
    tcase_add_test(tcase, cut_chunks_are_refused);
    tcase_add_test(tcase, damaged_chunks_do_no_harm);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
