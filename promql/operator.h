/*
 * The plan is a tree of operators. Each yields rows, one after the other; a parent pulls from its
 * children, so what can stream does, and what needs all rows first (the one side of a join,
 * quantile) gathers them.
 *
 * An operator is started with the steps for which it is to give values and may be started again
 * with others: subqueries start their child with their own grid, and operators that gather can go
 * through the steps in tiles.
 *
 * Failure: start and next answer false; next also answers false at the end. ev->error tells.
 * Ownership: operators live in the evaluation's scratch arena; what they hold on the heap goes with
 * operators_release. Rows: see row.h.
 */
#pragma once

#include "promql/ast.h"
#include "promql/evaluation.h"
#include "promql/row.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parentheses around arguments do not count. */
static inline const struct node *node_unwrap(const struct node *node)
{
    while (node->kind == NODE_PAREN)
        node = node->children[0];
    return node;
}

struct operator_methods {
    const char *name;
    /* op->steps is set; the children are not started yet. */
    bool (*start)(struct operator* op);
    bool (*next)(struct operator* op, struct row *out);
    void (*release)(struct operator* op); /* may be NULL */
};

struct operator
{
    const struct operator_methods *methods;
    struct evaluation *ev;
    const struct node *node;
    struct operator** children;
    size_t child_count;
    struct promql_steps steps;

    /* What is known of the rows before they come: */
    bool unique;      /* no label set comes twice, at whatever step */
    bool nameless;    /* no row has a reserved label */
    bool keeps_input; /* holds all of its children's cells beside its own */
    bool name_unique; /* without reserved labels, sets are still distinct at every step */

    /* Of the present start, and of all starts for the explain tree: */
    uint64_t cells;
    uint64_t held;  /* of its cells, against max-samples */
    uint64_t total; /* held by it and its children */
    uint64_t row_count;
    uint64_t cell_count;
    uint64_t sample_count; /* of selectors and functions over their ranges */
    uint64_t byte_count;   /* explain.h: with those of the children */
    int64_t time_ns;
    struct sample_sheet *sheet; /* where it counts its samples */
    bool at_end;

    /* Where `next` makes the histograms of the row that it hands out; empty whenever it begins. */
    struct arena made;
    size_t made_counted; /* of it, in the evaluation's sum */

    uint32_t rank; /* order of making: children come before their parents */
    struct operator* next_of_plan;
};

/* Allocates an operator of `size` bytes, whose first member is struct operator, cleared. */
void *operator_new(struct evaluation *ev, size_t size, const struct operator_methods *methods,
                   const struct node *node, size_t child_count);
void operators_release(struct evaluation *ev);

bool operator_start(struct operator* op, const struct promql_steps *steps);
/* Starts all children with the operator's own steps. */
bool operator_start_children(struct operator* op);
bool operator_next(struct operator* op, struct row *out);

/* Starts a scalar operator and takes its column, which stays the operator's. NULL on failure. */
const double *operator_scalar(struct operator* op, const struct promql_steps *steps);
