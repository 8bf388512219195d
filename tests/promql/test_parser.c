/* Trees have the right shape and places, and broken queries get the reference's words. */
#include "promql/parser.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "promql/ast.h"
#include "promql/functions.h"
#include "promql/promql.h"
#include "tests/support/shared_data.h"

#define ALL_FEATURES                                                                               \
    (PROMQL_EXPERIMENTAL_FUNCTIONS | PROMQL_DURATION_EXPRESSIONS |                                 \
     PROMQL_EXTENDED_RANGE_SELECTORS | PROMQL_FILL_MODIFIERS)

static struct promql_expression *parse(const char *text)
{
    struct promql_expression *expression;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(promql_parse(slice_str(text), ALL_FEATURES, &expression, &err) == ERR_NONE,
                  "%s: %u:%u: %s", text, err.line, err.column, err.text);
    return expression;
}

/* "1:4: parse error: ...", empty where it parses. */
static void error_of(struct slice text, unsigned features, struct buf *out)
{
    struct promql_expression *expression;
    struct errbuf err = ERRBUF_INIT;
    if (promql_parse(text, features, &expression, &err) == ERR_NONE)
        promql_expression_free(expression);
    else
        promql_error_text(&err, out);
}

/* The operators as a tree: (+ a (* b c)). */
static void dump(const struct node *node, struct slice text, struct buf *out)
{
    if (node->child_count == 0) {
        buf_append_slice(out, slice_sub(text, node->start, node->end - node->start));
        return;
    }
    buf_append_byte(out, '(');
    if (node->kind == NODE_BINARY)
        buf_append_str(out, operator_text(node->binary.op));
    else if (node->kind == NODE_UNARY)
        buf_printf(out, "unary%s", operator_text(node->unary.op));
    else
        buf_append_str(out, node->kind == NODE_PAREN ? "paren" : "other");
    for (size_t i = 0; i < node->child_count; i++) {
        buf_append_byte(out, ' ');
        dump(node->children[i], text, out);
    }
    buf_append_byte(out, ')');
}

static void assert_shape(const char *text, const char *expected)
{
    struct promql_expression *expression = parse(text);
    struct buf out CLEANUP(buf_release);
    buf_init(&out, 10000);
    dump(expression->root, expression->text, &out);
    ck_assert_str_eq(buf_cstr(&out), expected);
    promql_expression_free(expression);
}

START_TEST(parser_gives_operators_their_precedence)
{
    assert_shape("a + b * c ^ d", "(+ a (* b (^ c d)))");
    assert_shape("a * b + c", "(+ (* a b) c)");
    assert_shape("2 ^ 3 ^ 2", "(^ 2 (^ 3 2))");
    assert_shape("2 * 3 % 2 / 4", "(/ (% (* 2 3) 2) 4)");
    assert_shape("a - b - c", "(- (- a b) c)");
    assert_shape("a == b + 1", "(== a (+ b 1))");
    assert_shape("a > bool b < bool c", "(< (> a b) c)");
    assert_shape("a or b and c unless d", "(or a (unless (and b c) d))");
    assert_shape("a and b or c", "(or (and a b) c)");
    assert_shape("a atan2 b + c", "(+ (atan2 a b) c)");
    assert_shape("a </ b and c >/ d", "(and (</ a b) (>/ c d))");
}
END_TEST

START_TEST(parser_binds_a_sign_like_a_multiplication)
{
    assert_shape("-2 ^ 2", "(unary- (^ 2 2))");
    assert_shape("-a * b", "(* (unary- a) b)");
    assert_shape("a ^ -b * c", "(* (^ a (unary- b)) c)");
    assert_shape("a ^ -b ^ c", "(^ a (unary- (^ b c)))");
    assert_shape("--a", "(unary- (unary- a))");
    assert_shape("-(1)", "(unary- (paren 1))");
    assert_shape("-1 + +2", "(+ -1 +2)");
}
END_TEST

