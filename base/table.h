/*
 * An open-addressing hash table from a 64-bit hash, which the caller supplies, to a pointer. Equal
 * hashes are told apart by the caller's function, so the table knows nothing of keys: the value holds
 * its key. Linear probing, power-of-two capacity, load at most 3/4, deletion by backward shift.
 *
 * Thread-safety: none; readers may share it while nobody writes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
    uint64_t hash;
    void *value; /* NULL = free */
};

struct table {
    size_t len;
    /* private */
    struct table_slot *slots;
    size_t capacity; /* 0 or a power of two */
};

/* Does `value` have the key that `key` points to? */
typedef bool (*table_equal)(const void *value, const void *key);

void table_init(struct table *table);
void table_release(struct table *table); /* frees the slots; the values are the caller's */
void table_clear(struct table *table);   /* empties it, keeps the memory */
void table_reserve(struct table *table, size_t count);

void *table_get(const struct table *table, uint64_t hash, table_equal equal, const void *key);
/* Adds a value whose key must not be there yet. The value must not be NULL. */
void table_add(struct table *table, uint64_t hash, void *value);
/* Takes the value out and returns it, NULL if there is none. */
void *table_remove(struct table *table, uint64_t hash, table_equal equal, const void *key);

/* Fetches the memory that a table_get or table_add of this hash, soon, will look at. */
static inline void table_prefetch(const struct table *table, uint64_t hash)
{
    if (table->capacity > 0)
        __builtin_prefetch(&table->slots[hash & (table->capacity - 1)]);
}

/* Steps over all values: `size_t at = 0; while ((value = table_next(table, &at)) != NULL)`. The table
 * must not change meanwhile. */
void *table_next(const struct table *table, size_t *at);
