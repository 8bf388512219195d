/*
 * Every file of broken/ is refused with exactly the lines that stand beside it: NNN-name.yml and
 * NNN-name.expected. To add a case, add the two files.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/vec.h"
#include "rules/rule_file.h"
#include "tests/support/shared_data.h"

#define CASES_MIN 40

static const struct rule_file_options options = {.utf8_names = true};

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every line is FILE:LINE:COLUMN: text, in the order of the lines. */
static void check_places(const char *name, const char *text)
{
    unsigned line_before = 0;
    unsigned count = 0;
    for (const char *line = text; line != NULL; count++) {
        unsigned at = 0;
        unsigned column = 0;
        ck_assert_msg(strncmp(line, name, strlen(name)) == 0, "%s", line);
        ck_assert_int_eq(sscanf(line + strlen(name), ":%u:%u: ", &at, &column), 2);
        ck_assert_msg(at >= line_before && at > 0 && column > 0, "%s", line);
        line_before = at;
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    ck_assert_uint_le(count, BINDING_PROBLEMS_MAX);
}

static void check_case(const char *name)
{
    struct buf expected;
    struct buf found;
    struct errbuf err = ERRBUF_INIT;
    struct rule_file *file = NULL;
    char path[512];
    buf_init(&expected, 1 << 20);
    buf_init(&found, 1 << 20);
    snprintf(path, sizeof(path), "%.*s.expected", (int)strlen(name) - 4, name);
    ck_assert_msg(rule_file_load(name, &options, &file, &found, &err) == ERR_INVALID, "%s loads",
                  name);
    ck_assert_ptr_null(file);
    ck_assert_msg(fs_read_file(fs_system, path, &expected, NULL) == ERR_NONE, "no %s for:\n%s",
                  path, buf_cstr(&found));
    struct slice wanted = buf_slice(&expected);
    if (slice_has_suffix(wanted, SLICE("\n")))
        wanted.len--;
    ck_assert_msg(slice_eq(wanted, buf_slice(&found)), "%s says:\n%s\nexpected:\n%.*s", name,
                  buf_cstr(&found), SLICE_ARG(wanted));
    check_places(name, buf_cstr(&found));
    buf_release(&expected);
    buf_release(&found);
}

static size_t list_folder(const char *path, void (*each)(const char *name))
{
    ck_assert_int_eq(chdir(path), 0);
    DIR *folder = opendir(".");
    ck_assert_ptr_nonnull(folder);
    VEC(char *) names = {0};
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (slice_has_suffix(slice_str(entry->d_name), SLICE(".yml")))
            vec_push(&names, mem_strdup(entry->d_name));
    }
    closedir(folder);
    if (names.len > 0)
        qsort(names.items, names.len, sizeof(*names.items), compare_names);
    for (size_t i = 0; i < names.len; i++) {
        each(names.items[i]);
        mem_free(names.items[i]);
    }
    size_t count = names.len;
    vec_release(&names);
    return count;
}

START_TEST(broken_rule_files_say_what_is_wrong_and_where)
{
    size_t count = list_folder(RULES_DATA "/broken", check_case);
    printf("%zu broken rule files\n", count);
    ck_assert_uint_ge(count, CASES_MIN);
}
END_TEST

static struct rule_file *parse(const char *text)
{
    struct buf errors;
    struct rule_file *file = NULL;
    buf_init(&errors, 1 << 20);
    ck_assert_msg(rule_file_parse(slice_str(text), "r.yml", &options, &file, &errors, NULL) ==
                      ERR_NONE,
                  "%s", buf_cstr(&errors));
    buf_release(&errors);
    return file;
}

START_TEST(empty_files_have_no_groups)
{
    static const char *const texts[] = {"", "# only a comment\n", "---\n", "groups:\n",
                                        "groups: []\n", "{}\n"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct rule_file *file = parse(texts[i]);
        ck_assert_uint_eq(file->group_count, 0);
        rule_file_unref(file);
    }
}
END_TEST

START_TEST(items_with_nothing_in_them_are_left_out_with_a_warning)
{
    struct rule_file *file = parse("groups:\n-\n- name: g\n  rules:\n  -\n  - record: a\n"
                                   "    expr: up\n");
    ck_assert_uint_eq(file->group_count, 1);
    ck_assert_uint_eq(file->groups[0].rule_count, 1);
    ck_assert_uint_eq(file->warning_count, 2);
    rule_file_unref(file);
}
END_TEST

