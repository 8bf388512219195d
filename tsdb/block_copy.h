/*
 * The samples of a view into a block that is being written: for cutting the head, for compaction
 * and for snapshots.
 *
 * Thread-safety: one owner of writer and view. Memory: the entries of the selected series, and the
 * samples of one of them.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "model/series_source.h"
#include "tsdb/block_writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block_copy {
    struct block_writer *writer;
    struct series_view *view;
    /* Which series; they must come after those that the writer has. Samples of [min_ms, max_ms]. */
    struct series_query query;
    /* Times, ascending, at which reading is split, since other parts of a merged view begin there:
     * then nothing has to be merged. None needed. */
    const int64_t *splits_ms;
    size_t split_count;
    /* Called once in a while, for what was read may be let go of; may be NULL. */
    void (*breathe)(void *context);
    void *breathe_context;
    const _Atomic bool *stop; /* ERR_CANCELED soon after it becomes true; may be NULL */
};

/* `out_series` (may be NULL) is how many were selected. */
enum err block_copy_series(const struct block_copy *copy, size_t *out_series,
                           struct errbuf *err) MUST_CHECK;
