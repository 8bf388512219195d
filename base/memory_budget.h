/*
 * The memory that the process plans with, and who has it.
 *
 * Storage says now and then how much it holds; it is never refused anything, since what is scraped
 * has to go somewhere. Queries and answers ask before they take: where all together would go beyond
 * the limit, they are refused and the process lives. What is on its way in (bodies of requests and of
 * scrapes) asks for a share of its own, so no query keeps samples out.
 *
 * Ownership: whoever opens storage and queries; it outlives both. Thread-safety: all functions from
 * any thread, but init; a hold belongs to one thread at a time.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum memory_part {
    MEMORY_STORAGE,  /* said: the head and symbols */
    MEMORY_BLOCKS,   /* said: what open blocks keep of their indexes */
    MEMORY_QUERIES,  /* asked for */
    MEMORY_ANSWERS,  /* asked for: what the API copies before it answers */
    MEMORY_REQUESTS, /* asked for, out of a share: bodies that clients send, and what they decode to */
    MEMORY_SCRAPES,  /* the same: bodies that targets send */
    MEMORY_PARTS
};

struct memory_budget {
    uint64_t limit_bytes; /* immutable; 0 = none */
    _Atomic uint64_t bytes[MEMORY_PARTS];
    _Atomic uint64_t taken_bytes; /* by all parts that ask */
    _Atomic uint64_t refused_count;
};

void memory_budget_init(struct memory_budget *budget, uint64_t limit_bytes);

/* What a part of storage holds at this moment. NULL is fine for a budget that nobody set, here and
 * below. */
void memory_budget_note(struct memory_budget *budget, enum memory_part part, uint64_t bytes);

/* Takes memory for a part that asks; false, and nothing is taken, when that would break the limit. */
bool memory_budget_take(struct memory_budget *budget, enum memory_part part,
                        uint64_t bytes) MUST_CHECK;
void memory_budget_give(struct memory_budget *budget, enum memory_part part, uint64_t bytes);
/* Who could not have its `bytes` ends: counts it and says why, for who asked. */
void memory_budget_refuse(struct memory_budget *budget, uint64_t bytes, struct buf *out_text);

/* The name of a part, for metrics. */
const char *memory_part_name(enum memory_part part);

/* What one operation holds. It grows by steps, and its first mebibyte is free, so that small
 * operations are never refused. Zero-initialised is without a budget. */
struct memory_hold {
    struct memory_budget *budget;
    enum memory_part part;
    uint64_t used;
    uint64_t granted; /* with what is free */
    uint64_t taken;
};

void memory_hold_init(struct memory_hold *hold, struct memory_budget *budget,
                      enum memory_part part);
void memory_hold_release(struct memory_hold *hold);
/* Private: beyond what is granted. */
enum err memory_hold_grow(struct memory_hold *hold, uint64_t bytes,
                          struct errbuf *err) MUST_CHECK;

/* ERR_LIMIT with the reason. NULL is fine. */
MUST_CHECK static inline enum err memory_hold_take(struct memory_hold *hold, uint64_t bytes,
                                                   struct errbuf *err)
{
    if (hold == NULL || hold->budget == NULL)
        return ERR_NONE;
    if (UNLIKELY(bytes > hold->granted - hold->used))
        return memory_hold_grow(hold, bytes, err);
    hold->used += bytes;
    return ERR_NONE;
}

/* Room in an arena, taken of the hold before; NULL with ERR_LIMIT. The arena's own cap is for what the
 * hold does not see: it must not be what stops a user. */
void *memory_hold_alloc(struct memory_hold *hold, struct arena *arena, size_t size,
                        struct errbuf *err) MUST_CHECK;
/* The same for a copy of a text, with a NUL behind it. */
bool memory_hold_text(struct memory_hold *hold, struct arena *arena, struct slice text,
                      struct slice *out, struct errbuf *err) MUST_CHECK;
