#include "promql/aggregation.h"

#include <math.h>

#include "base/assert.h"

struct label_grouping aggregation_grouping(struct evaluation *ev, const struct node *node)
{
    ASSERT(node->kind == NODE_AGGREGATE);
    return (struct label_grouping){
        .names = label_names_make(ev, node->aggregate.grouping, node->aggregate.grouping_count),
        .without = node->aggregate.without,
        .without_metric_name = node->aggregate.without,
    };
}

void aggregation_describe(struct operator* op, const struct label_grouping *grouping)
{
    const struct reserved_labels *reserved = &op->ev->reserved;
    bool may_have = grouping->without
                        ? reserved->type != SYMBOL_NONE || reserved->unit != SYMBOL_NONE
                        : label_names_has(&grouping->names, reserved->name) ||
                              label_names_has(&grouping->names, reserved->type) ||
                              label_names_has(&grouping->names, reserved->unit);
    op->unique = true;
    op->nameless = op->name_unique = !may_have;
}

bool aggregation_parameter_start(struct aggregation_parameter *parameter, struct operator* op,
                                 const struct promql_steps *steps)
{
    parameter->values = operator_scalar(op, steps);
    if (parameter->values == NULL)
        return false;
    parameter->min = INFINITY;
    parameter->max = -INFINITY;
    parameter->has_nan = false;
    for (size_t i = 0; i < steps->count; i++) {
        double value = parameter->values[i];
        parameter->has_nan |= isnan(value) != 0;
        parameter->min = value < parameter->min ? value : parameter->min;
        parameter->max = value > parameter->max ? value : parameter->max;
    }
    if (parameter->has_nan)
        parameter->min = parameter->max = NAN;
    return true;
}
