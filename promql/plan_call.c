/* From calls of functions to operators. */
#include "promql/plan_call.h"

#include <math.h>

#include "base/assert.h"
#include "promql/functions.h"
#include "promql/functions_range.h"
#include "promql/plan_shift.h"

#define CALL_SCALARS_MAX 10

struct call_scalars {
    struct operator* items[CALL_SCALARS_MAX];
    size_t count;
};

static bool is_matrix(const struct node *node)
{
    return node->kind == NODE_MATRIX_SELECTOR || node->kind == NODE_SUBQUERY;
}

/* The scalar arguments from index `from` on, in order. */
static bool plan_scalars(struct plan *plan, const struct node *call, size_t from,
                         struct call_scalars *out)
{
    out->count = 0;
    for (size_t i = from; i < call->child_count; i++) {
        if (call->children[i]->type != PROMQL_SCALAR)
            continue;
        ASSERT(out->count < CALL_SCALARS_MAX);
        struct operator* scalar = plan_child(plan, call->children[i], false);
        if (scalar == NULL)
            return false;
        out->items[out->count++] = scalar;
    }
    return true;
}

static bool plan_check_extension(struct plan *plan, const struct node *call,
                                 enum selector_extension extension)
{
    const struct function_signature *function = call->call.function;
    if (extension == SELECTOR_PLAIN || range_kernel_of_extended(function->id, extension) != NULL)
        return true;
    bool anchored = extension == SELECTOR_ANCHORED;
    return evaluation_fail(
        plan->ev, ERR_EXECUTION, "%s modifier can only be used with: %s - not with %s",
        anchored ? "anchored" : "smoothed",
        anchored ? "changes, delta, increase, rate, resets" : "delta, increase, rate",
        function->name);
}

static struct operator* plan_range_function(struct plan *plan, const struct node *call)
{
    struct call_scalars scalars;
    struct range_source source;
    for (size_t i = 0; i < call->child_count; i++) {
        const struct node *argument = node_unwrap(call->children[i]);
        if (!is_matrix(argument))
            continue;
        if (!plan_source(plan, argument, &source) || !plan_scalars(plan, call, 0, &scalars) ||
            !plan_check_extension(plan, call, source.extension))
            return NULL;
        if (call->call.function->id == FUNCTION_ABSENT_OVER_TIME)
            return absent_new(plan->ev, call, argument,
                              range_presence_new(plan->ev, call, &source));
        return range_function_new(plan->ev, call, &source, scalars.items, scalars.count);
    }
    ASSERT(!"an argument that is a range vector");
    return NULL;
}

static struct operator* plan_map(struct plan *plan, const struct node *call, map_kernel kernel)
{
    struct call_scalars scalars;
    struct operator* child = plan_child(plan, call->children[0], plan->ordered);
    if (child == NULL || !plan_scalars(plan, call, 1, &scalars))
        return NULL;
    return map_new(plan->ev, call, kernel, child, scalars.items, scalars.count);
}

static struct operator* plan_sample_times(struct plan *plan, const struct node *call,
                                          const struct node *selector, enum selector_yield yield)
{
    struct operator* times = plan_selector(plan, selector, yield);
    return times == NULL ? NULL : map_new(plan->ev, call, map_kernel_keep, times, NULL, 0);
}

/* Only samples have a start timestamp. */
static struct operator* plan_start_timestamp(struct plan *plan, const struct node *call)
{
    const struct node *argument = node_unwrap(call->children[0]);
    if (plan->ev->start_timestamps && argument->kind == NODE_VECTOR_SELECTOR)
        return plan_sample_times(plan, call, argument, SELECTOR_START_TIMES);
    struct operator* child = plan_child(plan, argument, plan->ordered);
    return child == NULL ? NULL : drain_new(plan->ev, call, child);
}

/* hour() is hour(vector(time())). */
static struct operator* plan_time_map(struct plan *plan, const struct node *call, map_kernel kernel)
{
    if (call->child_count == 0)
        return map_new(plan->ev, call, kernel, time_new(plan->ev, call), NULL, 0);
    const struct node *argument = node_unwrap(call->children[0]);
    bool of_samples =
        call->call.function->id == FUNCTION_TIMESTAMP && argument->kind == NODE_VECTOR_SELECTOR;
    return of_samples ? plan_sample_times(plan, call, argument, SELECTOR_TIMES)
                      : plan_map(plan, call, kernel);
}

