/* The server's own metrics of HTTP: requests, durations and sizes by handler, which is the route. */
#include "api/api_internal.h"
#include "base/counters.h"

#include <stdio.h>

struct api_http_metrics {
    struct counters_family *requests;
    struct counters_family *durations;
    struct counters_family *sizes;
};

struct api_http_metrics *http_metrics_new(void)
{
    static const double duration_bounds[] = {.1, .2, .4, 1, 3, 8, 20, 60, 120};
    static const double size_bounds[] = {1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    struct api_http_metrics *metrics = mem_zalloc(sizeof(*metrics));
    metrics->requests = counters_family(&(struct counters_description){
        .name = "prometheus_http_requests_total",
        .help = "Counter of HTTP requests.",
        .type = COUNTERS_COUNTER,
        .label_names = {"handler", "code"},
    });
    metrics->durations = counters_family(&(struct counters_description){
        .name = "prometheus_http_request_duration_seconds",
        .help = "Histogram of latencies for HTTP requests.",
        .type = COUNTERS_HISTOGRAM,
        .label_names = {"handler"},
        .bounds = duration_bounds,
        .bound_count = ARRAY_SIZE(duration_bounds),
    });
    metrics->sizes = counters_family(&(struct counters_description){
        .name = "prometheus_http_response_size_bytes",
        .help = "Histogram of response size for HTTP requests.",
        .type = COUNTERS_HISTOGRAM,
        .label_names = {"handler"},
        .bounds = size_bounds,
        .bound_count = ARRAY_SIZE(size_bounds),
    });
    return metrics;
}

void http_metrics_free(struct api_http_metrics *metrics)
{
    mem_free(metrics);
}

void http_metrics_observe(struct api_http_metrics *metrics, const char *route, unsigned status,
                          int64_t duration_ns, size_t body_bytes)
{
    if (route == NULL)
        return;
    /* the reference's template of the one route with a parameter in its middle */
    if (strcmp(route, "/api/v1/label/*/values") == 0)
        route = "/api/v1/label/:name/values";
    char code[16];
    int len = snprintf(code, sizeof(code), "%u", status);
    struct slice values[] = {slice_str(route), slice_from(code, (size_t)len)};
    counter_inc(counters_get(metrics->requests, values));
    counter_observe(counters_get(metrics->durations, values), (double)duration_ns / 1e9);
    counter_observe(counters_get(metrics->sizes, values), (double)body_bytes);
}
