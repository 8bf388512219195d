/* URLs and forms are read as Go reads them. */
#include "net/url.h"

#include <check.h>
#include <stdlib.h>

static struct slice part(const struct url *url, int index)
{
    const struct slice parts[] = {url->scheme, url->user_info, url->host,    url->port,
                                  url->path,   url->query,     url->fragment};
    return parts[index];
}

START_TEST(url_is_split_into_its_parts)
{
    static const struct {
        const char *text;
        const char *parts[7]; /* scheme, user, host, port, path, query, fragment */
    } cases[] = {
        {"http://h:1/metrics", {"http", "", "h", "1", "/metrics", "", ""}},
        {"https://u:p%40x@h.example/a/b?c=d&e#f",
         {"https", "u:p%40x", "h.example", "", "/a/b", "c=d&e", "f"}},
        {"http://[::1]:9090/x", {"http", "", "[::1]", "9090", "/x", "", ""}},
        {"http://[fe80::1%25en0]/", {"http", "", "[fe80::1%25en0]", "", "/", "", ""}},
        {"http://h", {"http", "", "h", "", "", "", ""}},
        {"http://h?x=/y", {"http", "", "h", "", "", "x=/y", ""}},
        {"http://h:/", {"http", "", "h", "", "/", "", ""}},
        {"/only/path?q", {"", "", "", "", "/only/path", "q", ""}},
        {"//host/path", {"", "", "host", "", "/path", "", ""}},
        {"mailto:x@y", {"mailto", "", "", "", "x@y", "", ""}},
        {"unix:///run/a.sock", {"unix", "", "", "", "/run/a.sock", "", ""}},
        {"http://a@b@h/", {"http", "a@b", "h", "", "/", "", ""}},
        {"#f", {"", "", "", "", "", "", "f"}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct url url;
        struct errbuf err = ERRBUF_INIT;
        ck_assert_msg(url_parse(slice_str(cases[i].text), &url, &err) == ERR_NONE, "%s: %s",
                      cases[i].text, err.text);
        for (int k = 0; k < 7; k++)
            ck_assert_msg(slice_eq_str(part(&url, k), cases[i].parts[k]), "%s part %d: %.*s",
                          cases[i].text, k, SLICE_ARG(part(&url, k)));
    }
}
END_TEST

START_TEST(wrong_urls_are_refused_in_the_words_of_go)
{
    static const char *const cases[][2] = {
        {"", "parse \"\": empty url"},
        {":foo", "parse \":foo\": missing protocol scheme"},
        {"localhost:9090/x:y", NULL}, /* scheme "localhost" */
        {"127.0.0.1:9090",
         "parse \"127.0.0.1:9090\": first path segment in URL cannot contain colon"},
        {"http://h:port/", "parse \"http://h:port/\": invalid port \":port\" after host"},
        {"http://[::1/", "parse \"http://[::1/\": missing ']' in host"},
        {"http://[::1]x/", "parse \"http://[::1]x/\": invalid port \"x\" after host"},
        {"http://a b/", "parse \"http://a b/\": invalid character \" \" in host name"},
        {"http://h/%zz", "parse \"http://h/%zz\": invalid URL escape \"%zz\""},
        {"http://h/%a", "parse \"http://h/%a\": invalid URL escape \"%a\""},
        {"http://h/\n", "parse \"http://h/\n\": net/url: invalid control character in URL"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct url url;
        struct errbuf err = ERRBUF_INIT;
        enum err failed = url_parse(slice_str(cases[i][0]), &url, &err);
        ck_assert_msg((failed == ERR_NONE) == (cases[i][1] == NULL), "%s: %s", cases[i][0],
                      err.text);
        if (cases[i][1] != NULL)
            ck_assert_str_eq(err.text, cases[i][1]);
    }
}
END_TEST

START_TEST(query_escape_keeps_only_unreserved_bytes)
{
    struct buf out;
    buf_init(&out, 1000);
    url_query_escape(SLICE("aZ09-_.~ {a=\"b\"}/+&\xc3\xa9"), &out);
    ck_assert_str_eq(buf_cstr(&out), "aZ09-_.~+%7Ba%3D%22b%22%7D%2F%2B%26%C3%A9");
    buf_release(&out);
}
END_TEST

static void assert_printed(const char *scheme, const char *host, const char *path,
                           const char *expected)
{
    struct buf out;
    buf_init(&out, 1000);
    url_print(slice_str(scheme), slice_str(host), slice_str(path), &out);
    ck_assert_str_eq(buf_cstr(&out), expected);
    buf_release(&out);
}

START_TEST(a_printed_url_escapes_each_part_by_its_own_rules)
{
    assert_printed("http", "a:80", "/x y/api", "http://a:80/x%20y/api");
    assert_printed("https", "[::1]:9", "v2?", "https://[::1]:9/v2%3F");
    assert_printed("", "a b", "", "//a%20b");
    assert_printed("http", "a!(", "/!(:;=@", "http://a!(/%21%28:;=@");
}
END_TEST

START_TEST(plus_is_a_space_in_queries_and_a_plus_in_paths)
{
    struct buf out;
    buf_init(&out, 1000);
    ck_assert(url_query_unescape(SLICE("a+b%2Bc%00"), &out));
    ck_assert(slice_eq(buf_slice(&out), slice_from("a b+c\0", 6)));
    buf_reset(&out);
    ck_assert(url_path_unescape(SLICE("a+b%2fc"), &out));
    ck_assert_str_eq(buf_cstr(&out), "a+b/c");
    ck_assert(!url_path_unescape(SLICE("%g0"), &out));
    ck_assert(!url_path_unescape(SLICE("%0"), &out));
    ck_assert(!url_query_unescape(SLICE("%"), &out));
    ck_assert_str_eq(buf_cstr(&out), "a+b/c");
    buf_release(&out);
}
END_TEST

START_TEST(text_that_does_not_fit_is_not_unescaped)
{
    struct buf out;
    buf_init(&out, 4);
    ck_assert(!url_query_unescape(SLICE("abcde"), &out));
    buf_release(&out);
}
END_TEST

/* "name=value;" of all parameters */
static void print_parameters(const struct url_parameter *parameters, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%.*s=%.*s;", SLICE_ARG(parameters[i].name),
                   SLICE_ARG(parameters[i].value));
}

START_TEST(broken_parameters_are_left_out_and_told)
{
    static const struct {
        const char *query;
        const char *parameters;
        const char *error;
    } cases[] = {
        {"", "", NULL},
        {"a=1&b=2&a=3", "a=1;b=2;a=3;", NULL},
        {"a&&=x&b=", "a=;=x;b=;", NULL},
        {"match%5B%5D=up%7Ba%3D%22b+c%22%7D", "match[]=up{a=\"b c\"};", NULL},
        {"a=b=c", "a=b=c;", NULL},
        {"query=%zz&x=1", "x=1;", "invalid URL escape \"%zz\""},
        {"x=1&%q&%w", "x=1;", "invalid URL escape \"%q\""},
        {"a=1;b=2&c=3", "c=3;", "invalid semicolon separator in query"},
        {"a=%e", "", "invalid URL escape \"%e\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        struct url_parameter *parameters;
        size_t count;
        struct errbuf err = ERRBUF_INIT;
        enum err failed =
            url_parse_query(slice_str(cases[i].query), &arena, &parameters, &count, &err);
        ck_assert_int_eq(failed, cases[i].error == NULL ? ERR_NONE : ERR_INVALID);
        ck_assert_str_eq(err.text, cases[i].error == NULL ? "" : cases[i].error);
        struct buf text;
        buf_init(&text, 1000);
        print_parameters(parameters, count, &text);
        ck_assert_str_eq(buf_cstr(&text), cases[i].parameters);
        buf_release(&text);
        arena_release(&arena);
    }
}
END_TEST

START_TEST(the_number_of_parameters_is_limited)
{
    struct buf query;
    buf_init(&query, 1 << 20);
    for (int i = 0; i < URL_PARAMETERS_MAX; i++)
        buf_append_str(&query, i == 0 ? "a" : "&a");
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct url_parameter *parameters;
    size_t count;
    ck_assert_int_eq(url_parse_query(buf_slice(&query), &arena, &parameters, &count, NULL),
                     ERR_NONE);
    ck_assert_uint_eq(count, URL_PARAMETERS_MAX);
    buf_append_str(&query, "&a");
    ck_assert_int_eq(url_parse_query(buf_slice(&query), &arena, &parameters, &count, NULL),
                     ERR_LIMIT);
    ck_assert_uint_eq(count, 0);
    arena_release(&arena);
    buf_release(&query);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("url");
    TCase *tcase = tcase_create("url");
    tcase_add_test(tcase, url_is_split_into_its_parts);
    tcase_add_test(tcase, wrong_urls_are_refused_in_the_words_of_go);
    tcase_add_test(tcase, query_escape_keeps_only_unreserved_bytes);
    tcase_add_test(tcase, a_printed_url_escapes_each_part_by_its_own_rules);
    tcase_add_test(tcase, plus_is_a_space_in_queries_and_a_plus_in_paths);
    tcase_add_test(tcase, text_that_does_not_fit_is_not_unescaped);
    tcase_add_test(tcase, broken_parameters_are_left_out_and_told);
    tcase_add_test(tcase, the_number_of_parameters_is_limited);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
