/*
 * topk, bottomk, limitk and limit_ratio: rows of the child that pass, with their own labels.
 *
 * topk and bottomk keep a heap of at most k values for every group and step, so rows are forgotten
 * as soon as no heap holds them; memory grows with groups * steps * k, not with rows. Which of
 * several equal values stays is decided by the order of heap operations, which is therefore that of
 * Go's container/heap. limitk and limit_ratio need no more than a counter and pass rows through; at
 * one time, where the order shows, they fill such heaps too, and what comes out is the heap as it lies.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "model/symbols.h"
#include "promql/aggregate_histogram.h"
#include "promql/aggregation.h"
#include "promql/operators.h"
#include "promql/ratio.h"

struct select_entry {
    double value;
    uint32_t row; /* index of the kept labels */
};

struct select_heap {
    struct select_entry *entries;
    uint32_t len;
    uint32_t capacity;
};

struct select_row {
    const struct labels *labels;
    const struct histogram *histogram; /* limitk, limit_ratio: a copy */
    bool drop_name;
    struct row *out; /* its columns, once the heaps are settled */
};

struct aggregate_select {
    struct operator op; /* children: the vector, the parameter */
    enum aggregate_kind kind;
    struct label_groups groups;
    struct aggregation_parameter parameter;
    bool is_empty; /* nothing can pass */
    /* topk, bottomk: */
    VEC(struct select_heap *) heaps; /* by group: one a step */
    VEC(struct select_row) rows;
    VEC(struct select_entry) answer; /* of an instant query, in order */
    bool is_gathered;
    size_t at;
    struct row row;
    const struct histogram **histograms; /* of the one step */
    /* limitk: */
    VEC(uint32_t *) passed; /* by group: one a step */
};

/* Is `a` nearer to the top of the heap, that is, worse than `b`? */
static inline bool is_worse(const struct aggregate_select *select, double a, double b)
{
    if (isnan(a))
        return true;
    return select->kind == AGGREGATE_BOTTOMK ? a > b : a < b;
}

static void heap_swap(struct select_heap *heap, uint32_t i, uint32_t j)
{
    struct select_entry entry = heap->entries[i];
    heap->entries[i] = heap->entries[j];
    heap->entries[j] = entry;
}

static void heap_up(const struct aggregate_select *select, struct select_heap *heap, uint32_t at)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (!is_worse(select, heap->entries[at].value, heap->entries[parent].value))
            break;
        heap_swap(heap, parent, at);
        at = parent;
    }
}

static void heap_down(const struct aggregate_select *select, struct select_heap *heap)
{
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= heap->len)
            break;
        if (child + 1 < heap->len &&
            is_worse(select, heap->entries[child + 1].value, heap->entries[child].value))
            child++;
        if (!is_worse(select, heap->entries[child].value, heap->entries[at].value))
            break;
        heap_swap(heap, at, child);
        at = child;
    }
}

static bool heap_push(struct aggregate_select *select, struct select_heap *heap,
                      struct select_entry entry, int64_t k)
{
    if (heap->len == heap->capacity) {
        uint64_t capacity = heap->capacity == 0 ? 8 : (uint64_t)heap->capacity * 2;
        capacity = MIN(capacity, (uint64_t)k);
        struct select_entry *entries = evaluation_alloc(select->op.ev, capacity, sizeof(*entries));
        if (entries == NULL)
            return false;
        if (heap->len > 0)
            memcpy(entries, heap->entries, heap->len * sizeof(*entries));
        heap->entries = entries;
        heap->capacity = (uint32_t)capacity;
    }
    heap->entries[heap->len++] = entry;
    heap_up(select, heap, heap->len - 1);
    return true;
}

static bool heap_offer(struct aggregate_select *select, struct select_heap *heap,
                       struct select_entry entry, int64_t k, bool *out_kept)
{
    *out_kept = true;
    if (heap->len < k)
        return heap_push(select, heap, entry, k);
    double worst = heap->entries[0].value;
    bool better = select->kind == AGGREGATE_TOPK ? worst < entry.value : worst > entry.value;
    *out_kept = better || (isnan(worst) && !isnan(entry.value));
    if (*out_kept) {
        heap->entries[0] = entry;
        heap_down(select, heap);
    }
    return true;
}

