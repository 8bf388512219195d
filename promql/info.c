/*
 * info(): series get the labels of the info series of their target. A row of the child is cut into
 * parts where different info series are there at different steps.
 */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "promql/info_series.h"
#include "promql/label_groups.h"
#include "promql/operators.h"
#include "promql/row_store.h"

/* The info series that apply at the steps of a part. */
struct info_applied {
    const struct info_row *row;
    const struct info_applied *next;
};

struct info_part {
    uint64_t *present;
    const struct info_applied *applied;
};

struct info_function {
    struct operator op;
    struct info_series series;
    struct info_wanted wanted;
    struct label_names data_names; /* those that matchers name; none = all */
    bool needs_match;              /* a series without an info series is left out */
    bool is_gathered;
    struct row_store store;
    struct label_guard guard;
    size_t at;             /* the next row of the store */
    const struct row *row; /* whose parts are given */
    VEC(struct info_part) parts;
    size_t part_at;
    VEC(struct label_pair) added;
    double *values; /* of a part that is not the last of its row */
    const struct histogram **histograms;
};

static bool info_start(struct operator* op)
{
    struct info_function *function = (struct info_function *)op;
    row_store_clear(&function->store, op->steps.count);
    label_guard_clear(&function->guard, op->steps.count);
    for (size_t i = 0; i < INFO_LABELS; i++)
        vec_reset(&function->wanted.values[i].symbols);
    vec_reset(&function->parts);
    function->is_gathered = false;
    function->at = 0;
    function->part_at = 0;
    function->values = NULL;
    function->histograms = NULL;
    function->wanted.present = evaluation_bitmap(op->ev, op->steps.count);
    return function->wanted.present != NULL && operator_start_children(op);
}

/* Info series themselves stay as they are. */
static bool info_is_ignored(const struct info_function *function, const struct row *row)
{
    return info_series_has_name(&function->series, labels_metric_name(row->labels));
}

/* Beside both sides the reference holds what they have at the step that it is at: at the last one,
 * when the result is complete as well. */
static bool info_hold_step(struct info_function *function)
{
    size_t last = function->op.steps.count - 1;
    uint64_t cells = info_series_count_at(&function->series, last);
    for (size_t i = 0; i < function->store.rows.len; i++)
        cells += promql_bitmap_get(function->store.rows.items[i]->present, last);
    function->series.cells += cells;
    return evaluation_hold(function->op.ev, cells);
}

static bool info_gather(struct info_function *function)
{
    struct operator* op = & function->op;
    struct row row;
    while (operator_next(op->children[0], &row)) {
        if (row_store_add(&function->store, &row) == NULL)
            return false;
        bitmap_or(function->wanted.present, row.present, op->steps.count);
        if (!info_is_ignored(function, &row))
            info_wanted_add(&function->wanted, &function->series, row.labels);
    }
    function->is_gathered = true;
    return op->ev->error == ERR_NONE &&
           info_series_load(&function->series, &op->steps, &function->wanted) &&
           info_hold_step(function);
}

/* Splits off the steps of a part at which the info series is there. */
static bool info_split(struct info_function *function, size_t index, const struct info_row *info)
{
    struct evaluation *ev = function->op.ev;
    size_t steps = function->op.steps.count;
    if (!bitmap_overlap(function->parts.items[index].present, info->present, steps))
        return true;
    struct info_applied *applied = evaluation_alloc(ev, 1, sizeof(*applied));
    uint64_t *rest = applied == NULL ? NULL : evaluation_bitmap(ev, steps);
    if (rest == NULL)
        return false;
    struct info_part *part = &function->parts.items[index];
    *applied = (struct info_applied){info, part->applied};
    bitmap_copy(rest, part->present, steps);
    bitmap_and_not(rest, info->present, steps);
    bitmap_and(part->present, info->present, steps);
    struct info_part without = {rest, part->applied};
    part->applied = applied;
    if (bitmap_any(rest, steps))
        vec_push(&function->parts, without);
    return true;
}

static bool info_make_parts(struct info_function *function, const struct row *row)
{
    vec_reset(&function->parts);
    vec_push(&function->parts, (struct info_part){row->present, NULL});
    function->part_at = 0;
    function->row = row;
    if (info_is_ignored(function, row))
        return true;
    const struct info_row *info = info_series_find(&function->series, row->labels);
    for (; info != NULL; info = info->next) {
        size_t count = function->parts.len;
        for (size_t i = 0; i < count; i++) {
            if (!info_split(function, i, info))
                return false;
        }
    }
    return true;
}

/* A label of an info series that the row does not have itself. */
static bool info_add_label(struct info_function *function, struct label_pair pair)
{
    for (size_t i = 0; i < function->added.len; i++) {
        if (function->added.items[i].name != pair.name)
            continue;
        return function->added.items[i].value == pair.value ||
               evaluation_fail(function->op.ev, ERR_EXECUTION, "conflicting label: %.*s",
                               SLICE_ARG(symbols_text(pair.name)));
    }
    if (labels_value(function->row->labels, pair.name) == SYMBOL_EMPTY)
        vec_push(&function->added, pair);
    return true;
}

