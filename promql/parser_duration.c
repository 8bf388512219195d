/*
 * Durations in brackets and behind offset. A plain one stays NODE_NUMBER; operators, parentheses,
 * step(), range(), min_of() and max_of() make NODE_DURATION, whose leaves are NODE_DURATION too.
 */
#include "promql/parser.h"

#include <assert.h>

#include "base/assert.h"
#include "promql/literal.h"
#include "promql/promql.h"

#define PRECEDENCE_LOOSEST 1
#define PRECEDENCE_POW 3

/* What an unexpected token is told. */
struct duration_place {
    const char *context;
    const char *expected;
};

static struct node *duration_unexpected(struct parser *parser, const struct duration_place *place)
{
    return parser_unexpected(parser, place->context, place->expected);
}

static bool duration_enabled(struct parser *parser, uint32_t position)
{
    if (parser->features & PROMQL_DURATION_EXPRESSIONS)
        return true;
    parser_fail(parser, position, "experimental duration expression is not enabled");
    return false;
}

/* A number becomes a leaf of an expression. */
static struct node *duration_operand(struct node *node)
{
    if (node->kind != NODE_NUMBER)
        return node;
    double value_s = node->number.value;
    bool is_duration = node->number.is_duration;
    node->kind = NODE_DURATION;
    node->duration.op = DURATION_NUMBER;
    node->duration.value_s = value_s;
    node->duration.is_duration = is_duration;
    return node;
}

static struct node *duration_parent(struct parser *parser, enum duration_operator op,
                                    uint32_t start, struct node *operand)
{
    struct node *node =
        parser_parent(parser, NODE_DURATION, start, operand->end, duration_operand(operand));
    if (node != NULL)
        node->duration.op = op;
    return node;
}

/* Parentheses are kept for printing; two pairs are as good as one. */
static struct node *duration_wrap(struct parser *parser, struct node *operand, uint32_t start)
{
    if (operand->kind == NODE_DURATION && operand->duration.op == DURATION_PAREN)
        return operand;
    bool number = operand->kind == NODE_NUMBER;
    return duration_parent(parser, DURATION_PAREN, number ? start : operand->start, operand);
}

static struct node *duration_sign(struct parser *parser, struct token sign, struct node *operand)
{
    if (operand->kind == NODE_NUMBER) {
        if (sign.kind == TOKEN_SUB)
            operand->number.value = -operand->number.value;
        operand->start = sign.start;
        return operand;
    }
    if (sign.kind == TOKEN_ADD)
        return operand;
    return duration_parent(parser, DURATION_NEGATE, sign.start, operand);
}

static unsigned precedence_of(enum token_kind kind)
{
    switch (kind) {
    case TOKEN_ADD:
    case TOKEN_SUB:
        return PRECEDENCE_LOOSEST;
    case TOKEN_MUL:
    case TOKEN_DIV:
    case TOKEN_MOD:
        return 2;
    case TOKEN_POW:
        return PRECEDENCE_POW;
    default:
        return 0;
    }
}

static enum duration_operator operator_of(enum token_kind kind)
{
    ASSERT(kind >= TOKEN_ADD && kind <= TOKEN_POW);
    return DURATION_ADD + (kind - TOKEN_ADD);
}
static_assert(TOKEN_POW - TOKEN_ADD == DURATION_POW - DURATION_ADD,
              "operators have the same order as tokens and in the tree");

static struct node *parse_duration_binary(struct parser *parser, unsigned precedence_min,
                                          const struct duration_place *place);

static struct node *parse_duration_literal(struct parser *parser)
{
    struct node *number = parse_literal(parser);
    if (number != NULL && !literal_seconds_in_range(number->number.value))
        return parser_fail(parser, number->start, "duration out of range");
    return number;
}

/* min_of(a, b) and max_of(a, b) behind the name: the arguments go to `pending`. */
static bool parse_pair(struct parser *parser, const struct duration_place *place)
{
    for (int i = 0; i < 2; i++) {
        if (!parser_accept(parser, i == 0 ? TOKEN_LEFT_PAREN : TOKEN_COMMA)) {
            duration_unexpected(parser, place);
            return false;
        }
        struct node *argument = parse_duration_binary(parser, PRECEDENCE_LOOSEST, place);
        if (argument == NULL)
            return false;
        vec_push(&parser->pending, duration_operand(argument));
    }
    return true;
}

/* step(), range(), min_of(a, b), max_of(a, b). The reference counts the place of a pair from its
 * first argument, or from a sign. */
static struct node *parse_duration_call(struct parser *parser, const struct token *sign,
                                        const struct duration_place *place)
{
    static const enum duration_operator operators[] = {DURATION_STEP, DURATION_RANGE,
                                                       DURATION_MAX_OF, DURATION_MIN_OF};
    size_t mark = parser->pending.len;
    struct token name = parser_take(parser);
    ASSERT(name.kind >= TOKEN_STEP && name.kind <= TOKEN_MIN_OF);
    bool pair = name.kind == TOKEN_MIN_OF || name.kind == TOKEN_MAX_OF;
    if (pair && !parse_pair(parser, place))
        return NULL;
    if (!pair && !parser_accept(parser, TOKEN_LEFT_PAREN))
        return duration_unexpected(parser, place);
    if (!parser_accept(parser, TOKEN_RIGHT_PAREN))
        return duration_unexpected(parser, place);
    const struct node *first = pair ? parser->pending.items[mark] : NULL;
    uint32_t start = first == NULL ? name.start : first->start;
    if (!duration_enabled(parser, sign == NULL ? start : sign->start))
        return NULL;
    struct node *node = parser_node(parser, NODE_DURATION, start, parser->last_end, mark);
    if (node != NULL)
        node->duration.op = operators[name.kind - TOKEN_STEP];
    return node;
}

