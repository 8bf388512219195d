/*
 * Scripts over storage, in all layouts of head and blocks: our own, and the reference's where
 * FERULA_SHARED has them. The answers are those over samples in plain arrays, also in what histograms
 * say of resets.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/fs.h"
#include "base/log.h"
#include "tests/support/layered_storage.h"
#include "tests/support/promql_script.h"
#include "tests/support/shared_data.h"

#define FEATURES_ALL                                                                               \
    (PROMQL_EXPERIMENTAL_FUNCTIONS | PROMQL_DURATION_EXPRESSIONS |                                 \
     PROMQL_EXTENDED_RANGE_SELECTORS | PROMQL_FILL_MODIFIERS | PROMQL_DELAYED_NAME_REMOVAL |       \
     PROMQL_START_TIMESTAMPS)

struct layout_run {
    struct layered_storage storage;
    size_t evals;
    size_t missed;
};

static struct series_source *store(void *context, const struct fake_source *samples)
{
    return layered_storage_fill(context, samples);
}

static void run_script(struct layout_run *run, const char *name, struct slice script,
                       unsigned features)
{
    struct script_storage storage = {store, &run->storage};
    struct promql_engine *engine = script_engine_new(features);
    struct script_counts counts =
        promql_script_run_on(&storage, name, script, engine, features, true);
    promql_engine_free(engine);
    run->evals += counts.evals;
    run->missed += counts.evals - counts.passed;
    if (counts.passed < counts.evals)
        printf("%s in %s: %zu of %zu\n", name, storage_layout_names[run->storage.layout],
               counts.passed, counts.evals);
}

static void run_reference_script(const char *name, struct slice content, void *context)
{
    run_script(context, name, content, FEATURES_ALL);
}

static void run_own_script(struct layout_run *run, const char *name)
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
    if (slice_has_prefix(slice_str(name), SLICE("experimental_typed_")))
        features |= PROMQL_TYPE_AND_UNIT_LABELS;
    run_script(run, name, buf_slice(&script), features);
}

static void run_own_scripts(struct layout_run *run)
{
    DIR *directory = opendir(SOURCE_ROOT "/tests/promql_scripts");
    ck_assert_ptr_nonnull(directory);
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (slice_has_suffix(slice_str(entry->d_name), SLICE(".test")))
            run_own_script(run, entry->d_name);
    }
    closedir(directory);
}

static void expect_all(const struct layout_run *run, const char *whose)
{
    printf("%s, %s: %zu evals, %zu missed, %zu blocks\n", storage_layout_names[run->storage.layout],
           whose, run->evals, run->missed, run->storage.block_count);
    fflush(stdout);
    ck_assert_uint_eq(run->missed, 0);
    ck_assert((run->storage.block_count > 100) == (run->storage.layout != LAYOUT_HEAD));
}

START_TEST(own_scripts_pass_whatever_the_layout)
{
    struct layout_run run = {.evals = 0};
    layered_storage_init(&run.storage, (enum storage_layout)_i);
    run_own_scripts(&run);
    ck_assert_uint_gt(run.evals, 1000);
    expect_all(&run, "own scripts");
    layered_storage_release(&run.storage);
}
END_TEST

START_TEST(the_references_scripts_pass_whatever_the_layout)
{
    struct layout_run run = {.evals = 0};
    layered_storage_init(&run.storage, (enum storage_layout)_i);
    if (_i == LAYOUT_FRESH || /* a part of the next two */
        shared_data_each("conformance/promqltest", ".test", run_reference_script, &run) == 0)
        return;
    expect_all(&run, "the reference's scripts");
    layered_storage_release(&run.storage);
}
END_TEST

int main(void)
{
    log_set_level(LOG_ERROR);
    Suite *suite = suite_create("promql/layouts");
    TCase *tests = tcase_create("layouts");
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, own_scripts_pass_whatever_the_layout, 0, LAYOUT_COUNT);
    tcase_add_loop_test(tests, the_references_scripts_pass_whatever_the_layout, 0, LAYOUT_COUNT);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
