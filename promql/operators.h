/*
 * The operators that the plan is made of. Each constructor takes its children ready-made; `node` is
 * where it comes from in the text. Nothing is evaluated before operator_start.
 */
#pragma once

#include "promql/functions.h"
#include "promql/operator.h"
#include "promql/windows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* selector.c */
enum selector_yield {
    SELECTOR_VALUES,
    SELECTOR_TIMES,       /* seconds of the samples, for timestamp(selector) */
    SELECTOR_START_TIMES, /* seconds since which they count, for start_timestamp(selector) */
};
struct operator* selector_new(struct evaluation *ev, const struct node *node,
                              const struct time_shift *shift, bool sorted,
                              enum selector_yield yield);
/* smoothed_selector.c: values on the line between the samples around a step */
struct operator* smoothed_selector_new(struct evaluation *ev, const struct node *node,
                                       const struct time_shift *shift, bool sorted);

/* range_function.c: a function over a range vector, that is, over a matrix selector or a subquery
 */
struct range_source {
    const struct node *selector; /* the vector selector; NULL for a subquery */
    bool sorted;
    struct operator* inner; /* of a subquery; its rows must be unique */
    int64_t inner_step_ms;
    struct time_shift shift;
    int64_t range_ms;
    enum selector_extension extension;
};
/* Where the samples lie that a range needs: wider than the range itself where it is anchored or
 * smoothed. */
void range_source_reach(const struct evaluation *ev, const struct range_source *source,
                        struct time_shift *out_shift, int64_t *out_range_ms);
/* The steps of a subquery for windows that end in [first_ms, last_ms]. false when there are none or
 * too many. */
bool range_source_inner_steps(struct evaluation *ev, const struct range_source *source,
                              int64_t first_ms, int64_t last_ms, struct promql_steps *out);
struct operator* range_function_new(struct evaluation *ev, const struct node *call,
                                    const struct range_source *source, struct operator** scalars,
                                    size_t scalar_count);
/* present_over_time as absent_over_time needs it: no complaint about equal label sets */
struct operator* range_presence_new(struct evaluation *ev, const struct node *call,
                                    const struct range_source *source);

/* merge.c: gathers rows and joins those of one label set; afterwards rows are unique. With
 * `drop_names` the reserved labels of rows that say so go first. */
struct operator* merge_new(struct operator* child, bool drop_names);
/* Only where there is more than one step. Of rows that differ in whether their name goes, the one
 * that begins first decides. */
struct operator* merge_ranges_new(struct operator* child);

/* absent.c: 1 where no row of the child is present, with the labels that the selector asks for */
struct operator* absent_new(struct evaluation *ev, const struct node *call,
                            const struct node *argument, struct operator* child);

/* scalars.c: rows without labels, one value at every step */
struct operator* constant_new(struct evaluation *ev, const struct node *node, double value);
struct operator* time_new(struct evaluation *ev, const struct node *node);
/* scalar(): the value where exactly one row is present, else NaN */
struct operator* scalar_new(struct evaluation *ev, const struct node *node, struct operator* child);
/* An instant vector without rows. */
struct operator* empty_new(struct evaluation *ev, const struct node *node);

/* map.c: functions of one instant vector, value by value, and scalars */
#define MAP_ARGUMENTS_MAX 2
struct map_input {
    const struct promql_steps *steps;
    const double *arguments[MAP_ARGUMENTS_MAX];
    size_t argument_count;
};
/* Works on the row in place; may take steps out. */
typedef void (*map_kernel)(struct row *row, const struct map_input *input);
struct operator* map_new(struct evaluation *ev, const struct node *node, map_kernel kernel,
                         struct operator* child, struct operator** scalars, size_t scalar_count);
/* NULL when the function is not such a one. functions_math.c and functions_time.c */
map_kernel map_kernel_of_math(enum function_id id);
map_kernel map_kernel_of_time(enum function_id id);
extern const map_kernel map_kernel_negate;
extern const map_kernel map_kernel_keep; /* values stay, the name goes */

/* binary_scalar.c: both sides scalars, or one a vector */
struct operator* binary_scalars_new(struct evaluation *ev, const struct node *node,
                                    struct operator* left, struct operator* right);
struct operator* binary_vector_scalar_new(struct evaluation *ev, const struct node *node,
                                          struct operator* left, struct operator* right);
/* binary_match.c: arithmetic and comparison between vectors */
struct operator* binary_match_new(struct evaluation *ev, const struct node *node,
                                  struct operator* left, struct operator* right);
/* binary_set.c: and, or, unless */
struct operator* binary_set_new(struct evaluation *ev, const struct node *node,
                                struct operator* left, struct operator* right);

/* aggregate.c: sum, avg, count, min, max, group, stddev, stdvar */
struct operator*
    aggregate_new(struct evaluation *ev, const struct node *node, struct operator* child);
/* aggregate_select.c: topk, bottomk, limitk, limit_ratio */
struct operator* aggregate_select_new(struct evaluation *ev, const struct node *node,
                                      struct operator* child, struct operator* parameter);
/* aggregate_quantile.c */
struct operator* aggregate_quantile_new(struct evaluation *ev, const struct node *node,
                                        struct operator* child, struct operator* parameter);
/* aggregate_values.c: count_values */
struct operator* aggregate_values_new(struct evaluation *ev, const struct node *node,
                                      struct operator* child, struct slice label);

/* invariant.c: the child is evaluated at the first step; its rows hold at every step */
struct operator*
    invariant_new(struct evaluation *ev, const struct node *node, struct operator* child);
/* info.c: `shift` says at which time info series are looked for */
struct operator* info_new(struct evaluation *ev, const struct node *call,
                          const struct time_shift *shift, struct operator* child);
/* label_functions.c */
struct operator*
    label_replace_new(struct evaluation *ev, const struct node *call, struct operator* child);
struct operator*
    label_join_new(struct evaluation *ev, const struct node *call, struct operator* child);
/* sort.c: sort, sort_desc, sort_by_label, sort_by_label_desc; in a range query nothing but a
 * warning */
struct operator* sort_new(struct evaluation *ev, const struct node *call, struct operator* child);
/* functions_native.c: histogram_count, _sum, _avg, _stddev, _stdvar */
struct operator*
    native_function_new(struct evaluation *ev, const struct node *call, struct operator* child);
/* functions_histogram.c: over classic and native histograms. Scalars: the quantile; or lower and upper bound;
 * or the quantiles of histogram_quantiles. */
struct operator* histogram_new(struct evaluation *ev, const struct node *call,
                               struct operator* child, struct operator** scalars,
                               size_t scalar_count);
/* drain.c: evaluates the child and gives no row */
struct operator* drain_new(struct evaluation *ev, const struct node *call, struct operator* child);
