/*
 * Values of chunks that are stored as what they are above others (PAGE_CHUNK_ABOVE): the chunk that
 * stands by itself, and the differences up to the one that is asked for, added up. The last few
 * results are kept, so that the buckets of a histogram, read one after another, take one addition
 * each.
 *
 * Ownership: an embedded value; zero is empty. Thread-safety: one owner. Memory: up to
 * CHUNK_SUMS_KEPT chunks, none where all chunks stand by themselves.
 */
#pragma once

#include "base/compiler.h"
#include "tsdb/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_SUMS_KEPT 16

/* Where a chunk is, as long as the page is there. */
struct chunk_place {
    const struct page *page;
    uint64_t page_first; /* the number of the page's first chunk in its block */
    uint64_t page_offset;
    uint32_t number; /* in the page */
    const struct page_chunk *chunk;
};

struct chunk_sums {
    struct chunk_sum {
        uint64_t number; /* of the chunk in its block, plus 1; 0 = none */
        size_t low;      /* of its values these: [low, high) */
        size_t high;
        double *values;
    } kept[CHUNK_SUMS_KEPT];
    size_t next; /* to be replaced */
    double *differences;
};

void chunk_sums_release(struct chunk_sums *sums);
/* The values [low, high), one at least, of a chunk of the kind PAGE_CHUNK_VALUES or
 * PAGE_CHUNK_ABOVE with at most VALUE_CHUNK_COUNT_MAX of them. False when the bytes make no sense.
 */
bool chunk_sums_decode(struct chunk_sums *sums, const struct chunk_place *place, size_t low,
                       size_t high, double *out) MUST_CHECK;
