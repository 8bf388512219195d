#include "tsdb/packed.h"

#include "base/codec.h"
#include "base/compress.h"
#include "base/crc32c.h"

#define CHECKED_HEADER_SIZE 12
/* Less gain than this is not worth the decoding. */
#define GAIN_SHIFT 5

enum packed_codec {
    PACKED_PLAIN,
    PACKED_LZ4,
};

static uint32_t run_checksum(const void *header, struct slice stored)
{
    return crc32c(crc32c(0, header, CHECKED_HEADER_SIZE), stored.ptr, stored.len);
}

size_t packed_write(struct slice raw, struct buf *out)
{
    struct buf CLEANUP(buf_release) packed;
    buf_init(&packed, PACKED_RAW_SIZE_MAX);
    struct slice stored = raw;
    enum packed_codec codec = PACKED_PLAIN;
    if (compress_lz4(raw, &packed, NULL) == ERR_NONE &&
        packed.len < raw.len - (raw.len >> GAIN_SHIFT)) {
        stored = buf_slice(&packed);
        codec = PACKED_LZ4;
    }
    size_t start = out->len;
    codec_write_u32(out, (uint32_t)raw.len);
    codec_write_u32(out, (uint32_t)stored.len);
    codec_write_u32(out, codec);
    codec_write_u32(out, run_checksum(buf_slice(out).ptr + start, stored));
    buf_append_slice(out, stored);
    return PACKED_HEADER_SIZE + stored.len;
}

enum err packed_read(struct slice stored, struct buf *raw, struct errbuf *err)
{
    struct codec_reader reader = codec_reader(stored.ptr, stored.len);
    uint32_t raw_len = codec_read_u32(&reader);
    uint32_t stored_len = codec_read_u32(&reader);
    uint32_t codec = codec_read_u32(&reader);
    uint32_t checksum = codec_read_u32(&reader);
    if (reader.failed || stored_len != codec_left(&reader) || raw_len > PACKED_RAW_SIZE_MAX)
        return errbuf_set(err, ERR_CORRUPT, "the run has another length than it says");
    struct slice bytes = codec_read_bytes(&reader, stored_len);
    if (run_checksum(stored.ptr, bytes) != checksum)
        return errbuf_set(err, ERR_CORRUPT, "the checksum is wrong");
    buf_reset(raw);
    if (codec == PACKED_LZ4)
        return decompress_lz4(bytes, raw_len, raw, err);
    if (codec != PACKED_PLAIN || raw_len != stored_len)
        return errbuf_set(err, ERR_CORRUPT, "the run has an unknown codec");
    buf_append_slice(raw, bytes);
    return ERR_NONE;
}

enum err packed_read_file(const struct fs *fs, int fd, const char *path, uint64_t offset,
                          size_t stored_len, struct buf *stored, struct buf *raw,
                          struct errbuf *err)
{
    buf_reset(stored);
    char *to = buf_reserve(stored, stored_len);
    if (to == NULL)
        return errbuf_set(err, ERR_LIMIT, "%s: a run of %zu bytes is too large", path, stored_len);
    for (size_t have = 0; have < stored_len;) {
        ssize_t got = fs->pread(fs, fd, to + have, stored_len - have, offset + have);
        if (got < 0)
            return errbuf_set_errno(err, (int)-got, "reading %s", path);
        if (got == 0)
            return errbuf_set(err, ERR_CORRUPT, "%s: the file ends before offset %llu", path,
                              (unsigned long long)(offset + stored_len));
        have += (size_t)got;
    }
    buf_commit(stored, stored_len);
    enum err code = packed_read(buf_slice(stored), raw, err);
    if (code != ERR_NONE)
        errbuf_prefix(err, "%s: at offset %llu: ", path, (unsigned long long)offset);
    return code;
}
