/* Hints for characters and tokens that stand where none of the kind can. */
#include "promql/advice.h"

#include <string.h>

#include "base/compiler.h"
#include "base/vec.h"
#include "promql/functions.h"
#include "promql/lexer_literal.h"
#include "promql/spelling.h"

#define SHOWN_BYTES_MAX 64

static bool is_closing(enum token_kind kind)
{
    return kind == TOKEN_RIGHT_PAREN || kind == TOKEN_RIGHT_BRACE || kind == TOKEN_RIGHT_BRACKET;
}

static bool is_opening(enum token_kind kind)
{
    return kind == TOKEN_LEFT_PAREN || kind == TOKEN_LEFT_BRACE || kind == TOKEN_LEFT_BRACKET;
}

static enum token_kind closing_of(enum token_kind opening)
{
    switch (opening) {
    case TOKEN_LEFT_PAREN:
        return TOKEN_RIGHT_PAREN;
    case TOKEN_LEFT_BRACE:
        return TOKEN_RIGHT_BRACE;
    default:
        return TOKEN_RIGHT_BRACKET;
    }
}

/* The innermost bracket that is open at `end`; of kind TOKEN_EOF where there is none. */
static struct token innermost_open(const struct lexer *lexer, uint32_t end)
{
    VEC(struct token) open = {0};
    struct lexer again;
    lexer_init(&again, slice_sub(lexer->text, 0, end), NULL);
    for (;;) {
        struct token token = lexer_next(&again);
        if (token.kind == TOKEN_EOF || token.kind == TOKEN_ERROR)
            break;
        if (is_opening(token.kind))
            vec_push(&open, token);
        else if (is_closing(token.kind) && open.len > 0)
            open.len--;
    }
    struct token innermost = {TOKEN_EOF, 0, SLICE_EMPTY};
    if (open.len > 0)
        innermost = open.items[open.len - 1];
    vec_release(&open);
    return innermost;
}

static void hint_unclosed(const struct lexer *lexer, const struct token *open)
{
    uint32_t line;
    uint32_t column;
    lexer_place(lexer, open->start, &line, &column);
    lexer_hint(lexer, "the \"%.*s\" at %u:%u is not closed", SLICE_ARG(open->text), line, column);
}

bool advice_unclosed(const struct lexer *lexer, uint32_t end)
{
    /* without anybody who listens: that is also how innermost_open reads what lies before */
    if (lexer->err == NULL)
        return false;
    struct token open = innermost_open(lexer, end);
    if (open.kind == TOKEN_EOF)
        return false;
    hint_unclosed(lexer, &open);
    return true;
}

static void advice_in_braces(const struct lexer *lexer, int32_t rune, char before)
{
    switch (rune) {
    case '~':
        lexer_hint(lexer, "did you mean \"=~\"?");
        return;
    case ':':
        lexer_hint(lexer, "did you mean \"=\"?");
        return;
    case ';':
    case '&':
    case '|':
        lexer_hint(lexer, "put a \",\" between matchers");
        return;
    case '{':
        advice_unclosed(lexer, lexer->start);
        return;
    default:
        break;
    }
    if (before == '!')
        lexer_hint(lexer, "did you mean \"!=\" or \"!~\"?");
    else if (before == '=' || before == '~')
        lexer_hint(lexer, "put quotes around the value");
    else if (rune == '<' || rune == '>')
        lexer_hint(lexer, "labels are compared by =, !=, =~ and !~ only");
    else
        lexer_hint(lexer, "put quotes around names that are not letters, digits and _ only: "
                          "{\"a-b\"=\"c\"}");
}

static void advice_in_brackets(const struct lexer *lexer, int32_t rune)
{
    if (rune == '"' || rune == '\'' || rune == '`')
        lexer_hint(lexer, "durations have no quotes");
    else if (slice_has_prefix(slice_from_index(lexer->text, lexer->start), SLICE("offset")))
        lexer_hint(lexer, "an offset stands behind the brackets: up[5m] offset 1h");
    else if (rune == ')')
        advice_unclosed(lexer, lexer->start);
    else if (rune == '[')
        lexer_hint(lexer, "one pair of brackets is enough");
    else
        lexer_hint(lexer, "a range is written [5m], a subquery [1h:5m]; units are ms, s, m, h, d, "
                          "w and y");
}

