/* Literals, parentheses, function calls and aggregations. */
#include "promql/parser.h"

#include <assert.h>

#include "base/compiler.h"
#include "base/err.h"
#include "promql/advice.h"
#include "promql/functions.h"
#include "promql/literal.h"
#include "promql/promql.h"

bool parser_starts_expression(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_NUMBER:
    case TOKEN_DURATION:
    case TOKEN_STRING:
    case TOKEN_LEFT_PAREN:
    case TOKEN_LEFT_BRACE:
    case TOKEN_ADD:
    case TOKEN_SUB:
        return true;
    default:
        return token_is_metric_name(kind);
    }
}

struct node *parse_literal(struct parser *parser)
{
    struct token token = parser_take(parser);
    struct errbuf err = ERRBUF_INIT;
    double value;
    bool is_duration = token.kind == TOKEN_DURATION;
    enum err code = is_duration ? literal_duration(token.text, &value, &err)
                                : literal_number(token.text, &value, &err);
    if (code != ERR_NONE) {
        parser_fail(parser, token.start, "%s", err.text);
        if (is_duration)
            advice_duration(&parser->lexer, token.text);
        return NULL;
    }
    struct node *node = parser_leaf(parser, NODE_NUMBER, token.start, token_end(&token));
    if (node == NULL)
        return NULL;
    node->number.value = value;
    node->number.is_duration = is_duration;
    return node;
}

bool parse_signed_number(struct parser *parser, const char *context, const char *expected,
                         double *out)
{
    enum token_kind sign = parser_peek(parser);
    if (sign == TOKEN_ADD || sign == TOKEN_SUB)
        (void)parser_take(parser);
    enum token_kind kind = parser_peek(parser);
    if (kind != TOKEN_NUMBER && kind != TOKEN_DURATION) {
        parser_unexpected(parser, context, expected);
        return false;
    }
    struct node *literal = parse_literal(parser);
    if (literal == NULL)
        return false;
    *out = sign == TOKEN_SUB ? -literal->number.value : literal->number.value;
    return true;
}

static struct node *parse_string(struct parser *parser)
{
    struct token token = parser_take(parser);
    struct node *node = parser_leaf(parser, NODE_STRING, token.start, token_end(&token));
    if (node != NULL)
        node->string = literal_string(token.text, &parser->expression->arena);
    return node;
}

static struct node *parse_paren(struct parser *parser)
{
    struct token open = parser_take(parser);
    struct node *child = parse_expression(parser);
    if (child == NULL)
        return NULL;
    if (parser_peek(parser) != TOKEN_RIGHT_PAREN)
        return parser_unexpected(parser, NULL, NULL);
    struct token closing = parser_take(parser);
    return parser_parent(parser, NODE_PAREN, open.start, token_end(&closing), child);
}

/* The parenthesis with arguments, which are pushed to `pending`. false after reporting. */
static bool parse_arguments(struct parser *parser)
{
    if (!parser_accept(parser, TOKEN_LEFT_PAREN)) {
        parser_unexpected_hint(parser, "what is aggregated follows in parentheses: "
                                       "sum by (job) (up)");
        return false;
    }
    if (parser_accept(parser, TOKEN_RIGHT_PAREN))
        return true;
    for (;;) {
        struct node *argument = parse_expression(parser);
        if (argument == NULL)
            return false;
        vec_push(&parser->pending, argument);
        if (parser_accept(parser, TOKEN_RIGHT_PAREN))
            return true;
        if (parser_peek(parser) != TOKEN_COMMA) {
            parser_unexpected(parser, NULL, NULL);
            return false;
        }
        struct token comma = parser_take(parser);
        if (!parser_starts_expression(parser_peek(parser))) {
            parser_fail(parser, comma.start, "trailing commas not allowed in function call args");
            if (parser->token.kind != TOKEN_ERROR)
                parser_hint(parser, "an argument is missing behind it");
            return false;
        }
    }
}

static struct node *parse_call(struct parser *parser, struct token name)
{
    size_t mark = parser->pending.len;
    if (!parse_arguments(parser))
        return NULL;
    const struct function_signature *function = function_find(name.text);
    if (function == NULL) {
        parser_fail(parser, name.start, "unknown function with name %s",
                    parser_quoted(parser, name.text));
        struct slice meant = function_suggest(name.text);
        if (meant.len > 0)
            parser_hint(parser, "did you mean \"%.*s\"?", SLICE_ARG(meant));
        return NULL;
    }
    if (function->experimental && !(parser->features & PROMQL_EXPERIMENTAL_FUNCTIONS)) {
        parser_fail(parser, name.start, "function %s is not enabled",
                    parser_quoted(parser, name.text));
        parser_hint(parser, "the server must be started with "
                            "--enable-feature=promql-experimental-functions");
        return NULL;
    }
    struct node *node = parser_node(parser, NODE_CALL, name.start, parser->last_end, mark);
    if (node != NULL)
        node->call.function = function;
    return node;
}

