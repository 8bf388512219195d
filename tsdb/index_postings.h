/*
 * The series that have a label pair, as bytes in an index: ascending ranks, as runs of neighbours
 * where that is smaller, else packed differences.
 *
 * Thread-safety: pure functions.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/vec.h"

#include <stddef.h>
#include <stdint.h>

typedef VEC(uint32_t) series_ids;

/* `ids` ascend without repetition. */
void index_postings_write(const uint32_t *ids, size_t count, struct buf *out);
/* Appends the ids; ERR_CORRUPT when they do not ascend or reach `series_count`. */
enum err index_postings_read(struct slice bytes, uint32_t count, uint32_t series_count,
                             series_ids *out) MUST_CHECK;

/* Sorts and takes repetitions out: after lists of several values were appended. */
void series_ids_sort(series_ids *ids);
/* Keeps what is in both; both ascend. */
void series_ids_intersect(series_ids *ids, const series_ids *other);
/* Takes out what is in `other`. */
void series_ids_subtract(series_ids *ids, const series_ids *other);
