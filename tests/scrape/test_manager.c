/* The manager over minutes of a manual clock: schedule, staleness, reports, reloads, what the API
 * sees. */
#include "scrape/manager_internal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compress.h"
#include "base/log.h"
#include "model/sample.h"
#include "tests/support/fake_http_client.h"
#include "tests/support/fake_storage.h"

#define START_MS INT64_C(1700000000000)

static struct clock_manual manual;
static struct scrape_manager *manager;
static struct config *config;

/* How the fake targets answer; zero is 200 with an empty body. */
static struct {
    const char *body;
    struct slice raw; /* in place of body */
    const char *content_type;
    const char *encoding;
    long status;
    bool hang;
    const char *error;
    size_t requests;
    char url[256];
    char accept[512];
    char agent[64];
    char encodings[64];
    char timeout[64];
} web;

static void copy_header(const struct http_client_request *request, const char *name, char *to,
                        size_t size)
{
    struct slice value = fake_http_header(request, name);
    snprintf(to, size, "%.*s", SLICE_ARG(value));
}

static bool answer(const struct http_client_request *request, struct http_client_response *out,
                   void *context)
{
    (void)context;
    if (web.hang)
        return false;
    web.requests++;
    snprintf(web.url, sizeof(web.url), "%s", request->url);
    copy_header(request, "Accept", web.accept, sizeof(web.accept));
    copy_header(request, "User-Agent", web.agent, sizeof(web.agent));
    copy_header(request, "Accept-Encoding", web.encodings, sizeof(web.encodings));
    copy_header(request, "X-Prometheus-Scrape-Timeout-Seconds", web.timeout, sizeof(web.timeout));
    if (web.error != NULL) {
        out->status = 0;
        out->error = ERR_IO;
        out->error_text = web.error;
        return true;
    }
    if (web.status == 404) {
        out->status = 404;
        out->status_text = "404 Not Found";
    }
    out->body = web.raw.len > 0 ? web.raw : slice_str(web.body);
    if (web.content_type != NULL)
        out->content_type = slice_str(web.content_type);
    if (web.encoding != NULL)
        out->content_encoding = slice_str(web.encoding);
    return true;
}

static void quiet(const char *line, size_t len, void *context)
{
    (void)line;
    (void)len;
    (void)context;
}

static void set_up(void)
{
    log_set_sink(quiet, NULL);
    fake_storage_reset();
    memset(&web, 0, sizeof(web));
    clock_manual_init(&manual, START_MS);
    fake_http_set(&manual, answer, NULL, 5);
    manager = scrape_manager_make(&(struct scrape_manager_options){
        .clock = &manual.clock,
        .user_agent = "Prometheus/3.14.0",
        .adjust_timestamps = true,
    });
}

static void tear_down(void)
{
    scrape_manager_free(manager);
    config_unref(config);
    config = NULL;
    fake_storage_reset();
}

static void apply(const char *yaml)
{
    struct errbuf err = ERRBUF_INIT;
    struct buf errors;
    buf_init(&errors, BUF_SIZE_ANY);
    config_unref(config);
    config = NULL;
    ck_assert_msg(config_parse(slice_str(yaml), "/tmp/test.yml", &config, &errors, &err) ==
                      ERR_NONE,
                  "%s", buf_cstr(&errors));
    buf_release(&errors);
    ck_assert_msg(scrape_manager_install(manager, config, &err) == ERR_NONE, "%s", err.text);
}

static int64_t now_ms(void)
{
    return clock_now_ms(&manual.clock);
}

static void run_ms(int64_t duration_ms)
{
    int64_t end_ms = now_ms() + duration_ms;
    while (now_ms() < end_ms)
        scrape_manager_step(manager, end_ms - now_ms());
}

/* A job with one target. */
#define JOB(extra)                                                                                 \
    "scrape_configs:\n- job_name: j\n  scrape_interval: 10s\n  scrape_timeout: 4s\n" extra         \
    "  static_configs:\n  - targets: ['h:1']\n"
