/*
 * Makes the payload of a commit's frame: records, columnar by group (docs/formats/wal.md).
 *
 *     1 series        label sets, numbered in order of definition within the segment
 *     2 layout        which series lie at which position of a group
 *     3 row           a time, positions that come or go, a bitmap of changed ones, a token for each
 *     4 loose         columns of series, times and tokens
 *     5 out of order  columns of series, times and raw bits
 *     6 histograms    series, time and encoded histogram, each
 *     7 exemplars     series, time, value and labels, each
 *     8 starts        series, time of a sample and since when it counts, each
 *     9 deletions     series, begin and end of the span, each
 *    10 row alone     as row, where the frame has nothing else
 *    12 packed row    a row whose tokens are packed into bits (token_packing.h)
 *    13 packed row alone
 *    14 packed loose  columns of series and times in runs, which samples changed, packed tokens
 *
 * Every segment stands for itself: series are defined again, and groups begin with absolute values,
 * at their first use in it. So the tokens' predecessors are defined by the segment alone, and
 * segments can be deleted in any order.
 *
 * Threads: owned by the commit lock.
 */
#pragma once

#include "base/buf.h"
#include "base/vec.h"
#include "tsdb/row.h"
#include "tsdb/token_packing.h"
#include "tsdb/transaction.h"

#include <stdint.h>

enum wal_record_kind {
    WAL_RECORD_SERIES = 1,
    WAL_RECORD_LAYOUT = 2,
    WAL_RECORD_ROW = 3,
    WAL_RECORD_LOOSE = 4,
    WAL_RECORD_OUT_OF_ORDER = 5,
    WAL_RECORD_HISTOGRAMS = 6,
    WAL_RECORD_EXEMPLARS = 7,
    WAL_RECORD_STARTS = 8,
    WAL_RECORD_DELETIONS = 9,
    WAL_RECORD_ROW_ALONE = 10,
    WAL_RECORD_LATE_STORED = 11,
    WAL_RECORD_PACKED_ROW = 12,
    WAL_RECORD_PACKED_ROW_ALONE = 13,
    WAL_RECORD_PACKED_LOOSE = 14,
};

/* How a column of differences is written. */
enum wal_column_form {
    WAL_COLUMN_PLAIN = 0,
    WAL_COLUMN_RUNS = 1, /* so many times the same */
};

/* A packed record of loose samples has no more. */
#define WAL_PACKED_LOOSE_MAX 65536

/* How a row says which positions changed. */
enum wal_bitmap_form {
    WAL_BITMAP_PLAIN = 0,
    WAL_BITMAP_SAME = 1,   /* those of the row before */
    WAL_BITMAP_SPARSE = 2, /* the positions that differ from those of the row before */
};

/* flags of a histogram */
#define WAL_HISTOGRAM_OUT_OF_ORDER 1u

/* flags of an exemplar */
#define WAL_EXEMPLAR_TIMED 1u

/* flags of a start timestamp */
#define WAL_START_LATE 1u

/* A span of a series that is deleted; inclusive. */
struct wal_deletion {
    struct series *series;
    int64_t min_ms;
    int64_t max_ms;
};

/* What the segment knows of the loose samples of a series. */
struct wal_loose_context {
    struct token_context tokens;
    bool changed; /* the last one differed from the one before it */
};

struct wal_writer {
    uint64_t wal_segment;      /* the number of the segment's file */
    uint32_t segment;          /* counts segments of this process from 1 */
    uint32_t series_count;     /* defined in it */
    uint32_t definition_count; /* in this commit */
    const struct labels *definition_last;
    struct buf definitions;
    struct buf body;
    size_t row_end; /* in the body; 0 = there is none */
    struct buf payload;
    VEC(uint64_t) changed;            /* bitmap of a row */
    VEC(struct wal_loose_context) loose; /* by number */
    VEC(int64_t) differences;         /* of a column */
    VEC(uint32_t) flips;              /* samples that changed where the one before did not */
    VEC(struct staged_start) carried; /* what series count since that are new in the segment */
};

void wal_writer_init(struct wal_writer *writer);
void wal_writer_release(struct wal_writer *writer);
/* The number of the segment that is written: forgets what an older one knew. */
void wal_writer_segment(struct wal_writer *writer, uint64_t wal_segment);
void wal_writer_begin(struct wal_writer *writer);
/* After row_encode, before row_apply. */
void wal_writer_row(struct wal_writer *writer, struct row *row);
/* The samples of a transaction that has its verdicts and tokens. */
void wal_writer_samples(struct wal_writer *writer, const struct transaction *transaction);
/* Its exemplars, of which there are some. */
void wal_writer_exemplars(struct wal_writer *writer, const struct transaction *transaction);
/* Spans to delete, in the order of their series' refs; some. */
void wal_writer_deletions(struct wal_writer *writer, const struct wal_deletion *deletions,
                          size_t count);
/* Blocks have the samples out of order of the log's segments before this one. */
void wal_writer_late_stored(struct wal_writer *writer, uint64_t wal_segment);
/* The payload, with its start timestamps; empty when there is nothing to write. Valid until the
 * next begin. `transaction` may be NULL. */
struct slice wal_writer_finish(struct wal_writer *writer, const struct transaction *transaction);
