/*
 * Chunks of floats of the reference: XOR, which every version writes, and XOR2 with start times,
 * which the newest write when asked to (read only).
 *
 * Thread-safety: functions of their arguments.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "tool/chunk_samples.h"

#include <stddef.h>
#include <stdint.h>

/* Appends the samples of a chunk, whose bytes come without length, encoding and checksum.
 * ERR_CORRUPT says what is wrong, not where. */
enum err xor_chunk_read(struct slice bytes, struct chunk_samples *out,
                        struct errbuf *err) MUST_CHECK;
enum err xor2_chunk_read(struct slice bytes, struct chunk_samples *out,
                         struct errbuf *err) MUST_CHECK;
/* Appends the bytes of an XOR chunk of 1 to 65535 samples with rising times. */
void xor_chunk_write(const int64_t *times_ms, const double *values, size_t count, struct buf *out);
