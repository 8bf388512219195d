/* Alerts on their way to Alertmanagers that listen on local ports. */
#include "rules/notifier.h"

#include <check.h>
#include <math.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/counters.h"
#include "model/labels_builder.h"
#include "tests/support/fake_alertmanager.h"

#define CONFIG_SIZE_MAX 8192
#define STARTS_MS 1600000000123
#define ENDS_MS 1600000240123

static struct fake_alertmanager first;
static struct fake_alertmanager second;
static struct notifier *notifier;

static void setup(void)
{
    counters_reset_all();
    fake_alertmanager_start(&first);
    fake_alertmanager_start(&second);
    notifier = NULL;
}

static void teardown(void)
{
    notifier_free(notifier);
    fake_alertmanager_stop(&first);
    fake_alertmanager_stop(&second);
}

/* Every $1 and $2 becomes the address of an Alertmanager. */
static void apply(const char *text)
{
    struct buf config_text;
    struct buf errors;
    buf_init(&config_text, CONFIG_SIZE_MAX);
    buf_init(&errors, CONFIG_SIZE_MAX);
    for (; *text != '\0'; text++) {
        if (text[0] == '$' && (text[1] == '1' || text[1] == '2')) {
            text++;
            buf_printf(&config_text, "127.0.0.1:%u", text[0] == '1' ? first.port : second.port);
        } else {
            buf_append_byte(&config_text, *text);
        }
    }
    struct config *config;
    struct errbuf err = ERRBUF_INIT;
    enum err code = config_parse(buf_slice(&config_text), "test.yml", &config, &errors, &err);
    ck_assert_msg(code == ERR_NONE, "%s%s", err.text, buf_cstr(&errors));
    ck_assert_int_eq(notifier_apply(notifier, config, &err), ERR_NONE);
    config_unref(config);
    buf_release(&config_text);
    buf_release(&errors);
}

static void begin_with(const char *text, struct notifier_options options)
{
    options.user_agent = "Prometheus/test";
    notifier = notifier_new(&options);
    apply(text);
}

static void begin(const char *text)
{
    begin_with(text, (struct notifier_options){0});
}

#define TO_FIRST "alerting: {alertmanagers: [{static_configs: [{targets: ['$1']}]}]}\n"
#define TO_BOTH "alerting: {alertmanagers: [{static_configs: [{targets: ['$1', '$2']}]}]}\n"

static const struct labels *labels_from(const char *const *pairs, size_t count)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    for (size_t i = 0; i < count; i++)
        labels_builder_set(&builder, slice_str(pairs[2 * i]), slice_str(pairs[2 * i + 1]));
    const struct labels *labels = labels_builder_take(&builder);
    labels_builder_release(&builder);
    return labels;
}

/* Alerts a<from> to a<to - 1> in one call. */
static void send_alerts(size_t from, size_t to)
{
    struct notifier_alert alerts[64];
    ck_assert_uint_le(to - from, 64);
    for (size_t i = from; i < to; i++) {
        char name[32];
        snprintf(name, sizeof(name), "a%zu", i);
        const char *const pairs[] = {"alertname", name, "zone", "own"};
        const char *const texts[] = {"text", "x < 1"};
        alerts[i - from] = (struct notifier_alert){
            .labels = labels_from(pairs, 2),
            .annotations = i == 0 ? labels_from(texts, 1) : labels_empty(),
            .starts_at_ms = STARTS_MS,
            .ends_at_ms = ENDS_MS,
            .generator_url = SLICE("http://x/graph?a=1&b=2"),
        };
    }
    notifier_send(notifier, alerts, to - from);
    for (size_t i = 0; i < to - from; i++) {
        labels_unref(alerts[i].labels);
        if (alerts[i].annotations->count > 0)
            labels_unref(alerts[i].annotations);
    }
}

static void assert_has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no %s in %s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) == NULL, "%s in %s", part, text);
}

struct search {
    const char *name;
    uint16_t port; /* 0 = any */
    double value;  /* NAN = not found */
};

static void search_sample(const struct counters_sample *sample, void *context)
{
    struct search *search = context;
    char port[16];
    snprintf(port, sizeof(port), ":%u/", search->port);
    if (strcmp(sample->description->name, search->name) != 0 || sample->extra_name != NULL ||
        strcmp(sample->suffix, "_sum") == 0)
        return;
    if (search->port == 0 || slice_find(sample->label_values[0], slice_str(port)) != SLICE_NONE)
        search->value = sample->value;
}

