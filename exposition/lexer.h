/*
 * Tokens of the two text formats, with the same tokens, states and places of failure as the
 * reference's lexers have, since error texts quote them. The fast paths of the parsers go without
 * it: it serves lines that they do not take, and errors.
 *
 * Private to exposition/. Thread-safety: one owner.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>

enum token {
    TOKEN_INVALID,
    TOKEN_EOF,
    TOKEN_LINEBREAK,
    TOKEN_WHITESPACE,
    TOKEN_HELP,
    TOKEN_TYPE,
    TOKEN_UNIT,
    TOKEN_EOF_WORD,
    TOKEN_TEXT,
    TOKEN_COMMENT,
    TOKEN_METRIC_NAME,
    TOKEN_QUOTED,
    TOKEN_BRACE_OPEN,
    TOKEN_BRACE_CLOSE,
    TOKEN_LABEL_NAME,
    TOKEN_LABEL_VALUE,
    TOKEN_COMMA,
    TOKEN_EQUAL,
    TOKEN_TIMESTAMP,
    TOKEN_VALUE,
};

enum exposition_lexer_state {
    LEXER_INIT,
    LEXER_COMMENT, /* behind "# " */
    LEXER_META_NAME,
    LEXER_META_TEXT,
    LEXER_LABELS,
    LEXER_LABEL_VALUE,
    LEXER_VALUE,
    LEXER_TIMESTAMP,
    LEXER_EXEMPLAR,
    LEXER_EXEMPLAR_VALUE, /* of a label, or the exemplar's own behind its brace */
    LEXER_EXEMPLAR_TIMESTAMP,
};

struct exposition_lexer {
    struct slice body;
    bool openmetrics;
    enum exposition_lexer_state state;
    size_t start; /* of the last token; kept at the end of the body */
    size_t at;    /* behind the last token; where an invalid one failed */
};

/* The next token. White space between tokens of the text format is skipped. */
enum token exposition_lexer_next(struct exposition_lexer *lexer);
/* The name that errors show: "MNAME". */
const char *token_name(enum token token);

static inline struct slice exposition_lexer_token(const struct exposition_lexer *lexer)
{
    return slice_sub(lexer->body, lexer->start, lexer->at - lexer->start);
}
