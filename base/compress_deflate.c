/* gzip bodies in (the only user of libdeflate, which wants whole bodies and is twice as fast). */
#include "base/compress.h"

#include "base/codec.h"

#include <libdeflate.h>

/* The best that deflate can do is 258 bytes for 2 bits. */
#define DEFLATE_RATIO_MAX 1032
#define GZIP_TRAILER_SIZE 8

static void decompressor_cleanup(struct libdeflate_decompressor **decompressor)
{
    libdeflate_free_decompressor(*decompressor);
}

/* The last four bytes of a body are the size of its last member, which mostly is the only one. A lie
 * is harmless: the guess is bounded, and too small a guess is raised. */
static size_t gzip_guess(struct slice in, size_t room)
{
    if (in.len < GZIP_TRAILER_SIZE)
        return 0;
    struct codec_reader reader = codec_reader(in.ptr + in.len - 4, 4);
    size_t guess = codec_read_u32(&reader);
    guess = MIN(guess, in.len * DEFLATE_RATIO_MAX);
    return MIN(guess, room);
}

static enum err gzip_too_large(size_t size_max, struct errbuf *err)
{
    return errbuf_set(err, ERR_LIMIT, "gzip: body is above %zu bytes", size_max);
}

/* Inflates the member at the start of `in`, which loses what was used. */
static enum err gzip_member(struct libdeflate_decompressor *decompressor, struct slice *in,
                            size_t room, size_t size_max, struct buf *out, struct errbuf *err)
{
    size_t size = MAX(gzip_guess(*in, room), MIN(room, (size_t)256));
    for (;;) {
        char *to = buf_reserve(out, size);
        if (to == NULL)
            return gzip_too_large(size_max, err);
        size_t used = 0;
        size_t len = 0;
        enum libdeflate_result result =
            libdeflate_gzip_decompress_ex(decompressor, in->ptr, in->len, to, size, &used, &len);
        if (result == LIBDEFLATE_SUCCESS) {
            buf_commit(out, len);
            *in = slice_from_index(*in, used);
            return ERR_NONE;
        }
        if (result != LIBDEFLATE_INSUFFICIENT_SPACE)
            return errbuf_set(err, ERR_INVALID, "gzip: corrupt input");
        if (size == room)
            return gzip_too_large(size_max, err);
        size = size > room / 4 ? room : size * 4;
    }
}

enum err decompress_gzip(struct slice in, size_t size_max, struct buf *out, struct errbuf *err)
{
    struct libdeflate_decompressor *decompressor CLEANUP(decompressor_cleanup) =
        libdeflate_alloc_decompressor();
    if (decompressor == NULL)
        return errbuf_set(err, ERR_LIMIT, "gzip: out of memory");
    size_t start = out->len;
    do {
        size_t room = size_max - (out->len - start);
        enum err code = gzip_member(decompressor, &in, room, size_max, out, err);
        if (code != ERR_NONE) {
            buf_truncate(out, start);
            return code;
        }
    } while (in.len > 0);
    return ERR_NONE;
}
