/*
 * What one rule writes: the samples of an evaluation, and a stale marker for each series that it wrote
 * the last time and does not write now. A rule with many series has a sample group of its own, so that
 * they share the column of times; the samples of others are loose.
 *
 * Every rule commits by itself, so that the next rule of the group sees its samples.
 *
 * Ownership: the outputs keep a reference to the labels of each series that was written. Thread-safety:
 * one owner, the evaluation of the group.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/table.h"
#include "base/vec.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "tsdb/appender.h"

#include <stddef.h>
#include <stdint.h>

/* A sample to be written; `labels` is counted and owned by the list. */
struct output_sample {
    const struct labels *labels;
    double value;
    const struct histogram *histogram; /* borrowed; NULL = a float */
};

struct output_samples {
    VEC(struct output_sample) items;
};
void output_samples_release(struct output_samples *samples);

/* Series by their labels, each with a reference. */
struct output_series {
    VEC(const struct labels *) items;
};
void output_series_release(struct output_series *series);

struct outputs {
    struct tsdb *db;
    struct sample_group *group; /* NULL = few series so far */
    struct table series;        /* of struct output */
    uint64_t round;             /* number of the last write */
};

/* What was refused, for the log. */
struct outputs_report {
    size_t out_of_order;
    size_t too_old;
    size_t duplicates;
    size_t written;
};

void outputs_init(struct outputs *outputs, struct tsdb *db);
void outputs_release(struct outputs *outputs);

/* Writes a row at a time. On a failure nothing is written and the series stay known; a refused sample
 * is no failure, but `out_refused` says why the last was (empty = none was). */
enum err outputs_write(struct outputs *outputs, int64_t t_ms, const struct output_samples *samples,
                       struct outputs_report *out_report, struct errbuf *out_refused,
                       struct errbuf *err) MUST_CHECK;
/* Moves the series to a list, for later markers; the outputs are empty afterwards. */
void outputs_take_series(struct outputs *outputs, struct output_series *out);

/* Stale markers for series that no rule writes any more; those that have newer samples are left alone. */
enum err output_series_end(struct tsdb *db, const struct output_series *series, int64_t t_ms,
                           struct errbuf *err) MUST_CHECK;