START_TEST(parser_takes_words_as_metric_names)
{
    assert_shape("and and and", "(and and and)");
    assert_shape("sum + by - offset", "(- (+ sum by) offset)");
    assert_shape("start or end or step", "(or (or start end) step)");
    assert_shape("fill + fill", "(+ fill fill)");
    assert_shape("sum{by=\"x\"} unless unless", "(unless sum{by=\"x\"} unless)");
}
END_TEST

static void assert_place(const struct node *node, uint32_t start, uint32_t end)
{
    ck_assert_uint_eq(node->start, start);
    ck_assert_uint_eq(node->end, end);
}

START_TEST(parser_knows_the_place_of_every_node)
{
    struct promql_expression *expression =
        parse("sum by (a) (rate(up{a=\"b\"}[5m] offset 1h)) + on () (1)");
    const struct node *root = expression->root;
    assert_place(root, 0, 54);
    ck_assert_uint_eq(root->binary.op_start, 43);
    ck_assert_uint_eq(root->binary.op_end, 44);
    const struct node *aggregate = root->children[0];
    assert_place(aggregate, 0, 42);
    const struct node *call = aggregate->children[0];
    assert_place(call, 12, 41);
    const struct node *matrix = call->children[0];
    assert_place(matrix, 17, 40);
    assert_place(matrix->children[0], 17, 26);
    assert_place(root->children[1], 51, 54);
    assert_place(root->children[1]->children[0], 52, 53);
    promql_expression_free(expression);
}
END_TEST

START_TEST(parser_fills_in_types)
{
    static const struct {
        const char *text;
        enum promql_type type;
    } cases[] = {
        {"1", PROMQL_SCALAR},          {"\"x\"", PROMQL_STRING},     {"up", PROMQL_VECTOR},
        {"up[5m]", PROMQL_MATRIX},     {"up[1h:]", PROMQL_MATRIX},   {"1 + 1", PROMQL_SCALAR},
        {"1 + up", PROMQL_VECTOR},     {"(1)", PROMQL_SCALAR},       {"-up", PROMQL_VECTOR},
        {"time()", PROMQL_SCALAR},     {"vector(1)", PROMQL_VECTOR}, {"sum(up)", PROMQL_VECTOR},
        {"scalar(up)", PROMQL_SCALAR}, {"-1", PROMQL_SCALAR},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct promql_expression *expression = parse(cases[i].text);
        ck_assert_msg(promql_expression_type(expression) == cases[i].type, "%s", cases[i].text);
        promql_expression_free(expression);
    }
}
END_TEST

START_TEST(parser_keeps_the_parts_of_an_aggregation)
{
    struct promql_expression *expression = parse("topk without (a, \"b.c\",) (5, up)");
    const struct node *root = expression->root;
    ck_assert_int_eq(root->kind, NODE_AGGREGATE);
    ck_assert_int_eq(root->aggregate.op, AGGREGATE_TOPK);
    ck_assert(root->aggregate.without);
    ck_assert_uint_eq(root->aggregate.grouping_count, 2);
    ck_assert(slice_eq_str(root->aggregate.grouping[1], "b.c"));
    ck_assert_uint_eq(root->child_count, 2);
    ck_assert_int_eq(root->children[0]->kind, NODE_VECTOR_SELECTOR);
    ck_assert_int_eq(root->children[1]->kind, NODE_NUMBER);
    promql_expression_free(expression);
}
END_TEST

