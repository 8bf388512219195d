/* Layout of a page, and when LZ4 is worth it. */
#include "tsdb/page.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/compress.h"
#include "base/crc32c.h"
#include "tsdb/integer_column.h"

#include <assert.h>
#include <string.h>

#define CODEC_PLAIN 0
#define CODEC_LZ4 1

#define PAGE_VERSION 1

/* LZ4 must save a 32nd, and the dense form is tried only where the fast one did. */
#define GAIN_SHARE 32

/* LZ4 gives at most this many bytes for one. */
#define LZ4_RATIO_MAX 255

static_assert(PAGE_CHUNKS_MAX <= INTEGER_COLUMN_COUNT_MAX, "the directory is made of columns");

struct page_header {
    uint32_t stored_len;
    uint32_t raw_len;
    uint8_t codec;
};

void page_writer_init(struct page_writer *writer, bool dense)
{
    *writer = (struct page_writer){.dense = dense};
    buf_init(&writer->chunks, PAGE_RAW_SIZE_MAX);
    buf_init(&writer->raw, PAGE_RAW_SIZE_MAX);
    buf_init(&writer->packed, BUF_SIZE_ANY);
}

void page_writer_release(struct page_writer *writer)
{
    buf_release(&writer->chunks);
    buf_release(&writer->raw);
    buf_release(&writer->packed);
}

bool page_writer_full_for(const struct page_writer *writer, size_t chunks, size_t len)
{
    size_t size_max = writer->dense ? PAGE_SIZE_DENSE : PAGE_SIZE_FAST;
    size_t count_max = writer->dense ? PAGE_CHUNKS_MAX : PAGE_CHUNKS_FAST;
    return writer->count > 0 &&
           (writer->count + chunks > count_max || writer->chunks.len + len > size_max);
}

bool page_writer_full(const struct page_writer *writer, size_t len)
{
    return page_writer_full_for(writer, 1, len);
}

uint32_t page_writer_add(struct page_writer *writer, const struct page_chunk *chunk)
{
    ASSERT(writer->count < PAGE_CHUNKS_MAX);
    ASSERT(chunk->bytes.len <= PAGE_CHUNK_SIZE_MAX);
    uint32_t number = writer->count++;
    writer->lens[number] = chunk->bytes.len;
    writer->kinds[number] = chunk->kind;
    writer->counts[number] = chunk->count;
    writer->time_columns[number] = chunk->time_column;
    writer->rows[number] = chunk->row_first;
    buf_append_slice(&writer->chunks, chunk->bytes);
    return number;
}

static void write_raw(struct page_writer *writer)
{
    struct buf *raw = &writer->raw;
    buf_reset(raw);
    codec_write_u8(raw, (uint8_t)(writer->count - 1));
    integer_column_encode(writer->lens, writer->count, raw);
    integer_column_encode(writer->kinds, writer->count, raw);
    integer_column_encode(writer->counts, writer->count, raw);
    integer_column_encode(writer->time_columns, writer->count, raw);
    integer_column_encode(writer->rows, writer->count, raw);
    buf_append_slice(raw, buf_slice(&writer->chunks));
    ASSERT(!raw->overflow);
}

static bool pays(size_t packed, size_t raw)
{
    return packed + raw / GAIN_SHARE < raw;
}

static enum err pack(struct page_writer *writer, struct errbuf *err)
{
    struct slice raw = buf_slice(&writer->raw);
    buf_reset(&writer->packed);
    enum err code = compress_lz4(raw, &writer->packed, err);
    if (code != ERR_NONE || !writer->dense || !pays(writer->packed.len, raw.len))
        return code;
    buf_reset(&writer->packed);
    return compress_lz4_high(raw, &writer->packed, err);
}

enum err page_writer_finish(struct page_writer *writer, struct buf *out, struct errbuf *err)
{
    ASSERT(writer->count > 0);
    write_raw(writer);
    enum err code = pack(writer, err);
    if (code != ERR_NONE)
        return code;
    bool packed = pays(writer->packed.len, writer->raw.len);
    struct slice stored = buf_slice(packed ? &writer->packed : &writer->raw);
    size_t start = out->len;
    codec_write_u32(out, (uint32_t)stored.len);
    codec_write_u32(out, (uint32_t)writer->raw.len);
    codec_write_u8(out, packed ? CODEC_LZ4 : CODEC_PLAIN);
    codec_write_u8(out, PAGE_VERSION);
    codec_write_u16(out, 0);
    uint32_t crc = 0;
    if (out->len == start + PAGE_HEADER_SIZE - 4)
        crc = crc32c(crc32c(0, out->data + start, PAGE_HEADER_SIZE - 4), stored.ptr, stored.len);
    codec_write_u32(out, crc);
    buf_append_slice(out, stored);
    writer->count = 0;
    buf_reset(&writer->chunks);
    if (out->overflow)
        return errbuf_set(err, ERR_LIMIT, "no room for a page of %zu bytes", stored.len);
    return ERR_NONE;
}

