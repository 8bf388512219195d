/* Lengths are checked before memory is taken, the checksum before anything is believed. */
#include "tsdb/wal_frame.h"

#include "base/codec.h"
#include "base/compress.h"
#include "base/crc32c.h"

#include <string.h>

#define SEGMENT_CRC_AT 28
#define FRAME_CRC_AT 12

#define CODEC_PLAIN 0
#define CODEC_LZ4 1
/* Not worth a try below this. */
#define LZ4_SIZE_MIN 64
/* LZ4 gives at most 255 bytes for one. */
#define LZ4_RATIO_MAX 256

static void put_u32(char *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (char)(value >> (8 * i));
}

void wal_segment_header(uint64_t run, struct buf *out)
{
    size_t start = out->len;
    buf_append(out, WAL_SEGMENT_MAGIC, 8);
    codec_write_u32(out, WAL_VERSION);
    codec_write_u32(out, 0);
    codec_write_u64(out, run);
    codec_write_u32(out, 0);
    codec_write_u32(out, crc32c(0, out->data + start, SEGMENT_CRC_AT));
}

enum err wal_segment_header_read(struct slice segment, uint64_t *out_run, struct errbuf *err)
{
    if (segment.len < WAL_SEGMENT_HEADER_SIZE)
        return errbuf_set(err, ERR_CORRUPT, "the segment's header is cut short");
    struct codec_reader reader = codec_reader(segment.ptr, WAL_SEGMENT_HEADER_SIZE);
    struct slice magic = codec_read_bytes(&reader, 8);
    uint32_t version = codec_read_u32(&reader);
    codec_read_u32(&reader);
    uint64_t run = codec_read_u64(&reader);
    codec_read_u32(&reader);
    uint32_t crc = codec_read_u32(&reader);
    if (!slice_eq_str(magic, WAL_SEGMENT_MAGIC) || crc != crc32c(0, segment.ptr, SEGMENT_CRC_AT))
        return errbuf_set(err, ERR_CORRUPT, "the segment's header is damaged");
    if (version < 1 || version > WAL_VERSION)
        return errbuf_set(err, ERR_UNSUPPORTED,
                          "the segment has format version %u, this program knows %u", version,
                          WAL_VERSION);
    *out_run = run;
    return ERR_NONE;
}

static uint32_t frame_crc(const char *frame, size_t stored_len)
{
    uint32_t crc = crc32c(0, frame, FRAME_CRC_AT);
    return crc32c(crc, frame + WAL_FRAME_HEADER_SIZE, stored_len);
}

enum err wal_frame_write(enum wal_frame_type type, struct slice payload, struct buf *out,
                         struct errbuf *err)
{
    if (payload.len > WAL_PAYLOAD_SIZE_MAX)
        return errbuf_set(err, ERR_LIMIT, "a commit of %zu bytes is too large for the WAL",
                          payload.len);
    size_t start = out->len;
    static const char header[WAL_FRAME_HEADER_SIZE];
    buf_append(out, header, sizeof(header));
    size_t body = out->len;
    uint8_t codec = CODEC_PLAIN;
    if (payload.len >= LZ4_SIZE_MIN && compress_lz4(payload, out, NULL) == ERR_NONE) {
        if (out->len - body < payload.len)
            codec = CODEC_LZ4;
        else
            buf_truncate(out, body);
    }
    if (codec == CODEC_PLAIN)
        buf_append_slice(out, payload);
    if (out->overflow)
        return errbuf_set(err, ERR_LIMIT, "a commit of %zu bytes is too large for the WAL",
                          payload.len);
    char *frame = out->data + start;
    uint32_t stored_len = (uint32_t)(out->len - body);
    put_u32(frame, stored_len);
    put_u32(frame + 4, (uint32_t)payload.len);
    frame[8] = (char)codec;
    frame[9] = (char)type;
    frame[10] = WAL_VERSION;
    frame[11] = 0;
    put_u32(frame + FRAME_CRC_AT, frame_crc(frame, stored_len));
    return ERR_NONE;
}

static enum err frame_unpack(struct slice stored, uint8_t codec, uint32_t raw_len,
                             struct buf *unpacked, struct slice *out, struct errbuf *err)
{
    if (codec == CODEC_PLAIN) {
        if (raw_len != stored.len)
            return errbuf_set(err, ERR_CORRUPT, "a frame's lengths disagree");
        *out = stored;
        return ERR_NONE;
    }
    if (codec != CODEC_LZ4)
        return errbuf_set(err, ERR_UNSUPPORTED, "a frame has the unknown codec %u", codec);
    if (raw_len > stored.len * LZ4_RATIO_MAX)
        return errbuf_set(err, ERR_CORRUPT, "a frame's lengths disagree");
    buf_reset(unpacked);
    enum err result = decompress_lz4(stored, raw_len, unpacked, err);
    *out = buf_slice(unpacked);
    return result;
}

enum err wal_frame_read(struct slice bytes, struct buf *unpacked, struct wal_frame *out,
                        struct errbuf *err)
{
    if (bytes.len < WAL_FRAME_HEADER_SIZE)
        return errbuf_set(err, ERR_CORRUPT, "a frame's header is cut short");
    struct codec_reader reader = codec_reader(bytes.ptr, WAL_FRAME_HEADER_SIZE);
    uint32_t stored_len = codec_read_u32(&reader);
    uint32_t raw_len = codec_read_u32(&reader);
    uint8_t codec = codec_read_u8(&reader);
    uint8_t type = codec_read_u8(&reader);
    uint8_t version = codec_read_u8(&reader);
    codec_read_u8(&reader);
    uint32_t crc = codec_read_u32(&reader);
    if (stored_len == 0 || stored_len > WAL_PAYLOAD_SIZE_MAX || raw_len > WAL_PAYLOAD_SIZE_MAX)
        return errbuf_set(err, ERR_CORRUPT, "a frame's length makes no sense");
    if (stored_len > bytes.len - WAL_FRAME_HEADER_SIZE)
        return errbuf_set(err, ERR_CORRUPT, "a frame is cut short");
    if (crc != frame_crc(bytes.ptr, stored_len))
        return errbuf_set(err, ERR_CORRUPT, "a frame's checksum is wrong");
    if (version < 1 || version > WAL_VERSION)
        return errbuf_set(err, ERR_UNSUPPORTED,
                          "a frame has format version %u, this program knows %u", version,
                          WAL_VERSION);
    out->type = (enum wal_frame_type)type;
    out->size = WAL_FRAME_HEADER_SIZE + stored_len;
    return frame_unpack(slice_from(bytes.ptr + WAL_FRAME_HEADER_SIZE, stored_len), codec, raw_len,
                        unpacked, &out->payload, err);
}
