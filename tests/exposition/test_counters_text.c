/* The server's own metrics in both text forms, which our own parsers read back. */
#include "tests/exposition/collected.h"

#include <check.h>

#include "base/counters.h"

static void setup(void)
{
    counters_reset_all();
    counter_add(counters_counter("a_total", "Counts\nof \"a\" \\."), 3);
    counter_set(counters_gauge("b", "A gauge."), -1.5);
    counter_add(counters_counter("odd", "Counter without suffix."), 1);
    static const double bounds[] = {0.5, 1};
    struct counters_family *family = counters_family(&(struct counters_description){
        .name = "h_seconds",
        .help = "Times.",
        .type = COUNTERS_HISTOGRAM,
        .label_names = {"handler"},
        .bounds = bounds,
        .bound_count = 2,
    });
    struct slice handler = SLICE("/a\"\\\n");
    counter_observe(counters_get(family, &handler), 0.25);
    counter_observe(counters_get(family, &handler), 2);
}

START_TEST(counters_write_the_text_format)
{
    struct buf out;
    buf_init(&out, 10000);
    exposition_write_counters(EXPOSITION_TEXT, &out);
    ck_assert_str_eq(buf_cstr(&out),
                     "# HELP a_total Counts\\nof \"a\" \\\\.\n# TYPE a_total counter\na_total 3\n"
                     "# HELP b A gauge.\n# TYPE b gauge\nb -1.5\n"
                     "# HELP h_seconds Times.\n# TYPE h_seconds histogram\n"
                     "h_seconds_bucket{handler=\"/a\\\"\\\\\\n\",le=\"0.5\"} 1\n"
                     "h_seconds_bucket{handler=\"/a\\\"\\\\\\n\",le=\"1\"} 1\n"
                     "h_seconds_bucket{handler=\"/a\\\"\\\\\\n\",le=\"+Inf\"} 2\n"
                     "h_seconds_sum{handler=\"/a\\\"\\\\\\n\"} 2.25\n"
                     "h_seconds_count{handler=\"/a\\\"\\\\\\n\"} 2\n"
                     "# HELP odd Counter without suffix.\n# TYPE odd counter\nodd 1\n");
    buf_release(&out);
}
END_TEST

START_TEST(counters_write_openmetrics)
{
    struct buf out;
    buf_init(&out, 10000);
    exposition_write_counters(EXPOSITION_OPENMETRICS, &out);
    ck_assert_str_eq(buf_cstr(&out),
                     "# HELP a Counts\\nof \\\"a\\\" \\\\.\n# TYPE a counter\na_total 3.0\n"
                     "# HELP b A gauge.\n# TYPE b gauge\nb -1.5\n"
                     "# HELP h_seconds Times.\n# TYPE h_seconds histogram\n"
                     "h_seconds_bucket{handler=\"/a\\\"\\\\\\n\",le=\"0.5\"} 1\n"
                     "h_seconds_bucket{handler=\"/a\\\"\\\\\\n\",le=\"1.0\"} 1\n"
                     "h_seconds_bucket{handler=\"/a\\\"\\\\\\n\",le=\"+Inf\"} 2\n"
                     "h_seconds_sum{handler=\"/a\\\"\\\\\\n\"} 2.25\n"
                     "h_seconds_count{handler=\"/a\\\"\\\\\\n\"} 2\n"
                     "# HELP odd Counter without suffix.\n# TYPE odd unknown\nodd 1.0\n# EOF\n");
    buf_release(&out);
}
END_TEST

START_TEST(counters_are_readable_by_our_own_parsers)
{
    static const enum exposition_format formats[] = {EXPOSITION_TEXT, EXPOSITION_OPENMETRICS};
    for (size_t i = 0; i < 2; i++) {
        struct buf out;
        struct collected collected;
        buf_init(&out, 10000);
        collected_init(&collected);
        exposition_write_counters(formats[i], &out);
        ck_assert_int_eq(collected_parse(&collected, formats[i], buf_slice(&out)), ERR_NONE);
        ck_assert_uint_eq(collected.sample_count, 8);
        collected_release(&collected);
        buf_release(&out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("counters_text");
    TCase *tcase = tcase_create("counters_text");
    tcase_add_checked_fixture(tcase, setup, counters_reset_all);
    tcase_add_test(tcase, counters_write_the_text_format);
    tcase_add_test(tcase, counters_write_openmetrics);
    tcase_add_test(tcase, counters_are_readable_by_our_own_parsers);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
