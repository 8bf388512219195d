/* Aggregations that keep one column a group: rows are added as they come. */
#include "base/assert.h"
#include "promql/aggregate_histogram.h"
#include "promql/aggregate_kernel.h"
#include "promql/aggregation.h"
#include "promql/label_groups.h"
#include "promql/operators.h"

struct aggregate {
    struct operator op;
    enum aggregate_kind kind;
    struct label_groups groups;
    VEC(struct accumulator) accumulators; /* by group */
    bool is_gathered;
    size_t at;
    const struct histogram **histograms; /* of the row that is handed out; made when needed */
    size_t histogram_steps;
};

static bool aggregate_start(struct operator* op)
{
    struct aggregate *aggregate = (struct aggregate *)op;
    label_groups_clear(&aggregate->groups);
    vec_reset(&aggregate->accumulators);
    aggregate->is_gathered = false;
    aggregate->at = 0;
    return operator_start_children(op);
}

static bool aggregate_gather(struct aggregate *aggregate)
{
    struct evaluation *ev = aggregate->op.ev;
    size_t steps = aggregate->op.steps.count;
    struct row row;
    while (operator_next(aggregate->op.children[0], &row)) {
        size_t group = label_groups_add(&aggregate->groups, row.labels);
        if (group == aggregate->accumulators.len &&
            !accumulator_init(vec_add(&aggregate->accumulators), ev, aggregate->kind, steps))
            return false;
        struct accumulator *accumulator = &aggregate->accumulators.items[group];
        if (UNLIKELY(row.histograms != NULL || accumulator->histograms != NULL) &&
            !accumulator_take_histograms(accumulator, &aggregate->op, &row))
            return false;
        accumulator_add(accumulator, aggregate->kind, &row, steps);
    }
    aggregate->is_gathered = true;
    return ev->error == ERR_NONE;
}

static bool aggregate_show_histograms(struct aggregate *aggregate, struct accumulator *accumulator,
                                      struct row *out)
{
    size_t steps = aggregate->op.steps.count;
    if (aggregate->histogram_steps < steps) {
        aggregate->histograms = evaluation_histograms(aggregate->op.ev, steps);
        if (aggregate->histograms == NULL)
            return false;
        aggregate->histogram_steps = steps;
    }
    return accumulator_show_histograms(accumulator, &aggregate->op, aggregate->histograms, out);
}

static bool aggregate_next(struct operator* op, struct row *out)
{
    struct aggregate *aggregate = (struct aggregate *)op;
    if (!aggregate->is_gathered && !aggregate_gather(aggregate))
        return false;
    if (aggregate->at == aggregate->accumulators.len)
        return false;
    size_t group = aggregate->at++;
    struct accumulator *accumulator = &aggregate->accumulators.items[group];
    accumulator_finish(accumulator, aggregate->kind, op->steps.count);
    *out = (struct row){.labels = aggregate->groups.items.items[group]->labels,
                        .values = accumulator->value,
                        .present = accumulator->seen,
                        .drop_name = accumulator->drop_name};
    return LIKELY(accumulator->histograms == NULL) ||
           aggregate_show_histograms(aggregate, accumulator, out);
}

static void aggregate_release(struct operator* op)
{
    struct aggregate *aggregate = (struct aggregate *)op;
    label_groups_release(&aggregate->groups);
    vec_release(&aggregate->accumulators);
}

static const struct operator_methods aggregate_methods = {
    .name = "aggregation",
    .start = aggregate_start,
    .next = aggregate_next,
    .release = aggregate_release,
};

struct operator*
    aggregate_new(struct evaluation *ev, const struct node *node, struct operator* child)
{
    struct aggregate *aggregate = operator_new(ev, sizeof(*aggregate), &aggregate_methods, node, 1);
    aggregate->op.children[0] = child;
    aggregate->kind = node->aggregate.op;
    struct label_grouping grouping = aggregation_grouping(ev, node);
    label_groups_init(&aggregate->groups, ev, &grouping);
    aggregation_describe(&aggregate->op, &grouping);
    return &aggregate->op;
}
