/*
 * Templates against what Go's text/template with the reference's functions made of them: a table of
 * records in templates.txt, each of them
 *
 *     #value 0.5          (optional: the value, else 12345.678)
 *     the template
 *     ====
 *     OK the text | ERROR the message of executing | PARSE the message of parsing
 *     ----
 *
 * And: limits, and the annotations of public rule files.
 */
#include "rules/template.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/counters.h"
#include "base/float_text.h"
#include "base/fs.h"
#include "config/yaml_tree.h"
#include "model/labels_builder.h"
#include "tests/support/shared_data.h"

#define DATA_SIZE_MAX (1 << 20)
#define RESULT_SIZE_MAX (2 << 20)
#define VALUE_DEFAULT 12345.678
#define RECORDS_MIN 200

static const struct labels *labels_of(const char *const *pairs, size_t count)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < count; i++)
        labels_builder_set(&builder, slice_str(pairs[2 * i]), slice_str(pairs[2 * i + 1]));
    const struct labels *labels = labels_builder_take(&builder);
    labels_builder_release(&builder);
    return labels;
}

/* The world of the records. */
struct world {
    const struct labels *labels;
    const struct labels *external;
    const struct labels *rows[2];
    size_t query_count;
};

static bool world_query(struct slice expression, int64_t time_ms, struct arena *arena,
                        struct template_sample **out, size_t *out_count, struct errbuf *err,
                        void *context)
{
    struct world *world = context;
    world->query_count++;
    ck_assert_int_eq(time_ms, 1500000000250);
    if (slice_eq_str(expression, "bad")) {
        errbuf_set(err, ERR_INVALID, "bad query");
        return false;
    }
    *out_count = slice_eq_str(expression, "empty") ? 0 : 2;
    *out = arena_alloc_array(arena, 2, sizeof(**out));
    (*out)[0] = (struct template_sample){world->rows[0], 2.5};
    (*out)[1] = (struct template_sample){world->rows[1], 11};
    return true;
}

static void world_init(struct world *world)
{
    static const char *const labels[] = {
        "instance", "host.example.org:9100", "job", "node", "zone", "eu-1", "num", "42.5"};
    static const char *const external[] = {"region", "r1"};
    static const char *const first[] = {"__name__", "up", "instance", "b:9090", "job", "x"};
    static const char *const second[] = {"__name__", "up", "instance", "a:9090", "job", "y"};
    *world = (struct world){
        .labels = labels_of(labels, 4),
        .external = labels_of(external, 1),
        .rows = {labels_of(first, 3), labels_of(second, 3)},
    };
}

static void world_release(struct world *world)
{
    labels_unref(world->labels);
    labels_unref(world->external);
    labels_unref(world->rows[0]);
    labels_unref(world->rows[1]);
}

/* "OK text", "ERROR message" or "PARSE message". */
static void expand(struct world *world, struct slice text, double value, struct buf *out)
{
    struct errbuf err = ERRBUF_INIT;
    struct template *template;
    if (template_parse(SLICE("__alert_X"), text, &template, &err) != ERR_NONE) {
        buf_printf(out, "PARSE %s", err.text);
        return;
    }
    struct template_data data = {
        .labels = world->labels,
        .value = value,
        .external_labels = world->external,
        .external_url = SLICE("http://prom.example/base"),
        .now_ms = 1500000000250,
        .query = world_query,
        .context = world,
    };
    buf_append_str(out, "OK ");
    if (template_execute(template, &data, out, &err) != ERR_NONE) {
        ck_assert_str_eq(buf_cstr(out), "OK ");
        buf_reset(out);
        buf_printf(out, "ERROR %s", err.text);
    }
    template_free(template);
}

static void assert_expands(const char *text, const char *expected)
{
    struct world world;
    struct buf out;
    world_init(&world);
    buf_init(&out, RESULT_SIZE_MAX);
    expand(&world, slice_str(text), VALUE_DEFAULT, &out);
    ck_assert_str_eq(buf_cstr(&out), expected);
    buf_release(&out);
    world_release(&world);
}

static void assert_fails_with(const char *text, const char *part)
{
    struct world world;
    struct buf out;
    world_init(&world);
    buf_init(&out, RESULT_SIZE_MAX);
    expand(&world, slice_str(text), VALUE_DEFAULT, &out);
    ck_assert_msg(strncmp(buf_cstr(&out), "OK", 2) != 0, "%s expands", text);
    ck_assert_msg(strstr(buf_cstr(&out), part) != NULL, "%s: %s", text, buf_cstr(&out));
    buf_release(&out);
    world_release(&world);
}

