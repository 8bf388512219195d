/* Functions that look at one value at a time: the rows of the child are changed in place. */
#include "base/assert.h"
#include "promql/label_groups.h"
#include "promql/operators.h"

struct map {
    struct operator op; /* children: the vector, then the scalars */
    map_kernel kernel;
    struct map_input input;
    bool guarded;
    struct label_guard guard;
};

static bool map_start(struct operator* op)
{
    struct map *map = (struct map *)op;
    map->input.steps = &op->steps;
    label_guard_clear(&map->guard, op->steps.count);
    for (size_t i = 1; i < op->child_count; i++) {
        map->input.arguments[i - 1] = operator_scalar(op->children[i], &op->steps);
        if (map->input.arguments[i - 1] == NULL)
            return false;
    }
    return operator_start(op->children[0], &op->steps);
}

static bool map_next(struct operator* op, struct row *out)
{
    struct map *map = (struct map *)op;
    struct evaluation *ev = op->ev;
    if (!operator_next(op->children[0], out))
        return false;
    map->kernel(out, &map->input);
    out->drop_name = true;
    if (ev->delayed_name_removal)
        return true;
    if (!op->children[0]->nameless)
        out->labels = label_set_without_reserved(ev, out->labels);
    return !map->guarded ||
           label_guard_add(&map->guard, out->labels, out->present, LABEL_GUARD_STEPS);
}

static void map_release(struct operator* op)
{
    label_guard_release(&((struct map *)op)->guard);
}

static const struct operator_methods map_methods = {
    .name = "map",
    .start = map_start,
    .next = map_next,
    .release = map_release,
};

struct operator* map_new(struct evaluation *ev, const struct node *node, map_kernel kernel,
                         struct operator* child, struct operator** scalars, size_t scalar_count)
{
    ASSERT(kernel != NULL);
    ASSERT(scalar_count <= MAP_ARGUMENTS_MAX);
    struct map *map = operator_new(ev, sizeof(*map), &map_methods, node, 1 + scalar_count);
    map->op.children[0] = child;
    for (size_t i = 0; i < scalar_count; i++)
        map->op.children[1 + i] = scalars[i];
    map->kernel = kernel;
    map->input.argument_count = scalar_count;
    label_guard_init(&map->guard, ev);
    bool drops_now = !ev->delayed_name_removal;
    map->guarded = drops_now && !child->name_unique;
    map->op.unique = child->unique && (child->name_unique || !drops_now);
    map->op.nameless = drops_now || child->nameless;
    map->op.name_unique = drops_now || child->name_unique;
    return &map->op;
}
