/*
 * A native histogram, integer or float, exponential (schema -4..8) or with custom buckets (schema
 * -53): https://prometheus.io/docs/specs/native_histograms/. One type for scraping, chunks, WAL,
 * remote write and the engine. Bucket counts are kept absolute as doubles; integer histograms say
 * so by `is_float` = false and hold whole numbers below 2^53.
 *
 * Ownership: heap object with one owner, or in an arena. Thread-safety: immutable once shared.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SCHEMA_CUSTOM (-53)
#define HISTOGRAM_SCHEMA_MIN (-4)
#define HISTOGRAM_SCHEMA_MAX 8

enum histogram_reset_hint {
    HISTOGRAM_RESET_UNKNOWN,
    HISTOGRAM_RESET_YES,
    HISTOGRAM_RESET_NO,
    HISTOGRAM_RESET_GAUGE,
};

struct histogram_span {
    int32_t offset; /* gap to the bucket before; for the first span the index itself */
    uint32_t length;
};

struct histogram {
    bool is_float;
    enum histogram_reset_hint reset_hint;
    int32_t schema;
    double zero_threshold;
    double zero_count;
    double count;
    double sum;
    uint32_t positive_span_count;
    uint32_t negative_span_count;
    uint32_t positive_bucket_count;
    uint32_t negative_bucket_count;
    uint32_t custom_bound_count;
    struct histogram_span *positive_spans;
    struct histogram_span *negative_spans;
    double *positive_buckets;
    double *negative_buckets;
    double *custom_bounds; /* upper bounds, +Inf not among them */
};

void histogram_free(struct histogram *histogram);
struct histogram *histogram_copy(const struct histogram *histogram) MUST_CHECK;
bool histogram_equal(const struct histogram *a, const struct histogram *b);
/* Is it consistent: schema, spans against buckets, counts, bounds? What comes from outside is
 * checked once, before it is stored. ERR_INVALID with the reference's texts. */
enum err histogram_validate(const struct histogram *histogram, struct errbuf *err) MUST_CHECK;