START_TEST(parser_keeps_the_parts_of_a_selector)
{
    struct promql_expression *expression =
        parse("up{job=~\"a.*\", \"x.y\"!='z'}[1h30m] @ 1.5 offset -90");
    const struct node *root = expression->root;
    ck_assert_int_eq(root->matrix.range_ms, 5400000);
    ck_assert_ptr_null(root->matrix.range_expression);
    const struct node *selector = root->children[0];
    ck_assert(slice_eq_str(selector->selector.name, "up"));
    ck_assert_uint_eq(selector->selector.matcher_count, 3);
    ck_assert_int_eq(selector->selector.matchers[0]->type, MATCHER_REGEX);
    ck_assert(slice_eq_str(selector->selector.matchers[1]->name, "x.y"));
    ck_assert(slice_eq_str(selector->selector.matchers[2]->name, "__name__"));
    ck_assert_int_eq(selector->selector.shift.at, AT_TIME);
    ck_assert_int_eq(selector->selector.shift.at_ms, 1500);
    ck_assert_int_eq(selector->selector.shift.offset_ms, -90000);
    promql_expression_free(expression);
}
END_TEST

START_TEST(parser_keeps_the_parts_of_a_matching)
{
    struct promql_expression *expression =
        parse("a * on (x) group_left (y, z) fill_left (1) fill_right (-2) b");
    const struct node *root = expression->root;
    ck_assert(root->binary.has_matching);
    ck_assert(root->binary.on);
    ck_assert_int_eq(root->binary.cardinality, MATCH_MANY_TO_ONE);
    ck_assert_uint_eq(root->binary.matching_count, 1);
    ck_assert_uint_eq(root->binary.include_count, 2);
    ck_assert(root->binary.has_fill_left && root->binary.fill_left == 1);
    ck_assert(root->binary.has_fill_right && root->binary.fill_right == -2);
    promql_expression_free(expression);
    expression = parse("a and b");
    ck_assert_int_eq(expression->root->binary.cardinality, MATCH_MANY_TO_MANY);
    promql_expression_free(expression);
    expression = parse("1 + on () a");
    ck_assert(!expression->root->binary.has_matching);
    promql_expression_free(expression);
}
END_TEST

START_TEST(parser_makes_trees_of_durations)
{
    struct promql_expression *expression = parse("up[1h:min_of(5m, step()) * 2]");
    const struct node *root = expression->root;
    ck_assert_int_eq(root->subquery.range_ms, 3600000);
    const struct node *step = root->subquery.step_expression;
    ck_assert_ptr_nonnull(step);
    ck_assert_int_eq(step->duration.op, DURATION_MUL);
    ck_assert_int_eq(step->children[0]->duration.op, DURATION_MIN_OF);
    ck_assert_int_eq(step->children[1]->duration.op, DURATION_NUMBER);
    ck_assert(step->children[1]->duration.value_s == 2);
    promql_expression_free(expression);
    /* a length below a millisecond is not none */
    expression = parse("up[1h:0.0001]");
    ck_assert_int_eq(expression->root->subquery.step_ms, 1);
    promql_expression_free(expression);
}
END_TEST

/* broken_queries.txt: "> query" with a return sign for a line break, then a tab and the text that
 * the reference answers; ours may add a hint. "without experiments: " = with all features off. */
static void check_broken(struct slice query, struct slice expected, size_t *hints)
{
    static const struct slice stable = {"without experiments: ", 21};
    unsigned features = ALL_FEATURES;
    if (slice_has_prefix(expected, stable)) {
        features = 0;
        expected = slice_from_index(expected, stable.len);
    }
    struct buf text CLEANUP(buf_release);
    struct buf is CLEANUP(buf_release);
    buf_init(&text, 10000);
    buf_init(&is, 10000);
    for (size_t i = 0; i < query.len; i++) {
        if (slice_has_prefix(slice_from_index(query, i), SLICE("\xe2\x8f\x8e"))) {
            buf_append_byte(&text, '\n');
            i += 2;
        } else {
            buf_append_byte(&text, query.ptr[i]);
        }
    }
    error_of(buf_slice(&text), features, &is);
    struct slice rest = buf_slice(&is);
    bool valid = slice_has_prefix(rest, expected);
    if (valid) {
        rest = slice_from_index(rest, expected.len);
        valid = rest.len == 0 || slice_has_prefix(rest, SLICE(": "));
        *hints += rest.len > 0;
    }
    ck_assert_msg(valid, "%s\n  is       %s\n  expected %.*s", buf_cstr(&text), buf_cstr(&is),
                  SLICE_ARG(expected));
}

