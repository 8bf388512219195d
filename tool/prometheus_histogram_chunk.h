/*
 * Chunks of native histograms of the reference: integer and float, each without and with start
 * times (the latter read only). A chunk has one layout, that is schema, spans and bounds; its
 * samples are told as second differences of counts, float ones as differences of bits.
 *
 * Thread-safety: functions of their arguments.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/histogram.h"
#include "tool/chunk_samples.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct histogram_chunk_kind {
    bool is_float;
    bool has_starts;
};

/* Appends the samples of a chunk. ERR_CORRUPT says what is wrong, not where. */
enum err prometheus_histogram_chunk_read(struct slice bytes, struct histogram_chunk_kind kind,
                                         struct chunk_samples *out, struct errbuf *err) MUST_CHECK;

/* May a chunk that ends with `before` go on with `next`? Not where the layout changes, a counter
 * may have been reset, or behind a stale marker. */
bool prometheus_histogram_chunk_continues(const struct histogram *before,
                                          const struct histogram *next);
/* Appends the bytes of a chunk of 1 to 65535 samples, each of which continues the one before. */
void prometheus_histogram_chunk_write(const int64_t *times_ms,
                                      const struct histogram *const *histograms, size_t count,
                                      struct buf *out);
