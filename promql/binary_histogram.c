#include "promql/binary_histogram.h"

#include <assert.h>
#include <string.h>

#include "base/assert.h"
#include "model/histogram_arithmetic.h"

enum binary_note {
    NOTE_NONE,
    NOTE_FLOAT_FLOAT,
    NOTE_FLOAT_HISTOGRAM,
    NOTE_HISTOGRAM_FLOAT,
    NOTE_HISTOGRAM_HISTOGRAM,
    NOTE_LAYOUT,
    NOTE_RESETS,
    NOTE_RECONCILED,
    NOTE_COUNT_ALL,
};

/* What a pair comes to. */
enum binary_outcome {
    OUTCOME_TRUE,  /* a sample; of a comparison: it holds */
    OUTCOME_FALSE, /* a comparison that does not hold */
    OUTCOME_NONE,  /* they do not go together */
};

struct binary_pair {
    double left_value;
    double right_value;
    const struct histogram *left;
    const struct histogram *right;
};

void binary_notes_clear(struct binary_notes *notes, size_t step_count)
{
    if (notes->any)
        memset(notes->by_step, NOTE_NONE, notes->capacity);
    notes->any = false;
    if (notes->capacity < step_count)
        *notes = (struct binary_notes){0};
}

static bool notes_add(struct operator* op, struct binary_notes *notes, size_t step,
                      enum binary_note note)
{
    if (notes->by_step == NULL) {
        notes->by_step = evaluation_alloc(op->ev, op->steps.count, 1);
        if (notes->by_step == NULL)
            return false;
        memset(notes->by_step, NOTE_NONE, op->steps.count);
        notes->capacity = op->steps.count;
    }
    notes->by_step[step] = (uint8_t)note;
    notes->any = true;
    return true;
}

/* + and -. Where the counter resets of the two contradict each other there is no sum. */
static enum binary_outcome add_pair(struct operator* op, const struct binary_pair *pair,
                                    const struct histogram **out, enum binary_note *out_note)
{
    bool subtract = op->node->binary.op == OPERATOR_SUB;
    struct histogram *sum = NULL;
    struct histogram_outcome outcome = {0};
    enum err err = subtract ? histogram_subtract(&op->made, pair->left, pair->right, &sum, &outcome)
                            : histogram_add(&op->made, pair->left, pair->right, &sum, &outcome);
    if (err != ERR_NONE || outcome.reset_collision) {
        *out_note = err != ERR_NONE ? NOTE_LAYOUT : NOTE_RESETS;
        return OUTCOME_NONE;
    }
    if (outcome.bounds_reconciled)
        *out_note = NOTE_RECONCILED;
    if (subtract)
        sum->reset_hint = HISTOGRAM_RESET_GAUGE;
    *out = histogram_compact(&op->made, sum, 0);
    return OUTCOME_TRUE;
}

static enum binary_outcome both_histograms(struct operator* op, const struct binary_pair *pair,
                                           const struct histogram **out, enum binary_note *out_note)
{
    switch (op->node->binary.op) {
    case OPERATOR_ADD:
    case OPERATOR_SUB:
        return add_pair(op, pair, out, out_note);
    case OPERATOR_EQUAL:
    case OPERATOR_NOT_EQUAL:
        *out = pair->left;
        return histogram_same_values(pair->left, pair->right) ==
                       (op->node->binary.op == OPERATOR_EQUAL)
                   ? OUTCOME_TRUE
                   : OUTCOME_FALSE;
    default:
        *out_note = NOTE_HISTOGRAM_HISTOGRAM;
        return OUTCOME_NONE;
    }
}

static enum binary_outcome histogram_and_float(struct operator* op, const struct binary_pair *pair,
                                               const struct histogram **out,
                                               enum binary_note *out_note)
{
    const struct histogram *made;
    switch (op->node->binary.op) {
    case OPERATOR_MUL:
        made = histogram_multiply(&op->made, pair->left, pair->right_value);
        break;
    case OPERATOR_DIV:
        made = histogram_divide(&op->made, pair->left, pair->right_value);
        break;
    case OPERATOR_TRIM_UPPER:
    case OPERATOR_TRIM_LOWER:
        *out = histogram_trim(&op->made, pair->left, pair->right_value,
                              op->node->binary.op == OPERATOR_TRIM_UPPER);
        return OUTCOME_TRUE;
    default:
        *out_note = NOTE_HISTOGRAM_FLOAT;
        return OUTCOME_NONE;
    }
    *out = histogram_compact(&op->made, made, 0);
    return OUTCOME_TRUE;
}

