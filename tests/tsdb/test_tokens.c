/* Values as tokens: every bit pattern comes back, and hostile bytes are refused. */
#include "tsdb/tokens.h"

#include "base/rand.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

static uint64_t random_value(struct rand *rand, uint64_t last)
{
    static const double steps[] = {1, 0.1, 0.01, 0.001, 1e-9, 1000, 1e6};
    switch (rand_below(rand, 10)) {
    case 0:
        return rand_u64(rand);
    case 1:
        return SAMPLE_STALE_BITS;
    case 2:
        return codec_double_bits(rand_below(rand, 2) ? -0.0 : INFINITY);
    case 3:
        return last ^ (rand_u64(rand) & 0xffff) << rand_below(rand, 48);
    default: {
        double step = steps[rand_below(rand, sizeof(steps) / sizeof(*steps))];
        int64_t count = (int64_t)(rand_u64(rand) >> rand_below(rand, 63));
        return codec_double_bits((double)(rand_below(rand, 2) ? count : -count) * step);
    }
    }
}

START_TEST(every_value_comes_back_and_states_agree)
{
    struct rand rand;
    for (uint64_t seed = 0; seed < 300; seed++) {
        rand_init(&rand, seed);
        uint64_t last = 0;
        uint8_t state = 0;
        uint64_t reader_bits = 0;
        uint8_t reader_state = 0;
        for (int i = 0; i < 300; i++) {
            uint64_t bits = random_value(&rand, last);
            uint8_t token[TOKEN_SIZE_MAX];
            size_t len = token_encode(token, last, bits, &state);
            ck_assert_uint_le(len, TOKEN_SIZE_MAX);
            struct token_reader reader = token_reader(token, len);
            token_reader_resume(&reader, reader_bits, reader_state);
            ck_assert_int_eq(token_read(&reader), TOKEN_VALUE);
            ck_assert_ptr_eq(reader.at, reader.end);
            ck_assert_msg(reader.bits == bits, "seed %lu: %016lx is not %016lx",
                          (unsigned long)seed, (unsigned long)reader.bits, (unsigned long)bits);
            reader_bits = reader.bits;
            reader_state = reader.state;
            last = bits;
            /* a reader that begins here gets to the same place */
            len = token_encode_absolute(token, bits, state);
            reader = token_reader(token, len);
            ck_assert_int_eq(token_read(&reader), TOKEN_VALUE);
            ck_assert_uint_eq(reader.bits, bits);
            reader_bits = reader.bits;
            reader_state = reader.state;
        }
    }
}
END_TEST

START_TEST(usual_values_take_a_byte_or_two)
{
    struct {
        double from;
        double to;
        size_t len_max;
    } cases[] = {{100, 101, 1},      {100, 164, 2},         {3.25, 3.26, 1},
                 {1e9, 1e9 + 60, 1}, {1e9, 1e9 + 8000, 2},  {12345.67, 12345.99, 1},
                 {0.001, 0.0625, 3}, {1e12, 1e12 + 5e5, 3}, {17.5, sample_stale(), 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t token[TOKEN_SIZE_MAX];
        uint8_t state = 0;
        uint64_t from = codec_double_bits(cases[i].from);
        uint64_t to = codec_double_bits(cases[i].to);
        token_encode(token, 0, from, &state);
        token_encode(token, from, to, &state);
        size_t len = token_encode(token, to, from, &state);
        len = token_encode(token, from, to, &state);
        ck_assert_msg(len <= cases[i].len_max, "%g to %g takes %zu bytes", cases[i].from,
                      cases[i].to, len);
    }
}
END_TEST

START_TEST(runs_and_gaps_come_back)
{
    static const uint64_t counts[] = {1, 2, 32, 33, 120, 70000, UINT64_MAX};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        uint8_t token[TOKEN_RUN_SIZE_MAX];
        struct token_reader reader = token_reader(token, token_encode_run(token, counts[i]));
        ck_assert_int_eq(token_read(&reader), TOKEN_RUN);
        ck_assert_uint_eq(reader.count, counts[i]);
        reader = token_reader(token, token_encode_gap(token, counts[i]));
        ck_assert_int_eq(token_read(&reader), TOKEN_GAP);
        ck_assert_uint_eq(reader.count, counts[i]);
    }
}
END_TEST

START_TEST(any_bytes_are_read_without_harm)
{
    struct rand rand;
    rand_init(&rand, 7);
    for (int round = 0; round < 20000; round++) {
        uint8_t *bytes = malloc(40);
        size_t len = 1 + rand_below(&rand, 40);
        for (size_t i = 0; i < len; i++)
            bytes[i] =
                (uint8_t)(rand_below(&rand, 3) ? 0xf0 | rand_below(&rand, 16) : rand_u64(&rand));
        struct token_reader reader = token_reader(bytes, len);
        while (reader.at < reader.end && token_read(&reader) != TOKEN_CORRUPT)
            ck_assert(reader.at <= reader.end);
        free(bytes);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokens");
    TCase *tcase = tcase_create("tokens");
    tcase_add_test(tcase, every_value_comes_back_and_states_agree);
    tcase_add_test(tcase, usual_values_take_a_byte_or_two);
    tcase_add_test(tcase, runs_and_gaps_come_back);
    tcase_add_test(tcase, any_bytes_are_read_without_harm);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
