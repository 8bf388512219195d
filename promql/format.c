/*
 * The text that format_query answers: what fits into a line stays on it, the rest is broken at its
 * parentheses and operators, as the reference breaks it. Comments are gone.
 */
#include "base/assert.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "promql/ast.h"
#include "promql/functions.h"
#include "promql/print.h"
#include "promql/promql.h"

#define LINE_BYTES_MAX 100

static void format_node(const struct node *node, unsigned level, struct buf *out);

static void format_indent(unsigned level, struct buf *out)
{
    for (unsigned i = 0; i < level; i++)
        buf_append_str(out, "  ");
}

static bool is_long(const struct node *node)
{
    if (node->height > LINE_BYTES_MAX) /* every level has a byte */
        return true;
    struct buf text CLEANUP(buf_release);
    buf_init(&text, LINE_BYTES_MAX);
    print_node(node, &text);
    return text.overflow;
}

static void format_aggregate(const struct node *node, unsigned level, struct buf *out)
{
    print_aggregate_head(node, out);
    buf_append_str(out, "(\n");
    if (node->child_count > 1) {
        format_node(node->children[1], level + 1, out);
        buf_append_str(out, ",\n");
    }
    format_node(node->children[0], level + 1, out);
    buf_append_byte(out, '\n');
    format_indent(level, out);
    buf_append_byte(out, ')');
}

static void format_call(const struct node *node, unsigned level, struct buf *out)
{
    buf_append_str(out, node->call.function->name);
    buf_append_str(out, "(\n");
    for (size_t i = 0; i < node->child_count; i++) {
        if (i > 0)
            buf_append_str(out, ",\n");
        format_node(node->children[i], level + 1, out);
    }
    buf_append_byte(out, '\n');
    format_indent(level, out);
    buf_append_byte(out, ')');
}

static void format_paren(const struct node *node, unsigned level, struct buf *out)
{
    buf_append_str(out, "(\n");
    format_node(node->children[0], level + 1, out);
    buf_append_byte(out, '\n');
    format_indent(level, out);
    buf_append_byte(out, ')');
}

static void format_binary(const struct node *node, unsigned level, struct buf *out)
{
    struct node paren;
    format_node(print_left_operand(node, &paren), level + 1, out);
    buf_append_byte(out, '\n');
    format_indent(level, out);
    print_operator(node, out);
    buf_append_byte(out, '\n');
    format_node(node->children[1], level + 1, out);
}

/* The operand begins right behind the sign: its own indentation is taken away. */
static void format_unary(const struct node *node, unsigned level, struct buf *out)
{
    buf_append_str(out, operator_text(node->unary.op));
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    format_node(node->children[0], level, &text);
    buf_append_slice(out, slice_trim(buf_slice(&text)));
}

static void format_node(const struct node *node, unsigned level, struct buf *out)
{
    if (out->overflow)
        return;
    bool breaks = node->kind == NODE_UNARY || is_long(node);
    if (node->kind == NODE_SUBQUERY && breaks) {
        format_node(node->children[0], level, out);
        print_subquery_tail(node, out);
        return;
    }
    /* a short subquery stands without indentation, and a broken operation indents by its operands
     */
    if (node->kind != NODE_SUBQUERY && !(node->kind == NODE_BINARY && breaks))
        format_indent(level, out);
    if (!breaks) {
        print_node(node, out);
        return;
    }
    switch (node->kind) {
    case NODE_AGGREGATE:
        format_aggregate(node, level, out);
        break;
    case NODE_CALL:
        format_call(node, level, out);
        break;
    case NODE_PAREN:
        format_paren(node, level, out);
        break;
    case NODE_BINARY:
        format_binary(node, level, out);
        break;
    case NODE_UNARY:
        format_unary(node, level, out);
        break;
    default: /* selectors and literals are never broken */
        print_node(node, out);
        break;
    }
}

static void format_root(const struct node *root, struct buf *out)
{
    format_node(root, 0, out);
}

void promql_format(const struct promql_expression *expression, struct buf *out)
{
    print_tree(expression, format_root, out);
}
