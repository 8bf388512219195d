#include "tests/support/random_query.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/compiler.h"
#include "model/histogram_arithmetic.h"
#include "model/labels_builder.h"
#include "model/sample.h"
#include "promql/promql.h"
#include "tests/support/fake_source.h"
#include "tests/support/naive_evaluator.h"

#define SPAN_MS 900000
#define DEPTH_MAX 4
#define QUERY_BYTES_MAX 4000
/* Of deviations and lines; and of sums of what is no multiple of 1/8. */
#define TOLERANCE_ROUNDED 1e-9
#define TOLERANCE 1e-12

uint32_t random_below(struct random_bytes *bytes, uint32_t bound)
{
    uint32_t value = 0;
    if (bytes->bytes == NULL) {
        bytes->state ^= bytes->state << 13;
        bytes->state ^= bytes->state >> 7;
        bytes->state ^= bytes->state << 17;
        value = (uint32_t)(bytes->state >> 11);
    } else if (bytes->len > 0) {
        value = *bytes->bytes++;
        bytes->len--;
        if (bound > 256 && bytes->len > 0) {
            value = value << 8 | *bytes->bytes++;
            bytes->len--;
        }
    }
    return value % bound;
}

static bool chance(struct random_bytes *bytes, uint32_t percent)
{
    return random_below(bytes, 100) < percent;
}

#define PICK(bytes, ...)                                                                           \
    (((const char *const[]){__VA_ARGS__})[random_below(                                            \
        bytes, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))])

/* data */

static void add_samples(struct random_bytes *bytes, struct fake_series *series, bool counter,
                        double distinct)
{
    int64_t interval_ms = random_below(bytes, 2) == 0 ? 15000 : 10000;
    int64_t at_ms = random_below(bytes, 2) == 0 ? 0 : (int64_t)random_below(bytes, 20) * 1000;
    double value = random_below(bytes, 64) / 8.0;
    while (at_ms < SPAN_MS) {
        uint32_t dice = random_below(bytes, 64);
        value = counter ? value + dice / 8.0 : value + (double)(dice % 9) - 4;
        if (counter && dice == 63)
            value = dice % 3;
        double shown = value;
        if (dice == 1 && distinct == 0)
            shown = NAN;
        if (dice == 2 && !counter && distinct == 0)
            shown = random_below(bytes, 2) == 0 ? INFINITY : -INFINITY;
        fake_series_add(series, at_ms, dice == 3 ? sample_stale() : shown + distinct);
        at_ms += dice == 4 ? interval_ms * (1 + random_below(bytes, 30)) : interval_ms;
    }
}

static void add_metric(struct random_bytes *bytes, struct fake_source *source, const char *name,
                       bool counter, bool distinct)
{
    static const char *const jobs[] = {"x", "y"};
    static const char *const instances[] = {"a", "b", "c"};
    struct labels_builder CLEANUP(labels_builder_release) builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < 6; i++) {
        if (chance(bytes, 20))
            continue;
        labels_builder_reset(&builder);
        labels_builder_set(&builder, SLICE("__name__"), slice_str(name));
        labels_builder_set(&builder, SLICE("job"), slice_str(jobs[i % 2]));
        labels_builder_set(&builder, SLICE("i"), slice_str(instances[i / 2]));
        if (counter && i % 2 == 0)
            labels_builder_set(&builder, SLICE("code"), SLICE("200"));
        struct labels *labels = labels_builder_build(&builder);
        struct fake_series *series = fake_source_series(source, labels);
        labels_unref(labels);
        add_samples(bytes, series, counter, distinct ? (double)(i + 1) / 1024 : 0);
    }
}