/* -- the table -- */

static bool check_record(struct world *world, struct slice record)
{
    double value = VALUE_DEFAULT;
    if (slice_has_prefix(record, SLICE("#value "))) {
        size_t end = slice_index(record, '\n');
        bool parsed = float_text_parse(slice_sub(record, 7, end - 7), &value, NULL);
        ck_assert(parsed);
        record = slice_from_index(record, end + 1);
    }
    size_t split = slice_find(record, SLICE("\n====\n"));
    ck_assert_msg(split != SLICE_NONE, "no result in: %.*s", SLICE_ARG(record));
    struct slice text = slice_sub(record, 0, split);
    struct slice expected = slice_from_index(record, split + 6);
    struct buf out;
    buf_init(&out, RESULT_SIZE_MAX);
    expand(world, text, value, &out);
    bool same = slice_eq(buf_slice(&out), expected);
    if (!same) {
        printf("template: %.*s\nexpected: %.*s\nfound:    %s\n\n", SLICE_ARG(text),
               SLICE_ARG(expected), buf_cstr(&out));
        fflush(stdout);
    }
    buf_release(&out);
    return same;
}

START_TEST(templates_expand_as_go_expands_them)
{
    struct buf content;
    buf_init(&content, DATA_SIZE_MAX);
    struct errbuf err = ERRBUF_INIT;
    enum err code = fs_read_file(fs_system, RULES_DATA "/templates.txt", &content, &err);
    ck_assert_msg(code == ERR_NONE, "%s", err.text);
    struct world world;
    world_init(&world);
    struct slice rest = buf_slice(&content);
    size_t count = 0;
    size_t wrong = 0;
    while (rest.len > 0) {
        size_t end = slice_find(rest, SLICE("\n----\n"));
        ck_assert(end != SLICE_NONE);
        wrong += !check_record(&world, slice_sub(rest, 0, end));
        count++;
        rest = slice_from_index(rest, end + 6);
    }
    ck_assert_uint_ge(count, RECORDS_MIN);
    ck_assert_uint_eq(wrong, 0);
    world_release(&world);
    buf_release(&content);
}
END_TEST

/* -- limits -- */

START_TEST(an_endless_amount_of_work_is_refused)
{
    assert_fails_with(
        "{{ range 1000 }}{{ range 1000 }}{{ range 1000 }}x{{ end }}{{ end }}{{ end }}",
        "too many steps");
    assert_fails_with("{{ range 10000 }}{{ query \"up\" }}{{ end }}", "too many steps");
    assert_fails_with("{{ range 100000 }}{{ $x := match \"(a|b)*c\" \"abab\" }}{{ end }}",
                      "too many steps");
    assert_fails_with("{{ $x := \"a\" }}{{ range 40 }}{{ $x = printf \"%s%s\" $x $x }}{{ end }}",
                      "a text of more than");
    assert_fails_with("{{ $x := printf \"%900000d\" 1 }}{{ range 200 }}"
                      "{{ $x = printf \"%.900000s\" $x }}{{ end }}",
                      "too m");
}
END_TEST

START_TEST(output_is_limited_and_left_alone_on_failure)
{
    assert_fails_with("{{ range 12 }}{{ printf \"%100000d\" 1 }}{{ end }}",
                      "the output is larger than");
}
END_TEST

START_TEST(templates_that_call_themselves_end)
{
    assert_fails_with("{{ define \"a\" }}x{{ template \"a\" }}{{ end }}{{ template \"a\" }}",
                      "exceeded maximum template depth");
    assert_fails_with("{{ $a := args 1 }}{{ range 1000 }}{{ $a = args $a }}{{ end }}{{ $a }}",
                      "arguments are nested too deep");
}
END_TEST

static void repeat(struct buf *out, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_append_str(out, text);
}

START_TEST(nesting_is_limited)
{
    struct buf text;
    buf_init(&text, DATA_SIZE_MAX);
    buf_append_str(&text, "{{ ");
    repeat(&text, "(", 10000);
    assert_fails_with(buf_cstr(&text), "max expression depth exceeded");
    buf_reset(&text);
    repeat(&text, "{{ if true }}", 10000);
    assert_fails_with(buf_cstr(&text), "max expression depth exceeded");
    buf_reset(&text);
    repeat(&text, "{{ if true }}", 200);
    buf_append_byte(&text, 'x');
    repeat(&text, "{{ end }}", 200);
    assert_expands(buf_cstr(&text), "OK x");
    buf_reset(&text);
    repeat(&text, "x", 300 << 10);
    assert_fails_with(buf_cstr(&text), "may have at most");
    buf_release(&text);
}
END_TEST

