/* static_configs become target groups, one for each entry, and stay as they are. */
#include "discovery/discovery.h"

#include <check.h>
#include <stdlib.h>

static struct slice first_targets[] = {{"a:1", 3}, {"b:2", 3}};
static struct slice second_targets[] = {{"c:3", 3}};
static struct config_label second_labels[] = {{{"zone", 4}, {"z1", 2}}, {{"empty", 5}, {"", 0}}};
static struct config_static statics[] = {
    {.targets = first_targets, .target_count = 2},
    {.targets = second_targets, .target_count = 1, .labels = second_labels, .label_count = 2},
};

START_TEST(static_configs_become_one_group_each_with_an_address_label)
{
    struct config_discovery config = {.statics = statics, .static_count = 2};
    struct discovery *discovery = discovery_new(&config, NULL, NULL);
    struct discovery_groups groups;
    discovery_groups(discovery, &groups);
    ck_assert_uint_eq(groups.items.len, 2);
    ck_assert_str_eq(groups.items.items[0]->source, "0");
    ck_assert_str_eq(groups.items.items[1]->source, "1");
    ck_assert_uint_eq(groups.items.items[0]->targets.len, 2);
    ck_assert_uint_eq(groups.items.items[0]->labels->count, 0);
    const struct labels *target = groups.items.items[0]->targets.items[1];
    ck_assert(slice_eq_str(labels_get(target, SLICE("__address__")), "b:2"));
    const struct labels *labels = groups.items.items[1]->labels;
    ck_assert_uint_eq(labels->count, 1);
    ck_assert(slice_eq_str(labels_get(labels, SLICE("zone")), "z1"));
    discovery_groups_free(&groups);
    discovery_free(discovery);
}
END_TEST

START_TEST(a_snapshot_of_groups_outlives_its_discovery)
{
    struct config_discovery config = {.statics = statics, .static_count = 2};
    struct discovery *discovery = discovery_new(&config, NULL, NULL);
    struct discovery_groups groups;
    discovery_groups(discovery, &groups);
    discovery_free(discovery);
    const struct labels *target = groups.items.items[1]->targets.items[0];
    ck_assert(slice_eq_str(labels_get(target, SLICE("__address__")), "c:3"));
    discovery_groups_free(&groups);
}
END_TEST

START_TEST(a_job_without_targets_has_no_groups)
{
    struct config_discovery config = {0};
    struct discovery *discovery = discovery_new(&config, NULL, NULL);
    struct discovery_groups groups;
    discovery_groups(discovery, &groups);
    ck_assert_uint_eq(groups.items.len, 0);
    discovery_groups_free(&groups);
    discovery_free(discovery);
    discovery_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("static_provider");
    TCase *tcase = tcase_create("static_provider");
    tcase_add_test(tcase, static_configs_become_one_group_each_with_an_address_label);
    tcase_add_test(tcase, a_snapshot_of_groups_outlives_its_discovery);
    tcase_add_test(tcase, a_job_without_targets_has_no_groups);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
