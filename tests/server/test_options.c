/* The command line: the forms of flags, what is refused and how, and what status/flags shows. */
#include "server/options.h"

#include <check.h>
#include <stdlib.h>

#include "promql/promql.h"

#define ARGUMENTS_MAX 16

struct outcome {
    enum options_outcome outcome;
    int exit_code;
    struct options options;
    struct buf text;
};

/* Parses a line whose words are set apart by single spaces. */
static struct outcome parse(const char *line)
{
    struct outcome outcome = {0};
    char *copy = mem_strdup(line);
    char program[] = "/usr/bin/ferula";
    char *arguments[ARGUMENTS_MAX] = {program};
    int count = 1;
    for (char *word = copy; word[0] != '\0';) {
        ck_assert_int_lt(count, ARGUMENTS_MAX);
        arguments[count++] = word;
        word += strcspn(word, " ");
        if (word[0] == ' ')
            *word++ = '\0';
    }
    buf_init(&outcome.text, 1 << 20);
    outcome.outcome =
        options_parse(count, arguments, &outcome.options, &outcome.text, &outcome.exit_code);
    mem_free(copy);
    return outcome;
}

static void done(struct outcome *outcome)
{
    if (outcome->outcome == OPTIONS_RUN)
        options_release(&outcome->options);
    buf_release(&outcome->text);
}

static struct outcome run(const char *line)
{
    struct outcome outcome = parse(line);
    ck_assert_msg(outcome.outcome == OPTIONS_RUN, "%s: %s", line, buf_cstr(&outcome.text));
    return outcome;
}

static void refuse(const char *line, int exit_code, const char *message)
{
    struct outcome outcome = parse(line);
    ck_assert_msg(outcome.outcome == OPTIONS_FAIL, "%s runs", line);
    ck_assert_msg(outcome.exit_code == exit_code, "%s: exit code %d", line, outcome.exit_code);
    ck_assert_msg(strstr(buf_cstr(&outcome.text), message) != NULL, "%s: %s", line,
                  buf_cstr(&outcome.text));
    done(&outcome);
}

static const char *shown(const struct outcome *outcome, const char *name)
{
    for (size_t i = 0; i < outcome->options.flag_count; i++) {
        if (strcmp(outcome->options.flags[i].name, name) == 0)
            return outcome->options.flags[i].value;
    }
    ck_abort_msg("no flag %s", name);
    return NULL;
}

START_TEST(without_arguments_there_are_the_defaults)
{
    struct outcome outcome = run("");
    const struct options *options = &outcome.options;
    ck_assert_str_eq(options->config_file, "prometheus.yml");
    ck_assert_uint_eq(options->listen_address_count, 1);
    ck_assert_str_eq(options->listen_addresses[0], "0.0.0.0:9090");
    ck_assert_str_eq(options->storage_path, "data/");
    ck_assert_str_eq(options->web_external_url, "");
    ck_assert_str_eq(options->web_route_prefix, "");
    ck_assert_int_eq(options->web_read_timeout_ms, 300000);
    ck_assert_uint_eq(options->web_connections_max, 512);
    ck_assert_int_eq(options->query_lookback_delta_ms, 300000);
    ck_assert_int_eq(options->query_timeout_ms, 120000);
    ck_assert_uint_eq(options->query_concurrency_max, 20);
    ck_assert_uint_eq(options->query_threads, 1);
    ck_assert_uint_eq(options->query_samples_max, 50000000);
    ck_assert(!options->enable_lifecycle && !options->enable_admin_api);
    ck_assert(!options->enable_remote_write_receiver);
    ck_assert(!options->has_retention_time && !options->has_retention_size);
    ck_assert_int_eq(options->wal_fsync, TSDB_FSYNC_INTERVAL);
    ck_assert_int_eq(options->maintenance_interval_ms, 60000);
    ck_assert_uint_gt(options->memory_limit_bytes, 0);
    ck_assert(options->scrape_adjust_timestamps);
    ck_assert_int_eq(options->scrape_timestamp_tolerance_ms, 2);
    ck_assert_int_eq(options->log_level, LOG_INFO);
    ck_assert_int_eq(options->log_format, LOG_FORMAT_LOGFMT);
    ck_assert_uint_eq(options->warning_count, 0);
    done(&outcome);
}
END_TEST

