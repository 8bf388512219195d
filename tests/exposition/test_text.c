/* The text format is read as the reference reads it, errors included. */
#include "tests/exposition/collected.h"

#include <check.h>
#include <math.h>

#include "model/sample.h"

#define PARSED(body, expected) assert_parsed(EXPOSITION_TEXT, SLICE(body), expected, __LINE__)
#define REFUSED(body, expected) assert_refused(EXPOSITION_TEXT, SLICE(body), expected, __LINE__)

START_TEST(text_gives_samples_and_metadata_in_order)
{
    PARSED("", "");
    PARSED(
        "# HELP go_gc A summary \\\\ of\\nGC \\\"x\\\".\n"
        "# TYPE go_gc summary\n"
        "go_gc{quantile=\"0\"} 4.9351e-05\n"
        "go_gc{quantile=\"0.25\",} 7.424100000000001e-05\n"
        "go_gc{quantile=\"1\",a=\"b\"} 8.3835e-05\n"
        "go_gc_count 99\n"
        "some:aggregate:rate5m{a_b=\"c\"}\t1\n"
        "# TYPE plain counter\n"
        "plain{} 1027 1395066363000\n",
        "help go_gc \"A summary \\\\ of\\nGC \\\\\\\"x\\\\\\\".\"\n"
        "type go_gc summary\n"
        "go_gc{quantile=\"0\"} => \"go_gc\" \"quantile\"=\"0.0\" | 4.9351e-05\n"
        "go_gc{quantile=\"0.25\",} => \"go_gc\" \"quantile\"=\"0.25\" | 7.424100000000001e-05\n"
        "go_gc{quantile=\"1\",a=\"b\"} => \"go_gc\" \"quantile\"=\"1.0\" \"a\"=\"b\" | 8.3835e-05\n"
        "go_gc_count => \"go_gc_count\" | 99\n"
        "some:aggregate:rate5m{a_b=\"c\"} => \"some:aggregate:rate5m\" \"a_b\"=\"c\" | 1\n"
        "type plain counter\n"
        "plain{} => \"plain\" | 1027 @1395066363000\n");
}
END_TEST

START_TEST(text_tolerates_white_space_between_tokens)
{
    PARSED("\n\n  \t\n a {  b = \"c\" , d =\"e\"  }   1   2  \n",
           "a {  b = \"c\" , d =\"e\"  } => \"a\" \"b\"=\"c\" \"d\"=\"e\" | 1 @2\n");
    PARSED("a\t1\t\nb{c=\"d\"}2\n", "a => \"a\" | 1\nb{c=\"d\"} => \"b\" \"c\"=\"d\" | 2\n");
    PARSED("a{b=\"c\" d=\"e\"} 1\n", "a{b=\"c\" d=\"e\"} => \"a\" \"b\"=\"c\" \"d\"=\"e\" | 1\n");
}
END_TEST

START_TEST(text_skips_comments)
{
    PARSED("#no space\n#\n# \n# HELPx y\n# TYPE\n# some words # TYPE a b\n#\tTYPE a\tgauge\na 1\n",
           "type a gauge\na => \"a\" | 1\n");
    PARSED("# EOF\na 1\n", "a => \"a\" | 1\n");
}
END_TEST

START_TEST(text_takes_metadata_repeated_empty_and_late)
{
    PARSED("# HELP a\n# HELP a  two  spaces \n# HELP a    \n# TYPE \"a b\" untyped\na 1\n"
           "# TYPE a gauge\n# TYPE a counter\n",
           "help a \"\"\nhelp a \" two  spaces \"\nhelp a \"\"\ntype a b unknown\na => \"a\" | 1\n"
           "type a gauge\ntype a counter\n");
}
END_TEST

START_TEST(text_resolves_escapes_of_label_values)
{
    PARSED("a{b=\"\\\\ \\\" \\n \\x } { , \"} 1\n",
           "a{b=\"\\\\ \\\" \\n \\x } { , \"} => \"a\" \"b\"=\"\\\\ \\\" \\n \\\\x } { , \" | 1\n");
    PARSED("a{b=\"line\nbreak\",c=\"\xc3\xbc\"} 1\n",
           "a{b=\"line\nbreak\",c=\"\xc3\xbc\"} => \"a\" \"b\"=\"line\\nbreak\" \"c\"=\"\xc3\xbc\" "
           "| 1\n");
    struct collected collected;
    collected_init(&collected);
    ck_assert_int_eq(collected_parse(&collected, EXPOSITION_TEXT, SLICE("a{b=\"x\0\"} 1\n")),
                     ERR_NONE);
    ck_assert_uint_ne(slice_find(buf_slice(&collected.text), SLICE("\"b\"=\"x\\x00\" | 1")),
                      SLICE_NONE);
    collected_release(&collected);
}
END_TEST

