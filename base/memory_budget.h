/*
 * The memory that the process plans with, and who has it.
 *
 * Storage says now and then how much it holds; it is never refused anything, since what is scraped
 * has to go somewhere. Queries ask before they take: where storage and queries together would go
 * beyond the limit, the query is refused and the process lives.
 *
 * Ownership: whoever opens storage and queries; it outlives both. Thread-safety: all functions from
 * any thread, but init.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

struct memory_budget {
    uint64_t limit_bytes; /* immutable; 0 = none */
    _Atomic uint64_t storage_bytes;
    _Atomic uint64_t query_bytes;
    _Atomic uint64_t refused_count;
};

void memory_budget_init(struct memory_budget *budget, uint64_t limit_bytes);

/* What storage holds at this moment. NULL is fine for a budget that nobody set, here and below. */
void memory_budget_note_storage(struct memory_budget *budget, uint64_t bytes);

/* Takes memory for a query; false, and nothing is taken, when that would break the limit. */
bool memory_budget_take(struct memory_budget *budget, uint64_t bytes) MUST_CHECK;
void memory_budget_give(struct memory_budget *budget, uint64_t bytes);
/* A query that could not have its `bytes` ends: counts it and says why, for who asked the query. */
void memory_budget_refuse(struct memory_budget *budget, uint64_t bytes, struct buf *out_text);
