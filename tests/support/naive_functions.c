/* Functions of PromQL for naive_evaluator.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/regex.h"
#include "model/histogram_statistics.h"
#include "model/labels_builder.h"
#include "model/matcher.h"
#include "model/symbols.h"
#include "promql/functions.h"
#include "tests/support/naive_evaluator.h"

#define SCALARS_MAX 4

struct window {
    const struct naive_range *range;
    int64_t start_ms;
    int64_t end_ms;
    int64_t at_ms;
    double scalar;
};

/* increase, rate and delta: the line through the samples is drawn out to the window's edges. */
static bool extrapolate(const struct window *window, bool counter, double per_s, double *out)
{
    const struct naive_range *range = window->range;
    if (range->count < 2)
        return false;
    double first = range->values[0], last = range->values[range->count - 1];
    double increase = last - first;
    for (size_t i = 1; counter && i < range->count; i++) {
        if (range->values[i] < range->values[i - 1])
            increase += range->values[i - 1];
    }
    double to_start = (double)(range->times_ms[0] - window->start_ms) / 1000;
    double to_end = (double)(window->end_ms - range->times_ms[range->count - 1]) / 1000;
    double sampled = (double)(range->times_ms[range->count - 1] - range->times_ms[0]) / 1000;
    double average = sampled / (double)(range->count - 1);
    if (to_start >= average * 1.1)
        to_start = average / 2;
    if (to_end >= average * 1.1)
        to_end = average / 2;
    if (counter) {
        double to_zero = to_start;
        if (increase > 0 && first >= 0)
            to_zero = sampled * (first / increase);
        to_start = fmin(to_start, to_zero);
    }
    double factor = (sampled + to_start + to_end) / sampled;
    *out = increase * (factor / per_s);
    return true;
}

static bool last_two(const struct window *window, bool rate, double *out)
{
    const struct naive_range *range = window->range;
    if (range->count < 2)
        return false;
    double last = range->values[range->count - 1], before = range->values[range->count - 2];
    *out = rate && last < before ? last : last - before;
    int64_t apart_ms = range->times_ms[range->count - 1] - range->times_ms[range->count - 2];
    if (rate)
        *out /= (double)apart_ms / 1000;
    return true;
}

static double count_steps(const struct naive_range *range, bool only_down)
{
    double count = 0;
    for (size_t i = 1; i < range->count; i++) {
        double now = range->values[i], before = range->values[i - 1];
        count += only_down ? now < before : now != before && !(isnan(now) && isnan(before));
    }
    return count;
}

/* The line of least squares, seen from `origin_ms`. */
static bool fit(const struct window *window, int64_t origin_ms, double *out_slope, double *out_value)
{
    const struct naive_range *range = window->range;
    if (range->count < 2)
        return false;
    long double n = (long double)range->count, x = 0, y = 0, xy = 0, xx = 0;
    bool constant = true;
    for (size_t i = 0; i < range->count; i++) {
        long double at = (long double)(range->times_ms[i] - origin_ms) / 1000;
        x += at;
        y += range->values[i];
        xy += at * range->values[i];
        xx += at * at;
        constant = constant && range->values[i] == range->values[0];
    }
    long double slope = (xy - x * y / n) / (xx - x * x / n);
    *out_slope = constant ? 0 : (double)slope;
    *out_value = constant ? range->values[0] : (double)(y / n - slope * x / n);
    if (constant && isinf(range->values[0]))
        *out_slope = *out_value = NAN;
    return true;
}

static double sum_values(const struct naive_range *range)
{
    long double sum = 0;
    for (size_t i = 0; i < range->count; i++)
        sum += range->values[i];
    return (double)sum;
}

static double extreme(const struct naive_range *range, bool largest)
{
    double best = range->values[0];
    for (size_t i = 1; i < range->count; i++) {
        double value = range->values[i];
        if (isnan(best) || (largest ? value > best : value < best))
            best = value;
    }
    return best;
}

static double variance(const struct naive_range *range)
{
    long double mean = 0, sum = 0, n = (long double)range->count;
    for (size_t i = 0; i < range->count; i++) {
        if (!isfinite(range->values[i]))
            return NAN;
        mean += range->values[i] / n;
    }
    for (size_t i = 0; i < range->count; i++)
        sum += (range->values[i] - mean) * (range->values[i] - mean);
    return (double)(sum / n);
}

