/*
 * The syntax tree of PromQL. The parser builds it in an arena, the type check fills in `type`, and
 * the engine, the printer and the API's parse_query walk it. Immutable after promql_parse.
 *
 * Positions are byte offsets into the query's text: [start, end).
 */
#pragma once

#include "base/arena.h"
#include "base/slice.h"
#include "model/matcher.h"
#include "promql/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum node_kind {
    NODE_NUMBER,
    NODE_STRING,
    NODE_VECTOR_SELECTOR,
    NODE_MATRIX_SELECTOR, /* child 0: the vector selector */
    NODE_SUBQUERY,        /* child 0 */
    NODE_PAREN,           /* child 0 */
    NODE_UNARY,           /* child 0 */
    NODE_BINARY,          /* children 0 and 1 */
    NODE_CALL,            /* children: arguments */
    NODE_AGGREGATE,       /* child 0: the vector; child 1: the parameter, where there is one */
    NODE_DURATION,        /* a duration expression: number, operator or step()/range()/... */
};

enum operator_kind {
    OPERATOR_ADD,
    OPERATOR_SUB,
    OPERATOR_MUL,
    OPERATOR_DIV,
    OPERATOR_MOD,
    OPERATOR_POW,
    OPERATOR_ATAN2,
    OPERATOR_EQUAL,
    OPERATOR_NOT_EQUAL,
    OPERATOR_LESS,
    OPERATOR_LESS_EQUAL,
    OPERATOR_GREATER,
    OPERATOR_GREATER_EQUAL,
    OPERATOR_AND,
    OPERATOR_OR,
    OPERATOR_UNLESS,
    OPERATOR_TRIM_UPPER, /* </ */
    OPERATOR_TRIM_LOWER, /* >/ */
};

enum aggregate_kind {
    AGGREGATE_SUM,
    AGGREGATE_AVG,
    AGGREGATE_COUNT,
    AGGREGATE_MIN,
    AGGREGATE_MAX,
    AGGREGATE_GROUP,
    AGGREGATE_STDDEV,
    AGGREGATE_STDVAR,
    AGGREGATE_TOPK,
    AGGREGATE_BOTTOMK,
    AGGREGATE_QUANTILE,
    AGGREGATE_COUNT_VALUES,
    AGGREGATE_LIMITK,
    AGGREGATE_LIMIT_RATIO,
};

enum match_cardinality {
    MATCH_ONE_TO_ONE,
    MATCH_MANY_TO_ONE, /* group_left */
    MATCH_ONE_TO_MANY, /* group_right */
    MATCH_MANY_TO_MANY, /* set operators */
};

enum at_kind {
    AT_NONE,
    AT_TIME,  /* at_ms */
    AT_START, /* start() */
    AT_END,   /* end() */
};

enum selector_extension {
    SELECTOR_PLAIN,
    SELECTOR_ANCHORED,
    SELECTOR_SMOOTHED,
};

/* offset and @ of selectors and subqueries. offset_expression is NULL where it is a plain duration. */
struct node_shift {
    int64_t offset_ms;
    bool has_offset; /* one other than 0 was written, be it below a millisecond */
    const struct node *offset_expression;
    enum at_kind at;
    int64_t at_ms;
};

struct function_signature;

struct node {
    enum node_kind kind;
    enum promql_type type;
    uint32_t start;
    uint32_t end;
    uint32_t height; /* of the tree below, 1 for a leaf; at most PROMQL_HEIGHT_MAX */
    struct node **children;
    size_t child_count;
    union {
        struct {
            double value;
            bool is_duration; /* written as a duration: 5m; printed so */
        } number;
        struct slice string; /* unescaped */
        struct {
            struct slice name; /* metric name before the braces; empty if there is none */
            struct matcher **matchers; /* the name's matcher too; owned by the expression */
            size_t matcher_count;
            struct node_shift shift;
            enum selector_extension extension;
        } selector;
        struct {
            int64_t range_ms;
            const struct node *range_expression; /* NULL where it is a plain duration */
        } matrix; /* offset and @ are those of the child selector */
        struct {
            int64_t range_ms;
            int64_t step_ms; /* 0 = default */
            const struct node *range_expression;
            const struct node *step_expression;
            struct node_shift shift;
        } subquery;
        struct {
            enum operator_kind op; /* OPERATOR_SUB or OPERATOR_ADD */
        } unary;
        struct {
            enum operator_kind op;
            bool return_bool;
            bool has_matching; /* both sides are vectors */
            enum match_cardinality cardinality;
            bool on; /* matching labels were given by on(), else ignoring() */
            struct slice *matching;
            size_t matching_count;
            struct slice *include; /* labels of group_left/group_right */
            size_t include_count;
            bool has_fill_left;
            bool has_fill_right;
            double fill_left;
            double fill_right;
            uint32_t op_start; /* place of the operator in the text */
            uint32_t op_end;
        } binary;
        struct {
            const struct function_signature *function;
        } call;
        struct {
            enum aggregate_kind op;
            bool without;
            struct slice *grouping;
            size_t grouping_count;
        } aggregate;
        struct {
            enum duration_operator {
                DURATION_NUMBER, /* value_s */
                DURATION_ADD,
                DURATION_SUB,
                DURATION_MUL,
                DURATION_DIV,
                DURATION_MOD,
                DURATION_POW,
                DURATION_NEGATE,
                DURATION_STEP,
                DURATION_RANGE,
                DURATION_MIN_OF,
                DURATION_MAX_OF,
                DURATION_PAREN,
            } op;
            double value_s;
            bool is_duration; /* written as 5m */
        } duration; /* operands are children */
    };
};

struct promql_expression {
    struct arena arena;
    struct slice text;
    struct node *root;
    struct matcher **matchers; /* all, to be freed */
    size_t matcher_count;
    size_t matcher_capacity;
};

/* "+", "and", ... */
const char *operator_text(enum operator_kind op);
bool operator_is_comparison(enum operator_kind op);
bool operator_is_set(enum operator_kind op);
const char *aggregate_name(enum aggregate_kind op);
/* Does it take a parameter (topk, bottomk, quantile, count_values, limitk, limit_ratio)? */
bool aggregate_has_parameter(enum aggregate_kind op);