/* The content of parentheses, whose opening one is next. */
static struct node *parse_duration_inside(struct parser *parser, const struct duration_place *place)
{
    (void)parser_take(parser);
    struct node *inner = parse_duration_binary(parser, PRECEDENCE_LOOSEST, place);
    if (inner == NULL)
        return NULL;
    return parser_accept(parser, TOKEN_RIGHT_PAREN) ? inner : duration_unexpected(parser, place);
}

static struct node *parse_duration_paren(struct parser *parser, const struct duration_place *place)
{
    uint32_t start = parser->token.start;
    struct node *inner = parse_duration_inside(parser, place);
    if (inner == NULL || !duration_enabled(parser, inner->start))
        return NULL;
    return duration_wrap(parser, inner, start);
}

static struct node *parse_duration_unary(struct parser *parser, const struct duration_place *place)
{
    switch (parser_peek(parser)) {
    case TOKEN_NUMBER:
    case TOKEN_DURATION:
        return parse_duration_literal(parser);
    case TOKEN_STEP:
    case TOKEN_RANGE:
    case TOKEN_MAX_OF:
    case TOKEN_MIN_OF:
        return parse_duration_call(parser, NULL, place);
    case TOKEN_LEFT_PAREN:
        return parse_duration_paren(parser, place);
    case TOKEN_ADD:
    case TOKEN_SUB: {
        struct token sign = parser_take(parser);
        struct node *operand = parse_duration_binary(parser, PRECEDENCE_POW, place);
        return operand == NULL ? NULL : duration_sign(parser, sign, operand);
    }
    default:
        return duration_unexpected(parser, place);
    }
}

static struct node *parse_duration_operation(struct parser *parser, struct node *lhs,
                                             const struct duration_place *place)
{
    struct token op = parser_take(parser);
    unsigned precedence = precedence_of(op.kind);
    struct node *rhs =
        parse_duration_binary(parser, op.kind == TOKEN_POW ? precedence : precedence + 1, place);
    if (rhs == NULL || !duration_enabled(parser, lhs->start))
        return NULL;
    bool divides = op.kind == TOKEN_DIV || op.kind == TOKEN_MOD;
    if (divides && rhs->kind == NODE_NUMBER && rhs->number.value == 0)
        return parser_fail(parser, op.start, "%s by zero",
                           op.kind == TOKEN_DIV ? "division" : "modulo");
    size_t mark = parser->pending.len;
    vec_push(&parser->pending, duration_operand(lhs));
    vec_push(&parser->pending, duration_operand(rhs));
    struct node *node = parser_node(parser, NODE_DURATION, lhs->start, rhs->end, mark);
    if (node != NULL)
        node->duration.op = operator_of(op.kind);
    return node;
}

static struct node *parse_duration_operations(struct parser *parser, struct node *node,
                                              unsigned precedence_min,
                                              const struct duration_place *place)
{
    while (node != NULL && precedence_of(parser_peek(parser)) >= precedence_min)
        node = parse_duration_operation(parser, node, place);
    return node;
}

static struct node *parse_duration_binary(struct parser *parser, unsigned precedence_min,
                                          const struct duration_place *place)
{
    if (!parser_enter(parser, parser->lexer.at))
        return NULL;
    struct node *node = parse_duration_operations(parser, parse_duration_unary(parser, place),
                                                  precedence_min, place);
    parser_leave(parser);
    return node;
}

struct node *parse_duration(struct parser *parser, const char *context, const char *expected)
{
    struct duration_place place = {context, expected};
    return parse_duration_binary(parser, PRECEDENCE_LOOSEST, &place);
}

/* Behind offset and a sign. */
static struct node *parse_signed_offset(struct parser *parser, struct token sign,
                                        const struct duration_place *place)
{
    struct node *operand;
    switch (parser_peek(parser)) {
    case TOKEN_NUMBER:
    case TOKEN_DURATION:
        operand = parse_literal(parser);
        if (operand != NULL && !literal_seconds_in_range(operand->number.value))
            return parser_fail(parser, sign.start, "duration out of range");
        break;
    case TOKEN_STEP:
    case TOKEN_RANGE:
    case TOKEN_MAX_OF:
    case TOKEN_MIN_OF:
        operand = parse_duration_call(parser, &sign, place);
        break;
    case TOKEN_LEFT_PAREN:
        operand = parse_duration_inside(parser, place);
        operand = operand == NULL ? NULL : duration_wrap(parser, operand, operand->start);
        break;
    case TOKEN_ADD:
    case TOKEN_SUB:
        operand = parse_duration_binary(parser, PRECEDENCE_POW, place);
        operand = operand == NULL ? NULL : duration_sign(parser, sign, operand);
        return parse_duration_operations(parser, operand, PRECEDENCE_LOOSEST, place);
    default:
        return duration_unexpected(parser, place);
    }
    return operand == NULL ? NULL : duration_sign(parser, sign, operand);
}

/*
 * The reference's grammar takes one operand here and leaves operators to the expression around it,
 * `offset 5m + x` is (offset 5m) + x. Two forms go on as a duration: unsigned parentheses and a
 * double sign.
 */
struct node *parse_offset_duration(struct parser *parser)
{
    static const struct duration_place place = {"offset", "number, duration, step(), or range()"};
    switch (parser_peek(parser)) {
    case TOKEN_ADD:
    case TOKEN_SUB:
        return parse_signed_offset(parser, parser_take(parser), &place);
    case TOKEN_LEFT_PAREN:
        return parse_duration_operations(parser, parse_duration_paren(parser, &place),
                                         PRECEDENCE_LOOSEST, &place);
    default:
        return parse_duration_unary(parser, &place);
    }
}
