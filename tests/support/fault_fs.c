#include "tests/support/fault_fs.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/rand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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

static void change_note_locked(struct fault_fs *faults, struct fault_change change)
{
    vec_push(&faults->changes, change);
}

static void change_release(struct fault_change *change)
{
    if (change->kept != NULL)
        (void)fs_system->unlink(fs_system, change->kept);
    mem_free(change->path);
    mem_free(change->from);
    mem_free(change->kept);
}

/* Is `path` `directory`, or below it? */
static bool is_within(const char *path, const char *directory)
{
    size_t len = strlen(directory);
    return strncmp(path, directory, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool is_parent(const char *directory, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    return strlen(directory) == len && strncmp(path, directory, len) == 0;
}

/* The path after `from` became `to`. */
static void path_move(char **path, const char *from, const char *to)
{
    if (*path == NULL || !is_within(*path, from))
        return;
    struct buf moved;
    buf_init(&moved, 8192);
    buf_printf(&moved, "%s%s", to, *path + strlen(from));
    mem_free(*path);
    *path = buf_take(&moved);
}

static void files_move_locked(struct fault_fs *faults, const char *from, const char *to)
{
    for (size_t i = 0; i < faults->files.len; i++) {
        if (!faults->files.items[i].gone)
            path_move(&faults->files.items[i].path, from, to);
    }
}

static void files_forget_locked(struct fault_fs *faults, const char *path)
{
    for (size_t i = 0; i < faults->files.len; i++) {
        if (is_within(faults->files.items[i].path, path))
            faults->files.items[i].gone = true;
    }
}

/* A second name for what `path` is, out of the way; NULL when it is no file. */
static char *keep_locked(struct fault_fs *faults, const char *path)
{
    if (faults->keep[0] == '\0') {
        snprintf(faults->keep, sizeof(faults->keep), "/tmp/ferula-kept-XXXXXX");
        ASSERT(mkdtemp(faults->keep) != NULL);
    }
    struct buf name;
    buf_init(&name, 256);
    buf_printf(&name, "%s/%lu", faults->keep, (unsigned long)++faults->kept_count);
    if (fs_system->link(fs_system, path, buf_cstr(&name)) == 0)
        return buf_take(&name);
    buf_release(&name);
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
                                                     .synced_size = existed ? stat.size : 0});
    if (mode != FS_READ && !existed)
        change_note_locked(faults, (struct fault_change){FAULT_MADE, mem_strdup(path)});
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
    if (error != 0)
        return error;
    MUTEX_GUARD(&faults->lock);
    char *kept = keep_locked(faults, to);
    error = fs_system->rename(fs_system, from, to);
    if (error != 0) {
        change_release(&(struct fault_change){.kept = kept});
        return error;
    }
    files_forget_locked(faults, to);
    files_move_locked(faults, from, to);
    change_note_locked(faults, (struct fault_change){FAULT_RENAMED, mem_strdup(to),
                                                     mem_strdup(from), kept});
    return 0;
}

static int fault_unlink(const struct fs *fs, const char *path)
{
    struct fault_fs *faults = self(fs);
    int error = fault_next(fs);
    if (error != 0)
        return error;
    MUTEX_GUARD(&faults->lock);
    char *kept = keep_locked(faults, path);
    error = fs_system->unlink(fs_system, path);
    if (error != 0) {
        change_release(&(struct fault_change){.kept = kept});
        return error;
    }
    files_forget_locked(faults, path);
    change_note_locked(faults, (struct fault_change){FAULT_DELETED, mem_strdup(path), NULL, kept});
    return 0;
}

static int fault_link(const struct fs *fs, const char *from, const char *to)
{
    struct fault_fs *faults = self(fs);
    int error = fault_next(fs);
    if (error == 0)
        error = fs_system->link(fs_system, from, to);
    if (error != 0)
        return error;
    MUTEX_GUARD(&faults->lock);
    change_note_locked(faults, (struct fault_change){FAULT_MADE, mem_strdup(to)});
    return 0;
}

static int fault_make_directory(const struct fs *fs, const char *path)
{
    struct fault_fs *faults = self(fs);
    int error = fault_next(fs);
    if (error == 0)
        error = fs_system->make_directory(fs_system, path);
    if (error != 0)
        return error;
    MUTEX_GUARD(&faults->lock);
    change_note_locked(faults, (struct fault_change){FAULT_MADE_DIRECTORY, mem_strdup(path)});
    return 0;
}

static int fault_remove_directory(const struct fs *fs, const char *path)
{
    struct fault_fs *faults = self(fs);
    int error = fault_next(fs);
    if (error == 0)
        error = fs_system->remove_directory(fs_system, path);
    if (error != 0)
        return error;
    MUTEX_GUARD(&faults->lock);
    change_note_locked(faults, (struct fault_change){FAULT_DELETED_DIRECTORY, mem_strdup(path)});
    return 0;
}

