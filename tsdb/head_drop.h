/*
 * What leaves the head: samples that are older than the retention, or that are in blocks.
 * Afterwards the head knows anew what its oldest samples are.
 *
 * Threads: the holder of the maintenance lock; commits go on in between.
 */
#pragma once

#include "tsdb/tsdb_internal.h"

#include <stdbool.h>
#include <stdint.h>

struct head_drop {
    int64_t cutoff_ms;      /* samples in order before this go; whole chunks of them */
    int64_t late_cutoff_ms; /* the same for samples that came out of order */
    bool late_is_stored;    /* of those, what came with this commit or before goes too: */
    uint64_t late_commit;
};

/* No view may be open that is to see what goes. */
void head_drop_samples(struct tsdb *db, const struct head_drop *drop);
/* A time from `from_ms` on before which no sample in order is; INT64_MAX when there is none. */
int64_t head_oldest_ms(struct tsdb *db, int64_t from_ms);
