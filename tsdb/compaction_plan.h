/*
 * Which blocks to merge next. Pure: from what the blocks say of themselves to a choice, so that it
 * can be tested with tables.
 *
 * In this order, and only the first that applies:
 *   1. blocks that overlap in time, since every read of them has to merge;
 *   2. blocks that fill a range of a higher level, the smallest level first. Ranges are multiples of
 *      their length since 1970. A range that is not full is taken once a newer block has begun
 *      behind it, since then nothing is missing any more;
 *   3. a large block of which more than 5 % is deleted, or any of which all is.
 * The newest block is left alone by 2 and 3, so that whoever copies blocks away sees each of the
 * smallest size once.
 *
 * Ownership: none; the choice points to the caller's blocks.
 */
#pragma once

#include "tsdb/block_meta.h"

#include <stddef.h>
#include <stdint.h>

#define COMPACTION_LEVELS_MAX 10

/* Lengths of blocks by level, smallest first: each is three of the one before. */
struct compaction_ranges {
    int64_t lengths_ms[COMPACTION_LEVELS_MAX];
    size_t count; /* at least 1 */
};

/* From the length of the smallest blocks up to `max_ms`. */
void compaction_ranges_init(struct compaction_ranges *ranges, int64_t min_ms, int64_t max_ms);
/* The length of the largest blocks when nothing is set: a tenth of the retention by time, at most 31
 * days; 0 = no retention by time. */
int64_t compaction_default_max_ms(int64_t retention_ms);

/* Sorts `metas` by their begin and moves the chosen ones, in that order, to the front. Returns how
 * many they are: 0 when nothing is to be done. */
size_t compaction_plan(const struct compaction_ranges *ranges, const struct block_meta **metas,
                       size_t count);
