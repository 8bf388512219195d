/*
 * The series of one selector and their samples, one series at a time.
 *
 * The list is asked for once, for the widest span that was needed so far; every start goes through
 * it again. Samples are borrowed until the next series is read with the same reader.
 *
 * Thread-safety: that of the evaluation; but any number of threads may read series of one list, each
 * with a reader of its own, until the selection is started again.
 */
#pragma once

#include "base/vec.h"
#include "model/sample.h"
#include "model/series_source.h"
#include "promql/ast.h"
#include "promql/evaluation.h"
#include "promql/histogram_outline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The memory that reading needs. */
struct series_reader {
    struct evaluation *ev;
    struct sample_columns columns;
    bool outlined; /* its histograms have no buckets */
    struct histogram_outlines outlines;
    VEC(int64_t) clean_timestamps_ms;
    VEC(double) clean_values;
    VEC(int64_t) clean_start_timestamps_ms;
    VEC(const struct histogram *) clean_histograms;
};

struct selection {
    struct evaluation *ev;
    const struct node *selector; /* NODE_VECTOR_SELECTOR */
    bool sorted;                 /* in the order of labels, where an order can be seen */
    struct series_list list;
    bool is_selected;
    int64_t selected_min_ms;
    int64_t selected_max_ms;
    int64_t min_ms;
    int64_t max_ms;
    size_t at;
    struct histogram_windows windows; /* where histograms without buckets are looked at */
    struct series_reader reader;
};

/* Samples of one series. With histograms: sample i is one where histograms[i] != NULL. */
struct samples {
    const int64_t *timestamps_ms;
    const double *values;
    const struct histogram *const *histograms; /* NULL where all are floats */
    size_t count;
    const int64_t *start_timestamps_ms; /* NULL where none is known; see struct sample_columns */
};

/* A stale marker is among floats a float; among histograms it is a histogram with such a sum. */
static inline bool samples_is_stale(const struct samples *samples, size_t index)
{
    const struct histogram *histogram =
        samples->histograms == NULL ? NULL : samples->histograms[index];
    return sample_is_stale(histogram == NULL ? samples->values[index] : histogram->sum);
}

void series_reader_init(struct series_reader *reader, struct evaluation *ev, bool outlined);
void series_reader_release(struct series_reader *reader);
/* The samples of a series of the selection, perhaps none; stale markers are among them. */
bool series_reader_read(struct series_reader *reader, const struct selection *selection,
                        const struct series_entry *entry, struct samples *out);
/* Takes stale markers out; what is left may be none. Where all histograms were, `histograms` becomes
 * NULL. */
void series_reader_clean(struct series_reader *reader, struct samples *samples);

void selection_init(struct selection *selection, struct evaluation *ev, const struct node *selector,
                    bool sorted);
void selection_release(struct selection *selection);

/* Goes to the first series; the samples of these windows, and those between. */
bool selection_start(struct selection *selection, const struct histogram_windows *windows);
/* The next series that has samples; stale markers are among them. false at the end or on failure.
 */
bool selection_next(struct selection *selection, const struct labels **out_labels,
                    struct samples *out);
void selection_clean(struct selection *selection, struct samples *samples);

/* Do all series of the selector have one metric name, and nothing else that goes with it? Then
 * their sets stay distinct without it. */
bool selection_has_one_name(const struct evaluation *ev, const struct node *selector);
