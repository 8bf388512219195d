/* gzip and deflate out, as a stream (the only user of zlib). */
#include "base/compress.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <limits.h>

#include <zlib.h>

/* Answers are made once and read once: the fastest level already gives most of the gain. */
#define GZIP_LEVEL Z_BEST_SPEED
#define GZIP_WINDOW_BITS 15
#define GZIP_WRAPPER 16 /* added to the window bits: gzip in place of zlib's header */
#define GZIP_STEP_SIZE ((size_t)16 << 10)

struct compress_stream {
    z_stream z;
};

static voidpf gzip_alloc(voidpf context, uInt count, uInt size)
{
    (void)context;
    return mem_alloc_array(count, size);
}

static void gzip_free(voidpf context, voidpf pointer)
{
    (void)context;
    mem_free(pointer);
}

struct compress_stream *compress_stream_new(enum compress_format format)
{
    struct compress_stream *stream = mem_zalloc(sizeof(*stream));
    stream->z.zalloc = gzip_alloc;
    stream->z.zfree = gzip_free;
    int bits = GZIP_WINDOW_BITS + (format == COMPRESS_GZIP ? GZIP_WRAPPER : 0);
    int result = deflateInit2(&stream->z, GZIP_LEVEL, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY);
    ASSERT(result == Z_OK);
    return stream;
}

void compress_stream_free(struct compress_stream *stream)
{
    if (stream == NULL)
        return;
    deflateEnd(&stream->z);
    mem_free(stream);
}

void compress_stream_reset(struct compress_stream *stream)
{
    int result = deflateReset(&stream->z);
    ASSERT(result == Z_OK);
}

/* Runs until the input is used up and all that came of it is in `out`. */
static enum err gzip_run(z_stream *z, int flush, struct buf *out, struct errbuf *err)
{
    int result;
    do {
        char *to = buf_reserve(out, GZIP_STEP_SIZE);
        if (to == NULL)
            return errbuf_set(err, ERR_LIMIT, "gzip: no room for the output");
        z->next_out = (Bytef *)to;
        z->avail_out = GZIP_STEP_SIZE;
        result = deflate(z, flush);
        if (result == Z_STREAM_ERROR)
            return errbuf_set(err, ERR_INVALID, "gzip: the stream has ended");
        buf_commit(out, GZIP_STEP_SIZE - z->avail_out);
    } while (z->avail_in > 0 || z->avail_out == 0 || (flush == Z_FINISH && result == Z_OK));
    return ERR_NONE;
}

enum err compress_stream_write(struct compress_stream *stream, struct slice in, bool finish,
                               struct buf *out, struct errbuf *err)
{
    z_stream *z = &stream->z;
    do {
        size_t len = MIN(in.len, (size_t)UINT_MAX);
        z->next_in = (Bytef *)(uintptr_t)in.ptr;
        z->avail_in = (uInt)len;
        in = len == 0 ? in : slice_from_index(in, len);
        enum err code = gzip_run(z, finish && in.len == 0 ? Z_FINISH : Z_NO_FLUSH, out, err);
        if (code != ERR_NONE)
            return code;
    } while (in.len > 0);
    return ERR_NONE;
}