/* Behind the arguments or before them: by (a, b) or without (a, b). */
static bool parse_grouping(struct parser *parser, struct node *modifiers, bool *out_found)
{
    enum token_kind kind = parser_peek(parser);
    *out_found = kind == TOKEN_BY || kind == TOKEN_WITHOUT;
    if (!*out_found)
        return true;
    (void)parser_take(parser);
    modifiers->aggregate.without = kind == TOKEN_WITHOUT;
    return parse_labels(parser, &modifiers->aggregate.grouping,
                        &modifiers->aggregate.grouping_count);
}

/* The arguments of an aggregation, with its grouping on one side of them. */
static bool parse_aggregate_body(struct parser *parser, struct node *modifiers)
{
    bool found;
    return parse_grouping(parser, modifiers, &found) && parse_arguments(parser) &&
           (found || parse_grouping(parser, modifiers, &found));
}

static const char *parameter_example(enum aggregate_kind op)
{
    switch (op) {
    case AGGREGATE_QUANTILE:
    case AGGREGATE_LIMIT_RATIO:
        return "0.9, ";
    case AGGREGATE_COUNT_VALUES:
        return "\"value\", ";
    default:
        return aggregate_has_parameter(op) ? "5, " : "";
    }
}

/* Puts the vector first and the parameter behind it. */
static bool order_arguments(struct parser *parser, struct token name, enum aggregate_kind op,
                            size_t mark)
{
    size_t count = parser->pending.len - mark;
    size_t expected = aggregate_has_parameter(op) ? 2 : 1;
    bool experimental = op == AGGREGATE_LIMITK || op == AGGREGATE_LIMIT_RATIO;
    if (count == 0) {
        parser_fail(parser, name.start, "no arguments for aggregate expression provided");
        parser_hint(parser, "write what is aggregated: %s(%sup)", aggregate_name(op),
                    parameter_example(op));
        return false;
    }
    if (experimental && !(parser->features & PROMQL_EXPERIMENTAL_FUNCTIONS)) {
        parser_fail(parser, name.start,
                    "%s() is experimental and must be enabled with "
                    "--enable-feature=promql-experimental-functions",
                    aggregate_name(op));
        return false;
    }
    if (count != expected) {
        parser_fail(parser, name.start,
                    "wrong number of arguments for aggregate expression provided, expected %zu, "
                    "got %zu",
                    expected, count);
        parser_hint(parser, "it is written %s(%sup)", aggregate_name(op), parameter_example(op));
        return false;
    }
    if (expected == 2) {
        void *parameter = parser->pending.items[mark];
        parser->pending.items[mark] = parser->pending.items[mark + 1];
        parser->pending.items[mark + 1] = parameter;
    }
    return true;
}

static struct node *parse_aggregate(struct parser *parser, struct token name)
{
    enum aggregate_kind op = AGGREGATE_SUM + (name.kind - TOKEN_SUM);
    size_t mark = parser->pending.len;
    struct node modifiers = {0};
    parser->aggregation_depth++;
    bool valid = parse_aggregate_body(parser, &modifiers);
    parser->aggregation_depth--;
    if (!valid || !order_arguments(parser, name, op, mark))
        return NULL;
    /* the token behind may have been looked at, and may be a closing one */
    struct node *node = parser_node(parser, NODE_AGGREGATE, name.start, parser->last_end, mark);
    if (node == NULL)
        return NULL;
    node->aggregate = modifiers.aggregate;
    node->aggregate.op = op;
    return node;
}
static_assert(TOKEN_LIMIT_RATIO - TOKEN_SUM == AGGREGATE_LIMIT_RATIO - AGGREGATE_SUM,
              "aggregations have the same order as tokens and in the tree");

/* What begins with a word. Most words can be metric names, also those of functions. */
static struct node *parse_word(struct parser *parser)
{
    struct token name = parser->token;
    bool callable = name.kind == TOKEN_IDENTIFIER || name.kind >= TOKEN_START;
    if (!callable && !token_is_aggregator(name.kind))
        return parse_selector(parser);
    (void)parser_take(parser);
    enum token_kind next = parser_peek(parser);
    if (callable && next == TOKEN_LEFT_PAREN)
        return parse_call(parser, name);
    if (token_is_aggregator(name.kind) &&
        (next == TOKEN_LEFT_PAREN || next == TOKEN_BY || next == TOKEN_WITHOUT))
        return parse_aggregate(parser, name);
    return parse_selector_named(parser, name);
}

struct node *parse_primary(struct parser *parser)
{
    switch (parser_peek(parser)) {
    case TOKEN_NUMBER:
    case TOKEN_DURATION:
        return parse_literal(parser);
    case TOKEN_STRING:
        return parse_string(parser);
    case TOKEN_LEFT_PAREN:
        return parse_paren(parser);
    case TOKEN_LEFT_BRACE:
        return parse_selector(parser);
    default:
        if (token_is_metric_name(parser->token.kind))
            return parse_word(parser);
        return parser_unexpected(parser, NULL, NULL);
    }
}
