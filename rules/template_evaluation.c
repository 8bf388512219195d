/* Pipelines, commands, fields, arguments and calls. */
#include "rules/template_execution.h"

#include <stdio.h>

#include "base/alloc.h"
#include "model/quote.h"

/* The type of what has the type of a parameter, for messages. */
static const char *parameter_type_name(char parameter)
{
    switch (parameter) {
    case TEMPLATE_PARAMETER_STRING:
        return "string";
    case TEMPLATE_PARAMETER_VECTOR:
        return "template.queryResult";
    case TEMPLATE_PARAMETER_SAMPLE:
        return "*template.sample";
    case TEMPLATE_PARAMETER_TIME:
        return "time.Time";
    case TEMPLATE_PARAMETER_DURATION:
        return "time.Duration";
    default:
        return "interface {}";
    }
}

static bool parameter_can_be_nil(char parameter)
{
    return parameter != TEMPLATE_PARAMETER_STRING && parameter != TEMPLATE_PARAMETER_TIME &&
           parameter != TEMPLATE_PARAMETER_DURATION;
}

static bool parameter_takes(char parameter, enum template_type type)
{
    switch (parameter) {
    case TEMPLATE_PARAMETER_STRING:
        return type == TEMPLATE_TYPE_STRING;
    case TEMPLATE_PARAMETER_VECTOR:
        return type == TEMPLATE_TYPE_VECTOR;
    case TEMPLATE_PARAMETER_SAMPLE:
        return type == TEMPLATE_TYPE_SAMPLE;
    case TEMPLATE_PARAMETER_TIME:
        return type == TEMPLATE_TYPE_TIME;
    case TEMPLATE_PARAMETER_DURATION:
        return type == TEMPLATE_TYPE_DURATION;
    default:
        return true;
    }
}

/* Makes the value fit the parameter: a pointer stands for what it points to where that is asked
 * for. */
static bool validate(struct execution *execution, char parameter, struct template_value *value)
{
    if (value->type == TEMPLATE_TYPE_NONE) {
        return parameter_can_be_nil(parameter) ||
               execution_fail(execution, "invalid value; expected %s",
                              parameter_type_name(parameter));
    }
    if (parameter_takes(parameter, value->type))
        return true;
    struct template_value inner = template_value_indirect(*value);
    if (!parameter_takes(parameter, inner.type)) {
        return execution_fail(execution, "wrong type for value; expected %s; got %s",
                              parameter_type_name(parameter), template_type_name(value->type));
    }
    *value = inner;
    return true;
}

/* A message that ends with a node as it was written. */
static bool fail_with_node(struct execution *execution, const char *before,
                           const struct template_node *node, const char *after)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 1024);
    template_node_print(node, &text);
    return execution_fail(execution, "%s%s%s", before, buf_cstr(&text), after);
}

/* -- calls -- */

struct call {
    const char *name;
    const struct template_function *function;
    const struct template_node *node;             /* what a complaint of the function points at */
    const struct template_node *const *arguments; /* without the function itself */
    size_t argument_count;
    const struct template_value *receiver; /* of a method, else NULL */
    const struct template_value *final;    /* what comes through the pipe, else NULL */
};

static bool evaluate_argument(struct execution *execution, const struct template_value *dot,
                              char parameter, const struct template_node *node,
                              struct template_value *out);

/* `and` and `or` look at their arguments only as far as they must. */
static bool call_logic(struct execution *execution, const struct template_value *dot,
                       const struct call *call, struct template_value *out)
{
    bool is_or = strcmp(call->name, "or") == 0;
    for (size_t i = 0; i < call->argument_count; i++) {
        if (!evaluate_argument(execution, dot, TEMPLATE_PARAMETER_VALUE, call->arguments[i], out))
            return false;
        if (template_value_is_true(out) == is_or)
            return true;
    }
    if (call->final != NULL)
        *out = *call->final;
    return true;
}

static bool check_count(struct execution *execution, const struct call *call, size_t count)
{
    size_t parameter_count = strlen(call->function->parameters);
    if (!call->function->is_variadic) {
        return count == parameter_count ||
               execution_fail(execution, "wrong number of args for %s: want %zu got %zu",
                              call->name, parameter_count, count);
    }
    return count >= parameter_count - 1 ||
           execution_fail(execution, "wrong number of args for %s: want at least %zu got %zu",
                          call->name, parameter_count - 1, call->argument_count);
}

