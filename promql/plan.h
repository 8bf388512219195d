/*
 * From the syntax tree to operators. What depends on the time of the query and not on its steps is
 * settled here: offset and @, duration expressions, start(), end(), range() and step(), and which
 * parts are the same at every step.
 */
#pragma once

#include "promql/ast.h"
#include "promql/evaluation.h"
#include "promql/operators.h"

#include <stdbool.h>
#include <stdint.h>

/* An instant vector or a scalar. NULL on failure. */
struct operator* plan_make(struct evaluation *ev, const struct node *root);
/* The range vector of an instant query: its source, with `inner` made for a subquery. */
bool plan_make_source(struct evaluation *ev, const struct node *matrix, struct range_source *out);

/* The span of time that selectors look at. false when there is no selector, or on failure. */
bool plan_time_range(struct evaluation *ev, const struct node *root, int64_t *out_min_ms,
                     int64_t *out_max_ms);
