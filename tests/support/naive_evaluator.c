#include "tests/support/naive_evaluator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/float_text.h"
#include "model/histogram_arithmetic.h"
#include "model/labels_builder.h"
#include "model/matcher.h"
#include "model/sample.h"
#include "model/symbols.h"
#include "promql/exponential.h"
#include "promql/functions.h"
#include "promql/trigonometry.h"

#define NAME SLICE("__name__")

void naive_init(struct naive_evaluator *naive, const struct fake_source *source)
{
    *naive = (struct naive_evaluator){.source = source, .lookback_ms = 300000, .default_step_ms = 60000};
    arena_init(&naive->arena, SIZE_MAX);
}

void naive_release(struct naive_evaluator *naive)
{
    arena_release(&naive->arena);
}

bool naive_fail(struct naive_evaluator *naive, const char *error)
{
    naive->error = error;
    return false;
}

struct naive_vector naive_vector_new(struct naive_evaluator *naive, size_t capacity)
{
    return (struct naive_vector){
        arena_alloc_array(&naive->arena, capacity + 1, sizeof(struct naive_sample)), 0};
}

const struct node *naive_unwrap(const struct node *node)
{
    while (node->kind == NODE_PAREN)
        node = node->children[0];
    return node;
}

/* label sets */

/* What the builder holds, in the arena: its symbols stay interned, since tests make few. */
static const struct labels *labels_of_builder(struct naive_evaluator *naive,
                                              struct labels_builder *builder)
{
    for (size_t i = 0; i < builder->pairs.len; i++) {
        symbols_ref(builder->pairs.items[i].name);
        symbols_ref(builder->pairs.items[i].value);
    }
    const struct labels *labels =
        labels_borrow(&naive->arena, builder->pairs.items, builder->pairs.len);
    labels_builder_release(builder);
    return labels;
}

static bool names_have(const struct slice *names, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(names[i], name))
            return true;
    }
    return false;
}

const struct labels *naive_labels_keep(struct naive_evaluator *naive, const struct labels *labels,
                                       const struct slice *names, size_t count, bool named)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < labels->count; i++) {
        struct slice name = symbols_text(labels->pairs[i].name);
        bool found = names_have(names, count, name);
        if (named ? found : (!found && !slice_eq(name, NAME)))
            labels_builder_set(&builder, name, symbols_text(labels->pairs[i].value));
    }
    return labels_of_builder(naive, &builder);
}

const struct labels *naive_labels_without_name(struct naive_evaluator *naive,
                                               const struct labels *labels)
{
    return naive_labels_keep(naive, labels, NULL, 0, false);
}

const struct labels *naive_labels_set(struct naive_evaluator *naive, const struct labels *labels,
                                      struct slice name, struct slice value)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    labels_builder_start(&builder, labels);
    labels_builder_set(&builder, name, value);
    return labels_of_builder(naive, &builder);
}

bool naive_is_unique(struct naive_evaluator *naive, const struct naive_vector *vector)
{
    for (size_t i = 0; i < vector->len; i++) {
        for (size_t k = 0; k < i; k++) {
            if (labels_equal(vector->items[i].labels, vector->items[k].labels))
                return naive_fail(naive, "vector cannot contain metrics with the same labelset");
        }
    }
    return true;
}

static void vector_add(struct naive_vector *vector, const struct labels *labels, double value)
{
    vector->items[vector->len++] = (struct naive_sample){.labels = labels, .value = value};
}

/* selectors */

static bool series_matches(const struct fake_series *series, const struct node *selector)
{
    for (size_t i = 0; i < selector->selector.matcher_count; i++) {
        const struct matcher *matcher = selector->selector.matchers[i];
        if (!matcher_matches(matcher, labels_get(series->labels, matcher->name)))
            return false;
    }
    return true;
}

