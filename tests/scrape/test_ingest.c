/* Bodies into storage: labels, limits, timestamps, duplicates, staleness, all or nothing. */
#include "scrape/ingest.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "model/sample.h"
#include "tests/support/fake_storage.h"

#define START_MS INT64_C(1700000000000)

static struct ingest ingest;
static struct series_cache cache;
static struct metadata_cache metadata;
static struct mutex metadata_lock;
static struct sample_group *group;
static struct labels *target;
static struct config_scrape scrape;
static struct ingest_result result;
static struct errbuf err;
static int64_t now_ms;
static bool type_and_unit_labels;

static void set_up(void)
{
    fake_storage_reset();
    ingest_init(&ingest, 1);
    mutex_init(&metadata_lock, LOCK_RANK_SCRAPE_METADATA);
    ingest.metadata_scan.lock = &metadata_lock;
    cache = (struct series_cache){0};
    metadata = (struct metadata_cache){0};
    group = sample_group_new(NULL);
    struct labels_builder builder;
    labels_builder_init(&builder);
    labels_builder_set(&builder, SLICE("job"), SLICE("j"));
    labels_builder_set(&builder, SLICE("instance"), SLICE("i"));
    target = labels_builder_build(&builder);
    labels_builder_release(&builder);
    scrape = (struct config_scrape){.honor_timestamps = true, .utf8_names = true};
    now_ms = START_MS;
    type_and_unit_labels = false;
}

static void tear_down(void)
{
    ingest_release(&ingest);
    series_cache_release(&cache);
    metadata_cache_release(&metadata);
    mutex_release(&metadata_lock);
    sample_group_free(group);
    labels_unref(target);
    fake_storage_reset();
}

/* One scrape as the loop does it: commit, or roll back and end everything. */
static bool body_in(enum exposition_format format, const char *text)
{
    struct appender *appender;
    now_ms += 1000;
    err = (struct errbuf)ERRBUF_INIT;
    ck_assert_int_eq(appender_begin(NULL, group, now_ms, &appender, &err), ERR_NONE);
    struct ingest_job job = {.scrape = &scrape,
                             .target = target,
                             .cache = &cache,
                             .metadata = &metadata,
                             .type_and_unit_labels = type_and_unit_labels,
                             .appender = appender,
                             .row_ms = now_ms,
                             .now_ms = now_ms};
    bool good = ingest_body(&ingest, &job, format, slice_str(text), &result, &err) == ERR_NONE;
    if (!good) {
        appender_rollback(appender);
        ck_assert_int_eq(appender_begin(NULL, group, now_ms, &appender, &err), ERR_NONE);
        ck_assert(ingest_abandon(&ingest, appender, now_ms));
    }
    ck_assert_int_eq(appender_commit(appender, &err), ERR_NONE);
    return good;
}

static bool body(const char *text)
{
    return body_in(EXPOSITION_TEXT, text);
}

#define IJ "instance=\"i\",job=\"j\""

static void expect_newest(const char *series, double value)
{
    struct fake_sample sample = fake_storage_sample(series, -1);
    ck_assert_int_eq(sample.t_ms, now_ms);
    ck_assert_double_eq(sample.value, value);
    ck_assert(sample.in_row);
}

START_TEST(samples_get_the_labels_of_the_target_and_the_time_of_the_row)
{
    ck_assert(body("# TYPE a counter\na{x=\"1\"} 5\nb 7\n"));
    expect_newest("a{" IJ ",x=\"1\"}", 5);
    expect_newest("b{" IJ "}", 7);
    ck_assert_uint_eq(result.scraped, 2);
    ck_assert_uint_eq(result.kept, 2);
    ck_assert_uint_eq(result.series_added, 2);
    ck_assert(body("# TYPE a counter\na{x=\"1\"} 6\nb 8\n"));
    expect_newest("a{" IJ ",x=\"1\"}", 6);
    ck_assert_uint_eq(result.series_added, 0);
}
END_TEST

