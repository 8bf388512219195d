/* Tokens in bits: every token comes back, contexts stay in step, and hostile bytes are refused. */
#include "tsdb/token_packing.h"

#include "base/rand.h"
#include "tsdb/tokens.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT 2000

struct packed {
    uint8_t tokens[COUNT][TOKEN_SIZE_MAX];
    size_t lens[COUNT];
    uint8_t bytes[COUNT * TOKEN_PACKED_SIZE_MAX + TOKEN_PACKED_SLACK];
    size_t size;
};

/* A difference of some bits, or now and then a token of another kind. */
static size_t random_token(struct rand *rand, unsigned bits, bool negative, uint8_t *out)
{
    uint8_t state = TOKEN_STATE_KNOWN;
    switch (rand_below(rand, 50)) {
    case 0:
        return token_encode(out, 0, rand_u64(rand), &state);
    case 1:
        return token_encode(out, 0, SAMPLE_STALE_BITS, &state);
    case 2:
        bits = (unsigned)rand_below(rand, 53);
        break;
    default:
        break;
    }
    uint64_t value = bits == 0 ? 0 : rand_u64(rand) >> (64 - bits);
    return token_encode_difference(out, value << 1 | (negative && rand_below(rand, 2)));
}

static void pack(struct packed *packed, size_t streams)
{
    struct token_context contexts[8] = {0};
    struct token_packer packer = token_packer(packed->bytes);
    for (size_t i = 0; i < COUNT; i++)
        token_pack(&packer, &contexts[i % streams], packed->tokens[i], packed->lens[i]);
    packed->size = (size_t)(token_packer_end(&packer) - packed->bytes);
}

static void expect_all(const struct packed *packed, size_t streams)
{
    struct token_context contexts[8] = {0};
    struct token_unpacker unpacker = {.data = packed->bytes, .size = packed->size};
    for (size_t i = 0; i < COUNT; i++) {
        struct token_unpacked out;
        uint8_t token[TOKEN_SIZE_MAX];
        enum token_packed kind = token_unpack(&unpacker, &contexts[i % streams], &out);
        if (kind == TOKEN_PACKED_CORRUPT)
            ck_abort_msg("token %zu is refused", i);
        const uint8_t *found = out.token;
        if (kind == TOKEN_PACKED_DIFFERENCE) {
            out.len = token_encode_difference(token, out.zigzag);
            found = token;
        }
        if (out.len != packed->lens[i] || memcmp(found, packed->tokens[i], out.len) != 0)
            ck_abort_msg("token %zu is another", i);
    }
    ck_assert_uint_eq(token_unpacker_size(&unpacker), packed->size);
}

START_TEST(every_token_comes_back)
{
    static struct packed packed;
    struct rand rand;
    for (uint64_t seed = 0; seed < 100; seed++) {
        rand_init(&rand, seed);
        size_t streams = 1 + rand_below(&rand, 8);
        unsigned bits[8];
        bool negative[8];
        for (size_t i = 0; i < 8; i++) {
            bits[i] = (unsigned)rand_below(&rand, 53);
            negative[i] = rand_below(&rand, 2) != 0;
        }
        for (size_t i = 0; i < COUNT; i++)
            packed.lens[i] = random_token(&rand, bits[i % streams], negative[i % streams],
                                          packed.tokens[i]);
        pack(&packed, streams);
        expect_all(&packed, streams);
    }
}
END_TEST

/* Of values below 2^bits, evenly spread, no code needs less than their bits. */
START_TEST(a_counter_takes_hardly_more_than_its_bits)
{
    static struct packed packed;
    struct rand rand;
    rand_init(&rand, 3);
    for (unsigned bits = 1; bits < 40; bits++) {
        for (size_t i = 0; i < COUNT; i++) {
            uint64_t value = rand_u64(&rand) >> (64 - bits);
            packed.lens[i] = token_encode_difference(packed.tokens[i], value << 1);
        }
        pack(&packed, 1);
        ck_assert_msg((double)packed.size * 8 < COUNT * (bits + 0.75), "%u bits: %zu bytes", bits,
                      packed.size);
    }
}
END_TEST

START_TEST(what_is_cut_short_is_refused)
{
    static struct packed packed;
    struct rand rand;
    rand_init(&rand, 5);
    for (size_t i = 0; i < COUNT; i++)
        packed.lens[i] = random_token(&rand, 20, true, packed.tokens[i]);
    pack(&packed, 2);
    struct token_context contexts[2] = {0};
    struct token_unpacker unpacker = {.data = packed.bytes, .size = packed.size / 2};
    size_t count = 0;
    struct token_unpacked out;
    while (count < COUNT &&
           token_unpack(&unpacker, &contexts[count % 2], &out) != TOKEN_PACKED_CORRUPT)
        count++;
    ck_assert_uint_gt(count, COUNT / 3);
    ck_assert_uint_lt(count, COUNT * 2 / 3);
}
END_TEST

START_TEST(any_bytes_are_read_without_harm)
{
    struct rand rand;
    rand_init(&rand, 7);
    for (int round = 0; round < 20000; round++) {
        size_t size = 1 + rand_below(&rand, 40);
        uint8_t *bytes = malloc(size);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(rand_below(&rand, 3) ? 0xff : rand_u64(&rand));
        struct token_context context = {0};
        struct token_unpacker unpacker = {.data = bytes, .size = size};
        struct token_unpacked out;
        while (token_unpack(&unpacker, &context, &out) != TOKEN_PACKED_CORRUPT) {
            if (token_unpacker_size(&unpacker) > size)
                ck_abort_msg("a token ends behind the bytes");
        }
        free(bytes);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token_packing");
    TCase *tcase = tcase_create("token_packing");
    tcase_add_test(tcase, every_token_comes_back);
    tcase_add_test(tcase, a_counter_takes_hardly_more_than_its_bits);
    tcase_add_test(tcase, what_is_cut_short_is_refused);
    tcase_add_test(tcase, any_bytes_are_read_without_harm);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
