/*
 * Arithmetic and comparison between two vectors: a hash join. The one side is gathered by match
 * group, the many side streams past it (one-to-one is the case where both are ones: the left
 * streams).
 *
 * For a row of the many side, the rows of its group are its partners: as they may take turns over
 * the steps, each partner gives an output row of its own. Where a fill value is given, the steps
 * without a partner make one more; and when the many side has passed, so does every row of the one
 * side that was not met.
 */
#include "promql/binary_match.h"

#include "base/assert.h"
#include "promql/binary_histogram.h"
#include "promql/binary_kernel.h"
#include "promql/label_set.h"
#include "promql/operators.h"

#define TEXT_MANY_TO_ONE                                                                           \
    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
#define TEXT_GROUPING "multiple matches for labels: grouping labels must ensure unique matches"

struct binary_match {
    struct operator op;
    const struct node *node;
    bool one_is_left; /* group_right */
    bool one_to_one;
    bool is_comparison;
    bool is_trim;
    bool changes_metric;
    bool has_fill; /* either */
    struct label_names matching;
    struct label_names include;
    struct match_side one;
    bool is_gathered;
    struct table outputs; /* struct match_output by labels: many-to-one only */

    /* the row of the many side whose partners are being gone through: */
    bool has_many;
    bool many_done;
    struct row many;
    struct match_group *group;
    size_t partner;
    size_t unmet; /* rows of the one side that were gone through at the end */

    size_t column_steps;
    struct row row;
    uint64_t *met; /* steps at which the present pair meets */
    double *fill_values;
    const struct histogram **histograms; /* made when there is a first one */
    struct binary_notes notes;
};

/* An output label set: which steps it was met at, to find out that it is not unique. */
struct match_output {
    const struct labels *labels;
    const struct match_group *group;
    uint64_t *met;
    uint64_t *kept;
};

static bool match_start(struct operator* op)
{
    struct binary_match *match = (struct binary_match *)op;
    size_t steps = op->steps.count;
    match_side_clear(&match->one, steps);
    table_clear(&match->outputs);
    match->is_gathered = match->has_many = match->many_done = false;
    match->unmet = 0;
    if (match->column_steps < steps) {
        match->met = evaluation_bitmap(op->ev, steps);
        match->fill_values = evaluation_column(op->ev, steps);
        if (match->met == NULL || match->fill_values == NULL ||
            !evaluation_row(op->ev, steps, &match->row))
            return false;
        match->histograms = NULL;
        match->column_steps = steps;
    }
    binary_notes_clear(&match->notes, steps);
    return operator_start_children(op);
}

static struct operator* match_many(const struct binary_match *match)
{
    return match->op.children[match->one_is_left ? 1 : 0];
}

static struct operator* match_one(const struct binary_match *match)
{
    return match->op.children[match->one_is_left ? 0 : 1];
}

static const char *match_one_name(const struct binary_match *match)
{
    return match->one_is_left ? "left" : "right";
}

static bool match_gather(struct binary_match *match)
{
    struct row row;
    while (operator_next(match_one(match), &row)) {
        if (!match_side_add(&match->one, &row))
            return false;
    }
    match->is_gathered = true;
    return match->op.ev->error == ERR_NONE &&
           (!match->has_fill || match_side_check(&match->one, NULL, match_one_name(match)));
}

/* The labels of the result for a pair. */
static const struct labels *match_labels(struct binary_match *match, const struct labels *many,
                                         const struct labels *one)
{
    struct evaluation *ev = match->op.ev;
    const struct labels *labels = many;
    bool delayed = match->is_comparison && ev->delayed_name_removal;
    if (match->changes_metric && !delayed)
        labels = label_set_without_reserved(ev, labels);
    if (match->one_to_one)
        labels = match->node->binary.on ? label_set_keep(ev, labels, &match->matching)
                                        : label_set_remove(ev, labels, &match->matching);
    for (size_t i = 0; i < match->include.count; i++) {
        uint32_t name = match->include.symbols[i];
        labels = label_set_with(ev, labels, name, labels_value(one, name));
    }
    return labels;
}

static bool output_has_labels(const void *value, const void *key)
{
    return labels_equal(((const struct match_output *)value)->labels, key);
}

