/*
 * Writing to storage. An appender is a transaction: samples are staged, then commit writes one WAL
 * frame and makes them visible together, or rollback forgets them.
 *
 * Samples of one scrape share one time, so the appender of a *sample group* takes values without a
 * time; append_at is for loose samples (remote write, client timestamps). A group stands for whatever
 * produces rows with one time each: a target, a rule group.
 *
 * Ownership: the appender is freed by commit and rollback. Thread-safety: one thread an appender;
 * any number of appenders at once, but one at a time for a group.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/exemplar.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "tsdb/tsdb.h"

#include <stdbool.h>
#include <stdint.h>

struct appender;
struct sample_group;

/* Series are named by dense refs that are never used again after the series is gone. 0 is none. */
typedef uint64_t series_ref;

enum append_result {
    APPEND_OK,
    APPEND_DUPLICATE_SAME,  /* same time, same bits: nothing to do */
    APPEND_DUPLICATE,       /* same time, other value */
    APPEND_OUT_OF_ORDER,    /* older than the newest of the series, no window */
    APPEND_TOO_OLD,         /* older than the out-of-order window */
    APPEND_OUT_OF_BOUNDS,   /* older than the head takes */
    APPEND_UNKNOWN_SERIES,  /* the ref is gone (head GC): get a new one by labels */
};

/* A sample group; freed by sample_group_free when its producer is gone (the samples stay). */
struct sample_group *sample_group_new(struct tsdb *db) MUST_CHECK;
void sample_group_free(struct sample_group *group);

/* `group` may be NULL (all samples loose). `t_ms` is the time of the group's row. ERR_UNAVAILABLE in
 * the failed state. */
enum err appender_begin(struct tsdb *db, struct sample_group *group, int64_t t_ms,
                        struct appender **out, struct errbuf *err) MUST_CHECK;

/* The series of a label set, made when it is new. The set is borrowed: storage keeps its own counted
 * copy. */
series_ref appender_series(struct appender *appender, const struct labels *labels);
/* The labels of a live ref, NULL when it is gone; valid until commit or rollback. */
const struct labels *appender_labels(struct appender *appender, series_ref ref);

/* The time of the newest sample of a series that was committed, INT64_MIN if there is none. For stale
 * markers of series that someone else may go on with: storage with an out-of-order window takes older
 * ones too. */
int64_t appender_newest_ms(struct appender *appender, series_ref ref);

/* Stages a sample at the group's time. At most one for a series and row: the second is compared as
 * any duplicate. */
enum append_result append(struct appender *appender, series_ref ref, double value);
enum append_result append_at(struct appender *appender, series_ref ref, int64_t t_ms, double value);
enum append_result append_histogram(struct appender *appender, series_ref ref,
                                    const struct histogram *histogram);
enum append_result append_histogram_at(struct appender *appender, series_ref ref, int64_t t_ms,
                                       const struct histogram *histogram);

/* Are start timestamps of samples of any use? */
bool appender_takes_starts(const struct appender *appender);
/* The sample of the series at `t_ms`, which is appended next, counts since `start_ms` (0 = not known).
 * Best effort: where samples of 0 at the start are wanted, one is staged if it is the series'
 * newest, a histogram of the kind of `histogram` unless that is NULL; where starts are stored, it is
 * noted. */
void append_start(struct appender *appender, series_ref ref, int64_t t_ms, int64_t start_ms,
                  const struct histogram *histogram);

enum exemplar_result {
    EXEMPLAR_OK,
    EXEMPLAR_SAME, /* the series' newest, or exemplars are not stored: nothing to do */
    EXEMPLAR_OUT_OF_ORDER,
    EXEMPLAR_LABELS_TOO_LONG,
    EXEMPLAR_UNKNOWN_SERIES,
};
/* Is it worth finding exemplars? */
bool appender_takes_exemplars(const struct appender *appender);
/* Stages an exemplar of a series. */
enum exemplar_result append_exemplar(struct appender *appender, series_ref ref,
                                     const struct exemplar *exemplar);

/* All or nothing: on an error nothing was stored. Frees the appender either way. */
enum err appender_commit(struct appender *appender, struct errbuf *err) MUST_CHECK;
void appender_rollback(struct appender *appender);
