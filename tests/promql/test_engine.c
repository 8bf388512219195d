/* The engine as its callers see it: limits, cancellation, the gate, figures, shapes of results. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/counters.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "model/labels_builder.h"
#include "model/sample.h"
#include "promql/promql.h"
#include "tests/support/fake_source.h"
#include "tests/support/series_notation.h"

#define STEP_MS 10000

static struct fake_source *fake;
static struct promql_engine *engine;
static struct errbuf err;
static int64_t timeout_ms; /* of the next queries; 0 = the engine's */

static void load(const char *text)
{
    struct series_line line;
    ck_assert(series_line_parse(slice_str(text), &line));
    struct fake_series *series = fake_source_series(fake, line.labels);
    for (size_t i = 0; i < line.values.len; i++) {
        const struct series_value *value = &line.values.items[i];
        if (value->histogram != NULL)
            fake_series_add_histogram(series, (int64_t)i * STEP_MS, value->histogram);
        else if (!value->is_omitted)
            fake_series_add(series, (int64_t)i * STEP_MS, value->value);
    }
    series_line_release(&line);
}

static void setup(void)
{
    fake = fake_source_new();
    engine = promql_engine_new(&(struct promql_engine_options){0});
    err = (struct errbuf){0};
    timeout_ms = 0;
}

static void teardown(void)
{
    promql_engine_free(engine);
    fake_source_free(fake);
}

static void use_engine(const struct promql_engine_options *options)
{
    promql_engine_free(engine);
    engine = promql_engine_new(options);
}

/* Evaluates; an instant query has step 0. The result is the caller's. */
static enum err evaluate(const char *text, int64_t start_ms, int64_t end_ms, int64_t step_ms,
                         const atomic_bool *canceled, struct promql_result **out)
{
    struct promql_expression *expression;
    ck_assert_int_eq(promql_parse(slice_str(text), 0, &expression, &err), ERR_NONE);
    struct promql_query query = {.expression = expression,
                                 .source = &fake->source,
                                 .start_ms = start_ms,
                                 .end_ms = end_ms,
                                 .step_ms = step_ms,
                                 .timeout_ms = timeout_ms,
                                 .canceled = canceled};
    enum err code = promql_evaluate(engine, &query, out, &err);
    promql_expression_free(expression);
    return code;
}

static struct promql_result *instant(const char *text, int64_t at_ms)
{
    struct promql_result *result = NULL;
    enum err code = evaluate(text, at_ms, at_ms, 0, NULL, &result);
    ck_assert_msg(code == ERR_NONE, "%s: %s", text, err.text);
    return result;
}

static struct promql_result *range(const char *text, int64_t start_ms, int64_t end_ms,
                                   int64_t step_ms)
{
    struct promql_result *result = NULL;
    enum err code = evaluate(text, start_ms, end_ms, step_ms, NULL, &result);
    ck_assert_msg(code == ERR_NONE, "%s: %s", text, err.text);
    return result;
}

static void expect_failure(const char *text, int64_t end_ms, int64_t step_ms, enum err code,
                           const char *message)
{
    struct promql_result *result = NULL;
    ck_assert_int_eq(evaluate(text, 0, end_ms, step_ms, NULL, &result), code);
    ck_assert_str_eq(err.text, message);
    ck_assert_ptr_null(result);
}

#define TEXT_SAMPLES "query processing would load too many samples into memory in query execution"

START_TEST(a_query_may_hold_as_many_samples_as_the_limit_and_no_more)
{
    load("x{i=\"1\"} 1x9");
    load("x{i=\"2\"} 1x9");
    use_engine(&(struct promql_engine_options){.samples_max = 20});
    struct promql_result *result = range("x", 0, 9 * STEP_MS, STEP_MS);
    ck_assert_uint_eq(result->statistics.samples_peak, 20);
    promql_result_free(result);
    use_engine(&(struct promql_engine_options){.samples_max = 19});
    expect_failure("x", 9 * STEP_MS, STEP_MS, ERR_LIMIT, TEXT_SAMPLES);
    /* an aggregation holds what it reads before it is small */
    expect_failure("sum(x)", 9 * STEP_MS, STEP_MS, ERR_LIMIT, TEXT_SAMPLES);
    expect_failure("sum(x) > 0", 9 * STEP_MS, STEP_MS, ERR_LIMIT, TEXT_SAMPLES);
}
END_TEST

