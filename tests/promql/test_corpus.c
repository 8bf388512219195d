/*
 * Expressions as people wrote them evaluate: for each of the corpus series are made that its selectors
 * match, with the labels that it groups and joins by.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_reader.h"
#include "base/vec.h"
#include "model/labels_builder.h"
#include "model/matcher.h"
#include "promql/ast.h"
#include "promql/promql.h"
#include "tests/support/fake_source.h"
#include "tests/support/shared_data.h"

#define SAMPLES 60
#define GAP_MS 30000
#define END_MS ((int64_t)(SAMPLES - 1) * GAP_MS)
#define EXPRESSIONS 1200

struct needs {
    VEC(const struct node *) selectors;
    VEC(struct slice) labels; /* of by, on, ignoring, group_left and the like */
};

static struct fake_source *fake;
static struct promql_engine *engine;

static void needs_add_labels(struct needs *needs, const struct slice *labels, size_t count)
{
    for (size_t i = 0; i < count; i++)
        vec_push(&needs->labels, labels[i]);
}

static void needs_collect(struct needs *needs, const struct node *node)
{
    if (node->kind == NODE_VECTOR_SELECTOR)
        vec_push(&needs->selectors, node);
    if (node->kind == NODE_AGGREGATE && !node->aggregate.without)
        needs_add_labels(needs, node->aggregate.grouping, node->aggregate.grouping_count);
    if (node->kind == NODE_BINARY) {
        if (node->binary.on)
            needs_add_labels(needs, node->binary.matching, node->binary.matching_count);
        needs_add_labels(needs, node->binary.include, node->binary.include_count);
    }
    for (size_t i = 0; i < node->child_count; i++)
        needs_collect(needs, node->children[i]);
}

/* A value that the matcher takes: its own, a piece of its regular expression, or something plain. */
static struct slice value_for(const struct matcher *matcher, char *room, size_t size)
{
    static const char *const plain[] = {"", "v1", "a", "1", "/a", "eth0", "node-1", "a.b", "5xx", "200",
                                        "/dev/sda1", "value1", "x86", "kube-system", "pod-abc12"};
    if (matcher_matches(matcher, matcher->value))
        return matcher->value;
    struct slice rest = matcher->value;
    while (rest.len > 0) {
        size_t end = slice_index(rest, '|');
        struct slice piece = slice_sub(rest, 0, end == SLICE_NONE ? rest.len : end);
        size_t len = 0;
        for (size_t i = 0; i < piece.len && len + 1 < size; i++) {
            if (strchr("^$()*+?\\[]", piece.ptr[i]) == NULL)
                room[len++] = piece.ptr[i];
        }
        if (len > 0 && matcher_matches(matcher, slice_from(room, len)))
            return slice_from(room, len);
        rest = end == SLICE_NONE ? SLICE_EMPTY : slice_from_index(rest, end + 1);
    }
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        if (matcher_matches(matcher, slice_str(plain[i])))
            return slice_str(plain[i]);
    }
    return SLICE_EMPTY;
}

static bool is_served(const struct node *selector)
{
    for (size_t i = 0; i < fake->series.len; i++) {
        bool matches = true;
        for (size_t k = 0; matches && k < selector->selector.matcher_count; k++) {
            const struct matcher *matcher = selector->selector.matchers[k];
            matches =
                matcher_matches(matcher, labels_get(fake->series.items[i]->labels, matcher->name));
        }
        if (matches)
            return true;
    }
    return false;
}

static void add_series(struct labels_builder *builder, double slope)
{
    struct labels *labels = labels_builder_build(builder);
    struct fake_series *series = fake_source_series(fake, labels);
    labels_unref(labels);
    for (size_t i = 0; series->values.len < SAMPLES; i++)
        fake_series_add(series, (int64_t)i * GAP_MS, 1 + (double)i * slope);
}