static double metric(const char *name, const struct fake_alertmanager *fake)
{
    struct search search = {.name = name, .port = fake == NULL ? 0 : fake->port, .value = NAN};
    counters_collect(search_sample, &search);
    return search.value;
}

/* Metrics move a moment after the answer. */
static void await_metric(const char *name, const struct fake_alertmanager *fake, double value)
{
    double found = NAN;
    for (int i = 0; i < 6000; i++) {
        found = metric(name, fake);
        if (found == value || (isnan(found) && isnan(value)))
            return;
        poll(NULL, 0, 5);
    }
    ck_abort_msg("%s is %g, not %g", name, found, value);
}

#define SENT "prometheus_notifications_sent_total"
#define ERRORS "prometheus_notifications_errors_total"
#define DROPPED "prometheus_notifications_dropped_total"
#define QUEUE_LENGTH "prometheus_notifications_queue_length"

/* -- what is sent -- */

START_TEST(the_request_is_that_of_the_reference)
{
    begin("alerting: {alertmanagers: [{path_prefix: '/x y//z/', "
          "static_configs: [{targets: ['$1']}]}]}\n");
    send_alerts(0, 2);
    struct fake_request request = fake_alertmanager_wait(&first, 1);
    assert_has(request.head, "POST /x%20y/z/api/v2/alerts HTTP/1.1\r\n");
    assert_has(request.head, "\r\nUser-Agent: Prometheus/test\r\n");
    assert_has(request.head, "\r\nContent-Type: application/json\r\n");
    ck_assert_str_eq(
        request.body,
        "[{\"annotations\":{\"text\":\"x \\u003c 1\"},\"endsAt\":\"2020-09-13T12:30:40.123Z\","
        "\"startsAt\":\"2020-09-13T12:26:40.123Z\","
        "\"generatorURL\":\"http://x/graph?a=1\\u0026b=2\","
        "\"labels\":{\"alertname\":\"a0\",\"zone\":\"own\"}},"
        "{\"endsAt\":\"2020-09-13T12:30:40.123Z\",\"startsAt\":\"2020-09-13T12:26:40.123Z\","
        "\"generatorURL\":\"http://x/graph?a=1\\u0026b=2\","
        "\"labels\":{\"alertname\":\"a1\",\"zone\":\"own\"}}]");
    await_metric(SENT, &first, 2);
    await_metric("prometheus_notifications_latency_seconds", &first, 1);
    ck_assert_double_eq(metric(ERRORS, &first), 0);
    ck_assert_double_eq(metric("prometheus_notifications_queue_capacity", NULL), 10000);
    ck_assert_double_eq(metric("prometheus_notifications_alertmanagers_discovered", NULL), 1);
}
END_TEST

START_TEST(credentials_and_headers_of_the_configuration_are_sent)
{
    begin("alerting: {alertmanagers: [{basic_auth: {username: u, password: p}, "
          "http_headers: {X-Scope: {values: [team]}}, static_configs: [{targets: ['$1']}]}]}\n");
    send_alerts(0, 1);
    struct fake_request request = fake_alertmanager_wait(&first, 1);
    assert_has(request.head, "\r\nAuthorization: Basic dTpw\r\n");
    assert_has(request.head, "\r\nX-Scope: team\r\n");
}
END_TEST

START_TEST(external_labels_fill_gaps_before_alerts_are_relabelled)
{
    begin("global: {external_labels: {zone: ext, region: r}}\n"
          "alerting:\n"
          "  alert_relabel_configs:\n"
          "  - {source_labels: [alertname, region], regex: 'a0;r', action: drop}\n"
          "  alertmanagers: [{static_configs: [{targets: ['$1']}]}]\n");
    send_alerts(0, 2);
    struct fake_request request = fake_alertmanager_wait(&first, 1);
    assert_lacks(request.body, "a0");
    assert_has(request.body, "{\"alertname\":\"a1\",\"region\":\"r\",\"zone\":\"own\"}");
}
END_TEST

START_TEST(an_alert_that_one_section_drops_goes_to_the_others)
{
    begin("alerting:\n"
          "  alertmanagers:\n"
          "  - static_configs: [{targets: ['$1']}]\n"
          "    alert_relabel_configs:\n"
          "    - {source_labels: [alertname], regex: a0, action: drop}\n"
          "    - {target_label: only, replacement: here}\n"
          "  - static_configs: [{targets: ['$2']}]\n");
    send_alerts(0, 2);
    struct fake_request request = fake_alertmanager_wait(&first, 1);
    assert_lacks(request.body, "a0");
    assert_has(request.body, "\"only\":\"here\"");
    request = fake_alertmanager_wait(&second, 1);
    assert_has(request.body, "a0");
    assert_has(request.body, "a1");
    assert_lacks(request.body, "only");
}
END_TEST