START_TEST(parser_says_what_is_wrong_as_the_reference_does)
{
    FILE *file = fopen(SOURCE_ROOT "/tests/promql/broken_queries.txt", "r");
    ck_assert_ptr_nonnull(file);
    char *line = NULL;
    char *query = NULL;
    size_t capacity = 0;
    size_t count = 0;
    size_t hints = 0;
    ssize_t len;
    while ((len = getline(&line, &capacity, file)) > 0) {
        line[len - 1] = '\0';
        if (line[0] == '>') {
            mem_free(query);
            query = mem_strdup(line + 2);
        } else if (line[0] == '\t') {
            ck_assert_ptr_nonnull(query);
            check_broken(slice_str(query), slice_str(line + 1), &hints);
            count++;
        }
    }
    free(line);
    mem_free(query);
    fclose(file);
    ck_assert_uint_ge(count, 400);
    /* most say what to do, too */
    ck_assert_uint_ge(hints, 350);
}
END_TEST

static void assert_error(const char *text, const char *expected)
{
    struct buf is CLEANUP(buf_release);
    buf_init(&is, 10000);
    error_of(slice_str(text), 0, &is);
    ck_assert_str_eq(buf_cstr(&is), expected);
}

START_TEST(parser_adds_hints_behind_the_words_of_the_reference)
{
    assert_error("up down", "1:4: parse error: unexpected identifier \"down\": is an operator "
                            "missing, or are these two expressions?");
    assert_error("up = 1", "1:4: parse error: unexpected \"=\": did you mean \"==\"?");
    assert_error("sum by job (up)", "1:8: parse error: unexpected identifier \"job\" in grouping "
                                    "opts, expected \"(\": did you mean \"(job)\"?");
    assert_error("up{job=api}", "1:8: parse error: unexpected identifier \"api\" in label "
                                "matching, expected string: put quotes around the value");
    assert_error("holt_winters(up[5m], 1, 1)",
                 "1:1: parse error: unknown function with name \"holt_winters\": did you mean "
                 "\"double_exponential_smoothing\"?");
    assert_error("rte(up[5m])",
                 "1:1: parse error: unknown function with name \"rte\": did you mean \"rate\"?");
    assert_error("zzzzzz(up)", "1:1: parse error: unknown function with name \"zzzzzz\"");
}
END_TEST

/* Every hint stands behind the words of the reference, which broken_queries.txt has. */
static void assert_hint(const char *text, const char *hint)
{
    struct buf is CLEANUP(buf_release);
    struct buf expected CLEANUP(buf_release);
    buf_init(&is, 10000);
    buf_init(&expected, 10000);
    buf_printf(&expected, ": %s", hint);
    error_of(slice_str(text), ALL_FEATURES, &is);
    ck_assert_msg(slice_has_suffix(buf_slice(&is), buf_slice(&expected)),
                  "%s\n  is       %s\n  expected %s", text, buf_cstr(&is), hint);
}

START_TEST(hints_name_the_bracket_that_is_not_closed)
{
    assert_hint("up{job=\"a\"", "the \"{\" at 1:3 is not closed");
    assert_hint("sum(rate(up[5m])", "the \"(\" at 1:4 is not closed");
    assert_hint("sum(\n  rate(up[5m)\n)", "the \"[\" at 2:10 is not closed");
    assert_hint("sum by (le", "the \"(\" at 1:8 is not closed");
    assert_hint("up[5m)]", "the \"[\" at 1:3 is not closed");
    assert_hint("up @ end(]", "the \"(\" at 1:9 is not closed");
    assert_hint("up)", "nothing is open that it could close");
    assert_hint("up{job='a", "the closing ' is missing");
    assert_hint("up{job=~'x}", "the closing ' is missing");
}
END_TEST

