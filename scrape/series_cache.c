#include "scrape/series_cache.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* How far a scan looks for a line when others have vanished before it, ahead of the table. */
#define SCAN_LOOK_AHEAD 8
#define SCAN_SLOTS_FIRST 64
#define CACHE_COUNT_SLACK 1000

void series_cache_release(struct series_cache *cache)
{
    mem_free(cache->entries);
    *cache = (struct series_cache){0};
}

static void series_cache_resize(struct series_cache *cache, size_t count)
{
    ASSERT(count <= UINT32_MAX);
    if (count == 0) {
        mem_free(cache->entries);
        cache->entries = NULL;
    } else if (count != cache->count) {
        cache->entries = mem_realloc_array(cache->entries, count, sizeof(*cache->entries));
    }
    cache->count = (uint32_t)count;
}

void series_cache_forget(struct series_cache *cache)
{
    size_t kept = 0;
    for (size_t i = 0; i < cache->count; i++) {
        struct cached_series entry = cache->entries[i];
        if ((entry.word & SERIES_PREVIOUS) == 0)
            continue;
        /* No text is known to have this hash: a match would take a chance of 2^-64. */
        entry.hash = 0;
        cache->entries[kept++] = entry;
    }
    series_cache_resize(cache, kept);
}

bool series_cache_next_live(const struct series_cache *cache, size_t *at, series_ref *out_ref)
{
    while (*at < cache->count) {
        const struct cached_series *entry = &cache->entries[(*at)++];
        if ((entry->word & SERIES_PREVIOUS) != 0) {
            *out_ref = cached_series_ref(entry);
            return true;
        }
    }
    return false;
}

void series_cache_clear_live(struct series_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++)
        cache->entries[i].word &= ~(SERIES_CURRENT | SERIES_PREVIOUS);
}

void series_scan_init(struct series_scan *scan, uint64_t seed)
{
    *scan = (struct series_scan){.seed = seed};
}

void series_scan_release(struct series_scan *scan)
{
    vec_release(&scan->next);
    vec_release(&scan->seen);
    vec_release(&scan->lapsed);
    mem_free(scan->slots);
    *scan = (struct series_scan){.seed = scan->seed};
}

void series_scan_begin(struct series_scan *scan, struct series_cache *cache)
{
    scan->cache = cache;
    scan->at = 0;
    scan->recognised = 0;
    scan->deviated = false;
    scan->indexed = false;
    vec_reset(&scan->next);
    vec_reset(&scan->seen);
    vec_reset(&scan->lapsed);
}

/* The entry of a number that the table holds. */
static struct cached_series *scan_entry(struct series_scan *scan, size_t number)
{
    size_t count = scan->cache->count;
    return number < count ? &scan->cache->entries[number] : &scan->next.items[number - count];
}

static void scan_index_put(struct series_scan *scan, uint64_t hash, size_t number)
{
    size_t at = hash & scan->slot_mask;
    while (scan->slots[at] != 0) {
        if (scan_entry(scan, scan->slots[at] - 1)->hash == hash)
            return; /* the first line of a text stands for the others */
        at = (at + 1) & scan->slot_mask;
    }
    scan->slots[at] = (uint32_t)number + 1;
    scan->slot_count++;
}

/* Makes the table with room for `count` numbers. Numbers in `next` are those that the old array has
 * not, so a rebuild takes only them from there. */
static void scan_index_build(struct series_scan *scan, size_t count)
{
    size_t capacity = SCAN_SLOTS_FIRST;
    while (capacity < count * 2)
        capacity *= 2;
    if (capacity > scan->slot_capacity) {
        mem_free(scan->slots);
        scan->slots = mem_alloc_array(capacity, sizeof(*scan->slots));
        scan->slot_capacity = capacity;
    }
    memset(scan->slots, 0, capacity * sizeof(*scan->slots));
    scan->slot_mask = capacity - 1;
    scan->slot_count = 0;
    for (size_t i = 0; i < scan->cache->count; i++)
        scan_index_put(scan, scan->cache->entries[i].hash, i);
    for (size_t i = 0; scan->indexed && i < scan->next.len; i++)
        scan_index_put(scan, scan->next.items[i].hash, scan->cache->count + i);
    scan->indexed = true;
}

/* The number of the first entry with that hash, SIZE_MAX if there is none. */
static size_t scan_index_get(struct series_scan *scan, uint64_t hash)
{
    if (!scan->indexed)
        scan_index_build(scan, scan->cache->count);
    for (size_t at = hash & scan->slot_mask; scan->slots[at] != 0;
         at = (at + 1) & scan->slot_mask) {
        size_t number = scan->slots[at] - 1;
        if (scan_entry(scan, number)->hash == hash)
            return number;
    }
    return SIZE_MAX;
}

/* The body is not as the last one from here on: what it had so far goes to the scratch. */
static void scan_deviate(struct series_scan *scan)
{
    scan->deviated = true;
    vec_reserve(&scan->next, scan->cache->count + 1);
    if (scan->at > 0)
        memcpy(scan->next.items, scan->cache->entries, scan->at * sizeof(*scan->next.items));
    scan->next.len = scan->at;
    vec_reserve(&scan->seen, scan->cache->count);
    if (scan->cache->count > 0)
        memset(scan->seen.items, 0, scan->cache->count);
    if (scan->at > 0)
        memset(scan->seen.items, 1, scan->at);
    scan->seen.len = scan->cache->count;
}