#define IJ "instance=\"h:1\",job=\"j\""
#define UP "up{" IJ "}"
#define A "a{" IJ "}"

static void expect_up(double value)
{
    ck_assert_double_eq(fake_storage_sample(UP, -1).value, value);
}

static void take_snapshot(struct arena *arena, struct scrape_snapshot *out)
{
    const struct scrape_selection everything = {.active = true, .dropped = true};
    struct errbuf err = ERRBUF_INIT;
    ck_assert_msg(scrape_manager_snapshot(manager, &everything, arena, NULL, out, &err) == ERR_NONE,
                  "%s", err.text);
}

/* The state of the only target. */
static void expect_state(enum scrape_health health, const char *error)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct scrape_snapshot snapshot;
    take_snapshot(&arena, &snapshot);
    ck_assert_uint_eq(snapshot.pool_count, 1);
    ck_assert_uint_eq(snapshot.pools[0].active_count, 1);
    const struct scrape_target_state *state = &snapshot.pools[0].active[0];
    ck_assert_msg(slice_eq_str(state->last_error, error), "%.*s", SLICE_ARG(state->last_error));
    ck_assert_int_eq(state->health, health);
    scrape_snapshot_release(&snapshot);
    arena_release(&arena);
}

START_TEST(samples_are_exactly_an_interval_apart)
{
    web.body = "a 1\n";
    apply(JOB(""));
    expect_state(SCRAPE_HEALTH_UNKNOWN, "");
    run_ms(10100);
    ck_assert_uint_eq(fake_storage_count(A), 1);
    run_ms(90000);
    ck_assert_uint_eq(fake_storage_count(A), 10);
    for (int i = 1; i < 10; i++) {
        ck_assert_int_eq(fake_storage_sample(A, i).t_ms - fake_storage_sample(A, i - 1).t_ms,
                         10000);
        ck_assert_int_eq(fake_storage_sample(UP, i).t_ms, fake_storage_sample(A, i).t_ms);
    }
    expect_up(1);
    expect_state(SCRAPE_HEALTH_UP, "");
}
END_TEST

START_TEST(a_request_carries_the_headers_of_the_reference)
{
    apply(JOB("  params: {x: ['1']}\n"));
    run_ms(10100);
    ck_assert_str_eq(web.url, "http://h:1/metrics?x=1");
    ck_assert_str_eq(web.agent, "Prometheus/3.14.0");
    ck_assert_str_eq(web.encodings, "gzip");
    ck_assert_str_eq(web.timeout, "4");
    ck_assert_str_eq(web.accept,
                     "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                     "application/openmetrics-text;version=0.0.1;q=0.5,"
                     "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                     "text/plain;version=0.0.4;q=0.3,*/*;q=0.2");
    apply(JOB("  enable_compression: false\n  scrape_protocols: [PrometheusText0.0.4]\n"));
    run_ms(10100);
    ck_assert_str_eq(web.encodings, "identity");
    ck_assert_str_eq(web.accept, "text/plain;version=0.0.4;q=0.6,*/*;q=0.5");
}
END_TEST

START_TEST(the_report_tells_how_the_scrape_went)
{
    web.body = "a 1\nb 2\n";
    apply(JOB("  extra_scrape_metrics: true\n  sample_limit: 7\n"
              "  metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]\n"));
    run_ms(10100);
    ck_assert_double_eq(fake_storage_sample("scrape_samples_scraped{" IJ "}", -1).value, 2);
    ck_assert_double_eq(
        fake_storage_sample("scrape_samples_post_metric_relabeling{" IJ "}", -1).value, 1);
    ck_assert_double_eq(fake_storage_sample("scrape_series_added{" IJ "}", -1).value, 1);
    ck_assert_double_eq(fake_storage_sample("scrape_timeout_seconds{" IJ "}", -1).value, 4);
    ck_assert_double_eq(fake_storage_sample("scrape_sample_limit{" IJ "}", -1).value, 7);
    ck_assert_double_eq(fake_storage_sample("scrape_body_size_bytes{" IJ "}", -1).value, 8);
    ck_assert_double_eq_tol(fake_storage_sample("scrape_duration_seconds{" IJ "}", -1).value, 0.005,
                            0.003);
    run_ms(10000);
    ck_assert_double_eq(fake_storage_sample("scrape_series_added{" IJ "}", -1).value, 0);
}
END_TEST

START_TEST(every_failure_is_up_0_and_ends_the_series)
{
    static const struct {
        long status;
        const char *error;
        const char *content_type;
        const char *body;
        const char *text;
    } cases[] = {
        {404, NULL, NULL, "a 1\n", "server returned HTTP status 404 Not Found"},
        {0, "Get \"http://h:1/metrics\": dial tcp 1.2.3.4:1: connect: connection refused", NULL,
         NULL, "Get \"http://h:1/metrics\": dial tcp 1.2.3.4:1: connect: connection refused"},
        {0, NULL, "application/json", "{}",
         "received unsupported Content-Type \"application/json\" and no fallback_scrape_protocol "
         "specified for target"},
        {0, NULL, "", "a 1\n",
         "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol "
         "specified for target"},
    };
    apply(JOB(""));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        memset(&web, 0, sizeof(web));
        web.body = "a 1\n";
        run_ms(10000);
        expect_up(1);
        ck_assert(!fake_storage_is_stale(A));
        web.status = cases[i].status;
        web.error = cases[i].error;
        web.content_type = cases[i].content_type;
        web.body = cases[i].body;
        run_ms(10000);
        expect_up(0);
        ck_assert(fake_storage_is_stale(A));
        ck_assert_int_eq(fake_storage_sample(A, -1).t_ms, fake_storage_sample(UP, -1).t_ms);
        expect_state(SCRAPE_HEALTH_DOWN, cases[i].text);
        size_t count = fake_storage_count(A);
        run_ms(10000);
        ck_assert_uint_eq(fake_storage_count(A), count);
    }
}
END_TEST

