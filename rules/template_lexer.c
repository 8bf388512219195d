#include "rules/template_lexer.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/utf8.h"
#include "model/quote.h"
#include "rules/template_text.h"

#define LEFT_DELIMITER SLICE("{{")
#define RIGHT_DELIMITER SLICE("}}")
#define LEFT_COMMENT SLICE("/*")
#define RIGHT_COMMENT SLICE("*/")
/* A trim marker is a minus and a space. */
#define TRIM_MARKER_SIZE 2
#define END_OF_INPUT UINT32_MAX

static const struct {
    const char *word;
    enum template_token_kind kind;
} keywords[] = {
    {"block", TEMPLATE_TOKEN_BLOCK},
    {"break", TEMPLATE_TOKEN_BREAK},
    {"continue", TEMPLATE_TOKEN_CONTINUE},
    {"define", TEMPLATE_TOKEN_DEFINE},
    {"else", TEMPLATE_TOKEN_ELSE},
    {"end", TEMPLATE_TOKEN_END},
    {"if", TEMPLATE_TOKEN_IF},
    {"nil", TEMPLATE_TOKEN_NIL},
    {"range", TEMPLATE_TOKEN_RANGE},
    {"template", TEMPLATE_TOKEN_TEMPLATE},
    {"with", TEMPLATE_TOKEN_WITH},
    {"true", TEMPLATE_TOKEN_BOOL},
    {"false", TEMPLATE_TOKEN_BOOL},
};

void template_lexer_init(struct template_lexer *lexer, struct slice input)
{
    *lexer = (struct template_lexer){.input = input, .line = 1};
}

/* -- looking at the input -- */

static struct slice rest(const struct template_lexer *lexer)
{
    return slice_from_index(lexer->input, lexer->position);
}

static uint32_t peek_rune(const struct template_lexer *lexer, size_t *out_len)
{
    uint32_t rune;
    *out_len = utf8_decode(rest(lexer), &rune);
    return *out_len == 0 ? END_OF_INPUT : rune;
}

static uint32_t next_rune(struct template_lexer *lexer)
{
    size_t len;
    uint32_t rune = peek_rune(lexer, &len);
    lexer->position += len;
    return rune;
}

static bool is_space(uint32_t rune)
{
    return rune == ' ' || rune == '\t' || rune == '\r' || rune == '\n';
}

static bool has_left_trim_marker(struct slice text)
{
    return text.len >= TRIM_MARKER_SIZE && text.ptr[0] == '-' && is_space((uint8_t)text.ptr[1]);
}

static bool has_right_trim_marker(struct slice text)
{
    return text.len >= TRIM_MARKER_SIZE && is_space((uint8_t)text.ptr[0]) && text.ptr[1] == '-';
}

static bool at_right_delimiter(const struct template_lexer *lexer, bool *out_trim)
{
    struct slice text = rest(lexer);
    *out_trim = has_right_trim_marker(text) &&
                slice_has_prefix(slice_from_index(text, TRIM_MARKER_SIZE), RIGHT_DELIMITER);
    return *out_trim || slice_has_prefix(text, RIGHT_DELIMITER);
}

/* May an identifier end here? */
static bool at_terminator(const struct template_lexer *lexer)
{
    size_t len;
    uint32_t rune = peek_rune(lexer, &len);
    return rune == END_OF_INPUT || is_space(rune) || rune == '.' || rune == ',' || rune == '|' ||
           rune == ':' || rune == ')' || rune == '(' ||
           slice_has_prefix(rest(lexer), RIGHT_DELIMITER);
}

static void skip_spaces(struct template_lexer *lexer)
{
    while (lexer->position < lexer->input.len &&
           is_space((uint8_t)lexer->input.ptr[lexer->position]))
        lexer->position++;
}

/* -- making tokens -- */

/* Tokens begin in ascending order, so that each byte is counted once. */
static uint32_t line_at(struct template_lexer *lexer, size_t position)
{
    for (; lexer->counted < position; lexer->counted++)
        lexer->line += lexer->input.ptr[lexer->counted] == '\n';
    return lexer->line;
}

