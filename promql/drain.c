/* Functions of what no row has: all of them vanish. */
#include "base/assert.h"
#include "promql/operators.h"

static bool drain_start(struct operator* op)
{
    return operator_start_children(op);
}

static bool drain_next(struct operator* op, struct row *out)
{
    while (operator_next(op->children[0], out))
        continue;
    return false;
}

static const struct operator_methods drain_methods = {
    .name = "no floats",
    .start = drain_start,
    .next = drain_next,
};

struct operator* drain_new(struct evaluation *ev, const struct node *call, struct operator* child)
{
    ASSERT(child != NULL);
    struct operator* op = operator_new(ev, sizeof(*op), &drain_methods, call, 1);
    op->children[0] = child;
    op->unique = op->nameless = op->name_unique = true;
    return op;
}