START_TEST(text_takes_quoted_names)
{
    PARSED("{\"my.metric\",\"a.b\"=\"c\"} 1\n{\"x\"} 2\n{ \"y\\\"\" , b=\"c\" } 3 4\n"
           "{b=\"c\",\"z\"} 5\nfoo{\"l l\"=\"v\"} 6\n",
           "{\"my.metric\",\"a.b\"=\"c\"} => \"my.metric\" \"a.b\"=\"c\" | 1\n"
           "{\"x\"} => \"x\" | 2\n"
           "{ \"y\\\"\" , b=\"c\" } => \"y\\\"\" \"b\"=\"c\" | 3 @4\n"
           "{b=\"c\",\"z\"} => \"z\" \"b\"=\"c\" | 5\n"
           "foo{\"l l\"=\"v\"} => \"foo\" \"l l\"=\"v\" | 6\n");
}
END_TEST

START_TEST(text_reads_every_form_of_number)
{
    PARSED(
        "a 0\na -0\na +1\na 1.\na .5\na 1e5\na 1E-5\na 1e+05\na 0.1\na 123456789012345678\n"
        "a 1.7976931348623157e308\na 5e-324\na 1e-400\na 00012\na NaN\na nan\na +Inf\na -Inf\na "
        "Inf\n"
        "a infinity\na 9007199254740993\na 0.30000000000000004\na 1e22\na 1e23\n",
        "a => \"a\" | 0\na => \"a\" | -0\na => \"a\" | 1\na => \"a\" | 1\na => \"a\" | 0.5\n"
        "a => \"a\" | 100000\na => \"a\" | 1e-05\na => \"a\" | 100000\na => \"a\" | 0.1\n"
        "a => \"a\" | 1.2345678901234568e+17\na => \"a\" | 1.7976931348623157e+308\n"
        "a => \"a\" | 5e-324\na => \"a\" | 0\na => \"a\" | 12\na => \"a\" | NaN\na => \"a\" | NaN\n"
        "a => \"a\" | +Inf\na => \"a\" | -Inf\na => \"a\" | +Inf\na => \"a\" | +Inf\n"
        "a => \"a\" | 9.007199254740992e+15\na => \"a\" | 0.30000000000000004\na => \"a\" | 1e+22\n"
        "a => \"a\" | 1e+23\n");
}
END_TEST

START_TEST(text_normalises_bounds_by_the_last_type)
{
    PARSED(
        "h_bucket{le=\"1\"} 1\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\n"
        "h_bucket{le=\"1e6\"} 1\nh_bucket{le=\"x\"} 1\nh{quantile=\"1\"} 1\n# TYPE h gauge\n"
        "h_bucket{le=\"1\"} 1\n",
        "h_bucket{le=\"1\"} => \"h_bucket\" \"le\"=\"1\" | 1\n"
        "type h histogram\n"
        "h_bucket{le=\"1\"} => \"h_bucket\" \"le\"=\"1.0\" | 1\n"
        "h_bucket{le=\"+Inf\"} => \"h_bucket\" \"le\"=\"+Inf\" | 1\n"
        "h_bucket{le=\"1e6\"} => \"h_bucket\" \"le\"=\"1e+06\" | 1\n"
        "h_bucket{le=\"x\"} => \"h_bucket\" \"le\"=\"x\" | 1\n"
        "h{quantile=\"1\"} => \"h\" \"quantile\"=\"1\" | 1\n"
        "type h gauge\n"
        "h_bucket{le=\"1\"} => \"h_bucket\" \"le\"=\"1\" | 1\n");
}
END_TEST