START_TEST(hints_say_where_a_range_goes)
{
    assert_hint("rate(up)", "write how far back: rate(up[5m])");
    assert_hint("rate(up{job=\"a\"})", "write how far back: rate(up{job=\"a\"}[5m])");
    assert_hint("rate(sum(up))",
                "a range of values of an expression is a subquery: rate((...)[5m:])");
    assert_hint("sum(up[5m])", "take the range away, or make one value of it first: rate(up[5m])");
    assert_hint("up 5m", "a range is written [5m], an offset \"offset 5m\"");
    assert_hint("sum(up) offset 5m", "put it behind each selector inside: sum(up offset 5m)");
    assert_hint("up offset 5m[5m]", "the range stands first: up[5m] offset 1h");
}
END_TEST

START_TEST(hints_say_where_keywords_go)
{
    assert_hint("a * group_left(job) b", "\"group_left\" stands behind \"on (...)\" or "
                                         "\"ignoring (...)\": a * on (job) group_left (env) b");
    assert_hint("count(x) by job", "did you mean \"(job)\"?");
    assert_hint("count(x by (job))", "\"by\" stands once, right before or behind the parentheses "
                                     "of an aggregation: sum by (job) (up)");
    assert_hint("sum by (le) up", "what is aggregated follows in parentheses: sum by (job) (up)");
    assert_hint("sum by (le (up))", "is the \")\" behind the labels missing?");
    assert_hint("up ofset 5m", "did you mean \"offset\"?");
    assert_hint("up unles down", "did you mean \"unless\"?");
    assert_hint("summ(up)", "did you mean \"sum\"?");
    assert_hint("SUM_OVER_TIME(up[5m])", "did you mean \"sum_over_time\"?");
    assert_hint("rate up[5m]", "arguments stand in parentheses: rate(...)");
    assert_hint("histogram_quantile(up, 0.9)", "its arguments are (scalar, instant vector)");
}
END_TEST

START_TEST(hints_name_the_operator_that_was_meant)
{
    assert_hint("up === 1", "did you mean \"==\"?");
    assert_hint("up <> 1", "did you mean \"!=\"?");
    assert_hint("up ** 2", "did you mean \"^\"?");
    assert_hint("up && down", "did you mean \"and\"?");
    assert_hint("up == == 1", "an operand is missing between \"==\" and \"==\"");
    assert_hint("up +", "an operand is missing behind \"+\"");
    assert_hint("1 == 1", "write 1 == bool 1");
    assert_hint("up =~ 'x'", "labels are matched inside braces: up{job=~\"a.*\"}");
    assert_hint("up{a=b}", "put quotes around the value");
    assert_hint("up{a=5}", "put quotes around the value");
    assert_hint("rate(up[$__interval])",
                "is this a variable of a dashboard that nobody has filled in?");
}
END_TEST

START_TEST(parser_keeps_experiments_behind_their_switches)
{
    assert_error("sort_by_label(up, \"a\")",
                 "1:1: parse error: function \"sort_by_label\" is not enabled: the server must be "
                 "started with --enable-feature=promql-experimental-functions");
    assert_error("limitk(1, up)", "1:1: parse error: limitk() is experimental and must be enabled "
                                  "with --enable-feature=promql-experimental-functions");
    assert_error("up[5m * 2]", "1:4: parse error: experimental duration expression is not enabled");
    assert_error("rate(up[5m] anchored)",
                 "1:6: parse error: anchored modifier is experimental and not enabled");
    assert_error("up + fill(0) up",
                 "1:1: parse error: binop fill modifiers are experimental and not enabled");
}
END_TEST

