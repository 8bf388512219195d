/*
 * sort and its kin: an order of the rows of an instant query. In a range query rows are ordered by
 * labels in any case, so nothing happens but a warning.
 */
#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "model/symbols.h"
#include "promql/label_set.h"
#include "promql/natural_order.h"
#include "promql/operators.h"
#include "promql/plan_shift.h"
#include "promql/row_store.h"

struct sort {
    struct operator op;
    enum function_id id;
    struct label_names labels; /* of sort_by_label, in their order */
    struct row_store store;
    bool is_gathered;
    size_t at;
};

static bool sort_start(struct operator* op)
{
    struct sort *sort = (struct sort *)op;
    row_store_clear(&sort->store, op->steps.count);
    sort->is_gathered = false;
    sort->at = 0;
    /* the reference evaluates what is the same at every step as an instant query */
    if (op->steps.count > 1 && !plan_invariance(op->node).is_invariant)
        annotations_add(&op->ev->annotations, PROMQL_WARNING, op->node->start,
                        "sort is ineffective for range queries since results are always ordered "
                        "by labels");
    return operator_start_children(op);
}

/* The next row of the child; an order by value leaves histograms out. */
static bool sort_take(struct sort *sort, struct row *out)
{
    if (!operator_next(sort->op.children[0], out))
        return false;
    if (sort->id == FUNCTION_SORT || sort->id == FUNCTION_SORT_DESC)
        row_drop_histograms(out, sort->op.steps.count);
    return true;
}

/* -1, 0, 1; NaN is last either way. */
static int compare_values(double a, double b, bool descending)
{
    if (isnan(a) || isnan(b))
        return isnan(a) ? !isnan(b) : -1;
    if (a == b)
        return 0;
    return (a < b) != descending ? -1 : 1;
}

static int compare_labels(const struct sort *sort, const struct row *a, const struct row *b)
{
    int sign = sort->id == FUNCTION_SORT_BY_LABEL_DESC ? -1 : 1;
    for (size_t i = 0; i < sort->labels.count; i++) {
        uint32_t x = labels_value(a->labels, sort->labels.symbols[i]);
        uint32_t y = labels_value(b->labels, sort->labels.symbols[i]);
        if (x != y)
            return natural_less(symbols_text(x), symbols_text(y)) ? -sign : sign;
    }
    return sign * labels_compare(a->labels, b->labels);
}

static int compare_rows(const struct sort *sort, const struct row *a, const struct row *b)
{
    if (sort->id == FUNCTION_SORT || sort->id == FUNCTION_SORT_DESC)
        return compare_values(a->values[0], b->values[0], sort->id == FUNCTION_SORT_DESC);
    return compare_labels(sort, a, b);
}

/* Merges the sorted halves [0, middle) and [middle, count); equal rows stay in order. */
static void merge_halves(const struct sort *sort, struct row **rows, struct row **scratch,
                         size_t middle, size_t count)
{
    size_t left = 0, right = middle;
    for (size_t i = 0; i < count; i++) {
        bool take_left =
            left < middle && (right == count || compare_rows(sort, rows[left], rows[right]) <= 0);
        scratch[i] = take_left ? rows[left++] : rows[right++];
    }
    memcpy(rows, scratch, count * sizeof(*rows));
}

static void sort_rows(const struct sort *sort, struct row **rows, struct row **scratch,
                      size_t count)
{
    if (count < 2)
        return;
    size_t middle = count / 2;
    sort_rows(sort, rows, scratch, middle);
    sort_rows(sort, rows + middle, scratch, count - middle);
    merge_halves(sort, rows, scratch, middle, count);
}

#define ROWS_FEW 12

/* As Go sorts so few: equal values stay in order, but each NaN goes behind the NaNs after it. */
static void sort_few_by_value(const struct sort *sort, struct row **rows, size_t count)
{
    bool descending = sort->id == FUNCTION_SORT_DESC;
    ASSERT(count <= ROWS_FEW);
    for (size_t i = 1; i < count; i++) {
        for (size_t j = i; j > 0; j--) {
            struct row *before = rows[j - 1];
            double value = before->values[0];
            if (!isnan(value) && compare_values(value, rows[j]->values[0], descending) <= 0)
                break;
            rows[j - 1] = rows[j];
            rows[j] = before;
        }
    }
}

static bool sort_gather(struct sort *sort)
{
    struct evaluation *ev = sort->op.ev;
    struct row row;
    while (sort_take(sort, &row)) {
        if (promql_bitmap_get(row.present, 0) && row_store_add(&sort->store, &row) == NULL)
            return false;
    }
    sort->is_gathered = true;
    size_t count = sort->store.rows.len;
    struct row **scratch = evaluation_alloc(ev, count, sizeof(*scratch));
    if (scratch == NULL || ev->error != ERR_NONE)
        return false;
    bool by_value = sort->id == FUNCTION_SORT || sort->id == FUNCTION_SORT_DESC;
    if (by_value && count <= ROWS_FEW)
        sort_few_by_value(sort, sort->store.rows.items, count);
    else
        sort_rows(sort, sort->store.rows.items, scratch, count);
    return true;
}

static bool sort_next(struct operator* op, struct row *out)
{
    struct sort *sort = (struct sort *)op;
    if (op->steps.count > 1)
        return sort_take(sort, out);
    if (!sort->is_gathered && !sort_gather(sort))
        return false;
    if (sort->at == sort->store.rows.len)
        return false;
    *out = *sort->store.rows.items[sort->at++];
    return true;
}

static void sort_release(struct operator* op)
{
    row_store_release(&((struct sort *)op)->store);
}

static const struct operator_methods sort_methods = {
    .name = "sort",
    .start = sort_start,
    .next = sort_next,
    .release = sort_release,
};

struct operator* sort_new(struct evaluation *ev, const struct node *call, struct operator* child)
{
    ASSERT(child != NULL);
    struct sort *sort = operator_new(ev, sizeof(*sort), &sort_methods, call, 1);
    sort->op.children[0] = child;
    sort->id = call->call.function->id;
    sort->labels.symbols =
        arena_alloc_array(&ev->scratch, call->child_count, sizeof(*sort->labels.symbols));
    for (size_t i = 1; i < call->child_count; i++) {
        struct slice name = node_unwrap(call->children[i])->string;
        sort->labels.symbols[sort->labels.count++] = evaluation_symbol(ev, name);
    }
    row_store_init(&sort->store, ev, &ev->scratch);
    sort->op.unique = child->unique;
    sort->op.nameless = child->nameless;
    sort->op.name_unique = child->name_unique;
    return &sort->op;
}
