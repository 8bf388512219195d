#include "scrape/ingest.h"

#include <math.h>

#include "base/assert.h"
#include "model/histogram_arithmetic.h"
#include "model/sample.h"

/* One histogram at lower and lower resolutions. */
#define HISTOGRAM_BYTES_MAX ((size_t)64 << 20)

void ingest_init(struct ingest *ingest, uint64_t seed)
{
    *ingest = (struct ingest){0};
    series_scan_init(&ingest->scan, seed);
    sample_labels_init(&ingest->labels);
    metadata_scan_init(&ingest->metadata_scan, seed, NULL);
    arena_init(&ingest->histogram_arena, HISTOGRAM_BYTES_MAX);
}

void ingest_release(struct ingest *ingest)
{
    series_scan_release(&ingest->scan);
    sample_labels_release(&ingest->labels);
    metadata_scan_release(&ingest->metadata_scan);
    arena_release(&ingest->histogram_arena);
}

static enum exposition_answer ingest_fail(struct ingest *ingest, enum err error)
{
    ingest->error = error;
    if (ingest->labels.bad_text)
        ingest->result->scraped--;
    return EXPOSITION_STOP;
}

/* What becomes of a series text: `*out_ref` is its series in storage, or 0 when relabelling drops
 * it. A series that the sample limit keeps out must not be made: its ref is SERIES_REF_MASK. */
static enum err ingest_resolve(struct ingest *ingest, const struct exposition_series *series,
                               bool excess, series_ref *out_ref)
{
    const struct ingest_job *job = ingest->job;
    struct labels *labels = NULL;
    enum err error =
        sample_labels_make(&ingest->labels, job->scrape, job->target, series, &labels, ingest->err);
    ingest->result->label_limit_exceeded = error == ERR_LIMIT;
    if (error != ERR_NONE)
        return error;
    *out_ref = 0;
    if (labels != NULL)
        *out_ref = excess ? SERIES_REF_MASK : appender_series(job->appender, labels);
    labels_unref(labels);
    return ERR_NONE;
}

static enum append_result ingest_append(struct ingest *ingest, series_ref ref, double value,
                                        bool has_timestamp, int64_t timestamp_ms)
{
    if (has_timestamp && timestamp_ms > ingest->timestamp_ms_max)
        return APPEND_OUT_OF_BOUNDS;
    struct appender *appender = ingest->job->appender;
    const struct histogram *histogram = ingest->histogram;
    if (UNLIKELY(ingest->takes_starts))
        append_start(appender, ref, ingest->sample_ms, ingest->start_ms, histogram);
    if (UNLIKELY(histogram != NULL))
        return append_histogram_at(appender, ref, ingest->sample_ms, histogram);
    if (LIKELY(!has_timestamp))
        return append(appender, ref, value);
    return append_at(appender, ref, timestamp_ms, value);
}

/* Counts a sample that storage did not take. */
static void ingest_rejected(struct ingest *ingest, enum append_result result)
{
    switch (result) {
    case APPEND_OK:
    case APPEND_DUPLICATE_SAME:
    case APPEND_UNKNOWN_SERIES:
        break;
    case APPEND_DUPLICATE:
        ingest->result->duplicates++;
        break;
    case APPEND_OUT_OF_ORDER:
        ingest->result->out_of_order++;
        break;
    case APPEND_TOO_OLD:
    case APPEND_OUT_OF_BOUNDS:
        ingest->result->out_of_bounds++;
        break;
    }
}

/* The sample limit counts what reaches storage; above it the body is still counted to its end.
 * Stale markers of known series are exempt, so that a series can always end. */
static bool ingest_over_limit(struct ingest *ingest, bool is_new, double value)
{
    if (ingest->sample_limit == 0 || (!is_new && sample_is_stale(value)))
        return false;
    if (++ingest->appended <= ingest->sample_limit)
        return false;
    ingest->result->sample_limit_exceeded = true;
    return true;
}

/* Exemplars of a sample may be a set of which a part is known, so only a set that is late as a
 * whole is worth a word. */
static void ingest_settle_exemplars(struct ingest *ingest)
{
    if (ingest->exemplars.late == ingest->exemplars.seen)
        ingest->result->exemplars_out_of_order += ingest->exemplars.late;
    ingest->exemplars.seen = ingest->exemplars.late = 0;
}

