/*
 * PromQL over floats and native histograms, one step at a time, straight down the tree: slow,
 * plain, and independent of the engine's operators, to hold its columns against. Everything is an
 * array that is searched from its beginning; nothing is remembered from one step to the next.
 *
 * It knows selectors, ranges, subqueries, operators with matching, aggregations and most functions
 * of floats, and what selects, adds, scales and takes apart native histograms (not their rates);
 * not info, fill, durations that are expressions, anchored and smoothed. Functions of the time of
 * day are the C library's; powers and angles are the engine's own.
 *
 * Ownership: naive_release frees all vectors that came out. Thread-safety: one owner.
 */
#pragma once

#include "base/vec.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "promql/ast.h"
#include "promql/functions.h"
#include "tests/support/fake_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct naive_sample {
    const struct labels *labels;
    double value;
    const struct histogram *histogram; /* NULL: a float */
};

/* A scalar is one sample without labels. */
struct naive_vector {
    struct naive_sample *items;
    size_t len;
};

/* The samples of one window. */
struct naive_range {
    const struct labels *labels;
    int64_t *times_ms;
    double *values;
    const struct histogram **histograms; /* NULL: a float */
    size_t count;
};

struct naive_ranges {
    struct naive_range *items;
    size_t len;
    int64_t start_ms; /* the window is (start, end] */
    int64_t end_ms;
};

struct naive_evaluator {
    const struct fake_source *source;
    int64_t query_start_ms; /* for @ start() and @ end() */
    int64_t query_end_ms;
    int64_t lookback_ms;
    int64_t default_step_ms;
    /* private */
    const char *error;
    struct arena arena;
};

void naive_init(struct naive_evaluator *naive, const struct fake_source *source);
void naive_release(struct naive_evaluator *naive);
/* false when the query fails at this step; naive->error says why. */
bool naive_evaluate(struct naive_evaluator *naive, const struct node *root, int64_t at_ms,
                    struct naive_vector *out);

/* private: what naive_evaluator.c and naive_functions.c share */
bool naive_ranges_of(struct naive_evaluator *naive, const struct node *node, int64_t at_ms,
                     struct naive_ranges *out);
bool naive_call(struct naive_evaluator *naive, const struct node *call, int64_t at_ms,
                struct naive_vector *out);
bool naive_fail(struct naive_evaluator *naive, const char *error);
struct naive_vector naive_vector_new(struct naive_evaluator *naive, size_t capacity);
/* The labels that `keep` is true for: those named, or all but those named; never the metric name
 * unless it is named. */
const struct labels *naive_labels_keep(struct naive_evaluator *naive, const struct labels *labels,
                                       const struct slice *names, size_t count, bool named);
const struct labels *naive_labels_without_name(struct naive_evaluator *naive,
                                               const struct labels *labels);
const struct labels *naive_labels_set(struct naive_evaluator *naive, const struct labels *labels,
                                      struct slice name, struct slice value);
bool naive_is_unique(struct naive_evaluator *naive, const struct naive_vector *vector);
/* Of sorted or unsorted values, as quantile() interpolates. */
double naive_quantile(double q, double *values, size_t count);
enum naive_outcome {
    NAIVE_NOTHING, /* what the operator does not know: no pair */
    NAIVE_DROPPED, /* a comparison that does not hold */
    NAIVE_KEPT,
};
/* One of the two is a histogram at least. */
enum naive_outcome naive_operate_histograms(struct naive_evaluator *naive, enum operator_kind op,
                                            const struct naive_sample *a,
                                            const struct naive_sample *b, struct naive_sample *out);
/* Sum or average of one at least, with empty buckets; NULL where layouts do not go together. */
const struct histogram *naive_histogram_total(struct naive_evaluator *naive,
                                              const struct histogram *const *histograms,
                                              size_t count, bool average);
bool naive_is_histogram_function(enum function_id id);
bool naive_call_histogram(struct naive_evaluator *naive, const struct node *call, int64_t at_ms,
                          struct naive_vector *out);
/* The same but for reset hints, empty buckets and last digits? */
bool naive_histograms_agree(struct arena *arena, const struct histogram *a,
                            const struct histogram *b);
const struct node *naive_unwrap(const struct node *node);
