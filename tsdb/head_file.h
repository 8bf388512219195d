/*
 * Files of sealed chunks: what the head need not hold in memory. A file is written once, whole, and
 * mapped; chunks point into it. It lives as long as one of them, and is then deleted.
 *
 *     head/chunks.00000001   header of 16 bytes, then the bytes of chunks, one after another
 *
 * A file says nothing about itself: which chunk lies where is known to memory, and to the snapshot
 * of a clean stop, which also has the checksum. After a kill they are deleted and made again from
 * the log.
 *
 * Checksums of pieces are kept in memory: before chunks are written into a block the files are
 * compared with them, so that a damage does not reach the block. It costs the chunks of its pieces.
 *
 * Threads: making, checking, deleting and listing by the holder of the maintenance lock; references
 * from any.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_FILE_HEADER_SIZE 16
/* The payload; a file gets little more. */
#define HEAD_FILE_BYTES_MAX ((size_t)1 << 30)
#define HEAD_FILE_PIECE_BYTES ((size_t)64 << 10)

struct head_file {
    _Atomic uint32_t reference_count; /* chunks, and one of the list's */
    /* immutable: */
    uint64_t number;
    uint8_t *data; /* mapped, never written to */
    size_t size;
    uint32_t checksum; /* CRC32C of all of it */
    uint32_t *pieces;  /* and of every HEAD_FILE_PIECE_BYTES */
    /* written once, by a check, before `is_damaged`: */
    bool *damaged_pieces;
    _Atomic bool is_damaged;
    /* owned by the maintenance lock: */
    bool synced;
    uint32_t place; /* in the list of the snapshot that is being written */
    struct head_file *next;
};

struct head_files {
    const struct fs *fs;
    const char *directory;  /* head/; borrowed */
    struct head_file *list; /* newest first */
    uint64_t next_number;
    _Atomic uint64_t bytes;
    _Atomic uint64_t count;
    _Atomic uint64_t corruptions;
};

void head_files_init(struct head_files *files, const struct fs *fs, const char *directory);
/* Lets go of all files; they stay on disk. The chunks must be gone. */
void head_files_release(struct head_files *files);

/* Writes a new file; `content` begins with HEAD_FILE_HEADER_SIZE bytes for its header. The caller
 * gets no reference of its own: the file is there until the next sweep. */
enum err head_files_add(struct head_files *files, struct slice content, struct head_file **out,
                        struct errbuf *err) MUST_CHECK;
/* Opens a file that a snapshot tells of. ERR_NOT_FOUND when it was deleted, ERR_CORRUPT when it is
 * another. */
enum err head_files_open(struct head_files *files, uint64_t number, uint64_t size,
                         uint32_t checksum, struct head_file **out, struct errbuf *err) MUST_CHECK;
/* Compares the files with what was written to them. Returns the first that is damaged and was not
 * known to be so, with `err`; NULL when there is none. What does not let itself be read just now is
 * not judged. */
struct head_file *head_files_check(struct head_files *files, struct errbuf *err) MUST_CHECK;
/* Moves a damaged file to `directory`, for a person to look at, and appends its new path. Its
 * chunks can be read as before. */
enum err head_files_set_aside(struct head_files *files, const struct head_file *file,
                              const char *directory, struct buf *out_path,
                              struct errbuf *err) MUST_CHECK;
/* Makes all durable; fails while there is a damaged one. */
enum err head_files_sync(struct head_files *files, struct errbuf *err) MUST_CHECK;
/* Deletes the files that no chunk is in. */
void head_files_sweep(struct head_files *files);
/* What was read of the files is no longer memory of the process, until it is read again. */
void head_files_evict(struct head_files *files);
/* Deletes what lies in the directory and is not open: left by a kill. */
void head_files_clean(struct head_files *files);

/* Are bytes of the file among those that a check found to be damaged? */
static inline bool head_file_is_damaged_at(const struct head_file *file, size_t offset, size_t len)
{
    if (LIKELY(!file->is_damaged))
        return false;
    for (size_t i = offset / HEAD_FILE_PIECE_BYTES; i * HEAD_FILE_PIECE_BYTES < offset + len; i++) {
        if (file->damaged_pieces[i])
            return true;
    }
    return false;
}

static inline struct head_file *head_file_ref(struct head_file *file)
{
    file->reference_count++;
    return file;
}

/* NULL is fine. The file itself goes with the next sweep. */
static inline void head_file_unref(struct head_file *file)
{
    if (file != NULL)
        file->reference_count--;
}