static enum exposition_answer ingest_exemplar(void *context, const struct exemplar *exemplar)
{
    struct ingest *ingest = context;
    if (ingest->sample_ref == 0)
        return EXPOSITION_GO_ON;
    struct exemplar timed = *exemplar;
    if (!timed.has_timestamp)
        timed.timestamp_ms = ingest->sample_ms;
    /* an exemplar that is not taken is nobody's fault */
    enum exemplar_result result =
        append_exemplar(ingest->job->appender, ingest->sample_ref, &timed);
    ingest->exemplars.seen++;
    ingest->exemplars.late += result == EXEMPLAR_OUT_OF_ORDER;
    return EXPOSITION_GO_ON;
}

/* A line whose text the cache does not know, or whose sample was refused whenever it came. Until
 * its sample is taken the entry has no ref, so the series is new again next time. */
static enum exposition_answer ingest_new(struct ingest *ingest,
                                         const struct exposition_series *series,
                                         struct cached_series *entry, double value,
                                         bool has_timestamp, int64_t timestamp_ms)
{
    series_ref ref;
    bool excess = ingest->sample_limit > 0 && ingest->appended >= ingest->sample_limit;
    enum err error = ingest_resolve(ingest, series, excess, &ref);
    if (error != ERR_NONE)
        return ingest_fail(ingest, error);
    if (ref == 0) {
        series_scan_settle(&ingest->scan, entry, 0, true);
        return EXPOSITION_GO_ON;
    }
    ingest->result->kept++;
    if (ingest_over_limit(ingest, true, value))
        return EXPOSITION_GO_ON;
    ingest->sample_ref = ref;
    enum append_result result = ingest_append(ingest, ref, value, has_timestamp, timestamp_ms);
    if (result != APPEND_OK && result != APPEND_DUPLICATE_SAME) {
        ingest_rejected(ingest, result);
        return EXPOSITION_GO_ON;
    }
    series_scan_settle(&ingest->scan, entry, ref, false);
    series_scan_stored(&ingest->scan, entry, !has_timestamp || ingest->track_timestamps);
    ingest->result->series_added++;
    return EXPOSITION_GO_ON;
}

/* A known series whose sample was not simply taken. */
static enum exposition_answer ingest_exception(struct ingest *ingest,
                                               const struct exposition_series *series,
                                               struct cached_series *entry, double value,
                                               bool has_timestamp, int64_t timestamp_ms,
                                               enum append_result result)
{
    if (result == APPEND_UNKNOWN_SERIES) {
        /* storage has forgotten the series: it gets a new ref under the same labels */
        series_ref ref;
        enum err error = ingest_resolve(ingest, series, false, &ref);
        if (error != ERR_NONE)
            return ingest_fail(ingest, error);
        series_scan_settle(&ingest->scan, entry, ref, ref == 0);
        ingest->sample_ref = ref;
        if (ref == 0)
            return EXPOSITION_GO_ON;
        result = ingest_append(ingest, ref, value, has_timestamp, timestamp_ms);
    }
    if (result == APPEND_OK || result == APPEND_DUPLICATE_SAME)
        series_scan_stored(&ingest->scan, entry, !has_timestamp || ingest->track_timestamps);
    else
        ingest_rejected(ingest, result);
    return EXPOSITION_GO_ON;
}

static size_t ingest_recognise(void *context, struct slice rest)
{
    struct ingest *ingest = context;
    return series_scan_recognise(&ingest->scan, rest);
}

static enum exposition_answer ingest_sample(void *context, const struct exposition_series *series,
                                            double value, bool has_timestamp, int64_t timestamp_ms)
{
    struct ingest *ingest = context;
    if (UNLIKELY(++ingest->result->scraped % INGEST_BREATH_LINES == 0) && ingest->breathe != NULL)
        ingest->breathe(ingest->breathe_context);
    if (UNLIKELY(ingest->exemplars.seen > 0))
        ingest_settle_exemplars(ingest);
    ingest->sample_ref = 0;
    bool repeated = false;
    struct cached_series *entry = series_scan_next(&ingest->scan, series->text, &repeated);
    if ((entry->word & SERIES_DROPPED) != 0)
        return EXPOSITION_GO_ON;
    has_timestamp = has_timestamp && ingest->honor_timestamps;
    ingest->sample_ms = has_timestamp ? timestamp_ms : ingest->job->row_ms;
    ingest->start_ms = series->start_ms;
    series_ref ref = cached_series_ref(entry);
    if (UNLIKELY(ref == 0))
        return ingest_new(ingest, series, entry, value, has_timestamp, timestamp_ms);
    ingest->sample_ref = ref;
    ingest->result->kept++;
    if (UNLIKELY(repeated && !has_timestamp)) {
        ingest->result->duplicates++;
        return EXPOSITION_GO_ON;
    }
    if (UNLIKELY(ingest_over_limit(ingest, false, value)))
        return EXPOSITION_GO_ON;
    enum append_result result = ingest_append(ingest, ref, value, has_timestamp, timestamp_ms);
    if (UNLIKELY(result != APPEND_OK)) {
        return ingest_exception(ingest, series, entry, value, has_timestamp, timestamp_ms, result);
    }
    series_scan_stored(&ingest->scan, entry, !has_timestamp || ingest->track_timestamps);
    return EXPOSITION_GO_ON;
}