static struct template_token emit(struct template_lexer *lexer, enum template_token_kind kind)
{
    struct template_token token = {
        .kind = kind,
        .line = line_at(lexer, lexer->start),
        .position = lexer->start,
        .text = slice_sub(lexer->input, lexer->start, lexer->position - lexer->start),
    };
    lexer->start = lexer->position;
    return token;
}

static struct template_token fail(struct template_lexer *lexer, const char *text)
{
    struct template_token token = {
        .kind = TEMPLATE_TOKEN_ERROR,
        .line = line_at(lexer, lexer->start),
        .position = lexer->start,
    };
    if (text != lexer->error)
        snprintf(lexer->error, sizeof(lexer->error), "%s", text);
    token.text = slice_str(lexer->error);
    lexer->position = lexer->start = lexer->input.len;
    lexer->inside_action = false;
    return token;
}

/* "bad character U+0040 '@'" */
static struct template_token fail_rune(struct template_lexer *lexer, const char *what,
                                       uint32_t rune)
{
    char text[4];
    size_t len = utf8_encode(rune, text);
    if (quote_is_printable(rune))
        snprintf(lexer->error, sizeof(lexer->error), "%s U+%04X '%.*s'", what, rune, (int)len,
                 text);
    else
        snprintf(lexer->error, sizeof(lexer->error), "%s U+%04X", what, rune);
    return fail(lexer, lexer->error);
}

static struct template_token fail_number(struct template_lexer *lexer)
{
    CLEANUP(buf_release) struct buf quoted;
    buf_init(&quoted, TEMPLATE_LEXER_ERROR_SIZE);
    quote_go(slice_sub(lexer->input, lexer->start, lexer->position - lexer->start), &quoted);
    snprintf(lexer->error, sizeof(lexer->error), "bad number syntax: %s", buf_cstr(&quoted));
    return fail(lexer, lexer->error);
}

/* -- inside of an action -- */

static struct template_token lex_right_delimiter(struct template_lexer *lexer, bool trim)
{
    if (trim) {
        lexer->position += TRIM_MARKER_SIZE;
        lexer->start = lexer->position;
    }
    lexer->position += RIGHT_DELIMITER.len;
    struct template_token token = emit(lexer, TEMPLATE_TOKEN_RIGHT_DELIMITER);
    if (trim) {
        skip_spaces(lexer);
        lexer->start = lexer->position;
    }
    lexer->inside_action = false;
    return token;
}

/* The last space may belong to a trim marker. */
static struct template_token lex_space(struct template_lexer *lexer)
{
    skip_spaces(lexer);
    lexer->position--;
    bool trim;
    if (!at_right_delimiter(lexer, &trim) || !trim)
        lexer->position++;
    else if (lexer->position == lexer->start)
        return lex_right_delimiter(lexer, true);
    return emit(lexer, TEMPLATE_TOKEN_SPACE);
}

/* To the closing quote; newlines and the end of the input do not belong in. */
static struct template_token lex_quoted(struct template_lexer *lexer, uint32_t quote,
                                        enum template_token_kind kind, const char *error)
{
    for (;;) {
        uint32_t rune = next_rune(lexer);
        if (rune == quote)
            return emit(lexer, kind);
        if (rune == '\\')
            rune = next_rune(lexer);
        if (rune == END_OF_INPUT || rune == '\n')
            return fail(lexer, error);
    }
}

static struct template_token lex_raw_quoted(struct template_lexer *lexer)
{
    size_t end = slice_index(rest(lexer), '`');
    if (end == SLICE_NONE)
        return fail(lexer, "unterminated raw quoted string");
    lexer->position += end + 1;
    return emit(lexer, TEMPLATE_TOKEN_RAW_STRING);
}

static bool accept(struct template_lexer *lexer, const char *bytes)
{
    if (lexer->position >= lexer->input.len)
        return false;
    char byte = lexer->input.ptr[lexer->position];
    if (byte == '\0' || strchr(bytes, byte) == NULL)
        return false;
    lexer->position++;
    return true;
}

static void accept_all(struct template_lexer *lexer, const char *bytes)
{
    while (accept(lexer, bytes)) {
    }
}