/* A text of `count` times `left`, `middle`, `count` times `right`. */
static void nest(struct buf *out, const char *left, const char *middle, const char *right,
                 size_t count)
{
    buf_reset(out);
    for (size_t i = 0; i < count; i++)
        buf_append_str(out, left);
    buf_append_str(out, middle);
    for (size_t i = 0; i < count; i++)
        buf_append_str(out, right);
}

START_TEST(parser_refuses_deep_nesting_at_once)
{
    static const struct {
        const char *left;
        const char *middle;
        const char *right;
    } cases[] = {
        {"(", "1", ")"},        {"-", "up", ""},   {"abs(", "up", ")"},   {"sum(", "up", ")"},
        {"1+", "1", ""},        {"2^", "2", ""},   {"", "up", "[5m:1m]"}, {"", "1", "+1"},
        {"up or (", "up", ")"}, {"", "up[(", "("}, {"", "up[5m", "+5m"},
    };
    struct buf text CLEANUP(buf_release);
    buf_init(&text, PROMQL_TEXT_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct promql_expression *expression;
        struct errbuf err = ERRBUF_INIT;
        nest(&text, cases[i].left, cases[i].middle, cases[i].right, 100000);
        ck_assert_int_eq(promql_parse(buf_slice(&text), ALL_FEATURES, &expression, &err),
                         ERR_INVALID);
        ck_assert_msg(strstr(err.text, " levels deep") != NULL ||
                          strstr(err.text, "subquery is only allowed") != NULL,
                      "%s%s%s: %s", cases[i].left, cases[i].middle, cases[i].right, err.text);
    }
    struct promql_expression *expression;
    nest(&text, "(", "1", ")", PROMQL_DEPTH_MAX - 1);
    ck_assert_int_eq(promql_parse(buf_slice(&text), 0, &expression, NULL), ERR_NONE);
    promql_expression_free(expression);
}
END_TEST

START_TEST(parser_takes_chains_of_operators)
{
    struct buf text CLEANUP(buf_release);
    struct buf printed CLEANUP(buf_release);
    buf_init(&text, PROMQL_TEXT_BYTES_MAX);
    buf_init(&printed, 100 * PROMQL_TEXT_BYTES_MAX);
    struct promql_expression *expression;
    struct errbuf err = ERRBUF_INIT;
    nest(&text, "", "m", " + 1", PROMQL_HEIGHT_MAX - 1);
    ck_assert_int_eq(promql_parse(buf_slice(&text), 0, &expression, NULL), ERR_NONE);
    promql_print(expression, &printed);
    ck_assert(slice_eq(buf_slice(&printed), buf_slice(&text)));
    promql_expression_free(expression);

    nest(&text, "", "m", " or 1", 5000); /* the type check looks at all */
    ck_assert_int_eq(promql_parse(buf_slice(&text), 0, &expression, &err), ERR_INVALID);
    nest(&text, "", "m", " or m", 5000);
    ck_assert_int_eq(promql_parse(buf_slice(&text), 0, &expression, NULL), ERR_NONE);
    buf_reset(&printed);
    promql_tree_json(expression, &printed);
    ck_assert(!printed.overflow && printed.len > 5000 * 100);
    buf_reset(&printed);
    promql_format(expression, &printed);
    ck_assert(!printed.overflow && printed.len > 5000 * 5000);
    promql_expression_free(expression);

    nest(&text, "", "m", " + 1", PROMQL_HEIGHT_MAX);
    ck_assert_int_eq(promql_parse(buf_slice(&text), 0, &expression, &err), ERR_INVALID);
    ck_assert_str_eq(err.text, "expression is nested more than 10000 levels deep");
}
END_TEST

