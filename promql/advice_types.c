/* Hints for expressions whose type does not fit. */
#include "promql/advice.h"

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "promql/functions.h"

/* Longer selectors are not repeated. */
#define SHOWN_BYTES_MAX 60

/* The text of a plain selector, to be put into an example; else x. */
static struct slice example_of(const struct lexer *lexer, const struct node *node)
{
    while (node->kind == NODE_PAREN)
        node = node->children[0];
    if (node->kind == NODE_MATRIX_SELECTOR)
        node = node->children[0];
    bool plain = node->kind == NODE_VECTOR_SELECTOR && node->end > node->start &&
                 node->end - node->start <= SHOWN_BYTES_MAX && !node->selector.shift.has_offset &&
                 node->selector.shift.offset_expression == NULL &&
                 node->selector.shift.at == AT_NONE;
    return plain ? slice_sub(lexer->text, node->start, node->end - node->start) : SLICE("x");
}

/* An instant vector where a range is needed. */
static void advise_range(const struct lexer *lexer, const struct node *node, const char *function)
{
    struct slice example = example_of(lexer, node);
    while (node->kind == NODE_PAREN)
        node = node->children[0];
    if (node->kind == NODE_VECTOR_SELECTOR)
        lexer_hint(lexer, "write how far back: %s(%.*s[5m])", function, SLICE_ARG(example));
    else
        lexer_hint(lexer, "a range of values of an expression is a subquery: %s((...)[5m:])",
                   function);
}

void advice_type(const struct lexer *lexer, const struct node *node, enum promql_type expected,
                 const struct function_signature *function)
{
    struct slice example = example_of(lexer, node);
    if (expected == PROMQL_MATRIX && node->type == PROMQL_VECTOR && function != NULL)
        advise_range(lexer, node, function->name);
    else if (expected == PROMQL_MATRIX && function != NULL)
        advice_signature(lexer, function);
    else if (expected == PROMQL_VECTOR && node->type == PROMQL_MATRIX)
        lexer_hint(lexer, "take the range away, or make one value of it first: rate(%.*s[5m])",
                   SLICE_ARG(example));
    else if (expected == PROMQL_VECTOR && node->type == PROMQL_SCALAR && function == NULL)
        lexer_hint(lexer, "vector(1) makes a vector of a number; a parameter stands first: "
                          "topk(5, up)");
    else if (expected == PROMQL_STRING)
        lexer_hint(lexer, "put it in quotes, as in \"job\"");
    else if (function != NULL && function->argument_count > 1)
        advice_signature(lexer, function);
    else if (expected == PROMQL_VECTOR && node->type == PROMQL_SCALAR)
        lexer_hint(lexer, "vector(1) makes a vector of a number");
    else if (expected == PROMQL_SCALAR && node->type == PROMQL_VECTOR)
        lexer_hint(lexer, "scalar(...) makes a number of a vector with one series");
    else if (node->type == PROMQL_STRING)
        lexer_hint(lexer, "take the quotes away");
}

void advice_signature(const struct lexer *lexer, const struct function_signature *function)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, ERRBUF_TEXT_SIZE);
    for (size_t i = 0; i < function->argument_count; i++) {
        bool optional = function->variadic != 0 && i + 1 == function->argument_count;
        buf_printf(&text, "%s%s%s%s", i > 0 ? ", " : "", optional ? "[" : "",
                   promql_type_documented_name(function->arguments[i]),
                   !optional                 ? ""
                   : function->variadic == 1 ? "]"
                                             : " ...]");
    }
    if (function->argument_count == 0)
        lexer_hint(lexer, "it has no arguments: %s()", function->name);
    else
        lexer_hint(lexer, "its arguments are (%s)", buf_cstr(&text));
}
