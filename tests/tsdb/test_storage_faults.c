/*
 * Storage through everything that it does with files, while one operation fails, all fail from one
 * on (a full disk), or the power goes: at every operation, or with FERULA_FAULTS unset at some
 * dozens of them. Nothing that was acknowledged is lost, nothing is there that was refused, no
 * commit is there by half, and storage opens again.
 */
#include "tests/support/fault_fs.h"
#include "tests/support/storage_scenario.h"
#include "tests/support/tsdb_kit.h"

#include "base/alloc.h"
#include "base/log.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Places that are tried when not all are. */
#define PLACES 24

static struct fault_fs faults;
static struct storage_scenario scenario;
static char *directory;

static void quiet(const char *line, size_t len, void *context)
{
    if (getenv("VERBOSE") != NULL)
        fprintf(stderr, "%.*s", (int)len, line);
}

static void begin(void)
{
    log_set_level(LOG_WARN);
    log_set_sink(quiet, NULL);
    directory = mem_strdup(kit_directory());
    fault_fs_init(&faults);
    scenario_init(&scenario, directory, &faults);
}

static void end(void)
{
    fault_fs_release(&faults);
    kit_remove(directory);
    mem_free(directory);
}

static void check(const char *when, uint64_t k)
{
    struct scenario_findings findings;
    scenario_check(&scenario, scenario.db, &findings);
    ck_assert_msg(findings.wrong == 0 && findings.missing == 0 && findings.unreadable == 0,
                  "operation %lu, %s: %zu wrong, %zu missing, %zu unreadable\n%s", (unsigned long)k,
                  when, findings.wrong, findings.missing, findings.unreadable,
                  buf_cstr(&findings.text));
    scenario_findings_release(&findings);
}

static void check_again(uint64_t k)
{
    fault_fs_fail(&faults, 0, false, 0);
    scenario.is_power_cut = false;
    scenario_open(&scenario);
    check("after a restart", k);
    scenario_close(&scenario);
    scenario_open(&scenario);
    check("after a clean stop", k);
    scenario_close(&scenario);
}

/* The operations of a run in which nothing fails. */
static uint64_t count_operations(void)
{
    begin();
    ck_assert(scenario_run(&scenario));
    check("while nothing fails", 0);
    scenario_close(&scenario);
    uint64_t count = faults.operations;
    check_again(0);
    end();
    return count;
}

static void run_failing(uint64_t k, bool and_after, int error)
{
    begin();
    fault_fs_fail(&faults, k, and_after, error);
    ck_assert(scenario_run(&scenario));
    check("while it runs", k);
    scenario_close(&scenario);
    check_again(k);
    end();
}

static void run_power_cut(uint64_t k, uint64_t seed)
{
    begin();
    scenario.is_power_cut = true;
    fault_fs_fail(&faults, k, true, EIO);
    scenario_run(&scenario);
    scenario_close(&scenario);
    fault_fs_fail(&faults, 0, false, 0);
    fault_fs_cut_power(&faults, seed);
    check_again(k);
    end();
}

/* Calls `run` for every operation, or for some; says how many. */
static void for_operations(const char *name, void (*run)(uint64_t k))
{
    uint64_t count = count_operations();
    uint64_t step = getenv("FERULA_FAULTS") != NULL ? 1 : count / PLACES + 1;
    const char *only = getenv("FERULA_FAULT_AT");
    size_t runs = 0;
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    uint64_t last = only != NULL ? first : count;
    for (uint64_t k = first; k <= last; k += step, runs++)
        run(k);
    printf("%s: %zu of %lu operations\n", name, runs, (unsigned long)count);
}

static void fail_once(uint64_t k)
{
    run_failing(k, false, EIO);
}

START_TEST(an_operation_that_fails_costs_nothing_that_was_acknowledged)
{
    for_operations("fails once", fail_once);
}
END_TEST

static void fail_on(uint64_t k)
{
    run_failing(k, true, ENOSPC);
}

START_TEST(a_disk_that_is_full_for_a_while_costs_nothing_that_was_acknowledged)
{
    for_operations("full from then on", fail_on);
}
END_TEST

static void cut(uint64_t k)
{
    run_power_cut(k, 0);
}

START_TEST(a_power_cut_loses_nothing_that_was_synced)
{
    for_operations("power cut", cut);
}
END_TEST

static void cut_torn(uint64_t k)
{
    run_power_cut(k, k);
}

START_TEST(a_power_cut_that_tears_sectors_loses_nothing_that_was_synced)
{
    for_operations("power cut, torn", cut_torn);
}
END_TEST

/* A case each, so that CK_RUN_CASE can choose. */
static void add(Suite *suite, const char *name, const TTest *test)
{
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 7200);
    tcase_add_test(tcase, test);
    suite_add_tcase(suite, tcase);
}

int main(void)
{
    Suite *suite = suite_create("storage_faults");
    add(suite, "once", an_operation_that_fails_costs_nothing_that_was_acknowledged);
    add(suite, "full", a_disk_that_is_full_for_a_while_costs_nothing_that_was_acknowledged);
    add(suite, "cut", a_power_cut_loses_nothing_that_was_synced);
    add(suite, "torn", a_power_cut_that_tears_sectors_loses_nothing_that_was_synced);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