/* Cumulative counts, which fall from one bucket to the next now and then. */
static void add_histogram(struct random_bytes *bytes, struct fake_source *source, const char *job)
{
    static const char *const bounds[] = {"-1", "0.5", "1", "2", "+Inf"};
    struct labels_builder CLEANUP(labels_builder_release) builder;
    labels_builder_init(&builder);
    labels_builder_set(&builder, SLICE("__name__"), SLICE("h_bucket"));
    labels_builder_set(&builder, SLICE("job"), slice_str(job));
    struct fake_series *series[ARRAY_SIZE(bounds)];
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        labels_builder_set(&builder, SLICE("le"), slice_str(bounds[i]));
        struct labels *labels = labels_builder_build(&builder);
        series[i] = fake_source_series(source, labels);
        labels_unref(labels);
    }
    double counts[ARRAY_SIZE(bounds)] = {0};
    for (int64_t at_ms = 5000; at_ms < SPAN_MS; at_ms += 15000) {
        size_t bucket = random_below(bytes, ARRAY_SIZE(bounds));
        for (size_t i = bucket; i < ARRAY_SIZE(bounds); i++)
            counts[i] += random_below(bytes, 8) == 0 ? 0 : 1;
        for (size_t i = 0; i < ARRAY_SIZE(bounds); i++)
            fake_series_add(series[i], at_ms, counts[i]);
    }
}

/* Counts grow, and start anew now and then, at another resolution perhaps. */
static void add_native(struct random_bytes *bytes, struct fake_source *source, const char *job)
{
    struct labels_builder CLEANUP(labels_builder_release) builder;
    labels_builder_init(&builder);
    labels_builder_set(&builder, SLICE("__name__"), SLICE("n"));
    labels_builder_set(&builder, SLICE("job"), slice_str(job));
    labels_builder_set(&builder, SLICE("i"), SLICE("a"));
    struct labels *labels = labels_builder_build(&builder);
    struct fake_series *series = fake_source_series(source, labels);
    labels_unref(labels);
    double positive[4] = {0}, negative[1] = {0};
    struct histogram_span spans[] = {{-1, 2}, {1, 2}}, below = {0, 1};
    struct histogram histogram = {.is_float = true,
                                  .zero_threshold = 0.001,
                                  .positive_span_count = ARRAY_SIZE(spans),
                                  .positive_bucket_count = ARRAY_SIZE(positive),
                                  .positive_spans = spans,
                                  .positive_buckets = positive,
                                  .negative_span_count = 1,
                                  .negative_bucket_count = 1,
                                  .negative_spans = &below,
                                  .negative_buckets = negative};
    for (int64_t at_ms = 3000; at_ms < SPAN_MS; at_ms += 15000) {
        uint32_t dice = random_below(bytes, 32);
        if (dice == 0) {
            memset(positive, 0, sizeof(positive));
            histogram.count = histogram.sum = histogram.zero_count = 0;
            negative[0] = 0;
            histogram.schema = (int32_t)random_below(bytes, 3);
        }
        positive[dice % ARRAY_SIZE(positive)] += 1;
        negative[0] += dice % 5 == 0;
        histogram.zero_count += dice % 7 == 0;
        histogram.count += 1 + (dice % 5 == 0) + (dice % 7 == 0);
        histogram.sum += dice / 8.0;
        if (dice == 1)
            fake_series_add(series, at_ms, sample_stale());
        else if (dice != 2)
            fake_series_add_histogram(series, at_ms, &histogram);
    }
}

/* queries */

struct maker {
    struct random_bytes *bytes;
    struct buf *out;
};

static void make_vector(struct maker *maker, unsigned depth);

static void put(struct maker *maker, const char *text)
{
    buf_append_str(maker->out, text);
}

static void put_selector(struct maker *maker, const char *name)
{
    struct random_bytes *bytes = maker->bytes;
    if (chance(bytes, 8)) {
        put(maker, PICK(bytes, "{__name__=~\"c_total|v\"}", "{__name__=\"v\",job!=\"y\"}",
                        "{__name__=~\"v|w\",i=\"a\"}"));
        return;
    }
    put(maker, name != NULL ? name : PICK(bytes, "c_total", "v", "v", "w"));
    if (chance(bytes, 25))
        put(maker, PICK(bytes, "{job=\"x\"}", "{i!=\"a\"}", "{i=~\"a|b\"}", "{job!~\"y|z\"}",
                        "{code=\"\"}", "{code=~\".+\"}", "{i=~\".*\"}"));
}

static void put_shift(struct maker *maker)
{
    struct random_bytes *bytes = maker->bytes;
    if (chance(bytes, 15))
        put(maker, PICK(bytes, " offset 1m", " offset -30s", " offset 37s", " offset 5m"));
    if (chance(bytes, 10))
        put(maker, PICK(bytes, " @ 300", " @ 600.5", " @ start()", " @ end()"));
}

