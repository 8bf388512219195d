/* JSON has the bytes that the reference writes. */
#include "base/json_writer.h"

#include "base/compiler.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(json_writer_places_commas_at_every_depth)
{
    struct buf out CLEANUP(buf_release);
    buf_init(&out, 1000);
    struct json_writer json;
    json_writer_init(&json, &out);
    json_object_begin(&json);
    json_key_cstring(&json, "a", "x");
    json_key(&json, "b");
    json_array_begin(&json);
    json_array_begin(&json);
    json_array_end(&json);
    json_int(&json, -5);
    json_uint(&json, UINT64_MAX);
    json_object_begin(&json);
    json_object_end(&json);
    json_null(&json);
    json_raw(&json, SLICE("{\"r\":1}"));
    memcpy(json_raw_reserve(&json, 100), "7,8", 3);
    json_raw_commit(&json, 3);
    json_array_end(&json);
    json_key_bool(&json, "c", true);
    json_key_int(&json, "d", INT64_MIN);
    json_key_slice(&json, SLICE("e\"<"));
    json_bool(&json, false);
    json_object_end(&json);
    ck_assert_str_eq(buf_cstr(&out), "{\"a\":\"x\",\"b\":[[],-5,18446744073709551615,{},null,{\"r\":1},7,8],"
                                     "\"c\":true,\"d\":-9223372036854775808,\"e\\\"\\u003c\":false}");
}
END_TEST

static void expect_string(struct slice text, const char *want, const char *want_plain)
{
    struct buf out CLEANUP(buf_release);
    buf_init(&out, 1000);
    struct json_writer json;
    json_writer_init(&json, &out);
    json_string(&json, text);
    ck_assert_str_eq(buf_cstr(&out), want);
    buf_reset(&out);
    json_writer_init(&json, &out);
    json_string_plain(&json, text);
    ck_assert_str_eq(buf_cstr(&out), want_plain);
}

START_TEST(json_writer_escapes_strings)
{
    expect_string(SLICE_EMPTY, "\"\"", "\"\"");
    expect_string(SLICE("a\"b\\c\n\r\t"), "\"a\\\"b\\\\c\\n\\r\\t\"", "\"a\\\"b\\\\c\\n\\r\\t\"");
    expect_string(slice_from("\0\x1f\x7f", 3), "\"\\u0000\\u001f\x7f\"", "\"\\u0000\\u001f\x7f\"");
    expect_string(SLICE("<a&b>"), "\"\\u003ca\\u0026b\\u003e\"", "\"<a&b>\"");
    expect_string(SLICE("\xe2\x80\xa8\xe2\x80\xa9\xe2\x82\xac"), "\"\\u2028\\u2029\xe2\x82\xac\"",
                  "\"\xe2\x80\xa8\xe2\x80\xa9\xe2\x82\xac\"");
    expect_string(SLICE("x\xffy"), "\"x\\ufffdy\"", "\"x\xffy\"");
}
END_TEST

START_TEST(json_writer_writes_numbers_as_go_marshals_them)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},       {-0.0, "-0"},      {1e-7, "1e-7"},     {1e-10, "1e-10"},
        {1e21, "1e+21"}, {1e20, "100000000000000000000"}, {0.25, "0.25"}, {5e-324, "5e-324"},
        {-1.5e-9, "-1.5e-9"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf out CLEANUP(buf_release);
        buf_init(&out, 1000);
        struct json_writer json;
        json_writer_init(&json, &out);
        json_double(&json, cases[i].value);
        ck_assert_str_eq(buf_cstr(&out), cases[i].text);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json_writer");
    TCase *tcase = tcase_create("json_writer");
    tcase_add_test(tcase, json_writer_places_commas_at_every_depth);
    tcase_add_test(tcase, json_writer_escapes_strings);
    tcase_add_test(tcase, json_writer_writes_numbers_as_go_marshals_them);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
