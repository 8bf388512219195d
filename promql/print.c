/* An expression's canonical text on one line, as the reference's String() writes it. */
#include "promql/print.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/compiler.h"
#include "base/float_text.h"
#include "base/vec.h"
#include "model/duration.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/quote.h"
#include "promql/deep_call.h"
#include "promql/functions.h"
#include "promql/promql.h"
#include "promql/token.h"

static void print_labels(const struct slice *labels, size_t count, struct buf *out)
{
    buf_append_byte(out, '(');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_str(out, ", ");
        /* `without`, inf and nan cannot stand here without quotes */
        if (labels_name_valid_legacy(labels[i]) && token_is_label_name(token_word(labels[i])))
            buf_append_slice(out, labels[i]);
        else
            quote_go(labels[i], out);
    }
    buf_append_byte(out, ')');
}

static void print_float(double value, struct buf *out)
{
    char text[FLOAT_TEXT_SIZE];
    buf_append(out, text, float_text_f(value, text));
}

/* Seconds as a duration, to the nearest millisecond: what is printed has the value that was read. (The
 * reference cuts here and prints 1.001 s, a little less than that as a double, as 1s.) */
static void print_seconds(double seconds, struct buf *out)
{
    if (seconds < 0)
        buf_append_byte(out, '-');
    double duration_ms = (seconds < 0 ? -seconds : seconds) * 1e3;
    duration_print(duration_ms * 1e6 < 0x1p63 ? llround(duration_ms) : INT64_MAX / 1000000, out);
}

static void print_number(double value, bool is_duration, struct buf *out)
{
    if (is_duration)
        print_seconds(value, out);
    else
        print_float(value, out);
}

static const char *duration_operator_text(enum duration_operator op)
{
    switch (op) {
    case DURATION_ADD:
        return " + ";
    case DURATION_SUB:
        return " - ";
    case DURATION_MUL:
        return " * ";
    case DURATION_DIV:
        return " / ";
    case DURATION_MOD:
        return " % ";
    case DURATION_POW:
        return " ^ ";
    default:
        return ", "; /* min_of, max_of */
    }
}

static void print_duration_pair(const struct node *node, struct buf *out)
{
    print_node(node->children[0], out);
    buf_append_str(out, duration_operator_text(node->duration.op));
    print_node(node->children[1], out);
}

static void print_duration(const struct node *node, struct buf *out)
{
    switch (node->duration.op) {
    case DURATION_NUMBER:
        print_number(node->duration.value_s, node->duration.is_duration, out);
        break;
    case DURATION_NEGATE:
        buf_append_byte(out, '-');
        print_node(node->children[0], out);
        break;
    case DURATION_PAREN:
        buf_append_byte(out, '(');
        print_node(node->children[0], out);
        buf_append_byte(out, ')');
        break;
    case DURATION_STEP:
        buf_append_str(out, "step()");
        break;
    case DURATION_RANGE:
        buf_append_str(out, "range()");
        break;
    case DURATION_MIN_OF:
    case DURATION_MAX_OF:
        buf_append_str(out, node->duration.op == DURATION_MIN_OF ? "min_of(" : "max_of(");
        print_duration_pair(node, out);
        buf_append_byte(out, ')');
        break;
    default:
        print_duration_pair(node, out);
        break;
    }
}

/* A plain duration or, where there is one, the expression. */
static void print_range(int64_t range_ms, const struct node *expression, struct buf *out)
{
    if (expression != NULL)
        print_node(expression, out);
    else
        duration_print(range_ms, out);
}

static void print_at(const struct node_shift *shift, struct buf *out)
{
    if (shift->at == AT_TIME)
        buf_printf(out, " @ %.3f", (double)shift->at_ms / 1000.0);
    else if (shift->at != AT_NONE)
        buf_append_str(out, shift->at == AT_START ? " @ start()" : " @ end()");
}

static bool is_duration_operation(const struct node *node)
{
    return node->duration.op >= DURATION_ADD && node->duration.op <= DURATION_POW;
}

static bool has_two_signs(const struct node *node)
{
    return node->duration.op == DURATION_NEGATE &&
           node->children[0]->duration.op == DURATION_NEGATE;
}

/* Behind offset an operation needs parentheses, but where it begins with some or with two signs:
 * see parse_offset_duration. */
static bool offset_needs_parens(const struct node *expression)
{
    if (!is_duration_operation(expression))
        return false;
    while (is_duration_operation(expression))
        expression = expression->children[0];
    return !has_two_signs(expression) && expression->duration.op != DURATION_PAREN;
}

static void print_offset_expression(const struct node *expression, struct buf *out)
{
    bool parens = offset_needs_parens(expression);
    buf_append_str(out, parens ? " offset (" : " offset ");
    print_node(expression, out);
    if (parens)
        buf_append_byte(out, ')');
}

