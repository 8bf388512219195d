/*
 * What a target's lines were last time: line n of this scrape is compared with line n of the last
 * by the seeded 64-bit hash of its series text, so in the steady state a series is known without
 * parsing labels, relabelling or a table look-up; the parser need not even find the end of the
 * text. 16 bytes a line, no text.
 *
 * The *cache* belongs to a target and lives from scrape to scrape. A *scan* is the work on one
 * body; one scan, with its scratch memory, serves all targets of a thread in turn. While the body
 * has the lines of the last one, the scan works in the cache's own array. At the first line that
 * differs it *deviates*: from there on it looks ahead a few lines, then asks a table of all hashes
 * that it builds for this scrape only, and writes the new order into its scratch, which becomes the
 * cache at the end.
 *
 * Every entry has two liveness bits. CURRENT: this scrape stored a sample of it that a stale marker
 * must follow when it vanishes. PREVIOUS: the last one did. They move on at the end of a scan.
 *
 * Invariants: (1) an entry with REPEATED never has CURRENT or PREVIOUS, since the first line of the
 * same text speaks for the series. (2) Before a scan deviates, REPEATED is right by induction;
 * afterwards it is worked out anew.
 *
 * Ownership: see above. Thread-safety: one owner thread. Limits: a failing target's cache is cut at
 * twice the lines of its last good scrape plus 1000.
 */
#pragma once

#include "base/assert.h"
#include "base/compiler.h"
#include "base/hash.h"
#include "base/slice.h"
#include "base/vec.h"
#include "tsdb/appender.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* struct cached_series.word: flags in 4 bits, length of the text in 12 (0 = too long to tell), ref
 * in 48 (0 = not resolved). */
#define SERIES_REF_MASK ((UINT64_C(1) << 48) - 1)
#define SERIES_LENGTH_SHIFT 48
#define SERIES_LENGTH_MAX 4095
#define SERIES_DROPPED (UINT64_C(1) << 63) /* relabelling drops it */
#define SERIES_REPEATED (UINT64_C(1) << 62)
#define SERIES_CURRENT (UINT64_C(1) << 61)
#define SERIES_PREVIOUS (UINT64_C(1) << 60)

struct cached_series {
    uint64_t hash; /* of the series text as written */
    uint64_t word;
};

static inline series_ref cached_series_ref(const struct cached_series *entry)
{
    return entry->word & SERIES_REF_MASK;
}
static inline size_t cached_series_length(const struct cached_series *entry)
{
    return (entry->word >> SERIES_LENGTH_SHIFT) & SERIES_LENGTH_MAX;
}
/* Zero-initialised is empty. */
struct series_cache {
    struct cached_series *entries;
    uint32_t count;
    uint32_t good_count; /* lines of the last good scrape */
};

void series_cache_release(struct series_cache *cache);
/* The texts mean something else from now on (relabelling, honor_labels, limits or target labels
 * have changed): all are resolved anew. Series that were live stay due for a stale marker. */
void series_cache_forget(struct series_cache *cache);
/* Steps over the series that are due for a stale marker when the whole target fails or goes:
 * `size_t at = 0; while (series_cache_next_live(cache, &at, &ref))`. */
bool series_cache_next_live(const struct series_cache *cache, size_t *at, series_ref *out_ref);
/* All stale markers were written: nothing is live. */
void series_cache_clear_live(struct series_cache *cache);

struct series_scan {
    struct series_cache *cache;
    uint64_t seed; /* set once */
    size_t at;     /* the entry that is expected next */
    bool deviated;
    size_t origin; /* once deviated: number of the entry that the last one is a copy of, or none */
    size_t recognised; /* length of the text that the expected entry was found to have, or 0 */
    /* private: scratch, kept between scans */
    VEC(struct cached_series) next; /* the order of this body; valid once deviated */
    VEC(uint8_t) seen;              /* for each entry of the cache; valid once deviated */
    VEC(series_ref) lapsed;         /* were live, are here, but not to be tracked any more */
    bool indexed;
    uint32_t *slots; /* entry + 1; numbers from cache->count on are in `next` */
    size_t slot_capacity;
    size_t slot_count;
    size_t slot_mask; /* of the part that is in use */
};

void series_scan_init(struct series_scan *scan, uint64_t seed);
void series_scan_release(struct series_scan *scan);
void series_scan_begin(struct series_scan *scan, struct series_cache *cache);

/* private: the line that is not where it was */
struct cached_series *series_scan_find(struct series_scan *scan, uint64_t hash, size_t length,
                                       bool *out_repeated);

/* Is the expected series the one that `rest` starts with? Its length, else 0. Only texts whose
 * labels were found good are recognised. */
static inline size_t series_scan_recognise(struct series_scan *scan, struct slice rest)
{
    scan->recognised = 0;
    if (UNLIKELY(scan->at >= scan->cache->count))
        return 0;
    const struct cached_series *entry = &scan->cache->entries[scan->at];
    size_t length = cached_series_length(entry);
    if (UNLIKELY(length == 0 || length >= rest.len ||
                 (entry->word & (SERIES_REF_MASK | SERIES_DROPPED)) == 0))
        return 0;
    if (hash_bytes(rest.ptr, length, scan->seed) != entry->hash)
        return 0;
    scan->recognised = length;
    return length;
}

/* The entry of the next line, a new one with an empty word if its text is new; valid until the next
 * call. `*out_repeated` says whether this body had the text before. */
static inline struct cached_series *series_scan_next(struct series_scan *scan, struct slice text,
                                                     bool *out_repeated)
{
    uint64_t hash = LIKELY(scan->recognised == text.len && text.len > 0)
                        ? scan->cache->entries[scan->at].hash
                        : hash_slice(text, scan->seed);
    scan->recognised = 0;
    if (LIKELY(!scan->deviated && scan->at < scan->cache->count)) {
        struct cached_series *entry = &scan->cache->entries[scan->at];
        if (LIKELY(entry->hash == hash)) {
            scan->at++;
            *out_repeated = (entry->word & SERIES_REPEATED) != 0;
            return entry;
        }
    }
    return series_scan_find(scan, hash, text.len, out_repeated);
}

/* The last entry that series_scan_next gave now has a ref, or is dropped (`dropped`, ref 0);
 * further lines of the same text will have it too. */
void series_scan_settle(struct series_scan *scan, struct cached_series *entry, series_ref ref,
                        bool dropped);

/* The sample of the entry was stored; `tracked` = it gets a stale marker when it vanishes. */
static inline void series_scan_stored(struct series_scan *scan, struct cached_series *entry,
                                      bool tracked)
{
    if (LIKELY(tracked)) {
        if ((entry->word & SERIES_REPEATED) == 0)
            entry->word |= SERIES_CURRENT;
    } else if (UNLIKELY((entry->word & (SERIES_PREVIOUS | SERIES_CURRENT)) == SERIES_PREVIOUS)) {
        vec_push(&scan->lapsed, cached_series_ref(entry));
    }
}

/* Steps over the series that the last scrape had and this one has not; after the last line, before
 * series_scan_commit. */
bool series_scan_next_stale(struct series_scan *scan, size_t *at, series_ref *out_ref);
/* The end of a good body: its lines become the cache. */
void series_scan_commit(struct series_scan *scan);
/* The end of a bad one, after stale markers for all live series: keeps what was learnt, within the
 * limit. false when the limit cut. */
bool series_scan_abandon(struct series_scan *scan);
