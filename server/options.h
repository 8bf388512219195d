/*
 * The command line: every flag of the reference, with its default, and a few of ours. Parsing is
 * strict, as the reference's: --flag=value, --flag value, --bool and --no-bool.
 *
 * Ownership: the struct owns its texts; options_release frees them. Thread-safety: immutable after
 * parsing.
 */
#pragma once

#include "api/api.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/log.h"
#include "base/version.h"
#include "tsdb/tsdb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
    struct arena arena; /* holds every text and array below */
    const char *config_file;
    bool config_auto_reload;
    int64_t config_auto_reload_interval_ms;
    const char **listen_addresses;
    size_t listen_address_count;
    const char *web_config_file;
    int64_t web_read_timeout_ms;
    uint64_t web_connections_max;
    const char *web_external_url; /* as given; empty = derived */
    const char *web_route_prefix; /* as given; empty = path of the external URL */
    const char *web_user_assets;
    const char *web_page_title;
    const char *web_cors_origin;
    bool enable_lifecycle;
    bool enable_admin_api;
    bool enable_remote_write_receiver;
    const char *storage_path;
    bool storage_no_lockfile;
    bool has_retention_time;
    int64_t retention_time_ms;
    bool has_retention_size;
    uint64_t retention_size_bytes;
    uint64_t wal_segment_bytes;
    enum tsdb_fsync_policy wal_fsync;
    int64_t block_min_ms;
    int64_t block_max_ms; /* 0 = not given */
    int64_t maintenance_interval_ms;
    uint64_t memory_limit_bytes;
    int64_t query_lookback_delta_ms;
    int64_t query_timeout_ms;
    uint64_t query_concurrency_max;
    uint64_t query_samples_max;
    uint64_t query_threads; /* 0 = as many as there are processors, at most 4 */
    bool scrape_adjust_timestamps;
    int64_t scrape_timestamp_tolerance_ms;
    int64_t rules_outage_tolerance_ms;
    int64_t rules_grace_period_ms;
    int64_t rules_resend_delay_ms;
    uint64_t notification_queue_capacity;
    uint64_t notification_batch_size;
    bool notification_drain_on_shutdown;
    unsigned promql_features; /* of --enable-feature */
    bool feature_extra_scrape_metrics;
    bool feature_exemplar_storage;
    bool feature_start_zeros;
    bool feature_start_storage;
    enum log_level log_level;
    enum log_format log_format;
    /* All flags for status/flags, sorted by name, values as the reference prints them. */
    struct api_flag *flags;
    size_t flag_count;
    /* To be logged once at start: flags given that have no effect yet, unknown features. Constant
     * message and the flag or feature that it is about. */
    struct options_warning {
        const char *message;
        const char *flag;
    } *warnings;
    size_t warning_count;
};

enum options_outcome {
    OPTIONS_RUN,
    OPTIONS_EXIT, /* --help, --version: `out_text` is for stdout, exit code 0 */
    OPTIONS_FAIL, /* `out_text` is for stderr, exit with *out_exit_code */
};

/* argv[0] is skipped. `out_text` gets what is to be printed for the last two outcomes. */
enum options_outcome options_parse(int argc, char *const *argv, struct options *out,
                                   struct buf *out_text, int *out_exit_code) MUST_CHECK;
void options_release(struct options *options);
