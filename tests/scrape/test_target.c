/* From discovered labels to a target: defaults, relabelling, checks, URL, identity. */
#include "scrape/target.h"

#include <check.h>
#include <stdlib.h>

#include "base/compiler.h"

static struct labels_builder builder;
static const struct labels *discovered;
static struct target *target;
static struct errbuf err;

static struct config_scrape base_scrape(void)
{
    return (struct config_scrape){
        .job_name = SLICE("node"),
        .interval_ms = 15000,
        .timeout_ms = 10000,
        .metrics_path = SLICE("/metrics"),
        .scheme = SLICE("http"),
        .utf8_names = true,
    };
}

static void set_up(void)
{
    labels_builder_init(&builder);
}

static void drop_results(void)
{
    labels_unref(discovered);
    target_free(target);
    discovered = NULL;
    target = NULL;
}

static void tear_down(void)
{
    drop_results();
    labels_builder_release(&builder);
}

/* Labels from name, value, ..., NULL. */
static const struct labels *labels_of(const char *const *texts)
{
    struct labels_builder made;
    labels_builder_init(&made);
    for (; *texts != NULL; texts += 2)
        labels_builder_set(&made, slice_str(texts[0]), slice_str(texts[1]));
    const struct labels *labels = labels_builder_build(&made);
    labels_builder_release(&made);
    return labels;
}
#define LABELS(...) labels_of((const char *const[]){__VA_ARGS__, NULL})

static enum target_outcome make(const struct config_scrape *scrape, const struct labels *labels,
                                const struct labels *group)
{
    drop_results();
    err = (struct errbuf)ERRBUF_INIT;
    enum target_outcome outcome =
        target_make(scrape, labels, group, &builder, &discovered, &target, &err);
    labels_unref(labels);
    if (group->reference_count > 0)
        labels_unref(group);
    return outcome;
}

static void expect_label(const struct labels *labels, const char *name, const char *value)
{
    struct slice got = labels_get(labels, slice_str(name));
    ck_assert_msg(slice_eq_str(got, value), "%s is %.*s, not %s", name, SLICE_ARG(got), value);
}

/* A rule whose fields are given; released at the end of the test process. */
static struct relabel_rule rule(const char *source, const char *regex, const char *to,
                                const char *replacement, enum relabel_action action)
{
    struct relabel_rule made;
    relabel_rule_init(&made);
    static struct slice sources[64];
    static size_t source_count;
    if (source != NULL) {
        sources[source_count] = slice_str(source);
        made.source_labels = &sources[source_count++];
        made.source_label_count = 1;
    }
    if (regex != NULL)
        made.regex_text = slice_str(regex);
    if (to != NULL)
        made.target_label = slice_str(to);
    if (replacement != NULL)
        made.replacement = slice_str(replacement);
    made.action = action;
    struct errbuf error = ERRBUF_INIT;
    ck_assert_msg(relabel_rule_compile(&made, &error) == ERR_NONE, "%s", error.text);
    return made;
}

START_TEST(a_target_gets_the_defaults_of_its_job)
{
    struct config_scrape scrape = base_scrape();
    ck_assert_int_eq(make(&scrape, LABELS("__address__", "localhost"), LABELS("zone", "z1")),
                     TARGET_KEPT);
    expect_label(discovered, "__address__", "localhost");
    expect_label(discovered, "__scheme__", "http");
    expect_label(discovered, "__metrics_path__", "/metrics");
    expect_label(discovered, "__scrape_interval__", "15s");
    expect_label(discovered, "__scrape_timeout__", "10s");
    expect_label(discovered, "__scrape_native_histograms__", "false");
    expect_label(discovered, "job", "node");
    expect_label(discovered, "instance", "");
    /* the address has no port and gets none */
    expect_label(target->labels, "instance", "localhost");
    expect_label(target->labels, "job", "node");
    expect_label(target->labels, "zone", "z1");
    ck_assert_uint_eq(target->labels->count, 3);
    ck_assert_str_eq(target->url, "http://localhost/metrics");
    ck_assert_int_eq(target->schedule.interval_ms, 15000);
    ck_assert_int_eq(target->timeout_ms, 10000);
}
END_TEST

