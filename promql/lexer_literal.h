/*
 * The part of the lexer that finds where numbers, durations and strings end. Values are made later,
 * by literal.h. Private to the lexer.
 */
#pragma once

#include "promql/lexer.h"
#include "promql/token.h"

#include <stdbool.h>
#include <stdint.h>

/* What lexer_read_rune gives at the end of the text. */
#define LEXER_END (-1)

/* A rune in single quotes with escapes, NUL included. */
#define LEXER_RUNE_TEXT_SIZE 16
void lexer_quote_rune(int32_t rune, char out[LEXER_RUNE_TEXT_SIZE]);

static inline bool lexer_is_digit(int32_t rune)
{
    return rune >= '0' && rune <= '9';
}
static inline bool lexer_is_alpha(int32_t rune)
{
    return rune == '_' || (rune >= 'a' && rune <= 'z') || (rune >= 'A' && rune <= 'Z');
}
static inline bool lexer_is_alphanumeric(int32_t rune)
{
    return lexer_is_alpha(rune) || lexer_is_digit(rune);
}

/* The next code point, U+FFFD for an invalid byte, LEXER_END at the end; moves `at`. */
int32_t lexer_read_rune(struct lexer *lexer);

/* Is the rune just read the first of a number? */
bool lexer_starts_number(const struct lexer *lexer, int32_t rune);
/* From lexer->start. TOKEN_NUMBER, TOKEN_DURATION, or TOKEN_ERROR, which is reported. The text is
 * not necessarily a valid number or duration. */
enum token_kind lexer_scan_number_or_duration(struct lexer *lexer);
/* Behind the opening quote. TOKEN_STRING or TOKEN_ERROR. */
enum token_kind lexer_scan_string(struct lexer *lexer, char quote);