/* More than what is a number is taken; the parser finds out. */
static bool scan_number(struct template_lexer *lexer)
{
    const char *digits = "0123456789_";
    const char *exponent = "eE";
    accept(lexer, "+-");
    if (accept(lexer, "0")) {
        if (accept(lexer, "xX")) {
            digits = "0123456789abcdefABCDEF_";
            exponent = "pP";
        } else if (accept(lexer, "oO")) {
            digits = "01234567_";
            exponent = "";
        } else if (accept(lexer, "bB")) {
            digits = "01_";
            exponent = "";
        }
    }
    accept_all(lexer, digits);
    if (accept(lexer, "."))
        accept_all(lexer, digits);
    if (accept(lexer, exponent)) {
        accept(lexer, "+-");
        accept_all(lexer, "0123456789_");
    }
    accept(lexer, "i");
    size_t len;
    uint32_t rune = peek_rune(lexer, &len);
    if (rune == END_OF_INPUT || !template_is_word(rune))
        return true;
    lexer->position += len;
    return false;
}

/* Two numbers with a sign between them would be a complex one; there are none here. */
static struct template_token lex_number(struct template_lexer *lexer)
{
    if (!scan_number(lexer))
        return fail_number(lexer);
    size_t len;
    uint32_t sign = peek_rune(lexer, &len);
    if (sign == '+' || sign == '-') {
        scan_number(lexer);
        return fail_number(lexer);
    }
    return emit(lexer, TEMPLATE_TOKEN_NUMBER);
}

/* The rest of a name; its first character was seen to be fine. */
static struct template_token lex_name(struct template_lexer *lexer, enum template_token_kind kind)
{
    size_t len;
    uint32_t rune = peek_rune(lexer, &len);
    while (rune != END_OF_INPUT && template_is_word(rune)) {
        lexer->position += len;
        rune = peek_rune(lexer, &len);
    }
    if (!at_terminator(lexer))
        return fail_rune(lexer, "bad character", rune);
    if (kind != TEMPLATE_TOKEN_IDENTIFIER)
        return emit(lexer, kind);
    struct slice word = slice_sub(lexer->input, lexer->start, lexer->position - lexer->start);
    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
        if (slice_eq_str(word, keywords[i].word))
            return emit(lexer, keywords[i].kind);
    }
    return emit(lexer, kind);
}

/* Behind a '.' or '$'. */
static struct template_token lex_field_or_variable(struct template_lexer *lexer,
                                                   enum template_token_kind kind)
{
    if (at_terminator(lexer))
        return emit(lexer, kind == TEMPLATE_TOKEN_VARIABLE ? kind : TEMPLATE_TOKEN_DOT);
    return lex_name(lexer, kind);
}

static struct template_token lex_paren(struct template_lexer *lexer, uint32_t rune)
{
    if (rune == '(') {
        lexer->paren_depth++;
        return emit(lexer, TEMPLATE_TOKEN_LEFT_PAREN);
    }
    if (lexer->paren_depth == 0)
        return fail(lexer, "unexpected right paren");
    lexer->paren_depth--;
    return emit(lexer, TEMPLATE_TOKEN_RIGHT_PAREN);
}

static bool is_digit_next(const struct template_lexer *lexer)
{
    struct slice text = rest(lexer);
    return text.len == 0 || (text.ptr[0] >= '0' && text.ptr[0] <= '9');
}

static struct template_token lex_word_or_number(struct template_lexer *lexer, uint32_t rune)
{
    if (rune == '.' && !is_digit_next(lexer))
        return lex_field_or_variable(lexer, TEMPLATE_TOKEN_FIELD);
    if (rune == '.' || rune == '+' || rune == '-' || (rune >= '0' && rune <= '9')) {
        lexer->position = lexer->start;
        return lex_number(lexer);
    }
    if (template_is_word(rune))
        return lex_name(lexer, TEMPLATE_TOKEN_IDENTIFIER);
    if (rune < 0x80 && quote_is_printable(rune))
        return emit(lexer, TEMPLATE_TOKEN_CHAR);
    return fail_rune(lexer, "unrecognized character in action:", rune);
}

