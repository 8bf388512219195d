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
#include "config/binding.h"
#include "config/yaml_tree.h"
#include "model/labels.h"
#include "model/relabel.h"
#include "model/target_group.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Paths of the configuration are joined with the directory of the file that holds them, as the path
 * of that file was given; the working directory does not change while the server runs. */
struct config_secret_file_or_text {
    struct slice text; /* the secret itself */
    struct slice file; /* read when used */
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

struct config_oauth2 {
    struct slice client_id;
    struct config_secret_file_or_text client_secret;
    struct slice certificate_key_id;
    struct config_secret_file_or_text certificate_key;
    struct slice grant_type;
    struct slice signature_algorithm;
    struct slice issuer;
    struct slice audience;
    const struct yaml_tree_node *claims;
    struct slice *scopes;
    size_t scope_count;
    struct slice token_url;
    struct config_label *endpoint_parameters;
    size_t endpoint_parameter_count;
    struct config_tls tls;
    struct slice proxy_url;
    struct slice no_proxy;
    bool proxy_from_environment;
    struct config_header *proxy_connect_headers;
    size_t proxy_connect_header_count;
};

/* How to talk HTTP to a target, an Alertmanager, a remote end. */
struct config_http_client {
    struct config_basic_auth basic_auth;
    struct config_authorization authorization; /* bearer_token(_file) ends here too */
    struct config_oauth2 *oauth2; /* NULL = none */
    struct config_tls tls;
    bool follow_redirects; /* default true */
    bool enable_http2;     /* default true */
    struct slice proxy_url;
    struct slice no_proxy; /* hosts that are reached directly */
    bool proxy_from_environment;
    struct config_header *proxy_connect_headers; /* their values are in `secrets` */
    size_t proxy_connect_header_count;
    struct config_header *headers;
    size_t header_count;
    /* private: before the check moves them to `authorization` */
    struct config_secret_file_or_text bearer_token;
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
    struct config_label *labels; /* sorted by name */
    size_t label_count;
};

struct config_file_discovery {
    struct slice *files; /* patterns */
    size_t file_count;
    int64_t refresh_interval_ms;
};

struct config_http_discovery {
    struct config_http_client http;
    int64_t refresh_interval_ms;
    struct slice url;
};

struct config_dns_discovery {
    struct slice *names;
    size_t name_count;
    int64_t refresh_interval_ms;
    struct slice type; /* SRV, A, AAAA, MX, NS in any case */
    int64_t port;
};

struct config_docker_filter {
    struct slice name;
    struct slice *values;
    size_t value_count;
};

struct config_docker_discovery {
    struct config_http_client http;
    struct slice host;
    int64_t port;
    struct config_docker_filter *filters;
    size_t filter_count;
    struct slice host_networking_host;
    int64_t refresh_interval_ms;
    bool match_first_network;
};

/* Where targets come from. Those that are not read yet are kept as they came. */
struct config_discovery {
    struct config_static *statics;
    size_t static_count;
    struct config_file_discovery *files;
    size_t file_count;
    struct config_http_discovery *https;
    size_t http_count;
    struct config_dns_discovery *dnses;
    size_t dns_count;
    struct config_docker_discovery *dockers;
    size_t docker_count;
    const struct yaml_tree_node *consul;
    const struct yaml_tree_node *dockerswarm;
    const struct yaml_tree_node *kubernetes;
    const struct yaml_tree_node *nomad;
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
    uint64_t native_histogram_bucket_limit;
    double native_histogram_min_bucket_factor;
    struct config_http_client http;
    struct config_discovery discovery;
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
    struct config_limits limits;
    bool utf8_names;
    struct slice escaping_scheme;
    enum config_scrape_protocol protocols[CONFIG_SCRAPE_PROTOCOLS_MAX];
    size_t protocol_count; /* 0 = by what a job scrapes */
    bool scrape_native_histograms;
    bool always_scrape_classic_histograms;
    bool convert_classic_histograms_to_nhcb;
    bool extra_scrape_metrics;
    /* private: external_labels as written, then with the environment expanded */
    struct config_label *external_label_pairs;
    size_t external_label_count;
};

struct config_alertmanager {
    struct config_discovery discovery;
    struct config_http_client http;
    struct slice scheme;
    struct slice path_prefix;
    int64_t timeout_ms;
    struct slice api_version; /* v2 */
    struct relabel_rule *relabel_rules;
    size_t relabel_rule_count;
    struct relabel_rule *alert_relabel_rules;
    size_t alert_relabel_rule_count;
};

struct config_alerting {
    struct relabel_rule *alert_relabel_rules;
    size_t alert_relabel_rule_count;
    struct config_alertmanager *alertmanagers;
    size_t alertmanager_count;
};

struct config_remote_queue {
    int64_t capacity;
    int64_t shards_max;
    int64_t shards_min;
    int64_t samples_per_send_max;
    int64_t batch_send_deadline_ms;
    int64_t backoff_min_ms;
    int64_t backoff_max_ms;
    bool retry_on_http_429;
    int64_t sample_age_limit_ms;
};

struct config_remote_metadata {
    bool send;
    int64_t send_interval_ms;
    int64_t samples_per_send_max;
};

struct config_remote_write {
    struct slice url;
    int64_t timeout_ms;
    struct config_label *headers;
    size_t header_count;
    struct relabel_rule *relabel_rules;
    size_t relabel_rule_count;
    struct slice name;
    bool send_exemplars;
    bool send_native_histograms;
    bool round_robin_dns;
    struct slice protobuf_message; /* prometheus.WriteRequest, io.prometheus.write.v2.Request */
    bool failed_request_logging;
    struct config_http_client http;
    struct config_remote_queue queue;
    struct config_remote_metadata metadata;
};

struct config_remote_read {
    struct slice url;
    int64_t timeout_ms;
    uint64_t chunked_read_limit;
    struct config_label *headers;
    size_t header_count;
    bool read_recent;
    struct slice name;
    struct config_http_client http;
    struct config_label *required_matchers;
    size_t required_matcher_count;
    bool filter_external_labels;
};

struct config_tracing {
    struct slice client_type; /* grpc, http */
    struct slice endpoint;
    double sampling_fraction;
    bool insecure;
    struct config_tls tls;
    struct config_label *headers;
    size_t header_count;
    struct slice compression;
    int64_t timeout_ms;
};

struct config_otlp {
    bool promote_all_resource_attributes;
    struct slice *promoted_attributes;
    size_t promoted_attribute_count;
    struct slice *ignored_attributes;
    size_t ignored_attribute_count;
    struct slice translation_strategy;
    bool keep_identifying_resource_attributes;
    bool convert_histograms_to_nhcb;
    bool promote_scope_metadata;
    bool label_name_underscore_sanitization;
    bool label_name_preserve_multiple_underscores;
};

struct config_storage {
    int64_t out_of_order_window_ms;
    bool has_retention_time;
    int64_t retention_time_ms;
    bool has_retention_size;
    uint64_t retention_size_bytes;
    bool has_retention_percentage;
    double retention_percentage;
    double stale_series_compaction_threshold;
    struct slice float_chunk_encoding; /* xor, xor2 or empty */
    bool has_max_exemplars;
    int64_t max_exemplars;
};

/* What flags say where the file says nothing. All zero is a server without such flags. */
struct config_defaults {
    int64_t retention_time_ms;
    uint64_t retention_size_bytes;
    bool extra_scrape_metrics; /* --enable-feature=extra-scrape-metrics */
    bool protobuf_first;       /* features that prefer PrometheusProto */
};

struct config {
    _Atomic uint32_t reference_count;
    struct arena arena;
    struct slice path; /* as given */
    struct config_global global;
    int64_t gogc; /* runtime.gogc: shown, means nothing here */
    struct config_alerting alerting;
    struct slice *rule_files; /* patterns */
    size_t rule_file_count;
    struct slice *scrape_config_files; /* patterns; their jobs are in `scrapes` */
    size_t scrape_config_file_count;
    struct config_scrape *scrapes; /* those of the main file first */
    size_t scrape_count;
    struct config_storage storage;
    struct config_tracing tracing;
    struct config_remote_write *remote_writes;
    size_t remote_write_count;
    struct config_remote_read *remote_reads;
    size_t remote_read_count;
    struct config_otlp otlp;
    /* Things to tell the user: keys without effect yet, traps. Each is one line with its place. */
    struct slice *warnings;
    size_t warning_count;
    /* The whole as YAML with defaults filled in and secrets as <secret>: status/config. */
    struct slice printed;
    /* private: the texts' owners, and the rules whose regular expressions are freed at the end */
    VEC(struct yaml_tree) trees;
    VEC(struct relabel_rule *) compiled_rules;
};

#define CONFIG_ERRORS_MAX 20

/* Loads a file. On failure the text holds up to CONFIG_ERRORS_MAX problems, one a line, each beginning
 * with "file:line:column: ". */
enum err config_load(const char *path, struct config **out, struct buf *out_errors,
                     struct errbuf *err) MUST_CHECK;
/* The same from memory; `path` is used in messages and for relative paths. */
enum err config_parse(struct slice text, const char *path, struct config **out,
                      struct buf *out_errors, struct errbuf *err) MUST_CHECK;
/* Both with defaults of flags. */
enum err config_load_with(const char *path, const struct config_defaults *defaults,
                          struct config **out, struct buf *out_errors,
                          struct errbuf *err) MUST_CHECK;
enum err config_parse_with(struct slice text, const char *path,
                           const struct config_defaults *defaults, struct config **out,
                           struct buf *out_errors, struct errbuf *err) MUST_CHECK;
struct config *config_ref(struct config *config);
void config_unref(struct config *config);
