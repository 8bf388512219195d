/*
 * Functions of one native histogram each: histogram_count, histogram_sum, histogram_avg,
 * histogram_stddev, histogram_stdvar. Floats vanish.
 */
#include "base/assert.h"
#include "model/histogram_statistics.h"
#include "promql/label_groups.h"
#include "promql/operators.h"

struct native_function {
    struct operator op;
    enum function_id id;
    bool guarded;
    struct label_guard guard;
};

static bool native_start(struct operator* op)
{
    label_guard_clear(&((struct native_function *)op)->guard, op->steps.count);
    return operator_start_children(op);
}

static double native_value(enum function_id id, const struct histogram *histogram)
{
    switch (id) {
    case FUNCTION_HISTOGRAM_COUNT:
        return histogram->count;
    case FUNCTION_HISTOGRAM_SUM:
        return histogram->sum;
    case FUNCTION_HISTOGRAM_AVG:
        return histogram_average(histogram);
    case FUNCTION_HISTOGRAM_STDDEV:
        return histogram_standard_deviation(histogram);
    default:
        ASSERT(id == FUNCTION_HISTOGRAM_STDVAR);
        return histogram_variance(histogram);
    }
}

static void native_compute(struct native_function *function, struct row *row)
{
    BITMAP_FOR_EACH(row->present, function->op.steps.count, i)
    {
        if (row->histograms[i] == NULL)
            bitmap_unset(row->present, i);
        else
            row->values[i] = native_value(function->id, row->histograms[i]);
    }
    row->histograms = NULL;
}

static bool native_next(struct operator* op, struct row *out)
{
    struct native_function *function = (struct native_function *)op;
    struct evaluation *ev = op->ev;
    do {
        if (!operator_next(op->children[0], out))
            return false;
    } while (!row_has_histograms(out, op->steps.count));
    native_compute(function, out);
    out->drop_name = true;
    if (ev->delayed_name_removal)
        return true;
    /* unlike other functions, as type and unit still hold */
    out->labels = label_set_with(ev, out->labels, ev->reserved.name, SYMBOL_EMPTY);
    return !function->guarded ||
           label_guard_add(&function->guard, out->labels, out->present, LABEL_GUARD_STEPS);
}

static void native_release(struct operator* op)
{
    label_guard_release(&((struct native_function *)op)->guard);
}

static const struct operator_methods native_methods = {
    .name = "histogram value",
    .start = native_start,
    .next = native_next,
    .release = native_release,
};

struct operator*
    native_function_new(struct evaluation *ev, const struct node *call, struct operator* child)
{
    ASSERT(child != NULL);
    struct native_function *function =
        operator_new(ev, sizeof(*function), &native_methods, call, 1);
    function->op.children[0] = child;
    function->id = call->call.function->id;
    label_guard_init(&function->guard, ev);
    bool drops_now = !ev->delayed_name_removal;
    function->guarded = drops_now && !child->name_unique;
    function->op.unique = child->unique && (child->name_unique || !drops_now);
    bool has_others = ev->reserved.type != SYMBOL_NONE || ev->reserved.unit != SYMBOL_NONE;
    function->op.nameless = (drops_now && !has_others) || child->nameless;
    function->op.name_unique = function->op.nameless || child->name_unique;
    return &function->op;
}
