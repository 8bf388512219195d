#include "tool/prometheus_head_chunks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "base/path.h"
#include "tool/big_endian.h"
#include "tool/prometheus_chunks.h"
#include "tool/prometheus_format.h"

#define FILES_MAX 100000
#define HEAD_FILE_MAGIC 0x0130bc91u
#define HEAD_FILE_VERSION 1
#define HEAD_FILE_HEADER_SIZE 8
#define CHUNK_HEADER_SIZE (3 * 8)
#define LATE_MARK 0x80

/* --- one file --- */

static enum err damaged(size_t offset, const char *what, struct errbuf *err)
{
    return errbuf_set(err, ERR_CORRUPT, "at offset %zu: %s", offset, what);
}

static bool is_zero(struct slice bytes)
{
    return bytes.len == 0 ||
           (bytes.ptr[0] == 0 && memcmp(bytes.ptr, bytes.ptr + 1, bytes.len - 1) == 0);
}

/* A chunk that is damaged inside is none: what is not used of it must be read from the log. Its
 * times must be what it says. */
static enum err check_content(const struct prometheus_head_chunk *chunk,
                              struct sample_columns *columns, struct errbuf *err)
{
    struct chunk_samples samples;
    chunk_samples_begin(&samples, columns, INT64_MIN, INT64_MAX, (struct tombstone_spans){0});
    enum err code = prometheus_head_chunk_read(chunk, &samples, err);
    chunk_samples_finish(&samples);
    if (code != ERR_NONE)
        return code;
    if (columns->count == 0 || columns->timestamps_ms[0] < chunk->min_ms ||
        columns->timestamps_ms[columns->count - 1] > chunk->max_ms)
        return errbuf_set(err, ERR_CORRUPT, "the times of a chunk are not what it says");
    return ERR_NONE;
}

/* The chunk at `*offset`, which moves behind it. *out_end says that there is none. */
static enum err parse_chunk(struct slice file, size_t *offset, struct prometheus_head_chunk *out,
                            uint32_t *out_checksum, bool *out_end, struct errbuf *err)
{
    const uint8_t *begin = (const uint8_t *)file.ptr + *offset;
    struct codec_reader reader = codec_reader(begin, file.len - *offset);
    *out_end =
        is_zero(slice_from((const char *)begin, MIN(codec_left(&reader), CHUNK_HEADER_SIZE)));
    if (*out_end)
        return ERR_NONE;
    const uint8_t *header = (const uint8_t *)codec_read_bytes(&reader, CHUNK_HEADER_SIZE).ptr;
    uint8_t encoding = codec_read_u8(&reader);
    struct slice data = codec_read_slice(&reader);
    size_t covered = (size_t)(reader.at - begin);
    const uint8_t *checksum = (const uint8_t *)codec_read_bytes(&reader, CHECKSUM_SIZE).ptr;
    if (reader.failed)
        return damaged(*offset, "a chunk breaks off", err);
    *out_checksum = crc32c(0, begin, covered);
    if (big_endian_u32(checksum) != *out_checksum)
        return damaged(*offset, "the checksum of a chunk is wrong", err);
    *out = (struct prometheus_head_chunk){.series = big_endian_u64(header),
                                          .min_ms = (int64_t)big_endian_u64(header + 8),
                                          .max_ms = (int64_t)big_endian_u64(header + 16),
                                          .data = data,
                                          .encoding = encoding & (uint8_t)~LATE_MARK,
                                          .is_late = (encoding & LATE_MARK) != 0};
    *offset += covered + CHECKSUM_SIZE;
    return ERR_NONE;
}

enum err prometheus_head_chunks_parse(struct prometheus_head_chunks *chunks, struct slice file,
                                      struct errbuf *err)
{
    const uint8_t *data = (const uint8_t *)file.ptr;
    if (is_zero(slice_sub(file, 0, MIN(file.len, HEAD_FILE_HEADER_SIZE))))
        return ERR_NONE; /* made, and never written */
    if (file.len < HEAD_FILE_HEADER_SIZE || big_endian_u32(data) != HEAD_FILE_MAGIC)
        return damaged(0, "this is not a file of head chunks", err);
    if (data[4] != HEAD_FILE_VERSION)
        return damaged(4, "the version of the head chunks is not known", err);
    struct sample_columns CLEANUP(sample_columns_release) columns;
    sample_columns_init(&columns);
    enum err code = ERR_NONE;
    size_t offset = HEAD_FILE_HEADER_SIZE;
    while (code == ERR_NONE && offset < file.len) {
        struct prometheus_head_chunk chunk;
        bool is_end = false;
        size_t begin = offset;
        uint32_t checksum = 0;
        code = parse_chunk(file, &offset, &chunk, &checksum, &is_end, err);
        if (is_end)
            break;
        if (code == ERR_NONE && check_content(&chunk, &columns, err) != ERR_NONE) {
            errbuf_prefix(err, "at offset %zu: ", begin);
            code = ERR_CORRUPT;
        }
        if (code != ERR_NONE)
            break;
        chunks->fingerprint = hash_mix(chunks->fingerprint, checksum);
        chunk.sequence = (uint32_t)chunks->items.len;
        vec_push(&chunks->items, chunk);
    }
    return code;
}

