/*
 * Blocks of zstd, which Prometheus writes into its log where it is asked to. The library is
 * optional when ferulatool is built; without it such records are told and left out.
 *
 * Thread-safety: no state.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stddef.h>

/* Appends the content; ERR_LIMIT above `size_max`, ERR_CORRUPT, ERR_UNSUPPORTED. */
enum err zstd_decompress(struct slice in, size_t size_max, struct buf *out,
                         struct errbuf *err) MUST_CHECK;
