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
    uint64_t bits; /* of a float sample */
    uint64_t commit;
    char *histogram; /* encoded (histogram_codec.h), NULL for a float sample */
    uint32_t histogram_len;
};

struct out_of_order {
    VEC(struct out_of_order_sample) samples; /* sorted by time, times differ */
};

void out_of_order_free(struct out_of_order *samples);
/* The sample at that time, NULL if there is none. */
const struct out_of_order_sample *out_of_order_find(const struct out_of_order *samples,
                                                    int64_t t_ms);
/* Copies the histogram's bytes. There must be no sample at that time. */
void out_of_order_insert(struct out_of_order *samples, struct out_of_order_sample sample);
/* Forgets what is older; the histograms of those are freed. */
void out_of_order_drop_before(struct out_of_order *samples, int64_t min_ms);
/* Forgets what came with the commit or before it. */
void out_of_order_drop_commits(struct out_of_order *samples, uint64_t commit);
/* Merges what a view may see of [min_ms, max_ms] into the columns' memory, whose times are sorted;
 * at equal times what is there already wins. */
enum err out_of_order_merge(const struct out_of_order *samples, uint64_t watermark, int64_t min_ms,
                            int64_t max_ms, struct sample_columns *out) MUST_CHECK;
