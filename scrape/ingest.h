/*
 * A body into a transaction: the parser's lines go through the series cache; known series are
 * appended at once, new ones get their labels first. Nothing is committed here.
 *
 * A body is all or nothing: a bad line, a label limit or the sample limit make ingest_body fail,
 * and the caller rolls back. Rejected single samples (out of order, duplicate, out of bounds) are
 * only counted.
 *
 * Ownership: one `struct ingest` a thread holds the scratch for all targets. Thread-safety: one
 * owner.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "config/config.h"
#include "exposition/exposition.h"
#include "scrape/metadata_cache.h"
#include "scrape/sample_labels.h"
#include "scrape/series_cache.h"
#include "tsdb/appender.h"

#include <stdbool.h>
#include <stdint.h>

/* Explicit timestamps further ahead than this are out of bounds. */
#define INGEST_AHEAD_MS_MAX (INT64_C(10) * 60 * 1000)
/* How many lines pass between two calls of `breathe`. */
#define INGEST_BREATH_LINES 256

/* What came of a body, also of one that failed. */
struct ingest_result {
    uint64_t scraped;      /* samples in the body, up to the line that failed */
    uint64_t kept;         /* after metric relabelling */
    uint64_t series_added; /* not in the cache before */
    uint64_t out_of_order;
    uint64_t duplicates;
    uint64_t out_of_bounds;
    uint64_t exemplars_out_of_order;
    bool label_limit_exceeded;
    bool sample_limit_exceeded;
    bool bucket_limit_exceeded;
};

/* One body's circumstances, all borrowed for the call. */
struct ingest_job {
    const struct config_scrape *scrape;
    const struct labels *target; /* its public labels */
    struct series_cache *cache;
    struct metadata_cache *metadata; /* NULL = not wanted */
    bool type_and_unit_labels;       /* are made of the metadata */
    struct appender *appender;
    int64_t row_ms; /* the time of the appender's row */
    int64_t now_ms;
};

struct ingest {
    struct series_scan scan;
    struct sample_labels labels;
    struct metadata_scan metadata_scan;
    /* Called every INGEST_BREATH_LINES lines, so that a large body does not delay other targets;
     * NULL = not wanted. It must not come back to this ingest. */
    void (*breathe)(void *context);
    void *breathe_context;
    /* private: the body at work */
    const struct ingest_job *job;
    struct ingest_result *result;
    uint64_t sample_limit;
    uint64_t appended;
    const struct histogram *histogram; /* of the sample at work, NULL = it is a float */
    struct arena histogram_arena;
    int32_t schema_max; /* of native histograms */
    int64_t start_ms;   /* since when the sample at work counts */
    bool takes_starts;
    series_ref sample_ref; /* the series of the last sample, 0 = it was dropped */
    int64_t sample_ms;
    struct {
        uint64_t seen;
        uint64_t late;
    } exemplars; /* of the last sample */
    int64_t timestamp_ms_max;
    bool honor_timestamps;
    bool track_timestamps;
    enum err error;
    struct errbuf *err;
};

void ingest_init(struct ingest *ingest, uint64_t seed);
void ingest_release(struct ingest *ingest);

/* Stages the samples of a body and the stale markers of series that are gone from it. When it
 * fails, roll back and call ingest_abandon with a new transaction. An empty body is good and has no
 * series. */
enum err ingest_body(struct ingest *ingest, const struct ingest_job *job,
                     enum exposition_format format, struct slice body, struct ingest_result *result,
                     struct errbuf *err) MUST_CHECK;
/* After a body that failed: a stale marker for everything that was live before it. `appender` may
 * be NULL (storage takes nothing). false when the cache had to be cut. */
bool ingest_abandon(struct ingest *ingest, struct appender *appender, int64_t row_ms);

/* Stages a stale marker for every live series of a cache, after which none is live: the target
 * could not be fetched, or is gone. */
void ingest_stale(struct series_cache *cache, struct appender *appender, int64_t row_ms);
