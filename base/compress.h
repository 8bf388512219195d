/*
 * Compression by libraries: LZ4 blocks (WAL, blocks), snappy blocks (remote write), gzip out (zlib,
 * streaming), gzip in (libdeflate, whole bodies). Each library is used in compress_*.c only. Sizes that
 * come from outside are checked against the given maximum before memory is taken.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stddef.h>

/* Appends the LZ4 block of `in` to `out`. */
enum err compress_lz4(struct slice in, struct buf *out, struct errbuf *err) MUST_CHECK;
/* The same format, smaller and several times slower to make (LZ4HC): for data that is written once. */
enum err compress_lz4_high(struct slice in, struct buf *out, struct errbuf *err) MUST_CHECK;
/* Appends exactly `raw_len` bytes; ERR_CORRUPT otherwise. */
enum err decompress_lz4(struct slice in, size_t raw_len, struct buf *out,
                        struct errbuf *err) MUST_CHECK;

enum err compress_snappy(struct slice in, struct buf *out, struct errbuf *err) MUST_CHECK;
/* ERR_LIMIT above `size_max`, ERR_INVALID with "snappy: corrupt input". */
enum err decompress_snappy(struct slice in, size_t size_max, struct buf *out,
                           struct errbuf *err) MUST_CHECK;

/* A whole gzip body (several members allowed); ERR_LIMIT when it would be above `size_max`. */
enum err decompress_gzip(struct slice in, size_t size_max, struct buf *out,
                         struct errbuf *err) MUST_CHECK;

/* gzip or deflate (zlib format) as a stream. */
struct compress_stream;
enum compress_format {
    COMPRESS_GZIP,
    COMPRESS_DEFLATE,
};
struct compress_stream *compress_stream_new(enum compress_format format);
void compress_stream_free(struct compress_stream *stream);
/* Ready for another body of the same format: making a stream costs more than compressing a short one. */
void compress_stream_reset(struct compress_stream *stream);
/* Appends what comes out; `finish` writes the end. */
enum err compress_stream_write(struct compress_stream *stream, struct slice in, bool finish,
                               struct buf *out, struct errbuf *err) MUST_CHECK;