START_TEST(colliding_labels_are_exported_as_often_as_it_takes)
{
    ck_assert(body("m{job=\"z\",exported_job=\"y\",instance=\"w\"} 1\n"));
    expect_newest(
        "m{exported_exported_job=\"z\",exported_instance=\"w\",exported_job=\"y\"," IJ "}", 1);
}
END_TEST

START_TEST(honoured_labels_win_and_an_empty_one_suppresses_the_targets)
{
    scrape.honor_labels = true;
    ck_assert(body("m{job=\"z\"} 1\nn{job=\"\"} 2\no 3\n"));
    expect_newest("m{instance=\"i\",job=\"z\"}", 1);
    expect_newest("n{instance=\"i\"}", 2);
    expect_newest("o{" IJ "}", 3);
}
END_TEST

START_TEST(an_empty_label_is_absent)
{
    ck_assert(body("m{a=\"\",job=\"\"} 1\n"));
    expect_newest("m{" IJ "}", 1);
}
END_TEST

START_TEST(a_bad_line_fails_the_whole_body_and_ends_all_series)
{
    ck_assert(body("a 1\nb 2\nc 3\n"));
    ck_assert(!body("a 1\nb 2\nc x\n"));
    ck_assert_uint_eq(result.scraped, 2);
    ck_assert_ptr_nonnull(strstr(err.text, "x"));
    ck_assert(fake_storage_is_stale("a{" IJ "}"));
    ck_assert(fake_storage_is_stale("b{" IJ "}"));
    ck_assert(fake_storage_is_stale("c{" IJ "}"));
    /* once is enough */
    size_t count = fake_storage_sample_count();
    ck_assert(!body("a 1\nb 2\nc x\n"));
    ck_assert_uint_eq(fake_storage_sample_count(), count);
    ck_assert(body("a 1\nb 2\nc 3\n"));
    expect_newest("c{" IJ "}", 3);
}
END_TEST

START_TEST(a_series_that_vanishes_is_stale_at_once)
{
    ck_assert(body("a 1\nb 2\nc 3\n"));
    ck_assert(body("a 1\nc 3\n"));
    ck_assert(fake_storage_is_stale("b{" IJ "}"));
    ck_assert_int_eq(fake_storage_sample("b{" IJ "}", -1).t_ms, now_ms);
    expect_newest("a{" IJ "}", 1);
    expect_newest("c{" IJ "}", 3);
    ck_assert(body("a 1\nb 4\nc 3\n"));
    expect_newest("b{" IJ "}", 4);
}
END_TEST

START_TEST(an_empty_body_is_good_and_ends_all_series)
{
    ck_assert(body("a 1\n"));
    ck_assert(body(""));
    ck_assert(fake_storage_is_stale("a{" IJ "}"));
    ck_assert_uint_eq(result.scraped, 0);
}
END_TEST

START_TEST(another_spelling_of_a_series_goes_on_with_it)
{
    ck_assert(body("m{a=\"1\",b=\"2\"} 1\n"));
    ck_assert(body("m{b=\"2\",a=\"1\"} 2\n"));
    expect_newest("m{a=\"1\",b=\"2\"," IJ "}", 2);
    ck_assert_uint_eq(fake_storage_count("m{a=\"1\",b=\"2\"," IJ "}"), 2);
}
END_TEST

START_TEST(a_repeated_line_is_dropped_and_counted)
{
    for (int i = 0; i < 3; i++) {
        ck_assert(body("a 1\nb 2\na 3\n"));
        expect_newest("a{" IJ "}", 1);
        ck_assert_uint_eq(result.duplicates, 1);
        ck_assert_uint_eq(result.scraped, 3);
        ck_assert_uint_eq(result.kept, 3);
    }
}
END_TEST

