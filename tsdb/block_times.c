#include "tsdb/block_times.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/hash.h"
#include "tsdb/block_files.h"
#include "tsdb/packed.h"
#include "tsdb/time_column.h"

/* Times that are remembered, to be named again. */
#define KNOWN_BYTES_MAX ((size_t)16 << 20)
#define PAGE_BYTES ((size_t)16 << 10)

/* --- writing --- */

struct known_column {
    uint32_t column;
    uint32_t count;
    int64_t times_ms[];
};

struct times_key {
    const int64_t *times_ms;
    size_t count;
};

static bool begins_with(const void *value, const void *key_pointer)
{
    const struct known_column *known = value;
    const struct times_key *key = key_pointer;
    return known->count >= key->count &&
           memcmp(known->times_ms, key->times_ms, key->count * sizeof(int64_t)) == 0;
}

static bool ends_with(const void *value, const void *key_pointer)
{
    const struct known_column *known = value;
    const struct times_key *key = key_pointer;
    return known->count >= key->count && memcmp(known->times_ms + known->count - key->count,
                                                key->times_ms, key->count * sizeof(int64_t)) == 0;
}

static uint64_t time_hash(int64_t time_ms)
{
    return hash_mix(0, (uint64_t)time_ms);
}

void block_times_writer_open(struct block_times_writer *writer, const struct fs *fs,
                             const char *path)
{
    *writer = (struct block_times_writer){0};
    paged_writer_open(&writer->file, fs, path, TIMES_MAGIC);
    buf_init(&writer->raw, PACKED_RAW_SIZE_MAX);
    buf_init(&writer->column, PACKED_RAW_SIZE_MAX);
    arena_init(&writer->known, SIZE_MAX);
    table_init(&writer->by_first);
    table_init(&writer->by_last);
}

void block_times_writer_release(struct block_times_writer *writer)
{
    paged_writer_release(&writer->file);
    buf_release(&writer->raw);
    buf_release(&writer->column);
    vec_release(&writer->pages);
    table_release(&writer->by_first);
    table_release(&writer->by_last);
    arena_release(&writer->known);
    *writer = (struct block_times_writer){.file = {.fd = -1}};
}

static void finish_page(struct block_times_writer *writer)
{
    if (writer->raw_count == 0)
        return;
    struct block_times_page page = {.count = writer->raw_count};
    page.stored_len = packed_write(buf_slice(&writer->raw), &writer->file.pending);
    vec_push(&writer->pages, page);
    paged_writer_spill(&writer->file);
    buf_reset(&writer->raw);
    writer->raw_count = 0;
}

static void remember(struct block_times_writer *writer, uint32_t column, const int64_t *times_ms,
                     size_t count)
{
    if (writer->known.used > KNOWN_BYTES_MAX) {
        table_clear(&writer->by_first);
        table_clear(&writer->by_last);
        arena_reset(&writer->known);
    }
    size_t bytes = count * sizeof(*times_ms);
    struct known_column *known = arena_alloc(&writer->known, sizeof(*known) + bytes);
    known->column = column;
    known->count = (uint32_t)count;
    memcpy(known->times_ms, times_ms, bytes);
    table_add(&writer->by_first, time_hash(times_ms[0]), known);
    table_add(&writer->by_last, time_hash(times_ms[count - 1]), known);
}

static uint32_t write_column(struct block_times_writer *writer, const int64_t *times_ms,
                             size_t count)
{
    buf_reset(&writer->column);
    time_column_encode(times_ms, count, &writer->column);
    codec_write_uvarint(&writer->raw, count);
    codec_write_slice(&writer->raw, buf_slice(&writer->column));
    writer->raw_count++;
    if (writer->raw_count == BLOCK_TIMES_GROUP || writer->raw.len >= PAGE_BYTES)
        finish_page(writer);
    return writer->column_count++;
}