START_TEST(a_target_that_hangs_fails_after_its_timeout_and_keeps_its_cadence)
{
    web.body = "a 1\n";
    apply(JOB(""));
    run_ms(10100);
    web.hang = true;
    run_ms(30000);
    expect_up(0);
    expect_state(SCRAPE_HEALTH_DOWN, "context deadline exceeded");
    ck_assert_uint_eq(fake_storage_count(UP), 4);
    for (int i = 1; i < 4; i++) {
        ck_assert_int_eq(fake_storage_sample(UP, i).t_ms - fake_storage_sample(UP, i - 1).t_ms,
                         10000);
    }
}
END_TEST

START_TEST(a_fallback_protocol_takes_bodies_without_a_type)
{
    web.body = "a 1\n";
    web.content_type = "";
    apply(JOB("  fallback_scrape_protocol: PrometheusText0.0.4\n"));
    run_ms(10100);
    expect_up(1);
}
END_TEST

static struct buf gzip_of(struct slice text)
{
    struct buf out;
    struct errbuf err = ERRBUF_INIT;
    buf_init(&out, BUF_SIZE_ANY);
    struct compress_stream *stream = compress_stream_new(COMPRESS_GZIP);
    ck_assert_int_eq(compress_stream_write(stream, text, true, &out, &err), ERR_NONE);
    compress_stream_free(stream);
    return out;
}