START_TEST(what_is_made_of_samples_takes_their_place)
{
    load("x{i=\"1\"} 1x9");
    load("x{i=\"2\"} 1x9");
    const char *const queries[] = {"-x", "sum(x)", "x @ 0", "x * 2", "sum by (i) (abs(-x)) > 0"};
    for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
        struct promql_result *result = range(queries[i], 0, 9 * STEP_MS, STEP_MS);
        ck_assert_uint_ge(result->statistics.samples_peak, 20);
        ck_assert_uint_le(result->statistics.samples_peak, 20 + 10 + 2);
        promql_result_free(result);
    }
    /* a subquery stays beside what is made of it */
    struct promql_result *result = range("count_over_time(x[20s:10s])", 0, 9 * STEP_MS, STEP_MS);
    ck_assert_uint_eq(result->statistics.samples_peak, 20 + 20 + 2);
    promql_result_free(result);
}
END_TEST

START_TEST(samples_of_a_window_count_against_the_limit)
{
    load("x_total 0+1x99");
    use_engine(&(struct promql_engine_options){.samples_max = 50});
    struct promql_result *result = instant("rate(x_total[490s])", 99 * STEP_MS);
    ck_assert_uint_eq(result->statistics.samples_peak, 50);
    promql_result_free(result);
    ck_assert_int_eq(evaluate("rate(x_total[1h])", 99 * STEP_MS, 99 * STEP_MS, 0, NULL, &result),
                     ERR_LIMIT);
    ck_assert_str_eq(err.text, TEXT_SAMPLES);
    ck_assert_int_eq(evaluate("x_total[1h]", 99 * STEP_MS, 99 * STEP_MS, 0, NULL, &result),
                     ERR_LIMIT);
}
END_TEST

START_TEST(memory_of_a_query_is_limited)
{
    load("x 1x9");
    use_engine(&(struct promql_engine_options){.query_bytes_max = 1 << 20});
    /* 60 MB of columns */
    expect_failure("x", 7500000, 1, ERR_LIMIT, TEXT_SAMPLES);
    /* a subquery of a billion steps */
    expect_failure("count_over_time(x[100y:1ms])", 0, 0, ERR_LIMIT, TEXT_SAMPLES);
    /* a label that doubles at every turn */
    const char *text = "label_join(label_join(label_join(label_join(label_join(label_join(x,"
                       "\"a\",\"0123456789012345678901234567890123456789\",\"b\",\"b\",\"b\"),"
                       "\"b\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"),"
                       "\"a\",\"b\",\"b\",\"b\",\"b\",\"b\",\"b\",\"b\",\"b\",\"b\",\"b\"),"
                       "\"b\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"),"
                       "\"a\",\"b\",\"b\",\"b\",\"b\",\"b\",\"b\",\"b\",\"b\",\"b\",\"b\"),"
                       "\"b\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\")";
    expect_failure(text, 0, 0, ERR_LIMIT, TEXT_SAMPLES);
}
END_TEST

#define MIB ((uint64_t)1 << 20)

