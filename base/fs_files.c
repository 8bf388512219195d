/* Whole files and trees, on any table of file-system functions. */
#include "base/fs.h"

#include "base/alloc.h"
#include "base/vec.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define FS_TEMPORARY_SUFFIX ".tmp"
#define FS_READ_STEP_SIZE ((size_t)4096)

static enum err fs_failed(struct errbuf *err, int64_t result, const char *verb, const char *path)
{
    return errbuf_set_errno(err, (int)-result, "%s %s", verb, path);
}

enum err fs_write_all(const struct fs *fs, int fd, const void *data, size_t len, uint64_t offset,
                      const char *path, struct errbuf *err)
{
    const char *at = data;
    while (len > 0) {
        ssize_t count = fs->pwrite(fs, fd, at, len, offset);
        if (count <= 0)
            return fs_failed(err, count == 0 ? -EIO : count, "write", path);
        at += count;
        len -= (size_t)count;
        offset += (uint64_t)count;
    }
    return ERR_NONE;
}

static enum err fs_read_open(const struct fs *fs, int fd, const char *path, struct buf *out,
                             struct errbuf *err)
{
    int64_t size = fs->size(fs, fd);
    if (size < 0)
        return fs_failed(err, size, "stat", path);
    /* files in /proc and /sys say 0 and have content, so the end is where a read gives nothing */
    size_t step = MAX((size_t)size, FS_READ_STEP_SIZE);
    uint64_t offset = 0;
    for (;;) {
        size_t room = out->size_max - out->len;
        char more; /* what does not fit, to see whether there is any */
        char *to = room == 0 ? &more : buf_reserve(out, MIN(step, room));
        ssize_t count = fs->pread(fs, fd, to, room == 0 ? 1 : MIN(step, room), offset);
        if (count < 0)
            return fs_failed(err, count, "read", path);
        if (count == 0)
            return ERR_NONE;
        if (room == 0)
            return errbuf_set(err, ERR_LIMIT, "%s is above %zu bytes", path, out->size_max);
        buf_commit(out, (size_t)count);
        offset += (uint64_t)count;
        step = FS_READ_STEP_SIZE;
    }
}

enum err fs_read_file(const struct fs *fs, const char *path, struct buf *out, struct errbuf *err)
{
    int fd = fs->open(fs, path, FS_READ);
    if (fd < 0)
        return fs_failed(err, fd, "open", path);
    enum err code = fs_read_open(fs, fd, path, out, err);
    fs->close(fs, fd);
    return code;
}

/* The directory that holds `path`. */
static void fs_parent(const char *path, char out[PATH_MAX])
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    const char *slash = memrchr(path, '/', len);
    if (slash == NULL)
        snprintf(out, PATH_MAX, ".");
    else
        snprintf(out, PATH_MAX, "%.*s", (int)MAX(slash - path, (ptrdiff_t)1), path);
}

static enum err fs_write_new(const struct fs *fs, const char *path, struct slice content,
                             struct errbuf *err)
{
    int fd = fs->open(fs, path, FS_TRUNCATE);
    if (fd < 0)
        return fs_failed(err, fd, "create", path);
    enum err code = fs_write_all(fs, fd, content.ptr, content.len, 0, path, err);
    if (code == ERR_NONE) {
        int result = fs->sync(fs, fd);
        if (result < 0)
            code = fs_failed(err, result, "sync", path);
    }
    int result = fs->close(fs, fd);
    if (code == ERR_NONE && result < 0)
        code = fs_failed(err, result, "close", path);
    return code;
}

enum err fs_replace_file(const struct fs *fs, const char *path, struct slice content,
                         struct errbuf *err)
{
    char beside[PATH_MAX];
    char parent[PATH_MAX];
    if (strlen(path) + sizeof(FS_TEMPORARY_SUFFIX) > sizeof(beside))
        return fs_failed(err, -ENAMETOOLONG, "create", path);
    snprintf(beside, sizeof(beside), "%s" FS_TEMPORARY_SUFFIX, path);
    fs_parent(path, parent);
    enum err code = fs_write_new(fs, beside, content, err);
    if (code == ERR_NONE) {
        int result = fs->rename(fs, beside, path);
        if (result < 0)
            code = fs_failed(err, result, "rename", beside);
    }
    if (code != ERR_NONE) {
        fs->unlink(fs, beside);
        return code;
    }
    int result = fs->sync_directory(fs, parent);
    return result < 0 ? fs_failed(err, result, "sync directory", parent) : ERR_NONE;
}