/* The checks of the reference, in its order. */
static bool select_check_parameter(struct aggregate_select *select)
{
    struct evaluation *ev = select->op.ev;
    const struct aggregation_parameter *parameter = &select->parameter;
    char text[ANNOTATION_NUMBER_SIZE];
    if (select->kind == AGGREGATE_LIMIT_RATIO) {
        uint32_t position = node_unwrap(select->op.node->children[1])->start;
        select->is_empty = parameter->max == 0 && parameter->min == 0;
        if (select->is_empty)
            return true;
        if (parameter->has_nan)
            return evaluation_fail(ev, ERR_EXECUTION, "Ratio value is NaN");
        if (parameter->max > 1)
            annotations_add(&ev->annotations, PROMQL_WARNING, position,
                            "ratio value should be between -1 and 1, got %s, capping to 1",
                            annotation_number(parameter->max, text));
        if (parameter->min < -1)
            annotations_add(&ev->annotations, PROMQL_WARNING, position,
                            "ratio value should be between -1 and 1, got %s, capping to -1",
                            annotation_number(parameter->min, text));
        return true;
    }
    select->is_empty = parameter->max < 1;
    if (select->is_empty)
        return true;
    if (parameter->has_nan)
        return evaluation_fail(ev, ERR_EXECUTION, "Parameter value is NaN");
    if (parameter->min <= -9223372036854775808.0)
        return evaluation_fail(ev, ERR_EXECUTION, "Scalar value %s underflows int64",
                               annotation_number(parameter->min, text));
    if (parameter->max >= 9223372036854774784.0)
        return evaluation_fail(ev, ERR_EXECUTION, "Scalar value %s overflows int64",
                               annotation_number(parameter->max, text));
    return true;
}

static bool select_start(struct operator* op)
{
    struct aggregate_select *select = (struct aggregate_select *)op;
    label_groups_clear(&select->groups);
    vec_reset(&select->heaps);
    vec_reset(&select->rows);
    vec_reset(&select->answer);
    vec_reset(&select->passed);
    select->is_gathered = false;
    select->at = 0;
    return aggregation_parameter_start(&select->parameter, op->children[1], &op->steps) &&
           select_check_parameter(select) && operator_start(op->children[0], &op->steps);
}

static struct select_heap *select_heaps(struct aggregate_select *select,
                                        const struct labels *labels)
{
    size_t group = label_groups_add(&select->groups, labels);
    if (group < select->heaps.len)
        return select->heaps.items[group];
    size_t steps = select->op.steps.count;
    struct select_heap *heaps = evaluation_alloc(select->op.ev, steps, sizeof(*heaps));
    if (heaps == NULL)
        return NULL;
    memset(heaps, 0, steps * sizeof(*heaps));
    vec_push(&select->heaps, heaps);
    return heaps;
}

static bool select_offer_row(struct aggregate_select *select, const struct row *row)
{
    struct select_heap *heaps = select_heaps(select, row->labels);
    if (heaps == NULL)
        return false;
    uint32_t index = (uint32_t)select->rows.len;
    bool is_kept = false, ignored = false;
    BITMAP_FOR_EACH(row->present, select->op.steps.count, i)
    {
        double parameter = select->parameter.values[i];
        int64_t k = parameter < (double)UINT32_MAX ? (int64_t)parameter : UINT32_MAX;
        bool kept = false;
        struct select_entry entry = {row->values[i], index};
        if (k >= 1 && UNLIKELY(row_histogram(row, i) != NULL)) {
            ignored = true;
            continue;
        }
        if (k >= 1 && !heap_offer(select, &heaps[i], entry, k, &kept))
            return false;
        is_kept |= kept;
    }
    if (ignored)
        aggregate_note_ignored(&select->op, select->op.node->start);
    if (is_kept)
        vec_push(&select->rows,
                 (struct select_row){.labels = row->labels, .drop_name = row->drop_name});
    return true;
}

/* Insertion, as Go sorts short slices; equal values stay as the heap left them. */
static void select_sort_heap(const struct aggregate_select *select, struct select_heap *heap)
{
    for (uint32_t i = 1; i < heap->len; i++) {
        for (uint32_t j = i; j > 0; j--) {
            if (!is_worse(select, heap->entries[j - 1].value, heap->entries[j].value))
                break;
            heap_swap(heap, j, j - 1);
        }
    }
}

struct sorted_entry {
    struct select_entry entry;
    uint32_t place;
};

static int compare_sorted(const void *a, const void *b)
{
    const struct sorted_entry *x = a, *y = b;
    double p = x->entry.value, q = y->entry.value;
    if (isnan(p) || isnan(q)) {
        if (isnan(p) != isnan(q))
            return isnan(p) ? 1 : -1;
    } else if (p != q) {
        return p > q ? -1 : 1;
    }
    return x->place < y->place ? -1 : x->place > y->place;
}

