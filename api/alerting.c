/* rules, alerts and alertmanagers: what is evaluated, what fires, and whom it is sent to. */
#include "api/api_internal.h"
#include "base/digest.h"
#include "base/float_text.h"
#include "model/quote.h"
#include "model/timestamp.h"

#include <errno.h>
#include <stdlib.h>

#define TOKEN_LENGTH (2 * DIGEST_SHA256_BYTES)

/* Which rules are asked for. */
struct rule_filter {
    const struct http_request *request;
    struct match_sets match_sets;
    bool alerting;
    bool recording;
    bool without_alerts;
    int64_t group_limit; /* -1 = none */
    struct slice group_next_token;
    /* the group whose rules are looked at, and whether it is asked for */
    const struct rule_group_state *group;
    bool group_admitted;
};

static void json_key_time(struct json_writer *json, const char *name, int64_t t_ms)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 64);
    if (t_ms == 0)
        buf_append_str(&text, TIMESTAMP_RFC3339_NEVER);
    else
        timestamp_print_rfc3339(t_ms, &text);
    json_key_string(json, name, buf_slice(&text));
}

static void alert_json(struct json_writer *json, const struct rule_alert *alert)
{
    char value[FLOAT_TEXT_SHORT_SIZE];
    json_object_begin(json);
    json_key(json, "labels");
    json_labels(json, alert->labels);
    json_key(json, "annotations");
    json_labels(json, alert->annotations);
    json_key_cstring(json, "state", alert_state_name(alert->state));
    json_key_time(json, "activeAt", alert->active_at_ms);
    if (alert->keep_firing_since_ms != 0)
        json_key_time(json, "keepFiringSince", alert->keep_firing_since_ms);
    json_key_string(json, "value", slice_from(value, float_text_e(alert->value, value)));
    json_object_end(json);
}

static void alerts_json(struct answer *answer, const struct rule_state *rule)
{
    for (size_t i = 0; i < rule->alert_count && answer_flush(answer); i++)
        alert_json(&answer->json, &rule->alerts[i]);
}

static const char *health_name(enum rule_health health)
{
    switch (health) {
    case RULE_HEALTH_OK:
        return "ok";
    case RULE_HEALTH_ERROR:
        return "err";
    case RULE_HEALTH_UNKNOWN:
        break;
    }
    return "unknown";
}

static void rule_json(struct answer *answer, const struct rule_state *rule, bool without_alerts)
{
    struct json_writer *json = &answer->json;
    json_object_begin(json);
    if (rule->is_alerting)
        json_key_cstring(json, "state", alert_state_name(rule->state));
    json_key_string(json, "name", rule->name);
    json_key_string(json, "query", rule->query);
    if (rule->is_alerting) {
        json_key_double(json, "duration", (double)rule->for_ms / 1000);
        json_key_double(json, "keepFiringFor", (double)rule->keep_firing_for_ms / 1000);
    }
    json_key(json, "labels");
    json_labels(json, rule->labels);
    if (rule->is_alerting) {
        json_key(json, "annotations");
        json_labels(json, rule->annotations);
        json_key(json, "alerts");
        if (without_alerts) {
            json_null(json);
        } else {
            json_array_begin(json);
            alerts_json(answer, rule);
            json_array_end(json);
        }
    }
    json_key_cstring(json, "health", health_name(rule->health));
    if (rule->last_error.len > 0)
        json_key_string(json, "lastError", rule->last_error);
    json_key_double(json, "evaluationTime", rule->evaluation_duration_s);
    json_key_time(json, "lastEvaluation", rule->last_evaluation_ms);
    json_key_cstring(json, "type", rule->is_alerting ? "alerting" : "recording");
    json_object_end(json);
}

/* Is the text among the values of a parameter, or is the parameter not there? */
static bool parameter_admits(const struct http_request *request, const char *name,
                             struct slice text)
{
    bool given = false;
    for (size_t i = 0; i < request->parameter_count; i++) {
        if (!slice_eq_str(request->parameters[i].name, name))
            continue;
        given = true;
        if (slice_eq(request->parameters[i].value, text))
            return true;
    }
    return !given;
}

