/* OpenMetrics is read as the reference reads it, errors included. */
#include "tests/exposition/collected.h"

#include <check.h>

#define PARSED(body, expected)                                                                     \
    assert_parsed(EXPOSITION_OPENMETRICS, SLICE(body), expected, __LINE__)
#define REFUSED(body, expected)                                                                    \
    assert_refused(EXPOSITION_OPENMETRICS, SLICE(body), expected, __LINE__)

START_TEST(openmetrics_gives_samples_and_metadata)
{
    PARSED("# EOF", "");
    PARSED("# EOF\n", "");
    PARSED(
        "# HELP a_seconds Some \\\"help\\\" \\\\ \\n.\n# TYPE a_seconds counter\n"
        "# UNIT a_seconds seconds\na_seconds_total 17.0 1520879607.789\n"
        "a_seconds_created 1520430000.123\n# TYPE h histogram\n"
        "h_bucket{le=\"1\"} 5\nh_bucket{le=\"+Inf\"} 7\n# TYPE g gaugehistogram\n"
        "g_bucket{le=\"1\"} 5\n# TYPE i info\ni_info{v=\"1\"} 1\n# TYPE s stateset\ns{s=\"a\"} 0\n"
        "# TYPE u unknown\nu -1 -1.5\n# HELP e \n# UNIT e \n# EOF\n",
        "help a_seconds \"Some \\\"help\\\" \\\\ \\n.\"\ntype a_seconds counter\n"
        "unit a_seconds seconds\n"
        "a_seconds_total => \"a_seconds_total\" | 17 @1520879607789\n"
        "a_seconds_created => \"a_seconds_created\" | 1.520430000123e+09\n"
        "type h histogram\nh_bucket{le=\"1\"} => \"h_bucket\" \"le\"=\"1.0\" | 5\n"
        "h_bucket{le=\"+Inf\"} => \"h_bucket\" \"le\"=\"+Inf\" | 7\ntype g gaugehistogram\n"
        "g_bucket{le=\"1\"} => \"g_bucket\" \"le\"=\"1\" | 5\ntype i info\n"
        "i_info{v=\"1\"} => \"i_info\" \"v\"=\"1\" | 1\ntype s stateset\n"
        "s{s=\"a\"} => \"s\" \"s\"=\"a\" | 0\ntype u unknown\nu => \"u\" | -1 @-1500\n"
        "help e \"\"\nunit e \n");
}
END_TEST

START_TEST(openmetrics_gives_exemplars_behind_their_samples)
{
    PARSED("a 1 # {id=\"x y # \"} 4\nb{c=\"d\"} 1 2 # {} 4 5.5\nc 1 # {a=\"b\",} +Inf\n"
           "d 1 # {a=\"\\\"\\n\\\\\",z=\"y\"} 1 -0.5\n# EOF\n",
           "a => \"a\" | 1\n  exemplar \"id\"=\"x y # \" | 4\n"
           "b{c=\"d\"} => \"b\" \"c\"=\"d\" | 1 @2000\n  exemplar | 4 @5500\n"
           "c => \"c\" | 1\n  exemplar \"a\"=\"b\" | +Inf\n"
           "d => \"d\" | 1\n  exemplar \"a\"=\"\\\"\\n\\\\\" \"z\"=\"y\" | 1 @-500\n");
}
END_TEST

START_TEST(openmetrics_created_lines_are_starts_where_that_is_wanted)
{
    struct collected collected;
    collected_init(&collected);
    collected.labels = false;
    collected.created_lines = true;
    ck_assert(collected_parse(
                  &collected, EXPOSITION_OPENMETRICS,
                  SLICE("# TYPE a counter\na_total{x=\"1\"} 5 # {} 1\na_created{x=\"1\"} 1.5\n"
                        "a_total{x=\"2\"} 6\na_total{x=\"3\"} 7\na_created{x=\"3\"} 2.25\n"
                        "a_total{x=\"4\"} 8\n"
                        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
                        "h_count 2\nh_sum 3\nh_created 4\n"
                        "# TYPE g gauge\ng 1\ng_created 5\n# EOF\n")) == ERR_NONE);
    ck_assert_str_eq(buf_cstr(&collected.text),
                     "type a counter\na_total{x=\"1\"} | 5 since 1500\n  exemplar | 1\n"
                     "a_total{x=\"2\"} | 6\na_total{x=\"3\"} | 7 since 2250\na_total{x=\"4\"} | 8\n"
                     "type h histogram\nh_bucket{le=\"1\"} | 1 since 4000\n"
                     "h_bucket{le=\"+Inf\"} | 2 since 4000\nh_count | 2 since 4000\n"
                     "h_sum | 3 since 4000\ntype g gauge\ng | 1\ng_created | 5\n");
    collected_release(&collected);
}
END_TEST

