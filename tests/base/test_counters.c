/* The registry finds, counts and lists the server's own metrics. */
#include "base/counters.h"

#include "base/buf.h"
#include "base/compiler.h"
#include "base/thread.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

static void write_sample(const struct counters_sample *sample, void *context)
{
    struct buf *out = context;
    buf_printf(out, "%s%s", sample->description->name, sample->suffix);
    for (size_t i = 0; sample->description->label_names[i] != NULL; i++)
        buf_printf(out, "|%s=%.*s", sample->description->label_names[i],
                   SLICE_ARG(sample->label_values[i]));
    if (sample->extra_name != NULL)
        buf_printf(out, "|%s=%s", sample->extra_name, sample->extra_value);
    buf_printf(out, " %g\n", sample->value);
}

static void expect_collected(const char *want)
{
    struct buf out CLEANUP(buf_release);
    buf_init(&out, 1 << 16);
    counters_collect(write_sample, &out);
    ck_assert_str_eq(buf_cstr(&out), want);
}

START_TEST(counters_are_listed_by_name_and_label_values)
{
    counter_set(counters_gauge("zeta", "last"), -1.5);
    counter_inc(counters_counter("alpha_total", "first"));
    counter_add(counters_counter("alpha_total", "first"), 2);
    static const struct counters_description description = {
        .name = "middle_total", .help = "h", .label_names = {"code", "handler"}};
    struct counters_family *family = counters_family(&description);
    ck_assert_ptr_eq(family, counters_family(&description));
    static const char *const values[][2] = {{"500", "/b"}, {"200", "/b"}, {"200", "/a"}};
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct slice labels[] = {slice_str(values[i][0]), slice_str(values[i][1])};
        struct counter *counter = counters_get(family, labels);
        ck_assert_ptr_eq(counter, counters_get(family, labels));
        counter_add(counter, (double)i);
    }
    expect_collected("alpha_total 3\n"
                     "middle_total|code=200|handler=/a 2\n"
                     "middle_total|code=200|handler=/b 1\n"
                     "middle_total|code=500|handler=/b 0\n"
                     "zeta -1.5\n");
    struct slice gone[] = {SLICE("200"), SLICE("/b")};
    counters_remove(family, gone);
    counters_remove(family, gone);
    expect_collected("alpha_total 3\n"
                     "middle_total|code=200|handler=/a 2\n"
                     "middle_total|code=500|handler=/b 0\n"
                     "zeta -1.5\n");
    counters_reset_all();
    expect_collected("");
}
END_TEST

START_TEST(counters_histogram_buckets_are_cumulative)
{
    static const double bounds[] = {0.1, 1, 1e7};
    static const struct counters_description description = {
        .name = "seconds", .help = "h", .type = COUNTERS_HISTOGRAM, .bounds = bounds,
        .bound_count = ARRAY_SIZE(bounds)};
    struct counter *histogram = counters_single(counters_family(&description));
    static const double observed[] = {0.1, 0.05, 0.5, 100, 1e8};
    for (size_t i = 0; i < ARRAY_SIZE(observed); i++)
        counter_observe(histogram, observed[i]);
    ck_assert_double_eq(counter_value(histogram), 5);
    expect_collected("seconds_bucket|le=0.1 2\n"
                     "seconds_bucket|le=1 3\n"
                     "seconds_bucket|le=1e+07 4\n"
                     "seconds_bucket|le=+Inf 5\n"
                     "seconds_sum 1e+08\n"
                     "seconds_count 5\n");
    counters_reset_all();
}
END_TEST

static const double quantiles[] = {0.5, 0.99};
static const struct counters_description summary_description = {
    .name = "latency", .help = "h", .type = COUNTERS_SUMMARY, .bounds = quantiles,
    .bound_count = ARRAY_SIZE(quantiles)};

