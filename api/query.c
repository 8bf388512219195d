/* query, query_range, format_query and parse_query. */
#include "api/api_internal.h"
#include "base/clock.h"
#include "model/timestamp.h"

#include <inttypes.h>

#define QUERY_POINTS_MAX 11000
/* Of a formatted text or a tree: long chains of operators are indented by their length. */
#define PRINTED_BYTES_MAX ((size_t)64 << 20)
#define PRINTED_TOO_LONG "the answer would be longer than 64 MiB"

void query_answer_parse_error(struct http_response *response, const struct errbuf *err,
                              bool name_parameter)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, BUF_SIZE_ANY);
    promql_error_text(err, &text);
    answer_error(response, API_ERROR_BAD_DATA, "%s%s",
                 name_parameter ? "invalid parameter \"query\": " : "", buf_cstr(&text));
}

static void query_warn_about_stats(struct http_request *request, struct answer *answer,
                                   struct slice stats)
{
    if (stats.len == 0 || slice_eq_str(stats, "true") || slice_eq_str(stats, "all") ||
        slice_eq_str(stats, "explain"))
        return;
    answer_warn(answer, slice_str(arena_printf(
                            request->arena,
                            "value \"%.*s\" for parameter \"stats\" is deprecated and will be "
                            "rejected in the next major release, use \"true\" or \"all\"",
                            SLICE_ARG(stats))));
}

static void query_answer(struct http_request *request, struct http_response *response,
                         const struct promql_result *result, size_t limit)
{
    struct slice stats = parameter_text(request, "stats");
    struct answer answer;
    answer_begin(&answer, response);
    for (size_t i = 0; i < result->annotation_count; i++) {
        const struct promql_annotation *annotation = &result->annotations[i];
        if (annotation->level == PROMQL_INFO)
            vec_push(&answer.infos, annotation->text);
        else
            vec_push(&answer.warnings, annotation->text);
    }
    json_object_begin(&answer.json);
    query_result_json(&answer, result, limit);
    if (stats.len > 0)
        query_statistics_json(&answer.json, result);
    json_object_end(&answer.json);
    query_warn_about_stats(request, &answer, stats);
    answer_end(&answer);
}

/* Common to both: timeout and lookback delta. */
static bool query_options(struct http_request *request, struct http_response *response,
                          struct promql_query *query)
{
    double seconds;
    bool given;
    if (!parameter_duration(request, response, "timeout", false, &seconds, &given))
        return false;
    if (given)
        query->timeout_ms = seconds <= 0.001 ? 1 : (int64_t)(seconds * 1000);
    if (!parameter_duration(request, response, "lookback_delta", false, &seconds, &given))
        return false;
    if (given)
        query->lookback_delta_ms = (int64_t)(seconds * 1000);
    return true;
}

static void query_run(struct api *api, struct http_request *request, struct http_response *response,
                      struct promql_query *query, size_t limit)
{
    struct errbuf err = ERRBUF_INIT;
    struct promql_expression *expression;
    if (promql_parse(parameter_text(request, "query"), api->options.promql_features, &expression,
                     &err) != ERR_NONE) {
        query_answer_parse_error(response, &err, true);
        return;
    }
    enum promql_type type = promql_expression_type(expression);
    if (query->step_ms > 0 && type != PROMQL_VECTOR && type != PROMQL_SCALAR) {
        answer_error(response, API_ERROR_BAD_DATA,
                     "invalid parameter \"query\": invalid expression type \"%s\" for range query, "
                     "must be Scalar or instant Vector",
                     promql_type_documented_name(type));
        promql_expression_free(expression);
        return;
    }
    query->expression = expression;
    query->source = tsdb_source(api->db);
    query->canceled = request->canceled;
    struct slice stats = parameter_text(request, "stats");
    query->statistics_by_step = slice_eq_str(stats, "all");
    query->explain = slice_eq_str(stats, "explain");
    struct promql_result *result;
    if (promql_evaluate(api->options.engine, query, &result, &err) != ERR_NONE) {
        answer_error_from(response, &err);
    } else {
        query_answer(request, response, result, limit);
        promql_result_free(result);
    }
    promql_expression_free(expression);
}

void query_instant(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    struct promql_query query = {0};
    size_t limit;
    if (!parameter_limit(request, response, &limit) ||
        !parameter_time(request, response, "time", clock_now_ms(api->options.clock),
                        &query.start_ms) ||
        !query_options(request, response, &query))
        return;
    query.end_ms = query.start_ms;
    query_run(api, request, response, &query, limit);
}

void query_range(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    struct promql_query query = {0};
    size_t limit;
    if (!parameter_limit(request, response, &limit) ||
        !parameter_time_required(request, response, "start", &query.start_ms) ||
        !parameter_time_required(request, response, "end", &query.end_ms))
        return;
    if (query.end_ms < query.start_ms) {
        answer_error(response, API_ERROR_BAD_DATA,
                     "invalid parameter \"end\": end timestamp must not be before start time");
        return;
    }
    double step_s = 0;
    bool given;
    if (!parameter_duration(request, response, "step", true, &step_s, &given))
        return;
    /* below a millisecond the step would be 0, which the reference cannot evaluate either */
    query.step_ms = (int64_t)(step_s * 1000 + (step_s > 0 ? 1e-6 : 0));
    if (step_s <= 0 || query.step_ms <= 0) {
        answer_error(
            response, API_ERROR_BAD_DATA,
            "invalid parameter \"step\": zero or negative query resolution step widths are "
            "not accepted. Try a positive integer");
        return;
    }
    if ((query.end_ms - query.start_ms) / query.step_ms > QUERY_POINTS_MAX) {
        answer_error(response, API_ERROR_BAD_DATA,
                     "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing "
                     "the query resolution (?step=XX)");
        return;
    }
    if (!query_options(request, response, &query))
        return;
    query_run(api, request, response, &query, limit);
}

/* The expression, or NULL after answering. */
static struct promql_expression *query_parsed(struct http_request *request,
                                              struct http_response *response, const struct api *api)
{
    struct errbuf err = ERRBUF_INIT;
    struct promql_expression *expression;
    if (promql_parse(parameter_text(request, "query"), api->options.promql_features, &expression,
                     &err) == ERR_NONE)
        return expression;
    query_answer_parse_error(response, &err, true);
    return NULL;
}

void query_format(struct http_request *request, struct http_response *response, void *context)
{
    struct promql_expression *expression = query_parsed(request, response, context);
    if (expression == NULL)
        return;
    struct buf text CLEANUP(buf_release);
    buf_init(&text, PRINTED_BYTES_MAX);
    promql_format(expression, &text);
    promql_expression_free(expression);
    if (text.overflow) {
        answer_error(response, API_ERROR_EXECUTION, PRINTED_TOO_LONG);
        return;
    }
    struct answer answer;
    answer_begin(&answer, response);
    json_string(&answer.json, buf_slice(&text));
    answer_end(&answer);
}

void query_parse(struct http_request *request, struct http_response *response, void *context)
{
    struct promql_expression *expression = query_parsed(request, response, context);
    if (expression == NULL)
        return;
    struct buf tree CLEANUP(buf_release);
    buf_init(&tree, PRINTED_BYTES_MAX);
    promql_tree_json(expression, &tree);
    promql_expression_free(expression);
    if (tree.overflow) {
        answer_error(response, API_ERROR_EXECUTION, PRINTED_TOO_LONG);
        return;
    }
    struct answer answer;
    answer_begin(&answer, response);
    json_raw(&answer.json, buf_slice(&tree));
    answer_end(&answer);
}