START_TEST(explicit_timestamps_are_loose_samples_without_stale_markers)
{
    char text[128];
    snprintf(text, sizeof(text), "a 1 %lld\na 2 %lld\n", (long long)START_MS - 500,
             (long long)START_MS - 400);
    ck_assert(body(text));
    ck_assert_uint_eq(result.duplicates, 0);
    ck_assert_uint_eq(fake_storage_count("a{" IJ "}"), 2);
    struct fake_sample sample = fake_storage_sample("a{" IJ "}", -1);
    ck_assert_int_eq(sample.t_ms, START_MS - 400);
    ck_assert(!sample.in_row);
    ck_assert(body("b 1\n"));
    ck_assert_uint_eq(fake_storage_count("a{" IJ "}"), 2);
    ck_assert(!fake_storage_is_stale("a{" IJ "}"));
}
END_TEST

START_TEST(tracked_timestamps_get_stale_markers)
{
    scrape.track_timestamps_staleness = true;
    char text[64];
    snprintf(text, sizeof(text), "a 1 %lld\n", (long long)START_MS - 500);
    ck_assert(body(text));
    ck_assert(body("b 1\n"));
    ck_assert(fake_storage_is_stale("a{" IJ "}"));
}
END_TEST

START_TEST(timestamps_that_are_not_honoured_are_ignored)
{
    scrape.honor_timestamps = false;
    ck_assert(body("a 1 1000\n"));
    expect_newest("a{" IJ "}", 1);
}
END_TEST

START_TEST(rejected_timestamps_are_counted_and_the_body_is_good)
{
    char text[128];
    snprintf(text, sizeof(text), "a 1 %lld\na 2 %lld\nb 3 %lld\n", (long long)START_MS - 100,
             (long long)START_MS - 200, (long long)START_MS + 700000);
    ck_assert(body(text));
    ck_assert_uint_eq(result.out_of_order, 1);
    ck_assert_uint_eq(result.out_of_bounds, 1);
    ck_assert_uint_eq(fake_storage_count("b{" IJ "}"), 0);
    ck_assert_uint_eq(result.series_added, 1);
    ck_assert_uint_eq(result.kept, 3);
}
END_TEST

START_TEST(the_sample_limit_fails_the_body_but_counts_it_to_its_end)
{
    scrape.limits.samples = 2;
    ck_assert(body("a 1\nb 1\n"));
    ck_assert(!body("a 1\nb 1\nc 1\nd 1\n"));
    ck_assert_str_eq(err.text, "sample limit exceeded");
    ck_assert(result.sample_limit_exceeded);
    ck_assert_uint_eq(result.scraped, 4);
    ck_assert_uint_eq(result.kept, 4);
    ck_assert(fake_storage_is_stale("a{" IJ "}"));
    ck_assert_uint_eq(fake_storage_series_count(), 2); /* none is made beyond the limit */
    ck_assert(!body("a 1\nb 1\nc 1\nd 1\n"));
    ck_assert(body("c 1\nd 1\n"));
}
END_TEST

static struct relabel_rule drop_rule(const char *regex, enum relabel_action action)
{
    static struct slice source = {"__name__", 8};
    struct relabel_rule rule;
    relabel_rule_init(&rule);
    rule.source_labels = &source;
    rule.source_label_count = 1;
    rule.regex_text = slice_str(regex);
    rule.action = action;
    ck_assert_int_eq(relabel_rule_compile(&rule, &err), ERR_NONE);
    return rule;
}

START_TEST(metric_relabelling_drops_before_the_limit_counts)
{
    struct relabel_rule rule = drop_rule("go_.*", RELABEL_DROP);
    scrape.metric_relabel_rules = &rule;
    scrape.metric_relabel_rule_count = 1;
    scrape.limits.samples = 1;
    for (int i = 0; i < 3; i++) {
        ck_assert(body("go_a 1\na 1\ngo_b 1\n"));
        ck_assert_uint_eq(result.scraped, 3);
        ck_assert_uint_eq(result.kept, 1);
        ck_assert_uint_eq(result.series_added, i == 0);
    }
    ck_assert_uint_eq(fake_storage_series_count(), 1);
    relabel_rule_release(&rule);
}
END_TEST

