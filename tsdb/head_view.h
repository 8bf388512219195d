/*
 * Views of the head alone, as parts of what a query sees and for those who write its samples into
 * blocks. Implemented in querier.c.
 *
 * Ownership and threads: as series_view.
 */
#pragma once

#include "base/compiler.h"
#include "model/series_source.h"
#include "tsdb/tsdb.h"

#include <stdint.h>

enum head_samples {
    HEAD_SAMPLES_ALL,
    HEAD_SAMPLES_IN_ORDER,
    HEAD_SAMPLES_LATE, /* those that came out of order */
};

/* Takes the watermark and registers as a reader: from now on nothing vanishes that could be seen.
 */
struct series_view *head_view_open(struct tsdb *db, enum head_samples which) MUST_CHECK;
/* Another part of the same moment: sees the commits that `view` sees, which it may not outlive by a
 * read. */
struct series_view *head_view_open_beside(struct series_view *view,
                                          enum head_samples which) MUST_CHECK;
/* Which samples it shows from now on; before the first select. */
void head_view_restrict(struct series_view *view, enum head_samples which);
/* Samples before `from_ms` are in blocks; those that came out of order are seen whatever their
 * time. To be called before the first select. */
void head_view_begin_at(struct series_view *view, int64_t from_ms);
/* Chunks that are damaged are left out from now on and counted, instead of failing reads. */
void head_view_leave_out_damaged(struct series_view *view);
uint64_t head_view_left_out(const struct series_view *view);
/* The commit up to which the view sees. */
uint64_t head_view_watermark(const struct series_view *view);
