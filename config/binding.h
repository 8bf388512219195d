/*
 * From a YAML tree to the fields of structs, and back. A schema is a table: one row a key, in the
 * order in which the reference prints them, with the kind of value and the place in the struct. The
 * same table reads (strictly), prints, and knows the keys for "did you mean".
 *
 * Reading goes on after a problem, so that a user sees all of them at once: unknown and repeated keys,
 * wrong types, bad values. Each problem has a file, line and column.
 *
 * What null means follows the reference: a key with nothing behind it sets its field to zero, unless
 * the row says that null keeps the default.
 *
 * Ownership: objects and texts live in the binding's arena or, borrowed, in the tree, which must live
 * as long as they. Thread-safety: none; one owner.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/vec.h"
#include "config/yaml_tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Problems beyond these are counted but not kept. */
#define BINDING_PROBLEMS_MAX 20
/* All lists of structs together. */
#define BINDING_OBJECT_BYTES_MAX ((size_t)256 << 20)

enum binding_kind {
    BINDING_TEXT,     /* struct slice */
    BINDING_SECRET,   /* struct slice, printed as <secret> */
    BINDING_PATH,     /* struct slice, joined with the directory of the file */
    BINDING_URL,      /* struct slice, printed with its password as xxxxx */
    BINDING_BOOL,     /* bool */
    BINDING_INT,      /* int64_t */
    BINDING_UINT,     /* uint64_t */
    BINDING_FLOAT,    /* double */
    BINDING_DURATION, /* int64_t milliseconds */
    BINDING_SIZE,     /* uint64_t bytes */
    BINDING_TEXT_LIST,   /* struct slice * and a count */
    BINDING_SECRET_LIST, /* the same, printed as <secret> each */
    BINDING_PATH_LIST,   /* the same, joined with the directory */
    BINDING_PAIRS,       /* struct config_label * and a count, sorted by name */
    BINDING_STRUCT,      /* a struct in place; zero when there is nothing */
    BINDING_STRUCT_PRESENT, /* a struct in place whose bool at count_offset says that it is there */
    BINDING_STRUCT_POINTER, /* a pointer to a struct, NULL when there is nothing */
    BINDING_STRUCT_LIST, /* an array of structs and a count */
    BINDING_INLINE,      /* the keys of another schema as if they stood here */
    BINDING_CUSTOM,      /* by the row's own functions */
    BINDING_OPAQUE,      /* const struct yaml_tree_node *: known by name, kept as it came */
    BINDING_REFUSED,     /* known by name and refused with `hint` */
};

enum binding_flags {
    BINDING_ALWAYS = 1,      /* printed also when it is zero */
    BINDING_FLOW = 2,        /* a list that is printed as [a, b] */
    BINDING_NO_EFFECT = 4,   /* a warning says that it has no effect yet */
    BINDING_NULL_KEEPS = 8,  /* null leaves the default */
    BINDING_NOT_PRINTED = 16,
};

/* A name and its value: a label, a header. */
struct config_label {
    struct slice name;
    struct slice value;
};

struct binding;
struct binding_schema;
struct binding_printer;

struct binding_field {
    const char *key;
    enum binding_kind kind;
    unsigned flags;
    size_t offset;
    size_t count_offset;                 /* lists and BINDING_STRUCT_PRESENT */
    const struct binding_schema *schema; /* of structs */
    const char *type;     /* the reference's name of the type, for messages; NULL = by kind */
    const char *hint;     /* what to write instead; NULL = by kind */
    const char *if_empty; /* the text for an empty item of a list of structs */
    /* BINDING_CUSTOM, on the object that holds the field. print may return NULL: nothing to print. */
    void (*read)(struct binding *binding, const struct binding_field *field,
                 const struct yaml_tree_node *node, void *object);
    struct yaml_tree_node *(*print)(const struct binding_printer *printer,
                                    const struct binding_field *field, const void *object);
};

struct binding_schema {
    const char *type; /* the reference's name: config.ScrapeConfig */
    const struct binding_field *fields;
    size_t field_count;
    size_t size;
    const char *if_unknown; /* what to do about a key that is like nothing; NULL = no word */
    /* Sets the defaults of an object that is all zero; NULL = zero is the default. */
    void (*init)(struct binding *binding, void *object);
    /* Looks at an object whose fields were read without a problem. */
    void (*check)(struct binding *binding, const struct yaml_tree_node *node, void *object);
};

struct binding_problem {
    const char *path;
    uint32_t line;
    uint32_t column;
    char *text;
    size_t file;
};

