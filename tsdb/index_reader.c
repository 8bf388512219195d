#include "tsdb/index_reader.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "tsdb/packed.h"

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

static enum err read_directory(struct index_reader *index, struct slice raw, struct errbuf *err)
{
    uint64_t end = index->file.directory_offset;
    struct directory directory = {.index = index,
                                  .reader = codec_reader(raw.ptr, raw.len),
                                  .offset = PAGED_HEADER_SIZE,
                                  .end = end};
    index->symbol_count = directory_u32(&directory);
    index->series_count = directory_u32(&directory);
    index->chunk_count = codec_read_uvarint(&directory.reader);
    read_symbol_pages(&directory);
    if (!directory.reader.failed)
        read_names(&directory);
    if (!directory.reader.failed)
        read_series_pages(&directory);
    if (directory.reader.failed || codec_left(&directory.reader) > 0 || directory.offset != end)
        return paged_file_damaged(&index->file, end, "the directory makes no sense", err);
    return ERR_NONE;
}

enum err index_open(const struct fs *fs, const char *path, struct index_reader **out,
                    struct errbuf *err)
{
    struct index_reader *index = mem_zalloc(sizeof(*index));
    arena_init(&index->arena, SIZE_MAX);
    struct buf CLEANUP(buf_release) raw;
    buf_init(&raw, PACKED_RAW_SIZE_MAX);
    enum err code = paged_file_open(&index->file, fs, path, INDEX_MAGIC, &raw, err);
    if (code == ERR_NONE)
        code = read_directory(index, buf_slice(&raw), err);
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
    if (index->leaves != NULL)
        index_leaves_forget(index->leaves, index);
    paged_file_close(&index->file);
    arena_release(&index->arena);
    mem_free(index);
}
