#include "promql/plan.h"

#include "base/assert.h"
#include "model/symbols.h"
#include "promql/functions.h"
#include "promql/functions_range.h"
#include "promql/histogram_outline.h"
#include "promql/plan_call.h"
#include "promql/plan_shift.h"

static struct operator* plan_node(struct plan *plan, const struct node *node);

struct operator* plan_unsupported(struct plan *plan, const struct node *node, const char *what)
{
    evaluation_fail(plan->ev, ERR_UNSUPPORTED,
                    "%s is not supported by this version of the query "
                    "engine (at byte %u of the query)",
                    what, node->start);
    return NULL;
}

struct operator* plan_child(struct plan *plan, const struct node *node, bool ordered)
{
    bool before = plan->ordered;
    plan->ordered = ordered;
    struct operator* op = plan_node(plan, node_unwrap(node));
    plan->ordered = before;
    return op;
}

struct operator*
    plan_selector(struct plan *plan, const struct node *node, enum selector_yield yield)
{
    struct time_shift shift;
    if (!plan_shift(plan->ev, &node->selector.shift, &shift))
        return NULL;
    if (node->selector.extension == SELECTOR_SMOOTHED && yield == SELECTOR_VALUES)
        return smoothed_selector_new(plan->ev, node, &shift, plan->ordered);
    return selector_new(plan->ev, node, &shift, plan->ordered, yield);
}

/* The inside of a subquery has steps of its own: what is the same at each of them is so anew. */
static struct operator*
    plan_inner(struct plan *plan, const struct node *subquery, int64_t range_ms)
{
    struct sample_counts *counts = &plan->ev->counts;
    struct sample_sheet *outer = sample_counts_open(counts, SAMPLE_SHEET_SUBQUERY);
    counts->open->offset_ms = subquery->subquery.shift.offset_ms;
    counts->open->range_ms = range_ms;
    bool before = plan->is_invariant;
    plan->is_invariant = false;
    struct operator* inner = plan_child(plan, subquery->children[0], plan->ordered);
    plan->is_invariant = before;
    if (inner != NULL && !inner->unique)
        inner = merge_new(inner, false);
    sample_counts_close(counts, outer);
    return inner;
}

bool plan_source(struct plan *plan, const struct node *node, struct range_source *out)
{
    struct evaluation *ev = plan->ev;
    *out = (struct range_source){.sorted = plan->ordered};
    if (!plan_range(ev, node, &out->range_ms))
        return false;
    if (node->kind == NODE_MATRIX_SELECTOR) {
        out->selector = node->children[0];
        out->extension = out->selector->selector.extension;
        return plan_shift(ev, &out->selector->selector.shift, &out->shift);
    }
    ASSERT(node->kind == NODE_SUBQUERY);
    if (!plan_shift(ev, &node->subquery.shift, &out->shift) ||
        !plan_subquery_step(ev, node, &out->inner_step_ms))
        return false;
    out->inner = plan_inner(plan, node, out->range_ms);
    return out->inner != NULL;
}

static struct operator* plan_unary(struct plan *plan, const struct node *node)
{
    struct operator* child = plan_node(plan, node->children[0]);
    if (child == NULL || node->unary.op == OPERATOR_ADD)
        return child;
    return map_new(plan->ev, node, map_kernel_negate, child, NULL, 0);
}

static struct operator* plan_binary(struct plan *plan, const struct node *node)
{
    enum operator_kind kind = node->binary.op;
    const struct node *left = node->children[0], *right = node->children[1];
    bool vectors = left->type == PROMQL_VECTOR && right->type == PROMQL_VECTOR;
    bool one_is_left = vectors && node->binary.cardinality == MATCH_ONE_TO_MANY;
    bool one_is_right = vectors && !one_is_left && kind != OPERATOR_OR;
    struct operator* l = plan_child(plan, left, plan->ordered && !one_is_left);
    struct operator* r = l == NULL ? NULL : plan_child(plan, right, plan->ordered && !one_is_right);
    if (r == NULL)
        return NULL;
    if (left->type == PROMQL_SCALAR && right->type == PROMQL_SCALAR)
        return binary_scalars_new(plan->ev, node, l, r);
    if (!vectors)
        return binary_vector_scalar_new(plan->ev, node, l, r);
    if (operator_is_set(kind)) {
        struct operator* set = binary_set_new(plan->ev, node, l, r);
        bool mixes_names = kind == OPERATOR_OR && plan->ev->delayed_name_removal;
        return mixes_names ? merge_ranges_new(set) : set;
    }
    return binary_match_new(plan->ev, node, l, r);
}

/* Does the order of the child's rows show in the answer? Ties of topk are decided by it, and the last
 * digits of a deviation, which has to be the same wherever it stands. */
static bool aggregate_needs_order(const struct plan *plan, const struct node *node)
{
    switch (node->aggregate.op) {
    case AGGREGATE_TOPK:
    case AGGREGATE_BOTTOMK:
    case AGGREGATE_LIMITK:
    case AGGREGATE_LIMIT_RATIO:
    case AGGREGATE_STDDEV:
    case AGGREGATE_STDVAR:
        return true;
    default:
        return plan->ordered && (node->aggregate.without || node->aggregate.grouping_count > 0);
    }
}

static struct operator* plan_aggregate(struct plan *plan, const struct node *node)
{
    struct operator* child = plan_child(plan, node->children[0], aggregate_needs_order(plan, node));
    if (child == NULL)
        return NULL;
    enum aggregate_kind kind = node->aggregate.op;
    if (kind == AGGREGATE_COUNT_VALUES)
        return aggregate_values_new(plan->ev, node, child, node_unwrap(node->children[1])->string);
    if (!aggregate_has_parameter(kind))
        return aggregate_new(plan->ev, node, child);
    struct operator* parameter = plan_child(plan, node->children[1], false);
    if (parameter == NULL)
        return NULL;
    if (kind == AGGREGATE_QUANTILE)
        return aggregate_quantile_new(plan->ev, node, child, parameter);
    return aggregate_select_new(plan->ev, node, child, parameter);
}

