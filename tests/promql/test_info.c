/* info() over many targets and its limits; start timestamps with and without their feature. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "promql/promql.h"
#include "tests/support/fake_source.h"
#include "tests/support/series_notation.h"

#define STEP_MS 10000

static struct fake_source *fake;
static struct errbuf err;

static struct fake_series *load(const char *text)
{
    struct series_line line;
    ck_assert(series_line_parse(slice_str(text), &line));
    struct fake_series *series = fake_source_series(fake, line.labels);
    for (size_t i = 0; i < line.values.len; i++)
        fake_series_add(series, (int64_t)i * STEP_MS, line.values.items[i].value);
    series_line_release(&line);
    return series;
}

static void setup(void)
{
    fake = fake_source_new();
    err = (struct errbuf){0};
}

static void teardown(void)
{
    fake_source_free(fake);
}

static enum err evaluate(const char *text, const struct promql_engine_options *options,
                         struct promql_result **out)
{
    struct promql_engine *engine = promql_engine_new(options);
    struct promql_expression *expression;
    ck_assert_int_eq(
        promql_parse(slice_str(text), PROMQL_EXPERIMENTAL_FUNCTIONS, &expression, &err), ERR_NONE);
    struct promql_query query = {
        .expression = expression, .source = &fake->source, .start_ms = STEP_MS, .end_ms = STEP_MS};
    enum err code = promql_evaluate(engine, &query, out, &err);
    promql_expression_free(expression);
    promql_engine_free(engine);
    return code;
}

static void load_targets(size_t count)
{
    char text[128];
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "up{instance=\"host-%zu.lan:9100\",job=\"node\"} 1 1", i);
        load(text);
        snprintf(text, sizeof(text),
                 "target_info{instance=\"host-%zu.lan:9100\",job=\"node\",zone=\"%zu\"} 1 1", i,
                 i % 3);
        load(text);
    }
    load("target_info{instance=\"elsewhere\",job=\"node\",zone=\"7\"} 1 1");
}

/* Few values of `instance` are asked for by a pattern, many are looked up. */
START_TEST(any_number_of_targets_can_be_enriched)
{
    static const size_t counts[] = {1, 3, 30, 1500};
    size_t count = counts[_i];
    struct promql_result *result;
    load_targets(count);
    ck_assert_int_eq(evaluate("info(up)", &(struct promql_engine_options){0}, &result), ERR_NONE);
    ck_assert_uint_eq(result->row_count, count);
    for (size_t i = 0; i < count; i++) {
        struct slice zone = labels_get(result->rows[i].labels, SLICE("zone"));
        ck_assert_uint_eq(zone.len, 1);
        ck_assert(zone.ptr[0] >= '0' && zone.ptr[0] <= '2');
    }
    promql_result_free(result);
}
END_TEST

START_TEST(info_series_count_against_the_limit_of_samples)
{
    struct promql_result *result;
    load_targets(10);
    ck_assert_int_eq(
        evaluate("info(up)", &(struct promql_engine_options){.samples_max = 50}, &result),
        ERR_NONE);
    promql_result_free(result);
    ck_assert_int_eq(
        evaluate("info(up)", &(struct promql_engine_options){.samples_max = 49}, &result),
        ERR_LIMIT);
    ck_assert_uint_eq(fake->open_views, 0);
}
END_TEST

START_TEST(info_series_are_counted_as_samples)
{
    struct promql_result *result;
    load_targets(10);
    ck_assert_int_eq(evaluate("info(up)", &(struct promql_engine_options){0}, &result), ERR_NONE);
    ck_assert_uint_eq(result->statistics.samples_total, 20);
    ck_assert_uint_eq(result->statistics.samples_read, 20);
    promql_result_free(result);
}
END_TEST

START_TEST(memory_of_info_series_is_limited)
{
    struct promql_result *result;
    load_targets(300);
    ck_assert_int_eq(
        evaluate("info(up)", &(struct promql_engine_options){.query_bytes_max = 30000}, &result),
        ERR_LIMIT);
    ck_assert_uint_eq(fake->open_views, 0);
}
END_TEST

static double only_value(const char *text, unsigned features)
{
    struct promql_result *result;
    ck_assert_int_eq(evaluate(text, &(struct promql_engine_options){.features = features}, &result),
                     ERR_NONE);
    double value = result->row_count == 0 ? -1 : result->rows[0].values[0];
    promql_result_free(result);
    return value;
}

START_TEST(start_timestamps_count_where_the_feature_is_on)
{
    struct fake_series *series = load("requests_total 5 7");
    fake_series_set_start(series, STEP_MS / 2);
    ck_assert_double_eq(only_value("increase(requests_total[20s])", 0), 4);
    ck_assert_double_eq(only_value("increase(requests_total[20s])", PROMQL_START_TIMESTAMPS), 12);
    ck_assert_double_eq(only_value("resets(requests_total[20s])", 0), 0);
    ck_assert_double_eq(only_value("resets(requests_total[20s])", PROMQL_START_TIMESTAMPS), 1);
    ck_assert_double_eq(only_value("start_timestamp(requests_total)", 0), -1);
    ck_assert_double_eq(only_value("start_timestamp(requests_total)", PROMQL_START_TIMESTAMPS), 5);
    ck_assert_double_eq(only_value("start_timestamp(requests_total + 1)", PROMQL_START_TIMESTAMPS),
                        -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/info");
    TCase *tests = tcase_create("info");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, any_number_of_targets_can_be_enriched, 0, 4);
    tcase_add_test(tests, info_series_count_against_the_limit_of_samples);
    tcase_add_test(tests, info_series_are_counted_as_samples);
    tcase_add_test(tests, memory_of_info_series_is_limited);
    tcase_add_test(tests, start_timestamps_count_where_the_feature_is_on);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
