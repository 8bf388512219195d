#include "promql/operator.h"

#include "base/assert.h"
#include "promql/explain.h"

void *operator_new(struct evaluation *ev, size_t size, const struct operator_methods *methods,
                   const struct node *node, size_t child_count)
{
    ASSERT(size >= sizeof(struct operator));
    struct operator* op = arena_zalloc(&ev->scratch, size);
    op->methods = methods;
    op->ev = ev;
    op->node = node;
    op->children = arena_zalloc_array(&ev->scratch, child_count, sizeof(struct operator*));
    op->child_count = child_count;
    arena_init(&op->made, SIZE_MAX);
    op->sheet = ev->counts.open;
    op->rank = ev->operators == NULL ? 1 : ev->operators->rank + 1;
    op->next_of_plan = ev->operators;
    ev->operators = op;
    return op;
}

void operators_release(struct evaluation *ev)
{
    for (struct operator* op = ev->operators; op != NULL; op = op->next_of_plan) {
        if (op->methods->release != NULL)
            op->methods->release(op);
        arena_release(&op->made);
    }
    ev->operators = NULL;
}

static void operator_drop_held(struct operator* op)
{
    evaluation_drop(op->ev, op->held);
    op->held = 0;
}

/* With all below it. */
static void operator_drop(struct operator* op)
{
    operator_drop_held(op);
    op->total = 0;
    for (size_t i = 0; i < op->child_count; i++) {
        if (op->children[i] != NULL)
            operator_drop(op->children[i]);
    }
}

/* The reference has either what the children gave or what was made of it, never both whole: so only
 * what is more than theirs comes on top, unless the operator keeps both. */
static bool operator_hold(struct operator* op)
{
    uint64_t below = 0;
    for (size_t i = 0; i < op->child_count; i++)
        below += op->children[i] == NULL ? 0 : op->children[i]->total;
    uint64_t held = op->cells;
    if (!op->keeps_input)
        held -= MIN(held, below);
    uint64_t before = op->held;
    op->held = held;
    op->total = held + below;
    if (held <= before) {
        evaluation_drop(op->ev, before - held);
        return true;
    }
    return evaluation_hold(op->ev, held - before);
}

bool operator_start(struct operator* op, const struct promql_steps *steps)
{
    ASSERT(steps->count > 0);
    struct evaluation *ev = op->ev;
    if (!evaluation_check_now(ev))
        return false;
    operator_drop_held(op);
    op->cells = 0;
    op->at_end = false;
    op->steps = *steps;
    uint32_t rank = ev->annotations.rank;
    ev->annotations.rank = op->rank;
    struct operator_usage before = explain_begin(ev);
    bool good = op->methods->start(op);
    explain_end(op, before);
    ev->annotations.rank = rank;
    return good;
}

bool operator_start_children(struct operator* op)
{
    for (size_t i = 0; i < op->child_count; i++) {
        if (op->children[i] != NULL && !operator_start(op->children[i], &op->steps))
            return false;
    }
    return true;
}

/* What the children gave is not held any longer. */
static void operator_drop_children(struct operator* op)
{
    for (size_t i = 0; i < op->child_count; i++) {
        if (op->children[i] != NULL)
            operator_drop(op->children[i]);
    }
    (void)operator_hold(op); /* less than before */
}

bool operator_next(struct operator* op, struct row *out)
{
    struct evaluation *ev = op->ev;
    if (op->at_end)
        return false;
    arena_reset(&op->made);
    ev->made_bytes -= op->made_counted;
    op->made_counted = 0;
    uint32_t rank = ev->annotations.rank;
    ev->annotations.rank = op->rank;
    struct operator_usage before = explain_begin(ev);
    bool any = op->methods->next(op, out);
    explain_end(op, before);
    ev->annotations.rank = rank;
    if (!any) {
        op->at_end = true;
        operator_drop_children(op);
        return false;
    }
    if (ev->error != ERR_NONE)
        return false;
    uint64_t cells = row_cells(out, op->steps.count);
    op->cells += cells;
    op->cell_count += cells;
    op->row_count++;
    op->made_counted = op->made.used;
    ev->made_bytes += op->made_counted;
    return operator_hold(op) && evaluation_room(ev, 0) &&
           evaluation_check(ev, op->steps.count);
}

const double *operator_scalar(struct operator* op, const struct promql_steps *steps)
{
    struct row row;
    if (!operator_start(op, steps) || !operator_next(op, &row))
        return NULL;
    ASSERT(bitmap_full(row.present, steps->count));
    return row.values;
}