/* Without syncing the directory above, a power cut may take the new one with all that is in it. One
 * that is another's, and cannot be read, is left to the system. */
static enum err fs_keep_directory(const struct fs *fs, const char *path, struct errbuf *err)
{
    char parent[PATH_MAX];
    fs_parent(path, parent);
    int result = fs->sync_directory(fs, parent);
    if (result == 0 || result == -EACCES || result == -EPERM)
        return ERR_NONE;
    fs->remove_directory(fs, path);
    return fs_failed(err, result, "sync directory", parent);
}

static enum err fs_make_one(const struct fs *fs, const char *path, struct errbuf *err)
{
    int result = fs->make_directory(fs, path);
    if (result == 0)
        return fs_keep_directory(fs, path, err);
    struct fs_stat found;
    if (result == -EEXIST && fs->stat(fs, path, &found) == 0 && found.is_directory)
        return ERR_NONE;
    return fs_failed(err, result, "create directory", path);
}

enum err fs_make_directories(const struct fs *fs, const char *path, struct errbuf *err)
{
    char above[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof(above))
        return fs_failed(err, -ENAMETOOLONG, "create directory", path);
    struct fs_stat found;
    if (fs->stat(fs, path, &found) == 0 && found.is_directory)
        return ERR_NONE;
    memcpy(above, path, len + 1);
    for (size_t i = 1; i < len; i++) {
        if (above[i] != '/' || above[i - 1] == '/')
            continue;
        above[i] = '\0';
        enum err code = fs_make_one(fs, above, err);
        if (code != ERR_NONE)
            return code;
        above[i] = '/';
    }
    return fs_make_one(fs, path, err);
}

struct fs_names {
    VEC(char *) list;
};

static int fs_collect_name(const char *name, void *context)
{
    struct fs_names *names = context;
    vec_push(&names->list, mem_strdup(name));
    return 0;
}

/* What is in a directory is listed first: removing while listing may skip names. */
static enum err fs_remove_names(const struct fs *fs, const char *path, const struct fs_names *names,
                                struct errbuf *err)
{
    for (size_t i = 0; i < names->list.len; i++) {
        char child[PATH_MAX];
        int len = snprintf(child, sizeof(child), "%s/%s", path, names->list.items[i]);
        if (len < 0 || (size_t)len >= sizeof(child))
            return fs_failed(err, -ENAMETOOLONG, "remove", path);
        int result = fs->unlink(fs, child);
        /* Linux says EISDIR, others EPERM */
        enum err code = ERR_NONE;
        if (result == -EISDIR || result == -EPERM)
            code = fs_remove_tree(fs, child, err);
        else if (result < 0 && result != -ENOENT)
            code = fs_failed(err, result, "remove", child);
        if (code != ERR_NONE)
            return code;
    }
    return ERR_NONE;
}

enum err fs_remove_tree(const struct fs *fs, const char *path, struct errbuf *err)
{
    struct fs_names names = {0};
    int result = fs->list(fs, path, fs_collect_name, &names);
    enum err code = ERR_NONE;
    if (result < 0 && result != -ENOENT)
        code = fs_failed(err, result, "list", path);
    else if (result == 0)
        code = fs_remove_names(fs, path, &names, err);
    for (size_t i = 0; i < names.list.len; i++)
        mem_free(names.list.items[i]);
    vec_release(&names.list);
    if (code != ERR_NONE || result == -ENOENT)
        return code;
    result = fs->remove_directory(fs, path);
    return result < 0 && result != -ENOENT ? fs_failed(err, result, "remove directory", path)
                                           : ERR_NONE;
}
