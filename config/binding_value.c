/*
 * The kinds of fields that hold one value.
 */
#include <math.h>
#include <stdio.h>

#include "base/float_text.h"
#include "config/binding_internal.h"
#include "model/duration.h"

BINDING_READER(binding_read_value_text)
{
    (void)binding_read_text(binding, node, binding_hint(field, "write a text"),
                            binding_address(field, object));
}

BINDING_READER(binding_read_path)
{
    struct slice *path = binding_address(field, object);
    if (binding_read_text(binding, node, binding_hint(field, "write a path"), path))
        *path = binding_join_path(binding, *path);
}

BINDING_READER(binding_read_bool)
{
    struct yaml_tree_value value = yaml_tree_resolve(node, binding->dialect);
    /* dialect 3 takes the old words where a boolean is wanted */
    if (value.type != YAML_TYPE_BOOL)
        value = yaml_tree_resolve(node, YAML_DIALECT_2);
    if (value.type == YAML_TYPE_BOOL)
        *(bool *)binding_address(field, object) = value.boolean;
    else
        binding_problem_type(binding, node, binding_type(field, "bool"),
                             binding_hint(field, node->quoted
                                                     ? "write true or false, without quotes"
                                                     : "write true or false"));
}

/* A whole number from an integer or a float, whose fraction the reference drops. */
static bool whole_number(struct yaml_tree_value value, bool *negative, uint64_t *magnitude)
{
    if (value.type == YAML_TYPE_INT) {
        *negative = value.negative;
        *magnitude = value.magnitude;
        return true;
    }
    if (value.type != YAML_TYPE_FLOAT || isnan(value.number) || fabs(value.number) >= 0x1p64)
        return false;
    *magnitude = (uint64_t)fabs(value.number);
    *negative = value.number < 0 && *magnitude != 0;
    return true;
}

BINDING_READER(binding_read_int)
{
    bool negative;
    uint64_t magnitude;
    if (!whole_number(yaml_tree_resolve(node, binding->dialect), &negative, &magnitude) ||
        magnitude > (uint64_t)INT64_MAX) {
        binding_problem_type(binding, node, binding_type(field, "int"),
                             binding_hint(field, "write a whole number"));
        return;
    }
    *(int64_t *)binding_address(field, object) =
        negative ? -(int64_t)magnitude : (int64_t)magnitude;
}

BINDING_READER(binding_read_uint)
{
    bool negative;
    uint64_t magnitude;
    if (whole_number(yaml_tree_resolve(node, binding->dialect), &negative, &magnitude) &&
        !negative)
        *(uint64_t *)binding_address(field, object) = magnitude;
    else
        binding_problem_type(binding, node, binding_type(field, "uint"),
                             binding_hint(field, "write a whole number, 0 or more"));
}

BINDING_READER(binding_read_float)
{
    struct yaml_tree_value value = yaml_tree_resolve(node, binding->dialect);
    if (value.type == YAML_TYPE_INT || value.type == YAML_TYPE_FLOAT)
        *(double *)binding_address(field, object) = value.number;
    else
        binding_problem_type(binding, node, binding_type(field, "float64"),
                             binding_hint(field, "write a number"));
}

BINDING_READER(binding_read_duration)
{
    const char *hint = binding_hint(field, "write a duration such as 15s, 1m30s or 2h");
    struct slice text;
    struct errbuf err = ERRBUF_INIT;
    if (!binding_read_text(binding, node, hint, &text) ||
        duration_parse(text, binding_address(field, object), &err) == ERR_NONE)
        return;
    struct yaml_tree_value value = yaml_tree_resolve(node, binding->dialect);
    if (value.type == YAML_TYPE_INT && !value.negative)
        binding_problem(binding, node, "%s; write the unit too: %ss", err.text,
                        binding_shown(binding, text));
    else
        binding_problem(binding, node, "%s; %s", err.text, hint);
}

BINDING_READER(binding_read_size)
{
    const char *hint = binding_hint(field, "write a size with its unit, such as 512MB or 1GB");
    struct slice text;
    struct errbuf err = ERRBUF_INIT;
    int64_t size;
    if (!binding_read_text(binding, node, hint, &text))
        return;
    if (binding_parse_size(text, &size, &err) != ERR_NONE)
        binding_problem(binding, node, "%s; %s", err.text, hint);
    else if (size < 0)
        binding_problem(binding, node, "a size must not be negative; %s", hint);
    else
        *(uint64_t *)binding_address(field, object) = (uint64_t)size;
}

BINDING_PRINTER(binding_print_text)
{
    return yaml_tree_new_string(printer->arena, *(struct slice *)binding_address(field, object));
}

BINDING_PRINTER(binding_print_secret_text)
{
    return binding_print_secret(printer, *(struct slice *)binding_address(field, object));
}

BINDING_PRINTER(binding_print_url)
{
    struct slice url = *(struct slice *)binding_address(field, object);
    return yaml_tree_new_string(
        printer->arena, printer->show_secrets ? url : binding_redact_url(printer->arena, url));
}

BINDING_PRINTER(binding_print_bool)
{
    bool value = *(bool *)binding_address(field, object);
    return yaml_tree_new_plain(printer->arena, value ? SLICE("true") : SLICE("false"));
}

static const char *float_text(struct arena *arena, double value)
{
    char digits[FLOAT_TEXT_SIZE];
    if (isnan(value) || isinf(value))
        return isnan(value) ? ".nan" : value > 0 ? ".inf" : "-.inf";
    size_t len = float_text_g(value, digits);
    return arena_printf(arena, "%.*s", (int)len, digits);
}

BINDING_PRINTER(binding_print_number)
{
    const void *address = binding_address(field, object);
    const char *text =
        field->kind == BINDING_FLOAT ? float_text(printer->arena, *(const double *)address)
        : field->kind == BINDING_INT
            ? arena_printf(printer->arena, "%lld", (long long)*(const int64_t *)address)
            : arena_printf(printer->arena, "%llu", (unsigned long long)*(const uint64_t *)address);
    return yaml_tree_new_plain(printer->arena, slice_str(text));
}

BINDING_PRINTER(binding_print_unit)
{
    struct buf text;
    buf_init(&text, 256);
    if (field->kind == BINDING_DURATION)
        duration_print(*(int64_t *)binding_address(field, object), &text);
    else
        binding_print_size(*(uint64_t *)binding_address(field, object), &text);
    struct slice copy = arena_slice(printer->arena, buf_slice(&text));
    buf_release(&text);
    return yaml_tree_new_string(printer->arena, copy);
}
