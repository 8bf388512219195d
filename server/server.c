/* Start, reload, stop. */
#include "server/server.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "config/config.h"
#include "model/duration.h"
#include "net/http_server.h"
#include "promql/promql.h"
#include "rules/notifier.h"
#include "rules/rules.h"
#include "scrape/scrape.h"
#include "server/auto_reload.h"
#include "server/data_filesystem.h"
#include "server/external_url.h"
#include "server/self_metrics.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SERVER_STOP_GRACE_MS 3000
#define SERVER_DEFAULT_RETENTION_MS ((int64_t)15 * 24 * 3600 * 1000)

struct server {
    /* immutable after start */
    const struct options *options;
    const struct clock *clock;
    int64_t start_ms;
    char hostname[HOST_NAME_MAX + 1];
    char working_directory[PATH_MAX];
    struct buf external_url;
    struct buf route_prefix;
    struct memory_budget memory; /* of storage, queries and what comes in */
    struct tsdb *db;
    struct scrape_manager *scrape;
    struct notifier *notifier;
    struct rule_manager *rules;
    struct promql_engine *engine;
    struct api *api;
    struct http_server *http;
    atomic_bool config_ok;
    _Atomic int64_t config_loaded_ms;
    struct auto_reload *auto_reload; /* NULL = off */
    struct mutex reload_lock; /* one reload at a time */
    struct mutex lock;
    /* guarded by lock: */
    struct config *config;
};

static struct config *server_config(void *context)
{
    struct server *server = context;
    MUTEX_GUARD(&server->lock);
    return server->config == NULL ? NULL : config_ref(server->config);
}

/* Retention as it is in force: the configuration beats the flags; 15 days if nothing is said. */
struct server_retention {
    int64_t time_ms;
    uint64_t size_bytes;
    double percentage;
};

static struct server_retention server_retention(const struct options *options,
                                                const struct config_storage *storage)
{
    struct server_retention retention = {
        .time_ms = options->has_retention_time ? options->retention_time_ms : 0,
        .size_bytes = options->has_retention_size ? options->retention_size_bytes : 0,
    };
    if (storage->has_retention_time)
        retention.time_ms = storage->retention_time_ms;
    if (storage->has_retention_size)
        retention.size_bytes = storage->retention_size_bytes;
    if (storage->has_retention_percentage)
        retention.percentage = storage->retention_percentage;
    bool said = options->has_retention_time || options->has_retention_size ||
                storage->has_retention_time || storage->has_retention_size;
    if (!said)
        retention.time_ms = SERVER_DEFAULT_RETENTION_MS;
    return retention;
}

