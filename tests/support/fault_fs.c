#include "tests/support/fault_fs.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <errno.h>
#include <string.h>

static struct fault_fs *self(const struct fs *fs)
{
    return (struct fault_fs *)(uintptr_t)fs;
}

/* Counts an operation; the error it shall fail with, 0 if none. */
static int fault_next(const struct fs *fs)
{
    struct fault_fs *faults = self(fs);
    uint64_t number = ++faults->operations;
    uint64_t fail_at = faults->fail_at;
    bool fails = fail_at != 0 && (number == fail_at || (faults->fail_on && number > fail_at));
    return fails ? -faults->error : 0;
}

static struct fault_file *file_find(struct fault_fs *faults, const char *path)
{
    for (size_t i = 0; i < faults->files.len; i++) {
        if (!faults->files.items[i].gone && strcmp(faults->files.items[i].path, path) == 0)
            return &faults->files.items[i];
    }
    return NULL;
}

static int fault_open(const struct fs *fs, const char *path, enum fs_open_mode mode)
{
    struct fault_fs *faults = self(fs);
    int error = mode == FS_READ ? 0 : fault_next(fs);
    if (error != 0)
        return error;
    struct fs_stat stat;
    bool existed = fs_system->stat(fs_system, path, &stat) == 0;
    int fd = fs_system->open(fs_system, path, mode);
    if (fd < 0)
        return fd;
    ASSERT((size_t)fd < sizeof(faults->descriptors) / sizeof(faults->descriptors[0]));
    MUTEX_GUARD(&faults->lock);
    mem_free(faults->descriptors[fd].path);
    faults->descriptors[fd].path = mem_strdup(path);
    if (mode != FS_READ && file_find(faults, path) == NULL)
        vec_push(&faults->files, (struct fault_file){.path = mem_strdup(path),
                                                     .synced_size = existed ? stat.size : 0,
                                                     .named = existed});
    return fd;
}

static ssize_t fault_pwrite(const struct fs *fs, int fd, const void *data, size_t len,
                            uint64_t offset)
{
    int error = fault_next(fs);
    if (error == 0)
        return fs_system->pwrite(fs_system, fd, data, len, offset);
    /* a part may have reached the file */
    (void)!fs_system->pwrite(fs_system, fd, data, len / 2, offset);
    return error;
}

static int fault_sync(const struct fs *fs, int fd)
{
    struct fault_fs *faults = self(fs);
    int error = fault_next(fs);
    if (error != 0)
        return error;
    int64_t size = fs_system->size(fs_system, fd);
    MUTEX_GUARD(&faults->lock);
    struct fault_file *file = file_find(faults, faults->descriptors[fd].path);
    if (file != NULL && size >= 0)
        file->synced_size = (uint64_t)size;
    return 0; /* the disk is not asked: what was synced is remembered here */
}

static int fault_truncate(const struct fs *fs, int fd, uint64_t size)
{
    int error = fault_next(fs);
    return error != 0 ? error : fs_system->truncate(fs_system, fd, size);
}

static int fault_rename(const struct fs *fs, const char *from, const char *to)
{
    struct fault_fs *faults = self(fs);
    int error = fault_next(fs);
    if (error == 0)
        error = fs_system->rename(fs_system, from, to);
    if (error != 0)
        return error;
    MUTEX_GUARD(&faults->lock);
    struct fault_file *old = file_find(faults, to);
    if (old != NULL)
        old->gone = true;
    struct fault_file *file = file_find(faults, from);
    if (file != NULL) {
        mem_free(file->path);
        file->path = mem_strdup(to);
    }
    return 0;
}

static int fault_unlink(const struct fs *fs, const char *path)
{
    struct fault_fs *faults = self(fs);
    int error = fault_next(fs);
    if (error == 0)
        error = fs_system->unlink(fs_system, path);
    MUTEX_GUARD(&faults->lock);
    struct fault_file *file = error == 0 ? file_find(faults, path) : NULL;
    if (file != NULL)
        file->gone = true;
    return error;
}

static int fault_make_directory(const struct fs *fs, const char *path)
{
    int error = fault_next(fs);
    return error != 0 ? error : fs_system->make_directory(fs_system, path);
}

static int fault_sync_directory(const struct fs *fs, const char *path)
{
    struct fault_fs *faults = self(fs);
    int error = fault_next(fs);
    if (error != 0)
        return error;
    MUTEX_GUARD(&faults->lock);
    for (size_t i = 0; i < faults->files.len; i++) {
        struct fault_file *file = &faults->files.items[i];
        const char *slash = strrchr(file->path, '/');
        size_t len = slash == NULL ? 0 : (size_t)(slash - file->path);
        if (strlen(path) == len && strncmp(path, file->path, len) == 0)
            file->named = true;
    }
    return 0;
}

void fault_fs_init(struct fault_fs *faults)
{
    memset(faults, 0, sizeof(*faults));
    faults->fs = *fs_system;
    faults->fs.open = fault_open;
    faults->fs.pwrite = fault_pwrite;
    faults->fs.sync = fault_sync;
    faults->fs.truncate = fault_truncate;
    faults->fs.rename = fault_rename;
    faults->fs.unlink = fault_unlink;
    faults->fs.make_directory = fault_make_directory;
    faults->fs.sync_directory = fault_sync_directory;
    faults->error = EIO;
    mutex_init(&faults->lock, LOCK_RANK_LOG);
}

void fault_fs_release(struct fault_fs *faults)
{
    for (size_t i = 0; i < faults->files.len; i++)
        mem_free(faults->files.items[i].path);
    vec_release(&faults->files);
    for (size_t i = 0; i < sizeof(faults->descriptors) / sizeof(faults->descriptors[0]); i++)
        mem_free(faults->descriptors[i].path);
    mutex_release(&faults->lock);
}

void fault_fs_fail(struct fault_fs *faults, uint64_t number, bool and_after, int error)
{
    faults->error = error;
    faults->fail_on = and_after;
    faults->fail_at = number == 0 ? 0 : faults->operations + number;
}

void fault_fs_cut_power(struct fault_fs *faults)
{
    MUTEX_GUARD(&faults->lock);
    for (size_t i = 0; i < faults->files.len; i++) {
        struct fault_file *file = &faults->files.items[i];
        if (file->gone)
            continue;
        if (!file->named) {
            fs_system->unlink(fs_system, file->path);
            file->gone = true;
            continue;
        }
        int fd = fs_system->open(fs_system, file->path, FS_WRITE);
        if (fd < 0)
            continue;
        if ((uint64_t)fs_system->size(fs_system, fd) > file->synced_size)
            fs_system->truncate(fs_system, fd, file->synced_size);
        fs_system->close(fs_system, fd);
    }
}
