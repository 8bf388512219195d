#include "promql/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "promql/explain.h"
#include "promql/extended_range.h"
#include "promql/plan.h"
#include "promql/row_store.h"
#include "promql/selection.h"

static int compare_row_labels(const void *a, const void *b)
{
    const struct promql_row *x = a, *y = b;
    return labels_compare(x->labels, y->labels);
}

static int compare_points_labels(const void *a, const void *b)
{
    const struct promql_points *x = a, *y = b;
    return labels_compare(x->labels, y->labels);
}

static void answer_sort(struct evaluation *ev, void *items, size_t count, size_t size,
                        int (*compare)(const void *, const void *))
{
    int64_t start_ns = clock_monotonic_ns(ev->clock);
    for (size_t i = 1; i < count; i++) {
        const char *at = (const char *)items + i * size;
        if (compare(at - size, at) > 0) {
            qsort(items, count, size, compare);
            break;
        }
    }
    ev->statistics.sort_ns += clock_monotonic_ns(ev->clock) - start_ns;
}

/* Rows into the result's arena. */
static bool answer_gather(struct evaluation *ev, struct operator* op, struct row_store *store)
{
    struct row row;
    while (operator_next(op, &row)) {
        if (!bitmap_any(row.present, op->steps.count))
            continue;
        if (op->unique ? row_store_add(store, &row) == NULL : !row_store_merge(store, &row))
            return false;
    }
    return ev->error == ERR_NONE;
}

static bool answer_rows(struct evaluation *ev, struct operator* op, struct promql_result *result)
{
    struct row_store CLEANUP(row_store_release) store;
    row_store_init(&store, ev, ev->result);
    row_store_clear(&store, result->steps.count);
    if (!operator_start(op, &result->steps) || !answer_gather(ev, op, &store))
        return false;
    size_t count = store.rows.len;
    if (!evaluation_room(ev, count * sizeof(*result->rows)))
        return false;
    result->rows = arena_alloc_array(ev->result, count, sizeof(*result->rows));
    result->row_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct row *row = store.rows.items[i];
        result->rows[i] = (struct promql_row){.labels = row->labels,
                                              .values = row->values,
                                              .present = row->present,
                                              .histograms = row->histograms};
    }
    return true;
}

/* Copies of the histograms among samples, into the result; counts their cells beyond one each. */
static const struct histogram *const *
answer_copy_histograms(struct evaluation *ev, const struct samples *samples, uint64_t *cells)
{
    uint64_t bytes = (uint64_t)samples->count * sizeof(*samples->histograms);
    if (!evaluation_room(ev, bytes))
        return NULL;
    const struct histogram **copies = arena_zalloc(ev->result, bytes);
    for (size_t i = 0; i < samples->count; i++) {
        if (samples->histograms[i] == NULL)
            continue;
        copies[i] = evaluation_keep_histogram(ev, ev->result, samples->histograms[i]);
        if (copies[i] == NULL)
            return NULL;
        *cells += histogram_cells(copies[i]) - 1;
    }
    return copies;
}

/* Samples within (start, end], copied; stale markers are gone already. */
static bool answer_copy_points(struct evaluation *ev, const struct labels *labels,
                               const struct samples *samples, struct promql_points *out,
                               uint64_t *out_cells)
{
    size_t count = samples->count;
    uint64_t bytes = (uint64_t)count * (sizeof(int64_t) + sizeof(double));
    if (!evaluation_hold(ev, count) || !evaluation_room(ev, bytes))
        return false;
    int64_t *timestamps_ms = arena_alloc_array(ev->result, count, sizeof(*timestamps_ms));
    double *values = arena_alloc_array(ev->result, count, sizeof(*values));
    memcpy(timestamps_ms, samples->timestamps_ms, count * sizeof(*timestamps_ms));
    memcpy(values, samples->values, count * sizeof(*values));
    uint64_t cells = count;
    *out = (struct promql_points){
        .labels = labels, .timestamps_ms = timestamps_ms, .values = values, .count = count};
    if (samples->histograms != NULL) {
        out->histograms = answer_copy_histograms(ev, samples, &cells);
        if (out->histograms == NULL || !evaluation_hold(ev, cells - count))
            return false;
    }
    *out_cells = cells;
    return true;
}

struct point_list {
    VEC(struct promql_points) items;
};

static void point_list_release(struct point_list *list)
{
    vec_release(&list->items);
}

/* An anchored or smoothed range: its samples, and between them and the edges what is there. */
static bool answer_extend(struct evaluation *ev, const struct range_source *source,
                          struct samples *samples)
{
    struct extended_range range = {.is_smoothed = source->extension == SELECTOR_SMOOTHED};
    struct extended_edges edges;
    if (samples->histograms != NULL)
        return evaluation_fail(ev, ERR_EXECUTION, "%s modifier is not supported with histograms",
                               range.is_smoothed ? "smoothed" : "anchored");
    range.end_ms = time_shift_apply(&source->shift, ev->query->start_ms);
    range.start_ms = range.end_ms - source->range_ms;
    if (!extended_edges_find(&edges, &range, samples, 0, samples->count)) {
        samples->count = 0;
        return true;
    }
    size_t count = edges.until - edges.from;
    int64_t *timestamps_ms = evaluation_alloc(ev, count + 2, sizeof(*timestamps_ms));
    double *values = evaluation_alloc(ev, count + 2, sizeof(*values));
    if (timestamps_ms == NULL || values == NULL)
        return false;
    timestamps_ms[0] = range.start_ms;
    values[0] = edges.left;
    memcpy(timestamps_ms + 1, samples->timestamps_ms + edges.from, count * sizeof(*timestamps_ms));
    memcpy(values + 1, samples->values + edges.from, count * sizeof(*values));
    timestamps_ms[count + 1] = range.end_ms;
    values[count + 1] = edges.right;
    *samples =
        (struct samples){.timestamps_ms = timestamps_ms, .values = values, .count = count + 2};
    return true;
}