/* The same order for many entries. */
static bool select_sort_long(struct aggregate_select *select, struct select_heap *heap)
{
    struct sorted_entry *sorted = evaluation_alloc(select->op.ev, heap->len, sizeof(*sorted));
    if (sorted == NULL)
        return false;
    double sign = select->kind == AGGREGATE_TOPK ? 1 : -1;
    for (uint32_t i = 0; i < heap->len; i++) {
        sorted[i] = (struct sorted_entry){heap->entries[i], i};
        sorted[i].entry.value *= sign;
    }
    qsort(sorted, heap->len, sizeof(*sorted), compare_sorted);
    for (uint32_t i = 0; i < heap->len; i++) {
        heap->entries[i] = sorted[i].entry;
        heap->entries[i].value *= sign;
    }
    return true;
}

/* An instant query: group after group, the best first. */
static bool select_settle_instant(struct aggregate_select *select)
{
    for (size_t group = 0; group < select->heaps.len; group++) {
        struct select_heap *heap = &select->heaps.items[group][0];
        bool sorts = select->kind == AGGREGATE_TOPK || select->kind == AGGREGATE_BOTTOMK;
        if (sorts && heap->len <= 12)
            select_sort_heap(select, heap);
        else if (sorts && !select_sort_long(select, heap))
            return false;
        for (uint32_t i = 0; i < heap->len; i++)
            vec_push(&select->answer, heap->entries[i]);
    }
    select->histograms = evaluation_histograms(select->op.ev, 1);
    return select->histograms != NULL && evaluation_row(select->op.ev, 1, &select->row);
}

static struct row *select_row_columns(struct aggregate_select *select, struct select_row *row)
{
    if (row->out != NULL)
        return row->out;
    struct row *out = evaluation_alloc(select->op.ev, 1, sizeof(*out));
    if (out == NULL || !evaluation_row(select->op.ev, select->op.steps.count, out))
        return NULL;
    out->labels = row->labels;
    out->drop_name = row->drop_name;
    row->out = out;
    return out;
}

/* A range query: what the heaps hold goes back into rows. */
static bool select_settle_range(struct aggregate_select *select)
{
    size_t steps = select->op.steps.count;
    for (size_t group = 0; group < select->heaps.len; group++) {
        for (size_t step = 0; step < steps; step++) {
            const struct select_heap *heap = &select->heaps.items[group][step];
            for (uint32_t i = 0; i < heap->len; i++) {
                const struct select_entry *entry = &heap->entries[i];
                struct row *out = select_row_columns(select, &select->rows.items[entry->row]);
                if (out == NULL)
                    return false;
                out->values[step] = entry->value;
                promql_bitmap_set(out->present, step);
            }
        }
    }
    return true;
}

/* limit_ratio: a share of the label sets, by their hash, so the same ones at every time. */
static bool ratio_passes(const struct aggregate_select *select, double offset, size_t step)
{
    double ratio = fmax(-1, fmin(1, select->parameter.values[step]));
    return ratio != 0 && (ratio >= 0 ? offset < ratio : offset >= 1 + ratio);
}

/* limitk and limit_ratio at one time. */
static bool limit_offer_row(struct aggregate_select *select, const struct row *row)
{
    struct evaluation *ev = select->op.ev;
    if (!promql_bitmap_get(row->present, 0))
        return true;
    struct select_heap *heap = select_heaps(select, row->labels);
    if (heap == NULL)
        return false;
    bool passes = select->kind == AGGREGATE_LIMITK
                      ? (double)heap->len + 1 <= select->parameter.values[0]
                      : ratio_passes(select, ratio_offset(ev, row->labels), 0);
    if (!passes)
        return true;
    struct select_row kept = {.labels = row->labels, .drop_name = row->drop_name};
    const struct histogram *histogram = row_histogram(row, 0);
    if (histogram != NULL) {
        kept.histogram = evaluation_keep_histogram(ev, &ev->scratch, histogram);
        if (kept.histogram == NULL)
            return false;
    }
    struct select_entry entry = {histogram == NULL ? row->values[0] : 0,
                                 (uint32_t)select->rows.len};
    vec_push(&select->rows, kept);
    return heap_push(select, heap, entry, UINT32_MAX);
}

static bool select_takes_all(const struct aggregate_select *select)
{
    return select->kind == AGGREGATE_LIMITK || select->kind == AGGREGATE_LIMIT_RATIO;
}

