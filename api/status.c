/* The status family: configuration, flags, the running program and the head of the storage. */
#include "api/api_internal.h"
#include "base/arena.h"
#include "base/clock.h"
#include "model/timestamp.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define STATUS_TSDB_LIMIT_MAX 10000

void status_config(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    struct config *config = api->options.config(api->options.context);
    struct answer answer;
    answer_begin(&answer, response);
    json_object_begin(&answer.json);
    json_key_string(&answer.json, "yaml", config == NULL ? SLICE_EMPTY : config->printed);
    json_object_end(&answer.json);
    answer_end(&answer);
    config_unref(config);
}

void status_flags(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    struct answer answer;
    answer_begin(&answer, response);
    json_object_begin(&answer.json);
    for (size_t i = 0; i < api->options.flag_count; i++) {
        json_key_slice(&answer.json, slice_str(api->options.flags[i].name));
        json_cstring(&answer.json, api->options.flags[i].value);
    }
    json_object_end(&answer.json);
    answer_end(&answer);
}

static void json_key_rfc3339(struct json_writer *json, const char *name, int64_t timestamp_ms)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 64);
    timestamp_print_rfc3339(timestamp_ms, &text);
    json_key_string(json, name, buf_slice(&text));
}

/* Threads of this process stand in the place of goroutines. */
static int64_t status_thread_count(void)
{
    DIR *directory = opendir("/proc/self/task");
    if (directory == NULL)
        return 0;
    int64_t count = 0;
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

void status_runtimeinfo(struct http_request *request, struct http_response *response,
                        void *context)
{
    struct api *api = context;
    const struct api_program *program = &api->options.program;
    struct buf retention CLEANUP(buf_release);
    buf_init(&retention, 256);
    api->options.retention_text(&retention, api->options.context);
    struct answer answer;
    answer_begin(&answer, response);
    struct json_writer *json = &answer.json;
    json_object_begin(json);
    json_key_rfc3339(json, "startTime", program->start_ms);
    json_key_cstring(json, "CWD", program->working_directory);
    json_key_cstring(json, "hostname", program->hostname);
    json_key_rfc3339(json, "serverTime", clock_now_ms(api->options.clock));
    json_key_bool(json, "reloadConfigSuccess", *api->options.config_ok);
    json_key_rfc3339(json, "lastConfigTime", *api->options.config_loaded_ms / 1000 * 1000);
    json_key_int(json, "corruptionCount", (int64_t)tsdb_corruption_count(api->db));
    json_key_int(json, "goroutineCount", status_thread_count());
    json_key_int(json, "GOMAXPROCS", sysconf(_SC_NPROCESSORS_ONLN));
    json_key_int(json, "GOMEMLIMIT", INT64_MAX);
    json_key_cstring(json, "GOGC", "");
    json_key_cstring(json, "GODEBUG", "");
    json_key_string(json, "storageRetention", buf_slice(&retention));
    json_object_end(json);
    answer_end(&answer);
}

static void build_json(struct json_writer *json, const struct api_program *program)
{
    json_object_begin(json);
    json_key_cstring(json, "version", program->version);
    json_key_cstring(json, "revision", program->revision);
    json_key_cstring(json, "branch", program->branch);
    json_key_cstring(json, "buildUser", program->build_user);
    json_key_cstring(json, "buildDate", program->build_date);
    json_key_cstring(json, "goVersion", program->compiler);
    json_object_end(json);
}

void status_buildinfo(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    struct answer answer;
    answer_begin(&answer, response);
    build_json(&answer.json, &api->options.program);
    answer_end(&answer);
}

void status_version(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    struct buf body CLEANUP(buf_release);
    buf_init(&body, BUF_SIZE_ANY);
    struct json_writer json;
    json_writer_init(&json, &body);
    build_json(&json, &api->options.program);
    buf_append_byte(&body, '\n');
    http_response_text(response, 200, "text/plain; charset=utf-8", buf_slice(&body));
}

static void json_rows(struct json_writer *json, const char *name,
                      const struct tsdb_cardinality_row *rows, size_t count)
{
    json_key(json, name);
    json_array_begin(json);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(json);
        json_key_string(json, "name", rows[i].name);
        json_key(json, "value");
        json_uint(json, rows[i].value);
        json_object_end(json);
    }
    json_array_end(json);
}

static bool status_tsdb_limit(struct http_request *request, struct http_response *response,
                              size_t *out)
{
    struct slice text = parameter_text(request, "limit");
    *out = 10;
    if (text.len == 0)
        return true;
    char *end;
    long long limit = strtoll(arena_slice(request->arena, text).ptr, &end, 10);
    if (*end != '\0' || limit < 1) {
        answer_error(response, API_ERROR_BAD_DATA, "limit must be a positive number");
        return false;
    }
    if (limit > STATUS_TSDB_LIMIT_MAX) {
        answer_error(response, API_ERROR_BAD_DATA, "limit must not exceed %d",
                     STATUS_TSDB_LIMIT_MAX);
        return false;
    }
    *out = (size_t)limit;
    return true;
}

void status_tsdb(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    size_t limit;
    if (!status_tsdb_limit(request, response, &limit))
        return;
    struct arena arena CLEANUP(arena_release);
    arena_init(&arena, SIZE_MAX); /* at most the texts that storage holds */
    struct tsdb_head_stats head;
    struct tsdb_cardinality cardinality = {0};
    tsdb_head_stats(api->db, &head);
    tsdb_cardinality(api->db, limit, &arena, &cardinality);
    struct answer answer;
    answer_begin(&answer, response);
    struct json_writer *json = &answer.json;
    json_object_begin(json);
    json_key(json, "headStats");
    json_object_begin(json);
    json_key_int(json, "numSeries", (int64_t)head.series_count);
    json_key_int(json, "numLabelPairs", (int64_t)head.label_pair_count);
    json_key_int(json, "chunkCount", (int64_t)head.chunk_count);
    json_key_int(json, "minTime", head.min_ms);
    json_key_int(json, "maxTime", head.max_ms);
    json_object_end(json);
    json_rows(json, "seriesCountByMetricName", cardinality.series_by_metric,
              cardinality.series_by_metric_count);
    json_rows(json, "labelValueCountByLabelName", cardinality.values_by_label,
              cardinality.values_by_label_count);
    json_rows(json, "memoryInBytesByLabelName", cardinality.bytes_by_label,
              cardinality.bytes_by_label_count);
    json_rows(json, "seriesCountByLabelValuePair", cardinality.series_by_pair,
              cardinality.series_by_pair_count);
    json_object_end(json);
    answer_end(&answer);
}

void status_tsdb_blocks(struct http_request *request, struct http_response *response,
                        void *context)
{
    struct api *api = context;
    struct answer answer;
    answer_begin(&answer, response);
    json_object_begin(&answer.json);
    json_key(&answer.json, "blocks");
    tsdb_print_blocks(api->db, &answer.json);
    json_object_end(&answer.json);
    answer_end(&answer);
}

void status_walreplay(struct http_request *request, struct http_response *response, void *context)
{
    struct answer answer;
    answer_begin(&answer, response);
    json_object_begin(&answer.json);
    json_key_int(&answer.json, "min", tsdb_replay_progress.segment_min);
    json_key_int(&answer.json, "max", tsdb_replay_progress.segment_max);
    json_key_int(&answer.json, "current", tsdb_replay_progress.segment_current);
    json_object_end(&answer.json);
    answer_end(&answer);
}
