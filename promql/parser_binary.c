/* Unary and binary operators, with precedence climbing, and the matching behind an operator. */
#include "promql/parser.h"

#include <assert.h>

#include "base/assert.h"
#include "promql/promql.h"

/*
 * From loose to tight: or; and unless; comparisons; + -; * / % atan2 and unary signs; ^, which
 * alone groups to the right. What stands behind an operand in brackets, offset and @ binds tighter
 * than all.
 */
#define PRECEDENCE_LOOSEST 1
#define PRECEDENCE_POW 6

static unsigned precedence_of(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_OR:
        return PRECEDENCE_LOOSEST;
    case TOKEN_AND:
    case TOKEN_UNLESS:
        return 2;
    case TOKEN_EQUAL_EQUAL:
    case TOKEN_NOT_EQUAL:
    case TOKEN_LESS:
    case TOKEN_LESS_EQUAL:
    case TOKEN_GREATER:
    case TOKEN_GREATER_EQUAL:
    case TOKEN_TRIM_UPPER:
    case TOKEN_TRIM_LOWER:
        return 3;
    case TOKEN_ADD:
    case TOKEN_SUB:
        return 4;
    case TOKEN_MUL:
    case TOKEN_DIV:
    case TOKEN_MOD:
    case TOKEN_ATAN2:
        return 5;
    case TOKEN_POW:
        return PRECEDENCE_POW;
    default:
        return 0;
    }
}

static enum operator_kind operator_of(enum token_kind kind)
{
    ASSERT(kind >= TOKEN_ADD && kind <= TOKEN_TRIM_LOWER);
    return OPERATOR_ADD + (kind - TOKEN_ADD);
}
static_assert(TOKEN_TRIM_LOWER - TOKEN_ADD == OPERATOR_TRIM_LOWER - OPERATOR_ADD,
              "operators have the same order as tokens and in the tree");

static struct node *parse_binary(struct parser *parser, unsigned precedence_min);

/* A sign binds like *, so that -2^2 is -(2^2). */
static struct node *parse_unary(struct parser *parser)
{
    enum token_kind kind = parser_peek(parser);
    if (kind != TOKEN_ADD && kind != TOKEN_SUB) {
        struct node *primary = parse_primary(parser);
        return primary == NULL ? NULL : parse_modifiers(parser, primary);
    }
    struct token sign = parser_take(parser);
    struct node *operand = parse_binary(parser, PRECEDENCE_POW);
    if (operand == NULL)
        return NULL;
    if (operand->kind == NODE_NUMBER) {
        if (kind == TOKEN_SUB)
            operand->number.value = -operand->number.value;
        operand->start = sign.start;
        return operand;
    }
    struct node *node = parser_parent(parser, NODE_UNARY, sign.start, operand->end, operand);
    if (node != NULL)
        node->unary.op = kind == TOKEN_SUB ? OPERATOR_SUB : OPERATOR_ADD;
    return node;
}

/* fill (0), fill_left (0), fill_right (-1): what is behind the keyword. */
static bool parse_fill_value(struct parser *parser, double *out)
{
    static const char hint[] = "write a number in parentheses: fill(0)";
    if (parser_accept(parser, TOKEN_LEFT_PAREN)) {
        enum token_kind kind = parser_peek(parser);
        bool number = kind == TOKEN_ADD || kind == TOKEN_SUB || kind == TOKEN_NUMBER ||
                      kind == TOKEN_DURATION;
        if (number && !parse_signed_number(parser, NULL, NULL, out))
            return false;
        if (number && parser_accept(parser, TOKEN_RIGHT_PAREN))
            return true;
    }
    parser_unexpected_hint(parser, hint);
    return false;
}

static bool parse_fill_left(struct parser *parser, struct node *node)
{
    node->binary.has_fill_left = true;
    return parse_fill_value(parser, &node->binary.fill_left);
}

static bool parse_fill_right(struct parser *parser, struct node *node)
{
    node->binary.has_fill_right = true;
    return parse_fill_value(parser, &node->binary.fill_right);
}

