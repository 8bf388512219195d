/*
 * The scripts in tests/promql_scripts: every eval passes, and there is no file without any. Those
 * whose name begins with "experimental_" run with everything switched on; with "_early_" behind it, but
 * for the delayed removal of names.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "tests/support/promql_script.h"

#define FEATURES_ALL                                                                               \
    (PROMQL_EXPERIMENTAL_FUNCTIONS | PROMQL_DURATION_EXPRESSIONS |                                 \
     PROMQL_EXTENDED_RANGE_SELECTORS | PROMQL_FILL_MODIFIERS | PROMQL_DELAYED_NAME_REMOVAL |       \
     PROMQL_START_TIMESTAMPS)

static void run_file(const char *name)
{
    struct buf path CLEANUP(buf_release);
    struct buf script CLEANUP(buf_release);
    buf_init(&path, 4096);
    buf_init(&script, 16 << 20);
    buf_printf(&path, "%s/tests/promql_scripts/%s", SOURCE_ROOT, name);
    ck_assert_int_eq(fs_read_file(fs_system, buf_cstr(&path), &script, NULL), ERR_NONE);
    unsigned features =
        slice_has_prefix(slice_str(name), SLICE("experimental_")) ? FEATURES_ALL : 0;
    if (slice_has_prefix(slice_str(name), SLICE("experimental_early_")))
        features &= ~(unsigned)PROMQL_DELAYED_NAME_REMOVAL;
    struct promql_engine *engine =
        promql_engine_new(&(struct promql_engine_options){.features = features});
    struct script_counts counts =
        promql_script_run(name, buf_slice(&script), engine, features, true);
    promql_engine_free(engine);
    printf("%s: %zu of %zu\n", name, counts.passed, counts.evals);
    ck_assert_uint_gt(counts.evals, 0);
    ck_assert_uint_eq(counts.passed, counts.evals);
}

START_TEST(every_eval_of_every_script_passes)
{
    DIR *directory = opendir(SOURCE_ROOT "/tests/promql_scripts");
    ck_assert_ptr_nonnull(directory);
    struct dirent *entry;
    size_t count = 0;
    while ((entry = readdir(directory)) != NULL) {
        if (!slice_has_suffix(slice_str(entry->d_name), SLICE(".test")))
            continue;
        run_file(entry->d_name);
        count++;
    }
    closedir(directory);
    ck_assert_uint_ge(count, 11);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/scripts");
    TCase *tests = tcase_create("scripts");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, every_eval_of_every_script_passes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
