#include "rules/template_parser.h"

#include "model/quote.h"
#include "rules/template_parser_internal.h"
#include "rules/template_text.h"

#define TOKEN_SHOWN_RUNES_MAX 10
#define MESSAGE_SIZE_MAX 4096

/* -- tokens -- */

struct template_token template_parser_next(struct template_parser *parser)
{
    if (parser->token_back_count > 0)
        parser->token_back_count--;
    else
        parser->tokens[0] = template_lexer_next(&parser->input->lexer);
    return parser->tokens[parser->token_back_count];
}

struct template_token template_parser_peek(struct template_parser *parser)
{
    struct template_token token = template_parser_next(parser);
    template_parser_back(parser);
    return token;
}

struct template_token template_parser_next_non_space(struct template_parser *parser)
{
    struct template_token token;
    do {
        token = template_parser_next(parser);
    } while (token.kind == TEMPLATE_TOKEN_SPACE);
    return token;
}

struct template_token template_parser_peek_non_space(struct template_parser *parser)
{
    struct template_token token = template_parser_next_non_space(parser);
    template_parser_back(parser);
    return token;
}

void template_parser_back(struct template_parser *parser)
{
    ASSERT(parser->token_back_count < PARSER_TOKENS_BACK);
    parser->token_back_count++;
}

void template_parser_back2(struct template_parser *parser, struct template_token first)
{
    parser->tokens[1] = first;
    parser->token_back_count = 2;
}

void template_parser_back3(struct template_parser *parser, struct template_token first,
                           struct template_token second)
{
    parser->tokens[1] = second;
    parser->tokens[2] = first;
    parser->token_back_count = 3;
}

/* -- errors -- */

void *template_parser_fail(struct template_parser *parser, const char *format, ...)
{
    struct parse_input *input = parser->input;
    if (input->failed)
        return NULL;
    input->failed = true;
    va_list arguments;
    va_start(arguments, format);
    errbuf_set_va(input->err, ERR_INVALID, format, arguments);
    va_end(arguments);
    if (input->err != NULL) {
        uint32_t line = parser->tokens[0].line;
        errbuf_prefix(input->err, "template: %.*s:%u: ", SLICE_ARG(input->name), line);
        input->err->line = line;
    }
    return NULL;
}

static void print_token(struct template_token token, struct buf *out)
{
    if (token.kind == TEMPLATE_TOKEN_EOF) {
        buf_append_str(out, "EOF");
    } else if (token.kind == TEMPLATE_TOKEN_ERROR) {
        buf_append_slice(out, token.text);
    } else if (token.kind > TEMPLATE_TOKEN_KEYWORD) {
        buf_printf(out, "<%.*s>", SLICE_ARG(token.text));
    } else if (token.text.len > TOKEN_SHOWN_RUNES_MAX) {
        quote_go(template_first_runes(token.text, TOKEN_SHOWN_RUNES_MAX), out);
        buf_append_str(out, "...");
    } else {
        quote_go(token.text, out);
    }
}

void *template_parser_fail_unexpected(struct template_parser *parser, struct template_token token,
                                      const char *context)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, MESSAGE_SIZE_MAX);
    print_token(token, &text);
    if (token.kind != TEMPLATE_TOKEN_ERROR)
        return template_parser_fail(parser, "unexpected %s in %s", buf_cstr(&text), context);
    if (parser->action_line == 0 || parser->action_line == token.line)
        return template_parser_fail(parser, "%s", buf_cstr(&text));
    bool says_action = slice_has_suffix(token.text, SLICE(" action"));
    return template_parser_fail(parser, "%s%s started at %.*s:%u", buf_cstr(&text),
                                says_action ? "" : " in action", SLICE_ARG(parser->input->name),
                                parser->action_line);
}

static struct template_node *fail_unexpected_node(struct template_parser *parser,
                                                  const struct template_node *node,
                                                  const char *context)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, MESSAGE_SIZE_MAX);
    template_node_print(node, &text);
    return template_parser_fail(parser, "unexpected %s%s", buf_cstr(&text), context);
}

