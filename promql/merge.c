/* Rows of one label set become one row. */
#include "promql/label_set.h"
#include "promql/operators.h"
#include "promql/row_store.h"

struct merge {
    struct operator op;
    bool drop_names;
    bool only_ranges;
    bool is_gathered;
    struct row_store store;
    size_t at;
};

static bool merge_start(struct operator* op)
{
    struct merge *merge = (struct merge *)op;
    row_store_clear(&merge->store, op->steps.count);
    merge->is_gathered = false;
    merge->at = 0;
    return operator_start_children(op);
}

static bool merge_gather(struct merge *merge)
{
    struct evaluation *ev = merge->op.ev;
    struct row row;
    while (operator_next(merge->op.children[0], &row)) {
        if (merge->drop_names && row.drop_name)
            row.labels = label_set_without_reserved(ev, row.labels);
        if (!row_store_merge(&merge->store, &row))
            return false;
    }
    merge->is_gathered = true;
    return ev->error == ERR_NONE;
}

static bool merge_next(struct operator* op, struct row *out)
{
    struct merge *merge = (struct merge *)op;
    if (merge->only_ranges && op->steps.count == 1)
        return operator_next(op->children[0], out);
    if (!merge->is_gathered && !merge_gather(merge))
        return false;
    if (merge->at == merge->store.rows.len)
        return false;
    *out = *merge->store.rows.items[merge->at++];
    return true;
}

static void merge_release(struct operator* op)
{
    row_store_release(&((struct merge *)op)->store);
}

static const struct operator_methods merge_methods = {
    .name = "merge",
    .start = merge_start,
    .next = merge_next,
    .release = merge_release,
};

struct operator* merge_new(struct operator* child, bool drop_names)
{
    struct evaluation *ev = child->ev;
    struct merge *merge = operator_new(ev, sizeof(*merge), &merge_methods, child->node, 1);
    merge->op.children[0] = child;
    merge->drop_names = drop_names;
    row_store_init(&merge->store, ev, &ev->scratch);
    merge->op.unique = true;
    merge->op.nameless = child->nameless;
    merge->op.name_unique = child->name_unique;
    return &merge->op;
}

struct operator* merge_ranges_new(struct operator* child)
{
    struct merge *merge = (struct merge *)merge_new(child, false);
    merge->only_ranges = true;
    merge->op.unique = child->unique;
    return &merge->op;
}
