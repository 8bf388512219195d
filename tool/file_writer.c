#include "tool/file_writer.h"

#include "base/alloc.h"

#define SPILL_SIZE ((size_t)1 << 20)

void file_writer_open(struct file_writer *writer, const struct fs *fs, const char *path)
{
    *writer = (struct file_writer){.fs = fs, .path = mem_strdup(path)};
    buf_init(&writer->pending, BUF_SIZE_ANY);
    writer->fd = fs->open(fs, path, FS_TRUNCATE);
    if (writer->fd < 0)
        writer->failure = errbuf_set_errno(&writer->err, -writer->fd, "creating %s", path);
}

static void flush(struct file_writer *writer)
{
    if (writer->failure == ERR_NONE)
        writer->failure =
            fs_write_all(writer->fs, writer->fd, writer->pending.data, writer->pending.len,
                         writer->flushed, writer->path, &writer->err);
    writer->flushed += writer->pending.len;
    buf_reset(&writer->pending);
}

void file_writer_spill(struct file_writer *writer)
{
    if (writer->pending.len >= SPILL_SIZE)
        flush(writer);
}

enum err file_writer_finish(struct file_writer *writer, struct errbuf *err)
{
    flush(writer);
    if (writer->failure == ERR_NONE) {
        int synced = writer->fs->sync(writer->fs, writer->fd);
        if (synced < 0)
            writer->failure = errbuf_set_errno(&writer->err, -synced, "syncing %s", writer->path);
    }
    enum err code = writer->failure;
    if (code != ERR_NONE)
        errbuf_set(err, code, "%s", writer->err.text);
    file_writer_release(writer);
    return code;
}

void file_writer_release(struct file_writer *writer)
{
    if (writer->path == NULL)
        return;
    if (writer->fd >= 0)
        writer->fs->close(writer->fs, writer->fd);
    buf_release(&writer->pending);
    mem_free(writer->path);
    writer->path = NULL;
}