static int64_t shifted(const struct naive_evaluator *naive, const struct node_shift *shift,
                       int64_t at_ms)
{
    ASSERT(shift->offset_expression == NULL);
    if (shift->at == AT_TIME)
        at_ms = shift->at_ms;
    if (shift->at == AT_START)
        at_ms = naive->query_start_ms;
    if (shift->at == AT_END)
        at_ms = naive->query_end_ms;
    return at_ms - shift->offset_ms;
}

static const struct histogram *series_histogram(const struct fake_series *series, size_t index)
{
    return series->has_histograms ? series->histograms.items[index] : NULL;
}

static bool series_is_stale(const struct fake_series *series, size_t index)
{
    const struct histogram *histogram = series_histogram(series, index);
    return sample_is_stale(histogram == NULL ? series->values.items[index] : histogram->sum);
}

/* The newest sample that is not older than the lookback; false too when it is a stale marker. */
static bool series_newest(const struct naive_evaluator *naive, const struct fake_series *series,
                          int64_t at_ms, size_t *out_index)
{
    for (size_t i = series->timestamps_ms.len; i > 0; i--) {
        int64_t time_ms = series->timestamps_ms.items[i - 1];
        if (time_ms > at_ms)
            continue;
        *out_index = i - 1;
        return time_ms > at_ms - naive->lookback_ms && !series_is_stale(series, i - 1);
    }
    return false;
}

/* With `times` the seconds of the samples instead of their values. */
static struct naive_vector select_instant(struct naive_evaluator *naive, const struct node *node,
                                          int64_t at_ms, bool times)
{
    struct naive_vector out = naive_vector_new(naive, naive->source->series.len);
    at_ms = shifted(naive, &node->selector.shift, at_ms);
    for (size_t i = 0; i < naive->source->series.len; i++) {
        const struct fake_series *series = naive->source->series.items[i];
        size_t index;
        if (!series_matches(series, node) || !series_newest(naive, series, at_ms, &index))
            continue;
        double seconds = (double)series->timestamps_ms.items[index] / 1000;
        vector_add(&out, series->labels, times ? seconds : series->values.items[index]);
        out.items[out.len - 1].histogram = times ? NULL : series_histogram(series, index);
    }
    return out;
}

static struct naive_range *ranges_find(struct naive_evaluator *naive, struct naive_ranges *ranges,
                                       const struct labels *labels, size_t capacity)
{
    for (size_t i = 0; i < ranges->len; i++) {
        if (labels_equal(ranges->items[i].labels, labels))
            return &ranges->items[i];
    }
    struct naive_range *range = &ranges->items[ranges->len++];
    range->labels = labels;
    range->times_ms = arena_alloc_array(&naive->arena, capacity + 1, sizeof(int64_t));
    range->values = arena_alloc_array(&naive->arena, capacity + 1, sizeof(double));
    range->histograms = arena_alloc_array(&naive->arena, capacity + 1, sizeof(void *));
    range->count = 0;
    return range;
}

static void select_range(struct naive_evaluator *naive, const struct node *selector,
                         struct naive_ranges *out)
{
    size_t series_count = naive->source->series.len;
    out->items = arena_alloc_array(&naive->arena, series_count + 1, sizeof(*out->items));
    for (size_t i = 0; i < series_count; i++) {
        const struct fake_series *series = naive->source->series.items[i];
        if (!series_matches(series, selector))
            continue;
        struct naive_range *range =
            ranges_find(naive, out, series->labels, series->timestamps_ms.len);
        for (size_t k = 0; k < series->timestamps_ms.len; k++) {
            int64_t time_ms = series->timestamps_ms.items[k];
            if (time_ms <= out->start_ms || time_ms > out->end_ms || series_is_stale(series, k))
                continue;
            range->times_ms[range->count] = time_ms;
            range->histograms[range->count] = series_histogram(series, k);
            range->values[range->count++] = series->values.items[k];
        }
        if (range->count == 0)
            out->len--;
    }
}

#define SUBQUERY_SERIES_MAX 4096

