/*
 * What the files of the binding share: each kind of field as a row of functions. Private to
 * config/binding*.
 */
#pragma once

#include "config/binding.h"

/* When a field counts as zero, and what null makes of it. */
enum binding_zero {
    BINDING_ZERO_TEXT,    /* a slice of length 0 */
    BINDING_ZERO_BYTES,   /* `size` bytes of 0 */
    BINDING_ZERO_COUNT,   /* no items */
    BINDING_ZERO_STRUCT,  /* all its fields are */
    BINDING_ZERO_PRESENT, /* its bool is false */
    BINDING_ZERO_NEVER,   /* its own functions decide */
    BINDING_ZERO_ALWAYS,  /* has no value */
};

struct binding_operations {
    enum binding_zero zero;
    size_t size; /* BINDING_ZERO_BYTES */
    /* The node is not null. `address` and `count` are the places of the field in `object`. */
    void (*read)(struct binding *binding, const struct binding_field *field,
                 const struct yaml_tree_node *node, char *object);
    struct yaml_tree_node *(*print)(const struct binding_printer *printer,
                                    const struct binding_field *field, const char *object);
};

extern const struct binding_operations binding_operations[];

static inline void *binding_address(const struct binding_field *field, const char *object)
{
    return (void *)(object + field->offset);
}
static inline size_t *binding_count(const struct binding_field *field, const char *object)
{
    return (size_t *)(object + field->count_offset);
}
static inline const char *binding_hint(const struct binding_field *field, const char *otherwise)
{
    return field->hint == NULL ? otherwise : field->hint;
}
static inline const char *binding_type(const struct binding_field *field, const char *otherwise)
{
    return field->type == NULL ? otherwise : field->type;
}
/* What users wrote, cut for a message; in the arena. */
const char *binding_shown(struct binding *binding, struct slice text);

/* A key that stands in a mapping for the second time, in the words of version 3 of the YAML library. */
void binding_problem_repeated(struct binding *binding, const struct yaml_tree_node *mapping,
                              const struct yaml_tree_node *key);

/* Reading and printing of the kinds, by the file that has them. */
#define BINDING_READER(name)                                                                       \
    void name(struct binding *binding, const struct binding_field *field,                          \
              const struct yaml_tree_node *node, char *object)
#define BINDING_PRINTER(name)                                                                      \
    struct yaml_tree_node *name(const struct binding_printer *printer,                             \
                                const struct binding_field *field, const char *object)

/* binding_value.c */
BINDING_READER(binding_read_value_text);
BINDING_READER(binding_read_path);
BINDING_READER(binding_read_bool);
BINDING_READER(binding_read_int);
BINDING_READER(binding_read_uint);
BINDING_READER(binding_read_float);
BINDING_READER(binding_read_duration);
BINDING_READER(binding_read_size);
BINDING_PRINTER(binding_print_text);
BINDING_PRINTER(binding_print_secret_text);
BINDING_PRINTER(binding_print_url);
BINDING_PRINTER(binding_print_bool);
BINDING_PRINTER(binding_print_number);
BINDING_PRINTER(binding_print_unit);

/* binding_group.c */
BINDING_READER(binding_read_text_list);
BINDING_READER(binding_read_pairs);
BINDING_READER(binding_read_struct);
BINDING_READER(binding_read_struct_list);
BINDING_READER(binding_read_opaque);
BINDING_PRINTER(binding_print_text_list);
BINDING_PRINTER(binding_print_pair_list);
BINDING_PRINTER(binding_print_struct);
BINDING_PRINTER(binding_print_struct_list);
BINDING_PRINTER(binding_print_opaque);
