/* The engine's own metrics, under the reference's names. Thread-safety: any thread. */
#pragma once

#include "base/counters.h"
#include "promql/value.h"

#include <stddef.h>

struct engine_metrics {
    struct counter *queries;
    struct counter *samples;
    struct counter *samples_read;
    struct counter *durations[4]; /* queue, prepare, evaluate, sort: summaries */
    struct counter *histograms[4];
};

void engine_metrics_init(struct engine_metrics *metrics, size_t concurrency_max);
void engine_metrics_begin(struct engine_metrics *metrics);
void engine_metrics_observe(struct engine_metrics *metrics,
                            const struct promql_statistics *statistics);
void engine_metrics_end(struct engine_metrics *metrics);
