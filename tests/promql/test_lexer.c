/* Text becomes the tokens, and the errors, that the reference's lexer makes of it. */
#include "promql/lexer.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "promql/literal.h"

/* All tokens as messages call them, one space between; an error as its text with its place. */
static void describe_tokens(struct slice text, struct buf *out)
{
    struct errbuf err = ERRBUF_INIT;
    struct lexer lexer;
    lexer_init(&lexer, text, &err);
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (out->len > 0)
            buf_append_byte(out, ' ');
        if (token.kind == TOKEN_ERROR) {
            buf_printf(out, "%u:%u: %s", err.line, err.column, err.text);
            return;
        }
        if (token.kind == TOKEN_EOF)
            buf_printf(out, "end at %u", token.start);
        else
            token_describe(&token, out);
        if (token.kind == TOKEN_EOF)
            return;
    }
}

struct lexed {
    const char *text;
    const char *tokens;
};

static void assert_tokens(const struct lexed *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buf out CLEANUP(buf_release);
        buf_init(&out, 10000);
        describe_tokens(slice_str(cases[i].text), &out);
        struct slice expected = slice_str(cases[i].tokens);
        struct slice is = buf_slice(&out);
        /* an error may have a hint behind it */
        bool hinted = slice_has_prefix(is, expected) &&
                      slice_has_prefix(slice_from_index(is, expected.len), SLICE(": "));
        ck_assert_msg(hinted || slice_eq(is, expected), "%s\n  is       %s\n  expected %s",
                      cases[i].text, buf_cstr(&out), cases[i].tokens);
    }
}

START_TEST(lexer_tells_words_apart)
{
    static const struct lexed cases[] = {
        {"up", "identifier \"up\" end at 2"},
        {"job:up:rate5m :a a:", "metric identifier \"job:up:rate5m\" metric identifier \":a\" "
                                "metric identifier \"a:\" end at 19"},
        {"sum Sum SUMMER", "<aggr:sum> <aggr:Sum> identifier \"SUMMER\" end at 14"},
        {"by BY offset and OR atan2", "<by> <BY> <offset> <op:and> <op:OR> <op:atan2> end at 25"},
        {"start end step range max_of min_of",
         "\"start\" \"end\" \"step\" \"range\" \"max_of\" \"min_of\" end at 34"},
        {"inf NaN Infinity", "number \"inf\" number \"NaN\" identifier \"Infinity\" end at 16"},
        {"fill fill_left (fill)", "identifier \"fill\" <fill_left> \"(\" identifier \"fill\" \")\" "
                                  "end at 21"},
        {"limit_ratio limitk count_values",
         "<aggr:limit_ratio> <aggr:limitk> <aggr:count_values> end at 31"},
    };
    assert_tokens(cases, ARRAY_SIZE(cases));
}
END_TEST

START_TEST(lexer_knows_no_keywords_inside_braces)
{
    static const struct lexed cases[] = {
        {"{by=\"x\",sum!~'y',a=~`z`,b!=\"\"}",
         "\"{\" identifier \"by\" \"=\" string \"\\\"x\\\"\" \",\" identifier \"sum\" <op:!~> "
         "string \"'y'\" \",\" identifier \"a\" <op:=~> string \"`z`\" \",\" identifier \"b\" "
         "<op:!=> string \"\\\"\\\"\" \"}\" end at 30"},
        {"{a # c\n}", "\"{\" identifier \"a\" \"}\" end at 8"},
        {"{1}", "\"{\" 1:2: unexpected character inside braces: '1'"},
        {"{a:b}", "\"{\" identifier \"a\" 1:3: unexpected character inside braces: ':'"},
        {"{", "\"{\" 1:2: unexpected end of input inside braces"},
        {"{a!}", "\"{\" identifier \"a\" 1:3: unexpected character after '!' inside braces: '}'"},
        {"{{", "\"{\" 1:2: unexpected left brace '{'"},
    };
    assert_tokens(cases, ARRAY_SIZE(cases));
}
END_TEST

