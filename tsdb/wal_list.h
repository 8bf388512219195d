/*
 * The list of the log's segments, a file beside them: which there are, and how large those are that
 * are not written to any more. It is replaced before the first frame of a new segment is written
 * and before old ones are deleted, so that a start can tell what was taken away on purpose from
 * what was lost. docs/formats/wal.md draws the bytes.
 *
 * Ownership: a value. Thread-safety: as said.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/vec.h"

#include <stdint.h>

#define WAL_LIST_NAME "segments"
#define WAL_LIST_MAGIC "FERULAWS"
/* The size of a segment that was being written. */
#define WAL_LIST_OPEN UINT64_MAX

struct wal_listed {
    uint64_t number;
    uint64_t size; /* or WAL_LIST_OPEN */
};

struct wal_list {
    uint64_t late_from; /* samples out of order in segments before this are in blocks */
    VEC(struct wal_listed) segments; /* ascending */
};

void wal_list_release(struct wal_list *list);
/* Replaces the file and makes it durable, with whatever else is new in the directory. */
enum err wal_list_write(const struct wal_list *list, const struct fs *fs, const char *path,
                        struct errbuf *err) MUST_CHECK;
/* `out` is to be released in any case. ERR_NOT_FOUND, ERR_CORRUPT; ERR_UNSUPPORTED when a later
 * version wrote it. */
enum err wal_list_read(const struct fs *fs, const char *path, struct wal_list *out,
                       struct errbuf *err) MUST_CHECK;