static void print_size(uint64_t bytes, struct buf *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    while (unit + 1 < ARRAY_SIZE(units) && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    buf_append_uint(out, bytes);
    buf_append_str(out, units[unit]);
}

static void server_retention_text(struct buf *out, void *context)
{
    struct server *server = context;
    struct config *config = server_config(server);
    if (config == NULL)
        return;
    struct server_retention retention = server_retention(server->options, &config->storage);
    config_unref(config);
    if (retention.time_ms > 0)
        duration_print(retention.time_ms, out);
    if (retention.size_bytes > 0) {
        if (out->len > 0)
            buf_append_str(out, " or ");
        print_size(retention.size_bytes, out);
    }
    if (retention.percentage > 0) {
        if (out->len > 0)
            buf_append_str(out, " or ");
        buf_printf(out, "%g%%", retention.percentage);
    }
}

static int64_t server_exemplars_max(const struct server *server, const struct config *config)
{
    return server->options->feature_exemplar_storage ? config->storage.max_exemplars : 0;
}

static enum err server_load_config(struct server *server, struct config **out, struct buf *errors,
                                   struct errbuf *err)
{
    const struct options *options = server->options;
    struct config_defaults defaults = {
        .retention_time_ms = options->has_retention_time ? options->retention_time_ms : 0,
        .retention_size_bytes = options->has_retention_size ? options->retention_size_bytes : 0,
        .extra_scrape_metrics = options->feature_extra_scrape_metrics,
        .protobuf_first = options->feature_start_zeros || options->feature_start_storage,
    };
    enum err code = config_load_with(options->config_file, &defaults, out, errors, err);
    if (code != ERR_NONE)
        return code;
    for (size_t i = 0; i < (*out)->warning_count; i++)
        log_warn("The configuration has something to know", log_slice("what", (*out)->warnings[i]));
    return ERR_NONE;
}

/* Hands a configuration to every part and puts it in force. Its rule files were checked, so that
 * nothing is half applied; `errors` gets the problems of those that broke since. */
static enum err server_apply_config(struct server *server, struct config *config,
                                    struct buf *errors, struct errbuf *err)
{
    struct server_retention retention = server_retention(server->options, &config->storage);
    tsdb_set_retention(server->db, retention.time_ms, retention.size_bytes, retention.percentage);
    tsdb_set_out_of_order_window(server->db, config->storage.out_of_order_window_ms);
    tsdb_set_exemplars_max(server->db, server_exemplars_max(server, config));
    promql_engine_set_subquery_step(server->engine, config->global.evaluation_interval_ms);
    enum err code = scrape_manager_apply(server->scrape, config, err);
    if (code == ERR_NONE)
        code = notifier_apply(server->notifier, config, err);
    if (code == ERR_NONE)
        code = rule_manager_apply(server->rules, config, errors, err);
    if (code != ERR_NONE)
        return code;
    struct config *old;
    {
        MUTEX_GUARD(&server->lock);
        old = server->config;
        server->config = config;
    }
    config_unref(old);
    server->config_ok = true;
    server->config_loaded_ms = clock_now_ms(server->clock);
    self_metrics_config_loaded(true, server->config_loaded_ms);
    return ERR_NONE;
}

/* Several problems at once: a line of the log for each. */
static void server_log_problems(const struct server *server, const char *message,
                                const struct buf *errors, const struct errbuf *err)
{
    struct slice left = errors->len > 0 ? buf_slice(errors) : slice_str(err->text);
    while (left.len > 0) {
        size_t end = slice_index(left, '\n');
        struct slice problem = end == SLICE_NONE ? left : slice_sub(left, 0, end);
        left = end == SLICE_NONE ? SLICE_EMPTY : slice_from_index(left, end + 1);
        log_error(message, log_str("file", server->options->config_file),
                  log_slice("err", problem));
    }
}

bool server_reload(struct server *server, struct buf *out_text)
{
    struct config *in_force = server_config(server);
    if (in_force == NULL) {
        buf_append_str(out_text, "failed to reload config: the server is not ready yet\n");
        return false;
    }
    config_unref(in_force);
    MUTEX_GUARD(&server->reload_lock);
    log_info("Loading configuration file", log_str("filename", server->options->config_file));
    int64_t started_ns = clock_monotonic_ns(server->clock);
    struct errbuf err = ERRBUF_INIT;
    struct buf errors CLEANUP(buf_release);
    buf_init(&errors, (size_t)1 << 20);
    struct config *config;
    const char *failure = "couldn't load configuration";
    enum err code = server_load_config(server, &config, &errors, &err);
    if (code == ERR_NONE) {
        failure = "one or more errors occurred while applying the new configuration";
        code = rule_files_check(config, server->options->promql_features, &errors, &err);
        if (code == ERR_NONE)
            code = server_apply_config(server, config, &errors, &err);
        if (code != ERR_NONE)
            config_unref(config);
    }
    if (code == ERR_NONE) {
        log_info("Completed loading of configuration file",
                 log_str("filename", server->options->config_file),
                 log_duration_ns("totalDuration", clock_monotonic_ns(server->clock) - started_ns));
        api_reload_ended(server->api, true);
        return true;
    }
    api_reload_ended(server->api, false);
    server->config_ok = false;
    self_metrics_config_loaded(false, 0);
    const char *why = errors.len > 0 ? buf_cstr(&errors) : err.text;
    server_log_problems(server, "Error reloading config", &errors, &err);
    buf_printf(out_text,
               "failed to reload config: %s (--config.file=\"%s\"): %s\n", failure,
               server->options->config_file, why);
    return false;
}

static bool server_reload_request(void *context, struct buf *out_text)
{
    return server_reload(context, out_text);
}

static void server_reload_by_itself(void *context)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, (size_t)1 << 20);
    server_reload(context, &text);
}

