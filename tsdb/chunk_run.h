/*
 * Neighbouring chunks of one series as one: sealing joins chunks of like length, so that four of
 * 120 samples become one of about 480, which takes a quarter of the memory that finding chunks
 * costs, and fewer bytes. As with the digits of a counter, a short one and its older neighbour of
 * no more samples become one:
 *
 *     closed list, newest first:  [120 in memory] [120] [240] [480] ...
 *                                  └──────── a run ─────────┘
 *
 * Rows of a run are rows of one longer time column, which the members of a group share again. It
 * does not know which commit wrote a row, so rows join only when every view may see them.
 *
 * Threads: by the sealing thread alone (head_seal.h); chunks are immutable.
 */
#pragma once

#include "base/vec.h"
#include "tsdb/chunk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A run ends at so many samples, and a chunk of as many is joined no more. */
#define CHUNK_RUN_SAMPLES_MIN 420
#define CHUNK_RUN_CHUNKS_MAX 16

struct chunk_run {
    struct chunk *chunks[CHUNK_RUN_CHUNKS_MAX]; /* newest first */
    size_t count;
};

/* The run that begins with `newest`; false when it has no neighbour to be joined with. */
bool chunk_run_find(struct chunk *newest, uint64_t low_watermark, struct chunk_run *out);

/* The longer columns that were made so far. Zeroed memory is empty. */
struct chunk_run_columns {
    VEC(struct chunk_run_column {
        struct time_column *column; /* counted */
        struct time_column *parts[CHUNK_RUN_CHUNKS_MAX];
        uint32_t rows[CHUNK_RUN_CHUNKS_MAX]; /* of the parts: one may still grow */
        size_t part_count;
    })
    made;
};

/* The column of a run of rows; borrowed until chunk_run_columns_release. */
struct time_column *chunk_run_column(struct chunk_run_columns *columns,
                                     const struct chunk_run *run) MUST_CHECK;
void chunk_run_columns_release(struct chunk_run_columns *columns);
