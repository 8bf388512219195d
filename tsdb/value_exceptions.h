/*
 * Values of a chunk that its integers cannot express, as runs of equal ones: stale markers, other
 * NaN, infinities, -0, stray full mantissas. Thread-safety: pure functions.
 */
#pragma once

#include "base/buf.h"
#include "base/codec.h"
#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct value_exception {
    uint32_t position;
    uint32_t count; /* neighbours with the same bits */
    uint64_t bits;
};

void value_exceptions_write(struct buf *out, const struct value_exception *exceptions,
                            size_t count);
/* Puts those of `count` values that lie from `low` to before `high` into `values`, which begin with
 * the one at `low`. */
bool value_exceptions_read(struct codec_reader *reader, size_t count, size_t low, size_t high,
                           double *values) MUST_CHECK;