/* Functions that need one sample; a window has one at least. */
static bool over_time(enum function_id id, const struct window *window, double *out)
{
    const struct naive_range *range = window->range;
    switch (id) {
    case FUNCTION_SUM_OVER_TIME:
        *out = sum_values(range);
        return true;
    case FUNCTION_AVG_OVER_TIME:
        *out = sum_values(range) / (double)range->count;
        return true;
    case FUNCTION_COUNT_OVER_TIME:
        *out = (double)range->count;
        return true;
    case FUNCTION_MIN_OVER_TIME:
        *out = extreme(range, false);
        return true;
    case FUNCTION_MAX_OVER_TIME:
        *out = extreme(range, true);
        return true;
    case FUNCTION_STDDEV_OVER_TIME:
        *out = sqrt(variance(range));
        return true;
    case FUNCTION_STDVAR_OVER_TIME:
        *out = variance(range);
        return true;
    case FUNCTION_LAST_OVER_TIME:
        *out = range->values[range->count - 1];
        return true;
    case FUNCTION_FIRST_OVER_TIME:
        *out = range->values[0];
        return true;
    case FUNCTION_PRESENT_OVER_TIME:
        *out = 1;
        return true;
    case FUNCTION_QUANTILE_OVER_TIME:
        *out = naive_quantile(window->scalar, range->values, range->count);
        return true;
    default:
        ASSERT(!"a range function of the generator");
        return false;
    }
}

static bool compute_range(enum function_id id, const struct window *window, double *out)
{
    double slope, value;
    switch (id) {
    case FUNCTION_RATE:
        return extrapolate(window, true, (double)(window->end_ms - window->start_ms) / 1000, out);
    case FUNCTION_INCREASE:
        return extrapolate(window, true, 1, out);
    case FUNCTION_DELTA:
        return extrapolate(window, false, 1, out);
    case FUNCTION_IRATE:
        return last_two(window, true, out);
    case FUNCTION_IDELTA:
        return last_two(window, false, out);
    case FUNCTION_RESETS:
        *out = count_steps(window->range, true);
        return true;
    case FUNCTION_CHANGES:
        *out = count_steps(window->range, false);
        return true;
    case FUNCTION_DERIV:
        return fit(window, window->range->times_ms[0], out, &value);
    case FUNCTION_PREDICT_LINEAR:
        if (!fit(window, window->at_ms, &slope, &value))
            return false;
        *out = slope * window->scalar + value;
        return true;
    default:
        return over_time(id, window, out);
    }
}

static void add(struct naive_vector *vector, const struct labels *labels, double value)
{
    vector->items[vector->len++] = (struct naive_sample){.labels = labels, .value = value};
}

/* The labels that a selector asks for, where it asks for just one value. */
static const struct labels *absent_labels(struct naive_evaluator *naive, const struct node *node)
{
    node = naive_unwrap(node);
    if (node->kind == NODE_MATRIX_SELECTOR)
        node = node->children[0];
    const struct labels *labels = labels_empty();
    for (size_t i = 0; node->kind == NODE_VECTOR_SELECTOR && i < node->selector.matcher_count; i++) {
        const struct matcher *matcher = node->selector.matchers[i];
        if (matcher->type == MATCHER_EQUAL && !slice_eq_str(matcher->name, "__name__"))
            labels = naive_labels_set(naive, labels, matcher->name, matcher->value);
    }
    return labels;
}

static bool ranges_have_histograms(const struct naive_ranges *ranges)
{
    for (size_t i = 0; i < ranges->len; i++) {
        for (size_t k = 0; k < ranges->items[i].count; k++) {
            if (ranges->items[i].histograms[k] != NULL)
                return true;
        }
    }
    return false;
}

