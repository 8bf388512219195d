/* The routes, and who is let in while the server starts and stops. */
#include "api/api.h"

#include "api/api_internal.h"
#include "net/url.h"
#include "remote/remote.h"

#define GET (HTTP_GET | HTTP_HEAD)
#define GET_POST (GET | HTTP_POST)

enum api_route_flag {
    QUICK = 0,
    SLOW = 1 << 0,   /* on the worker pool */
    ALWAYS = 1 << 1, /* answered while starting and stopping too */
};

struct api_route {
    const char *path;
    unsigned methods;
    unsigned flags;
    http_handler handler;
};

static const struct api_route api_route_table[] = {
    {"/", GET, ALWAYS, page_redirect},
    {"/graph", GET, ALWAYS, page_redirect},
    {"/query", GET, ALWAYS, page_show},
    {"/alerts", GET, ALWAYS, page_show},
    {"/targets", GET, ALWAYS, page_show},
    {"/rules", GET, ALWAYS, page_show},
    {"/service-discovery", GET, ALWAYS, page_show},
    {"/alertmanager-discovery", GET, ALWAYS, page_show},
    {"/status", GET, ALWAYS, page_show},
    {"/tsdb-status", GET, ALWAYS, page_show},
    {"/flags", GET, ALWAYS, page_show},
    {"/config", GET, ALWAYS, page_show},
    {"/assets/*", GET, ALWAYS, page_asset_file},
    {"/favicon.svg", GET, ALWAYS, page_favicon},
    {"/favicon.ico", GET, ALWAYS, page_favicon},
    {"/-/healthy", GET, ALWAYS, health_healthy},
    {"/-/ready", GET, QUICK, health_ready},
    {"/-/reload", GET_POST | HTTP_PUT, SLOW | ALWAYS, health_lifecycle},
    {"/-/quit", GET_POST | HTTP_PUT, SLOW | ALWAYS, health_lifecycle},
    {"/metrics", GET, ALWAYS, health_metrics},
    {"/version", GET, ALWAYS, status_version},
    {"/api/v1/query", GET_POST, SLOW, query_instant},
    {"/api/v1/query_range", GET_POST, SLOW, query_range},
    {"/api/v1/query_exemplars", GET_POST, SLOW, query_exemplars},
    {"/api/v1/format_query", GET_POST, SLOW, query_format},
    {"/api/v1/parse_query", GET_POST, SLOW, query_parse},
    {"/api/v1/series", GET_POST, SLOW, series_list_handler},
    {"/api/v1/labels", GET_POST, SLOW, series_label_names},
    {"/api/v1/label/*/values", GET, SLOW, series_label_values},
    {"/api/v1/targets", GET, SLOW, targets_list},
    {"/api/v1/targets/metadata", GET, SLOW, targets_metadata},
    {"/api/v1/metadata", GET, SLOW, targets_metric_metadata},
    {"/api/v1/scrape_pools", GET, SLOW, targets_scrape_pools},
    {"/api/v1/rules", GET, SLOW, alerting_rules},
    {"/api/v1/alerts", GET, SLOW, alerting_alerts},
    {"/api/v1/alertmanagers", GET, SLOW, alerting_alertmanagers},
    {"/api/v1/notifications", GET, ALWAYS, notices_list},
    {"/api/v1/status/config", GET, SLOW, status_config},
    {"/api/v1/status/flags", GET, QUICK, status_flags},
    {"/api/v1/status/runtimeinfo", GET, QUICK, status_runtimeinfo},
    {"/api/v1/status/buildinfo", GET, QUICK, status_buildinfo},
    {"/api/v1/status/tsdb", GET, SLOW, status_tsdb},
    {"/api/v1/status/tsdb/blocks", GET, SLOW, status_tsdb_blocks},
    {"/api/v1/admin/tsdb/delete_series", HTTP_POST | HTTP_PUT, SLOW, admin_delete_series},
    {"/api/v1/admin/tsdb/clean_tombstones", HTTP_POST | HTTP_PUT, SLOW, admin_clean_tombstones},
    {"/api/v1/admin/tsdb/snapshot", HTTP_POST | HTTP_PUT, SLOW, admin_snapshot},
    {"/api/v1/status/walreplay", GET, ALWAYS, status_walreplay},
    {"/api/v1/write", HTTP_POST, SLOW, write_remote},
};

struct api *api_new(const struct api_options *options)
{
    struct api *api = mem_zalloc(sizeof(*api));
    api->options = *options;
    if (api->options.clock == NULL)
        api->options.clock = clock_system;
    api->route_count = ARRAY_SIZE(api_route_table);
    api->routes = mem_zalloc_array(api->route_count, sizeof(*api->routes));
    for (size_t i = 0; i < api->route_count; i++) {
        api->routes[i] = (struct http_route){
            .path = api_route_table[i].path,
            .methods = api_route_table[i].methods,
            .slow = (api_route_table[i].flags & SLOW) != 0,
            .handler = api_route_table[i].handler,
            .context = api,
        };
    }
    buf_init(&api->external_path, 4096);
    struct url external;
    if (options->external_url != NULL &&
        url_parse(slice_str(options->external_url), &external, NULL) == ERR_NONE) {
        while (slice_has_suffix(external.path, SLICE("/")))
            external.path.len--;
        buf_append_slice(&api->external_path, external.path);
    }
    api->http_metrics = http_metrics_new();
    api->state = API_STARTING;
    return api;
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    remote_write_receiver_free(api->write_receiver);
    http_metrics_free(api->http_metrics);
    buf_release(&api->external_path);
    mem_free(api->routes);
    mem_free(api);
}

void api_set_state(struct api *api, enum api_state state)
{
    api->state = state;
}

void api_set_parts(struct api *api, const struct api_parts *parts)
{
    remote_write_receiver_free(api->write_receiver);
    api->write_receiver = parts->db == NULL ? NULL : remote_write_receiver_new(parts->db, api->options.memory);
    api->scrape = parts->scrape;
    api->rules = parts->rules;
    api->notifier = parts->notifier;
    api->db = parts->db;
}

const struct http_route *api_routes(struct api *api, size_t *out_count)
{
    *out_count = api->route_count;
    return api->routes;
}

static bool api_route_is_open(struct slice path)
{
    if (slice_has_prefix(path, SLICE("/assets/")))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(api_route_table); i++) {
        if (slice_eq_str(path, api_route_table[i].path))
            return (api_route_table[i].flags & ALWAYS) != 0;
    }
    return false;
}

bool api_admit(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    int state = api->state;
    if (state == API_READY || api_route_is_open(request->path))
        return true;
    http_response_header(response, "X-Prometheus-Stopping",
                         state == API_STOPPING ? "true" : "false");
    http_response_text(response, 503, "text/plain; charset=utf-8", SLICE("Service Unavailable"));
    return false;
}

void api_observe(const char *route, const struct http_request *request, unsigned status,
                 int64_t duration_ns, size_t body_bytes, void *context)
{
    struct api *api = context;
    http_metrics_observe(api->http_metrics, route, status, duration_ns, body_bytes);
}