static bool labels_match(const struct promql_matchers *matchers, const struct labels *labels)
{
    for (size_t i = 0; i < matchers->count; i++) {
        const struct matcher *matcher = matchers->items[i];
        if (!matcher_matches(matcher, labels_get(labels, matcher->name)))
            return false;
    }
    return true;
}

static bool filter_admits_group(struct rule_filter *filter, const struct rule_group_state *group)
{
    if (filter->group != group) {
        filter->group = group;
        filter->group_admitted = parameter_admits(filter->request, "rule_group[]", group->name) &&
                                 parameter_admits(filter->request, "file[]", group->file);
    }
    return filter->group_admitted;
}

static bool filter_admits(const struct rule_group_state *group, const struct rule_state *rule,
                          void *context)
{
    struct rule_filter *filter = context;
    if (!filter_admits_group(filter, group) ||
        !(rule->is_alerting ? filter->alerting : filter->recording) ||
        !parameter_admits(filter->request, "rule_name[]", rule->name))
        return false;
    for (size_t i = 0; i < filter->match_sets.items.len; i++) {
        if (labels_match(&filter->match_sets.items.items[i], rule->labels))
            return true;
    }
    return filter->match_sets.items.len == 0;
}

static void group_json(struct answer *answer, const struct rule_group_state *group,
                       const struct rule_filter *filter)
{
    struct json_writer *json = &answer->json;
    json_object_begin(json);
    json_key_string(json, "name", group->name);
    json_key_string(json, "file", group->file);
    json_key(json, "rules");
    json_array_begin(json);
    for (size_t i = 0; i < group->rule_count && answer_flush(answer); i++)
        rule_json(answer, &group->rules[i], filter->without_alerts);
    json_array_end(json);
    json_key_double(json, "interval", (double)group->interval_ms / 1000);
    json_key_int(json, "limit", group->limit);
    json_key_double(json, "evaluationTime", group->evaluation_duration_s);
    json_key_time(json, "lastEvaluation", group->last_evaluation_ms);
    json_object_end(json);
}

