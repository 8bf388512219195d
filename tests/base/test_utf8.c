/* Well-formed UTF-8 and nothing else is valid. */
#include "base/utf8.h"

#include "base/compiler.h"

#include <check.h>
#include <stdlib.h>

START_TEST(utf8_refuses_what_is_ill_formed)
{
    static const char *const good[] = {
        "", "ascii only, longer than eight bytes", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
        "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
        ("12345678\xc3\xa9" "12345678"),
    };
    static const char *const bad[] = {
        "\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
        "\xe2\x82", "\xf0\x9f\x98", "12345678\xc3", "1234567\xff",
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        ck_assert_msg(utf8_valid(slice_str(good[i])), "good %zu", i);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        ck_assert_msg(!utf8_valid(slice_str(bad[i])), "bad %zu", i);
    ck_assert(utf8_valid(slice_from("a\0b", 3)));
}
END_TEST

START_TEST(utf8_every_code_point_survives_encoding)
{
    for (uint32_t rune = 0; rune <= 0x10FFFF; rune++) {
        if (rune == 0xD800)
            rune = 0xE000;
        char text[4];
        size_t len = utf8_encode(rune, text);
        uint32_t back = 0;
        struct slice encoded = slice_from(text, len);
        /* a check counts as a message to the parent: only failures are worth one */
        if (utf8_decode(encoded, &back) != len || back != rune || !utf8_valid(encoded))
            ck_abort_msg("U+%04X", rune);
    }
}
END_TEST

START_TEST(utf8_invalid_bytes_decode_one_by_one)
{
    uint32_t rune = 0;
    ck_assert_uint_eq(utf8_decode(SLICE("\xe2\x82"), &rune), 1);
    ck_assert_uint_eq(rune, 0xFFFD);
    ck_assert_uint_eq(utf8_decode(SLICE_EMPTY, &rune), 0);
    char text[4];
    ck_assert_uint_eq(utf8_encode(0xD800, text), 3);
    ck_assert_mem_eq(text, "\xef\xbf\xbd", 3);
    ck_assert_uint_eq(utf8_encode(0x110000, text), 3);
    ck_assert_uint_eq(utf8_count(SLICE("a\xc3\xa9\xe2\x82\xac\xff\xf0\x9f\x98\x80")), 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("utf8");
    TCase *tcase = tcase_create("utf8");
    tcase_add_test(tcase, utf8_refuses_what_is_ill_formed);
    tcase_add_test(tcase, utf8_every_code_point_survives_encoding);
    tcase_add_test(tcase, utf8_invalid_bytes_decode_one_by_one);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
