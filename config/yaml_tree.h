/*
 * YAML as a tree with positions, read and printed (the only user of libyaml). Scalars keep their text
 * and style, so that the binding decides what `yes` or `010` means; aliases and merge keys (<<) are
 * resolved, so a node may be reached in several ways. More than YAML_DEPTH_MAX levels and documents
 * that grow beyond YAML_NODES_MAX nodes by aliases, or by more than YAML_BYTES_MAX of text, are errors:
 * whoever reads the tree may copy the text of each node.
 *
 * A key that occurs twice in a mapping stays in the tree with `duplicate` set, so that the binding
 * can report it together with all other problems; yaml_tree_get finds the first. Whoever does not go
 * through the binding asks yaml_tree_find_duplicate.
 *
 * Ownership: all nodes live in the tree's arena. Thread-safety: immutable after parsing.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
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
    uint32_t column; /* 1-based, in characters */
    struct slice text; /* scalar */
    bool quoted;    /* scalar in quotes, a block or with the tag !!str: always a string */
    bool flow;      /* written as [a, b] or {a: b} */
    bool duplicate; /* a key that occurred before in its mapping */
    size_t count;   /* of items or members */
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
/* The first key of the tree that is there for the second time, NULL if there is none. */
const struct yaml_tree_node *yaml_tree_find_duplicate(const struct yaml_tree_node *node);

/*
 * What a plain scalar is. Version 2 and 3 of the YAML library that the reference uses differ: in 2,
 * which reads configuration files, `yes` and `off` are booleans.
 */
enum yaml_tree_dialect {
    YAML_DIALECT_2, /* configuration files */
    YAML_DIALECT_3, /* rule files */
};
enum yaml_tree_type {
    YAML_TYPE_NULL,
    YAML_TYPE_BOOL,
    YAML_TYPE_INT,
    YAML_TYPE_FLOAT,
    YAML_TYPE_TIMESTAMP,
    YAML_TYPE_STRING,
    YAML_TYPE_SEQUENCE,
    YAML_TYPE_MAPPING,
};
struct yaml_tree_value {
    enum yaml_tree_type type;
    bool boolean;
    bool negative;      /* integers: sign and magnitude, so that both ranges fit */
    uint64_t magnitude;
    double number;      /* integers and floats */
};
struct yaml_tree_value yaml_tree_resolve(const struct yaml_tree_node *node,
                                         enum yaml_tree_dialect dialect);
/* Would a text, written plain, be read as something else? */
bool yaml_tree_needs_quotes(struct slice text);
/* "!!str", "!!int", "!!map", ... */
const char *yaml_tree_type_tag(enum yaml_tree_type type);

/* Nodes for printing. Texts are borrowed. */
struct yaml_tree_node *yaml_tree_new_string(struct arena *arena, struct slice text) MUST_CHECK;
/* As it stands: a number, true, null. */
struct yaml_tree_node *yaml_tree_new_plain(struct arena *arena, struct slice text) MUST_CHECK;
/* A mapping or sequence with room for `capacity` members, of which there are none yet. */
struct yaml_tree_node *yaml_tree_new_collection(struct arena *arena, enum yaml_tree_kind kind,
                                                size_t capacity) MUST_CHECK;
/* A mapping takes a key, a sequence NULL. */
void yaml_tree_add(struct yaml_tree_node *collection, struct yaml_tree_node *key,
                   struct yaml_tree_node *value);
/* The tree as YAML in block style, quoted where a plain scalar would be read as something else (by
 * dialect 2), as the reference prints it. ERR_LIMIT when `out` is full. */
enum err yaml_tree_print(const struct yaml_tree_node *root, struct buf *out) MUST_CHECK;
