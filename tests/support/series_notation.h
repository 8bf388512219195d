/*
 * Series as test scripts write them: a metric and values that expand.
 *
 *     up{job="x"} 1 1+2x3 _ _x2 stale NaN
 *
 * 1+2x3 is 1 3 5 7, 1x3 is 1 1 1 1, _ is no sample. {{...}} is a native histogram, which repeats
 * likewise.
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"
#include "base/vec.h"
#include "model/histogram.h"
#include "model/labels.h"

#include <stdbool.h>

struct series_value {
    bool is_omitted;
    const struct histogram *histogram; /* the line's; else NULL */
    bool has_hint;                     /* the text says its reset hint */
    double value;
};

struct series_line {
    struct labels *labels;
    VEC(struct series_value) values;
    struct arena arena;
};

/* false when it cannot be read. */
bool series_line_parse(struct slice text, struct series_line *out);
void series_line_release(struct series_line *line);
/* A number by itself, as an expected scalar. */
bool series_number_parse(struct slice text, double *out);