START_TEST(lexer_takes_numbers_and_durations)
{
    static const struct lexed cases[] = {
        {"1 .5 1e3 0x1F 1_000 010 1E-3",
         "number \"1\" number \".5\" number \"1e3\" number \"0x1F\" "
         "number \"1_000\" number \"010\" number \"1E-3\" end at 28"},
        {"5m 1h30m 100ms 1y1w1d", "duration \"5m\" duration \"1h30m\" duration \"100ms\" "
                                  "duration \"1y1w1d\" end at 21"},
        {"5m)", "duration \"5m\" 1:4: unexpected right parenthesis ')'"},
        {"1.5h", "duration \"1.5h\" end at 4"},
        {"5x", "1:1: bad number or duration syntax: \"5\""},
        {"5mm", "1:1: bad number or duration syntax: \"5mm\""},
        {"1..2", "1:1: bad number or duration syntax: \"1..\""},
        {"1e", "1:1: bad number or duration syntax: \"1e\""},
        {"1__0", "1:1: bad number or duration syntax: \"1__\""},
        {"0x1.5", "1:1: bad number or duration syntax: \"0x1.\""},
    };
    assert_tokens(cases, ARRAY_SIZE(cases));
}
END_TEST

START_TEST(lexer_takes_strings_and_their_escapes)
{
    static const struct lexed cases[] = {
        {"\"a\\n\\x41\\101\\u00fc\\U0001F600\\\"\"",
         "string \"\\\"a\\\\n\\\\x41\\\\1\"... end at 31"},
        {"`a\\q\n`", "string \"`a\\\\q\\n`\" end at 6"},
        {"'a\nb'", "1:1: unterminated quoted string"},
        {"  `a", "1:3: unterminated raw string"},
        {"'\\q'", "1:1: unknown escape sequence U+0071 'q'"},
        {"'\\", "1:1: escape sequence not terminated"},
        {"'\\\"'", "1:1: unknown escape sequence U+0022 '\"'"},
        {"'\\x4g'", "1:1: illegal character U+0067 'g' in escape sequence"},
        {"'\\x4\n'", "1:1: illegal character U+000A in escape sequence"},
        {"'\\400'", "1:1: escape sequence is an invalid Unicode code point"},
        {"'\\ud800'", "1:1: escape sequence is an invalid Unicode code point"},
        {"'\xff'", "1:1: invalid UTF-8 rune"},
        {"'\xef\xbf\xbd'", "string \"'\xef\xbf\xbd'\" end at 5"},
    };
    assert_tokens(cases, ARRAY_SIZE(cases));
}
END_TEST

START_TEST(lexer_expects_durations_inside_brackets)
{
    static const struct lexed cases[] = {
        {"[5m:1m]", "\"[\" duration \"5m\" \":\" duration \"1m\" \"]\" end at 7"},
        {"[ step() + 5m ]", "\"[\" \"step\" \"(\" \")\" <op:+> duration \"5m\" \"]\" end at 15"},
        {"[5m:range()]", "\"[\" duration \"5m\" \":\" \"range\" \"(\" \")\" \"]\" end at 12"},
        {"[foo]", "\"[\" 1:2: unexpected character in duration expression: 'f'"},
        {"[5m foo]", "\"[\" duration \"5m\" 1:5: unexpected character: 'f', expected ':'"},
        {"[:5m]", "\"[\" 1:3: unexpected colon before duration in duration expression"},
        {"[5m::]", "\"[\" duration \"5m\" \":\" 1:5: unexpected colon ':'"},
        {"[5m[", "\"[\" duration \"5m\" 1:4: unexpected left bracket '['"},
        {"[5m", "\"[\" duration \"5m\" 1:4: unclosed left bracket"},
        {"[", "\"[\" 1:2: unexpected end of input in duration expression"},
        {"[# c\n5m]", "\"[\" 1:2: unexpected character in duration expression: '#'"},
        {"[5m # c\n]", "\"[\" duration \"5m\" \"]\" end at 9"},
        {"]", "1:1: unexpected right bracket ']'"},
    };
    assert_tokens(cases, ARRAY_SIZE(cases));
}
END_TEST

START_TEST(lexer_takes_operators_and_skips_comments)
{
    static const struct lexed cases[] = {
        {"+-*/%^@,=", "<op:+> <op:-> <op:*> <op:/> <op:%> <op:^> <op:@> \",\" \"=\" end at 9"},
        {"== != < <= > >= </ >/", "<op:==> <op:!=> <op:<> <op:<=> <op:>> <op:>=> <op:</> <op:>/> "
                                  "end at 21"},
        {"a # b\n# c\r\n\td # e", "identifier \"a\" identifier \"d\" end at 17"},
        {"=~", "1:1: unexpected character after '=': '~'"},
        {"!x", "1:1: unexpected character after '!': 'x'"},
        {"a\n\n  $", "identifier \"a\" 3:3: unexpected character: '$'"},
        {"\xc3\xbc", "1:1: unexpected character: '\xc3\xbc'"},
        {"\xe2\x80\xa8", "1:1: unexpected character: '\\u2028'"},
        {"\x01", "1:1: unexpected character: '\\x01'"},
        {"((", "\"(\" \"(\" 1:3: unclosed left parenthesis"},
    };
    assert_tokens(cases, ARRAY_SIZE(cases));
}
END_TEST

