/*
 * Text to trees: one for the template itself and one for each {{define}} and {{block}} in it. Error
 * texts are those of Go's text/template, since users look them up.
 *
 * Ownership: nodes live in the caller's arena, names and texts of nodes are borrowed from the
 * input. Thread-safety: no state. Limits: TEMPLATE_TEXT_SIZE_MAX, TEMPLATE_NESTING_MAX.
 */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/vec.h"
#include "rules/template_node.h"

#define TEMPLATE_TEXT_SIZE_MAX ((size_t)256 << 10)
#define TEMPLATE_NESTING_MAX 250
/* Enough for any text within the limit. */
#define TEMPLATE_ARENA_SIZE_MAX ((size_t)1 << 30)

struct template_tree {
    struct slice name;
    struct template_node *root; /* a list */
};

struct template_trees {
    VEC(struct template_tree) items;
};

/* The tree of that name, NULL if there is none. */
const struct template_tree *template_trees_find(const struct template_trees *trees,
                                                struct slice name);

/* `out` is to be released by vec_release(&out->items), in case of an error too. */
enum err template_parse_trees(struct slice name, struct slice text, struct arena *arena,
                              struct template_trees *out, struct errbuf *err) MUST_CHECK;
