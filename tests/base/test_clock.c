/* The clock for tests stands still, and the seed decides what is drawn. */
#include "base/clock.h"
#include "base/rand.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

START_TEST(clock_manual_moves_both_times_together)
{
    struct clock_manual manual;
    clock_manual_init(&manual, 1700000000000);
    int64_t mono_ns = clock_monotonic_ns(&manual.clock);
    ck_assert_int_eq(clock_now_ms(&manual.clock), 1700000000000);
    clock_manual_advance_ms(&manual, 1500);
    ck_assert_int_eq(clock_now_ms(&manual.clock), 1700000001500);
    ck_assert_int_eq(clock_monotonic_ns(&manual.clock) - mono_ns, 1500000000);
}
END_TEST

START_TEST(clock_system_is_after_2020_and_monotonic)
{
    ck_assert_int_gt(clock_now_ms(clock_system), 1577836800000);
    int64_t before = clock_monotonic_ns(clock_system);
    ck_assert_int_ge(clock_monotonic_ns(clock_system), before);
}
END_TEST

START_TEST(rand_repeats_from_its_seed)
{
    struct rand a;
    struct rand b;
    struct rand c;
    rand_init(&a, 5);
    rand_init(&b, 5);
    rand_init(&c, 6);
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        uint64_t drawn = rand_u64(&a);
        ck_assert_uint_eq(drawn, rand_u64(&b));
        differs |= drawn != rand_u64(&c);
    }
    ck_assert(differs);
}
END_TEST

START_TEST(rand_below_reaches_every_value_about_equally)
{
    struct rand rand;
    rand_init(&rand, 1);
    int counts[7] = {0};
    for (int i = 0; i < 70000; i++)
        counts[rand_below(&rand, 7)]++;
    for (int i = 0; i < 7; i++) {
        ck_assert_int_gt(counts[i], 9500);
        ck_assert_int_lt(counts[i], 10500);
    }
    ck_assert_uint_eq(rand_below(&rand, 1), 0);
    for (int i = 0; i < 1000; i++) {
        double drawn = rand_double(&rand);
        ck_assert(drawn >= 0 && drawn < 1);
        ck_assert_uint_lt(rand_below(&rand, UINT64_MAX), UINT64_MAX);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clock");
    TCase *tcase = tcase_create("clock");
    tcase_add_test(tcase, clock_manual_moves_both_times_together);
    tcase_add_test(tcase, clock_system_is_after_2020_and_monotonic);
    tcase_add_test(tcase, rand_repeats_from_its_seed);
    tcase_add_test(tcase, rand_below_reaches_every_value_about_equally);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