static void make_range(struct maker *maker, unsigned depth, const char *name)
{
    struct random_bytes *bytes = maker->bytes;
    if (depth <= 1 || chance(bytes, 65)) {
        put_selector(maker, name);
        put(maker, PICK(bytes, "[1m]", "[2m]", "[5m]", "[45s]", "[10s]", "[37s]"));
    } else {
        put(maker, "(");
        make_vector(maker, depth - 1);
        put(maker, PICK(bytes, ")[1m:15s]", ")[2m:30s]", ")[3m:]", ")[45s:15s]", ")[90s:17s]"));
    }
    put_shift(maker);
}

static void make_scalar(struct maker *maker, unsigned depth)
{
    struct random_bytes *bytes = maker->bytes;
    if (depth > 1 && chance(bytes, 20)) {
        put(maker, "scalar(");
        make_vector(maker, depth - 1);
        put(maker, ")");
        return;
    }
    put(maker, PICK(bytes, "0", "1", "2", "0.5", "-1", "3", "8", "NaN", "Inf", "time()", "(2 - 3)"));
}

static void make_range_call(struct maker *maker, unsigned depth)
{
    struct random_bytes *bytes = maker->bytes;
    bool counter = chance(bytes, 40);
    put(maker, counter ? PICK(bytes, "rate", "increase", "irate", "resets")
                       : PICK(bytes, "delta", "idelta", "changes", "sum_over_time", "avg_over_time",
                              "min_over_time", "max_over_time", "count_over_time", "last_over_time",
                              "first_over_time", "present_over_time", "absent_over_time"));
    put(maker, "(");
    make_range(maker, depth, counter ? "c_total" : NULL);
    put(maker, ")");
}

static void make_aggregate(struct maker *maker, unsigned depth)
{
    struct random_bytes *bytes = maker->bytes;
    if (chance(bytes, 12)) { /* values that are distinct at any time */
        put(maker, PICK(bytes, "topk(2, d", "bottomk by (job) (1, d", "topk without (i) (1.5, d"));
        put(maker, PICK(bytes, ")", " offset 1m)", "{job=\"x\"})"));
        return;
    }
    bool counts = chance(bytes, 10);
    put(maker, counts ? "count_values" : PICK(bytes, "sum", "avg", "min", "max", "count", "group"));
    put(maker, PICK(bytes, "", " by (job) ", " by (i) ", " by (job, i) ", " without (i) ",
                    " without (job, code) ", " by (__name__, job) ", " without () "));
    put(maker, counts ? "(\"n\", " : "(");
    make_vector(maker, depth - 1);
    put(maker, ")");
}

static void make_binary(struct maker *maker, unsigned depth)
{
    struct random_bytes *bytes = maker->bytes;
    uint32_t kind = random_below(bytes, 3);
    put(maker, "(");
    make_vector(maker, depth - 1);
    put(maker, ") ");
    put(maker, kind == 0   ? PICK(bytes, "+", "-", "*", "/", "%", "atan2", "^")
               : kind == 1 ? PICK(bytes, "==", "!=", "<", ">", "<=", ">=")
                           : PICK(bytes, "and", "or", "unless"));
    if (kind == 1 && chance(bytes, 40))
        put(maker, " bool");
    put(maker, PICK(bytes, "", "", "", " on (job, i)", " on (i)", " ignoring (code)", " on ()",
                    " ignoring (code, i)"));
    if (kind != 2 && buf_cstr(maker->out)[maker->out->len - 1] == ')')
        put(maker, PICK(bytes, "", "", " group_left ()", " group_right ()", " group_left (code)"));
    put(maker, " (");
    make_vector(maker, depth - 1);
    put(maker, ")");
}

static void make_with_scalar(struct maker *maker, unsigned depth)
{
    struct random_bytes *bytes = maker->bytes;
    bool scalar_left = chance(bytes, 40);
    put(maker, "(");
    if (scalar_left)
        make_scalar(maker, depth - 1);
    else
        make_vector(maker, depth - 1);
    put(maker, PICK(bytes, ") + (", ") - (", ") * (", ") / (", ") % (", ") > (", ") <= bool (",
                    ") == (", ") != bool ("));
    if (scalar_left)
        make_vector(maker, depth - 1);
    else
        make_scalar(maker, depth - 1);
    put(maker, ")");
}

