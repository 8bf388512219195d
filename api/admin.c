/* The administration of storage, behind --web.enable-admin-api. */
#include "api/api_internal.h"
#include "model/timestamp.h"

static bool admin_is_enabled(const struct api *api, struct http_response *response)
{
    if (api->options.enable_admin_api)
        return true;
    answer_error(response, API_ERROR_UNAVAILABLE, "admin APIs disabled");
    return false;
}

/* Storage's errors are none of the request. */
static void admin_answer_failure(struct http_response *response, const char *what,
                                 const struct errbuf *err)
{
    answer_error(response, API_ERROR_INTERNAL, "%s%s", what, err->text);
}

static void admin_answer_done(struct http_response *response)
{
    http_response_status(response, 204);
}

static bool admin_has_matchers(const struct http_request *request)
{
    for (size_t i = 0; i < request->parameter_count; i++) {
        if (slice_eq_str(request->parameters[i].name, "match[]"))
            return true;
    }
    return false;
}

void admin_delete_series(struct http_request *request, struct http_response *response,
                         void *context)
{
    struct api *api = context;
    int64_t start_ms, end_ms;
    struct match_sets sets = {0};
    struct errbuf err = ERRBUF_INIT;
    if (!admin_is_enabled(api, response))
        return;
    if (!admin_has_matchers(request)) {
        answer_error(response, API_ERROR_BAD_DATA, "no match[] parameter provided");
        return;
    }
    if (!parameter_time(request, response, "start", API_TIME_MIN, &start_ms) ||
        !parameter_time(request, response, "end", API_TIME_MAX, &end_ms) ||
        !parameter_selectors(request, response, &sets))
        return;
    enum err code = ERR_NONE;
    for (size_t i = 0; i < sets.items.len && code == ERR_NONE; i++) {
        const struct promql_matchers *set = &sets.items.items[i];
        code = tsdb_delete_series(api->db, (const struct matcher *const *)set->items, set->count,
                                  start_ms, end_ms, &err);
    }
    match_sets_release(&sets);
    if (code == ERR_NONE)
        admin_answer_done(response);
    else
        admin_answer_failure(response, "", &err);
}

void admin_clean_tombstones(struct http_request *request, struct http_response *response,
                            void *context)
{
    struct api *api = context;
    struct errbuf err = ERRBUF_INIT;
    if (!admin_is_enabled(api, response))
        return;
    if (tsdb_clean_tombstones(api->db, &err) == ERR_NONE)
        admin_answer_done(response);
    else
        admin_answer_failure(response, "", &err);
}

/* As Go's strconv.ParseBool. */
static bool parse_bool(struct slice text, bool *out)
{
    static const char *const truths[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const lies[] = {"0", "f", "F", "FALSE", "false", "False"};
    for (size_t i = 0; i < ARRAY_SIZE(truths); i++) {
        *out = slice_eq_str(text, truths[i]);
        if (*out || slice_eq_str(text, lies[i]))
            return true;
    }
    return false;
}

void admin_snapshot(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    struct slice skip = parameter_text(request, "skip_head");
    bool skip_head = false;
    if (!admin_is_enabled(api, response))
        return;
    if (skip.len > 0 && !parse_bool(skip, &skip_head)) {
        answer_error(response, API_ERROR_BAD_DATA,
                     "invalid parameter \"skip_head\": unable to parse boolean: strconv.ParseBool: "
                     "parsing %s: invalid syntax",
                     parameter_quoted(request, skip));
        return;
    }
    struct buf CLEANUP(buf_release) name;
    struct errbuf err = ERRBUF_INIT;
    buf_init(&name, 256);
    if (tsdb_snapshot(api->db, skip_head, &name, &err) != ERR_NONE) {
        admin_answer_failure(response, "create snapshot: ", &err);
        return;
    }
    struct answer answer;
    answer_begin(&answer, response);
    json_object_begin(&answer.json);
    json_key_string(&answer.json, "name", buf_slice(&name));
    json_object_end(&answer.json);
    answer_end(&answer);
}
