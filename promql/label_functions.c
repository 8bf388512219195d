/*
 * label_replace and label_join: only label sets change. A pattern is matched once for every value
 * of the source label, as symbols tell equal values without looking at them.
 */
#include "base/assert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/regex.h"
#include "base/table.h"
#include "model/symbols.h"
#include "promql/label_groups.h"
#include "promql/operators.h"

/* Of a value that a query makes: nested calls double it, and a few dozen of them would fill any memory. */
#define LABEL_VALUE_BYTES_MAX ((size_t)4 << 20)

struct label_function {
    struct operator op;
    uint32_t target;
    bool targets_name;
    /* label_replace */
    struct regex *regex;
    struct slice replacement;
    uint32_t source;
    struct table by_source; /* struct replaced_value */
    /* label_join */
    struct slice separator;
    uint32_t *sources;
    size_t source_count;
    struct buf text;
    struct label_guard guard;
};

/* What becomes of a value of the source label. */
struct replaced_value {
    uint32_t source;
    uint32_t target;
    bool matches;
};

static bool label_function_start(struct operator* op)
{
    struct label_function *function = (struct label_function *)op;
    label_guard_clear(&function->guard, op->steps.count);
    return operator_start_children(op);
}

static bool replaced_value_has_source(const void *value, const void *key)
{
    return ((const struct replaced_value *)value)->source == *(const uint32_t *)key;
}

/* NULL when a limit is reached. */
static const struct replaced_value *label_replace_value(struct label_function *function,
                                                        uint32_t source)
{
    struct evaluation *ev = function->op.ev;
    uint64_t hash = hash_mix(0, source);
    struct replaced_value *value =
        table_get(&function->by_source, hash, replaced_value_has_source, &source);
    if (value != NULL)
        return value;
    value = evaluation_alloc(ev, 1, sizeof(*value));
    if (value == NULL)
        return NULL;
    *value = (struct replaced_value){.source = source};
    struct regex_match match;
    if (regex_match_groups(function->regex, symbols_text(source), &match)) {
        buf_reset(&function->text);
        regex_expand(function->regex, function->replacement, &match, &function->text);
        if (function->text.overflow && !evaluation_room(ev, UINT64_MAX))
            return NULL;
        value->matches = true;
        value->target = evaluation_symbol(ev, buf_slice(&function->text));
    }
    table_add(&function->by_source, hash, value);
    return value;
}

static bool label_function_set(struct label_function *function, struct row *row, uint32_t value)
{
    struct evaluation *ev = function->op.ev;
    row->labels = label_set_with(ev, row->labels, function->target, value);
    if (function->targets_name)
        row->drop_name = false;
    return true;
}

static bool label_replace_next(struct operator* op, struct row *out)
{
    struct label_function *function = (struct label_function *)op;
    if (!operator_next(op->children[0], out))
        return false;
    const struct replaced_value *value =
        label_replace_value(function, labels_value(out->labels, function->source));
    if (value == NULL)
        return false;
    if (value->matches)
        label_function_set(function, out, value->target);
    return label_guard_add(&function->guard, out->labels, out->present, LABEL_GUARD_STEPS);
}

static bool label_join_next(struct operator* op, struct row *out)
{
    struct label_function *function = (struct label_function *)op;
    if (!operator_next(op->children[0], out))
        return false;
    buf_reset(&function->text);
    for (size_t i = 0; i < function->source_count; i++) {
        if (i > 0)
            buf_append_slice(&function->text, function->separator);
        uint32_t value = labels_value(out->labels, function->sources[i]);
        buf_append_slice(&function->text, symbols_text(value));
    }
    if (function->text.overflow)
        return evaluation_room(op->ev, UINT64_MAX);
    label_function_set(function, out, evaluation_symbol(op->ev, buf_slice(&function->text)));
    return label_guard_add(&function->guard, out->labels, out->present, LABEL_GUARD_STEPS);
}

static void label_function_release(struct operator* op)
{
    struct label_function *function = (struct label_function *)op;
    regex_free(function->regex);
    table_release(&function->by_source);
    buf_release(&function->text);
    label_guard_release(&function->guard);
}

static const struct operator_methods replace_methods = {
    .name = "label_replace",
    .start = label_function_start,
    .next = label_replace_next,
    .release = label_function_release,
};
static const struct operator_methods join_methods = {
    .name = "label_join",
    .start = label_function_start,
    .next = label_join_next,
    .release = label_function_release,
};

static struct slice string_argument(const struct node *call, size_t index)
{
    const struct node *argument = node_unwrap(call->children[index]);
    ASSERT(argument->kind == NODE_STRING);
    return argument->string;
}

static struct label_function *label_function_make(struct evaluation *ev, const struct node *call,
                                                  const struct operator_methods *methods,
                                                  struct operator* child)
{
    struct label_function *function = operator_new(ev, sizeof(*function), methods, call, 1);
    function->op.children[0] = child;
    struct slice target = string_argument(call, 1);
    function->target = evaluation_symbol(ev, target);
    function->targets_name = function->target == ev->reserved.name;
    table_init(&function->by_source);
    buf_init(&function->text, MIN((size_t)ev->bytes_max, LABEL_VALUE_BYTES_MAX));
    label_guard_init(&function->guard, ev);
    function->op.nameless = child->nameless && !function->targets_name;
    function->op.name_unique = function->op.nameless;
    return function;
}

struct operator*
    label_replace_new(struct evaluation *ev, const struct node *call, struct operator* child)
{
    struct label_function *function = label_function_make(ev, call, &replace_methods, child);
    struct slice target = string_argument(call, 1);
    struct slice pattern = string_argument(call, 4);
    function->replacement = string_argument(call, 2);
    function->source = evaluation_symbol(ev, string_argument(call, 3));
    if (regex_new(pattern, &function->regex, NULL) != ERR_NONE) {
        evaluation_fail(ev, ERR_EXECUTION, "invalid regular expression in label_replace(): %.*s",
                        SLICE_ARG(pattern));
        return NULL;
    }
    if (!labels_name_valid_utf8(target)) {
        evaluation_fail(ev, ERR_EXECUTION,
                        "invalid destination label name in label_replace(): %.*s",
                        SLICE_ARG(target));
        return NULL;
    }
    return &function->op;
}

struct operator*
    label_join_new(struct evaluation *ev, const struct node *call, struct operator* child)
{
    struct label_function *function = label_function_make(ev, call, &join_methods, child);
    function->separator = string_argument(call, 2);
    function->source_count = call->child_count - 3;
    function->sources =
        arena_alloc_array(&ev->scratch, function->source_count, sizeof(*function->sources));
    for (size_t i = 0; i < function->source_count; i++) {
        struct slice source = string_argument(call, 3 + i);
        if (!labels_name_valid_utf8(source)) {
            evaluation_fail(ev, ERR_EXECUTION, "invalid source label name in label_join(): %.*s",
                            SLICE_ARG(source));
            return NULL;
        }
        function->sources[i] = evaluation_symbol(ev, source);
    }
    struct slice target = string_argument(call, 1);
    if (!labels_name_valid_utf8(target)) {
        evaluation_fail(ev, ERR_EXECUTION, "invalid destination label name in label_join(): %.*s",
                        SLICE_ARG(target));
        return NULL;
    }
    return &function->op;
}
