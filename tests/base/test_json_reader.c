/* JSON is read as RFC 8259 has it, within limits, and errors have a place. */
#include "base/json_reader.h"

#include "base/buf.h"
#include "base/json_writer.h"

#include <check.h>
#include <stdlib.h>

static struct json_value *parsed(struct slice text)
{
    struct json_value *root = NULL;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(json_parse(text, &root, &err) == ERR_NONE, "%.*s: %s", SLICE_ARG(text),
                  err.text);
    return root;
}

START_TEST(json_reader_gives_the_tree)
{
    struct json_value *root =
        parsed(SLICE(" {\"targets\": [\"a:1\", \"b:2\"], \"n\": -1.5e3, \"t\": true,\r\n"
                     "\t\"f\": false, \"z\": null, \"o\": {}, \"e\": [] } "));
    ck_assert_int_eq(json_value_type(root), JSON_OBJECT);
    const struct json_value *targets = json_object_get(root, "targets");
    ck_assert_uint_eq(json_array_size(targets), 2);
    ck_assert(slice_eq_str(json_value_string(json_array_at(targets, 1)), "b:2"));
    ck_assert_ptr_null(json_array_at(targets, 2));
    ck_assert_double_eq(json_value_number(json_object_get(root, "n")), -1500);
    ck_assert(json_value_bool(json_object_get(root, "t")));
    ck_assert(!json_value_bool(json_object_get(root, "f")));
    ck_assert_int_eq(json_value_type(json_object_get(root, "f")), JSON_BOOL);
    ck_assert_int_eq(json_value_type(json_object_get(root, "z")), JSON_NULL);
    ck_assert_int_eq(json_value_type(json_object_get(root, "o")), JSON_OBJECT);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "e")), 0);
    ck_assert_ptr_null(json_object_get(root, "missing"));
    /* other types give nothing instead of failing */
    ck_assert_ptr_null(json_object_get(targets, "x"));
    ck_assert_uint_eq(json_array_size(root), 0);
    ck_assert_uint_eq(json_value_string(root).len, 0);
    ck_assert_double_eq(json_value_number(root), 0);
    json_value_free(root);
    json_value_free(NULL);
}
END_TEST

static bool collect_name(struct slice name, const struct json_value *member, void *context)
{
    buf_append_slice(context, name);
    return json_value_type(member) != JSON_NULL;
}

START_TEST(json_reader_keeps_the_order_of_members)
{
    struct json_value *root = parsed(SLICE("{\"b\":1,\"a\":2,\"c\":null,\"d\":4}"));
    struct buf names CLEANUP(buf_release);
    buf_init(&names, 100);
    json_object_each(root, collect_name, &names);
    ck_assert_str_eq(buf_cstr(&names), "bac");
    json_value_free(root);
}
END_TEST

static void expect_string(struct slice text, struct slice want)
{
    struct json_value *root = parsed(text);
    struct slice got = json_value_string(root);
    ck_assert_msg(slice_eq(got, want), "%.*s gives %.*s", SLICE_ARG(text), SLICE_ARG(got));
    json_value_free(root);
}

START_TEST(json_reader_unescapes_strings)
{
    expect_string(SLICE("\"\""), SLICE_EMPTY);
    expect_string(SLICE("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), SLICE("\"\\/\b\f\n\r\t"));
    expect_string(SLICE("\"\\u0041\\u00e9\\u20AC\""), SLICE("A\xc3\xa9\xe2\x82\xac"));
    expect_string(SLICE("\"\\ud83d\\ude00\""), SLICE("\xf0\x9f\x98\x80"));
    expect_string(SLICE("\"\\ud83dx\""), SLICE("\xef\xbf\xbdx"));
    expect_string(SLICE("\"\\ude00\\ud83d\\u0041\""), SLICE("\xef\xbf\xbd\xef\xbf\xbd" "A"));
    expect_string(SLICE("\"a\\u0000b\""), slice_from("a\0b", 3));
    expect_string(SLICE("\"a\xff\xc3\xa9\""), SLICE("a\xef\xbf\xbd\xc3\xa9"));
}
END_TEST

