/* Relabelling does what the reference's relabel_config does, and refuses what it refuses. */
#include "model/relabel.h"

#include <check.h>
#include <stdlib.h>

static struct labels_builder builder;

static void setup(void)
{
    labels_builder_init(&builder);
    labels_builder_set(&builder, SLICE("a"), SLICE("foo"));
    labels_builder_set(&builder, SLICE("b"), SLICE("bar"));
    labels_builder_set(&builder, SLICE("c"), SLICE("baz\nqux"));
    labels_builder_set(&builder, SLICE("__meta_zone"), SLICE("eu-1"));
}

static void teardown(void)
{
    labels_builder_release(&builder);
}

#define START "{__meta_zone=\"eu-1\", a=\"foo\", b=\"bar\", c=\"baz\\nqux\"}"

struct rule_text {
    const char *source[4];
    const char *regex;
    const char *target;
    const char *replacement;
    const char *separator;
    uint64_t modulus;
    enum relabel_action action;
    bool legacy;
};

static enum err compile(const struct rule_text *text, struct slice *sources,
                        struct relabel_rule *rule, struct errbuf *err)
{
    relabel_rule_init(rule);
    rule->source_labels = sources;
    for (size_t i = 0; i < 4 && text->source[i] != NULL; i++)
        sources[rule->source_label_count++] = slice_str(text->source[i]);
    if (text->regex != NULL)
        rule->regex_text = slice_str(text->regex);
    if (text->target != NULL)
        rule->target_label = slice_str(text->target);
    if (text->replacement != NULL)
        rule->replacement = slice_str(text->replacement);
    if (text->separator != NULL)
        rule->separator = slice_str(text->separator);
    rule->modulus = text->modulus;
    rule->action = text->action;
    rule->utf8_names = !text->legacy;
    return relabel_rule_compile(rule, err);
}

/* Applies one rule to the labels of setup; NULL = the set is dropped. */
static void assert_result(const struct rule_text *text, const char *expected, int line)
{
    teardown();
    setup();
    struct slice sources[4];
    struct relabel_rule rule;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(compile(text, sources, &rule, &err) == ERR_NONE, "line %d: %s", line, err.text);
    bool kept = relabel_apply(&rule, 1, &builder);
    ck_assert_msg(kept == (expected != NULL), "line %d: kept %d", line, kept);
    struct labels *labels = labels_builder_build(&builder);
    struct buf out;
    buf_init(&out, 10000);
    labels_print(labels, &out);
    if (expected != NULL)
        ck_assert_msg(slice_eq_str(buf_slice(&out), expected), "line %d: %s", line, buf_cstr(&out));
    buf_release(&out);
    labels_unref(labels);
    relabel_rule_release(&rule);
}
#define RESULT(expected, ...) assert_result(&(struct rule_text){__VA_ARGS__}, expected, __LINE__)

static void assert_refused(const struct rule_text *text, const char *expected, int line)
{
    struct slice sources[4];
    struct relabel_rule rule;
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(compile(text, sources, &rule, &err) == ERR_INVALID, "line %d", line);
    ck_assert_msg(strcmp(err.text, expected) == 0, "line %d: %s", line, err.text);
    relabel_rule_release(&rule);
}
#define REFUSED(expected, ...) assert_refused(&(struct rule_text){__VA_ARGS__}, expected, __LINE__)

#define WITH(last) "{__meta_zone=\"eu-1\", a=\"foo\", b=\"bar\", c=\"baz\\nqux\", " last "}"

START_TEST(replace_writes_expanded_groups)
{
    RESULT(WITH("d=\"foo\""), .source = {"a"}, .target = "d");
    RESULT(WITH("d=\"foo;bar\""), .source = {"a", "b"}, .target = "d");
    RESULT(WITH("d=\"o-r\""), .source = {"a", "b"}, .regex = "fo(.),b.(.)", .separator = ",",
           .target = "d", .replacement = "$1-${2}");
    RESULT(WITH("d=\"oo\""), .source = {"a"}, .regex = "f(?P<rest>.*)", .target = "d",
           .replacement = "$rest");
    RESULT(WITH("foo_x=\"bar\""), .source = {"a", "b"}, .regex = "(.+);(.+)", .target = "${1}_x",
           .replacement = "$2");
    RESULT(WITH("d=\"static\""), .target = "d", .replacement = "static");
    RESULT(WITH("d=\"$x\""), .source = {"a"}, .target = "d", .replacement = "$$x");
    /* the name goes as far as it can: there is no group 1x */
    RESULT(START, .source = {"a"}, .regex = "f(oo)", .target = "d", .replacement = "$1x");
}
END_TEST

START_TEST(replace_without_match_changes_nothing)
{
    RESULT(START, .source = {"a"}, .regex = "fo", .target = "d");
    RESULT(START, .source = {"a"}, .regex = "oo|fo", .target = "d");
    RESULT(WITH("d=\"\\nqux\""), .source = {"c"}, .regex = "baz(.*)", .target = "d");
}
END_TEST

