/*
 * Logs of Prometheus, made for tests: segments of pages, records of all kinds, head chunks.
 *
 * Ownership: the buffers are the caller's. Thread-safety: one owner.
 */
#pragma once

#include "base/buf.h"
#include "model/histogram.h"

#include <stdbool.h>
#include <stdint.h>

struct built_sample {
    uint64_t series;
    int64_t time_ms;
    double value;
    int64_t start_ms;
};

/* Puts a record into a segment, compressed or not, over as many pages as it needs. */
void built_log_record(struct buf *segment, const struct buf *record, bool snappy);

/* Records; each empties the buffer first. `labels` is "name=value,name=value". */
void built_series(struct buf *record, uint64_t series, const char *labels);
void built_samples(struct buf *record, const struct built_sample *samples, size_t count);
void built_samples_2(struct buf *record, const struct built_sample *samples, size_t count);
void built_deletion(struct buf *record, uint64_t series, int64_t min_ms, int64_t max_ms);
/* Of integers or floats, of exponential or custom buckets, with start time or without. */
void built_histogram(struct buf *record, uint64_t series, int64_t time_ms, int64_t start_ms,
                     const struct histogram *histogram, bool second);

/* Appends a chunk of floats to a file of chunks_head/, which it begins. */
void built_head_chunk(struct buf *file, uint64_t series, bool is_late, const int64_t *times_ms,
                      const double *values, size_t count);

/* Puts right the checksums of whatever looks like a log, or like a file of head chunks. */
void built_log_mend(uint8_t *bytes, size_t size);
void built_head_chunks_mend(uint8_t *bytes, size_t size);
