/*
 * histogram_quantile, histogram_quantiles and histogram_fraction. Of classic histograms the rows of
 * all buckets are gathered, grouped by their labels without le, and sorted by bound once; then
 * every step puts its buckets together. Of native histograms the answers are computed as they pass,
 * and only these are kept. Where one step has both under one label set, neither has an answer.
 */
#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/float_text.h"
#include "model/histogram_statistics.h"
#include "model/quote.h"
#include "model/symbols.h"
#include "promql/classic_histogram.h"
#include "promql/label_groups.h"
#include "promql/operators.h"
#include "promql/row_store.h"

#define HISTOGRAM_SCALARS_MAX 10

struct histogram_bucket {
    double upper_bound;
    struct row *row;
};

struct histogram_group {
    VEC(struct histogram_bucket) buckets;
    bool drop_name;
};

/* A row of native histograms. Values and notes (enum histogram_note) are columns, one for each
 * quantile that is asked for. */
struct histogram_native {
    const struct labels *labels;
    uint64_t *present;
    double *values;
    uint8_t *notes;
};

/* One value of q of histogram_quantiles, with the steps at which the argument has it. */
struct histogram_pass {
    size_t scalar;
    double q;
    uint32_t label; /* symbol of its text */
    uint64_t *steps;
};

struct histogram_function {
    struct operator op; /* children: scalars, then the vector */
    enum function_id id;
    uint32_t le;
    uint32_t quantile_label; /* of histogram_quantiles */
    size_t scalar_count;
    const double *scalars[HISTOGRAM_SCALARS_MAX];
    struct label_groups groups;
    VEC(struct histogram_group) by_index;
    struct row_store store;
    VEC(struct histogram_native) natives;
    VEC(struct classic_bucket) buckets; /* of one step */
    VEC(struct histogram_pass) passes;
    struct label_guard guard;
    bool is_gathered;
    size_t native;
    size_t group;
    size_t pass;
    size_t column_steps;
    struct row row;
};

static void histogram_clear_groups(struct histogram_function *function)
{
    for (size_t i = 0; i < function->by_index.len; i++)
        vec_release(&function->by_index.items[i].buckets);
    vec_reset(&function->by_index);
}

static const struct node *histogram_argument(const struct histogram_function *function,
                                             size_t scalar)
{
    size_t shift = function->id == FUNCTION_HISTOGRAM_QUANTILES ? 2 : 0;
    return node_unwrap(function->op.node->children[scalar + shift]);
}

/* Where the vector stands in the text. */
static uint32_t histogram_position(const struct histogram_function *function)
{
    size_t index = function->id == FUNCTION_HISTOGRAM_QUANTILES ? 0 : function->scalar_count;
    return node_unwrap(function->op.node->children[index])->start;
}

static void histogram_check_quantile(struct histogram_function *function, size_t scalar, double q)
{
    if (q >= 0 && q <= 1)
        return;
    char text[ANNOTATION_NUMBER_SIZE];
    annotations_add(&function->op.ev->annotations, PROMQL_WARNING,
                    histogram_argument(function, scalar)->start,
                    "quantile value should be between 0 and 1, got %s", annotation_number(q, text));
}

/* The pass of a value of q, made when it is new. */
static bool histogram_note_pass(struct histogram_function *function, size_t scalar, double q,
                                size_t step)
{
    struct evaluation *ev = function->op.ev;
    for (size_t i = function->passes.len; i > 0; i--) {
        struct histogram_pass *pass = &function->passes.items[i - 1];
        if (pass->scalar == scalar && (pass->q == q || (isnan(q) && isnan(pass->q)))) {
            promql_bitmap_set(pass->steps, step);
            return true;
        }
    }
    histogram_check_quantile(function, scalar, q);
    struct histogram_pass pass = {
        .scalar = scalar, .q = q, .steps = evaluation_bitmap(ev, function->op.steps.count)};
    if (pass.steps == NULL)
        return false;
    if (function->id == FUNCTION_HISTOGRAM_QUANTILES) {
        char text[FLOAT_TEXT_SHORT_SIZE];
        size_t len = float_text_openmetrics(q, text);
        pass.label = evaluation_symbol(ev, slice_from(text, len));
    }
    promql_bitmap_set(pass.steps, step);
    vec_push(&function->passes, pass);
    return true;
}

