/*
 * Series for remote write: the labels of each, encoded once as the label fields of a TimeSeries, and a
 * walk for its values. Two shapes: node_exporter targets, and hosts as in the Time Series Benchmark
 * Suite (ten cpu gauges with ten tags, a histogram of 12 buckets, four network counters, an info metric).
 *
 * Ownership: a feed owns all. Thread-safety: different series may be stepped by different threads.
 */
#pragma once

#include "base/buf.h"
#include "base/rand.h"
#include "bench/walk.h"

#include <stddef.h>
#include <stdint.h>

#define FEED_BUCKETS 12
#define FEED_TSBS_SERIES_PER_HOST 29

struct feed_series {
    uint32_t labels_offset;
    uint32_t labels_len;
    struct walk walk;
    struct rand rand;
    int32_t bucket; /* place in a histogram: 0 to 11, sum 12, count 13; -1 = no histogram */
};

struct feed {
    struct feed_series *series;
    size_t series_count;
    struct buf labels;
    double interval_s;
};

void feed_init_node(struct feed *feed, size_t target_count, double interval_s);
void feed_init_tsbs(struct feed *feed, size_t host_count, double interval_s);
void feed_release(struct feed *feed);
double feed_next(const struct feed *feed, struct feed_series *series);

static inline struct slice feed_labels(const struct feed *feed, const struct feed_series *series)
{
    return slice_from(feed->labels.data + series->labels_offset, series->labels_len);
}
