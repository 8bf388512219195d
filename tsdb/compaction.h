/*
 * Several blocks into one, or one without what was deleted from it. The result is on disk and
 * opened; the blocks that went into it are left to the caller, who publishes the new list first and
 * then deletes them, so that at any moment one or the other can be read.
 *
 * Memory: series are taken metric by metric, so it is that of the largest metric and, of the
 * result, the labels of all series.
 *
 * Thread-safety: one at a time, with deletions kept away: maintenance_lock.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "tsdb/block.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From this length on blocks are packed with more effort: they will be read for long. */
#define COMPACTION_DENSE_MS INT64_C(86400000)

struct compaction {
    const struct fs *fs;
    const char *directory;       /* of the blocks */
    struct block *const *blocks; /* by their begin; of equal times the later wins */
    size_t count;
    struct ulid ulid;         /* of the result */
    bool rewrite;             /* one block once more, not a step up */
    const _Atomic bool *stop; /* may be NULL */
};

/* `*out` is NULL where nothing is left. ERR_CANCELED after a stop; ERR_CORRUPT when a block cannot
 * be read. After a failure the caller removes what may be there under the name of the result
 * (block_leftovers.h). */
enum err compaction_run(const struct compaction *compaction, struct block **out,
                        struct errbuf *err) MUST_CHECK;
