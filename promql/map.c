/* Functions that look at one value at a time: the rows of the child are changed in place. */
#include "base/assert.h"
#include "model/histogram_arithmetic.h"
#include "promql/label_groups.h"
#include "promql/operators.h"

/* What becomes of histograms. */
enum map_kind {
    MAP_FLOATS,
    MAP_ALL_TO_FLOATS, /* the kernel gives floats, whatever there was */
    MAP_KEEPS,
    MAP_NEGATES,
};

struct map {
    struct operator op; /* children: the vector, then the scalars */
    enum map_kind kind;
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

/* Functions of floats take histograms out. */
static void map_histograms(struct map *map, struct row *row)
{
    size_t steps = map->op.steps.count;
    switch (map->kind) {
    case MAP_FLOATS:
        row_drop_histograms(row, steps);
        break;
    case MAP_ALL_TO_FLOATS:
        row->histograms = NULL;
        break;
    case MAP_KEEPS:
        break;
    case MAP_NEGATES:
        BITMAP_FOR_EACH(row->present, steps, i)
        {
            if (row->histograms[i] != NULL)
                row->histograms[i] = histogram_multiply(&map->op.made, row->histograms[i], -1);
        }
        break;
    }
}

static bool map_next(struct operator* op, struct row *out)
{
    struct map *map = (struct map *)op;
    struct evaluation *ev = op->ev;
    if (!operator_next(op->children[0], out))
        return false;
    if (UNLIKELY(out->histograms != NULL))
        map_histograms(map, out);
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

static enum map_kind map_kind_of(map_kernel kernel)
{
    if (kernel == map_kernel_negate)
        return MAP_NEGATES;
    if (kernel == map_kernel_keep)
        return MAP_KEEPS;
    return kernel == map_kernel_of_time(FUNCTION_TIMESTAMP) ? MAP_ALL_TO_FLOATS : MAP_FLOATS;
}

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
    map->kind = map_kind_of(kernel);
    map->input.argument_count = scalar_count;
    label_guard_init(&map->guard, ev);
    bool drops_now = !ev->delayed_name_removal;
    map->guarded = drops_now && !child->name_unique;
    map->op.unique = child->unique && (child->name_unique || !drops_now);
    map->op.nameless = drops_now || child->nameless;
    map->op.name_unique = drops_now || child->name_unique;
    return &map->op;
}
