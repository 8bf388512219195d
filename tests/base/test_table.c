/* The hash table keeps what it is given, whatever the order of adding and removing. */
#include "base/table.h"

#include "base/hash.h"

#include <check.h>
#include <stdlib.h>

static bool is_number(const void *value, const void *key)
{
    return *(const int *)value == *(const int *)key;
}

START_TEST(table_finds_every_value_after_growth_and_removal)
{
    enum { COUNT = 5000 };
    static int numbers[COUNT];
    struct table table;
    table_init(&table);
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = i;
        /* few distinct hashes, so that probes collide */
        table_add(&table, (uint64_t)(i % 257) * 0x9e3779b97f4a7c15u, &numbers[i]);
    }
    for (int i = 0; i < COUNT; i += 3) {
        int *taken = table_remove(&table, (uint64_t)(i % 257) * 0x9e3779b97f4a7c15u, is_number, &i);
        ck_assert_ptr_eq(taken, &numbers[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        int *found = table_get(&table, (uint64_t)(i % 257) * 0x9e3779b97f4a7c15u, is_number, &i);
        ck_assert_ptr_eq(found, i % 3 == 0 ? NULL : &numbers[i]);
    }
    size_t count = 0;
    size_t at = 0;
    while (table_next(&table, &at) != NULL)
        count++;
    ck_assert_uint_eq(count, table.len);
    table_release(&table);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("table");
    TCase *tcase = tcase_create("table");
    tcase_add_test(tcase, table_finds_every_value_after_growth_and_removal);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