static bool call_function(struct execution *execution, const struct template_value *dot,
                          const struct call *call, struct template_value *out)
{
    const char *parameters = call->function->parameters;
    size_t parameter_count = strlen(parameters);
    size_t count = call->argument_count + (call->final != NULL ? 1 : 0);
    if (!check_count(execution, call, count))
        return false;
    if (call->function->run == NULL)
        return call_logic(execution, dot, call, out);
    size_t first = call->receiver != NULL ? 1 : 0;
    struct template_value *values =
        arena_try_alloc(&execution->arena, (first + count) * sizeof(*values) + 1);
    if (values == NULL) {
        template_run_fail(&execution->run, "the template takes too much memory");
        return execution_fail_call(execution);
    }
    if (call->receiver != NULL)
        values[0] = template_value_indirect(*call->receiver);
    for (size_t i = 0; i < count; i++) {
        char parameter = parameters[MIN(i, parameter_count - 1)];
        if (i < call->argument_count) {
            if (!evaluate_argument(execution, dot, parameter, call->arguments[i],
                                   &values[first + i]))
                return false;
            continue;
        }
        values[first + i] = *call->final;
        if (!validate(execution, parameter, &values[first + i]))
            return false;
    }
    if (call->function->run(&execution->run, values, first + count, out))
        return true;
    execution->node = call->node;
    return execution_fail(execution, "error calling %s: %s", call->name,
                          execution->call_error.text);
}

static bool evaluate_function(struct execution *execution, const struct template_value *dot,
                              const struct template_node *identifier,
                              const struct template_node *node,
                              const struct template_node *const *arguments, size_t argument_count,
                              const struct template_value *final, struct template_value *out)
{
    execution->node = identifier;
    const struct template_function *function = template_function_find(identifier->text);
    ASSERT(function != NULL); /* the parser has seen to it */
    struct call call = {.name = function->name,
                        .function = function,
                        .node = node,
                        .arguments = arguments,
                        .argument_count = argument_count,
                        .final = final};
    return call_function(execution, dot, &call, out);
}

/* -- fields -- */

static bool struct_field(const struct template_value *receiver, struct slice name,
                         struct template_value *out, bool *out_interface)
{
    const struct template_data *data = receiver->data;
    bool is_data = receiver->type == TEMPLATE_TYPE_DATA;
    bool is_sample = receiver->type == TEMPLATE_TYPE_SAMPLE;
    *out_interface = false;
    if (!is_data && !is_sample)
        return false;
    if (slice_eq_str(name, "Value")) {
        *out = template_value_number(is_data ? data->value : receiver->sample->value);
        *out_interface = true;
        return true;
    }
    if (is_data && slice_eq_str(name, "ExternalURL")) {
        *out = template_value_text(data->external_url);
        return true;
    }
    *out = (struct template_value){.type = TEMPLATE_TYPE_LABELS};
    if (slice_eq_str(name, "Labels"))
        out->labels = is_data ? data->labels : receiver->sample->labels;
    else if (is_data && slice_eq_str(name, "ExternalLabels"))
        out->labels = data->external_labels;
    else
        return false;
    return true;
}

static bool map_field(const struct template_value *receiver, struct slice name,
                      struct template_value *out, bool *out_interface)
{
    size_t index;
    *out_interface = receiver->type == TEMPLATE_TYPE_ARGUMENTS;
    if (receiver->type == TEMPLATE_TYPE_LABELS) {
        struct slice value =
            receiver->labels == NULL ? SLICE_EMPTY : labels_get(receiver->labels, name);
        *out = template_value_text(value);
        return true;
    }
    if (receiver->type != TEMPLATE_TYPE_ARGUMENTS)
        return false;
    bool found = template_argument_index(name, &index) && index < receiver->arguments.count;
    *out = found ? receiver->arguments.items[index] : (struct template_value){0};
    return true;
}

/* `call` has what there is of arguments; `io_interface`: whether the receiver comes out of an
 * interface, which messages tell, and then the result. */