/* One pass an output row: for histogram_quantiles one for each q, else one for all steps. */
static bool histogram_plan_passes(struct histogram_function *function)
{
    size_t steps = function->op.steps.count;
    vec_reset(&function->passes);
    if (function->id == FUNCTION_HISTOGRAM_QUANTILES) {
        for (size_t scalar = 0; scalar < function->scalar_count; scalar++) {
            for (size_t i = 0; i < steps; i++) {
                if (!histogram_note_pass(function, scalar, function->scalars[scalar][i], i))
                    return false;
            }
        }
        return true;
    }
    struct histogram_pass pass = {.steps = evaluation_bitmap(function->op.ev, steps)};
    if (pass.steps == NULL)
        return false;
    bitmap_fill(pass.steps, steps);
    vec_push(&function->passes, pass);
    if (function->id == FUNCTION_HISTOGRAM_QUANTILE) {
        for (size_t i = 0; i < steps; i++)
            histogram_check_quantile(function, 0, function->scalars[0][i]);
    }
    return true;
}

static bool histogram_start(struct operator* op)
{
    struct histogram_function *function = (struct histogram_function *)op;
    size_t steps = op->steps.count;
    for (size_t i = 0; i < function->scalar_count; i++) {
        function->scalars[i] = operator_scalar(op->children[i], &op->steps);
        if (function->scalars[i] == NULL)
            return false;
    }
    if (function->column_steps < steps) {
        if (!evaluation_row(op->ev, steps, &function->row))
            return false;
        function->column_steps = steps;
    }
    label_groups_clear(&function->groups);
    histogram_clear_groups(function);
    row_store_clear(&function->store, steps);
    vec_reset(&function->natives);
    label_guard_clear(&function->guard, steps);
    function->is_gathered = false;
    function->native = function->group = function->pass = 0;
    return histogram_plan_passes(function) &&
           operator_start(op->children[function->scalar_count], &op->steps);
}

/* " for metric name ...", where names are still there. */
static void histogram_print_name(const struct histogram_function *function,
                                 const struct labels *labels, struct buf *out)
{
    struct slice name =
        function->op.ev->delayed_name_removal ? labels_metric_name(labels) : SLICE_EMPTY;
    if (name.len == 0)
        return;
    buf_append_str(out, " for metric name ");
    quote_go(name, out);
}

static void histogram_warn_bound(struct histogram_function *function, const struct row *row,
                                 struct slice bound)
{
    struct evaluation *ev = function->op.ev;
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, 4096);
    quote_go(bound, &text);
    histogram_print_name(function, row->labels, &text);
    annotations_add(&ev->annotations, PROMQL_WARNING, histogram_position(function),
                    "bucket label \"le\" is missing or has a malformed value of %s",
                    buf_cstr(&text));
}

static bool histogram_add_classic(struct histogram_function *function, const struct row *row)
{
    struct slice text = symbols_text(labels_value(row->labels, function->le));
    double bound;
    if (!float_text_parse(text, &bound, NULL)) {
        if (bitmap_any(row->present, function->op.steps.count))
            histogram_warn_bound(function, row, text);
        return true;
    }
    size_t index = label_groups_add(&function->groups, row->labels);
    struct histogram_group *group = index == function->by_index.len
                                        ? vec_add(&function->by_index)
                                        : &function->by_index.items[index];
    struct row *kept = row_store_add(&function->store, row);
    if (kept == NULL)
        return false;
    group->drop_name |= row->drop_name;
    vec_push(&group->buckets, (struct histogram_bucket){bound, kept});
    return true;
}

/* Columns of answers: a quantile each, or the one fraction. */
static size_t histogram_columns(const struct histogram_function *function)
{
    return function->id == FUNCTION_HISTOGRAM_FRACTION ? 1 : function->scalar_count;
}

