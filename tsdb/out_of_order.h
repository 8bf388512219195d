/*
 * The samples of one series that arrived out of order, within the configured window: kept sorted by
 * time and merged with the others when they are read. Few series have any, so they are stored
 * plainly.
 *
 * Threads: guarded by the lock of the series.
 */
#pragma once

#include "base/compiler.h"
#include "base/slice.h"
#include "model/series_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out_of_order_sample {
    int64_t timestamp_ms;
    uint64_t deletion; /* the number of the one that took it, 0 = it is there */
    uint64_t bits;     /* of a float sample */
    uint64_t commit;
    char *histogram; /* encoded (histogram_codec.h), NULL for a float sample */
    uint32_t histogram_len;
};

struct out_of_order {
    VEC(struct out_of_order_sample)
    samples; /* by time; of one time, all but the last are deleted */
};

void out_of_order_free(struct out_of_order *samples);
/* The sample at that time that is not deleted, NULL if there is none. */
const struct out_of_order_sample *out_of_order_find(const struct out_of_order *samples,
                                                    int64_t t_ms);
/* Copies the histogram's bytes. There must be no sample at that time. */
void out_of_order_insert(struct out_of_order *samples, struct out_of_order_sample sample);
/* Forgets what is older; the histograms of those are freed. */
void out_of_order_drop_before(struct out_of_order *samples, int64_t min_ms);
/* Deletes what is there of [min_ms, max_ms]: views that know of this deletion see it no more. What
 * comes later is not meant. */
void out_of_order_delete(struct out_of_order *samples, int64_t min_ms, int64_t max_ms,
                         uint64_t deletion);
/* Forgets what is deleted: nobody can see it. */
void out_of_order_drop_deleted(struct out_of_order *samples);
/* Forgets what came with the commit or before it. */
void out_of_order_drop_commits(struct out_of_order *samples, uint64_t commit);
/* What a view may see: the commits and deletions until it was opened. */
struct out_of_order_sight {
    uint64_t watermark;
    uint64_t deletion;
};
/* How many are not deleted. */
size_t out_of_order_count(const struct out_of_order *samples);
/* Is there something in [min_ms, max_ms] that is not deleted? */
bool out_of_order_overlaps(const struct out_of_order *samples, struct out_of_order_sight sight,
                           int64_t min_ms, int64_t max_ms);
/* Merges what a view may see of [min_ms, max_ms] into the columns' memory, whose times are sorted;
 * at equal times what is there already wins. */
enum err out_of_order_merge(const struct out_of_order *samples, struct out_of_order_sight sight,
                            int64_t min_ms, int64_t max_ms, struct sample_columns *out) MUST_CHECK;
