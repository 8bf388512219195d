/*
 * Bodies of one target, one after the other (separated by NUL bytes), through ingest with its
 * series cache, beside the same without a memory: what is stored of a body must not depend on what
 * came before it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "base/table.h"
#include "base/vec.h"
#include "model/sample.h"
#include "scrape/ingest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BODIES_MAX 16

/* Storage that takes everything and remembers the samples of one transaction. */
struct appender {
    VEC(series_ref) refs;
    VEC(uint64_t) bits;
};

static struct table series_by_labels;
static VEC(const struct labels *) series; /* by ref - 1 */

static bool same_labels(const void *value, const void *key)
{
    return labels_equal(series.items[(uintptr_t)value - 1], key);
}

series_ref appender_series(struct appender *appender, const struct labels *labels)
{
    (void)appender;
    void *found = table_get(&series_by_labels, labels->hash, same_labels, labels);
    if (found != NULL)
        return (uintptr_t)found;
    vec_push(&series, labels_copy(labels));
    table_add(&series_by_labels, labels->hash, (void *)(uintptr_t)series.len);
    return series.len;
}

enum append_result append_at(struct appender *appender, series_ref ref, int64_t t_ms, double value)
{
    vec_push(&appender->refs, ref);
    vec_push(&appender->bits, codec_double_bits(value) ^ (uint64_t)t_ms);
    return APPEND_OK;
}

enum append_result append(struct appender *appender, series_ref ref, double value)
{
    return sample_is_stale(value) ? APPEND_OK : append_at(appender, ref, 0, value);
}

enum append_result append_histogram_at(struct appender *appender, series_ref ref, int64_t t_ms,
                                       const struct histogram *histogram)
{
    return append_at(appender, ref, t_ms, histogram->sum);
}

bool appender_takes_starts(const struct appender *appender)
{
    return false;
}

void append_start(struct appender *appender, series_ref ref, int64_t t_ms, int64_t start_ms,
                  const struct histogram *histogram)
{
}

bool appender_takes_exemplars(const struct appender *appender)
{
    return true;
}

enum exemplar_result append_exemplar(struct appender *appender, series_ref ref,
                                     const struct exemplar *exemplar)
{
    (void)append_at(appender, ref, exemplar->timestamp_ms, exemplar->value);
    return EXEMPLAR_OK;
}

int64_t appender_newest_ms(struct appender *appender, series_ref ref)
{
    (void)appender;
    (void)ref;
    return INT64_MIN;
}

/* One way through: the samples, and what ingest said. */
struct path {
    struct ingest ingest;
    struct series_cache cache;
    struct metadata_cache metadata;
    struct mutex lock;
    struct appender appender;
    struct ingest_result result;
    struct errbuf err;
    enum err error;
};

static void path_init(struct path *path)
{
    memset(path, 0, sizeof(*path));
    mutex_init(&path->lock, LOCK_RANK_SCRAPE_METADATA);
    ingest_init(&path->ingest, 1);
    path->ingest.metadata_scan.lock = &path->lock;
}

static void path_release(struct path *path)
{
    ingest_release(&path->ingest);
    series_cache_release(&path->cache);
    metadata_cache_release(&path->metadata);
    mutex_release(&path->lock);
    vec_release(&path->appender.refs);
    vec_release(&path->appender.bits);
}

static void path_body(struct path *path, const struct config_scrape *scrape,
                      const struct labels *target, enum exposition_format format, struct slice body)
{
    vec_reset(&path->appender.refs);
    vec_reset(&path->appender.bits);
    struct ingest_job job = {.scrape = scrape,
                             .target = target,
                             .cache = &path->cache,
                             .metadata = &path->metadata,
                             .appender = &path->appender,
                             .row_ms = 1000,
                             .now_ms = 1000};
    path->error = ingest_body(&path->ingest, &job, format, body, &path->result, &path->err);
    if (path->error != ERR_NONE)
        ingest_abandon(&path->ingest, &path->appender, 1000);
}

static void compare(const struct path *a, const struct path *b)
{
    ASSERT(a->error == b->error);
    /* whether a sample that was refused makes the next of its text a repetition depends, as in the
     * reference, on whether the series was known before */
    if (a->result.sample_limit_exceeded || a->result.out_of_bounds > 0)
        return;
    ASSERT(a->result.scraped == b->result.scraped);
    ASSERT(a->result.kept == b->result.kept);
    ASSERT(a->result.duplicates == b->result.duplicates);
    ASSERT(a->result.out_of_bounds == b->result.out_of_bounds);
    ASSERT(a->appender.refs.len == b->appender.refs.len);
    for (size_t i = 0; i < a->appender.refs.len; i++) {
        ASSERT(a->appender.refs.items[i] == b->appender.refs.items[i]);
        ASSERT(a->appender.bits.items[i] == b->appender.bits.items[i]);
    }
}

static void series_release(void)
{
    for (size_t i = 0; i < series.len; i++)
        labels_unref(series.items[i]);
    vec_release(&series);
    table_release(&series_by_labels);
}

/* The first byte chooses the options. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* a series keeps the labels that its text had under the type of its first scrape */
    if (size == 0 || memmem(data, size, "TYPE", 4) != NULL)
        return 0;
    struct config_scrape scrape = {.honor_labels = (data[0] & 1) != 0,
                                   .honor_timestamps = (data[0] & 2) != 0,
                                   .utf8_names = (data[0] & 4) == 0};
    scrape.limits.samples = (data[0] & 8) != 0 ? 3 : 0;
    scrape.limits.labels = (data[0] & 16) != 0 ? 3 : 0;
    enum exposition_format format = (data[0] & 32) != 0 ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
    struct slice rest = slice_from((const char *)data + 1, size - 1);
    struct labels_builder builder;
    labels_builder_init(&builder);
    labels_builder_set(&builder, SLICE("job"), SLICE("j"));
    struct labels *target = labels_builder_build(&builder);
    labels_builder_release(&builder);
    table_init(&series_by_labels);
    struct path with_memory;
    path_init(&with_memory);
    for (int i = 0; i < BODIES_MAX && rest.len > 0; i++) {
        size_t end = slice_index(rest, '\0');
        struct slice body = slice_sub(rest, 0, end == SLICE_NONE ? rest.len : end);
        rest = end == SLICE_NONE ? SLICE_EMPTY : slice_from_index(rest, end + 1);
        struct path without;
        path_init(&without);
        path_body(&with_memory, &scrape, target, format, body);
        path_body(&without, &scrape, target, format, body);
        compare(&with_memory, &without);
        path_release(&without);
    }
    path_release(&with_memory);
    labels_unref(target);
    series_release();
    return 0;
}
