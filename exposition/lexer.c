#include "exposition/lexer.h"

#include <string.h>

const char *token_name(enum token token)
{
    static const char *const names[] = {
        [TOKEN_INVALID] = "INVALID",     [TOKEN_EOF] = "EOF",
        [TOKEN_LINEBREAK] = "LINEBREAK", [TOKEN_WHITESPACE] = "WHITESPACE",
        [TOKEN_HELP] = "HELP",           [TOKEN_TYPE] = "TYPE",
        [TOKEN_UNIT] = "UNIT",           [TOKEN_EOF_WORD] = "EOFWORD",
        [TOKEN_TEXT] = "TEXT",           [TOKEN_COMMENT] = "COMMENT",
        [TOKEN_METRIC_NAME] = "MNAME",   [TOKEN_QUOTED] = "QSTRING",
        [TOKEN_BRACE_OPEN] = "BOPEN",    [TOKEN_BRACE_CLOSE] = "BCLOSE",
        [TOKEN_LABEL_NAME] = "LNAME",    [TOKEN_LABEL_VALUE] = "LVALUE",
        [TOKEN_COMMA] = "COMMA",         [TOKEN_EQUAL] = "EQUAL",
        [TOKEN_TIMESTAMP] = "TIMESTAMP", [TOKEN_VALUE] = "VALUE",
    };
    return names[token];
}

/* The byte at an offset from the reading place, -1 behind the end. */
static int peek(const struct exposition_lexer *lexer, size_t offset)
{
    size_t index = lexer->at + offset;
    return index < lexer->body.len ? (unsigned char)lexer->body.ptr[index] : -1;
}

