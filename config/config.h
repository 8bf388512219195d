/*
 * The configuration file (https://prometheus.io/docs/prometheus/latest/configuration/configuration/)
 * as checked structs. Everything is read strictly: unknown keys, wrong types and bad values are
 * collected and reported together, each with file, line, column, and a suggestion.
 *
 * A configuration is immutable and reference-counted; all its texts and arrays live in its arena.
 * Keys of the reference that have no effect yet are kept for the printed form and named in
 * `warnings`.
 *
 * Thread-safety: immutable, so any thread.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"
#include "model/labels.h"
#include "model/relabel.h"
#include "model/target_group.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_secret_file_or_text {
    struct slice text; /* the secret itself */
    struct slice file; /* absolute path; read when used */
};

struct config_basic_auth {
    bool present;
    struct slice username;
    struct slice username_file;
    struct config_secret_file_or_text password;
};

struct config_authorization {
    bool present;
    struct slice type; /* default Bearer */
    struct config_secret_file_or_text credentials;
};

struct config_tls {
    bool present;
    struct slice ca, ca_file;
    struct slice cert, cert_file;
    struct slice key, key_file;
    struct slice server_name;
    bool insecure_skip_verify;
    struct slice min_version; /* TLS10..TLS13 or empty */
    struct slice max_version;
};

struct config_header {
    struct slice name;
    struct slice *values;
    size_t value_count;
    struct slice *secrets;
    size_t secret_count;
    struct slice *files;
    size_t file_count;
};

/* How to talk HTTP to a target, an Alertmanager, a remote end. */
struct config_http_client {
    struct config_basic_auth basic_auth;
    struct config_authorization authorization; /* bearer_token(_file) ends here too */
    struct config_tls tls;
    bool follow_redirects; /* default true */
    bool enable_http2;     /* default true */
    struct slice proxy_url;
    struct slice no_proxy;
    bool proxy_from_environment;
    struct config_header *proxy_connect_headers;
    size_t proxy_connect_header_count;
    struct config_header *headers;
    size_t header_count;
};

enum config_scrape_protocol {
    SCRAPE_PROTOCOL_NONE,
    SCRAPE_PROTOCOL_PROTOBUF,      /* PrometheusProto */
    SCRAPE_PROTOCOL_OPENMETRICS_0, /* OpenMetricsText0.0.1 */
    SCRAPE_PROTOCOL_OPENMETRICS_1, /* OpenMetricsText1.0.0 */
    SCRAPE_PROTOCOL_TEXT_0,        /* PrometheusText0.0.4 */
    SCRAPE_PROTOCOL_TEXT_1,        /* PrometheusText1.0.0 */
};
#define CONFIG_SCRAPE_PROTOCOLS_MAX 5
/* "PrometheusText0.0.4", ... */
const char *config_scrape_protocol_name(enum config_scrape_protocol protocol);
/* The media type of the Accept header: "text/plain;version=0.0.4", ... */
const char *config_scrape_protocol_media_type(enum config_scrape_protocol protocol);

struct config_parameter {
    struct slice name;
    struct slice *values;
    size_t value_count;
};

struct config_static {
    struct slice *targets;
    size_t target_count;
    struct config_label {
        struct slice name;
        struct slice value;
    } *labels;
    size_t label_count;
};

/* Limits: 0 = none. */
struct config_limits {
    uint64_t body_size;
    uint64_t samples;
    uint64_t labels;
    uint64_t label_name_length;
    uint64_t label_value_length;
    uint64_t targets;
    uint64_t keep_dropped_targets;
};

struct config_scrape {
    struct slice job_name;
    int64_t interval_ms;
    int64_t timeout_ms;
    struct slice metrics_path;
    struct slice scheme;
    struct config_parameter *parameters; /* sorted by name */
    size_t parameter_count;
    bool honor_labels;
    bool honor_timestamps;
    bool track_timestamps_staleness;
    bool enable_compression;
    bool utf8_names; /* metric_name_validation_scheme */
    struct slice escaping_scheme; /* allow-utf-8, underscores, dots, values */
    enum config_scrape_protocol protocols[CONFIG_SCRAPE_PROTOCOLS_MAX];
    size_t protocol_count;
    enum config_scrape_protocol fallback_protocol;
    bool scrape_native_histograms;
    bool always_scrape_classic_histograms;
    bool convert_classic_histograms_to_nhcb;
    bool extra_scrape_metrics;
    struct config_limits limits;
    struct config_http_client http;
    struct config_static *statics;
    size_t static_count;
    struct relabel_rule *relabel_rules; /* compiled */
    size_t relabel_rule_count;
    struct relabel_rule *metric_relabel_rules;
    size_t metric_relabel_rule_count;
    struct slice scrape_failure_log_file;
    /* The job as YAML in canonical form with its secrets: equal text means an unchanged job. */
    struct slice canonical;
};

struct config_global {
    int64_t scrape_interval_ms;
    int64_t scrape_timeout_ms;
    int64_t evaluation_interval_ms;
    int64_t rule_query_offset_ms;
    const struct labels *external_labels; /* counted; environment expanded */
    struct slice query_log_file;
    struct slice scrape_failure_log_file;
    bool utf8_names;
    bool extra_scrape_metrics;
};

struct config_storage {
    int64_t out_of_order_window_ms;
    bool has_retention_time;
    int64_t retention_time_ms;
    bool has_retention_size;
    uint64_t retention_size_bytes;
    bool has_retention_percentage;
    double retention_percentage;
    int64_t max_exemplars;
};

struct config {
    _Atomic uint32_t reference_count;
    struct arena arena;
    struct slice path; /* absolute */
    struct config_global global;
    struct config_scrape *scrapes;
    size_t scrape_count;
    struct slice *rule_files; /* patterns, absolute */
    size_t rule_file_count;
    struct config_storage storage;
    /* Things to tell the user: keys without effect yet, traps. Each is one line with its place. */
    struct slice *warnings;
    size_t warning_count;
    /* The whole as YAML with defaults filled in and secrets as <secret>: status/config. */
    struct slice printed;
};

#define CONFIG_ERRORS_MAX 20

/* Loads a file. On failure the text holds up to CONFIG_ERRORS_MAX problems, one a line, each beginning
 * with "file:line:column: ". */
enum err config_load(const char *path, struct config **out, struct buf *out_errors,
                     struct errbuf *err) MUST_CHECK;
/* The same from memory; `path` is used in messages and for relative paths. */
enum err config_parse(struct slice text, const char *path, struct config **out,
                      struct buf *out_errors, struct errbuf *err) MUST_CHECK;
struct config *config_ref(struct config *config);
void config_unref(struct config *config);