static void make_function(struct maker *maker, unsigned depth)
{
    struct random_bytes *bytes = maker->bytes;
    static const char *const calls[][2] = {
        {"abs(", ")"},
        {"ceil(", ")"},
        {"floor(", ")"},
        {"round(", ", 2)"},
        {"sgn(", ")"},
        {"clamp(", ", 1, 9)"},
        {"clamp(", ", 3, 2)"},
        {"clamp_min(", ", 2)"},
        {"clamp_max(", ", 5)"},
        {"-(", ")"},
        {"+(", ")"},
        {"sort(", ")"},
        {"timestamp(", ")"},
        {"absent(", ")"},
        {"minute(", ")"},
        {"hour(60 * ", ")"},
        {"day_of_year(1e5 * ", ")"},
        {"day_of_week(1e6 * ", ")"},
        {"day_of_month(vector(time()) + 1e5 * ", ")"},
        {"month(1e7 * ", ")"},
        {"year(1e8 * ", ")"},
        {"vector(scalar(", "))"},
        {"label_replace(", ", \"i\", \"$1-\", \"i\", \"(a|b)\")"},
        {"label_replace(", ", \"z\", \"$1\", \"job\", \"(.*)\")"},
        {"label_replace(", ", \"__name__\", \"n\", \"none\", \"\")"},
        {"label_replace(", ", \"i\", \"\", \"job\", \"x\")"},
        {"label_join(", ", \"z\", \"/\", \"job\", \"i\")"},
    };
    size_t index = random_below(bytes, ARRAY_SIZE(calls));
    put(maker, calls[index][0]);
    make_vector(maker, depth - 1);
    put(maker, calls[index][1]);
}

static void make_histogram_quantile(struct maker *maker)
{
    struct random_bytes *bytes = maker->bytes;
    put(maker, PICK(bytes, "histogram_quantile(0.5, ", "histogram_quantile(0.9, ",
                    "histogram_quantile(0, ", "histogram_quantile(1, ", "histogram_quantile(-1, "));
    put(maker, PICK(bytes, "h_bucket)", "sum by (le) (h_bucket))", "sum without (job) (h_bucket))",
                    "h_bucket{le!=\"+Inf\"})", "changes(h_bucket[3m]))", "c_total)",
                    "delta(h_bucket[2m]))", "h_bucket @ end())"));
}

/* A vector of native histograms and of nothing else. */
static void make_native(struct maker *maker, unsigned depth)
{
    struct random_bytes *bytes = maker->bytes;
    uint32_t dice = depth == 0 ? 0 : random_below(bytes, 100);
    if (dice < 25) {
        put(maker, PICK(bytes, "n", "n", "n{job=\"x\"}", "n{i!=\"b\"}"));
        put_shift(maker);
        return;
    }
    if (dice < 50) {
        bool subquery = depth > 1 && chance(bytes, 40);
        put(maker,
            PICK(bytes, "sum_over_time(", "avg_over_time(", "last_over_time(", "first_over_time("));
        put(maker, subquery ? "(" : "n");
        if (subquery)
            make_native(maker, depth - 1);
        put(maker, subquery ? PICK(bytes, ")[1m:15s]", ")[2m:30s]", ")[90s:17s]")
                            : PICK(bytes, "[1m]", "[2m]", "[45s]", "[20s]"));
        put_shift(maker);
        put(maker, ")");
        return;
    }
    if (dice < 75) {
        put(maker, PICK(bytes, "sum(", "avg by (job) (", "sum without (i) (", "-(", "2 * (", "(",
                        "label_replace(", "sum by (i) ("));
        bool replaces = slice_has_suffix(buf_slice(maker->out), SLICE("label_replace("));
        make_native(maker, depth - 1);
        put(maker, replaces ? ", \"z\", \"$1\", \"job\", \"(.*)\")" : ")");
        if (!replaces && chance(bytes, 30))
            put(maker, PICK(bytes, " * 3", " / 4", " / 0", " * -1", " * NaN"));
        return;
    }
    put(maker, "(");
    make_native(maker, depth - 1);
    put(maker, PICK(bytes, ") + (", ") - (", ") == (", ") != (", ") and (", ") or (", ") unless (",
                    ") + on (job) (", ") - on (i) group_left () ("));
    make_native(maker, depth - 1);
    put(maker, ")");
}

