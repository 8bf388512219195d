/*
 * Memory for one operation (a query, a scrape, a config load): allocation is a pointer bump, nothing
 * is freed singly, and the whole goes at once. A mark remembers a place to come back to.
 *
 * An arena has a cap. arena_alloc ends the process above it, as mem_alloc does; where a user decides
 * about sizes, arena_try_alloc returns NULL instead and the caller reports ERR_LIMIT.
 *
 * Thread-safety: none; one owner at a time.
 */
#pragma once

#include "base/compiler.h"
#include "base/slice.h"

#include <stddef.h>

struct arena_block;

struct arena {
    size_t size_max;
    size_t used; /* bytes handed out and of blocks that are full */
    /* Of the first block; each further one is twice as large. 0 = 4 KiB, right for an operation; less
     * for small things that live long and are many. To be set before the first allocation. */
    size_t block_size_first;
    /* private */
    struct arena_block *current;
    char *next;
    char *end;
};

struct arena_mark {
    struct arena_block *block;
    char *next;
    size_t used;
};

void arena_init(struct arena *arena, size_t size_max);
void arena_release(struct arena *arena);
/* Empties it and keeps one block. */
void arena_reset(struct arena *arena);

/* Aligned for any type; not cleared. A size of 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size) MUST_CHECK;
void *arena_zalloc(struct arena *arena, size_t size) MUST_CHECK;
void *arena_try_alloc(struct arena *arena, size_t size) MUST_CHECK;
void *arena_alloc_array(struct arena *arena, size_t count, size_t size) MUST_CHECK;
void *arena_zalloc_array(struct arena *arena, size_t count, size_t size) MUST_CHECK;
char *arena_strdup(struct arena *arena, const char *text) MUST_CHECK;
/* A copy with a NUL behind it. */
struct slice arena_slice(struct arena *arena, struct slice text);
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

struct arena_mark arena_mark(const struct arena *arena);
/* Frees everything that was allocated since the mark. */
void arena_rewind(struct arena *arena, struct arena_mark mark);
