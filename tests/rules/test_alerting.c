/* Alerts from slot to slot. Every test feeds one series and looks at the states after each slot. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/rules/rules_kit.h"

#define RULE(more) "  - alert: A\n    expr: x > 0\n" more
#define X "__name__=x"
#define PENDING "pending{alertname=\"A\"}"
#define FIRING "firing{alertname=\"A\"}"
#define ALERTS_FIRING "__name__=ALERTS,alertname=A,alertstate=firing"
#define ALERTS_PENDING "__name__=ALERTS,alertname=A,alertstate=pending"
#define FOR_STATE "__name__=ALERTS_FOR_STATE,alertname=A"

static struct rules_kit kit;

static void setup(void)
{
    rules_kit_start(&kit);
}

static void teardown(void)
{
    rules_kit_stop(&kit);
}

/* One slot with the series at a value; NAN = it is gone. */
static const char *tick_with(double value)
{
    rules_kit_feed(&kit, X, value);
    rules_kit_tick(&kit);
    return rules_kit_alerts(&kit, 0);
}

static void begin(const char *rules)
{
    rules_kit_rules(&kit, rules);
    rules_kit_apply(&kit);
}

START_TEST(an_alert_without_for_fires_at_once)
{
    begin(RULE(""));
    ck_assert_str_eq(tick_with(0), "");
    ck_assert_str_eq(tick_with(1), FIRING);
    ck_assert_str_eq(tick_with(0), "");
}
END_TEST

START_TEST(for_is_over_at_the_slot_that_is_exactly_so_much_later)
{
    begin(RULE("    for: 30s\n"));
    ck_assert_str_eq(tick_with(1), PENDING);
    ck_assert_str_eq(tick_with(1), PENDING);
    ck_assert_str_eq(tick_with(1), PENDING);
    ck_assert_str_eq(tick_with(1), FIRING);
}
END_TEST

START_TEST(a_pending_alert_whose_condition_goes_is_forgotten_and_begins_anew)
{
    begin(RULE("    for: 20s\n"));
    ck_assert_str_eq(tick_with(1), PENDING);
    ck_assert_str_eq(tick_with(1), PENDING);
    ck_assert_str_eq(tick_with(0), "");
    ck_assert_str_eq(tick_with(1), PENDING);
    ck_assert_str_eq(tick_with(1), PENDING);
    ck_assert_str_eq(tick_with(1), FIRING);
    ck_assert_str_ne(rules_kit_sent(0), "");
}
END_TEST

START_TEST(keep_firing_for_bridges_gaps)
{
    begin(RULE("    keep_firing_for: 20s\n"));
    ck_assert_str_eq(tick_with(1), FIRING);
    ck_assert_str_eq(tick_with(0), FIRING);
    ck_assert_str_eq(tick_with(0), FIRING);
    ck_assert_str_eq(tick_with(1), FIRING); /* the time begins anew */
    ck_assert_str_eq(tick_with(0), FIRING);
    ck_assert_str_eq(tick_with(0), FIRING);
    ck_assert_str_eq(tick_with(0), "");
}
END_TEST

START_TEST(keep_firing_for_does_not_hold_a_pending_alert)
{
    begin(RULE("    for: 20s\n    keep_firing_for: 1m\n"));
    ck_assert_str_eq(tick_with(1), PENDING);
    ck_assert_str_eq(tick_with(0), "");
}
END_TEST

START_TEST(alerts_are_sent_when_they_fire_and_again_after_the_resend_delay)
{
    begin(RULE("    for: 10s\n"));
    tick_with(1);
    ck_assert_str_eq(rules_kit_sent(0), "");
    tick_with(1);
    int64_t fired_ms = kit.slot_ms;
    /* it lasts four times the resend delay of a minute, which is longer than the interval */
    ck_assert_str_eq(rules_kit_sent(fired_ms), "{alertname=\"A\"}{} 0..240");
    for (int i = 0; i < 6; i++) {
        tick_with(1);
        ck_assert_str_eq(rules_kit_sent(fired_ms), "");
    }
    tick_with(1); /* 70 s later: more than a minute */
    ck_assert_str_eq(rules_kit_sent(fired_ms), "{alertname=\"A\"}{} 0..310");
    ck_assert_str_eq(rules_kit_generator_url,
                     "http://here:9090/graph?g0.expr=x+%3E+0&g0.tab=1");
}
END_TEST

START_TEST(a_resolved_alert_is_sent_for_fifteen_minutes)
{
    begin(RULE(""));
    tick_with(1);
    int64_t fired_ms = kit.slot_ms;
    ck_assert_str_eq(rules_kit_sent(fired_ms), "{alertname=\"A\"}{} 0..240");
    tick_with(0);
    ck_assert_str_eq(rules_kit_sent(fired_ms), "{alertname=\"A\"}{} 0..10");
    int sent = 0;
    int64_t last_ms = 0;
    for (int i = 0; i < 120; i++) {
        tick_with(0);
        const char *text = rules_kit_sent(fired_ms);
        if (text[0] == '\0')
            continue;
        ck_assert_str_eq(text, "{alertname=\"A\"}{} 0..10");
        last_ms = kit.slot_ms - fired_ms;
        sent++;
    }
    ck_assert_int_eq(sent, 12); /* every 70 s */
    ck_assert_int_le(last_ms, 10000 + 15 * 60000);
}
END_TEST

START_TEST(an_alert_that_flaps_begins_anew_each_time)
{
    begin(RULE(""));
    tick_with(1);
    int64_t fired_ms = kit.slot_ms;
    tick_with(0);
    rules_kit_sent(0);
    tick_with(1);
    ck_assert_str_eq(rules_kit_sent(fired_ms), "{alertname=\"A\"}{} 20..260");
    tick_with(0);
    ck_assert_str_eq(rules_kit_sent(fired_ms), "{alertname=\"A\"}{} 20..30");
}
END_TEST