/* Floats from native histograms. */
static void make_of_native(struct maker *maker, unsigned depth)
{
    static const char *const calls[][2] = {
        {"histogram_count(", ")"},
        {"histogram_sum(", ")"},
        {"histogram_avg(", ")"},
        {"histogram_fraction(0, 1, ", ")"},
        {"histogram_fraction(-1, +Inf, ", ")"},
        {"histogram_quantile(0.5, ", ")"},
        {"histogram_quantile(1, ", ")"},
        {"histogram_quantile(2, ", ")"},
        {"count by (job) (", ")"},
        {"group(", ")"},
        {"absent(", ")"},
        {"timestamp(", ")"},
        {"count_over_time((", ")[1m:15s])"},
        {"present_over_time((", ")[1m:15s])"},
        {"histogram_count((", ") or v)"},
        {"(", ") == bool n"},
        {"(", ") > 1"},
        {"abs(", ")"},
        {"max((", ") or v)"},
        {"sort(", ")"},
    };
    size_t index = random_below(maker->bytes, ARRAY_SIZE(calls));
    put(maker, calls[index][0]);
    make_native(maker, depth - 1);
    put(maker, calls[index][1]);
}

static void make_vector(struct maker *maker, unsigned depth)
{
    uint32_t dice = random_below(maker->bytes, 100);
    if (depth == 0 || dice < 8 || maker->out->len > QUERY_BYTES_MAX / 4) {
        put_selector(maker, NULL);
        put_shift(maker);
    } else if (dice < 12) {
        make_histogram_quantile(maker);
    } else if (dice < 18) {
        make_of_native(maker, depth);
    } else if (dice < 35) {
        make_range_call(maker, depth);
    } else if (dice < 55) {
        make_aggregate(maker, depth);
    } else if (dice < 75) {
        make_binary(maker, depth);
    } else if (dice < 88) {
        make_with_scalar(maker, depth);
    } else {
        make_function(maker, depth);
    }
}

/* What differs in last digits stands here. true when it does. */
static bool make_query(struct maker *maker)
{
    struct random_bytes *bytes = maker->bytes;
    unsigned depth = 1 + random_below(bytes, DEPTH_MAX);
    if (!chance(bytes, 20)) {
        make_vector(maker, depth);
        return false;
    }
    if (chance(bytes, 40)) {
        put(maker, PICK(bytes, "(", "(", "histogram_stddev(", "histogram_stdvar("));
        make_native(maker, depth);
        put(maker, ")");
        return true;
    }
    bool range = chance(bytes, 60);
    put(maker, range ? PICK(bytes, "stddev_over_time(", "stdvar_over_time(", "deriv(",
                            "quantile_over_time(0.3, ", "quantile_over_time(2, ")
                     : PICK(bytes, "stddev by (job) (", "stdvar(", "quantile by (i) (0.7, ",
                            "quantile(-1, ", "sqrt("));
    if (range)
        make_range(maker, depth, NULL);
    else
        make_vector(maker, depth);
    put(maker, ")");
    return true;
}

/* the comparison */

struct comparison {
    struct buf *text;
    struct naive_evaluator naive;
    const struct promql_result *result;
    bool rounds;
    bool tolerant;
};

static bool values_equal(const struct comparison *comparison, double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    if (a == b)
        return true;
    double tolerance = comparison->rounds ? TOLERANCE_ROUNDED : TOLERANCE;
    return comparison->tolerant && fabs(a - b) <= tolerance * fmax(1, fmax(fabs(a), fabs(b)));
}

static bool has_one_of(struct slice text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_find(text, slice_str(words[i])) != SLICE_NONE)
            return true;
    }
    return false;
}

/* Can last digits differ, since values with long fractions are summed? */
static bool sums_fractions(struct slice text)
{
    static const char *const fractions[] = {"rate", "increase", "delta", "avg", " / "};
    static const char *const sums[] = {"sum", "avg"};
    return has_one_of(text, fractions, ARRAY_SIZE(fractions)) &&
           has_one_of(text, sums, ARRAY_SIZE(sums));
}