/* Many-to-one: the labels of the many side and those taken over must be unique at every step. */
static bool match_note_output(struct binary_match *match)
{
    struct evaluation *ev = match->op.ev;
    size_t steps = match->op.steps.count;
    const struct labels *labels = match->row.labels;
    struct match_output *output =
        table_get(&match->outputs, labels->hash, output_has_labels, labels);
    if (output == NULL) {
        output = evaluation_alloc(ev, 1, sizeof(*output));
        uint64_t *met = output == NULL ? NULL : evaluation_bitmap(ev, steps);
        uint64_t *kept = met == NULL ? NULL : evaluation_bitmap(ev, steps);
        if (kept == NULL)
            return false;
        *output = (struct match_output){labels, match->group, met, kept};
        table_add(&match->outputs, labels->hash, output);
    }
    if (output->group == match->group && bitmap_overlap(output->met, match->met, steps))
        return evaluation_fail(ev, ERR_EXECUTION, TEXT_GROUPING);
    if (bitmap_overlap(output->kept, match->row.present, steps))
        return evaluation_fail(ev, ERR_EXECUTION, LABEL_GUARD_TEXT);
    bitmap_or(output->met, match->met, steps);
    bitmap_or(output->kept, match->row.present, steps);
    return true;
}

static bool match_note(struct binary_match *match)
{
    size_t steps = match->op.steps.count;
    if (match->one_to_one) {
        if (bitmap_overlap(match->group->matched, match->met, steps))
            return evaluation_fail(match->op.ev, ERR_EXECUTION, TEXT_MANY_TO_ONE);
    } else if (!match_note_output(match)) {
        return false;
    }
    bitmap_or(match->group->matched, match->met, steps);
    return true;
}

/* What the loops over floats do; where histograms are it is redone. */
static void match_floats(struct binary_match *match, const double *left, const double *right)
{
    size_t steps = match->op.steps.count;
    struct row *row = &match->row;
    enum operator_kind kind = match->node->binary.op;
    bitmap_copy(row->present, match->met, steps);
    row->histograms = NULL;
    if (match->is_trim)
        return;
    if (!match->is_comparison) {
        binary_compute(kind, row->values, left, right, steps);
    } else if (match->node->binary.return_bool) {
        uint64_t *bits = row->present;
        binary_compare(kind, bits, left, right, steps);
        for (size_t i = 0; i < steps; i++)
            row->values[i] = promql_bitmap_get(bits, i);
        bitmap_copy(row->present, match->met, steps);
    } else {
        binary_compare(kind, row->present, left, right, steps);
        bitmap_and(row->present, match->met, steps);
        memcpy(row->values, left, steps * sizeof(*left));
    }
}

static bool match_histograms(struct binary_match *match, const struct row *left,
                             const struct row *right)
{
    if (match->histograms == NULL)
        match->histograms = evaluation_histograms(match->op.ev, match->column_steps);
    return match->histograms != NULL &&
           binary_histograms(&match->op, &match->notes,
                             &(struct binary_side){left->values, left->histograms},
                             &(struct binary_side){right->values, right->histograms}, match->met,
                             match->histograms, &match->row);
}

/* Computes the row of a pair, which meets at match->met. */
static bool match_pair(struct binary_match *match, const struct row *many, const struct row *one)
{
    const struct row *left = match->one_is_left ? one : many;
    const struct row *right = match->one_is_left ? many : one;
    struct row *row = &match->row;
    match_floats(match, left->values, right->values);
    bool has_histograms = left->histograms != NULL || right->histograms != NULL;
    if (UNLIKELY(has_histograms || match->is_trim) && !match_histograms(match, left, right))
        return false;
    row->labels = match_labels(match, many->labels, one->labels);
    row->drop_name = match->node->binary.return_bool;
    return match_note(match);
}

/* The row of the fill value: its labels are those of the match group. */
static struct row match_fill(struct binary_match *match, double value)
{
    size_t group = match->group->index;
    for (size_t i = 0; i < match->op.steps.count; i++)
        match->fill_values[i] = value;
    return (struct row){.labels = match->one.groups.items.items[group]->labels,
                        .values = match->fill_values};
}

/* The next partner of the row of the many side. false when there is none left. */
static bool match_next_partner(struct binary_match *match)
{
    size_t steps = match->op.steps.count;
    const struct match_group *group = match->group;
    while (match->partner < group->row_count) {
        const struct row *one = group->rows[match->partner++];
        bitmap_copy(match->met, match->many.present, steps);
        bitmap_and(match->met, one->present, steps);
        if (bitmap_any(match->met, steps))
            return match_pair(match, &match->many, one);
    }
    match->has_many = false;
    if (!match->node->binary.has_fill_right)
        return false;
    bitmap_copy(match->met, match->many.present, steps);
    bitmap_and_not(match->met, group->present, steps);
    if (!bitmap_any(match->met, steps))
        return false;
    struct row fill = match_fill(match, match->node->binary.fill_right);
    return match_pair(match, &match->many, &fill);
}

