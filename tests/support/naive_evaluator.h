/*
 * PromQL over floats, one step at a time, straight down the tree: slow, plain, and independent of the
 * engine's operators, to hold its columns against. Everything is an array that is searched from its
 * beginning; nothing is remembered from one step to the next.
 *
 * It knows selectors, ranges, subqueries, operators with matching, aggregations and most functions of
 * floats; not native histograms, info, fill, durations that are expressions, anchored and smoothed.
 *
 * Ownership: naive_release frees all vectors that came out. Thread-safety: one owner.
 */
#pragma once

#include "base/vec.h"
#include "model/labels.h"
#include "promql/ast.h"
#include "tests/support/fake_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct naive_sample {
    const struct labels *labels;
    double value;
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
const struct node *naive_unwrap(const struct node *node);
