/* Quoting is Go's strconv.Quote. */
#include "model/quote.h"

#include <check.h>
#include <stdlib.h>

static void assert_quoted(struct slice text, const char *expected)
{
    struct buf out;
    buf_init(&out, 1000);
    quote_go(text, &out);
    ck_assert_str_eq(buf_cstr(&out), expected);
    buf_release(&out);
}

START_TEST(quote_escapes_what_cannot_be_read)
{
    assert_quoted(SLICE_EMPTY, "\"\"");
    assert_quoted(SLICE("plain text"), "\"plain text\"");
    assert_quoted(SLICE("a\"b\\c"), "\"a\\\"b\\\\c\"");
    assert_quoted(SLICE("\a\b\f\n\r\t\v"), "\"\\a\\b\\f\\n\\r\\t\\v\"");
    assert_quoted(SLICE("x\0\x1f\x7f"), "\"x\\x00\\x1f\\x7f\"");
    assert_quoted(SLICE("\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80"),
                  "\"\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80\"");
    assert_quoted(SLICE("\xff\xc3"), "\"\\xff\\xc3\"");
    /* no-break space, zero width space, byte order mark, a private code point above 16 bits */
    assert_quoted(SLICE("\xc2\xa0\xe2\x80\x8b\xef\xbb\xbf\xf3\xb0\x80\x80"),
                  "\"\\u00a0\\u200b\\ufeff\\U000f0000\"");
    /* the replacement character itself is no error */
    assert_quoted(SLICE("\xef\xbf\xbd"), "\"\xef\xbf\xbd\"");
}
END_TEST

START_TEST(quote_knows_printable_code_points)
{
    ck_assert(quote_is_printable(' '));
    ck_assert(!quote_is_printable(0x7f));
    ck_assert(!quote_is_printable(0xad));
    ck_assert(quote_is_printable(0x4e2d));
    ck_assert(!quote_is_printable(0x0378));
    ck_assert(!quote_is_printable(0x10ffff));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quote");
    TCase *tcase = tcase_create("quote");
    tcase_add_test(tcase, quote_escapes_what_cannot_be_read);
    tcase_add_test(tcase, quote_knows_printable_code_points);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
