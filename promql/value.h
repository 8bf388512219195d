/*
 * The result of a query.
 *
 * Values come in two shapes. *Columns*: for every row one label set and a column of values for all
 * steps, with a presence bitmap; an instant query is a column of one. *Points*: for every row its own
 * sample times, for a range selector in an instant query. Both are kept whole in the result's arena.
 *
 * Ownership: promql_result_free frees everything, label sets too (they are borrowed sets).
 * Thread-safety: immutable once it is returned.
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"
#include "model/histogram.h"
#include "model/labels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum promql_type {
    PROMQL_NONE,
    PROMQL_SCALAR,
    PROMQL_VECTOR,
    PROMQL_MATRIX,
    PROMQL_STRING,
};

/* "scalar", "vector", "matrix", "string" */
const char *promql_type_name(enum promql_type type);
/* As messages say it: "scalar", "instant vector", "range vector", "string" */
const char *promql_type_documented_name(enum promql_type type);

/* The times of a query: start_ms + i * step_ms for i < count; an instant query has count 1. */
struct promql_steps {
    int64_t start_ms;
    int64_t step_ms;
    size_t count;
};

static inline size_t promql_bitmap_words(size_t count)
{
    return (count + 63) / 64;
}
static inline bool promql_bitmap_get(const uint64_t *bitmap, size_t index)
{
    return (bitmap[index / 64] >> (index % 64)) & 1;
}
static inline void promql_bitmap_set(uint64_t *bitmap, size_t index)
{
    bitmap[index / 64] |= UINT64_C(1) << (index % 64);
}

/* One row of columns. values[i] counts only where bit i of `present` is set; histograms is NULL where
 * all are floats, else a present step with histograms[i] != NULL is a histogram. */
struct promql_row {
    const struct labels *labels;
    double *values;
    uint64_t *present;
    const struct histogram **histograms;
};

/* One row of points. */
struct promql_points {
    const struct labels *labels;
    const int64_t *timestamps_ms;
    const double *values;
    const struct histogram *const *histograms; /* NULL where all are floats */
    size_t count;
};

enum promql_annotation_level {
    PROMQL_WARNING,
    PROMQL_INFO,
    PROMQL_STORAGE_WARNING, /* what storage left out: the answer is incomplete */
};
struct promql_annotation {
    enum promql_annotation_level level;
    /* whole, with prefix and place: "PromQL info: ... (1:6)"; storage's as storage says it */
    struct slice text;
};

/* Figures of one query, for stats= and the metrics. Times in nanoseconds. */
struct promql_statistics {
    int64_t prepare_ns;
    int64_t queue_ns;
    int64_t evaluate_ns;
    int64_t sort_ns;
    uint64_t samples_total; /* totalQueryableSamples */
    uint64_t samples_peak;
    uint64_t samples_read;
    const uint64_t *total_by_step; /* samples_total and samples_read step by step; NULL = not asked for */
    const uint64_t *read_by_step;
};

/* What an operator of the plan did. Bytes and time include its children's. */
struct promql_explanation {
    const char *operation;
    struct slice expression; /* the part of the query; empty where there is none */
    uint64_t row_count;
    uint64_t value_count;
    uint64_t sample_count; /* read from storage or seen in windows */
    uint64_t bytes;
    int64_t time_ns;
    struct promql_explanation **children;
    size_t child_count;
};

struct promql_result {
    struct arena arena;
    enum promql_type type; /* of the answer: a range query gives PROMQL_MATRIX always */
    bool is_range_query;
    struct promql_steps steps;
    /* columns: PROMQL_SCALAR (one row, no labels), PROMQL_VECTOR, and PROMQL_MATRIX of a range query.
     * Rows of a matrix are sorted by labels and have at least one present step. */
    struct promql_row *rows;
    size_t row_count;
    /* points: PROMQL_MATRIX of an instant query, sorted by labels */
    struct promql_points *points;
    size_t points_count;
    struct slice text; /* PROMQL_STRING */
    struct promql_annotation *annotations;
    size_t annotation_count;
    struct promql_statistics statistics;
    struct promql_explanation *explanation; /* NULL = not asked for, or nothing to tell */
    /* private: what keeps label symbols and chunks alive */
    void *keep;
    void (*keep_free)(void *keep);
};

void promql_result_free(struct promql_result *result);