static bool evaluate_field(struct execution *execution, const struct template_value *dot,
                           struct template_value receiver, struct slice name, struct call *call,
                           bool *io_interface, struct template_value *out)
{
    bool from_interface = *io_interface;
    *io_interface = false;
    *out = (struct template_value){0};
    if (receiver.type == TEMPLATE_TYPE_NONE) {
        return !from_interface ||
               execution_fail(execution, "nil pointer evaluating interface {}.%.*s",
                              SLICE_ARG(name));
    }
    call->function = template_method_find(receiver.type, name);
    if (call->function != NULL) {
        call->name = call->function->name;
        call->receiver = &receiver;
        return call_function(execution, dot, call, out);
    }
    bool has_arguments = call->argument_count > 0 || call->final != NULL;
    if (struct_field(&receiver, name, out, io_interface)) {
        return !has_arguments ||
               execution_fail(execution, "%.*s has arguments but cannot be invoked as function",
                              SLICE_ARG(name));
    }
    if (map_field(&receiver, name, out, io_interface)) {
        return !has_arguments ||
               execution_fail(execution, "%.*s is not a method but has arguments", SLICE_ARG(name));
    }
    return execution_fail(execution, "can't evaluate field %.*s in type %s", SLICE_ARG(name),
                          from_interface ? "interface {}" : template_type_name(receiver.type));
}

/* The fields `names` one after the other; arguments belong to the last. */
static bool evaluate_fields(struct execution *execution, const struct template_value *dot,
                            struct template_value receiver, const struct slice *names,
                            size_t name_count, const struct call *call, struct template_value *out)
{
    bool from_interface = false;
    for (size_t i = 0; i < name_count; i++) {
        struct call own = {.node = call->node};
        if (i + 1 == name_count)
            own = *call;
        if (!evaluate_field(execution, dot, receiver, names[i], &own, &from_interface, out))
            return false;
        receiver = *out;
    }
    return true;
}

static bool evaluate_variable(struct execution *execution, struct slice name,
                              struct template_value *out)
{
    for (size_t i = execution->variables.len; i > execution->variables_base; i--) {
        if (slice_eq(execution->variables.items[i - 1].name, name)) {
            *out = execution->variables.items[i - 1].value;
            return true;
        }
    }
    return execution_fail(execution, "undefined variable: %.*s", SLICE_ARG(name));
}

static bool evaluate_chain(struct execution *execution, const struct template_value *dot,
                           const struct template_node *node, const struct call *call,
                           struct template_value *out)
{
    execution->node = node;
    if (node->pipe->kind == TEMPLATE_NODE_NIL)
        return fail_with_node(execution, "indirection through explicit nil in ", node, "");
    struct template_value receiver;
    return evaluate_argument(execution, dot, TEMPLATE_PARAMETER_VALUE, node->pipe, &receiver) &&
           evaluate_fields(execution, dot, receiver, node->names, node->name_count, call, out);
}

/* -- arguments -- */

static bool not_a_function(struct execution *execution, const struct template_node *node,
                           const struct call *call)
{
    if (call->argument_count == 0 && call->final == NULL)
        return true;
    return fail_with_node(execution, "can't give argument to non-function ", node, "");
}

/* What may stand in front of arguments: field, chain, variable, pipeline. */
static bool evaluate_operand(struct execution *execution, const struct template_value *dot,
                             const struct template_node *node, const struct call *call,
                             struct template_value *out)
{
    struct template_value receiver;
    switch (node->kind) {
    case TEMPLATE_NODE_FIELD:
        execution->node = node;
        return evaluate_fields(execution, dot, *dot, node->names, node->name_count, call, out);
    case TEMPLATE_NODE_CHAIN:
        return evaluate_chain(execution, dot, node, call, out);
    case TEMPLATE_NODE_VARIABLE:
        execution->node = node;
        if (!evaluate_variable(execution, node->names[0], &receiver))
            return false;
        if (node->name_count > 1)
            return evaluate_fields(execution, dot, receiver, node->names + 1, node->name_count - 1,
                                   call, out);
        *out = receiver;
        return not_a_function(execution, node, call);
    default:
        return not_a_function(execution, node, call) &&
               execution_pipeline(execution, dot, node, out);
    }
}

static bool constant(struct execution *execution, const struct template_node *node,
                     struct template_value *out)
{
    if (node->kind == TEMPLATE_NODE_NUMBER && node->overflows)
        return execution_fail(execution, "%.*s overflows int", SLICE_ARG(node->text));
    if (node->kind == TEMPLATE_NODE_STRING)
        *out = template_value_text(node->value);
    else if (node->kind == TEMPLATE_NODE_BOOL)
        *out = template_value_bool(node->is_true);
    else if (node->is_float)
        *out = template_value_number(node->number);
    else
        *out = template_value_integer(TEMPLATE_TYPE_INT, node->integer);
    return true;
}