bool template_parser_enter(struct template_parser *parser)
{
    if (parser->input->depth >= TEMPLATE_NESTING_MAX) {
        template_parser_fail(parser, "max expression depth exceeded");
        return false;
    }
    parser->input->depth++;
    return true;
}

/* -- nodes -- */

struct template_node *template_parser_node(struct template_parser *parser,
                                           enum template_node_kind kind, size_t position)
{
    struct template_node *node = arena_zalloc(parser->input->arena, sizeof(*node));
    node->kind = kind;
    node->position = position;
    return node;
}

bool template_parser_unquote(struct template_parser *parser, struct slice literal,
                             struct slice *out)
{
    CLEANUP(buf_release) struct buf value;
    buf_init(&value, TEMPLATE_TEXT_SIZE_MAX * 3);
    if (!template_unquote(literal, &value)) {
        template_parser_fail(parser, "invalid syntax");
        return false;
    }
    *out = arena_slice(parser->input->arena, buf_slice(&value));
    return true;
}

static bool expect(struct template_parser *parser, enum template_token_kind kind,
                   const char *context, struct template_token *out)
{
    *out = template_parser_next_non_space(parser);
    if (out->kind == kind)
        return true;
    template_parser_fail_unexpected(parser, *out, context);
    return false;
}

/* -- controls -- */

static struct template_node *text_or_action(struct template_parser *parser);
static struct template_node *parse_control(struct template_parser *parser,
                                           enum template_node_kind kind, const char *context);

/* Nodes up to an end or else, which is given in `out_end`. */
static struct template_node *item_list(struct template_parser *parser,
                                       struct template_node **out_end)
{
    struct template_node *list = template_parser_node(
        parser, TEMPLATE_NODE_LIST, template_parser_peek_non_space(parser).position);
    VEC(struct template_node *) nodes = {0};
    *out_end = NULL;
    while (*out_end == NULL && !parser->input->failed &&
           template_parser_peek_non_space(parser).kind != TEMPLATE_TOKEN_EOF) {
        struct template_node *node = text_or_action(parser);
        if (node == NULL)
            break;
        if (node->kind == TEMPLATE_NODE_END || node->kind == TEMPLATE_NODE_ELSE)
            *out_end = node;
        else
            vec_push(&nodes, node);
    }
    list->child_count = nodes.len;
    list->children = arena_alloc_array(parser->input->arena, nodes.len, sizeof(*nodes.items));
    if (nodes.len > 0)
        memcpy(list->children, nodes.items, nodes.len * sizeof(*nodes.items));
    vec_release(&nodes);
    if (*out_end == NULL)
        return template_parser_fail(parser, "unexpected EOF");
    return list;
}

static bool add_tree(struct template_parser *parser, struct slice name, struct template_node *root);

/* The body of a definition, in a parser of its own. */
static bool parse_body(struct template_parser *parser, struct slice name, const char *context)
{
    struct template_node *end;
    struct template_node *root = item_list(parser, &end);
    if (root == NULL)
        return false;
    if (end->kind != TEMPLATE_NODE_END) {
        CLEANUP(buf_release) struct buf where;
        buf_init(&where, 64);
        buf_printf(&where, " in %s", context);
        fail_unexpected_node(parser, end, buf_cstr(&where));
        return false;
    }
    return add_tree(parser, name, root);
}

static void template_parser_init(struct template_parser *parser, struct parse_input *input)
{
    *parser = (struct template_parser){.input = input};
    vec_push(&parser->variables, SLICE("$"));
}

static void template_parser_release(struct template_parser *parser)
{
    vec_release(&parser->variables);
}

