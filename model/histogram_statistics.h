/*
 * Estimates from a native histogram: quantile, fraction, average, variance. Within a bucket,
 * observations lie evenly: on a linear scale for custom buckets and the zero bucket, on a
 * logarithmic one for exponential buckets.
 *
 * Observations of NaN are counted but lie in no bucket; where that touches an answer, a note says
 * so, and the query tells the user.
 *
 * Thread-safety: functions of their arguments.
 */
#pragma once

#include "model/histogram.h"

enum histogram_note {
    HISTOGRAM_NOTE_NONE,
    HISTOGRAM_NOTE_NAN_RESULT,  /* the quantile is above all buckets, among the NaNs */
    HISTOGRAM_NOTE_NAN_SKEW,    /* NaNs count as +Inf and push the quantile up */
    HISTOGRAM_NOTE_NAN_IGNORED, /* NaNs are in no fraction */
};

/* Quantile 0 <= q <= 1; -Inf below, +Inf above, NaN for NaN or without observations. */
double histogram_quantile(const struct histogram *histogram, double q,
                          enum histogram_note *out_note);
/* Which part of all observations lies between the bounds; NaN without observations. */
double histogram_fraction(const struct histogram *histogram, double lower, double upper,
                          enum histogram_note *out_note);
double histogram_average(const struct histogram *histogram);
double histogram_variance(const struct histogram *histogram);
double histogram_standard_deviation(const struct histogram *histogram);
