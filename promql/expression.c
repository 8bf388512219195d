/* What is left of a query when it has been parsed: its expression, or its error. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/matcher.h"
#include "promql/ast.h"
#include "promql/promql.h"

void promql_expression_free(struct promql_expression *expression)
{
    if (expression == NULL)
        return;
    for (size_t i = 0; i < expression->matcher_count; i++)
        matcher_free(expression->matchers[i]);
    mem_free(expression->matchers);
    arena_release(&expression->arena);
    mem_free(expression);
}

enum promql_type promql_expression_type(const struct promql_expression *expression)
{
    ASSERT(expression->root != NULL);
    return expression->root->type;
}

static void node_each_selector(const struct node *node,
                               void (*each)(void *context, const struct matcher *const *matchers,
                                            size_t count),
                               void *context)
{
    if (node->kind == NODE_VECTOR_SELECTOR)
        each(context, (const struct matcher *const *)node->selector.matchers,
             node->selector.matcher_count);
    for (size_t i = 0; i < node->child_count; i++)
        node_each_selector(node->children[i], each, context);
}

void promql_each_selector(const struct promql_expression *expression,
                          void (*each)(void *context, const struct matcher *const *matchers,
                                       size_t count),
                          void *context)
{
    node_each_selector(expression->root, each, context);
}

void promql_matchers_free(struct promql_matchers *matchers)
{
    for (size_t i = 0; i < matchers->count; i++)
        matcher_free(matchers->items[i]);
    mem_free(matchers->items);
    *matchers = (struct promql_matchers){0};
}

void promql_error_text(const struct errbuf *err, struct buf *out)
{
    if (err->line == 0)
        buf_append_str(out, "unknown position");
    else
        buf_printf(out, "%u:%u", err->line, err->column);
    buf_printf(out, ": parse error: %s", err->text);
}