START_TEST(only_the_first_document_counts)
{
    struct rule_file *file = parse("groups: []\n---\ngroups:\n- name: g\n");
    ck_assert_uint_eq(file->group_count, 0);
    ck_assert_uint_eq(file->warning_count, 1);
    ck_assert(slice_has_prefix(file->warnings[0], SLICE("r.yml:2:1: Multiple document yaml")));
    rule_file_unref(file);
}
END_TEST

START_TEST(labels_of_the_group_yield_to_those_of_the_rule)
{
    struct rule_file *file =
        parse("groups:\n- name: g\n  interval: 1m30s\n  query_offset: 0s\n  limit: 3\n"
              "  labels: {a: group, b: group}\n  rules:\n  - record: x\n    expr: 'sum  (up)'\n"
              "    labels: {b: rule, c: 010}\n");
    const struct rule_group_definition *group = &file->groups[0];
    const struct rule_definition *rule = &group->rules[0];
    ck_assert_int_eq(group->interval_ms, 90000);
    ck_assert_int_eq(group->query_offset_ms, 0);
    ck_assert_int_eq(group->limit, 3);
    ck_assert_uint_eq(rule->label_count, 3);
    ck_assert(slice_eq_str(rule->labels[0].value, "group"));
    ck_assert(slice_eq_str(rule->labels[1].value, "rule"));
    ck_assert(slice_eq_str(rule->labels[2].value, "010"));
    ck_assert(slice_eq_str(rule->query, "sum(up)"));
    rule_file_unref(file);
}
END_TEST

START_TEST(legacy_names_are_narrower)
{
    const struct rule_file_options legacy = {.utf8_names = false};
    const char *text = "groups:\n- name: g\n  rules:\n  - record: a b\n    expr: up\n";
    struct rule_file *file = parse(text);
    struct buf errors;
    rule_file_unref(file);
    buf_init(&errors, 1 << 20);
    ck_assert(rule_file_parse(slice_str(text), "r.yml", &legacy, &file, &errors, NULL) ==
              ERR_INVALID);
    ck_assert_str_eq(buf_cstr(&errors), "r.yml:4:13: group \"g\", rule 1, \"a b\": invalid "
                                        "recording rule name: a b");
    buf_release(&errors);
}
END_TEST

static void check_shared(const char *name, struct slice content, void *context)
{
    bool valid = strstr(name, "asgiven") == NULL;
    struct buf errors;
    struct rule_file *file = NULL;
    buf_init(&errors, 1 << 20);
    enum err code = rule_file_parse(content, name, &options, &file, &errors, NULL);
    if (valid)
        ck_assert_msg(code == ERR_NONE, "%s", buf_cstr(&errors));
    else
        ck_assert_msg(code == ERR_INVALID && strstr(buf_cstr(&errors), ":1: ") != NULL, "%s: %s",
                      name, buf_cstr(&errors));
    if (!valid)
        printf("%s\n", buf_cstr(&errors));
    rule_file_unref(file);
    buf_release(&errors);
}

START_TEST(rule_files_of_users_load_and_pasted_lists_do_not)
{
    size_t count = shared_data_each("users/rules", ".yml", check_shared, NULL);
    if (count > 0)
        ck_assert_uint_ge(count, 6);
    count = shared_data_each("corpus/rules", ".yml", check_shared, NULL);
    if (count > 0)
        ck_assert_uint_ge(count, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("broken_rule_files");
    TCase *cases = tcase_create("broken_rule_files");
    tcase_add_test(cases, broken_rule_files_say_what_is_wrong_and_where);
    tcase_add_test(cases, empty_files_have_no_groups);
    tcase_add_test(cases, items_with_nothing_in_them_are_left_out_with_a_warning);
    tcase_add_test(cases, only_the_first_document_counts);
    tcase_add_test(cases, labels_of_the_group_yield_to_those_of_the_rule);
    tcase_add_test(cases, legacy_names_are_narrower);
    tcase_add_test(cases, rule_files_of_users_load_and_pasted_lists_do_not);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
