/* Open addressing with linear probing and backward-shift deletion. */
#include "base/table.h"

#include "base/alloc.h"
#include "base/assert.h"

#include <string.h>

#define TABLE_CAPACITY_FIRST 16
/* From here on the slots have pages of their own, which are written in no order. */
#define TABLE_CAPACITY_LARGE 8192

void table_init(struct table *table)
{
    *table = (struct table){0};
}

void table_release(struct table *table)
{
    if (table == NULL)
        return;
    mem_free(table->slots);
    table_init(table);
}

void table_clear(struct table *table)
{
    table->len = 0;
    if (table->capacity > 0)
        memset(table->slots, 0, table->capacity * sizeof(*table->slots));
}

static void table_place(struct table *table, uint64_t hash, void *value)
{
    size_t mask = table->capacity - 1;
    size_t at = hash & mask;
    while (table->slots[at].value != NULL)
        at = (at + 1) & mask;
    table->slots[at] = (struct table_slot){hash, value};
}

static void table_resize(struct table *table, size_t capacity)
{
    struct table_slot *old = table->slots;
    size_t old_capacity = table->capacity;
    table->slots = mem_zalloc_array(capacity, sizeof(*table->slots));
    table->capacity = capacity;
    if (capacity >= TABLE_CAPACITY_LARGE)
        mem_populate(table->slots, capacity * sizeof(*table->slots));
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].value != NULL)
            table_place(table, old[i].hash, old[i].value);
    }
    mem_free(old);
}

void table_reserve(struct table *table, size_t count)
{
    size_t capacity = table->capacity == 0 ? TABLE_CAPACITY_FIRST : table->capacity;
    while (capacity / 4 * 3 < count)
        capacity *= 2;
    if (capacity != table->capacity)
        table_resize(table, capacity);
}

void *table_get(const struct table *table, uint64_t hash, table_equal equal, const void *key)
{
    if (table->len == 0)
        return NULL;
    size_t mask = table->capacity - 1;
    for (size_t at = hash & mask; table->slots[at].value != NULL; at = (at + 1) & mask) {
        if (table->slots[at].hash == hash && equal(table->slots[at].value, key))
            return table->slots[at].value;
    }
    return NULL;
}

void table_add(struct table *table, uint64_t hash, void *value)
{
    ASSERT(value != NULL);
    table_reserve(table, table->len + 1);
    table_place(table, hash, value);
    table->len++;
}

void *table_remove(struct table *table, uint64_t hash, table_equal equal, const void *key)
{
    if (table->len == 0)
        return NULL;
    size_t mask = table->capacity - 1;
    size_t at = hash & mask;
    for (;; at = (at + 1) & mask) {
        if (table->slots[at].value == NULL)
            return NULL;
        if (table->slots[at].hash == hash && equal(table->slots[at].value, key))
            break;
    }
    void *value = table->slots[at].value;
    /* Close the gap: move back every follower that its probe path would no longer reach. */
    for (size_t next = (at + 1) & mask; table->slots[next].value != NULL;
         next = (next + 1) & mask) {
        size_t home = table->slots[next].hash & mask;
        if (((next - home) & mask) >= ((next - at) & mask)) {
            table->slots[at] = table->slots[next];
            at = next;
        }
    }
    table->slots[at] = (struct table_slot){0};
    table->len--;
    return value;
}

void *table_next(const struct table *table, size_t *at)
{
    while (*at < table->capacity) {
        void *value = table->slots[(*at)++].value;
        if (value != NULL)
            return value;
    }
    return NULL;
}