START_TEST(queries_share_memory_and_small_ones_are_answered_whatever_is_left)
{
    load("x 1x9");
    struct memory_budget memory;
    memory_budget_init(&memory, 256 * MIB);
    memory_budget_note(&memory, MEMORY_STORAGE, 250 * MIB);
    use_engine(&(struct promql_engine_options){.memory = &memory});
    struct promql_result *result = NULL;
    ck_assert_int_eq(evaluate("x", 0, 1000000, 1, NULL, &result), ERR_LIMIT);
    ck_assert_msg(strstr(err.text, "of the 256 MiB of --storage.memory-limit, storage holds 250.0 "
                                   "MiB, running queries hold") != NULL,
                  "%s", err.text);
    ck_assert_uint_eq(memory.refused_count, 1);
    ck_assert_uint_eq(memory.taken_bytes, 0);

    memory_budget_note(&memory, MEMORY_STORAGE, 500 * MIB);
    promql_result_free(instant("sum(x)", 0));
    ck_assert_uint_eq(memory.taken_bytes, 0);

    /* a result holds its memory until it is freed */
    memory_budget_note(&memory, MEMORY_STORAGE, 0);
    result = range("x", 0, 1000000, 1);
    ck_assert_uint_gt(memory.taken_bytes, 8 * MIB);
    memory_budget_note(&memory, MEMORY_STORAGE, 250 * MIB);
    struct promql_result *other = NULL;
    ck_assert_int_eq(evaluate("x", 0, 1000000, 1, NULL, &other), ERR_LIMIT);
    promql_result_free(result);
    ck_assert_uint_eq(memory.taken_bytes, 0);
}
END_TEST

/* A clock that moves by itself whenever it is read, and can raise a flag after some readings. */
static _Atomic int64_t ticks;
static int64_t tick_ns;
static int64_t cancel_after;
static atomic_bool cancel_flag;

static int64_t ticking_ms(const struct clock *clock)
{
    return atomic_load(&ticks);
}

static int64_t ticking_ns(const struct clock *clock)
{
    int64_t now = atomic_fetch_add(&ticks, 1);
    if (cancel_after > 0 && now >= cancel_after)
        atomic_store(&cancel_flag, true);
    return now * tick_ns;
}

static const struct clock ticking_clock = {ticking_ms, ticking_ns};

static void load_much(void)
{
    for (int i = 0; i < 20; i++) {
        char text[64];
        snprintf(text, sizeof(text), "x{i=\"%d\"} 0+1x3000", i);
        load(text);
    }
}

START_TEST(a_query_ends_soon_after_its_deadline)
{
    load_much();
    atomic_store(&ticks, 0);
    tick_ns = 1000000;
    cancel_after = 0;
    use_engine(&(struct promql_engine_options){.clock = &ticking_clock, .timeout_ms = 30});
    /* 20 series, 1000 windows of 2000 samples each: the clock is read every 65,536 samples */
    expect_failure("quantile_over_time(0.9, x[20000s])", 30000000, 30000, ERR_TIMEOUT,
                   "query timed out in expression evaluation");
    ck_assert_int_lt(atomic_load(&ticks), 60);
}
END_TEST

START_TEST(a_canceled_query_ends_within_a_range_function)
{
    load_much();
    atomic_store(&ticks, 0);
    atomic_store(&cancel_flag, false);
    tick_ns = 1;
    cancel_after = 30;
    use_engine(&(struct promql_engine_options){.clock = &ticking_clock});
    struct promql_result *result = NULL;
    ck_assert_int_eq(
        evaluate("stddev_over_time(x[20000s])", 0, 30000000, 30000, &cancel_flag, &result),
        ERR_CANCELED);
    ck_assert_str_eq(err.text, "query was canceled in expression evaluation");
    ck_assert_int_lt(atomic_load(&ticks), 40);
}
END_TEST

START_TEST(a_query_that_is_canceled_from_the_start_reads_nothing)
{
    load("x 1");
    atomic_bool canceled = true;
    struct promql_result *result = NULL;
    ck_assert_int_eq(evaluate("x", 0, 0, 0, &canceled, &result), ERR_CANCELED);
    ck_assert_uint_eq(fake->open_views, 0);
}
END_TEST

