/* Scalars: numbers, time() and scalar(). */
#include <math.h>

#include "base/assert.h"
#include "promql/operators.h"

struct scalar {
    struct operator op;
    double constant;
    size_t column_steps;
    struct row row;
    bool done;
};

static bool scalar_start(struct operator* op)
{
    struct scalar *scalar = (struct scalar *)op;
    if (scalar->column_steps < op->steps.count) {
        if (!evaluation_row(op->ev, op->steps.count, &scalar->row))
            return false;
        scalar->column_steps = op->steps.count;
    }
    bitmap_fill(scalar->row.present, op->steps.count);
    scalar->row.labels = labels_empty();
    scalar->done = false;
    return operator_start_children(op);
}

static bool scalar_once(struct scalar *scalar, struct row *out)
{
    if (scalar->done)
        return false;
    scalar->done = true;
    *out = scalar->row;
    return true;
}

static bool constant_next(struct operator* op, struct row *out)
{
    struct scalar *scalar = (struct scalar *)op;
    for (size_t i = 0; i < op->steps.count; i++)
        scalar->row.values[i] = scalar->constant;
    return scalar_once(scalar, out);
}

static bool time_next(struct operator* op, struct row *out)
{
    struct scalar *scalar = (struct scalar *)op;
    for (size_t i = 0; i < op->steps.count; i++)
        scalar->row.values[i] = (double)steps_time(&op->steps, i) / 1000;
    return scalar_once(scalar, out);
}

/* A step with one value takes it; one with none or several is NaN. `once` and `again` tell. */
static bool scalar_of_next(struct operator* op, struct row *out)
{
    struct scalar *scalar = (struct scalar *)op;
    size_t steps = op->steps.count;
    if (scalar->done)
        return false;
    uint64_t *once = evaluation_bitmap(op->ev, steps);
    uint64_t *again = once == NULL ? NULL : evaluation_bitmap(op->ev, steps);
    if (again == NULL)
        return false;
    for (size_t i = 0; i < steps; i++)
        scalar->row.values[i] = NAN;
    struct row row;
    while (operator_next(op->children[0], &row)) {
        row_drop_histograms(&row, steps);
        for (size_t word = 0; word < promql_bitmap_words(steps); word++) {
            again[word] |= once[word] & row.present[word];
            once[word] |= row.present[word];
        }
        BITMAP_FOR_EACH(row.present, steps, i)
        {
            scalar->row.values[i] = row.values[i];
        }
    }
    BITMAP_FOR_EACH(again, steps, i)
    {
        scalar->row.values[i] = NAN;
    }
    return op->ev->error == ERR_NONE && scalar_once(scalar, out);
}

static bool empty_next(struct operator* op, struct row *out)
{
    return false;
}

static const struct operator_methods constant_methods = {
    .name = "constant",
    .start = scalar_start,
    .next = constant_next,
};
static const struct operator_methods time_methods = {
    .name = "time",
    .start = scalar_start,
    .next = time_next,
};
static const struct operator_methods scalar_of_methods = {
    .name = "scalar",
    .start = scalar_start,
    .next = scalar_of_next,
};
static const struct operator_methods empty_methods = {
    .name = "empty",
    .start = scalar_start,
    .next = empty_next,
};

static struct scalar *scalar_make(struct evaluation *ev, const struct node *node,
                                  const struct operator_methods *methods, size_t child_count)
{
    struct scalar *scalar = operator_new(ev, sizeof(*scalar), methods, node, child_count);
    scalar->op.unique = scalar->op.nameless = scalar->op.name_unique = true;
    return scalar;
}

struct operator* constant_new(struct evaluation *ev, const struct node *node, double value)
{
    struct scalar *scalar = scalar_make(ev, node, &constant_methods, 0);
    scalar->constant = value;
    return &scalar->op;
}

struct operator* time_new(struct evaluation *ev, const struct node *node)
{
    return &scalar_make(ev, node, &time_methods, 0)->op;
}

struct operator* scalar_new(struct evaluation *ev, const struct node *node, struct operator* child)
{
    ASSERT(child != NULL);
    struct scalar *scalar = scalar_make(ev, node, &scalar_of_methods, 1);
    scalar->op.children[0] = child;
    return &scalar->op;
}

struct operator* empty_new(struct evaluation *ev, const struct node *node)
{
    return &scalar_make(ev, node, &empty_methods, 0)->op;
}