/* The name of a page that begins with this group. */
static void group_token(const struct rule_group_state *group, char out[TOKEN_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t hash[DIGEST_SHA256_BYTES];
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    buf_printf(&text, "%.*s;%.*s", SLICE_ARG(group->file), SLICE_ARG(group->name));
    digest_sha256(buf_slice(&text), hash);
    for (size_t i = 0; i < DIGEST_SHA256_BYTES; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[TOKEN_LENGTH] = '\0';
}

static const char *quoted(struct http_request *request, struct slice text)
{
    struct buf out CLEANUP(buf_release);
    buf_init(&out, BUF_SIZE_ANY);
    quote_go(text, &out);
    return arena_slice(request->arena, buf_slice(&out)).ptr;
}

/* The value in lower case. */
static struct slice parameter_lower(struct http_request *request, const char *name)
{
    struct slice text = arena_slice(request->arena, parameter_text(request, name));
    char *bytes = (char *)text.ptr;
    for (size_t i = 0; i < text.len; i++) {
        if (bytes[i] >= 'A' && bytes[i] <= 'Z')
            bytes[i] = (char)(bytes[i] + ('a' - 'A'));
    }
    return text;
}

static bool filter_read_type(struct rule_filter *filter, struct http_request *request,
                             struct http_response *response)
{
    struct slice type = parameter_lower(request, "type");
    filter->alerting = type.len == 0 || slice_eq_str(type, "alert");
    filter->recording = type.len == 0 || slice_eq_str(type, "record");
    if (filter->alerting || filter->recording)
        return true;
    answer_error(response, API_ERROR_BAD_DATA, "invalid parameter \"type\": not supported value %s",
                 quoted(request, type));
    return false;
}

static bool filter_read_exclusion(struct rule_filter *filter, struct http_request *request,
                                  struct http_response *response)
{
    struct slice text = parameter_lower(request, "exclude_alerts");
    filter->without_alerts =
        slice_eq_str(text, "1") || slice_eq_str(text, "t") || slice_eq_str(text, "true");
    if (filter->without_alerts || text.len == 0 || slice_eq_str(text, "0") ||
        slice_eq_str(text, "f") || slice_eq_str(text, "false"))
        return true;
    answer_error(response, API_ERROR_BAD_DATA,
                 "invalid parameter \"exclude_alerts\": error converting exclude_alerts: "
                 "strconv.ParseBool: parsing %s: invalid syntax",
                 quoted(request, text));
    return false;
}

static bool filter_read_page(struct rule_filter *filter, struct http_request *request,
                             struct http_response *response)
{
    struct slice limit = arena_slice(request->arena, parameter_text(request, "group_limit"));
    struct slice token = parameter_text(request, "group_next_token");
    filter->group_limit = -1;
    if (limit.len == 0 && token.len > 0) {
        answer_error(response, API_ERROR_BAD_DATA,
                     "invalid parameter \"group_next_token\": group_limit needs to be present in "
                     "order to paginate over the groups");
        return false;
    }
    if (limit.len == 0)
        return true;
    char *end;
    errno = 0;
    filter->group_limit = strtoll(limit.ptr, &end, 10);
    bool is_number = *end == '\0' && end[-1] >= '0' && end[-1] <= '9' && end == limit.ptr + limit.len &&
                     slice_trim(limit).len == limit.len;
    bool in_range = errno == 0 && filter->group_limit >= INT32_MIN &&
                    filter->group_limit <= INT32_MAX;
    if (!is_number || !in_range) {
        answer_error(response, API_ERROR_BAD_DATA,
                     "invalid parameter \"group_limit\": group_limit needs to be a valid number: "
                     "strconv.ParseInt: parsing %s: %s",
                     quoted(request, limit),
                     is_number ? "value out of range" : "invalid syntax");
        return false;
    }
    if (filter->group_limit <= 0) {
        answer_error(response, API_ERROR_BAD_DATA,
                     "invalid parameter \"group_limit\": group_limit needs to be greater than 0");
        return false;
    }
    filter->group_next_token = token;
    return true;
}

/* The index of the group at which the page begins; SIZE_MAX when no group has the token. */
static size_t page_start(const struct rule_filter *filter, const struct rule_snapshot *snapshot)
{
    char token[TOKEN_LENGTH + 1];
    if (filter->group_next_token.len == 0)
        return 0;
    for (size_t i = 0; i < snapshot->group_count; i++) {
        group_token(&snapshot->groups[i], token);
        if (slice_eq_str(filter->group_next_token, token))
            return i;
    }
    return SIZE_MAX;
}

/* Remembers a text for the warnings of an answer: not the reference's, but a mistake that it leaves
 * its users alone with. */
struct pattern_warnings {
    struct answer *answer;
    struct arena *arena;
};

static void pattern_warning(struct slice pattern, void *context)
{
    const struct pattern_warnings *warnings = context;
    bool shown = warnings->answer->warnings.len < ANSWER_ANNOTATIONS_MAX;
    answer_warn(warnings->answer,
                shown ? slice_str(arena_printf(warnings->arena, "rule_files: no file matches %.*s",
                                               SLICE_ARG(pattern)))
                      : SLICE_EMPTY);
}

static void rules_json(struct api *api, struct http_response *response,
                       const struct rule_snapshot *snapshot, const struct rule_filter *filter,
                       size_t start, struct arena *arena)
{
    char token[TOKEN_LENGTH + 1] = "";
    struct answer answer;
    answer_begin(&answer, response);
    json_object_begin(&answer.json);
    json_key(&answer.json, "groups");
    json_array_begin(&answer.json);
    int64_t count = 0;
    for (size_t i = start; i < snapshot->group_count && answer_flush(&answer); i++) {
        if (snapshot->groups[i].rule_count == 0)
            continue;
        if (count++ == filter->group_limit) {
            group_token(&snapshot->groups[i], token);
            break;
        }
        group_json(&answer, &snapshot->groups[i], filter);
    }
    json_array_end(&answer.json);
    if (token[0] != '\0')
        json_key_cstring(&answer.json, "groupNextToken", token);
    json_object_end(&answer.json);
    struct pattern_warnings warnings = {&answer, arena};
    rule_manager_visit_unmatched(api->rules, pattern_warning, &warnings);
    answer_end(&answer);
}

static void rules_answer(struct api *api, struct http_response *response,
                         struct rule_filter *filter)
{
    struct answer_room room CLEANUP(answer_room_release);
    struct errbuf err = ERRBUF_INIT;
    struct rule_snapshot snapshot;
    struct rule_selection selection = {
        .wants = filter_admits,
        .context = filter,
        .without_alerts = filter->without_alerts,
    };
    answer_room_init(&room, api);
    if (rule_manager_snapshot(api->rules, &selection, &room.arena, &room.memory, &snapshot, &err) !=
        ERR_NONE) {
        answer_error_narrow(response, &err,
                            "ask for less with exclude_alerts=true, file[], rule_group[], "
                            "rule_name[], type or match[]");
        return;
    }
    size_t start = page_start(filter, &snapshot);
    if (start == SIZE_MAX)
        answer_error(response, API_ERROR_BAD_DATA,
                     "invalid parameter \"group_next_token\": invalid group_next_token "
                     "'%.*s'. were rule groups changed?",
                     SLICE_ARG(filter->group_next_token));
    else
        rules_json(api, response, &snapshot, filter, start, &room.arena);
    rule_snapshot_release(&snapshot);
}

void alerting_rules(struct http_request *request, struct http_response *response, void *context)
{
    struct rule_filter filter = {.request = request};
    if (!parameter_match_sets(request, response, false, &filter.match_sets))
        return;
    if (filter_read_type(&filter, request, response) &&
        filter_read_exclusion(&filter, request, response) &&
        filter_read_page(&filter, request, response))
        rules_answer(context, response, &filter);
    match_sets_release(&filter.match_sets);
}

static bool is_alerting(const struct rule_group_state *group, const struct rule_state *rule,
                        void *context)
{
    return rule->is_alerting;
}

void alerting_alerts(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    static const struct rule_selection selection = {.wants = is_alerting};
    struct answer_room room CLEANUP(answer_room_release);
    struct errbuf err = ERRBUF_INIT;
    struct rule_snapshot snapshot;
    struct answer answer;
    answer_room_init(&room, api);
    if (rule_manager_snapshot(api->rules, &selection, &room.arena, &room.memory, &snapshot, &err) !=
        ERR_NONE) {
        answer_error_narrow(response, &err, "ask /api/v1/rules for the alerts of one rule_name[]");
        return;
    }
    answer_begin(&answer, response);
    json_object_begin(&answer.json);
    json_key(&answer.json, "alerts");
    json_array_begin(&answer.json);
    for (size_t i = 0; i < snapshot.group_count; i++) {
        for (size_t j = 0; j < snapshot.groups[i].rule_count; j++)
            alerts_json(&answer, &snapshot.groups[i].rules[j]);
    }
    json_array_end(&answer.json);
    json_object_end(&answer.json);
    answer_end(&answer);
    rule_snapshot_release(&snapshot);
}

static void urls_json(struct json_writer *json, const char *name, const struct slice *urls,
                      size_t count)
{
    json_key(json, name);
    json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(json);
        json_key_string(json, "url", urls[i]);
        json_object_end(json);
    }
    json_array_end(json);
}

void alerting_alertmanagers(struct http_request *request, struct http_response *response,
                            void *context)
{
    struct api *api = context;
    struct answer_room room CLEANUP(answer_room_release);
    struct errbuf err = ERRBUF_INIT;
    struct notifier_snapshot snapshot;
    struct answer answer;
    answer_room_init(&room, api);
    if (notifier_snapshot(api->notifier, &room.arena, &room.memory, &snapshot, &err) != ERR_NONE) {
        answer_error_from(response, &err);
        return;
    }
    answer_begin(&answer, response);
    json_object_begin(&answer.json);
    urls_json(&answer.json, "activeAlertmanagers", snapshot.active, snapshot.active_count);
    urls_json(&answer.json, "droppedAlertmanagers", snapshot.dropped, snapshot.dropped_count);
    json_object_end(&answer.json);
    answer_end(&answer);
}
