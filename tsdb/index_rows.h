/*
 * Rows of series as an index has them: label pairs and chunks, each as the difference from the row
 * before. One form serves the writer's memory and the pages of the file.
 *
 *     uv shared leading pairs  uv further pairs  further x (zz name, zz value)
 *     uv chunk count + 1, or 0 = chunks with the times of those of the row before
 *         count x (zz begin against the end of the chunk before, uv length of time)
 *     uv 0 = the chunks are the next ones, or the step from one to the next, zz first of them less
 * the first of the row before
 *
 * Names and values are numbers; each is the difference from the pair at the same place of the row
 * before. Thread-safety: one owner.
 */
#pragma once

#include "base/buf.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>

struct index_pair {
    uint32_t name;
    uint32_t value;
};

struct index_chunk_times {
    int64_t min_ms;
    int64_t max_ms; /* inclusive */
};

struct index_row {
    VEC(struct index_pair) pairs;
    VEC(struct index_chunk_times) chunks;
    /* numbers in the block: chunk_first, chunk_first + chunk_step, ... */
    uint64_t chunk_first;
    uint32_t chunk_step; /* 1 where there are fewer than two */
};

void index_row_release(struct index_row *row);
/* As before the first row of a page whose next chunk is `chunk_next`. */
void index_row_reset(struct index_row *row, uint64_t chunk_next);

/* Appends `row`, which follows `before`; then makes `before` a copy of it. */
void index_row_write(struct index_row *before, const struct index_row *row, struct buf *out);
/* Turns `row`, the one before, into the next. false when the bytes make no sense: names and values
 * are below 2^32, the counts within the limits of the format. In version 1 chunks are always the
 * next. */
bool index_row_read(struct codec_reader *reader, struct index_row *row,
                    uint32_t version) MUST_CHECK;