static void advice_in_statement(const struct lexer *lexer, int32_t rune, char before)
{
    switch (rune) {
    case '&':
        lexer_hint(lexer, "did you mean \"and\"?");
        return;
    case '|':
        lexer_hint(lexer, "did you mean \"or\"?");
        return;
    case ';':
        lexer_hint(lexer, "a query is one expression");
        return;
    case '~':
        lexer_hint(lexer, "labels are matched inside braces: up{job=~\"a.*\"}");
        return;
    case '}':
    case ')':
    case ']':
        if (!advice_unclosed(lexer, lexer->start))
            lexer_hint(lexer, "nothing is open that it could close");
        return;
    default:
        break;
    }
    if (before == '!')
        lexer_hint(lexer, "did you mean \"!=\" or \"unless\"?");
    else if (rune >= 0x2018 && rune <= 0x201f)
        lexer_hint(lexer, "strings have straight quotes: \" or '");
    else if (rune >= 0x80)
        lexer_hint(lexer, "names with other letters than a-z, A-Z, 0-9, _ and : stand in quotes "
                          "and braces: {\"name\"}");
}

void advice_character(const struct lexer *lexer, int32_t rune, char before)
{
    if (rune == '$')
        lexer_hint(lexer, "is this a variable of a dashboard that nobody has filled in?");
    else if (lexer->brace_open)
        advice_in_braces(lexer, rune, before);
    else if (lexer->bracket_open)
        advice_in_brackets(lexer, rune);
    else
        advice_in_statement(lexer, rune, before);
}

void advice_duration(const struct lexer *lexer, struct slice text)
{
    static const char units[] = "units of durations are ms, s, m, h, d, w and y, in small letters, "
                                "with whole numbers from large to small: 1h30m";
    if (text.len > 1 && (text.ptr[1] == 'x' || text.ptr[1] == 'X'))
        lexer_hint(lexer, "a number of base 16 is written 0x1F");
    else if (text.len > 0 && text.ptr[text.len - 1] == '_')
        lexer_hint(lexer, "a \"_\" stands between two digits: 1_000");
    else if (slice_index(text, '.') != SLICE_NONE && slice_find(text, SLICE("h")) == SLICE_NONE)
        lexer_hint(lexer, "a number has one point at most");
    else if (text.len > 1 && memchr(text.ptr, 'e', text.len) != NULL)
        lexer_hint(lexer, "an exponent is a whole number: 1e9");
    else
        lexer_hint(lexer, "%s", units);
}

/* What was written in place of an operator, and what it should have been. */
static bool hint_operator(struct parser *parser)
{
    static const char *const wrong[][2] = {
        {"===", "=="}, {"=>", ">="}, {"=<", "<="}, {"<>", "!="}, {"**", "^"}, {"=", "=="},
    };
    struct slice text = parser->lexer.text;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct slice is = slice_str(wrong[i][0]);
        if (is.len == 1 && parser->token.kind != TOKEN_EQUAL)
            continue;
        for (size_t back = 0; back < is.len && back <= parser->token.start; back++) {
            if (!slice_has_prefix(slice_from_index(text, parser->token.start - back), is))
                continue;
            parser_hint(parser, "did you mean \"%s\"?", wrong[i][1]);
            return true;
        }
    }
    return false;
}

static bool hint_operand(struct parser *parser)
{
    const struct token *token = &parser->token;
    const struct token *before = &parser->previous;
    bool behind = token_is_operator(before->kind) || before->kind == TOKEN_BOOL;
    if (token_is_operator(token->kind) && hint_operator(parser))
        return true;
    if (behind && token_is_operator(token->kind))
        parser_hint(parser, "an operand is missing between \"%.*s\" and \"%.*s\"",
                    SLICE_ARG(before->text), SLICE_ARG(token->text));
    else if (behind &&
             (token->kind == TOKEN_EOF || token->kind == TOKEN_COMMA || is_closing(token->kind)))
        parser_hint(parser, "an operand is missing behind \"%.*s\"", SLICE_ARG(before->text));
    else if (token_is_operator(token->kind) && token->kind != TOKEN_AT &&
             (before->kind == TOKEN_EOF || before->kind == TOKEN_LEFT_PAREN ||
              before->kind == TOKEN_COMMA))
        parser_hint(parser, "an operand is missing in front of \"%.*s\"", SLICE_ARG(token->text));
    else
        return false;
    return true;
}

