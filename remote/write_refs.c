#include "remote/write_refs.h"

#include "base/hash.h"

void write_refs_init(struct write_refs *refs, uint64_t seed, size_t count_max)
{
    refs->seed = seed;
    refs->count_max = count_max;
    rwlock_init(&refs->lock, LOCK_RANK_REMOTE_WRITE);
    table_init(&refs->refs);
}

void write_refs_release(struct write_refs *refs)
{
    table_release(&refs->refs);
    rwlock_release(&refs->lock);
}

uint64_t write_refs_hash(const struct write_refs *refs, struct slice label_bytes)
{
    return hash_slice(label_bytes, refs->seed);
}

/* The hash is all that a key has. */
static bool same(const void *value, const void *key)
{
    return true;
}

void write_refs_find(struct write_refs *refs, struct write_ref *items, size_t count)
{
    rwlock_read_lock(&refs->lock);
    for (size_t i = 0; i < count; i++)
        items[i].ref = (series_ref)(uintptr_t)table_get(&refs->refs, items[i].hash, same, NULL);
    rwlock_unlock(&refs->lock);
}

void write_refs_add(struct write_refs *refs, const struct write_ref *items, size_t count)
{
    rwlock_write_lock(&refs->lock);
    for (size_t i = 0; i < count; i++) {
        table_remove(&refs->refs, items[i].hash, same, NULL);
        if (refs->refs.len >= refs->count_max) {
            table_release(&refs->refs);
            table_init(&refs->refs);
        }
        table_add(&refs->refs, items[i].hash, (void *)(uintptr_t)items[i].ref);
    }
    rwlock_unlock(&refs->lock);
}
