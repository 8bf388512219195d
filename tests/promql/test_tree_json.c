/* Trees as JSON are what the reference's parse_query answers, to the byte. */
#include "promql/promql.h"

#include <check.h>
#include <stdlib.h>

#include "base/compiler.h"

#define ALL_FEATURES                                                                               \
    (PROMQL_EXPERIMENTAL_FUNCTIONS | PROMQL_DURATION_EXPRESSIONS |                                 \
     PROMQL_EXTENDED_RANGE_SELECTORS | PROMQL_FILL_MODIFIERS)

static void tree_of(struct slice query, struct buf *out)
{
    struct promql_expression *expression;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(promql_parse(query, ALL_FEATURES, &expression, &err) == ERR_NONE, "%s", err.text);
    buf_init(out, BUF_SIZE_ANY);
    promql_tree_json(expression, out);
    promql_expression_free(expression);
}

static void assert_tree(const char *query, const char *expected)
{
    struct buf out CLEANUP(buf_release);
    tree_of(slice_str(query), &out);
    ck_assert_str_eq(buf_cstr(&out), expected);
}

START_TEST(tree_json_writes_literals)
{
    assert_tree("1.50", "{\"type\":\"numberLiteral\",\"val\":\"1.5\"}");
    assert_tree("5m", "{\"type\":\"numberLiteral\",\"val\":\"300\"}");
    assert_tree("-Inf", "{\"type\":\"numberLiteral\",\"val\":\"-Inf\"}");
    assert_tree("'a<b'", "{\"type\":\"stringLiteral\",\"val\":\"a\\u003cb\"}");
    assert_tree("(1)", "{\"expr\":{\"type\":\"numberLiteral\",\"val\":\"1\"},"
                       "\"type\":\"parenExpr\"}");
}
END_TEST

START_TEST(tree_json_writes_selectors)
{
    assert_tree(
        "up{a=~\"b\"} @ 1.5 offset -5m",
        "{\"anchored\":false,\"matchers\":[{\"name\":\"a\",\"type\":\"=~\",\"value\":\"b\"},"
        "{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"up\"}],\"name\":\"up\","
        "\"offset\":-300000,\"offsetExpr\":null,\"smoothed\":false,\"startOrEnd\":null,"
        "\"timestamp\":1500,\"type\":\"vectorSelector\"}");
    assert_tree(
        "{a=\"b\"}[5m] @ end()",
        "{\"anchored\":false,\"matchers\":[{\"name\":\"a\",\"type\":\"=\",\"value\":\"b\"}],"
        "\"name\":\"\",\"offset\":0,\"offsetExpr\":null,\"range\":300000,"
        "\"rangeExpr\":null,\"smoothed\":false,\"startOrEnd\":\"end\",\"timestamp\":null,"
        "\"type\":\"matrixSelector\"}");
    assert_tree("vector(1)[1h:(step()*2)]",
                "{\"expr\":{\"args\":[{\"type\":\"numberLiteral\",\"val\":\"1\"}],"
                "\"func\":{\"argTypes\":[\"scalar\"],\"name\":\"vector\",\"returnType\":\"vector\","
                "\"variadic\":0},\"type\":\"call\"},\"offset\":0,\"offsetExpr\":null,"
                "\"range\":3600000,\"rangeExpr\":null,\"startOrEnd\":null,\"step\":0,"
                "\"stepExpr\":{\"lhs\":{\"lhs\":null,\"op\":\"step\",\"rhs\":null,"
                "\"type\":\"durationExpr\",\"wrapped\":false},\"op\":\"*\","
                "\"rhs\":{\"duration\":false,\"type\":\"numberLiteral\",\"val\":\"2\"},"
                "\"type\":\"durationExpr\",\"wrapped\":true},\"timestamp\":null,"
                "\"type\":\"subquery\"}");
}
END_TEST

