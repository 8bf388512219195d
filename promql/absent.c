/* absent(): 1 at the steps at which nothing is there. */
#include "base/assert.h"
#include "promql/label_set.h"
#include "promql/operators.h"

struct absent {
    struct operator op;
    const struct labels *labels;
    bool done;
};

/* The labels that equality asks for; one that is asked for twice is left out. */
static const struct labels *absent_labels(struct evaluation *ev, const struct node *argument)
{
    if (argument->kind == NODE_MATRIX_SELECTOR)
        argument = argument->children[0];
    if (argument->kind != NODE_VECTOR_SELECTOR)
        return labels_empty();
    const struct labels *labels = labels_empty();
    struct label_names seen = {
        arena_alloc_array(&ev->scratch, argument->selector.matcher_count, sizeof(uint32_t)), 0};
    for (size_t i = 0; i < argument->selector.matcher_count; i++) {
        const struct matcher *matcher = argument->selector.matchers[i];
        uint32_t name = evaluation_symbol(ev, matcher->name);
        if (name == ev->reserved.name)
            continue;
        bool first = matcher->type == MATCHER_EQUAL && !label_names_has(&seen, name);
        if (first)
            seen.symbols[seen.count++] = name;
        uint32_t value = first ? evaluation_symbol(ev, matcher->value) : SYMBOL_EMPTY;
        labels = label_set_with(ev, labels, name, value);
    }
    return labels;
}

static bool absent_start(struct operator* op)
{
    ((struct absent *)op)->done = false;
    return operator_start_children(op);
}

static bool absent_next(struct operator* op, struct row *out)
{
    struct absent *absent = (struct absent *)op;
    if (absent->done)
        return false;
    absent->done = true;
    size_t steps = op->steps.count;
    if (!evaluation_row(op->ev, steps, out))
        return false;
    bitmap_fill(out->present, steps);
    struct row row;
    while (operator_next(op->children[0], &row))
        bitmap_and_not(out->present, row.present, steps);
    for (size_t i = 0; i < steps; i++)
        out->values[i] = 1;
    out->labels = absent->labels;
    return op->ev->error == ERR_NONE && bitmap_any(out->present, steps);
}

static const struct operator_methods absent_methods = {
    .name = "absent",
    .start = absent_start,
    .next = absent_next,
};

struct operator* absent_new(struct evaluation *ev, const struct node *call,
                            const struct node *argument, struct operator* child)
{
    ASSERT(child != NULL);
    struct absent *absent = operator_new(ev, sizeof(*absent), &absent_methods, call, 1);
    absent->op.children[0] = child;
    absent->labels = absent_labels(ev, argument);
    absent->op.unique = absent->op.nameless = absent->op.name_unique = true;
    return &absent->op;
}