START_TEST(compressed_bodies_are_unpacked_and_limited_by_their_real_size)
{
    static char text[1000];
    memset(text, '#', sizeof(text));
    memcpy(text, "a 1\n", 4);
    text[999] = '\n';
    struct buf packed = gzip_of(slice_from(text, sizeof(text)));
    ck_assert_uint_lt(packed.len, 200);
    web.raw = buf_slice(&packed);
    web.encoding = "gzip";
    apply(JOB("  body_size_limit: 1001B\n  extra_scrape_metrics: true\n"));
    run_ms(10100);
    expect_up(1);
    ck_assert_double_eq(fake_storage_sample("scrape_body_size_bytes{" IJ "}", -1).value, 1000);
    apply(JOB("  body_size_limit: 1000B\n  extra_scrape_metrics: true\n"));
    run_ms(10100);
    expect_up(0);
    expect_state(SCRAPE_HEALTH_DOWN, "body size limit exceeded");
    ck_assert_double_eq(fake_storage_sample("scrape_body_size_bytes{" IJ "}", -1).value, -1);
    ck_assert(fake_storage_is_stale(A));
    /* the same without compression */
    web.raw = slice_from(text, sizeof(text));
    web.encoding = NULL;
    run_ms(10000);
    expect_state(SCRAPE_HEALTH_DOWN, "body size limit exceeded");
    text[998] = '\n';
    web.raw.len = 999;
    run_ms(10000);
    expect_state(SCRAPE_HEALTH_UP, "");
    buf_release(&packed);
}
END_TEST

/* Until more than `count` scrapes are over. The thread that unpacks has no clock to inject. */
static void run_until_scraped(size_t count)
{
    for (int i = 0; i < 30000 && fake_storage_count(UP) == count; i++) {
        run_ms(1);
        usleep(1000);
    }
}

START_TEST(large_compressed_bodies_are_unpacked_beside_the_loop)
{
    size_t size = (size_t)3 << 20;
    char *text = malloc(size);
    memset(text, '#', size);
    memcpy(text, "a 1\n", 4);
    text[size - 1] = '\n';
    struct buf packed = gzip_of(slice_from(text, size));
    free(text);
    web.raw = buf_slice(&packed);
    web.encoding = "gzip";
    apply(JOB(""));
    run_ms(9900);
    run_until_scraped(0);
    expect_up(1);
    ck_assert_uint_eq(fake_storage_count(A), 1);
    /* a target that goes while its body is unpacked */
    run_ms(9000);
    apply("global: {}\n");
    /* and a body that is too large */
    apply(JOB("  body_size_limit: 2MB\n"));
    size_t count = fake_storage_count(UP);
    run_ms(9900);
    run_until_scraped(count);
    expect_up(0);
    expect_state(SCRAPE_HEALTH_DOWN, "body size limit exceeded");
    buf_release(&packed);
}
END_TEST

START_TEST(a_target_that_exposes_up_wins_over_the_report)
{
    web.body = "up 5\n";
    apply(JOB(""));
    run_ms(10100);
    ck_assert_uint_eq(fake_storage_count(UP), 1);
    expect_up(5);
}
END_TEST

START_TEST(a_removed_target_is_stale_two_intervals_later)
{
    web.body = "a 1\n";
    apply(JOB(""));
    run_ms(10100);
    int64_t last_ms = fake_storage_sample(A, -1).t_ms;
    apply("scrape_configs:\n- job_name: j\n  scrape_interval: 10s\n  static_configs: []\n");
    run_ms(last_ms + 20990 - now_ms());
    ck_assert(!fake_storage_is_stale(A));
    run_ms(30);
    ck_assert(fake_storage_is_stale(A));
    ck_assert(fake_storage_is_stale(UP));
    ck_assert(fake_storage_is_stale("scrape_series_added{" IJ "}"));
    ck_assert_int_eq(fake_storage_sample(A, -1).t_ms, last_ms + 10000);
    run_ms(60000);
    ck_assert_uint_eq(fake_storage_count(A), 2);
}
END_TEST

START_TEST(a_removed_job_is_stale_two_intervals_later)
{
    web.body = "a 1\n";
    apply(JOB(""));
    run_ms(10100);
    apply("global: {}\n");
    run_ms(32000);
    ck_assert(fake_storage_is_stale(A));
    ck_assert(fake_storage_is_stale(UP));
}
END_TEST

START_TEST(a_target_that_comes_back_in_time_is_never_stale)
{
    web.body = "a 1\nb 1\n";
    apply(JOB(""));
    run_ms(10100);
    apply("scrape_configs:\n- job_name: j\n  scrape_interval: 10s\n  static_configs: []\n");
    run_ms(5000);
    web.body = "a 1\n";
    apply(JOB(""));
    run_ms(100000);
    for (int i = 0; i < (int)fake_storage_count(A); i++)
        ck_assert(!sample_is_stale(fake_storage_sample(A, i).value));
    for (int i = 0; i < (int)fake_storage_count(UP); i++)
        ck_assert(!sample_is_stale(fake_storage_sample(UP, i).value));
    /* what it no longer has is */
    ck_assert(fake_storage_is_stale("b{" IJ "}"));
}
END_TEST