START_TEST(flags_come_with_equals_or_as_two_words)
{
    struct outcome outcome =
        run("--config.file=a.yml --storage.tsdb.path /data --web.enable-lifecycle "
            "--no-storage.tsdb.no-lockfile --web.listen-address=:1 --web.listen-address :2 "
            "--storage.tsdb.wal-fsync=always --log.level=DEBUG --log.format=json "
            "--query.max-samples=1e3 --storage.memory-limit=2GB");
    const struct options *options = &outcome.options;
    ck_assert_str_eq(options->config_file, "a.yml");
    ck_assert_str_eq(options->storage_path, "/data");
    ck_assert(options->enable_lifecycle && !options->storage_no_lockfile);
    ck_assert_uint_eq(options->listen_address_count, 2);
    ck_assert_str_eq(options->listen_addresses[1], ":2");
    ck_assert_int_eq(options->wal_fsync, TSDB_FSYNC_ALWAYS);
    ck_assert_int_eq(options->log_level, LOG_DEBUG);
    ck_assert_int_eq(options->log_format, LOG_FORMAT_JSON);
    ck_assert_uint_eq(options->query_samples_max, 1000);
    ck_assert_uint_eq(options->memory_limit_bytes, (uint64_t)2 << 30);
    done(&outcome);
    outcome = run("--config.file= --web.page-title=a=b");
    ck_assert_str_eq(outcome.options.config_file, "");
    ck_assert_str_eq(outcome.options.web_page_title, "a=b");
    done(&outcome);
}
END_TEST

START_TEST(the_line_of_the_usual_compose_file_is_taken)
{
    struct outcome outcome =
        run("--config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/prometheus "
            "--web.console.libraries=/etc/prometheus/console_libraries "
            "--web.console.templates=/etc/prometheus/consoles "
            "--storage.tsdb.retention.time=200h --web.enable-lifecycle");
    ck_assert(outcome.options.has_retention_time);
    ck_assert_int_eq(outcome.options.retention_time_ms, (int64_t)200 * 3600 * 1000);
    ck_assert_uint_eq(outcome.options.warning_count, 2);
    ck_assert_str_eq(outcome.options.warnings[0].flag, "--web.console.templates");
    ck_assert_str_eq(shown(&outcome, "storage.tsdb.retention.time"), "8d8h");
    ck_assert_str_eq(shown(&outcome, "storage.tsdb.max-block-duration"), "20h");
    done(&outcome);
}
END_TEST

START_TEST(what_is_wrong_is_refused_with_exit_code_2)
{
    refuse("--x", 2, "Error parsing command line arguments: unknown long flag '--x'");
    refuse("--web.enable-lifecyle", 2, "did you mean --web.enable-lifecycle?");
    refuse("--no-query.timeout", 2, "unknown long flag '--no-query.timeout'");
    refuse("-config.file=x", 2, "unknown short flag '-c'; write --config.file with two dashes");
    refuse("-x", 2, "unknown short flag '-x'");
    refuse("--web.enable-lifecycle=true", 2, "unexpected true");
    refuse("--web.enable-lifecycle true", 2, "unexpected true");
    refuse("prometheus.yml", 2, "unexpected prometheus.yml");
    refuse("--query.timeout", 2, "expected argument for flag '--query.timeout'");
    refuse("--query.timeout --web.enable-lifecycle", 2, "expected argument for flag");
    refuse("--query.timeout=1s --query.timeout=2s", 2, "flag 'query.timeout' cannot be repeated");
    refuse("--query.timeout=5", 2, "not a valid duration string: \"5\"");
    refuse("--query.max-samples=many", 2, "parsing \"many\": invalid syntax");
    refuse("--query.max-samples=-1", 2, "--query.max-samples must not be negative");
    refuse("--storage.tsdb.retention.size=5", 2, "units: unknown unit  in 5");
    refuse("--storage.tsdb.wal-compression-type=lz4", 2,
           "enum value must be one of snappy|zstd, got 'lz4'");
    refuse("--storage.tsdb.wal-fsync=sometimes", 2, "interval|always|off");
    refuse("--log.level=loud", 2, "unrecognized log level loud");
    refuse("--log.format=xml", 2, "unrecognized log format xml");
    refuse("--scrape.timestamp-tolerance=2", 2, "time: invalid duration \"2\"");
    refuse("--web.remote-write-receiver.accepted-protobuf-messages=v3", 2,
           "unknown type for remote write protobuf message v3");
    refuse("--web.external-url='http://x/'", 2, "URL must not begin or end with quotes");
    refuse("--web.cors.origin=(", 2, "could not compile CORS regex string \"(\": ");
}
END_TEST

