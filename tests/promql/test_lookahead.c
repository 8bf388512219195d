/*
 * Rows that are made ahead by other threads: whatever a query answers with one thread, it answers
 * to the bit with several, with its figures, its annotations and its errors.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "model/histogram_arithmetic.h"
#include "model/symbols.h"
#include "promql/promql.h"
#include "tests/support/fake_source.h"
#include "tests/support/random_query.h"
#include "tests/support/series_notation.h"

#define STEP_MS 10000
#define FEATURES                                                                                   \
    (PROMQL_EXPERIMENTAL_FUNCTIONS | PROMQL_EXTENDED_RANGE_SELECTORS | PROMQL_PER_STEP_STATS)
/* Processors that turns are told of, so that helpers come whatever the machine has. */
#define TURNS 8

static const size_t thread_counts[] = {2, 4};

#define HELP_WAIT_NS INT64_C(30000000000)

/* --- a source whose reads can fail, cancel, and tell who reads --- */

struct guarded_source {
    struct series_source source; /* first */
    struct fake_source *fake;
    uint64_t failing;    /* the handle that cannot be read; UINT64_MAX = none */
    size_t cancel_after; /* reads */
    bool waits_for_help; /* the query's own thread reads when a helper has */
    pthread_t own;
    atomic_size_t reads;
    atomic_size_t helper_reads;
    atomic_bool canceled;
};

struct guarded_view {
    struct series_view view; /* first */
    struct guarded_source *guard;
    struct series_view *inner;
};

static enum err guarded_select(struct series_view *view, const struct series_query *query,
                               struct series_list *out, struct errbuf *error)
{
    return series_view_select(((struct guarded_view *)view)->inner, query, out, error);
}

static void wait_for_help(const struct guarded_source *guard)
{
    int64_t end_ns = clock_monotonic_ns(clock_system) + HELP_WAIT_NS;
    while (atomic_load(&guard->helper_reads) == 0 && clock_monotonic_ns(clock_system) < end_ns)
        sched_yield();
}

static enum err guarded_read(struct series_view *view, const struct series_entry *entry,
                             int64_t min_ms, int64_t max_ms, struct sample_columns *out,
                             struct errbuf *error)
{
    struct guarded_view *guarded = (struct guarded_view *)view;
    struct guarded_source *guard = guarded->guard;
    if (atomic_fetch_add(&guard->reads, 1) + 1 >= guard->cancel_after)
        atomic_store(&guard->canceled, true);
    if (!pthread_equal(pthread_self(), guard->own))
        atomic_fetch_add(&guard->helper_reads, 1);
    else if (guard->waits_for_help)
        wait_for_help(guard);
    if (entry->handle == guard->failing)
        return errbuf_set(error, ERR_CORRUPT, "series %llu is damaged",
                          (unsigned long long)entry->handle);
    return series_view_read(guarded->inner, entry, min_ms, max_ms, out, error);
}

static void guarded_close(struct series_view *view)
{
    struct guarded_view *guarded = (struct guarded_view *)view;
    series_view_close(guarded->inner);
    mem_free(guarded);
}

static const struct series_view_operations guarded_view_operations = {
    .select = guarded_select,
    .read = guarded_read,
    .close = guarded_close,
};

static enum err guarded_open(struct series_source *source, int64_t min_ms, int64_t max_ms,
                             struct series_view **out, struct errbuf *error)
{
    struct guarded_source *guard = (struct guarded_source *)source;
    struct series_view *inner;
    enum err code = series_source_open(&guard->fake->source, min_ms, max_ms, &inner, error);
    if (code != ERR_NONE)
        return code;
    struct guarded_view *guarded = mem_zalloc(sizeof(*guarded));
    guarded->view.operations = &guarded_view_operations;
    guarded->guard = guard;
    guarded->inner = inner;
    *out = &guarded->view;
    return ERR_NONE;
}

static const struct series_source_operations guarded_operations = {.open = guarded_open};

static struct fake_source *fake;
static struct guarded_source guard;