static enum binary_outcome combine(struct operator* op, const struct binary_pair *pair,
                                   const struct histogram **out, enum binary_note *out_note)
{
    if (pair->left != NULL)
        return pair->right != NULL ? both_histograms(op, pair, out, out_note)
                                   : histogram_and_float(op, pair, out, out_note);
    if (pair->right != NULL && op->node->binary.op == OPERATOR_MUL) {
        *out = histogram_compact(&op->made,
                                 histogram_multiply(&op->made, pair->right, pair->left_value), 0);
        return OUTCOME_TRUE;
    }
    *out_note = pair->right != NULL ? NOTE_FLOAT_HISTOGRAM : NOTE_FLOAT_FLOAT;
    return OUTCOME_NONE;
}

bool binary_histograms(struct operator* op, struct binary_notes *notes,
                       const struct binary_side *left, const struct binary_side *right,
                       uint64_t *met, const struct histogram **column, struct row *row)
{
    bool is_trim = operator_is_trim(op->node->binary.op);
    bool return_bool = op->node->binary.return_bool;
    bool any = false;
    BITMAP_FOR_EACH(met, op->steps.count, i)
    {
        struct binary_pair pair = {
            .left = left->histograms == NULL ? NULL : left->histograms[i],
            .right = right->histograms == NULL ? NULL : right->histograms[i],
        };
        column[i] = NULL;
        if (pair.left == NULL && pair.right == NULL && !is_trim)
            continue;
        pair.left_value = pair.left == NULL ? left->values[i] : 0;
        pair.right_value = pair.right == NULL ? right->values[i] : 0;
        const struct histogram *result = NULL;
        enum binary_note note = NOTE_NONE;
        enum binary_outcome outcome = combine(op, &pair, &result, &note);
        if (note != NOTE_NONE && !notes_add(op, notes, i, note))
            return false;
        if (outcome == OUTCOME_NONE)
            bitmap_unset(met, i);
        if (outcome == OUTCOME_NONE || (outcome == OUTCOME_FALSE && !return_bool)) {
            bitmap_unset(row->present, i);
            continue;
        }
        promql_bitmap_set(row->present, i);
        row->values[i] = outcome == OUTCOME_TRUE;
        column[i] = return_bool ? NULL : result;
        any |= !return_bool;
        if (!evaluation_check(op->ev, 64) || !evaluation_room(op->ev, op->made.used))
            return false;
    }
    row->histograms = any ? column : NULL;
    return true;
}

/* The reference's word for each side. */
static void report_types(struct operator* op, const char *left, const char *right)
{
    const char *kind = operator_text(op->node->binary.op);
    annotations_add(&op->ev->annotations, PROMQL_INFO, op->node->start,
                    "incompatible sample types encountered for binary operator \"%s\": %s %s %s",
                    kind, left, kind, right);
}

static void report(struct operator* op, enum binary_note note)
{
    const char *name = op->node->binary.op == OPERATOR_SUB ? "subtraction" : "addition";
    struct annotations *annotations = &op->ev->annotations;
    uint32_t position = op->node->start;
    switch (note) {
    case NOTE_FLOAT_FLOAT:
        report_types(op, "float", "float");
        break;
    case NOTE_FLOAT_HISTOGRAM:
        report_types(op, "float", "histogram");
        break;
    case NOTE_HISTOGRAM_FLOAT:
        report_types(op, "histogram", "float");
        break;
    case NOTE_HISTOGRAM_HISTOGRAM:
        report_types(op, "histogram", "histogram");
        break;
    case NOTE_LAYOUT:
        annotations_add(annotations, PROMQL_WARNING, position,
                        "incompatible bucket layout encountered for binary operator %s",
                        operator_text(op->node->binary.op));
        break;
    case NOTE_RESETS:
        annotations_add(annotations, PROMQL_WARNING, position,
                        "conflicting counter resets during histogram %s", name);
        break;
    case NOTE_RECONCILED:
        annotations_add(annotations, PROMQL_INFO, position,
                        "mismatched custom buckets were reconciled during %s", name);
        break;
    default:
        ASSERT(note == NOTE_NONE);
    }
}

void binary_notes_report(struct operator* op, struct binary_notes *notes)
{
    if (!notes->any)
        return;
    uint32_t seen = 0;
    static_assert(NOTE_COUNT_ALL <= 32, "a bit for each");
    for (size_t i = 0; i < op->steps.count; i++)
        seen |= UINT32_C(1) << notes->by_step[i];
    for (enum binary_note note = NOTE_FLOAT_FLOAT; note < NOTE_COUNT_ALL; note++) {
        if (seen & (UINT32_C(1) << note))
            report(op, note);
    }
    binary_notes_clear(notes, 0);
}