/* The next row of the one side that was never met, beside the fill value. */
static bool match_next_unmet(struct binary_match *match)
{
    size_t steps = match->op.steps.count;
    if (!match->node->binary.has_fill_left)
        return false;
    while (match->unmet < match->one.store.rows.len) {
        const struct row *one = match->one.store.rows.items[match->unmet++];
        match->group = match_side_group(&match->one, one->labels);
        bitmap_copy(match->met, one->present, steps);
        bitmap_and_not(match->met, match->group->matched, steps);
        if (!bitmap_any(match->met, steps))
            continue;
        struct row fill = match_fill(match, match->node->binary.fill_left);
        return match_pair(match, &fill, one);
    }
    return false;
}

static bool match_next_many(struct binary_match *match)
{
    if (match->many_done)
        return false;
    if (!operator_next(match_many(match), &match->many)) {
        match->many_done = true;
        return false;
    }
    match->group = match->has_fill ? match_side_group(&match->one, match->many.labels)
                                   : match_side_find(&match->one, match->many.labels);
    match->partner = 0;
    match->has_many = match->group != NULL;
    return match_side_check(&match->one, match->many.present, match_one_name(match));
}

static bool match_next(struct operator* op, struct row *out)
{
    struct binary_match *match = (struct binary_match *)op;
    struct evaluation *ev = op->ev;
    if (!match->is_gathered && !match_gather(match))
        return false;
    for (;;) {
        bool found = match->has_many && match_next_partner(match);
        if (!found && ev->error == ERR_NONE && match_next_many(match))
            continue;
        if (!found && match->many_done)
            found = match_next_unmet(match);
        if (!found)
            binary_notes_report(op, &match->notes);
        if (!found || ev->error != ERR_NONE)
            return false;
        if (bitmap_any(match->row.present, op->steps.count))
            break;
    }
    *out = match->row;
    return true;
}

static void match_release(struct operator* op)
{
    struct binary_match *match = (struct binary_match *)op;
    match_side_release(&match->one);
    table_release(&match->outputs);
}

static const struct operator_methods match_methods = {
    .name = "join",
    .start = match_start,
    .next = match_next,
    .release = match_release,
};

static bool names_have_reserved(const struct evaluation *ev, const struct label_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        if (label_set_is_reserved(ev, names->symbols[i]))
            return true;
    }
    return false;
}

struct operator* binary_match_new(struct evaluation *ev, const struct node *node,
                                  struct operator* left, struct operator* right)
{
    ASSERT(node->binary.cardinality != MATCH_MANY_TO_MANY);
    struct binary_match *match = operator_new(ev, sizeof(*match), &match_methods, node, 2);
    match->op.children[0] = left;
    match->op.children[1] = right;
    match->node = node;
    match->one_is_left = node->binary.cardinality == MATCH_ONE_TO_MANY;
    match->one_to_one = node->binary.cardinality == MATCH_ONE_TO_ONE;
    match->is_comparison = operator_is_comparison(node->binary.op);
    match->is_trim = operator_is_trim(node->binary.op);
    match->changes_metric = !(match->is_comparison || match->is_trim) || node->binary.return_bool;
    match->has_fill = node->binary.has_fill_left || node->binary.has_fill_right;
    match->matching = label_names_make(ev, node->binary.matching, node->binary.matching_count);
    match->include = label_names_make(ev, node->binary.include, node->binary.include_count);
    struct label_grouping grouping = {
        .names = match->matching,
        .without = !node->binary.on,
        .without_metric_name = !node->binary.on,
    };
    match_side_init(&match->one, ev, &grouping);
    table_init(&match->outputs);
    bool drops = match->changes_metric && !(match->is_comparison && ev->delayed_name_removal);
    bool takes_name = names_have_reserved(ev, &match->include);
    match->op.nameless = drops && !takes_name;
    match->op.name_unique =
        match->op.nameless || (match->one_to_one && !match->has_fill &&
                               match_many(match)->name_unique &&
                               !names_have_reserved(ev, &match->matching));
    return &match->op;
}
