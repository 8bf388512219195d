/*
 * The type check: fills in the type of every node, children first, and reports the first thing that
 * does not fit, in the reference's order and words.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/quote.h"
#include "promql/advice.h"
#include "promql/functions.h"
#include "promql/parser.h"

static bool check_node(const struct lexer *lexer, struct node *node);

#define HINT_RANGE                                                                                 \
    "operators have no ranges and strings: make one value of a range first: rate(up[5m])"

/* Go's %q of a text, to be released. */
static struct buf quoted_text(struct slice text)
{
    struct buf quoted;
    buf_init(&quoted, BUF_SIZE_ANY);
    quote_go(text, &quoted);
    return quoted;
}

static bool fail_at(const struct lexer *lexer, const struct node *node, const char *text,
                    const char *hint)
{
    lexer_report(lexer, node->start, "%s", text);
    lexer_hint(lexer, "%s", hint);
    return false;
}

static bool expect_type(const struct lexer *lexer, struct node *node, enum promql_type type,
                        const char *context, const struct function_signature *function)
{
    if (!check_node(lexer, node))
        return false;
    if (node->type == type)
        return true;
    lexer_report(lexer, node->start, "expected type %s in %s, got %s",
                 promql_type_documented_name(type), context,
                 promql_type_documented_name(node->type));
    advice_type(lexer, node, type, function);
    return false;
}

static bool check_aggregate(const struct lexer *lexer, struct node *node)
{
    if (!expect_type(lexer, node->children[0], PROMQL_VECTOR, "aggregation expression", NULL))
        return false;
    node->type = PROMQL_VECTOR;
    if (node->child_count == 1)
        return true;
    enum promql_type parameter =
        node->aggregate.op == AGGREGATE_COUNT_VALUES ? PROMQL_STRING : PROMQL_SCALAR;
    return expect_type(lexer, node->children[1], parameter, "aggregation parameter", NULL);
}

/* The place of an operator: the first byte behind the left side that is no white space. */
static bool fail_at_operator(const struct lexer *lexer, const struct node *node, const char *text,
                             const char *hint)
{
    uint32_t position = node->children[0]->end;
    while (position < lexer->text.len && position < node->binary.op_start &&
           memchr(" \t\r\n", lexer->text.ptr[position], 4) != NULL)
        position++;
    lexer_report(lexer, position, "%s", text);
    lexer_hint(lexer, "%s", hint);
    return false;
}

static bool check_label_clauses(const struct lexer *lexer, const struct node *node)
{
    if (!node->binary.on)
        return true;
    for (size_t i = 0; i < node->binary.matching_count; i++) {
        for (size_t j = 0; j < node->binary.include_count; j++) {
            struct slice label = node->binary.matching[i];
            if (!slice_eq(label, node->binary.include[j]))
                continue;
            struct buf quoted CLEANUP(buf_release) = quoted_text(label);
            struct buf text CLEANUP(buf_release);
            buf_init(&text, BUF_SIZE_ANY);
            buf_printf(&text, "label %s must not occur in ON and GROUP clause at once",
                       buf_cstr(&quoted));
            return fail_at_operator(
                lexer, node, buf_cstr(&text),
                "labels of on (...) are kept anyway: take it out of the other list");
        }
    }
    return true;
}

static bool is_scalar_or_vector(const struct node *node)
{
    return node->type == PROMQL_SCALAR || node->type == PROMQL_VECTOR;
}

/* What only two vectors may have. */
static bool check_matching(const struct lexer *lexer, struct node *node)
{
    bool fills = node->binary.has_fill_left || node->binary.has_fill_right;
    bool is_set = operator_is_set(node->binary.op);
    node->binary.has_matching =
        node->children[0]->type == PROMQL_VECTOR && node->children[1]->type == PROMQL_VECTOR;
    if (!node->binary.has_matching) {
        if (node->binary.matching_count > 0)
            return fail_at(lexer, node, "vector matching only allowed between instant vectors",
                           "a number has no labels: take the labels away");
        if (fills)
            return fail_at(lexer, node,
                           "filling in missing series only allowed between instant vectors",
                           "a number is never missing: take fill away");
        if (!is_set)
            return true;
        lexer_report(lexer, node->start,
                     "set operator \"%s\" not allowed in binary scalar expression",
                     operator_text(node->binary.op));
        lexer_hint(lexer, "vector(1) makes a vector of a number");
        return false;
    }
    if (!is_set)
        return true;
    if (node->binary.cardinality != MATCH_MANY_TO_MANY) {
        lexer_report(lexer, node->start, "no grouping allowed for \"%s\" operation",
                     operator_text(node->binary.op));
        lexer_hint(lexer, "\"%s\" takes series as they are: take group_left or group_right away",
                   operator_text(node->binary.op));
        return false;
    }
    return !fills || fail_at(lexer, node, "filling in missing series not allowed for set operators",
                             "take fill away");
}