static bool server_quit_request(void *context, struct buf *out_text)
{
    log_warn("Received termination request via web service, exiting gracefully...");
    buf_append_str(out_text, "Requesting termination... Goodbye!");
    kill(getpid(), SIGTERM);
    return true;
}

static void server_describe_host(struct server *server)
{
    if (gethostname(server->hostname, sizeof(server->hostname)) != 0)
        snprintf(server->hostname, sizeof(server->hostname), "localhost");
    if (getcwd(server->working_directory, sizeof(server->working_directory)) == NULL)
        snprintf(server->working_directory, sizeof(server->working_directory),
                 "<error retrieving current working directory>");
}

static struct api *server_make_api(struct server *server)
{
    const struct options *options = server->options;
    return api_new(&(struct api_options){
        .program =
            {
                .version = FERULA_COMPATIBLE_VERSION,
                .revision = ferula_revision,
                .branch = "ferula",
                .build_user = "ferula",
                .build_date = ferula_build_date,
                .compiler = "c-" __VERSION__,
                .start_ms = server->start_ms,
                .working_directory = server->working_directory,
                .hostname = server->hostname,
            },
        .clock = server->clock,
        .flags = options->flags,
        .flag_count = options->flag_count,
        .engine = server->engine,
        .memory = &server->memory,
        .external_url = buf_cstr(&server->external_url),
        .listen_port = external_url_listen_port(options->listen_addresses[0]),
        .page_title = options->web_page_title,
        .enable_remote_write_receiver = options->enable_remote_write_receiver,
        .enable_admin_api = options->enable_admin_api,
        .enable_lifecycle = options->enable_lifecycle,
        .promql_features = options->promql_features,
        .config = server_config,
        .reload = server_reload_request,
        .quit = server_quit_request,
        .context = server,
        .config_ok = &server->config_ok,
        .config_loaded_ms = &server->config_loaded_ms,
        .retention_text = server_retention_text,
    });
}

static enum err server_listen(struct server *server, struct errbuf *err)
{
    const struct options *options = server->options;
    size_t route_count;
    const struct http_route *routes = api_routes(server->api, &route_count);
    struct http_server_options http_options = {
        .listen_addresses = options->listen_addresses,
        .listen_address_count = options->listen_address_count,
        .route_prefix = buf_cstr(&server->route_prefix),
        .connections_max = (size_t)options->web_connections_max,
        .read_timeout_ms = options->web_read_timeout_ms,
        .memory = &server->memory,
        .cors_origin_regex = options->web_cors_origin,
        .admit = api_admit,
        .admit_context = server->api,
        .observe = api_observe,
        .observe_context = server->api,
    };
    enum err code = http_server_start(&http_options, routes, route_count, &server->http, err);
    if (code != ERR_NONE)
        return code;
    for (size_t i = 0; i < options->listen_address_count; i++)
        log_info("Start listening for connections",
                 log_str("address", options->listen_addresses[i]));
    return ERR_NONE;
}

static enum err server_open_storage(struct server *server, const struct config *config,
                                    struct errbuf *err)
{
    const struct options *options = server->options;
    struct server_retention retention = server_retention(options, &config->storage);
    struct tsdb_options tsdb_options = {
        .path = options->storage_path,
        .clock = server->clock,
        .retention_ms = retention.time_ms,
        .retention_bytes = retention.size_bytes,
        .retention_percentage = retention.percentage,
        .out_of_order_window_ms = config->storage.out_of_order_window_ms,
        .exemplars_max = server_exemplars_max(server, config),
        .start_zero_samples = options->feature_start_zeros,
        .store_start_times = options->feature_start_storage,
        .wal_segment_bytes = options->wal_segment_bytes,
        .fsync_policy = options->wal_fsync,
        .block_min_ms = options->block_min_ms,
        .block_max_ms = options->block_max_ms,
        .maintenance_interval_ms = options->maintenance_interval_ms,
        .memory = &server->memory,
        .no_lockfile = options->storage_no_lockfile,
    };
    log_info("Starting TSDB ...", log_str("path", options->storage_path));
    int64_t started_ns = clock_monotonic_ns(server->clock);
    enum err code = tsdb_open(&tsdb_options, &server->db, err);
    if (code != ERR_NONE)
        return code;
    data_filesystem_report(options->storage_path);
    log_info("TSDB started",
             log_duration_ns("duration", clock_monotonic_ns(server->clock) - started_ns));
    return ERR_NONE;
}