static void guard_reset(void)
{
    guard.source.operations = &guarded_operations;
    guard.fake = fake;
    guard.failing = UINT64_MAX;
    guard.cancel_after = SIZE_MAX;
    guard.waits_for_help = false;
    guard.own = pthread_self();
    atomic_store(&guard.helper_reads, 0);
    atomic_store(&guard.reads, 0);
    atomic_store(&guard.canceled, false);
}

static void load(const char *text)
{
    struct series_line line;
    ck_assert_msg(series_line_parse(slice_str(text), &line), "cannot read %s", text);
    struct fake_series *series = fake_source_series(fake, line.labels);
    for (size_t i = 0; i < line.values.len; i++) {
        const struct series_value *value = &line.values.items[i];
        int64_t time_ms = (int64_t)i * STEP_MS;
        if (value->is_omitted)
            continue;
        if (value->histogram != NULL)
            fake_series_add_histogram(series, time_ms, value->histogram);
        else
            fake_series_add(series, time_ms, value->value);
    }
    series_line_release(&line);
}

/* Floats with gaps and stale markers, native histograms, series that are both, one after another.
 */
static void setup(void)
{
    fake = fake_source_new();
    char text[512];
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof(text), "c_total{i=\"%d\",g=\"%d\"} 0+%dx20 _x%d stale 1+3x40", i,
                 i % 3, i + 1, i % 7);
        load(text);
        snprintf(text, sizeof(text),
                 "v{i=\"%d\",g=\"%d\"} %dx10 5-2x%d stale _x3 7+0.25x30 NaN 1 2", i, i % 3, i,
                 5 + i % 9);
        load(text);
        const char *histogram = "{{schema:0 sum:5 count:7 buckets:[1 2 4]}}+"
                                "{{schema:0 sum:1 count:3 buckets:[1 1 1]}}";
        snprintf(text, sizeof(text), "h{i=\"%d\",g=\"%d\"} %sx30 _x%d %sx20", i, i % 3, histogram,
                 i % 5, histogram);
        load(text);
        snprintf(text, sizeof(text), "m{i=\"%d\",g=\"%d\"} 1+1x%d %sx20 stale 3+1x30", i, i % 3,
                 i % 20, histogram);
        load(text);
    }
    guard_reset();
}

static void teardown(void)
{
    ck_assert_uint_eq(fake->open_views, 0);
    fake_source_free(fake);
}

static struct promql_engine *engine_of(size_t threads, uint64_t samples_max)
{
    return promql_engine_new(&(struct promql_engine_options){
        .threads = threads,
        .threads_series_min = 1,
        .turns_max = TURNS,
        .samples_max = samples_max,
        .features = FEATURES,
    });
}

/* --- everything that an answer says, as text --- */

static void print_steps(const char *name, const uint64_t *counts, size_t count, struct buf *out)
{
    buf_printf(out, "%s", name);
    for (size_t i = 0; counts != NULL && i < count; i++)
        buf_printf(out, " %llu", (unsigned long long)counts[i]);
    buf_append_str(out, "\n");
}

static void print_value(int64_t at, double value, const struct histogram *histogram,
                        struct buf *out)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    buf_printf(out, " %lld=", (long long)at);
    if (histogram == NULL) {
        buf_printf(out, "%016llx", (unsigned long long)bits);
        return;
    }
    buf_printf(out, "%d", (int)histogram->reset_hint);
    histogram_print(histogram, out);
}

static void print_labels(const struct labels *labels, struct buf *out)
{
    for (size_t i = 0; labels != NULL && i < labels->count; i++) {
        struct slice name = symbols_text(labels->pairs[i].name);
        struct slice value = symbols_text(labels->pairs[i].value);
        buf_printf(out, "%.*s=%.*s,", SLICE_ARG(name), SLICE_ARG(value));
    }
}

static void print_explanation(const struct promql_explanation *part, struct buf *out)
{
    buf_printf(out, "(%s %llu %llu %llu", part->operation, (unsigned long long)part->row_count,
               (unsigned long long)part->value_count, (unsigned long long)part->sample_count);
    for (size_t i = 0; i < part->child_count; i++)
        print_explanation(part->children[i], out);
    buf_append_str(out, ")");
}