static bool check_binary(const struct lexer *lexer, struct node *node)
{
    struct node *lhs = node->children[0];
    struct node *rhs = node->children[1];
    if (!check_node(lexer, lhs) || !check_node(lexer, rhs))
        return false;
    bool scalars = lhs->type == PROMQL_SCALAR && rhs->type == PROMQL_SCALAR;
    bool comparison = operator_is_comparison(node->binary.op);
    node->type = scalars ? PROMQL_SCALAR : PROMQL_VECTOR;
    if (node->binary.return_bool && !comparison)
        return fail_at_operator(lexer, node,
                                "bool modifier can only be used on comparison operators",
                                "take \"bool\" away");
    if (comparison && scalars && !node->binary.return_bool)
        return fail_at_operator(lexer, node, "comparisons between scalars must use BOOL modifier",
                                "write 1 == bool 1");
    if (operator_is_set(node->binary.op) && node->binary.cardinality == MATCH_ONE_TO_ONE)
        node->binary.cardinality = MATCH_MANY_TO_MANY;
    if (!check_label_clauses(lexer, node))
        return false;
    if (!is_scalar_or_vector(lhs) || !is_scalar_or_vector(rhs))
        return fail_at(lexer, is_scalar_or_vector(lhs) ? rhs : lhs,
                       "binary expression must contain only scalar and instant vector types",
                       HINT_RANGE);
    return check_matching(lexer, node);
}

static bool check_argument_count(const struct lexer *lexer, const struct node *node)
{
    const struct function_signature *function = node->call.function;
    size_t listed = function->argument_count;
    const char *bound = NULL;
    size_t expected = listed;
    if (function->variadic == 0) {
        bound = node->child_count == listed ? NULL : "";
    } else {
        expected = listed - 1;
        size_t most = expected + (size_t)MAX(function->variadic, 0);
        if (node->child_count < expected) {
            bound = "at least ";
        } else if (function->variadic > 0 && node->child_count > most) {
            bound = "at most ";
            expected = most;
        }
    }
    if (bound == NULL)
        return true;
    lexer_report(lexer, node->start, "expected %s%zu argument(s) in call to \"%s\", got %zu", bound,
                 expected, function->name, node->child_count);
    advice_signature(lexer, function);
    return false;
}

/* The type of a tree that has not been checked. */
static enum promql_type type_unchecked(const struct node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_DURATION:
        return PROMQL_SCALAR;
    case NODE_STRING:
        return PROMQL_STRING;
    case NODE_MATRIX_SELECTOR:
    case NODE_SUBQUERY:
        return PROMQL_MATRIX;
    case NODE_PAREN:
    case NODE_UNARY:
        return type_unchecked(node->children[0]);
    case NODE_BINARY:
        if (type_unchecked(node->children[0]) != PROMQL_SCALAR)
            return PROMQL_VECTOR;
        return type_unchecked(node->children[1]) == PROMQL_SCALAR ? PROMQL_SCALAR : PROMQL_VECTOR;
    case NODE_CALL:
        return node->call.function->result;
    default:
        return PROMQL_VECTOR;
    }
}

/* The second argument of info is a selector without a name, which may match everything. */
static bool check_info(const struct lexer *lexer, struct node *node)
{
    struct node *selector = node->children[1];
    enum promql_type type = type_unchecked(selector);
    if (type != PROMQL_VECTOR) {
        lexer_report(lexer, node->start,
                     "expected type instant vector in call to function \"info\", got %s",
                     promql_type_documented_name(type));
        return false;
    }
    if (selector->kind != NODE_VECTOR_SELECTOR)
        return fail_at(lexer, selector, "expected label selectors only",
                       "write the labels in braces: info(up, {version=~\".+\"})");
    if (selector->selector.name.len > 0)
        return fail_at(lexer, selector,
                       "expected label selectors only, got vector selector instead",
                       "write the labels in braces without a name: info(up, {version=~\".+\"})");
    selector->type = PROMQL_VECTOR;
    return true;
}