START_TEST(openmetrics_takes_quoted_names)
{
    PARSED("# TYPE \"my.m\" counter\n{\"my.m_total\",\"a b\"=\"c\"} 1\n# EOF\n",
           "type my.m counter\n"
           "{\"my.m_total\",\"a b\"=\"c\"} => \"my.m_total\" \"a b\"=\"c\" | 1\n");
}
END_TEST

START_TEST(openmetrics_refuses_with_the_words_of_the_reference)
{
    REFUSED("", "data does not end with # EOF");
    REFUSED("\n", "expected a valid start token, got \"\\n\" (\"INVALID\") while parsing: \"\\n\"");
    REFUSED("metric",
            "expected value after metric, got \"metric\" (\"EOF\") while parsing: \"metric\"");
    REFUSED("metric 1", "data does not end with # EOF");
    REFUSED("metric 1\n", "data does not end with # EOF");
    REFUSED("metric_total 1 # {aa=\"bb\"} 4", "data does not end with # EOF");
    REFUSED("a\n#EOF\n",
            "expected value after metric, got \"\\n\" (\"INVALID\") while parsing: \"a\\n\"");
    REFUSED(" a 1\n#EOF\n",
            "expected a valid start token, got \" \" (\"INVALID\") while parsing: \" \"");
    REFUSED("9\n#EOF\n",
            "expected a valid start token, got \"9\" (\"INVALID\") while parsing: \"9\"");
    REFUSED("# TYPE u untyped\n#EOF\n", "invalid metric type \"untyped\"");
    REFUSED("# TYPE c counter \n#EOF\n", "invalid metric type \"counter \"");
    REFUSED("#  TYPE c counter\n#EOF\n",
            "expected a valid start token, got \"#  \" (\"INVALID\") while parsing: \"#  \"");
    REFUSED(
        "# TYPE \n#EOF\n",
        "expected metric name after TYPE, got \"\\n\" (\"INVALID\") while parsing: \"# TYPE \\n\"");
    REFUSED("# TYPE m\n#EOF\n", "expected text in TYPE");
    REFUSED("# UNIT metric suffix\n#EOF\n", "unit \"suffix\" not a suffix of metric \"metric\"");
    REFUSED("# UNIT metricsuffix suffix\n#EOF\n",
            "unit \"suffix\" not a suffix of metric \"metricsuffix\"");
    REFUSED("# UNIT m suffix\n#EOF\n", "unit \"suffix\" not a suffix of metric \"m\"");
    REFUSED("# HELP m\n#EOF\n", "expected text in HELP");
    REFUSED("a\t1\n#EOF\n",
            "expected value after metric, got \"\\t\" (\"INVALID\") while parsing: \"a\\t\"");
    REFUSED("a  1\n# EOF\n",
            "expected value after metric, got \"  \" (\"INVALID\") while parsing: \"a  \"");
    REFUSED("a 1\t2\n#EOF\n",
            "strconv.ParseFloat: parsing \"1\\t2\": invalid syntax while parsing: \"a 1\\t2\"");
    REFUSED("a 1 2 \n#EOF\n",
            "expected next entry after timestamp, got \" \\n\" (\"INVALID\") while "
            "parsing: \"a 1 2 \\n\"");
    REFUSED("a 1 2 #\n#EOF\n", "expected next entry after timestamp, got \" #\\n\" (\"TIMESTAMP\") "
                               "while parsing: \"a 1 2 #\\n\"");
    REFUSED("a 1 1z\n#EOF\n",
            "strconv.ParseFloat: parsing \"1z\": invalid syntax while parsing: \"a 1 1z\"");
    REFUSED("# EOF\na 1", "unexpected data after # EOF");
    REFUSED("# EOF\n\n", "unexpected data after # EOF");
    REFUSED("# EOFa 1", "unexpected data after # EOF");
    REFUSED("#\tTYPE c counter\n",
            "expected a valid start token, got \"#\\t\" (\"INVALID\") while parsing: \"#\\t\"");
}
END_TEST

