/*
 * The file system as a table of functions, so that tests can fail the k-th operation, drop what was
 * not synced, and count. Only storage uses it; paths are C strings.
 *
 * Errors are negative errno values, as in the kernel's own interface; 0 or a count is success. Reads
 * and writes may be short; fs_write_all and fs_read_all are not.
 *
 * Thread-safety: the system's table may be used from any thread.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum fs_open_mode {
    FS_READ,          /* must exist */
    FS_CREATE,        /* read and write; fails where it exists */
    FS_WRITE,         /* read and write; created where it is missing */
    FS_TRUNCATE,      /* as FS_WRITE, emptied */
};

struct fs_stat {
    uint64_t size;
    uint32_t uid;
    bool is_directory;
};

struct fs {
    int (*open)(const struct fs *fs, const char *path, enum fs_open_mode mode); /* descriptor */
    int (*close)(const struct fs *fs, int fd);
    ssize_t (*pread)(const struct fs *fs, int fd, void *data, size_t len, uint64_t offset);
    ssize_t (*pwrite)(const struct fs *fs, int fd, const void *data, size_t len, uint64_t offset);
    int (*sync)(const struct fs *fs, int fd); /* data and size, as fdatasync */
    int (*truncate)(const struct fs *fs, int fd, uint64_t size);
    int (*stat)(const struct fs *fs, const char *path, struct fs_stat *out);
    int64_t (*size)(const struct fs *fs, int fd);
    int (*rename)(const struct fs *fs, const char *from, const char *to);
    int (*link)(const struct fs *fs, const char *from, const char *to);
    int (*unlink)(const struct fs *fs, const char *path);
    int (*make_directory)(const struct fs *fs, const char *path); /* 0755 */
    int (*remove_directory)(const struct fs *fs, const char *path);
    /* Calls `each` for every name but . and ..; stops and returns its value when that is not 0. */
    int (*list)(const struct fs *fs, const char *path,
                int (*each)(const char *name, void *context), void *context);
    int (*sync_directory)(const struct fs *fs, const char *path);
    /* An exclusive lock on the file, released by close; -EWOULDBLOCK when another process has it. */
    int (*lock)(const struct fs *fs, int fd);
    /* Read-only mapping of a whole file of `size` bytes; NULL on failure. */
    void *(*map)(const struct fs *fs, int fd, size_t size);
    void (*unmap)(const struct fs *fs, void *data, size_t size);
    /* What was read of a mapping no longer counts as memory of the process; it may be read again. */
    void (*evict)(const struct fs *fs, void *data, size_t size);
    /* Free and total bytes of the file system that holds `path`. */
    int (*space)(const struct fs *fs, const char *path, uint64_t *out_free, uint64_t *out_total);
};

/* The kernel's. */
extern const struct fs *const fs_system;

/* Writes all bytes or fails. */
enum err fs_write_all(const struct fs *fs, int fd, const void *data, size_t len, uint64_t offset,
                      const char *path, struct errbuf *err) MUST_CHECK;
/* Reads a whole file of at most `out`'s maximum. */
enum err fs_read_file(const struct fs *fs, const char *path, struct buf *out,
                      struct errbuf *err) MUST_CHECK;
/* Writes beside, syncs, renames, syncs the directory: the file is old or new, never half. */
enum err fs_replace_file(const struct fs *fs, const char *path, struct slice content,
                         struct errbuf *err) MUST_CHECK;
/* Creates the directory and those above it. */
enum err fs_make_directories(const struct fs *fs, const char *path, struct errbuf *err) MUST_CHECK;
/* Removes a directory and what is in it; a missing one is fine. */
enum err fs_remove_tree(const struct fs *fs, const char *path, struct errbuf *err) MUST_CHECK;
