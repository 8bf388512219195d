#include "tool/prometheus_index.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "tool/big_endian.h"
#include "tool/prometheus_format.h"

#define LENGTH_SIZE 4
#define COUNT_SIZE 4

void prometheus_series_release(struct prometheus_series *series)
{
    vec_release(&series->pairs);
    vec_release(&series->chunks);
}

static enum err damaged(const struct prometheus_index *index, uint64_t offset, const char *what,
                        struct errbuf *err)
{
    return errbuf_set(err, ERR_CORRUPT, "%s: at offset %llu: %s", index->path,
                      (unsigned long long)offset, what);
}

/* --- parts: u32 length, content, u32 checksum --- */

struct part {
    struct codec_reader reader; /* of the content */
    uint64_t offset;            /* of the content */
};

static uint64_t part_at(const struct prometheus_index *index, const struct part *part)
{
    return (uint64_t)(part->reader.at - index->data);
}

static enum err open_part(const struct prometheus_index *index, uint64_t offset, struct part *out,
                          struct errbuf *err)
{
    uint64_t end = index->size - INDEX_TOC_SIZE;
    if (offset < INDEX_HEADER_SIZE || offset > end || end - offset < LENGTH_SIZE + CHECKSUM_SIZE)
        return damaged(index, offset, "a part of the index should be here", err);
    uint64_t len = big_endian_u32(index->data + offset);
    offset += LENGTH_SIZE;
    if (len > end - offset - CHECKSUM_SIZE)
        return damaged(index, offset, "a part of the index is longer than the file", err);
    if (big_endian_u32(index->data + offset + len) != crc32c(0, index->data + offset, len))
        return damaged(index, offset, "the checksum of a part of the index is wrong", err);
    *out = (struct part){codec_reader(index->data + offset, len), offset};
    return ERR_NONE;
}

static enum err read_part_count(const struct prometheus_index *index, struct part *part,
                                uint32_t *out, struct errbuf *err)
{
    struct slice bytes = codec_read_bytes(&part->reader, COUNT_SIZE);
    if (part->reader.failed)
        return damaged(index, part->offset, "a part of the index is too short", err);
    *out = big_endian_u32((const uint8_t *)bytes.ptr);
    return ERR_NONE;
}

static enum err load_symbols(struct prometheus_index *index, uint64_t offset, struct errbuf *err)
{
    struct part part;
    uint32_t count = 0;
    enum err code = open_part(index, offset, &part, err);
    if (code == ERR_NONE)
        code = read_part_count(index, &part, &count, err);
    if (code != ERR_NONE)
        return code;
    if (count > codec_left(&part.reader))
        return damaged(index, offset, "there are fewer symbols than it says", err);
    vec_reserve(&index->symbols, count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = part_at(index, &part);
        (void)codec_read_slice(&part.reader);
        if (part.reader.failed)
            return damaged(index, at, "a symbol ends behind the symbols", err);
        vec_push(&index->symbols, at);
    }
    return ERR_NONE;
}

/* The list of all series is that of the empty name and value. */
static enum err find_all_series(const struct prometheus_index *index, uint64_t table, uint64_t *out,
                                struct errbuf *err)
{
    struct part part;
    uint32_t count = 0;
    enum err code = open_part(index, table, &part, err);
    if (code == ERR_NONE)
        code = read_part_count(index, &part, &count, err);
    for (uint32_t i = 0; code == ERR_NONE && i < count; i++) {
        uint64_t at = part_at(index, &part);
        uint64_t keys = codec_read_uvarint(&part.reader);
        struct slice name = codec_read_slice(&part.reader);
        struct slice value = codec_read_slice(&part.reader);
        *out = codec_read_uvarint(&part.reader);
        if (part.reader.failed || keys != 2)
            return damaged(index, at, "the table of postings is damaged", err);
        if (name.len == 0 && value.len == 0)
            return ERR_NONE;
    }
    if (code == ERR_NONE)
        code = damaged(index, table, "the table of postings does not name the list of all series",
                       err);
    return code;
}

static enum err load_all_series(struct prometheus_index *index, uint64_t table, struct errbuf *err)
{
    uint64_t offset = 0;
    struct part part;
    enum err code = find_all_series(index, table, &offset, err);
    if (code == ERR_NONE)
        code = open_part(index, offset, &part, err);
    if (code == ERR_NONE)
        code = read_part_count(index, &part, &index->series_count, err);
    if (code == ERR_NONE && (uint64_t)index->series_count * 4 != codec_left(&part.reader))
        code = damaged(index, offset, "the list of all series has not the length it should", err);
    if (code == ERR_NONE)
        index->series = part.reader.at;
    return code;
}

static enum err load(struct prometheus_index *index, struct errbuf *err)
{
    if (index->size < INDEX_HEADER_SIZE + INDEX_TOC_SIZE)
        return damaged(index, index->size, "the file is too short", err);
    if (big_endian_u32(index->data) != INDEX_MAGIC)
        return damaged(index, 0, "this is not an index", err);
    index->version = index->data[4];
    if (index->version != INDEX_VERSION_1 && index->version != INDEX_VERSION_2)
        return damaged(index, 4, "the version of the index is not 1 or 2", err);
    uint64_t toc = index->size - INDEX_TOC_SIZE;
    const uint8_t *contents = index->data + toc;
    if (big_endian_u32(contents + INDEX_TOC_SIZE - CHECKSUM_SIZE) !=
        crc32c(0, contents, INDEX_TOC_SIZE - CHECKSUM_SIZE))
        return damaged(index, toc, "the table of contents is damaged", err);
    index->series_begin = big_endian_u64(contents + INDEX_TOC_SERIES * 8);
    index->series_end = toc;
    enum err code = load_symbols(index, big_endian_u64(contents + INDEX_TOC_SYMBOLS * 8), err);
    if (code == ERR_NONE)
        code = load_all_series(index, big_endian_u64(contents + INDEX_TOC_POSTINGS_TABLE * 8), err);
    return code;
}