static bool select_subquery(struct naive_evaluator *naive, const struct node *node,
                            struct naive_ranges *out)
{
    int64_t step_ms = node->subquery.step_ms > 0 ? node->subquery.step_ms : naive->default_step_ms;
    size_t steps = (size_t)((out->end_ms - out->start_ms) / step_ms) + 2;
    out->items = arena_alloc_array(&naive->arena, SUBQUERY_SERIES_MAX, sizeof(*out->items));
    int64_t first_ms = out->start_ms / step_ms * step_ms - step_ms;
    for (int64_t at_ms = first_ms; at_ms <= out->end_ms; at_ms += step_ms) {
        if (at_ms <= out->start_ms)
            continue;
        struct naive_vector inner;
        if (!naive_evaluate(naive, node->children[0], at_ms, &inner))
            return false;
        for (size_t i = 0; i < inner.len; i++) {
            struct naive_range *range =
                ranges_find(naive, out, inner.items[i].labels, steps);
            ASSERT(out->len < SUBQUERY_SERIES_MAX);
            range->times_ms[range->count] = at_ms;
            range->histograms[range->count] = inner.items[i].histogram;
            range->values[range->count++] = inner.items[i].value;
        }
    }
    return true;
}

bool naive_ranges_of(struct naive_evaluator *naive, const struct node *node, int64_t at_ms,
                     struct naive_ranges *out)
{
    node = naive_unwrap(node);
    *out = (struct naive_ranges){0};
    if (node->kind == NODE_SUBQUERY) {
        out->end_ms = shifted(naive, &node->subquery.shift, at_ms);
        out->start_ms = out->end_ms - node->subquery.range_ms;
        return select_subquery(naive, node, out);
    }
    ASSERT(node->kind == NODE_MATRIX_SELECTOR);
    out->end_ms = shifted(naive, &node->children[0]->selector.shift, at_ms);
    out->start_ms = out->end_ms - node->matrix.range_ms;
    select_range(naive, node->children[0], out);
    return true;
}

/* operators */

static double compute(enum operator_kind op, double a, double b)
{
    switch (op) {
    case OPERATOR_ADD:
        return a + b;
    case OPERATOR_SUB:
        return a - b;
    case OPERATOR_MUL:
        return a * b;
    case OPERATOR_DIV:
        return a / b;
    case OPERATOR_MOD:
        return fmod(a, b);
    case OPERATOR_POW:
        return power(a, b);
    case OPERATOR_ATAN2:
        return arc_tangent_of(a, b);
    case OPERATOR_EQUAL:
        return a == b;
    case OPERATOR_NOT_EQUAL:
        return a != b;
    case OPERATOR_LESS:
        return a < b;
    case OPERATOR_LESS_EQUAL:
        return a <= b;
    case OPERATOR_GREATER:
        return a > b;
    case OPERATOR_GREATER_EQUAL:
        return a >= b;
    default:
        ASSERT(!"an operator of the generator");
        return 0;
    }
}

/* A comparison without bool keeps `kept`. */
static enum naive_outcome operate(struct naive_evaluator *naive, const struct node *node,
                                  const struct naive_sample *a, const struct naive_sample *b,
                                  double kept, struct naive_sample *out)
{
    *out = (struct naive_sample){0};
    if (a->histogram != NULL || b->histogram != NULL) {
        enum naive_outcome outcome = naive_operate_histograms(naive, node->binary.op, a, b, out);
        if (outcome == NAIVE_NOTHING || !node->binary.return_bool)
            return outcome;
        *out = (struct naive_sample){.value = outcome == NAIVE_KEPT};
        return NAIVE_KEPT;
    }
    out->value = compute(node->binary.op, a->value, b->value);
    if (!operator_is_comparison(node->binary.op) || node->binary.return_bool)
        return NAIVE_KEPT;
    bool holds = out->value != 0;
    out->value = kept;
    return holds ? NAIVE_KEPT : NAIVE_DROPPED;
}

static bool drops_name(const struct node *node)
{
    return !operator_is_comparison(node->binary.op) || node->binary.return_bool;
}

