/* What stands inside of an action: variables that are set, commands, operands, literals. */
#include "rules/template_parser_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/float_text.h"
#include "model/quote.h"
#include "rules/template_functions.h"
#include "rules/template_text.h"

#define NUMBER_SIZE_MAX 512

/* -- literals -- */

/* The base that a prefix says, which is taken: 0x, 0o, 0b, or 0 alone for eight. */
static int take_base(struct slice *text)
{
    if (text->len < 2 || text->ptr[0] != '0')
        return 10;
    char mark = (char)(text->ptr[1] | 0x20);
    bool is_letter = mark == 'x' || mark == 'b' || mark == 'o';
    *text = slice_from_index(*text, is_letter ? 2 : 1);
    return mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
}

/* Go's ParseInt with base 0, underscores between digits included. */
static bool parse_integer(struct slice text, int64_t *out, bool *out_overflow)
{
    char digits[NUMBER_SIZE_MAX];
    size_t len = 0;
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+'))
        text = slice_from_index(text, 1);
    int base = take_base(&text);
    for (size_t i = 0; i < text.len && len < sizeof(digits) - 1; i++) {
        if (text.ptr[i] != '_')
            digits[len++] = text.ptr[i];
    }
    digits[len] = '\0';
    if (len == 0 || digits[0] == '-' || digits[0] == '+')
        return false;
    char *end;
    errno = 0;
    unsigned long long magnitude = strtoull(digits, &end, base);
    if (*end != '\0' || errno != 0)
        return false;
    bool fits = magnitude <= (unsigned long long)INT64_MAX + (negative ? 1 : 0);
    if (!fits && negative)
        return false;
    *out_overflow = !fits;
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

static bool has_any(struct slice text, const char *bytes)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\0' && strchr(bytes, text.ptr[i]) != NULL)
            return true;
    }
    return false;
}

static struct template_node *fail_number(struct template_parser *parser, const char *what,
                                         struct slice text)
{
    CLEANUP(buf_release) struct buf quoted;
    buf_init(&quoted, NUMBER_SIZE_MAX * 4);
    quote_go(text, &quoted);
    return template_parser_fail(parser, "%s: %s", what, buf_cstr(&quoted));
}

static struct template_node *number(struct template_parser *parser, struct template_token token)
{
    struct template_node *node = template_parser_node(parser, TEMPLATE_NODE_NUMBER, token.position);
    node->text = token.text;
    if (token.text.len >= NUMBER_SIZE_MAX)
        return fail_number(parser, "illegal number syntax", token.text);
    if (parse_integer(token.text, &node->integer, &node->overflows)) {
        node->is_integer = true;
        node->number = (double)node->integer;
        return node;
    }
    if (!float_text_parse(token.text, &node->number, NULL))
        return fail_number(parser, "illegal number syntax", token.text);
    if (!has_any(token.text, ".eEpP"))
        return fail_number(parser, "integer overflow", token.text);
    node->is_float = true;
    return node;
}

static struct template_node *character(struct template_parser *parser, struct template_token token)
{
    struct template_node *node = template_parser_node(parser, TEMPLATE_NODE_NUMBER, token.position);
    uint32_t rune;
    bool whole;
    if (!template_unquote_rune(token.text, &rune, &whole))
        return template_parser_fail(parser, "invalid syntax");
    if (!whole) {
        return template_parser_fail(parser, "malformed character constant: %.*s",
                                    SLICE_ARG(token.text));
    }
    node->text = token.text;
    node->is_integer = true;
    node->integer = rune;
    return node;
}

static struct template_node *string(struct template_parser *parser, struct template_token token)
{
    struct template_node *node = template_parser_node(parser, TEMPLATE_NODE_STRING, token.position);
    node->text = token.text;
    return template_parser_unquote(parser, token.text, &node->value) ? node : NULL;
}

/* -- names -- */