enum err prometheus_index_open(struct prometheus_index *index, const struct fs *fs,
                               const char *path, struct errbuf *err)
{
    *index = (struct prometheus_index){.fs = fs, .path = mem_strdup(path)};
    index->fd = fs->open(fs, path, FS_READ);
    int64_t size = index->fd < 0 ? index->fd : fs->size(fs, index->fd);
    enum err code = ERR_NONE;
    if (size < 0) {
        code = errbuf_set_errno(err, (int)-size, "opening %s", path);
    } else {
        index->size = (uint64_t)size;
        index->data = size == 0 ? NULL : fs->map(fs, index->fd, (size_t)size);
        if (size > 0 && index->data == NULL)
            code = errbuf_set(err, ERR_IO, "%s cannot be mapped", path);
    }
    if (code == ERR_NONE)
        code = load(index, err);
    if (code != ERR_NONE)
        prometheus_index_close(index);
    return code;
}

void prometheus_index_close(struct prometheus_index *index)
{
    if (index->path == NULL)
        return;
    if (index->data != NULL)
        index->fs->unmap(index->fs, (void *)index->data, index->size);
    if (index->fd >= 0)
        index->fs->close(index->fs, index->fd);
    vec_release(&index->symbols);
    mem_free(index->path);
    *index = (struct prometheus_index){.fd = -1};
}

struct slice prometheus_index_symbol(const struct prometheus_index *index, uint32_t number)
{
    ASSERT(number < index->symbols.len);
    uint64_t at = index->symbols.items[number];
    struct codec_reader reader = codec_reader(index->data + at, index->size - at);
    return codec_read_slice(&reader);
}

/* --- series --- */

/* Version 1 names a symbol by where it is, version 2 by its number. */
static bool read_symbol(const struct prometheus_index *index, struct codec_reader *reader,
                        uint32_t *out)
{
    uint64_t ref = codec_read_uvarint(reader);
    if (index->version == INDEX_VERSION_2) {
        *out = (uint32_t)ref;
        return ref < index->symbols.len;
    }
    size_t low = 0, high = index->symbols.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->symbols.items[middle] < ref)
            low = middle + 1;
        else
            high = middle;
    }
    *out = (uint32_t)low;
    return low < index->symbols.len && index->symbols.items[low] == ref;
}

static const char *read_pairs(const struct prometheus_index *index, struct codec_reader *reader,
                              struct prometheus_series *out)
{
    uint64_t count = codec_read_uvarint(reader);
    if (count > codec_left(reader))
        return "a series has more labels than bytes";
    for (uint64_t i = 0; i < count; i++) {
        struct prometheus_index_pair pair;
        if (!read_symbol(index, reader, &pair.name) || !read_symbol(index, reader, &pair.value))
            return "a label of a series is no symbol";
        vec_push(&out->pairs, pair);
    }
    return NULL;
}

static const char *read_chunks(struct codec_reader *reader, struct prometheus_series *out)
{
    uint64_t count = codec_read_uvarint(reader);
    if (count > codec_left(reader))
        return "a series has more chunks than bytes";
    uint64_t end_ms = 0, ref = 0; /* unsigned: what overflows is found below */
    for (uint64_t i = 0; i < count; i++) {
        uint64_t gap = i == 0 ? (uint64_t)codec_read_varint(reader) : codec_read_uvarint(reader);
        uint64_t length = codec_read_uvarint(reader);
        ref = i == 0 ? codec_read_uvarint(reader) : ref + (uint64_t)codec_read_varint(reader);
        struct prometheus_chunk_meta chunk = {(int64_t)(end_ms + gap),
                                              (int64_t)(end_ms + gap + length), ref};
        if (chunk.max_ms < chunk.min_ms || (i > 0 && chunk.min_ms <= (int64_t)end_ms))
            return "the chunks of a series overlap";
        end_ms = (uint64_t)chunk.max_ms;
        vec_push(&out->chunks, chunk);
    }
    return NULL;
}

enum err prometheus_index_series(const struct prometheus_index *index, uint32_t number,
                                 struct prometheus_series *out, struct errbuf *err)
{
    ASSERT(number < index->series_count);
    vec_reset(&out->pairs);
    vec_reset(&out->chunks);
    out->ref = big_endian_u32(index->series + (size_t)number * 4);
    uint64_t offset = index->version == INDEX_VERSION_1 ? out->ref : out->ref * INDEX_SERIES_ALIGN;
    if (offset < index->series_begin || offset >= index->series_end)
        return damaged(index, (uint64_t)(index->series - index->data) + (uint64_t)number * 4,
                       "a series is not where the series are", err);
    struct codec_reader reader = codec_reader(index->data + offset, index->series_end - offset);
    uint64_t len = codec_read_uvarint(&reader);
    if (reader.failed || codec_left(&reader) < CHECKSUM_SIZE ||
        len > codec_left(&reader) - CHECKSUM_SIZE)
        return damaged(index, offset, "a series is longer than the file", err);
    if (big_endian_u32(reader.at + len) != crc32c(0, reader.at, len))
        return damaged(index, offset, "the checksum of a series is wrong", err);
    reader = codec_reader(reader.at, len);
    const char *wrong = read_pairs(index, &reader, out);
    if (wrong == NULL)
        wrong = read_chunks(&reader, out);
    if (wrong == NULL && reader.failed)
        wrong = "a series breaks off";
    return wrong == NULL ? ERR_NONE : damaged(index, offset, wrong, err);
}
