/* Names of operators and aggregations. */
#include "promql/ast.h"

#include "base/assert.h"
#include "base/compiler.h"

static const char *const operator_texts[] = {
    [OPERATOR_ADD] = "+",
    [OPERATOR_SUB] = "-",
    [OPERATOR_MUL] = "*",
    [OPERATOR_DIV] = "/",
    [OPERATOR_MOD] = "%",
    [OPERATOR_POW] = "^",
    [OPERATOR_ATAN2] = "atan2",
    [OPERATOR_EQUAL] = "==",
    [OPERATOR_NOT_EQUAL] = "!=",
    [OPERATOR_LESS] = "<",
    [OPERATOR_LESS_EQUAL] = "<=",
    [OPERATOR_GREATER] = ">",
    [OPERATOR_GREATER_EQUAL] = ">=",
    [OPERATOR_AND] = "and",
    [OPERATOR_OR] = "or",
    [OPERATOR_UNLESS] = "unless",
    [OPERATOR_TRIM_UPPER] = "</",
    [OPERATOR_TRIM_LOWER] = ">/",
};

static const char *const aggregate_names[] = {
    [AGGREGATE_SUM] = "sum",           [AGGREGATE_AVG] = "avg",
    [AGGREGATE_COUNT] = "count",       [AGGREGATE_MIN] = "min",
    [AGGREGATE_MAX] = "max",           [AGGREGATE_GROUP] = "group",
    [AGGREGATE_STDDEV] = "stddev",     [AGGREGATE_STDVAR] = "stdvar",
    [AGGREGATE_TOPK] = "topk",         [AGGREGATE_BOTTOMK] = "bottomk",
    [AGGREGATE_QUANTILE] = "quantile", [AGGREGATE_COUNT_VALUES] = "count_values",
    [AGGREGATE_LIMITK] = "limitk",     [AGGREGATE_LIMIT_RATIO] = "limit_ratio",
};

const char *operator_text(enum operator_kind op)
{
    ASSERT((size_t)op < ARRAY_SIZE(operator_texts));
    return operator_texts[op];
}

bool operator_is_comparison(enum operator_kind op)
{
    return op >= OPERATOR_EQUAL && op <= OPERATOR_GREATER_EQUAL;
}

bool operator_is_set(enum operator_kind op)
{
    return op >= OPERATOR_AND && op <= OPERATOR_UNLESS;
}

const char *aggregate_name(enum aggregate_kind op)
{
    ASSERT((size_t)op < ARRAY_SIZE(aggregate_names));
    return aggregate_names[op];
}

bool aggregate_has_parameter(enum aggregate_kind op)
{
    return op >= AGGREGATE_TOPK;
}
