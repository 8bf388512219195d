/*
 * What a receiver remembers: label bytes as they came, by their 64-bit hash under a seed of its
 * own, to the ref of the series that they mean. The bytes themselves are not kept: two label sets
 * of one server have equal hashes once in some hundred million years of writing.
 *
 * A bounded memory: when it is full it forgets everything. Refs of series that are gone stay until
 * they are replaced, since storage says that a ref is unknown.
 *
 * Private to remote/. Thread-safety: any thread.
 */
#pragma once

#include "base/mutex.h"
#include "base/slice.h"
#include "base/table.h"
#include "tsdb/appender.h"

#include <stddef.h>
#include <stdint.h>

struct write_refs {
    /* immutable */
    uint64_t seed;
    size_t count_max;
    struct rwlock lock;
    /* guarded by lock: */
    struct table refs; /* the value is the ref itself */
};

struct write_ref {
    uint64_t hash;
    series_ref ref; /* 0 = not known */
};

void write_refs_init(struct write_refs *refs, uint64_t seed, size_t count_max);
void write_refs_release(struct write_refs *refs);
uint64_t write_refs_hash(const struct write_refs *refs, struct slice label_bytes);
/* Fills in the refs of those whose hash is known. */
void write_refs_find(struct write_refs *refs, struct write_ref *items, size_t count);
/* Remembers, in place of what was known under the same hash. */
void write_refs_add(struct write_refs *refs, const struct write_ref *items, size_t count);