/* The generator asks for these only where windows have nothing but histograms. */
static bool call_range_histograms(struct naive_evaluator *naive, enum function_id id,
                                  const struct naive_ranges *ranges, struct naive_vector *out)
{
    for (size_t i = 0; i < ranges->len; i++) {
        const struct naive_range *range = &ranges->items[i];
        struct naive_sample sample = {.labels = range->labels};
        bool is_last = id == FUNCTION_LAST_OVER_TIME, is_first = id == FUNCTION_FIRST_OVER_TIME;
        if (!is_last && !is_first)
            sample.labels = naive_labels_without_name(naive, range->labels);
        if (is_last || is_first)
            sample.histogram = range->histograms[is_last ? range->count - 1 : 0];
        else if (id == FUNCTION_COUNT_OVER_TIME)
            sample.value = (double)range->count;
        else if (id == FUNCTION_PRESENT_OVER_TIME)
            sample.value = 1;
        else
            sample.histogram = naive_histogram_total(naive, range->histograms, range->count,
                                                     id == FUNCTION_AVG_OVER_TIME);
        out->items[out->len++] = sample;
    }
    return naive_is_unique(naive, out);
}

static bool call_range(struct naive_evaluator *naive, const struct node *call, int64_t at_ms,
                       struct naive_vector *out)
{
    enum function_id id = call->call.function->id;
    size_t matrix = id == FUNCTION_QUANTILE_OVER_TIME ? 1 : 0;
    struct naive_vector scalar = {0};
    struct naive_ranges ranges;
    if (call->child_count > 1 && !naive_evaluate(naive, call->children[1 - matrix], at_ms, &scalar))
        return false;
    if (!naive_ranges_of(naive, call->children[matrix], at_ms, &ranges))
        return false;
    *out = naive_vector_new(naive, ranges.len + 1);
    if (id == FUNCTION_ABSENT_OVER_TIME) {
        if (ranges.len == 0)
            add(out, absent_labels(naive, call->children[0]), 1);
        return true;
    }
    if (ranges_have_histograms(&ranges))
        return call_range_histograms(naive, id, &ranges, out);
    bool keeps_name = id == FUNCTION_LAST_OVER_TIME || id == FUNCTION_FIRST_OVER_TIME;
    for (size_t i = 0; i < ranges.len; i++) {
        struct window window = {&ranges.items[i], ranges.start_ms, ranges.end_ms, at_ms,
                                scalar.len > 0 ? scalar.items[0].value : 0};
        double value;
        if (!compute_range(id, &window, &value))
            continue;
        const struct labels *labels = ranges.items[i].labels;
        add(out, keeps_name ? labels : naive_labels_without_name(naive, labels), value);
    }
    return naive_is_unique(naive, out);
}

/* false: the sample goes. */
static bool compute_value(enum function_id id, double value, const double *scalars, size_t count,
                          double *out)
{
    double inverse = 1 / (count > 0 ? scalars[0] : 1);
    switch (id) {
    case FUNCTION_ABS:
        *out = fabs(value);
        return true;
    case FUNCTION_CEIL:
        *out = ceil(value);
        return true;
    case FUNCTION_FLOOR:
        *out = floor(value);
        return true;
    case FUNCTION_SQRT:
        *out = sqrt(value);
        return true;
    case FUNCTION_SGN:
        *out = value > 0 ? 1 : value < 0 ? -1 : value;
        return true;
    case FUNCTION_ROUND:
        *out = floor(value * inverse + 0.5) / inverse;
        return true;
    case FUNCTION_CLAMP_MIN:
        *out = value < scalars[0] ? scalars[0] : value;
        return true;
    case FUNCTION_CLAMP_MAX:
        *out = value > scalars[0] ? scalars[0] : value;
        return true;
    case FUNCTION_CLAMP:
        *out = value < scalars[0] ? scalars[0] : value > scalars[1] ? scalars[1] : value;
        return scalars[0] <= scalars[1];
    default:
        ASSERT(!"a function of the generator");
        return false;
    }
}