START_TEST(counters_summary_forgets_after_ten_minutes)
{
    struct clock_manual manual;
    clock_manual_init(&manual, 0);
    counters_set_clock(&manual.clock);
    struct counter *summary = counters_single(counters_family(&summary_description));
    expect_collected("latency|quantile=0.5 nan\nlatency|quantile=0.99 nan\n"
                     "latency_sum 0\nlatency_count 0\n");
    for (int i = 1; i <= 100; i++)
        counter_observe(summary, i);
    expect_collected("latency|quantile=0.5 50\nlatency|quantile=0.99 99\n"
                     "latency_sum 5050\nlatency_count 100\n");
    clock_manual_advance_ms(&manual, 5 * 60 * 1000);
    counter_observe(summary, 1000);
    expect_collected("latency|quantile=0.5 51\nlatency|quantile=0.99 100\n"
                     "latency_sum 6050\nlatency_count 101\n");
    clock_manual_advance_ms(&manual, 6 * 60 * 1000);
    expect_collected("latency|quantile=0.5 1000\nlatency|quantile=0.99 1000\n"
                     "latency_sum 6050\nlatency_count 101\n");
    clock_manual_advance_ms(&manual, 10 * 60 * 1000);
    expect_collected("latency|quantile=0.5 nan\nlatency|quantile=0.99 nan\n"
                     "latency_sum 6050\nlatency_count 101\n");
    counters_set_clock(NULL);
    counters_reset_all();
}
END_TEST

static void keep_median(const struct counters_sample *sample, void *context)
{
    if (sample->extra_value != NULL && strcmp(sample->extra_value, "0.5") == 0)
        *(double *)context = sample->value;
}

START_TEST(counters_summary_estimates_from_a_bounded_sample)
{
    struct clock_manual manual;
    clock_manual_init(&manual, 0);
    counters_set_clock(&manual.clock);
    struct counter *summary = counters_single(counters_family(&summary_description));
    for (int window = 0; window < 5; window++) {
        for (int i = 0; i < 20000; i++)
            counter_observe(summary, (double)(i * 7919 % 20000));
        clock_manual_advance_ms(&manual, window < 4 ? 120 * 1000 : 0);
    }
    double median = NAN;
    counters_collect(keep_median, &median);
    ck_assert_double_gt(median, 8500);
    ck_assert_double_lt(median, 11500);
    counters_set_clock(NULL);
    counters_reset_all();
}
END_TEST

static void update_gauge(void *context)
{
    counter_set(counters_gauge("fresh", "h"), *(double *)context);
}

START_TEST(counters_hooks_run_before_a_collection)
{
    double value = 7;
    counters_on_collect(update_gauge, &value);
    expect_collected("fresh 7\n");
    value = 8;
    expect_collected("fresh 8\n");
    counters_reset_all();
}
END_TEST

enum { ADDS = 20000 };

static void add_many(void *context)
{
    static const struct counters_description description = {
        .name = "shared_total", .help = "h", .label_names = {"l"}};
    for (int i = 0; i < ADDS; i++) {
        struct slice label = i % 2 == 0 ? SLICE("a") : SLICE("b");
        counter_inc(counters_get(counters_family(&description), &label));
    }
}

START_TEST(counters_lose_nothing_between_threads)
{
    struct thread threads[4];
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        thread_start(&threads[i], "adder", add_many, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        thread_join(&threads[i]);
    expect_collected("shared_total|l=a 40000\nshared_total|l=b 40000\n");
    counters_reset_all();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("counters");
    TCase *tcase = tcase_create("counters");
    tcase_add_test(tcase, counters_are_listed_by_name_and_label_values);
    tcase_add_test(tcase, counters_histogram_buckets_are_cumulative);
    tcase_add_test(tcase, counters_summary_forgets_after_ten_minutes);
    tcase_add_test(tcase, counters_summary_estimates_from_a_bounded_sample);
    tcase_add_test(tcase, counters_hooks_run_before_a_collection);
    tcase_add_test(tcase, counters_lose_nothing_between_threads);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
