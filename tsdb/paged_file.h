/*
 * The outer form of a block's files: pages back to back between a header and a directory, which is
 * a packed run and says where they are.
 *
 *     8 bytes magic  u32 version  u32 0
 *     pages
 *     directory (packed.h)
 *     u64 offset of the directory  u32 its length  u32 CRC32C of these twelve  8 bytes magic
 *
 * Ownership: an embedded value. Thread-safety: an open file may be read from any thread; a writer
 * has one owner.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/slice.h"

#include <stdint.h>

#define PAGED_MAGIC_SIZE 8
#define PAGED_VERSION 2 /* what is written; 1 is read: its index has no places of chunks */
#define PAGED_HEADER_SIZE 16
#define PAGED_TRAILER_SIZE 24

struct paged_file {
    const struct fs *fs;
    char *path;
    int fd; /* -1 = not open */
    uint32_t version;
    uint64_t size;
    uint64_t directory_offset; /* the end of the pages */
};

/* Opens, checks the frame and unpacks the directory. ERR_CORRUPT names path and offset. On failure
 * nothing is open. */
enum err paged_file_open(struct paged_file *file, const struct fs *fs, const char *path,
                         const char *magic, struct buf *directory, struct errbuf *err) MUST_CHECK;
void paged_file_close(struct paged_file *file);
/* Replaces `out` by `len` bytes at `offset`. */
enum err paged_file_read(const struct paged_file *file, uint64_t offset, size_t len,
                         struct buf *out, struct errbuf *err) MUST_CHECK;
/* ERR_CORRUPT with path, offset and what is wrong there. */
enum err paged_file_damaged(const struct paged_file *file, uint64_t offset, const char *what,
                            struct errbuf *err) MUST_CHECK;

/* Appends the header; the trailer of a directory of `len` bytes at that offset of the file. */
void paged_header_write(struct buf *out, const char *magic);
void paged_trailer_write(struct buf *out, uint64_t directory, uint32_t len, const char *magic);

/* Writes a file from front to back. The first failure stays. */
struct paged_writer {
    const struct fs *fs;
    char *path;
    const char *magic;
    int fd;
    struct buf pending; /* pages are appended here */
    uint64_t flushed;   /* bytes that were written before those */
    enum err failure;
    struct errbuf err;
};

void paged_writer_open(struct paged_writer *writer, const struct fs *fs, const char *path,
                       const char *magic);
/* Writes what is pending when it is much. To be called after every page. */
void paged_writer_spill(struct paged_writer *writer);
/* Writes the directory, syncs and closes. */
enum err paged_writer_finish(struct paged_writer *writer, struct slice directory,
                             struct errbuf *err) MUST_CHECK;
/* Closes without an end. To be called after finish, too. */
void paged_writer_release(struct paged_writer *writer);
