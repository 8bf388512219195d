#include "tool/prometheus_tombstones.h"

#include "base/codec.h"
#include "base/crc32c.h"
#include "base/vec.h"
#include "tool/big_endian.h"
#include "tool/prometheus_format.h"

#define HEADER_SIZE 5
#define FILE_SIZE_MAX ((size_t)1 << 30)

static enum err damaged(const char *path, uint64_t offset, const char *what, struct errbuf *err)
{
    return errbuf_set(err, ERR_CORRUPT, "%s: at offset %llu: %s", path, (unsigned long long)offset,
                      what);
}

static enum err parse(const char *path, struct slice file, struct tombstones **out,
                      struct errbuf *err)
{
    const uint8_t *data = (const uint8_t *)file.ptr;
    if (file.len < HEADER_SIZE + CHECKSUM_SIZE || big_endian_u32(data) != TOMBSTONES_MAGIC)
        return damaged(path, 0, "this is not a list of deletions", err);
    if (data[4] != TOMBSTONES_VERSION)
        return damaged(path, 4, "the version of the deletions is not known", err);
    size_t len = file.len - HEADER_SIZE - CHECKSUM_SIZE;
    if (big_endian_u32(data + HEADER_SIZE + len) != crc32c(0, data + HEADER_SIZE, len))
        return damaged(path, HEADER_SIZE, "the checksum of the deletions is wrong", err);
    VEC(struct tombstone) items = {0};
    struct codec_reader reader = codec_reader(data + HEADER_SIZE, len);
    enum err code = ERR_NONE;
    while (code == ERR_NONE && codec_left(&reader) > 0) {
        struct tombstone item = {.series = codec_read_uvarint(&reader)};
        item.min_ms = codec_read_varint(&reader);
        item.max_ms = codec_read_varint(&reader);
        if (reader.failed || item.min_ms > item.max_ms)
            code = damaged(path, (uint64_t)(reader.at - data), "a deletion is damaged", err);
        vec_push(&items, item);
    }
    if (code == ERR_NONE)
        *out = tombstones_new(NULL, items.items, items.len);
    vec_release(&items);
    return code;
}

enum err prometheus_tombstones_read(const struct fs *fs, const char *path, struct tombstones **out,
                                    struct errbuf *err)
{
    struct buf CLEANUP(buf_release) file;
    buf_init(&file, FILE_SIZE_MAX);
    struct errbuf own = ERRBUF_INIT;
    enum err code = fs_read_file(fs, path, &file, &own);
    if (code == ERR_NOT_FOUND) {
        *out = tombstones_new(NULL, NULL, 0);
        return ERR_NONE;
    }
    if (code != ERR_NONE)
        return errbuf_set(err, code, "%s", own.text);
    return parse(path, buf_slice(&file), out, err);
}

enum err prometheus_tombstones_write_none(const struct fs *fs, const char *path, struct errbuf *err)
{
    struct buf CLEANUP(buf_release) file;
    buf_init(&file, HEADER_SIZE + CHECKSUM_SIZE);
    big_endian_write_u32(&file, TOMBSTONES_MAGIC);
    buf_append_byte(&file, TOMBSTONES_VERSION);
    big_endian_write_u32(&file, crc32c(0, "", 0));
    return fs_replace_file(fs, path, buf_slice(&file), err);
}