/* Behind {{define. */
static bool parse_definition(struct parse_input *input)
{
    CLEANUP(template_parser_release) struct template_parser parser;
    template_parser_init(&parser, input);
    struct template_token name = template_parser_next_non_space(&parser);
    if (name.kind != TEMPLATE_TOKEN_STRING && name.kind != TEMPLATE_TOKEN_RAW_STRING) {
        template_parser_fail_unexpected(&parser, name, "define clause");
        return false;
    }
    struct slice text;
    struct template_token token;
    return template_parser_unquote(&parser, name.text, &text) &&
           expect(&parser, TEMPLATE_TOKEN_RIGHT_DELIMITER, "define clause", &token) &&
           parse_body(&parser, text, "define clause");
}

static bool template_name(struct template_parser *parser, struct template_token token,
                          const char *context, struct slice *out)
{
    if (token.kind == TEMPLATE_TOKEN_STRING || token.kind == TEMPLATE_TOKEN_RAW_STRING)
        return template_parser_unquote(parser, token.text, out);
    template_parser_fail_unexpected(parser, token, context);
    return false;
}

static struct template_node *parse_template(struct template_parser *parser)
{
    struct template_token token = template_parser_next_non_space(parser);
    struct template_node *node =
        template_parser_node(parser, TEMPLATE_NODE_TEMPLATE, token.position);
    if (!template_name(parser, token, "template clause", &node->text))
        return NULL;
    if (template_parser_next_non_space(parser).kind == TEMPLATE_TOKEN_RIGHT_DELIMITER)
        return node;
    template_parser_back(parser);
    node->pipe =
        template_parser_pipeline(parser, "template clause", TEMPLATE_TOKEN_RIGHT_DELIMITER);
    return node;
}

/* A definition and its use in one. */
static struct template_node *parse_block(struct template_parser *parser)
{
    struct template_token token = template_parser_next_non_space(parser);
    struct template_node *node =
        template_parser_node(parser, TEMPLATE_NODE_TEMPLATE, token.position);
    if (!template_name(parser, token, "block clause", &node->text))
        return NULL;
    node->pipe = template_parser_pipeline(parser, "block clause", TEMPLATE_TOKEN_RIGHT_DELIMITER);
    if (node->pipe == NULL)
        return NULL;
    CLEANUP(template_parser_release) struct template_parser body;
    template_parser_init(&body, parser->input);
    return parse_body(&body, node->text, "block clause") ? node : NULL;
}

static struct template_node *parse_jump(struct template_parser *parser, struct template_token token,
                                        enum template_node_kind kind, const char *shown)
{
    struct template_token end;
    if (!expect(parser, TEMPLATE_TOKEN_RIGHT_DELIMITER, shown, &end))
        return NULL;
    if (parser->range_depth == 0)
        return template_parser_fail(parser, "%s outside {{range}}", shown);
    return template_parser_node(parser, kind, token.position);
}

static struct template_node *parse_else(struct template_parser *parser)
{
    struct template_token token = template_parser_peek_non_space(parser);
    if (token.kind != TEMPLATE_TOKEN_IF && token.kind != TEMPLATE_TOKEN_WITH &&
        !expect(parser, TEMPLATE_TOKEN_RIGHT_DELIMITER, "else", &token))
        return NULL;
    return template_parser_node(parser, TEMPLATE_NODE_ELSE, token.position);
}

static struct template_node *parse_end(struct template_parser *parser)
{
    struct template_token token;
    if (!expect(parser, TEMPLATE_TOKEN_RIGHT_DELIMITER, "end", &token))
        return NULL;
    return template_parser_node(parser, TEMPLATE_NODE_END, token.position);
}

/* Behind an else: {{else if}} and {{else with}} are a control inside of the else part, which shares
 * the end. */