/* A source that does not open before it is told to. */
static struct mutex gate_lock;
static struct condition gate_moved;
static bool gate_is_open, gate_was_reached;

static enum err gated_open(struct series_source *source, int64_t min_ms, int64_t max_ms,
                           struct series_view **out, struct errbuf *error)
{
    mutex_lock(&gate_lock);
    gate_was_reached = true;
    condition_broadcast(&gate_moved);
    while (!gate_is_open)
        condition_wait(&gate_moved, &gate_lock);
    mutex_unlock(&gate_lock);
    return errbuf_set(error, ERR_IO, "the gate leads nowhere");
}

static void run_gated(void *context)
{
    static const struct series_source_operations operations = {.open = gated_open};
    struct series_source source = {&operations};
    struct promql_expression *expression;
    struct promql_result *result = NULL;
    struct errbuf error = ERRBUF_INIT;
    ck_assert_int_eq(promql_parse(SLICE("x"), 0, &expression, &error), ERR_NONE);
    struct promql_query query = {.expression = expression, .source = &source};
    *(enum err *)context = promql_evaluate(engine, &query, &result, &error);
    promql_expression_free(expression);
}

START_TEST(queries_beyond_the_limit_wait_until_their_deadline)
{
    use_engine(&(struct promql_engine_options){.concurrency_max = 1});
    mutex_init(&gate_lock, LOCK_RANK_TSDB_HEAD);
    condition_init(&gate_moved);
    gate_is_open = gate_was_reached = false;
    struct thread first = {0};
    enum err first_code = ERR_NONE;
    thread_start(&first, "first", run_gated, &first_code);
    mutex_lock(&gate_lock);
    while (!gate_was_reached)
        condition_wait(&gate_moved, &gate_lock);
    mutex_unlock(&gate_lock);
    timeout_ms = 100;
    expect_failure("1", 0, 0, ERR_TIMEOUT, "query timed out in query queue");
    timeout_ms = 0;
    atomic_bool canceled = true;
    struct promql_result *none = NULL;
    ck_assert_int_eq(evaluate("1", 0, 0, 0, &canceled, &none), ERR_CANCELED);
    mutex_lock(&gate_lock);
    gate_is_open = true;
    condition_broadcast(&gate_moved);
    mutex_unlock(&gate_lock);
    thread_join(&first);
    ck_assert_int_eq(first_code, ERR_IO);
    /* the place is free again */
    struct promql_result *result = instant("1", 0);
    ck_assert_double_eq(result->rows[0].values[0], 1);
    promql_result_free(result);
    condition_release(&gate_moved);
    mutex_release(&gate_lock);
}
END_TEST

START_TEST(samples_are_counted_as_the_reference_counts_them)
{
    load("x_total 0+1x59");
    /* windows of 6 samples, a new one every second sample */
    struct promql_result *result = range("rate(x_total[1m])", 60000, 160000, 20000);
    ck_assert_uint_eq(result->statistics.samples_total, 6 * 6);
    ck_assert_uint_eq(result->statistics.samples_read, 6 + 5 * 2);
    promql_result_free(result);
    result = range("x_total", 60000, 160000, 20000);
    ck_assert_uint_eq(result->statistics.samples_total, 6);
    ck_assert_uint_eq(result->statistics.samples_read, 6);
    promql_result_free(result);
    /* what lies between windows is not read */
    result = range("count_over_time(x_total[10s])", 60000, 160000, 50000);
    ck_assert_uint_eq(result->statistics.samples_total, 3);
    ck_assert_uint_eq(result->statistics.samples_read, 3);
    promql_result_free(result);
}
END_TEST