START_TEST(openmetrics_refuses_labels_and_exemplars_with_the_words_of_the_reference)
{
    REFUSED("a 1 1 1\n# EOF\n",
            "expected next entry after timestamp, got \" 1\\n\" (\"TIMESTAMP\") "
            "while parsing: \"a 1 1 1\\n\"");
    REFUSED("a{b='c'} 1\n# EOF\n",
            "expected label value, got \"'\" (\"INVALID\") while parsing: \"a{b='\"");
    REFUSED("a{,b=\"c\"} 1\n# EOF\n",
            "expected label name, got \",b\" (\"COMMA\") while parsing: \"a{,b\"");
    REFUSED("a{b=\"c\"d=\"e\"} 1\n# EOF\n", "expected comma or brace close, got \"d=\" (\"LNAME\") "
                                            "while parsing: \"a{b=\\\"c\\\"d=\"");
    REFUSED("a{b=\"c\",,d=\"e\"} 1\n# EOF\n", "expected label name, got \",d\" (\"COMMA\") while "
                                              "parsing: \"a{b=\\\"c\\\",,d\"");
    REFUSED("a{b=\"\xff\"} 1\n# EOF\n", "invalid UTF-8 label value: \"\\\"\\xff\\\"\"");
    REFUSED("a{b =\"c\"} 1\n# EOF\n",
            "expected equal, got \" \" (\"INVALID\") while parsing: \"a{b \"");
    REFUSED("something_weird{problem=\"\n# EOF\n",
            "expected label value, got \"\\\"\\n\" (\"INVALID\") while parsing: "
            "\"something_weird{problem=\\\"\\n\"");
    REFUSED("{A}0\n# EOF\n", "expected equal, got \"}0\" (\"BCLOSE\") while parsing: \"{A}0\"");
    REFUSED("foo 0 1_2\n\n# EOF\n", "unsupported character in float while parsing: \"foo 0 1_2\"");
    REFUSED("custom_metric_total 1 # {aa=bb}\n# EOF\n",
            "expected label value, got \"b\" (\"INVALID\") while parsing: "
            "\"custom_metric_total 1 # {aa=b\"");
    REFUSED("custom_metric_total 1 # {aa=\"bb\"}\n# EOF\n",
            "expected value after exemplar labels, got \"\\n\" (\"INVALID\") while parsing: "
            "\"custom_metric_total 1 # {aa=\\\"bb\\\"}\\n\"");
    REFUSED("custom_metric_total 1 # {aa=\"bb\"}",
            "expected value after exemplar labels, got \"}\" (\"EOF\") while parsing: "
            "\"custom_metric_total 1 # {aa=\\\"bb\\\"}\"");
    REFUSED(
        "custom_metric_total 1 # {bb, a=\"dd\"}",
        "expected equal, got \", \" (\"COMMA\") while parsing: \"custom_metric_total 1 # {bb, \"");
    REFUSED("custom_metric_total 1 # {aa=\"bb\"} 0x1p-3",
            "unsupported character in float while parsing: "
            "\"custom_metric_total 1 # {aa=\\\"bb\\\"} 0x1p-3\"");
    REFUSED("a 1 # {\"x\"} 1\n# EOF\n",
            "expected label name, got \"} \" (\"BCLOSE\") while parsing: \"a 1 # {\\\"x\\\"} \"");
    REFUSED("{b=\"c\",} 1\n# EOF\n", "metric name not set while parsing: \"{b=\\\"c\\\",} 1\"");
    REFUSED("a 1 NaN\n", "invalid timestamp NaN");
    REFUSED("a 1 -Inf\n", "invalid timestamp -Inf");
    REFUSED("a 1 Inf\n", "invalid timestamp +Inf");
    REFUSED("a 1 # {} 4 NaN\n", "invalid exemplar timestamp NaN");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("openmetrics");
    TCase *tcase = tcase_create("openmetrics");
    tcase_add_test(tcase, openmetrics_gives_samples_and_metadata);
    tcase_add_test(tcase, openmetrics_gives_exemplars_behind_their_samples);
    tcase_add_test(tcase, openmetrics_created_lines_are_starts_where_that_is_wanted);
    tcase_add_test(tcase, openmetrics_takes_quoted_names);
    tcase_add_test(tcase, openmetrics_refuses_with_the_words_of_the_reference);
    tcase_add_test(tcase, openmetrics_refuses_labels_and_exemplars_with_the_words_of_the_reference);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
