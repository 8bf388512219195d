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

void metadata_scan_init(struct metadata_scan *scan, struct mutex *lock)
{
    *scan = (struct metadata_scan){.lock = lock};
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

struct metadata_key {
    const struct metadata_cache *cache;
    struct slice family;
};

static bool metadata_is(const struct metadata_cache *cache, size_t number, struct slice family)
{
    return slice_eq(symbols_text(cache->entries.items[number].family), family);
}

static bool metadata_equal(const void *value, const void *key)
{
    const struct metadata_key *wanted = key;
    return metadata_is(wanted->cache, (uintptr_t)value - 1, wanted->family);
}

static void metadata_index_add(struct metadata_scan *scan, struct slice family, size_t number)
{
    /* the table holds numbers, not addresses: entries move when the array grows */
    table_add(&scan->index, hash_slice(family, 0), (void *)(uintptr_t)(number + 1));
}

static void metadata_index_build(struct metadata_scan *scan)
{
    table_clear(&scan->index);
    for (size_t i = 0; i < scan->cache->entries.len; i++)
        metadata_index_add(scan, symbols_text(scan->cache->entries.items[i].family), i);
    scan->indexed = true;
}

static bool metadata_find_anywhere(struct metadata_scan *scan, struct slice family)
{
    if (!scan->indexed)
        metadata_index_build(scan);
    struct metadata_key key = {scan->cache, family};
    void *found = table_get(&scan->index, hash_slice(family, 0), metadata_equal, &key);
    if (found == NULL)
        return false;
    scan->at = (uintptr_t)found - 1;
    return true;
}

/* The family's entry, made when it is new; NULL when there are too many. */
static struct metadata_entry *metadata_entry_of(struct metadata_scan *scan, struct slice family)
{
    struct metadata_cache *cache = scan->cache;
    size_t count = cache->entries.len;
    /* HELP and TYPE follow each other, then comes the next family */
    if (scan->at < count && metadata_is(cache, scan->at, family)) {
        /* stays */
    } else if (scan->at + 1 < count && metadata_is(cache, scan->at + 1, family)) {
        scan->at++;
    } else if (!metadata_find_anywhere(scan, family)) {
        if (count >= METADATA_FAMILIES_MAX)
            return NULL;
        MUTEX_GUARD(scan->lock);
        vec_push(&cache->entries, (struct metadata_entry){.family = symbols_intern(family)});
        cache->text_bytes += metadata_entry_bytes(vec_last(&cache->entries));
        metadata_index_add(scan, family, count);
        scan->at = count;
    }
    struct metadata_entry *entry = &cache->entries.items[scan->at];
    entry->last_scrape = cache->scrape;
    return entry;
}

static void metadata_set_text(struct metadata_scan *scan, uint32_t *symbol, struct slice text)
{
    if (slice_eq(symbols_text(*symbol), text))
        return;
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
    if (entry != NULL)
        metadata_set_text(scan, &entry->help, help);
}

void metadata_scan_unit(struct metadata_scan *scan, struct slice family, struct slice unit)
{
    struct metadata_entry *entry = metadata_entry_of(scan, family);
    if (entry != NULL)
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
