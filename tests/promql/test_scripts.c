/*
 * The scripts in tests/promql_scripts: every eval passes, and there is no file without any. Those
 * whose name begins with "experimental_" run with everything switched on; with "_early_" behind it,
 * but for the delayed removal of names; with "_typed_", with types and units as labels. No
 * function, aggregation, modifier or operator is without several.
 */
#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/fs.h"
#include "promql/ast.h"
#include "promql/functions.h"
#include "tests/support/promql_script.h"

#define FEATURES_ALL                                                                               \
    (PROMQL_EXPERIMENTAL_FUNCTIONS | PROMQL_DURATION_EXPRESSIONS |                                 \
     PROMQL_EXTENDED_RANGE_SELECTORS | PROMQL_FILL_MODIFIERS | PROMQL_DELAYED_NAME_REMOVAL |       \
     PROMQL_START_TIMESTAMPS)

/* Adds the evals that do not pass; each has been told with its place. */
static void run_file(const char *name, size_t *missed)
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
    struct promql_engine *engine = script_engine_new(features);
    struct script_counts counts =
        promql_script_run(name, buf_slice(&script), engine, features, true);
    promql_engine_free(engine);
    printf("%s: %zu of %zu\n", name, counts.passed, counts.evals);
    ck_assert_uint_gt(counts.evals, 0);
    *missed += counts.evals - counts.passed;
}

START_TEST(every_eval_of_every_script_passes)
{
    DIR *directory = opendir(SOURCE_ROOT "/tests/promql_scripts");
    ck_assert_ptr_nonnull(directory);
    struct dirent *entry;
    size_t count = 0;
    size_t missed = 0;
    while ((entry = readdir(directory)) != NULL) {
        if (!slice_has_suffix(slice_str(entry->d_name), SLICE(".test")))
            continue;
        run_file(entry->d_name, &missed);
        count++;
    }
    closedir(directory);
    ck_assert_uint_ge(count, 23);
    ck_assert_uint_eq(missed, 0);
}
END_TEST

/* All lines of all scripts that evaluate something. */
static void read_evals(struct buf *out)
{
    DIR *directory = opendir(SOURCE_ROOT "/tests/promql_scripts");
    ck_assert_ptr_nonnull(directory);
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        struct buf path CLEANUP(buf_release);
        struct buf script CLEANUP(buf_release);
        buf_init(&path, 4096);
        buf_init(&script, 16 << 20);
        if (!slice_has_suffix(slice_str(entry->d_name), SLICE(".test")))
            continue;
        buf_printf(&path, "%s/tests/promql_scripts/%s", SOURCE_ROOT, entry->d_name);
        ck_assert_int_eq(fs_read_file(fs_system, buf_cstr(&path), &script, NULL), ERR_NONE);
        char *rest = NULL;
        for (char *line = strtok_r((char *)buf_cstr(&script), "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest)) {
            if (strncmp(line, "eval", 4) == 0)
                buf_printf(out, "%s\n", line);
        }
    }
    closedir(directory);
}

/* How often a word occurs; as a call, where a parenthesis must follow. */
static size_t count_word(const struct buf *evals, const char *word, bool call)
{
    size_t count = 0;
    size_t len = strlen(word);
    const char *text = buf_cstr((struct buf *)evals);
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + len, word)) {
        bool before = at > text && (isalnum((unsigned char)at[-1]) || at[-1] == '_');
        bool behind = call ? at[len] != '(' : isalnum((unsigned char)at[len]) || at[len] == '_';
        count += !before && !behind;
    }
    return count;
}

/* One would be the plain case. */
#define EVALS_EACH_MIN 4

START_TEST(every_function_is_evaluated_at_several_edges)
{
    struct buf evals CLEANUP(buf_release);
    buf_init(&evals, 16 << 20);
    read_evals(&evals);
    for (size_t i = 0; i < FUNCTION_COUNT_ALL; i++) {
        const char *name = function_at(i)->name;
        size_t count = count_word(&evals, name, true);
        ck_assert_msg(count >= EVALS_EACH_MIN, "%s() has %zu evals", name, count);
    }
}
END_TEST

START_TEST(every_aggregation_modifier_and_operator_is_evaluated_at_several_edges)
{
    static const char *const words[] = {
        "atan2",   "and",        "or",          "unless",  "bool",      "on",         "ignoring",
        "fill",    "group_left", "group_right", "offset",  "fill_left", "fill_right", "by",
        "without", "anchored",   "smoothed",    "@ start", "@ end",
    };
    static const char *const symbols[] = {
        " + ", " - ",  " * ",  " / ",  " % ",  " ^ ", " == ", " != ", " < ",
        " > ", " >= ", " <= ", " </ ", " >/ ", " @ ", "=~",   "!~",   "!=\"",
    };
    struct buf evals CLEANUP(buf_release);
    buf_init(&evals, 16 << 20);
    read_evals(&evals);
    for (enum aggregate_kind op = AGGREGATE_SUM; op <= AGGREGATE_LIMIT_RATIO; op++) {
        size_t count = count_word(&evals, aggregate_name(op), false);
        ck_assert_msg(count >= EVALS_EACH_MIN, "%s has %zu evals", aggregate_name(op), count);
    }
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t count = count_word(&evals, words[i], false);
        ck_assert_msg(count >= EVALS_EACH_MIN, "%s has %zu evals", words[i], count);
    }
    for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
        size_t count = 0;
        for (const char *at = buf_cstr(&evals); (at = strstr(at, symbols[i])) != NULL; at++)
            count++;
        ck_assert_msg(count >= EVALS_EACH_MIN, "%s has %zu evals", symbols[i], count);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/scripts");
    TCase *tests = tcase_create("scripts");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, every_eval_of_every_script_passes);
    tcase_add_test(tests, every_function_is_evaluated_at_several_edges);
    tcase_add_test(tests, every_aggregation_modifier_and_operator_is_evaluated_at_several_edges);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