START_TEST(another_target_may_go_on_with_the_series_of_one_that_is_gone)
{
    fake_storage_take_out_of_order();
    web.body = "a{instance=\"x\",job=\"y\"} 1\n";
    apply("scrape_configs:\n- job_name: j\n  scrape_interval: 10s\n  honor_labels: true\n"
          "  static_configs:\n  - targets: ['h:1']\n");
    run_ms(10100);
    apply("scrape_configs:\n- job_name: k\n  scrape_interval: 5s\n  scrape_timeout: 4s\n"
          "  honor_labels: true\n  static_configs:\n  - targets: ['h:2']\n");
    run_ms(60000);
    ck_assert(fake_storage_is_stale("up{instance=\"h:1\",job=\"j\"}"));
    size_t count = fake_storage_count("a{instance=\"x\",job=\"y\"}");
    ck_assert_uint_ge(count, 12);
    for (int i = 0; i < (int)count; i++) {
        ck_assert(!sample_is_stale(fake_storage_sample("a{instance=\"x\",job=\"y\"}", i).value));
    }
}
END_TEST

START_TEST(shutting_down_writes_no_stale_markers)
{
    web.body = "a 1\n";
    apply(JOB(""));
    run_ms(10100);
    size_t count = fake_storage_sample_count();
    scrape_manager_free(manager);
    ck_assert_uint_eq(fake_storage_sample_count(), count);
    manager = scrape_manager_make(&(struct scrape_manager_options){.clock = &manual.clock});
}
END_TEST

START_TEST(a_reload_without_changes_changes_nothing)
{
    web.body = "a 1\n";
    apply(JOB(""));
    run_ms(20100);
    for (int i = 0; i < 5; i++) {
        apply(JOB("")); /* another object of the same text */
        run_ms(10000);
        ck_assert_double_eq(fake_storage_sample("scrape_series_added{" IJ "}", -1).value, 0);
    }
    ck_assert_uint_eq(fake_storage_count(A), 7);
    for (int i = 1; i < 7; i++) {
        ck_assert_int_eq(fake_storage_sample(A, i).t_ms - fake_storage_sample(A, i - 1).t_ms,
                         10000);
    }
}
END_TEST

START_TEST(another_interval_goes_on_with_the_same_series)
{
    web.body = "a 1\n";
    apply(JOB(""));
    run_ms(20100);
    apply("scrape_configs:\n- job_name: j\n  scrape_interval: 5s\n  scrape_timeout: 4s\n"
          "  static_configs:\n  - targets: ['h:1']\n");
    size_t count = fake_storage_count(A);
    run_ms(50000);
    ck_assert_uint_ge(fake_storage_count(A), count + 9);
    for (int i = 0; i < (int)fake_storage_count(A); i++)
        ck_assert(!sample_is_stale(fake_storage_sample(A, i).value));
    ck_assert_double_eq(fake_storage_sample("scrape_series_added{" IJ "}", -1).value, 0);
    expect_state(SCRAPE_HEALTH_UP, "");
}
END_TEST

START_TEST(new_relabelling_takes_effect_and_ends_what_it_drops)
{
    web.body = "a 1\nb 2\n";
    apply(JOB(""));
    run_ms(10100);
    apply(JOB("  metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]\n"));
    run_ms(10000);
    ck_assert(fake_storage_is_stale("b{" IJ "}"));
    ck_assert(!fake_storage_is_stale(A));
    ck_assert_uint_eq(fake_storage_count(A), 2);
}
END_TEST