START_TEST(histograms_and_floats_share_a_row)
{
    load("h {{count:1 sum:2}} 7 {{count:3 sum:4}}");
    struct promql_result *result = range("h", 0, 2 * STEP_MS, STEP_MS);
    ck_assert_uint_eq(result->row_count, 1);
    const struct promql_row *row = &result->rows[0];
    ck_assert_ptr_nonnull(row->histograms);
    ck_assert_double_eq(row->histograms[0]->count, 1);
    ck_assert_ptr_null(row->histograms[1]);
    ck_assert_double_eq(row->values[1], 7);
    ck_assert_double_eq(row->histograms[2]->sum, 4);
    promql_result_free(result);
    result = instant("h[1m]", 2 * STEP_MS);
    ck_assert_uint_eq(result->points[0].count, 3);
    ck_assert_ptr_null(result->points[0].histograms[1]);
    ck_assert_double_eq(result->points[0].histograms[2]->count, 3);
    promql_result_free(result);
}
END_TEST

START_TEST(a_histogram_counts_as_many_samples_as_it_is_large)
{
    /* (168 + 8 + 4 * 8 + 8) / 16 */
    load("h {{count:10 buckets:[1 2 3 4]}}x4");
    struct promql_result *result = instant("h", 0);
    ck_assert_uint_eq(result->statistics.samples_peak, 13);
    ck_assert_uint_eq(result->statistics.samples_total, 13);
    promql_result_free(result);
    result = instant("h[1m]", 4 * STEP_MS);
    ck_assert_uint_eq(result->statistics.samples_peak, 5 * 13);
    promql_result_free(result);
    use_engine(&(struct promql_engine_options){.samples_max = 60});
    expect_failure("h", 4 * STEP_MS, STEP_MS, ERR_LIMIT, TEXT_SAMPLES);
    result = instant("count_over_time(h[30s])", 4 * STEP_MS);
    ck_assert_uint_eq(result->statistics.samples_peak, 40);
    promql_result_free(result);
    expect_failure("count_over_time(h[1m])", 4 * STEP_MS, STEP_MS, ERR_LIMIT, TEXT_SAMPLES);
}
END_TEST

START_TEST(a_stale_marker_ends_a_series_of_histograms)
{
    load("h {{count:1}} stale {{count:2}}");
    struct promql_result *result = range("h", 0, 2 * STEP_MS, STEP_MS);
    ck_assert_uint_eq(result->rows[0].present[0], 5);
    promql_result_free(result);
    result = instant("count_over_time(h[1m])", 2 * STEP_MS);
    ck_assert_double_eq(result->rows[0].values[0], 2);
    promql_result_free(result);
}
END_TEST

START_TEST(a_range_query_is_of_instant_vectors_and_scalars)
{
    expect_failure("x[5m]", 10, 1, ERR_INVALID,
                   "invalid expression type \"range vector\" for range query, must be Scalar or "
                   "instant Vector");
    expect_failure("\"text\"", 10, 1, ERR_INVALID,
                   "invalid expression type \"string\" for range query, must be Scalar or "
                   "instant Vector");
}
END_TEST

static void check_order(const struct promql_result *result, const char *const *expected)
{
    for (size_t i = 0; i < result->row_count; i++)
        ck_assert(slice_eq_str(labels_get(result->rows[i].labels, SLICE("i")), expected[i]));
}

START_TEST(rows_are_ordered_by_labels)
{
    load("x{i=\"b\"} 1x9");
    load("x{i=\"c\"} 2x9");
    load("x{i=\"a\"} 3x9");
    static const char *const order[] = {"a", "b", "c"};
    const char *const texts[] = {"x",      "x * 2",   "rate(x[1m])", "sum by (i) (x)",
                                 "x or x", "x and x", "-x",          "x * on (i) x"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct promql_result *result = instant(texts[i], 60000);
        ck_assert_uint_eq(result->row_count, 3);
        check_order(result, order);
        promql_result_free(result);
        result = range(texts[i], 60000, 80000, 10000);
        ck_assert_uint_eq(result->row_count, 3);
        check_order(result, order);
        promql_result_free(result);
    }
}
END_TEST

