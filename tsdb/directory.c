/* Error texts are for the person at the keyboard: what is wrong and what to type. */
#include "tsdb/directory.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/path.h"
#include "tsdb/wal_frame.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define FORMAT_FILE "FERULA"
#define FORMAT_START "ferula storage, format "
#define FORMAT_TEXT FORMAT_START "1\n"
#define FORMAT_SIZE_MAX 4096
#define BESIDE_NAME "ferula"
#define ULID_LEN 26

static bool exists(const struct fs *fs, const char *directory, const char *name, bool as_directory)
{
    char *path = path_join(directory, name);
    struct fs_stat stat;
    bool found = fs->stat(fs, path, &stat) == 0 && stat.is_directory == as_directory;
    mem_free(path);
    return found;
}

struct layout_scan {
    const struct fs *fs;
    const char *path;
    bool prometheus;
};

/* A block's directory is called by 26 characters of Crockford's base 32 and has a meta.json. */
static int scan_name(const char *name, void *context)
{
    struct layout_scan *scan = context;
    bool ulid =
        strlen(name) == ULID_LEN && strspn(name, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == ULID_LEN;
    if (strcmp(name, "wal") != 0 && strcmp(name, "chunks_head") != 0 && !ulid)
        return 0;
    if (!ulid) {
        scan->prometheus = scan->prometheus || exists(scan->fs, scan->path, name, true);
        return 0;
    }
    char *block = path_join(scan->path, name);
    scan->prometheus = scan->prometheus || exists(scan->fs, block, "meta.json", false);
    mem_free(block);
    return 0;
}

/* Ends the listing at a segment of a log of ours. */
static int find_segment(const char *name, void *context)
{
    const struct layout_scan *scan = context;
    char *path CLEANUP(mem_cleanup) = path_join(scan->path, name);
    int fd = scan->fs->open(scan->fs, path, FS_READ);
    if (fd < 0)
        return 0;
    char magic[sizeof(WAL_SEGMENT_MAGIC) - 1];
    ssize_t len = scan->fs->pread(scan->fs, fd, magic, sizeof(magic), 0);
    scan->fs->close(scan->fs, fd);
    return len == (ssize_t)sizeof(magic) && memcmp(magic, WAL_SEGMENT_MAGIC, sizeof(magic)) == 0;
}

/* Is it ours, whatever became of its format file? */
static bool looks_like_ours(const struct fs *fs, const char *path)
{
    char *log CLEANUP(mem_cleanup) = path_join(path, "wal");
    struct layout_scan scan = {fs, log, false};
    return fs->list(fs, log, find_segment, &scan) == 1;
}

bool directory_holds_prometheus(const struct fs *fs, const char *path)
{
    if (exists(fs, path, FORMAT_FILE, false) || looks_like_ours(fs, path))
        return false;
    struct layout_scan scan = {fs, path, false};
    fs->list(fs, path, scan_name, &scan);
    return scan.prometheus;
}

/* Why a directory cannot be written, and what to do about it. */
static enum err explain_denied(const struct fs *fs, const char *path, const struct errbuf *cause,
                               struct errbuf *err)
{
    struct fs_stat stat;
    unsigned uid = (unsigned)geteuid();
    if (fs->stat(fs, path, &stat) != 0 || stat.uid == uid)
        return errbuf_set(err, ERR_IO, "data directory %s cannot be written: %s", path,
                          cause->text);
    return errbuf_set(err, ERR_IO,
                      "data directory %s is owned by uid %u and this process runs as uid %u: run "
                      "`chown -R %u %s`, or start with `--user %u` (containers) or `User=` "
                      "(systemd) set to the owner",
                      path, (unsigned)stat.uid, uid, uid, path, (unsigned)stat.uid);
}

/* Why a directory cannot be made: the nearest one above it that exists may be another's. */
static enum err explain_parent(const struct fs *fs, const char *path, const struct errbuf *cause,
                               struct errbuf *err)
{
    char *parent CLEANUP(mem_cleanup) = mem_strdup(path);
    struct fs_stat stat;
    while (fs->stat(fs, parent, &stat) != 0) {
        char *slash = strrchr(parent, '/');
        if (slash == NULL || slash == parent)
            return errbuf_set(err, cause->code, "%s", cause->text);
        *slash = '\0';
    }
    if (!stat.is_directory)
        return errbuf_set(err, ERR_INVALID, "%s is a file, not a directory", parent);
    if (stat.uid == geteuid() || geteuid() == 0)
        return errbuf_set(err, cause->code, "%s", cause->text);
    return explain_denied(fs, parent, cause, err);
}

/* Is it the text of some version, and not damaged? */
static bool is_format(struct slice text)
{
    size_t start = strlen(FORMAT_START);
    if (text.len < start + 2 || memcmp(text.ptr, FORMAT_START, start) != 0 ||
        text.ptr[text.len - 1] != '\n')
        return false;
    for (size_t i = start; i < text.len - 1; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return true;
}

/* Tells ours from a foreign or a later format; writes the file into a new directory, and where ours
 * has lost it. */
static enum err check_format(const struct fs *fs, struct tsdb_directory *out, struct errbuf *err)
{
    const char *directory = out->path;
    bool ours = looks_like_ours(fs, directory);
    char *path CLEANUP(mem_cleanup) = path_join(directory, FORMAT_FILE);
    struct buf content CLEANUP(buf_release);
    buf_init(&content, FORMAT_SIZE_MAX);
    struct errbuf own = ERRBUF_INIT;
    enum err result = fs_read_file(fs, path, &content, &own);
    if (result == ERR_NONE && slice_eq_str(buf_slice(&content), FORMAT_TEXT))
        return ERR_NONE;
    bool damaged =
        ours && (result == ERR_LIMIT || (result == ERR_NONE && !is_format(buf_slice(&content))));
    if (result == ERR_NONE && !damaged)
        return errbuf_set(err, ERR_UNSUPPORTED,
                          "%s says that %s was written by another version of ferula (\"%.*s\"); "
                          "this one reads \"%.*s\"",
                          path, directory, (int)MIN(content.len, (size_t)60), buf_cstr(&content),
                          (int)strlen(FORMAT_TEXT) - 1, FORMAT_TEXT);
    if (result != ERR_NOT_FOUND && !damaged)
        return errbuf_set(err, result, "%s", own.text);
    out->format_was_lost = ours;
    result = fs_replace_file(fs, path, slice_str(FORMAT_TEXT), &own);
    return result == ERR_NONE ? ERR_NONE : explain_denied(fs, directory, &own, err);
}

static enum err take_lock(const struct fs *fs, struct tsdb_directory *directory, struct errbuf *err)
{
    char *path CLEANUP(mem_cleanup) = path_join(directory->path, "lock");
    int fd = fs->open(fs, path, FS_WRITE);
    if (fd < 0) {
        struct errbuf own;
        errbuf_set_errno(&own, -fd, "creating %s", path);
        if (fd == -EACCES || fd == -EPERM || fd == -EROFS)
            return explain_denied(fs, directory->path, &own, err);
        return errbuf_set(err, own.code, "%s", own.text);
    }
    int failed = fs->lock(fs, fd);
    char holder[32] = "";
    ssize_t len = fs->pread(fs, fd, holder, sizeof(holder) - 1, 0);
    holder[len > 0 ? len : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
    if (failed < 0) {
        fs->close(fs, fd);
        if (failed != -EWOULDBLOCK)
            return errbuf_set_errno(err, -failed, "locking %s", path);
        return errbuf_set(err, ERR_UNAVAILABLE,
                          "lock DB directory: resource temporarily unavailable (%s is open in "
                          "process %s; stop it or choose another --storage.tsdb.path)",
                          directory->path, holder[0] == '\0' ? "unknown" : holder);
    }
    directory->was_unclean = holder[0] != '\0';
    struct buf pid CLEANUP(buf_release);
    buf_init(&pid, 64);
    buf_printf(&pid, "%ld\n", (long)getpid());
    fs->truncate(fs, fd, 0);
    enum err result = fs_write_all(fs, fd, pid.data, pid.len, 0, path, err);
    if (result != ERR_NONE && result != ERR_NO_SPACE) {
        fs->close(fs, fd);
        return result;
    }
    directory->lock_fd = fd;
    return ERR_NONE;
}

enum err directory_open(const struct fs *fs, const char *path, bool no_lockfile,
                        struct tsdb_directory *out, struct errbuf *err)
{
    struct tsdb_directory directory = {.lock_fd = -1};
    directory.beside_prometheus = directory_holds_prometheus(fs, path);
    directory.path = directory.beside_prometheus ? path_join(path, BESIDE_NAME) : mem_strdup(path);
    struct errbuf own = ERRBUF_INIT;
    enum err result = fs_make_directories(fs, directory.path, &own);
    if (result != ERR_NONE)
        result = explain_parent(fs, directory.path, &own, err);
    if (result == ERR_NONE && !no_lockfile)
        result = take_lock(fs, &directory, err);
    if (result == ERR_NONE)
        result = check_format(fs, &directory, err);
    if (result != ERR_NONE) {
        directory_close(fs, &directory);
        return result;
    }
    *out = directory;
    return ERR_NONE;
}

void directory_close(const struct fs *fs, struct tsdb_directory *directory)
{
    if (directory->lock_fd >= 0) {
        fs->truncate(fs, directory->lock_fd, 0);
        fs->close(fs, directory->lock_fd);
    }
    directory->lock_fd = -1;
    mem_free(directory->path);
    directory->path = NULL;
}
