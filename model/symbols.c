/*
 * The symbol table. Two structures share each symbol:
 *
 *   text -> symbol   64 shards by the top bits of a seeded hash, each a table under its own mutex
 *   id   -> symbol   a directory of chunks of pointers, read without a lock
 *
 * Invariants:
 *  1. A reference count goes from 0 to 1 and from 1 to 0 only under the shard's lock; so whoever
 * finds a symbol in a shard under the lock may take a reference to it.
 *  2. A slot of the directory is written before the id is known to anybody and cleared after the
 * last reference is gone; whoever holds a reference got the id after the write.
 *  3. Chunks are never freed or moved: there are as many as the most symbols that were alive at
 * once need.
 */
#include "model/symbols.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/rand.h"
#include "base/table.h"
#include "base/vec.h"

#define SHARD_BITS 6
#define SHARD_COUNT (1u << SHARD_BITS)
#define CHUNK_BITS 12
#define CHUNK_SIZE (1u << CHUNK_BITS)
/* 2^30 symbols take more than 40 GB, which memory limits forbid long before. */
#define CHUNK_COUNT_MAX (1u << 18)
#define MALLOC_OVERHEAD 8

struct symbol {
    _Atomic uint32_t reference_count;
    uint32_t len;
    uint32_t id;
    char text[];
};

typedef _Atomic(struct symbol *) symbol_slot;

struct shard {
    struct mutex lock;
    /* guarded by lock: */
    struct table symbols;
    VEC(uint32_t) free_ids;
    size_t text_bytes;
} __attribute__((aligned(64)));

static struct {
    /* immutable after start */
    uint64_t seed;
    struct shard shards[SHARD_COUNT];
    _Atomic(symbol_slot *) chunks[CHUNK_COUNT_MAX];
    _Atomic uint32_t id_count; /* ids handed out for the first time, 0 among them */
} the_table;

/* Before main, so that no caller has to ask whether the table is there. */
__attribute__((constructor)) static void symbols_start(void)
{
    the_table.seed = rand_seed_system();
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        mutex_init(&the_table.shards[i].lock, LOCK_RANK_SYMBOLS);
        table_init(&the_table.shards[i].symbols);
    }
    atomic_store(&the_table.id_count, 1);
}

static uint64_t symbol_hash(struct slice text)
{
    return hash_slice(text, the_table.seed);
}

static struct shard *shard_of(uint64_t hash)
{
    return &the_table.shards[hash >> (64 - SHARD_BITS)];
}

static bool symbol_has_text(const void *value, const void *key)
{
    const struct symbol *symbol = value;
    const struct slice *text = key;
    return symbol->len == text->len && memcmp(symbol->text, text->ptr, text->len) == 0;
}

/* The slot of an id; the chunk is made when it is the first of it. */
static symbol_slot *slot_make(uint32_t id)
{
    uint32_t index = id >> CHUNK_BITS;
    ASSERT(index < CHUNK_COUNT_MAX);
    symbol_slot *chunk = atomic_load_explicit(&the_table.chunks[index], memory_order_acquire);
    if (chunk == NULL) {
        symbol_slot *fresh = mem_zalloc_array(CHUNK_SIZE, sizeof(*fresh));
        if (atomic_compare_exchange_strong(&the_table.chunks[index], &chunk, fresh))
            chunk = fresh;
        else
            mem_free(fresh);
    }
    return &chunk[id & (CHUNK_SIZE - 1)];
}

static struct symbol *symbol_get(uint32_t id)
{
    symbol_slot *chunk =
        atomic_load_explicit(&the_table.chunks[id >> CHUNK_BITS], memory_order_acquire);
    return atomic_load_explicit(&chunk[id & (CHUNK_SIZE - 1)], memory_order_acquire);
}

static size_t symbol_size(const struct symbol *symbol)
{
    return sizeof(*symbol) + symbol->len + 1 + MALLOC_OVERHEAD;
}

static struct symbol *symbol_add_locked(struct shard *shard, uint64_t hash, struct slice text)
{
    mutex_assert_held(&shard->lock);
    ASSERT(text.len < UINT32_MAX);
    struct symbol *symbol = mem_alloc(sizeof(*symbol) + text.len + 1);
    atomic_init(&symbol->reference_count, 1);
    symbol->len = (uint32_t)text.len;
    memcpy(symbol->text, text.ptr, text.len);
    symbol->text[text.len] = '\0';
    if (shard->free_ids.len > 0)
        symbol->id = vec_pop(&shard->free_ids);
    else
        symbol->id = atomic_fetch_add(&the_table.id_count, 1);
    atomic_store_explicit(slot_make(symbol->id), symbol, memory_order_release);
    table_add(&shard->symbols, hash, symbol);
    shard->text_bytes += symbol_size(symbol);
    return symbol;
}

