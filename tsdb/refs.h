/*
 * From a ref to its series without a lock: pages of pointers, found through a directory. Refs count
 * up from 1 and are never used again; a page whose series are all gone is given back.
 *
 * Threads: refs_get from any registered reader (isolation.h); changes under the postings lock.
 */
#pragma once

#include "tsdb/appender.h"
#include "tsdb/isolation.h"
#include "tsdb/series.h"

#include <stddef.h>
#include <stdint.h>

#define REFS_PAGE_BITS 9
#define REFS_PAGE_SIZE (1u << REFS_PAGE_BITS)

struct refs_page {
    uint32_t live;
    _Atomic(struct series *) series[REFS_PAGE_SIZE];
};

struct refs_directory {
    size_t count;
    _Atomic(struct refs_page *) pages[];
};

struct refs {
    struct isolation *isolation;
    _Atomic(struct refs_directory *) directory;
    _Atomic series_ref next; /* the first that was not handed out */
};

void refs_init(struct refs *refs, struct isolation *isolation);
void refs_release(struct refs *refs); /* the series are the caller's */
series_ref refs_take(struct refs *refs);
void refs_set(struct refs *refs, series_ref ref, struct series *series);
void refs_clear(struct refs *refs, series_ref ref);
size_t refs_memory(const struct refs *refs);

static inline struct series *refs_get(const struct refs *refs, series_ref ref)
{
    const struct refs_directory *directory = refs->directory;
    size_t page_index = ref >> REFS_PAGE_BITS;
    if (UNLIKELY(page_index >= directory->count))
        return NULL;
    struct refs_page *page = directory->pages[page_index];
    return page == NULL ? NULL : page->series[ref & (REFS_PAGE_SIZE - 1)];
}

/* The next live series from `*ref` on, which is moved behind it; NULL at the end. */
struct series *refs_next(const struct refs *refs, series_ref *ref);
