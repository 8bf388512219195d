/*
 * Functions over range vectors. A kernel gets the samples of one series and the windows of all
 * steps and computes the whole column; it is asked once a series.
 *
 * Kernels of floats know nothing of histograms. A series with histograms goes through
 * range_mixed.c: floats go alone through the kernel of floats, histograms through a kernel of their
 * own, which is asked window by window.
 *
 * Thread-safety: kernels touch nothing but what they are given.
 */
#pragma once

#include "base/vec.h"
#include "promql/evaluation.h"
#include "promql/functions.h"
#include "promql/row.h"
#include "promql/selection.h"
#include "promql/start_times.h"
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
    VEC(double) factor;
    VEC(double) first;
    VEC(uint64_t) present;
    bool has_starts; /* they depend on start timestamps, too */
    VEC(uint64_t) begins;
    /* of series with histograms: the floats among the samples, and for every sample how many
     * floats, cells and resets or changes there are up to it */
    VEC(int64_t) float_timestamps_ms;
    VEC(double) float_values;
    VEC(int64_t) float_start_timestamps_ms;
    VEC(uint32_t) float_counts;
    VEC(uint32_t) float_low;
    VEC(uint32_t) float_high;
    VEC(uint64_t) cells;
    VEC(uint32_t) events;
    struct arena steps_own; /* what ends with a step */
};

static inline void range_scratch_init(struct range_scratch *scratch)
{
    *scratch = (struct range_scratch){0};
    arena_init(&scratch->steps_own, SIZE_MAX);
}

static inline void range_scratch_release(struct range_scratch *scratch)
{
    vec_release(&scratch->doubles);
    vec_release(&scratch->indices);
    vec_release(&scratch->to_start);
    vec_release(&scratch->to_end);
    vec_release(&scratch->sampled);
    vec_release(&scratch->factor);
    vec_release(&scratch->first);
    vec_release(&scratch->present);
    vec_release(&scratch->begins);
    vec_release(&scratch->float_timestamps_ms);
    vec_release(&scratch->float_values);
    vec_release(&scratch->float_start_timestamps_ms);
    vec_release(&scratch->float_counts);
    vec_release(&scratch->float_low);
    vec_release(&scratch->float_high);
    vec_release(&scratch->cells);
    vec_release(&scratch->events);
    arena_release(&scratch->steps_own);
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
    uint64_t overlaps; /* windows in which samples overlap by their start timestamps; added to */
    /* out, where samples.histograms is not NULL: as in a row, of NULLs at first */
    const struct histogram **histograms;
    struct arena *made; /* where new ones are made */
    unsigned notes;     /* enum range_note of range_mixed.h, or'ed */
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
/* Are the factors good? Asked of every window that has a sample. */
bool range_smooth_check(const struct range_input *in, size_t step);

/* NULL when the function is not one over a range vector. */
range_kernel range_kernel_of(enum function_id id);
/* NULL when the function cannot be used with the extension. */
range_kernel range_kernel_of_extended(enum function_id id, enum selector_extension extension);

/* As the reference's time.Duration.Seconds() rounds it. */
static inline double range_seconds_of(const struct range_input *in)
{
    return (double)(in->range_ms / 1000) + (double)(in->range_ms % 1000 * 1000000) / 1e9;
}

/* How far a line is drawn out beyond the first and the last of `count` samples; see
 * functions_rate.c. Where the series begins within the range, there is one more sample of 0; else
 * the count is at least 2. */
struct range_edges {
    double to_start;
    double to_end;
    double sampled;
    bool begins;
};
struct range_edges range_find_edges(const struct range_input *in, size_t step, uint32_t low,
                                    uint32_t count);
/* Does the series begin within the window, going by the start timestamp of its first sample? */
static inline bool range_window_begins(const struct range_input *in, size_t step, uint32_t low)
{
    int64_t end_ms = time_shift_apply(in->shift, steps_time(in->steps, step));
    return samples_begin_after(&in->samples, low, end_ms - in->range_ms);
}
/* Counts windows of samples that overlap by their start timestamps. */
void range_count_overlaps(struct range_input *in);

/* The number of samples in the window of a step; 0 = the step has no value. Counts the work; the
 * loop ends when the evaluation has to. */
static inline uint32_t range_window(const struct range_input *in, size_t step, uint32_t *out_low)
{
    *out_low = in->windows.low[step];
    return in->windows.high[step] - *out_low;
}
