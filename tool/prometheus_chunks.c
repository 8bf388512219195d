#include "tool/prometheus_chunks.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/path.h"
#include "tool/big_endian.h"
#include "tool/prometheus_format.h"
#include "tool/prometheus_histogram_chunk.h"
#include "tool/xor_chunk.h"

#define FILES_MAX 100000
#define LENGTH_SIZE_MAX 5 /* a uvarint of 32 bits */
#define CHUNK_SIZE_MAX ((size_t)64 << 20)
/* Most chunks are shorter than this, so that one read does. */
#define FIRST_READ_SIZE 2048

static char *file_path(const struct prometheus_chunks *chunks, size_t number)
{
    return path_print("%s/%06zu", chunks->directory, number + 1);
}

static enum err check_header(const struct fs *fs, int fd, const char *path, struct errbuf *err)
{
    uint8_t header[CHUNKS_FILE_HEADER_SIZE] = {0};
    ssize_t got = fs->pread(fs, fd, header, sizeof(header), 0);
    if (got < 0)
        return errbuf_set_errno(err, (int)-got, "reading %s", path);
    if (got < (ssize_t)sizeof(header) || big_endian_u32(header) != CHUNKS_FILE_MAGIC)
        return errbuf_set(err, ERR_CORRUPT, "%s: at offset 0: this is not a file of chunks", path);
    if (header[4] != CHUNKS_FILE_VERSION)
        return errbuf_set(err, ERR_UNSUPPORTED, "%s: chunks of version %u are not known", path,
                          header[4]);
    return ERR_NONE;
}

enum err prometheus_chunks_open(struct prometheus_chunks *chunks, const struct fs *fs,
                                const char *directory, struct errbuf *err)
{
    *chunks = (struct prometheus_chunks){.fs = fs, .directory = mem_strdup(directory)};
    enum err code = ERR_NONE;
    while (code == ERR_NONE && chunks->files.len < FILES_MAX) {
        char *path CLEANUP(mem_cleanup) = file_path(chunks, chunks->files.len);
        int fd = fs->open(fs, path, FS_READ);
        if (fd == -ENOENT)
            break;
        if (fd < 0) {
            code = errbuf_set_errno(err, -fd, "opening %s", path);
            break;
        }
        vec_push(&chunks->files, fd);
        code = check_header(fs, fd, path, err);
    }
    if (code != ERR_NONE)
        prometheus_chunks_close(chunks);
    return code;
}

void prometheus_chunks_close(struct prometheus_chunks *chunks)
{
    for (size_t i = 0; i < chunks->files.len; i++)
        chunks->fs->close(chunks->fs, chunks->files.items[i]);
    vec_release(&chunks->files);
    mem_free(chunks->directory);
    chunks->directory = NULL;
}

/* Splits off length and checksum, which it checks. *out_needed is how many bytes the chunk has
 * where `bytes` are too few. */
static enum err unwrap(struct slice bytes, struct slice *out, size_t *out_needed,
                       struct errbuf *err)
{
    struct codec_reader reader = codec_reader(bytes.ptr, bytes.len);
    uint64_t len = codec_read_uvarint(&reader);
    if (reader.failed)
        return errbuf_set(err, ERR_CORRUPT, "a chunk should be here");
    if (len > CHUNK_SIZE_MAX)
        return errbuf_set(err, ERR_CORRUPT, "a chunk says that it has %llu bytes",
                          (unsigned long long)len);
    size_t covered = 1 + (size_t)len; /* encoding and data */
    *out_needed = (size_t)(reader.at - (const uint8_t *)bytes.ptr) + covered + CHECKSUM_SIZE;
    if (*out_needed > bytes.len)
        return errbuf_set(err, ERR_CORRUPT, "the chunk ends behind the file");
    if (big_endian_u32(reader.at + covered) != crc32c(0, reader.at, covered))
        return errbuf_set(err, ERR_CORRUPT, "the checksum of the chunk is wrong");
    *out = slice_from((const char *)reader.at, covered);
    return ERR_NONE;
}

