/* Binary operators with a scalar on at least one side. */
#include "base/assert.h"
#include "promql/binary_histogram.h"
#include "promql/binary_kernel.h"
#include "promql/label_groups.h"
#include "promql/operators.h"

struct binary_scalar {
    struct operator op; /* children: left, right */
    bool is_done;
    bool is_comparison;
    bool is_trim;
    bool return_bool;
    bool scalar_is_left;
    bool changes_metric; /* the reserved labels go */
    bool guarded;
    const double *scalar;
    uint64_t *matching; /* scratch of a comparison */
    size_t column_steps;
    const struct histogram **histograms; /* made when there is a first one */
    uint64_t *met;                       /* likewise */
    struct binary_notes notes;
    struct label_guard guard;
};

static bool binary_scalar_reserve(struct binary_scalar *binary)
{
    size_t steps = binary->op.steps.count;
    if (binary->column_steps >= steps)
        return true;
    binary->matching = evaluation_bitmap(binary->op.ev, steps);
    binary->histograms = NULL;
    binary->column_steps = steps;
    return binary->matching != NULL;
}

/* 1 where the bit is set, else 0. */
static void bits_to_values(const uint64_t *bits, double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (double)((bits[i / 64] >> (i % 64)) & 1);
}

static bool scalars_start(struct operator* op)
{
    struct binary_scalar *binary = (struct binary_scalar *)op;
    binary->is_done = false;
    return binary_scalar_reserve(binary) && operator_start(op->children[0], &op->steps);
}

static bool scalars_next(struct operator* op, struct row *out)
{
    struct binary_scalar *binary = (struct binary_scalar *)op;
    if (binary->is_done || !operator_next(op->children[0], out))
        return false;
    binary->is_done = true;
    const double *right = operator_scalar(op->children[1], &op->steps);
    if (right == NULL)
        return false;
    size_t steps = op->steps.count;
    enum operator_kind kind = op->node->binary.op;
    if (binary->is_trim)
        return evaluation_fail(op->ev, ERR_EXECUTION,
                               "operator \"%s\" not allowed for Scalar operations",
                               operator_text(kind));
    if (binary->is_comparison) {
        binary_compare(kind, binary->matching, out->values, right, steps);
        bits_to_values(binary->matching, out->values, steps);
    } else {
        binary_compute(kind, out->values, out->values, right, steps);
    }
    return true;
}

static bool vector_start(struct operator* op)
{
    struct binary_scalar *binary = (struct binary_scalar *)op;
    label_guard_clear(&binary->guard, op->steps.count);
    binary_notes_clear(&binary->notes, op->steps.count);
    if (!binary_scalar_reserve(binary))
        return false;
    binary->scalar = operator_scalar(op->children[binary->scalar_is_left ? 0 : 1], &op->steps);
    return binary->scalar != NULL &&
           operator_start(op->children[binary->scalar_is_left ? 1 : 0], &op->steps);
}

/* The value of the vector is kept on whichever side it stands. */
static void vector_compare(struct binary_scalar *binary, const double *left, const double *right,
                           struct row *row)
{
    size_t steps = binary->op.steps.count;
    binary_compare(binary->op.node->binary.op, binary->matching, left, right, steps);
    if (binary->return_bool)
        bits_to_values(binary->matching, row->values, steps);
    else
        bitmap_and(row->present, binary->matching, steps);
}

static void vector_floats(struct binary_scalar *binary, struct row *row)
{
    const double *left = binary->scalar_is_left ? binary->scalar : row->values;
    const double *right = binary->scalar_is_left ? row->values : binary->scalar;
    if (binary->is_comparison)
        vector_compare(binary, left, right, row);
    else if (!binary->is_trim)
        binary_compute(binary->op.node->binary.op, row->values, left, right,
                       binary->op.steps.count);
}

