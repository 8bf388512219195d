/*
 * Times as bytes: the rows of a sample group, which many series share, or the times of a loose
 * series.
 *
 * Times near a regular grid are stored as their distance from it, and only where it has gaps, as
 * the steps between them; others as differences. Any order and any values come back exactly, though
 * only ascending times are small. Also the column of start times, which most chunks lack. The bytes
 * are drawn in docs/formats/chunk.md.
 *
 * Thread-safety: pure functions. Limits: TIME_COLUMN_COUNT_MAX rows.
 */
#pragma once

#include "base/buf.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_COLUMN_COUNT_MAX (1u << 20)

/* Appends 1 to TIME_COLUMN_COUNT_MAX times. */
void time_column_encode(const int64_t *times_ms, size_t count, struct buf *out);
/* ERR_CORRUPT when the bytes are not exactly `count` times; what is out is undefined then.
 * *out_ascends: is each of them after the one before? Costs nothing where they have equal steps. */
enum err time_column_decode(struct slice bytes, size_t count, int64_t *out_ms,
                            bool *out_ascends) MUST_CHECK;
/* For a column among other bytes: moves the reader behind it; false and `failed` on damage. */
bool time_column_read(struct codec_reader *reader, size_t count, int64_t *out_ms) MUST_CHECK;

/* The start times of samples whose times are known; 0 = none. One byte where all are 0, a few where
 * all are equal or each is the time of the sample before it. */
void start_times_encode(const int64_t *starts_ms, const int64_t *times_ms, size_t count,
                        struct buf *out);
bool start_times_read(struct codec_reader *reader, const int64_t *times_ms, size_t count,
                      int64_t *out_ms) MUST_CHECK;
