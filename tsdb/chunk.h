/*
 * A run of samples of one series. The head keeps one open chunk a series (series.h) and a list of
 * closed ones; both are read through the same `struct chunk_span`. What a chunk's bytes mean is
 * known here only, so a denser encoding is one more kind. The bytes of a closed chunk follow it in
 * memory until it is sealed (head_seal.h); then they are in a mapped file (head_file.h), and the chunk
 * itself is one of a page of the file's chunks (chunk_pool.h).
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
/* The first of a group or of a series at fewer, by chance: those that began together do not all
 * close their chunks together, and of their open chunks half are half empty. */
#define CHUNK_FIRST_SAMPLES_MIN 8
uint32_t chunk_samples_first(uint64_t number);
/* No sealed chunk has as many (chunk_run.h). */
#define CHUNK_SEALED_MAX 2048
/* And before a sample that is this much later than the last: what a chunk spans fits 32 bits. */
#define CHUNK_STEP_MS_MAX ((int64_t)(UINT32_MAX / CHUNK_SAMPLES_MAX))
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

/* A closed chunk. There are several for each series, so it is small: 32 bytes. */
struct chunk {
    _Atomic(struct chunk *) next; /* the one before it in time */
    union {
        struct time_column *column; /* rows; counted */
        int64_t first_ms;           /* others */
    };
    uint32_t span_ms; /* others: from the first sample to the last */
    uint32_t offset;  /* in the file */
    uint32_t len;
    uint16_t count; /* loose, histogram: samples; rows: one past the last row */
    uint8_t row_first;
    uint8_t kind : 7;
    uint8_t in_file : 1; /* else the bytes follow the chunk */
};

struct head_file;
struct chunk_filler;

/* What a chunk is, but for its bytes. */
struct chunk_shape {
    enum chunk_kind kind;
    struct time_column *column; /* rows; the chunk takes a reference */
    uint32_t row_first;         /* rows */
    uint32_t count;             /* as the chunk's */
    int64_t min_ms;             /* others; at most UINT32_MAX apart */
    int64_t max_ms;
};

/* The caller fills in the bytes. */
struct chunk *chunk_new(const struct chunk_shape *shape, size_t len) MUST_CHECK;
/* A chunk whose bytes are in the filler's file. */
struct chunk *chunk_new_in_file(const struct chunk_shape *shape, struct chunk_filler *filler,
                                size_t offset, size_t len) MUST_CHECK;
void chunk_free(void *chunk); /* struct chunk; void for the reclaimer */
/* Of memory that is its own: one in a file has none (chunk_pool.h). */
size_t chunk_size(const struct chunk *chunk);
/* NULL: the bytes are in memory. */
struct head_file *chunk_file(const struct chunk *chunk);
uint8_t *chunk_bytes(const struct chunk *chunk);

static inline struct time_column *chunk_column(const struct chunk *chunk)
{
    return chunk_kind_has_rows((enum chunk_kind)chunk->kind) ? chunk->column : NULL;
}
/* The times of the first and the last sample. */
static inline int64_t chunk_min_ms(const struct chunk *chunk)
{
    const struct time_column *column = chunk_column(chunk);
    return column == NULL ? chunk->first_ms : column->times_ms[chunk->row_first];
}
static inline int64_t chunk_max_ms(const struct chunk *chunk)
{
    const struct time_column *column = chunk_column(chunk);
    return column == NULL ? (int64_t)((uint64_t)chunk->first_ms + chunk->span_ms)
                          : column->times_ms[chunk->count - 1];
}

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
