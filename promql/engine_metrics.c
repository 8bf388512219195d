#include "promql/engine_metrics.h"

#include "base/compiler.h"

static const char *const slices[4] = {"queue_time", "prepare_time", "inner_eval", "result_sort"};

static const double quantiles[] = {0.5, 0.9, 0.99};
static const double bounds[] = {.01, .1, 1, 10};

void engine_metrics_init(struct engine_metrics *metrics, size_t concurrency_max)
{
    struct counters_family *durations = counters_family(&(struct counters_description){
        .name = "prometheus_engine_query_duration_seconds",
        .help = "Query timings",
        .type = COUNTERS_SUMMARY,
        .label_names = {"slice"},
        .bounds = quantiles,
        .bound_count = ARRAY_SIZE(quantiles),
    });
    struct counters_family *histograms = counters_family(&(struct counters_description){
        .name = "prometheus_engine_query_duration_histogram_seconds",
        .help = "The duration of various parts of PromQL query execution.",
        .type = COUNTERS_HISTOGRAM,
        .label_names = {"slice"},
        .bounds = bounds,
        .bound_count = ARRAY_SIZE(bounds),
    });
    for (size_t i = 0; i < ARRAY_SIZE(slices); i++) {
        struct slice slice = slice_str(slices[i]);
        metrics->durations[i] = counters_get(durations, &slice);
        metrics->histograms[i] = counters_get(histograms, &slice);
    }
    metrics->queries = counters_gauge("prometheus_engine_queries",
                                      "The current number of queries being executed or waiting.");
    metrics->samples = counters_counter(
        "prometheus_engine_query_samples_total",
        "The total number of samples loaded by all queries (full window per step for "
        "range-vector).");
    metrics->samples_read = counters_counter(
        "prometheus_engine_query_samples_read_total",
        "The total number of samples read by all queries (only new points per step for "
        "range-vector).");
    counter_set(counters_gauge("prometheus_engine_queries_concurrent_max",
                               "The max number of concurrent queries."),
                (double)concurrency_max);
    counter_set(counters_gauge("prometheus_engine_query_log_enabled", "State of the query log."),
                0);
    counters_counter("prometheus_engine_query_log_failures_total",
                     "The number of query log failures.");
}

void engine_metrics_begin(struct engine_metrics *metrics)
{
    counter_add(metrics->queries, 1);
}

void engine_metrics_observe(struct engine_metrics *metrics,
                            const struct promql_statistics *statistics)
{
    int64_t spent_ns[4] = {statistics->queue_ns, statistics->prepare_ns, statistics->evaluate_ns,
                           statistics->sort_ns};
    for (size_t i = 0; i < ARRAY_SIZE(spent_ns); i++) {
        counter_observe(metrics->durations[i], (double)spent_ns[i] / 1e9);
        counter_observe(metrics->histograms[i], (double)spent_ns[i] / 1e9);
    }
    counter_add(metrics->samples, (double)statistics->samples_total);
    counter_add(metrics->samples_read, (double)statistics->samples_read);
}

void engine_metrics_end(struct engine_metrics *metrics)
{
    counter_add(metrics->queries, -1);
}
