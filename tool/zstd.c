/* The only user of libzstd. */
#include "tool/zstd.h"

#ifdef HAVE_ZSTD
#include <zstd.h>

#define STEP_SIZE ((size_t)128 << 10)

static void stream_cleanup(ZSTD_DStream **stream)
{
    ZSTD_freeDStream(*stream);
}

/* As a stream: what a frame says of its size is not trusted. */
enum err zstd_decompress(struct slice in, size_t size_max, struct buf *out, struct errbuf *err)
{
    ZSTD_DStream *stream CLEANUP(stream_cleanup) = ZSTD_createDStream();
    ZSTD_inBuffer from = {in.ptr, in.len, 0};
    size_t start = out->len;
    if (stream == NULL)
        return errbuf_set(err, ERR_LIMIT, "zstd: out of memory");
    for (;;) {
        char *to = buf_reserve(out, STEP_SIZE);
        if (to == NULL || out->len - start > size_max)
            return errbuf_set(err, ERR_LIMIT, "zstd: the content is above %zu bytes", size_max);
        ZSTD_outBuffer step = {to, STEP_SIZE, 0};
        size_t left = ZSTD_decompressStream(stream, &step, &from);
        if (ZSTD_isError(left))
            return errbuf_set(err, ERR_CORRUPT, "zstd: %s", ZSTD_getErrorName(left));
        buf_commit(out, step.pos);
        if (left == 0 && from.pos == from.size)
            return ERR_NONE;
        if (step.pos == 0 && from.pos == from.size)
            return errbuf_set(err, ERR_CORRUPT, "zstd: the content breaks off");
    }
}
#else
enum err zstd_decompress(struct slice in, size_t size_max, struct buf *out, struct errbuf *err)
{
    return errbuf_set(err, ERR_UNSUPPORTED,
                      "records are compressed with zstd, for which this ferulatool was built "
                      "without libzstd");
}
#endif