static void operate_with_scalar(struct naive_evaluator *naive, const struct node *node,
                                const struct naive_vector *vector, double scalar, bool scalar_left,
                                struct naive_vector *out)
{
    struct naive_sample number = {.value = scalar};
    for (size_t i = 0; i < vector->len; i++) {
        const struct naive_sample *sample = &vector->items[i];
        struct naive_sample result;
        if (operate(naive, node, scalar_left ? &number : sample, scalar_left ? sample : &number,
                    sample->value, &result) != NAIVE_KEPT)
            continue;
        result.labels =
            drops_name(node) ? naive_labels_without_name(naive, sample->labels) : sample->labels;
        out->items[out->len++] = result;
    }
}

static const struct labels *match_labels(struct naive_evaluator *naive, const struct node *node,
                                         const struct labels *labels)
{
    return naive_labels_keep(naive, labels, node->binary.matching, node->binary.matching_count,
                             node->binary.on);
}

static bool is_matched(struct naive_evaluator *naive, const struct node *node,
                       const struct labels *labels, const struct naive_vector *others)
{
    const struct labels *wanted = match_labels(naive, node, labels);
    for (size_t i = 0; i < others->len; i++) {
        if (labels_equal(match_labels(naive, node, others->items[i].labels), wanted))
            return true;
    }
    return false;
}

static void operate_sets(struct naive_evaluator *naive, const struct node *node,
                         const struct naive_vector *left, const struct naive_vector *right,
                         struct naive_vector *out)
{
    enum operator_kind op = node->binary.op;
    for (size_t i = 0; i < left->len; i++) {
        bool matched = is_matched(naive, node, left->items[i].labels, right);
        if (op == OPERATOR_OR || matched == (op == OPERATOR_AND))
            out->items[out->len++] = left->items[i];
    }
    for (size_t i = 0; op == OPERATOR_OR && i < right->len; i++) {
        if (!is_matched(naive, node, right->items[i].labels, left))
            out->items[out->len++] = right->items[i];
    }
}

/* The labels of a pair. */
static const struct labels *pair_labels(struct naive_evaluator *naive, const struct node *node,
                                        const struct labels *many, const struct labels *one)
{
    if (node->binary.cardinality == MATCH_ONE_TO_ONE) {
        if (node->binary.on)
            return match_labels(naive, node, many);
        const struct labels *kept = naive_labels_keep(naive, many, node->binary.matching,
                                                      node->binary.matching_count, false);
        if (drops_name(node))
            return kept;
        return naive_labels_set(naive, kept, NAME, labels_metric_name(many));
    }
    const struct labels *labels = drops_name(node) ? naive_labels_without_name(naive, many) : many;
    for (size_t i = 0; i < node->binary.include_count; i++) {
        struct slice name = node->binary.include[i];
        labels = naive_labels_set(naive, labels, name, labels_get(one, name));
    }
    return labels;
}

static bool one_side_is_unique(struct naive_evaluator *naive, const struct node *node,
                               const struct naive_vector *one, const struct naive_vector *many)
{
    for (size_t i = 0; i < one->len; i++) {
        const struct labels *labels = match_labels(naive, node, one->items[i].labels);
        for (size_t k = 0; k < i; k++) {
            if (labels_equal(labels, match_labels(naive, node, one->items[k].labels)))
                return many->len == 0 || naive_fail(naive, "found duplicate series");
        }
    }
    return true;
}

