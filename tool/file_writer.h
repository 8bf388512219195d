/*
 * Writing a file from front to back. The first failure stays and is told at the end.
 *
 * Ownership: an embedded value. Thread-safety: one owner.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"

#include <stdint.h>

struct file_writer {
    const struct fs *fs;
    char *path;
    int fd;
    struct buf pending; /* what is to be written is appended here */
    uint64_t flushed;   /* bytes that were written before it */
    enum err failure;
    struct errbuf err;
};

/* The file is made or emptied. */
void file_writer_open(struct file_writer *writer, const struct fs *fs, const char *path);
/* Where the next byte will be. */
static inline uint64_t file_writer_at(const struct file_writer *writer)
{
    return writer->flushed + writer->pending.len;
}
/* Writes what is pending when it is much. */
void file_writer_spill(struct file_writer *writer);
/* Writes the rest, syncs and closes. */
enum err file_writer_finish(struct file_writer *writer, struct errbuf *err) MUST_CHECK;
/* Closes without an end. May be called after finish, or without open. */
void file_writer_release(struct file_writer *writer);