START_TEST(alertmanagers_are_relabelled_and_told_apart_by_url)
{
    begin("alerting:\n"
          "  alertmanagers:\n"
          "  - static_configs: [{targets: ['$1', '$1', 'gone:1'], labels: {path: /own}}]\n"
          "    relabel_configs:\n"
          "    - {source_labels: [__address__], regex: 'gone:1', action: drop}\n"
          "    - {source_labels: [path], target_label: __alerts_path__}\n");
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct notifier_snapshot snapshot;
    ck_assert(notifier_snapshot(notifier, &arena, NULL, &snapshot, NULL) == ERR_NONE);
    char expected[64];
    snprintf(expected, sizeof(expected), "http://127.0.0.1:%u/own", first.port);
    ck_assert_uint_eq(snapshot.active_count, 1);
    ck_assert_str_eq(snapshot.active[0].ptr, expected);
    ck_assert_uint_eq(snapshot.dropped_count, 1);
    ck_assert_str_eq(snapshot.dropped[0].ptr, "http://gone:1/api/v2/alerts");
    arena_release(&arena);
    send_alerts(0, 1);
    assert_has(fake_alertmanager_wait(&first, 1).head, "POST /own HTTP/1.1\r\n");
}
END_TEST

/* -- queues -- */

START_TEST(alerts_are_sent_in_batches_one_at_a_time)
{
    fake_alertmanager_hold(&first, true);
    begin_with(TO_FIRST, (struct notifier_options){.batch_count_max = 2});
    send_alerts(0, 5);
    struct fake_request request = fake_alertmanager_wait(&first, 1);
    assert_has(request.body, "a0");
    assert_has(request.body, "a1");
    assert_lacks(request.body, "a2");
    await_metric(QUEUE_LENGTH, &first, 3);
    fake_alertmanager_hold(&first, false);
    request = fake_alertmanager_wait(&first, 3);
    assert_has(request.body, "a4");
    assert_lacks(request.body, "a3");
    await_metric(SENT, &first, 5);
    ck_assert_double_eq(metric(QUEUE_LENGTH, &first), 0);
}
END_TEST

START_TEST(a_full_queue_drops_its_oldest_alerts)
{
    fake_alertmanager_hold(&first, true);
    begin_with(TO_BOTH, (struct notifier_options){.queue_count_max = 3});
    send_alerts(0, 1);
    fake_alertmanager_wait(&first, 1);
    send_alerts(1, 3);
    fake_alertmanager_wait(&second, 2);
    send_alerts(3, 5);
    ck_assert_double_eq(metric(DROPPED, &first), 1);
    send_alerts(5, 10);
    ck_assert_double_eq(metric(DROPPED, &first), 6);
    fake_alertmanager_hold(&first, false);
    struct fake_request request = fake_alertmanager_wait(&first, 2);
    assert_lacks(request.body, "a6");
    assert_has(request.body, "a7");
    assert_has(request.body, "a9");
    await_metric(SENT, &first, 4);
}
END_TEST

START_TEST(a_failed_batch_is_dropped_and_the_next_one_sent)
{
    begin(TO_FIRST);
    fake_alertmanager_answer(&first, 500);
    send_alerts(0, 2);
    await_metric(ERRORS, &first, 2);
    await_metric(DROPPED, &first, 2);
    ck_assert_double_eq(metric(SENT, &first), 0);
    fake_alertmanager_answer(&first, 202);
    send_alerts(2, 3);
    assert_lacks(fake_alertmanager_wait(&first, 2).body, "a0");
    await_metric(SENT, &first, 1);
    ck_assert_double_eq(metric(ERRORS, &first), 2);
}
END_TEST

START_TEST(an_alertmanager_that_does_not_answer_holds_up_no_other)
{
    fake_alertmanager_hold(&first, true);
    begin("alerting: {alertmanagers: [{timeout: 200ms, static_configs: [{targets: ['$1', "
          "'127.0.0.1:1', '$2']}]}]}\n");
    send_alerts(0, 1);
    fake_alertmanager_wait(&second, 1);
    await_metric(ERRORS, &first, 1);
    struct fake_alertmanager nobody = {.port = 1};
    await_metric(ERRORS, &nobody, 1);
}
END_TEST

/* -- reload and end -- */