uint32_t block_times_add(struct block_times_writer *writer, const int64_t *times_ms, size_t count,
                         uint32_t *out_row)
{
    ASSERT(count > 0 && count <= TIME_COLUMN_COUNT_MAX);
    struct times_key key = {times_ms, count};
    const struct known_column *known =
        table_get(&writer->by_first, time_hash(times_ms[0]), begins_with, &key);
    *out_row = 0;
    if (known != NULL)
        return known->column;
    known = table_get(&writer->by_last, time_hash(times_ms[count - 1]), ends_with, &key);
    if (known != NULL) {
        *out_row = known->count - (uint32_t)count;
        return known->column;
    }
    uint32_t column = write_column(writer, times_ms, count);
    remember(writer, column, times_ms, count);
    return column;
}

enum err block_times_writer_finish(struct block_times_writer *writer, struct errbuf *err)
{
    finish_page(writer);
    struct buf CLEANUP(buf_release) directory;
    buf_init(&directory, PACKED_RAW_SIZE_MAX);
    codec_write_uvarint(&directory, writer->pages.len);
    for (size_t i = 0; i < writer->pages.len; i++) {
        codec_write_uvarint(&directory, writer->pages.items[i].count);
        codec_write_uvarint(&directory, writer->pages.items[i].stored_len);
    }
    return paged_writer_finish(&writer->file, buf_slice(&directory), err);
}

/* --- reading --- */

static enum err read_directory(struct block_times *times, struct slice raw, struct errbuf *err)
{
    struct codec_reader reader = codec_reader(raw.ptr, raw.len);
    uint64_t count = codec_read_uvarint(&reader), offset = PAGED_HEADER_SIZE, first = 0;
    uint64_t end = times->file.directory_offset;
    if (count > codec_left(&reader))
        return paged_file_damaged(&times->file, end, "the directory makes no sense", err);
    times->page_count = (size_t)count;
    times->pages = mem_zalloc((times->page_count + 1) * sizeof(*times->pages));
    for (size_t i = 0; i < times->page_count; i++) {
        uint64_t columns = codec_read_uvarint(&reader), stored = codec_read_uvarint(&reader);
        if (reader.failed || columns == 0 || columns > BLOCK_TIMES_GROUP || stored > end - offset ||
            first + columns > UINT32_MAX)
            return paged_file_damaged(&times->file, end, "the directory makes no sense", err);
        times->pages[i] = (struct block_times_page){.first = (uint32_t)first,
                                                    .count = (uint32_t)columns,
                                                    .offset = offset,
                                                    .stored_len = (size_t)stored};
        offset += stored;
        first += columns;
    }
    times->column_count = (uint32_t)first;
    if (reader.failed || codec_left(&reader) > 0 || offset != end)
        return paged_file_damaged(&times->file, end, "the directory makes no sense", err);
    return ERR_NONE;
}

enum err block_times_open(struct block_times *times, const struct fs *fs, const char *path,
                          struct errbuf *err)
{
    struct buf CLEANUP(buf_release) directory;
    buf_init(&directory, PACKED_RAW_SIZE_MAX);
    *times = (struct block_times){0};
    enum err code = paged_file_open(&times->file, fs, path, TIMES_MAGIC, &directory, err);
    if (code == ERR_NONE)
        code = read_directory(times, buf_slice(&directory), err);
    if (code != ERR_NONE)
        block_times_close(times);
    return code;
}

void block_times_close(struct block_times *times)
{
    paged_file_close(&times->file);
    mem_free(times->pages);
    times->pages = NULL;
}

void block_times_cursor_init(struct block_times_cursor *cursor, const struct block_times *times)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->times = times;
    cursor->page = SIZE_MAX;
    buf_init(&cursor->stored, PACKED_RAW_SIZE_MAX);
    buf_init(&cursor->raw, PACKED_RAW_SIZE_MAX);
    for (size_t i = 0; i < BLOCK_TIMES_CACHE; i++)
        cursor->columns[i].column = UINT32_MAX;
}

