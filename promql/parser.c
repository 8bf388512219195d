/* What the parser's files share: tokens, errors, limits and nodes; and the way in. */
#include "promql/parser.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/quote.h"
#include "promql/advice.h"
#include "promql/deep_call.h"
#include "promql/promql.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Above what PARSER_PARTS_MAX parts and PROMQL_TEXT_BYTES_MAX bytes of text can take. */
#define ARENA_BLOCK_BYTES 512
#define ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)

enum token_kind parser_peek(struct parser *parser)
{
    if (!parser->has_token) {
        parser->token = lexer_next(&parser->lexer);
        parser->has_token = true;
        switch (parser->token.kind) {
        case TOKEN_RIGHT_BRACE:
        case TOKEN_RIGHT_PAREN:
        case TOKEN_RIGHT_BRACKET:
        case TOKEN_DURATION:
        case TOKEN_NUMBER:
            parser->last_end = token_end(&parser->token);
            break;
        default:
            break;
        }
    }
    return parser->token.kind;
}

struct token parser_take(struct parser *parser)
{
    (void)parser_peek(parser);
    /* an error stays where it is, so that nothing is read behind it */
    parser->has_token = parser->token.kind == TOKEN_ERROR;
    parser->previous = parser->token;
    return parser->token;
}

bool parser_accept(struct parser *parser, enum token_kind kind)
{
    if (parser_peek(parser) != kind)
        return false;
    (void)parser_take(parser);
    return true;
}