/* The entry of the cache with that hash, at the expected place, a little behind it, or anywhere. */
static size_t scan_locate(struct series_scan *scan, uint64_t hash)
{
    size_t end = MIN((size_t)scan->cache->count, scan->at + SCAN_LOOK_AHEAD);
    for (size_t i = scan->at; i < end; i++) {
        if (scan->cache->entries[i].hash == hash)
            return i;
    }
    return scan_index_get(scan, hash);
}

static struct cached_series *scan_push(struct series_scan *scan, uint64_t hash, uint64_t word)
{
    vec_push(&scan->next, (struct cached_series){.hash = hash, .word = word});
    return vec_last(&scan->next);
}

static struct cached_series *scan_push_new(struct series_scan *scan, uint64_t hash, size_t length)
{
    uint64_t word = length <= SERIES_LENGTH_MAX ? (uint64_t)length << SERIES_LENGTH_SHIFT : 0;
    struct cached_series *entry = scan_push(scan, hash, word);
    size_t number = scan->cache->count + scan->next.len - 1;
    if ((scan->slot_count + 1) * 4 > (scan->slot_mask + 1) * 3)
        scan_index_build(scan, number + 1); /* doubles at least; takes the new entry with it */
    else
        scan_index_put(scan, hash, number);
    return entry;
}

struct cached_series *series_scan_find(struct series_scan *scan, uint64_t hash, size_t length,
                                       bool *out_repeated)
{
    if (!scan->deviated)
        scan_deviate(scan);
    size_t found = scan_locate(scan, hash);
    *out_repeated = false;
    scan->origin = found;
    if (found == SIZE_MAX)
        return scan_push_new(scan, hash, length);
    if (found >= scan->cache->count) {
        /* new in this body, and here again */
        *out_repeated = true;
        uint64_t word = scan_entry(scan, found)->word;
        return scan_push(scan, hash,
                         (word & ~(SERIES_CURRENT | SERIES_PREVIOUS)) | SERIES_REPEATED);
    }
    size_t first = found;
    if ((scan->cache->entries[found].word & SERIES_REPEATED) != 0)
        first = scan_index_get(scan, hash);
    ASSERT(first < scan->cache->count);
    scan->origin = first;
    scan->at = found + 1;
    *out_repeated = scan->seen.items[first] != 0;
    scan->seen.items[first] = 1;
    scan->seen.items[found] = 1;
    uint64_t word = scan->cache->entries[first].word & ~(SERIES_REPEATED | SERIES_CURRENT);
    if (*out_repeated)
        word = (word & ~SERIES_PREVIOUS) | SERIES_REPEATED;
    return scan_push(scan, hash, word);
}

void series_scan_settle(struct series_scan *scan, struct cached_series *entry, series_ref ref,
                        bool dropped)
{
    ASSERT(ref <= SERIES_REF_MASK);
    const uint64_t settled = SERIES_REF_MASK | SERIES_DROPPED;
    uint64_t word = ref | (dropped ? SERIES_DROPPED : 0);
    entry->word = (entry->word & ~settled) | word;
    if (scan->deviated && scan->origin != SIZE_MAX) {
        struct cached_series *first = scan_entry(scan, scan->origin);
        first->word = (first->word & ~settled) | word;
    }
}

bool series_scan_next_stale(struct series_scan *scan, size_t *at, series_ref *out_ref)
{
    size_t count = scan->cache->count;
    if (!scan->deviated && *at < scan->at)
        *at = scan->at;
    while (*at < count) {
        size_t i = (*at)++;
        if (scan->deviated && scan->seen.items[i] != 0)
            continue;
        if ((scan->cache->entries[i].word & SERIES_PREVIOUS) != 0) {
            *out_ref = cached_series_ref(&scan->cache->entries[i]);
            return true;
        }
    }
    if (*at < count + scan->lapsed.len) {
        *out_ref = scan->lapsed.items[(*at)++ - count];
        return true;
    }
    return false;
}

/* The scratch becomes the cache. */
static void scan_adopt(struct series_scan *scan, size_t count)
{
    series_cache_resize(scan->cache, count);
    if (count > 0)
        memcpy(scan->cache->entries, scan->next.items, count * sizeof(*scan->next.items));
}

void series_scan_commit(struct series_scan *scan)
{
    struct series_cache *cache = scan->cache;
    if (scan->deviated)
        scan_adopt(scan, scan->next.len);
    else if (scan->at < cache->count)
        series_cache_resize(cache, scan->at);
    for (size_t i = 0; i < cache->count; i++) {
        uint64_t word = cache->entries[i].word;
        uint64_t live = (word & SERIES_CURRENT) != 0 ? SERIES_PREVIOUS : 0;
        cache->entries[i].word = (word & ~(SERIES_CURRENT | SERIES_PREVIOUS)) | live;
    }
    cache->good_count = cache->count;
}

bool series_scan_abandon(struct series_scan *scan)
{
    struct series_cache *cache = scan->cache;
    size_t count_max = (size_t)cache->good_count * 2 + CACHE_COUNT_SLACK;
    bool within = true;
    if (scan->deviated) {
        /* lines that this body did not reach may be back next time */
        for (size_t i = 0; i < cache->count; i++) {
            if (scan->seen.items[i] == 0)
                vec_push(&scan->next, cache->entries[i]);
        }
        within = scan->next.len <= count_max;
        scan_adopt(scan, MIN(scan->next.len, count_max));
    }
    series_cache_clear_live(cache);
    return within;
}
