#include "promql/aggregate_histogram.h"

#include "base/assert.h"
#include "base/buf.h"
#include "model/histogram_arithmetic.h"
#include "model/quote.h"

/* Of one group. The floats of a step are in accumulator->seen. */
struct accumulator_histograms {
    struct histogram_sum *sums; /* by step */
    uint64_t *seen;             /* a histogram has come */
    uint64_t *summed;           /* the sum holds something: no float came before */
    uint64_t *broken;           /* exponential and custom buckets: nothing more is taken */
};

static uint32_t operand_position(const struct operator* op)
{
    return node_unwrap(op->node->children[0])->start;
}

void aggregate_note_ignored(struct operator* op, uint32_t position)
{
    annotations_add(&op->ev->annotations, PROMQL_INFO, position,
                    "ignored histogram in %s aggregation", aggregate_name(op->node->aggregate.op));
}

static void note_mixed_layouts(struct operator* op, const struct row *row)
{
    struct buf CLEANUP(buf_release) name;
    buf_init(&name, 4096);
    quote_go(labels_metric_name(row->labels), &name);
    annotations_add(&op->ev->annotations, PROMQL_WARNING, operand_position(op),
                    "vector contains a mix of histograms with exponential and custom buckets "
                    "schemas for metric name %s",
                    buf_cstr(&name));
}

static struct accumulator_histograms *histograms_new(struct operator* op)
{
    struct evaluation *ev = op->ev;
    size_t steps = op->steps.count;
    struct accumulator_histograms *histograms = evaluation_alloc(ev, 1, sizeof(*histograms));
    if (histograms == NULL)
        return NULL;
    *histograms = (struct accumulator_histograms){
        .sums = evaluation_alloc(ev, steps, sizeof(*histograms->sums)),
        .seen = evaluation_bitmap(ev, steps),
        .summed = evaluation_bitmap(ev, steps),
        .broken = evaluation_bitmap(ev, steps),
    };
    return ev->error == ERR_NONE ? histograms : NULL;
}

static bool sum_step(struct accumulator *accumulator, struct operator* op, const struct row *row,
                     size_t step)
{
    struct accumulator_histograms *histograms = accumulator->histograms;
    struct histogram_sum *sum = &histograms->sums[step];
    promql_bitmap_set(histograms->seen, step);
    if (!promql_bitmap_get(histograms->summed, step)) {
        if (promql_bitmap_get(accumulator->seen, step))
            return true; /* there will be no result */
        histogram_sum_init(sum, &op->ev->scratch, op->node->aggregate.op == AGGREGATE_AVG);
        promql_bitmap_set(histograms->summed, step);
    }
    bool was_reconciled = sum->bounds_reconciled;
    if (histogram_sum_add(sum, row->histograms[step]) != ERR_NONE) {
        note_mixed_layouts(op, row);
        promql_bitmap_set(histograms->broken, step);
    }
    if (sum->bounds_reconciled && !was_reconciled)
        annotations_add(&op->ev->annotations, PROMQL_INFO, operand_position(op),
                        "mismatched custom buckets were reconciled during aggregation");
    return evaluation_room(op->ev, 0) && evaluation_check(op->ev, 64);
}

static bool sum_take(struct accumulator *accumulator, struct operator* op, struct row *row)
{
    size_t steps = op->steps.count;
    if (accumulator->histograms == NULL && !row_has_histograms(row, steps))
        return true;
    if (accumulator->histograms == NULL)
        accumulator->histograms = histograms_new(op);
    if (accumulator->histograms == NULL)
        return false;
    bitmap_and_not(row->present, accumulator->histograms->broken, steps);
    BITMAP_FOR_EACH(row->present, steps, i)
    {
        if (row_histogram(row, i) != NULL && !sum_step(accumulator, op, row, i))
            return false;
    }
    row_drop_histograms(row, steps);
    return true;
}

bool accumulator_take_histograms(struct accumulator *accumulator, struct operator* op,
                                 struct row *row)
{
    switch (op->node->aggregate.op) {
    case AGGREGATE_SUM:
    case AGGREGATE_AVG:
        return sum_take(accumulator, op, row);
    case AGGREGATE_COUNT:
    case AGGREGATE_GROUP:
        return true;
    default:
        if (row_has_histograms(row, op->steps.count))
            aggregate_note_ignored(op, operand_position(op));
        row_drop_histograms(row, op->steps.count);
        return true;
    }
}

static const struct histogram *sum_result(struct operator* op, const struct histogram_sum *sum)
{
    struct histogram *result = histogram_sum_finish(sum, &op->made);
    histogram_compact_in_place(&op->made, result);
    if (sum->reset_collision)
        annotations_add(&op->ev->annotations, PROMQL_WARNING, operand_position(op),
                        "conflicting counter resets during histogram aggregation");
    return result;
}

bool accumulator_show_histograms(struct accumulator *accumulator, struct operator* op,
                                 const struct histogram **column, struct row *out)
{
    struct accumulator_histograms *histograms = accumulator->histograms;
    ASSERT(histograms != NULL);
    size_t steps = op->steps.count;
    if (bitmap_overlap(histograms->seen, accumulator->seen, steps))
        annotations_add(&op->ev->annotations, PROMQL_WARNING, operand_position(op),
                        "encountered a mix of histograms and floats for aggregation");
    BITMAP_FOR_EACH(accumulator->seen, steps, i)
    {
        column[i] = NULL;
    }
    bitmap_and_not(histograms->summed, accumulator->seen, steps);
    bitmap_and_not(histograms->summed, histograms->broken, steps);
    BITMAP_FOR_EACH(histograms->summed, steps, i)
    {
        column[i] = sum_result(op, &histograms->sums[i]);
        if (!evaluation_room(op->ev, op->made.used))
            return false;
    }
    bitmap_and_not(out->present, histograms->seen, steps);
    bitmap_or(out->present, histograms->summed, steps);
    out->histograms = column;
    return true;
}
