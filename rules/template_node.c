#include "rules/template_node.h"

#include "model/quote.h"

static void print_names(const struct template_node *node, bool dot_first, struct buf *out)
{
    for (size_t i = 0; i < node->name_count; i++) {
        if (i > 0 || dot_first)
            buf_append_byte(out, '.');
        buf_append_slice(out, node->names[i]);
    }
}

static void print_in_parens(const struct template_node *node, struct buf *out)
{
    bool is_pipe = node->kind == TEMPLATE_NODE_PIPE;
    if (is_pipe)
        buf_append_byte(out, '(');
    template_node_print(node, out);
    if (is_pipe)
        buf_append_byte(out, ')');
}

static void print_pipe(const struct template_node *node, struct buf *out)
{
    for (size_t i = 0; i < node->declared_count; i++) {
        if (i > 0)
            buf_append_str(out, ", ");
        print_names(node->declared[i], false, out);
    }
    if (node->declared_count > 0)
        buf_append_str(out, node->is_assignment ? " = " : " := ");
    for (size_t i = 0; i < node->child_count; i++) {
        if (i > 0)
            buf_append_str(out, " | ");
        template_node_print(node->children[i], out);
    }
}

static void print_control(const char *name, const struct template_node *node, struct buf *out)
{
    buf_append_str(out, "{{");
    buf_append_str(out, name);
    buf_append_byte(out, ' ');
    print_pipe(node->pipe, out);
    buf_append_str(out, "}}");
    template_node_print(node->list, out);
    if (node->else_list != NULL) {
        buf_append_str(out, "{{else}}");
        template_node_print(node->else_list, out);
    }
    buf_append_str(out, "{{end}}");
}

static void print_action(const struct template_node *node, struct buf *out)
{
    buf_append_str(out, "{{");
    if (node->kind == TEMPLATE_NODE_TEMPLATE) {
        buf_append_str(out, "template ");
        quote_go(node->text, out);
        if (node->pipe != NULL)
            buf_append_byte(out, ' ');
    }
    if (node->pipe != NULL)
        print_pipe(node->pipe, out);
    buf_append_str(out, "}}");
}

static void print_operand(const struct template_node *node, struct buf *out)
{
    switch (node->kind) {
    case TEMPLATE_NODE_VARIABLE:
        print_names(node, false, out);
        break;
    case TEMPLATE_NODE_FIELD:
        print_names(node, true, out);
        break;
    case TEMPLATE_NODE_CHAIN:
        print_in_parens(node->pipe, out);
        print_names(node, true, out);
        break;
    case TEMPLATE_NODE_DOT:
        buf_append_byte(out, '.');
        break;
    case TEMPLATE_NODE_NIL:
        buf_append_str(out, "nil");
        break;
    case TEMPLATE_NODE_BOOL:
        buf_append_str(out, node->is_true ? "true" : "false");
        break;
    default:
        buf_append_slice(out, node->text);
        break;
    }
}

void template_node_print(const struct template_node *node, struct buf *out)
{
    switch (node->kind) {
    case TEMPLATE_NODE_ACTION:
    case TEMPLATE_NODE_TEMPLATE:
        print_action(node, out);
        break;
    case TEMPLATE_NODE_LIST:
        for (size_t i = 0; i < node->child_count; i++)
            template_node_print(node->children[i], out);
        break;
    case TEMPLATE_NODE_IF:
        print_control("if", node, out);
        break;
    case TEMPLATE_NODE_RANGE:
        print_control("range", node, out);
        break;
    case TEMPLATE_NODE_WITH:
        print_control("with", node, out);
        break;
    case TEMPLATE_NODE_BREAK:
        buf_append_str(out, "{{break}}");
        break;
    case TEMPLATE_NODE_CONTINUE:
        buf_append_str(out, "{{continue}}");
        break;
    case TEMPLATE_NODE_END:
        buf_append_str(out, "{{end}}");
        break;
    case TEMPLATE_NODE_ELSE:
        buf_append_str(out, "{{else}}");
        break;
    case TEMPLATE_NODE_PIPE:
        print_pipe(node, out);
        break;
    case TEMPLATE_NODE_COMMAND:
        for (size_t i = 0; i < node->child_count; i++) {
            if (i > 0)
                buf_append_byte(out, ' ');
            print_in_parens(node->children[i], out);
        }
        break;
    default:
        print_operand(node, out);
        break;
    }
}