START_TEST(a_row_without_a_value_is_not_in_the_result)
{
    load("x{i=\"a\"} 1x9");
    load("x{i=\"b\"} 5x9");
    struct promql_result *result = range("x > 3", 0, 60000, 10000);
    ck_assert_uint_eq(result->row_count, 1);
    promql_result_free(result);
    result = range("topk(1, x)", 0, 60000, 10000);
    ck_assert_uint_eq(result->row_count, 1);
    promql_result_free(result);
    result = range("sum(x > 9)", 0, 60000, 10000);
    ck_assert_uint_eq(result->row_count, 0);
    promql_result_free(result);
}
END_TEST

START_TEST(a_result_keeps_its_view_until_it_is_freed)
{
    load("x{i=\"a\"} 1");
    struct promql_result *result =
        instant("label_replace(x, \"fresh\", \"$1!\", \"i\", \"(.*)\")", 0);
    ck_assert_uint_eq(fake->open_views, 1);
    ck_assert(slice_eq_str(labels_get(result->rows[0].labels, SLICE("fresh")), "a!"));
    promql_result_free(result);
    ck_assert_uint_eq(fake->open_views, 0);
    ck_assert_uint_eq(symbols_find(SLICE("a!")), SYMBOL_NONE);
}
END_TEST

START_TEST(every_type_has_its_shape)
{
    load("x 1 2 stale 4");
    struct promql_result *result = instant("(\"text\")", 0);
    ck_assert_int_eq(result->type, PROMQL_STRING);
    ck_assert(slice_eq_str(result->text, "text"));
    promql_result_free(result);
    result = instant("1 + 1", 0);
    ck_assert_int_eq(result->type, PROMQL_SCALAR);
    ck_assert_double_eq(result->rows[0].values[0], 2);
    promql_result_free(result);
    result = instant("x[1m]", 30000);
    ck_assert_int_eq(result->type, PROMQL_MATRIX);
    ck_assert(!result->is_range_query);
    ck_assert_uint_eq(result->points_count, 1);
    ck_assert_uint_eq(result->points[0].count, 3);
    ck_assert_int_eq(result->points[0].timestamps_ms[2], 30000);
    promql_result_free(result);
    result = instant("(x + 0)[20s:5s]", 30000);
    ck_assert_uint_eq(result->points_count, 1);
    ck_assert_uint_eq(result->points[0].count, 2);
    ck_assert_int_eq(result->points[0].timestamps_ms[0], 15000);
    ck_assert_double_eq(result->points[0].values[0], 2);
    promql_result_free(result);
    result = range("1", 0, 30000, 10000);
    ck_assert_int_eq(result->type, PROMQL_MATRIX);
    ck_assert(result->is_range_query);
    ck_assert_uint_eq(result->steps.count, 4);
    ck_assert_uint_eq(result->rows[0].labels->count, 0);
    promql_result_free(result);
}
END_TEST

START_TEST(the_lookback_delta_can_be_set_for_a_query)
{
    load("x 1");
    struct promql_expression *expression;
    ck_assert_int_eq(promql_parse(SLICE("x"), 0, &expression, &err), ERR_NONE);
    struct promql_query query = {.expression = expression,
                                 .source = &fake->source,
                                 .start_ms = 9999,
                                 .end_ms = 9999,
                                 .lookback_delta_ms = 10000};
    struct promql_result *result = NULL;
    ck_assert_int_eq(promql_evaluate(engine, &query, &result, &err), ERR_NONE);
    ck_assert_uint_eq(result->row_count, 1);
    promql_result_free(result);
    query.start_ms = query.end_ms = 10000;
    ck_assert_int_eq(promql_evaluate(engine, &query, &result, &err), ERR_NONE);
    ck_assert_uint_eq(result->row_count, 0);
    promql_result_free(result);
    promql_expression_free(expression);
}
END_TEST

