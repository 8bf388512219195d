/*
 * Where the decoders of chunks put samples: columns, of which only the wanted range is filled, and
 * without what is deleted.
 *
 * Ownership: everything is borrowed from the reader of a series. Thread-safety: one owner.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "model/series_source.h"
#include "tsdb/tombstones.h"

#include <stdbool.h>
#include <stdint.h>

struct chunk_samples {
    struct sample_columns *out;
    int64_t min_ms;
    int64_t max_ms;
    struct tombstone_spans deleted;
    /* private */
    size_t deleted_at;
    int64_t last_ms;
    bool has_last;
};

/* Empties the columns. */
void chunk_samples_begin(struct chunk_samples *samples, struct sample_columns *out, int64_t min_ms,
                         int64_t max_ms, struct tombstone_spans deleted);
/* Is a sample of that time wanted? ERR_CORRUPT where times do not rise. */
enum err chunk_samples_check(struct chunk_samples *samples, int64_t time_ms, bool *out_wanted,
                             struct errbuf *err) MUST_CHECK;
/* One that is. `histogram` lives in the arena of the columns, or is NULL. */
void chunk_samples_push(struct chunk_samples *samples, int64_t time_ms, double value,
                        const struct histogram *histogram, int64_t start_ms);
/* Points the columns to what was pushed. */
void chunk_samples_finish(struct chunk_samples *samples);
