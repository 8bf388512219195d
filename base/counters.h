/*
 * The server's own metrics: a process-wide registry of families (counter, gauge, histogram, summary),
 * which /metrics writes out. Updating is a few atomic instructions; looking a metric up by its label
 * values is not, so a hot path keeps the pointer.
 *
 * Families and metrics live until the end of the process, except those taken out by counters_remove.
 * Thread-safety: all functions from any thread.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum counters_type {
    COUNTERS_COUNTER,
    COUNTERS_GAUGE,
    COUNTERS_HISTOGRAM,
    COUNTERS_SUMMARY, /* quantiles over the last 10 minutes, by a bounded reservoir */
};

#define COUNTERS_LABELS_MAX 7

struct counters_family;
struct counter; /* one metric: a family with label values */

/* What a family is. Everything is copied. Zero-terminated arrays. */
struct counters_description {
    const char *name;
    const char *help;
    enum counters_type type;
    const char *label_names[COUNTERS_LABELS_MAX + 1];
    const double *bounds;    /* histogram: upper bounds without +Inf; summary: quantiles */
    size_t bound_count;
};

/* The family of that name; made when it is not there yet. */
struct counters_family *counters_family(const struct counters_description *description);
/* The metric with these label values (as many as the family has names), made when missing. */
struct counter *counters_get(struct counters_family *family, const struct slice *label_values);
/* For families without labels. */
struct counter *counters_single(struct counters_family *family);
/* Shorthands for families without labels: found or made, then the one metric. */
struct counter *counters_counter(const char *name, const char *help);
struct counter *counters_gauge(const char *name, const char *help);
void counters_remove(struct counters_family *family, const struct slice *label_values);

void counter_add(struct counter *counter, double value); /* counter and gauge */
void counter_inc(struct counter *counter);
void counter_set(struct counter *counter, double value);
void counter_observe(struct counter *counter, double value); /* histogram and summary */
/* Of a histogram or summary: how many values it has observed. */
double counter_value(const struct counter *counter);

/* Called before every collection, to bring gauges up to date. Never removed. */
void counters_on_collect(void (*update)(void *context), void *context);

/* One sample line of the registry. `suffix` is "", "_sum", "_count" or "_bucket"; for buckets and
 * quantiles `extra_name` is "le" or "quantile" with the text of the bound, else NULL. */
struct counters_sample {
    const struct counters_description *description;
    const char *suffix;
    const struct slice *label_values;
    const char *extra_name;
    const char *extra_value;
    double value;
};
/* All samples, family by family in the order of names. `each` must not call back into the registry. */
void counters_collect(void (*each)(const struct counters_sample *sample, void *context),
                      void *context);
/* Forgets everything; for tests only. */
void counters_reset_all(void);
/* The clock of the summaries' windows, NULL = the system's; for tests only. */
void counters_set_clock(const struct clock *clock);