START_TEST(too_many_targets_are_not_scraped_at_all)
{
    web.body = "a 1\n";
    apply("scrape_configs:\n- job_name: j\n  scrape_interval: 10s\n  target_limit: 1\n"
          "  static_configs:\n  - targets: ['h:1', 'h:2']\n");
    run_ms(20100);
    ck_assert_uint_eq(web.requests, 0);
    expect_up(0);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct scrape_snapshot snapshot;
    take_snapshot(&arena, &snapshot);
    ck_assert(slice_eq_str(snapshot.pools[0].active[1].last_error,
                           "target_limit exceeded (number of targets: 2, limit: 1)"));
    scrape_snapshot_release(&snapshot);
    arena_release(&arena);
    apply("scrape_configs:\n- job_name: j\n  scrape_interval: 10s\n  target_limit: 2\n"
          "  static_configs:\n  - targets: ['h:1', 'h:2']\n");
    run_ms(10100);
    expect_up(1);
}
END_TEST

START_TEST(the_snapshot_has_active_and_dropped_targets)
{
    apply("scrape_configs:\n"
          "- job_name: zz\n  static_configs: [{targets: ['h:1']}]\n"
          "- job_name: aa\n  scrape_interval: 1m\n  scrape_timeout: 7s\n"
          "  keep_dropped_targets: 1\n"
          "  relabel_configs: [{source_labels: [__address__], regex: 'x.*', action: drop}]\n"
          "  static_configs: [{targets: ['x:1', 'x:2', 'y:1', 'y:1'], labels: {zone: z1}}]\n");
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct scrape_snapshot snapshot;
    take_snapshot(&arena, &snapshot);
    ck_assert_uint_eq(snapshot.pool_count, 2);
    const struct scrape_pool_state *pool = &snapshot.pools[0];
    ck_assert(slice_eq_str(pool->name, "aa"));
    ck_assert_uint_eq(pool->active_count, 1); /* the same target twice is one */
    ck_assert_uint_eq(pool->dropped_count, 1);
    ck_assert_uint_eq(pool->dropped_count_total, 2);
    ck_assert(
        slice_eq_str(labels_get(pool->dropped[0].discovered_labels, SLICE("__address__")), "x:1"));
    const struct scrape_target_state *state = &pool->active[0];
    ck_assert(slice_eq_str(state->url, "http://y:1/metrics"));
    ck_assert(slice_eq_str(labels_get(state->labels, SLICE("zone")), "z1"));
    ck_assert(slice_eq_str(labels_get(state->discovered_labels, SLICE("__scheme__")), "http"));
    ck_assert_int_eq(state->interval_ms, 60000);
    ck_assert_int_eq(state->timeout_ms, 7000);
    ck_assert_int_eq(state->last_scrape_ms, 0);
    scrape_snapshot_release(&snapshot);
    arena_release(&arena);
}
END_TEST

static void take_metadata(struct slice metric, bool distinct, struct memory_hold *memory,
                          struct arena *arena, struct scrape_metadata_list *out)
{
    const struct scrape_metadata_selection selection = {.metric = metric, .distinct = distinct};
    ck_assert(scrape_manager_metadata(manager, &selection, arena, memory, out, NULL) == ERR_NONE);
}

START_TEST(metadata_of_all_targets_is_sorted_by_metric)
{
    web.body = "# HELP b Of b.\n# TYPE b gauge\nb 1\n# TYPE a counter\na 1\n";
    apply("scrape_configs:\n- job_name: j\n  scrape_interval: 10s\n"
          "  static_configs:\n  - targets: ['h:1', 'h:2']\n");
    run_ms(10100);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct scrape_metadata_list list;
    take_metadata(SLICE_EMPTY, false, NULL, &arena, &list);
    ck_assert_uint_eq(list.count, 4);
    ck_assert(slice_eq_str(list.items[0].metric, "a"));
    ck_assert_int_eq(list.items[0].type, METRIC_COUNTER);
    ck_assert(slice_eq_str(list.items[3].metric, "b"));
    ck_assert(slice_eq_str(list.items[3].help, "Of b."));
    ck_assert(slice_eq_str(labels_get(list.items[3].target, SLICE("instance")), "h:2"));
    scrape_metadata_release(&list);
    take_metadata(SLICE("b"), false, NULL, &arena, &list);
    ck_assert_uint_eq(list.count, 2);
    scrape_metadata_release(&list);
    take_metadata(SLICE_EMPTY, true, NULL, &arena, &list);
    ck_assert_uint_eq(list.count, 2); /* both targets say the same */
    ck_assert(slice_eq_str(list.items[1].help, "Of b."));
    scrape_metadata_release(&list);
    take_metadata(SLICE("no such metric"), false, NULL, &arena, &list);
    ck_assert_uint_eq(list.count, 0);
    scrape_metadata_release(&list);
    arena_release(&arena);
}
END_TEST