static bool call_value(struct naive_evaluator *naive, const struct node *call, int64_t at_ms,
                       struct naive_vector *out)
{
    struct naive_vector inner, scalar;
    double scalars[SCALARS_MAX];
    if (!naive_evaluate(naive, call->children[0], at_ms, &inner))
        return false;
    ASSERT(call->child_count <= SCALARS_MAX);
    for (size_t i = 1; i < call->child_count; i++) {
        if (!naive_evaluate(naive, call->children[i], at_ms, &scalar))
            return false;
        scalars[i - 1] = scalar.items[0].value;
    }
    *out = naive_vector_new(naive, inner.len);
    for (size_t i = 0; i < inner.len; i++) {
        double value;
        if (inner.items[i].histogram != NULL)
            continue;
        if (compute_value(call->call.function->id, inner.items[i].value, scalars,
                          call->child_count - 1, &value))
            add(out, naive_labels_without_name(naive, inner.items[i].labels), value);
    }
    return naive_is_unique(naive, out);
}

static struct slice text_argument(const struct node *call, size_t index)
{
    return naive_unwrap(call->children[index])->string;
}

static bool call_label_replace(struct naive_evaluator *naive, const struct node *call,
                               int64_t at_ms, struct naive_vector *out)
{
    struct regex *regex;
    if (!naive_evaluate(naive, call->children[0], at_ms, out))
        return false;
    if (regex_new(text_argument(call, 4), &regex, NULL) != ERR_NONE)
        return naive_fail(naive, "invalid regular expression");
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < out->len; i++) {
        struct regex_match match;
        const struct labels *labels = out->items[i].labels;
        if (!regex_match_groups(regex, labels_get(labels, text_argument(call, 3)), &match))
            continue;
        buf_reset(&text);
        regex_expand(regex, text_argument(call, 2), &match, &text);
        out->items[i].labels =
            naive_labels_set(naive, labels, text_argument(call, 1), buf_slice(&text));
    }
    regex_free(regex);
    return naive_is_unique(naive, out);
}

static bool call_label_join(struct naive_evaluator *naive, const struct node *call, int64_t at_ms,
                            struct naive_vector *out)
{
    if (!naive_evaluate(naive, call->children[0], at_ms, out))
        return false;
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < out->len; i++) {
        const struct labels *labels = out->items[i].labels;
        buf_reset(&text);
        for (size_t k = 3; k < call->child_count; k++) {
            if (k > 3)
                buf_append_slice(&text, text_argument(call, 2));
            buf_append_slice(&text, labels_get(labels, text_argument(call, k)));
        }
        out->items[i].labels =
            naive_labels_set(naive, labels, text_argument(call, 1), buf_slice(&text));
    }
    return naive_is_unique(naive, out);
}

static void one(struct naive_evaluator *naive, double value, struct naive_vector *out)
{
    *out = naive_vector_new(naive, 1);
    add(out, labels_empty(), value);
}

static double only_float(const struct naive_vector *vector)
{
    size_t floats = 0;
    double value = NAN;
    for (size_t i = 0; i < vector->len; i++) {
        floats += vector->items[i].histogram == NULL;
        value = vector->items[i].histogram == NULL ? vector->items[i].value : value;
    }
    return floats == 1 ? value : NAN;
}

/* Functions whose answer is one sample. */
static bool call_single(struct naive_evaluator *naive, const struct node *call, int64_t at_ms,
                        struct naive_vector *out)
{
    struct naive_vector inner = {0};
    if (call->child_count > 0 && !naive_evaluate(naive, call->children[0], at_ms, &inner))
        return false;
    switch (call->call.function->id) {
    case FUNCTION_TIME:
        one(naive, (double)at_ms / 1000, out);
        return true;
    case FUNCTION_VECTOR:
        one(naive, inner.items[0].value, out);
        return true;
    case FUNCTION_SCALAR:
        one(naive, only_float(&inner), out);
        return true;
    default:
        ASSERT(call->call.function->id == FUNCTION_ABSENT);
        *out = naive_vector_new(naive, 1);
        if (inner.len == 0)
            add(out, absent_labels(naive, call->children[0]), 1);
        return true;
    }
}

static bool call_timestamp(struct naive_evaluator *naive, const struct node *call, int64_t at_ms,
                           struct naive_vector *out)
{
    if (!naive_evaluate(naive, call->children[0], at_ms, out))
        return false;
    for (size_t i = 0; i < out->len; i++) {
        out->items[i].value = (double)at_ms / 1000;
        out->items[i].histogram = NULL;
        out->items[i].labels = naive_labels_without_name(naive, out->items[i].labels);
    }
    return naive_is_unique(naive, out);
}