static bool check_call(const struct lexer *lexer, struct node *node)
{
    const struct function_signature *function = node->call.function;
    node->type = function->result;
    if (!check_argument_count(lexer, node))
        return false;
    bool info = function->id == FUNCTION_INFO && node->child_count > 1;
    if (info && !check_info(lexer, node))
        return false;
    char context[96];
    snprintf(context, sizeof(context), "call to function \"%s\"", function->name);
    for (size_t i = 0; i < (info ? 1 : node->child_count); i++) {
        enum promql_type type = function->arguments[MIN(i, function->argument_count - 1)];
        if (!expect_type(lexer, node->children[i], type, context, function))
            return false;
    }
    return true;
}

static bool check_unary(const struct lexer *lexer, struct node *node)
{
    struct node *operand = node->children[0];
    if (!check_node(lexer, operand))
        return false;
    node->type = operand->type;
    if (is_scalar_or_vector(operand))
        return true;
    lexer_report(lexer, node->start,
                 "unary expression only allowed on expressions of type scalar or instant vector, "
                 "got \"%s\"",
                 promql_type_documented_name(operand->type));
    lexer_hint(lexer, "%s", HINT_RANGE);
    return false;
}

static bool check_selector(const struct lexer *lexer, struct node *node)
{
    node->type = PROMQL_VECTOR;
    bool named = node->selector.name.len > 0;
    /* the name's own matcher is the last */
    size_t count = node->selector.matcher_count - (named ? 1 : 0);
    for (size_t i = 0; i < count; i++) {
        const struct matcher *matcher = node->selector.matchers[i];
        if (!named && !matcher_matches_empty(matcher))
            return true;
        if (!named || !slice_eq_str(matcher->name, LABEL_METRIC_NAME))
            continue;
        struct buf name CLEANUP(buf_release) = quoted_text(node->selector.name);
        struct buf value CLEANUP(buf_release) = quoted_text(matcher->value);
        lexer_report(lexer, node->start, "metric name must not be set twice: %s or %s",
                     buf_cstr(&name), buf_cstr(&value));
        lexer_hint(lexer, "take one of them away");
        return false;
    }
    return named ||
           fail_at(lexer, node, "vector selector must contain at least one non-empty matcher",
                   "add the name of a metric, or a matcher that an empty value does not fit: "
                   "{job=~\".+\"}");
}

static bool check_subquery(const struct lexer *lexer, struct node *node)
{
    struct node *operand = node->children[0];
    node->type = PROMQL_MATRIX;
    if (!check_node(lexer, operand))
        return false;
    if (operand->type == PROMQL_VECTOR)
        return true;
    lexer_report(lexer, node->start, "subquery is only allowed on instant vector, got %s instead",
                 promql_type_name(operand->type));
    lexer_hint(lexer, operand->type == PROMQL_MATRIX
                          ? "make one value of the range first: max_over_time(up[5m])[1h:]"
                          : "vector(...) makes a vector of a number");
    return false;
}

static bool check_node(const struct lexer *lexer, struct node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
    case NODE_DURATION:
        node->type = PROMQL_SCALAR;
        return true;
    case NODE_STRING:
        node->type = PROMQL_STRING;
        return true;
    case NODE_VECTOR_SELECTOR:
        return check_selector(lexer, node);
    case NODE_MATRIX_SELECTOR:
        node->type = PROMQL_MATRIX;
        return check_selector(lexer, node->children[0]);
    case NODE_SUBQUERY:
        return check_subquery(lexer, node);
    case NODE_PAREN: {
        bool valid = check_node(lexer, node->children[0]);
        node->type = node->children[0]->type;
        return valid;
    }
    case NODE_UNARY:
        return check_unary(lexer, node);
    case NODE_BINARY:
        return check_binary(lexer, node);
    case NODE_CALL:
        return check_call(lexer, node);
    case NODE_AGGREGATE:
        return check_aggregate(lexer, node);
    }
    ASSERT(false);
    return false;
}

bool type_check(const struct lexer *lexer, struct node *root)
{
    return check_node(lexer, root);
}