static struct template_node *parse_else_list(struct template_parser *parser,
                                             enum template_node_kind kind,
                                             const struct template_node *else_node)
{
    enum template_token_kind next = template_parser_peek(parser).kind;
    if ((kind == TEMPLATE_NODE_IF && next == TEMPLATE_TOKEN_IF) ||
        (kind == TEMPLATE_NODE_WITH && next == TEMPLATE_TOKEN_WITH)) {
        template_parser_next(parser);
        struct template_node *list =
            template_parser_node(parser, TEMPLATE_NODE_LIST, else_node->position);
        list->children = arena_alloc_array(parser->input->arena, 1, sizeof(*list->children));
        list->child_count = 1;
        list->children[0] = parse_control(parser, kind, kind == TEMPLATE_NODE_IF ? "if" : "with");
        return list;
    }
    struct template_node *end;
    struct template_node *list = item_list(parser, &end);
    if (list != NULL && end->kind != TEMPLATE_NODE_END)
        return template_parser_fail(parser, "expected end; found {{else}}");
    return list;
}

static struct template_node *parse_control(struct template_parser *parser,
                                           enum template_node_kind kind, const char *context)
{
    if (!template_parser_enter(parser))
        return NULL;
    size_t variable_count = parser->variables.len;
    struct template_node *pipe =
        template_parser_pipeline(parser, context, TEMPLATE_TOKEN_RIGHT_DELIMITER);
    if (pipe == NULL)
        return NULL;
    struct template_node *node = template_parser_node(parser, kind, pipe->position);
    node->pipe = pipe;
    if (kind == TEMPLATE_NODE_RANGE)
        parser->range_depth++;
    struct template_node *end;
    node->list = item_list(parser, &end);
    if (kind == TEMPLATE_NODE_RANGE)
        parser->range_depth--;
    if (node->list == NULL)
        return NULL;
    if (end->kind == TEMPLATE_NODE_ELSE)
        node->else_list = parse_else_list(parser, kind, end);
    parser->variables.len = variable_count;
    parser->input->depth--;
    return parser->input->failed ? NULL : node;
}

static struct template_node *parse_action(struct template_parser *parser)
{
    struct template_token token = template_parser_next_non_space(parser);
    switch (token.kind) {
    case TEMPLATE_TOKEN_BLOCK:
        return parse_block(parser);
    case TEMPLATE_TOKEN_BREAK:
        return parse_jump(parser, token, TEMPLATE_NODE_BREAK, "{{break}}");
    case TEMPLATE_TOKEN_CONTINUE:
        return parse_jump(parser, token, TEMPLATE_NODE_CONTINUE, "{{continue}}");
    case TEMPLATE_TOKEN_ELSE:
        return parse_else(parser);
    case TEMPLATE_TOKEN_END:
        return parse_end(parser);
    case TEMPLATE_TOKEN_IF:
        return parse_control(parser, TEMPLATE_NODE_IF, "if");
    case TEMPLATE_TOKEN_RANGE:
        return parse_control(parser, TEMPLATE_NODE_RANGE, "range");
    case TEMPLATE_TOKEN_TEMPLATE:
        return parse_template(parser);
    case TEMPLATE_TOKEN_WITH:
        return parse_control(parser, TEMPLATE_NODE_WITH, "with");
    default:
        break;
    }
    template_parser_back(parser);
    struct template_node *node =
        template_parser_node(parser, TEMPLATE_NODE_ACTION, template_parser_peek(parser).position);
    node->pipe = template_parser_pipeline(parser, "command", TEMPLATE_TOKEN_RIGHT_DELIMITER);
    return node;
}

static struct template_node *text_or_action(struct template_parser *parser)
{
    struct template_token token = template_parser_next_non_space(parser);
    if (token.kind == TEMPLATE_TOKEN_TEXT) {
        struct template_node *node =
            template_parser_node(parser, TEMPLATE_NODE_TEXT, token.position);
        node->text = token.text;
        return node;
    }
    if (token.kind != TEMPLATE_TOKEN_LEFT_DELIMITER)
        return template_parser_fail_unexpected(parser, token, "input");
    parser->action_line = token.line;
    struct template_node *node = parse_action(parser);
    parser->action_line = 0;
    return parser->input->failed ? NULL : node;
}

