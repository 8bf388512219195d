/*
 * What became of a query, operator by operator: rows, samples, memory and time. Measured only when it
 * is asked for, since the clock is looked at around every row.
 *
 * Time and memory of an operator include its children's; what is its own is the difference, which
 * the receiver can take.
 */
#pragma once

#include "promql/operator.h"
#include "promql/value.h"

/* What an operator has used so far, children included. */
struct operator_usage {
    int64_t time_ns;
    uint64_t bytes;
};

/* Around a call of an operator: notes where clock and memory are... */
struct operator_usage explain_begin(const struct evaluation *ev);
/* ...and adds what was used since. */
void explain_end(struct operator* op, struct operator_usage before);

/* The tree below an operator, in the arena of the result. What lies more than 24 levels deep is left out.
 */
struct promql_explanation *explain_tree(const struct operator* op);
/* The same for a selector whose samples are the answer. */
struct promql_explanation *explain_points(const struct evaluation *ev, const struct node *selector,
                                          const struct promql_result *result);
