#include "rules/template.h"

#include "base/alloc.h"
#include "base/counters.h"
#include "model/quote.h"
#include "rules/template_execution.h"
#include "rules/template_format.h"

/* A template is small, and there may be thousands. */
#define TEMPLATE_ARENA_BLOCK_SIZE 512

/* What every template begins with; columns of messages count it. */
#define DEFINITIONS                                                                                \
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"                                 \
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}"
#define MESSAGE_SIZE_MAX (sizeof(((struct errbuf *)0)->text))
#define QUERY_MEMORY_SIZE_MAX ((size_t)1 << 40)

struct template
{
    char *name;
    struct buf text;
    struct arena arena;
    struct template_trees trees;
    struct counter *expansions;
    struct counter *failures;
};

/* How a walk goes on. */
enum flow {
    FLOW_NEXT,
    FLOW_BREAK,
    FLOW_CONTINUE,
    FLOW_FAILED,
};

static struct counter *count_expansions(void)
{
    return counters_counter("prometheus_template_text_expansions_total",
                            "The total number of template text expansions.");
}

static struct counter *count_failures(void)
{
    return counters_counter("prometheus_template_text_expansion_failures_total",
                            "The total number of template text expansion failures.");
}

void template_register_counters(void)
{
    count_expansions();
    count_failures();
}

enum err template_parse(struct slice name, struct slice text, struct template **out,
                        struct errbuf *err)
{
    struct template *template = mem_zalloc(sizeof(*template));
    template->name = mem_strndup(name.ptr, name.len);
    template->expansions = count_expansions();
    template->failures = count_failures();
    buf_init(&template->text, BUF_SIZE_ANY);
    arena_init(&template->arena, TEMPLATE_ARENA_SIZE_MAX);
    template->arena.block_size_first = TEMPLATE_ARENA_BLOCK_SIZE;
    buf_append_str(&template->text, DEFINITIONS);
    buf_append_slice(&template->text, text);
    enum err code = template_parse_trees(slice_str(template->name), buf_slice(&template->text),
                                         &template->arena, &template->trees, err);
    if (code != ERR_NONE) {
        template_free(template);
        return code;
    }
    *out = template;
    return ERR_NONE;
}

void template_free(struct template *template)
{
    if (template == NULL)
        return;
    vec_release(&template->trees.items);
    arena_release(&template->arena);
    buf_release(&template->text);
    mem_free(template->name);
    mem_free(template);
}

/* -- messages -- */