START_TEST(lexer_reports_nothing_behind_an_error)
{
    struct errbuf err = ERRBUF_INIT;
    struct lexer lexer;
    lexer_init(&lexer, SLICE("\" up"), &err);
    ck_assert_int_eq(lexer_next(&lexer).kind, TOKEN_ERROR);
    ck_assert_uint_eq(lexer_next(&lexer).kind, TOKEN_EOF);
}
END_TEST

static void assert_number(const char *text, double expected)
{
    double value;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(literal_number(slice_str(text), &value, &err) == ERR_NONE, "%s", err.text);
    ck_assert_msg(value == expected, "%s is %g", text, value);
}

START_TEST(literal_numbers_have_the_values_of_go)
{
    assert_number("010", 8);
    assert_number("08", 8);
    assert_number("0x1F", 31);
    assert_number("0x1e3", 0x1e3);
    assert_number("1_000", 1000);
    assert_number("0_7", 7);
    assert_number("1_000.5", 1000.5);
    assert_number("9223372036854775807", 9223372036854775807.0);
    assert_number("99999999999999999999", 1e20);
    assert_number("0777777777777777777777777", 777777777777777777777777.0);
    assert_number(".5", 0.5);
    assert_number("1e-3", 0.001);
    double value;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(literal_number(SLICE("1e999"), &value, &err), ERR_INVALID);
    ck_assert_str_eq(err.text, "error parsing number: strconv.ParseFloat: parsing \"1e999\": "
                               "value out of range");
    ck_assert_int_eq(literal_number(SLICE("1_"), &value, &err), ERR_INVALID);
    ck_assert_int_eq(literal_number(SLICE("0x"), &value, &err), ERR_INVALID);
    ck_assert_int_eq(literal_number(SLICE("0xffffffffffffffff"), &value, &err), ERR_INVALID);
}
END_TEST

START_TEST(literal_durations_are_seconds)
{
    double value;
    ck_assert_int_eq(literal_duration(SLICE("1h30m"), &value, NULL), ERR_NONE);
    ck_assert(value == 5400);
    ck_assert_int_eq(literal_duration(SLICE("1500ms"), &value, NULL), ERR_NONE);
    ck_assert(value == 1.5);
    ck_assert_int_eq(literal_duration(SLICE("5m1h"), &value, NULL), ERR_INVALID);
    ck_assert_int_eq(literal_seconds_ms(0.0015), 1);
    ck_assert_int_eq(literal_seconds_ms(-0.0015), -1);
    ck_assert_int_eq(literal_seconds_ms(1e300), INT64_MAX / 1000000);
}
END_TEST

START_TEST(literal_strings_lose_their_escapes)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct slice text =
        literal_string(SLICE("'\\a\\\\\\'\\x41\\101\\xff\\u00fc\\U0001F600.'"), &arena);
    ck_assert(slice_eq_str(text, "\a\\'AA\xff\xc3\xbc\xf0\x9f\x98\x80."));
    ck_assert(slice_eq_str(literal_string(SLICE("`\\a\n`"), &arena), "\\a\n"));
    ck_assert(slice_eq_str(literal_string(SLICE("\"\""), &arena), ""));
    arena_release(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lexer");
    TCase *tcase = tcase_create("lexer");
    tcase_add_test(tcase, lexer_tells_words_apart);
    tcase_add_test(tcase, lexer_knows_no_keywords_inside_braces);
    tcase_add_test(tcase, lexer_takes_numbers_and_durations);
    tcase_add_test(tcase, lexer_takes_strings_and_their_escapes);
    tcase_add_test(tcase, lexer_expects_durations_inside_brackets);
    tcase_add_test(tcase, lexer_takes_operators_and_skips_comments);
    tcase_add_test(tcase, lexer_reports_nothing_behind_an_error);
    tcase_add_test(tcase, literal_numbers_have_the_values_of_go);
    tcase_add_test(tcase, literal_durations_are_seconds);
    tcase_add_test(tcase, literal_strings_lose_their_escapes);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