/* A literal takes the type of the parameter. */
static bool evaluate_literal(struct execution *execution, char parameter,
                             const struct template_node *node, struct template_value *out)
{
    switch (parameter) {
    case TEMPLATE_PARAMETER_STRING:
        if (node->kind != TEMPLATE_NODE_STRING)
            return fail_with_node(execution, "expected string; found ", node, "");
        break;
    case TEMPLATE_PARAMETER_DURATION:
        if (node->kind != TEMPLATE_NODE_NUMBER || node->is_float)
            return fail_with_node(execution, "expected integer; found ", node, "");
        *out = template_value_integer(TEMPLATE_TYPE_DURATION, node->integer);
        return true;
    case TEMPLATE_PARAMETER_VECTOR:
    case TEMPLATE_PARAMETER_SAMPLE:
    case TEMPLATE_PARAMETER_TIME: {
        char after[64];
        snprintf(after, sizeof(after), " for arg of type %s", parameter_type_name(parameter));
        return fail_with_node(execution, "can't handle ", node, after);
    }
    default:
        break;
    }
    return constant(execution, node, out);
}

static bool evaluate_argument(struct execution *execution, const struct template_value *dot,
                              char parameter, const struct template_node *node,
                              struct template_value *out)
{
    const struct call nothing = {.node = node};
    execution->node = node;
    switch (node->kind) {
    case TEMPLATE_NODE_DOT:
        *out = *dot;
        break;
    case TEMPLATE_NODE_NIL:
        *out = (struct template_value){0};
        return parameter_can_be_nil(parameter) ||
               execution_fail(execution, "cannot assign nil to %s", parameter_type_name(parameter));
    case TEMPLATE_NODE_IDENTIFIER:
        if (!evaluate_function(execution, dot, node, node, NULL, 0, NULL, out))
            return false;
        break;
    case TEMPLATE_NODE_BOOL:
    case TEMPLATE_NODE_NUMBER:
    case TEMPLATE_NODE_STRING:
        return evaluate_literal(execution, parameter, node, out);
    default:
        if (!evaluate_operand(execution, dot, node, &nothing, out))
            return false;
        break;
    }
    return validate(execution, parameter, out);
}

/* -- commands and pipelines -- */

static bool evaluate_command(struct execution *execution, const struct template_value *dot,
                             const struct template_node *command,
                             const struct template_value *final, struct template_value *out)
{
    const struct template_node *first = command->children[0];
    const struct template_node *const *arguments =
        (const struct template_node *const *)command->children + 1;
    struct call call = {.node = first,
                        .arguments = arguments,
                        .argument_count = command->child_count - 1,
                        .final = final};
    switch (first->kind) {
    case TEMPLATE_NODE_IDENTIFIER:
        return evaluate_function(execution, dot, first, command, arguments,
                                 command->child_count - 1, final, out);
    case TEMPLATE_NODE_FIELD:
    case TEMPLATE_NODE_CHAIN:
    case TEMPLATE_NODE_VARIABLE:
    case TEMPLATE_NODE_PIPE:
        return evaluate_operand(execution, dot, first, &call, out);
    default:
        break;
    }
    execution->node = first;
    if (!not_a_function(execution, first, &call))
        return false;
    if (first->kind == TEMPLATE_NODE_NIL)
        return execution_fail(execution, "nil is not a command");
    if (first->kind != TEMPLATE_NODE_DOT)
        return constant(execution, first, out);
    *out = *dot;
    return true;
}

bool execution_pipeline(struct execution *execution, const struct template_value *dot,
                        const struct template_node *pipe, struct template_value *out)
{
    *out = (struct template_value){0};
    if (pipe == NULL)
        return true;
    execution->node = pipe;
    if (!execution_enter(execution))
        return false;
    for (size_t i = 0; i < pipe->child_count; i++) {
        struct template_value final = *out;
        if (!template_run_charge(&execution->run, 0))
            return execution_fail_call(execution);
        if (!evaluate_command(execution, dot, pipe->children[i], i == 0 ? NULL : &final, out))
            return false;
    }
    for (size_t i = 0; i < pipe->declared_count; i++) {
        struct slice name = pipe->declared[i]->names[0];
        if (!pipe->is_assignment)
            execution_declare(execution, name, out);
        else if (!execution_assign(execution, name, out))
            return false;
    }
    execution->depth--;
    return true;
}
