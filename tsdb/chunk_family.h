/*
 * The chunks of series that move together, gathered while a block is written: the buckets of one
 * classic histogram. Chunks of the same times come to lie side by side,
 *
 *     bucket 1, first two hours   bucket 2, first two hours   ...   bucket 1, next two hours   ...
 *
 * and each but the first may be stored as what it is above the one before it: of a bucket that is
 * what the bounds between them caught, which is less than what all below them did, and often none.
 * A series without relatives is a family of one.
 *
 * Ownership: an embedded value; labels are borrowed. Thread-safety: one owner. Memory: the chunks
 * of the family, twice where there are relatives; chunk_family_full says when it is enough.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"
#include "base/vec.h"
#include "model/labels.h"
#include "tsdb/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many differences are added up at most to read a chunk. */
#define CHUNK_FAMILY_DEPTH_MAX 16

struct family_chunk {
    struct page_chunk chunk; /* its bytes are set by chunk_family_pick */
    int64_t min_ms;
    int64_t max_ms;
    size_t offset; /* of the chunk by itself */
    size_t len;
    size_t above_offset; /* of the differences */
    size_t above_len;    /* 0 = there are none, or they are not worth it */
};

struct chunk_family {
    VEC(const struct labels *) members;
    VEC(struct family_chunk) chunks; /* member by member */
    size_t slice_count;              /* chunks of each member */
    /* private */
    struct buf bytes;
    size_t first_of_last; /* chunk of the last member */
    bool aligned;         /* so far the last member's chunks are as the first one's */
    VEC(double) before;   /* values of the member before the last */
    size_t before_at;
    VEC(double) differences;
};

void chunk_family_init(struct chunk_family *family);
void chunk_family_release(struct chunk_family *family);
/* Forgets all members. */
void chunk_family_reset(struct chunk_family *family);

/* Should it be written before another member comes? */
bool chunk_family_full(const struct chunk_family *family);
void chunk_family_begin_member(struct chunk_family *family, const struct labels *labels);
/* The next chunk of the member; `values` (NULL where they are not all floats) are what is in it. */
void chunk_family_add(struct chunk_family *family, const struct family_chunk *chunk,
                      const double *values);
/* The member has `count` values in all. False: it has other times than those before, which are to
 * be written without it; chunk_family_keep_last then. */
bool chunk_family_end_member(struct chunk_family *family, const double *values, size_t count);
/* Forgets all members but the last. */
void chunk_family_keep_last(struct chunk_family *family);

/* The chunk of a member in a slice, by itself or, with `above`, as differences if it has them: what
 * is smaller is a matter of `above_len`. */
const struct page_chunk *chunk_family_pick(struct chunk_family *family, size_t member, size_t slice,
                                           bool above);
