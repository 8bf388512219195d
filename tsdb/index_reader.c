#include "tsdb/index_reader.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "tsdb/packed.h"

#define DIRECTORY_SIZE_MAX PACKED_RAW_SIZE_MAX

static enum err index_damaged(const struct index_reader *index, struct errbuf *err, uint64_t offset,
                              const char *what)
{
    return errbuf_set(err, ERR_CORRUPT, "%s: at offset %llu: %s", index->path,
                      (unsigned long long)offset, what);
}

/* --- the directory --- */

struct directory {
    struct index_reader *index;
    struct codec_reader reader;
    uint64_t offset; /* of the next page */
    uint64_t end;    /* of all pages */
};

static uint32_t directory_u32(struct directory *directory)
{
    uint64_t value = codec_read_uvarint(&directory->reader);
    if (value >= INDEX_NONE)
        directory->reader.failed = true;
    return (uint32_t)value;
}

/* A count of things of which each takes a byte at least. */
static size_t directory_count(struct directory *directory)
{
    uint64_t count = codec_read_uvarint(&directory->reader);
    if (count > codec_left(&directory->reader))
        directory->reader.failed = true;
    return directory->reader.failed ? 0 : (size_t)count;
}

static struct index_page *directory_pages(struct directory *directory, size_t count)
{
    return arena_zalloc_array(&directory->index->arena, count, sizeof(struct index_page));
}

static void directory_page(struct directory *directory, struct index_page *page)
{
    uint64_t stored = codec_read_uvarint(&directory->reader);
    page->offset = directory->offset;
    page->stored_len = (size_t)stored;
    if (stored < PACKED_HEADER_SIZE || stored > directory->end - directory->offset)
        directory->reader.failed = true;
    else
        directory->offset += stored;
}

static void read_symbol_pages(struct directory *directory)
{
    struct index_reader *index = directory->index;
    index->symbol_page_count = directory_count(directory);
    index->symbol_pages = directory_pages(directory, index->symbol_page_count);
    uint64_t first = 0;
    for (size_t i = 0; i < index->symbol_page_count && !directory->reader.failed; i++) {
        struct index_page *page = &index->symbol_pages[i];
        page->first = (uint32_t)first;
        page->count = directory_u32(directory);
        directory_page(directory, page);
        page->text = arena_slice(&index->arena, codec_read_slice(&directory->reader));
        first += page->count;
        if (page->count == 0 || first > index->symbol_count)
            directory->reader.failed = true;
    }
    if (first != index->symbol_count)
        directory->reader.failed = true;
}

static void read_value_pages(struct directory *directory, struct index_name *name,
                             struct index_page *pages)
{
    uint64_t values = 0, least = 0;
    for (size_t i = 0; i < name->page_count && !directory->reader.failed; i++) {
        struct index_page *page = &pages[name->page_first + i];
        page->first = directory_u32(directory);
        page->count = directory_u32(directory);
        directory_page(directory, page);
        values += page->count;
        if (page->first < least || page->count == 0)
            directory->reader.failed = true;
        least = (uint64_t)page->first + page->count;
    }
    if (values != name->value_count || least > directory->index->symbol_count)
        directory->reader.failed = true;
}

static void read_names(struct directory *directory)
{
    struct index_reader *index = directory->index;
    index->name_count = directory_count(directory);
    index->names = arena_zalloc_array(&index->arena, index->name_count, sizeof(struct index_name));
    /* a page takes three bytes at least */
    size_t pages_max = codec_left(&directory->reader) / 3;
    index->value_pages = directory_pages(directory, pages_max);
    uint64_t least = 0;
    for (size_t i = 0; i < index->name_count && !directory->reader.failed; i++) {
        struct index_name *name = &index->names[i];
        name->symbol = directory_u32(directory);
        name->pair_count = codec_read_uvarint(&directory->reader);
        name->value_count = directory_u32(directory);
        name->page_first = index->value_page_count;
        name->page_count = directory_count(directory);
        if (name->symbol < least || name->symbol >= index->symbol_count ||
            name->page_count > pages_max - index->value_page_count)
            directory->reader.failed = true;
        else
            read_value_pages(directory, name, index->value_pages);
        index->value_page_count += name->page_count;
        least = (uint64_t)name->symbol + 1;
    }
}

static void read_series_pages(struct directory *directory)
{
    struct index_reader *index = directory->index;
    index->series_page_count = directory_count(directory);
    index->series_pages = directory_pages(directory, index->series_page_count);
    uint64_t first = 0, chunks = 0;
    for (size_t i = 0; i < index->series_page_count && !directory->reader.failed; i++) {
        struct index_page *page = &index->series_pages[i];
        page->first = (uint32_t)first;
        page->chunk_first = chunks;
        page->count = directory_u32(directory);
        uint64_t page_chunks = codec_read_uvarint(&directory->reader);
        directory_page(directory, page);
        first += page->count;
        if (page->count == 0 || first > index->series_count ||
            page_chunks > index->chunk_count - chunks)
            directory->reader.failed = true;
        else
            chunks += page_chunks;
    }
    if (first != index->series_count || chunks != index->chunk_count)
        directory->reader.failed = true;
}