static void add_name(struct template_parser *parser, struct template_node *node, struct slice name)
{
    struct slice *names =
        arena_alloc_array(parser->input->arena, node->name_count + 1, sizeof(*names));
    if (node->name_count > 0)
        memcpy(names, node->names, node->name_count * sizeof(*names));
    names[node->name_count++] = name;
    node->names = names;
}

static struct template_node *variable(struct template_parser *parser, struct template_token token)
{
    struct template_node *node =
        template_parser_node(parser, TEMPLATE_NODE_VARIABLE, token.position);
    add_name(parser, node, token.text);
    return node;
}

static struct template_node *known_variable(struct template_parser *parser,
                                            struct template_token token)
{
    for (size_t i = 0; i < parser->variables.len; i++) {
        if (slice_eq(parser->variables.items[i], token.text))
            return variable(parser, token);
    }
    return template_parser_fail(parser, "undefined variable \"%.*s\"", SLICE_ARG(token.text));
}

static struct template_node *identifier(struct template_parser *parser, struct template_token token)
{
    if (template_function_find(token.text) == NULL) {
        CLEANUP(buf_release) struct buf quoted;
        buf_init(&quoted, 1024);
        quote_go(token.text, &quoted);
        return template_parser_fail(parser, "function %s not defined", buf_cstr(&quoted));
    }
    struct template_node *node =
        template_parser_node(parser, TEMPLATE_NODE_IDENTIFIER, token.position);
    node->text = token.text;
    return node;
}

static struct template_node *parenthesized(struct template_parser *parser)
{
    if (!template_parser_enter(parser))
        return NULL;
    struct template_node *pipe =
        template_parser_pipeline(parser, "parenthesized pipeline", TEMPLATE_TOKEN_RIGHT_PAREN);
    parser->input->depth--;
    return pipe;
}

/* NULL without an error when the next token begins no operand. */
static struct template_node *term(struct template_parser *parser)
{
    struct template_token token = template_parser_next_non_space(parser);
    struct template_node *node;
    switch (token.kind) {
    case TEMPLATE_TOKEN_IDENTIFIER:
        return identifier(parser, token);
    case TEMPLATE_TOKEN_DOT:
        return template_parser_node(parser, TEMPLATE_NODE_DOT, token.position);
    case TEMPLATE_TOKEN_NIL:
        return template_parser_node(parser, TEMPLATE_NODE_NIL, token.position);
    case TEMPLATE_TOKEN_VARIABLE:
        return known_variable(parser, token);
    case TEMPLATE_TOKEN_FIELD:
        node = template_parser_node(parser, TEMPLATE_NODE_FIELD, token.position);
        add_name(parser, node, slice_from_index(token.text, 1));
        return node;
    case TEMPLATE_TOKEN_BOOL:
        node = template_parser_node(parser, TEMPLATE_NODE_BOOL, token.position);
        node->is_true = slice_eq_str(token.text, "true");
        return node;
    case TEMPLATE_TOKEN_CHAR_CONSTANT:
        return character(parser, token);
    case TEMPLATE_TOKEN_NUMBER:
        return number(parser, token);
    case TEMPLATE_TOKEN_LEFT_PAREN:
        return parenthesized(parser);
    case TEMPLATE_TOKEN_STRING:
    case TEMPLATE_TOKEN_RAW_STRING:
        return string(parser, token);
    default:
        template_parser_back(parser);
        return NULL;
    }
}

static struct template_node *fail_field_of_constant(struct template_parser *parser,
                                                    const struct template_node *node)
{
    CLEANUP(buf_release) struct buf text;
    CLEANUP(buf_release) struct buf quoted;
    buf_init(&text, 1024);
    buf_init(&quoted, 4096);
    template_node_print(node, &text);
    quote_go(buf_slice(&text), &quoted);
    return template_parser_fail(parser, "unexpected . after term %s", buf_cstr(&quoted));
}

