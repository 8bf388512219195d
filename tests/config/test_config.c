/* What loading makes of a configuration: inheritance, the environment, included files, warnings. */
#include "config/config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct config *load_with(const char *text, const struct config_defaults *defaults)
{
    struct buf problems;
    struct errbuf err = ERRBUF_INIT;
    struct config *config = NULL;
    buf_init(&problems, 1 << 20);
    enum err error = config_parse_with(slice_str(text), "/etc/ferula/prometheus.yml", defaults,
                                       &config, &problems, &err);
    ck_assert_msg(error == ERR_NONE, "%s", err.text);
    buf_release(&problems);
    return config;
}

static struct config *load(const char *text)
{
    static const struct config_defaults defaults = {0};
    return load_with(text, &defaults);
}

static bool shows(const struct config *config, const char *text)
{
    return slice_find(config->printed, slice_str(text)) != SLICE_NONE;
}

START_TEST(an_empty_file_has_the_defaults)
{
    struct config *config = load("");
    ck_assert_int_eq(config->global.scrape_interval_ms, 60000);
    ck_assert_int_eq(config->global.scrape_timeout_ms, 10000);
    ck_assert_int_eq(config->global.evaluation_interval_ms, 60000);
    ck_assert(config->global.utf8_names);
    ck_assert_uint_eq(config->global.external_labels->count, 0);
    ck_assert_int_eq(config->storage.max_exemplars, 100000);
    ck_assert(!config->storage.has_retention_time);
    ck_assert_uint_eq(config->scrape_count, 0);
    ck_assert_uint_eq(config->warning_count, 0);
    config_unref(config);
}
END_TEST

START_TEST(the_timeout_follows_a_short_interval)
{
    struct config *config = load("global:\n  scrape_interval: 5s\n"
                                 "scrape_configs:\n- job_name: a\n- {job_name: b, scrape_interval: 3s}\n"
                                 "- {job_name: c, scrape_interval: 1m}\n");
    ck_assert_int_eq(config->global.scrape_timeout_ms, 5000);
    ck_assert_int_eq(config->scrapes[0].timeout_ms, 5000);
    ck_assert_int_eq(config->scrapes[1].timeout_ms, 3000);
    ck_assert_int_eq(config->scrapes[2].timeout_ms, 5000);
    ck_assert(shows(config, "scrape_timeout: 3s"));
    config_unref(config);
}
END_TEST

START_TEST(a_job_inherits_what_it_does_not_say)
{
    struct config *config =
        load("global:\n  sample_limit: 7\n  label_limit: 8\n  body_size_limit: 1MB\n"
             "  scrape_failure_log_file: fail.log\n  extra_scrape_metrics: true\n"
             "  scrape_native_histograms: true\n"
             "scrape_configs:\n- job_name: a\n"
             "- {job_name: b, sample_limit: 0, label_limit: 9, extra_scrape_metrics: false, "
             "scrape_native_histograms: false}\n");
    const struct config_scrape *a = &config->scrapes[0];
    const struct config_scrape *b = &config->scrapes[1];
    ck_assert_uint_eq(a->limits.samples, 7);
    ck_assert_uint_eq(a->limits.labels, 8);
    ck_assert_uint_eq(a->limits.body_size, 1 << 20);
    ck_assert(slice_eq_str(a->scrape_failure_log_file, "/etc/ferula/fail.log"));
    ck_assert(a->extra_scrape_metrics && a->scrape_native_histograms);
    /* native histograms come by protobuf only, so that goes first */
    ck_assert_uint_eq(a->protocol_count, 5);
    ck_assert_int_eq(a->protocols[0], SCRAPE_PROTOCOL_PROTOBUF);
    /* 0 means inherit, as in the reference */
    ck_assert_uint_eq(b->limits.samples, 7);
    ck_assert_uint_eq(b->limits.labels, 9);
    ck_assert(!b->extra_scrape_metrics && !b->scrape_native_histograms);
    ck_assert_uint_eq(b->protocol_count, 4);
    ck_assert_int_eq(b->protocols[0], SCRAPE_PROTOCOL_OPENMETRICS_1);
    ck_assert(slice_eq_str(b->scheme, "http"));
    ck_assert(slice_eq_str(b->metrics_path, "/metrics"));
    ck_assert(b->honor_timestamps && b->enable_compression && !b->honor_labels);
    config_unref(config);
}
END_TEST