START_TEST(json_reader_refuses_what_is_not_json)
{
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"", "line 1, column 1: unexpected end of JSON input"},
        {"[1,\n 2", "line 2, column 3: unexpected end of JSON input"},
        {"[1 2]", "line 1, column 4: expected a comma or ] behind an item"},
        {"[1,]", "line 1, column 4: expected a value"},
        {"{\"a\" 1}", "line 1, column 6: expected a colon behind the name of a member"},
        {"{\"a\":1,}", "line 1, column 8: expected a string"},
        {"{a:1}", "line 1, column 2: expected a string"},
        {"{\"a\":1 \"b\":2}", "line 1, column 8: expected a comma or } behind a member"},
        {"tru", "line 1, column 1: expected a value"},
        {"nul", "line 1, column 1: expected a value"},
        {"1 2", "line 1, column 3: unexpected text behind the value"},
        {"01", "line 1, column 3: unexpected end of JSON input"},
        {"[01]", "line 1, column 4: a number has no leading zeros"},
        {"[1.]", "line 1, column 4: expected digits behind the point"},
        {"[1e+]", "line 1, column 5: expected digits in the exponent"},
        {"[+1]", "line 1, column 2: expected a value"},
        {"[.5]", "line 1, column 2: expected a value"},
        {"[NaN]", "line 1, column 2: expected a value"},
        {"[1e400]", "line 1, column 7: the number is out of range"},
        {"\"a\nb\"", "line 1, column 3: control characters in strings must be escaped"},
        {"\"\\x\"", "line 1, column 3: invalid escape in a string"},
        {"\"\\u12g4\"", "line 1, column 4: invalid escape in a string"},
        {"\"open", "line 1, column 6: unexpected end of JSON input"},
        {"'a'", "line 1, column 1: expected a value"},
        {"{\"a\":1,\"b\":{},\"a\":2}",
         "line 1, column 21: the name \"a\" stands twice in the object that ends here"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct json_value *root = NULL;
        struct errbuf err = ERRBUF_INIT;
        ck_assert_msg(json_parse(slice_str(cases[i].text), &root, &err) == ERR_INVALID, "%s",
                      cases[i].text);
        ck_assert_str_eq(err.text, cases[i].error);
        ck_assert_ptr_null(root);
        ck_assert_uint_ge(err.line, 1);
    }
    struct json_value *root = NULL;
    ck_assert_int_eq(json_parse(slice_from("1\0", 2), &root, NULL), ERR_INVALID);
}
END_TEST

START_TEST(json_reader_sees_duplicates_in_large_objects)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "%s\"k%d\":%d", i == 0 ? "{" : ",", i, i);
    struct buf twice CLEANUP(buf_release);
    buf_init(&twice, 1 << 20);
    buf_printf(&twice, "%s,\"k500\":1}", buf_cstr(&text));
    buf_append_byte(&text, '}');
    struct json_value *root = parsed(buf_slice(&text));
    ck_assert_double_eq(json_value_number(json_object_get(root, "k999")), 999);
    json_value_free(root);
    ck_assert_int_eq(json_parse(buf_slice(&twice), &root, NULL), ERR_INVALID);
}
END_TEST

START_TEST(json_reader_bounds_the_depth)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 1 << 20);
    for (int i = 0; i < JSON_READER_DEPTH_MAX; i++)
        buf_append_byte(&text, '[');
    for (int i = 0; i < JSON_READER_DEPTH_MAX; i++)
        buf_append_byte(&text, ']');
    json_value_free(parsed(buf_slice(&text)));
    buf_reset(&text);
    for (int i = 0; i < 100000; i++)
        buf_append_byte(&text, i % 2 == 0 ? '[' : '{');
    struct json_value *root = NULL;
    ck_assert_int_eq(json_parse(buf_slice(&text), &root, NULL), ERR_INVALID);
    buf_reset(&text);
    for (int i = 0; i < 100000; i++)
        buf_append_byte(&text, '[');
    ck_assert_int_eq(json_parse(buf_slice(&text), &root, NULL), ERR_LIMIT);
}
END_TEST

START_TEST(json_reader_reads_what_the_writer_wrote)
{
    char bytes[300];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i % 127 + 1);
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 1 << 20);
    struct json_writer json;
    json_writer_init(&json, &text);
    json_object_begin(&json);
    json_key_slice(&json, slice_from(bytes, sizeof(bytes)));
    json_string(&json, slice_from(bytes, sizeof(bytes)));
    json_key_double(&json, "d", -5e-324);
    json_object_end(&json);
    struct json_value *root = parsed(buf_slice(&text));
    char name[sizeof(bytes) + 1];
    memcpy(name, bytes, sizeof(bytes));
    name[sizeof(bytes)] = '\0';
    ck_assert(slice_eq(json_value_string(json_object_get(root, name)),
                       slice_from(bytes, sizeof(bytes))));
    ck_assert_double_eq(json_value_number(json_object_get(root, "d")), -5e-324);
    json_value_free(root);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_reader");
    TCase *tcase = tcase_create("json_reader");
    tcase_add_test(tcase, json_reader_gives_the_tree);
    tcase_add_test(tcase, json_reader_keeps_the_order_of_members);
    tcase_add_test(tcase, json_reader_unescapes_strings);
    tcase_add_test(tcase, json_reader_refuses_what_is_not_json);
    tcase_add_test(tcase, json_reader_sees_duplicates_in_large_objects);
    tcase_add_test(tcase, json_reader_bounds_the_depth);
    tcase_add_test(tcase, json_reader_reads_what_the_writer_wrote);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