START_TEST(parser_limits_text_and_parts)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 2 * PROMQL_TEXT_BYTES_MAX);
    struct promql_expression *expression;
    struct errbuf err = ERRBUF_INIT;
    nest(&text, " ", "1", "", PROMQL_TEXT_BYTES_MAX);
    ck_assert_int_eq(promql_parse(buf_slice(&text), 0, &expression, &err), ERR_INVALID);
    ck_assert_str_eq(err.text, "expression is longer than 1048576 bytes");
    nest(&text, "1,", "1", "", 200000);
    struct buf call CLEANUP(buf_release);
    buf_init(&call, 2 * PROMQL_TEXT_BYTES_MAX);
    buf_printf(&call, "f(%s)", buf_cstr(&text));
    ck_assert_int_eq(promql_parse(buf_slice(&call), 0, &expression, &err), ERR_INVALID);
    ck_assert_str_eq(err.text, "expression has more than 100000 parts");
    nest(&text, "a=~\"b.*c.*d\",", "", "", 3000);
    buf_reset(&call);
    buf_printf(&call, "{%s}", buf_cstr(&text));
    ck_assert_int_eq(promql_parse(buf_slice(&call), 0, &expression, &err), ERR_INVALID);
    ck_assert_str_eq(err.text, "expression has more than 2000 regular expressions");
}
END_TEST

START_TEST(selector_gives_its_matchers)
{
    struct promql_matchers matchers;
    ck_assert_int_eq(promql_parse_selector(SLICE(" up{job=\"x\"} # c"), &matchers, NULL), ERR_NONE);
    ck_assert_uint_eq(matchers.count, 2);
    ck_assert(slice_eq_str(matchers.items[0]->name, "job"));
    ck_assert(slice_eq_str(matchers.items[1]->value, "up"));
    promql_matchers_free(&matchers);
    ck_assert_int_eq(promql_parse_selector(SLICE("{}"), &matchers, NULL), ERR_NONE);
    ck_assert_uint_eq(matchers.count, 0);
    promql_matchers_free(&matchers);
    struct errbuf err = ERRBUF_INIT;
    static const char *const broken[] = {"", "up[5m]", "1", "(up)", "up offset 5m", "up{", "up up"};
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        ck_assert_int_eq(promql_parse_selector(slice_str(broken[i]), &matchers, &err), ERR_INVALID);
        ck_assert(strstr(err.text, "unexpected") == err.text);
    }
}
END_TEST

/* clang-format off */
static const char *const names[] = {
    "abs", "absent", "absent_over_time", "acos", "acosh", "asin", "asinh", "atan", "atanh",
    "avg_over_time", "ceil", "changes", "clamp", "clamp_max", "clamp_min", "cos", "cosh",
    "count_over_time", "day_of_month", "day_of_week", "day_of_year", "days_in_month", "deg",
    "delta", "deriv", "double_exponential_smoothing", "end", "exp", "first_over_time",
    "floor", "histogram_avg", "histogram_count", "histogram_fraction", "histogram_quantile",
    "histogram_quantiles", "histogram_stddev", "histogram_stdvar", "histogram_sum", "hour",
    "idelta", "increase", "info", "irate", "label_join", "label_replace", "last_over_time",
    "ln", "log10", "log2", "mad_over_time", "max_of", "max_over_time", "min_of",
    "min_over_time", "minute", "month", "pi", "predict_linear", "present_over_time",
    "quantile_over_time", "rad", "range", "rate", "resets", "round", "scalar", "sgn", "sin",
    "sinh", "sort", "sort_by_label", "sort_by_label_desc", "sort_desc", "sqrt", "start",
    "start_timestamp", "stddev_over_time", "stdvar_over_time", "step", "sum_over_time", "tan",
    "tanh", "time", "timestamp", "ts_of_first_over_time", "ts_of_last_over_time",
    "ts_of_max_over_time", "ts_of_min_over_time", "vector", "year"
};
/* clang-format on */