START_TEST(flags_that_do_not_go_together_have_their_own_exit_codes)
{
    refuse("--storage.agent.path=x", 3,
           "The following flag(s) can only be used in agent mode: [\"--storage.agent.path\"]");
    refuse("--agent --query.timeout=1s --storage.tsdb.path=x", 3,
           "can not be used in agent mode: [\"--query.timeout\" \"--storage.tsdb.path\"]");
    refuse("--agent", 1, "this server has no agent mode; run it without the flag\n");
    refuse("--auto-gomemlimit.ratio=1.5", 1, "--auto-gomemlimit.ratio must be greater than 0");
    refuse("--auto-gomemlimit.ratio=0", 1, "--auto-gomemlimit.ratio must be greater than 0");
    refuse("--web.search.max-limit=-1", 1, "--web.search.max-limit must be non-negative; got -1");
    refuse("--storage.tsdb.wal-segment-size=1MB", 1, "must be set between 10MB and 256MB");
    refuse("--enable-feature=otlp-deltatocumulative,otlp-native-delta-ingestion", 1,
           "at the same time");
    refuse("--storage.tsdb.path=", 1, "--storage.tsdb.path is empty");
    refuse("--web.config.file=web.yml", 1, "not supported yet");
}
END_TEST

START_TEST(features_are_a_list_with_commas)
{
    struct outcome outcome = run("--enable-feature=promql-experimental-functions,nonsense "
                                 "--enable-feature=extra-scrape-metrics,exemplars-storage");
    ck_assert_uint_eq(outcome.options.promql_features,
                      PROMQL_EXPERIMENTAL_FUNCTIONS | PROMQL_DURATION_EXPRESSIONS);
    ck_assert(outcome.options.feature_extra_scrape_metrics);
    ck_assert_uint_eq(outcome.options.warning_count, 2);
    ck_assert_str_eq(outcome.options.warnings[0].message, "Unknown option for --enable-feature");
    ck_assert_str_eq(outcome.options.warnings[0].flag, "nonsense");
    ck_assert_str_eq(outcome.options.warnings[1].flag,
                     "exemplars-storage; did you mean exemplar-storage?");
    ck_assert_str_eq(
        shown(&outcome, "enable-feature"),
        "promql-experimental-functions,nonsense,extra-scrape-metrics,exemplars-storage");
    done(&outcome);
}
END_TEST

START_TEST(flags_without_effect_warn_when_they_are_given)
{
    struct outcome outcome = run("--rules.max-concurrent-evals=2 --auto-gomaxprocs");
    ck_assert_uint_eq(outcome.options.warning_count, 2);
    ck_assert_str_eq(outcome.options.warnings[0].flag, "--auto-gomaxprocs");
    ck_assert_str_eq(outcome.options.warnings[1].message, "This flag has no effect yet");
    ck_assert_str_eq(outcome.options.warnings[1].flag, "--rules.max-concurrent-evals");
    done(&outcome);
}
END_TEST

START_TEST(all_flags_are_listed_by_name_as_the_reference_prints_them)
{
    static const struct {
        const char *name;
        const char *value;
    } expected[] = {
        {"agent", "false"},
        {"auto-gomemlimit.ratio", "0.9"},
        {"config.file", "prometheus.yml"},
        {"enable-feature", ""},
        {"query.timeout", "1m30s"},
        {"scrape.timestamp-tolerance", "1.5s"},
        {"storage.remote.read-sample-limit", "50000000"},
        {"storage.tsdb.max-block-chunk-segment-size", "0B"},
        {"storage.tsdb.max-block-duration", "31d"},
        {"storage.tsdb.retention.size", "512MiB"},
        {"storage.tsdb.retention.time", "0s"},
        {"web.enable-admin-api", "true"},
        {"web.listen-address", "0.0.0.0:9090"},
        {"web.remote-write-receiver.accepted-protobuf-messages",
         "prometheus.WriteRequest,io.prometheus.write.v2.Request"},
    };
    struct outcome outcome =
        run("--query.timeout=90s --storage.tsdb.retention.size=512MB --web.enable-admin-api "
            "--scrape.timestamp-tolerance=1.5s");
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        ck_assert_msg(strcmp(shown(&outcome, expected[i].name), expected[i].value) == 0, "%s is %s",
                      expected[i].name, shown(&outcome, expected[i].name));
    for (size_t i = 1; i < outcome.options.flag_count; i++)
        ck_assert_int_lt(
            strcmp(outcome.options.flags[i - 1].name, outcome.options.flags[i].name), 0);
    ck_assert_uint_ge(outcome.options.flag_count, 70);
    ck_assert_int_eq(outcome.options.scrape_timestamp_tolerance_ms, 1500);
    done(&outcome);
    outcome = run("");
    ck_assert_str_eq(shown(&outcome, "storage.tsdb.retention.time"), "15d");
    ck_assert_str_eq(shown(&outcome, "storage.tsdb.max-block-duration"), "1d12h");
    done(&outcome);
}
END_TEST

