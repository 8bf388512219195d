/* What is the same at every step is computed at one. */
#include "base/assert.h"
#include "promql/operators.h"

struct invariant {
    struct operator op;
    size_t column_steps;
    struct row row;
    const struct histogram **histograms; /* as much room; made when there is a first one */
};

static bool invariant_start(struct operator* op)
{
    struct invariant *invariant = (struct invariant *)op;
    if (invariant->column_steps < op->steps.count) {
        if (!evaluation_row(op->ev, op->steps.count, &invariant->row))
            return false;
        invariant->column_steps = op->steps.count;
        invariant->histograms = NULL;
    }
    struct promql_steps first = op->steps;
    first.count = 1;
    return operator_start(op->children[0], &first);
}

static bool invariant_repeat(struct invariant *invariant, const struct histogram *histogram)
{
    struct operator* op = &invariant->op;
    if (invariant->histograms == NULL)
        invariant->histograms = evaluation_histograms(op->ev, invariant->column_steps);
    if (invariant->histograms == NULL)
        return false;
    for (size_t i = 0; i < op->steps.count; i++)
        invariant->histograms[i] = histogram;
    invariant->row.histograms = invariant->histograms;
    return true;
}

static bool invariant_next(struct operator* op, struct row *out)
{
    struct invariant *invariant = (struct invariant *)op;
    struct row row;
    do {
        if (!operator_next(op->children[0], &row))
            return false;
    } while (!promql_bitmap_get(row.present, 0));
    invariant->row.labels = row.labels;
    invariant->row.drop_name = row.drop_name;
    for (size_t i = 0; i < op->steps.count; i++)
        invariant->row.values[i] = row.values[0];
    bitmap_fill(invariant->row.present, op->steps.count);
    invariant->row.histograms = NULL;
    const struct histogram *histogram = row_histogram(&row, 0);
    if (histogram != NULL && !invariant_repeat(invariant, histogram))
        return false;
    *out = invariant->row;
    return true;
}

static const struct operator_methods invariant_methods = {
    .name = "same at every step",
    .start = invariant_start,
    .next = invariant_next,
};

struct operator*
    invariant_new(struct evaluation *ev, const struct node *node, struct operator* child)
{
    ASSERT(child != NULL);
    struct invariant *invariant = operator_new(ev, sizeof(*invariant), &invariant_methods, node, 1);
    invariant->op.children[0] = child;
    invariant->op.unique = child->unique;
    invariant->op.nameless = child->nameless;
    invariant->op.name_unique = child->name_unique;
    return &invariant->op;
}