static enum err read_header(struct slice bytes, struct page_header *out, struct errbuf *err)
{
    struct codec_reader reader = codec_reader(bytes.ptr, bytes.len);
    out->stored_len = codec_read_u32(&reader);
    out->raw_len = codec_read_u32(&reader);
    out->codec = codec_read_u8(&reader);
    uint8_t version = codec_read_u8(&reader);
    uint16_t rest = codec_read_u16(&reader);
    codec_read_u32(&reader);
    if (reader.failed)
        return errbuf_set(err, ERR_CORRUPT, "page header of %zu bytes", bytes.len);
    if (version != PAGE_VERSION || rest != 0 || out->codec > CODEC_LZ4)
        return errbuf_set(err, ERR_CORRUPT, "page of unknown version %u or codec %u", version,
                          out->codec);
    if (out->stored_len == 0 || out->raw_len > PAGE_RAW_SIZE_MAX ||
        (out->codec == CODEC_PLAIN && out->raw_len != out->stored_len) ||
        out->raw_len / LZ4_RATIO_MAX > out->stored_len)
        return errbuf_set(err, ERR_CORRUPT, "page of %u bytes from %u", out->raw_len,
                          out->stored_len);
    if (out->stored_len > codec_left(&reader))
        return errbuf_set(err, ERR_CORRUPT, "page of %u bytes where %zu are left", out->stored_len,
                          codec_left(&reader));
    return ERR_NONE;
}

enum err page_stored_size(struct slice bytes, size_t *out_size, struct errbuf *err)
{
    struct page_header header;
    enum err code = read_header(bytes, &header, err);
    if (code == ERR_NONE)
        *out_size = PAGE_HEADER_SIZE + (size_t)header.stored_len;
    return code;
}

/* The columns of the directory, as they are read. */
struct page_columns {
    uint64_t lens[PAGE_CHUNKS_MAX + COLUMN_SLACK];
    uint64_t kinds[PAGE_CHUNKS_MAX + COLUMN_SLACK];
    uint64_t counts[PAGE_CHUNKS_MAX + COLUMN_SLACK];
    uint64_t time_columns[PAGE_CHUNKS_MAX + COLUMN_SLACK];
    uint64_t rows[PAGE_CHUNKS_MAX + COLUMN_SLACK];
};

static bool read_columns(struct codec_reader *reader, uint32_t count, struct page_columns *out)
{
    return integer_column_read(reader, count, out->lens) &&
           integer_column_read(reader, count, out->kinds) &&
           integer_column_read(reader, count, out->counts) &&
           integer_column_read(reader, count, out->time_columns) &&
           integer_column_read(reader, count, out->rows);
}

static bool read_directory(struct page *page, struct slice raw)
{
    struct page_columns columns;
    struct codec_reader reader = codec_reader(raw.ptr, raw.len);
    page->count = codec_read_u8(&reader) + 1u;
    if (page->count > PAGE_CHUNKS_MAX || !read_columns(&reader, page->count, &columns))
        return false;
    for (uint32_t i = 0; i < page->count; i++) {
        if (columns.lens[i] > codec_left(&reader) || columns.kinds[i] > PAGE_CHUNK_KIND_MAX ||
            columns.counts[i] > UINT32_MAX || columns.time_columns[i] > UINT32_MAX ||
            columns.rows[i] > UINT32_MAX)
            return false;
        page->chunks[i] = (struct page_chunk){
            .kind = (enum page_chunk_kind)columns.kinds[i],
            .count = (uint32_t)columns.counts[i],
            .time_column = (uint32_t)columns.time_columns[i],
            .row_first = (uint32_t)columns.rows[i],
            .bytes = codec_read_bytes(&reader, columns.lens[i]),
        };
    }
    return codec_left(&reader) == 0;
}

enum err page_open(struct page *page, struct slice bytes, struct errbuf *err)
{
    struct page_header header;
    page->count = 0;
    enum err code = read_header(bytes, &header, err);
    if (code != ERR_NONE)
        return code;
    struct slice stored = slice_from(bytes.ptr + PAGE_HEADER_SIZE, header.stored_len);
    if (bytes.len != PAGE_HEADER_SIZE + stored.len)
        return errbuf_set(err, ERR_CORRUPT, "page of %zu bytes in %zu", stored.len, bytes.len);
    struct codec_reader reader = codec_reader(stored.ptr - 4, 4);
    uint32_t crc = crc32c(0, bytes.ptr, PAGE_HEADER_SIZE - 4);
    if (crc32c(crc, stored.ptr, stored.len) != codec_read_u32(&reader))
        return errbuf_set(err, ERR_CORRUPT, "page with a wrong checksum");
    struct slice raw = stored;
    if (header.codec == CODEC_LZ4) {
        if (page->unpacked.size_max == 0)
            buf_init(&page->unpacked, PAGE_RAW_SIZE_MAX);
        buf_reset(&page->unpacked);
        code = decompress_lz4(stored, header.raw_len, &page->unpacked, err);
        if (code != ERR_NONE)
            return code;
        raw = buf_slice(&page->unpacked);
    }
    if (read_directory(page, raw))
        return ERR_NONE;
    page->count = 0;
    return errbuf_set(err, ERR_CORRUPT, "page whose directory makes no sense");
}

void page_release(struct page *page)
{
    buf_release(&page->unpacked);
    page->count = 0;
}

const struct page_chunk *page_chunk(const struct page *page, uint32_t number)
{
    return number < page->count ? &page->chunks[number] : NULL;
}
