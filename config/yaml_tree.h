/*
 * YAML as a tree with positions (the only user of libyaml). Scalars keep their text and style, so that
 * the binding decides what `yes` or `010` means; merge keys (<<) and aliases are resolved; duplicate
 * keys, more than YAML_DEPTH_MAX levels and documents that grow beyond YAML_NODES_MAX nodes by aliases
 * are errors.
 *
 * Ownership: all nodes live in the tree's arena. Thread-safety: immutable after parsing.
 */
#pragma once

#include "base/arena.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define YAML_DEPTH_MAX 64
#define YAML_NODES_MAX 1000000
#define YAML_BYTES_MAX (64 * 1024 * 1024)

enum yaml_tree_kind {
    YAML_TREE_NULL, /* nothing, ~ or null */
    YAML_TREE_SCALAR,
    YAML_TREE_SEQUENCE,
    YAML_TREE_MAPPING,
};

struct yaml_tree_node {
    enum yaml_tree_kind kind;
    uint32_t line;   /* 1-based */
    uint32_t column; /* 1-based */
    struct slice text; /* scalar */
    bool quoted;       /* scalar in quotes or a block: always a string */
    size_t count;      /* of items or members */
    struct yaml_tree_node **items; /* sequence: items; mapping: values */
    struct yaml_tree_node **keys;  /* mapping: scalar nodes */
};

struct yaml_tree {
    struct arena arena;
    struct yaml_tree_node *root; /* NULL for an empty document */
};

/* The first document. Errors: "yaml: line N: ...", with line and column in `err`. */
enum err yaml_tree_parse(struct slice text, struct yaml_tree *out, struct errbuf *err) MUST_CHECK;
void yaml_tree_release(struct yaml_tree *tree);
/* The value of a key, NULL if there is none. */
const struct yaml_tree_node *yaml_tree_get(const struct yaml_tree_node *mapping, const char *key);
