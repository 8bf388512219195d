/* Slots lie on a grid of the wall clock; timestamps sit on it when a scrape is nearly in time. */
#include "scrape/schedule.h"

#include <check.h>
#include <stdlib.h>

#define START_MS INT64_C(1700000000123)

START_TEST(the_first_slot_comes_within_one_interval_at_the_phase)
{
    for (uint64_t hash = 1; hash < 2000; hash += 37) {
        struct schedule schedule;
        schedule_init(&schedule, hash, 99, 15000, true, 2);
        int64_t wait_ms = schedule_start(&schedule, START_MS);
        ck_assert_int_gt(wait_ms, 0);
        ck_assert_int_le(wait_ms, 15000);
        ck_assert_int_eq(schedule.slot_ms % 15000, (int64_t)((hash ^ 99) % 15000));
    }
}
END_TEST

START_TEST(targets_spread_over_the_interval)
{
    int buckets[10] = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        struct schedule schedule;
        schedule_init(&schedule, i * UINT64_C(0x9e3779b97f4a7c15), 7, 10000, true, 2);
        buckets[schedule.phase_ms / 1000]++;
    }
    for (int i = 0; i < 10; i++)
        ck_assert_int_gt(buckets[i], 50);
}
END_TEST

START_TEST(a_restart_keeps_the_phase)
{
    struct schedule first;
    struct schedule second;
    schedule_init(&first, 1234567, 42, 5000, true, 2);
    schedule_start(&first, START_MS);
    schedule_init(&second, 1234567, 42, 5000, true, 2);
    schedule_start(&second, START_MS + 77777);
    ck_assert_int_eq((second.slot_ms - first.slot_ms) % 5000, 0);
}
END_TEST

START_TEST(a_scrape_that_is_nearly_in_time_has_the_time_of_its_slot)
{
    struct schedule schedule;
    schedule_init(&schedule, 5, 0, 1000, true, 2);
    schedule_start(&schedule, START_MS);
    int64_t first = schedule.slot_ms;
    for (int64_t i = 0; i < 100; i++) {
        int64_t late = i % 5 - 2; /* from 2 ms early to 2 ms late */
        ck_assert_int_eq(schedule_take(&schedule, first + i * 1000 + late), first + i * 1000);
        ck_assert_int_eq(schedule.slot_ms, first + (i + 1) * 1000);
    }
}
END_TEST

START_TEST(a_late_scrape_has_its_own_time_and_the_next_one_the_grid_again)
{
    struct schedule schedule;
    schedule_init(&schedule, 5, 0, 1000, true, 2);
    schedule_start(&schedule, START_MS);
    int64_t slot = schedule.slot_ms;
    ck_assert_int_eq(schedule_take(&schedule, slot + 3), slot + 3);
    ck_assert_int_eq(schedule_take(&schedule, slot + 1000), slot + 1000);
}
END_TEST

START_TEST(missed_slots_are_skipped)
{
    struct schedule schedule;
    schedule_init(&schedule, 5, 0, 1000, true, 2);
    schedule_start(&schedule, START_MS);
    int64_t slot = schedule.slot_ms;
    ck_assert_int_eq(schedule_take(&schedule, slot + 4500), slot + 4500);
    ck_assert_int_eq(schedule.slot_ms, slot + 5000);
}
END_TEST

START_TEST(the_tolerance_is_at_most_a_hundredth_of_the_interval)
{
    struct schedule schedule;
    schedule_init(&schedule, 5, 0, 100, true, 2);
    schedule_start(&schedule, START_MS);
    int64_t slot = schedule.slot_ms;
    ck_assert_int_eq(schedule_take(&schedule, slot + 1), slot);
    ck_assert_int_eq(schedule_take(&schedule, slot + 102), slot + 102);
}
END_TEST

START_TEST(timestamps_are_not_aligned_when_that_is_off)
{
    struct schedule schedule;
    schedule_init(&schedule, 5, 0, 1000, false, 2);
    schedule_start(&schedule, START_MS);
    int64_t slot = schedule.slot_ms;
    ck_assert_int_eq(schedule_take(&schedule, slot + 1), slot + 1);
    ck_assert_int_eq(schedule.slot_ms, slot + 1000);
}
END_TEST

START_TEST(a_wall_clock_that_is_set_back_costs_no_more_than_an_interval)
{
    struct schedule schedule;
    schedule_init(&schedule, 5, 0, 1000, true, 2);
    schedule_start(&schedule, START_MS);
    int64_t now = schedule.slot_ms - 3600000;
    ck_assert_int_le(schedule_wait_ms(&schedule, now), 1000);
    ck_assert_int_eq(schedule_take(&schedule, now), now);
    int64_t wait = schedule_wait_ms(&schedule, now);
    ck_assert_int_gt(wait, 0);
    ck_assert_int_le(wait, 1000);
    ck_assert_int_eq(schedule.slot_ms % 1000, 5);
}
END_TEST

START_TEST(a_small_step_back_does_not_scrape_a_slot_twice)
{
    struct schedule schedule;
    schedule_init(&schedule, 5, 0, 1000, true, 2);
    schedule_start(&schedule, START_MS);
    int64_t slot = schedule.slot_ms;
    ck_assert_int_eq(schedule_take(&schedule, slot - 300), slot - 300);
    ck_assert_int_eq(schedule.slot_ms, slot + 1000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *tcase = tcase_create("schedule");
    tcase_add_test(tcase, the_first_slot_comes_within_one_interval_at_the_phase);
    tcase_add_test(tcase, targets_spread_over_the_interval);
    tcase_add_test(tcase, a_restart_keeps_the_phase);
    tcase_add_test(tcase, a_scrape_that_is_nearly_in_time_has_the_time_of_its_slot);
    tcase_add_test(tcase, a_late_scrape_has_its_own_time_and_the_next_one_the_grid_again);
    tcase_add_test(tcase, missed_slots_are_skipped);
    tcase_add_test(tcase, the_tolerance_is_at_most_a_hundredth_of_the_interval);
    tcase_add_test(tcase, timestamps_are_not_aligned_when_that_is_off);
    tcase_add_test(tcase, a_wall_clock_that_is_set_back_costs_no_more_than_an_interval);
    tcase_add_test(tcase, a_small_step_back_does_not_scrape_a_slot_twice);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