static bool operate_pairs(struct naive_evaluator *naive, const struct node *node,
                          const struct naive_vector *left, const struct naive_vector *right,
                          struct naive_vector *out)
{
    bool swapped = node->binary.cardinality == MATCH_ONE_TO_MANY;
    const struct naive_vector *many = swapped ? right : left, *one = swapped ? left : right;
    if (many->len == 0 || one->len == 0)
        return true;
    if (!one_side_is_unique(naive, node, one, many))
        return false;
    struct naive_vector used = naive_vector_new(naive, many->len);
    for (size_t i = 0; i < many->len; i++) {
        const struct labels *match = match_labels(naive, node, many->items[i].labels);
        for (size_t k = 0; k < one->len; k++) {
            if (!labels_equal(match, match_labels(naive, node, one->items[k].labels)))
                continue;
            const struct naive_sample *m = &many->items[i], *o = &one->items[k];
            const struct naive_sample *a = swapped ? o : m;
            struct naive_sample result;
            enum naive_outcome outcome =
                operate(naive, node, a, swapped ? m : o, a->value, &result);
            if (outcome == NAIVE_NOTHING)
                continue;
            const struct labels *labels = pair_labels(naive, node, m->labels, o->labels);
            vector_add(&used, node->binary.cardinality == MATCH_ONE_TO_ONE ? match : labels, 0);
            if (!naive_is_unique(naive, &used))
                return naive_fail(naive, "multiple matches for labels");
            result.labels = labels;
            if (outcome == NAIVE_KEPT)
                out->items[out->len++] = result;
        }
    }
    return true;
}

static bool evaluate_binary(struct naive_evaluator *naive, const struct node *node, int64_t at_ms,
                            struct naive_vector *out)
{
    struct naive_vector left, right;
    if (!naive_evaluate(naive, node->children[0], at_ms, &left) ||
        !naive_evaluate(naive, node->children[1], at_ms, &right))
        return false;
    *out = naive_vector_new(naive, left.len + right.len);
    bool left_is_scalar = node->children[0]->type == PROMQL_SCALAR;
    bool right_is_scalar = node->children[1]->type == PROMQL_SCALAR;
    if (left_is_scalar && right_is_scalar) {
        vector_add(out, labels_empty(),
                   compute(node->binary.op, left.items[0].value, right.items[0].value));
        return true;
    }
    if (left_is_scalar)
        operate_with_scalar(naive, node, &right, left.items[0].value, true, out);
    else if (right_is_scalar)
        operate_with_scalar(naive, node, &left, right.items[0].value, false, out);
    else if (operator_is_set(node->binary.op))
        operate_sets(naive, node, &left, &right, out);
    else if (!operate_pairs(naive, node, &left, &right, out))
        return false;
    return naive_is_unique(naive, out);
}

/* aggregations */

double naive_quantile(double q, double *values, size_t count)
{
    if (count == 0 || isnan(q))
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    for (size_t i = 1; i < count; i++) { /* NaN first */
        for (size_t k = i; k > 0 && (values[k] < values[k - 1] ||
                                     (isnan(values[k]) && !isnan(values[k - 1])));
             k--) {
            double value = values[k];
            values[k] = values[k - 1];
            values[k - 1] = value;
        }
    }
    double rank = q * ((double)count - 1);
    size_t low = (size_t)fmax(0, floor(rank));
    size_t high = low + 1 < count ? low + 1 : count - 1;
    double weight = rank - floor(rank);
    return values[low] * (1 - weight) + values[high] * weight;
}

static double sum_of(const double *values, size_t count)
{
    long double sum = 0;
    bool is_infinite = false;
    double plain = 0;
    for (size_t i = 0; i < count; i++) {
        sum += values[i];
        plain += values[i];
        is_infinite = is_infinite || !isfinite(values[i]);
    }
    return is_infinite ? plain : (double)sum;
}

static double variance_of(const double *values, size_t count)
{
    long double mean = (long double)sum_of(values, count) / (long double)count, sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            return NAN;
        sum += (values[i] - mean) * (values[i] - mean);
    }
    return (double)(sum / (long double)count);
}

static double extreme_of(const double *values, size_t count, bool largest)
{
    double best = values[0];
    for (size_t i = 1; i < count; i++) {
        if (isnan(best) || (largest ? values[i] > best : values[i] < best))
            best = values[i];
    }
    return best;
}