static void serve(const struct needs *needs, const struct node *selector)
{
    struct labels_builder CLEANUP(labels_builder_release) builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < needs->labels.len; i++)
        labels_builder_set(&builder, needs->labels.items[i], SLICE("v1"));
    for (size_t i = 0; i < selector->selector.matcher_count; i++) {
        char room[256];
        const struct matcher *matcher = selector->selector.matchers[i];
        if (matcher->type == MATCHER_NOT_EQUAL || matcher->type == MATCHER_NOT_REGEX) {
            if (matcher_matches(matcher, labels_builder_get(&builder, matcher->name)))
                continue;
        }
        labels_builder_set(&builder, matcher->name, value_for(matcher, room, sizeof(room)));
    }
    struct slice name = labels_builder_get(&builder, SLICE("__name__"));
    bool has_bound = !slice_has_suffix(name, SLICE("_bucket")) ||
                     (labels_builder_has(&builder, SLICE("le")) &&
                      !slice_eq_str(labels_builder_get(&builder, SLICE("le")), "v1"));
    if (has_bound) {
        add_series(&builder, 1);
        return;
    }
    static const char *const bounds[] = {"0.1", "1", "10", "+Inf"};
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        labels_builder_set(&builder, SLICE("le"), slice_str(bounds[i]));
        add_series(&builder, (double)i + 1);
    }
}

/* Selectors with more matchers first: what serves them may serve the others, too. */
static void serve_all(struct needs *needs)
{
    fake_source_clear(fake);
    for (size_t wanted = 32; wanted > 0; wanted--) {
        for (size_t i = 0; i < needs->selectors.len; i++) {
            const struct node *selector = needs->selectors.items[i];
            if (selector->selector.matcher_count == wanted && !is_served(selector))
                serve(needs, selector);
        }
    }
}

static size_t evaluate(const struct promql_expression *expression, struct slice text,
                       int64_t step_ms)
{
    struct promql_query query = {.expression = expression,
                                 .source = &fake->source,
                                 .start_ms = step_ms == 0 ? END_MS : END_MS - 10 * step_ms,
                                 .end_ms = END_MS,
                                 .step_ms = step_ms};
    struct promql_result *result = NULL;
    struct errbuf err = ERRBUF_INIT;
    enum err code = promql_evaluate(engine, &query, &result, &err);
    ck_assert_msg(code == ERR_NONE, "%.*s: %s", SLICE_ARG(text), err.text);
    size_t count = result->row_count + result->points_count;
    promql_result_free(result);
    return count;
}

/* true when it gives something. */
static bool check_expression(struct slice text)
{
    struct promql_expression *expression;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(promql_parse(text, 0, &expression, &err) == ERR_NONE, "%.*s: %s",
                  SLICE_ARG(text), err.text);
    struct needs needs = {0};
    needs_collect(&needs, expression->root);
    serve_all(&needs);
    size_t count = evaluate(expression, text, 0);
    if (promql_expression_type(expression) != PROMQL_MATRIX)
        count += evaluate(expression, text, 60000);
    vec_release(&needs.selectors);
    vec_release(&needs.labels);
    promql_expression_free(expression);
    return count > 0;
}

START_TEST(every_expression_of_the_corpus_evaluates)
{
    struct buf corpus CLEANUP(buf_release);
    buf_init(&corpus, 64 << 20);
    if (!shared_data_read("corpus/expressions.jsonl", &corpus))
        return;
    fake = fake_source_new();
    engine = promql_engine_new(&(struct promql_engine_options){0});
    size_t count = 0, full = 0;
    struct slice rest = buf_slice(&corpus);
    while (rest.len > 0) {
        size_t end = slice_index(rest, '\n');
        end = end == SLICE_NONE ? rest.len : end;
        struct json_value *entry;
        ck_assert_int_eq(json_parse(slice_sub(rest, 0, end), &entry, NULL), ERR_NONE);
        struct slice text = json_value_string(json_object_get(entry, "expr"));
        bool gives = check_expression(text);
        if (!gives && getenv("VERBOSE") != NULL)
            printf("nothing: %.*s\n", SLICE_ARG(text));
        full += gives;
        count++;
        json_value_free(entry);
        rest = slice_from_index(rest, end < rest.len ? end + 1 : end);
    }
    printf("%zu expressions, %zu give something\n", count, full);
    promql_engine_free(engine);
    fake_source_free(fake);
    ck_assert_uint_eq(count, EXPRESSIONS);
    ck_assert_uint_ge(full, EXPRESSIONS * 8 / 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/corpus");
    TCase *tests = tcase_create("corpus");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, every_expression_of_the_corpus_evaluates);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
