/* Selectors: a metric name, matchers in braces; and lists of labels in parentheses. */
#include "promql/parser.h"

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/err.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "promql/literal.h"

/* Makes a matcher that belongs to the expression and pushes it to `pending`. */
static bool selector_match(struct parser *parser, enum matcher_type type, uint32_t position,
                           struct slice name, struct slice value)
{
    struct promql_expression *expression = parser->expression;
    if (!parser_count_part(parser, position))
        return false;
    bool regex = type == MATCHER_REGEX || type == MATCHER_NOT_REGEX;
    if (regex && ++parser->regex_count > PARSER_REGEXES_MAX) {
        parser_fail(parser, position, "expression has more than %d regular expressions",
                    PARSER_REGEXES_MAX);
        return false;
    }
    struct errbuf err = ERRBUF_INIT;
    struct matcher *matcher;
    if (matcher_new(type, name, value, &matcher, &err) != ERR_NONE) {
        parser_fail(parser, position, "%s", err.text);
        return false;
    }
    if (expression->matcher_count == expression->matcher_capacity) {
        expression->matcher_capacity = vec_capacity(expression->matcher_capacity, 1);
        expression->matchers = mem_realloc_array(expression->matchers, expression->matcher_capacity,
                                                 sizeof(*expression->matchers));
    }
    expression->matchers[expression->matcher_count++] = matcher;
    vec_push(&parser->pending, matcher);
    return true;
}

static bool matcher_type_of(enum token_kind kind, enum matcher_type *out)
{
    switch (kind) {
    case TOKEN_EQUAL:
        *out = MATCHER_EQUAL;
        return true;
    case TOKEN_NOT_EQUAL:
        *out = MATCHER_NOT_EQUAL;
        return true;
    case TOKEN_REGEX_MATCH:
        *out = MATCHER_REGEX;
        return true;
    case TOKEN_REGEX_NO_MATCH:
        *out = MATCHER_NOT_REGEX;
        return true;
    default:
        return false;
    }
}

static bool unexpected_in_matcher(struct parser *parser, const char *expected)
{
    parser_unexpected(parser, "label matching", expected);
    return false;
}

/* name="value", "name"="value" or "metric name" */
static bool parse_matcher(struct parser *parser)
{
    enum token_kind kind = parser_peek(parser);
    if (kind != TOKEN_IDENTIFIER && kind != TOKEN_STRING)
        return unexpected_in_matcher(parser, "identifier or \"}\"");
    struct arena *arena = &parser->expression->arena;
    struct token name = parser_take(parser);
    struct slice text = kind == TOKEN_STRING ? literal_string(name.text, arena) : name.text;
    enum matcher_type type;
    if (!matcher_type_of(parser_peek(parser), &type)) {
        if (kind == TOKEN_IDENTIFIER)
            return unexpected_in_matcher(parser, "label matching operator");
        return selector_match(parser, MATCHER_EQUAL, name.start, SLICE(LABEL_METRIC_NAME), text);
    }
    (void)parser_take(parser);
    if (parser_peek(parser) != TOKEN_STRING)
        return unexpected_in_matcher(parser, "string");
    struct token value = parser_take(parser);
    return selector_match(parser, type, name.start, text, literal_string(value.text, arena));
}

/* The braces. false after reporting. */
static bool parse_matchers(struct parser *parser)
{
    (void)parser_take(parser);
    while (!parser_accept(parser, TOKEN_RIGHT_BRACE)) {
        if (!parse_matcher(parser))
            return false;
        if (!parser_accept(parser, TOKEN_COMMA) && parser_peek(parser) != TOKEN_RIGHT_BRACE)
            return unexpected_in_matcher(parser, "\",\" or \"}\"");
    }
    return true;
}

/* Matchers are the last on `pending`, since mark. */
static void selector_take_matchers(struct parser *parser, struct node *node, size_t mark)
{
    size_t count = parser->pending.len - mark;
    node->selector.matchers =
        arena_alloc_array(&parser->expression->arena, count, sizeof(*node->selector.matchers));
    node->selector.matcher_count = count;
    for (size_t i = 0; i < count; i++)
        node->selector.matchers[i] = parser->pending.items[mark + i];
    parser->pending.len = mark;
}

static struct node *parse_braces(struct parser *parser, uint32_t start, uint32_t end,
                                 struct slice name)
{
    size_t mark = parser->pending.len;
    if (parser_peek(parser) == TOKEN_LEFT_BRACE) {
        if (!parse_matchers(parser))
            return NULL;
        end = parser->last_end;
    }
    /* the name's matcher comes last, as in the reference */
    if (name.len > 0 &&
        !selector_match(parser, MATCHER_EQUAL, start, SLICE(LABEL_METRIC_NAME), name))
        return NULL;
    struct node *node = parser_node(parser, NODE_VECTOR_SELECTOR, start, end, parser->pending.len);
    if (node == NULL)
        return NULL;
    node->selector.name = name;
    selector_take_matchers(parser, node, mark);
    return node;
}

struct node *parse_selector_named(struct parser *parser, struct token name)
{
    return parse_braces(parser, name.start, token_end(&name), name.text);
}

struct node *parse_selector(struct parser *parser)
{
    if (parser_peek(parser) != TOKEN_LEFT_BRACE)
        return parse_selector_named(parser, parser_take(parser));
    return parse_braces(parser, parser->token.start, 0, SLICE_EMPTY);
}

struct label_list {
    struct slice *items;
    size_t len;
    size_t cap;
};

static bool unexpected_in_labels(struct parser *parser, const char *expected)
{
    parser_unexpected(parser, "grouping opts", expected);
    return false;
}

static bool parse_label(struct parser *parser, struct slice *out)
{
    enum token_kind kind = parser_peek(parser);
    if (kind != TOKEN_STRING && !token_is_label_name(kind))
        return unexpected_in_labels(parser, "label");
    struct token token = parser_take(parser);
    *out =
        kind == TOKEN_STRING ? literal_string(token.text, &parser->expression->arena) : token.text;
    if (labels_name_valid_utf8(*out))
        return parser_count_part(parser, token.start);
    parser_fail(parser, token.start, "invalid label name for grouping: %s",
                parser_quoted(parser, *out));
    return false;
}

static bool parse_label_list(struct parser *parser, struct label_list *list)
{
    if (parser_peek(parser) != TOKEN_LEFT_PAREN)
        return unexpected_in_labels(parser, "\"(\"");
    (void)parser_take(parser);
    while (!parser_accept(parser, TOKEN_RIGHT_PAREN)) {
        struct slice label;
        if (!parse_label(parser, &label))
            return false;
        vec_push(list, label);
        if (!parser_accept(parser, TOKEN_COMMA) && parser_peek(parser) != TOKEN_RIGHT_PAREN)
            return unexpected_in_labels(parser, "\",\" or \")\"");
    }
    return true;
}

bool parse_labels(struct parser *parser, struct slice **out, size_t *out_count)
{
    struct label_list list = {0};
    bool valid = parse_label_list(parser, &list);
    if (valid) {
        *out = arena_alloc_array(&parser->expression->arena, list.len, sizeof(**out));
        *out_count = list.len;
        for (size_t i = 0; i < list.len; i++)
            (*out)[i] = list.items[i];
    }
    vec_release(&list);
    return valid;
}