START_TEST(relabelling_the_name_away_fails_the_body)
{
    struct relabel_rule rule;
    relabel_rule_init(&rule);
    rule.regex_text = SLICE("__name__");
    rule.action = RELABEL_LABELDROP;
    ck_assert_int_eq(relabel_rule_compile(&rule, &err), ERR_NONE);
    scrape.metric_relabel_rules = &rule;
    scrape.metric_relabel_rule_count = 1;
    ck_assert(!body("a 1\n"));
    ck_assert_str_eq(err.text, "missing metric name (__name__ label)");
    relabel_rule_release(&rule);
}
END_TEST

START_TEST(label_limits_fail_the_body_in_the_words_of_the_reference)
{
    scrape.limits.labels = 3;
    ck_assert(body("a 1\n"));
    ck_assert(!body("m{a=\"1\"} 1\n"));
    ck_assert_str_eq(err.text, "label_limit exceeded (metric: m, number of labels: 4, limit: 3)");
    ck_assert(result.label_limit_exceeded);
    scrape.limits = (struct config_limits){.label_name_length = 8};
    ck_assert(!body("m{abcdefghi=\"1\"} 1\n"));
    ck_assert_str_eq(err.text, "label_name_length_limit exceeded (metric: m, label name: "
                               "abcdefghi, length: 9, limit: 8)");
    scrape.limits = (struct config_limits){.label_value_length = 4};
    ck_assert(!body("m{a=\"12\\n45\"} 1\n"));
    ck_assert_str_eq(err.text, "label_value_length_limit exceeded (metric: m, label name: a, "
                               "value: \"12\\n45\", length: 5, limit: 4)");
}
END_TEST

START_TEST(a_label_that_occurs_twice_fails_the_body)
{
    ck_assert(!body("m{a=\"1\",a=\"2\"} 1\n"));
    ck_assert_str_eq(err.text, "label name \"a\" is not unique: invalid sample");
}
END_TEST

