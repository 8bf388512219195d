/*
 * The reference's own test scripts, where FERULA_SHARED has them. For every file the number of
 * evals that pass is pinned: fewer is a failure, and so is more, as then the number here is to be
 * raised.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "tests/support/promql_script.h"
#include "tests/support/shared_data.h"

struct pinned {
    const char *file;
    size_t passed;
};

static const struct pinned files[] = {
    {"aggregators.test", 160},
    {"at_modifier.test", 78},
    {"collision.test", 2},
    {"duration_expression.test", 59},
    {"extended_vectors.test", 169},
    {"fill-modifier.test", 46},
    {"functions.test", 431},
    {"histograms.test", 185},
    {"info.test", 53},
    {"limit.test", 37},
    {"literals.test", 25},
    {"name_label_dropping.test", 30},
    {"native_histograms.test", 522},
    {"operators.test", 214},
    {"range_queries.test", 18},
    {"selectors.test", 31},
    {"staleness.test", 17},
    {"start_timestamps.test", 26},
    {"subquery.test", 34},
    {"trig_functions.test", 19},
    {"type_and_unit.test", 58},
};

/* What the reference's runner switches on. */
#define FEATURES                                                                                   \
    (PROMQL_EXPERIMENTAL_FUNCTIONS | PROMQL_DURATION_EXPRESSIONS |                                 \
     PROMQL_EXTENDED_RANGE_SELECTORS | PROMQL_FILL_MODIFIERS | PROMQL_DELAYED_NAME_REMOVAL |       \
     PROMQL_START_TIMESTAMPS)

START_TEST(every_file_passes_as_many_evals_as_are_pinned)
{
    const struct pinned *pinned = &files[_i];
    struct buf path CLEANUP(buf_release);
    struct buf script CLEANUP(buf_release);
    buf_init(&path, 256);
    buf_init(&script, 16 << 20);
    buf_printf(&path, "conformance/promqltest/%s", pinned->file);
    if (!shared_data_read(buf_cstr(&path), &script))
        return;
    struct promql_engine *engine =
        promql_engine_new(&(struct promql_engine_options){.features = FEATURES});
    struct script_counts counts = promql_script_run(pinned->file, buf_slice(&script), engine,
                                                    FEATURES, getenv("VERBOSE") != NULL);
    promql_engine_free(engine);
    printf("%s: %zu of %zu\n", pinned->file, counts.passed, counts.evals);
    ck_assert_uint_eq(counts.passed, pinned->passed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/conformance");
    TCase *tests = tcase_create("files");
    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, every_file_passes_as_many_evals_as_are_pinned, 0, ARRAY_SIZE(files));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
