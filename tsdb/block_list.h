/*
 * The blocks that are served, as immutable lists behind one pointer. Who reads takes the present
 * list and keeps it; who cuts, compacts or deletes makes another one and publishes it in one step,
 * so that a reader sees either what was before or what is after, never both and never neither.
 *
 * A list says where the head begins: `head_from_ms`. Samples before it are read from the blocks,
 * others from the head; only samples that came out of order are read from the head whatever their
 * time. So a block that was cut from the head and the time from which the head is read change
 * together.
 *
 * Ownership: lists are reference-counted and hold their blocks. Thread-safety: taking and
 * publishing from any thread; whoever publishes holds the maintenance lock from taking the list
 * that the new one is made of until then.
 */
#pragma once

#include "base/compiler.h"
#include "base/mutex.h"
#include "tsdb/block.h"
#include "tsdb/index_leaves.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block_list {
    _Atomic uint32_t reference_count;
    int64_t head_from_ms; /* INT64_MIN = the head has everything */
    size_t count;
    struct block *blocks[]; /* counted; by min_ms, then max_ms, then name */
};

/* A list of these blocks, in any order; references of its own. */
struct block_list *block_list_new(struct block *const *blocks, size_t count,
                                  int64_t head_from_ms) MUST_CHECK;
/* `list` without `gone` and with `added`; what is not in the list may be in `gone`. */
struct block_list *block_list_change(const struct block_list *list, struct block *const *gone,
                                     size_t gone_count, struct block *const *added,
                                     size_t added_count, int64_t head_from_ms) MUST_CHECK;
struct block_list *block_list_ref(struct block_list *list);
void block_list_unref(struct block_list *list); /* NULL is fine */

uint64_t block_list_bytes(const struct block_list *list);
/* The oldest time, INT64_MAX without blocks. */
int64_t block_list_min_ms(const struct block_list *list);
/* Where the blocks that were cut from the head in order end: the head need not know anything before
 * it. INT64_MIN when there are none. Blocks of samples that came out of order say nothing about it.
 */
int64_t block_list_cut_ms(const struct block_list *list);

/* Has the block samples of [min_ms, max_ms]? */
bool block_overlaps(const struct block *block, int64_t min_ms, int64_t max_ms);

/* Where the present list is. */
struct block_shelf {
    struct mutex lock;
    struct block_list *present; /* guarded by lock; counted; never NULL */
    struct index_leaves leaves; /* pages of the blocks' indexes */
};

/* Begins with an empty list. */
void block_shelf_init(struct block_shelf *shelf);
/* Nobody has a list any more. */
void block_shelf_release(struct block_shelf *shelf);
/* The present list, counted for the caller. */
struct block_list *block_shelf_take(struct block_shelf *shelf) MUST_CHECK;
/* Takes over the caller's reference. The blocks keep pages of their indexes on the shelf. */
void block_shelf_publish(struct block_shelf *shelf, struct block_list *list);
