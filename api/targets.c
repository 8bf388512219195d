/* targets, targets/metadata, scrape_pools and metadata: what is scraped and what it says of itself. */
#include "api/api_internal.h"
#include "model/duration.h"
#include "model/metadata.h"
#include "model/timestamp.h"
#include "net/url.h"

#include <stdlib.h>

static const char *health_name(enum scrape_health health)
{
    switch (health) {
    case SCRAPE_HEALTH_UP:
        return "up";
    case SCRAPE_HEALTH_DOWN:
        return "down";
    case SCRAPE_HEALTH_UNKNOWN:
        break;
    }
    return "unknown";
}

static void json_key_duration(struct json_writer *json, const char *name, int64_t duration_ms)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 64);
    duration_print(duration_ms, &text);
    json_key_string(json, name, buf_slice(&text));
}

static bool host_is_local(struct slice host)
{
    return slice_eq_str(host, "localhost") || slice_eq_str(host, "127.0.0.1") ||
           slice_eq_str(host, "[::1]") || slice_eq_str(host, "::1");
}

/* The URL as seen from elsewhere: a local host becomes the external URL's; on our own port scheme and
 * port too. */
static void target_global_url(struct api *api, struct slice text, struct buf *out)
{
    struct url url;
    struct url external;
    if (url_parse(text, &url, NULL) != ERR_NONE || !host_is_local(url.host) ||
        url_parse(slice_str(api->options.external_url), &external, NULL) != ERR_NONE) {
        buf_append_slice(out, text);
        return;
    }
    bool own_port = slice_eq_str(url.port, api->options.listen_port);
    buf_append_slice(out, own_port ? external.scheme : url.scheme);
    buf_append_str(out, "://");
    buf_append_slice(out, external.host);
    struct slice port = own_port ? external.port : url.port;
    if (port.len > 0)
        buf_printf(out, ":%.*s", SLICE_ARG(port));
    buf_append_slice(out, url.path);
    if (url.query.len > 0)
        buf_printf(out, "?%.*s", SLICE_ARG(url.query));
}

static void target_active_json(struct api *api, struct json_writer *json,
                               const struct scrape_target_state *target)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    json_object_begin(json);
    json_key(json, "discoveredLabels");
    json_labels(json, target->discovered_labels);
    json_key(json, "labels");
    json_labels(json, target->labels);
    json_key_string(json, "scrapePool", target->pool);
    json_key_string(json, "scrapeUrl", target->url);
    target_global_url(api, target->url, &text);
    json_key_string(json, "globalUrl", buf_slice(&text));
    json_key_string(json, "lastError", target->last_error);
    buf_reset(&text);
    if (target->last_scrape_ms == 0)
        buf_append_str(&text, TIMESTAMP_RFC3339_NEVER);
    else
        timestamp_print_rfc3339(target->last_scrape_ms, &text);
    json_key_string(json, "lastScrape", buf_slice(&text));
    json_key_double(json, "lastScrapeDuration", target->last_scrape_duration_s);
    json_key_cstring(json, "health", health_name(target->health));
    json_key_duration(json, "scrapeInterval", target->interval_ms);
    json_key_duration(json, "scrapeTimeout", target->timeout_ms);
    json_object_end(json);
}

static void targets_active_json(struct api *api, struct answer *answer,
                                const struct scrape_snapshot *snapshot)
{
    json_key(&answer->json, "activeTargets");
    json_array_begin(&answer->json);
    for (size_t p = 0; p < snapshot->pool_count; p++) {
        const struct scrape_pool_state *state = &snapshot->pools[p];
        for (size_t i = 0; i < state->active_count && answer_flush(answer); i++)
            target_active_json(api, &answer->json, &state->active[i]);
    }
    json_array_end(&answer->json);
}

static void targets_dropped_json(struct answer *answer, const struct scrape_snapshot *snapshot)
{
    struct json_writer *json = &answer->json;
    json_key(json, "droppedTargets");
    json_array_begin(json);
    for (size_t p = 0; p < snapshot->pool_count; p++) {
        const struct scrape_pool_state *state = &snapshot->pools[p];
        for (size_t i = 0; i < state->dropped_count && answer_flush(answer); i++) {
            json_object_begin(json);
            json_key(json, "discoveredLabels");
            json_labels(json, state->dropped[i].discovered_labels);
            json_key_string(json, "scrapePool", state->name);
            json_object_end(json);
        }
    }
    json_array_end(json);
}

