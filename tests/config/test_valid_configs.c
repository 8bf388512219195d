/*
 * Every file of valid/ loads and prints as NNN.printed says, without its secrets; what was printed
 * loads again and prints the same.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "config/config.h"

static struct config *load(struct slice text, const char *path)
{
    struct buf problems;
    struct errbuf err = ERRBUF_INIT;
    struct config *config = NULL;
    buf_init(&problems, 1 << 20);
    enum err error = config_parse(text, path, &config, &problems, &err);
    ck_assert_msg(error == ERR_NONE, "%s: %s", path, err.text);
    ck_assert_uint_eq(problems.len, 0);
    buf_release(&problems);
    return config;
}

static void check_file(const char *name)
{
    struct buf text;
    struct buf expected;
    char path[512];
    buf_init(&text, 1 << 20);
    buf_init(&expected, 1 << 20);
    snprintf(path, sizeof(path), "%.*s.printed", (int)strlen(name) - 4, name);
    ck_assert_msg(fs_read_file(fs_system, name, &text, NULL) == ERR_NONE, "no %s", name);
    ck_assert_msg(fs_read_file(fs_system, path, &expected, NULL) == ERR_NONE, "no %s", path);
    struct config *config = load(buf_slice(&text), name);
    ck_assert_msg(slice_eq(config->printed, buf_slice(&expected)), "%s prints as:\n%.*s", name,
                  SLICE_ARG(config->printed));
    ck_assert_msg(slice_find(config->printed, SLICE("hunter2")) == SLICE_NONE, "a secret of %s",
                  name);
    struct config *again = load(config->printed, name);
    ck_assert_msg(slice_eq(config->printed, again->printed), "%s, printed twice:\n%.*s", name,
                  SLICE_ARG(again->printed));
    ck_assert_uint_eq(config->scrape_count, again->scrape_count);
    config_unref(again);
    config_unref(config);
    buf_release(&text);
    buf_release(&expected);
}

START_TEST(valid_configs_print_as_expected_and_load_again)
{
    ck_assert_int_eq(chdir(CONFIG_DATA "/valid"), 0);
    DIR *folder = opendir(".");
    ck_assert_ptr_nonnull(folder);
    size_t count = 0;
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (!slice_has_suffix(slice_str(entry->d_name), SLICE(".yml")))
            continue;
        check_file(entry->d_name);
        count++;
    }
    closedir(folder);
    ck_assert_uint_ge(count, 8);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("valid_configs");
    TCase *cases = tcase_create("valid_configs");
    tcase_add_test(cases, valid_configs_print_as_expected_and_load_again);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