struct binding {
    struct arena *arena;
    const char *path;       /* of the file that is read, as messages name it */
    struct slice directory; /* relative paths are joined with it */
    enum yaml_tree_dialect dialect;
    const struct binding_schema *root; /* where keys are looked for that stand in the wrong place */
    void *context;                     /* for init and check */
    size_t problem_count;
    /* private */
    size_t file; /* number of the file, so that problems can be sorted */
    size_t object_bytes;
    VEC(struct binding_problem) problems;
    VEC(struct binding_problem) warnings;
    VEC(struct binding_no_effect {
        const char *key;
        size_t warning;
        size_t count;
    }) no_effects;
};

/* `path` and what `directory` points to must outlive the binding. */
void binding_init(struct binding *binding, struct arena *arena, const char *path);
void binding_release(struct binding *binding);
/* Goes on with another file: its name, and its directory for relative paths. */
void binding_set_file(struct binding *binding, const char *path);

/* Reads a mapping into an object, defaults first. A null node is an empty mapping. */
void binding_read(struct binding *binding, const struct binding_schema *schema,
                  const struct yaml_tree_node *node, void *object);

/* A problem or a warning at a node; at line 1 where there is none. */
void binding_problem(struct binding *binding, const struct yaml_tree_node *at, const char *format,
                     ...) PRINTF_LIKE(3, 4);
void binding_problem_at(struct binding *binding, uint32_t line, uint32_t column,
                        const char *format, ...) PRINTF_LIKE(4, 5);
/* That a text is no YAML, as yaml_tree_parse says, with its line and what to do. */
void binding_problem_syntax(struct binding *binding, struct slice text, const struct errbuf *err);
void binding_warn(struct binding *binding, const struct yaml_tree_node *at, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* "cannot unmarshal !!str `abc` into int: ..." */
void binding_problem_type(struct binding *binding, const struct yaml_tree_node *node,
                          const char *type, const char *hint);
/* The node with its text replaced by dots, for messages about what may be a secret. */
struct yaml_tree_node binding_hide(const struct yaml_tree_node *node);
/* A scalar's text; false, with a problem, for a list or a mapping. Null is the empty text. */
bool binding_read_text(struct binding *binding, const struct yaml_tree_node *node,
                       const char *hint, struct slice *out);

/* The problems in the order of the files and lines, one a line: "FILE:LINE:COLUMN: text". */
void binding_write_problems(struct binding *binding, struct buf *out);
/* The warnings, in the same form, in the arena. */
void binding_take_warnings(struct binding *binding, struct slice **out, size_t *out_count);

/* The value of a key if the node is a mapping that has it, else the node itself: where to point. */
const struct yaml_tree_node *binding_at(const struct yaml_tree_node *node, const char *key);

/* Joins a relative path with the directory and removes what is superfluous, as the reference does. An
 * empty path stays empty. */
struct slice binding_join_path(struct binding *binding, struct slice path);

/* " (did you mean ...?)" or where the key belongs; empty when nothing is near. In the arena. */
const char *binding_suggest(struct binding *binding, const struct binding_schema *schema,
                            struct slice key);
/* The nearest of a NULL-terminated list of words, NULL when none is near. */
const char *binding_nearest(struct slice word, const char *const *words);

/* Sizes: 512MB, 1GiB, 1.5KB; powers of two; the unit is mandatory except for 0. Error texts are the
 * reference's. Printed as 512MiB. */
enum err binding_parse_size(struct slice text, int64_t *out_bytes, struct errbuf *err) MUST_CHECK;
void binding_print_size(uint64_t bytes, struct buf *out);

struct binding_printer {
    struct arena *arena;
    bool show_secrets;
};
/* The object as a mapping, in the arena. */
struct yaml_tree_node *binding_print(const struct binding_printer *printer,
                                     const struct binding_schema *schema, const void *object);
struct yaml_tree_node *binding_print_secret(const struct binding_printer *printer,
                                            struct slice secret);
/* Names and values as a mapping, sorted as the reference prints maps. */
struct yaml_tree_node *binding_print_pairs(const struct binding_printer *printer,
                                           const struct config_label *pairs, size_t count);
/* A URL with the password of its user part as xxxxx, in the arena. */
struct slice binding_redact_url(struct arena *arena, struct slice url);
/* Go's %q, in the arena. */
const char *binding_quote(struct arena *arena, struct slice text);
/* The order in which the reference prints the keys of a map: numbers in them by value. */
int binding_compare_keys(struct slice a, struct slice b);