/* -- trees -- */

static bool is_blank(const struct template_node *root)
{
    for (size_t i = 0; i < root->child_count; i++) {
        const struct template_node *node = root->children[i];
        if (node->kind != TEMPLATE_NODE_TEXT || slice_trim(node->text).len > 0)
            return false;
    }
    return true;
}

const struct template_tree *template_trees_find(const struct template_trees *trees,
                                                struct slice name)
{
    for (size_t i = 0; i < trees->items.len; i++) {
        if (slice_eq(trees->items.items[i].name, name))
            return &trees->items.items[i];
    }
    return NULL;
}

/* A blank one gives way to any other of its name. */
static bool add_tree(struct template_parser *parser, struct slice name, struct template_node *root)
{
    struct template_trees *trees = parser->input->trees;
    for (size_t i = 0; i < trees->items.len; i++) {
        struct template_tree *tree = &trees->items.items[i];
        if (!slice_eq(tree->name, name))
            continue;
        if (is_blank(tree->root)) {
            tree->root = root;
        } else if (!is_blank(root)) {
            CLEANUP(buf_release) struct buf quoted;
            buf_init(&quoted, MESSAGE_SIZE_MAX);
            quote_go(name, &quoted);
            template_parser_fail(parser, "template: multiple definition of template %s",
                                 buf_cstr(&quoted));
            return false;
        }
        return true;
    }
    vec_push(&trees->items, (struct template_tree){.name = name, .root = root});
    return true;
}

/* Is a definition next? Then {{define is taken. */
static bool take_define(struct template_parser *parser)
{
    if (template_parser_peek(parser).kind != TEMPLATE_TOKEN_LEFT_DELIMITER)
        return false;
    struct template_token delimiter = template_parser_next(parser);
    if (template_parser_next_non_space(parser).kind == TEMPLATE_TOKEN_DEFINE)
        return true;
    template_parser_back2(parser, delimiter);
    return false;
}

static struct template_node *parse_root(struct template_parser *parser)
{
    struct template_node *root =
        template_parser_node(parser, TEMPLATE_NODE_LIST, template_parser_peek(parser).position);
    VEC(struct template_node *) nodes = {0};
    while (!parser->input->failed && template_parser_peek(parser).kind != TEMPLATE_TOKEN_EOF) {
        if (take_define(parser)) {
            parse_definition(parser->input);
            continue;
        }
        struct template_node *node = text_or_action(parser);
        if (node == NULL)
            break;
        if (node->kind == TEMPLATE_NODE_END || node->kind == TEMPLATE_NODE_ELSE)
            fail_unexpected_node(parser, node, "");
        vec_push(&nodes, node);
    }
    root->child_count = nodes.len;
    root->children = arena_alloc_array(parser->input->arena, nodes.len, sizeof(*nodes.items));
    if (nodes.len > 0)
        memcpy(root->children, nodes.items, nodes.len * sizeof(*nodes.items));
    vec_release(&nodes);
    return root;
}

enum err template_parse_trees(struct slice name, struct slice text, struct arena *arena,
                              struct template_trees *out, struct errbuf *err)
{
    *out = (struct template_trees){0};
    if (text.len > TEMPLATE_TEXT_SIZE_MAX) {
        return errbuf_set(err, ERR_LIMIT, "template: %.*s:1: a template may have at most %zu bytes",
                          SLICE_ARG(name), TEMPLATE_TEXT_SIZE_MAX);
    }
    struct parse_input input = {.name = name, .arena = arena, .trees = out, .err = err};
    template_lexer_init(&input.lexer, text);
    CLEANUP(template_parser_release) struct template_parser parser;
    template_parser_init(&parser, &input);
    struct template_node *root = parse_root(&parser);
    if (!input.failed)
        add_tree(&parser, name, root);
    return input.failed ? ERR_INVALID : ERR_NONE;
}