/* At a lower resolution; what was counted in whole numbers still is. */
static const struct histogram *ingest_reduce(struct ingest *ingest,
                                             const struct histogram *histogram, int32_t schema)
{
    struct histogram *reduced = histogram_at_schema(&ingest->histogram_arena, histogram, schema);
    reduced->is_float = histogram->is_float;
    return reduced;
}

/* As many buckets as the job allows, by lower resolution; NULL where that does not help. */
static const struct histogram *ingest_limit_buckets(struct ingest *ingest,
                                                    const struct histogram *histogram)
{
    uint64_t limit = ingest->job->scrape->native_histogram_bucket_limit;
    bool custom = histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
    arena_reset(&ingest->histogram_arena);
    if (!custom && histogram->schema > ingest->schema_max)
        histogram = ingest_reduce(ingest, histogram, ingest->schema_max);
    while (limit > 0 &&
           (uint64_t)histogram->positive_bucket_count + histogram->negative_bucket_count > limit) {
        if (custom || histogram->schema <= HISTOGRAM_SCHEMA_MIN)
            return NULL;
        histogram = ingest_reduce(ingest, histogram, histogram->schema - 1);
    }
    return histogram;
}

static enum exposition_answer ingest_histogram(void *context,
                                               const struct exposition_series *series,
                                               const struct histogram *histogram,
                                               bool has_timestamp, int64_t timestamp_ms)
{
    struct ingest *ingest = context;
    enum err error = histogram_validate(histogram, ingest->err);
    if (error != ERR_NONE)
        return ingest_fail(ingest, error);
    ingest->histogram = ingest_limit_buckets(ingest, histogram);
    if (ingest->histogram == NULL) {
        /* the body will be refused, but is counted to its end */
        ingest->result->bucket_limit_exceeded = true;
        ingest->result->scraped++;
        ingest->result->kept++;
        ingest->sample_ref = 0;
        return EXPOSITION_GO_ON;
    }
    enum exposition_answer answer =
        ingest_sample(context, series, histogram->sum, has_timestamp, timestamp_ms);
    ingest->histogram = NULL;
    return answer;
}

static enum exposition_answer ingest_type(void *context, struct slice family, enum metric_type type)
{
    struct ingest *ingest = context;
    metadata_scan_type(&ingest->metadata_scan, family, type);
    return EXPOSITION_GO_ON;
}

static enum exposition_answer ingest_help(void *context, struct slice family, struct slice help)
{
    struct ingest *ingest = context;
    metadata_scan_help(&ingest->metadata_scan, family, help);
    return EXPOSITION_GO_ON;
}

static enum exposition_answer ingest_unit(void *context, struct slice family, struct slice unit)
{
    struct ingest *ingest = context;
    metadata_scan_unit(&ingest->metadata_scan, family, unit);
    return EXPOSITION_GO_ON;
}

/* The highest resolution whose buckets grow by `factor` at least. */
static int32_t ingest_schema_max(double factor)
{
    double schema = floor(-log2(log2(factor <= 1 ? 1.00271 : factor)));
    return (int32_t)MAX(MIN(schema, (double)HISTOGRAM_SCHEMA_MAX), (double)HISTOGRAM_SCHEMA_MIN);
}