/* A term and the fields that follow it. */
static struct template_node *operand(struct template_parser *parser)
{
    struct template_node *node = term(parser);
    if (node == NULL || template_parser_peek(parser).kind != TEMPLATE_TOKEN_FIELD)
        return node;
    struct template_node *chain = node;
    size_t position = template_parser_peek(parser).position;
    if (node->kind != TEMPLATE_NODE_FIELD && node->kind != TEMPLATE_NODE_VARIABLE) {
        chain = template_parser_node(parser, TEMPLATE_NODE_CHAIN, position);
        chain->pipe = node;
    }
    chain->position = position;
    VEC(struct slice) names = {0};
    for (size_t i = 0; i < chain->name_count; i++)
        vec_push(&names, chain->names[i]);
    while (template_parser_peek(parser).kind == TEMPLATE_TOKEN_FIELD)
        vec_push(&names, slice_from_index(template_parser_next(parser).text, 1));
    chain->names = arena_alloc_array(parser->input->arena, names.len, sizeof(*chain->names));
    memcpy(chain->names, names.items, names.len * sizeof(*chain->names));
    chain->name_count = names.len;
    vec_release(&names);
    switch (node->kind) {
    case TEMPLATE_NODE_BOOL:
    case TEMPLATE_NODE_STRING:
    case TEMPLATE_NODE_NUMBER:
    case TEMPLATE_NODE_NIL:
    case TEMPLATE_NODE_DOT:
        return fail_field_of_constant(parser, node);
    default:
        return chain;
    }
}

/* -- commands and pipelines -- */

struct nodes {
    VEC(struct template_node *) items;
};

static void nodes_release(struct nodes *nodes)
{
    vec_release(&nodes->items);
}

static struct template_node **nodes_keep(struct template_parser *parser, const struct nodes *nodes)
{
    struct template_node **kept =
        arena_alloc_array(parser->input->arena, nodes->items.len, sizeof(struct template_node *));
    if (nodes->items.len > 0)
        memcpy(kept, nodes->items.items, nodes->items.len * sizeof(struct template_node *));
    return kept;
}

static struct template_node *command(struct template_parser *parser)
{
    CLEANUP(nodes_release) struct nodes arguments = {0};
    struct template_node *node = template_parser_node(
        parser, TEMPLATE_NODE_COMMAND, template_parser_peek_non_space(parser).position);
    for (;;) {
        template_parser_peek_non_space(parser);
        struct template_node *argument = operand(parser);
        if (parser->input->failed)
            return NULL;
        if (argument != NULL)
            vec_push(&arguments.items, argument);
        struct template_token token = template_parser_next(parser);
        if (token.kind == TEMPLATE_TOKEN_SPACE)
            continue;
        if (token.kind == TEMPLATE_TOKEN_RIGHT_DELIMITER ||
            token.kind == TEMPLATE_TOKEN_RIGHT_PAREN)
            template_parser_back(parser);
        else if (token.kind != TEMPLATE_TOKEN_PIPE)
            return template_parser_fail_unexpected(parser, token, "operand");
        break;
    }
    if (arguments.items.len == 0)
        return template_parser_fail(parser, "empty command");
    node->children = nodes_keep(parser, &arguments);
    node->child_count = arguments.items.len;
    return node;
}

static void declare(struct template_parser *parser, struct nodes *declared,
                    struct template_token token)
{
    vec_push(&declared->items, variable(parser, token));
    vec_push(&parser->variables, token.text);
}

