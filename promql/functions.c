/* The table of functions, sorted by name. */
#include "promql/functions.h"

#include "base/assert.h"
#include "base/compiler.h"
#include "promql/ast.h"
#include "promql/spelling.h"

#define V PROMQL_VECTOR
#define M PROMQL_MATRIX
#define S PROMQL_SCALAR
#define T PROMQL_STRING
#define STABLE false
#define EXPERIMENTAL true

/* id, name, is it experimental, variadic, result, arguments */
#define ROW(id_, name_, experimental_, variadic_, result_, ...)                                    \
    {                                                                                              \
        .id = FUNCTION_##id_, .name = (name_), .result = (result_),                                \
        .experimental = (experimental_), .variadic = (variadic_),                                  \
        .argument_count = sizeof((enum promql_type[]){__VA_ARGS__}) / sizeof(enum promql_type),    \
        .arguments = {__VA_ARGS__},                                                                \
    }

/* clang-format off */
static const struct function_signature functions[] = {
    ROW(ABS, "abs", STABLE, 0, V, V),
    ROW(ABSENT, "absent", STABLE, 0, V, V),
    ROW(ABSENT_OVER_TIME, "absent_over_time", STABLE, 0, V, M),
    ROW(ACOS, "acos", STABLE, 0, V, V),
    ROW(ACOSH, "acosh", STABLE, 0, V, V),
    ROW(ASIN, "asin", STABLE, 0, V, V),
    ROW(ASINH, "asinh", STABLE, 0, V, V),
    ROW(ATAN, "atan", STABLE, 0, V, V),
    ROW(ATANH, "atanh", STABLE, 0, V, V),
    ROW(AVG_OVER_TIME, "avg_over_time", STABLE, 0, V, M),
    ROW(CEIL, "ceil", STABLE, 0, V, V),
    ROW(CHANGES, "changes", STABLE, 0, V, M),
    ROW(CLAMP, "clamp", STABLE, 0, V, V, S, S),
    ROW(CLAMP_MAX, "clamp_max", STABLE, 0, V, V, S),
    ROW(CLAMP_MIN, "clamp_min", STABLE, 0, V, V, S),
    ROW(COS, "cos", STABLE, 0, V, V),
    ROW(COSH, "cosh", STABLE, 0, V, V),
    ROW(COUNT_OVER_TIME, "count_over_time", STABLE, 0, V, M),
    ROW(DAY_OF_MONTH, "day_of_month", STABLE, 1, V, V),
    ROW(DAY_OF_WEEK, "day_of_week", STABLE, 1, V, V),
    ROW(DAY_OF_YEAR, "day_of_year", STABLE, 1, V, V),
    ROW(DAYS_IN_MONTH, "days_in_month", STABLE, 1, V, V),
    ROW(DEG, "deg", STABLE, 0, V, V),
    ROW(DELTA, "delta", STABLE, 0, V, M),
    ROW(DERIV, "deriv", STABLE, 0, V, M),
    ROW(DOUBLE_EXPONENTIAL_SMOOTHING, "double_exponential_smoothing", EXPERIMENTAL, 0, V, M, S, S),
    ROW(END, "end", EXPERIMENTAL, 0, S),
    ROW(EXP, "exp", STABLE, 0, V, V),
    ROW(FIRST_OVER_TIME, "first_over_time", STABLE, 0, V, M),
    ROW(FLOOR, "floor", STABLE, 0, V, V),
    ROW(HISTOGRAM_AVG, "histogram_avg", STABLE, 0, V, V),
    ROW(HISTOGRAM_COUNT, "histogram_count", STABLE, 0, V, V),
    ROW(HISTOGRAM_FRACTION, "histogram_fraction", STABLE, 0, V, S, S, V),
    ROW(HISTOGRAM_QUANTILE, "histogram_quantile", STABLE, 0, V, S, V),
    ROW(HISTOGRAM_QUANTILES, "histogram_quantiles", EXPERIMENTAL, 9, V, V, T, S, S),
    ROW(HISTOGRAM_STDDEV, "histogram_stddev", STABLE, 0, V, V),
    ROW(HISTOGRAM_STDVAR, "histogram_stdvar", STABLE, 0, V, V),
    ROW(HISTOGRAM_SUM, "histogram_sum", STABLE, 0, V, V),
    ROW(HOUR, "hour", STABLE, 1, V, V),
    ROW(IDELTA, "idelta", STABLE, 0, V, M),
    ROW(INCREASE, "increase", STABLE, 0, V, M),
    ROW(INFO, "info", EXPERIMENTAL, 1, V, V, V),
    ROW(IRATE, "irate", STABLE, 0, V, M),
    ROW(LABEL_JOIN, "label_join", STABLE, -1, V, V, T, T, T),
    ROW(LABEL_REPLACE, "label_replace", STABLE, 0, V, V, T, T, T, T),
    ROW(LAST_OVER_TIME, "last_over_time", STABLE, 0, V, M),
    ROW(LN, "ln", STABLE, 0, V, V),
    ROW(LOG10, "log10", STABLE, 0, V, V),
    ROW(LOG2, "log2", STABLE, 0, V, V),
    ROW(MAD_OVER_TIME, "mad_over_time", EXPERIMENTAL, 0, V, M),
    ROW(MAX_OF, "max_of", EXPERIMENTAL, 0, S, S, S),
    ROW(MAX_OVER_TIME, "max_over_time", STABLE, 0, V, M),
    ROW(MIN_OF, "min_of", EXPERIMENTAL, 0, S, S, S),
    ROW(MIN_OVER_TIME, "min_over_time", STABLE, 0, V, M),
    ROW(MINUTE, "minute", STABLE, 1, V, V),
    ROW(MONTH, "month", STABLE, 1, V, V),
    ROW(PI, "pi", STABLE, 0, S),
    ROW(PREDICT_LINEAR, "predict_linear", STABLE, 0, V, M, S),
    ROW(PRESENT_OVER_TIME, "present_over_time", STABLE, 0, V, M),
    ROW(QUANTILE_OVER_TIME, "quantile_over_time", STABLE, 0, V, S, M),
    ROW(RAD, "rad", STABLE, 0, V, V),
    ROW(RANGE, "range", EXPERIMENTAL, 0, S),
    ROW(RATE, "rate", STABLE, 0, V, M),
    ROW(RESETS, "resets", STABLE, 0, V, M),
    ROW(ROUND, "round", STABLE, 1, V, V, S),
    ROW(SCALAR, "scalar", STABLE, 0, S, V),
    ROW(SGN, "sgn", STABLE, 0, V, V),
    ROW(SIN, "sin", STABLE, 0, V, V),
    ROW(SINH, "sinh", STABLE, 0, V, V),
    ROW(SORT, "sort", STABLE, 0, V, V),
    ROW(SORT_BY_LABEL, "sort_by_label", EXPERIMENTAL, -1, V, V, T),
    ROW(SORT_BY_LABEL_DESC, "sort_by_label_desc", EXPERIMENTAL, -1, V, V, T),
    ROW(SORT_DESC, "sort_desc", STABLE, 0, V, V),
    ROW(SQRT, "sqrt", STABLE, 0, V, V),
    ROW(START, "start", EXPERIMENTAL, 0, S),
    ROW(START_TIMESTAMP, "start_timestamp", EXPERIMENTAL, 0, V, V),
    ROW(STDDEV_OVER_TIME, "stddev_over_time", STABLE, 0, V, M),
    ROW(STDVAR_OVER_TIME, "stdvar_over_time", STABLE, 0, V, M),
    ROW(STEP, "step", EXPERIMENTAL, 0, S),
    ROW(SUM_OVER_TIME, "sum_over_time", STABLE, 0, V, M),
    ROW(TAN, "tan", STABLE, 0, V, V),
    ROW(TANH, "tanh", STABLE, 0, V, V),
    ROW(TIME, "time", STABLE, 0, S),
    ROW(TIMESTAMP, "timestamp", STABLE, 0, V, V),
    ROW(TS_OF_FIRST_OVER_TIME, "ts_of_first_over_time", EXPERIMENTAL, 0, V, M),
    ROW(TS_OF_LAST_OVER_TIME, "ts_of_last_over_time", EXPERIMENTAL, 0, V, M),
    ROW(TS_OF_MAX_OVER_TIME, "ts_of_max_over_time", EXPERIMENTAL, 0, V, M),
    ROW(TS_OF_MIN_OVER_TIME, "ts_of_min_over_time", EXPERIMENTAL, 0, V, M),
    ROW(VECTOR, "vector", STABLE, 0, V, S),
    ROW(YEAR, "year", STABLE, 1, V, V),
};
/* clang-format on */

const struct function_signature *function_find(struct slice name)
{
    size_t low = 0;
    size_t high = ARRAY_SIZE(functions);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_cmp(slice_str(functions[middle].name), name);
        if (order == 0)
            return &functions[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct function_signature *function_at(size_t index)
{
    ASSERT(index < ARRAY_SIZE(functions));
    return &functions[index];
}

struct slice function_suggest(struct slice name)
{
    if (slice_eq_str(name, "holt_winters"))
        return SLICE("double_exponential_smoothing");
    struct spelling spelling;
    spelling_init(&spelling, name);
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++)
        spelling_consider(&spelling, slice_str(functions[i].name));
    for (enum aggregate_kind op = AGGREGATE_SUM; op <= AGGREGATE_LIMIT_RATIO; op++)
        spelling_consider(&spelling, slice_str(aggregate_name(op)));
    return spelling.best;
}
