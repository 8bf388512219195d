/* Content-Type decides the format, Accept the answer. */
#include "exposition/exposition.h"

#include <check.h>
#include <stdlib.h>

static void assert_format(const char *content_type, enum exposition_format expected)
{
    enum exposition_format format;
    bool used_fallback = true;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(exposition_format_of(slice_str(content_type), SLICE_EMPTY, &format,
                                       &used_fallback, &err) == ERR_NONE,
                  "%s: %s", content_type, err.text);
    ck_assert_int_eq(format, expected);
    ck_assert(!used_fallback);
}

START_TEST(content_type_decides_the_format_whatever_its_parameters)
{
    assert_format("text/plain", EXPOSITION_TEXT);
    assert_format("text/plain; version=0.0.4; charset=utf-8", EXPOSITION_TEXT);
    assert_format("Text/Plain;version=\"1.0.0\" ; escaping=allow-utf-8;", EXPOSITION_TEXT);
    assert_format(" text/plain ", EXPOSITION_TEXT);
    assert_format("application/openmetrics-text; version=1.0.0; charset=utf-8",
                  EXPOSITION_OPENMETRICS);
    assert_format("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
                  "encoding=delimited",
                  EXPOSITION_PROTOBUF);
}
END_TEST

static void assert_no_format(const char *content_type, const char *expected)
{
    enum exposition_format format;
    bool used_fallback = false;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_int_eq(
        exposition_format_of(slice_str(content_type), SLICE_EMPTY, &format, &used_fallback, &err),
        ERR_INVALID);
    ck_assert_str_eq(err.text, expected);
    ck_assert_int_eq(exposition_format_of(slice_str(content_type),
                                          SLICE("application/openmetrics-text"), &format,
                                          &used_fallback, &err),
                     ERR_NONE);
    ck_assert_int_eq(format, EXPOSITION_OPENMETRICS);
    ck_assert(used_fallback);
}

START_TEST(content_type_that_is_none_fails_without_fallback)
{
    assert_no_format("", "non-compliant scrape target sending blank Content-Type and no "
                         "fallback_scrape_protocol specified for target");
    assert_no_format("application/json",
                     "received unsupported Content-Type \"application/json\" and "
                     "no fallback_scrape_protocol specified for target");
    assert_no_format("text/html; charset=utf-8",
                     "received unsupported Content-Type \"text/html; charset=utf-8\" and "
                     "no fallback_scrape_protocol specified for target");
    assert_no_format("text/plain; version",
                     "cannot parse Content-Type \"text/plain; version\" and no "
                     "fallback_scrape_protocol for target\n"
                     "mime: invalid media parameter");
    assert_no_format("text/plain; a=b; a=c",
                     "cannot parse Content-Type \"text/plain; a=b; a=c\" and no "
                     "fallback_scrape_protocol for target\nmime: duplicate parameter name");
    assert_no_format("/plain",
                     "cannot parse Content-Type \"/plain\" and no fallback_scrape_protocol "
                     "for target\nmime: no media type");
    assert_no_format("text/", "cannot parse Content-Type \"text/\" and no fallback_scrape_protocol "
                              "for target\nmime: expected token after slash");
    assert_no_format("text/plain x", "cannot parse Content-Type \"text/plain x\" and no "
                                     "fallback_scrape_protocol for target\n"
                                     "mime: unexpected content after media subtype");
}
END_TEST

START_TEST(negotiation_takes_the_heaviest_clause_that_can_be_served)
{
    static const struct {
        const char *accept;
        const char *content_type;
        enum exposition_format format;
    } cases[] = {
        {"", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", EXPOSITION_TEXT},
        {"*/*", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", EXPOSITION_TEXT},
        {"application/json", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
         EXPOSITION_TEXT},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
         "application/openmetrics-text;version=0.0.1;q=0.5,"
         "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,"
         "*/*;q=0.2",
         "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
         EXPOSITION_OPENMETRICS},
        {"text/plain;q=0.5, application/openmetrics-text;q=0.4",
         "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", EXPOSITION_TEXT},
        {"text/plain;version=0.0.4;q=0.3,application/openmetrics-text; version=0.0.1",
         "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores",
         EXPOSITION_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0;q=0, text/plain;q=0.1",
         "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", EXPOSITION_TEXT},
        {",,;;,application/openmetrics-text;version=\"1.0.0\"",
         "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
         EXPOSITION_OPENMETRICS},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        enum exposition_format format;
        ck_assert_str_eq(exposition_negotiate(slice_str(cases[i].accept), &format),
                         cases[i].content_type);
        ck_assert_int_eq(format, cases[i].format);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("content_type");
    TCase *tcase = tcase_create("content_type");
    tcase_add_test(tcase, content_type_decides_the_format_whatever_its_parameters);
    tcase_add_test(tcase, content_type_that_is_none_fails_without_fallback);
    tcase_add_test(tcase, negotiation_takes_the_heaviest_clause_that_can_be_served);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
