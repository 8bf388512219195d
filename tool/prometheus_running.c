#include "tool/prometheus_running.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#define PATH_SIZE_MAX 8192

static bool is_locked(const struct fs *fs, const char *path)
{
    struct buf file CLEANUP(buf_release);
    buf_init(&file, PATH_SIZE_MAX);
    buf_printf(&file, "%s/lock", path);
    int fd = fs->open(fs, buf_cstr(&file), FS_READ);
    if (fd < 0)
        return false;
    bool locked = fs->lock(fs, fd) == -EWOULDBLOCK;
    fs->close(fs, fd);
    return locked;
}

struct process_scan {
    const struct fs *fs;
    const char *log; /* the real path of the log, with a slash */
    const char *folder;
};

/* Is it a descriptor of a file of the log? */
static int check_descriptor(const char *name, void *context)
{
    const struct process_scan *scan = context;
    struct buf path CLEANUP(buf_release);
    char target[PATH_MAX];
    buf_init(&path, PATH_SIZE_MAX);
    buf_printf(&path, "%s/%s", scan->folder, name);
    ssize_t len = readlink(buf_cstr(&path), target, sizeof(target) - 1);
    if (len < 0)
        return 0;
    target[len] = '\0';
    return strncmp(target, scan->log, strlen(scan->log)) == 0;
}

static int check_process(const char *name, void *context)
{
    const struct process_scan *scan = context;
    if (*name < '0' || *name > '9')
        return 0;
    struct buf path CLEANUP(buf_release);
    buf_init(&path, PATH_SIZE_MAX);
    buf_printf(&path, "/proc/%s/fd", name);
    struct process_scan inner = {scan->fs, scan->log, buf_cstr(&path)};
    return scan->fs->list(scan->fs, inner.folder, check_descriptor, &inner) == 1;
}

static bool is_open(const struct fs *fs, const char *path)
{
    char real[PATH_MAX];
    if (realpath(path, real) == NULL)
        return false;
    struct buf log CLEANUP(buf_release);
    buf_init(&log, PATH_SIZE_MAX);
    buf_printf(&log, "%s/wal/", real);
    struct process_scan scan = {fs, buf_cstr(&log), NULL};
    return fs->list(fs, "/proc", check_process, &scan) == 1;
}

bool prometheus_is_running(const struct fs *fs, const char *path)
{
    return is_locked(fs, path) || is_open(fs, path);
}
