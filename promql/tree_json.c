/*
 * The tree of an expression as JSON, as parse_query answers it: members in alphabetical order,
 * lengths in milliseconds, nothing left out.
 *
 * Every node has a writer of its own on the common buffer, because trees are deeper than what one
 * writer keeps track of.
 */
#include "base/assert.h"
#include "base/buf.h"
#include "base/float_text.h"
#include "base/json_writer.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "promql/ast.h"
#include "promql/functions.h"
#include "promql/print.h"
#include "promql/promql.h"

#include <math.h>

static void tree_node(const struct node *node, struct buf *out);

/* A member that is a node, null where there is none. */
static void tree_member(struct json_writer *json, const char *name, const struct node *node)
{
    json_key(json, name);
    if (node == NULL) {
        json_null(json);
        return;
    }
    json_raw(json, SLICE_EMPTY); /* the value follows, by another writer */
    tree_node(node, json->out);
}

static void tree_labels(struct json_writer *json, const char *name, const struct slice *labels,
                        size_t count)
{
    json_key(json, name);
    json_array_begin(json);
    for (size_t i = 0; i < count; i++)
        json_string(json, labels[i]);
    json_array_end(json);
}

static void tree_number(struct json_writer *json, double value)
{
    char text[FLOAT_TEXT_SIZE];
    json_key_cstring(json, "type", "numberLiteral");
    json_key_string(json, "val", slice_from(text, float_text_f(value, text)));
}

static void tree_aggregate(struct json_writer *json, const struct node *node)
{
    tree_member(json, "expr", node->children[0]);
    tree_labels(json, "grouping", node->aggregate.grouping, node->aggregate.grouping_count);
    json_key_cstring(json, "op", aggregate_name(node->aggregate.op));
    tree_member(json, "param", node->child_count > 1 ? node->children[1] : NULL);
    json_key_cstring(json, "type", "aggregation");
    json_key_bool(json, "without", node->aggregate.without);
}

static void tree_fill(struct json_writer *json, const char *name, bool has_fill, double value)
{
    json_key(json, name);
    if (has_fill && isfinite(value))
        json_double(json, value);
    else
        json_null(json);
}

static void tree_matching(struct json_writer *json, const struct node *node)
{
    static const char *const cardinalities[] = {
        [MATCH_ONE_TO_ONE] = "one-to-one",
        [MATCH_MANY_TO_ONE] = "many-to-one",
        [MATCH_ONE_TO_MANY] = "one-to-many",
        [MATCH_MANY_TO_MANY] = "many-to-many",
    };
    json_key(json, "matching");
    if (!node->binary.has_matching) {
        json_null(json);
        return;
    }
    json_object_begin(json);
    json_key_cstring(json, "card", cardinalities[node->binary.cardinality]);
    json_key(json, "fillValues");
    json_object_begin(json);
    tree_fill(json, "lhs", node->binary.has_fill_left, node->binary.fill_left);
    tree_fill(json, "rhs", node->binary.has_fill_right, node->binary.fill_right);
    json_object_end(json);
    tree_labels(json, "include", node->binary.include, node->binary.include_count);
    tree_labels(json, "labels", node->binary.matching, node->binary.matching_count);
    json_key_bool(json, "on", node->binary.on);
    json_object_end(json);
}

static void tree_binary(struct json_writer *json, const struct node *node)
{
    json_key_bool(json, "bool", node->binary.return_bool);
    tree_member(json, "lhs", node->children[0]);
    tree_matching(json, node);
    json_key_cstring(json, "op", operator_text(node->binary.op));
    tree_member(json, "rhs", node->children[1]);
    json_key_cstring(json, "type", "binaryExpr");
}

static void tree_call(struct json_writer *json, const struct node *node)
{
    const struct function_signature *function = node->call.function;
    json_key(json, "args");
    json_array_begin(json);
    for (size_t i = 0; i < node->child_count; i++) {
        json_raw(json, SLICE_EMPTY);
        tree_node(node->children[i], json->out);
    }
    json_array_end(json);
    json_key(json, "func");
    json_object_begin(json);
    json_key(json, "argTypes");
    json_array_begin(json);
    for (size_t i = 0; i < function->argument_count; i++)
        json_cstring(json, promql_type_name(function->arguments[i]));
    json_array_end(json);
    json_key_cstring(json, "name", function->name);
    json_key_cstring(json, "returnType", promql_type_name(function->result));
    json_key_int(json, "variadic", function->variadic);
    json_object_end(json);
    json_key_cstring(json, "type", "call");
}

static void tree_matchers(struct json_writer *json, const struct node *selector)
{
    json_key(json, "matchers");
    json_array_begin(json);
    for (size_t i = 0; i < selector->selector.matcher_count; i++) {
        const struct matcher *matcher = selector->selector.matchers[i];
        json_object_begin(json);
        json_key_string(json, "name", matcher->name);
        json_key_cstring(json, "type", matcher_type_text(matcher->type));
        json_key_string(json, "value", matcher->value);
        json_object_end(json);
    }
    json_array_end(json);
}

