/*
 * Snapshots of the head from hostile bytes. The first byte chooses: a whole file, or sections whose
 * header and checksum are made here, so that the fuzzer need not find them. What is loaded is read
 * and written on.
 */
#include "base/buf.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "tsdb/head_snapshot.h"
#include "tsdb/tokens.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_header(struct buf *file, uint64_t series_count, uint64_t size)
{
    struct buf body;
    buf_init(&body, HEAD_SNAPSHOT_HEADER_SIZE);
    uint64_t fields[10] = {1, 1, 32, series_count, size};
    for (size_t i = 0; i < 10; i++)
        codec_write_u64(&body, fields[i]);
    buf_append_str(file, HEAD_SNAPSHOT_MAGIC);
    codec_write_u32(file, HEAD_SNAPSHOT_VERSION);
    codec_write_u32(file, crc32c(0, body.data, body.len));
    buf_append_slice(file, buf_slice(&body));
    buf_release(&body);
}

/* Every file of chunks is this one. */
static uint8_t chunks[64] = "FERULAHC";

static int fake_open(const struct fs *fs, const char *path, enum fs_open_mode mode)
{
    return 1;
}

static int fake_close(const struct fs *fs, int fd)
{
    return 0;
}

static int64_t fake_size(const struct fs *fs, int fd)
{
    return sizeof(chunks);
}

static ssize_t fake_pread(const struct fs *fs, int fd, void *data, size_t len, uint64_t offset)
{
    if (offset >= sizeof(chunks))
        return 0;
    len = len < sizeof(chunks) - offset ? len : sizeof(chunks) - offset;
    memcpy(data, chunks + offset, len);
    return (ssize_t)len;
}

static void *fake_map(const struct fs *fs, int fd, size_t size)
{
    return chunks;
}

static void fake_unmap(const struct fs *fs, void *data, size_t size)
{
}

static const struct fs fake_fs = {.open = fake_open,
                                  .close = fake_close,
                                  .size = fake_size,
                                  .pread = fake_pread,
                                  .map = fake_map,
                                  .unmap = fake_unmap};

/* Sections: a type and a length of two bytes each, then the payload. */
static void make_file(struct codec_reader *input, struct buf *file)
{
    struct buf sections;
    buf_init(&sections, BUF_SIZE_ANY);
    uint64_t series_count = codec_read_u8(input);
    while (codec_left(input) > 3) {
        struct buf header;
        buf_init(&header, 64);
        codec_write_u32(&header, codec_read_u8(input));
        size_t len = codec_read_u16(input);
        len = len < codec_left(input) ? len : codec_left(input);
        codec_write_u32(&header, (uint32_t)len);
        struct slice payload = codec_read_bytes(input, len);
        uint32_t crc = crc32c(crc32c(0, header.data, header.len), payload.ptr, payload.len);
        codec_write_u32(&header, crc);
        buf_append_slice(&sections, buf_slice(&header));
        buf_append_slice(&sections, payload);
        buf_release(&header);
    }
    put_header(file, series_count, HEAD_SNAPSHOT_HEADER_SIZE + sections.len);
    buf_append_slice(file, buf_slice(&sections));
    buf_release(&sections);
}

static void use_series(struct head *head, struct series *series)
{
    struct sample_columns columns;
    sample_columns_init(&columns);
    for (struct chunk *chunk = series->closed; chunk != NULL; chunk = chunk->next) {
        struct chunk_span span = chunk_span(chunk, 0);
        if (chunk_read(&span, INT64_MIN, INT64_MAX, 0, &columns) == ERR_NONE &&
            columns.timestamp_memory.len != columns.value_memory.len)
            abort();
    }
    sample_columns_release(&columns);
    if (series->flags & SERIES_HISTOGRAM || series->last_ms > INT64_MAX / 2)
        return;
    int64_t t_ms = series->last_ms < INT64_MIN / 2 ? 0 : series->last_ms + 1;
    if (series_loose_is_full(series, t_ms, false))
        head_push_chunk(head, series, series_loose_close(&head->pool, series));
    uint8_t token[TOKEN_SIZE_MAX];
    uint8_t state = series->state;
    size_t len = token_encode(token, series->last_bits, 42, &state);
    series_loose_append(&head->pool, series, t_ms, 42, token, len, state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct buf made;
    buf_init(&made, BUF_SIZE_ANY);
    struct codec_reader input = codec_reader(data + 1, size - 1);
    if (data[0] == 0)
        buf_append(&made, data + 1, size - 1);
    else
        make_file(&input, &made);
    struct head head;
    struct exemplars exemplars;
    head_init(&head);
    exemplars_init(&exemplars, 16);
    head_snapshot_segments segments = {0};
    struct errbuf err = ERRBUF_INIT;
    struct head_files files;
    head_files_init(&files, &fake_fs, "head");
    struct head_snapshot_parts parts = {&head, &files, &exemplars, &segments};
    enum err result = head_snapshot_read(buf_slice(&made), &parts, &err);
    if (result != ERR_NONE && err.text[0] == '\0')
        abort();
    struct series *series;
    for (series_ref ref = 1; result == ERR_NONE && (series = refs_next(&head.refs, &ref)) != NULL;)
        use_series(&head, series);
    vec_release(&segments);
    exemplars_release(&exemplars);
    head_release(&head);
    head_files_release(&files);
    buf_release(&made);
    return 0;
}
