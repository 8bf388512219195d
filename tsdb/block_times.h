/*
 * The time columns of a block, in a file of their own. The chunks of all series of one target name
 * the same column; a chunk that begins later or ends earlier names some rows of it.
 *
 * The file is a paged file whose pages are packed runs of up to BLOCK_TIMES_GROUP columns:
 *     columns x:  uv rows  uv bytes  column (time_column.h)
 * Directory:  uv pages  x:  uv columns  uv stored bytes
 *
 * Thread-safety: a writer and a cursor have one owner; an open file is immutable.
 */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/table.h"
#include "base/vec.h"
#include "tsdb/paged_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_TIMES_GROUP 64

struct block_times_page {
    uint32_t first; /* column */
    uint32_t count;
    uint64_t offset;
    size_t stored_len;
};

struct block_times_writer {
    struct paged_writer file;
    struct buf raw; /* of the page that is made */
    struct buf column;
    uint32_t raw_count;
    uint32_t column_count;
    VEC(struct block_times_page) pages;
    /* columns that may be named again */
    struct arena known;
    struct table by_first;
    struct table by_last;
};

void block_times_writer_open(struct block_times_writer *writer, const struct fs *fs,
                             const char *path);
/* The column and its first row that hold these times; written unless it is there. */
uint32_t block_times_add(struct block_times_writer *writer, const int64_t *times_ms, size_t count,
                         uint32_t *out_row);
enum err block_times_writer_finish(struct block_times_writer *writer,
                                   struct errbuf *err) MUST_CHECK;
void block_times_writer_release(struct block_times_writer *writer);

struct block_times {
    struct paged_file file;
    struct block_times_page *pages;
    size_t page_count;
    uint32_t column_count;
};

enum err block_times_open(struct block_times *times, const struct fs *fs, const char *path,
                          struct errbuf *err) MUST_CHECK;
void block_times_close(struct block_times *times);

/* Columns that were decoded, by their number modulo the size, and how many times they may be: a
 * query has a cursor for each block. */
#define BLOCK_TIMES_CACHE 256
#define BLOCK_TIMES_CACHED_MAX 32768
struct block_times_cursor {
    const struct block_times *times;
    struct buf stored;
    struct buf raw;
    size_t page;   /* SIZE_MAX = none */
    size_t cached; /* times, of all columns */
    struct block_times_column {
        uint32_t column; /* UINT32_MAX = none */
        uint32_t count;
        uint32_t capacity;
        int64_t *times_ms;
    } columns[BLOCK_TIMES_CACHE];
};

void block_times_cursor_init(struct block_times_cursor *cursor, const struct block_times *times);
void block_times_cursor_release(struct block_times_cursor *cursor);
/* `count` rows of a column from `row` on; valid until another column is asked for. ERR_CORRUPT
 * where there are fewer, or where they do not ascend. */
enum err block_times_rows(struct block_times_cursor *cursor, uint32_t column, uint32_t row,
                          size_t count, const int64_t **out, struct errbuf *err) MUST_CHECK;
