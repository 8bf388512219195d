/*
 * and, or, unless: rows pass or not by whether their match group is present on the other side at
 * the step. One bitmap a group is all that is kept of a side.
 */
#include "base/assert.h"
#include "promql/label_groups.h"
#include "promql/operators.h"

struct binary_set {
    struct operator op; /* children: left, right */
    enum operator_kind kind;
    struct label_groups groups;
    VEC(uint64_t *) presence; /* by group: of the side that was seen first */
    bool is_gathered;         /* and, unless: the right side has been seen */
    bool left_done;           /* or */
};

static bool binary_set_start(struct operator* op)
{
    struct binary_set *set = (struct binary_set *)op;
    label_groups_clear(&set->groups);
    vec_reset(&set->presence);
    set->is_gathered = set->left_done = false;
    return operator_start_children(op);
}

static bool binary_set_note(struct binary_set *set, const struct row *row)
{
    size_t steps = set->op.steps.count;
    size_t group = label_groups_add(&set->groups, row->labels);
    if (group == set->presence.len) {
        uint64_t *fresh = evaluation_bitmap(set->op.ev, steps);
        if (fresh == NULL)
            return false;
        vec_push(&set->presence, fresh);
    }
    bitmap_or(set->presence.items[group], row->present, steps);
    return true;
}

/* Takes the steps out at which the group is present (`when` false) or absent (true). */
static bool binary_set_filter(struct binary_set *set, struct row *row, bool when)
{
    size_t steps = set->op.steps.count;
    size_t group = label_groups_find(&set->groups, row->labels);
    if (group == LABEL_GROUP_NONE)
        return !when;
    if (when)
        bitmap_and(row->present, set->presence.items[group], steps);
    else
        bitmap_and_not(row->present, set->presence.items[group], steps);
    return bitmap_any(row->present, steps);
}

static bool binary_set_gather_right(struct binary_set *set)
{
    struct row row;
    while (operator_next(set->op.children[1], &row)) {
        if (!binary_set_note(set, &row))
            return false;
    }
    set->is_gathered = true;
    return set->op.ev->error == ERR_NONE;
}

static bool filter_next(struct operator* op, struct row *out)
{
    struct binary_set *set = (struct binary_set *)op;
    if (!set->is_gathered && !binary_set_gather_right(set))
        return false;
    while (operator_next(op->children[0], out)) {
        if (binary_set_filter(set, out, set->kind == OPERATOR_AND))
            return true;
    }
    return false;
}

static bool or_next(struct operator* op, struct row *out)
{
    struct binary_set *set = (struct binary_set *)op;
    if (!set->left_done) {
        if (operator_next(op->children[0], out))
            return binary_set_note(set, out);
        set->left_done = true;
    }
    while (op->ev->error == ERR_NONE && operator_next(op->children[1], out)) {
        if (binary_set_filter(set, out, false))
            return true;
    }
    return false;
}

static void binary_set_release(struct operator* op)
{
    struct binary_set *set = (struct binary_set *)op;
    label_groups_release(&set->groups);
    vec_release(&set->presence);
}

static const struct operator_methods filter_methods = {
    .name = "and/unless",
    .start = binary_set_start,
    .next = filter_next,
    .release = binary_set_release,
};
static const struct operator_methods or_methods = {
    .name = "or",
    .start = binary_set_start,
    .next = or_next,
    .release = binary_set_release,
};

struct operator* binary_set_new(struct evaluation *ev, const struct node *node,
                                struct operator* left, struct operator* right)
{
    enum operator_kind kind = node->binary.op;
    ASSERT(operator_is_set(kind));
    bool is_or = kind == OPERATOR_OR;
    struct binary_set *set =
        operator_new(ev, sizeof(*set), is_or ? &or_methods : &filter_methods, node, 2);
    set->op.children[0] = left;
    set->op.children[1] = right;
    set->kind = kind;
    struct label_grouping grouping = {
        .names = label_names_make(ev, node->binary.matching, node->binary.matching_count),
        .without = !node->binary.on,
        .without_metric_name = !node->binary.on,
    };
    label_groups_init(&set->groups, ev, &grouping);
    set->op.unique = !is_or && left->unique;
    set->op.nameless = left->nameless && (!is_or || right->nameless);
    set->op.name_unique = is_or ? set->op.nameless : left->name_unique;
    return &set->op;
}