static struct operator* plan_any(struct plan *plan, const struct node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
        return constant_new(plan->ev, node, node->number.value);
    case NODE_VECTOR_SELECTOR:
        return plan_selector(plan, node, SELECTOR_VALUES);
    case NODE_PAREN:
        return plan_node(plan, node->children[0]);
    case NODE_UNARY:
        return plan_unary(plan, node);
    case NODE_BINARY:
        return plan_binary(plan, node);
    case NODE_CALL:
        return plan_call(plan, node);
    case NODE_AGGREGATE:
        return plan_aggregate(plan, node);
    case NODE_STRING:
    case NODE_MATRIX_SELECTOR:
    case NODE_SUBQUERY:
    case NODE_DURATION:
        break;
    }
    ASSERT(!"an instant vector or a scalar");
    return NULL;
}

/* The largest parts that are the same at every step are computed once. */
static struct operator* plan_node(struct plan *plan, const struct node *node)
{
    if (!plan->has_fixed || plan->is_invariant)
        return plan_any(plan, node);
    struct plan_invariance invariance = plan_invariance(node);
    if (!invariance.is_invariant || !invariance.should_wrap)
        return plan_any(plan, node);
    plan->is_invariant = true;
    struct sample_sheet *outer = sample_counts_open(&plan->ev->counts, SAMPLE_SHEET_INVARIANT);
    struct operator* child = plan_any(plan, node);
    sample_counts_close(&plan->ev->counts, outer);
    plan->is_invariant = false;
    return child == NULL ? NULL : invariant_new(plan->ev, node, child);
}

struct operator* plan_make(struct evaluation *ev, const struct node *root)
{
    struct plan plan = {
        .ev = ev,
        .ordered = ev->query->step_ms == 0,
        .has_fixed = plan_has_fixed(root),
    };
    histogram_outline_mark(ev, root);
    return plan_node(&plan, root);
}

bool plan_make_source(struct evaluation *ev, const struct node *matrix, struct range_source *out)
{
    struct plan plan = {.ev = ev, .ordered = true, .has_fixed = plan_has_fixed(matrix)};
    return plan_source(&plan, matrix, out);
}

struct time_span {
    int64_t min_ms;
    int64_t max_ms;
    bool is_set;
};

static void time_span_add(struct time_span *span, int64_t min_ms, int64_t max_ms)
{
    span->min_ms = span->is_set ? MIN(span->min_ms, min_ms) : min_ms;
    span->max_ms = span->is_set ? MAX(span->max_ms, max_ms) : max_ms;
    span->is_set = true;
}

/* Smoothing looks at the sample behind the end, and both extensions at the one before the start. */
static bool plan_selector_span(struct evaluation *ev, const struct node *node, int64_t first_ms,
                               int64_t last_ms, int64_t range_ms, struct time_span *span)
{
    struct time_shift shift;
    if (!plan_shift(ev, &node->selector.shift, &shift))
        return false;
    bool smoothed = node->selector.extension == SELECTOR_SMOOTHED;
    time_span_add(span, time_shift_apply(&shift, first_ms) - range_ms + 1,
                  time_shift_apply(&shift, last_ms) + (smoothed ? ev->lookback_ms : 0));
    return true;
}

/* `first_ms` and `last_ms` are the first and the last time for which the node is evaluated. */
static bool plan_span(struct evaluation *ev, const struct node *node, int64_t first_ms,
                      int64_t last_ms, struct time_span *span)
{
    struct time_shift shift;
    int64_t range_ms;
    if (node->kind == NODE_VECTOR_SELECTOR)
        return plan_selector_span(ev, node, first_ms, last_ms, ev->lookback_ms, span);
    if (node->kind == NODE_MATRIX_SELECTOR) {
        const struct node *selector = node->children[0];
        if (!plan_range(ev, node, &range_ms))
            return false;
        if (selector->selector.extension != SELECTOR_PLAIN)
            range_ms += ev->lookback_ms;
        return plan_selector_span(ev, selector, first_ms, last_ms, range_ms, span);
    }
    if (node->kind == NODE_CALL && node->call.function->id == FUNCTION_INFO) {
        if (!plan_info_shift(ev, node, &shift))
            return false;
        time_span_add(span, time_shift_apply(&shift, first_ms) - ev->lookback_ms + 1,
                      time_shift_apply(&shift, last_ms));
    }
    if (node->kind == NODE_SUBQUERY) {
        int64_t inner_ms;
        if (!plan_shift(ev, &node->subquery.shift, &shift) || !plan_range(ev, node, &inner_ms))
            return false;
        first_ms = time_shift_apply(&shift, first_ms) - inner_ms;
        last_ms = time_shift_apply(&shift, last_ms);
    }
    for (size_t i = 0; i < node->child_count; i++) {
        if (node->children[i] != NULL && !plan_span(ev, node->children[i], first_ms, last_ms, span))
            return false;
    }
    return true;
}

bool plan_time_range(struct evaluation *ev, const struct node *root, int64_t *out_min_ms,
                     int64_t *out_max_ms)
{
    struct time_span span = {0};
    if (!plan_span(ev, root, ev->query->start_ms, ev->query->end_ms, &span))
        return false;
    *out_min_ms = span.min_ms;
    *out_max_ms = span.max_ms;
    return span.is_set;
}
