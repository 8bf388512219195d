/*
 * The tree of a template. Nodes print themselves as they were written, in canonical spacing, since
 * error texts quote them.
 *
 * Ownership: the template's arena. Thread-safety: immutable once parsed.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum template_node_kind {
    TEMPLATE_NODE_TEXT,
    TEMPLATE_NODE_ACTION,
    TEMPLATE_NODE_LIST,
    TEMPLATE_NODE_IF,
    TEMPLATE_NODE_RANGE,
    TEMPLATE_NODE_WITH,
    TEMPLATE_NODE_TEMPLATE,
    TEMPLATE_NODE_BREAK,
    TEMPLATE_NODE_CONTINUE,
    TEMPLATE_NODE_END,  /* while parsing only */
    TEMPLATE_NODE_ELSE, /* while parsing only */
    TEMPLATE_NODE_PIPE,
    TEMPLATE_NODE_COMMAND,
    TEMPLATE_NODE_IDENTIFIER,
    TEMPLATE_NODE_VARIABLE,
    TEMPLATE_NODE_FIELD,
    TEMPLATE_NODE_CHAIN, /* fields of something else */
    TEMPLATE_NODE_DOT,
    TEMPLATE_NODE_NIL,
    TEMPLATE_NODE_BOOL,
    TEMPLATE_NODE_NUMBER,
    TEMPLATE_NODE_STRING,
};

struct template_node {
    enum template_node_kind kind;
    size_t position; /* in the text of the template, for messages */
    /* text, identifier; number and string as written; the name of a template */
    struct slice text;
    struct slice value; /* of a string */
    /* variable (its own name first), field, chain */
    struct slice *names;
    size_t name_count;
    /* list: nodes; pipe: commands; command: function and arguments */
    struct template_node **children;
    size_t child_count;
    struct template_node **declared; /* pipe: variables that it sets */
    size_t declared_count;
    bool is_assignment;         /* = in place of := */
    struct template_node *pipe; /* of actions and controls; what a chain begins with; may be NULL */
    struct template_node *list;
    struct template_node *else_list; /* NULL = none */
    /* number, bool */
    bool is_true;
    bool is_integer;
    bool is_float;  /* written as one */
    bool overflows; /* an integer that is legal but has no int64 */
    int64_t integer;
    double number;
};

/* As error texts show it. */
void template_node_print(const struct template_node *node, struct buf *out);
