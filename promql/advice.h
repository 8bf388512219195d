/*
 * What a person can do about a broken query: hints behind the words of the reference, which stay in
 * front because clients may look for them.
 *
 * Advice is made when an error has been reported, from what stands around its place; only then the
 * text is read again. Nothing here decides whether a query is valid. Thread-safety: as the lexer.
 */
#pragma once

#include "promql/parser.h"

#include <stdbool.h>
#include <stdint.h>

/* A bracket that opens before `end` and does not close there: which one, and where. false = none.
 */
bool advice_unclosed(const struct lexer *lexer, uint32_t end);
/* A character that no token begins with; `before` = the one that has been taken before it, or 0. */
void advice_character(const struct lexer *lexer, int32_t rune, char before);
/* A number or duration that does not end where it should. */
void advice_duration(const struct lexer *lexer, struct slice text);

/* The next token, which the grammar has no place for. */
void advice_token(struct parser *parser, const char *context);

/* An expression of another type than its place takes; `function` is NULL for aggregations. */
void advice_type(const struct lexer *lexer, const struct node *node, enum promql_type expected,
                 const struct function_signature *function);
/* The types of arguments that a function takes. */
void advice_signature(const struct lexer *lexer, const struct function_signature *function);