/* $x := , $x = , and in a range $i, $x := . A variable that nothing is done to goes back. */
static void declarations(struct template_parser *parser, const char *context,
                         struct template_node *pipe, struct nodes *declared)
{
    for (;;) {
        struct template_token token = template_parser_peek_non_space(parser);
        if (token.kind != TEMPLATE_TOKEN_VARIABLE)
            return;
        template_parser_next(parser);
        /* a space behind the variable must come back with it: it tells $x.y from $x .y */
        struct template_token behind = template_parser_peek(parser);
        struct template_token next = template_parser_peek_non_space(parser);
        if (next.kind == TEMPLATE_TOKEN_ASSIGN || next.kind == TEMPLATE_TOKEN_DECLARE) {
            pipe->is_assignment = next.kind == TEMPLATE_TOKEN_ASSIGN;
            template_parser_next_non_space(parser);
            declare(parser, declared, token);
            return;
        }
        if (next.kind != TEMPLATE_TOKEN_CHAR || !slice_eq_str(next.text, ",")) {
            if (behind.kind == TEMPLATE_TOKEN_SPACE)
                template_parser_back3(parser, token, behind);
            else
                template_parser_back2(parser, token);
            return;
        }
        template_parser_next_non_space(parser);
        declare(parser, declared, token);
        if (strcmp(context, "range") != 0 || declared->items.len >= 2) {
            template_parser_fail(parser, "too many declarations in %s", context);
            return;
        }
        enum template_token_kind kind = template_parser_peek_non_space(parser).kind;
        if (kind != TEMPLATE_TOKEN_VARIABLE && kind != TEMPLATE_TOKEN_RIGHT_DELIMITER &&
            kind != TEMPLATE_TOKEN_RIGHT_PAREN) {
            template_parser_fail(parser, "range can only initialize variables");
            return;
        }
    }
}

static bool begins_operand(enum template_token_kind kind)
{
    switch (kind) {
    case TEMPLATE_TOKEN_BOOL:
    case TEMPLATE_TOKEN_CHAR_CONSTANT:
    case TEMPLATE_TOKEN_DOT:
    case TEMPLATE_TOKEN_FIELD:
    case TEMPLATE_TOKEN_IDENTIFIER:
    case TEMPLATE_TOKEN_NUMBER:
    case TEMPLATE_TOKEN_NIL:
    case TEMPLATE_TOKEN_RAW_STRING:
    case TEMPLATE_TOKEN_STRING:
    case TEMPLATE_TOKEN_VARIABLE:
    case TEMPLATE_TOKEN_LEFT_PAREN:
        return true;
    default:
        return false;
    }
}

static bool is_executable(const struct template_node *command_node)
{
    switch (command_node->children[0]->kind) {
    case TEMPLATE_NODE_BOOL:
    case TEMPLATE_NODE_DOT:
    case TEMPLATE_NODE_NIL:
    case TEMPLATE_NODE_NUMBER:
    case TEMPLATE_NODE_STRING:
        return false;
    default:
        return true;
    }
}

static struct template_node *check_pipeline(struct template_parser *parser,
                                            struct template_node *pipe, const char *context)
{
    if (pipe->child_count == 0)
        return template_parser_fail(parser, "missing value for %s", context);
    for (size_t i = 1; i < pipe->child_count; i++) {
        if (!is_executable(pipe->children[i]))
            return template_parser_fail(parser, "non executable command in pipeline stage %zu",
                                        i + 1);
    }
    return pipe;
}

struct template_node *template_parser_pipeline(struct template_parser *parser, const char *context,
                                               enum template_token_kind end)
{
    CLEANUP(nodes_release) struct nodes declared = {0};
    CLEANUP(nodes_release) struct nodes commands = {0};
    struct template_node *pipe = template_parser_node(
        parser, TEMPLATE_NODE_PIPE, template_parser_peek_non_space(parser).position);
    declarations(parser, context, pipe, &declared);
    while (!parser->input->failed) {
        struct template_token token = template_parser_next_non_space(parser);
        if (token.kind == end) {
            pipe->declared = nodes_keep(parser, &declared);
            pipe->declared_count = declared.items.len;
            pipe->children = nodes_keep(parser, &commands);
            pipe->child_count = commands.items.len;
            return check_pipeline(parser, pipe, context);
        }
        if (!begins_operand(token.kind))
            return template_parser_fail_unexpected(parser, token, context);
        template_parser_back(parser);
        vec_push(&commands.items, command(parser));
    }
    return NULL;
}
