/* Alerts over a restart, by ALERTS_FOR_STATE. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tests/rules/rules_kit.h"

#define MINUTE_MS 60000
#define PENDING "pending{alertname=\"A\"}"
#define FIRING "firing{alertname=\"A\"}"

static struct rules_kit kit;

static void setup(void)
{
    rules_kit_start(&kit);
}

static void teardown(void)
{
    rules_kit_stop(&kit);
}

static void tick(void)
{
    rules_kit_feed(&kit, "__name__=x", 1);
    rules_kit_tick(&kit);
}

static void run_minutes(int minutes)
{
    for (int i = 0; i < minutes * 6; i++)
        tick();
}

/* An alert that has been pending for some minutes when the server goes away for some. */
static void interrupted(const char *rule, int minutes_before, int minutes_away)
{
    rules_kit_rules(&kit, rule);
    rules_kit_apply(&kit);
    run_minutes(minutes_before);
    rules_kit_restart(&kit, minutes_away * INT64_C(60000));
    rules_kit_apply(&kit);
}

/* Slots until the alert fires. */
static int ticks_until_firing(void)
{
    int count = 0;
    do {
        tick();
        count++;
        ck_assert_int_lt(count, 1000);
    } while (strcmp(rules_kit_alerts(&kit, 0), FIRING) != 0);
    return count;
}

START_TEST(what_was_left_of_for_is_waited_for_after_a_restart)
{
    interrupted("  - alert: A\n    expr: x > 0\n    for: 30m\n", 8, 5);
    int count = ticks_until_firing();
    /* 30 - 8 minutes, from the second slot on; seconds are cut */
    ck_assert_int_ge(count, 22 * 6);
    ck_assert_int_le(count, 22 * 6 + 4);
}
END_TEST

START_TEST(at_least_the_grace_period_is_waited_for)
{
    interrupted("  - alert: A\n    expr: x > 0\n    for: 15m\n", 14, 5);
    int count = ticks_until_firing();
    ck_assert_int_ge(count, 10 * 6);
    ck_assert_int_le(count, 10 * 6 + 3);
}
END_TEST

START_TEST(an_alert_that_was_firing_fires_at_the_third_slot)
{
    interrupted("  - alert: A\n    expr: x > 0\n    for: 10m\n", 12, 5);
    ck_assert_int_eq(ticks_until_firing(), 3);
}
END_TEST

START_TEST(an_outage_beyond_the_tolerance_begins_anew)
{
    interrupted("  - alert: A\n    expr: x > 0\n    for: 10m\n", 12, 61);
    ck_assert_int_ge(ticks_until_firing(), 10 * 6);
}
END_TEST

START_TEST(a_short_for_is_not_restored)
{
    interrupted("  - alert: A\n    expr: x > 0\n    for: 5m\n", 4, 1);
    ck_assert_int_eq(ticks_until_firing(), 5 * 6 + 1);
}
END_TEST

START_TEST(an_alert_that_had_ended_begins_anew)
{
    rules_kit_rules(&kit, "  - alert: A\n    expr: x > 0\n    for: 10m\n");
    rules_kit_apply(&kit);
    run_minutes(8);
    rules_kit_feed(&kit, "__name__=x", NAN);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_alerts(&kit, 0), "");
    rules_kit_restart(&kit, MINUTE_MS);
    rules_kit_apply(&kit);
    ck_assert_int_ge(ticks_until_firing(), 10 * 6);
}
END_TEST

START_TEST(labels_with_templates_are_found_again)
{
    rules_kit_rules(&kit, "  - alert: A\n    expr: x > 0\n    for: 10m\n"
                          "    labels: {who: '{{ $labels.job }}'}\n");
    rules_kit_apply(&kit);
    for (int i = 0; i < 70; i++) {
        rules_kit_feed(&kit, "__name__=x,job=j", 1);
        rules_kit_tick(&kit);
    }
    rules_kit_restart(&kit, MINUTE_MS);
    rules_kit_apply(&kit);
    for (int i = 0; i < 3; i++) {
        rules_kit_feed(&kit, "__name__=x,job=j", 1);
        rules_kit_tick(&kit);
    }
    ck_assert_str_eq(rules_kit_alerts(&kit, 0),
                     "firing{alertname=\"A\", job=\"j\", who=\"j\"}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("restore");
    TCase *cases = tcase_create("restore");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 120);
    tcase_add_test(cases, what_was_left_of_for_is_waited_for_after_a_restart);
    tcase_add_test(cases, at_least_the_grace_period_is_waited_for);
    tcase_add_test(cases, an_alert_that_was_firing_fires_at_the_third_slot);
    tcase_add_test(cases, an_outage_beyond_the_tolerance_begins_anew);
    tcase_add_test(cases, a_short_for_is_not_restored);
    tcase_add_test(cases, an_alert_that_had_ended_begins_anew);
    tcase_add_test(cases, labels_with_templates_are_found_again);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