static void find_counter(const struct counters_sample *sample, void *context)
{
    double *found = context;
    if (strcmp(sample->description->name, "prometheus_template_text_expansions_total") == 0)
        found[0] = sample->value;
    if (strcmp(sample->description->name, "prometheus_template_text_expansion_failures_total") == 0)
        found[1] = sample->value;
}

START_TEST(expansions_and_failures_are_counted)
{
    double before[2] = {-1, -1};
    double after[2] = {-1, -1};
    counters_reset_all();
    template_register_counters();
    counters_collect(find_counter, before);
    assert_expands("a", "OK a");
    assert_fails_with("{{ first nil }}", "first() called");
    counters_collect(find_counter, after);
    ck_assert_double_eq(before[0], 0);
    ck_assert_double_eq(after[0], 2);
    ck_assert_double_eq(after[1], 1);
}
END_TEST

START_TEST(a_template_without_queries_says_so)
{
    struct template *template;
    struct errbuf err = ERRBUF_INIT;
    struct buf out;
    buf_init(&out, RESULT_SIZE_MAX);
    ck_assert_int_eq(template_parse(SLICE("t"), SLICE("{{ query \"up\" }}"), &template, &err),
                     ERR_NONE);
    struct template_data data = {.labels = labels_empty()};
    ck_assert_int_eq(template_execute(template, &data, &out, &err), ERR_EXECUTION);
    ck_assert_ptr_nonnull(strstr(err.text, "error calling query: there is nothing to query here"));
    ck_assert_uint_eq(out.len, 0);
    template_free(template);
    buf_release(&out);
}
END_TEST

/* -- public rule files -- */

struct corpus {
    struct world world;
    size_t template_count;
    size_t expanded_count;
};

/* Every text of the file that has an action in it. */
static void corpus_text(struct corpus *corpus, const char *name, struct slice text)
{
    if (slice_find(text, SLICE("{{")) == SLICE_NONE)
        return;
    struct buf out;
    buf_init(&out, RESULT_SIZE_MAX);
    expand(&corpus->world, text, 0.5, &out);
    ck_assert_msg(strncmp(buf_cstr(&out), "PARSE", 5) != 0, "%s: %.*s: %s", name, SLICE_ARG(text),
                  buf_cstr(&out));
    corpus->template_count++;
    corpus->expanded_count += strncmp(buf_cstr(&out), "OK", 2) == 0;
    buf_release(&out);
}

static void corpus_node(struct corpus *corpus, const char *name, const struct yaml_tree_node *node)
{
    if (node->kind == YAML_TREE_SCALAR)
        corpus_text(corpus, name, node->text);
    for (size_t i = 0; i < node->count; i++)
        corpus_node(corpus, name, node->items[i]);
}

static void corpus_file(const char *name, struct slice content, void *context)
{
    struct yaml_tree tree;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(yaml_tree_parse(content, &tree, &err) == ERR_NONE, "%s: %s", name, err.text);
    if (tree.root != NULL)
        corpus_node(context, name, tree.root);
    yaml_tree_release(&tree);
}

START_TEST(templates_of_public_rule_files_expand)
{
    struct corpus corpus = {0};
    world_init(&corpus.world);
    size_t files = shared_data_each("corpus/rules", ".yml", corpus_file, &corpus);
    if (files > 0) {
        ck_assert_uint_ge(corpus.template_count, 50);
        ck_assert_uint_eq(corpus.expanded_count, corpus.template_count);
    }
    world_release(&corpus.world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("template");
    TCase *cases = tcase_create("template");
    tcase_add_test(cases, templates_expand_as_go_expands_them);
    tcase_add_test(cases, an_endless_amount_of_work_is_refused);
    tcase_add_test(cases, output_is_limited_and_left_alone_on_failure);
    tcase_add_test(cases, templates_that_call_themselves_end);
    tcase_add_test(cases, nesting_is_limited);
    tcase_add_test(cases, expansions_and_failures_are_counted);
    tcase_add_test(cases, a_template_without_queries_says_so);
    tcase_add_test(cases, templates_of_public_rule_files_expand);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
