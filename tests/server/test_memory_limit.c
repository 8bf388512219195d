/* The memory limit is the smallest of the control groups' and the machine's. */
#include "server/memory_limit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char root[64];

static void setup(void)
{
    snprintf(root, sizeof(root), "/tmp/ferula-groups-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void teardown(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
}

static void make(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    if (text == NULL) {
        ck_assert_int_eq(mkdir(path, 0755), 0);
        return;
    }
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static uint64_t limit(void)
{
    char groups[128];
    snprintf(groups, sizeof(groups), "%s/groups", root);
    return memory_limit_of_groups(groups, root);
}

START_TEST(version_2_takes_the_smallest_on_the_way_up)
{
    make("groups", "0::/a/b\n");
    make("a", NULL);
    make("a/b", NULL);
    make("a/b/memory.max", "max\n");
    make("a/memory.max", "1000000\n");
    ck_assert_uint_eq(limit(), 1000000);
    make("a/b/memory.max", "500000\n");
    ck_assert_uint_eq(limit(), 500000);
}
END_TEST

START_TEST(version_1_has_a_number_that_means_no_limit)
{
    make("groups", "4:cpu,cpuacct:/x\n3:memory:/x\n");
    make("memory", NULL);
    make("memory/x", NULL);
    make("memory/x/memory.limit_in_bytes", "9223372036854771712\n");
    ck_assert_uint_eq(limit(), UINT64_MAX);
    make("memory/memory.limit_in_bytes", "70000\n");
    ck_assert_uint_eq(limit(), 70000);
}
END_TEST

START_TEST(without_groups_there_is_no_limit)
{
    ck_assert_uint_eq(limit(), UINT64_MAX);
    make("groups", "garbage\n\n:\n0::/\n");
    ck_assert_uint_eq(limit(), UINT64_MAX);
    ck_assert_uint_gt(memory_limit_available(), (uint64_t)1 << 20);
    ck_assert_uint_lt(memory_limit_available(), UINT64_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory_limit");
    TCase *cases = tcase_create("memory_limit");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, version_2_takes_the_smallest_on_the_way_up);
    tcase_add_test(cases, version_1_has_a_number_that_means_no_limit);
    tcase_add_test(cases, without_groups_there_is_no_limit);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