#define QUERY_THREADS_OF_ITSELF 4
#define QUERY_THREADS_MAX 64

static size_t server_query_threads(const struct options *options)
{
    if (options->query_threads > 0)
        return (size_t)MIN(options->query_threads, (uint64_t)QUERY_THREADS_MAX);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return processors < 1 ? 1 : MIN((size_t)processors, (size_t)QUERY_THREADS_OF_ITSELF);
}

static void server_make_engine(struct server *server)
{
    const struct options *options = server->options;
    server->engine = promql_engine_new(&(struct promql_engine_options){
        .clock = server->clock,
        .timeout_ms = options->query_timeout_ms,
        .samples_max = options->query_samples_max,
        .concurrency_max = (size_t)options->query_concurrency_max,
        .threads = server_query_threads(options),
        .lookback_delta_ms = options->query_lookback_delta_ms,
        .features = options->promql_features,
        .memory = &server->memory,
    });
}

/* Everything that can be found wrong before anything is touched: configuration, URL, port. */
static enum server_exit server_prepare(struct server *server, struct config **out_config)
{
    const struct options *options = server->options;
    struct errbuf err = ERRBUF_INIT;
    struct buf errors CLEANUP(buf_release);
    buf_init(&errors, (size_t)1 << 20);
    if (server_load_config(server, out_config, &errors, &err) != ERR_NONE) {
        server_log_problems(server, "Error loading config (--config.file)", &errors, &err);
        return SERVER_EXIT_CONFIG;
    }
    if (rule_files_check(*out_config, options->promql_features, &errors, &err) != ERR_NONE) {
        server_log_problems(
            server, "Error loading rule file patterns from config (--config.file)", &errors, &err);
        return SERVER_EXIT_CONFIG;
    }
    if (external_url_compute(options->web_external_url, options->web_route_prefix,
                             options->listen_addresses[0], server->hostname, &server->external_url,
                             &server->route_prefix, &err) != ERR_NONE) {
        log_error("Invalid external URL", log_err(&err));
        return SERVER_EXIT_CONFIG;
    }
    server_make_engine(server);
    server->api = server_make_api(server);
    if (server_listen(server, &err) != ERR_NONE) {
        bool in_use = strstr(err.text, "address already in use") != NULL;
        log_error("Unable to start web listener", log_err(&err),
                  log_str("hint", in_use ? "another process listens there: stop it, or choose "
                                           "another --web.listen-address"
                                         : "see --web.listen-address"));
        return SERVER_EXIT_FAILURE;
    }
    return SERVER_EXIT_OK;
}

/* A duration of 0 from the command line is as short as can be said. */
static int64_t at_least_1_ms(int64_t duration_ms)
{
    return MAX(duration_ms, INT64_C(1));
}

static void server_make_rules(struct server *server)
{
    const struct options *options = server->options;
    server->notifier = notifier_new(&(struct notifier_options){
        .clock = server->clock,
        .queue_count_max = (size_t)options->notification_queue_capacity,
        .batch_count_max = (size_t)options->notification_batch_size,
        .drain_on_shutdown = options->notification_drain_on_shutdown,
        .user_agent = "Prometheus/" FERULA_COMPATIBLE_VERSION,
    });
    server->rules = rule_manager_new(&(struct rule_manager_options){
        .db = server->db,
        .engine = server->engine,
        .clock = server->clock,
        .notifier = server->notifier,
        .external_url = buf_cstr(&server->external_url),
        .promql_features = options->promql_features,
        .outage_tolerance_ms = at_least_1_ms(options->rules_outage_tolerance_ms),
        .grace_period_ms = at_least_1_ms(options->rules_grace_period_ms),
        .resend_delay_ms = at_least_1_ms(options->rules_resend_delay_ms),
    });
}

