/*
 * What is done to blocks in the background and on request: compaction, retention, cleaning of
 * deletions. Each step makes new files first, then publishes a list, then deletes the old files, so
 * that a query sees the same samples before and after, and so does a start after a crash.
 *
 * Threads: the holder of the maintenance lock.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "tsdb/tsdb_internal.h"

#include <stdbool.h>
#include <stdint.h>

/* One compaction, when one is due: `*out_did`. One that fails is logged and counted, and its blocks
 * are marked, so that the next call does something else. */
enum err block_upkeep_compact(struct tsdb *db, bool *out_did, struct errbuf *err) MUST_CHECK;

/* Deletes the blocks that are kept no longer. `bytes_max` = 0: no limit by size. */
void block_upkeep_retain(struct tsdb *db, uint64_t bytes_max);

enum err block_upkeep_delete(struct tsdb *db, const struct matcher *const *matchers, size_t count,
                             int64_t min_ms, int64_t max_ms, struct errbuf *err) MUST_CHECK;