START_TEST(samples_of_alerts_are_written_from_the_third_slot_on)
{
    begin(RULE("    for: 30s\n"));
    tick_with(1);
    int64_t active_ms = kit.slot_ms;
    tick_with(1);
    ck_assert_str_eq(rules_kit_read(&kit, ALERTS_PENDING, active_ms), "");
    tick_with(1);
    ck_assert_str_eq(rules_kit_read(&kit, ALERTS_PENDING, active_ms), "20:1");
    tick_with(1);
    tick_with(0);
    ck_assert_str_eq(rules_kit_read(&kit, ALERTS_PENDING, active_ms), "20:1 30:stale");
    ck_assert_str_eq(rules_kit_read(&kit, ALERTS_FIRING, active_ms), "30:1 40:stale");
    char expected[128];
    snprintf(expected, sizeof(expected), "20:%lld 30:%lld 40:stale", (long long)active_ms / 1000,
             (long long)active_ms / 1000);
    ck_assert_str_eq(rules_kit_read(&kit, FOR_STATE, active_ms), expected);
}
END_TEST

START_TEST(labels_and_annotations_are_expanded)
{
    begin("  - alert: A\n    expr: x > 0\n"
          "    labels: {severity: page, who: '{{ $labels.job }}', alertname: other}\n"
          "    annotations: {text: '{{ $value }} of {{ $labels.job }}', bad: '{{ first nil }}'}\n");
    rules_kit_feed(&kit, "__name__=x,job=j", 2.5);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_alerts(&kit, 0),
                     "firing{alertname=\"A\", job=\"j\", severity=\"page\", who=\"j\"}");
    ck_assert_str_eq(rules_kit_sent(kit.slot_ms),
                     "{alertname=\"A\", job=\"j\", severity=\"page\", who=\"j\"}"
                     "{bad=\"<error expanding template: error executing template __alert_A: template: "
                     "__alert_A:1:115: executing \\\"__alert_A\\\" at <first nil>: error calling "
                     "first: first() called on vector with no elements>\", text=\"2.5 of j\"} 0..240");
}
END_TEST

START_TEST(the_same_labels_twice_are_an_error)
{
    begin("  - alert: A\n    expr: x > 0\n    labels: {job: same}\n");
    rules_kit_feed(&kit, "__name__=x,job=a", 1);
    rules_kit_feed(&kit, "__name__=x,job=b", 1);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_health(&kit, 0), "err: vector contains metrics with the same "
                                                "labelset after applying alert labels");
}
END_TEST

START_TEST(more_alerts_than_the_limit_clear_all)
{
    rules_kit_write(&kit, "rules.yml",
                    "groups:\n- name: g\n  limit: 1\n  rules:\n  - alert: A\n    expr: x > 0\n");
    rules_kit_apply(&kit);
    rules_kit_feed(&kit, "__name__=x,job=a", 1);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_health(&kit, 0), "ok");
    rules_kit_feed(&kit, "__name__=x,job=b", 1);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_health(&kit, 0), "err: exceeded limit of 1 with 2 alerts");
    ck_assert_str_eq(rules_kit_alerts(&kit, 0), "");
}
END_TEST

START_TEST(a_reload_keeps_the_time_of_pending_alerts)
{
    begin(RULE("    for: 30s\n"));
    tick_with(1);
    tick_with(1);
    /* another rule before it, and the expression is another: name and labels are what counts */
    begin("  - record: r\n    expr: vector(1)\n"
          "  - alert: A\n    expr: x > 0.5\n    for: 30s\n");
    ck_assert_str_eq(rules_kit_alerts(&kit, 1), PENDING);
    rules_kit_feed(&kit, X, 1);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_alerts(&kit, 1), PENDING);
    rules_kit_feed(&kit, X, 1);
    rules_kit_tick(&kit);
    ck_assert_str_eq(rules_kit_alerts(&kit, 1), FIRING);
}
END_TEST

START_TEST(a_longer_for_makes_a_firing_alert_pending)
{
    begin(RULE("    for: 10s\n"));
    tick_with(1);
    ck_assert_str_eq(tick_with(1), FIRING);
    begin(RULE("    for: 40s\n"));
    ck_assert_str_eq(tick_with(1), PENDING);
    ck_assert_str_eq(tick_with(1), PENDING);
    ck_assert_str_eq(tick_with(1), FIRING);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("alerting");
    TCase *cases = tcase_create("alerting");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, an_alert_without_for_fires_at_once);
    tcase_add_test(cases, for_is_over_at_the_slot_that_is_exactly_so_much_later);
    tcase_add_test(cases, a_pending_alert_whose_condition_goes_is_forgotten_and_begins_anew);
    tcase_add_test(cases, keep_firing_for_bridges_gaps);
    tcase_add_test(cases, keep_firing_for_does_not_hold_a_pending_alert);
    tcase_add_test(cases, alerts_are_sent_when_they_fire_and_again_after_the_resend_delay);
    tcase_add_test(cases, a_resolved_alert_is_sent_for_fifteen_minutes);
    tcase_add_test(cases, an_alert_that_flaps_begins_anew_each_time);
    tcase_add_test(cases, samples_of_alerts_are_written_from_the_third_slot_on);
    tcase_add_test(cases, labels_and_annotations_are_expanded);
    tcase_add_test(cases, the_same_labels_twice_are_an_error);
    tcase_add_test(cases, more_alerts_than_the_limit_clear_all);
    tcase_add_test(cases, a_reload_keeps_the_time_of_pending_alerts);
    tcase_add_test(cases, a_longer_for_makes_a_firing_alert_pending);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
