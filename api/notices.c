/*
 * notifications: what a person should know now. A failed reload is kept until the next good one; the
 * rest follows from the state of the server when it is asked.
 */
#include "api/api_internal.h"
#include "base/clock.h"
#include "model/timestamp.h"
#include "rules/rules.h"

static void notice_json(struct json_writer *json, const char *text, int64_t since_ms)
{
    struct buf date CLEANUP(buf_release);
    buf_init(&date, 64);
    timestamp_print_rfc3339(since_ms, &date);
    json_object_begin(json);
    json_key_cstring(json, "text", text);
    json_key_string(json, "date", buf_slice(&date));
    json_key_bool(json, "active", true);
    json_object_end(json);
}

static void storage_notice(struct api *api, struct json_writer *json, int64_t now_ms)
{
    struct buf reason CLEANUP(buf_release);
    buf_init(&reason, 4096);
    if (api->db == NULL || !tsdb_failed(api->db, &reason))
        return;
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 8192);
    buf_printf(&text, "Samples cannot be stored: %s", buf_cstr(&reason));
    notice_json(json, buf_cstr(&text), now_ms);
}

static void damage_notice(void *context, const char *text, int64_t since_ms)
{
    struct buf line CLEANUP(buf_release);
    buf_init(&line, 8192);
    buf_printf(&line, "The storage is damaged, and samples may be missing from answers: %s", text);
    notice_json(context, buf_cstr(&line), since_ms);
}

static void damage_notices(struct api *api, struct json_writer *json, int64_t now_ms)
{
    uint64_t more = 0;
    if (api->db == NULL)
        return;
    tsdb_visit_damages(api->db, damage_notice, json, &more);
    if (more > 0)
        notice_json(json, "The storage is damaged in more places than are listed: see the log.",
                    now_ms);
}

struct pattern_notices {
    struct json_writer *json;
    int64_t now_ms;
};

static void pattern_notice(struct slice pattern, void *context)
{
    const struct pattern_notices *notices = context;
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    buf_printf(&text,
               "The entry %.*s of rule_files matches no file, so no rules of it are evaluated.",
               SLICE_ARG(pattern));
    notice_json(notices->json, buf_cstr(&text), notices->now_ms);
}

/* Entries of rule_files that match no file: rules that somebody believes to be in force. */
static void rule_file_notices(struct api *api, struct json_writer *json, int64_t now_ms)
{
    struct pattern_notices notices = {json, now_ms};
    if (api->rules != NULL)
        rule_manager_visit_unmatched(api->rules, pattern_notice, &notices);
}

void notices_list(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    int64_t now_ms = clock_now_ms(api->options.clock);
    int64_t failed_ms = api->reload_failed_ms;
    struct answer answer;
    answer_begin(&answer, response);
    json_array_begin(&answer.json);
    if (api->state == API_STARTING)
        notice_json(&answer.json,
                    "Prometheus is starting and replaying the write-ahead log (WAL).",
                    api->options.program.start_ms);
    if (api->state == API_STOPPING)
        notice_json(&answer.json,
                    "Prometheus is shutting down and gracefully stopping all operations.", now_ms);
    if (failed_ms != 0)
        notice_json(&answer.json, "Configuration reload has failed.", failed_ms);
    storage_notice(api, &answer.json, now_ms);
    damage_notices(api, &answer.json, now_ms);
    rule_file_notices(api, &answer.json, now_ms);
    json_array_end(&answer.json);
    answer_end(&answer);
}

void api_reload_ended(struct api *api, bool ok)
{
    if (ok)
        api->reload_failed_ms = 0;
    else if (api->reload_failed_ms == 0)
        api->reload_failed_ms = clock_now_ms(api->options.clock);
}