static double aggregate(enum aggregate_kind op, double parameter, double *values, size_t count)
{
    switch (op) {
    case AGGREGATE_SUM:
        return sum_of(values, count);
    case AGGREGATE_AVG:
        return sum_of(values, count) / (double)count;
    case AGGREGATE_COUNT:
        return (double)count;
    case AGGREGATE_MIN:
        return extreme_of(values, count, false);
    case AGGREGATE_MAX:
        return extreme_of(values, count, true);
    case AGGREGATE_GROUP:
        return 1;
    case AGGREGATE_STDDEV:
        return sqrt(variance_of(values, count));
    case AGGREGATE_STDVAR:
        return variance_of(values, count);
    case AGGREGATE_QUANTILE:
        return naive_quantile(parameter, values, count);
    default:
        ASSERT(!"an aggregation of the generator");
        return 0;
    }
}

/* The samples of a group of which some are histograms. false: it has no answer. */
static bool aggregate_mixed(struct naive_evaluator *naive, enum aggregate_kind op, double parameter,
                            const struct naive_vector *group, struct naive_sample *out)
{
    double *values = arena_alloc_array(&naive->arena, group->len, sizeof(*values));
    const struct histogram **histograms =
        arena_alloc_array(&naive->arena, group->len, sizeof(*histograms));
    size_t floats = 0, count = 0;
    for (size_t i = 0; i < group->len; i++) {
        if (group->items[i].histogram != NULL)
            histograms[count++] = group->items[i].histogram;
        else
            values[floats++] = group->items[i].value;
    }
    if (op == AGGREGATE_COUNT || op == AGGREGATE_GROUP) {
        out->value = op == AGGREGATE_COUNT ? (double)group->len : 1;
        return true;
    }
    if (op == AGGREGATE_SUM || op == AGGREGATE_AVG) {
        if (floats == 0)
            out->histogram = naive_histogram_total(naive, histograms, count, op == AGGREGATE_AVG);
        if (out->histogram != NULL)
            out->histogram = histogram_compact(&naive->arena, out->histogram, 0);
        return out->histogram != NULL;
    }
    if (floats > 0)
        out->value = aggregate(op, parameter, values, floats);
    return floats > 0;
}

static const struct labels *group_labels(struct naive_evaluator *naive, const struct node *node,
                                         const struct labels *labels)
{
    return naive_labels_keep(naive, labels, node->aggregate.grouping,
                             node->aggregate.grouping_count, !node->aggregate.without);
}

/* count_values: the value becomes a label of the group. */
static const struct labels *counted_labels(struct naive_evaluator *naive, const struct node *node,
                                           const struct labels *group, double value)
{
    char text[FLOAT_TEXT_SIZE];
    size_t len = float_text_f(value, text);
    return naive_labels_set(naive, group, naive_unwrap(node->children[1])->string,
                            slice_from(text, len));
}

/* topk(k, ...) of the group that item `at` is in: is it among the best? Values are distinct. */
static bool is_selected(struct naive_evaluator *naive, const struct node *node,
                        const struct naive_vector *inner, size_t at, double k)
{
    bool largest = node->aggregate.op == AGGREGATE_TOPK;
    const struct labels *group = group_labels(naive, node, inner->items[at].labels);
    double better = 0, mine = inner->items[at].value;
    for (size_t i = 0; i < inner->len; i++) {
        double value = inner->items[i].value;
        if (i == at || !labels_equal(group_labels(naive, node, inner->items[i].labels), group))
            continue;
        better += (isnan(mine) && !isnan(value)) || (largest ? value > mine : value < mine);
    }
    return better < floor(k);
}