START_TEST(text_refuses_with_the_words_of_the_reference)
{
    REFUSED("a\n",
            "expected value after metric, got \"\\n\" (\"INVALID\") while parsing: \"a\\n\"");
    REFUSED("a{b='c'} 1\n",
            "expected label value, got \"'\" (\"INVALID\") while parsing: \"a{b='\"");
    REFUSED("a{b=\n", "expected label value, got \"\\n\" (\"INVALID\") while parsing: \"a{b=\\n\"");
    REFUSED("a{\xff=\"foo\"} 1\n",
            "expected label name, got \"\\xff\" (\"INVALID\") while parsing: \"a{\\xff\"");
    REFUSED("a{b=\"\xff\"} 1\n", "invalid UTF-8 label value: \"\\\"\\xff\\\"\"");
    REFUSED("{\"a\", \"b = \"c\"}\n", "expected equal, got \"c\\\"\" (\"LNAME\") while parsing: "
                                      "\"{\\\"a\\\", \\\"b = \\\"c\\\"\"");
    REFUSED("{\"a\",b\\nc=\"d\"} 1\n",
            "expected equal, got \"\\\\\" (\"INVALID\") while parsing: \"{\\\"a\\\",b\\\\\"");
    REFUSED("a true\n",
            "strconv.ParseFloat: parsing \"true\": invalid syntax while parsing: \"a true\"");
    REFUSED("something_weird{problem=\"\n",
            "expected label value, got \"\\\"\\n\" (\"INVALID\") while parsing: "
            "\"something_weird{problem=\\\"\\n\"");
    REFUSED(
        "empty_label_name{=\"\"} 0\n",
        "expected label name, got \"=\\\"\" (\"EQUAL\") while parsing: \"empty_label_name{=\\\"\"");
    REFUSED("{A}0\n", "expected equal, got \"}0\" (\"BCLOSE\") while parsing: \"{A}0\"");
    REFUSED("foo 1_2\n", "unsupported character in float while parsing: \"foo 1_2\"");
    REFUSED("foo 0x1p-3\n", "unsupported character in float while parsing: \"foo 0x1p-3\"");
    REFUSED("foo 0x10\n",
            "strconv.ParseFloat: parsing \"0x10\": invalid syntax while parsing: \"foo 0x10\"");
    REFUSED(
        "foo 1e999\n",
        "strconv.ParseFloat: parsing \"1e999\": value out of range while parsing: \"foo 1e999\"");
    REFUSED("foo 1\r\n",
            "strconv.ParseFloat: parsing \"1\\r\": invalid syntax while parsing: \"foo 1\\r\"");
    REFUSED("foo 0 1_2\n", "expected next entry after timestamp, got \"_\" (\"INVALID\") while "
                           "parsing: \"foo 0 1_\"");
    REFUSED("foo 0 -1\n",
            "expected timestamp or new record, got \"-\" (\"INVALID\") while parsing: "
            "\"foo 0 -\"");
    REFUSED("foo 0 99999999999999999999\n",
            "strconv.ParseInt: parsing \"99999999999999999999\": value out of range while parsing: "
            "\"foo 0 99999999999999999999\"");
    REFUSED("{a=\"ok\"} 1\n", "metric name not set while parsing: \"{a=\\\"ok\\\"} 1\"");
    REFUSED("a{\"b\"} 1\n", "metric name already set while parsing: \"a{\\\"b\\\"}\"");
    REFUSED("# TYPE #\n#EOF\n",
            "expected metric name after TYPE, got \"#\" (\"INVALID\") while parsing: \"# TYPE #\"");
    REFUSED("# HELP #\n#EOF\n",
            "expected metric name after HELP, got \"#\" (\"INVALID\") while parsing: \"# HELP #\"");
    REFUSED("# TYPE a x\n", "invalid metric type \"x\"");
    REFUSED("# TYPE a info\n", "invalid metric type \"info\"");
    REFUSED("# TYPE a  counter\n", "invalid metric type \" counter\"");
    REFUSED("# HELP a \xff\n", "help text \"\\xff\" is not a valid utf8 string");
    REFUSED("9a 1\n", "expected a valid start token, got \"9\" (\"INVALID\") while parsing: \"9\"");
    REFUSED("a{b=\0\"ssss\"} 1\n",
            "expected label value, got \"\\x00\" (\"INVALID\") while parsing: \"a{b=\\x00\"");
    REFUSED("a\0{b=\"ddd\"} 1\n",
            "expected value after metric, got \"\\x00\" (\"INVALID\") while parsing: \"a\\x00\"");
    REFUSED("a{b=\"c\"}{d=\"e\"} 1\n", "expected value after metric, got \"{d\" (\"BOPEN\") while "
                                       "parsing: \"a{b=\\\"c\\\"}{d\"");
}
END_TEST

START_TEST(text_refuses_a_body_that_may_have_been_cut)
{
    REFUSED("a 1\nb 123",
            "the last line does not end with a newline, so it may have been cut short: "
            "\"b 123\"");
}
END_TEST