START_TEST(labels_of_the_target_win_over_those_of_the_group_and_the_job)
{
    struct config_scrape scrape = base_scrape();
    ck_assert_int_eq(make(&scrape,
                          LABELS("__address__", "a:1", "job", "own", "zone", "t", "instance", "i"),
                          LABELS("zone", "g", "__metrics_path__", "/m")),
                     TARGET_KEPT);
    expect_label(target->labels, "job", "own");
    expect_label(target->labels, "zone", "t");
    expect_label(target->labels, "instance", "i");
    ck_assert_str_eq(target->url, "http://a:1/m");
}
END_TEST

START_TEST(parameters_are_sorted_and_their_labels_stand_for_the_first_value)
{
    struct config_scrape scrape = base_scrape();
    struct slice a_values[] = {SLICE("1"), SLICE("2")};
    struct slice z_values[] = {SLICE("x y&")};
    struct config_parameter parameters[] = {
        {.name = SLICE("a"), .values = a_values, .value_count = 2},
        {.name = SLICE("z"), .values = z_values, .value_count = 1},
    };
    scrape.parameters = parameters;
    scrape.parameter_count = 2;
    ck_assert_int_eq(make(&scrape, LABELS("__address__", "h:1"), labels_empty()), TARGET_KEPT);
    expect_label(discovered, "__param_a", "1");
    ck_assert_str_eq(target->url, "http://h:1/metrics?a=1&a=2&z=x+y%26");
    ck_assert_int_eq(
        make(&scrape,
             LABELS("__address__", "h:1", "__param_a", "9", "__param_target", "http://t/?q=1"),
             labels_empty()),
        TARGET_KEPT);
    ck_assert_str_eq(target->url,
                     "http://h:1/metrics?a=9&a=2&target=http%3A%2F%2Ft%2F%3Fq%3D1&z=x+y%26");
}
END_TEST

START_TEST(the_path_is_escaped_as_go_does)
{
    struct config_scrape scrape = base_scrape();
    scrape.metrics_path = SLICE("/a b?c#d/%41:@$&+,;=-_.~!*'()");
    make(&scrape, LABELS("__address__", "[::1]:9090"), labels_empty());
    ck_assert_str_eq(target->url,
                     "http://[::1]:9090/a%20b%3Fc%23d/%2541:@$&+,;=-_.~%21%2A%27%28%29");
    scrape.metrics_path = SLICE("no/slash");
    make(&scrape, LABELS("__address__", "h"), labels_empty());
    ck_assert_str_eq(target->url, "http://h/no/slash");
}
END_TEST

START_TEST(blackbox_style_relabelling_moves_the_address_to_a_parameter)
{
    struct config_scrape scrape = base_scrape();
    struct relabel_rule rules[] = {
        rule("__address__", NULL, "__param_target", NULL, RELABEL_REPLACE),
        rule("__param_target", NULL, "instance", NULL, RELABEL_REPLACE),
        rule(NULL, NULL, "__address__", "probe:9115", RELABEL_REPLACE),
    };
    scrape.relabel_rules = rules;
    scrape.relabel_rule_count = 3;
    make(&scrape, LABELS("__address__", "https://example.com", "__meta_x", "1", "__tmp", "2"),
         labels_empty());
    ck_assert_ptr_nonnull(target);
    ck_assert_str_eq(target->url, "http://probe:9115/metrics?target=https%3A%2F%2Fexample.com");
    expect_label(target->labels, "instance", "https://example.com");
    expect_label(target->all, "__meta_x", "");
    expect_label(target->all, "__tmp", "2");
    ck_assert_uint_eq(target->labels->count, 2);
    for (int i = 0; i < 3; i++)
        relabel_rule_release(&rules[i]);
}
END_TEST

START_TEST(a_target_that_a_rule_drops_keeps_its_discovered_labels)
{
    struct config_scrape scrape = base_scrape();
    struct relabel_rule rules[] = {rule("__address__", "b.*", NULL, NULL, RELABEL_KEEP)};
    scrape.relabel_rules = rules;
    scrape.relabel_rule_count = 1;
    ck_assert_int_eq(make(&scrape, LABELS("__address__", "a:1"), labels_empty()), TARGET_DROPPED);
    ck_assert_ptr_null(target);
    expect_label(discovered, "__address__", "a:1");
    relabel_rule_release(&rules[0]);
}
END_TEST

