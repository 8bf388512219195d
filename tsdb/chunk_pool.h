/*
 * Memory for sealed chunks (chunk.h): a few tens of bytes each that say where the samples lie, very
 * many of them, and whole neighbourhoods come and go together. They lie in pages of one file's
 * chunks of about one length, so that a page empties when its neighbourhood was merged or dropped,
 * and knows for all of them what file they are in.
 *
 *     page of 4 KiB, aligned: file, live | chunk | chunk | chunk | ... 127
 *
 * Empty pages are kept for the next file: sealing needs as many again.
 *
 * A *filler* puts the chunks of one file into pages and holds the pages that it is filling.
 *
 * Threads: a filler has one owner; chunks are given back by any thread.
 */
#pragma once

#include "base/compiler.h"
#include "base/mutex.h"
#include "base/vec.h"
#include "tsdb/chunk.h"

#include <stddef.h>
#include <stdint.h>

#define CHUNK_PAGE_BYTES 4096
#define CHUNK_PAGE_CHUNKS 127

struct head_file;

struct chunk_page {
    struct head_file *file; /* counted */
    struct chunk_pool *pool;
    struct chunk_page *next;   /* of those that are empty */
    _Atomic uint32_t live;     /* chunks, and one while it is being filled */
    uint32_t used;             /* owned by the filler */
    struct chunk chunks[CHUNK_PAGE_CHUNKS];
};

struct chunk_pool {
    struct mutex lock;
    /* guarded by lock: */
    struct chunk_page *empty;
    VEC(void *) slabs;
};

void chunk_pool_init(struct chunk_pool *pool);
void chunk_pool_release(struct chunk_pool *pool); /* the chunks must be gone */
size_t chunk_pool_memory(struct chunk_pool *pool);

/* Chunks that are merged soon, later, and not any more. */
#define CHUNK_FILLER_LENGTHS 3

struct chunk_filler {
    struct chunk_pool *pool;
    struct head_file *file; /* borrowed */
    struct chunk_page *pages[CHUNK_FILLER_LENGTHS];
};

/* A chunk of `count` samples of the file; its other fields are the caller's to set. */
struct chunk *chunk_filler_take(struct chunk_filler *filler, size_t count) MUST_CHECK;
/* No more chunks come. */
void chunk_filler_end(struct chunk_filler *filler);

/* The page of a chunk that is in a file. */
static inline struct chunk_page *chunk_page(const struct chunk *chunk)
{
    return (struct chunk_page *)((uintptr_t)chunk & ~(uintptr_t)(CHUNK_PAGE_BYTES - 1));
}
/* Gives back a chunk that is in a file. */
void chunk_pool_give_back(struct chunk *chunk);