static enum server_exit server_begin(struct server *server, struct config *config)
{
    const struct options *options = server->options;
    struct errbuf err = ERRBUF_INIT;
    if (server_open_storage(server, config, &err) != ERR_NONE) {
        log_error("Fatal error", log_str("err", err.text), log_str("part", "opening storage"));
        return SERVER_EXIT_FAILURE;
    }
    server->scrape = scrape_manager_new(&(struct scrape_manager_options){
        .db = server->db,
        .clock = server->clock,
        .memory = &server->memory,
        .user_agent = "Prometheus/" FERULA_COMPATIBLE_VERSION,
        .extra_scrape_metrics = options->feature_extra_scrape_metrics,
        .type_and_unit_labels = (options->promql_features & PROMQL_TYPE_AND_UNIT_LABELS) != 0,
        .adjust_timestamps = options->scrape_adjust_timestamps,
        .timestamp_tolerance_ms = options->scrape_timestamp_tolerance_ms,
    });
    server_make_rules(server);
    api_set_parts(server->api, &(struct api_parts){.db = server->db,
                                                   .scrape = server->scrape,
                                                   .rules = server->rules,
                                                   .notifier = server->notifier});
    log_info("Loading configuration file", log_str("filename", options->config_file));
    int64_t started_ns = clock_monotonic_ns(server->clock);
    struct buf errors CLEANUP(buf_release);
    buf_init(&errors, (size_t)1 << 20);
    if (server_apply_config(server, config_ref(config), &errors, &err) != ERR_NONE) {
        config_unref(config);
        server_log_problems(server, "Error loading config (--config.file)", &errors, &err);
        return SERVER_EXIT_CONFIG;
    }
    log_info("Completed loading of configuration file",
             log_str("filename", options->config_file),
             log_duration_ns("totalDuration", clock_monotonic_ns(server->clock) - started_ns));
    api_set_state(server->api, API_READY);
    self_metrics_ready(true);
    log_info("Server is ready to receive web requests.");
    if (options->config_auto_reload)
        server->auto_reload = auto_reload_start(&(struct auto_reload_options){
            .config_file = options->config_file,
            .interval_ms = options->config_auto_reload_interval_ms,
            .config = server_config,
            .reload = server_reload_by_itself,
            .context = server,
        });
    return SERVER_EXIT_OK;
}

enum server_exit server_start(const struct options *options, struct server **out)
{
    struct server *server = mem_zalloc(sizeof(*server));
    server->options = options;
    server->clock = clock_system;
    server->start_ms = clock_now_ms(server->clock);
    mutex_init(&server->reload_lock, LOCK_RANK_RELOAD);
    mutex_init(&server->lock, LOCK_RANK_SERVER);
    buf_init(&server->external_url, 4096);
    buf_init(&server->route_prefix, 4096);
    server_describe_host(server);
    memory_budget_init(&server->memory, options->memory_limit_bytes);
    self_metrics_init(server->start_ms, &server->memory);
    struct config *config = NULL;
    enum server_exit exit_code = server_prepare(server, &config);
    if (exit_code == SERVER_EXIT_OK)
        exit_code = server_begin(server, config);
    config_unref(config);
    if (exit_code != SERVER_EXIT_OK) {
        server_stop(server);
        return exit_code;
    }
    *out = server;
    return SERVER_EXIT_OK;
}

void server_stop(struct server *server)
{
    if (server == NULL)
        return;
    auto_reload_stop(server->auto_reload);
    if (server->api != NULL)
        api_set_state(server->api, API_STOPPING);
    self_metrics_ready(false);
    /* first the requests, which use all that follows; one may wait for a rule */
    rule_manager_stop(server->rules);
    if (server->http != NULL)
        http_server_stop(server->http, SERVER_STOP_GRACE_MS);
    scrape_manager_free(server->scrape);
    rule_manager_free(server->rules);
    notifier_free(server->notifier);
    promql_engine_free(server->engine);
    api_free(server->api);
    tsdb_close(server->db);
    config_unref(server->config);
    buf_release(&server->external_url);
    buf_release(&server->route_prefix);
    mutex_release(&server->lock);
    mutex_release(&server->reload_lock);
    mem_free(server);
}