START_TEST(escaping_follows_the_scheme_that_is_set_nearest)
{
    struct config *config =
        load("global:\n  metric_name_escaping_scheme: dots\n"
             "scrape_configs:\n- job_name: a\n- {job_name: b, metric_name_validation_scheme: legacy}\n"
             "- {job_name: c, metric_name_validation_scheme: utf8}\n"
             "- {job_name: d, metric_name_escaping_scheme: values}\n");
    static const char *const expected[] = {"dots", "underscores", "allow-utf-8", "values"};
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        ck_assert_msg(slice_eq_str(config->scrapes[i].escaping_scheme, expected[i]), "%zu: %.*s", i,
                      SLICE_ARG(config->scrapes[i].escaping_scheme));
    ck_assert(!config->scrapes[1].utf8_names && config->scrapes[2].utf8_names);
    config_unref(config);
}
END_TEST

START_TEST(the_environment_is_expanded_in_external_labels_only)
{
    setenv("FERULA_TEST_ZONE", "eu", 1);
    unsetenv("FERULA_TEST_NONE");
    struct config *config = load("global:\n  external_labels:\n"
                                 "    a: \"${FERULA_TEST_ZONE}$$\"\n    b: $FERULA_TEST_ZONE-1\n"
                                 "    c: x${FERULA_TEST_NONE}y\n    d: \"5$ ${} ${open\"\n    e: end$\n"
                                 "    f: ${FERULA_TEST_NONE}\n"
                                 "scrape_configs:\n- job_name: a\n  static_configs:\n"
                                 "  - targets: [\"${FERULA_TEST_ZONE}:80\"]\n");
    static const struct {
        const char *name;
        const char *value;
    } expected[] = {{"a", "eu$"}, {"b", "eu-1"}, {"c", "xy"}, {"d", "5$  open"}, {"e", "end$"}, {"f", ""}};
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        struct slice value = labels_get(config->global.external_labels, slice_str(expected[i].name));
        ck_assert_msg(slice_eq_str(value, expected[i].value), "%s is %.*s", expected[i].name,
                      SLICE_ARG(value));
    }
    ck_assert(shows(config, "a: eu$"));
    ck_assert(slice_eq_str(config->scrapes[0].discovery.statics[0].targets[0],
                           "${FERULA_TEST_ZONE}:80"));
    ck_assert_uint_eq(config->warning_count, 2);
    ck_assert_ptr_nonnull(strstr(config->warnings[0].ptr,
                                 "/etc/ferula/prometheus.yml:5:8: the environment variable "
                                 "FERULA_TEST_NONE is empty or not set"));
    config_unref(config);
}
END_TEST

START_TEST(keys_without_effect_warn_once_each)
{
    struct config *config = load("remote_write:\n- url: http://x/\n"
                                 "scrape_configs:\n- job_name: a\n  dns_sd_configs:\n  - names: [x]\n"
                                 "- job_name: b\n  dns_sd_configs:\n  - names: [y]\n");
    ck_assert_uint_eq(config->warning_count, 2);
    ck_assert(slice_eq_str(config->warnings[0], "/etc/ferula/prometheus.yml:1:1: remote_write is "
                                                "read but has no effect yet"));
    ck_assert(slice_eq_str(config->warnings[1],
                           "/etc/ferula/prometheus.yml:5:3: dns_sd_configs is read but has no "
                           "effect yet (and in 1 more place)"));
    config_unref(config);
}
END_TEST

