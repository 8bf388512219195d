/* What a query tells about itself: samples step by step, and what every operator did. */
#include <check.h>
#include <stdlib.h>

#include "promql/promql.h"
#include "tests/support/fake_source.h"
#include "tests/support/series_notation.h"

#define STEP_MS 10000

static struct fake_source *fake;
static struct promql_engine *engine;
static struct promql_result *result;

static void setup(void)
{
    fake = fake_source_new();
    engine = promql_engine_new(&(struct promql_engine_options){.features = PROMQL_PER_STEP_STATS});
    struct series_line line;
    ck_assert(series_line_parse(SLICE("x_total 0+1x59"), &line));
    struct fake_series *series = fake_source_series(fake, line.labels);
    for (size_t i = 0; i < line.values.len; i++)
        fake_series_add(series, (int64_t)i * STEP_MS, line.values.items[i].value);
    series_line_release(&line);
}

static void teardown(void)
{
    promql_result_free(result);
    result = NULL;
    promql_engine_free(engine);
    fake_source_free(fake);
}

/* Steps of 20 s from 60 s to 160 s, or one at 60 s. */
static void evaluate(const char *text, bool is_range)
{
    struct errbuf err = ERRBUF_INIT;
    struct promql_expression *expression;
    ck_assert_int_eq(promql_parse(slice_str(text), 0, &expression, &err), ERR_NONE);
    struct promql_query query = {.expression = expression,
                                 .source = &fake->source,
                                 .start_ms = 60000,
                                 .end_ms = is_range ? 160000 : 60000,
                                 .step_ms = is_range ? 20000 : 0,
                                 .statistics_by_step = true,
                                 .explain = true};
    promql_result_free(result);
    ck_assert_int_eq(promql_evaluate(engine, &query, &result, &err), ERR_NONE);
    promql_expression_free(expression);
}

static void expect_steps(const uint64_t *got, const uint64_t *expected)
{
    ck_assert_ptr_nonnull(got);
    for (size_t i = 0; i < 6; i++)
        ck_assert_uint_eq(got[i], expected[i]);
}

START_TEST(every_step_has_its_samples)
{
    evaluate("rate(x_total[1m])", true);
    expect_steps(result->statistics.total_by_step, (uint64_t[]){6, 6, 6, 6, 6, 6});
    expect_steps(result->statistics.read_by_step, (uint64_t[]){6, 2, 2, 2, 2, 2});
    evaluate("x_total", false);
    ck_assert_uint_eq(result->statistics.total_by_step[0], 1);
}
END_TEST

START_TEST(what_a_subquery_reads_belongs_to_the_first_step_that_sees_it)
{
    evaluate("max_over_time(x_total[1m:30s])", true);
    /* 30 and 60 for the first; 90, 120 and 150 for the steps at 100, 120 and 160 */
    expect_steps(result->statistics.read_by_step, (uint64_t[]){2, 0, 1, 1, 0, 1});
    expect_steps(result->statistics.total_by_step, (uint64_t[]){2, 2, 2, 2, 2, 2});
}
END_TEST

START_TEST(a_subquery_as_the_answer_counts_its_own_samples)
{
    evaluate("rate(x_total[20s])[1m:30s]", false);
    ck_assert_uint_eq(result->statistics.samples_total, 4);
    ck_assert_uint_eq(result->statistics.samples_read, 4);
}
END_TEST

START_TEST(what_is_the_same_at_every_step_counts_at_every_step_and_is_read_once)
{
    evaluate("x_total @ 50", true);
    expect_steps(result->statistics.total_by_step, (uint64_t[]){1, 1, 1, 1, 1, 1});
    expect_steps(result->statistics.read_by_step, (uint64_t[]){1, 0, 0, 0, 0, 0});
}
END_TEST

START_TEST(every_operator_is_explained)
{
    evaluate("sum(rate(x_total[1m])) > 0", true);
    const struct promql_explanation *top = result->explanation;
    ck_assert_ptr_nonnull(top);
    ck_assert(slice_eq_str(top->expression, "sum(rate(x_total[1m])) > 0"));
    ck_assert_uint_eq(top->row_count, 1);
    ck_assert_uint_eq(top->value_count, 6);
    ck_assert_uint_eq(top->child_count, 2);
    const struct promql_explanation *sum = top->children[0];
    ck_assert(slice_eq_str(sum->expression, "sum(rate(x_total[1m]))"));
    const struct promql_explanation *rate = sum->children[0];
    ck_assert(slice_eq_str(rate->expression, "rate(x_total[1m])"));
    ck_assert_uint_eq(rate->sample_count, 36);
    ck_assert_int_gt(rate->time_ns, 0);
    ck_assert_int_ge(top->time_ns, sum->time_ns);
    ck_assert_int_ge(sum->time_ns, rate->time_ns);
    ck_assert_uint_gt(rate->bytes, 0);
}
END_TEST

START_TEST(samples_as_the_answer_are_explained_too)
{
    evaluate("x_total[1m]", false);
    ck_assert_ptr_nonnull(result->explanation);
    ck_assert_str_eq(result->explanation->operation, "range selector");
    ck_assert_uint_eq(result->explanation->value_count, 6);
    ck_assert_uint_eq(result->statistics.samples_total, 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/statistics");
    TCase *tests = tcase_create("statistics");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, every_step_has_its_samples);
    tcase_add_test(tests, what_a_subquery_reads_belongs_to_the_first_step_that_sees_it);
    tcase_add_test(tests, a_subquery_as_the_answer_counts_its_own_samples);
    tcase_add_test(tests, what_is_the_same_at_every_step_counts_at_every_step_and_is_read_once);
    tcase_add_test(tests, every_operator_is_explained);
    tcase_add_test(tests, samples_as_the_answer_are_explained_too);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