enum err prometheus_chunk_decode(uint8_t encoding, struct slice data, struct chunk_samples *out,
                                 struct errbuf *err)
{
    switch (encoding) {
    case CHUNK_XOR:
        return xor_chunk_read(data, out, err);
    case CHUNK_XOR2:
        return xor2_chunk_read(data, out, err);
    case CHUNK_HISTOGRAM:
    case CHUNK_HISTOGRAM_STARTS:
    case CHUNK_FLOAT_HISTOGRAM:
    case CHUNK_FLOAT_HISTOGRAM_STARTS: {
        struct histogram_chunk_kind kind = {.is_float = encoding == CHUNK_FLOAT_HISTOGRAM ||
                                                        encoding == CHUNK_FLOAT_HISTOGRAM_STARTS,
                                            .has_starts = encoding >= CHUNK_HISTOGRAM_STARTS};
        return prometheus_histogram_chunk_read(data, kind, out, err);
    }
    default:
        return errbuf_set(err, ERR_UNSUPPORTED, "the chunk has the unknown encoding %u", encoding);
    }
}

static enum err read_bytes(const struct prometheus_chunks *chunks, int fd, uint64_t offset,
                           size_t len, struct buf *out, struct errbuf *err)
{
    while (out->len < len) {
        char *to = buf_reserve(out, len - out->len);
        if (to == NULL)
            return errbuf_set(err, ERR_CORRUPT, "the chunk is too large");
        ssize_t got = chunks->fs->pread(chunks->fs, fd, to, len - out->len, offset + out->len);
        if (got < 0)
            return errbuf_set_errno(err, (int)-got, "reading");
        if (got == 0)
            break; /* the end of the file may come early */
        buf_commit(out, (size_t)got);
    }
    return ERR_NONE;
}

static enum err load(const struct prometheus_chunks *chunks, size_t file, uint64_t offset,
                     struct buf *scratch, struct slice *out, struct errbuf *err)
{
    int fd = chunks->files.items[file];
    buf_reset(scratch);
    enum err code = read_bytes(chunks, fd, offset, FIRST_READ_SIZE, scratch, err);
    if (code != ERR_NONE)
        return code;
    size_t needed = 0;
    code = unwrap(buf_slice(scratch), out, &needed, err);
    if (code == ERR_NONE || needed <= scratch->len || scratch->len < FIRST_READ_SIZE)
        return code;
    code = read_bytes(chunks, fd, offset, needed, scratch, err);
    return code == ERR_NONE ? unwrap(buf_slice(scratch), out, &needed, err) : code;
}

static enum err at_chunk(const struct prometheus_chunks *chunks, uint64_t ref, enum err code,
                         struct errbuf *err)
{
    if (code != ERR_NONE) {
        char *path CLEANUP(mem_cleanup) = file_path(chunks, ref >> 32);
        errbuf_prefix(err, "%s: at offset %llu: ", path, (unsigned long long)(ref & UINT32_MAX));
    }
    return code;
}

static enum err load_ref(const struct prometheus_chunks *chunks, uint64_t ref, struct buf *scratch,
                         struct slice *out, struct errbuf *err)
{
    if (ref >> 32 >= chunks->files.len)
        return errbuf_set(err, ERR_CORRUPT, "a series has a chunk in this file, which is missing");
    return load(chunks, ref >> 32, ref & UINT32_MAX, scratch, out, err);
}

enum err prometheus_chunks_read(const struct prometheus_chunks *chunks, uint64_t ref,
                                struct buf *scratch, struct chunk_samples *out, struct errbuf *err)
{
    struct slice chunk;
    enum err code = load_ref(chunks, ref, scratch, &chunk, err);
    if (code == ERR_NONE)
        code = prometheus_chunk_decode((uint8_t)chunk.ptr[0], slice_from_index(chunk, 1), out, err);
    return at_chunk(chunks, ref, code, err);
}

enum err prometheus_chunks_measure(const struct prometheus_chunks *chunks, uint64_t ref,
                                   struct buf *scratch, struct sample_columns *columns,
                                   struct prometheus_chunk_figures *out, struct errbuf *err)
{
    struct slice chunk;
    struct chunk_samples samples;
    chunk_samples_begin(&samples, columns, INT64_MIN, INT64_MAX, (struct tombstone_spans){0});
    enum err code = load_ref(chunks, ref, scratch, &chunk, err);
    if (code == ERR_NONE)
        code = prometheus_chunk_decode((uint8_t)chunk.ptr[0], slice_from_index(chunk, 1), &samples,
                                       err);
    chunk_samples_finish(&samples);
    if (code != ERR_NONE)
        return at_chunk(chunks, ref, code, err);
    *out = (struct prometheus_chunk_figures){.is_histogram = columns->histograms != NULL,
                                             .samples = columns->count,
                                             .bytes = chunk.len - 1};
    for (size_t i = 0; columns->histograms != NULL && i < columns->count; i++)
        out->buckets += columns->histograms[i]->positive_bucket_count +
                        columns->histograms[i]->negative_bucket_count;
    return ERR_NONE;
}
