/*
 * Functions over range vectors. A kernel gets the samples of one series and the windows of all
 * steps and computes the whole column; it is asked once a series.
 *
 * Thread-safety: kernels touch nothing but what they are given.
 */
#pragma once

#include "base/vec.h"
#include "promql/evaluation.h"
#include "promql/functions.h"
#include "promql/row.h"
#include "promql/selection.h"
#include "promql/windows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RANGE_ARGUMENTS_MAX 2

/* Memory that kernels reuse from series to series. */
struct range_scratch {
    VEC(double) doubles;
    VEC(uint32_t) indices;
    /* of rate and its kin: what depends on times alone, by step; see functions_rate.c */
    VEC(double) to_start;
    VEC(double) to_end;
    VEC(double) sampled;
    VEC(double) first;
    VEC(uint64_t) present;
};

static inline void range_scratch_release(struct range_scratch *scratch)
{
    vec_release(&scratch->doubles);
    vec_release(&scratch->indices);
    vec_release(&scratch->to_start);
    vec_release(&scratch->to_end);
    vec_release(&scratch->sampled);
    vec_release(&scratch->first);
    vec_release(&scratch->present);
}

struct range_input {
    struct evaluation *ev;
    const struct promql_steps *steps;
    const struct time_shift *shift;
    int64_t range_ms;
    enum selector_extension extension;
    struct samples samples;
    struct windows windows;
    bool same_times; /* sample times and windows are those of the series before */
    const double *arguments[RANGE_ARGUMENTS_MAX]; /* columns of the scalar arguments, in order */
    struct range_scratch *scratch;
    /* out: `present` comes clear */
    double *values;
    uint64_t *present;
};

/* false when the evaluation has failed. */
typedef bool (*range_kernel)(struct range_input *in);

/* functions_rate.c */
bool range_rate(struct range_input *in);
bool range_increase(struct range_input *in);
bool range_delta(struct range_input *in);
bool range_irate(struct range_input *in);
bool range_idelta(struct range_input *in);
bool range_resets(struct range_input *in);
bool range_changes(struct range_input *in);

/* functions_extended.c: over anchored and smoothed ranges, whose windows reach beyond the range */
bool range_extended_rate(struct range_input *in);
bool range_extended_increase(struct range_input *in);
bool range_extended_delta(struct range_input *in);

/* functions_over_time.c */
bool range_sum(struct range_input *in);
bool range_avg(struct range_input *in);
bool range_count(struct range_input *in);
bool range_present(struct range_input *in);
bool range_first(struct range_input *in);
bool range_last(struct range_input *in);
bool range_time_of_first(struct range_input *in);
bool range_time_of_last(struct range_input *in);
bool range_stddev(struct range_input *in);
bool range_stdvar(struct range_input *in);

/* functions_extremes.c */
bool range_min(struct range_input *in);
bool range_max(struct range_input *in);
bool range_time_of_min(struct range_input *in);
bool range_time_of_max(struct range_input *in);
bool range_quantile(struct range_input *in);
bool range_mad(struct range_input *in);

/* functions_trend.c */
bool range_deriv(struct range_input *in);
bool range_predict_linear(struct range_input *in);
bool range_smooth(struct range_input *in);

/* NULL when the function is not one over a range vector. */
range_kernel range_kernel_of(enum function_id id);
/* NULL when the function cannot be used with the extension. */
range_kernel range_kernel_of_extended(enum function_id id, enum selector_extension extension);

/* As the reference's time.Duration.Seconds() rounds it. */
static inline double range_seconds_of(const struct range_input *in)
{
    return (double)(in->range_ms / 1000) + (double)(in->range_ms % 1000 * 1000000) / 1e9;
}

/* The number of samples in the window of a step; 0 = the step has no value. Counts the work; the
 * loop ends when the evaluation has to. */
static inline uint32_t range_window(const struct range_input *in, size_t step, uint32_t *out_low)
{
    *out_low = in->windows.low[step];
    return in->windows.high[step] - *out_low;
}
