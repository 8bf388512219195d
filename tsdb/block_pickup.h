/*
 * Blocks that a person puts into blocks/ or takes out of it while the server runs: backfilling with
 * the tool, a block from a backup, one that was set aside and mended.
 *
 * What is there and not served is opened and served from then on. It is marked as made of samples
 * out of order, also in its meta.json: the head may have samples before its end, and a start must not
 * leave these out. What does not open may be in the middle of being copied; it is said once and tried
 * again. What is served and not there any more is not served from then on.
 *
 * Threads: the holder of the maintenance lock.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/vec.h"
#include "tsdb/block_meta.h"

struct tsdb;

struct block_pickup {
    VEC(struct ulid) refused; /* said already why these are not served */
};

void block_pickup_release(struct block_pickup *pickup);

/* Looks once. An error: the directory cannot be read; everything stays as it was. */
enum err block_pickup_run(struct tsdb *db, struct errbuf *err) MUST_CHECK;