#define LONG_PATH_BYTES 40000

/* 50 targets whose URLs are two megabytes, in one of two pools. */
static void apply_long_urls(void)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 1 << 20);
    buf_append_str(&text, "scrape_configs:\n- job_name: small\n  static_configs: [{targets: ['h:1']}]\n"
                          "- job_name: wide\n  metrics_path: /");
    for (size_t i = 0; i < LONG_PATH_BYTES; i++)
        buf_append_byte(&text, 'p');
    buf_append_str(&text, "\n  static_configs:\n  - targets: [");
    for (int i = 0; i < 50; i++)
        buf_printf(&text, "%s'h:%d'", i == 0 ? "" : ", ", i + 1);
    buf_append_str(&text, "]\n");
    apply(buf_cstr(&text));
}

START_TEST(a_snapshot_without_room_is_an_error)
{
    struct memory_budget budget;
    struct memory_hold memory;
    struct arena arena;
    struct errbuf err = ERRBUF_INIT;
    struct scrape_snapshot snapshot;
    const struct scrape_selection everything = {.active = true, .dropped = true};
    const struct scrape_selection small = {.pool = SLICE("small"), .active = true};
    apply_long_urls();
    memory_budget_init(&budget, 1); /* and the first mebibyte is free */
    memory_hold_init(&memory, &budget, MEMORY_ANSWERS);
    arena_init(&arena, SIZE_MAX);
    ck_assert(scrape_manager_snapshot(manager, &everything, &arena, &memory, &snapshot, &err) ==
              ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "--storage.memory-limit"));
    memory_hold_release(&memory);
    memory_hold_init(&memory, &budget, MEMORY_ANSWERS);
    ck_assert(scrape_manager_snapshot(manager, &small, &arena, &memory, &snapshot, &err) ==
              ERR_NONE);
    ck_assert_uint_eq(snapshot.pool_count, 2);
    ck_assert_uint_eq(snapshot.pools[0].active_count, 1);
    ck_assert_uint_eq(snapshot.pools[1].active_count, 0);
    scrape_snapshot_release(&snapshot);
    memory_hold_release(&memory);
    arena_release(&arena);
}
END_TEST

static bool wants_none(const struct labels *labels, void *context)
{
    (*(size_t *)context)++;
    return false;
}

START_TEST(metadata_without_room_is_an_error)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 4 << 20);
    for (int i = 0; i < 20000; i++)
        buf_printf(&text, "# HELP m%d What the metric %d counts.\nm%d 1\n", i, i, i);
    web.body = buf_cstr(&text);
    apply(JOB(""));
    run_ms(10100);
    struct memory_budget budget;
    struct memory_hold memory;
    struct arena arena;
    struct errbuf err = ERRBUF_INIT;
    struct scrape_metadata_list list;
    struct scrape_metadata_selection selection = {.distinct = true};
    memory_budget_init(&budget, 1); /* and the first mebibyte is free */
    memory_hold_init(&memory, &budget, MEMORY_ANSWERS);
    arena_init(&arena, SIZE_MAX);
    ck_assert(scrape_manager_metadata(manager, &selection, &arena, &memory, &list, &err) ==
              ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "--storage.memory-limit"));
    size_t asked = 0;
    selection.wants = wants_none;
    selection.context = &asked;
    ck_assert(scrape_manager_metadata(manager, &selection, &arena, &memory, &list, &err) ==
              ERR_NONE);
    ck_assert_uint_eq(asked, 1);
    ck_assert_uint_eq(list.count, 0);
    scrape_metadata_release(&list);
    memory_hold_release(&memory);
    arena_release(&arena);
}
END_TEST

