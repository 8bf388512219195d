/* Words, operators, punctuation, and which of the three modes reads the next token. */
#include "promql/lexer.h"

#include "base/buf.h"
#include "promql/advice.h"
#include "promql/lexer_literal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void lexer_init(struct lexer *lexer, struct slice text, struct errbuf *err)
{
    *lexer = (struct lexer){.text = text, .err = err};
}

void lexer_place(const struct lexer *lexer, uint32_t position, uint32_t *out_line,
                 uint32_t *out_column)
{
    struct slice text = lexer->text;
    uint32_t line = 1;
    uint32_t line_start = 0;
    for (uint32_t i = 0; i < position && i < text.len; i++) {
        if (text.ptr[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    *out_line = line;
    *out_column = position - line_start + 1;
}

void lexer_report(const struct lexer *lexer, uint32_t position, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)errbuf_set_va(lexer->err, ERR_INVALID, format, arguments);
    va_end(arguments);
    if (lexer->err == NULL)
        return;
    lexer_place(lexer, position, &lexer->err->line, &lexer->err->column);
    lexer->err->position = position;
}

void lexer_hint(const struct lexer *lexer, const char *format, ...)
{
    struct errbuf *err = lexer->err;
    if (err == NULL)
        return;
    size_t len = strlen(err->text);
    if (len + sizeof(": ") >= sizeof(err->text))
        return;
    memcpy(err->text + len, ": ", sizeof(": "));
    len += 2;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->text + len, sizeof(err->text) - len, format, arguments);
    va_end(arguments);
}

static struct token lexer_emit(struct lexer *lexer, enum token_kind kind)
{
    struct token token = {kind, lexer->start,
                          slice_sub(lexer->text, lexer->start, lexer->at - lexer->start)};
    lexer->start = lexer->at;
    return token;
}

static struct token lexer_fail(struct lexer *lexer)
{
    lexer->at = lexer->start = (uint32_t)lexer->text.len;
    return (struct token){TOKEN_ERROR, lexer->start, SLICE_EMPTY};
}

/* An error whose text ends with the rune in single quotes. */
static struct token lexer_fail_rune(struct lexer *lexer, const char *what, int32_t rune)
{
    char text[LEXER_RUNE_TEXT_SIZE];
    lexer_quote_rune(rune, text);
    lexer_report(lexer, lexer->start, "%s%s", what, text);
    char before = lexer->start > 0 ? lexer->text.ptr[lexer->start - 1] : '\0';
    bool behind_bang = lexer->start < lexer->text.len && lexer->text.ptr[lexer->start] == '!';
    advice_character(lexer, rune, behind_bang ? '!' : before);
    return lexer_fail(lexer);
}

static struct token lexer_literal(struct lexer *lexer, enum token_kind kind)
{
    return kind == TOKEN_ERROR ? lexer_fail(lexer) : lexer_emit(lexer, kind);
}

static bool lexer_take(struct lexer *lexer, char byte)
{
    if (lexer->at >= lexer->text.len || lexer->text.ptr[lexer->at] != byte)
        return false;
    lexer->at++;
    return true;
}

/* White space, and comments where they are allowed. */
static void lexer_skip(struct lexer *lexer)
{
    bool comments = lexer->brace_open || !lexer->duration_only;
    while (lexer->at < lexer->text.len) {
        char byte = lexer->text.ptr[lexer->at];
        if (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') {
            lexer->at++;
        } else if (byte == '#' && comments) {
            while (lexer->at < lexer->text.len && lexer->text.ptr[lexer->at] != '\n' &&
                   lexer->text.ptr[lexer->at] != '\r')
                lexer->at++;
        } else {
            break;
        }
    }
    lexer->start = lexer->at;
}

static struct token lexer_close_paren(struct lexer *lexer)
{
    struct token token = lexer_emit(lexer, TOKEN_RIGHT_PAREN);
    if (--lexer->paren_depth < 0)
        return lexer_fail_rune(lexer, "unexpected right parenthesis ", ')');
    return token;
}

static struct token lexer_inside_braces(struct lexer *lexer)
{
    int32_t rune = lexer_read_rune(lexer);
    switch (rune) {
    case LEXER_END:
        lexer_report(lexer, lexer->start, "unexpected end of input inside braces");
        advice_unclosed(lexer, lexer->start);
        return lexer_fail(lexer);
    case ',':
        return lexer_emit(lexer, TOKEN_COMMA);
    case '"':
    case '\'':
    case '`':
        return lexer_literal(lexer, lexer_scan_string(lexer, (char)rune));
    case '=':
        return lexer_emit(lexer, lexer_take(lexer, '~') ? TOKEN_REGEX_MATCH : TOKEN_EQUAL);
    case '!':
        if (lexer_take(lexer, '~'))
            return lexer_emit(lexer, TOKEN_REGEX_NO_MATCH);
        if (lexer_take(lexer, '='))
            return lexer_emit(lexer, TOKEN_NOT_EQUAL);
        return lexer_fail_rune(
            lexer, "unexpected character after '!' inside braces: ", lexer_read_rune(lexer));
    case '{':
        return lexer_fail_rune(lexer, "unexpected left brace ", '{');
    case '}':
        lexer->brace_open = false;
        return lexer_emit(lexer, TOKEN_RIGHT_BRACE);
    default:
        if (!lexer_is_alpha(rune))
            return lexer_fail_rune(lexer, "unexpected character inside braces: ", rune);
        while (lexer->at < lexer->text.len &&
               lexer_is_alphanumeric((unsigned char)lexer->text.ptr[lexer->at]))
            lexer->at++;
        return lexer_emit(lexer, TOKEN_IDENTIFIER);
    }
}

/* A word behind its first letter; inside brackets only letters belong to it. */
static enum token_kind lexer_scan_duration_word(struct lexer *lexer)
{
    while (lexer->at < lexer->text.len && lexer_is_alpha((unsigned char)lexer->text.ptr[lexer->at]))
        lexer->at++;
    return token_duration_word(slice_sub(lexer->text, lexer->start, lexer->at - lexer->start));
}

static struct token lexer_colon_of_duration(struct lexer *lexer)
{
    struct token token = lexer_emit(lexer, TOKEN_COLON);
    if (!lexer->got_duration || lexer->got_colon) {
        lexer_report(lexer, lexer->start,
                     lexer->got_duration
                         ? "unexpected repeated colon in duration expression"
                         : "unexpected colon before duration in duration expression");
        lexer_hint(lexer, "a subquery is written [range:step], as in [1h:5m]");
        return lexer_fail(lexer);
    }
    lexer->got_colon = true;
    return token;
}

/* Behind '[', until there was a number. */
static struct token lexer_inside_brackets(struct lexer *lexer)
{
    int32_t rune = lexer_read_rune(lexer);
    switch (rune) {
    case LEXER_END:
        lexer_report(lexer, lexer->start, "unexpected end of input in duration expression");
        advice_unclosed(lexer, lexer->start);
        return lexer_fail(lexer);
    case ']':
        lexer->bracket_open = lexer->got_colon = lexer->duration_only = false;
        return lexer_emit(lexer, TOKEN_RIGHT_BRACKET);
    case ':':
        return lexer_colon_of_duration(lexer);
    case '(':
        lexer->paren_depth++;
        return lexer_emit(lexer, TOKEN_LEFT_PAREN);
    case ')':
        return lexer_close_paren(lexer);
    case '+':
        return lexer_emit(lexer, TOKEN_ADD);
    case '-':
        return lexer_emit(lexer, TOKEN_SUB);
    case '*':
        return lexer_emit(lexer, TOKEN_MUL);
    case '/':
        return lexer_emit(lexer, TOKEN_DIV);
    case '%':
        return lexer_emit(lexer, TOKEN_MOD);
    case '^':
        return lexer_emit(lexer, TOKEN_POW);
    case ',':
        return lexer_emit(lexer, TOKEN_COMMA);
    default:
        break;
    }
    if (lexer_starts_number(lexer, rune)) {
        lexer->got_duration = true;
        lexer->duration_only = false;
        return lexer_literal(lexer, lexer_scan_number_or_duration(lexer));
    }
    enum token_kind kind = lexer_is_alpha(rune) ? lexer_scan_duration_word(lexer) : TOKEN_EOF;
    if (kind != TOKEN_EOF)
        return lexer_emit(lexer, kind);
    return lexer_fail_rune(lexer, "unexpected character in duration expression: ", rune);
}

/* fill, fill_left and fill_right are keywords only before a parenthesis, so that metrics may have
 * these names. */
static bool lexer_paren_follows(const struct lexer *lexer)
{
    for (uint32_t i = lexer->at; i < lexer->text.len; i++) {
        char byte = lexer->text.ptr[i];
        if (byte != ' ' && byte != '\t' && byte != '\n' && byte != '\r')
            return byte == '(';
    }
    return false;
}

static struct token lexer_word(struct lexer *lexer)
{
    while (lexer->at < lexer->text.len) {
        unsigned char byte = (unsigned char)lexer->text.ptr[lexer->at];
        if (!lexer_is_alphanumeric(byte) && byte != ':')
            break;
        lexer->at++;
    }
    enum token_kind kind =
        token_word(slice_sub(lexer->text, lexer->start, lexer->at - lexer->start));
    if (kind >= TOKEN_FILL && kind <= TOKEN_FILL_RIGHT && !lexer_paren_follows(lexer))
        kind = TOKEN_IDENTIFIER;
    return lexer_emit(lexer, kind);
}

/* A letter or colon inside brackets, behind the first number. */
static struct token lexer_word_inside_brackets(struct lexer *lexer, int32_t rune)
{
    if (rune == ':') {
        if (lexer->got_colon)
            return lexer_fail_rune(lexer, "unexpected colon ", rune);
        lexer->got_colon = true;
        return lexer_emit(lexer, TOKEN_COLON);
    }
    enum token_kind kind = lexer_scan_duration_word(lexer);
    if (kind != TOKEN_EOF)
        return lexer_emit(lexer, kind);
    char text[LEXER_RUNE_TEXT_SIZE];
    lexer_quote_rune(rune, text);
    lexer_report(lexer, lexer->start, "unexpected character: %s, expected ':'", text);
    advice_character(lexer, rune, '\0');
    return lexer_fail(lexer);
}

static struct token lexer_end(struct lexer *lexer)
{
    if (lexer->paren_depth != 0 || lexer->bracket_open) {
        lexer_report(lexer, lexer->start, "%s",
                     lexer->paren_depth != 0 ? "unclosed left parenthesis"
                                             : "unclosed left bracket");
        advice_unclosed(lexer, lexer->start);
        return lexer_fail(lexer);
    }
    return lexer_emit(lexer, TOKEN_EOF);
}

static struct token lexer_open_bracket(struct lexer *lexer)
{
    if (lexer->bracket_open)
        return lexer_fail_rune(lexer, "unexpected left bracket ", '[');
    lexer->got_colon = false;
    lexer->bracket_open = lexer->duration_only = true;
    return lexer_emit(lexer, TOKEN_LEFT_BRACKET);
}

static struct token lexer_close_bracket(struct lexer *lexer)
{
    if (!lexer->bracket_open)
        return lexer_fail_rune(lexer, "unexpected right bracket ", ']');
    lexer->bracket_open = false;
    return lexer_emit(lexer, TOKEN_RIGHT_BRACKET);
}

static struct token lexer_comparison(struct lexer *lexer, int32_t rune)
{
    switch (rune) {
    case '=':
        if (lexer_take(lexer, '='))
            return lexer_emit(lexer, TOKEN_EQUAL_EQUAL);
        if (lexer->at < lexer->text.len && lexer->text.ptr[lexer->at] == '~')
            return lexer_fail_rune(lexer, "unexpected character after '=': ", '~');
        return lexer_emit(lexer, TOKEN_EQUAL);
    case '!':
        if (lexer_take(lexer, '='))
            return lexer_emit(lexer, TOKEN_NOT_EQUAL);
        return lexer_fail_rune(lexer, "unexpected character after '!': ", lexer_read_rune(lexer));
    case '<':
        return lexer_emit(lexer, lexer_take(lexer, '=')   ? TOKEN_LESS_EQUAL
                                 : lexer_take(lexer, '/') ? TOKEN_TRIM_UPPER
                                                          : TOKEN_LESS);
    default:
        return lexer_emit(lexer, lexer_take(lexer, '=')   ? TOKEN_GREATER_EQUAL
                                 : lexer_take(lexer, '/') ? TOKEN_TRIM_LOWER
                                                          : TOKEN_GREATER);
    }
}

/* Kinds of the single bytes that are a token wherever they stand. */
static enum token_kind single_byte_kind(int32_t rune)
{
    switch (rune) {
    case ',':
        return TOKEN_COMMA;
    case '*':
        return TOKEN_MUL;
    case '/':
        return TOKEN_DIV;
    case '%':
        return TOKEN_MOD;
    case '+':
        return TOKEN_ADD;
    case '-':
        return TOKEN_SUB;
    case '^':
        return TOKEN_POW;
    case '@':
        return TOKEN_AT;
    default:
        return TOKEN_EOF;
    }
}

static struct token lexer_statement(struct lexer *lexer)
{
    int32_t rune = lexer_read_rune(lexer);
    enum token_kind kind = single_byte_kind(rune);
    if (kind != TOKEN_EOF)
        return lexer_emit(lexer, kind);
    switch (rune) {
    case LEXER_END:
        return lexer_end(lexer);
    case '=':
    case '!':
    case '<':
    case '>':
        return lexer_comparison(lexer, rune);
    case '"':
    case '\'':
    case '`':
        return lexer_literal(lexer, lexer_scan_string(lexer, (char)rune));
    case '(':
        lexer->paren_depth++;
        return lexer_emit(lexer, TOKEN_LEFT_PAREN);
    case ')':
        return lexer_close_paren(lexer);
    case '{':
        lexer->brace_open = true;
        return lexer_emit(lexer, TOKEN_LEFT_BRACE);
    case '[':
        return lexer_open_bracket(lexer);
    case ']':
        return lexer_close_bracket(lexer);
    default:
        break;
    }
    if (lexer_starts_number(lexer, rune))
        return lexer_literal(lexer, lexer_scan_number_or_duration(lexer));
    if (lexer_is_alpha(rune) || rune == ':')
        return lexer->bracket_open ? lexer_word_inside_brackets(lexer, rune) : lexer_word(lexer);
    return lexer_fail_rune(lexer, "unexpected character: ", rune);
}

struct token lexer_next(struct lexer *lexer)
{
    lexer_skip(lexer);
    if (lexer->brace_open)
        return lexer_inside_braces(lexer);
    if (lexer->duration_only)
        return lexer_inside_brackets(lexer);
    return lexer_statement(lexer);
}