START_TEST(a_switch_without_effect_warns_only_where_it_is_on)
{
    struct config *config = load("global:\n  query_log_file: q.log\n"
                                 "scrape_configs:\n- job_name: a\n"
                                 "  convert_classic_histograms_to_nhcb: false\n"
                                 "- job_name: b\n  convert_classic_histograms_to_nhcb: true\n");
    ck_assert_uint_eq(config->warning_count, 2);
    ck_assert(slice_eq_str(config->warnings[0], "/etc/ferula/prometheus.yml:2:3: query_log_file is "
                                                "read but has no effect yet"));
    ck_assert(slice_eq_str(config->warnings[1],
                           "/etc/ferula/prometheus.yml:7:3: convert_classic_histograms_to_nhcb is "
                           "read but has no effect yet"));
    config_unref(config);
}
END_TEST

START_TEST(retention_comes_from_the_flags_unless_the_file_has_it)
{
    struct config_defaults defaults = {.retention_time_ms = 3600000, .retention_size_bytes = 1024};
    struct config *config = load("");
    ck_assert(shows(config, "    retention:\n      time: 15d\n"));
    config_unref(config);
    config = load_with("", &defaults);
    ck_assert(shows(config, "    retention:\n      time: 1h\n      size: 1KiB\n"));
    ck_assert(!config->storage.has_retention_time && !config->storage.has_retention_size);
    config_unref(config);
    config = load_with("storage: {tsdb: {retention: {size: 2KB}}}", &defaults);
    ck_assert(shows(config, "    retention:\n      size: 2KiB\n"));
    ck_assert(config->storage.has_retention_time && config->storage.has_retention_size);
    ck_assert_int_eq(config->storage.retention_time_ms, 0);
    ck_assert_uint_eq(config->storage.retention_size_bytes, 2048);
    config_unref(config);
}
END_TEST

START_TEST(a_job_s_canonical_text_changes_with_its_secrets)
{
#define JOB "scrape_configs:\n- job_name: a\n  basic_auth: {username: u, password: "
    const char *first = JOB "one}\n";
    const char *second = JOB "two}\n";
    struct config *a = load(first);
    struct config *b = load(second);
    struct config *c = load(first);
    ck_assert(!slice_eq(a->scrapes[0].canonical, b->scrapes[0].canonical));
    ck_assert(slice_eq(a->scrapes[0].canonical, c->scrapes[0].canonical));
    ck_assert(slice_find(a->scrapes[0].canonical, SLICE("password: one")) != SLICE_NONE);
    ck_assert(slice_eq(a->printed, b->printed));
    config_unref(a);
    config_unref(b);
    config_unref(c);
}
END_TEST

START_TEST(relabel_rules_are_compiled)
{
    struct config *config = load("scrape_configs:\n- job_name: a\n  relabel_configs:\n"
                                 "  - {source_labels: [a], regex: '(.+)-x', target_label: b}\n");
    struct labels_builder builder;
    labels_builder_init(&builder);
    labels_builder_set(&builder, SLICE("a"), SLICE("foo-x"));
    ck_assert(relabel_apply(config->scrapes[0].relabel_rules, config->scrapes[0].relabel_rule_count,
                            &builder));
    ck_assert(slice_eq_str(labels_builder_get(&builder, SLICE("b")), "foo"));
    labels_builder_release(&builder);
    config_unref(config);
}
END_TEST

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static enum err load_folder(const char *folder, struct config **out, struct buf *problems)
{
    char path[512];
    struct errbuf err = ERRBUF_INIT;
    snprintf(path, sizeof(path), "%s/main.yml", folder);
    return config_load(path, out, problems, &err);
}