/* Keywords where an expression or its end was expected. */
static bool hint_keyword(struct parser *parser)
{
    struct slice word = parser->token.text;
    switch (parser->token.kind) {
    case TOKEN_BY:
    case TOKEN_WITHOUT:
        parser_hint(parser,
                    "\"%.*s\" stands once, right before or behind the parentheses of an "
                    "aggregation: sum %.*s (job) (up)",
                    SLICE_ARG(word), SLICE_ARG(word));
        return true;
    case TOKEN_ON:
    case TOKEN_IGNORING:
        parser_hint(parser, "\"%.*s\" stands once, right behind an operator: a * %.*s (job) b",
                    SLICE_ARG(word), SLICE_ARG(word));
        return true;
    case TOKEN_GROUP_LEFT:
    case TOKEN_GROUP_RIGHT:
        parser_hint(parser,
                    "\"%.*s\" stands behind \"on (...)\" or \"ignoring (...)\": a * on (job) %.*s "
                    "(env) b",
                    SLICE_ARG(word), SLICE_ARG(word));
        return true;
    case TOKEN_BOOL:
        parser_hint(parser, "\"bool\" stands right behind a comparison, before \"on\": a > bool b");
        return true;
    default:
        return false;
    }
}

/* A word behind a whole expression: was it meant to be a keyword, or an argument? */
static bool hint_word(struct parser *parser)
{
    static const char *const words[] = {"and",    "unless", "atan2",   "without",
                                        "offset", "bool",   "ignoring"};
    struct slice word = parser->token.text;
    struct token before = parser->previous;
    bool called = before.kind == TOKEN_IDENTIFIER && function_find(before.text) != NULL;
    if (called || token_is_aggregator(before.kind)) {
        parser_hint(parser, "arguments stand in parentheses: %.*s(...)", SLICE_ARG(before.text));
        return true;
    }
    if (parser->token.kind != TOKEN_IDENTIFIER)
        return false;
    struct spelling spelling;
    spelling_init(&spelling, word);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        spelling_consider(&spelling, slice_str(words[i]));
    if (slice_eq_str(word, "not"))
        spelling.best = SLICE("unless");
    if (spelling.best.len == 0)
        return false;
    parser_hint(parser, "did you mean \"%.*s\"?", SLICE_ARG(spelling.best));
    return true;
}

static void advice_in_expression(struct parser *parser)
{
    enum token_kind kind = parser->token.kind;
    enum token_kind before = parser->previous.kind;
    if (hint_keyword(parser) || hint_operand(parser))
        return;
    if (kind == TOKEN_EQUAL && hint_operator(parser))
        return;
    if (kind == TOKEN_LEFT_BRACE && before == TOKEN_RIGHT_BRACE)
        parser_hint(parser, "put all matchers into one pair of braces");
    else if (kind == TOKEN_DURATION && before != TOKEN_EOF && !is_opening(before))
        parser_hint(parser, "a range is written [%.*s], an offset \"offset %.*s\"",
                    SLICE_ARG(parser->token.text), SLICE_ARG(parser->token.text));
    else if (parser_starts_expression(kind) && before != TOKEN_EOF && !is_opening(before) &&
             !hint_word(parser))
        parser_hint(parser, innermost_open(&parser->lexer, parser->token.start).kind == TOKEN_EOF
                                ? "is an operator missing, or are these two expressions?"
                                : "is a \",\", an operator or a \")\" missing?");
    else if (kind == TOKEN_RIGHT_PAREN && before == TOKEN_LEFT_PAREN)
        parser_hint(parser, "something must stand between the parentheses");
}

