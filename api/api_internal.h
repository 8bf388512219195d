/*
 * What the files of api/ share: the state of the api, the envelope of answers, parameters.
 *
 * Every handler has the form of http_handler with the `struct api` as context. It answers exactly once:
 * by response_begin ... response_end, or by response_error.
 */
#pragma once

#include "api/api.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "base/memory_budget.h"
#include "base/mutex.h"
#include "base/vec.h"
#include "model/series_source.h"

struct api {
    /* immutable */
    struct api_options options;
    struct http_route *routes;
    size_t route_count;
    struct buf external_path; /* path of the external URL without a slash at its end */
    struct api_http_metrics *http_metrics;
    /* set once when storage is open, before state becomes ready */
    struct remote_write_receiver *write_receiver; /* before db */
    struct tsdb *_Atomic db;
    struct scrape_manager *_Atomic scrape;
    struct rule_manager *_Atomic rules;
    struct notifier *_Atomic notifier;
    _Atomic int state; /* enum api_state */
    _Atomic int64_t reload_failed_ms; /* since when the last reload counts as failed; 0 = it is good */
};

/* The reference's error types, with their status codes. */
enum api_error {
    API_ERROR_BAD_DATA,
    API_ERROR_EXECUTION,
    API_ERROR_CANCELED,
    API_ERROR_TIMEOUT,
    API_ERROR_INTERNAL,
    API_ERROR_UNAVAILABLE,
    API_ERROR_NOT_FOUND,
};

#define ANSWER_ANNOTATIONS_MAX 10

/* A body that is written as it grows: JSON goes into `buf`, which is handed on when it is large. */
struct answer {
    struct http_response *response;
    struct buf buf;
    struct json_writer json;
    VEC(struct slice) warnings; /* borrowed */
    VEC(struct slice) infos;
    bool client_gone;
};

/* Opens {"status":"success","data": and leaves the writer where data is due. */
void answer_begin(struct answer *answer, struct http_response *response);
/* Writes warnings and infos (at most ANSWER_ANNOTATIONS_MAX each), closes the object and frees. */
void answer_end(struct answer *answer);
/* Hands on what is there when it is much. Call it now and then in long loops. false: the client is
 * gone, so stop. */
bool answer_flush(struct answer *answer);
void answer_warn(struct answer *answer, struct slice text);

/* {"status":"error",...} */
void answer_error(struct http_response *response, enum api_error type, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* For an error of promql_evaluate or storage: type by code, text as it is. */
void answer_error_from(struct http_response *response, const struct errbuf *err);
/* The same, where the error is that of a limit, with what the client can do about it. */
void answer_error_narrow(struct http_response *response, const struct errbuf *err,
                         const char *advice);

/* Where a handler copies what it answers: nothing but the memory budget limits it, and it is full
 * with an error, not with the process. */
struct answer_room {
    struct arena arena;
    struct memory_hold memory;
};
void answer_room_init(struct answer_room *room, struct api *api);
void answer_room_release(struct answer_room *room);

/* For an error of promql_parse. */
void query_answer_parse_error(struct http_response *response, const struct errbuf *err,
                              bool name_parameter);

/* Parameters. Each returns false after it has answered with bad_data. */
bool parameter_time(struct http_request *request, struct http_response *response, const char *name,
                    int64_t default_ms, int64_t *out_ms);
/* The same, but empty is an error, as for start and end of a range query. */
bool parameter_time_required(struct http_request *request, struct http_response *response,
                             const char *name, int64_t *out_ms);
/* Seconds or 5m; *out_ns is unchanged and *out_given false when it is empty. */
bool parameter_duration(struct http_request *request, struct http_response *response,
                        const char *name, bool required, double *out_seconds, bool *out_given);
/* 0 = no limit. */
bool parameter_limit(struct http_request *request, struct http_response *response, size_t *out);
/* A text in quotes, for messages; memory of the request. */
const char *parameter_quoted(struct http_request *request, struct slice text);
/* The value or "". */
struct slice parameter_text(const struct http_request *request, const char *name);

/* The sets of match[]; each must have a matcher that does not match the empty value. */
struct match_sets {
    VEC(struct promql_matchers) items;
};
bool parameter_match_sets(struct http_request *request, struct http_response *response,
                          bool name_parameter, struct match_sets *out);
/* The same without that condition beyond what the parser asks for, for deleting. */
bool parameter_selectors(struct http_request *request, struct http_response *response,
                         struct match_sets *out);
void match_sets_release(struct match_sets *sets);

/* {"a":"b",...} of a label set. */
void json_labels(struct json_writer *json, const struct labels *labels);
/* A value as text: "1.5", "NaN". */
void json_float(struct json_writer *json, double value);
/* "data" of a query. */
void query_result_json(struct answer *answer, const struct promql_result *result, size_t limit);
/* "stats" of a query, with what was asked for. */
void query_statistics_json(struct json_writer *json, const struct promql_result *result);

/* Times that stand for "no bound". */
#define API_TIME_MIN TIMESTAMP_MIN
#define API_TIME_MAX TIMESTAMP_MAX

/* Handlers, by file. */
#define API_HANDLER(name)                                                                          \
    void name(struct http_request *request, struct http_response *response, void *context)

API_HANDLER(query_instant);
API_HANDLER(query_range);
API_HANDLER(query_exemplars);
API_HANDLER(query_format);
API_HANDLER(query_parse);

API_HANDLER(series_list_handler);
API_HANDLER(series_label_names);
API_HANDLER(series_label_values);

API_HANDLER(targets_list);
API_HANDLER(targets_metadata);
API_HANDLER(targets_metric_metadata);
API_HANDLER(targets_scrape_pools);

API_HANDLER(status_config);
API_HANDLER(status_flags);
API_HANDLER(status_runtimeinfo);
API_HANDLER(status_buildinfo);
API_HANDLER(status_version);
API_HANDLER(status_tsdb);
API_HANDLER(status_tsdb_blocks);
API_HANDLER(status_walreplay);

API_HANDLER(admin_delete_series);
API_HANDLER(admin_clean_tombstones);
API_HANDLER(admin_snapshot);

API_HANDLER(alerting_rules);
API_HANDLER(alerting_alerts);
API_HANDLER(alerting_alertmanagers);
API_HANDLER(notices_list);

API_HANDLER(health_healthy);
API_HANDLER(health_ready);
API_HANDLER(health_metrics);
API_HANDLER(health_lifecycle);

API_HANDLER(write_remote);

API_HANDLER(page_show);
API_HANDLER(page_asset_file);
API_HANDLER(page_favicon);
API_HANDLER(page_redirect);

/* Self metrics of HTTP. */
struct api_http_metrics;
struct api_http_metrics *http_metrics_new(void);
void http_metrics_free(struct api_http_metrics *metrics);
void http_metrics_observe(struct api_http_metrics *metrics, const char *route, unsigned status,
                          int64_t duration_ns, size_t body_bytes);
