/*
 * Runs of bits: integers packed at one width, and quotients in unary. Lowest bit first; a run ends
 * at a whole byte. Readers are bounds-checked; writers append.
 *
 * Thread-safety: pure functions.
 */
#pragma once

#include "base/buf.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "tsdb/column_kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The low `width` (0-64) bits of each. */
void bit_packing_write(struct buf *out, const uint64_t *values, size_t count, unsigned width);
/* `out` has room for COLUMN_SLACK more than count. False, and `failed`, when bytes are missing. */
bool bit_packing_read(struct codec_reader *reader, size_t count, unsigned width,
                      uint64_t *out) MUST_CHECK;
/* Skips groups of 8 from the front, at most `count` integers, and says their sum modulo 2^64;
 * returns how many that were. The last bytes are left to bit_packing_read. */
size_t bit_packing_sum(struct codec_reader *reader, size_t count, unsigned width,
                       uint64_t *out_sum);

/* value >> shift zeros and a one for each, at most BIT_QUOTIENT_MAX zeros; with the length in
 * front. */
#define BIT_QUOTIENT_MAX 15
void bit_quotients_write(struct buf *out, const uint64_t *values, size_t count, unsigned shift);
/* Adds them, shifted back, to `values`, which has slack. */
bool bit_quotients_read(struct codec_reader *reader, size_t count, unsigned shift,
                        uint64_t *values) MUST_CHECK;