static void print_result(const struct promql_result *result, struct buf *out)
{
    for (size_t row = 0; row < result->row_count; row++) {
        const struct promql_row *columns = &result->rows[row];
        print_labels(columns->labels, out);
        for (size_t i = 0; i < result->steps.count; i++) {
            if (promql_bitmap_get(columns->present, i))
                print_value((int64_t)i, columns->values[i],
                            columns->histograms == NULL ? NULL : columns->histograms[i], out);
        }
        buf_append_str(out, "\n");
    }
    for (size_t row = 0; row < result->points_count; row++)
        buf_printf(out, "%zu points\n", result->points[row].count);
    for (size_t i = 0; i < result->annotation_count; i++)
        buf_printf(out, "%.*s\n", SLICE_ARG(result->annotations[i].text));
    const struct promql_statistics *statistics = &result->statistics;
    buf_printf(
        out, "total %llu, peak %llu, read %llu\n", (unsigned long long)statistics->samples_total,
        (unsigned long long)statistics->samples_peak, (unsigned long long)statistics->samples_read);
    print_steps("totals", statistics->total_by_step, result->steps.count, out);
    print_steps("reads", statistics->read_by_step, result->steps.count, out);
    if (result->explanation != NULL)
        print_explanation(result->explanation, out);
}

static void answer(struct promql_engine *engine, const struct promql_query *query, struct buf *out)
{
    struct promql_result *result = NULL;
    struct errbuf error = ERRBUF_INIT;
    buf_reset(out);
    enum err code = promql_evaluate(engine, query, &result, &error);
    if (code != ERR_NONE)
        buf_printf(out, "%d: %s", (int)code, error.text);
    else
        print_result(result, out);
    promql_result_free(result);
}

static struct promql_query query_of(const char *text, int64_t start_ms, int64_t end_ms,
                                    int64_t step_ms, struct promql_expression **expression)
{
    struct errbuf error = ERRBUF_INIT;
    enum err code = promql_parse(slice_str(text), FEATURES, expression, &error);
    ck_assert_msg(code == ERR_NONE, "%s: %s", text, error.text);
    return (struct promql_query){
        .expression = *expression,
        .source = &guard.source,
        .start_ms = start_ms,
        .end_ms = end_ms,
        .step_ms = step_ms,
        .statistics_by_step = true,
        .explain = true,
    };
}

/* Compares several threads with one; the answer of one thread stays in `out`. */
static void expect_same(const struct promql_query *query, const char *text, uint64_t samples_max,
                        struct buf *out)
{
    struct buf CLEANUP(buf_release) other;
    buf_init(&other, BUF_SIZE_ANY);
    struct promql_engine *engine = engine_of(1, samples_max);
    answer(engine, query, out);
    promql_engine_free(engine);
    for (size_t i = 0; i < ARRAY_SIZE(thread_counts); i++) {
        engine = engine_of(thread_counts[i], samples_max);
        answer(engine, query, &other);
        promql_engine_free(engine);
        ck_assert_msg(strcmp(buf_cstr(&other), buf_cstr(out)) == 0,
                      "%s with %zu threads:\n%s\nand with one:\n%s", text, thread_counts[i],
                      buf_cstr(&other), buf_cstr(out));
    }
}

static const char *const expressions[] = {
    "v",
    "h",
    "m",
    "timestamp(m)",
    "v offset 35s",
    "m @ 200",
    "rate(c_total[1m])",
    "rate(v[1m])",
    "rate(h[1m])",
    "increase(m[2m])",
    "irate(m[1m])",
    "last_over_time(m[1m])",
    "first_over_time(h[1m])",
    "sum_over_time(m[30s])",
    "quantile_over_time(1.5, v[1m])",
    "min_over_time(m[1m])",
    "resets(m[2m])",
    "double_exponential_smoothing(v[1m], 0.3, 0.6)",
    "double_exponential_smoothing(v[1m], 3, 0.6)",
    "changes(v[1m] anchored)",
    "rate(c_total[1m] smoothed)",
    "count_over_time({__name__=~\"c_total|v\"}[1m])",
    "rate({__name__=~\"c_total|v\",i=\"3\"}[1m])",
    "sum by (g) (rate(c_total[1m]))",
    "avg by (g) (m)",
    "sum by (g) (h)",
    "histogram_quantile(0.9, sum by (g) (rate(h[1m])))",
    "histogram_count(h)",
    "topk by (g) (2, v)",
    "limitk(3, v)",
    "v + on (i) c_total",
    "v > on (i) group_left () c_total or h",
    "-m",
    "abs(v) * 2",
    "max_over_time(rate(c_total[1m])[2m:30s])",
    "sum(max_over_time(m[1m:15s]))",
    "quantile(0.3, last_over_time(v[1m]))",
    "absent_over_time(v{i=\"1\"}[30s])",
    "count_values(\"x\", v)",
    "sum(v) / sum(count_over_time(v[1m]))",
};