static void native_compute(struct histogram_function *function, struct histogram_native *native,
                           const struct histogram *histogram, size_t step)
{
    for (size_t column = 0; column < histogram_columns(function); column++) {
        size_t at = column * function->op.steps.count + step;
        double first = function->scalars[column][step];
        enum histogram_note note = HISTOGRAM_NOTE_NONE;
        native->values[at] =
            function->id == FUNCTION_HISTOGRAM_FRACTION
                ? histogram_fraction(histogram, first, function->scalars[1][step], &note)
                : histogram_quantile(histogram, first, &note);
        native->notes[at] = (uint8_t)note;
    }
}

/* Takes the histograms of a row; the floats stay in it. */
static bool histogram_add_native(struct histogram_function *function, struct row *row)
{
    struct evaluation *ev = function->op.ev;
    size_t steps = function->op.steps.count;
    uint64_t cells = (uint64_t)steps * histogram_columns(function);
    struct histogram_native native = {
        .labels = row->labels,
        .present = evaluation_bitmap(ev, steps),
        .values = evaluation_alloc(ev, cells, sizeof(*native.values)),
        .notes = evaluation_alloc(ev, cells, sizeof(*native.notes)),
    };
    if (ev->error != ERR_NONE)
        return false;
    BITMAP_FOR_EACH(row->present, steps, i)
    {
        if (row->histograms[i] == NULL)
            continue;
        native_compute(function, &native, row->histograms[i], i);
        promql_bitmap_set(native.present, i);
        if (!evaluation_check(ev, 64))
            return false;
    }
    row_drop_histograms(row, steps);
    vec_push(&function->natives, native);
    return true;
}

static bool histogram_add(struct histogram_function *function, struct row *row)
{
    size_t steps = function->op.steps.count;
    if (LIKELY(!row_has_histograms(row, steps)))
        return histogram_add_classic(function, row);
    return histogram_add_native(function, row) &&
           (!bitmap_any(row->present, steps) || histogram_add_classic(function, row));
}

static void histogram_note(struct histogram_function *function, enum promql_annotation_level level,
                           const struct labels *labels, const char *text)
{
    struct buf CLEANUP(buf_release) name;
    buf_init(&name, 4096);
    histogram_print_name(function, labels, &name);
    annotations_add(&function->op.ev->annotations, level, histogram_position(function), "%s%s",
                    text, buf_cstr(&name));
}

/* Takes the steps out at which a native histogram has the labels of a classic one. */
static bool histogram_part(struct histogram_function *function, struct histogram_native *native)
{
    size_t steps = function->op.steps.count;
    size_t index = labels_value(native->labels, function->le) == SYMBOL_EMPTY
                       ? label_groups_find(&function->groups, native->labels)
                       : LABEL_GROUP_NONE;
    if (index == LABEL_GROUP_NONE)
        return true;
    const struct histogram_group *group = &function->by_index.items[index];
    uint64_t *both = evaluation_bitmap(function->op.ev, steps);
    if (both == NULL)
        return false;
    for (size_t i = 0; i < group->buckets.len; i++)
        bitmap_or(both, group->buckets.items[i].row->present, steps);
    bitmap_and(both, native->present, steps);
    if (!bitmap_any(both, steps))
        return true;
    histogram_note(function, PROMQL_WARNING, native->labels,
                   "vector contains a mix of classic and native histograms");
    bitmap_and_not(native->present, both, steps);
    for (size_t i = 0; i < group->buckets.len; i++)
        bitmap_and_not(group->buckets.items[i].row->present, both, steps);
    return true;
}

static int compare_bounds(const void *a, const void *b)
{
    double x = ((const struct histogram_bucket *)a)->upper_bound;
    double y = ((const struct histogram_bucket *)b)->upper_bound;
    return x < y ? -1 : x > y;
}

