#include "tool/prometheus_running.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/path.h"

static bool is_locked(const struct fs *fs, const char *path)
{
    char *file CLEANUP(mem_cleanup) = path_print("%s/lock", path);
    int fd = fs->open(fs, file, FS_READ);
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
    char target[PATH_MAX];
    char *path CLEANUP(mem_cleanup) = path_join(scan->folder, name);
    ssize_t len = readlink(path, target, sizeof(target) - 1);
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
    char *path CLEANUP(mem_cleanup) = path_print("/proc/%s/fd", name);
    struct process_scan inner = {scan->fs, scan->log, path};
    return scan->fs->list(scan->fs, inner.folder, check_descriptor, &inner) == 1;
}

static bool is_open(const struct fs *fs, const char *path)
{
    char real[PATH_MAX];
    if (realpath(path, real) == NULL)
        return false;
    char *log CLEANUP(mem_cleanup) = path_print("%s/wal/", real);
    struct process_scan scan = {fs, log, NULL};
    return fs->list(fs, "/proc", check_process, &scan) == 1;
}

bool prometheus_is_running(const struct fs *fs, const char *path)
{
    return is_locked(fs, path) || is_open(fs, path);
}