uint32_t symbols_intern(struct slice text)
{
    if (text.len == 0)
        return SYMBOL_EMPTY;
    uint64_t hash = symbol_hash(text);
    struct shard *shard = shard_of(hash);
    MUTEX_GUARD(&shard->lock);
    struct symbol *symbol = table_get(&shard->symbols, hash, symbol_has_text, &text);
    if (symbol == NULL)
        symbol = symbol_add_locked(shard, hash, text);
    else
        atomic_fetch_add_explicit(&symbol->reference_count, 1, memory_order_relaxed);
    return symbol->id;
}

void symbols_ref_many(uint32_t id, uint32_t count)
{
    if (id == SYMBOL_EMPTY)
        return;
    uint32_t before =
        atomic_fetch_add_explicit(&symbol_get(id)->reference_count, count, memory_order_relaxed);
    ASSERT(before > 0 && before <= UINT32_MAX - count);
}

void symbols_ref(uint32_t id)
{
    symbols_ref_many(id, 1);
}

/* Drops what may be the last reference. */
static void symbol_unref_last(struct symbol *symbol)
{
    struct slice text = {symbol->text, symbol->len};
    uint64_t hash = symbol_hash(text);
    struct shard *shard = shard_of(hash);
    mutex_lock(&shard->lock);
    bool last = atomic_fetch_sub_explicit(&symbol->reference_count, 1, memory_order_acq_rel) == 1;
    if (last) {
        void *taken = table_remove(&shard->symbols, hash, symbol_has_text, &text);
        ASSERT(taken == symbol);
        atomic_store_explicit(slot_make(symbol->id), NULL, memory_order_relaxed);
        vec_push(&shard->free_ids, symbol->id);
        shard->text_bytes -= symbol_size(symbol);
    }
    mutex_unlock(&shard->lock);
    if (last)
        mem_free(symbol);
}

void symbols_unref(uint32_t id)
{
    if (id == SYMBOL_EMPTY || id == SYMBOL_NONE)
        return;
    struct symbol *symbol = symbol_get(id);
    uint32_t count = atomic_load_explicit(&symbol->reference_count, memory_order_relaxed);
    while (count > 1) {
        if (atomic_compare_exchange_weak_explicit(&symbol->reference_count, &count, count - 1,
                                                  memory_order_release, memory_order_relaxed))
            return;
    }
    ASSERT(count == 1);
    symbol_unref_last(symbol);
}

uint32_t symbols_find(struct slice text)
{
    if (text.len == 0)
        return SYMBOL_EMPTY;
    uint64_t hash = symbol_hash(text);
    struct shard *shard = shard_of(hash);
    MUTEX_GUARD(&shard->lock);
    struct symbol *symbol = table_get(&shard->symbols, hash, symbol_has_text, &text);
    if (symbol == NULL)
        return SYMBOL_NONE;
    atomic_fetch_add_explicit(&symbol->reference_count, 1, memory_order_relaxed);
    return symbol->id;
}

struct slice symbols_text(uint32_t id)
{
    if (id == SYMBOL_EMPTY)
        return SLICE_EMPTY;
    const struct symbol *symbol = symbol_get(id);
    return (struct slice){symbol->text, symbol->len};
}

size_t symbols_count(void)
{
    size_t count = 0;
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &the_table.shards[i];
        MUTEX_GUARD(&shard->lock);
        count += shard->symbols.len;
    }
    return count;
}

size_t symbols_bytes(void)
{
    size_t bytes = sizeof(the_table.shards);
    for (size_t i = 0; i < SHARD_COUNT; i++) {
        struct shard *shard = &the_table.shards[i];
        MUTEX_GUARD(&shard->lock);
        bytes += shard->text_bytes + shard->symbols.capacity * sizeof(struct table_slot) +
                 shard->free_ids.cap * sizeof(uint32_t);
    }
    for (size_t i = 0; i < CHUNK_COUNT_MAX; i++) {
        if (atomic_load_explicit(&the_table.chunks[i], memory_order_acquire) == NULL)
            break;
        bytes += CHUNK_SIZE * sizeof(symbol_slot);
    }
    return bytes;
}
