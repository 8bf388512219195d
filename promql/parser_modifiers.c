/* What stands behind an expression: [range], [range:step], offset, @, anchored and smoothed. */
#include "promql/parser.h"

#include "base/compiler.h"
#include "model/timestamp.h"
#include "promql/literal.h"
#include "promql/promql.h"

#include <math.h>

/* Where offset and @ of an expression are kept: a range selector has them in its selector. NULL if
 * it can have none. */
static struct node_shift *shift_of(struct node *node)
{
    switch (node->kind) {
    case NODE_VECTOR_SELECTOR:
        return &node->selector.shift;
    case NODE_MATRIX_SELECTOR:
        return &node->children[0]->selector.shift;
    case NODE_SUBQUERY:
        return &node->subquery.shift;
    default:
        return NULL;
    }
}

static struct node *modifier_fail(struct parser *parser, uint32_t position, const char *text,
                                  const char *hint)
{
    parser_fail(parser, position, "%s", text);
    parser_hint(parser, "%s", hint);
    return NULL;
}

/* Milliseconds of a plain duration, or the expression of one that is not. */
static void duration_set(const struct node *duration, int64_t *out_ms, const struct node **out)
{
    if (duration->kind == NODE_NUMBER)
        *out_ms = literal_seconds_ms(duration->number.value);
    else
        *out = duration;
}

/* A range or step is at least a millisecond: none at all would mean something else. */
static void length_set(const struct node *duration, int64_t *out_ms, const struct node **out)
{
    duration_set(duration, out_ms, out);
    if (duration->kind == NODE_NUMBER && *out_ms == 0)
        *out_ms = 1;
}

static struct node *parse_positive_duration(struct parser *parser, const char *context,
                                            const char *expected)
{
    struct node *duration = parse_duration(parser, context, expected);
    if (duration != NULL && duration->kind == NODE_NUMBER && !(duration->number.value > 0))
        return parser_fail(parser, duration->start, "duration must be greater than 0");
    return duration;
}

static struct node *matrix_new(struct parser *parser, struct node *operand, uint32_t bracket,
                               const struct node *range)
{
    struct node_shift *shift = shift_of(operand);
    if (operand->kind != NODE_VECTOR_SELECTOR)
        return modifier_fail(parser, bracket, "ranges only allowed for vector selectors",
                             "a range of values of an expression is a subquery: (a / b)[5m:]");
    if (shift->has_offset || shift->offset_expression != NULL)
        return modifier_fail(parser, bracket, "no offset modifiers allowed before range",
                             "the range stands first: up[5m] offset 1h");
    if (shift->at != AT_NONE)
        return modifier_fail(parser, bracket, "no @ modifiers allowed before range",
                             "the range stands first: up[5m] @ 1609746000");
    struct node *node =
        parser_parent(parser, NODE_MATRIX_SELECTOR, operand->start, parser->last_end, operand);
    if (node != NULL)
        length_set(range, &node->matrix.range_ms, &node->matrix.range_expression);
    return node;
}

/* Behind the colon; `step` is NULL where the default is meant. */
static struct node *subquery_new(struct parser *parser, struct node *operand,
                                 const struct node *range, const struct node *step)
{
    struct node *node =
        parser_parent(parser, NODE_SUBQUERY, operand->start, parser->last_end, operand);
    if (node == NULL)
        return NULL;
    length_set(range, &node->subquery.range_ms, &node->subquery.range_expression);
    if (step != NULL)
        length_set(step, &node->subquery.step_ms, &node->subquery.step_expression);
    return node;
}

static struct node *parse_brackets(struct parser *parser, struct node *operand)
{
    uint32_t bracket = parser_take(parser).start;
    struct node *range = parse_positive_duration(parser, "subquery or range selector",
                                                 "number, duration, step(), or range()");
    if (range == NULL)
        return NULL;
    if (parser_accept(parser, TOKEN_RIGHT_BRACKET))
        return matrix_new(parser, operand, bracket, range);
    if (!parser_accept(parser, TOKEN_COLON))
        return parser_unexpected(parser, "subquery or range", "\":\" or \"]\"");
    if (parser_accept(parser, TOKEN_RIGHT_BRACKET))
        return subquery_new(parser, operand, range, NULL);
    struct node *step = parse_positive_duration(parser, "subquery selector",
                                                "number, duration, step(), range(), or \"]\"");
    if (step == NULL)
        return NULL;
    if (!parser_accept(parser, TOKEN_RIGHT_BRACKET))
        return parser_unexpected(parser, "subquery selector", "\"]\"");
    return subquery_new(parser, operand, range, step);
}

