/*
 * The reference's own test scripts, where FERULA_SHARED has them. For every file the number of
 * evals that pass is pinned, and so is their total. Where the folder is missing the test says so
 * and skips; where CI=true that is a failure.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* All that there are: none is edited or left out. */
#define EVALS 2214

/* What the reference's runner switches on. */
#define FEATURES                                                                                   \
    (PROMQL_EXPERIMENTAL_FUNCTIONS | PROMQL_DURATION_EXPRESSIONS |                                 \
     PROMQL_EXTENDED_RANGE_SELECTORS | PROMQL_FILL_MODIFIERS | PROMQL_DELAYED_NAME_REMOVAL |       \
     PROMQL_START_TIMESTAMPS)

struct totals {
    size_t files;
    size_t evals;
    size_t passed;
    size_t wrong; /* files with another count than their pin */
};

static const struct pinned *pinned_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        if (strcmp(files[i].file, name) == 0)
            return &files[i];
    }
    return NULL;
}

static void run_script(const char *name, struct slice content, void *context)
{
    struct totals *totals = context;
    struct promql_engine *engine = script_engine_new(FEATURES);
    struct script_counts counts =
        promql_script_run(name, content, engine, FEATURES, getenv("VERBOSE") != NULL);
    promql_engine_free(engine);
    const struct pinned *pinned = pinned_find(name);
    bool right = pinned != NULL && counts.passed == pinned->passed;
    printf("%s: %zu of %zu%s\n", name, counts.passed, counts.evals,
           right            ? ""
           : pinned == NULL ? ", which nothing pins"
                            : ", another count than the one that is pinned");
    totals->files++;
    totals->evals += counts.evals;
    totals->passed += counts.passed;
    totals->wrong += !right;
}

/* Each instant eval is evaluated as a range query too, and at @ its time: see promql_script.h. */
START_TEST(every_file_passes_as_many_evals_as_are_pinned)
{
    struct totals totals = {0};
    if (shared_data_each("conformance/promqltest", ".test", run_script, &totals) == 0)
        return; /* it has said so, and has failed where CI=true */
    printf("total: %zu of %zu evals in %zu files\n", totals.passed, totals.evals, totals.files);
    ck_assert_uint_eq(totals.wrong, 0);
    ck_assert_uint_eq(totals.files, ARRAY_SIZE(files));
    ck_assert_uint_eq(totals.evals, EVALS);
    ck_assert_uint_eq(totals.passed, EVALS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/conformance");
    TCase *tests = tcase_create("files");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, every_file_passes_as_many_evals_as_are_pinned);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