static enum err read_directory(struct index_reader *index, uint64_t offset, struct slice raw,
                               struct errbuf *err)
{
    struct directory directory = {.index = index,
                                  .reader = codec_reader(raw.ptr, raw.len),
                                  .offset = INDEX_HEADER_SIZE,
                                  .end = offset};
    index->symbol_count = directory_u32(&directory);
    index->series_count = directory_u32(&directory);
    index->chunk_count = codec_read_uvarint(&directory.reader);
    read_symbol_pages(&directory);
    if (!directory.reader.failed)
        read_names(&directory);
    if (!directory.reader.failed)
        read_series_pages(&directory);
    if (directory.reader.failed || codec_left(&directory.reader) > 0 || directory.offset != offset)
        return index_damaged(index, err, offset, "the directory makes no sense");
    return ERR_NONE;
}

static enum err read_exactly(const struct index_reader *index, void *to, size_t len,
                             uint64_t offset, struct errbuf *err)
{
    for (size_t have = 0; have < len;) {
        ssize_t got =
            index->fs->pread(index->fs, index->fd, (char *)to + have, len - have, offset + have);
        if (got < 0)
            return errbuf_set_errno(err, (int)-got, "reading %s", index->path);
        if (got == 0)
            return index_damaged(index, err, offset + have, "the file ends here");
        have += (size_t)got;
    }
    return ERR_NONE;
}

static enum err load(struct index_reader *index, struct errbuf *err)
{
    int64_t size = index->fs->size(index->fs, index->fd);
    if (size < 0)
        return errbuf_set_errno(err, (int)-size, "reading %s", index->path);
    index->size = (uint64_t)size;
    if (index->size < INDEX_HEADER_SIZE + INDEX_TRAILER_SIZE + PACKED_HEADER_SIZE)
        return index_damaged(index, err, 0, "the file is too short for an index");
    char header[INDEX_HEADER_SIZE], trailer[INDEX_TRAILER_SIZE];
    uint64_t trailer_at = index->size - INDEX_TRAILER_SIZE;
    enum err code = read_exactly(index, header, sizeof(header), 0, err);
    if (code == ERR_NONE)
        code = read_exactly(index, trailer, sizeof(trailer), trailer_at, err);
    if (code != ERR_NONE)
        return code;
    struct codec_reader reader =
        codec_reader(header + INDEX_MAGIC_SIZE, sizeof(header) - INDEX_MAGIC_SIZE);
    if (memcmp(header, INDEX_MAGIC, INDEX_MAGIC_SIZE) != 0 ||
        codec_read_u32(&reader) != INDEX_VERSION)
        return index_damaged(index, err, 0, "this is no index of version 1");
    reader = codec_reader(trailer, sizeof(trailer));
    uint64_t offset = codec_read_u64(&reader);
    uint32_t len = codec_read_u32(&reader);
    uint32_t checksum = codec_read_u32(&reader);
    if (checksum != crc32c(0, trailer, 12) || memcmp(reader.at, INDEX_MAGIC, INDEX_MAGIC_SIZE) != 0)
        return index_damaged(index, err, trailer_at, "the end of the file is damaged");
    if (offset < INDEX_HEADER_SIZE || offset > trailer_at || len != trailer_at - offset)
        return index_damaged(index, err, trailer_at, "the directory is not where it should be");
    struct buf CLEANUP(buf_release) stored;
    struct buf CLEANUP(buf_release) raw;
    buf_init(&stored, DIRECTORY_SIZE_MAX);
    buf_init(&raw, DIRECTORY_SIZE_MAX);
    code = packed_read_file(index->fs, index->fd, index->path, offset, len, &stored, &raw, err);
    return code == ERR_NONE ? read_directory(index, offset, buf_slice(&raw), err) : code;
}

enum err index_open(const struct fs *fs, const char *path, struct index_reader **out,
                    struct errbuf *err)
{
    struct index_reader *index = mem_zalloc(sizeof(*index));
    index->fs = fs;
    index->path = mem_dup(path, strlen(path) + 1);
    arena_init(&index->arena, SIZE_MAX);
    index->fd = fs->open(fs, path, FS_READ);
    enum err code =
        index->fd < 0 ? errbuf_set_errno(err, -index->fd, "opening %s", path) : load(index, err);
    if (code != ERR_NONE) {
        index_close(index);
        return code;
    }
    *out = index;
    return ERR_NONE;
}

void index_close(struct index_reader *index)
{
    if (index == NULL)
        return;
    if (index->fd >= 0)
        (void)index->fs->close(index->fs, index->fd);
    arena_release(&index->arena);
    mem_free(index->path);
    mem_free(index);
}
