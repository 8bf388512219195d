/* LZ4 blocks (the only user of liblz4). */
#include "base/compress.h"

#include <limits.h>

#include <lz4.h>
#include <lz4hc.h>

/* A byte of input stands for at most this many of output (255 a length byte). */
#define LZ4_RATIO_MAX 255

static enum err compress_lz4_with(int (*run)(const char *in, char *out, int in_len, int out_len),
                                  struct slice in, struct buf *out, struct errbuf *err)
{
    if (in.len > LZ4_MAX_INPUT_SIZE)
        return errbuf_set(err, ERR_LIMIT, "lz4: block of %zu bytes is too large", in.len);
    int bound = LZ4_compressBound((int)in.len);
    char *to = buf_reserve(out, (size_t)bound);
    if (to == NULL)
        return errbuf_set(err, ERR_LIMIT, "lz4: no room for %d bytes", bound);
    int len = run(in.len == 0 ? "" : in.ptr, to, (int)in.len, bound);
    if (len <= 0)
        return errbuf_set(err, ERR_LIMIT, "lz4: compression failed");
    buf_commit(out, (size_t)len);
    return ERR_NONE;
}

enum err compress_lz4(struct slice in, struct buf *out, struct errbuf *err)
{
    return compress_lz4_with(LZ4_compress_default, in, out, err);
}

static int compress_lz4_high_run(const char *in, char *out, int in_len, int out_len)
{
    return LZ4_compress_HC(in, out, in_len, out_len, LZ4HC_CLEVEL_DEFAULT);
}

enum err compress_lz4_high(struct slice in, struct buf *out, struct errbuf *err)
{
    return compress_lz4_with(compress_lz4_high_run, in, out, err);
}

enum err decompress_lz4(struct slice in, size_t raw_len, struct buf *out, struct errbuf *err)
{
    if (in.len > INT_MAX || raw_len > INT_MAX || raw_len / LZ4_RATIO_MAX > in.len)
        return errbuf_set(err, ERR_CORRUPT, "lz4: %zu bytes cannot be a block of %zu", in.len,
                          raw_len);
    char *to = buf_reserve(out, raw_len);
    if (to == NULL)
        return errbuf_set(err, ERR_LIMIT, "lz4: no room for %zu bytes", raw_len);
    int len = LZ4_decompress_safe(in.len == 0 ? "" : in.ptr, to, (int)in.len, (int)raw_len);
    if (len < 0 || (size_t)len != raw_len)
        return errbuf_set(err, ERR_CORRUPT, "lz4: corrupt block");
    buf_commit(out, raw_len);
    return ERR_NONE;
}