/* NAME:line:column, the column in bytes from 0. */
static void print_place(const struct execution *execution, struct buf *out)
{
    size_t line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < execution->node->position; i++) {
        if (execution->text.ptr[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    buf_printf(out, "%.*s:%zu:%zu", SLICE_ARG(execution->name), line,
               execution->node->position - line_start);
}

bool execution_fail(struct execution *execution, const char *format, ...)
{
    CLEANUP(buf_release) struct buf text;
    CLEANUP(buf_release) struct buf node;
    buf_init(&text, MESSAGE_SIZE_MAX * 4);
    buf_init(&node, MESSAGE_SIZE_MAX);
    buf_printf(&text, "error executing template %.*s: template: ", SLICE_ARG(execution->name));
    print_place(execution, &text);
    buf_append_str(&text, ": executing ");
    quote_go(execution->tree_name, &text);
    template_node_print(execution->node, &node);
    buf_printf(&text, " at <%s>: ", buf_cstr(&node));
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    errbuf_set(execution->err, ERR_EXECUTION, "%s", buf_cstr(&text));
    return false;
}

bool execution_fail_call(struct execution *execution)
{
    return execution_fail(execution, "%s", execution->call_error.text);
}

bool execution_enter(struct execution *execution)
{
    if (execution->depth >= EXECUTION_DEPTH_MAX) {
        return execution_fail(execution, "exceeded maximum template depth (%d)",
                              EXECUTION_DEPTH_MAX);
    }
    execution->depth++;
    return true;
}

/* -- variables -- */

void execution_declare(struct execution *execution, struct slice name,
                       const struct template_value *value)
{
    vec_push(&execution->variables, (struct execution_variable){.name = name, .value = *value});
}

bool execution_assign(struct execution *execution, struct slice name,
                      const struct template_value *value)
{
    for (size_t i = execution->variables.len; i > execution->variables_base; i--) {
        if (slice_eq(execution->variables.items[i - 1].name, name)) {
            execution->variables.items[i - 1].value = *value;
            return true;
        }
    }
    return execution_fail(execution, "undefined variable: %.*s", SLICE_ARG(name));
}

/* -- controls -- */

static enum flow walk(struct execution *execution, const struct template_value *dot,
                      const struct template_node *node);

static bool write_out(struct execution *execution)
{
    if (!execution->out.overflow)
        return true;
    return execution_fail(execution, "the output is larger than %zu bytes",
                          TEMPLATE_OUTPUT_SIZE_MAX);
}

static enum flow walk_action(struct execution *execution, const struct template_value *dot,
                             const struct template_node *node)
{
    struct template_value value;
    if (!execution_pipeline(execution, dot, node->pipe, &value))
        return FLOW_FAILED;
    if (node->pipe->declared_count > 0)
        return FLOW_NEXT;
    execution->node = node;
    template_print_value(&value, &execution->out);
    return write_out(execution) ? FLOW_NEXT : FLOW_FAILED;
}

static enum flow walk_if_or_with(struct execution *execution, const struct template_value *dot,
                                 const struct template_node *node)
{
    size_t variable_count = execution->variables.len;
    struct template_value value;
    if (!execution_pipeline(execution, dot, node->pipe, &value))
        return FLOW_FAILED;
    enum flow flow = FLOW_NEXT;
    if (template_value_is_true(&value))
        flow = walk(execution, node->kind == TEMPLATE_NODE_WITH ? &value : dot, node->list);
    else if (node->else_list != NULL)
        flow = walk(execution, dot, node->else_list);
    execution->variables.len = variable_count;
    return flow;
}

/* One turn of a range: the first variable is the index where there are two. */
static enum flow walk_turn(struct execution *execution, const struct template_node *node,
                           const struct template_value *index, const struct template_value *element)
{
    const struct template_node *pipe = node->pipe;
    size_t count = pipe->declared_count;
    size_t variable_count = execution->variables.len;
    if (!template_run_charge(&execution->run, 0)) {
        execution_fail_call(execution);
        return FLOW_FAILED;
    }
    if (count > 0 && pipe->is_assignment) {
        if (!execution_assign(execution, pipe->declared[0]->names[0],
                              count > 1 ? index : element) ||
            (count > 1 && !execution_assign(execution, pipe->declared[1]->names[0], element)))
            return FLOW_FAILED;
    } else if (count > 0) {
        execution->variables.items[variable_count - 1].value = *element;
        if (count > 1)
            execution->variables.items[variable_count - 2].value = *index;
    }
    enum flow flow = walk(execution, element, node->list);
    execution->variables.len = variable_count;
    return flow == FLOW_CONTINUE ? FLOW_NEXT : flow;
}

/* What a range goes over: element `at` of the value; false behind the last. */
static bool range_element(const struct template_value *value, size_t at,
                          struct template_value *out_index, struct template_value *out_element)
{
    *out_index = template_value_integer(TEMPLATE_TYPE_INT, (int64_t)at);
    switch (value->type) {
    case TEMPLATE_TYPE_VECTOR:
        if (at >= value->vector.count)
            return false;
        *out_element =
            (struct template_value){.type = TEMPLATE_TYPE_SAMPLE, .sample = value->vector.rows[at]};
        return true;
    case TEMPLATE_TYPE_LABELS:
        if (value->labels == NULL || at >= value->labels->count)
            return false;
        *out_index = template_value_text(symbols_text(value->labels->pairs[at].name));
        *out_element = template_value_text(symbols_text(value->labels->pairs[at].value));
        return true;
    case TEMPLATE_TYPE_ARGUMENTS:
        return template_argument_at(value, at, out_index, out_element);
    default:
        if (value->type == TEMPLATE_TYPE_NONE || value->integer < 0 ||
            at >= (uint64_t)value->integer)
            return false;
        *out_index = (struct template_value){0};
        *out_element = template_value_integer(value->type, (int64_t)at);
        return true;
    }
}

static bool check_range(struct execution *execution, const struct template_node *node,
                        const struct template_value *value)
{
    enum template_kind kind = template_kind_of(value->type);
    bool is_integer = kind == TEMPLATE_KIND_INT || kind == TEMPLATE_KIND_UINT;
    bool can_iterate = is_integer || value->type == TEMPLATE_TYPE_NONE ||
                       value->type == TEMPLATE_TYPE_VECTOR || value->type == TEMPLATE_TYPE_LABELS ||
                       value->type == TEMPLATE_TYPE_ARGUMENTS;
    bool too_many = is_integer && node->pipe->declared_count > 1;
    if (can_iterate && !too_many)
        return true;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, MESSAGE_SIZE_MAX);
    template_print_value(value, &text);
    if (too_many) {
        return execution_fail(execution, "can't use %s to iterate over more than one variable",
                              buf_cstr(&text));
    }
    return execution_fail(execution, "range can't iterate over %s", buf_cstr(&text));
}

static enum flow walk_range(struct execution *execution, const struct template_value *dot,
                            const struct template_node *node)
{
    size_t variable_count = execution->variables.len;
    struct template_value value;
    if (!execution_pipeline(execution, dot, node->pipe, &value))
        return FLOW_FAILED;
    value = template_value_indirect(value);
    if (!check_range(execution, node, &value))
        return FLOW_FAILED;
    enum flow flow = FLOW_NEXT;
    size_t at = 0;
    struct template_value index;
    struct template_value element;
    for (; flow == FLOW_NEXT && range_element(&value, at, &index, &element); at++)
        flow = walk_turn(execution, node, &index, &element);
    if (at == 0 && node->else_list != NULL)
        flow = walk(execution, dot, node->else_list);
    else if (flow == FLOW_BREAK)
        flow = FLOW_NEXT;
    execution->variables.len = variable_count;
    return flow;
}

static enum flow walk_template(struct execution *execution, const struct template_value *dot,
                               const struct template_node *node)
{
    const struct template_tree *tree = template_trees_find(execution->trees, node->text);
    if (tree == NULL) {
        CLEANUP(buf_release) struct buf quoted;
        buf_init(&quoted, MESSAGE_SIZE_MAX);
        quote_go(node->text, &quoted);
        execution_fail(execution, "template %s not defined", buf_cstr(&quoted));
        return FLOW_FAILED;
    }
    size_t variable_count = execution->variables.len;
    size_t base_before = execution->variables_base;
    struct slice name_before = execution->tree_name;
    struct template_value value;
    if (!execution_pipeline(execution, dot, node->pipe, &value))
        return FLOW_FAILED;
    execution->variables_base = execution->variables.len;
    execution->tree_name = tree->name;
    execution_declare(execution, SLICE("$"), &value);
    enum flow flow = walk(execution, &value, tree->root);
    execution->variables.len = variable_count;
    execution->variables_base = base_before;
    execution->tree_name = name_before;
    return flow;
}

static enum flow walk_list(struct execution *execution, const struct template_value *dot,
                           const struct template_node *list)
{
    if (!execution_enter(execution))
        return FLOW_FAILED;
    enum flow flow = FLOW_NEXT;
    for (size_t i = 0; i < list->child_count && flow == FLOW_NEXT; i++)
        flow = walk(execution, dot, list->children[i]);
    execution->depth--;
    return flow;
}

static enum flow walk(struct execution *execution, const struct template_value *dot,
                      const struct template_node *node)
{
    execution->node = node;
    if (!template_run_charge(&execution->run, 0)) {
        execution_fail_call(execution);
        return FLOW_FAILED;
    }
    switch (node->kind) {
    case TEMPLATE_NODE_TEXT:
        buf_append_slice(&execution->out, node->text);
        return write_out(execution) ? FLOW_NEXT : FLOW_FAILED;
    case TEMPLATE_NODE_ACTION:
        return walk_action(execution, dot, node);
    case TEMPLATE_NODE_IF:
    case TEMPLATE_NODE_WITH:
        return walk_if_or_with(execution, dot, node);
    case TEMPLATE_NODE_RANGE:
        return walk_range(execution, dot, node);
    case TEMPLATE_NODE_TEMPLATE:
        return walk_template(execution, dot, node);
    case TEMPLATE_NODE_LIST:
        return walk_list(execution, dot, node);
    case TEMPLATE_NODE_BREAK:
        return FLOW_BREAK;
    default:
        ASSERT(node->kind == TEMPLATE_NODE_CONTINUE);
        return FLOW_CONTINUE;
    }
}

static void execution_release(struct execution *execution)
{
    vec_release(&execution->variables);
    arena_release(&execution->arena);
    arena_release(&execution->query_arena);
    buf_release(&execution->out);
}

enum err template_execute(const struct template *template, const struct template_data *data,
                          struct buf *out, struct errbuf *err)
{
    CLEANUP(execution_release)
    struct execution execution = {
        .name = slice_str(template->name),
        .text = buf_slice(&template->text),
        .trees = &template->trees,
        .err = err,
        .tree_name = slice_str(template->name),
    };
    counter_inc(template->expansions);
    arena_init(&execution.arena, TEMPLATE_MEMORY_SIZE_MAX);
    arena_init(&execution.query_arena, QUERY_MEMORY_SIZE_MAX);
    buf_init(&execution.out, TEMPLATE_OUTPUT_SIZE_MAX);
    execution.run = (struct template_run){.data = data,
                                          .arena = &execution.arena,
                                          .query_arena = &execution.query_arena,
                                          .call_error = &execution.call_error};
    struct template_value dot = {.type = TEMPLATE_TYPE_DATA, .data = data};
    execution_declare(&execution, SLICE("$"), &dot);
    const struct template_tree *tree =
        template_trees_find(&template->trees, slice_str(template->name));
    ASSERT(tree != NULL);
    if (walk(&execution, &dot, tree->root) == FLOW_FAILED) {
        counter_inc(template->failures);
        return ERR_EXECUTION;
    }
    if (!buf_append_slice(out, buf_slice(&execution.out)))
        return errbuf_set(err, ERR_LIMIT, "the output does not fit");
    return ERR_NONE;
}
