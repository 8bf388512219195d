/*
 * The pages of a block that a reader has unpacked. Of series whose chunks follow one another that
 * is the last page; those of a family (chunk_family.h) share their pages, which are kept to be read
 * again for the next member.
 *
 * Ownership: an embedded value; the block is borrowed. Thread-safety: one owner. Memory: up to
 * BLOCK_PAGES_KEPT pages, a single one where there are no families.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "tsdb/chunk_sums.h"
#include "tsdb/page.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_PAGES_KEPT 8

struct block;

struct block_pages {
    const struct block *block;
    size_t at_hand; /* the page asked for last; SIZE_MAX = none */
    struct unpacked_page {
        size_t number;     /* SIZE_MAX = none */
        struct buf stored; /* the pages [stored_first, stored_end) */
        size_t stored_first;
        size_t stored_end;
        struct page page; /* may point into `stored` */
    } * kept[BLOCK_PAGES_KEPT];
};

void block_pages_init(struct block_pages *pages, const struct block *block);
void block_pages_release(struct block_pages *pages);
/* The chunk with this number, there until another one is asked for; `of_family`: chunks of other
 * series lie between those of its own. */
enum err block_pages_chunk(struct block_pages *pages, uint64_t number, bool of_family,
                           struct chunk_place *out, struct errbuf *err) MUST_CHECK;