START_TEST(replace_with_an_empty_result_deletes)
{
    RESULT("{__meta_zone=\"eu-1\", b=\"bar\", c=\"baz\\nqux\"}", .source = {"nothing"},
           .target = "a");
    RESULT("{__meta_zone=\"eu-1\", b=\"bar\", c=\"baz\\nqux\"}", .target = "a", .replacement = "");
    RESULT("{__meta_zone=\"eu-1\", b=\"bar\", c=\"baz\\nqux\"}", .source = {"b"}, .regex = "(x)?.*",
           .target = "a");
}
END_TEST

START_TEST(replace_to_an_invalid_name_changes_nothing)
{
    RESULT(START, .source = {"__meta_zone"}, .target = "${1}", .legacy = true);
    RESULT("{__meta_zone=\"eu-1\", a=\"foo\", b=\"bar\", c=\"baz\\nqux\", \"eu-1\"=\"eu-1\"}",
           .source = {"__meta_zone"}, .target = "${1}");
    RESULT(START, .source = {"nothing"}, .target = "${1}", .replacement = "x");
}
END_TEST

START_TEST(keep_and_drop_look_at_the_whole_joined_value)
{
    RESULT(START, .source = {"a"}, .regex = "fo+", .action = RELABEL_KEEP);
    RESULT(NULL, .source = {"a"}, .regex = "f", .action = RELABEL_KEEP);
    RESULT(NULL, .source = {"a", "b"}, .regex = "foo;bar", .action = RELABEL_DROP);
    RESULT(START, .source = {"a"}, .regex = "oo", .action = RELABEL_DROP);
    RESULT(NULL, .source = {"nothing"}, .regex = "", .action = RELABEL_DROP);
}
END_TEST

START_TEST(keepequal_and_dropequal_compare_with_the_target)
{
    RESULT(NULL, .source = {"a"}, .target = "b", .action = RELABEL_KEEP_EQUAL);
    RESULT(START, .source = {"a"}, .target = "a", .action = RELABEL_KEEP_EQUAL);
    RESULT(START, .source = {"a"}, .target = "b", .action = RELABEL_DROP_EQUAL);
    RESULT(NULL, .source = {"nothing"}, .target = "nowhere", .action = RELABEL_DROP_EQUAL);
}
END_TEST

START_TEST(hashmod_is_md5_of_the_value)
{
    RESULT(WITH("m=\"958\""), .source = {"nothing"}, .target = "m", .modulus = 1000,
           .action = RELABEL_HASHMOD);
    RESULT(WITH("m=\"696\""), .source = {"a"}, .target = "m", .modulus = 1000,
           .action = RELABEL_HASHMOD);
    RESULT(WITH("m=\"11305596121991491683\""), .source = {"a", "b", "c"}, .target = "m",
           .modulus = UINT64_C(18446744073709551557), .action = RELABEL_HASHMOD);
}
END_TEST

START_TEST(labelmap_copies_by_name)
{
    RESULT(WITH("zone=\"eu-1\""), .regex = "__meta_(.+)", .action = RELABEL_LABELMAP);
    /* the values are those from before the rule */
    RESULT("{__meta_zone=\"eu-1\", a=\"foo\", ab=\"bar\", ac=\"baz\\nqux\", b=\"bar\", "
           "c=\"baz\\nqux\"}",
           .regex = "([bc])", .replacement = "a$1", .action = RELABEL_LABELMAP);
    RESULT("{__meta_zone=\"eu-1\", a=\"bar\", b=\"bar\", c=\"baz\\nqux\"}", .regex = "b",
           .replacement = "a", .action = RELABEL_LABELMAP);
}
END_TEST

START_TEST(labeldrop_and_labelkeep_filter_names)
{
    RESULT("{a=\"foo\", b=\"bar\", c=\"baz\\nqux\"}", .regex = "__.*", .action = RELABEL_LABELDROP);
    RESULT("{a=\"foo\", c=\"baz\\nqux\"}", .regex = "a|c", .action = RELABEL_LABELKEEP);
    RESULT("{}", .regex = "", .action = RELABEL_LABELKEEP);
}
END_TEST

START_TEST(lowercase_and_uppercase_know_more_than_ascii)
{
    labels_builder_set(&builder, SLICE("a"), SLICE("foo"));
    RESULT(WITH("d=\"FOO\""), .source = {"a"}, .target = "d", .action = RELABEL_UPPERCASE);
    struct slice sources[1] = {SLICE("u")};
    struct relabel_rule rule;
    relabel_rule_init(&rule);
    rule.source_labels = sources;
    rule.source_label_count = 1;
    rule.target_label = SLICE("u");
    rule.action = RELABEL_LOWERCASE;
    ck_assert_int_eq(relabel_rule_compile(&rule, NULL), ERR_NONE);
    labels_builder_set(&builder, SLICE("u"),
                       SLICE("\xc3\x9c"
                             "bER 1"));
    ck_assert(relabel_apply(&rule, 1, &builder));
    ck_assert(slice_eq_str(labels_builder_get(&builder, SLICE("u")), "\xc3\xbc"
                                                                     "ber 1"));
    relabel_rule_release(&rule);
}
END_TEST