static void forget_columns(struct block_times_cursor *cursor)
{
    for (size_t i = 0; i < BLOCK_TIMES_CACHE; i++) {
        mem_free(cursor->columns[i].times_ms);
        cursor->columns[i] = (struct block_times_column){.column = UINT32_MAX};
    }
    cursor->cached = 0;
}

void block_times_cursor_release(struct block_times_cursor *cursor)
{
    buf_release(&cursor->stored);
    buf_release(&cursor->raw);
    forget_columns(cursor);
}

static size_t page_of(const struct block_times *times, uint32_t column)
{
    size_t low = 0, high = times->page_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (times->pages[middle].first <= column)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static enum err load_page(struct block_times_cursor *cursor, size_t page, struct errbuf *err)
{
    if (cursor->page == page)
        return ERR_NONE;
    const struct block_times *times = cursor->times;
    cursor->page = SIZE_MAX;
    enum err code = packed_read_file(times->file.fs, times->file.fd, times->file.path,
                                     times->pages[page].offset, times->pages[page].stored_len,
                                     &cursor->stored, &cursor->raw, err);
    if (code == ERR_NONE)
        cursor->page = page;
    return code;
}

/* The bytes of a column within its page. */
static bool find_column(const struct block_times_cursor *cursor, uint32_t number, size_t *out_count,
                        struct slice *out)
{
    struct codec_reader reader = codec_reader(cursor->raw.data, cursor->raw.len);
    for (uint32_t i = 0; i <= number; i++) {
        uint64_t count = codec_read_uvarint(&reader);
        *out = codec_read_slice(&reader);
        *out_count = (size_t)count;
        if (reader.failed || count == 0 || count > TIME_COLUMN_COUNT_MAX)
            return false;
    }
    return true;
}

static enum err decode_column(struct block_times_cursor *cursor, uint32_t column,
                              struct block_times_column *out, struct errbuf *err)
{
    const struct block_times *times = cursor->times;
    size_t page = page_of(times, column), count = 0;
    enum err code = load_page(cursor, page, err);
    if (code != ERR_NONE)
        return code;
    struct slice bytes;
    out->column = UINT32_MAX;
    if (!find_column(cursor, column - times->pages[page].first, &count, &bytes))
        return paged_file_damaged(&times->file, times->pages[page].offset,
                                  "the time columns make no sense", err);
    if (out->capacity < count) {
        if (cursor->cached + count - out->capacity > BLOCK_TIMES_CACHED_MAX)
            forget_columns(cursor);
        cursor->cached += count - out->capacity;
        out->times_ms = mem_realloc_array(out->times_ms, count, sizeof(int64_t));
        out->capacity = (uint32_t)count;
    }
    bool ascends;
    if (time_column_decode(bytes, count, out->times_ms, &ascends) != ERR_NONE || !ascends)
        return paged_file_damaged(&times->file, times->pages[page].offset,
                                  "a time column makes no sense", err);
    out->column = column;
    out->count = (uint32_t)count;
    return ERR_NONE;
}

enum err block_times_rows(struct block_times_cursor *cursor, uint32_t column, uint32_t row,
                          size_t count, const int64_t **out, struct errbuf *err)
{
    const struct block_times *times = cursor->times;
    if (column >= times->column_count)
        return paged_file_damaged(&times->file, times->file.directory_offset,
                                  "a chunk names a time column that is not there", err);
    struct block_times_column *cached = &cursor->columns[column % BLOCK_TIMES_CACHE];
    if (cached->column != column) {
        enum err code = decode_column(cursor, column, cached, err);
        if (code != ERR_NONE)
            return code;
    }
    if (row > cached->count || count > cached->count - row)
        return paged_file_damaged(&times->file, times->file.directory_offset,
                                  "a chunk names rows of a time column that are not there", err);
    *out = cached->times_ms + row;
    return ERR_NONE;
}
