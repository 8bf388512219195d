/*
 * A range query is an instant query at every step: whatever an operator does with whole columns,
 * each step has to be what the instant query answers. Random series with gaps, stale markers, NaN,
 * resets and irregular times; many expressions; many grids.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/labels_builder.h"
#include "model/sample.h"
#include "promql/promql.h"
#include "tests/support/fake_source.h"

static struct fake_source *fake;
static struct promql_engine *engine;
static uint64_t state;

static uint64_t next_random(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static void add_series(const char *name, int number, bool counter)
{
    struct labels_builder CLEANUP(labels_builder_release) builder;
    labels_builder_init(&builder);
    char text[32];
    labels_builder_set(&builder, SLICE("__name__"), slice_str(name));
    snprintf(text, sizeof(text), "%d", number);
    labels_builder_set(&builder, SLICE("i"), slice_str(text));
    snprintf(text, sizeof(text), "g%d", number % 3);
    labels_builder_set(&builder, SLICE("g"), slice_str(text));
    struct labels *labels = labels_builder_build(&builder);
    struct fake_series *series = fake_source_series(fake, labels);
    labels_unref(labels);
    int64_t time_ms = (int64_t)next_random(20000);
    double value = (double)next_random(100);
    while (time_ms < 1200000) {
        uint64_t dice = next_random(100);
        if (dice < 2)
            fake_series_add(series, time_ms, sample_stale());
        else if (dice < 4)
            fake_series_add(series, time_ms, NAN);
        else
            fake_series_add(series, time_ms, value);
        if (dice == 5)
            time_ms += (int64_t)next_random(400000);
        time_ms += dice < 50 ? 10000 : 1 + (int64_t)next_random(15000);
        value = counter && next_random(30) > 0 ? value + (double)next_random(50)
                                               : (double)next_random(100);
    }
}

static void fill(uint64_t seed)
{
    state = seed * 0x9e3779b97f4a7c15u + 1;
    fake_source_clear(fake);
    for (int i = 0; i < 7; i++) {
        add_series("c_total", i, true);
        add_series("v", i, false);
    }
    for (int i = 0; i < 3; i++)
        add_series("w", i * 4, false);
}

static const char *const expressions[] = {
    "v",
    "v offset 37s",
    "v offset -1m",
    "v @ 600",
    "v @ end() offset 1m",
    "timestamp(v)",
    "rate(c_total[1m])",
    "rate(c_total[5m])",
    "rate(c_total[13s])",
    "increase(c_total[2m] offset 1m)",
    "delta(v[3m])",
    "irate(c_total[2m])",
    "idelta(v[2m])",
    "resets(c_total[5m])",
    "changes(v[5m])",
    "sum_over_time(v[3m])",
    "avg_over_time(v[3m])",
    "min_over_time(v[10m])",
    "max_over_time(v[10m])",
    "min_over_time(v[20s])",
    "max_over_time(v[20s])",
    "count_over_time(v[3m])",
    "stddev_over_time(v[3m])",
    "quantile_over_time(0.3, v[5m])",
    "mad_over_time(v[5m])",
    "ts_of_max_over_time(v[5m])",
    "ts_of_min_over_time(v[1m])",
    "last_over_time(v[4m])",
    "first_over_time(v[4m])",
    "present_over_time(v[30s])",
    "absent_over_time(v{i=\"1\"}[30s])",
    "deriv(v[5m])",
    "predict_linear(v[5m], 600)",
    "double_exponential_smoothing(v[5m], 0.3, 0.6)",
    "sum(v)",
    "sum by (g) (v)",
    "avg by (g) (rate(c_total[2m]))",
    "min by (g) (v)",
    "max without (i) (v)",
    "count by (g) (v)",
    "group by (g) (v)",
    "stddev by (g) (v)",
    "stdvar (v)",
    "quantile by (g) (0.7, v)",
    "count_values(\"value\", v)",
    "count(topk(3, v))",
    "sum by (g) (bottomk by (g) (1, v))",
    "v + on (i) c_total",
    "v / ignoring (g) c_total",
    "v > 50",
    "50 > v",
    "v >= bool 50",
    "v * on (g) group_left () sum by (g) (w)",
    "v and on (i) w",
    "v or w",
    "v unless on (i) w",
    "sum(v > 90) or vector(0)",
    "absent(v > 95)",
    "scalar(v{i=\"1\"}) + v",
    "clamp(v, 20, 60)",
    "round(v, 7)",
    "-v",
    "label_replace(v, \"j\", \"$1x\", \"i\", \"(.*)\")",
    "label_join(v, \"j\", \"-\", \"i\", \"g\")",
    "max_over_time(v[5m:45s])",
    "sum_over_time(rate(c_total[1m])[5m:1m] offset 30s)",
    "avg_over_time((v > 30)[4m:20s])",
    "max_over_time(v[5m:45s] @ 700)",
    "sum by (g) (v @ 500) + sum by (g) (v)",
    "hour(v * 1000) + minute(v * 100)",
    "time() - v",
};

/* The instant answer at a time has exactly the rows and values of the range's step. */
static void compare_step(const char *text, const struct promql_result *whole, size_t step,
                         const struct promql_result *one)
{
    size_t present = 0;
    for (size_t i = 0; i < whole->row_count; i++) {
        const struct promql_row *row = &whole->rows[i];
        if (!promql_bitmap_get(row->present, step))
            continue;
        present++;
        const struct promql_row *other = NULL;
        for (size_t k = 0; k < one->row_count; k++) {
            if (labels_equal(one->rows[k].labels, row->labels))
                other = &one->rows[k];
        }
        ck_assert_msg(other != NULL, "%s: step %zu has a row that the instant query has not", text,
                      step);
        double a = row->values[step], b = other->values[0];
        bool same = (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= 1e-9 * fabs(a + b);
        ck_assert_msg(same, "%s: step %zu: %.17g in the range, %.17g alone", text, step, a, b);
    }
    ck_assert_msg(present == one->row_count, "%s: step %zu: %zu rows in the range, %zu alone", text,
                  step, present, one->row_count);
}

static struct promql_result *evaluate(const struct promql_query *query, const char *text)
{
    struct promql_result *result = NULL;
    struct errbuf err = ERRBUF_INIT;
    enum err code = promql_evaluate(engine, query, &result, &err);
    ck_assert_msg(code == ERR_NONE, "%s: %s", text, err.text);
    return result;
}

static void compare_grid(const char *text, const struct promql_expression *expression)
{
    int64_t step_ms = 1 + (int64_t)next_random(60000);
    size_t count = 1 + next_random(150);
    int64_t start_ms = (int64_t)next_random(600000);
    struct promql_query query = {.expression = expression,
                                 .source = &fake->source,
                                 .start_ms = start_ms,
                                 .end_ms = start_ms + (int64_t)(count - 1) * step_ms,
                                 .step_ms = step_ms};
    struct promql_result *whole = evaluate(&query, text);
    ck_assert_uint_eq(whole->steps.count, count);
    bool uses_end = slice_find(slice_str(text), SLICE("end()")) != SLICE_NONE;
    for (size_t step = 0; step < count; step += 1 + next_random(7)) {
        struct promql_query single = query;
        single.step_ms = 0;
        single.start_ms = single.end_ms = start_ms + (int64_t)step * step_ms;
        if (uses_end && single.end_ms != query.end_ms)
            continue;
        struct promql_result *one = evaluate(&single, text);
        if (one->type == PROMQL_SCALAR)
            ck_assert_double_eq(one->rows[0].values[0], whole->rows[0].values[step]);
        else
            compare_step(text, whole, step, one);
        promql_result_free(one);
    }
    promql_result_free(whole);
}

START_TEST(every_step_of_a_range_query_is_the_instant_answer)
{
    const char *text = expressions[_i];
    struct promql_expression *expression;
    struct errbuf err = ERRBUF_INIT;
    enum err code = promql_parse(slice_str(text), PROMQL_EXPERIMENTAL_FUNCTIONS, &expression, &err);
    ck_assert_msg(code == ERR_NONE, "%s: %s", text, err.text);
    fake = fake_source_new();
    engine = promql_engine_new(&(struct promql_engine_options){0});
    for (uint64_t seed = 1; seed <= 6; seed++) {
        fill(seed);
        for (int grid = 0; grid < 3; grid++)
            compare_grid(text, expression);
    }
    promql_engine_free(engine);
    fake_source_free(fake);
    promql_expression_free(expression);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/columns");
    TCase *tests = tcase_create("columns");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, every_step_of_a_range_query_is_the_instant_answer, 0,
                        ARRAY_SIZE(expressions));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