/* Can the last digit decide about more? Then a difference says nothing. */
static bool has_jumps(struct slice text)
{
    static const char *const jumps[] = {"ceil",    "floor",  "round", "sgn", "changes", "resets",
                                        "count_v", " % ",    " > ",   " < ", ">=",      "<=",
                                        "==",      "!= ",    "!=bool", "rate", "increase"};
    return has_one_of(text, jumps, ARRAY_SIZE(jumps));
}

/* Below these, selectors have hints of resets and no buckets, which is no part of the naive
 * evaluator: where two hints contradict each other there is no sum, and equal is what has equal
 * counts. */
static bool joins_outlines(struct slice text)
{
    static const char *const outlines[] = {"histogram_count", "histogram_sum", "histogram_avg"};
    static const char *const joins[] = {") + ", ") - ", ") == ", ") != "};
    return has_one_of(text, outlines, ARRAY_SIZE(outlines)) &&
           has_one_of(text, joins, ARRAY_SIZE(joins));
}

static bool differs(struct comparison *comparison, const struct labels *labels, int64_t at_ms,
                    double naive, double engine)
{
    buf_append_str(comparison->text, " differs in ");
    labels_print(labels, comparison->text);
    buf_printf(comparison->text, " at %lld ms: naive %.17g, engine %.17g", (long long)at_ms, naive,
               engine);
    return false;
}

static bool differs_in_histograms(struct comparison *comparison, const struct naive_sample *naive,
                                  int64_t at_ms, const struct histogram *engine)
{
    buf_append_str(comparison->text, " differs in ");
    labels_print(naive->labels, comparison->text);
    buf_printf(comparison->text, " at %lld ms: naive ", (long long)at_ms);
    histogram_print(naive->histogram, comparison->text);
    buf_append_str(comparison->text, ", engine ");
    histogram_print(engine, comparison->text);
    return false;
}

static const struct promql_row *find_row(const struct promql_result *result,
                                         const struct labels *labels, size_t step)
{
    for (size_t i = 0; i < result->row_count; i++) {
        if (labels_equal(result->rows[i].labels, labels) &&
            promql_bitmap_get(result->rows[i].present, step))
            return &result->rows[i];
    }
    return NULL;
}

static bool compare_step(struct comparison *comparison, size_t step, int64_t at_ms,
                         const struct naive_vector *naive)
{
    const struct promql_result *result = comparison->result;
    size_t present = 0;
    for (size_t i = 0; i < result->row_count; i++)
        present += promql_bitmap_get(result->rows[i].present, step);
    for (size_t i = 0; i < naive->len; i++) {
        const struct naive_sample *sample = &naive->items[i];
        const struct promql_row *row = find_row(result, sample->labels, step);
        if (row == NULL) {
            buf_append_str(comparison->text, " (the engine has nothing)");
            return differs(comparison, sample->labels, at_ms, sample->value, NAN);
        }
        const struct histogram *histogram = row->histograms == NULL ? NULL : row->histograms[step];
        if ((histogram != NULL) != (sample->histogram != NULL))
            return differs(comparison, sample->labels, at_ms, sample->value, NAN);
        if (histogram != NULL) {
            if (!naive_histograms_agree(&comparison->naive.arena, sample->histogram, histogram))
                return differs_in_histograms(comparison, sample, at_ms, histogram);
        } else if (!values_equal(comparison, sample->value, row->values[step]))
            return differs(comparison, sample->labels, at_ms, sample->value, row->values[step]);
    }
    if (present == naive->len)
        return true;
    buf_printf(comparison->text, " has %zu rows at %lld ms, naive %zu", present, (long long)at_ms,
               naive->len);
    return false;
}

/* A range query fails when one step does, and when series become alike at different steps. */
static bool compare_steps(struct comparison *comparison, const struct promql_expression *expression,
                          const struct promql_query *query, const struct errbuf *err,
                          struct random_outcome *out)
{
    size_t count = query->step_ms == 0
                       ? 1
                       : (size_t)((query->end_ms - query->start_ms) / query->step_ms) + 1;
    const char *error = NULL;
    for (size_t step = 0; step < count && error == NULL; step++) {
        int64_t at_ms = query->start_ms + (int64_t)step * query->step_ms;
        struct naive_vector vector;
        arena_reset(&comparison->naive.arena);
        if (!naive_evaluate(&comparison->naive, expression->root, at_ms, &vector))
            error = comparison->naive.error;
        else if (comparison->result != NULL && !compare_step(comparison, step, at_ms, &vector))
            return false;
        else
            out->points += vector.len;
    }
    out->failed = comparison->result == NULL;
    if ((error != NULL) == out->failed || (out->failed && strstr(err->text, "same labelset")))
        return true;
    buf_printf(comparison->text, ": naive says %s, the engine %s", error == NULL ? "fine" : error,
               out->failed ? err->text : "fine");
    return false;
}