static bool histogram_gather(struct histogram_function *function)
{
    struct row row;
    while (operator_next(function->op.children[function->scalar_count], &row)) {
        if (!histogram_add(function, &row))
            return false;
    }
    for (size_t i = 0; i < function->by_index.len; i++) {
        struct histogram_group *group = &function->by_index.items[i];
        qsort(group->buckets.items, group->buckets.len, sizeof(*group->buckets.items),
              compare_bounds);
    }
    for (size_t i = 0; i < function->natives.len; i++) {
        if (!histogram_part(function, &function->natives.items[i]))
            return false;
    }
    function->is_gathered = true;
    return function->op.ev->error == ERR_NONE;
}

/* The buckets that are present at a step, in function->buckets; how many. */
static size_t histogram_step(struct histogram_function *function,
                             const struct histogram_group *group, size_t step)
{
    vec_reset(&function->buckets);
    vec_reserve(&function->buckets, group->buckets.len);
    size_t len = 0;
    for (size_t i = 0; i < group->buckets.len; i++) {
        const struct histogram_bucket *bucket = &group->buckets.items[i];
        if (promql_bitmap_get(bucket->row->present, step))
            function->buckets.items[len++] =
                (struct classic_bucket){bucket->upper_bound, bucket->row->values[step]};
    }
    return len;
}

static void histogram_note_repair(struct histogram_function *function, size_t step,
                                  const struct classic_repair *repair)
{
    struct evaluation *ev = function->op.ev;
    int64_t time_ms = steps_time(&function->op.steps, step);
    struct annotation_repair note = {
        .count = 1,
        .first_ms = time_ms,
        .last_ms = time_ms,
        .bucket_min = repair->bucket_min,
        .bucket_max = repair->bucket_max,
        .difference_max = repair->difference_max,
    };
    const struct labels *labels = function->groups.items.items[function->group]->labels;
    struct slice name = ev->delayed_name_removal ? labels_metric_name(labels) : SLICE_EMPTY;
    annotations_add_repair(&ev->annotations, histogram_position(function), name, &note);
}

static bool histogram_compute(struct histogram_function *function,
                              const struct histogram_group *group,
                              const struct histogram_pass *pass)
{
    bool is_fraction = function->id == FUNCTION_HISTOGRAM_FRACTION;
    const double *scalar = function->scalars[pass->scalar];
    bitmap_clear(function->row.present, function->op.steps.count);
    BITMAP_FOR_EACH(pass->steps, function->op.steps.count, i)
    {
        size_t count = histogram_step(function, group, i);
        if (count == 0)
            continue;
        struct classic_bucket *buckets = function->buckets.items;
        promql_bitmap_set(function->row.present, i);
        if (is_fraction) {
            function->row.values[i] =
                classic_fraction(scalar[i], function->scalars[1][i], buckets, count);
        } else {
            struct classic_repair repair;
            function->row.values[i] = classic_quantile(scalar[i], buckets, count, &repair);
            if (repair.forced)
                histogram_note_repair(function, i, &repair);
        }
        if (!evaluation_check(function->op.ev, count))
            return false;
    }
    return true;
}

/* The answers of a row of native histograms. */
static void histogram_show_native(struct histogram_function *function,
                                  const struct histogram_native *native,
                                  const struct histogram_pass *pass)
{
    static const char *const texts[] = {
        [HISTOGRAM_NOTE_NAN_RESULT] =
            "input to histogram_quantile has NaN observations, result is NaN",
        [HISTOGRAM_NOTE_NAN_SKEW] =
            "input to histogram_quantile has NaN observations, result is skewed higher",
        [HISTOGRAM_NOTE_NAN_IGNORED] = "input to histogram_fraction has NaN observations, which "
                                       "are excluded from all fractions",
    };
    size_t steps = function->op.steps.count;
    bitmap_copy(function->row.present, native->present, steps);
    bitmap_and(function->row.present, pass->steps, steps);
    unsigned seen = 0;
    BITMAP_FOR_EACH(function->row.present, steps, i)
    {
        size_t at = pass->scalar * steps + i;
        function->row.values[i] = native->values[at];
        seen |= 1U << native->notes[at];
    }
    for (unsigned note = HISTOGRAM_NOTE_NONE + 1; note < ARRAY_SIZE(texts); note++) {
        if (seen & (1U << note))
            histogram_note(function, PROMQL_INFO, native->labels, texts[note]);
    }
}

