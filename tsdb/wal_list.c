#include "tsdb/wal_list.h"

#include "base/codec.h"
#include "base/crc32c.h"

#define WAL_LIST_VERSION 1
#define HEADER_SIZE 24
#define ENTRY_SIZE 16
#define CHECKSUM_SIZE 4
/* Far more than ever lie side by side. */
#define SEGMENTS_MAX 1000000

void wal_list_release(struct wal_list *list)
{
    vec_release(&list->segments);
}

enum err wal_list_write(const struct wal_list *list, const struct fs *fs, const char *path,
                        struct errbuf *err)
{
    struct buf CLEANUP(buf_release) bytes;
    buf_init(&bytes, HEADER_SIZE + (size_t)SEGMENTS_MAX * ENTRY_SIZE + CHECKSUM_SIZE);
    buf_append(&bytes, WAL_LIST_MAGIC, 8);
    codec_write_u32(&bytes, WAL_LIST_VERSION);
    codec_write_u32(&bytes, (uint32_t)list->segments.len);
    codec_write_u64(&bytes, list->late_from);
    for (size_t i = 0; i < list->segments.len; i++) {
        codec_write_u64(&bytes, list->segments.items[i].number);
        codec_write_u64(&bytes, list->segments.items[i].size);
    }
    codec_write_u32(&bytes, crc32c(0, bytes.data, bytes.len));
    if (bytes.overflow)
        return errbuf_set(err, ERR_LIMIT, "%s: too many segments", path);
    return fs_replace_file(fs, path, buf_slice(&bytes), err);
}

static enum err parse(struct slice bytes, struct wal_list *out, struct errbuf *err)
{
    struct codec_reader reader = codec_reader(bytes.ptr, bytes.len);
    struct slice magic = codec_read_bytes(&reader, 8);
    uint32_t version = codec_read_u32(&reader);
    uint32_t count = codec_read_u32(&reader);
    out->late_from = codec_read_u64(&reader);
    if (reader.failed || !slice_eq_str(magic, WAL_LIST_MAGIC) ||
        codec_left(&reader) < CHECKSUM_SIZE)
        return errbuf_set(err, ERR_CORRUPT, "it is no list of segments");
    size_t checked = bytes.len - CHECKSUM_SIZE;
    struct codec_reader end = codec_reader(bytes.ptr + checked, CHECKSUM_SIZE);
    if (codec_read_u32(&end) != crc32c(0, bytes.ptr, checked))
        return errbuf_set(err, ERR_CORRUPT, "its checksum is wrong");
    if (version != WAL_LIST_VERSION)
        return errbuf_set(err, ERR_UNSUPPORTED, "it has version %u, this program knows %u", version,
                          WAL_LIST_VERSION);
    if (checked - HEADER_SIZE != (uint64_t)count * ENTRY_SIZE)
        return errbuf_set(err, ERR_CORRUPT, "its length is wrong");
    uint64_t before = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct wal_listed *listed = vec_add(&out->segments);
        listed->number = codec_read_u64(&reader);
        listed->size = codec_read_u64(&reader);
        if (listed->number <= before)
            return errbuf_set(err, ERR_CORRUPT, "its segments are in no order");
        before = listed->number;
    }
    return ERR_NONE;
}

enum err wal_list_read(const struct fs *fs, const char *path, struct wal_list *out,
                       struct errbuf *err)
{
    struct buf CLEANUP(buf_release) bytes;
    *out = (struct wal_list){0};
    buf_init(&bytes, HEADER_SIZE + (size_t)SEGMENTS_MAX * ENTRY_SIZE + CHECKSUM_SIZE);
    enum err code = fs_read_file(fs, path, &bytes, err);
    if (code == ERR_NONE) {
        code = parse(buf_slice(&bytes), out, err);
        if (code != ERR_NONE)
            errbuf_prefix(err, "%s: ", path);
    }
    if (code != ERR_NONE) {
        wal_list_release(out);
        *out = (struct wal_list){0};
    }
    return code;
}