enum err prometheus_head_chunk_read(const struct prometheus_head_chunk *chunk,
                                    struct chunk_samples *out, struct errbuf *err)
{
    return prometheus_chunk_decode(chunk->encoding, chunk->data, out, err);
}

/* --- the directory --- */

struct file_scan {
    struct prometheus_head_chunks *chunks;
    const char *directory;
};

static int add_file(const char *name, void *context)
{
    struct file_scan *scan = context;
    if (*name == '\0' || strlen(name) > 10 || strspn(name, "0123456789") != strlen(name))
        return 0;
    if (scan->chunks->files.len == FILES_MAX)
        return -E2BIG;
    char *path = path_join(scan->directory, name);
    vec_push(&scan->chunks->files, (struct prometheus_head_file){.fd = -1,
                                                                 .number = strtoull(name, NULL, 10),
                                                                 .path = path});
    return 0;
}

static int file_compare(const void *a, const void *b)
{
    const struct prometheus_head_file *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static enum err open_file(struct prometheus_head_chunks *chunks, struct prometheus_head_file *file,
                          struct errbuf *err)
{
    const struct fs *fs = chunks->fs;
    file->fd = fs->open(fs, file->path, FS_READ);
    if (file->fd < 0)
        return errbuf_set_errno(err, -file->fd, "opening %s", file->path);
    int64_t size = fs->size(fs, file->fd);
    if (size < 0)
        return errbuf_set_errno(err, (int)-size, "reading %s", file->path);
    if (size == 0)
        return ERR_NONE;
    file->data = fs->map(fs, file->fd, (size_t)size);
    if (file->data == NULL)
        return errbuf_set(err, ERR_IO, "%s cannot be mapped", file->path);
    file->size = (uint64_t)size;
    return ERR_NONE;
}

static int chunk_compare(const void *a, const void *b)
{
    const struct prometheus_head_chunk *x = a, *y = b;
    if (x->series != y->series)
        return x->series < y->series ? -1 : 1;
    return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

/* The files in their order, up to damage: the rest may have gaps that nobody sees. */
static enum err read_files(struct prometheus_head_chunks *chunks, struct notes *notes,
                           struct errbuf *err)
{
    for (size_t i = 0; i < chunks->files.len; i++) {
        struct prometheus_head_file *file = &chunks->files.items[i];
        enum err code = open_file(chunks, file, err);
        if (code != ERR_NONE)
            return code;
        struct errbuf own = ERRBUF_INIT;
        if (file->size == 0)
            continue;
        code = prometheus_head_chunks_parse(chunks,
                                            slice_from((const char *)file->data, file->size), &own);
        if (code != ERR_NONE) {
            notes_add(notes, false,
                      "%s: %s; the samples of this and of later chunks are taken from the log",
                      file->path, own.text);
            break;
        }
    }
    return ERR_NONE;
}

enum err prometheus_head_chunks_open(struct prometheus_head_chunks *chunks, const struct fs *fs,
                                     const char *directory, struct notes *notes, struct errbuf *err)
{
    *chunks = (struct prometheus_head_chunks){.fs = fs};
    struct file_scan scan = {chunks, directory};
    int failed = fs->list(fs, directory, add_file, &scan);
    enum err code = ERR_NONE;
    if (failed < 0 && failed != -ENOENT)
        code = errbuf_set_errno(err, -failed, "reading %s", directory);
    if (chunks->files.len > 1)
        qsort(chunks->files.items, chunks->files.len, sizeof(*chunks->files.items), file_compare);
    if (code == ERR_NONE)
        code = read_files(chunks, notes, err);
    if (chunks->items.len > 1)
        qsort(chunks->items.items, chunks->items.len, sizeof(*chunks->items.items), chunk_compare);
    if (code != ERR_NONE)
        prometheus_head_chunks_close(chunks);
    return code;
}

void prometheus_head_chunks_close(struct prometheus_head_chunks *chunks)
{
    for (size_t i = 0; i < chunks->files.len; i++) {
        struct prometheus_head_file *file = &chunks->files.items[i];
        if (file->data != NULL)
            chunks->fs->unmap(chunks->fs, file->data, file->size);
        if (file->fd >= 0)
            chunks->fs->close(chunks->fs, file->fd);
        mem_free(file->path);
    }
    vec_release(&chunks->files);
    vec_release(&chunks->items);
}

/* Where the first chunk of `series`, or of a later one, is. */
static size_t lower_bound(const struct prometheus_head_chunks *chunks, uint64_t series)
{
    size_t low = 0, high = chunks->items.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (chunks->items.items[middle].series < series)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t prometheus_head_chunks_find(const struct prometheus_head_chunks *chunks, uint64_t series,
                                   size_t *out_count)
{
    size_t first = lower_bound(chunks, series), end = first;
    while (end < chunks->items.len && chunks->items.items[end].series == series)
        end++;
    *out_count = end - first;
    return first;
}
