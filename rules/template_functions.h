/*
 * The functions that templates may call: those of Go's text/template and those of the reference.
 * Each is a row of a table with the types of its parameters, by which arguments are checked before
 * it runs.
 *
 * Ownership: results live in the arena of the execution. Thread-safety: the table is static.
 * Limits: TEMPLATE_STEPS_MAX, TEMPLATE_OUTPUT_SIZE_MAX for each text, the arena.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "rules/template_value.h"

#include <stdbool.h>
#include <stddef.h>

#define TEMPLATE_STEPS_MAX ((size_t)1000000)
#define TEMPLATE_OUTPUT_SIZE_MAX ((size_t)1 << 20)
#define TEMPLATE_MEMORY_SIZE_MAX ((size_t)64 << 20)

/* One execution, as functions see it. */
struct template_run {
    const struct template_data *data;
    struct arena *arena;
    struct arena *query_arena; /* rows of queries, which bound themselves */
    size_t steps;
    struct errbuf *call_error; /* what a function complains about */
};

/* Types of parameters. The last of a variadic function stands for all that follow. */
#define TEMPLATE_PARAMETER_STRING 's'
#define TEMPLATE_PARAMETER_ANY 'v'
#define TEMPLATE_PARAMETER_VALUE 'r' /* any, and no value is fine */
#define TEMPLATE_PARAMETER_VECTOR 'q'
#define TEMPLATE_PARAMETER_SAMPLE 'p'
#define TEMPLATE_PARAMETER_TIME 't'
#define TEMPLATE_PARAMETER_DURATION 'd'

/* false: `call_error` says why. */
typedef bool (*template_function_run)(struct template_run *run, const struct template_value *values,
                                      size_t count, struct template_value *out);

struct template_function {
    const char *name;
    template_function_run run; /* NULL for `and` and `or`, which the execution does itself */
    const char *parameters;
    bool is_variadic;
};

/* NULL when there is none of that name. */
const struct template_function *template_function_find(struct slice name);
/* The name of the function that is spelled nearly so; NULL when none is. */
const char *template_function_nearest(struct slice name);
/* A method of a value: times, durations, months and days of the week have some. The value itself is
 * the first of `values` then. */
const struct template_function *template_method_find(enum template_type type, struct slice name);

/* Charges for work on so many bytes; false when it was too much in all. */
bool template_run_charge(struct template_run *run, size_t bytes);
/* A copy of the buffer as a string value; false when it overflowed or memory ran out. */
bool template_run_text(struct template_run *run, const struct buf *text,
                       struct template_value *out);
/* Sets the error, returns false. */
bool template_run_fail(struct template_run *run, const char *format, ...) PRINTF_LIKE(2, 3);
