/*
 * An array of 64-bit integers as bytes: the one kernel under values, times, histograms and page
 * directories. All arithmetic is modulo 2^64, so any integers come back exactly; signed ones are
 * small when near each other, whatever their sign.
 *
 * The common factor of all differences is taken out; then the integers, their differences or the
 * differences of these (order 0, 1, 2) are taken less a reference and packed at one width, with the
 * high parts of the few that are wider as patches, or, where that is smaller by a good part since
 * it is slower, as a Rice code. The smallest of the combinations is found from the counts of bit
 * lengths. The bytes are drawn in docs/formats/chunk.md.
 *
 * Thread-safety: pure functions. Limits: INTEGER_COLUMN_COUNT_MAX integers.
 */
#pragma once

#include "base/buf.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "tsdb/column_kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTEGER_COLUMN_COUNT_MAX 4096

/* Appends 1 to INTEGER_COLUMN_COUNT_MAX integers; never more than 8.25 bytes each and 40. */
void integer_column_encode(const uint64_t *values, size_t count, struct buf *out);

/* Reads `count` integers; `out` has room for COLUMN_SLACK more. False and `failed` on damage. */
bool integer_column_read(struct codec_reader *reader, size_t count, uint64_t *out) MUST_CHECK;
/* The same for who needs those from `low` to before `high`; the others of `out` are undefined. */
bool integer_column_read_part(struct codec_reader *reader, size_t count, size_t low, size_t high,
                              uint64_t *out) MUST_CHECK;
/* Does the column that comes rise by equal steps, as most times do? Then integer i is first + i *
 * step, and the reader is behind it; else the reader stays where it is. */
bool integer_column_read_steps(struct codec_reader *reader, size_t count, uint64_t *out_first,
                               uint64_t *out_step) MUST_CHECK;
/* Are all integers of the column that comes equal? Then reading one of them reads all. */
bool integer_column_is_constant(const struct codec_reader *reader);