static bool select_offer(struct aggregate_select *select, const struct row *row)
{
    return select_takes_all(select) ? limit_offer_row(select, row) : select_offer_row(select, row);
}

static bool select_gather(struct aggregate_select *select)
{
    struct row row;
    while (operator_next(select->op.children[0], &row)) {
        if (!select->is_empty && !select_offer(select, &row))
            return false;
    }
    select->is_gathered = true;
    if (select->op.ev->error != ERR_NONE)
        return false;
    return select->op.steps.count == 1 ? select_settle_instant(select)
                                       : select_settle_range(select);
}

static bool select_next(struct operator* op, struct row *out)
{
    struct aggregate_select *select = (struct aggregate_select *)op;
    if (!select->is_gathered && !select_gather(select))
        return false;
    if (op->steps.count == 1) {
        if (select->at == select->answer.len)
            return false;
        const struct select_entry *entry = &select->answer.items[select->at++];
        const struct select_row *row = &select->rows.items[entry->row];
        select->row.values[0] = entry->value;
        select->row.present[0] = 1;
        select->row.labels = row->labels;
        select->row.drop_name = row->drop_name;
        select->histograms[0] = row->histogram;
        select->row.histograms = row->histogram == NULL ? NULL : select->histograms;
        *out = select->row;
        return true;
    }
    while (select->at < select->rows.len) {
        const struct select_row *row = &select->rows.items[select->at++];
        if (row->out == NULL)
            continue;
        *out = *row->out;
        return true;
    }
    return false;
}

/* limitk: the first k rows of a group pass at each step. */
static bool limit_row(struct aggregate_select *select, struct row *row)
{
    size_t steps = select->op.steps.count;
    size_t group = label_groups_add(&select->groups, row->labels);
    if (group == select->passed.len) {
        uint32_t *fresh = evaluation_alloc(select->op.ev, steps, sizeof(*fresh));
        if (fresh == NULL)
            return false;
        memset(fresh, 0, steps * sizeof(*fresh));
        vec_push(&select->passed, fresh);
    }
    uint32_t *passed = select->passed.items[group];
    BITMAP_FOR_EACH(row->present, steps, i)
    {
        if ((double)passed[i] + 1 <= select->parameter.values[i])
            passed[i]++;
        else
            bitmap_unset(row->present, i);
    }
    return true;
}

static void limit_ratio_row(struct aggregate_select *select, struct row *row)
{
    double offset = ratio_offset(select->op.ev, row->labels);
    BITMAP_FOR_EACH(row->present, select->op.steps.count, i)
    {
        if (!ratio_passes(select, offset, i))
            bitmap_unset(row->present, i);
    }
}

static bool limit_next(struct operator* op, struct row *out)
{
    struct aggregate_select *select = (struct aggregate_select *)op;
    if (op->steps.count == 1)
        return select_next(op, out);
    while (operator_next(op->children[0], out)) {
        if (select->is_empty)
            continue;
        if (select->kind == AGGREGATE_LIMIT_RATIO)
            limit_ratio_row(select, out);
        else if (!limit_row(select, out))
            return false;
        if (bitmap_any(out->present, op->steps.count))
            return true;
    }
    return false;
}

static void select_release(struct operator* op)
{
    struct aggregate_select *select = (struct aggregate_select *)op;
    label_groups_release(&select->groups);
    vec_release(&select->heaps);
    vec_release(&select->rows);
    vec_release(&select->answer);
    vec_release(&select->passed);
}

static const struct operator_methods select_methods = {
    .name = "topk/bottomk",
    .start = select_start,
    .next = select_next,
    .release = select_release,
};
static const struct operator_methods limit_methods = {
    .name = "limit",
    .start = select_start,
    .next = limit_next,
    .release = select_release,
};

struct operator* aggregate_select_new(struct evaluation *ev, const struct node *node,
                                      struct operator* child, struct operator* parameter)
{
    ASSERT(parameter != NULL);
    enum aggregate_kind kind = node->aggregate.op;
    bool is_limit = kind == AGGREGATE_LIMITK || kind == AGGREGATE_LIMIT_RATIO;
    struct aggregate_select *select =
        operator_new(ev, sizeof(*select), is_limit ? &limit_methods : &select_methods, node, 2);
    select->op.children[0] = child;
    select->op.children[1] = parameter;
    select->kind = kind;
    struct label_grouping grouping = aggregation_grouping(ev, node);
    label_groups_init(&select->groups, ev, &grouping);
    select->op.unique = child->unique;
    select->op.nameless = child->nameless;
    select->op.name_unique = child->name_unique;
    return &select->op;
}
