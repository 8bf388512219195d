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
#include "config/config.h"

#define CASES_MIN 60

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void check_case(const char *name)
{
    struct buf expected;
    struct buf found;
    struct errbuf err = ERRBUF_INIT;
    struct config *config = NULL;
    char path[512];
    buf_init(&expected, 1 << 20);
    buf_init(&found, 1 << 20);
    snprintf(path, sizeof(path), "%.*s.expected", (int)strlen(name) - 4, name);
    ck_assert_msg(fs_read_file(fs_system, path, &expected, NULL) == ERR_NONE, "no %s", path);
    ck_assert_msg(config_load(name, &config, &found, &err) == ERR_INVALID, "%s loads", name);
    ck_assert_ptr_null(config);
    struct slice wanted = slice_trim(buf_slice(&expected));
    ck_assert_msg(slice_eq(wanted, buf_slice(&found)), "%s says:\n%s\nexpected:\n%.*s", name,
                  buf_cstr(&found), SLICE_ARG(wanted));
    ck_assert_msg(strstr(buf_cstr(&found), "hunter") == NULL, "a secret: %s", buf_cstr(&found));
    /* every line is FILE:LINE:COLUMN: text, in the order of the lines */
    unsigned line_before = 0;
    unsigned count = 0;
    for (const char *line = buf_cstr(&found); line != NULL; count++) {
        unsigned at = 0;
        unsigned column = 0;
        ck_assert_msg(strncmp(line, name, strlen(name)) == 0, "%s", line);
        ck_assert_int_eq(sscanf(line + strlen(name), ":%u:%u: ", &at, &column), 2);
        ck_assert_msg(at >= line_before && at > 0 && column > 0, "%s", line);
        line_before = at;
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_le(count, CONFIG_ERRORS_MAX);
    buf_release(&expected);
    buf_release(&found);
}

START_TEST(broken_configs_say_what_is_wrong_and_where)
{
    ck_assert_int_eq(chdir(CONFIG_DATA "/broken"), 0);
    DIR *folder = opendir(".");
    ck_assert_ptr_nonnull(folder);
    VEC(char *) names = {0};
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (slice_has_suffix(slice_str(entry->d_name), SLICE(".yml")))
            vec_push(&names, mem_strdup(entry->d_name));
    }
    closedir(folder);
    qsort(names.items, names.len, sizeof(*names.items), compare_names);
    for (size_t i = 0; i < names.len; i++) {
        check_case(names.items[i]);
        mem_free(names.items[i]);
    }
    printf("%zu broken configurations\n", names.len);
    ck_assert_uint_ge(names.len, CASES_MIN);
    vec_release(&names);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("broken_configs");
    TCase *cases = tcase_create("broken_configs");
    tcase_add_test(cases, broken_configs_say_what_is_wrong_and_where);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
