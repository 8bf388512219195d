/*
 * What the two halves of the parser share: control structures (template_parser.c) and what stands
 * inside of an action (template_parser_pipeline.c).
 *
 * After an error `failed` is set and every function returns NULL; callers pass that on.
 */
#pragma once

#include "base/compiler.h"
#include "rules/template_lexer.h"
#include "rules/template_parser.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One for the whole text. */
struct parse_input {
    struct slice name;
    struct template_lexer lexer;
    struct arena *arena;
    struct template_trees *trees;
    struct errbuf *err;
    bool failed;
    size_t depth; /* of controls and parentheses, over all trees */
};

#define PARSER_TOKENS_BACK 3

/* One for each tree: a definition does not see the variables around it. */
struct template_parser {
    struct parse_input *input;
    struct template_token tokens[PARSER_TOKENS_BACK]; /* the first is the last that was read */
    size_t token_back_count;
    VEC(struct slice) variables;
    size_t range_depth;
    uint32_t action_line; /* where the action under way began, 0 = none */
};

struct template_token template_parser_next(struct template_parser *parser);
struct template_token template_parser_peek(struct template_parser *parser);
struct template_token template_parser_next_non_space(struct template_parser *parser);
struct template_token template_parser_peek_non_space(struct template_parser *parser);
/* Puts the last token back; with one or two that came before it. */
void template_parser_back(struct template_parser *parser);
void template_parser_back2(struct template_parser *parser, struct template_token first);
void template_parser_back3(struct template_parser *parser, struct template_token first,
                           struct template_token second);

/* The first error counts. Returns NULL. */
void *template_parser_fail(struct template_parser *parser, const char *format, ...)
    PRINTF_LIKE(2, 3);
void *template_parser_fail_unexpected(struct template_parser *parser, struct template_token token,
                                      const char *context);
/* Is there room for one more level? Else it fails. */
bool template_parser_enter(struct template_parser *parser);

struct template_node *template_parser_node(struct template_parser *parser,
                                           enum template_node_kind kind, size_t position);
/* The value of a string token; false after failing. */
bool template_parser_unquote(struct template_parser *parser, struct slice literal,
                             struct slice *out);

/* A pipeline up to the token `end`, which is taken. */
struct template_node *template_parser_pipeline(struct template_parser *parser, const char *context,
                                               enum template_token_kind end);