static void ingest_begin(struct ingest *ingest, const struct ingest_job *job,
                         struct ingest_result *result, struct errbuf *err)
{
    const struct config_scrape *scrape = job->scrape;
    *result = (struct ingest_result){0};
    ingest->job = job;
    ingest->result = result;
    ingest->sample_limit = scrape->limits.samples;
    ingest->appended = 0;
    ingest->exemplars.seen = ingest->exemplars.late = 0;
    ingest->timestamp_ms_max = job->now_ms + INGEST_AHEAD_MS_MAX;
    ingest->honor_timestamps = scrape->honor_timestamps;
    ingest->track_timestamps = scrape->track_timestamps_staleness;
    ingest->histogram = NULL;
    ingest->labels.type_and_unit = job->type_and_unit_labels;
    ingest->schema_max = ingest_schema_max(scrape->native_histogram_min_bucket_factor);
    ingest->takes_starts = appender_takes_starts(job->appender);
    ingest->error = ERR_NONE;
    ingest->err = err;
    series_scan_begin(&ingest->scan, job->cache);
    if (job->metadata != NULL)
        metadata_scan_begin(&ingest->metadata_scan, job->metadata);
}

static enum err ingest_parse(struct ingest *ingest, enum exposition_format format,
                             struct slice body, struct errbuf *err)
{
    bool metadata = ingest->job->metadata != NULL;
    const struct config_scrape *scrape = ingest->job->scrape;
    struct exposition_sink sink = {
        .context = ingest,
        .recognise = ingest_recognise,
        .sample = ingest_sample,
        .exemplar = appender_takes_exemplars(ingest->job->appender) ? ingest_exemplar : NULL,
        .histogram = scrape->scrape_native_histograms ? ingest_histogram : NULL,
        .created_lines = ingest->takes_starts,
        .classic_histograms_too = scrape->always_scrape_classic_histograms,
        .type = metadata ? ingest_type : NULL,
        .help = metadata ? ingest_help : NULL,
        .unit = metadata ? ingest_unit : NULL,
    };
    enum err error = exposition_parse(format, body, &sink, err);
    ingest_settle_exemplars(ingest);
    if (ingest->error != ERR_NONE)
        return ingest->error; /* its text is in err already */
    if (error == ERR_NONE && ingest->result->sample_limit_exceeded)
        return errbuf_set(err, ERR_LIMIT, "sample limit exceeded");
    if (error == ERR_NONE && ingest->result->bucket_limit_exceeded)
        return errbuf_set(err, ERR_LIMIT, "histogram bucket limit exceeded");
    return error;
}

/* A marker in the row of the appender, unless someone goes on with the series: another target, or
 * the same one under another name. A marker that storage refuses is no matter: the series has a
 * sample of this row under another text. */
static void ingest_mark_stale(struct appender *appender, series_ref ref, int64_t t_ms)
{
    if (appender_newest_ms(appender, ref) < t_ms)
        (void)append(appender, ref, sample_stale());
}

enum err ingest_body(struct ingest *ingest, const struct ingest_job *job,
                     enum exposition_format format, struct slice body, struct ingest_result *result,
                     struct errbuf *err)
{
    ASSERT(job->appender != NULL && job->cache != NULL);
    ingest_begin(ingest, job, result, err);
    if (body.len == 0) {
        ingest_stale(job->cache, job->appender, job->row_ms);
        return ERR_NONE;
    }
    enum err error = ingest_parse(ingest, format, body, err);
    if (error != ERR_NONE)
        return error;
    size_t at = 0;
    series_ref ref;
    while (series_scan_next_stale(&ingest->scan, &at, &ref))
        ingest_mark_stale(job->appender, ref, job->row_ms);
    series_scan_commit(&ingest->scan);
    if (job->metadata != NULL)
        metadata_scan_commit(&ingest->metadata_scan);
    return ERR_NONE;
}

bool ingest_abandon(struct ingest *ingest, struct appender *appender, int64_t row_ms)
{
    struct series_cache *cache = ingest->scan.cache;
    size_t at = 0;
    series_ref ref;
    while (appender != NULL && series_cache_next_live(cache, &at, &ref))
        ingest_mark_stale(appender, ref, row_ms);
    return series_scan_abandon(&ingest->scan);
}

void ingest_stale(struct series_cache *cache, struct appender *appender, int64_t row_ms)
{
    size_t at = 0;
    series_ref ref;
    while (series_cache_next_live(cache, &at, &ref))
        ingest_mark_stale(appender, ref, row_ms);
    series_cache_clear_live(cache);
}
