/* Metric types have the names of the API. */
#include "model/metadata.h"

#include <check.h>
#include <stdlib.h>

START_TEST(metadata_types_read_what_they_print)
{
    for (int type = METRIC_UNKNOWN; type <= METRIC_STATESET; type++) {
        enum metric_type back;
        ck_assert(metric_type_parse(slice_str(metric_type_name((enum metric_type)type)), &back));
        ck_assert_int_eq(back, type);
    }
}
END_TEST

START_TEST(metadata_takes_untyped_for_unknown_and_nothing_else)
{
    enum metric_type type = METRIC_COUNTER;
    ck_assert(metric_type_parse(SLICE("untyped"), &type));
    ck_assert_int_eq(type, METRIC_UNKNOWN);
    ck_assert(!metric_type_parse(SLICE("Counter"), &type));
    ck_assert(!metric_type_parse(SLICE_EMPTY, &type));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metadata");
    TCase *tcase = tcase_create("metadata");
    tcase_add_test(tcase, metadata_types_read_what_they_print);
    tcase_add_test(tcase, metadata_takes_untyped_for_unknown_and_nothing_else);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