START_TEST(a_reload_keeps_the_queues_of_alertmanagers_that_stay)
{
    fake_alertmanager_hold(&first, true);
    begin_with(TO_BOTH, (struct notifier_options){.batch_count_max = 1, .drain_on_shutdown = true});
    send_alerts(0, 3);
    fake_alertmanager_wait(&first, 1);
    fake_alertmanager_wait(&second, 3);
    await_metric(SENT, &second, 3);
    apply("global: {external_labels: {new: label}}\n" TO_FIRST);
    await_metric(SENT, &second, NAN);
    ck_assert_double_eq(metric("prometheus_notifications_alertmanagers_discovered", NULL), 1);
    send_alerts(3, 4);
    fake_alertmanager_hold(&first, false);
    assert_has(fake_alertmanager_wait(&first, 3).body, "a2");
    assert_has(fake_alertmanager_wait(&first, 4).body, "\"new\":\"label\"");
    await_metric(SENT, &first, 4);
    ck_assert_double_eq(metric(DROPPED, &first), 0);
    ck_assert_uint_eq(fake_alertmanager_count(&second), 3);
}
END_TEST

START_TEST(an_alertmanager_that_goes_is_sent_what_was_queued)
{
    fake_alertmanager_hold(&first, true);
    begin_with(TO_FIRST,
               (struct notifier_options){.batch_count_max = 1, .drain_on_shutdown = true});
    send_alerts(0, 2);
    fake_alertmanager_wait(&first, 1);
    apply("{}");
    send_alerts(2, 3);
    fake_alertmanager_hold(&first, false);
    assert_has(fake_alertmanager_wait(&first, 2).body, "a1");
    await_metric(SENT, &first, NAN);
    ck_assert_uint_eq(fake_alertmanager_count(&first), 2);
}
END_TEST

START_TEST(the_queue_is_sent_before_the_end_when_it_is_to_drain)
{
    begin_with(TO_FIRST,
               (struct notifier_options){.batch_count_max = 1, .drain_on_shutdown = true});
    send_alerts(0, 20);
    notifier_free(notifier);
    notifier = NULL;
    ck_assert_uint_eq(fake_alertmanager_count(&first), 20);
}
END_TEST

START_TEST(the_queue_is_dropped_at_the_end_when_it_is_not_to_drain)
{
    fake_alertmanager_hold(&first, true);
    begin_with(TO_FIRST, (struct notifier_options){.batch_count_max = 1});
    send_alerts(0, 20);
    fake_alertmanager_wait(&first, 1);
    notifier_free(notifier);
    notifier = NULL;
    ck_assert_uint_eq(fake_alertmanager_count(&first), 1);
}
END_TEST

START_TEST(draining_does_not_wait_for_ever)
{
    struct clock_manual clock;
    clock_manual_init(&clock, STARTS_MS);
    atomic_store(&clock.mono_ns, 1);
    fake_alertmanager_hold(&first, true);
    begin_with("alerting: {alertmanagers: [{timeout: 1s, static_configs: [{targets: ['$1']}]}]}\n",
               (struct notifier_options){
                   .batch_count_max = 1, .drain_on_shutdown = true, .clock = &clock.clock});
    send_alerts(0, 1);
    fake_alertmanager_wait(&first, 1);
    notifier_free(notifier);
    notifier = NULL;
    ck_assert_uint_eq(fake_alertmanager_count(&first), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notifier");
    TCase *cases = tcase_create("notifier");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, the_request_is_that_of_the_reference);
    tcase_add_test(cases, credentials_and_headers_of_the_configuration_are_sent);
    tcase_add_test(cases, external_labels_fill_gaps_before_alerts_are_relabelled);
    tcase_add_test(cases, an_alert_that_one_section_drops_goes_to_the_others);
    tcase_add_test(cases, alertmanagers_are_relabelled_and_told_apart_by_url);
    tcase_add_test(cases, alerts_are_sent_in_batches_one_at_a_time);
    tcase_add_test(cases, a_full_queue_drops_its_oldest_alerts);
    tcase_add_test(cases, a_failed_batch_is_dropped_and_the_next_one_sent);
    tcase_add_test(cases, an_alertmanager_that_does_not_answer_holds_up_no_other);
    tcase_add_test(cases, a_reload_keeps_the_queues_of_alertmanagers_that_stay);
    tcase_add_test(cases, an_alertmanager_that_goes_is_sent_what_was_queued);
    tcase_add_test(cases, the_queue_is_sent_before_the_end_when_it_is_to_drain);
    tcase_add_test(cases, the_queue_is_dropped_at_the_end_when_it_is_not_to_drain);
    tcase_add_test(cases, draining_does_not_wait_for_ever);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
