/*
 * Compression streams that wait for the next answer: to make one costs fifty microseconds, more
 * than many an answer.
 *
 * Ownership: a stream that was taken is the taker's until it is given back. Thread-safety: all
 * functions but _init and _release from any thread. Limits: COMPRESSORS_KEPT_MAX streams of each
 * format (268 KB each).
 */
#pragma once

#include "base/compress.h"
#include "base/mutex.h"

#include <stddef.h>

#define COMPRESSORS_KEPT_MAX 4
#define COMPRESSOR_FORMAT_COUNT (COMPRESS_DEFLATE + 1)

struct compressor_pool {
    struct mutex lock;
    /* guarded by lock: */
    struct compress_stream *kept[COMPRESSOR_FORMAT_COUNT][COMPRESSORS_KEPT_MAX];
    size_t counts[COMPRESSOR_FORMAT_COUNT];
};

void compressor_pool_init(struct compressor_pool *pool);
void compressor_pool_release(struct compressor_pool *pool);
struct compress_stream *compressor_pool_take(struct compressor_pool *pool,
                                             enum compress_format format);
/* NULL is fine. */
void compressor_pool_give(struct compressor_pool *pool, enum compress_format format,
                          struct compress_stream *stream);
