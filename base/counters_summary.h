/*
 * Quantiles over the last ten minutes, in bounded memory: five windows of two minutes, each with a
 * random sample of at most 128 of what it has seen (Vitter's algorithm R). A quantile weighs each kept
 * value by how many it stands for.
 *
 * Ownership: a view is a copy of one moment, released by its maker. Thread-safety: any thread; a lock
 * of its own. Limits: 128 kept values a window, so the error of a quantile is some percent.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define COUNTERS_SUMMARY_WINDOWS 5
#define COUNTERS_SUMMARY_WINDOW_NS ((int64_t)120 * 1000000000)
#define COUNTERS_SUMMARY_KEPT_MAX 128

struct counters_summary;

struct counters_summary *counters_summary_new(void);
void counters_summary_free(struct counters_summary *summary);
void counters_summary_observe(struct counters_summary *summary, double value, int64_t now_ns);
/* Of all time, not of the windows. */
uint64_t counters_summary_count(struct counters_summary *summary);

struct counters_weighted {
    double value;
    double weight;
};

struct counters_summary_view {
    uint64_t count; /* of all time */
    double sum;     /* of all time */
    struct counters_weighted *values; /* of the windows, sorted */
    size_t value_count;
    double weight;
};

void counters_summary_view_init(struct counters_summary_view *view,
                                struct counters_summary *summary, int64_t now_ns);
void counters_summary_view_release(struct counters_summary_view *view);
/* NaN when nothing was seen in ten minutes. */
double counters_summary_view_quantile(const struct counters_summary_view *view, double quantile);