static bool histogram_label(struct histogram_function *function, const struct labels *labels,
                            const struct histogram_pass *pass)
{
    struct evaluation *ev = function->op.ev;
    struct row *row = &function->row;
    row->labels = labels;
    row->drop_name = true;
    if (!ev->delayed_name_removal)
        row->labels = label_set_without_reserved(ev, row->labels);
    if (function->id == FUNCTION_HISTOGRAM_QUANTILES)
        row->labels = label_set_with(ev, row->labels, function->quantile_label, pass->label);
    return ev->delayed_name_removal ||
           label_guard_add(&function->guard, row->labels, row->present, LABEL_GUARD_STEPS);
}

/* The next row of a pass, first of native histograms, then of classic ones, in function->row. false
 * at the end of the pass and on failure. */
static bool histogram_next_of_pass(struct histogram_function *function,
                                   const struct histogram_pass *pass)
{
    if (function->native < function->natives.len) {
        const struct histogram_native *native = &function->natives.items[function->native++];
        histogram_show_native(function, native, pass);
        return histogram_label(function, native->labels, pass);
    }
    if (function->group == function->by_index.len)
        return false;
    const struct histogram_group *group = &function->by_index.items[function->group];
    if (!histogram_compute(function, group, pass))
        return false;
    size_t index = function->group++;
    return histogram_label(function, function->groups.items.items[index]->labels, pass);
}

static bool histogram_next(struct operator* op, struct row *out)
{
    struct histogram_function *function = (struct histogram_function *)op;
    if (!function->is_gathered && !histogram_gather(function))
        return false;
    while (function->pass < function->passes.len) {
        if (!histogram_next_of_pass(function, &function->passes.items[function->pass])) {
            if (op->ev->error != ERR_NONE)
                return false;
            function->native = function->group = 0;
            function->pass++;
            continue;
        }
        if (!bitmap_any(function->row.present, op->steps.count))
            continue;
        *out = function->row;
        return true;
    }
    return false;
}

static void histogram_release(struct operator* op)
{
    struct histogram_function *function = (struct histogram_function *)op;
    histogram_clear_groups(function);
    vec_release(&function->by_index);
    label_groups_release(&function->groups);
    row_store_release(&function->store);
    vec_release(&function->buckets);
    vec_release(&function->passes);
    vec_release(&function->natives);
    label_guard_release(&function->guard);
}

static const struct operator_methods histogram_methods = {
    .name = "histogram function",
    .start = histogram_start,
    .next = histogram_next,
    .release = histogram_release,
};

struct operator* histogram_new(struct evaluation *ev, const struct node *call,
                               struct operator* child, struct operator** scalars,
                               size_t scalar_count)
{
    ASSERT(scalar_count <= HISTOGRAM_SCALARS_MAX);
    struct histogram_function *function =
        operator_new(ev, sizeof(*function), &histogram_methods, call, scalar_count + 1);
    for (size_t i = 0; i < scalar_count; i++)
        function->op.children[i] = scalars[i];
    function->op.children[scalar_count] = child;
    function->scalar_count = scalar_count;
    function->id = call->call.function->id;
    function->le = evaluation_symbol(ev, SLICE("le"));
    if (function->id == FUNCTION_HISTOGRAM_QUANTILES)
        function->quantile_label = evaluation_symbol(ev, node_unwrap(call->children[1])->string);
    struct slice le = SLICE("le");
    struct label_grouping grouping = {.names = label_names_make(ev, &le, 1), .without = true};
    label_groups_init(&function->groups, ev, &grouping);
    row_store_init(&function->store, ev, &ev->scratch);
    label_guard_init(&function->guard, ev);
    bool drops_now = !ev->delayed_name_removal;
    function->op.nameless = function->op.name_unique = drops_now;
    return &function->op;
}
