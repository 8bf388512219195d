/* See the header. Nothing here is needed for the data to be safe: that is the log's task. */
#include "tsdb/head_file.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/vec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "FERULAHC"
#define VERSION 1
#define NAME_PREFIX "chunks."
#define PIECE_BYTES ((size_t)256 << 10)

void head_files_init(struct head_files *files, const struct fs *fs, const char *directory)
{
    *files = (struct head_files){.fs = fs, .directory = directory, .next_number = 1};
}

static void file_free(struct head_files *files, struct head_file *file)
{
    ASSERT(file->reference_count == 1);
    files->bytes -= file->size;
    files->count--;
    files->fs->unmap(files->fs, file->data, file->size);
    mem_free(file);
}

void head_files_release(struct head_files *files)
{
    while (files->list != NULL) {
        struct head_file *file = files->list;
        files->list = file->next;
        file_free(files, file);
    }
}

static char *file_path(const struct head_files *files, uint64_t number)
{
    struct buf path;
    buf_init(&path, 8192);
    buf_printf(&path, "%s/" NAME_PREFIX "%08" PRIu64, files->directory, number);
    return buf_take(&path);
}

static struct head_file *file_add(struct head_files *files, uint64_t number, void *data,
                                  size_t size, uint32_t checksum)
{
    struct head_file *file = mem_zalloc(sizeof(*file));
    file->reference_count = 1;
    file->number = number;
    file->data = data;
    file->size = size;
    file->checksum = checksum;
    file->next = files->list;
    files->list = file;
    files->next_number = MAX(files->next_number, number + 1);
    files->bytes += size;
    files->count++;
    return file;
}

/* Writes and maps; the blocks are there before anybody reads, so reading cannot fail for want of
 * space. */
static enum err write_and_map(const struct fs *fs, const char *path, struct slice content,
                              void **out_data, struct errbuf *err)
{
    int fd = fs->open(fs, path, FS_TRUNCATE);
    if (fd < 0)
        return errbuf_set_errno(err, -fd, "creating %s", path);
    enum err result = fs_write_all(fs, fd, content.ptr, content.len, 0, path, err);
    if (result == ERR_NONE) {
        *out_data = fs->map(fs, fd, content.len);
        if (*out_data == NULL)
            result = errbuf_set(err, ERR_IO, "mapping %s failed", path);
    }
    fs->close(fs, fd);
    if (result != ERR_NONE)
        fs->unlink(fs, path);
    return result;
}

enum err head_files_add(struct head_files *files, struct slice content, struct head_file **out,
                        struct errbuf *err)
{
    ASSERT(content.len > HEAD_FILE_HEADER_SIZE);
    struct buf header CLEANUP(buf_release);
    buf_init(&header, HEAD_FILE_HEADER_SIZE);
    buf_append_str(&header, MAGIC);
    codec_write_u32(&header, VERSION);
    codec_write_u32(&header, 0);
    memcpy((char *)(uintptr_t)content.ptr, header.data, HEAD_FILE_HEADER_SIZE);
    enum err result = fs_make_directories(files->fs, files->directory, err);
    if (result != ERR_NONE)
        return result;
    char *path CLEANUP(mem_cleanup) = file_path(files, files->next_number);
    void *data = NULL;
    result = write_and_map(files->fs, path, content, &data, err);
    if (result == ERR_NONE)
        *out = file_add(files, files->next_number, data, content.len,
                        crc32c(0, content.ptr, content.len));
    return result;
}

/* Read rather than mapped, so that a start does not take the whole file for memory of its own. */
static bool file_matches(const struct fs *fs, int fd, uint64_t size, uint32_t checksum)
{
    char *piece CLEANUP(mem_cleanup) = mem_alloc(PIECE_BYTES);
    uint32_t found = 0;
    for (uint64_t at = 0; at < size;) {
        ssize_t len = fs->pread(fs, fd, piece, (size_t)MIN(size - at, (uint64_t)PIECE_BYTES), at);
        if (len <= 0)
            return false;
        found = crc32c(found, piece, (size_t)len);
        at += (uint64_t)len;
    }
    return found == checksum;
}