static void targets_dropped_counts_json(struct answer *answer,
                                        const struct scrape_snapshot *snapshot, bool wanted)
{
    struct json_writer *json = &answer->json;
    json_key(json, "droppedTargetCounts");
    if (!wanted) {
        json_null(json);
        return;
    }
    json_object_begin(json);
    for (size_t p = 0; p < snapshot->pool_count; p++) {
        json_key_slice(json, snapshot->pools[p].name);
        json_uint(json, snapshot->pools[p].dropped_count_total);
    }
    json_object_end(json);
}

static bool state_is(struct slice state, const char *name)
{
    return state.len == strlen(name) && strncasecmp(state.ptr, name, state.len) == 0;
}

static void targets_answer(struct api *api, struct http_response *response,
                           const struct scrape_selection *selection,
                           const struct scrape_snapshot *snapshot)
{
    struct answer answer;
    answer_begin(&answer, response);
    json_object_begin(&answer.json);
    targets_active_json(api, &answer, snapshot);
    targets_dropped_json(&answer, snapshot);
    targets_dropped_counts_json(&answer, snapshot, selection->dropped);
    json_object_end(&answer.json);
    answer_end(&answer);
}

void targets_list(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    struct slice state = parameter_text(request, "state");
    bool any = state.len == 0 || state_is(state, "any");
    struct scrape_selection selection = {
        .pool = parameter_text(request, "scrapePool"),
        .active = any || state_is(state, "active"),
        .dropped = any || state_is(state, "dropped"),
    };
    struct answer_room room CLEANUP(answer_room_release);
    answer_room_init(&room, api);
    struct errbuf err = ERRBUF_INIT;
    struct scrape_snapshot snapshot;
    if (scrape_manager_snapshot(api->scrape, &selection, &room.arena, &room.memory, &snapshot,
                                &err) != ERR_NONE) {
        answer_error_narrow(response, &err, "ask for one scrapePool, or for state=active");
        return;
    }
    targets_answer(api, response, &selection, &snapshot);
    scrape_snapshot_release(&snapshot);
}

void targets_scrape_pools(struct http_request *request, struct http_response *response,
                          void *context)
{
    struct api *api = context;
    static const struct scrape_selection names_only = {0};
    struct answer_room room CLEANUP(answer_room_release);
    answer_room_init(&room, api);
    struct errbuf err = ERRBUF_INIT;
    struct scrape_snapshot snapshot;
    if (scrape_manager_snapshot(api->scrape, &names_only, &room.arena, &room.memory, &snapshot,
                                &err) != ERR_NONE) {
        answer_error_from(response, &err);
        return;
    }
    struct answer answer;
    answer_begin(&answer, response);
    json_object_begin(&answer.json);
    json_key(&answer.json, "scrapePools");
    json_array_begin(&answer.json);
    for (size_t i = 0; i < snapshot.pool_count && answer_flush(&answer); i++)
        json_string(&answer.json, snapshot.pools[i].name);
    json_array_end(&answer.json);
    json_object_end(&answer.json);
    answer_end(&answer);
    scrape_snapshot_release(&snapshot);
}

/* A limit of these endpoints: absent or negative = none, and 0 is zero results. */
static bool parameter_count(struct http_request *request, struct http_response *response,
                            const char *name, long long *out)
{
    struct slice text = parameter_text(request, name);
    *out = -1;
    if (text.len == 0)
        return true;
    char *end;
    *out = strtoll(arena_slice(request->arena, text).ptr, &end, 10);
    if (*end == '\0' && end[-1] >= '0' && end[-1] <= '9')
        return true;
    answer_error(response, API_ERROR_BAD_DATA, "%s must be a number", name);
    return false;
}

static void metadata_json(struct json_writer *json, const struct scrape_metadata *metadata)
{
    json_key_cstring(json, "type", metric_type_name(metadata->type));
    json_key_string(json, "help", metadata->help);
    json_key_string(json, "unit", metadata->unit);
}

/* The entries [start, end) of one metric, at most `limit`. */
static void metadata_metric_json(struct answer *answer, const struct scrape_metadata *items,
                                 size_t start, size_t end, long long limit)
{
    struct json_writer *json = &answer->json;
    long long written = 0;
    json_array_begin(json);
    for (size_t i = start; i < end && (limit <= 0 || written < limit) && answer_flush(answer);
         i++, written++) {
        json_object_begin(json);
        /* not in the order of targets/metadata, as the reference */
        json_key_cstring(json, "type", metric_type_name(items[i].type));
        json_key_string(json, "unit", items[i].unit);
        json_key_string(json, "help", items[i].help);
        json_object_end(json);
    }
    json_array_end(json);
}

