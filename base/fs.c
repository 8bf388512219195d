/* The kernel's file system behind the table. */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int fs_result(int result)
{
    return result < 0 ? -errno : result;
}

static int fs_system_open(const struct fs *fs, const char *path, enum fs_open_mode mode)
{
    (void)fs;
    static const int flags[] = {
        [FS_READ] = O_RDONLY,
        [FS_CREATE] = O_RDWR | O_CREAT | O_EXCL,
        [FS_WRITE] = O_RDWR | O_CREAT,
        [FS_TRUNCATE] = O_RDWR | O_CREAT | O_TRUNC,
    };
    int fd;
    do {
        fd = open(path, flags[mode] | O_CLOEXEC, 0666);
    } while (fd < 0 && errno == EINTR);
    return fs_result(fd);
}

static int fs_system_close(const struct fs *fs, int fd)
{
    (void)fs;
    return fs_result(close(fd));
}

static ssize_t fs_system_pread(const struct fs *fs, int fd, void *data, size_t len,
                               uint64_t offset)
{
    (void)fs;
    ssize_t count;
    do {
        count = pread(fd, data, len, (off_t)offset);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

static ssize_t fs_system_pwrite(const struct fs *fs, int fd, const void *data, size_t len,
                                uint64_t offset)
{
    (void)fs;
    ssize_t count;
    do {
        count = pwrite(fd, data, len, (off_t)offset);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

static int fs_system_sync(const struct fs *fs, int fd)
{
    (void)fs;
    return fs_result(fdatasync(fd));
}

static int fs_system_truncate(const struct fs *fs, int fd, uint64_t size)
{
    (void)fs;
    return fs_result(ftruncate(fd, (off_t)size));
}

static int fs_system_stat(const struct fs *fs, const char *path, struct fs_stat *out)
{
    (void)fs;
    struct stat found;
    if (stat(path, &found) < 0)
        return -errno;
    *out = (struct fs_stat){
        .size = (uint64_t)found.st_size,
        .uid = found.st_uid,
        .is_directory = S_ISDIR(found.st_mode),
    };
    return 0;
}

static int64_t fs_system_size(const struct fs *fs, int fd)
{
    (void)fs;
    struct stat found;
    return fstat(fd, &found) < 0 ? -errno : (int64_t)found.st_size;
}

static int fs_system_rename(const struct fs *fs, const char *from, const char *to)
{
    (void)fs;
    return fs_result(rename(from, to));
}

static int fs_system_link(const struct fs *fs, const char *from, const char *to)
{
    (void)fs;
    return fs_result(link(from, to));
}

static int fs_system_unlink(const struct fs *fs, const char *path)
{
    (void)fs;
    return fs_result(unlink(path));
}

static int fs_system_make_directory(const struct fs *fs, const char *path)
{
    (void)fs;
    return fs_result(mkdir(path, 0755));
}

static int fs_system_remove_directory(const struct fs *fs, const char *path)
{
    (void)fs;
    return fs_result(rmdir(path));
}

static int fs_system_list(const struct fs *fs, const char *path,
                          int (*each)(const char *name, void *context), void *context)
{
    (void)fs;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -errno;
    int result = 0;
    while (result == 0) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            result = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = each(entry->d_name, context);
    }
    closedir(directory);
    return result;
}

static int fs_system_sync_directory(const struct fs *fs, const char *path)
{
    (void)fs;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = fs_result(fsync(fd));
    close(fd);
    return result;
}

static int fs_system_lock(const struct fs *fs, int fd)
{
    (void)fs;
    return fs_result(flock(fd, LOCK_EX | LOCK_NB));
}

static void *fs_system_map(const struct fs *fs, int fd, size_t size)
{
    (void)fs;
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    return data == MAP_FAILED ? NULL : data;
}

static void fs_system_unmap(const struct fs *fs, void *data, size_t size)
{
    (void)fs;
    munmap(data, size);
}

/* The system keeps the pages as long as it likes. */
static void fs_system_evict(const struct fs *fs, void *data, size_t size)
{
    (void)fs;
    (void)madvise(data, size, MADV_DONTNEED);
}

static int fs_system_space(const struct fs *fs, const char *path, uint64_t *out_free,
                           uint64_t *out_total)
{
    (void)fs;
    struct statvfs found;
    if (statvfs(path, &found) < 0)
        return -errno;
    *out_free = (uint64_t)found.f_bavail * found.f_frsize;
    *out_total = (uint64_t)found.f_blocks * found.f_frsize;
    return 0;
}

static const struct fs fs_system_table = {
    .open = fs_system_open,
    .close = fs_system_close,
    .pread = fs_system_pread,
    .pwrite = fs_system_pwrite,
    .sync = fs_system_sync,
    .truncate = fs_system_truncate,
    .stat = fs_system_stat,
    .size = fs_system_size,
    .rename = fs_system_rename,
    .link = fs_system_link,
    .unlink = fs_system_unlink,
    .make_directory = fs_system_make_directory,
    .remove_directory = fs_system_remove_directory,
    .list = fs_system_list,
    .sync_directory = fs_system_sync_directory,
    .lock = fs_system_lock,
    .map = fs_system_map,
    .unmap = fs_system_unmap,
    .evict = fs_system_evict,
    .space = fs_system_space,
};

const struct fs *const fs_system = &fs_system_table;
