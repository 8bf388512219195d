/*
 * The tokens of PromQL: their kinds, the keywords and how messages name them. The order of the
 * kinds matters: operators, aggregators, keywords and preprocessors are ranges.
 *
 * A token's text lies in the query's text and is valid as long as that is. Thread-safety: values.
 */
#pragma once

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum token_kind {
    TOKEN_EOF,
    TOKEN_ERROR, /* the lexer has reported it */
    /* with a text of their own */
    TOKEN_IDENTIFIER,
    TOKEN_METRIC_IDENTIFIER, /* with a colon */
    TOKEN_STRING,            /* with its quotes */
    TOKEN_NUMBER,
    TOKEN_DURATION,
    /* punctuation */
    TOKEN_LEFT_PAREN,
    TOKEN_RIGHT_PAREN,
    TOKEN_LEFT_BRACE,
    TOKEN_RIGHT_BRACE,
    TOKEN_LEFT_BRACKET,
    TOKEN_RIGHT_BRACKET,
    TOKEN_COMMA,
    TOKEN_COLON,
    TOKEN_EQUAL, /* = of matchers */
    /* operators */
    TOKEN_ADD,
    TOKEN_SUB,
    TOKEN_MUL,
    TOKEN_DIV,
    TOKEN_MOD,
    TOKEN_POW,
    TOKEN_ATAN2,
    TOKEN_EQUAL_EQUAL,
    TOKEN_NOT_EQUAL,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_UNLESS,
    TOKEN_TRIM_UPPER,
    TOKEN_TRIM_LOWER,
    TOKEN_REGEX_MATCH,
    TOKEN_REGEX_NO_MATCH,
    TOKEN_AT,
    /* aggregators, in the order of enum aggregate_kind */
    TOKEN_SUM,
    TOKEN_AVG,
    TOKEN_COUNT,
    TOKEN_MIN,
    TOKEN_MAX,
    TOKEN_GROUP,
    TOKEN_STDDEV,
    TOKEN_STDVAR,
    TOKEN_TOPK,
    TOKEN_BOTTOMK,
    TOKEN_QUANTILE,
    TOKEN_COUNT_VALUES,
    TOKEN_LIMITK,
    TOKEN_LIMIT_RATIO,
    /* keywords */
    TOKEN_BOOL,
    TOKEN_BY,
    TOKEN_GROUP_LEFT,
    TOKEN_GROUP_RIGHT,
    TOKEN_FILL,
    TOKEN_FILL_LEFT,
    TOKEN_FILL_RIGHT,
    TOKEN_IGNORING,
    TOKEN_OFFSET,
    TOKEN_SMOOTHED,
    TOKEN_ANCHORED,
    TOKEN_ON,
    TOKEN_WITHOUT,
    /* preprocessors: function names that the syntax knows too */
    TOKEN_START,
    TOKEN_END,
    TOKEN_STEP,
    TOKEN_RANGE,
    TOKEN_MAX_OF,
    TOKEN_MIN_OF,
};

struct token {
    enum token_kind kind;
    uint32_t start; /* byte offset in the query */
    struct slice text;
};

static inline uint32_t token_end(const struct token *token)
{
    return token->start + (uint32_t)token->text.len;
}

static inline bool token_is_operator(enum token_kind kind)
{
    return kind >= TOKEN_ADD && kind <= TOKEN_AT;
}
static inline bool token_is_aggregator(enum token_kind kind)
{
    return kind >= TOKEN_SUM && kind <= TOKEN_LIMIT_RATIO;
}
static inline bool token_is_keyword(enum token_kind kind)
{
    return kind >= TOKEN_BOOL && kind <= TOKEN_WITHOUT;
}

/* May it stand where a metric name is expected? Keywords and operators that are words may, but for
 * those that can follow an operator. */
bool token_is_metric_name(enum token_kind kind);
/* May it stand in by (...), on (...) and the like, unquoted? */
bool token_is_label_name(enum token_kind kind);

/* The kind of a word outside of braces, in any case: a keyword, TOKEN_NUMBER for inf and nan,
 * TOKEN_METRIC_IDENTIFIER with a colon inside, else TOKEN_IDENTIFIER. */
enum token_kind token_word(struct slice word);
/* step, range, max_of or min_of, as they stand inside brackets; else TOKEN_EOF. */
enum token_kind token_duration_word(struct slice word);

/* What messages call it: identifier "foo", <by>, <op:and>, <aggr:sum>, ")", end of input. */
void token_describe(const struct token *token, struct buf *out);