static void metadata_by_metric(struct http_response *response,
                               const struct scrape_metadata_list *list, long long limit,
                               long long limit_per_metric)
{
    struct answer answer;
    answer_begin(&answer, response);
    json_object_begin(&answer.json);
    long long metrics = 0;
    for (size_t i = 0; i < list->count && (limit < 0 || metrics < limit); metrics++) {
        size_t end = i + 1;
        while (end < list->count && slice_eq(list->items[end].metric, list->items[i].metric))
            end++;
        if (!answer_flush(&answer))
            break;
        json_key_slice(&answer.json, list->items[i].metric);
        metadata_metric_json(&answer, list->items, i, end, limit_per_metric);
        i = end;
    }
    json_object_end(&answer.json);
    answer_end(&answer);
}

void targets_metric_metadata(struct http_request *request, struct http_response *response,
                             void *context)
{
    struct api *api = context;
    long long limit;
    long long limit_per_metric;
    if (!parameter_count(request, response, "limit", &limit) ||
        !parameter_count(request, response, "limit_per_metric", &limit_per_metric))
        return;
    struct scrape_metadata_selection selection = {
        .metric = parameter_text(request, "metric"),
        .distinct = true,
    };
    struct answer_room room CLEANUP(answer_room_release);
    answer_room_init(&room, api);
    struct errbuf err = ERRBUF_INIT;
    struct scrape_metadata_list list;
    if (scrape_manager_metadata(api->scrape, &selection, &room.arena, &room.memory, &list, &err) !=
        ERR_NONE) {
        answer_error_narrow(response, &err, "ask for one metric");
        return;
    }
    metadata_by_metric(response, &list, limit, limit_per_metric);
    scrape_metadata_release(&list);
}

static bool target_matches(const struct labels *labels, void *context)
{
    const struct promql_matchers *matchers = context;
    for (size_t i = 0; i < matchers->count; i++) {
        if (!matcher_matches(matchers->items[i], labels_get(labels, matchers->items[i]->name)))
            return false;
    }
    return true;
}

static void metadata_by_target(struct http_response *response,
                               const struct scrape_metadata_list *list, long long limit,
                               bool with_metric)
{
    struct answer answer;
    answer_begin(&answer, response);
    json_array_begin(&answer.json);
    for (size_t i = 0; i < list->count && (limit < 0 || (long long)i < limit); i++) {
        if (!answer_flush(&answer))
            break;
        json_object_begin(&answer.json);
        json_key(&answer.json, "target");
        json_labels(&answer.json, list->items[i].target);
        if (with_metric)
            json_key_string(&answer.json, "metric", list->items[i].metric);
        metadata_json(&answer.json, &list->items[i]);
        json_object_end(&answer.json);
    }
    json_array_end(&answer.json);
    answer_end(&answer);
}

static bool parameter_match_target(struct http_request *request, struct http_response *response,
                                   struct promql_matchers *out)
{
    struct errbuf err = ERRBUF_INIT;
    struct slice match = parameter_text(request, "match_target");
    if (match.len == 0 || promql_parse_selector(match, out, &err) == ERR_NONE)
        return true;
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    promql_error_text(&err, &text);
    answer_error(response, API_ERROR_BAD_DATA, "invalid parameter \"match_target\": %s",
                 buf_cstr(&text));
    return false;
}

void targets_metadata(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    long long limit;
    struct promql_matchers matchers = {0};
    if (!parameter_count(request, response, "limit", &limit) ||
        !parameter_match_target(request, response, &matchers))
        return;
    struct scrape_metadata_selection selection = {
        .metric = parameter_text(request, "metric"),
        .wants = target_matches,
        .context = &matchers,
    };
    struct answer_room room CLEANUP(answer_room_release);
    answer_room_init(&room, api);
    struct errbuf err = ERRBUF_INIT;
    struct scrape_metadata_list list;
    if (scrape_manager_metadata(api->scrape, &selection, &room.arena, &room.memory, &list, &err) ==
        ERR_NONE) {
        metadata_by_target(response, &list, limit, selection.metric.len == 0);
        scrape_metadata_release(&list);
    } else {
        answer_error_narrow(response, &err, "ask for one metric, or for less with match_target");
    }
    promql_matchers_free(&matchers);
}