static struct node *parse_offset(struct parser *parser, struct node *operand)
{
    (void)parser_take(parser);
    struct node *offset = parse_offset_duration(parser);
    if (offset == NULL)
        return NULL;
    struct node_shift *shift = shift_of(operand);
    if (shift == NULL)
        return modifier_fail(parser, operand->start,
                             "offset modifier must be preceded by an instant vector selector or "
                             "range vector selector or a subquery",
                             "put it behind each selector inside: sum(up offset 5m)");
    if (shift->has_offset || shift->offset_expression != NULL)
        return parser_fail(parser, operand->start, "offset may not be set multiple times");
    duration_set(offset, &shift->offset_ms, &shift->offset_expression);
    shift->has_offset = offset->kind == NODE_NUMBER && round(offset->number.value * 1e9) != 0;
    operand->end = parser->last_end;
    return operand;
}

/* Writes a number as the reference does here: all digits, +Inf. */
static struct node *at_out_of_bounds(struct parser *parser, const struct node *operand,
                                     double seconds)
{
    static const char text[] = "timestamp out of bounds for @ modifier: ";
    if (isnan(seconds) || isinf(seconds))
        return parser_fail(parser, operand->start, "%s%s", text,
                           isnan(seconds) ? "NaN"
                           : seconds > 0  ? "+Inf"
                                          : "-Inf");
    return parser_fail(parser, operand->start, "%s%f", text, seconds);
}

static int64_t at_milliseconds(double seconds)
{
    double at_ms = round(seconds * 1000);
    if (at_ms >= (double)TIMESTAMP_MAX)
        return TIMESTAMP_MAX;
    return at_ms <= (double)TIMESTAMP_MIN ? TIMESTAMP_MIN : (int64_t)at_ms;
}

static struct node *at_set(struct parser *parser, struct node *operand, enum at_kind kind,
                           int64_t at_ms)
{
    struct node_shift *shift = shift_of(operand);
    if (shift == NULL)
        return modifier_fail(parser, operand->start,
                             "@ modifier must be preceded by an instant vector selector or range "
                             "vector selector or a subquery",
                             "put it behind each selector inside: sum(up @ 1609746000)");
    if (shift->at != AT_NONE)
        return parser_fail(parser, operand->start, "@ <timestamp> may not be set multiple times");
    shift->at = kind;
    shift->at_ms = at_ms;
    operand->end = parser->last_end;
    return operand;
}

static struct node *parse_at(struct parser *parser, struct node *operand)
{
    static const char expected[] = "timestamp";
    (void)parser_take(parser);
    enum token_kind kind = parser_peek(parser);
    if (kind == TOKEN_START || kind == TOKEN_END) {
        (void)parser_take(parser);
        if (!parser_accept(parser, TOKEN_LEFT_PAREN) || !parser_accept(parser, TOKEN_RIGHT_PAREN))
            return parser_unexpected(parser, "@", expected);
        return at_set(parser, operand, kind == TOKEN_START ? AT_START : AT_END, 0);
    }
    double seconds;
    if (!parse_signed_number(parser, "@", expected, &seconds))
        return NULL;
    if (!(fabs(seconds) < 0x1p63))
        return at_out_of_bounds(parser, operand, seconds);
    return at_set(parser, operand, AT_TIME, at_milliseconds(seconds));
}

/* anchored or smoothed. The place of the expression does not grow by it, as in the reference. */
static struct node *parse_extension(struct parser *parser, struct node *operand)
{
    bool anchored = parser_take(parser).kind == TOKEN_ANCHORED;
    const char *name = anchored ? "anchored" : "smoothed";
    if (!(parser->features & PROMQL_EXTENDED_RANGE_SELECTORS))
        return parser_fail(parser, operand->start, "%s modifier is experimental and not enabled",
                           name);
    if (operand->kind == NODE_SUBQUERY)
        return parser_fail(parser, operand->start, "%s modifier is not supported for subqueries",
                           name);
    if (operand->kind != NODE_VECTOR_SELECTOR && operand->kind != NODE_MATRIX_SELECTOR)
        return parser_fail(parser, operand->start, "%s modifier not implemented", name);
    struct node *selector = operand->kind == NODE_MATRIX_SELECTOR ? operand->children[0] : operand;
    enum selector_extension extension = anchored ? SELECTOR_ANCHORED : SELECTOR_SMOOTHED;
    if (selector->selector.extension != SELECTOR_PLAIN && selector->selector.extension != extension)
        return parser_fail(parser, operand->start,
                           "anchored and smoothed modifiers cannot be used together");
    selector->selector.extension = extension;
    return operand;
}

struct node *parse_modifiers(struct parser *parser, struct node *operand)
{
    while (operand != NULL) {
        switch (parser_peek(parser)) {
        case TOKEN_LEFT_BRACKET:
            operand = parse_brackets(parser, operand);
            break;
        case TOKEN_OFFSET:
            operand = parse_offset(parser, operand);
            break;
        case TOKEN_AT:
            operand = parse_at(parser, operand);
            break;
        case TOKEN_ANCHORED:
        case TOKEN_SMOOTHED:
            operand = parse_extension(parser, operand);
            break;
        default:
            return operand;
        }
    }
    return NULL;
}
