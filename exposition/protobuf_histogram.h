/*
 * A histogram of the protobuf format, taken apart: classic buckets, native ones, exemplars.
 *
 * Private to exposition/. Ownership: arrays belong to the reader and are used again; texts are
 * borrowed from the body. Thread-safety: one owner.
 */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/vec.h"
#include "model/histogram.h"

#include <stdbool.h>
#include <stdint.h>

struct protobuf_bucket {
    double upper_bound;
    double cumulative_count;
    struct slice exemplar; /* ptr NULL = none */
};

/* One sign of a native histogram. */
struct protobuf_side {
    VEC(struct histogram_span) spans;
    VEC(double) counts; /* absolute, of floats */
    VEC(double) sums;   /* absolute, summed up from deltas */
    int64_t sum;
    uint64_t span_total;
};

struct protobuf_histogram {
    double count; /* of floats where there is one, else the integer */
    double sum;
    bool is_float;
    double integer_count;
    int32_t schema;
    double zero_threshold;
    uint64_t zero_count;
    double zero_count_float;
    int64_t start_ms;
    VEC(struct protobuf_bucket) buckets;
    struct protobuf_side positive;
    struct protobuf_side negative;
    VEC(struct slice) exemplars;
};

void protobuf_histogram_release(struct protobuf_histogram *histogram);
/* ERR_INVALID where the message is broken or larger than any histogram. */
enum err protobuf_histogram_read(struct protobuf_histogram *out, struct slice message,
                                 struct errbuf *err) MUST_CHECK;
bool protobuf_histogram_is_native(const struct protobuf_histogram *histogram);
/* The native histogram, without empty buckets; memory from the arena. `family` is for errors. */
enum err protobuf_histogram_native(const struct protobuf_histogram *histogram, struct slice family,
                                   bool gauge, struct arena *arena, struct histogram **out,
                                   struct errbuf *err) MUST_CHECK;

/* google.protobuf.Timestamp in milliseconds. */
int64_t protobuf_timestamp_ms(struct slice message);
