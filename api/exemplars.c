/* query_exemplars: the exemplars of all series that an expression selects. */
#include "api/api_internal.h"

#include "api/point_text.h"
#include "base/arena.h"
#include "model/timestamp.h"

/* Of one answer. The ring is bounded by the configuration, so this is for odd ones. */
#define EXEMPLAR_BYTES_MAX ((size_t)1 << 30)

struct exemplar_selectors {
    VEC(struct tsdb_matcher_set) sets;
};

static void add_selector(void *context, const struct matcher *const *matchers, size_t count)
{
    struct exemplar_selectors *selectors = context;
    vec_push(&selectors->sets, (struct tsdb_matcher_set){matchers, count});
}

static void json_exemplar(struct json_writer *json, struct point_writer *times,
                          const struct exemplar *exemplar)
{
    json_object_begin(json);
    json_key(json, "labels");
    json_object_begin(json);
    for (size_t i = 0; i < exemplar->label_count; i++) {
        json_key_plain(json, exemplar->labels[i].name);
        json_string_plain(json, exemplar->labels[i].value);
    }
    json_object_end(json);
    json_key(json, "value");
    json_float(json, exemplar->value);
    json_key(json, "timestamp");
    char time[POINT_TIME_SIZE];
    char *end = point_put_time(times, time, exemplar->timestamp_ms);
    json_raw(json, slice_from(time, (size_t)(end - time)));
    json_object_end(json);
}

static void answer_exemplars(struct http_response *response, const struct tsdb_exemplar_list *list)
{
    struct answer answer;
    answer_begin(&answer, response);
    struct json_writer *json = &answer.json;
    struct point_writer times;
    point_writer_init(&times);
    json_array_begin(json);
    for (size_t i = 0; i < list->series.len; i++) {
        const struct tsdb_exemplar_series *series = &list->series.items[i];
        json_object_begin(json);
        json_key(json, "seriesLabels");
        json_labels(json, series->labels);
        json_key(json, "exemplars");
        json_array_begin(json);
        for (size_t k = 0; k < series->count && answer_flush(&answer); k++)
            json_exemplar(json, &times, &series->exemplars[k]);
        json_array_end(json);
        json_object_end(json);
    }
    json_array_end(json);
    answer_end(&answer);
}

static void select_and_answer(struct api *api, struct http_response *response, int64_t start_ms,
                              int64_t end_ms, const struct exemplar_selectors *selectors)
{
    struct errbuf err = ERRBUF_INIT;
    struct tsdb_exemplar_list list;
    struct arena arena;
    arena_init(&arena, EXEMPLAR_BYTES_MAX);
    if (tsdb_exemplars_select(api->db, start_ms, end_ms, selectors->sets.items, selectors->sets.len,
                              &arena, &list, &err) == ERR_NONE) {
        answer_exemplars(response, &list);
        tsdb_exemplar_list_release(&list);
    } else {
        answer_error_from(response, &err);
    }
    arena_release(&arena);
}

/* Far futures are legal times. */
void query_exemplars(struct http_request *request, struct http_response *response, void *context)
{
    struct api *api = context;
    int64_t start_ms;
    int64_t end_ms;
    if (!parameter_time(request, response, "start", API_TIME_MIN, &start_ms) ||
        !parameter_time(request, response, "end", API_TIME_MAX, &end_ms))
        return;
    if (end_ms < start_ms) {
        answer_error(response, API_ERROR_BAD_DATA,
                     "end timestamp must not be before start timestamp");
        return;
    }
    struct errbuf err = ERRBUF_INIT;
    struct promql_expression *expression;
    if (promql_parse(parameter_text(request, "query"), api->options.promql_features, &expression,
                     &err) != ERR_NONE) {
        query_answer_parse_error(response, &err, false);
        return;
    }
    struct exemplar_selectors selectors = {0};
    promql_each_selector(expression, add_selector, &selectors);
    if (selectors.sets.len == 0)
        http_response_status(response, 204); /* an expression of numbers asks for nothing */
    else
        select_and_answer(api, response, start_ms, end_ms, &selectors);
    vec_release(&selectors.sets);
    promql_expression_free(expression);
}
