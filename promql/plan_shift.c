#include "promql/plan_shift.h"

#include "base/assert.h"
#include "promql/durations.h"
#include "promql/functions.h"
#include "promql/operator.h"

static bool plan_duration(struct evaluation *ev, const struct node *expression, int64_t plain_ms,
                          bool allow_negative, int64_t *out_ms)
{
    *out_ms = plain_ms;
    if (expression == NULL)
        return true;
    const struct promql_query *query = ev->query;
    struct duration_context context = {query->step_ms, query->end_ms - query->start_ms};
    enum err code = duration_evaluate(expression, &context, allow_negative, out_ms, ev->err);
    return code == ERR_NONE || evaluation_failed(ev, code);
}

bool plan_shift(struct evaluation *ev, const struct node_shift *shift, struct time_shift *out)
{
    *out = (struct time_shift){.is_fixed = shift->at != AT_NONE};
    if (shift->at == AT_TIME)
        out->fixed_ms = shift->at_ms;
    else if (shift->at == AT_START)
        out->fixed_ms = ev->query->start_ms;
    else if (shift->at == AT_END)
        out->fixed_ms = ev->query->end_ms;
    return plan_duration(ev, shift->offset_expression, shift->offset_ms, true, &out->offset_ms);
}

bool plan_range(struct evaluation *ev, const struct node *node, int64_t *out_ms)
{
    if (node->kind == NODE_MATRIX_SELECTOR)
        return plan_duration(ev, node->matrix.range_expression, node->matrix.range_ms, false,
                             out_ms);
    ASSERT(node->kind == NODE_SUBQUERY);
    return plan_duration(ev, node->subquery.range_expression, node->subquery.range_ms, false,
                         out_ms);
}

bool plan_subquery_step(struct evaluation *ev, const struct node *subquery, int64_t *out_ms)
{
    if (!plan_duration(ev, subquery->subquery.step_expression, subquery->subquery.step_ms, false,
                       out_ms))
        return false;
    if (*out_ms == 0)
        *out_ms = ev->default_subquery_step_ms;
    return true;
}

/* The shift of the first selector below a node. The offsets of subqueries around it are added, up
 * to the first @, which makes those further out meaningless. */
static bool plan_first_shift(struct evaluation *ev, const struct node *node, struct time_shift *out,
                             bool *out_found)
{
    if (node->kind == NODE_VECTOR_SELECTOR) {
        *out_found = true;
        return plan_shift(ev, &node->selector.shift, out);
    }
    for (size_t i = 0; i < node->child_count && !*out_found; i++) {
        if (node->children[i] != NULL && !plan_first_shift(ev, node->children[i], out, out_found))
            return false;
    }
    if (!*out_found || out->is_fixed || node->kind != NODE_SUBQUERY)
        return true;
    int64_t inner_ms = out->offset_ms;
    if (!plan_shift(ev, &node->subquery.shift, out))
        return false;
    out->offset_ms += inner_ms;
    return true;
}

bool plan_info_shift(struct evaluation *ev, const struct node *call, struct time_shift *out)
{
    bool found = false;
    *out = (struct time_shift){0};
    return plan_first_shift(ev, call->children[0], out, &found);
}

static bool has_moving_parameter(const struct node *node)
{
    return node->kind == NODE_AGGREGATE && node->child_count > 1 && node->children[1] != NULL &&
           plan_invariance(node).is_invariant && !plan_invariance(node->children[1]).is_invariant;
}

bool plan_has_fixed(const struct node *node)
{
    if (has_moving_parameter(node))
        return true;
    if (node->kind == NODE_VECTOR_SELECTOR && node->selector.shift.at != AT_NONE)
        return true;
    if (node->kind == NODE_SUBQUERY && node->subquery.shift.at != AT_NONE)
        return true;
    for (size_t i = 0; i < node->child_count; i++) {
        if (node->children[i] != NULL && plan_has_fixed(node->children[i]))
            return true;
    }
    return false;
}

/* Functions whose value follows the time of evaluation, whatever their arguments. */
static bool follows_time(enum function_id id)
{
    switch (id) {
    case FUNCTION_DAYS_IN_MONTH:
    case FUNCTION_DAY_OF_MONTH:
    case FUNCTION_DAY_OF_WEEK:
    case FUNCTION_DAY_OF_YEAR:
    case FUNCTION_HOUR:
    case FUNCTION_MINUTE:
    case FUNCTION_MONTH:
    case FUNCTION_YEAR:
    case FUNCTION_PREDICT_LINEAR:
    case FUNCTION_TIME:
    case FUNCTION_TIMESTAMP:
        return true;
    default:
        return false;
    }
}

static struct plan_invariance call_invariance(const struct node *node)
{
    enum function_id id = node->call.function->id;
    bool invariant = !follows_time(id);
    bool selectors = id == FUNCTION_TIMESTAMP;
    for (size_t i = 0; i < node->child_count; i++) {
        const struct node *argument = node_unwrap(node->children[i]);
        bool same = plan_invariance(argument).is_invariant;
        invariant = invariant && same;
        selectors = selectors && same && argument->kind == NODE_VECTOR_SELECTOR;
    }
    bool is_number =
        id == FUNCTION_START || id == FUNCTION_END || id == FUNCTION_RANGE || id == FUNCTION_STEP;
    invariant = invariant || selectors;
    return (struct plan_invariance){invariant, invariant && !is_number};
}

struct plan_invariance plan_invariance(const struct node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_STRING:
        return (struct plan_invariance){true, false};
    case NODE_VECTOR_SELECTOR: {
        bool at = node->selector.shift.at != AT_NONE;
        return (struct plan_invariance){at, at};
    }
    case NODE_MATRIX_SELECTOR:
        return (struct plan_invariance){plan_invariance(node->children[0]).is_invariant, false};
    case NODE_SUBQUERY:
        return (struct plan_invariance){node->subquery.shift.at != AT_NONE, false};
    case NODE_PAREN:
    case NODE_UNARY:
        return plan_invariance(node->children[0]);
    case NODE_AGGREGATE: /* the parameter does not count, as in the reference */
        return plan_invariance(node_unwrap(node->children[0]));
    case NODE_BINARY: {
        bool both = plan_invariance(node->children[0]).is_invariant &&
                    plan_invariance(node->children[1]).is_invariant;
        return (struct plan_invariance){both, both};
    }
    case NODE_CALL:
        return call_invariance(node);
    case NODE_DURATION:
        break;
    }
    ASSERT(!"a node of an expression");
    return (struct plan_invariance){false, false};
}
