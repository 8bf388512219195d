/* Expressions match as Go's do, and their errors have Go's words. */
#include "base/regex.h"

#include "base/rand.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

static struct regex *compiled(const char *pattern)
{
    struct regex *regex = NULL;
    struct errbuf err = ERRBUF_INIT;
    enum err code = regex_new(slice_str(pattern), &regex, &err);
    ck_assert_msg(code == ERR_NONE, "%s: %s", pattern, err.text);
    return regex;
}

static bool matches(const char *pattern, const char *text)
{
    struct regex *regex = compiled(pattern);
    bool found = regex_match(regex, slice_str(text));
    regex_free(regex);
    return found;
}

START_TEST(regex_is_anchored_at_both_ends)
{
    ck_assert(matches("a.c", "abc"));
    ck_assert(!matches("a.c", "xabc"));
    ck_assert(!matches("a.c", "abcx"));
    ck_assert(matches("a|bc", "bc"));
    ck_assert(!matches("a|bc", "abc"));
    ck_assert(matches("", ""));
    ck_assert(!matches("", "x"));
    ck_assert(matches("^a$", "a"));
}
END_TEST

START_TEST(regex_dot_matches_newline)
{
    ck_assert(matches("a.*b", "a\n\nb"));
    ck_assert(matches("(?i)ABC", "aBc"));
    ck_assert(!matches("(?-s)a.b", "a\nb"));
}
END_TEST

START_TEST(regex_unanchored_finds_a_part)
{
    struct regex *regex = NULL;
    ck_assert_int_eq(regex_new_unanchored(SLICE("b+"), &regex, NULL), ERR_NONE);
    struct regex_match match;
    ck_assert(regex_match_groups(regex, SLICE("aabbbcc"), &match));
    ck_assert(slice_eq_str(match.groups[0], "bbb"));
    ck_assert(!regex_match(regex, SLICE("xyz")));
    regex_free(regex);
}
END_TEST