START_TEST(a_label_without_a_name_fails_the_body)
{
    ck_assert(!body("{\"m\",\"\"=\"1\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(err.text, "invalid metric name or label names: {"));
    ck_assert(body("{\"m\",\"\"=\"\"} 1\n"));
    ck_assert(!body("{\"\",a=\"1\"} 1\n"));
    ck_assert_str_eq(err.text, "missing metric name (__name__ label)");
}
END_TEST

START_TEST(legacy_names_are_checked_where_the_job_says_so)
{
    ck_assert(body("{\"my.metric\",\"a.b\"=\"c\"} 1\n"));
    scrape.utf8_names = false;
    ck_assert(!body("{\"other.metric\"} 1\n"));
    ck_assert_ptr_nonnull(strstr(err.text, "invalid metric name or label names: {__name__="));
}
END_TEST

START_TEST(a_series_that_storage_forgot_gets_a_new_ref)
{
    ck_assert(body("a 1\nb 2\n"));
    fake_storage_forget("a{" IJ "}");
    ck_assert(body("a 3\nb 4\n"));
    expect_newest("a{" IJ "}", 3);
    ck_assert_uint_eq(fake_storage_series_count(), 3);
    ck_assert(body("b 4\n"));
    ck_assert(fake_storage_is_stale("a{" IJ "}"));
}
END_TEST

START_TEST(bucket_bounds_are_normalised_for_histograms)
{
    ck_assert(body("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
                   "h_sum 1\nh_count 2\n# TYPE u untyped\nu{le=\"1\"} 3\n"));
    expect_newest("h_bucket{" IJ ",le=\"1.0\"}", 1);
    expect_newest("u{" IJ ",le=\"1\"}", 3);
}
END_TEST

START_TEST(openmetrics_bodies_need_their_end)
{
    ck_assert(body_in(EXPOSITION_OPENMETRICS, "# TYPE a counter\na_total 1\n# EOF\n"));
    expect_newest("a_total{" IJ "}", 1);
    ck_assert(!body_in(EXPOSITION_OPENMETRICS, "# TYPE a counter\na_total 1\n"));
    ck_assert_str_eq(err.text, "data does not end with # EOF");
}
END_TEST

START_TEST(stale_markers_in_a_body_end_a_series)
{
    ck_assert(body("a 1\n"));
    ck_assert(body("a NaN\n"));
    ck_assert(!fake_storage_is_stale("a{" IJ "}"));
    ck_assert(isnan(fake_storage_sample("a{" IJ "}", -1).value));
}
END_TEST

START_TEST(metadata_is_kept_for_ten_scrapes)
{
    ck_assert(body("# HELP a Help of a.\n# TYPE a counter\na 1\n"));
    ck_assert_uint_eq(metadata.entries.len, 1);
    ck_assert_int_eq(metadata.entries.items[0].type, METRIC_COUNTER);
    ck_assert(slice_eq_str(symbols_text(metadata.entries.items[0].help), "Help of a."));
    for (int i = 0; i < 10; i++) {
        ck_assert(body("# TYPE b gauge\nb 1\n"));
        ck_assert_uint_eq(metadata.entries.len, 2);
    }
    ck_assert(body("# TYPE b gauge\nb 1\n"));
    ck_assert_uint_eq(metadata.entries.len, 1);
    ck_assert(slice_eq_str(symbols_text(metadata.entries.items[0].family), "b"));
    ck_assert(body("# TYPE c gauge\n# TYPE b counter\nb 1\n"));
    ck_assert_int_eq(metadata.entries.items[0].type, METRIC_COUNTER);
}
END_TEST

START_TEST(types_and_units_become_labels_where_they_are_wanted)
{
    static const char text[] = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n"
                               "a_seconds_total{__type__=\"gauge\",__unit__=\"x\"} 1\n"
                               "# TYPE b_seconds unknown\nb_seconds{__type__=\"mine\"} 2\n# EOF\n";
    ck_assert(body_in(EXPOSITION_OPENMETRICS, text));
    expect_newest("a_seconds_total{__type__=\"gauge\",__unit__=\"x\"," IJ "}", 1);
    series_cache_forget(&cache);
    type_and_unit_labels = true;
    ck_assert(body_in(EXPOSITION_OPENMETRICS, text));
    expect_newest("a_seconds_total{__type__=\"counter\",__unit__=\"seconds\"," IJ "}", 1);
    /* the unit stays until the next UNIT line, as in the reference; a type that is not known does
     * not displace what the text says */
    expect_newest("b_seconds{__type__=\"mine\",__unit__=\"seconds\"," IJ "}", 2);
    series_cache_forget(&cache);
    ck_assert(body("# TYPE c gauge\nc 3\nd 4\n"));
    expect_newest("c{__type__=\"gauge\"," IJ "}", 3);
}
END_TEST

START_TEST(exemplars_go_with_their_samples)
{
    ck_assert(body_in(EXPOSITION_OPENMETRICS,
                      "# TYPE a counter\na_total 1 # {id=\"x\"} 5\n"
                      "b 1 # {id=\"y\"} 6 1700000002.5\nc 1 # {} 1 1\n# EOF\n"));
    ck_assert_str_eq(fake_storage_exemplars(),
                     "a_total{instance=\"i\", job=\"j\"} 1700000001000:5 id=\"x\" untimed\n"
                     "b{instance=\"i\", job=\"j\"} 1700000002500:6 id=\"y\"\n");
    ck_assert_uint_eq(result.exemplars_out_of_order, 1);
    ck_assert_uint_eq(result.kept, 3);
}
END_TEST

START_TEST(exemplars_of_dropped_series_are_dropped)
{
    struct relabel_rule rule;
    relabel_rule_init(&rule);
    rule.action = RELABEL_DROP;
    ck_assert_int_eq(relabel_rule_compile(&rule, NULL), ERR_NONE);
    scrape.metric_relabel_rules = &rule;
    scrape.metric_relabel_rule_count = 1;
    ck_assert(body_in(EXPOSITION_OPENMETRICS, "a 1 # {id=\"x\"} 5\n# EOF\n"));
    ck_assert(body_in(EXPOSITION_OPENMETRICS, "a 1 # {id=\"x\"} 5\n# EOF\n"));
    ck_assert_str_eq(fake_storage_exemplars(), "");
    relabel_rule_release(&rule);
}
END_TEST

static void count_breath(void *context)
{
    ++*(int *)context;
}

START_TEST(large_bodies_let_others_breathe)
{
    int breaths = 0;
    ingest.breathe = count_breath;
    ingest.breathe_context = &breaths;
    char *text = malloc(20 * 1024);
    size_t len = 0;
    for (int i = 0; i < 1024; i++)
        len += (size_t)snprintf(text + len, 16, "m%d 1\n", i);
    ck_assert(body(text));
    free(text);
    ck_assert_int_eq(breaths, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ingest");
    TCase *tcase = tcase_create("ingest");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, samples_get_the_labels_of_the_target_and_the_time_of_the_row);
    tcase_add_test(tcase, colliding_labels_are_exported_as_often_as_it_takes);
    tcase_add_test(tcase, honoured_labels_win_and_an_empty_one_suppresses_the_targets);
    tcase_add_test(tcase, an_empty_label_is_absent);
    tcase_add_test(tcase, a_bad_line_fails_the_whole_body_and_ends_all_series);
    tcase_add_test(tcase, a_series_that_vanishes_is_stale_at_once);
    tcase_add_test(tcase, an_empty_body_is_good_and_ends_all_series);
    tcase_add_test(tcase, types_and_units_become_labels_where_they_are_wanted);
    tcase_add_test(tcase, exemplars_go_with_their_samples);
    tcase_add_test(tcase, exemplars_of_dropped_series_are_dropped);
    tcase_add_test(tcase, another_spelling_of_a_series_goes_on_with_it);
    tcase_add_test(tcase, a_repeated_line_is_dropped_and_counted);
    tcase_add_test(tcase, explicit_timestamps_are_loose_samples_without_stale_markers);
    tcase_add_test(tcase, tracked_timestamps_get_stale_markers);
    tcase_add_test(tcase, timestamps_that_are_not_honoured_are_ignored);
    tcase_add_test(tcase, rejected_timestamps_are_counted_and_the_body_is_good);
    tcase_add_test(tcase, the_sample_limit_fails_the_body_but_counts_it_to_its_end);
    tcase_add_test(tcase, metric_relabelling_drops_before_the_limit_counts);
    tcase_add_test(tcase, relabelling_the_name_away_fails_the_body);
    tcase_add_test(tcase, label_limits_fail_the_body_in_the_words_of_the_reference);
    tcase_add_test(tcase, a_label_that_occurs_twice_fails_the_body);
    tcase_add_test(tcase, a_label_without_a_name_fails_the_body);
    tcase_add_test(tcase, legacy_names_are_checked_where_the_job_says_so);
    tcase_add_test(tcase, a_series_that_storage_forgot_gets_a_new_ref);
    tcase_add_test(tcase, bucket_bounds_are_normalised_for_histograms);
    tcase_add_test(tcase, openmetrics_bodies_need_their_end);
    tcase_add_test(tcase, stale_markers_in_a_body_end_a_series);
    tcase_add_test(tcase, metadata_is_kept_for_ten_scrapes);
    tcase_add_test(tcase, large_bodies_let_others_breathe);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