/* Values that depend on the query alone. */
static struct operator* plan_query_value(struct plan *plan, const struct node *call)
{
    const struct promql_query *query = plan->ev->query;
    int64_t span_ms = query->end_ms - query->start_ms;
    switch (call->call.function->id) {
    case FUNCTION_START:
        return constant_new(plan->ev, call, (double)query->start_ms / 1000);
    case FUNCTION_END:
        return constant_new(plan->ev, call, (double)query->end_ms / 1000);
    case FUNCTION_RANGE:
        return constant_new(plan->ev, call, (double)span_ms / 1000);
    case FUNCTION_STEP:
        return constant_new(plan->ev, call, span_ms == 0 ? 0 : (double)query->step_ms / 1000);
    case FUNCTION_PI:
        return constant_new(plan->ev, call, M_PI);
    default:
        ASSERT(call->call.function->id == FUNCTION_TIME);
        return time_new(plan->ev, call);
    }
}

static struct operator* plan_histogram(struct plan *plan, const struct node *call)
{
    struct call_scalars scalars;
    if (!plan_scalars(plan, call, 0, &scalars))
        return NULL;
    bool first = call->call.function->id == FUNCTION_HISTOGRAM_QUANTILES;
    size_t index = first ? 0 : call->child_count - 1;
    struct operator* child = plan_child(plan, call->children[index], plan->ordered);
    if (child == NULL)
        return NULL;
    return histogram_new(plan->ev, call, child, scalars.items, scalars.count);
}

/* Functions of one vector that are operators of their own. */
static struct operator* plan_vector_function(struct plan *plan, const struct node *call)
{
    enum function_id id = call->call.function->id;
    bool ordered = plan->ordered && id != FUNCTION_SCALAR && id != FUNCTION_ABSENT;
    struct operator* child = plan_child(plan, call->children[0], ordered);
    if (child == NULL)
        return NULL;
    switch (id) {
    case FUNCTION_SCALAR:
        return scalar_new(plan->ev, call, child);
    case FUNCTION_VECTOR:
        return child;
    case FUNCTION_ABSENT:
        return absent_new(plan->ev, call, node_unwrap(call->children[0]), child);
    case FUNCTION_LABEL_REPLACE:
        return label_replace_new(plan->ev, call, child);
    case FUNCTION_LABEL_JOIN:
        return label_join_new(plan->ev, call, child);
    case FUNCTION_SORT:
    case FUNCTION_SORT_DESC:
    case FUNCTION_SORT_BY_LABEL:
    case FUNCTION_SORT_BY_LABEL_DESC:
        return sort_new(plan->ev, call, child);
    case FUNCTION_HISTOGRAM_AVG:
    case FUNCTION_HISTOGRAM_COUNT:
    case FUNCTION_HISTOGRAM_STDDEV:
    case FUNCTION_HISTOGRAM_STDVAR:
    case FUNCTION_HISTOGRAM_SUM:
        return native_function_new(plan->ev, call, child);
    default:
        return drain_new(plan->ev, call, child);
    }
}

static struct operator* plan_info(struct plan *plan, const struct node *call)
{
    struct time_shift shift;
    if (!plan_info_shift(plan->ev, call, &shift))
        return NULL;
    struct operator* child = plan_child(plan, call->children[0], plan->ordered);
    return child == NULL ? NULL : info_new(plan->ev, call, &shift, child);
}

struct operator* plan_call(struct plan *plan, const struct node *call)
{
    enum function_id id = call->call.function->id;
    if (range_kernel_of(id) != NULL || id == FUNCTION_ABSENT_OVER_TIME)
        return plan_range_function(plan, call);
    if (map_kernel_of_math(id) != NULL)
        return plan_map(plan, call, map_kernel_of_math(id));
    if (map_kernel_of_time(id) != NULL)
        return plan_time_map(plan, call, map_kernel_of_time(id));
    switch (id) {
    case FUNCTION_TIME:
    case FUNCTION_PI:
    case FUNCTION_START:
    case FUNCTION_END:
    case FUNCTION_RANGE:
    case FUNCTION_STEP:
        return plan_query_value(plan, call);
    case FUNCTION_HISTOGRAM_QUANTILE:
    case FUNCTION_HISTOGRAM_QUANTILES:
    case FUNCTION_HISTOGRAM_FRACTION:
        return plan_histogram(plan, call);
    case FUNCTION_INFO:
        return plan_info(plan, call);
    case FUNCTION_START_TIMESTAMP:
        return plan_start_timestamp(plan, call);
    default:
        return plan_vector_function(plan, call);
    }
}