/* Changes in this directory are there to stay. What happened before in a directory that was renamed
 * since goes by its new name from now on. */
static int fault_sync_directory(const struct fs *fs, const char *path)
{
    struct fault_fs *faults = self(fs);
    int error = fault_next(fs);
    if (error != 0)
        return error;
    MUTEX_GUARD(&faults->lock);
    size_t kept = 0;
    for (size_t i = 0; i < faults->changes.len; i++) {
        struct fault_change change = faults->changes.items[i];
        if (!is_parent(path, change.path)) {
            faults->changes.items[kept++] = change;
            continue;
        }
        for (size_t j = 0; change.type == FAULT_RENAMED && j < kept; j++) {
            path_move(&faults->changes.items[j].path, change.from, change.path);
            path_move(&faults->changes.items[j].from, change.from, change.path);
        }
        change_release(&change);
    }
    faults->changes.len = kept;
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
    faults->fs.link = fault_link;
    faults->fs.make_directory = fault_make_directory;
    faults->fs.remove_directory = fault_remove_directory;
    faults->fs.sync_directory = fault_sync_directory;
    faults->error = EIO;
    mutex_init(&faults->lock, LOCK_RANK_LOG);
}

void fault_fs_release(struct fault_fs *faults)
{
    for (size_t i = 0; i < faults->files.len; i++)
        mem_free(faults->files.items[i].path);
    vec_release(&faults->files);
    for (size_t i = 0; i < faults->changes.len; i++)
        change_release(&faults->changes.items[i]);
    vec_release(&faults->changes);
    if (faults->keep[0] != '\0')
        (void)fs_system->remove_directory(fs_system, faults->keep);
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

static void change_undo_locked(struct fault_fs *faults, struct fault_change *change)
{
    switch (change->type) {
    case FAULT_MADE:
        (void)fs_system->unlink(fs_system, change->path);
        files_forget_locked(faults, change->path);
        break;
    case FAULT_MADE_DIRECTORY:
        ASSERT(fs_remove_tree(fs_system, change->path, NULL) == ERR_NONE);
        files_forget_locked(faults, change->path);
        break;
    case FAULT_RENAMED:
        (void)fs_system->rename(fs_system, change->path, change->from);
        files_move_locked(faults, change->path, change->from);
        break;
    case FAULT_DELETED:
        break;
    case FAULT_DELETED_DIRECTORY:
        (void)fs_system->make_directory(fs_system, change->path);
        break;
    }
    if (change->kept != NULL)
        (void)fs_system->rename(fs_system, change->kept, change->path);
}

/* Half of a sector is what was written, the other is not. */
static void sector_tear(int fd, uint64_t sector, uint64_t end, struct rand *rand)
{
    uint8_t rubbish[FAULT_FS_SECTOR / 2];
    for (size_t i = 0; i < sizeof(rubbish); i++)
        rubbish[i] = rand_below(rand, 2) == 0 ? 0 : (uint8_t)rand_u64(rand);
    uint64_t from = sector + FAULT_FS_SECTOR / 2;
    if (from < end)
        (void)!fs_system->pwrite(fs_system, fd, rubbish, (size_t)MIN(sizeof(rubbish), end - from),
                                 from);
}

static void file_cut(struct fault_file *file, struct rand *rand)
{
    int fd = fs_system->open(fs_system, file->path, FS_READ);
    if (fd < 0)
        return;
    fs_system->close(fs_system, fd);
    fd = fs_system->open(fs_system, file->path, FS_WRITE);
    uint64_t size = (uint64_t)fs_system->size(fs_system, fd);
    uint64_t end = MIN(file->synced_size, size);
    if (rand != NULL && size > end && rand_below(rand, 3) > 0) {
        uint64_t sector = (end + rand_below(rand, size - end)) / FAULT_FS_SECTOR * FAULT_FS_SECTOR;
        uint64_t torn_end = MIN(sector + FAULT_FS_SECTOR, size);
        if (sector >= end) {
            sector_tear(fd, sector, torn_end, rand);
            end = torn_end;
        }
    }
    (void)fs_system->truncate(fs_system, fd, end);
    fs_system->close(fs_system, fd);
}

void fault_fs_cut_power(struct fault_fs *faults, uint64_t seed)
{
    MUTEX_GUARD(&faults->lock);
    struct rand rand;
    rand_init(&rand, seed);
    for (size_t i = 0; i < faults->files.len; i++) {
        if (!faults->files.items[i].gone)
            file_cut(&faults->files.items[i], seed == 0 ? NULL : &rand);
    }
    size_t stays = seed == 0 ? 0 : rand_below(&rand, faults->changes.len + 1);
    while (faults->changes.len > 0) {
        struct fault_change *change = &faults->changes.items[--faults->changes.len];
        if (faults->changes.len >= stays)
            change_undo_locked(faults, change);
        change_release(change);
    }
    for (size_t i = 0; i < faults->files.len; i++)
        faults->files.items[i].gone = true;
}
