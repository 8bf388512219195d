/*
 * The parser's state and the functions that its files share. Private to parser*.c.
 *
 * Recursive descent with precedence climbing. A parse function returns its node, or NULL when it
 * has reported an error; the first error ends parsing. Tokens are read only when they are needed,
 * because an error of the lexer must not come before one that lies in front of it.
 *
 * Every list is gathered on the `pending` stack and copied into the arena when it is complete.
 * Limits: PROMQL_DEPTH_MAX for recursion, PROMQL_HEIGHT_MAX for the tree (a chain of operators is
 * read in a loop), parts and regular expressions of one query. Thread-safety: none.
 */
#pragma once

#include "base/compiler.h"
#include "base/vec.h"
#include "promql/ast.h"
#include "promql/lexer.h"
#include "promql/token.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nodes, matchers and labels of one query. */
#define PARSER_PARTS_MAX 100000
/* A compiled regular expression takes kilobytes. */
#define PARSER_REGEXES_MAX 2000

struct parser {
    struct lexer lexer;
    struct token token; /* the next one, where has_token */
    bool has_token;
    struct token previous; /* the last one taken; TOKEN_EOF before the first */
    uint32_t last_end; /* end of the last number or closing bracket taken or looked at */
    unsigned features;
    unsigned depth;
    unsigned aggregation_depth; /* how many aggregations are open */
    size_t part_count;
    size_t regex_count;
    struct promql_expression *expression;
    VEC(void *) pending;
};

/* tokens */
enum token_kind parser_peek(struct parser *parser);
struct token parser_take(struct parser *parser);
/* Takes a token of this kind if it is next. */
bool parser_accept(struct parser *parser, enum token_kind kind);

/* errors; all return NULL, so that they can stand behind `return` */
void *parser_fail(struct parser *parser, uint32_t position, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* "unexpected X in CONTEXT, expected WHAT" about the next token. Without a context that of the
 * innermost open aggregation. */
void *parser_unexpected(struct parser *parser, const char *context, const char *expected);
/* The same with a hint of the caller's instead of those of advice.h. */
void *parser_unexpected_hint(struct parser *parser, const char *hint);
/* Adds ": hint" to the error reported last. */
void parser_hint(struct parser *parser, const char *format, ...) PRINTF_LIKE(2, 3);
/* Go's %q of a text, in the expression's arena. */
const char *parser_quoted(struct parser *parser, struct slice text);

/* limits; false after reporting */
bool parser_count_part(struct parser *parser, uint32_t position);
bool parser_enter(struct parser *parser, uint32_t position);
void parser_leave(struct parser *parser);

/* A node with the children that were pushed to `pending` since `mark`. */
struct node *parser_node(struct parser *parser, enum node_kind kind, uint32_t start, uint32_t end,
                         size_t mark);
struct node *parser_leaf(struct parser *parser, enum node_kind kind, uint32_t start, uint32_t end);
struct node *parser_parent(struct parser *parser, enum node_kind kind, uint32_t start, uint32_t end,
                           struct node *child);

/* The grammar. */
struct node *parse_expression(struct parser *parser);
struct node *parse_primary(struct parser *parser);
struct node *parse_selector(struct parser *parser);
/* The same where the metric name has been taken already. */
struct node *parse_selector_named(struct parser *parser, struct token name);
/* [..], offset, @, anchored, smoothed behind an expression */
struct node *parse_modifiers(struct parser *parser, struct node *operand);
/* by (...), on (...): the parenthesis with the labels. false after reporting. */
bool parse_labels(struct parser *parser, struct slice **out, size_t *out_count);
/* The number or duration token that is next. */
struct node *parse_literal(struct parser *parser);
/* The same with or without a sign, for @ and fill. false after reporting. */
bool parse_signed_number(struct parser *parser, const char *context, const char *expected,
                         double *out);

/* Durations: plain numbers come as NODE_NUMBER, all else as NODE_DURATION. */
struct node *parse_duration(struct parser *parser, const char *context, const char *expected);
struct node *parse_offset_duration(struct parser *parser);

/* Can an expression begin with this token? */
bool parser_starts_expression(enum token_kind kind);

/* Checks the types of a whole tree and fills them in; see type_check.c. false after reporting. */
bool type_check(const struct lexer *lexer, struct node *root);
