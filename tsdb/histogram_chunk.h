/*
 * The native histograms of one series, sealed. Samples with one layout (schema, thresholds, spans,
 * bounds) form a run that states it once; count, zero count, sum and every bucket are columns of
 * their own (value_chunk.h). Lossless, integer and float, exponential and custom bounds. The bytes
 * are drawn in docs/formats/chunk.md.
 *
 * Ownership: what is decoded lives in the arena; histograms of a run share spans and bounds.
 * Thread-safety: pure functions. Limits: HISTOGRAM_CHUNK_COUNT_MAX samples; buckets as in
 * histogram_codec.h; HISTOGRAM_CHUNK_CELLS_MAX buckets in all samples of a chunk.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/histogram.h"

#include <stddef.h>

#define HISTOGRAM_CHUNK_COUNT_MAX 4096
/* Samples times (spans, bounds and buckets); what a chunk may ask for in memory. */
#define HISTOGRAM_CHUNK_CELLS_MAX (1u << 22)

/* How many of the histograms (at least 1, at most `count`) one chunk may hold. They must be
 * histogram_encodable (histogram_codec.h). */
size_t histogram_chunk_fit(const struct histogram *const *histograms, size_t count);
/* Appends them; `count` as histogram_chunk_fit allows. */
void histogram_chunk_encode(const struct histogram *const *histograms, size_t count,
                            struct buf *out);
/* Fills `out` with `count` histograms; ERR_CORRUPT when the bytes are not exactly these, ERR_LIMIT
 * when the arena is too small. */
enum err histogram_chunk_decode(struct slice bytes, size_t count, struct arena *arena,
                                const struct histogram **out) MUST_CHECK;
