/* Snappy blocks (the only user of libsnappy). */
#include "base/compress.h"

#include <snappy-c.h>

/* A copy of 64 bytes takes 3, so a length beyond this is a lie that must not cost memory. */
#define SNAPPY_RATIO_MAX 22

enum err compress_snappy(struct slice in, struct buf *out, struct errbuf *err)
{
    size_t len = snappy_max_compressed_length(in.len);
    char *to = buf_reserve(out, len);
    if (to == NULL)
        return errbuf_set(err, ERR_LIMIT, "snappy: no room for %zu bytes", len);
    if (snappy_compress(in.len == 0 ? "" : in.ptr, in.len, to, &len) != SNAPPY_OK)
        return errbuf_set(err, ERR_LIMIT, "snappy: compression failed");
    buf_commit(out, len);
    return ERR_NONE;
}

static enum err snappy_corrupt(struct errbuf *err)
{
    return errbuf_set(err, ERR_INVALID, "snappy: corrupt input");
}

enum err decompress_snappy(struct slice in, size_t size_max, struct buf *out, struct errbuf *err)
{
    size_t len;
    if (snappy_uncompressed_length(in.ptr, in.len, &len) != SNAPPY_OK)
        return snappy_corrupt(err);
    if (len > size_max)
        return errbuf_set(err, ERR_LIMIT, "snappy: decoded block of %zu bytes is above %zu", len,
                          size_max);
    if (len / SNAPPY_RATIO_MAX > in.len)
        return snappy_corrupt(err);
    char *to = buf_reserve(out, len);
    if (to == NULL)
        return errbuf_set(err, ERR_LIMIT, "snappy: no room for %zu bytes", len);
    if (snappy_uncompress(in.ptr, in.len, to, &len) != SNAPPY_OK)
        return snappy_corrupt(err);
    buf_commit(out, len);
    return ERR_NONE;
}