struct bucket {
    double bound;
    double count;
};

/* By bound, counts of equal bounds added up, and no count below the one before it. Returns how many. */
static size_t order_buckets(struct bucket *buckets, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        for (size_t k = i; k > 0 && buckets[k].bound < buckets[k - 1].bound; k--) {
            struct bucket bucket = buckets[k];
            buckets[k] = buckets[k - 1];
            buckets[k - 1] = bucket;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && buckets[kept - 1].bound == buckets[i].bound)
            buckets[kept - 1].count += buckets[i].count;
        else
            buckets[kept++] = buckets[i];
    }
    for (size_t i = 1; i < kept; i++) {
        double before = buckets[i - 1].count;
        bool near = fabs(buckets[i].count - before) < 1e-12 * (fabs(before) + fabs(buckets[i].count));
        if (buckets[i].count < before || near)
            buckets[i].count = before;
    }
    return kept;
}

static double bucket_quantile(double q, struct bucket *buckets, size_t count)
{
    if (isnan(q))
        return NAN;
    if (q < 0 || q > 1)
        return q < 0 ? -INFINITY : INFINITY;
    count = order_buckets(buckets, count);
    if (count < 2 || !isinf(buckets[count - 1].bound) || buckets[count - 1].count == 0 ||
        isnan(buckets[count - 1].count))
        return NAN;
    double rank = q * buckets[count - 1].count;
    size_t at = 0;
    while (at < count - 1 && !(buckets[at].count >= rank))
        at++;
    if (at == count - 1)
        return buckets[count - 2].bound;
    if (at == 0 && buckets[0].bound <= 0)
        return buckets[0].bound;
    double below = at > 0 ? buckets[at - 1].count : 0, start = at > 0 ? buckets[at - 1].bound : 0;
    return start +
           (buckets[at].bound - start) * ((rank - below) / (buckets[at].count - below));
}

static bool call_histogram_quantile(struct naive_evaluator *naive, const struct node *call,
                                    int64_t at_ms, struct naive_vector *out)
{
    const struct slice le = SLICE("le");
    struct naive_vector quantile, inner;
    if (!naive_evaluate(naive, call->children[0], at_ms, &quantile) ||
        !naive_evaluate(naive, call->children[1], at_ms, &inner))
        return false;
    *out = naive_vector_new(naive, inner.len);
    struct bucket *buckets = arena_alloc_array(&naive->arena, inner.len + 1, sizeof(*buckets));
    for (size_t i = 0; i < inner.len; i++) {
        size_t count = 0;
        bool is_first = true;
        const struct histogram *histogram = inner.items[i].histogram;
        if (histogram != NULL) {
            enum histogram_note note;
            double q = quantile.items[0].value;
            double value = q < 0   ? -INFINITY
                           : q > 1 ? INFINITY
                                   : histogram_quantile(histogram, q, &note);
            add(out, naive_labels_without_name(naive, inner.items[i].labels), value);
            continue;
        }
        const struct labels *group = naive_labels_keep(naive, inner.items[i].labels, &le, 1, false);
        for (size_t k = 0; k < inner.len; k++) {
            const struct labels *labels = inner.items[k].labels;
            struct slice text = labels_get(labels, le);
            if (text.len == 0 || inner.items[k].histogram != NULL ||
                !labels_equal(naive_labels_keep(naive, labels, &le, 1, false), group))
                continue;
            is_first = is_first && k >= i;
            buckets[count++] = (struct bucket){strtod(text.ptr, NULL), inner.items[k].value};
        }
        if (is_first && count > 0 && labels_get(inner.items[i].labels, le).len > 0)
            add(out, group, bucket_quantile(quantile.items[0].value, buckets, count));
    }
    return naive_is_unique(naive, out);
}

/* Any order is fine, but histograms go. */
static bool call_sort(struct naive_evaluator *naive, const struct node *call, int64_t at_ms,
                      struct naive_vector *out)
{
    if (!naive_evaluate(naive, call->children[0], at_ms, out))
        return false;
    size_t kept = 0;
    for (size_t i = 0; i < out->len; i++) {
        if (out->items[i].histogram == NULL)
            out->items[kept++] = out->items[i];
    }
    out->len = kept;
    return true;
}