static void tree_offset(struct json_writer *json, const struct node_shift *shift)
{
    json_key_int(json, "offset", shift->offset_ms);
    tree_member(json, "offsetExpr", shift->offset_expression);
}

static void tree_start_or_end(struct json_writer *json, const struct node_shift *shift)
{
    json_key(json, "startOrEnd");
    if (shift->at == AT_START || shift->at == AT_END)
        json_cstring(json, shift->at == AT_START ? "start" : "end");
    else
        json_null(json);
}

static void tree_timestamp(struct json_writer *json, const struct node_shift *shift)
{
    json_key(json, "timestamp");
    if (shift->at == AT_TIME)
        json_int(json, shift->at_ms);
    else
        json_null(json);
}

/* A vector selector, or a matrix selector around it. */
static void tree_selector(struct json_writer *json, const struct node *selector,
                          const struct node *matrix)
{
    const struct node_shift *shift = &selector->selector.shift;
    json_key_bool(json, "anchored", selector->selector.extension == SELECTOR_ANCHORED);
    tree_matchers(json, selector);
    json_key_string(json, "name", selector->selector.name);
    tree_offset(json, shift);
    if (matrix != NULL) {
        json_key_int(json, "range", matrix->matrix.range_ms);
        tree_member(json, "rangeExpr", matrix->matrix.range_expression);
    }
    json_key_bool(json, "smoothed", selector->selector.extension == SELECTOR_SMOOTHED);
    tree_start_or_end(json, shift);
    tree_timestamp(json, shift);
    json_key_cstring(json, "type", matrix != NULL ? "matrixSelector" : "vectorSelector");
}

static void tree_subquery(struct json_writer *json, const struct node *node)
{
    tree_member(json, "expr", node->children[0]);
    tree_offset(json, &node->subquery.shift);
    json_key_int(json, "range", node->subquery.range_ms);
    tree_member(json, "rangeExpr", node->subquery.range_expression);
    tree_start_or_end(json, &node->subquery.shift);
    json_key_int(json, "step", node->subquery.step_ms);
    tree_member(json, "stepExpr", node->subquery.step_expression);
    tree_timestamp(json, &node->subquery.shift);
    json_key_cstring(json, "type", "subquery");
}

static const char *duration_operator_name(enum duration_operator op)
{
    static const char *const names[] = {
        [DURATION_ADD] = "+",         [DURATION_SUB] = "-",         [DURATION_MUL] = "*",
        [DURATION_DIV] = "/",         [DURATION_MOD] = "%",         [DURATION_POW] = "^",
        [DURATION_NEGATE] = "-",      [DURATION_STEP] = "step",     [DURATION_RANGE] = "range",
        [DURATION_MIN_OF] = "min_of", [DURATION_MAX_OF] = "max_of", [DURATION_PAREN] = "+",
    };
    return names[op];
}

/* Parentheses are a flag of what is in them; around a number they are a sign. */
static void tree_duration(struct json_writer *json, const struct node *node)
{
    bool wrapped = node->duration.op == DURATION_PAREN;
    if (wrapped && node->children[0]->duration.op != DURATION_NUMBER)
        node = node->children[0];
    if (node->duration.op == DURATION_NUMBER) {
        json_key_bool(json, "duration", node->duration.is_duration);
        tree_number(json, node->duration.value_s);
        return;
    }
    size_t count = node->child_count;
    tree_member(json, "lhs", count == 2 ? node->children[0] : NULL);
    json_key_cstring(json, "op", duration_operator_name(node->duration.op));
    tree_member(json, "rhs", count == 0 ? NULL : node->children[count - 1]);
    json_key_cstring(json, "type", "durationExpr");
    json_key_bool(json, "wrapped", wrapped);
}

static void tree_members(struct json_writer *json, const struct node *node)
{
    switch (node->kind) {
    case NODE_NUMBER:
        tree_number(json, node->number.value);
        break;
    case NODE_STRING:
        json_key_cstring(json, "type", "stringLiteral");
        json_key_string(json, "val", node->string);
        break;
    case NODE_VECTOR_SELECTOR:
        tree_selector(json, node, NULL);
        break;
    case NODE_MATRIX_SELECTOR:
        tree_selector(json, node->children[0], node);
        break;
    case NODE_SUBQUERY:
        tree_subquery(json, node);
        break;
    case NODE_PAREN:
        tree_member(json, "expr", node->children[0]);
        json_key_cstring(json, "type", "parenExpr");
        break;
    case NODE_UNARY:
        tree_member(json, "expr", node->children[0]);
        json_key_cstring(json, "op", operator_text(node->unary.op));
        json_key_cstring(json, "type", "unaryExpr");
        break;
    case NODE_BINARY:
        tree_binary(json, node);
        break;
    case NODE_CALL:
        tree_call(json, node);
        break;
    case NODE_AGGREGATE:
        tree_aggregate(json, node);
        break;
    case NODE_DURATION:
        tree_duration(json, node);
        break;
    }
}

static void tree_node(const struct node *node, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    tree_members(&json, node);
    json_object_end(&json);
}

void promql_tree_json(const struct promql_expression *expression, struct buf *out)
{
    print_tree(expression, tree_node, out);
}
