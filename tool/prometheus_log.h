/*
 * The logs of the reference, wal/ with its checkpoints and wbl/, as a run of records
 * (https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/wal.md).
 *
 *     segment 00000000, 00000001 ... of pages of 32 KiB; a page holds fragments, then zeros:
 *     u8 type and compression  u16 length  u32 CRC32C  data      big-endian
 *
 * Damage ends a page, not the log: reading goes on with the next page, at the first fragment that
 * begins a record, since records do not build on one another. A record that breaks off at the end
 * of the last segment is what a power cut leaves; it is noted and no damage.
 *
 * Ownership: an embedded value; a record is borrowed until the next one. Thread-safety: one owner.
 * Memory: a page and a record. Limits: records of 256 MiB, 100,000 segments.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/slice.h"
#include "base/vec.h"
#include "tool/notes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prometheus_log_segment {
    char *path;
    uint64_t number;
    uint64_t size; /* when it was found */
};

struct prometheus_log {
    const struct fs *fs;
    VEC(struct prometheus_log_segment) segments; /* in the order of reading */
    enum err failure;                            /* why reading stopped early */
    struct errbuf err;
    uint64_t fingerprint; /* of all that was read */
    uint64_t bytes_read;
    uint64_t bytes_total;
    /* private */
    struct notes *notes;
    size_t segment; /* number in the list */
    int fd;         /* -1 = not open */
    struct buf page;
    uint64_t page_offset; /* of the next page to be read */
    size_t at;            /* in the page */
    struct buf packed;    /* the fragments of the record */
    struct buf plain;
    uint8_t compression; /* of the record */
    bool is_begun;       /* a record */
};

/* No segments. Notes are taken where `notes` is not NULL. */
void prometheus_log_init(struct prometheus_log *log, const struct fs *fs, struct notes *notes);
/* Adds the segments of a directory whose number is at least `number_min`; a directory that is not
 * there has none. */
enum err prometheus_log_add(struct prometheus_log *log, const char *directory, uint64_t number_min,
                            struct errbuf *err) MUST_CHECK;
/* Adds the newest checkpoint of a directory and the segments behind it. */
enum err prometheus_log_add_checkpointed(struct prometheus_log *log, const char *directory,
                                         struct errbuf *err) MUST_CHECK;
void prometheus_log_release(struct prometheus_log *log);

/* The next record; false at the end, or with `failure` set. */
bool prometheus_log_next(struct prometheus_log *log, struct slice *out_record);
/* Notes that the record cannot be understood. */
void prometheus_log_note_record(struct prometheus_log *log, const struct errbuf *why);
/* Begins anew, without taking notes again. */
void prometheus_log_rewind(struct prometheus_log *log);