START_TEST(tree_json_writes_operations)
{
    assert_tree("-topk by (a) (1, x * on (i) group_left (y) fill_left (3) z)",
                "{\"expr\":{\"expr\":{\"bool\":false,\"lhs\":{\"anchored\":false,\""
                "matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"x\"}"
                "],\"name\":\"x\",\"offset\":0,\"offsetExpr\":null,\"smoothed\":fal"
                "se,\"startOrEnd\":null,\"timestamp\":null,\"type\":\"vectorSelecto"
                "r\"},\"matching\":{\"card\":\"many-to-one\",\"fillValues\":{\"lhs"
                "\":3,\"rhs\":null},\"include\":[\"y\"],\"labels\":[\"i\"],\"on\":t"
                "rue},\"op\":\"*\",\"rhs\":{\"anchored\":false,\"matchers\":[{\"nam"
                "e\":\"__name__\",\"type\":\"=\",\"value\":\"z\"}],\"name\":\"z\","
                "\"offset\":0,\"offsetExpr\":null,\"smoothed\":false,\"startOrEnd\""
                ":null,\"timestamp\":null,\"type\":\"vectorSelector\"},\"type\":\"b"
                "inaryExpr\"},\"grouping\":[\"a\"],\"op\":\"topk\",\"param\":{\"typ"
                "e\":\"numberLiteral\",\"val\":\"1\"},\"type\":\"aggregation\",\"wi"
                "thout\":false},\"op\":\"-\",\"type\":\"unaryExpr\"}");
    assert_tree("a and b", "{\"bool\":false,\"lhs\":{\"anchored\":false,\"matchers\":[{\"name"
                           "\":\"__name__\",\"type\":\"=\",\"value\":\"a\"}],\"name\":\"a\",\""
                           "offset\":0,\"offsetExpr\":null,\"smoothed\":false,\"startOrEnd\":n"
                           "ull,\"timestamp\":null,\"type\":\"vectorSelector\"},\"matching\":{"
                           "\"card\":\"many-to-many\",\"fillValues\":{\"lhs\":null,\"rhs\":nul"
                           "l},\"include\":[],\"labels\":[],\"on\":false},\"op\":\"and\",\"rhs"
                           "\":{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type"
                           "\":\"=\",\"value\":\"b\"}],\"name\":\"b\",\"offset\":0,\"offsetExp"
                           "r\":null,\"smoothed\":false,\"startOrEnd\":null,\"timestamp\":null"
                           ",\"type\":\"vectorSelector\"},\"type\":\"binaryExpr\"}");
    assert_tree("1 + 2", "{\"bool\":false,\"lhs\":{\"type\":\"numberLiteral\",\"val\":\"1\"}"
                         ",\"matching\":null,\"op\":\"+\",\"rhs\":{\"type\":\"numberLiteral"
                         "\",\"val\":\"2\"},\"type\":\"binaryExpr\"}");
    assert_tree("count_values without () (\"v\", up) != bool 1",
                "{\"bool\":true,\"lhs\":{\"expr\":{\"anchored\":false,\"matchers\":"
                "[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"up\"}],\"name\""
                ":\"up\",\"offset\":0,\"offsetExpr\":null,\"smoothed\":false,\"star"
                "tOrEnd\":null,\"timestamp\":null,\"type\":\"vectorSelector\"},\"gr"
                "ouping\":[],\"op\":\"count_values\",\"param\":{\"type\":\"stringLi"
                "teral\",\"val\":\"v\"},\"type\":\"aggregation\",\"without\":true},"
                "\"matching\":null,\"op\":\"!=\",\"rhs\":{\"type\":\"numberLiteral"
                "\",\"val\":\"1\"},\"type\":\"binaryExpr\"}");
}
END_TEST

START_TEST(tree_json_goes_as_deep_as_expressions)
{
    struct buf query CLEANUP(buf_release);
    struct buf out CLEANUP(buf_release);
    buf_init(&query, 10000);
    for (int i = 1; i < PROMQL_DEPTH_MAX; i++)
        buf_append_byte(&query, '(');
    buf_append_byte(&query, '1');
    for (int i = 1; i < PROMQL_DEPTH_MAX; i++)
        buf_append_byte(&query, ')');
    tree_of(buf_slice(&query), &out);
    ck_assert(slice_has_prefix(buf_slice(&out), SLICE("{\"expr\":{\"expr\":")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tree_json");
    TCase *tcase = tcase_create("tree_json");
    tcase_add_test(tcase, tree_json_writes_literals);
    tcase_add_test(tcase, tree_json_writes_selectors);
    tcase_add_test(tcase, tree_json_writes_operations);
    tcase_add_test(tcase, tree_json_goes_as_deep_as_expressions);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