START_TEST(long_chains_of_operators_are_evaluated)
{
    static const char *const chains[] = {"m", " + 1", "m", " - m", "m", " or m", "1", " * 1",
                                         "m @ 0", " + 0"};
    static const double expected[] = {5001, -4999, 1, 1, 1};
    load("m 1 1 1");
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        struct buf text CLEANUP(buf_release);
        buf_init(&text, PROMQL_TEXT_BYTES_MAX);
        buf_append_str(&text, chains[2 * i]);
        for (int k = 0; k < 5000; k++)
            buf_append_str(&text, chains[2 * i + 1]);
        struct promql_result *result = NULL;
        ck_assert_int_eq(evaluate(buf_cstr(&text), 0, 20000, 10000, NULL, &result), ERR_NONE);
        ck_assert_uint_eq(result->row_count, 1);
        for (size_t step = 0; step < 3; step++)
            ck_assert(result->rows[0].values[step] == expected[i]);
        promql_result_free(result);
    }
}
END_TEST

START_TEST(the_default_step_of_subqueries_can_change)
{
    load("x 1x60");
    struct promql_result *result = instant("count_over_time(x[5m:])", 300000);
    ck_assert_double_eq(result->rows[0].values[0], 5);
    promql_result_free(result);
    promql_engine_set_subquery_step(engine, 30000);
    result = instant("count_over_time(x[5m:])", 300000);
    ck_assert_double_eq(result->rows[0].values[0], 10);
    promql_result_free(result);
}
END_TEST

START_TEST(the_engine_leaves_figures_in_its_metrics)
{
    load("x 1x9");
    counters_reset_all();
    use_engine(&(struct promql_engine_options){.concurrency_max = 7});
    promql_result_free(range("x", 0, 90000, 10000));
    ck_assert_double_eq(
        counter_value(counters_counter("prometheus_engine_query_samples_total", "")), 10);
    ck_assert_double_eq(
        counter_value(counters_gauge("prometheus_engine_queries_concurrent_max", "")), 7);
    ck_assert_double_eq(counter_value(counters_gauge("prometheus_engine_queries", "")), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/engine");
    TCase *tests = tcase_create("engine");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_query_may_hold_as_many_samples_as_the_limit_and_no_more);
    tcase_add_test(tests, what_is_made_of_samples_takes_their_place);
    tcase_add_test(tests, samples_of_a_window_count_against_the_limit);
    tcase_add_test(tests, memory_of_a_query_is_limited);
    tcase_add_test(tests, queries_share_memory_and_small_ones_are_answered_whatever_is_left);
    tcase_add_test(tests, a_query_ends_soon_after_its_deadline);
    tcase_add_test(tests, a_canceled_query_ends_within_a_range_function);
    tcase_add_test(tests, a_query_that_is_canceled_from_the_start_reads_nothing);
    tcase_add_test(tests, queries_beyond_the_limit_wait_until_their_deadline);
    tcase_add_test(tests, samples_are_counted_as_the_reference_counts_them);
    tcase_add_test(tests, histograms_and_floats_share_a_row);
    tcase_add_test(tests, a_histogram_counts_as_many_samples_as_it_is_large);
    tcase_add_test(tests, a_stale_marker_ends_a_series_of_histograms);
    tcase_add_test(tests, a_range_query_is_of_instant_vectors_and_scalars);
    tcase_add_test(tests, rows_are_ordered_by_labels);
    tcase_add_test(tests, a_row_without_a_value_is_not_in_the_result);
    tcase_add_test(tests, a_result_keeps_its_view_until_it_is_freed);
    tcase_add_test(tests, every_type_has_its_shape);
    tcase_add_test(tests, the_lookback_delta_can_be_set_for_a_query);
    tcase_add_test(tests, long_chains_of_operators_are_evaluated);
    tcase_add_test(tests, the_default_step_of_subqueries_can_change);
    tcase_add_test(tests, the_engine_leaves_figures_in_its_metrics);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