START_TEST(rules_stop_where_the_set_is_dropped)
{
    struct slice sources[2][4];
    struct relabel_rule rules[2];
    ck_assert_int_eq(
        compile(&(struct rule_text){.source = {"a"}, .regex = "foo", .action = RELABEL_DROP},
                sources[0], &rules[0], NULL),
        ERR_NONE);
    ck_assert_int_eq(
        compile(&(struct rule_text){.source = {"a"}, .target = "z"}, sources[1], &rules[1], NULL),
        ERR_NONE);
    ck_assert(!relabel_apply(rules, 2, &builder));
    ck_assert(!labels_builder_has(&builder, SLICE("z")));
    ck_assert(relabel_apply(rules, 0, &builder));
    relabel_rule_release(&rules[0]);
    relabel_rule_release(&rules[1]);
}
END_TEST

START_TEST(rules_are_refused_with_the_texts_of_the_reference)
{
    REFUSED("relabel configuration for replace action requires 'target_label' value",
            .source = {"a"});
    REFUSED("relabel configuration for hashmod requires non-zero modulus", .target = "x",
            .action = RELABEL_HASHMOD);
    REFUSED("relabel configuration for hashmod action requires 'target_label' value", .modulus = 8,
            .action = RELABEL_HASHMOD);
    REFUSED("\"a-b\" is invalid 'target_label' for replace action", .target = "a-b",
            .legacy = true);
    REFUSED("\"${1\" is invalid 'target_label' for replace action", .target = "${1",
            .legacy = true);
    REFUSED("\"9${1}\" is invalid 'target_label' for replace action", .target = "9${1}",
            .legacy = true);
    REFUSED("\"a-b\" is invalid 'target_label' for lowercase action", .target = "a-b",
            .legacy = true, .action = RELABEL_LOWERCASE);
    REFUSED("\"\\xff\" is invalid 'target_label' for hashmod action", .target = "\xff",
            .modulus = 1, .action = RELABEL_HASHMOD);
    REFUSED("'replacement' can not be set for uppercase action", .target = "a", .replacement = "b",
            .action = RELABEL_UPPERCASE);
    REFUSED("\"-$1\" is invalid 'replacement' for labelmap action", .replacement = "-$1",
            .legacy = true, .action = RELABEL_LABELMAP);
    REFUSED(
        "dropequal action requires only 'source_labels' and `target_label`, and no other fields",
        .target = "a", .separator = ",", .action = RELABEL_DROP_EQUAL);
    REFUSED(
        "keepequal action requires only 'source_labels' and `target_label`, and no other fields",
        .target = "a", .regex = "x", .action = RELABEL_KEEP_EQUAL);
    REFUSED("labeldrop action requires only 'regex', and no other fields", .source = {"a"},
            .regex = "x", .action = RELABEL_LABELDROP);
    REFUSED("labelkeep action requires only 'regex', and no other fields", .target = "a",
            .action = RELABEL_LABELKEEP);
}
END_TEST

START_TEST(actions_have_names_in_any_case)
{
    enum relabel_action action;
    ck_assert(relabel_action_parse(SLICE("LabelMap"), &action));
    ck_assert_int_eq(action, RELABEL_LABELMAP);
    ck_assert_str_eq(relabel_action_name(action), "labelmap");
    ck_assert(!relabel_action_parse(SLICE("foo"), &action));
    ck_assert(!relabel_action_parse(SLICE("keepx"), &action));
    ck_assert(!relabel_action_parse(SLICE_EMPTY, &action));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("relabel");
    TCase *tcase = tcase_create("relabel");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, replace_writes_expanded_groups);
    tcase_add_test(tcase, replace_without_match_changes_nothing);
    tcase_add_test(tcase, replace_with_an_empty_result_deletes);
    tcase_add_test(tcase, replace_to_an_invalid_name_changes_nothing);
    tcase_add_test(tcase, keep_and_drop_look_at_the_whole_joined_value);
    tcase_add_test(tcase, keepequal_and_dropequal_compare_with_the_target);
    tcase_add_test(tcase, hashmod_is_md5_of_the_value);
    tcase_add_test(tcase, labelmap_copies_by_name);
    tcase_add_test(tcase, labeldrop_and_labelkeep_filter_names);
    tcase_add_test(tcase, lowercase_and_uppercase_know_more_than_ascii);
    tcase_add_test(tcase, rules_stop_where_the_set_is_dropped);
    tcase_add_test(tcase, rules_are_refused_with_the_texts_of_the_reference);
    tcase_add_test(tcase, actions_have_names_in_any_case);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