static bool answer_selector_points(struct evaluation *ev, const struct range_source *source,
                                   struct point_list *list)
{
    struct selection CLEANUP(selection_release) selection;
    selection_init(&selection, ev, source->selector, true);
    struct time_shift shift;
    int64_t range_ms;
    range_source_reach(ev, source, &shift, &range_ms);
    int64_t end_ms = time_shift_apply(&shift, ev->query->start_ms);
    struct histogram_windows window = {
        .first_end_ms = end_ms, .last_end_ms = end_ms, .reach_ms = range_ms};
    if (!selection_start(&selection, &window))
        return false;
    const struct labels *labels;
    struct samples samples;
    while (selection_next(&selection, &labels, &samples)) {
        selection_clean(&selection, &samples);
        if (samples.count > 0 && source->extension != SELECTOR_PLAIN &&
            !answer_extend(ev, source, &samples))
            return false;
        if (samples.count == 0)
            continue;
        struct promql_points points;
        uint64_t cells;
        if (!answer_copy_points(ev, labels, &samples, &points, &cells))
            return false;
        sample_sheet_add(ev->counts.query, 0, cells, cells);
        vec_push(&list->items, points);
    }
    return ev->error == ERR_NONE;
}

/* The rows of a subquery as points: its own steps, without those where nothing is. */
static bool answer_subquery_points(struct evaluation *ev, const struct range_source *source,
                                   struct point_list *list)
{
    struct promql_steps steps;
    int64_t end_ms = time_shift_apply(&source->shift, ev->query->start_ms);
    if (!range_source_inner_steps(ev, source, end_ms, end_ms, &steps))
        return ev->error == ERR_NONE;
    source->inner->sheet->is_answer = true;
    if (!sample_sheet_start(&ev->counts, source->inner->sheet, &steps) ||
        !operator_start(source->inner, &steps))
        return false;
    int64_t *timestamps_ms = evaluation_alloc(ev, steps.count, sizeof(*timestamps_ms));
    double *values = evaluation_column(ev, steps.count);
    const struct histogram **histograms =
        values == NULL ? NULL : evaluation_alloc(ev, steps.count, sizeof(*histograms));
    struct row row;
    while (histograms != NULL && operator_next(source->inner, &row)) {
        bool mixed = row_has_histograms(&row, steps.count);
        struct samples samples = {.timestamps_ms = timestamps_ms,
                                  .values = values,
                                  .histograms = mixed ? histograms : NULL};
        BITMAP_FOR_EACH(row.present, steps.count, i)
        {
            timestamps_ms[samples.count] = steps_time(&steps, i);
            histograms[samples.count] = row_histogram(&row, i);
            values[samples.count++] = row.values[i];
        }
        struct promql_points points;
        uint64_t cells;
        if (samples.count > 0 && !answer_copy_points(ev, row.labels, &samples, &points, &cells))
            return false;
        if (samples.count > 0)
            vec_push(&list->items, points);
    }
    return ev->error == ERR_NONE;
}

static bool answer_points(struct evaluation *ev, const struct node *root,
                          struct promql_result *result)
{
    struct range_source source;
    struct point_list CLEANUP(point_list_release) list = {0};
    if (!plan_make_source(ev, root, &source))
        return false;
    if (source.inner != NULL && ev->delayed_name_removal) {
        struct sample_sheet *sheet = source.inner->sheet;
        source.inner = merge_new(source.inner, true);
        source.inner->sheet = sheet; /* it gives the steps of the subquery, too */
    }
    if (source.inner != NULL ? !answer_subquery_points(ev, &source, &list)
                             : !answer_selector_points(ev, &source, &list))
        return false;
    size_t bytes = list.items.len * sizeof(*list.items.items);
    if (!evaluation_room(ev, bytes))
        return false;
    result->points = arena_alloc(ev->result, bytes);
    if (bytes > 0)
        memcpy(result->points, list.items.items, bytes);
    result->points_count = list.items.len;
    if (ev->query->explain)
        result->explanation =
            source.inner == NULL ? explain_points(ev, root, result) : explain_tree(source.inner);
    answer_sort(ev, result->points, result->points_count, sizeof(*result->points),
                compare_points_labels);
    return true;
}

bool answer_make(struct evaluation *ev, const struct node *root, struct promql_result *result)
{
    const struct promql_query *query = ev->query;
    root = node_unwrap(root);
    result->type = root->type;
    if (root->type == PROMQL_STRING) {
        result->text = arena_slice(ev->result, root->string);
        return true;
    }
    if (root->type == PROMQL_MATRIX)
        return answer_points(ev, root, result);
    struct operator* op = plan_make(ev, root);
    if (op == NULL)
        return false;
    if (ev->delayed_name_removal)
        op = merge_new(op, true);
    int64_t start_ns = clock_monotonic_ns(ev->clock);
    if (!answer_rows(ev, op, result))
        return false;
    if (query->explain)
        result->explanation = explain_tree(op);
    ASSERT(root->type != PROMQL_SCALAR || result->row_count == 1);
    ev->statistics.evaluate_ns = clock_monotonic_ns(ev->clock) - start_ns;
    if (query->step_ms > 0) {
        result->type = PROMQL_MATRIX;
        answer_sort(ev, result->rows, result->row_count, sizeof(*result->rows), compare_row_labels);
    }
    return true;
}