static bool info_collect_labels(struct info_function *function, const struct info_part *part)
{
    struct evaluation *ev = function->op.ev;
    vec_reset(&function->added);
    for (const struct info_applied *at = part->applied; at != NULL; at = at->next) {
        const struct labels *labels = at->row->labels;
        for (size_t i = 0; i < labels->count; i++) {
            uint32_t name = labels->pairs[i].name;
            bool is_asked =
                function->data_names.count == 0 || label_names_has(&function->data_names, name);
            if (is_asked && name != ev->reserved.name &&
                !info_add_label(function, labels->pairs[i]))
                return false;
        }
    }
    return true;
}

static int compare_pairs(const void *a, const void *b)
{
    return slice_cmp(symbols_text(((const struct label_pair *)a)->name),
                     symbols_text(((const struct label_pair *)b)->name));
}

/* The labels of the row and those that were collected, which have other names. */
static const struct labels *info_merge_labels(struct info_function *function)
{
    struct evaluation *ev = function->op.ev;
    const struct labels *labels = function->row->labels;
    if (function->added.len == 0)
        return labels;
    qsort(function->added.items, function->added.len, sizeof(struct label_pair), compare_pairs);
    vec_reset(&ev->pairs);
    size_t own = 0, added = 0;
    while (own < labels->count || added < function->added.len) {
        bool take_own = added == function->added.len ||
                        (own < labels->count &&
                         compare_pairs(&labels->pairs[own], &function->added.items[added]) < 0);
        vec_push(&ev->pairs, take_own ? labels->pairs[own++] : function->added.items[added++]);
    }
    return labels_borrow(ev->result, ev->pairs.items, ev->pairs.len);
}

/* The parts of a row share its columns, which the receiver may overwrite. */
static bool info_copy_columns(struct info_function *function, struct row *out)
{
    struct evaluation *ev = function->op.ev;
    size_t steps = function->op.steps.count;
    if (function->part_at == function->parts.len)
        return true;
    if (function->values == NULL)
        function->values = evaluation_column(ev, steps);
    if (function->values == NULL)
        return false;
    memcpy(function->values, out->values, steps * sizeof(*out->values));
    out->values = function->values;
    if (out->histograms == NULL)
        return true;
    if (function->histograms == NULL)
        function->histograms = evaluation_histograms(ev, steps);
    if (function->histograms == NULL)
        return false;
    memcpy(function->histograms, out->histograms, steps * sizeof(*out->histograms));
    out->histograms = function->histograms;
    return true;
}

static bool info_next(struct operator* op, struct row *out)
{
    struct info_function *function = (struct info_function *)op;
    if (!function->is_gathered && !info_gather(function))
        return false;
    while (true) {
        if (function->part_at == function->parts.len) {
            if (function->at == function->store.rows.len)
                return false;
            if (!info_make_parts(function, function->store.rows.items[function->at++]))
                return false;
        }
        const struct info_part *part = &function->parts.items[function->part_at++];
        if (part->applied == NULL && function->needs_match &&
            !info_is_ignored(function, function->row))
            continue;
        if (!info_collect_labels(function, part))
            return false;
        *out = *function->row;
        out->present = part->present;
        out->labels = info_merge_labels(function);
        return info_copy_columns(function, out) &&
               label_guard_add(&function->guard, out->labels, out->present, LABEL_GUARD_STEPS);
    }
}

static void info_release(struct operator* op)
{
    struct info_function *function = (struct info_function *)op;
    info_series_release(&function->series);
    info_wanted_release(&function->wanted);
    row_store_release(&function->store);
    label_guard_release(&function->guard);
    vec_release(&function->parts);
    vec_release(&function->added);
}

static const struct operator_methods info_methods = {
    .name = "info",
    .start = info_start,
    .next = info_next,
    .release = info_release,
};

struct operator* info_new(struct evaluation *ev, const struct node *call,
                          const struct time_shift *shift, struct operator* child)
{
    struct info_function *function = operator_new(ev, sizeof(*function), &info_methods, call, 1);
    function->op.children[0] = child;
    function->op.keeps_input = true;
    row_store_init(&function->store, ev, &ev->scratch);
    label_guard_init(&function->guard, ev);
    const struct node *selector = call->child_count > 1 ? call->children[1] : NULL;
    if (!info_series_init(&function->series, ev, selector))
        return NULL;
    function->series.shift = *shift;
    function->series.sheet = function->op.sheet;
    size_t count = function->series.data_matchers.len;
    struct slice *names = evaluation_alloc(ev, count, sizeof(*names));
    if (names == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        const struct matcher *matcher = function->series.data_matchers.items[i];
        names[i] = matcher->name;
        function->needs_match = function->needs_match || !matcher_matches_empty(matcher);
    }
    function->data_names = label_names_make(ev, names, count);
    return &function->op;
}
