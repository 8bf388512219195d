#include "scrape/metadata_cache.h"

#include <string.h>

#include "base/hash.h"
#include "model/symbols.h"

/* A hostile body must not fill the symbol table with families that have no samples. */
#define METADATA_FAMILIES_MAX 100000

static size_t metadata_entry_bytes(const struct metadata_entry *entry)
{
    return symbols_text(entry->help).len + symbols_text(entry->unit).len +
           strlen(metric_type_name(entry->type));
}

static void metadata_entry_release(struct metadata_entry *entry)
{
    symbols_unref(entry->family);
    symbols_unref(entry->help);
    symbols_unref(entry->unit);
}

void metadata_cache_release(struct metadata_cache *cache)
{
    for (size_t i = 0; i < cache->entries.len; i++)
        metadata_entry_release(&cache->entries.items[i]);
    vec_release(&cache->entries);
    cache->scrape = 0;
    cache->text_bytes = 0;
}

void metadata_scan_init(struct metadata_scan *scan, uint64_t seed, struct mutex *lock)
{
    *scan = (struct metadata_scan){.seed = seed, .lock = lock};
    table_init(&scan->index);
}

void metadata_scan_release(struct metadata_scan *scan)
{
    table_release(&scan->index);
}

void metadata_scan_begin(struct metadata_scan *scan, struct metadata_cache *cache)
{
    scan->cache = cache;
    scan->at = 0;
    scan->indexed = false;
    cache->scrape++;
}

static uint32_t metadata_hash(const struct metadata_scan *scan, struct slice text)
{
    return (uint32_t)hash_slice(text, scan->seed);
}

struct metadata_key {
    const struct metadata_cache *cache;
    struct slice family;
};

static bool metadata_equal(const void *value, const void *key)
{
    const struct metadata_key *wanted = key;
    const struct metadata_entry *entry = &wanted->cache->entries.items[(uintptr_t)value - 1];
    return slice_eq(symbols_text(entry->family), wanted->family);
}

static void metadata_index_add(struct metadata_scan *scan, size_t number)
{
    /* the table holds numbers, not addresses: entries move when the array grows */
    table_add(&scan->index, hash_mix(0, scan->cache->entries.items[number].family_hash),
              (void *)(uintptr_t)(number + 1));
}

static void metadata_index_build(struct metadata_scan *scan)
{
    table_clear(&scan->index);
    for (size_t i = 0; i < scan->cache->entries.len; i++)
        metadata_index_add(scan, i);
    scan->indexed = true;
}

static bool metadata_find_anywhere(struct metadata_scan *scan, struct slice family, uint32_t hash)
{
    if (!scan->indexed)
        metadata_index_build(scan);
    struct metadata_key key = {scan->cache, family};
    void *found = table_get(&scan->index, hash_mix(0, hash), metadata_equal, &key);
    if (found == NULL)
        return false;
    scan->at = (uintptr_t)found - 1;
    return true;
}

static void metadata_add(struct metadata_scan *scan, struct slice family, uint32_t hash)
{
    struct metadata_cache *cache = scan->cache;
    struct metadata_entry entry = {
        .family_hash = hash,
        .help_hash = metadata_hash(scan, SLICE_EMPTY),
        .family = symbols_intern(family),
    };
    mutex_lock(scan->lock);
    vec_push(&cache->entries, entry);
    mutex_unlock(scan->lock);
    cache->text_bytes += metadata_entry_bytes(&entry);
    scan->at = cache->entries.len - 1;
    metadata_index_add(scan, scan->at);
}

/* The family's entry, made when it is new; NULL when there are too many. */
static struct metadata_entry *metadata_entry_of(struct metadata_scan *scan, struct slice family)
{
    struct metadata_cache *cache = scan->cache;
    size_t count = cache->entries.len;
    uint32_t hash = metadata_hash(scan, family);
    /* HELP and TYPE follow each other, then comes the next family */
    if (scan->at < count && cache->entries.items[scan->at].family_hash == hash) {
        /* stays */
    } else if (scan->at + 1 < count && cache->entries.items[scan->at + 1].family_hash == hash) {
        scan->at++;
    } else if (!metadata_find_anywhere(scan, family, hash)) {
        if (count >= METADATA_FAMILIES_MAX)
            return NULL;
        metadata_add(scan, family, hash);
    }
    struct metadata_entry *entry = &cache->entries.items[scan->at];
    entry->last_scrape = cache->scrape;
    return entry;
}

static void metadata_set_text(struct metadata_scan *scan, uint32_t *symbol, struct slice text)
{
    uint32_t old = *symbol;
    uint32_t new = symbols_intern(text);
    scan->cache->text_bytes += text.len - symbols_text(old).len;
    mutex_lock(scan->lock);
    *symbol = new;
    mutex_unlock(scan->lock);
    symbols_unref(old);
}

void metadata_scan_type(struct metadata_scan *scan, struct slice family, enum metric_type type)
{
    struct metadata_entry *entry = metadata_entry_of(scan, family);
    if (entry == NULL || entry->type == type)
        return;
    scan->cache->text_bytes +=
        strlen(metric_type_name(type)) - strlen(metric_type_name(entry->type));
    MUTEX_GUARD(scan->lock);
    entry->type = type;
}

void metadata_scan_help(struct metadata_scan *scan, struct slice family, struct slice help)
{
    struct metadata_entry *entry = metadata_entry_of(scan, family);
    uint32_t hash = metadata_hash(scan, help);
    if (entry == NULL || entry->help_hash == hash)
        return;
    entry->help_hash = hash;
    metadata_set_text(scan, &entry->help, help);
}

void metadata_scan_unit(struct metadata_scan *scan, struct slice family, struct slice unit)
{
    struct metadata_entry *entry = metadata_entry_of(scan, family);
    if (entry != NULL && !slice_eq(symbols_text(entry->unit), unit))
        metadata_set_text(scan, &entry->unit, unit);
}

void metadata_scan_commit(struct metadata_scan *scan)
{
    struct metadata_cache *cache = scan->cache;
    size_t gone = 0;
    for (size_t i = 0; i < cache->entries.len; i++)
        gone += cache->scrape - cache->entries.items[i].last_scrape > METADATA_SCRAPES_KEPT;
    if (gone == 0)
        return;
    MUTEX_GUARD(scan->lock);
    size_t kept = 0;
    for (size_t i = 0; i < cache->entries.len; i++) {
        struct metadata_entry *entry = &cache->entries.items[i];
        if (cache->scrape - entry->last_scrape > METADATA_SCRAPES_KEPT) {
            cache->text_bytes -= metadata_entry_bytes(entry);
            metadata_entry_release(entry);
        } else {
            cache->entries.items[kept++] = *entry;
        }
    }
    cache->entries.len = kept;
}