static void advice_in_matchers(struct parser *parser)
{
    const struct token *token = &parser->token;
    const struct token *before = &parser->previous;
    bool compared = before->kind == TOKEN_EQUAL || token_is_operator(before->kind);
    int len = (int)MIN(token->text.len, (size_t)SHOWN_BYTES_MAX);
    if (token->kind == TOKEN_EQUAL && compared)
        parser_hint(parser, "one \"=\" is enough");
    else if (token->kind == TOKEN_IDENTIFIER && compared)
        parser_hint(parser, "put quotes around the value");
    else if (compared)
        parser_hint(parser, "a value in quotes is missing behind \"%.*s\"",
                    SLICE_ARG(before->text));
    else if (token->kind == TOKEN_COMMA)
        parser_hint(parser, "nothing stands in front of this \",\"");
    else if (before->kind == TOKEN_IDENTIFIER && token->kind == TOKEN_STRING)
        parser_hint(parser, "is a \"=\" missing?");
    else if (before->kind == TOKEN_IDENTIFIER)
        parser_hint(parser,
                    "a label is compared, as in %.*s=\"a\"; the name of a metric stands in "
                    "quotes",
                    (int)MIN(before->text.len, (size_t)SHOWN_BYTES_MAX), before->text.ptr);
    else if (before->kind == TOKEN_STRING)
        parser_hint(parser, "is a \",\" missing in front of it?");
    else
        parser_hint(parser, "the name of a label is missing in front of \"%.*s\"", len,
                    token->text.ptr);
}

static void advice_in_labels(struct parser *parser)
{
    const struct token *token = &parser->token;
    const struct token *before = &parser->previous;
    struct slice text = {token->text.ptr, MIN(token->text.len, (size_t)SHOWN_BYTES_MAX)};
    if (token_is_keyword(before->kind) && token_is_label_name(token->kind))
        parser_hint(parser, "did you mean \"(%.*s)\"?", SLICE_ARG(text));
    else if (token_is_keyword(before->kind))
        parser_hint(parser, "labels stand in parentheses: %.*s (job)", SLICE_ARG(before->text));
    else if (token->kind == TOKEN_COMMA)
        parser_hint(parser, "nothing stands in front of this \",\"");
    else if (token->kind == TOKEN_LEFT_PAREN || is_closing(token->kind))
        parser_hint(parser, "is the \")\" behind the labels missing?");
    else if (token->kind == TOKEN_NUMBER || token->kind == TOKEN_DURATION ||
             token->kind == TOKEN_WITHOUT)
        parser_hint(parser, "a label of this name stands in quotes: (\"%.*s\")", SLICE_ARG(text));
    else if (token_is_label_name(token->kind) || token->kind == TOKEN_STRING)
        parser_hint(parser, "is a \",\" missing in front of it?");
    else
        parser_hint(parser, "only names of labels stand here");
}

static void advice_in_duration(struct parser *parser)
{
    const struct token *token = &parser->token;
    const struct token *before = &parser->previous;
    if (before->kind >= TOKEN_START)
        parser_hint(parser,
                    before->kind >= TOKEN_MAX_OF ? "two durations follow: %.*s(5m, 1m)"
                                                 : "parentheses follow: %.*s()",
                    SLICE_ARG(before->text));
    else if (token->kind == TOKEN_COMMA || token->kind == TOKEN_NUMBER ||
             token->kind == TOKEN_DURATION)
        parser_hint(parser, "the range and the step of a subquery are written [1h:5m]");
    else if (token_is_operator(before->kind))
        parser_hint(parser, "a duration is missing behind \"%.*s\"", SLICE_ARG(before->text));
    else
        parser_hint(parser, "write how far back, as in [5m], or [1h:5m] for a subquery");
}

void advice_token(struct parser *parser, const char *context)
{
    static const struct {
        const char *context;
        void (*advise)(struct parser *parser);
    } places[] = {
        {"label matching", advice_in_matchers},
        {"grouping opts", advice_in_labels},
        {"subquery or range selector", advice_in_duration},
        {"subquery or range", advice_in_duration},
        {"subquery selector", advice_in_duration},
    };
    if (parser->lexer.err == NULL)
        return;
    const struct token *token = &parser->token;
    struct token open = innermost_open(&parser->lexer, token->start);
    if (is_closing(token->kind) && open.kind != TOKEN_EOF && closing_of(open.kind) != token->kind) {
        hint_unclosed(&parser->lexer, &open);
        return;
    }
    for (size_t i = 0; context != NULL && i < ARRAY_SIZE(places); i++) {
        if (strcmp(context, places[i].context) == 0) {
            places[i].advise(parser);
            return;
        }
    }
    if (context != NULL && strcmp(context, "@") == 0)
        parser_hint(parser, "write seconds since 1970, start() or end(): up @ 1609746000");
    else if (context != NULL && strcmp(context, "offset") == 0)
        parser_hint(parser, "write how far back: up offset 5m");
    else
        advice_in_expression(parser);
}
