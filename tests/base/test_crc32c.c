/* Checksums are those of RFC 3720, in all ways that the processor has. */
#include "base/crc32c.h"

#include "base/rand.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(crc32c_gives_the_values_of_the_rfc)
{
    unsigned char data[32];
    memset(data, 0, sizeof(data));
    ck_assert_uint_eq(crc32c(0, data, sizeof(data)), 0x8a9136aa);
    memset(data, 0xff, sizeof(data));
    ck_assert_uint_eq(crc32c(0, data, sizeof(data)), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        data[i] = (unsigned char)i;
    ck_assert_uint_eq(crc32c(0, data, sizeof(data)), 0x46dd794e);
    ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283);
    ck_assert_uint_eq(crc32c(0, NULL, 0), 0);
}
END_TEST

static void expect_same_in_all_ways(uint32_t seed, const unsigned char *data, size_t len)
{
    uint32_t expected = crc32c(seed, data, len), found;
    size_t ways = 0;
    for (; crc32c_by_way(ways, seed, data, len, &found); ways++) {
        if (found != expected)
            ck_abort_msg("way %zu: %zu bytes", ways, len);
    }
    ck_assert_uint_ge(ways, 1);
}

START_TEST(all_ways_give_the_same_and_continue)
{
    struct rand rand;
    rand_init(&rand, 3);
    unsigned char data[900];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)rand_u64(&rand);
    for (size_t start = 0; start < 8; start++) {
        for (size_t len = 0; start + len <= sizeof(data); len++) {
            uint32_t whole = crc32c(0, data + start, len);
            size_t cut = (size_t)rand_below(&rand, len + 1);
            uint32_t pieces = crc32c(crc32c(0, data + start, cut), data + start + cut, len - cut);
            if (whole != pieces)
                ck_abort_msg("start %zu len %zu cut %zu", start, len, cut);
            expect_same_in_all_ways(0, data + start, len);
        }
    }
}
END_TEST

START_TEST(long_runs_are_the_same)
{
    struct rand rand;
    rand_init(&rand, 4);
    static unsigned char data[20000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)rand_u64(&rand);
    for (int i = 0; i < 300; i++) {
        size_t start = (size_t)rand_below(&rand, 4000);
        size_t len = (size_t)rand_below(&rand, sizeof(data) - start + 1);
        uint32_t seed = (uint32_t)rand_u64(&rand);
        expect_same_in_all_ways(seed, data + start, len);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crc32c");
    TCase *tcase = tcase_create("crc32c");
    tcase_add_test(tcase, crc32c_gives_the_values_of_the_rfc);
    tcase_add_test(tcase, all_ways_give_the_same_and_continue);
    tcase_add_test(tcase, long_runs_are_the_same);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
