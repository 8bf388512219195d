#include "tsdb/paged_file.h"

#include <string.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "tsdb/packed.h"

#define CHECKED_TRAILER_SIZE 12
/* Bytes that are gathered before they are written. */
#define WRITE_SIZE ((size_t)1 << 20)
#define PENDING_SIZE_MAX ((size_t)1 << 32)

enum err paged_file_damaged(const struct paged_file *file, uint64_t offset, const char *what,
                            struct errbuf *err)
{
    return errbuf_set(err, ERR_CORRUPT, "%s: at offset %llu: %s", file->path,
                      (unsigned long long)offset, what);
}

enum err paged_file_read(const struct paged_file *file, uint64_t offset, size_t len,
                         struct buf *out, struct errbuf *err)
{
    buf_reset(out);
    char *to = buf_reserve(out, len);
    if (to == NULL)
        return paged_file_damaged(file, offset, "a page is too large", err);
    for (size_t have = 0; have < len;) {
        ssize_t got = file->fs->pread(file->fs, file->fd, to + have, len - have, offset + have);
        if (got < 0)
            return errbuf_set_errno(err, (int)-got, "reading %s", file->path);
        if (got == 0)
            return paged_file_damaged(file, offset + have, "the file ends here", err);
        have += (size_t)got;
    }
    buf_commit(out, len);
    return ERR_NONE;
}

static enum err check_header(struct paged_file *file, const char *magic, struct buf *bytes,
                             struct errbuf *err)
{
    enum err code = paged_file_read(file, 0, PAGED_HEADER_SIZE, bytes, err);
    if (code != ERR_NONE)
        return code;
    struct codec_reader reader = codec_reader(bytes->data, bytes->len);
    struct slice found = codec_read_bytes(&reader, PAGED_MAGIC_SIZE);
    if (memcmp(found.ptr, magic, PAGED_MAGIC_SIZE) != 0)
        return paged_file_damaged(file, 0, "the file does not begin as it should", err);
    file->version = codec_read_u32(&reader);
    if (file->version < 1 || file->version > PAGED_VERSION)
        return paged_file_damaged(file, PAGED_MAGIC_SIZE, "the version is unknown", err);
    return ERR_NONE;
}

/* Where the directory is, by the end of the file. */
static enum err check_trailer(struct paged_file *file, const char *magic, struct buf *bytes,
                              uint32_t *out_len, struct errbuf *err)
{
    uint64_t at = file->size - PAGED_TRAILER_SIZE;
    enum err code = paged_file_read(file, at, PAGED_TRAILER_SIZE, bytes, err);
    if (code != ERR_NONE)
        return code;
    struct codec_reader reader = codec_reader(bytes->data, bytes->len);
    uint64_t offset = codec_read_u64(&reader);
    uint32_t len = codec_read_u32(&reader);
    uint32_t checksum = codec_read_u32(&reader);
    if (checksum != crc32c(0, bytes->data, CHECKED_TRAILER_SIZE) ||
        memcmp(reader.at, magic, PAGED_MAGIC_SIZE) != 0)
        return paged_file_damaged(file, at, "the end of the file is damaged", err);
    if (offset < PAGED_HEADER_SIZE || offset > at || len != at - offset)
        return paged_file_damaged(file, at, "the directory is not where it should be", err);
    file->directory_offset = offset;
    *out_len = len;
    return ERR_NONE;
}

static enum err load_directory(struct paged_file *file, const char *magic, struct buf *directory,
                               struct errbuf *err)
{
    if (file->size < PAGED_HEADER_SIZE + PACKED_HEADER_SIZE + PAGED_TRAILER_SIZE)
        return paged_file_damaged(file, file->size, "the file is too short", err);
    struct buf CLEANUP(buf_release) bytes;
    buf_init(&bytes, BUF_SIZE_ANY);
    uint32_t len = 0;
    enum err code = check_header(file, magic, &bytes, err);
    if (code == ERR_NONE)
        code = check_trailer(file, magic, &bytes, &len, err);
    if (code == ERR_NONE)
        code = packed_read_file(file->fs, file->fd, file->path, file->directory_offset, len, &bytes,
                                directory, err);
    return code;
}

