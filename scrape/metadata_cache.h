/*
 * What a target says of its metrics: type, help and unit of each family, kept until ten scrapes
 * after the family was last seen. Texts are symbols, since the targets of a job say the same
 * things.
 *
 * As with series, the families of a scrape come in the order of the last one, so a *scan* expects
 * them in turn and falls back to a table that lives for one scrape.
 *
 * Ownership: the cache owns references to its symbols. Thread-safety: the scraping thread alone
 * writes, and takes `lock` when it does; it reads without it; other threads read under the lock.
 */
#pragma once

#include "base/mutex.h"
#include "base/slice.h"
#include "base/table.h"
#include "base/vec.h"
#include "model/metadata.h"

#include <stdbool.h>
#include <stdint.h>

#define METADATA_SCRAPES_KEPT 10

/* 28 bytes. The hashes stand for the texts in the steady state: texts lie all over the memory, and
 * reading them for every family of every scrape would cost more than parsing the samples. */
struct metadata_entry {
    uint32_t family_hash;
    uint32_t help_hash;
    uint32_t family;
    uint32_t help;
    uint32_t unit;
    uint32_t last_scrape; /* number of the scrape that saw it last */
    enum metric_type type;
};

/* Zero-initialised is empty. */
struct metadata_cache {
    VEC(struct metadata_entry) entries;
    uint32_t scrape;   /* number of the scrape at work */
    size_t text_bytes; /* of help, unit and type, as the API's names */
};

void metadata_cache_release(struct metadata_cache *cache);

struct metadata_scan {
    struct metadata_cache *cache;
    struct mutex *lock; /* held while the cache changes */
    size_t at;          /* the entry that was found last */
    bool indexed;
    struct table index; /* hash of the family to entry number + 1 */
    uint64_t seed;
};

void metadata_scan_init(struct metadata_scan *scan, uint64_t seed, struct mutex *lock);
void metadata_scan_release(struct metadata_scan *scan);
void metadata_scan_begin(struct metadata_scan *scan, struct metadata_cache *cache);
void metadata_scan_type(struct metadata_scan *scan, struct slice family, enum metric_type type);
void metadata_scan_help(struct metadata_scan *scan, struct slice family, struct slice help);
void metadata_scan_unit(struct metadata_scan *scan, struct slice family, struct slice unit);
/* After a good scrape: families that were not seen for long go. */
void metadata_scan_commit(struct metadata_scan *scan);