START_TEST(scraping_goes_on_when_storage_takes_samples_again)
{
    web.body = "a 1\n";
    apply(JOB(""));
    run_ms(10100);
    fake_storage_set_failing(true);
    run_ms(30000);
    expect_state(SCRAPE_HEALTH_DOWN, "storage has failed: no space left on device");
    ck_assert_uint_eq(fake_storage_count(A), 1);
    fake_storage_set_failing(false);
    run_ms(10000);
    ck_assert_uint_eq(fake_storage_count(A), 2);
    expect_up(1);
}
END_TEST

START_TEST(failed_fetches_are_logged_to_the_file_of_the_job)
{
    char path[] = "/tmp/test-scrape-failures-XXXXXX";
    int descriptor = mkstemp(path);
    char yaml[512];
    snprintf(yaml, sizeof(yaml),
             "scrape_configs:\n- job_name: j\n  scrape_interval: 10s\n"
             "  scrape_failure_log_file: %s\n  static_configs: [{targets: ['h:1']}]\n",
             path);
    web.status = 404;
    apply(yaml);
    run_ms(10100);
    char text[512] = "";
    ck_assert_int_gt(read(descriptor, text, sizeof(text) - 1), 0);
    ck_assert_ptr_nonnull(strstr(text, "\"level\":\"ERROR\""));
    ck_assert_ptr_nonnull(strstr(text, "\"msg\":\"server returned HTTP status 404 Not Found\","
                                       "\"job_name\":\"j\",\"target\":\"http://h:1/metrics\"}\n"));
    close(descriptor);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manager");
    TCase *tcase = tcase_create("manager");
    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, samples_are_exactly_an_interval_apart);
    tcase_add_test(tcase, a_request_carries_the_headers_of_the_reference);
    tcase_add_test(tcase, the_report_tells_how_the_scrape_went);
    tcase_add_test(tcase, every_failure_is_up_0_and_ends_the_series);
    tcase_add_test(tcase, a_target_that_hangs_fails_after_its_timeout_and_keeps_its_cadence);
    tcase_add_test(tcase, a_fallback_protocol_takes_bodies_without_a_type);
    tcase_add_test(tcase, compressed_bodies_are_unpacked_and_limited_by_their_real_size);
    tcase_add_test(tcase, large_compressed_bodies_are_unpacked_beside_the_loop);
    tcase_add_test(tcase, a_target_that_exposes_up_wins_over_the_report);
    tcase_add_test(tcase, a_removed_target_is_stale_two_intervals_later);
    tcase_add_test(tcase, a_removed_job_is_stale_two_intervals_later);
    tcase_add_test(tcase, a_target_that_comes_back_in_time_is_never_stale);
    tcase_add_test(tcase, another_target_may_go_on_with_the_series_of_one_that_is_gone);
    tcase_add_test(tcase, shutting_down_writes_no_stale_markers);
    tcase_add_test(tcase, a_reload_without_changes_changes_nothing);
    tcase_add_test(tcase, another_interval_goes_on_with_the_same_series);
    tcase_add_test(tcase, new_relabelling_takes_effect_and_ends_what_it_drops);
    tcase_add_test(tcase, too_many_targets_are_not_scraped_at_all);
    tcase_add_test(tcase, the_snapshot_has_active_and_dropped_targets);
    tcase_add_test(tcase, a_snapshot_without_room_is_an_error);
    tcase_add_test(tcase, metadata_without_room_is_an_error);
    tcase_add_test(tcase, metadata_of_all_targets_is_sorted_by_metric);
    tcase_add_test(tcase, scraping_goes_on_when_storage_takes_samples_again);
    tcase_add_test(tcase, failed_fetches_are_logged_to_the_file_of_the_job);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
