/* eq, ne, lt, le, gt, ge and not: numbers of different kinds do not compare, as in Go. */
#include "rules/template_functions_internal.h"

#include "base/compiler.h"
#include "rules/template_format.h"

#define SHOWN_SIZE_MAX 512

static bool is_integer_kind(enum template_kind kind)
{
    return kind == TEMPLATE_KIND_INT || kind == TEMPLATE_KIND_UINT;
}

static bool fail_incompatible(struct template_run *run, const struct template_value *left,
                              const struct template_value *right)
{
    return template_run_fail(run, "incompatible types for comparison: %s and %s",
                             template_type_name(left->type), template_type_name(right->type));
}

static bool fail_not_comparable(struct template_run *run, const struct template_value *value)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, SHOWN_SIZE_MAX);
    template_format_value(value, &text);
    return template_run_fail(run, "non-comparable type %s: %s", buf_cstr(&text),
                             template_type_name(value->type));
}

static bool basic_equal(enum template_kind kind, const struct template_value *left,
                        const struct template_value *right)
{
    switch (kind) {
    case TEMPLATE_KIND_BOOL:
        return left->boolean == right->boolean;
    case TEMPLATE_KIND_FLOAT:
        return left->number == right->number;
    case TEMPLATE_KIND_STRING:
        return slice_eq(left->text, right->text);
    default:
        return left->integer == right->integer;
    }
}

/* Values of no basic kind: only pointers and structs can be compared. */
static bool other_equal(struct template_run *run, const struct template_value *left,
                        const struct template_value *right, bool *out)
{
    *out = false;
    if (left->type == TEMPLATE_TYPE_NONE || right->type == TEMPLATE_TYPE_NONE) {
        *out = left->type == right->type;
        return true;
    }
    switch (right->type) {
    case TEMPLATE_TYPE_LABELS:
    case TEMPLATE_TYPE_ARGUMENTS:
    case TEMPLATE_TYPE_VECTOR:
    case TEMPLATE_TYPE_DATA:
        return fail_not_comparable(run, right);
    case TEMPLATE_TYPE_SAMPLE:
        *out = left->type == right->type && left->sample == right->sample;
        return true;
    case TEMPLATE_TYPE_TIME:
        *out = left->type == right->type && left->time.seconds == right->time.seconds &&
               left->time.nanoseconds == right->time.nanoseconds;
        return true;
    default:
        return true;
    }
}

bool template_eq(struct template_run *run, const struct template_value *values, size_t count,
                 struct template_value *out)
{
    if (count < 2)
        return template_run_fail(run, "missing argument for comparison");
    bool equal = false;
    enum template_kind kind = template_kind_of(values[0].type);
    for (size_t i = 1; i < count && !equal; i++) {
        enum template_kind other = template_kind_of(values[i].type);
        if (kind == TEMPLATE_KIND_OTHER && other == TEMPLATE_KIND_OTHER) {
            if (!other_equal(run, &values[0], &values[i], &equal))
                return false;
        } else if (kind == other || (is_integer_kind(kind) && is_integer_kind(other))) {
            equal = basic_equal(kind, &values[0], &values[i]);
        } else if (values[0].type != TEMPLATE_TYPE_NONE && values[i].type != TEMPLATE_TYPE_NONE) {
            return fail_incompatible(run, &values[0], &values[i]);
        }
    }
    *out = template_value_bool(equal);
    return true;
}

bool template_ne(struct template_run *run, const struct template_value *values, size_t count,
                 struct template_value *out)
{
    if (!template_eq(run, values, count, out))
        return false;
    out->boolean = !out->boolean;
    return true;
}

bool template_lt(struct template_run *run, const struct template_value *values, size_t count,
                 struct template_value *out)
{
    (void)count;
    enum template_kind left = template_kind_of(values[0].type);
    enum template_kind right = template_kind_of(values[1].type);
    if (left == TEMPLATE_KIND_OTHER || right == TEMPLATE_KIND_OTHER)
        return template_run_fail(run, "invalid type for comparison");
    bool less;
    if (is_integer_kind(left) && is_integer_kind(right))
        less = values[0].integer < values[1].integer;
    else if (left != right)
        return fail_incompatible(run, &values[0], &values[1]);
    else if (left == TEMPLATE_KIND_FLOAT)
        less = values[0].number < values[1].number;
    else if (left == TEMPLATE_KIND_STRING)
        less = slice_cmp(values[0].text, values[1].text) < 0;
    else
        return template_run_fail(run, "invalid type for comparison");
    *out = template_value_bool(less);
    return true;
}

bool template_le(struct template_run *run, const struct template_value *values, size_t count,
                 struct template_value *out)
{
    if (!template_lt(run, values, count, out))
        return false;
    return out->boolean || template_eq(run, values, count, out);
}

/* The opposite of le and lt, for NaN too. */
bool template_gt(struct template_run *run, const struct template_value *values, size_t count,
                 struct template_value *out)
{
    if (!template_le(run, values, count, out))
        return false;
    out->boolean = !out->boolean;
    return true;
}

bool template_ge(struct template_run *run, const struct template_value *values, size_t count,
                 struct template_value *out)
{
    if (!template_lt(run, values, count, out))
        return false;
    out->boolean = !out->boolean;
    return true;
}

bool template_not(struct template_run *run, const struct template_value *values, size_t count,
                  struct template_value *out)
{
    (void)run;
    (void)count;
    *out = template_value_bool(!template_value_is_true(&values[0]));
    return true;
}
