/*
 * The tokens of a template: text between actions, and what stands inside {{ }}. White space is a
 * token, since a.b and a .b differ. Comments and what trim markers take away never appear.
 *
 * Ownership: token texts are borrowed from the input; the text of an error lives in the lexer.
 * Thread-safety: one owner.
 */
#pragma once

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Those after TEMPLATE_TOKEN_KEYWORD are keywords. */
enum template_token_kind {
    TEMPLATE_TOKEN_ERROR,
    TEMPLATE_TOKEN_BOOL,
    TEMPLATE_TOKEN_CHAR, /* a printable ASCII character that is nothing else */
    TEMPLATE_TOKEN_CHAR_CONSTANT,
    TEMPLATE_TOKEN_ASSIGN,
    TEMPLATE_TOKEN_DECLARE,
    TEMPLATE_TOKEN_EOF,
    TEMPLATE_TOKEN_FIELD, /* .name */
    TEMPLATE_TOKEN_IDENTIFIER,
    TEMPLATE_TOKEN_LEFT_DELIMITER,
    TEMPLATE_TOKEN_LEFT_PAREN,
    TEMPLATE_TOKEN_NUMBER,
    TEMPLATE_TOKEN_PIPE,
    TEMPLATE_TOKEN_RAW_STRING,
    TEMPLATE_TOKEN_RIGHT_DELIMITER,
    TEMPLATE_TOKEN_RIGHT_PAREN,
    TEMPLATE_TOKEN_SPACE,
    TEMPLATE_TOKEN_STRING,
    TEMPLATE_TOKEN_TEXT,
    TEMPLATE_TOKEN_VARIABLE, /* $ or $name */
    TEMPLATE_TOKEN_KEYWORD,
    TEMPLATE_TOKEN_BLOCK,
    TEMPLATE_TOKEN_BREAK,
    TEMPLATE_TOKEN_CONTINUE,
    TEMPLATE_TOKEN_DOT,
    TEMPLATE_TOKEN_DEFINE,
    TEMPLATE_TOKEN_ELSE,
    TEMPLATE_TOKEN_END,
    TEMPLATE_TOKEN_IF,
    TEMPLATE_TOKEN_NIL,
    TEMPLATE_TOKEN_RANGE,
    TEMPLATE_TOKEN_TEMPLATE,
    TEMPLATE_TOKEN_WITH,
};

struct template_token {
    enum template_token_kind kind;
    uint32_t line;
    size_t position;
    struct slice text; /* of an error: the message */
};

#define TEMPLATE_LEXER_ERROR_SIZE 512

struct template_lexer {
    struct slice input;
    /* private */
    size_t position;
    size_t start;  /* of the token under way */
    uint32_t line; /* at `counted` */
    size_t counted;
    size_t paren_depth;
    bool inside_action;
    char error[TEMPLATE_LEXER_ERROR_SIZE];
};

void template_lexer_init(struct template_lexer *lexer, struct slice input);
/* After an error or the end: the end, for ever. */
struct template_token template_lexer_next(struct template_lexer *lexer);
