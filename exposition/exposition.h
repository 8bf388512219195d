/*
 * The text forms of samples: three parsers with one sink, and a writer.
 *
 * A parser walks a body and calls the sink; series text and values are borrowed from the body. A
 * bad line ends it with ERR_INVALID and the reference's wording, with line and column; the caller
 * then drops the whole body.
 *
 * To let a caller recognise series that it has seen before, the text parser first gives the *series
 * text* (metric name and braces, as written); only when the sink answers that it wants the labels
 * are they parsed.
 *
 * Thread-safety: a parser has no state but its arguments.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/exemplar.h"
#include "model/histogram.h"
#include "model/metadata.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exposition_format {
    EXPOSITION_TEXT,        /* 0.0.4, and 1.0.0 with quoted UTF-8 names */
    EXPOSITION_OPENMETRICS, /* 1.0.0 and 0.0.1 */
    EXPOSITION_PROTOBUF,    /* delimited io.prometheus.client.MetricFamily */
};

/* Label names and values in the order of the text, unescaped; the metric name apart. Valid during
 * the call. */
struct exposition_label {
    struct slice name;
    struct slice value;
};

struct exposition_series {
    struct slice text;     /* as written: name{...}; borrowed from the body */
    enum metric_type type; /* of the last TYPE line, METRIC_UNKNOWN before the first */
    struct slice unit;     /* of the last UNIT line, empty before the first */
    bool openmetrics;      /* whose grammar the text follows */
    int64_t start_ms;      /* since when its sample counts, 0 = not known */
};

enum exposition_answer {
    EXPOSITION_GO_ON,
    /* The parser returns ERR_CANCELED at once; code and text of its errbuf stay, the place becomes
     * that of the series, so that one errbuf may serve exposition_series_labels and the parser. */
    EXPOSITION_STOP,
};

struct exposition_sink {
    void *context;
    /* The fast path for series seen before; NULL = none. `rest` is the body from the start of a
     * series to the end. Returns the length of the series text that stands there if it is one that
     * a parser has handed out before and whose labels were found good, 0 if it is not known. The
     * parser then takes that many bytes as the series text without looking at them, and calls
     * sample next; where what follows them shows that the text goes on, it scans after all and
     * sample gets the longer text. */
    size_t (*recognise)(void *context, struct slice rest);
    /* A sample line. has_timestamp says whether the text had one. The sink may ask for the labels
     * by exposition_series_labels. Required. */
    enum exposition_answer (*sample)(void *context, const struct exposition_series *series,
                                     double value, bool has_timestamp, int64_t timestamp_ms);
    /* A native histogram, of the protobuf format only; as `sample`. NULL = not wanted: histograms
     * are given as classic ones, by their _count, _sum and _bucket series. */
    enum exposition_answer (*histogram)(void *context, const struct exposition_series *series,
                                        const struct histogram *histogram, bool has_timestamp,
                                        int64_t timestamp_ms);
    bool created_lines;          /* _created lines are no samples, but the start_ms of others */
    bool classic_histograms_too; /* those that are native and classic are given as both */
    /* An exemplar of the sample that was given last; NULL = they are checked and left out. Labels
     * are unescaped; all is valid during the call. */
    enum exposition_answer (*exemplar)(void *context, const struct exemplar *exemplar);
    /* HELP, TYPE and UNIT of a family; each may be NULL. help is unescaped. */
    enum exposition_answer (*type)(void *context, struct slice family, enum metric_type type);
    enum exposition_answer (*help)(void *context, struct slice family, struct slice help);
    enum exposition_answer (*unit)(void *context, struct slice family, struct slice unit);
};

/* Parses `body`; it is not changed. */
enum err exposition_parse(enum exposition_format format, struct slice body,
                          const struct exposition_sink *sink, struct errbuf *err) MUST_CHECK;

/* Splits the text of a series that a parser has given: the metric name (empty if there is none) and
 * its labels. `le` of histograms and `quantile` of summaries are normalised to OpenMetrics floats
 * ("1" becomes "1.0"). The arena holds what had to be unescaped. */
enum err exposition_series_labels(const struct exposition_series *series, struct arena *arena,
                                  struct slice *out_name, struct exposition_label **out_labels,
                                  size_t *out_count, struct errbuf *err) MUST_CHECK;

/* The format of a Content-Type header. `fallback` is the media type of fallback_scrape_protocol or
 * empty. ERR_INVALID with the reference's texts for a blank or unknown type without fallback; with
 * a fallback the format is given and *out_used_fallback set. */
enum err exposition_format_of(struct slice content_type, struct slice fallback,
                              enum exposition_format *out, bool *out_used_fallback,
                              struct errbuf *err) MUST_CHECK;

/* Writes the server's own metrics (base/counters) in the text format 0.0.4 or OpenMetrics 1.0. */
void exposition_write_counters(enum exposition_format format, struct buf *out);
/* The Content-Type for an Accept header, and its format. */
const char *exposition_negotiate(struct slice accept, enum exposition_format *out);