enum err paged_file_open(struct paged_file *file, const struct fs *fs, const char *path,
                         const char *magic, struct buf *directory, struct errbuf *err)
{
    *file = (struct paged_file){.fs = fs, .path = mem_dup(path, strlen(path) + 1)};
    file->fd = fs->open(fs, path, FS_READ);
    enum err code = ERR_NONE;
    if (file->fd < 0)
        code = errbuf_set_errno(err, -file->fd, "opening %s", path);
    if (code == ERR_NONE) {
        int64_t size = fs->size(fs, file->fd);
        file->size = size < 0 ? 0 : (uint64_t)size;
        code = size < 0 ? errbuf_set_errno(err, (int)-size, "reading %s", path)
                        : load_directory(file, magic, directory, err);
    }
    if (code != ERR_NONE)
        paged_file_close(file);
    return code;
}

void paged_file_close(struct paged_file *file)
{
    if (file->path == NULL)
        return;
    if (file->fd >= 0)
        (void)file->fs->close(file->fs, file->fd);
    mem_free(file->path);
    *file = (struct paged_file){.fd = -1};
}

void paged_header_write(struct buf *out, const char *magic)
{
    buf_append(out, magic, PAGED_MAGIC_SIZE);
    codec_write_u32(out, PAGED_VERSION);
    codec_write_u32(out, 0);
}

void paged_trailer_write(struct buf *out, uint64_t directory, uint32_t len, const char *magic)
{
    struct buf CLEANUP(buf_release) trailer;
    buf_init(&trailer, PAGED_TRAILER_SIZE);
    codec_write_u64(&trailer, directory);
    codec_write_u32(&trailer, len);
    codec_write_u32(&trailer, crc32c(0, trailer.data, trailer.len));
    buf_append(&trailer, magic, PAGED_MAGIC_SIZE);
    buf_append_slice(out, buf_slice(&trailer));
}

void paged_writer_open(struct paged_writer *writer, const struct fs *fs, const char *path,
                       const char *magic)
{
    *writer =
        (struct paged_writer){.fs = fs, .path = mem_dup(path, strlen(path) + 1), .magic = magic};
    buf_init(&writer->pending, PENDING_SIZE_MAX);
    writer->fd = fs->open(fs, path, FS_CREATE);
    if (writer->fd < 0)
        writer->failure = errbuf_set_errno(&writer->err, -writer->fd, "creating %s", path);
    paged_header_write(&writer->pending, magic);
}

static void flush(struct paged_writer *writer)
{
    struct buf *pending = &writer->pending;
    if (writer->failure == ERR_NONE && pending->overflow)
        writer->failure = errbuf_set(&writer->err, ERR_LIMIT, "%s: too large", writer->path);
    if (writer->failure == ERR_NONE)
        writer->failure = fs_write_all(writer->fs, writer->fd, pending->data, pending->len,
                                       writer->flushed, writer->path, &writer->err);
    writer->flushed += pending->len;
    buf_reset(pending);
}

void paged_writer_spill(struct paged_writer *writer)
{
    if (writer->pending.len >= WRITE_SIZE)
        flush(writer);
}

enum err paged_writer_finish(struct paged_writer *writer, struct slice directory,
                             struct errbuf *err)
{
    flush(writer);
    packed_write(directory, &writer->pending);
    paged_trailer_write(&writer->pending, writer->flushed, (uint32_t)writer->pending.len,
                        writer->magic);
    flush(writer);
    if (writer->failure == ERR_NONE) {
        int synced = writer->fs->sync(writer->fs, writer->fd);
        if (synced < 0)
            writer->failure = errbuf_set_errno(&writer->err, -synced, "syncing %s", writer->path);
    }
    if (writer->failure != ERR_NONE && err != NULL)
        *err = writer->err;
    return writer->failure;
}

void paged_writer_release(struct paged_writer *writer)
{
    if (writer->path == NULL)
        return;
    if (writer->fd >= 0)
        (void)writer->fs->close(writer->fs, writer->fd);
    buf_release(&writer->pending);
    mem_free(writer->path);
    *writer = (struct paged_writer){.fd = -1};
}
