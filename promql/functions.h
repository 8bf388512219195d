/*
 * The functions of PromQL: names, argument types and where they belong. The table is shared by the
 * type check, the engine and the API.
 */
#pragma once

#include "base/slice.h"
#include "promql/value.h"

#include <stdbool.h>
#include <stddef.h>

enum function_id {
    FUNCTION_ABS, FUNCTION_ABSENT, FUNCTION_ABSENT_OVER_TIME, FUNCTION_ACOS, FUNCTION_ACOSH,
    FUNCTION_ASIN, FUNCTION_ASINH, FUNCTION_ATAN, FUNCTION_ATANH, FUNCTION_AVG_OVER_TIME,
    FUNCTION_CEIL, FUNCTION_CHANGES, FUNCTION_CLAMP, FUNCTION_CLAMP_MAX, FUNCTION_CLAMP_MIN,
    FUNCTION_COS, FUNCTION_COSH, FUNCTION_COUNT_OVER_TIME, FUNCTION_DAYS_IN_MONTH,
    FUNCTION_DAY_OF_MONTH, FUNCTION_DAY_OF_WEEK, FUNCTION_DAY_OF_YEAR, FUNCTION_DEG, FUNCTION_DELTA,
    FUNCTION_DERIV, FUNCTION_DOUBLE_EXPONENTIAL_SMOOTHING, FUNCTION_END, FUNCTION_EXP,
    FUNCTION_FIRST_OVER_TIME, FUNCTION_FLOOR, FUNCTION_HISTOGRAM_AVG, FUNCTION_HISTOGRAM_COUNT,
    FUNCTION_HISTOGRAM_FRACTION, FUNCTION_HISTOGRAM_QUANTILE, FUNCTION_HISTOGRAM_QUANTILES,
    FUNCTION_HISTOGRAM_STDDEV, FUNCTION_HISTOGRAM_STDVAR, FUNCTION_HISTOGRAM_SUM, FUNCTION_HOUR,
    FUNCTION_IDELTA, FUNCTION_INCREASE, FUNCTION_INFO, FUNCTION_IRATE, FUNCTION_LABEL_JOIN,
    FUNCTION_LABEL_REPLACE, FUNCTION_LAST_OVER_TIME, FUNCTION_LN, FUNCTION_LOG10, FUNCTION_LOG2,
    FUNCTION_MAD_OVER_TIME, FUNCTION_MAX_OF, FUNCTION_MAX_OVER_TIME, FUNCTION_MINUTE,
    FUNCTION_MIN_OF, FUNCTION_MIN_OVER_TIME, FUNCTION_MONTH, FUNCTION_PI, FUNCTION_PREDICT_LINEAR,
    FUNCTION_PRESENT_OVER_TIME, FUNCTION_QUANTILE_OVER_TIME, FUNCTION_RAD, FUNCTION_RANGE,
    FUNCTION_RATE, FUNCTION_RESETS, FUNCTION_ROUND, FUNCTION_SCALAR, FUNCTION_SGN, FUNCTION_SIN,
    FUNCTION_SINH, FUNCTION_SORT, FUNCTION_SORT_BY_LABEL, FUNCTION_SORT_BY_LABEL_DESC,
    FUNCTION_SORT_DESC, FUNCTION_SQRT, FUNCTION_START, FUNCTION_START_TIMESTAMP,
    FUNCTION_STDDEV_OVER_TIME, FUNCTION_STDVAR_OVER_TIME, FUNCTION_STEP, FUNCTION_SUM_OVER_TIME,
    FUNCTION_TAN, FUNCTION_TANH, FUNCTION_TIME, FUNCTION_TIMESTAMP, FUNCTION_TS_OF_FIRST_OVER_TIME,
    FUNCTION_TS_OF_LAST_OVER_TIME, FUNCTION_TS_OF_MAX_OVER_TIME, FUNCTION_TS_OF_MIN_OVER_TIME,
    FUNCTION_VECTOR, FUNCTION_YEAR,
    FUNCTION_COUNT_ALL,
};

#define FUNCTION_ARGUMENTS_MAX 12

/*
 * variadic: 0 = exactly the arguments listed. n > 0 = the last one listed may be left out, and may
 * stand up to n times. -1 = the last one may be left out or stand any number of times. Arguments
 * beyond those listed have the type of the last.
 */
struct function_signature {
    enum function_id id;
    const char *name;
    enum promql_type result;
    bool experimental;
    int variadic;
    size_t argument_count;
    enum promql_type arguments[FUNCTION_ARGUMENTS_MAX];
};

/* NULL when there is none of that name. */
const struct function_signature *function_find(struct slice name);
/* One of FUNCTION_COUNT_ALL, in the order of names. */
const struct function_signature *function_at(size_t index);
/* The function or aggregation that was probably meant: a former name, or one that differs in a
 * letter or two. Empty where there is none. */
struct slice function_suggest(struct slice name);
