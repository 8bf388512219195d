#include "tests/support/memory_fs.h"

#include <errno.h>
#include <string.h>

#define NAME_SIZE_MAX 256

static const struct memory_fs *memory_of(const struct fs *fs)
{
    return (const struct memory_fs *)fs;
}

static int memory_open(const struct fs *fs, const char *path, enum fs_open_mode mode)
{
    const struct memory_fs *memory = memory_of(fs);
    if (mode != FS_READ)
        return -EROFS;
    for (size_t i = 0; i < memory->count; i++) {
        if (strcmp(memory->files[i].path, path) == 0)
            return (int)i;
    }
    return -ENOENT;
}

static int memory_close(const struct fs *fs, int fd)
{
    return 0;
}

static ssize_t memory_pread(const struct fs *fs, int fd, void *data, size_t len, uint64_t offset)
{
    struct slice content = memory_of(fs)->files[fd].content;
    if (offset >= content.len)
        return 0;
    size_t part = content.len - offset < len ? content.len - offset : len;
    memcpy(data, content.ptr + offset, part);
    return (ssize_t)part;
}

static int64_t memory_size(const struct fs *fs, int fd)
{
    return (int64_t)memory_of(fs)->files[fd].content.len;
}

static bool is_below(const char *path, const char *directory)
{
    size_t len = strlen(directory);
    return strncmp(path, directory, len) == 0 && path[len] == '/';
}

static int memory_stat(const struct fs *fs, const char *path, struct fs_stat *out)
{
    const struct memory_fs *memory = memory_of(fs);
    *out = (struct fs_stat){0};
    for (size_t i = 0; i < memory->count; i++) {
        out->is_directory = is_below(memory->files[i].path, path);
        out->size = memory->files[i].content.len;
        if (out->is_directory || strcmp(memory->files[i].path, path) == 0)
            return 0;
    }
    return -ENOENT;
}

/* A directory with several files is named several times. */
static int memory_list(const struct fs *fs, const char *path,
                       int (*each)(const char *name, void *context), void *context)
{
    const struct memory_fs *memory = memory_of(fs);
    int result = -ENOENT;
    for (size_t i = 0; i < memory->count; i++) {
        if (!is_below(memory->files[i].path, path))
            continue;
        char name[NAME_SIZE_MAX] = "";
        const char *rest = memory->files[i].path + strlen(path) + 1;
        size_t len = strcspn(rest, "/");
        memcpy(name, rest, len < sizeof(name) ? len : sizeof(name) - 1);
        result = each(name, context);
        if (result != 0)
            return result;
    }
    return result;
}

static void *memory_map(const struct fs *fs, int fd, size_t size)
{
    return (void *)(uintptr_t)memory_of(fs)->files[fd].content.ptr;
}

static void memory_unmap(const struct fs *fs, void *data, size_t size)
{
}

void memory_fs_init(struct memory_fs *memory, const struct memory_file *files, size_t count)
{
    *memory = (struct memory_fs){.fs = {.open = memory_open,
                                        .close = memory_close,
                                        .pread = memory_pread,
                                        .size = memory_size,
                                        .stat = memory_stat,
                                        .list = memory_list,
                                        .map = memory_map,
                                        .unmap = memory_unmap},
                                 .files = files,
                                 .count = count};
}
