/*
 * Cutting the head: when it spans more than one and a half times two hours, the oldest two hours,
 * aligned, become a block.
 *
 *     1. Older samples are refused from now on, and appenders that began before are waited for.
 *     2. A view of the head is written into a block, while commits and queries go on.
 *     3. One list is published with the block and the time from which the head is read.
 *     4. Samples that came out of order become blocks of their own, in the same way.
 *     5. Segments of the log go whose samples are all in blocks.
 *     6. Once the views are gone that took an older list, the head drops what the blocks have.
 *
 * It may end after each step, by a failure or a kill: what is not dropped yet is not seen in the
 * head, what was not published is written again, and a replay leaves out what is in blocks.
 *
 * Threads: the holder of the maintenance lock.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct tsdb;

/* What is between the steps; owned by the maintenance lock. */
struct head_cut {
    bool late_is_due; /* samples out of order, and the log */
    bool drop_is_due;
    uint64_t drop_mark;  /* of isolation.h: earlier views may still read it */
    bool late_is_stored; /* what came out of order with this commit or before: */
    uint64_t late_commit;
    bool has_failed; /* said already */
};

/* Cuts all that is due and drops what can be dropped. When it fails nothing is lost, and the next
 * call tries again. */
enum err head_cut(struct tsdb *db, struct errbuf *err) MUST_CHECK;
/* At the end, when no view is open any more: drops what blocks have. */
void head_cut_finish(struct tsdb *db);
/* At start, after the replay: leaves out what blocks have. */
void head_cut_settle(struct tsdb *db);