static bool parse_fill(struct parser *parser, struct node *node)
{
    if (parser_accept(parser, TOKEN_FILL)) {
        if (!parse_fill_left(parser, node))
            return false;
        node->binary.has_fill_right = true;
        node->binary.fill_right = node->binary.fill_left;
        return true;
    }
    if (parser_accept(parser, TOKEN_FILL_LEFT))
        return parse_fill_left(parser, node) &&
               (!parser_accept(parser, TOKEN_FILL_RIGHT) || parse_fill_right(parser, node));
    if (parser_accept(parser, TOKEN_FILL_RIGHT))
        return parse_fill_right(parser, node) &&
               (!parser_accept(parser, TOKEN_FILL_LEFT) || parse_fill_left(parser, node));
    return true;
}

/* group_left (a, b): the labels may be left out where what follows cannot be taken for them. */
static bool parse_group(struct parser *parser, struct node *node)
{
    enum token_kind kind = parser_peek(parser);
    if (kind != TOKEN_GROUP_LEFT && kind != TOKEN_GROUP_RIGHT)
        return true;
    (void)parser_take(parser);
    node->binary.cardinality = kind == TOKEN_GROUP_LEFT ? MATCH_MANY_TO_ONE : MATCH_ONE_TO_MANY;
    enum token_kind next = parser_peek(parser);
    bool goes_on =
        parser_starts_expression(next) || (next >= TOKEN_FILL && next <= TOKEN_FILL_RIGHT);
    if (goes_on && next != TOKEN_LEFT_PAREN)
        return true;
    return parse_labels(parser, &node->binary.include, &node->binary.include_count);
}

/* bool, on or ignoring, group_left or group_right, fill: behind the operator, in this order. */
static bool parse_matching(struct parser *parser, struct node *node)
{
    node->binary.return_bool = parser_accept(parser, TOKEN_BOOL);
    enum token_kind kind = parser_peek(parser);
    if (kind == TOKEN_ON || kind == TOKEN_IGNORING) {
        (void)parser_take(parser);
        node->binary.on = kind == TOKEN_ON;
        if (!parse_labels(parser, &node->binary.matching, &node->binary.matching_count))
            return false;
        if (!parse_group(parser, node))
            return false;
    }
    return parse_fill(parser, node);
}

/* The operator that is next and its right operand. */
static struct node *parse_operation(struct parser *parser, struct node *lhs)
{
    struct token op = parser_take(parser);
    unsigned precedence = precedence_of(op.kind);
    struct node modifiers = {0};
    if (!parse_matching(parser, &modifiers))
        return NULL;
    struct node *rhs = parse_binary(parser, op.kind == TOKEN_POW ? precedence : precedence + 1);
    if (rhs == NULL)
        return NULL;
    if (modifiers.binary.has_fill_left || modifiers.binary.has_fill_right) {
        if (!(parser->features & PROMQL_FILL_MODIFIERS))
            return parser_fail(parser, lhs->start,
                               "binop fill modifiers are experimental and not enabled");
    }
    size_t mark = parser->pending.len;
    vec_push(&parser->pending, lhs);
    vec_push(&parser->pending, rhs);
    struct node *node = parser_node(parser, NODE_BINARY, lhs->start, rhs->end, mark);
    if (node == NULL)
        return NULL;
    node->binary = modifiers.binary;
    node->binary.op = operator_of(op.kind);
    node->binary.op_start = op.start;
    node->binary.op_end = token_end(&op);
    return node;
}

static struct node *parse_operations(struct parser *parser, unsigned precedence_min)
{
    struct node *node = parse_unary(parser);
    while (node != NULL && precedence_of(parser_peek(parser)) >= precedence_min)
        node = parse_operation(parser, node);
    return node;
}

static struct node *parse_binary(struct parser *parser, unsigned precedence_min)
{
    /* looking at the next token here could put an error of the lexer before one that is due */
    if (!parser_enter(parser, parser->lexer.at))
        return NULL;
    struct node *node = parse_operations(parser, precedence_min);
    parser_leave(parser);
    return node;
}

struct node *parse_expression(struct parser *parser)
{
    return parse_binary(parser, PRECEDENCE_LOOSEST);
}
