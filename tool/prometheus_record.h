/*
 * The records of the reference's logs
 * (https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/wal.md), taken apart: series
 * with their labels, samples, histograms, deletions; exemplars, metadata and marks of the
 * out-of-order log are left out. Kinds that are not known are left out too, as the reference does.
 *
 * A kind whose function is NULL is not decoded at all.
 *
 * Ownership: labels and histograms are borrowed for the call. Thread-safety: one owner.
 */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/histogram.h"
#include "model/labels_builder.h"

#include <stdint.h>

struct prometheus_sample {
    uint64_t series; /* what the record calls it */
    int64_t time_ms;
    int64_t start_ms;                  /* 0 = not known */
    double value;                      /* where it is no histogram */
    const struct histogram *histogram; /* or NULL */
};

struct prometheus_record_sink {
    void *context;
    void (*series)(void *context, uint64_t series, struct labels_builder *labels);
    void (*sample)(void *context, const struct prometheus_sample *sample);
    /* inclusive */
    void (*deleted)(void *context, uint64_t series, int64_t min_ms, int64_t max_ms);
};

struct prometheus_record_reader {
    struct labels_builder labels;
    struct arena arena; /* the histogram that is read */
};

void prometheus_record_reader_init(struct prometheus_record_reader *reader);
void prometheus_record_reader_release(struct prometheus_record_reader *reader);
/* ERR_CORRUPT says what is wrong, not where; what stands before it was handed over. */
enum err prometheus_record_read(struct prometheus_record_reader *reader, struct slice record,
                                const struct prometheus_record_sink *sink,
                                struct errbuf *err) MUST_CHECK;