static const struct grid {
    int64_t start_ms;
    int64_t end_ms;
    int64_t step_ms;
} grids[] = {{300000, 300000, 0}, {0, 600000, 10000}, {3000, 590000, 37000}};

START_TEST(every_answer_is_that_of_one_thread)
{
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, BUF_SIZE_ANY);
    for (size_t i = 0; i < ARRAY_SIZE(grids); i++) {
        const struct grid *grid = &grids[i];
        struct promql_expression *expression;
        struct promql_query query =
            query_of(expressions[_i], grid->start_ms, grid->end_ms, grid->step_ms, &expression);
        expect_same(&query, expressions[_i], 0, &text);
        promql_expression_free(expression);
    }
}
END_TEST

START_TEST(random_queries_answer_as_with_one_thread)
{
    struct buf CLEANUP(buf_release) text;
    struct buf CLEANUP(buf_release) out;
    buf_init(&text, BUF_SIZE_ANY);
    buf_init(&out, BUF_SIZE_ANY);
    size_t failures = 0;
    for (uint64_t i = 0; i < 400; i++) {
        struct random_bytes bytes = {.state = (777 + i) * 0x9e3779b97f4a7c15u + 1};
        struct fake_source *source = random_query_data(&bytes);
        for (size_t k = 0; k < 4; k++) {
            struct promql_expression *expression;
            struct promql_query query = random_query_make(&bytes, source, &expression, &text);
            query.explain = query.statistics_by_step = true;
            expect_same(&query, buf_cstr(&text), 0, &out);
            failures += strchr("123456789", buf_cstr(&out)[0]) != NULL &&
                        strstr(buf_cstr(&out), ": ") != NULL;
            promql_expression_free(expression);
        }
        fake_source_free(source);
    }
    ck_assert_uint_lt(failures, 1200);
}
END_TEST

START_TEST(limits_of_samples_are_met_at_the_same_row)
{
    static const char *const limited[] = {"v",
                                          "h",
                                          "rate(m[1m])",
                                          "sum(rate(c_total[2m]))",
                                          "max_over_time(v[1m:10s])",
                                          "double_exponential_smoothing(v[1m], 3, 0.6)"};
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, BUF_SIZE_ANY);
    size_t failures = 0, answers = 0;
    for (size_t i = 0; i < ARRAY_SIZE(limited); i++) {
        struct promql_expression *expression;
        struct promql_query query = query_of(limited[i], 0, 400000, 20000, &expression);
        for (uint64_t samples_max = 1; samples_max < 20000; samples_max = samples_max * 3 / 2 + 1) {
            expect_same(&query, limited[i], samples_max, &text);
            bool failed = strstr(buf_cstr(&text), "too many samples") != NULL;
            failures += failed;
            answers += !failed;
        }
        promql_expression_free(expression);
    }
    ck_assert_uint_gt(failures, 20);
    ck_assert_uint_gt(answers, 20);
}
END_TEST

START_TEST(the_first_series_that_cannot_be_read_fails_the_query)
{
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, BUF_SIZE_ANY);
    static const char *const failing[] = {"v", "sum(rate(v[1m]))", "v + on (i) c_total"};
    for (size_t i = 0; i < ARRAY_SIZE(failing); i++) {
        struct promql_expression *expression;
        struct promql_query query = query_of(failing[i], 0, 400000, 20000, &expression);
        for (guard.failing = 0; guard.failing < fake->series.len; guard.failing += 3) {
            expect_same(&query, failing[i], 0, &text);
            const struct labels *labels = fake->series.items[guard.failing]->labels;
            if (slice_eq(labels_get(labels, SLICE("__name__")), SLICE("v")))
                ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "is damaged"));
        }
        promql_expression_free(expression);
    }
}
END_TEST