START_TEST(help_names_every_visible_flag_within_80_columns)
{
    static const char *const texts[] = {
        "usage: ferula [<flags>]", "--config.file=\"prometheus.yml\"", "--web.listen-address=0.0.0.0:9090 ...",
        "--[no-]web.enable-lifecycle", "--storage.tsdb.wal-fsync=interval", "--web.external-url=<URL>",
        "--storage.tsdb.retention.time=STORAGE.TSDB.RETENTION.TIME", "Use with server mode only.",
    };
    /* wrapped, so only words that stay together on a line */
    static const char *const words[] = {"No effect yet.", "exemplar-storage,", "Not supported yet:"};
    struct outcome outcome = parse("--web.enable-lifecycle --help");
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        ck_assert_msg(strstr(buf_cstr(&outcome.text), words[i]) != NULL, "%s", words[i]);
    ck_assert_ptr_null(strstr(buf_cstr(&outcome.text), "search-api,"));
    ck_assert_int_eq(outcome.outcome, OPTIONS_EXIT);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        ck_assert_msg(strstr(buf_cstr(&outcome.text), texts[i]) != NULL, "%s", texts[i]);
    ck_assert_ptr_null(strstr(buf_cstr(&outcome.text), "wal-segment-size"));
    for (struct slice rest = buf_slice(&outcome.text); rest.len > 0;) {
        size_t len = slice_index(rest, '\n');
        struct slice line = slice_sub(rest, 0, len);
        ck_assert_msg(len <= 80 || slice_find(line, SLICE("--")) != SLICE_NONE, "%.*s",
                      SLICE_ARG(line));
        rest = slice_from_index(rest, len + 1);
    }
    done(&outcome);
    outcome = parse("-h");
    ck_assert_int_eq(outcome.outcome, OPTIONS_EXIT);
    done(&outcome);
    refuse("--help --nonsense", 2, "unknown long flag");
}
END_TEST

START_TEST(the_version_is_one_that_scripts_understand)
{
    static const char first[] = "prometheus, version " FERULA_COMPATIBLE_VERSION " (branch: ";
    struct outcome outcome = parse("--version");
    ck_assert_int_eq(outcome.outcome, OPTIONS_EXIT);
    ck_assert_msg(strncmp(buf_cstr(&outcome.text), first, sizeof(first) - 1) == 0, "%s",
                  buf_cstr(&outcome.text));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&outcome.text), ferula_version));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&outcome.text), "  platform:         linux/"));
    done(&outcome);
    outcome = parse("--version --nonsense");
    ck_assert_int_eq(outcome.outcome, OPTIONS_EXIT);
    done(&outcome);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *cases = tcase_create("options");
    tcase_add_test(cases, without_arguments_there_are_the_defaults);
    tcase_add_test(cases, flags_come_with_equals_or_as_two_words);
    tcase_add_test(cases, the_line_of_the_usual_compose_file_is_taken);
    tcase_add_test(cases, what_is_wrong_is_refused_with_exit_code_2);
    tcase_add_test(cases, flags_that_do_not_go_together_have_their_own_exit_codes);
    tcase_add_test(cases, features_are_a_list_with_commas);
    tcase_add_test(cases, flags_without_effect_warn_when_they_are_given);
    tcase_add_test(cases, all_flags_are_listed_by_name_as_the_reference_prints_them);
    tcase_add_test(cases, help_names_every_visible_flag_within_80_columns);
    tcase_add_test(cases, the_version_is_one_that_scripts_understand);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