static bool aggregate_groups(struct naive_evaluator *naive, const struct node *node,
                             const struct naive_vector *inner, double parameter,
                             struct naive_vector *out)
{
    bool counts = node->aggregate.op == AGGREGATE_COUNT_VALUES;
    const struct labels **groups =
        arena_alloc_array(&naive->arena, inner->len + 1, sizeof(*groups));
    double *values = arena_alloc_array(&naive->arena, inner->len + 1, sizeof(*values));
    for (size_t i = 0; i < inner->len; i++) {
        groups[i] = group_labels(naive, node, inner->items[i].labels);
        if (counts)
            groups[i] = counted_labels(naive, node, groups[i], inner->items[i].value);
    }
    for (size_t i = 0; i < inner->len; i++) {
        size_t count = 0;
        bool is_first = true, has_histograms = false;
        struct naive_vector group = naive_vector_new(naive, inner->len);
        for (size_t k = 0; k < inner->len; k++) {
            if (!labels_equal(groups[i], groups[k]))
                continue;
            is_first = is_first && k >= i;
            has_histograms = has_histograms || inner->items[k].histogram != NULL;
            group.items[group.len++] = inner->items[k];
            values[count++] = inner->items[k].value;
        }
        struct naive_sample mixed = {.labels = groups[i]};
        if (is_first && has_histograms && !counts) {
            if (aggregate_mixed(naive, node->aggregate.op, parameter, &group, &mixed))
                out->items[out->len++] = mixed;
        } else if (is_first)
            vector_add(out, groups[i],
                       counts ? (double)count
                              : aggregate(node->aggregate.op, parameter, values, count));
    }
    return true;
}

static bool evaluate_aggregate(struct naive_evaluator *naive, const struct node *node,
                               int64_t at_ms, struct naive_vector *out)
{
    struct naive_vector inner, parameter = {0};
    enum aggregate_kind op = node->aggregate.op;
    if (!naive_evaluate(naive, node->children[0], at_ms, &inner))
        return false;
    bool has_number = node->child_count > 1 && op != AGGREGATE_COUNT_VALUES;
    if (has_number && !naive_evaluate(naive, node->children[1], at_ms, &parameter))
        return false;
    double number = has_number ? parameter.items[0].value : 0;
    *out = naive_vector_new(naive, inner.len);
    if (op != AGGREGATE_TOPK && op != AGGREGATE_BOTTOMK)
        return aggregate_groups(naive, node, &inner, number, out);
    for (size_t i = 0; i < inner.len; i++) {
        if (is_selected(naive, node, &inner, i, number))
            vector_add(out, inner.items[i].labels, inner.items[i].value);
    }
    return true;
}

static void negate(struct naive_evaluator *naive, const struct node *node, struct naive_vector *out)
{
    for (size_t i = 0; node->unary.op == OPERATOR_SUB && i < out->len; i++) {
        if (out->items[i].histogram != NULL)
            out->items[i].histogram =
                histogram_multiply(&naive->arena, out->items[i].histogram, -1);
        out->items[i].value = -out->items[i].value;
        out->items[i].labels = naive_labels_without_name(naive, out->items[i].labels);
    }
}

static bool evaluate_timestamp(struct naive_evaluator *naive, const struct node *node,
                               int64_t at_ms, struct naive_vector *out)
{
    *out = select_instant(naive, naive_unwrap(node->children[0]), at_ms, true);
    for (size_t i = 0; i < out->len; i++)
        out->items[i].labels = naive_labels_without_name(naive, out->items[i].labels);
    return naive_is_unique(naive, out);
}

bool naive_evaluate(struct naive_evaluator *naive, const struct node *node, int64_t at_ms,
                    struct naive_vector *out)
{
    node = naive_unwrap(node);
    switch (node->kind) {
    case NODE_NUMBER:
        *out = naive_vector_new(naive, 1);
        vector_add(out, labels_empty(), node->number.value);
        return true;
    case NODE_VECTOR_SELECTOR:
        *out = select_instant(naive, node, at_ms, false);
        return true;
    case NODE_UNARY:
        if (!naive_evaluate(naive, node->children[0], at_ms, out))
            return false;
        negate(naive, node, out);
        return naive_is_unique(naive, out);
    case NODE_BINARY:
        return evaluate_binary(naive, node, at_ms, out);
    case NODE_AGGREGATE:
        return evaluate_aggregate(naive, node, at_ms, out);
    case NODE_CALL:
        if (node->call.function->id == FUNCTION_TIMESTAMP &&
            naive_unwrap(node->children[0])->kind == NODE_VECTOR_SELECTOR)
            return evaluate_timestamp(naive, node, at_ms, out);
        return naive_call(naive, node, at_ms, out);
    default:
        ASSERT(!"a node of the generator");
        return false;
    }
}
