/*
 * A run of samples of one series. The head keeps one open chunk a series (series.h) and a list of
 * closed ones; both are read through the same `struct chunk_span`. What a chunk's bytes mean is
 * known here only, so a denser encoding is one more kind. The bytes of a closed chunk follow it in
 * memory until it is sealed (head_seal.h); then they are in a mapped file (head_file.h).
 *
 * Kinds:
 *   rows       values only; sample i lies at a row of a time column that the samples of one group
 *              share. Bytes: an absolute token, then tokens (tokens.h); a gap skips rows.
 *   loose      times and values. Bytes: varint first time, varint first step (both zigzag), an
 *              absolute token, then tokens; a gap changes the step by its zigzag value.
 *   histogram  varint time or difference to the last time (zigzag), varint length, histogram; each.
 *   sealed rows   the values of rows without gaps: value_chunk.h.
 *   sealed loose  times (time_column.h), then values.
 * Samples that the bytes do not mention repeat the last value at the expected time: a series that
 * stands still costs nothing.
 *
 * Ownership: a closed chunk holds a reference to its column. Threads: closed chunks are immutable
 * but for `next`, which retention cuts.
 */
#pragma once

#include "base/compiler.h"
#include "model/series_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A chunk is closed at this many samples or rows. */
#define CHUNK_SAMPLES_MAX 120
/* No sealed chunk has as many (chunk_run.h). */
#define CHUNK_SEALED_MAX 2048
/* A histogram chunk also at this many bytes. */
#define CHUNK_HISTOGRAM_BYTES_MAX 8192

enum chunk_kind {
    CHUNK_ROWS,
    CHUNK_LOOSE,
    CHUNK_HISTOGRAM,
    CHUNK_SEALED_ROWS,
    CHUNK_SEALED_LOOSE,
    CHUNK_KINDS,
};

/* Are the times those of a column? Its rows, not the samples, say what a view may see. */
static inline bool chunk_kind_has_rows(enum chunk_kind kind)
{
    return kind == CHUNK_ROWS || kind == CHUNK_SEALED_ROWS;
}

/* The times of a group's rows. Rows are added under the group's lock and never change. */
struct time_column {
    _Atomic uint32_t reference_count;
    uint32_t capacity;
    _Atomic uint32_t count;
    uint64_t *commits; /* that wrote the rows; NULL: every view may see them all */
    int64_t *times_ms;
};

struct time_column *time_column_new(uint32_t capacity) MUST_CHECK;
/* Without commits; the caller fills in the times, and the count at last. */
struct time_column *time_column_new_visible(uint32_t capacity) MUST_CHECK;
size_t time_column_size(const struct time_column *column);
struct time_column *time_column_ref(struct time_column *column);
void time_column_unref(struct time_column *column);
/* How many rows a reader with this watermark may see. */
uint32_t time_column_visible(const struct time_column *column, uint64_t watermark);

/* A closed chunk. */
struct chunk {
    _Atomic(struct chunk *) next; /* the one before it in time */
    int64_t min_ms;
    int64_t max_ms;
    struct time_column *column; /* rows only; counted */
    struct head_file *file;     /* that has the bytes; counted; NULL: they follow the chunk */
    uint8_t *bytes;
    uint32_t len;
    uint16_t count; /* loose, histogram: samples; rows: one past the last row */
    uint8_t kind;
    uint8_t row_first;
};

struct head_file;

/* Takes a reference to the column; the caller fills `bytes`. */
struct chunk *chunk_new(enum chunk_kind kind, struct time_column *column, size_t len) MUST_CHECK;
/* A chunk whose bytes are in a file, of which it takes a reference. */
struct chunk *chunk_new_in_file(enum chunk_kind kind, struct time_column *column,
                                struct head_file *file, size_t offset, size_t len) MUST_CHECK;
void chunk_free(void *chunk); /* struct chunk; void for the reclaimer */
/* Of memory: without what is in a file. */
size_t chunk_size(const struct chunk *chunk);

/* What a reader needs of a chunk, open or closed. */
struct chunk_span {
    enum chunk_kind kind;
    const uint8_t *bytes;
    size_t len; /* 0: all samples have `bits` */
    uint64_t bits;
    /* rows: */
    const struct time_column *column;
    uint32_t row_first;
    uint32_t row_end;
    /* loose and histogram: */
    uint32_t count;
    int64_t first_ms; /* without bytes */
    int64_t step_ms;
};

/* A closed chunk as a span; rows above `watermark` are cut. */
struct chunk_span chunk_span(const struct chunk *chunk, uint64_t watermark);

/* Appends the samples of [min_ms, max_ms] to the columns' memory; the first `skip_last` from the
 * end are left out whatever their time. ERR_CORRUPT when the bytes make no sense. */
enum err chunk_read(const struct chunk_span *span, int64_t min_ms, int64_t max_ms,
                    uint32_t skip_last, struct sample_columns *out) MUST_CHECK;
