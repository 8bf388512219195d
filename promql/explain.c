#include "promql/explain.h"

#include "base/arena.h"
#include "promql/ast.h"

/* A level is an array and an object of JSON, which writers let go to a depth of 64; and the texts of a
 * chain's parts would add up to the square of its length. */
#define EXPLAINED_DEPTH_MAX 24

struct operator_usage explain_begin(const struct evaluation *ev)
{
    if (!ev->query->explain)
        return (struct operator_usage){0};
    return (struct operator_usage){
        .time_ns = clock_monotonic_ns(ev->clock),
        .bytes = ev->scratch.used + ev->result->used,
    };
}

void explain_end(struct operator* op, struct operator_usage before)
{
    const struct evaluation *ev = op->ev;
    if (!ev->query->explain)
        return;
    op->time_ns += clock_monotonic_ns(ev->clock) - before.time_ns;
    op->byte_count += ev->scratch.used + ev->result->used - before.bytes;
}

static struct slice explain_text(const struct evaluation *ev, const struct node *node)
{
    struct slice text = ev->text;
    if (node == NULL || node->end > text.len || node->start > node->end)
        return (struct slice){0};
    return arena_slice(ev->result, slice_from(text.ptr + node->start, node->end - node->start));
}

static struct promql_explanation *explain_node(const struct operator* op, size_t depth)
{
    struct arena *arena = op->ev->result;
    struct promql_explanation *out = arena_zalloc(arena, sizeof(*out));
    out->operation = op->methods->name;
    out->expression = explain_text(op->ev, op->node);
    out->row_count = op->row_count;
    out->value_count = op->cell_count;
    out->sample_count = op->sample_count;
    out->bytes = op->byte_count;
    out->time_ns = op->time_ns;
    out->children = arena_zalloc_array(arena, op->child_count, sizeof(struct promql_explanation *));
    for (size_t i = 0; i < op->child_count; i++) {
        if (op->children[i] != NULL && depth < EXPLAINED_DEPTH_MAX)
            out->children[out->child_count++] = explain_node(op->children[i], depth + 1);
    }
    return out;
}

struct promql_explanation *explain_tree(const struct operator* op)
{
    return explain_node(op, 1);
}

struct promql_explanation *explain_points(const struct evaluation *ev, const struct node *selector,
                                          const struct promql_result *result)
{
    struct promql_explanation *out = arena_zalloc(ev->result, sizeof(*out));
    out->operation = "range selector";
    out->expression = explain_text(ev, selector);
    out->row_count = result->points_count;
    for (size_t i = 0; i < result->points_count; i++)
        out->value_count += result->points[i].count;
    out->sample_count = out->value_count;
    out->bytes = ev->scratch.used + ev->result->used;
    return out;
}