static bool is_letter(int byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

static bool is_digit(int byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_blank(int byte)
{
    return byte == ' ' || byte == '\t';
}

static enum token advance(struct exposition_lexer *lexer, size_t len,
                          enum exposition_lexer_state state, enum token token)
{
    lexer->at += len;
    lexer->state = state;
    return token;
}

/* A metric name (with colons) or label name; INVALID where none starts. */
static enum token lex_name(struct exposition_lexer *lexer, bool colons,
                           enum exposition_lexer_state state, enum token token)
{
    size_t len = 0;
    for (;; len++) {
        int byte = peek(lexer, len);
        if (!is_letter(byte) && !(colons && byte == ':') && !(len > 0 && is_digit(byte)))
            break;
    }
    return len == 0 ? TOKEN_INVALID : advance(lexer, len, state, token);
}

/* "..." with escapes; the place of failure is where it breaks off. */
static enum token lex_quoted(struct exposition_lexer *lexer, bool newlines,
                             enum exposition_lexer_state state, enum token token)
{
    size_t len = 1;
    for (;;) {
        int byte = peek(lexer, len);
        if (byte == '"')
            return advance(lexer, len + 1, state, token);
        if (byte == '\\') {
            len++;
            byte = peek(lexer, len);
            if (byte == '\n')
                byte = -1;
        } else if (byte == '\n' && !newlines) {
            byte = -1;
        }
        if (byte < 0) {
            lexer->at += len;
            return TOKEN_INVALID;
        }
        len++;
    }
}

/* Bytes up to a newline or one of `stops`. */
static size_t run_length(const struct exposition_lexer *lexer, size_t from, const char *stops)
{
    size_t len = from;
    for (;; len++) {
        int byte = peek(lexer, len);
        if (byte < 0 || byte == '\n' || (byte != 0 && strchr(stops, byte) != NULL))
            return len;
    }
}

static size_t line_length(const struct exposition_lexer *lexer)
{
    struct slice left = slice_from_index(lexer->body, lexer->at);
    size_t index = slice_index(left, '\n');
    return index == SLICE_NONE ? left.len : index;
}

static bool starts_with(const struct exposition_lexer *lexer, const char *text)
{
    return slice_has_prefix(slice_from_index(lexer->body, lexer->at), slice_str(text));
}

/* A comment goes to the end of its line. */
static enum token lex_comment(struct exposition_lexer *lexer)
{
    lexer->at += line_length(lexer);
    if (lexer->at == lexer->body.len)
        return TOKEN_EOF;
    lexer->state = LEXER_INIT;
    return TOKEN_COMMENT;
}

/* Inside of braces, of a series or an exemplar. */
static enum token lex_labels(struct exposition_lexer *lexer)
{
    bool exemplar = lexer->state == LEXER_EXEMPLAR;
    switch (peek(lexer, 0)) {
    case '"':
        return lex_quoted(lexer, !exemplar, lexer->state, TOKEN_QUOTED);
    case '}':
        return advance(lexer, 1, exemplar ? LEXER_EXEMPLAR_VALUE : LEXER_VALUE, TOKEN_BRACE_CLOSE);
    case '=':
        return advance(lexer, 1, exemplar ? LEXER_EXEMPLAR_VALUE : LEXER_LABEL_VALUE, TOKEN_EQUAL);
    case ',':
        return advance(lexer, 1, lexer->state, TOKEN_COMMA);
    default:
        return lex_name(lexer, false, lexer->state, TOKEN_LABEL_NAME);
    }
}

static size_t blank_length(const struct exposition_lexer *lexer, size_t from)
{
    size_t len = from;
    while (is_blank(peek(lexer, len)))
        len++;
    return len;
}

/* At the start of a line of the text format. */
static enum token lex_text_line(struct exposition_lexer *lexer)
{
    if (starts_with(lexer, "\n"))
        return advance(lexer, 1, LEXER_INIT, TOKEN_LINEBREAK);
    if (starts_with(lexer, "{"))
        return advance(lexer, 1, LEXER_LABELS, TOKEN_BRACE_OPEN);
    if (!starts_with(lexer, "#"))
        return lex_name(lexer, true, LEXER_VALUE, TOKEN_METRIC_NAME);
    size_t word = blank_length(lexer, 1);
    lexer->at += word;
    if (word > 1 && (starts_with(lexer, "HELP") || starts_with(lexer, "TYPE"))) {
        size_t len = blank_length(lexer, 4);
        enum token token = starts_with(lexer, "HELP") ? TOKEN_HELP : TOKEN_TYPE;
        if (len > 4)
            return advance(lexer, len, LEXER_META_NAME, token);
    }
    return lex_comment(lexer);
}

static enum token lex_text_state(struct exposition_lexer *lexer)
{
    switch (lexer->state) {
    case LEXER_INIT:
        return lex_text_line(lexer);
    case LEXER_META_NAME:
        if (peek(lexer, 0) == '"')
            return lex_quoted(lexer, true, LEXER_META_TEXT, TOKEN_METRIC_NAME);
        return lex_name(lexer, true, LEXER_META_TEXT, TOKEN_METRIC_NAME);
    case LEXER_META_TEXT:
        return advance(lexer, line_length(lexer), LEXER_INIT, TOKEN_TEXT);
    case LEXER_LABELS:
        return lex_labels(lexer);
    case LEXER_LABEL_VALUE:
        if (peek(lexer, 0) != '"')
            return TOKEN_INVALID;
        return lex_quoted(lexer, true, LEXER_LABELS, TOKEN_LABEL_VALUE);
    case LEXER_VALUE: {
        if (peek(lexer, 0) == '{')
            return advance(lexer, 1, LEXER_LABELS, TOKEN_BRACE_OPEN);
        size_t len = run_length(lexer, 0, "{ \t");
        return len == 0 || peek(lexer, 0) == 0 ? TOKEN_INVALID
                                               : advance(lexer, len, LEXER_TIMESTAMP, TOKEN_VALUE);
    }
    default: {
        if (peek(lexer, 0) == '\n')
            return advance(lexer, 1, LEXER_INIT, TOKEN_LINEBREAK);
        size_t len = 0;
        while (is_digit(peek(lexer, len)))
            len++;
        return len == 0 ? TOKEN_INVALID : advance(lexer, len, LEXER_TIMESTAMP, TOKEN_TIMESTAMP);
    }
    }
}

static enum token lex_text(struct exposition_lexer *lexer)
{
    for (;;) {
        if (lexer->at == lexer->body.len)
            return TOKEN_EOF;
        lexer->start = lexer->at;
        size_t blanks = blank_length(lexer, 0);
        if (blanks == 0)
            return lex_text_state(lexer);
        /* the text of HELP and TYPE begins with its blanks, unless there is nothing else */
        if (lexer->state == LEXER_META_TEXT && peek(lexer, blanks) != '\n' &&
            peek(lexer, blanks) >= 0)
            return lex_text_state(lexer);
        lexer->at += blanks;
    }
}

/* One space, then a run of other bytes; newline ends the line. */
static enum token lex_openmetrics_word(struct exposition_lexer *lexer,
                                       enum exposition_lexer_state next, enum token token)
{
    if (peek(lexer, 0) != ' ')
        return TOKEN_INVALID;
    size_t len = run_length(lexer, 1, " ");
    if (len == 1) {
        lexer->at++;
        return TOKEN_INVALID;
    }
    return advance(lexer, len, next, token);
}

static enum token lex_openmetrics_comment(struct exposition_lexer *lexer)
{
    static const struct {
        const char *word;
        enum token token;
    } words[] = {{"HELP ", TOKEN_HELP}, {"TYPE ", TOKEN_TYPE}, {"UNIT ", TOKEN_UNIT}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (starts_with(lexer, words[i].word))
            return advance(lexer, 5, LEXER_META_NAME, words[i].token);
    }
    if (starts_with(lexer, "EOF"))
        return advance(lexer, peek(lexer, 3) == '\n' ? 4 : 3, LEXER_INIT, TOKEN_EOF_WORD);
    return TOKEN_INVALID;
}

static enum token lex_openmetrics_line(struct exposition_lexer *lexer)
{
    if (starts_with(lexer, "{"))
        return advance(lexer, 1, LEXER_LABELS, TOKEN_BRACE_OPEN);
    if (!starts_with(lexer, "#"))
        return lex_name(lexer, true, LEXER_VALUE, TOKEN_METRIC_NAME);
    lexer->at++;
    if (peek(lexer, 0) != ' ')
        return TOKEN_INVALID;
    lexer->at++;
    lexer->state = LEXER_COMMENT;
    return lex_openmetrics_comment(lexer);
}

static enum token lex_openmetrics_text(struct exposition_lexer *lexer)
{
    if (peek(lexer, 0) != ' ')
        return TOKEN_INVALID;
    size_t len = line_length(lexer);
    if (lexer->at + len == lexer->body.len) {
        lexer->at += len;
        return TOKEN_INVALID;
    }
    return advance(lexer, len + 1, LEXER_INIT, TOKEN_TEXT);
}

static enum token lex_openmetrics(struct exposition_lexer *lexer)
{
    if (lexer->at == lexer->body.len)
        return TOKEN_EOF;
    lexer->start = lexer->at;
    switch (lexer->state) {
    case LEXER_INIT:
        return lex_openmetrics_line(lexer);
    case LEXER_COMMENT:
        return lex_openmetrics_comment(lexer);
    case LEXER_META_NAME:
        if (peek(lexer, 0) == '"')
            return lex_quoted(lexer, true, LEXER_META_TEXT, TOKEN_METRIC_NAME);
        return lex_name(lexer, true, LEXER_META_TEXT, TOKEN_METRIC_NAME);
    case LEXER_META_TEXT:
        return lex_openmetrics_text(lexer);
    case LEXER_LABELS:
    case LEXER_EXEMPLAR:
        return lex_labels(lexer);
    case LEXER_LABEL_VALUE:
        if (peek(lexer, 0) != '"')
            return TOKEN_INVALID;
        return lex_quoted(lexer, false, LEXER_LABELS, TOKEN_LABEL_VALUE);
    case LEXER_VALUE:
        if (peek(lexer, 0) == '{')
            return advance(lexer, 1, LEXER_LABELS, TOKEN_BRACE_OPEN);
        return lex_openmetrics_word(lexer, LEXER_TIMESTAMP, TOKEN_VALUE);
    case LEXER_TIMESTAMP:
        if (starts_with(lexer, " # {"))
            return advance(lexer, 4, LEXER_EXEMPLAR, TOKEN_COMMENT);
        break;
    case LEXER_EXEMPLAR_VALUE:
        if (peek(lexer, 0) == '"')
            return lex_quoted(lexer, false, LEXER_EXEMPLAR, TOKEN_LABEL_VALUE);
        return lex_openmetrics_word(lexer, LEXER_EXEMPLAR_TIMESTAMP, TOKEN_VALUE);
    case LEXER_EXEMPLAR_TIMESTAMP:
        break;
    }
    if (peek(lexer, 0) == '\n')
        return advance(lexer, 1, LEXER_INIT, TOKEN_LINEBREAK);
    return lex_openmetrics_word(lexer, lexer->state, TOKEN_TIMESTAMP);
}

enum token exposition_lexer_next(struct exposition_lexer *lexer)
{
    return lexer->openmetrics ? lex_openmetrics(lexer) : lex_text(lexer);
}
