/* The shortcuts of matchers answer what the regex engine would. */
#include "model/matcher.h"

#include <check.h>
#include <stdlib.h>

#include "base/regex.h"

static struct matcher *make(enum matcher_type type, const char *value)
{
    struct matcher *matcher = NULL;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(matcher_new(type, SLICE("name"), slice_str(value), &matcher, &err) == ERR_NONE,
                  "%s: %s", value, err.text);
    return matcher;
}

START_TEST(matcher_recognises_the_forms_that_dashboards_send)
{
    static const struct {
        const char *pattern;
        enum matcher_shape shape;
        size_t literal_count;
    } cases[] = {
        {".*", MATCHER_SHAPE_ALL, 0},
        {"(.*)", MATCHER_SHAPE_ALL, 0},
        {"^.*$", MATCHER_SHAPE_ALL, 0},
        {".+", MATCHER_SHAPE_NOT_EMPTY, 0},
        {"(.+)", MATCHER_SHAPE_NOT_EMPTY, 0},
        {"", MATCHER_SHAPE_LITERALS, 1},
        {"abc", MATCHER_SHAPE_LITERALS, 1},
        {"^abc$", MATCHER_SHAPE_LITERALS, 1},
        {"a\\.b:9100", MATCHER_SHAPE_LITERALS, 1},
        {"a|b|c|b", MATCHER_SHAPE_LITERALS, 3},
        {"^a$|^b$", MATCHER_SHAPE_LITERALS, 2},
        {"(a|b)", MATCHER_SHAPE_LITERALS, 2},
        {"^(?:a|b)$", MATCHER_SHAPE_LITERALS, 2},
        {"cpu_usage_(user|system)", MATCHER_SHAPE_LITERALS, 2},
        {"(a|b)-(c|d|)x", MATCHER_SHAPE_LITERALS, 6},
        {"host_1.*", MATCHER_SHAPE_PREFIX, 1},
        {"(host_1.*)", MATCHER_SHAPE_PREFIX, 1},
        {"a\\.b.*", MATCHER_SHAPE_PREFIX, 1},
        {"host.+", MATCHER_SHAPE_PREFIX_MORE, 1},
        {".*api.*", MATCHER_SHAPE_CONTAINS, 1},
        {"a.c", MATCHER_SHAPE_REGEX, 0},
        {"[ab]", MATCHER_SHAPE_REGEX, 0},
        {"(?i)abc", MATCHER_SHAPE_REGEX, 0},
        {"(?i:abc)", MATCHER_SHAPE_REGEX, 0},
        {"ab*", MATCHER_SHAPE_REGEX, 0},
        {"(a|b)+", MATCHER_SHAPE_REGEX, 0},
        {"a|b.*", MATCHER_SHAPE_REGEX, 0},
        {"a\\.*", MATCHER_SHAPE_REGEX, 0},
        {"a\\d", MATCHER_SHAPE_REGEX, 0},
        {"|.+", MATCHER_SHAPE_REGEX, 0},
        {"a{2}", MATCHER_SHAPE_REGEX, 0},
        {"a$b", MATCHER_SHAPE_REGEX, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct matcher *matcher = make(MATCHER_REGEX, cases[i].pattern);
        ck_assert_msg(matcher->shape == cases[i].shape, "%s: shape %d", cases[i].pattern,
                      (int)matcher->shape);
        ck_assert_msg(matcher->literal_count == cases[i].literal_count, "%s: %zu literals",
                      cases[i].pattern, matcher->literal_count);
        matcher_free(matcher);
    }
}
END_TEST

START_TEST(matcher_types_agree_on_absent_labels)
{
    static const struct {
        enum matcher_type type;
        const char *value;
        bool matches_empty;
        bool matches_a;
    } cases[] = {
        {MATCHER_EQUAL, "", true, false},       {MATCHER_EQUAL, "a", false, true},
        {MATCHER_NOT_EQUAL, "", false, true},   {MATCHER_NOT_EQUAL, "a", true, false},
        {MATCHER_REGEX, ".*", true, true},      {MATCHER_REGEX, ".+", false, true},
        {MATCHER_NOT_REGEX, ".+", true, false}, {MATCHER_NOT_REGEX, "a|b", true, false},
        {MATCHER_EQUAL, ".*", false, false},    {MATCHER_REGEX, "a?", true, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct matcher *matcher = make(cases[i].type, cases[i].value);
        ck_assert_msg(matcher_matches_empty(matcher) == cases[i].matches_empty, "case %zu", i);
        ck_assert_msg(matcher_matches(matcher, SLICE("a")) == cases[i].matches_a, "case %zu", i);
        matcher_free(matcher);
    }
}
END_TEST

START_TEST(matcher_dot_matches_newlines)
{
    struct matcher *prefix = make(MATCHER_REGEX, "a.*");
    struct matcher *contains = make(MATCHER_REGEX, ".*b.*");
    struct matcher *engine = make(MATCHER_REGEX, "a.b");
    ck_assert(matcher_matches(prefix, SLICE("a\nb\n")));
    ck_assert(matcher_matches(contains, SLICE("\nb\n")));
    ck_assert(matcher_matches(engine, SLICE("a\nb")));
    struct matcher *literal = make(MATCHER_REGEX, "a$");
    ck_assert(!matcher_matches(literal, SLICE("a\n")));
    matcher_free(prefix);
    matcher_free(contains);
    matcher_free(engine);
    matcher_free(literal);
}
END_TEST

/* Texts over a small alphabet, so that random patterns and texts meet. */
static size_t random_text(unsigned *random, const char *const *parts, size_t part_count, char *out)
{
    size_t len = 0;
    *random = *random * 1103515245u + 12345u;
    unsigned count = (*random >> 16) % 7;
    for (unsigned i = 0; i < count; i++) {
        *random = *random * 1103515245u + 12345u;
        const char *part = parts[(*random >> 16) % part_count];
        memcpy(out + len, part, strlen(part));
        len += strlen(part);
    }
    return len;
}

START_TEST(matcher_shortcuts_agree_with_the_engine_on_random_patterns)
{
    static const char *const pattern_parts[] = {"a",     "b",  "ab",  ".*",  ".+", "|",
                                                "(",     ")",  "(?:", "\\.", "^",  "$",
                                                "(a|b)", "\n", "\\|", "?"};
    static const char *const text_parts[] = {"a", "b", "ab", ".", "\n", "|", "ba"};
    unsigned random = 4711;
    size_t shortcuts = 0;
    for (int i = 0; i < 20000; i++) {
        char pattern[64];
        size_t pattern_len =
            random_text(&random, pattern_parts, ARRAY_SIZE(pattern_parts), pattern);
        struct slice pattern_text = {pattern, pattern_len};
        struct regex *regex = NULL;
        struct matcher *matcher = NULL;
        enum err regex_code = regex_new(pattern_text, &regex, NULL);
        enum err code = matcher_new(MATCHER_REGEX, SLICE("x"), pattern_text, &matcher, NULL);
        ck_assert_msg(code == regex_code, "%.*s", SLICE_ARG(pattern_text));
        if (code != ERR_NONE)
            continue;
        shortcuts += matcher->shape != MATCHER_SHAPE_REGEX;
        for (int k = 0; k < 20; k++) {
            char text[64];
            struct slice value = {text,
                                  random_text(&random, text_parts, ARRAY_SIZE(text_parts), text)};
            ck_assert_msg(matcher_matches(matcher, value) == regex_match(regex, value),
                          "pattern `%.*s`, text `%.*s`", SLICE_ARG(pattern_text), SLICE_ARG(value));
        }
        matcher_free(matcher);
        regex_free(regex);
    }
    ck_assert_uint_gt(shortcuts, 2000);
}
END_TEST

START_TEST(matcher_takes_a_thousand_alternatives_without_the_engine)
{
    struct buf pattern;
    buf_init(&pattern, 1 << 20);
    for (int i = 0; i < 5000; i++)
        buf_printf(&pattern, "%shost-%d", i == 0 ? "" : "|", i * 7);
    struct matcher *matcher = make(MATCHER_REGEX, buf_cstr(&pattern));
    ck_assert_int_eq(matcher->shape, MATCHER_SHAPE_LITERALS);
    ck_assert_uint_eq(matcher->literal_count, 5000);
    ck_assert(matcher_matches(matcher, SLICE("host-700")));
    ck_assert(!matcher_matches(matcher, SLICE("host-701")));
    matcher_free(matcher);
    buf_release(&pattern);
}
END_TEST

START_TEST(matcher_leaves_exploding_products_to_the_engine)
{
    struct matcher *matcher =
        make(MATCHER_REGEX, "(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)");
    ck_assert_int_eq(matcher->shape, MATCHER_SHAPE_REGEX);
    ck_assert(matcher_matches(matcher, SLICE("aaaaaabbbbbba")));
    matcher_free(matcher);
}
END_TEST

START_TEST(matcher_reports_the_error_of_the_expression)
{
    struct matcher *matcher;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(matcher_new(MATCHER_REGEX, SLICE("a"), SLICE("(a"), &matcher, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "missing closing )"));
}
END_TEST

START_TEST(matcher_prints_with_quotes_where_names_need_them)
{
    struct buf out;
    buf_init(&out, 100);
    struct matcher *matcher = make(MATCHER_NOT_REGEX, "a\"b\n.*");
    matcher_print(matcher, &out);
    ck_assert_str_eq(buf_cstr(&out), "name!~\"a\\\"b\\n.*\"");
    matcher_free(matcher);
    buf_reset(&out);
    ck_assert_int_eq(matcher_new(MATCHER_EQUAL, SLICE("a.b"), SLICE("c"), &matcher, NULL),
                     ERR_NONE);
    matcher_print(matcher, &out);
    ck_assert_str_eq(buf_cstr(&out), "\"a.b\"=\"c\"");
    matcher_free(matcher);
    buf_release(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("matcher");
    TCase *tcase = tcase_create("matcher");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, matcher_recognises_the_forms_that_dashboards_send);
    tcase_add_test(tcase, matcher_types_agree_on_absent_labels);
    tcase_add_test(tcase, matcher_dot_matches_newlines);
    tcase_add_test(tcase, matcher_shortcuts_agree_with_the_engine_on_random_patterns);
    tcase_add_test(tcase, matcher_takes_a_thousand_alternatives_without_the_engine);
    tcase_add_test(tcase, matcher_leaves_exploding_products_to_the_engine);
    tcase_add_test(tcase, matcher_reports_the_error_of_the_expression);
    tcase_add_test(tcase, matcher_prints_with_quotes_where_names_need_them);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
