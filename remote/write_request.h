/*
 * A prometheus.WriteRequest in place: one pass over the message checks all of it and notes where
 * its series are; labels, samples and histograms are then read where they lie.
 *
 *     WriteRequest  1: TimeSeries*   3: MetricMetadata* (ignored)
 *     TimeSeries    1: Label*  2: Sample*  3: Exemplar*  4: Histogram*
 *     Label         1: name   2: value          Sample  1: value (double)  2: timestamp (ms)
 *
 * Private to remote/. Ownership: everything points into the message. Thread-safety: none.
 */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/vec.h"
#include "model/exemplar.h"
#include "model/histogram.h"
#include "model/sample.h"

/* The shortest label set that has a name: a label field, its name field and its value field. */
#define WRITE_LABEL_BYTES_MIN (2 + 2 + sizeof("__name__") - 1 + 2 + 1)
/* More labels than anybody has, so that sorting them stays cheap. */
#define WRITE_LABELS_MAX 4096

struct write_series {
    struct slice message;
    uint32_t labels_len; /* label fields at the front of the message; 0 = none there or scattered */
    uint32_t item_count; /* samples, histograms and exemplars */
};

struct write_request {
    VEC(struct write_series) series;
    size_t nameless_count; /* series with too few label bytes for a name, not among `series` */
    size_t sample_count;
    size_t histogram_count;
    int64_t newest_ms; /* INT64_MIN without samples */
    int64_t oldest_ms; /* INT64_MAX without samples */
};

/* Checks the structure of `message`, which must outlive the request, and finds its series. The
 * request may be used before; its memory is kept. */
enum err write_request_read(struct write_request *request, struct slice message,
                            struct errbuf *err) MUST_CHECK;
void write_request_release(struct write_request *request);

/* The bytes that stand for the label set, empty where they do not lie together. */
static inline struct slice write_series_label_bytes(const struct write_series *series)
{
    return slice_sub(series->message, 0, series->labels_len);
}

struct write_label {
    struct slice name;
    struct slice value;
};

/* Labels sorted by name into `out`, at most WRITE_LABELS_MAX; those with empty values are left out.
 * ERR_INVALID with the reason where they are no labels of a series: names missing or twice, bytes
 * that are not UTF-8, no metric name. */
enum err write_series_labels(const struct write_series *series, struct write_label *out,
                             size_t *out_count, struct errbuf *err) MUST_CHECK;

/* Sorts labels, checks them as above, and leaves out those with empty values. */
enum err write_labels_check(struct write_label *labels, size_t count, size_t *out_count,
                            struct errbuf *err) MUST_CHECK;

/* Steps over the samples, histograms and exemplars of a series. */
struct write_items {
    const uint8_t *at;
    const uint8_t *end;
};

enum write_item_kind {
    WRITE_ITEM_NONE,
    WRITE_ITEM_SAMPLE,
    WRITE_ITEM_HISTOGRAM,
    WRITE_ITEM_EXEMPLAR,
};

struct write_items write_series_items(const struct write_series *series);
/* The next item; a sample goes to out_sample, the message of another to out_message. */
enum write_item_kind write_items_next(struct write_items *items, struct sample *out_sample,
                                      struct slice *out_message);

/* An exemplar message; its labels go to `labels`, room for EXEMPLAR_LABEL_RUNES_MAX. false where it
 * has more, which no storage takes, or makes no sense. */
bool write_exemplar_read(struct slice message, struct exemplar_label *labels, struct exemplar *out);

/* A histogram message in the memory of an arena, checked. ERR_INVALID, or ERR_LIMIT where it does
 * not fit. */
enum err write_histogram_read(struct slice message, struct arena *arena, struct histogram *out,
                              int64_t *out_timestamp_ms, struct errbuf *err) MUST_CHECK;
/* Its time alone. */
int64_t write_histogram_time(struct slice message);
