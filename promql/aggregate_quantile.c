/*
 * quantile: needs all values of a group and step at once, so rows are gathered.
 */
#include <math.h>

#include "base/assert.h"
#include "promql/aggregate_histogram.h"
#include "promql/aggregation.h"
#include "promql/operators.h"
#include "promql/quantile.h"
#include "promql/row_store.h"

struct quantile_group {
    VEC(const struct row *) rows;
    bool drop_name;
};

struct aggregate_quantile {
    struct operator op; /* children: the vector, the parameter */
    struct aggregation_parameter parameter;
    struct label_groups groups;
    struct row_store store;
    VEC(struct quantile_group) by_index;
    VEC(double) values; /* of one step */
    bool is_gathered;
    size_t at;
    size_t column_steps;
    struct row row;
};

static void quantile_clear_groups(struct aggregate_quantile *quantile)
{
    for (size_t i = 0; i < quantile->by_index.len; i++)
        vec_release(&quantile->by_index.items[i].rows);
    vec_reset(&quantile->by_index);
}

static void quantile_warn(struct aggregate_quantile *quantile, double value)
{
    char text[ANNOTATION_NUMBER_SIZE];
    annotations_add(&quantile->op.ev->annotations, PROMQL_WARNING,
                    node_unwrap(quantile->op.node->children[1])->start,
                    "quantile value should be between 0 and 1, got %s",
                    annotation_number(value, text));
}

static bool quantile_start(struct operator* op)
{
    struct aggregate_quantile *quantile = (struct aggregate_quantile *)op;
    label_groups_clear(&quantile->groups);
    row_store_clear(&quantile->store, op->steps.count);
    quantile_clear_groups(quantile);
    quantile->is_gathered = false;
    quantile->at = 0;
    if (quantile->column_steps < op->steps.count) {
        if (!evaluation_row(op->ev, op->steps.count, &quantile->row))
            return false;
        quantile->column_steps = op->steps.count;
    }
    const struct aggregation_parameter *parameter = &quantile->parameter;
    if (!aggregation_parameter_start(&quantile->parameter, op->children[1], &op->steps))
        return false;
    if (parameter->has_nan)
        quantile_warn(quantile, NAN);
    if (parameter->max > 1)
        quantile_warn(quantile, parameter->max);
    if (parameter->min < 0)
        quantile_warn(quantile, parameter->min);
    return operator_start(op->children[0], &op->steps);
}

static bool quantile_gather(struct aggregate_quantile *quantile)
{
    struct row row;
    while (operator_next(quantile->op.children[0], &row)) {
        if (UNLIKELY(row_has_histograms(&row, quantile->op.steps.count)))
            aggregate_note_ignored(&quantile->op,
                                   node_unwrap(quantile->op.node->children[0])->start);
        row_drop_histograms(&row, quantile->op.steps.count);
        size_t index = label_groups_add(&quantile->groups, row.labels);
        struct quantile_group *group = index == quantile->by_index.len
                                           ? vec_add(&quantile->by_index)
                                           : &quantile->by_index.items[index];
        const struct row *kept = row_store_add(&quantile->store, &row);
        if (kept == NULL)
            return false;
        group->drop_name |= row.drop_name;
        vec_push(&group->rows, kept);
    }
    quantile->is_gathered = true;
    return quantile->op.ev->error == ERR_NONE;
}

static bool quantile_compute(struct aggregate_quantile *quantile,
                             const struct quantile_group *group)
{
    vec_reset(&quantile->values);
    vec_reserve(&quantile->values, group->rows.len);
    double *values = quantile->values.items;
    bitmap_clear(quantile->row.present, quantile->op.steps.count);
    for (size_t step = 0; step < quantile->op.steps.count; step++) {
        size_t count = 0;
        for (size_t i = 0; i < group->rows.len; i++) {
            const struct row *row = group->rows.items[i];
            values[count] = row->values[step];
            count += promql_bitmap_get(row->present, step);
        }
        if (count == 0)
            continue;
        quantile->row.values[step] = quantile_of(quantile->parameter.values[step], values, count);
        promql_bitmap_set(quantile->row.present, step);
        if (!evaluation_check(quantile->op.ev, (uint64_t)group->rows.len * 4))
            return false;
    }
    return true;
}

static bool quantile_next(struct operator* op, struct row *out)
{
    struct aggregate_quantile *quantile = (struct aggregate_quantile *)op;
    if (!quantile->is_gathered && !quantile_gather(quantile))
        return false;
    if (quantile->at == quantile->by_index.len)
        return false;
    size_t index = quantile->at++;
    const struct quantile_group *group = &quantile->by_index.items[index];
    if (!quantile_compute(quantile, group))
        return false;
    quantile->row.labels = quantile->groups.items.items[index]->labels;
    quantile->row.drop_name = group->drop_name;
    *out = quantile->row;
    return true;
}

static void quantile_release(struct operator* op)
{
    struct aggregate_quantile *quantile = (struct aggregate_quantile *)op;
    quantile_clear_groups(quantile);
    vec_release(&quantile->by_index);
    label_groups_release(&quantile->groups);
    row_store_release(&quantile->store);
    vec_release(&quantile->values);
}

static const struct operator_methods quantile_methods = {
    .name = "quantile",
    .start = quantile_start,
    .next = quantile_next,
    .release = quantile_release,
};

struct operator* aggregate_quantile_new(struct evaluation *ev, const struct node *node,
                                        struct operator* child, struct operator* parameter)
{
    ASSERT(parameter != NULL);
    struct aggregate_quantile *quantile =
        operator_new(ev, sizeof(*quantile), &quantile_methods, node, 2);
    quantile->op.children[0] = child;
    quantile->op.children[1] = parameter;
    struct label_grouping grouping = aggregation_grouping(ev, node);
    label_groups_init(&quantile->groups, ev, &grouping);
    row_store_init(&quantile->store, ev, &ev->scratch);
    aggregation_describe(&quantile->op, &grouping);
    return &quantile->op;
}
