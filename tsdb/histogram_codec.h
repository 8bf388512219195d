/*
 * A native histogram as bytes, for chunks and WAL records: plain, exact to the bit.
 *
 *     u8 flags     bit 0 float, bits 1-2 reset hint, bit 3 counts are whole (varints)
 *     varint       schema (zigzag)
 *     8 bytes      zero threshold, 8 bytes sum
 *     count, zero count, buckets: varint where whole, else 8 bytes
 *     uvarint      positive spans, then (varint offset, uvarint length) each; the same for negative
 *     uvarint      custom bounds, then 8 bytes each
 *     the positive buckets, as many as the spans' lengths add up to, then the negative ones
 */
#pragma once

#include "base/arena.h"
#include "base/codec.h"
#include "model/histogram.h"

/* Spans and buckets above this are refused on both sides. */
#define HISTOGRAM_CODEC_BUCKETS_MAX 65536

bool histogram_encodable(const struct histogram *histogram);
void histogram_encode(const struct histogram *histogram, struct buf *out);
/* NULL when the bytes make no sense; memory from the arena. */
struct histogram *histogram_decode(struct codec_reader *reader, struct arena *arena);
/* Are two encoded histograms the same but for their reset hints? */
bool histogram_encoded_same(struct slice a, struct slice b);