static struct promql_query make_times(struct random_bytes *bytes)
{
    static const int64_t steps_ms[] = {1000, 7000, 15000, 30000, 60000};
    struct promql_query query = {.start_ms = (int64_t)random_below(bytes, 1000) * 1000};
    query.end_ms = query.start_ms;
    if (chance(bytes, 80)) {
        query.step_ms = steps_ms[random_below(bytes, ARRAY_SIZE(steps_ms))];
        query.end_ms += (int64_t)random_below(bytes, 12) * query.step_ms;
    }
    return query;
}

static bool check_with(struct random_bytes *bytes, struct fake_source *source,
                       struct promql_engine *engine, struct random_outcome *out,
                       struct buf *out_text)
{
    struct maker maker = {bytes, out_text};
    struct promql_query query = make_times(bytes);
    struct comparison comparison = {.text = out_text, .rounds = make_query(&maker)};
    struct promql_expression *expression;
    struct errbuf err = ERRBUF_INIT;
    if (promql_parse(buf_slice(out_text), 0, &expression, &err) != ERR_NONE) {
        buf_printf(out_text, ": %s", err.text);
        return false;
    }
    bool is_fractional = sums_fractions(buf_slice(out_text));
    bool is_unsure =
        (is_fractional && has_jumps(buf_slice(out_text))) || joins_outlines(buf_slice(out_text));
    comparison.tolerant = comparison.rounds || is_fractional;
    query.expression = expression;
    query.source = &source->source;
    struct promql_result *result = NULL;
    if (promql_evaluate(engine, &query, &result, &err) != ERR_NONE)
        result = NULL;
    naive_init(&comparison.naive, source);
    comparison.naive.query_start_ms = query.start_ms;
    comparison.naive.query_end_ms = query.end_ms;
    comparison.result = result;
    bool same = compare_steps(&comparison, expression, &query, &err, out);
    naive_release(&comparison.naive);
    promql_result_free(result);
    promql_expression_free(expression);
    return same || is_unsure;
}

struct fake_source *random_query_data(struct random_bytes *bytes)
{
    struct fake_source *source = fake_source_new();
    struct random_bytes data = {.state = 0x9e3779b97f4a7c15u * (1 + random_below(bytes, 65536))};
    add_metric(&data, source, "c_total", true, false);
    add_metric(&data, source, "v", false, false);
    add_metric(&data, source, "w", false, false);
    add_metric(&data, source, "d", false, true);
    add_histogram(&data, source, "x");
    add_histogram(&data, source, "y");
    add_native(&data, source, "x");
    add_native(&data, source, "y");
    return source;
}

struct promql_query random_query_make(struct random_bytes *bytes, struct fake_source *source,
                                      struct promql_expression **out_expression,
                                      struct buf *out_text)
{
    struct maker maker = {bytes, out_text};
    struct promql_query query = make_times(bytes);
    buf_reset(out_text);
    (void)make_query(&maker);
    struct errbuf err = ERRBUF_INIT;
    enum err code = promql_parse(buf_slice(out_text), 0, out_expression, &err);
    ASSERT(code == ERR_NONE);
    query.expression = *out_expression;
    query.source = &source->source;
    return query;
}

bool random_query_check(struct random_bytes *bytes, struct random_outcome *out,
                        struct buf *out_text)
{
    *out = (struct random_outcome){0};
    buf_reset(out_text);
    struct fake_source *source = random_query_data(bytes);
    struct promql_engine *engine = promql_engine_new(&(struct promql_engine_options){0});
    bool same = check_with(bytes, source, engine, out, out_text);
    promql_engine_free(engine);
    ASSERT(source->open_views == 0);
    fake_source_free(source);
    return same;
}