static bool is_of_calendar(enum function_id id)
{
    switch (id) {
    case FUNCTION_MINUTE:
    case FUNCTION_HOUR:
    case FUNCTION_DAY_OF_WEEK:
    case FUNCTION_DAY_OF_MONTH:
    case FUNCTION_DAY_OF_YEAR:
    case FUNCTION_MONTH:
    case FUNCTION_YEAR:
        return true;
    default:
        return false;
    }
}

static double calendar(enum function_id id, double seconds)
{
    /* what is no time at all, Go takes for the last one that there is */
    struct tm parts = {.tm_min = 30, .tm_hour = 15, .tm_mday = 4, .tm_mon = 11, .tm_yday = 338};
    bool is_time = fabs(seconds) < 9.2e18;
    /* the calendar begins anew every 400 years, and the C library ends at some 2^31 */
    int64_t at_s = is_time ? (int64_t)seconds : 0, cycle_s = 146097 * INT64_C(86400);
    time_t in_cycle_s = at_s % cycle_s;
    if (is_time)
        gmtime_r(&in_cycle_s, &parts);
    switch (id) {
    case FUNCTION_MINUTE:
        return parts.tm_min;
    case FUNCTION_HOUR:
        return parts.tm_hour;
    case FUNCTION_DAY_OF_WEEK:
        return parts.tm_wday;
    case FUNCTION_DAY_OF_MONTH:
        return parts.tm_mday;
    case FUNCTION_DAY_OF_YEAR:
        return parts.tm_yday + 1;
    case FUNCTION_MONTH:
        return parts.tm_mon + 1;
    default:
        ASSERT(id == FUNCTION_YEAR);
        return is_time ? (double)(parts.tm_year + 1900 + at_s / cycle_s * 400) : 292277026596;
    }
}

static bool call_calendar(struct naive_evaluator *naive, const struct node *call, int64_t at_ms,
                          struct naive_vector *out)
{
    struct naive_vector inner;
    if (call->child_count == 0) {
        one(naive, calendar(call->call.function->id, (double)at_ms / 1000), out);
        return true;
    }
    if (!naive_evaluate(naive, call->children[0], at_ms, &inner))
        return false;
    *out = naive_vector_new(naive, inner.len);
    for (size_t i = 0; i < inner.len; i++) {
        if (inner.items[i].histogram == NULL)
            add(out, naive_labels_without_name(naive, inner.items[i].labels),
                calendar(call->call.function->id, inner.items[i].value));
    }
    return naive_is_unique(naive, out);
}

bool naive_call(struct naive_evaluator *naive, const struct node *call, int64_t at_ms,
                struct naive_vector *out)
{
    const struct function_signature *function = call->call.function;
    for (size_t i = 0; i < function->argument_count; i++) {
        if (function->arguments[i] == PROMQL_MATRIX)
            return call_range(naive, call, at_ms, out);
    }
    if (is_of_calendar(function->id))
        return call_calendar(naive, call, at_ms, out);
    if (naive_is_histogram_function(function->id))
        return naive_call_histogram(naive, call, at_ms, out);
    switch (function->id) {
    case FUNCTION_TIME:
    case FUNCTION_VECTOR:
    case FUNCTION_SCALAR:
    case FUNCTION_ABSENT:
        return call_single(naive, call, at_ms, out);
    case FUNCTION_TIMESTAMP:
        return call_timestamp(naive, call, at_ms, out);
    case FUNCTION_SORT:
    case FUNCTION_SORT_DESC:
        return call_sort(naive, call, at_ms, out);
    case FUNCTION_HISTOGRAM_QUANTILE:
        return call_histogram_quantile(naive, call, at_ms, out);
    case FUNCTION_LABEL_REPLACE:
        return call_label_replace(naive, call, at_ms, out);
    case FUNCTION_LABEL_JOIN:
        return call_label_join(naive, call, at_ms, out);
    default:
        return call_value(naive, call, at_ms, out);
    }
}
