/*
 * The lexer of PromQL: text to tokens, on demand, one at a time. White space and comments are
 * skipped. What a byte means depends on where it stands: inside braces there are no keywords,
 * inside brackets almost only durations.
 *
 * The text is borrowed. An error is written to the errbuf with its place and given out as
 * TOKEN_ERROR; there are no more tokens after it. Thread-safety: none; one owner.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "promql/token.h"

#include <stdbool.h>
#include <stdint.h>

struct lexer {
    struct slice text;
    struct errbuf *err;
    /* private */
    uint32_t start; /* of the present token */
    uint32_t at;    /* of the next byte */
    int paren_depth;
    bool brace_open;
    bool bracket_open;
    bool duration_only; /* behind '[', until the first number has been read */
    bool got_colon;     /* since the last '[' */
    bool got_duration;  /* in any brackets so far */
};

/* The text must be shorter than 4 GiB. */
void lexer_init(struct lexer *lexer, struct slice text, struct errbuf *err);
struct token lexer_next(struct lexer *lexer);

/* Writes ERR_INVALID with a text and the place of a byte. */
void lexer_report(const struct lexer *lexer, uint32_t position, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Adds ": hint" to the error reported last. */
void lexer_hint(const struct lexer *lexer, const char *format, ...) PRINTF_LIKE(2, 3);
/* Line and column of a byte, from 1. */
void lexer_place(const struct lexer *lexer, uint32_t position, uint32_t *out_line,
                 uint32_t *out_column);