START_TEST(text_tells_line_and_column_of_an_error)
{
    struct collected collected;
    collected_init(&collected);
    ck_assert_int_eq(collected_parse(&collected, EXPOSITION_TEXT, SLICE("a 1\n# x\nbb{c=d} 1\n")),
                     ERR_INVALID);
    ck_assert_uint_eq(collected.err.line, 3);
    ck_assert_uint_eq(collected.err.column, 6);
    ck_assert_uint_eq(collected.err.position, 13);
    collected_release(&collected);
}
END_TEST

START_TEST(text_stops_when_the_sink_says_so)
{
    struct collected collected;
    collected_init(&collected);
    collected.stop_after = 2;
    ck_assert_int_eq(collected_parse(&collected, EXPOSITION_TEXT, SLICE("a 1\nb 2\nc 3\n")),
                     ERR_CANCELED);
    ck_assert_uint_eq(collected.sample_count, 2);
    collected_release(&collected);
}
END_TEST

static enum exposition_answer check_nan(void *context, const struct exposition_series *series,
                                        double value, bool has_timestamp, int64_t timestamp_ms)
{
    (*(size_t *)context)++;
    ck_assert_uint_eq(codec_double_bits(value), SAMPLE_NAN_BITS);
    return EXPOSITION_GO_ON;
}

START_TEST(text_makes_every_nan_the_canonical_one)
{
    size_t count = 0;
    struct exposition_sink sink = {.context = &count, .sample = check_nan};
    ck_assert_int_eq(
        exposition_parse(EXPOSITION_TEXT, SLICE("a NaN\na nan\na NAN 5\na NaN \n"), &sink, NULL),
        ERR_NONE);
    ck_assert_uint_eq(count, 4);
}
END_TEST

/* Knows "foo" and "foo{a=\"b\"}" and takes the first that fits. */
static size_t recognise(void *context, struct slice rest)
{
    static const char *const known[] = {"foo{a=\"b\"}", "foo"};
    for (size_t i = 0; i < 2; i++) {
        if (slice_has_prefix(rest, slice_str(known[i])))
            return strlen(known[i]);
    }
    return 0;
}

static enum exposition_answer note_text(void *context, const struct exposition_series *series,
                                        double value, bool has_timestamp, int64_t timestamp_ms)
{
    buf_printf(context, "%.*s|%g\n", SLICE_ARG(series->text), value);
    return EXPOSITION_GO_ON;
}

START_TEST(text_takes_recognised_series_only_where_they_end)
{
    struct buf out;
    buf_init(&out, 1000);
    struct exposition_sink sink = {.context = &out, .sample = note_text, .recognise = recognise};
    ck_assert_int_eq(
        exposition_parse(EXPOSITION_TEXT,
                         SLICE("foo 1\nfoobar 2\nfoo{a=\"b\"} 3\nfoo{a=\"b\",c=\"d\"} 4\n"
                               "foo {a=\"b\"} 5\nfoo{a=\"c\"} 6\nfoo\t7 8\nbar 9\n"),
                         &sink, NULL),
        ERR_NONE);
    ck_assert_str_eq(buf_cstr(&out), "foo|1\nfoobar|2\nfoo{a=\"b\"}|3\nfoo{a=\"b\",c=\"d\"}|4\n"
                                     "foo {a=\"b\"}|5\nfoo{a=\"c\"}|6\nfoo|7\nbar|9\n");
    buf_release(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tcase = tcase_create("text");
    tcase_add_test(tcase, text_gives_samples_and_metadata_in_order);
    tcase_add_test(tcase, text_tolerates_white_space_between_tokens);
    tcase_add_test(tcase, text_skips_comments);
    tcase_add_test(tcase, text_takes_metadata_repeated_empty_and_late);
    tcase_add_test(tcase, text_resolves_escapes_of_label_values);
    tcase_add_test(tcase, text_takes_quoted_names);
    tcase_add_test(tcase, text_reads_every_form_of_number);
    tcase_add_test(tcase, text_normalises_bounds_by_the_last_type);
    tcase_add_test(tcase, text_refuses_with_the_words_of_the_reference);
    tcase_add_test(tcase, text_refuses_a_body_that_may_have_been_cut);
    tcase_add_test(tcase, text_tells_line_and_column_of_an_error);
    tcase_add_test(tcase, text_stops_when_the_sink_says_so);
    tcase_add_test(tcase, text_makes_every_nan_the_canonical_one);
    tcase_add_test(tcase, text_takes_recognised_series_only_where_they_end);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