START_TEST(a_canceled_query_ends_while_helpers_read)
{
    struct promql_expression *expression;
    struct promql_query query = query_of(
        "sum(rate(v[1m])) + sum(quantile_over_time(0.5, c_total[5m]))", 0, 600000, 10, &expression);
    query.canceled = &guard.canceled;
    query.explain = query.statistics_by_step = false;
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, BUF_SIZE_ANY);
    struct promql_engine *engine = engine_of(4, 0);
    for (size_t reads = 1; reads < 60; reads += 7) {
        guard_reset();
        guard.cancel_after = reads;
        answer(engine, &query, &text);
        ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "query was canceled"));
        /* those that were under way, and no more */
        ck_assert_uint_lt(atomic_load(&guard.reads), reads + 20);
        ck_assert_uint_eq(fake->open_views, 0);
    }
    promql_engine_free(engine);
    promql_expression_free(expression);
}
END_TEST

START_TEST(helpers_read_where_a_processor_is_free_and_else_not)
{
    struct promql_expression *expression;
    struct promql_query query = query_of("sum by (g) (rate(m[1m]))", 0, 600000, 10000, &expression);
    struct buf CLEANUP(buf_release) text;
    struct buf CLEANUP(buf_release) other;
    buf_init(&text, BUF_SIZE_ANY);
    buf_init(&other, BUF_SIZE_ANY);
    expect_same(&query, "sum", 0, &text);
    for (size_t turns = 1; turns <= 2; turns++) {
        guard_reset();
        guard.waits_for_help = turns > 1;
        struct promql_engine *engine = promql_engine_new(&(struct promql_engine_options){
            .threads = 4, .threads_series_min = 1, .turns_max = turns, .features = FEATURES});
        answer(engine, &query, &other);
        ck_assert_str_eq(buf_cstr(&other), buf_cstr(&text));
        promql_engine_free(engine);
        ck_assert_int_eq(atomic_load(&guard.helper_reads) > 0, turns > 1);
    }
    promql_expression_free(expression);
}
END_TEST

START_TEST(little_memory_fails_or_answers_and_does_not_hang)
{
    struct promql_expression *expression;
    struct promql_query query = query_of("sum by (g) (rate(m[1m]))", 0, 600000, 1000, &expression);
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, BUF_SIZE_ANY);
    size_t failures = 0, answers = 0;
    for (uint64_t bytes_max = 1000; bytes_max < 100000000; bytes_max *= 2) {
        struct promql_engine *engine =
            promql_engine_new(&(struct promql_engine_options){.threads = 4,
                                                              .threads_series_min = 1,
                                                              .turns_max = TURNS,
                                                              .query_bytes_max = bytes_max,
                                                              .features = FEATURES});
        answer(engine, &query, &text);
        bool failed = strstr(buf_cstr(&text), "too many samples") != NULL;
        failures += failed;
        answers += !failed;
        promql_engine_free(engine);
    }
    promql_expression_free(expression);
    ck_assert_uint_gt(failures, 0);
    ck_assert_uint_gt(answers, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/lookahead");
    TCase *tests = tcase_create("threads");
    tcase_set_timeout(tests, 240);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, every_answer_is_that_of_one_thread, 0, ARRAY_SIZE(expressions));
    tcase_add_test(tests, random_queries_answer_as_with_one_thread);
    tcase_add_test(tests, limits_of_samples_are_met_at_the_same_row);
    tcase_add_test(tests, the_first_series_that_cannot_be_read_fails_the_query);
    tcase_add_test(tests, a_canceled_query_ends_while_helpers_read);
    tcase_add_test(tests, helpers_read_where_a_processor_is_free_and_else_not);
    tcase_add_test(tests, little_memory_fails_or_answers_and_does_not_hang);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
