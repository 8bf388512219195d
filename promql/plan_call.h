/* The making of a plan, node by node. Internal to plan.c and plan_call.c. */
#pragma once

#include "promql/operators.h"

struct plan {
    struct evaluation *ev;
    bool ordered;      /* the order of the rows of the present node can be seen */
    bool has_fixed;    /* parts may be the same at every step; see plan_has_fixed */
    bool is_invariant; /* inside such a part */
};

/* A child; parentheses around it do not count. NULL on failure. */
struct operator* plan_child(struct plan *plan, const struct node *node, bool ordered);
struct operator*
    plan_selector(struct plan *plan, const struct node *node, enum selector_yield yield);
bool plan_source(struct plan *plan, const struct node *node, struct range_source *out);
struct operator* plan_call(struct plan *plan, const struct node *node);
/* NULL, with "... is not supported". */
struct operator* plan_unsupported(struct plan *plan, const struct node *node, const char *what);