void *parser_fail(struct parser *parser, uint32_t position, const char *format, ...)
{
    if (parser->has_token && parser->token.kind == TOKEN_ERROR)
        return NULL; /* the lexer has reported what came first */
    char text[ERRBUF_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    lexer_report(&parser->lexer, position, "%s", text);
    return NULL;
}

/* false where the lexer has said what is wrong. */
static bool unexpected_report(struct parser *parser, const char *context, const char *expected)
{
    if (parser_peek(parser) == TOKEN_ERROR)
        return false;
    struct buf text CLEANUP(buf_release);
    buf_init(&text, ERRBUF_TEXT_SIZE);
    buf_append_str(&text, "unexpected ");
    token_describe(&parser->token, &text);
    if (context == NULL && parser->aggregation_depth > 0)
        context = "aggregation";
    if (context != NULL)
        buf_printf(&text, " in %s", context);
    if (expected != NULL)
        buf_printf(&text, ", expected %s", expected);
    parser_fail(parser, parser->token.start, "%s", buf_cstr(&text));
    return true;
}

void *parser_unexpected(struct parser *parser, const char *context, const char *expected)
{
    if (unexpected_report(parser, context, expected))
        advice_token(parser, context);
    return NULL;
}

void *parser_unexpected_hint(struct parser *parser, const char *hint)
{
    if (unexpected_report(parser, NULL, NULL))
        parser_hint(parser, "%s", hint);
    return NULL;
}

void parser_hint(struct parser *parser, const char *format, ...)
{
    char text[ERRBUF_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    lexer_hint(&parser->lexer, "%s", text);
}

const char *parser_quoted(struct parser *parser, struct slice text)
{
    struct buf quoted CLEANUP(buf_release);
    buf_init(&quoted, BUF_SIZE_ANY);
    quote_go(text, &quoted);
    return arena_slice(&parser->expression->arena, buf_slice(&quoted)).ptr;
}

bool parser_count_part(struct parser *parser, uint32_t position)
{
    if (++parser->part_count <= PARSER_PARTS_MAX)
        return true;
    parser_fail(parser, position, "expression has more than %d parts", PARSER_PARTS_MAX);
    return false;
}

static bool parser_too_deep(struct parser *parser, uint32_t position, int levels_max)
{
    parser_fail(parser, position, "expression is nested more than %d levels deep", levels_max);
    return false;
}

bool parser_enter(struct parser *parser, uint32_t position)
{
    if (parser->depth >= PROMQL_DEPTH_MAX)
        return parser_too_deep(parser, position, PROMQL_DEPTH_MAX);
    parser->depth++;
    return true;
}

void parser_leave(struct parser *parser)
{
    ASSERT(parser->depth > 0);
    parser->depth--;
}

struct node *parser_node(struct parser *parser, enum node_kind kind, uint32_t start, uint32_t end,
                         size_t mark)
{
    ASSERT(mark <= parser->pending.len);
    struct arena *arena = &parser->expression->arena;
    if (!parser_count_part(parser, start))
        return NULL;
    struct node *node = arena_zalloc(arena, sizeof(*node));
    node->kind = kind;
    node->start = start;
    node->end = end;
    node->child_count = parser->pending.len - mark;
    node->children = arena_alloc_array(arena, node->child_count, sizeof(*node->children));
    for (size_t i = 0; i < node->child_count; i++) {
        node->children[i] = parser->pending.items[mark + i];
        node->height = MAX(node->height, node->children[i]->height);
    }
    parser->pending.len = mark;
    node->height++;
    if (node->height <= PROMQL_HEIGHT_MAX)
        return node;
    (void)parser_too_deep(parser, start, PROMQL_HEIGHT_MAX);
    return NULL;
}

struct node *parser_leaf(struct parser *parser, enum node_kind kind, uint32_t start, uint32_t end)
{
    return parser_node(parser, kind, start, end, parser->pending.len);
}

struct node *parser_parent(struct parser *parser, enum node_kind kind, uint32_t start, uint32_t end,
                           struct node *child)
{
    size_t mark = parser->pending.len;
    vec_push(&parser->pending, child);
    return parser_node(parser, kind, start, end, mark);
}

struct check {
    const struct lexer *lexer;
    struct node *root;
    bool valid;
};

static void check_run(void *context)
{
    struct check *check = context;
    check->valid = type_check(check->lexer, check->root);
}

static struct node *check_whole(struct parser *parser, struct node *root)
{
    struct check check = {&parser->lexer, root, false};
    if (!deep_call(root, check_run, &check))
        return parser_fail(parser, 0, "no memory for an expression of %u levels", root->height);
    return check.valid ? root : NULL;
}

static struct node *parse_whole(struct parser *parser)
{
    if (parser_peek(parser) == TOKEN_EOF)
        return parser_fail(parser, 0, "no expression found in input");
    struct node *root = parse_expression(parser);
    if (root == NULL)
        return NULL;
    if (parser_peek(parser) != TOKEN_EOF)
        return parser_unexpected(parser, NULL, NULL);
    return check_whole(parser, root);
}

static struct promql_expression *expression_new(struct slice text)
{
    struct promql_expression *expression = mem_zalloc(sizeof(*expression));
    arena_init(&expression->arena, ARENA_BYTES_MAX);
    /* rules keep thousands of them */
    expression->arena.block_size_first = ARENA_BLOCK_BYTES;
    expression->text = arena_slice(&expression->arena, text);
    return expression;
}

/* Runs a parse function over a text; NULL and no expression when it fails. */
static struct promql_expression *parser_run(struct slice text, unsigned features,
                                            struct node *(*parse)(struct parser *parser),
                                            struct errbuf *err)
{
    struct promql_expression *expression = expression_new(text);
    struct parser parser = {.features = features, .expression = expression};
    lexer_init(&parser.lexer, expression->text, err);
    expression->root = parse(&parser);
    vec_release(&parser.pending);
    if (expression->root != NULL)
        return expression;
    promql_expression_free(expression);
    return NULL;
}

static enum err check_size(struct slice text, struct errbuf *err)
{
    if (text.len <= PROMQL_TEXT_BYTES_MAX)
        return ERR_NONE;
    return errbuf_set_at(err, ERR_INVALID, 1, 1, "expression is longer than %d bytes",
                         PROMQL_TEXT_BYTES_MAX);
}

enum err promql_parse(struct slice text, unsigned features, struct promql_expression **out,
                      struct errbuf *err)
{
    enum err code = check_size(text, err);
    if (code != ERR_NONE)
        return code;
    struct promql_expression *expression = parser_run(text, features, parse_whole, err);
    if (expression == NULL)
        return ERR_INVALID;
    *out = expression;
    return ERR_NONE;
}

static struct node *parse_only_selector(struct parser *parser)
{
    enum token_kind kind = parser_peek(parser);
    if (kind != TOKEN_LEFT_BRACE && !token_is_metric_name(kind))
        return parser_unexpected(parser, NULL, NULL);
    struct node *selector = parse_selector(parser);
    if (selector != NULL && parser_peek(parser) != TOKEN_EOF)
        return parser_unexpected(parser, NULL, NULL);
    return selector;
}

enum err promql_parse_selector(struct slice text, struct promql_matchers *out, struct errbuf *err)
{
    enum err code = check_size(text, err);
    if (code != ERR_NONE)
        return code;
    struct promql_expression *expression = parser_run(text, 0, parse_only_selector, err);
    if (expression == NULL)
        return ERR_INVALID;
    size_t count = expression->matcher_count;
    out->items = mem_alloc_array(MAX(count, (size_t)1), sizeof(*out->items));
    out->count = count;
    for (size_t i = 0; i < count; i++)
        out->items[i] = expression->matchers[i];
    expression->matcher_count = 0; /* they are the caller's now */
    promql_expression_free(expression);
    return ERR_NONE;
}
