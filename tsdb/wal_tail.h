/*
 * Following the WAL: committed records from a position on, in commit order, for the remote write
 * sender. A tail holds back the deletion of segments that it has not read, within a limit.
 *
 * Thread-safety: a tail has one owner.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "tsdb/tsdb.h"

#include <stdbool.h>
#include <stdint.h>

struct wal_tail;

struct wal_tail_sample {
    const struct labels *labels; /* valid until the next call */
    int64_t timestamp_ms;
    double value;
    const struct histogram *histogram; /* NULL for a float sample */
};

/* From now on: only what is committed later. `hold_bytes_max` limits what it holds back. */
enum err wal_tail_open(struct tsdb *db, uint64_t hold_bytes_max, struct wal_tail **out,
                       struct errbuf *err) MUST_CHECK;
void wal_tail_close(struct wal_tail *tail);

/* Calls `each` for the samples of at most one frame; *out_any is false when there is nothing new. */
enum err wal_tail_next(struct wal_tail *tail,
                       void (*each)(const struct wal_tail_sample *sample, void *context),
                       void *context, bool *out_any, struct errbuf *err) MUST_CHECK;
