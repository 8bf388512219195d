/*
 * The order in which a block is best written: series of a metric that differ by `le` alone - the
 * buckets of one classic histogram - one behind the other, by their bounds. They move together, so
 * that each is stored as what it is above the bucket before (chunk_family.h).
 *
 * Thread-safety: pure functions. Memory: 32 bytes for each series of the largest metric with
 * buckets.
 */
#pragma once

#include "base/vec.h"
#include "model/series_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bucket_place {
    const struct series_entry *entry;
    double bound;
    uint32_t label; /* which one is `le`; UINT32_MAX = none */
    bool related;   /* differs from the place before by `le` alone */
};

typedef VEC(struct bucket_place) bucket_places;

/* `entries` are sorted by labels. How many from the first on are of one metric; `has_buckets` says
 * whether any has an `le`. */
size_t bucket_order_metric(const struct series_entry *entries, size_t count, bool *has_buckets);
/* Replaces `out` by those entries, in the order in which they are to be written. */
void bucket_order_make(const struct series_entry *entries, size_t count, bucket_places *out);
