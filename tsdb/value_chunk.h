/*
 * The values of one series, sealed: what blocks and closed head chunks hold. Times are elsewhere
 * (time_column.h), and so is the number of values.
 *
 * Values that are exact decimals become integers (value = integer / 10^e, accepted only where the
 * division gives back the same 64 bits), others keep their bits; integers go through
 * integer_column.h. Stale markers, NaN payloads, infinities, -0 and stray values that are no
 * decimals are listed aside. Nothing is ever rounded. The bytes are drawn in docs/formats/chunk.md.
 *
 * Thread-safety: pure functions. Limits: VALUE_CHUNK_COUNT_MAX values a chunk.
 */
#pragma once

#include "base/buf.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

#define VALUE_CHUNK_COUNT_MAX 4096

/* Appends 1 to VALUE_CHUNK_COUNT_MAX values; never more than 9 bytes a value and 64. */
void value_chunk_encode(const double *values, size_t count, struct buf *out);

/* The `count` values of a chunk that is all of `bytes`; ERR_CORRUPT when it makes no sense. Bytes
 * may be hostile; `out` is undefined after an error. */
enum err value_chunk_decode(struct slice bytes, size_t count, double *out) MUST_CHECK;
/* The same for the values from `low` to before `high`, of which there is one at least. */
enum err value_chunk_decode_part(struct slice bytes, size_t count, size_t low, size_t high,
                                 double *out) MUST_CHECK;

/* The same for a chunk among other bytes: moves the reader behind it; false and `failed` on damage.
 */
bool value_chunk_read(struct codec_reader *reader, size_t count, double *out) MUST_CHECK;
