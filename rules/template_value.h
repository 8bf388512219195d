/*
 * What a template computes with: values with the types that the reference's templates see, since
 * error texts and %T name them.
 *
 * Ownership: values are small and copied; what they point to lives in the arena of the execution or
 * in its data. Thread-safety: values.
 */
#pragma once

#include "base/slice.h"
#include "model/labels.h"
#include "rules/template.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum template_type {
    TEMPLATE_TYPE_NONE, /* no value, and nil */
    TEMPLATE_TYPE_BOOL,
    TEMPLATE_TYPE_INT,
    TEMPLATE_TYPE_INT64,
    TEMPLATE_TYPE_UINT8,
    TEMPLATE_TYPE_FLOAT,
    TEMPLATE_TYPE_STRING,
    TEMPLATE_TYPE_HTML,
    TEMPLATE_TYPE_LABELS,
    TEMPLATE_TYPE_ARGUMENTS, /* what args() makes */
    TEMPLATE_TYPE_VECTOR,    /* what query() makes */
    TEMPLATE_TYPE_SAMPLE,
    TEMPLATE_TYPE_TIME_POINTER,
    TEMPLATE_TYPE_TIME,
    TEMPLATE_TYPE_DURATION_POINTER,
    TEMPLATE_TYPE_DURATION,
    TEMPLATE_TYPE_MONTH,
    TEMPLATE_TYPE_WEEKDAY,
    TEMPLATE_TYPE_DATA, /* the dot that a template begins with */
};

enum template_kind {
    TEMPLATE_KIND_OTHER,
    TEMPLATE_KIND_BOOL,
    TEMPLATE_KIND_INT,
    TEMPLATE_KIND_UINT,
    TEMPLATE_KIND_FLOAT,
    TEMPLATE_KIND_STRING,
};

struct template_time {
    int64_t seconds; /* since 1970, UTC */
    int32_t nanoseconds;
};

struct template_argument;

struct template_value {
    enum template_type type;
    union {
        bool boolean;
        int64_t integer; /* all kinds of integers, durations in nanoseconds */
        double number;
        struct slice text;
        const struct labels *labels; /* NULL = none */
        struct {
            struct template_value *items;
            struct template_argument *sorted; /* by name */
            size_t count;
            size_t depth; /* of arguments within arguments */
        } arguments;
        struct {
            struct template_sample **rows;
            size_t count;
        } vector;
        const struct template_sample *sample;
        struct template_time time;
        const struct template_data *data;
    };
};

struct template_argument {
    struct slice name;
    size_t index; /* in items */
};

/* As Go prints the type: "float64", "map[string]string". */
const char *template_type_name(enum template_type type);
enum template_kind template_kind_of(enum template_type type);
/* Does {{if}} take it for true? */
bool template_value_is_true(const struct template_value *value);
/* What a pointer points to; other values as they are. */
struct template_value template_value_indirect(struct template_value value);
/* Argument `at` in the order of names as text (arg10 before arg2), with its name; false behind the
 * last. */
bool template_argument_at(const struct template_value *arguments, size_t at,
                          struct template_value *out_name, struct template_value *out_value);
/* The names of arguments: arg0, arg1; false where the name is none. */
bool template_argument_index(struct slice name, size_t *out);

static inline struct template_value template_value_text(struct slice text)
{
    return (struct template_value){.type = TEMPLATE_TYPE_STRING, .text = text};
}
static inline struct template_value template_value_number(double number)
{
    return (struct template_value){.type = TEMPLATE_TYPE_FLOAT, .number = number};
}
static inline struct template_value template_value_bool(bool boolean)
{
    return (struct template_value){.type = TEMPLATE_TYPE_BOOL, .boolean = boolean};
}
static inline struct template_value template_value_integer(enum template_type type, int64_t integer)
{
    return (struct template_value){.type = type, .integer = integer};
}