static void expect_invalid(const struct labels *labels, const char *text)
{
    struct config_scrape scrape = base_scrape();
    ck_assert_int_eq(make(&scrape, labels, labels_empty()), TARGET_INVALID);
    ck_assert_str_eq(err.text, text);
}

START_TEST(bad_internal_labels_are_refused_in_the_words_of_the_reference)
{
    expect_invalid(LABELS("a", "b"), "no address");
    expect_invalid(LABELS("__address__", "http://a:1/metrics"),
                   "\"http://a:1/metrics\" is not a valid hostname");
    expect_invalid(LABELS("__address__", "a", "__scrape_interval__", "0s"),
                   "scrape interval cannot be 0");
    expect_invalid(LABELS("__address__", "a", "__scrape_timeout__", "0s"),
                   "scrape timeout cannot be 0");
    expect_invalid(LABELS("__address__", "a", "__scrape_interval__", "5"),
                   "error parsing scrape interval: not a valid duration string: \"5\"");
    expect_invalid(LABELS("__address__", "a", "__scrape_timeout__", "x"),
                   "error parsing scrape timeout: not a valid duration string: \"x\"");
    expect_invalid(LABELS("__address__", "a", "__scrape_timeout__", "1h"),
                   "scrape timeout cannot be greater than scrape interval (\"1h\" > \"15s\")");
    expect_invalid(LABELS("__address__", "a", "__scrape_native_histograms__", "yes"),
                   "error parsing scrape native histograms: strconv.ParseBool: parsing \"yes\": "
                   "invalid syntax");
}
END_TEST

START_TEST(interval_and_timeout_come_from_the_labels)
{
    struct config_scrape scrape = base_scrape();
    make(&scrape,
         LABELS("__address__", "a", "__scrape_interval__", "1m30s", "__scrape_timeout__", "500ms"),
         labels_empty());
    ck_assert_int_eq(target->schedule.interval_ms, 90000);
    ck_assert_int_eq(target->timeout_ms, 500);
}
END_TEST

START_TEST(identity_is_labels_and_url)
{
    struct config_scrape scrape = base_scrape();
    make(&scrape, LABELS("__address__", "a:1"), labels_empty());
    struct target *first = TAKE(target);
    make(&scrape, LABELS("__address__", "a:1"), labels_empty());
    ck_assert(target_same(first, target));
    ck_assert_uint_eq(first->hash, target->hash);
    make(&scrape, LABELS("__address__", "a:1", "__tmp_x", "1"), labels_empty());
    ck_assert(!target_same(first, target));
    make(&scrape, LABELS("__address__", "a:2", "instance", "a:1"), labels_empty());
    ck_assert(!target_same(first, target));
    ck_assert(labels_equal(first->labels, target->labels));
    target_free(first);
}
END_TEST

START_TEST(the_identity_is_the_same_in_every_process)
{
    struct config_scrape scrape = base_scrape();
    make(&scrape, LABELS("__address__", "a:1"), labels_empty());
    /* phases hang on it: a change of this number moves every scrape of every user */
    ck_assert_uint_eq(target->hash, UINT64_C(5205169417539080827));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("target");
    TCase *tcase = tcase_create("target");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, a_target_gets_the_defaults_of_its_job);
    tcase_add_test(tcase, labels_of_the_target_win_over_those_of_the_group_and_the_job);
    tcase_add_test(tcase, parameters_are_sorted_and_their_labels_stand_for_the_first_value);
    tcase_add_test(tcase, the_path_is_escaped_as_go_does);
    tcase_add_test(tcase, blackbox_style_relabelling_moves_the_address_to_a_parameter);
    tcase_add_test(tcase, a_target_that_a_rule_drops_keeps_its_discovered_labels);
    tcase_add_test(tcase, bad_internal_labels_are_refused_in_the_words_of_the_reference);
    tcase_add_test(tcase, interval_and_timeout_come_from_the_labels);
    tcase_add_test(tcase, identity_is_labels_and_url);
    tcase_add_test(tcase, the_identity_is_the_same_in_every_process);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
