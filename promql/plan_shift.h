/* offset, @, ranges and steps of selectors and subqueries, resolved for one query. */
#pragma once

#include "promql/ast.h"
#include "promql/evaluation.h"
#include "promql/windows.h"

#include <stdbool.h>
#include <stdint.h>

bool plan_shift(struct evaluation *ev, const struct node_shift *shift, struct time_shift *out);
/* Of a matrix selector or a subquery. */
bool plan_range(struct evaluation *ev, const struct node *node, int64_t *out_ms);
bool plan_subquery_step(struct evaluation *ev, const struct node *subquery, int64_t *out_ms);

/* When info series are looked for: when the first selector in the first argument of info() looks.
 */
bool plan_info_shift(struct evaluation *ev, const struct node *call, struct time_shift *out);

/* Is there anything below that has to be the same at every step? What has an @ has, and what is
 * aggregated by a parameter that moves although the vector does not. */
bool plan_has_fixed(const struct node *node);
/* Is the value the same at every step, and is it worth computing it once? */
struct plan_invariance {
    bool is_invariant;
    bool should_wrap;
};
struct plan_invariance plan_invariance(const struct node *node);
