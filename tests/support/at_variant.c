#include "tests/support/at_variant.h"

#include "base/compiler.h"
#include "promql/ast.h"
#include "promql/functions.h"
#include "promql/promql.h"

static bool depends_on_time(const struct function_signature *function)
{
    static const char *const names[] = {
        "day_of_month", "day_of_week", "day_of_year", "days_in_month",  "end",
        "hour",         "minute",      "month",       "predict_linear", "range",
        "start",        "step",        "time",        "timestamp",      "year",
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (slice_eq_str(slice_str(function->name), names[i]))
            return true;
    }
    return false;
}

static void fix_time(struct node_shift *shift, int64_t time_ms)
{
    if (shift->at == AT_TIME)
        return;
    shift->at = AT_TIME;
    shift->at_ms = time_ms;
}

/* Below a subquery nothing is changed: it gives its own times to what is in it. */
static bool fix_times(struct node *node, int64_t time_ms)
{
    if (node->kind == NODE_VECTOR_SELECTOR)
        fix_time(&node->selector.shift, time_ms);
    if (node->kind == NODE_SUBQUERY) {
        fix_time(&node->subquery.shift, time_ms);
        return true;
    }
    if (node->kind == NODE_CALL && depends_on_time(node->call.function))
        return false;
    for (size_t i = 0; i < node->child_count; i++) {
        if (!fix_times(node->children[i], time_ms))
            return false;
    }
    return true;
}

bool at_variant_print(struct slice query, unsigned features, int64_t time_ms, struct buf *out)
{
    struct promql_expression *expression;
    if (promql_parse(query, features, &expression, NULL) != ERR_NONE)
        return false;
    bool fixed = fix_times(expression->root, time_ms);
    if (fixed)
        promql_print(expression, out);
    promql_expression_free(expression);
    return fixed;
}