static struct template_token lex_inside_action(struct template_lexer *lexer)
{
    bool trim;
    if (at_right_delimiter(lexer, &trim)) {
        if (lexer->paren_depth > 0)
            return fail(lexer, "unclosed left paren");
        return lex_right_delimiter(lexer, trim);
    }
    uint32_t rune = next_rune(lexer);
    switch (rune) {
    case END_OF_INPUT:
        return fail(lexer, "unclosed action");
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        return lex_space(lexer);
    case '=':
        return emit(lexer, TEMPLATE_TOKEN_ASSIGN);
    case ':':
        return next_rune(lexer) == '=' ? emit(lexer, TEMPLATE_TOKEN_DECLARE)
                                       : fail(lexer, "expected :=");
    case '|':
        return emit(lexer, TEMPLATE_TOKEN_PIPE);
    case '"':
        return lex_quoted(lexer, '"', TEMPLATE_TOKEN_STRING, "unterminated quoted string");
    case '\'':
        return lex_quoted(lexer, '\'', TEMPLATE_TOKEN_CHAR_CONSTANT,
                          "unterminated character constant");
    case '`':
        return lex_raw_quoted(lexer);
    case '$':
        return lex_field_or_variable(lexer, TEMPLATE_TOKEN_VARIABLE);
    case '(':
    case ')':
        return lex_paren(lexer, rune);
    default:
        return lex_word_or_number(lexer, rune);
    }
}

/* -- outside -- */

/* Skips a comment whose opening is at the position; NULL or the error. */
static const char *skip_comment(struct template_lexer *lexer)
{
    lexer->start = lexer->position;
    lexer->position += LEFT_COMMENT.len;
    size_t end = slice_find(rest(lexer), RIGHT_COMMENT);
    if (end == SLICE_NONE)
        return "unclosed comment";
    lexer->position += end + RIGHT_COMMENT.len;
    bool trim;
    if (!at_right_delimiter(lexer, &trim))
        return "comment ends before closing delimiter";
    lexer->position += RIGHT_DELIMITER.len + (trim ? TRIM_MARKER_SIZE : 0);
    if (trim)
        skip_spaces(lexer);
    lexer->start = lexer->position;
    return NULL;
}

/* The text up to the next action; false when there is none before it. */
static bool lex_text(struct template_lexer *lexer, struct template_token *out)
{
    size_t found = slice_find(rest(lexer), LEFT_DELIMITER);
    size_t end = found == SLICE_NONE ? lexer->input.len : lexer->position + found;
    size_t text_end = end;
    if (found != SLICE_NONE &&
        has_left_trim_marker(slice_from_index(lexer->input, end + LEFT_DELIMITER.len))) {
        while (text_end > lexer->start && is_space((uint8_t)lexer->input.ptr[text_end - 1]))
            text_end--;
    }
    lexer->position = text_end;
    bool any = text_end > lexer->start;
    if (any)
        *out = emit(lexer, TEMPLATE_TOKEN_TEXT);
    lexer->position = lexer->start = end;
    return any;
}

struct template_token template_lexer_next(struct template_lexer *lexer)
{
    if (lexer->inside_action)
        return lex_inside_action(lexer);
    for (;;) {
        struct template_token text;
        if (lex_text(lexer, &text))
            return text;
        if (lexer->position >= lexer->input.len)
            return emit(lexer, TEMPLATE_TOKEN_EOF);
        struct slice behind = slice_from_index(rest(lexer), LEFT_DELIMITER.len);
        size_t marker = has_left_trim_marker(behind) ? TRIM_MARKER_SIZE : 0;
        lexer->position += LEFT_DELIMITER.len;
        if (!slice_has_prefix(slice_from_index(behind, marker), LEFT_COMMENT)) {
            struct template_token delimiter = emit(lexer, TEMPLATE_TOKEN_LEFT_DELIMITER);
            lexer->position += marker;
            lexer->start = lexer->position;
            lexer->inside_action = true;
            lexer->paren_depth = 0;
            return delimiter;
        }
        lexer->position += marker;
        const char *error = skip_comment(lexer);
        if (error != NULL)
            return fail(lexer, error);
    }
}