static void print_offset(const struct node_shift *shift, struct buf *out)
{
    if (shift->offset_expression != NULL) {
        print_offset_expression(shift->offset_expression, out);
        return;
    }
    if (shift->offset_ms == 0)
        return;
    buf_append_str(out, shift->offset_ms < 0 ? " offset -" : " offset ");
    duration_print(shift->offset_ms < 0 ? -shift->offset_ms : shift->offset_ms, out);
}

static void print_extension(enum selector_extension extension, struct buf *out)
{
    if (extension != SELECTOR_PLAIN)
        buf_append_str(out, extension == SELECTOR_ANCHORED ? " anchored" : " smoothed");
}

static int compare_texts(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Matchers sorted by their text; the one that the name before the braces stands for is left out. */
static void print_matchers(const struct node *node, struct buf *out)
{
    struct arena arena CLEANUP(arena_release);
    arena_init(&arena, BUF_SIZE_ANY);
    size_t count = 0;
    struct slice *texts = arena_alloc_array(&arena, node->selector.matcher_count, sizeof(*texts));
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    for (size_t i = 0; i < node->selector.matcher_count; i++) {
        const struct matcher *matcher = node->selector.matchers[i];
        if (matcher->type == MATCHER_EQUAL && slice_eq_str(matcher->name, LABEL_METRIC_NAME) &&
            slice_eq(matcher->value, node->selector.name) && matcher->value.len > 0)
            continue;
        buf_reset(&text);
        matcher_print(matcher, &text);
        texts[count++] = arena_slice(&arena, buf_slice(&text));
    }
    if (count == 0) {
        if (node->selector.name.len == 0)
            buf_append_str(out, "{}"); /* as the second argument of info may be */
        return;
    }
    qsort(texts, count, sizeof(*texts), compare_texts);
    for (size_t i = 0; i < count; i++) {
        buf_append_byte(out, i == 0 ? '{' : ',');
        buf_append_slice(out, texts[i]);
    }
    buf_append_byte(out, '}');
}

static void print_selector(const struct node *node, struct buf *out)
{
    buf_append_slice(out, node->selector.name);
    print_matchers(node, out);
}

static void print_vector_selector(const struct node *node, struct buf *out)
{
    print_selector(node, out);
    print_at(&node->selector.shift, out);
    print_extension(node->selector.extension, out);
    print_offset(&node->selector.shift, out);
}

static void print_matrix_selector(const struct node *node, struct buf *out)
{
    const struct node *selector = node->children[0];
    print_selector(selector, out);
    buf_append_byte(out, '[');
    print_range(node->matrix.range_ms, node->matrix.range_expression, out);
    buf_append_byte(out, ']');
    print_extension(selector->selector.extension, out);
    print_at(&selector->selector.shift, out);
    print_offset(&selector->selector.shift, out);
}

void print_subquery_tail(const struct node *node, struct buf *out)
{
    buf_append_byte(out, '[');
    print_range(node->subquery.range_ms, node->subquery.range_expression, out);
    buf_append_byte(out, ':');
    if (node->subquery.step_ms != 0 || node->subquery.step_expression != NULL)
        print_range(node->subquery.step_ms, node->subquery.step_expression, out);
    buf_append_byte(out, ']');
    print_at(&node->subquery.shift, out);
    print_offset(&node->subquery.shift, out);
}

void print_aggregate_head(const struct node *node, struct buf *out)
{
    buf_append_str(out, aggregate_name(node->aggregate.op));
    if (!node->aggregate.without && node->aggregate.grouping_count == 0)
        return;
    buf_append_str(out, node->aggregate.without ? " without " : " by ");
    print_labels(node->aggregate.grouping, node->aggregate.grouping_count, out);
    buf_append_byte(out, ' ');
}

/* As Go's %v of a float: the shortest digits, with an exponent where it is large or small. */
static void print_fill(const char *name, double value, struct buf *out)
{
    char text[FLOAT_TEXT_SHORT_SIZE];
    size_t len = float_text_g(value, text);
    buf_printf(out, " %s (%.*s)", name, (int)len, text);
}

static void print_fills(const struct node *node, struct buf *out)
{
    if (node->binary.has_fill_left && node->binary.has_fill_right &&
        node->binary.fill_left == node->binary.fill_right) {
        print_fill("fill", node->binary.fill_left, out);
        return;
    }
    if (node->binary.has_fill_left)
        print_fill("fill_left", node->binary.fill_left, out);
    if (node->binary.has_fill_right)
        print_fill("fill_right", node->binary.fill_right, out);
}

void print_operator(const struct node *node, struct buf *out)
{
    buf_append_str(out, operator_text(node->binary.op));
    if (node->binary.return_bool)
        buf_append_str(out, " bool");
    if (!node->binary.has_matching)
        return;
    bool groups = node->binary.cardinality == MATCH_MANY_TO_ONE ||
                  node->binary.cardinality == MATCH_ONE_TO_MANY;
    if (node->binary.matching_count > 0 || node->binary.on || groups) {
        buf_append_str(out, node->binary.on ? " on " : " ignoring ");
        print_labels(node->binary.matching, node->binary.matching_count, out);
    }
    if (groups) {
        bool left = node->binary.cardinality == MATCH_MANY_TO_ONE;
        buf_append_str(out, left ? " group_left " : " group_right ");
        print_labels(node->binary.include, node->binary.include_count, out);
    }
    print_fills(node, out);
}

/* Would an arithmetic operator behind this text belong to its offset? See parse_offset_duration. */
static bool ends_in_open_offset(const struct node *node)
{
    const struct node *offset = NULL;
    switch (node->kind) {
    case NODE_BINARY:
        return ends_in_open_offset(node->children[1]);
    case NODE_UNARY:
        return ends_in_open_offset(node->children[0]);
    case NODE_VECTOR_SELECTOR:
        offset = node->selector.shift.offset_expression;
        break;
    case NODE_MATRIX_SELECTOR:
        offset = node->children[0]->selector.shift.offset_expression;
        break;
    case NODE_SUBQUERY:
        offset = node->subquery.shift.offset_expression;
        break;
    default:
        break;
    }
    return offset != NULL && (is_duration_operation(offset) || has_two_signs(offset) ||
                              offset->duration.op == DURATION_PAREN);
}

/* +Inf ^ 2 would be +(Inf ^ 2). */
static bool is_infinite_base(const struct node *node)
{
    const struct node *base = node->children[0];
    return node->binary.op == OPERATOR_POW && base->kind == NODE_NUMBER &&
           isinf(base->number.value);
}

const struct node *print_left_operand(const struct node *node, struct node *paren)
{
    bool swallows = node->binary.op <= OPERATOR_POW && ends_in_open_offset(node->children[0]);
    if (!swallows && !is_infinite_base(node))
        return node->children[0];
    *paren = (struct node){.kind = NODE_PAREN, .children = node->children, .child_count = 1};
    return paren;
}

static void print_binary(const struct node *node, struct buf *out)
{
    struct node paren;
    print_node(print_left_operand(node, &paren), out);
    buf_append_byte(out, ' ');
    print_operator(node, out);
    buf_append_byte(out, ' ');
    print_node(node->children[1], out);
}

static void print_aggregate(const struct node *node, struct buf *out)
{
    print_aggregate_head(node, out);
    buf_append_byte(out, '(');
    if (node->child_count > 1) {
        print_node(node->children[1], out);
        buf_append_str(out, ", ");
    }
    print_node(node->children[0], out);
    buf_append_byte(out, ')');
}

static void print_call(const struct node *node, struct buf *out)
{
    buf_append_str(out, node->call.function->name);
    buf_append_byte(out, '(');
    for (size_t i = 0; i < node->child_count; i++) {
        if (i > 0)
            buf_append_str(out, ", ");
        print_node(node->children[i], out);
    }
    buf_append_byte(out, ')');
}

void print_node(const struct node *node, struct buf *out)
{
    if (out->overflow)
        return;
    switch (node->kind) {
    case NODE_NUMBER:
        print_number(node->number.value, node->number.is_duration, out);
        break;
    case NODE_STRING:
        quote_go(node->string, out);
        break;
    case NODE_VECTOR_SELECTOR:
        print_vector_selector(node, out);
        break;
    case NODE_MATRIX_SELECTOR:
        print_matrix_selector(node, out);
        break;
    case NODE_SUBQUERY:
        print_node(node->children[0], out);
        print_subquery_tail(node, out);
        break;
    case NODE_PAREN:
        buf_append_byte(out, '(');
        print_node(node->children[0], out);
        buf_append_byte(out, ')');
        break;
    case NODE_UNARY:
        buf_append_str(out, operator_text(node->unary.op));
        print_node(node->children[0], out);
        break;
    case NODE_BINARY:
        print_binary(node, out);
        break;
    case NODE_CALL:
        print_call(node, out);
        break;
    case NODE_AGGREGATE:
        print_aggregate(node, out);
        break;
    case NODE_DURATION:
        print_duration(node, out);
        break;
    }
}

struct print {
    const struct node *root;
    void (*print)(const struct node *root, struct buf *out);
    struct buf *out;
};

static void print_run(void *context)
{
    const struct print *print = context;
    print->print(print->root, print->out);
}

void print_tree(const struct promql_expression *expression,
                void (*print)(const struct node *root, struct buf *out), struct buf *out)
{
    ASSERT(expression->root != NULL);
    struct print whole = {expression->root, print, out};
    if (!deep_call(expression->root, print_run, &whole))
        out->overflow = true;
}

void promql_print(const struct promql_expression *expression, struct buf *out)
{
    print_tree(expression, print_node, out);
}
