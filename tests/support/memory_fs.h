/*
 * Files that lie in memory and can only be read, for readers of foreign directories: tests and fuzz
 * targets make them without a disk.
 *
 * Ownership: the list and the contents are borrowed. Thread-safety: any thread.
 */
#pragma once

#include "base/fs.h"
#include "base/slice.h"

struct memory_file {
    const char *path;
    struct slice content;
};

struct memory_fs {
    struct fs fs; /* first */
    const struct memory_file *files;
    size_t count;
};

void memory_fs_init(struct memory_fs *memory, const struct memory_file *files, size_t count);