START_TEST(functions_are_found_by_name)
{
    ck_assert_uint_eq(ARRAY_SIZE(names), FUNCTION_COUNT_ALL);
    bool seen[FUNCTION_COUNT_ALL] = {false};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct function_signature *function = function_find(slice_str(names[i]));
        ck_assert_msg(function != NULL, "%s", names[i]);
        ck_assert_str_eq(function->name, names[i]);
        ck_assert(!seen[function->id]);
        seen[function->id] = true;
    }
    ck_assert_ptr_null(function_find(SLICE("Rate")));
    ck_assert_ptr_null(function_find(SLICE("")));
}
END_TEST

/* The expression of an `eval` line, empty where it is none. */
static struct slice eval_expression(struct slice line)
{
    line = slice_trim(line);
    if (!slice_has_prefix(line, SLICE("eval")))
        return SLICE_EMPTY;
    static const struct slice marks[] = {{" at ", 4}, {" step ", 6}};
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
        size_t at = slice_find(line, marks[i]);
        if (at == SLICE_NONE)
            continue;
        struct slice rest = slice_from_index(line, at + marks[i].len);
        size_t space = slice_index(rest, ' ');
        return space == SLICE_NONE ? SLICE_EMPTY : slice_trim(slice_from_index(rest, space));
    }
    return SLICE_EMPTY;
}

static void parse_evals(const char *name, struct slice content, void *context)
{
    size_t *count = context;
    while (content.len > 0) {
        size_t end = slice_index(content, '\n');
        struct slice line = slice_sub(content, 0, end == SLICE_NONE ? content.len : end);
        content = slice_from_index(content, end == SLICE_NONE ? content.len : end + 1);
        struct slice expression = eval_expression(line);
        if (expression.len == 0)
            continue;
        struct buf text CLEANUP(buf_release);
        buf_init(&text, 10000);
        error_of(expression, ALL_FEATURES, &text);
        ck_assert_msg(text.len == 0, "%s: %.*s: %s", name, SLICE_ARG(expression), buf_cstr(&text));
        (*count)++;
    }
}

START_TEST(parser_takes_the_expressions_of_the_conformance_scripts)
{
    size_t count = 0;
    if (shared_data_each("conformance/promqltest", ".test", parse_evals, &count) == 0)
        return;
    ck_assert_uint_eq(count, 2214);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parser");
    TCase *tcase = tcase_create("parser");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, parser_gives_operators_their_precedence);
    tcase_add_test(tcase, parser_binds_a_sign_like_a_multiplication);
    tcase_add_test(tcase, parser_takes_words_as_metric_names);
    tcase_add_test(tcase, parser_knows_the_place_of_every_node);
    tcase_add_test(tcase, parser_fills_in_types);
    tcase_add_test(tcase, parser_keeps_the_parts_of_an_aggregation);
    tcase_add_test(tcase, parser_keeps_the_parts_of_a_selector);
    tcase_add_test(tcase, parser_keeps_the_parts_of_a_matching);
    tcase_add_test(tcase, parser_makes_trees_of_durations);
    tcase_add_test(tcase, parser_says_what_is_wrong_as_the_reference_does);
    tcase_add_test(tcase, parser_adds_hints_behind_the_words_of_the_reference);
    tcase_add_test(tcase, hints_name_the_bracket_that_is_not_closed);
    tcase_add_test(tcase, hints_say_where_a_range_goes);
    tcase_add_test(tcase, hints_say_where_keywords_go);
    tcase_add_test(tcase, hints_name_the_operator_that_was_meant);
    tcase_add_test(tcase, parser_keeps_experiments_behind_their_switches);
    tcase_add_test(tcase, parser_refuses_deep_nesting_at_once);
    tcase_add_test(tcase, parser_takes_chains_of_operators);
    tcase_add_test(tcase, parser_limits_text_and_parts);
    tcase_add_test(tcase, selector_gives_its_matchers);
    tcase_add_test(tcase, functions_are_found_by_name);
    tcase_add_test(tcase, parser_takes_the_expressions_of_the_conformance_scripts);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
