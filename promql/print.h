/*
 * The canonical text of nodes, one line. Printing ends early when the buffer is full, so that
 * "does it fit?" costs no more than the bytes it may have. Thread-safety: no state.
 */
#pragma once

#include "base/buf.h"
#include "promql/ast.h"

/* Runs `print` over the whole tree, however high it is; without memory for that `out` overflows. */
void print_tree(const struct promql_expression *expression,
                void (*print)(const struct node *root, struct buf *out), struct buf *out);
void print_node(const struct node *node, struct buf *out);
/* What is before the parenthesis of an aggregation: sum by (a) */
void print_aggregate_head(const struct node *node, struct buf *out);
/* An operator with what is behind it: == bool on (a) group_left () */
void print_operator(const struct node *node, struct buf *out);
/* [5m:1m] @ 1.000 offset 5m */
void print_subquery_tail(const struct node *node, struct buf *out);
/* The left operand of an operation as it must be printed: in parentheses, made in `paren`, where
 * the operator would else be taken for a part of it. */
const struct node *print_left_operand(const struct node *node, struct node *paren);