START_TEST(regex_errors_have_the_words_of_go)
{
    static const char *const cases[][2] = {
        {"(a", "error parsing regexp: missing closing ): `(a`"},
        {"a)", "error parsing regexp: unexpected ): `a)`"},
        {"[a", "error parsing regexp: missing closing ]: `[a`"},
        {"*", "error parsing regexp: missing argument to repetition operator: `*`"},
        {"a**", "error parsing regexp: invalid nested repetition operator: `**`"},
        {"a{1001}", "error parsing regexp: invalid repeat count: `{1001}`"},
        {"\\", "error parsing regexp: trailing backslash at end of expression: ``"},
        {"\\y", "error parsing regexp: invalid escape sequence: `\\y`"},
        {"[b-a]", "error parsing regexp: invalid character class range: `b-a`"},
        {"(?z)", "error parsing regexp: invalid or unsupported Perl syntax: `(?z`"},
        {"(?P<1-2>a)", "error parsing regexp: invalid named capture: `(?P<1-2>`"},
        {"(?<1-2>a)", "error parsing regexp: invalid named capture: `(?<1-2>`"},
        {"(?<a>b", "error parsing regexp: missing closing ): `(?<a>b`"},
        {"a\\C", "error parsing regexp: invalid escape sequence: `\\C`"},
        {"[\\C]", "error parsing regexp: invalid escape sequence: `\\C`"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct regex *regex = NULL;
        struct errbuf err = ERRBUF_INIT;
        ck_assert_int_eq(regex_new(slice_str(cases[i][0]), &regex, &err), ERR_INVALID);
        ck_assert_str_eq(err.text, cases[i][1]);
        ck_assert_ptr_null(regex);
    }
}
END_TEST

START_TEST(regex_understands_both_spellings_of_named_groups)
{
    struct regex *regex = compiled("(?<host>[^:]+):(?P<port>\\d+)");
    struct regex_match match;
    ck_assert(regex_match_groups(regex, SLICE("db1:9090"), &match));
    ck_assert_uint_eq(match.group_count, 3);
    struct buf out CLEANUP(buf_release);
    buf_init(&out, 100);
    regex_expand(regex, SLICE("$port-${host}"), &match, &out);
    ck_assert_str_eq(buf_cstr(&out), "9090-db1");
    regex_free(regex);
    /* what looks like a group inside of brackets, quotes or behind a backslash is none */
    ck_assert(matches("[(?<a>]+", "(?<a>"));
    ck_assert(matches("[](?<]+", "](?<"));
    ck_assert(matches("\\Q(?<a>\\E", "(?<a>"));
    ck_assert(matches("\\(?<a>", "(<a>"));
    ck_assert(matches("[[:alpha:](?<]+", "a(?<"));
    ck_assert(matches("\\\\C", "\\C"));
    ck_assert(matches("\\Q\\C\\E", "\\C"));
}
END_TEST

static void expect_expansion(const char *template_text, const char *want)
{
    struct regex *regex = compiled("(?P<first>a+)(b+)(c)?(?P<second>d*)");
    struct regex_match match;
    ck_assert(regex_match_groups(regex, SLICE("aabb"), &match));
    struct buf out CLEANUP(buf_release);
    buf_init(&out, 1000);
    regex_expand(regex, slice_str(template_text), &match, &out);
    ck_assert_msg(slice_eq_str(buf_slice(&out), want), "%s gives %s", template_text,
                  buf_cstr(&out));
    regex_free(regex);
}

START_TEST(regex_expands_as_go_does)
{
    expect_expansion("", "");
    expect_expansion("plain", "plain");
    expect_expansion("$0", "aabb");
    expect_expansion("$1-$2", "aa-bb");
    expect_expansion("${1}x", "aax");
    expect_expansion("$1x", "");
    expect_expansion("$1_", "");
    expect_expansion("$1-x", "aa-x");
    expect_expansion("$first.$second.", "aa..");
    expect_expansion("$3|", "|");
    expect_expansion("$9|${10}|", "||");
    expect_expansion("$01|$00000001|", "||");
    expect_expansion("$100000000|", "|");
    expect_expansion("$$1 $$", "$1 $");
    expect_expansion("$", "$");
    expect_expansion("a$", "a$");
    expect_expansion("$ 1", "$ 1");
    expect_expansion("${1", "${1");
    expect_expansion("${}", "${}");
    expect_expansion("${1-}", "${1-}");
    expect_expansion("$1\xc3\xa9", "");
    expect_expansion("$1\xe2\x82\xac", "aa\xe2\x82\xac");
}
END_TEST

START_TEST(regex_reports_groups_that_took_no_part)
{
    struct regex *regex = compiled("(a)|(b)|()");
    struct regex_match match;
    ck_assert(regex_match_groups(regex, SLICE("b"), &match));
    ck_assert_ptr_null(match.groups[1].ptr);
    ck_assert(slice_eq_str(match.groups[2], "b"));
    ck_assert(regex_match_groups(regex, slice_from(NULL, 0), &match));
    ck_assert_ptr_nonnull(match.groups[3].ptr);
    ck_assert_uint_eq(match.groups[3].len, 0);
    ck_assert_uint_eq(regex_group_count(regex), 3);
    regex_free(regex);
}
END_TEST

START_TEST(regex_hostile_patterns_take_bounded_time_and_memory)
{
    struct buf pattern CLEANUP(buf_release);
    buf_init(&pattern, 1 << 20);
    for (int i = 0; i < 100000; i++)
        buf_append_byte(&pattern, '(');
    struct regex *regex = NULL;
    ck_assert_int_eq(regex_new(buf_slice(&pattern), &regex, NULL), ERR_INVALID);
    ck_assert_int_eq(regex_new(SLICE("((a{100}){100}){100}"), &regex, NULL), ERR_INVALID);

    struct buf text CLEANUP(buf_release);
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 20000; i++)
        buf_append_byte(&text, 'a');
    buf_append_byte(&text, '!');
    struct regex *nested = compiled("(a+)+(a*)*(a|a?)+b");
    clock_t start = clock();
    ck_assert(!regex_match(nested, buf_slice(&text)));
    ck_assert_double_lt((double)(clock() - start) / CLOCKS_PER_SEC, 2.0);
    regex_free(nested);
}
END_TEST

START_TEST(regex_takes_long_alternations)
{
    struct buf pattern CLEANUP(buf_release);
    buf_init(&pattern, 1 << 20);
    for (int i = 0; i < 5000; i++)
        buf_printf(&pattern, "%shost-%d\\.example\\.org:9100", i == 0 ? "" : "|", i);
    struct regex *regex = compiled(buf_cstr(&pattern));
    ck_assert(regex_match(regex, SLICE("host-4999.example.org:9100")));
    ck_assert(!regex_match(regex, SLICE("host-5000.example.org:9100")));
    regex_free(regex);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("regex");
    TCase *tcase = tcase_create("regex");
    tcase_add_test(tcase, regex_is_anchored_at_both_ends);
    tcase_add_test(tcase, regex_dot_matches_newline);
    tcase_add_test(tcase, regex_unanchored_finds_a_part);
    tcase_add_test(tcase, regex_errors_have_the_words_of_go);
    tcase_add_test(tcase, regex_understands_both_spellings_of_named_groups);
    tcase_add_test(tcase, regex_expands_as_go_does);
    tcase_add_test(tcase, regex_reports_groups_that_took_no_part);
    tcase_add_test(tcase, regex_hostile_patterns_take_bounded_time_and_memory);
    tcase_add_test(tcase, regex_takes_long_alternations);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