START_TEST(jobs_come_from_included_files_too)
{
    char folder[] = "/tmp/ferula-config-XXXXXX";
    char jobs[64];
    char expected[256];
    struct config *config = NULL;
    struct buf problems;
    buf_init(&problems, 1 << 20);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(jobs, sizeof(jobs), "%s/jobs", folder);
    ck_assert_int_eq(mkdir(jobs, 0755), 0);
    write_file(folder, "main.yml",
               "global: {scrape_interval: 7s}\nscrape_config_files: ['jobs/*.yml']\n"
               "scrape_configs:\n- job_name: main\n");
    write_file(jobs, "a.yml",
               "scrape_configs:\n- job_name: a\n  basic_auth: {password_file: secret}\n");
    write_file(jobs, "b.yml", "scrape_configs:\n- job_name: b\n");
    ck_assert_int_eq(load_folder(folder, &config, &problems), ERR_NONE);
    ck_assert_uint_eq(config->scrape_count, 3);
    ck_assert(slice_eq_str(config->scrapes[0].job_name, "main"));
    ck_assert(slice_eq_str(config->scrapes[1].job_name, "a"));
    ck_assert_int_eq(config->scrapes[2].interval_ms, 7000);
    /* paths of an included file hang off that file */
    snprintf(expected, sizeof(expected), "%s/secret", jobs);
    ck_assert(slice_eq_str(config->scrapes[1].http.basic_auth.password.file, expected));
    ck_assert(shows(config, "job_name: main"));
    ck_assert(!shows(config, "job_name: b"));
    ck_assert_uint_gt(config->scrapes[2].canonical.len, 0);
    config_unref(config);

    config = NULL;
    write_file(jobs, "b.yml", "scrape_configs:\n- job_name: main\n- job_name: a\n- jobname: c\n");
    ck_assert_int_eq(load_folder(folder, &config, &problems), ERR_INVALID);
    ck_assert_ptr_null(config);
    snprintf(expected, sizeof(expected),
             "%s/b.yml:2:13: found multiple scrape configs with job name \"main\", first found in "
             "main config file",
             jobs);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&problems), expected));
    snprintf(expected, sizeof(expected), "job name \"a\", first found in \"%s/a.yml\"", jobs);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&problems), expected));
    snprintf(expected, sizeof(expected), "%s/b.yml:4:3: field jobname not found", jobs);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&problems), expected));
    buf_release(&problems);
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    struct config *config = NULL;
    struct buf problems;
    struct errbuf err = ERRBUF_INIT;
    buf_init(&problems, 1 << 20);
    ck_assert_int_eq(config_load("/nowhere/nope.yml", &config, &problems, &err), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "open /nowhere/nope.yml: "));
    ck_assert_int_eq(config_load("/", &config, &problems, &err), ERR_INVALID);
    ck_assert_str_eq(err.text, "read /: is a directory");
    buf_release(&problems);
}
END_TEST

START_TEST(references_keep_a_configuration)
{
    struct config *config = load("");
    ck_assert_ptr_eq(config_ref(config), config);
    config_unref(config);
    ck_assert(shows(config, "scrape_interval: 1m"));
    config_unref(config);
    config_unref(NULL);
}
END_TEST

START_TEST(protocols_have_names_and_media_types)
{
    ck_assert_str_eq(config_scrape_protocol_name(SCRAPE_PROTOCOL_TEXT_0), "PrometheusText0.0.4");
    ck_assert_str_eq(config_scrape_protocol_media_type(SCRAPE_PROTOCOL_OPENMETRICS_1),
                     "application/openmetrics-text;version=1.0.0");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *cases = tcase_create("config");
    tcase_add_test(cases, an_empty_file_has_the_defaults);
    tcase_add_test(cases, the_timeout_follows_a_short_interval);
    tcase_add_test(cases, a_job_inherits_what_it_does_not_say);
    tcase_add_test(cases, escaping_follows_the_scheme_that_is_set_nearest);
    tcase_add_test(cases, the_environment_is_expanded_in_external_labels_only);
    tcase_add_test(cases, keys_without_effect_warn_once_each);
    tcase_add_test(cases, a_switch_without_effect_warns_only_where_it_is_on);
    tcase_add_test(cases, retention_comes_from_the_flags_unless_the_file_has_it);
    tcase_add_test(cases, a_job_s_canonical_text_changes_with_its_secrets);
    tcase_add_test(cases, relabel_rules_are_compiled);
    tcase_add_test(cases, jobs_come_from_included_files_too);
    tcase_add_test(cases, a_missing_file_is_named);
    tcase_add_test(cases, references_keep_a_configuration);
    tcase_add_test(cases, protocols_have_names_and_media_types);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
