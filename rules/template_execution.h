/*
 * One execution of a template: variables, output, limits, and where it is, for messages. Pipelines
 * and what is in them are in template_evaluation.c, the controls around them in template.c.
 *
 * Ownership: all on the stack of template_execute. Thread-safety: one owner. Limits: steps, output,
 * memory (template_functions.h) and EXECUTION_DEPTH_MAX.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/vec.h"
#include "rules/template_functions.h"
#include "rules/template_node.h"
#include "rules/template_parser.h"
#include "rules/template_value.h"

#include <stdbool.h>
#include <stddef.h>

/* Of controls, parentheses and templates within each other: each takes some stack. */
#define EXECUTION_DEPTH_MAX 300

struct execution_variable {
    struct slice name;
    struct template_value value;
};

struct execution {
    /* immutable */
    struct slice name; /* of the template that was parsed */
    struct slice text;
    const struct template_trees *trees;
    struct errbuf *err;
    /* as it goes on */
    struct slice tree_name;
    const struct template_node *node; /* what messages point at */
    VEC(struct execution_variable) variables;
    size_t variables_base; /* those of the tree begin here */
    size_t depth;
    struct arena arena;
    struct arena query_arena;
    struct template_run run;
    struct errbuf call_error;
    struct buf out;
};

/* Sets the error with its place; returns false. */
bool execution_fail(struct execution *execution, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same with the complaint of a function, or of a limit. */
bool execution_fail_call(struct execution *execution);
/* One level deeper; to be undone by depth--. */
bool execution_enter(struct execution *execution);

void execution_declare(struct execution *execution, struct slice name,
                       const struct template_value *value);
bool execution_assign(struct execution *execution, struct slice name,
                      const struct template_value *value);

/* The value of a pipeline; the variables that it sets are set. A NULL pipeline is no value. */
bool execution_pipeline(struct execution *execution, const struct template_value *dot,
                        const struct template_node *pipe, struct template_value *out);