enum err head_files_open(struct head_files *files, uint64_t number, uint64_t size,
                         uint32_t checksum, struct head_file **out, struct errbuf *err)
{
    const struct fs *fs = files->fs;
    char *path CLEANUP(mem_cleanup) = file_path(files, number);
    for (const struct head_file *file = files->list; file != NULL; file = file->next) {
        if (file->number == number)
            return errbuf_set(err, ERR_CORRUPT, "%s is named twice", path);
    }
    int fd = fs->open(fs, path, FS_READ);
    if (fd == -ENOENT)
        return errbuf_set(err, ERR_NOT_FOUND, "%s is gone", path);
    if (fd < 0)
        return errbuf_set_errno(err, -fd, "opening %s", path);
    int64_t found = fs->size(fs, fd);
    bool matches = found >= HEAD_FILE_HEADER_SIZE && (uint64_t)found == size &&
                   file_matches(fs, fd, size, checksum);
    void *data = matches ? fs->map(fs, fd, (size_t)size) : NULL;
    fs->close(fs, fd);
    if (data == NULL) {
        files->corruptions++;
        return errbuf_set(err, ERR_CORRUPT, "%s does not have the %llu bytes that it should have",
                          path, (unsigned long long)size);
    }
    *out = file_add(files, number, data, (size_t)size, checksum);
    (*out)->synced = true;
    return ERR_NONE;
}

static enum err file_sync(struct head_files *files, struct head_file *file, struct errbuf *err)
{
    const struct fs *fs = files->fs;
    char *path CLEANUP(mem_cleanup) = file_path(files, file->number);
    int fd = fs->open(fs, path, FS_WRITE);
    if (fd < 0)
        return errbuf_set_errno(err, -fd, "opening %s", path);
    int failed = fs->sync(fs, fd);
    fs->close(fs, fd);
    if (failed < 0)
        return errbuf_set_errno(err, -failed, "syncing %s", path);
    file->synced = true;
    return ERR_NONE;
}

enum err head_files_sync(struct head_files *files, struct errbuf *err)
{
    enum err result = ERR_NONE;
    bool any = false;
    for (struct head_file *file = files->list; file != NULL && result == ERR_NONE;
         file = file->next) {
        any = any || !file->synced;
        if (!file->synced)
            result = file_sync(files, file, err);
    }
    int failed =
        any && result == ERR_NONE ? files->fs->sync_directory(files->fs, files->directory) : 0;
    return failed < 0 ? errbuf_set_errno(err, -failed, "syncing %s", files->directory) : result;
}

void head_files_sweep(struct head_files *files)
{
    struct head_file **link = &files->list;
    while (*link != NULL) {
        struct head_file *file = *link;
        if (file->reference_count > 1) {
            link = &file->next;
            continue;
        }
        *link = file->next;
        char *path = file_path(files, file->number);
        files->fs->unlink(files->fs, path);
        mem_free(path);
        file_free(files, file);
    }
}

void head_files_evict(struct head_files *files)
{
    for (struct head_file *file = files->list; file != NULL; file = file->next)
        files->fs->evict(files->fs, file->data, file->size);
}

typedef VEC(uint64_t) number_list;

/* Only what is called like one of ours. */
static int list_number(const char *name, void *context)
{
    size_t prefix = strlen(NAME_PREFIX);
    if (strncmp(name, NAME_PREFIX, prefix) != 0)
        return 0;
    size_t digits = strspn(name + prefix, "0123456789");
    if (digits >= 8 && digits <= 18 && name[prefix + digits] == '\0')
        vec_push((number_list *)context, strtoull(name + prefix, NULL, 10));
    return 0;
}

void head_files_clean(struct head_files *files)
{
    number_list numbers = {0};
    files->fs->list(files->fs, files->directory, list_number, &numbers);
    for (size_t i = 0; i < numbers.len; i++) {
        const struct head_file *file = files->list;
        while (file != NULL && file->number != numbers.items[i])
            file = file->next;
        if (file != NULL)
            continue;
        char *path = file_path(files, numbers.items[i]);
        files->fs->unlink(files->fs, path);
        mem_free(path);
    }
    vec_release(&numbers);
}
