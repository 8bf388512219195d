#include "tsdb/compaction_plan.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/compiler.h"

#define LEVEL_FACTOR 3
#define DAY_MS INT64_C(86400000)
#define BLOCK_MAX_MS (31 * DAY_MS)
#define RETENTION_PARTS 10
/* Deletions for each hundred series from which rewriting pays. */
#define TOMBSTONE_PERCENT 5

/* A run of blocks in the sorted list. */
struct run {
    size_t from;
    size_t count;
};

void compaction_ranges_init(struct compaction_ranges *ranges, int64_t min_ms, int64_t max_ms)
{
    ASSERT(min_ms > 0);
    ranges->count = 0;
    int64_t length_ms = min_ms;
    do {
        ranges->lengths_ms[ranges->count++] = length_ms;
        if (__builtin_mul_overflow(length_ms, LEVEL_FACTOR, &length_ms))
            return;
    } while (length_ms <= max_ms && ranges->count < COMPACTION_LEVELS_MAX);
}

int64_t compaction_default_max_ms(int64_t retention_ms)
{
    if (retention_ms <= 0)
        return BLOCK_MAX_MS;
    return MIN(retention_ms / RETENTION_PARTS, BLOCK_MAX_MS);
}

/* By begin; of two that begin together the one made first, so that the order is always the same. */
static int compare_begin(const void *a, const void *b)
{
    const struct block_meta *x = *(const struct block_meta *const *)a;
    const struct block_meta *y = *(const struct block_meta *const *)b;
    if (x->min_ms != y->min_ms)
        return x->min_ms < y->min_ms ? -1 : 1;
    return strcmp(x->ulid.text, y->ulid.text);
}

/* The first blocks that are connected by overlaps. */
static struct run find_overlap(const struct block_meta *const *metas, size_t count)
{
    struct run run = {0};
    int64_t end_ms = metas[0]->max_ms;
    for (size_t i = 1; i < count; i++) {
        if (metas[i]->min_ms < end_ms) {
            if (run.count == 0)
                run = (struct run){i - 1, 1};
            run.count++;
        } else if (run.count > 0) {
            break;
        }
        end_ms = MAX(end_ms, metas[i]->max_ms);
    }
    return run;
}

/* The blocks from `from` on that lie in one range. None when the first sticks out of its own. */
static struct run blocks_of_range(const struct block_meta *const *metas, size_t count, size_t from,
                                  int64_t length_ms)
{
    struct run run = {from, 0};
    int64_t end_ms = block_range_end_ms(metas[from]->min_ms, length_ms);
    while (from + run.count < count && metas[from + run.count]->max_ms <= end_ms)
        run.count++;
    return run;
}

static bool any_failed(const struct block_meta *const *metas, struct run run)
{
    for (size_t i = 0; i < run.count; i++) {
        if (metas[run.from + i]->failed)
            return true;
    }
    return false;
}

/* Does the run fill its range, or will nothing come any more that belongs into it? */
static bool run_is_complete(const struct block_meta *const *metas, struct run run,
                            int64_t length_ms, int64_t newest_ms)
{
    int64_t begin_ms = metas[run.from]->min_ms;
    int64_t end_ms = metas[run.from + run.count - 1]->max_ms;
    return block_span_ms(begin_ms, end_ms) == length_ms || end_ms <= newest_ms;
}

static struct run find_level(const struct compaction_ranges *ranges,
                             const struct block_meta *const *metas, size_t count)
{
    int64_t newest_ms = count == 0 ? 0 : metas[count - 1]->min_ms;
    for (size_t level = 1; level < ranges->count; level++) {
        int64_t length_ms = ranges->lengths_ms[level];
        for (size_t from = 0; from < count;) {
            struct run run = blocks_of_range(metas, count, from, length_ms);
            if (run.count > 1 && !any_failed(metas, run) &&
                run_is_complete(metas, run, length_ms, newest_ms))
                return run;
            from += MAX(run.count, (size_t)1);
        }
    }
    return (struct run){0};
}

/* From the newest on: rewriting old blocks gains less, retention will take them. */
static struct run find_deleted(const struct compaction_ranges *ranges,
                               const struct block_meta *const *metas, size_t count)
{
    int64_t large_ms = ranges->lengths_ms[ranges->count / 2];
    for (size_t i = count; i-- > 0;) {
        const struct block_stats *stats = &metas[i]->stats;
        if (metas[i]->failed)
            continue;
        if (block_span_ms(metas[i]->min_ms, metas[i]->max_ms) < large_ms) {
            if (stats->tombstones > 0 && stats->tombstones >= stats->series)
                return (struct run){i, 1};
            break;
        }
        if ((double)stats->tombstones * 100 > TOMBSTONE_PERCENT * ((double)stats->series + 1))
            return (struct run){i, 1};
    }
    return (struct run){0};
}

size_t compaction_plan(const struct compaction_ranges *ranges, const struct block_meta **metas,
                       size_t count)
{
    ASSERT(ranges->count > 0);
    if (count == 0)
        return 0;
    qsort(metas, count, sizeof(*metas), compare_begin);
    struct run run = find_overlap(metas, count);
    if (run.count > 0 && any_failed(metas, run))
        run.count = 0;
    if (run.count == 0)
        run = find_level(ranges, metas, count - 1);
    if (run.count == 0)
        run = find_deleted(ranges, metas, count - 1);
    memmove(metas, metas + run.from, run.count * sizeof(*metas));
    return run.count;
}
