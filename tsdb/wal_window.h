/*
 * Rows that a replay has read but not applied yet, so that those of one group can be applied one
 * after another, while its series are in the processor's cache: taken as they come, every row of
 * another group finds memory cold.
 *
 * Only frames that are a single row and nothing else may wait, since rows of different groups have
 * no series in common as long as nothing is said about layouts, and loose samples, in between.
 *
 * Thread-safety: one owner.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many bytes of rows wait at most, and little more. */
#define WAL_WINDOW_BYTES ((size_t)4 << 20)

struct wal_window_row {
    uint64_t group;
    size_t offset; /* of the frame in the segment */
    size_t at;     /* in bytes */
    size_t len;
};

struct wal_window {
    VEC(struct wal_window_row) rows;
    struct buf bytes;
};

void wal_window_init(struct wal_window *window);
void wal_window_release(struct wal_window *window);
/* Takes a copy of a frame's payload; false when it has to be read at its place in the log. */
bool wal_window_add(struct wal_window *window, struct slice payload, size_t offset);
bool wal_window_is_full(const struct wal_window *window);
/* Puts the rows of a group together, in the order in which they came. */
void wal_window_sort(struct wal_window *window);
void wal_window_reset(struct wal_window *window);

static inline struct slice wal_window_payload(const struct wal_window *window, size_t i)
{
    const struct wal_window_row *row = &window->rows.items[i];
    return slice_from(window->bytes.data + row->at, row->len);
}