/* The same for a row in which histograms are; and trimming. */
static bool vector_histograms(struct binary_scalar *binary, struct row *row)
{
    size_t steps = binary->op.steps.count;
    const struct histogram *const *histograms = row->histograms;
    if (binary->histograms == NULL) {
        binary->met = evaluation_bitmap(binary->op.ev, binary->column_steps);
        binary->histograms = evaluation_histograms(binary->op.ev, binary->column_steps);
    }
    if (binary->met == NULL || binary->histograms == NULL)
        return false;
    bitmap_copy(binary->met, row->present, steps);
    vector_floats(binary, row);
    struct binary_side vector = {row->values, histograms};
    struct binary_side scalar = {binary->scalar, NULL};
    return binary_histograms(
        &binary->op, &binary->notes, binary->scalar_is_left ? &scalar : &vector,
        binary->scalar_is_left ? &vector : &scalar, binary->met, binary->histograms, row);
}

static bool vector_next(struct operator* op, struct row *out)
{
    struct binary_scalar *binary = (struct binary_scalar *)op;
    struct evaluation *ev = op->ev;
    struct operator* vector = op->children[binary->scalar_is_left ? 1 : 0];
    size_t steps = op->steps.count;
    do {
        if (!operator_next(vector, out)) {
            binary_notes_report(op, &binary->notes);
            return false;
        }
        if (LIKELY(out->histograms == NULL) && !binary->is_trim)
            vector_floats(binary, out);
        else if (!vector_histograms(binary, out))
            return false;
    } while (!bitmap_any(out->present, steps));
    if (!binary->changes_metric)
        return true;
    out->drop_name = true;
    if (ev->delayed_name_removal)
        return true;
    if (!vector->nameless)
        out->labels = label_set_without_reserved(ev, out->labels);
    return !binary->guarded ||
           label_guard_add(&binary->guard, out->labels, out->present, LABEL_GUARD_STEPS);
}

static void binary_scalar_release(struct operator* op)
{
    label_guard_release(&((struct binary_scalar *)op)->guard);
}

static const struct operator_methods scalars_methods = {
    .name = "scalar operator",
    .start = scalars_start,
    .next = scalars_next,
    .release = binary_scalar_release,
};
static const struct operator_methods vector_methods = {
    .name = "vector and scalar operator",
    .start = vector_start,
    .next = vector_next,
    .release = binary_scalar_release,
};

static struct binary_scalar *binary_scalar_make(struct evaluation *ev, const struct node *node,
                                                const struct operator_methods *methods,
                                                struct operator* left, struct operator* right)
{
    ASSERT(node->kind == NODE_BINARY);
    struct binary_scalar *binary = operator_new(ev, sizeof(*binary), methods, node, 2);
    binary->op.children[0] = left;
    binary->op.children[1] = right;
    binary->is_comparison = operator_is_comparison(node->binary.op);
    binary->return_bool = node->binary.return_bool;
    binary->is_trim = operator_is_trim(node->binary.op);
    binary->changes_metric = !(binary->is_comparison || binary->is_trim) || binary->return_bool;
    label_guard_init(&binary->guard, ev);
    return binary;
}

struct operator* binary_scalars_new(struct evaluation *ev, const struct node *node,
                                    struct operator* left, struct operator* right)
{
    struct binary_scalar *binary = binary_scalar_make(ev, node, &scalars_methods, left, right);
    binary->op.unique = binary->op.nameless = binary->op.name_unique = true;
    return &binary->op;
}

struct operator* binary_vector_scalar_new(struct evaluation *ev, const struct node *node,
                                          struct operator* left, struct operator* right)
{
    struct binary_scalar *binary = binary_scalar_make(ev, node, &vector_methods, left, right);
    binary->scalar_is_left = node->children[0]->type == PROMQL_SCALAR;
    const struct operator* vector = binary->scalar_is_left ? right : left;
    bool drops_now = binary->changes_metric && !ev->delayed_name_removal;
    binary->guarded = drops_now && !vector->name_unique;
    binary->op.unique = vector->unique && (vector->name_unique || !drops_now);
    binary->op.nameless = drops_now || vector->nameless;
    binary->op.name_unique = drops_now || vector->name_unique;
    return &binary->op;
}
