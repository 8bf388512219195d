/*
 * rules, alerts and alertmanagers. Rule groups are not evaluated yet, so the truth is
 * empty lists; clients that ask for them at every page load need an answer of this shape.
 */
#include "api/api_internal.h"

static void alerting_empty_list(struct http_response *response, const char *name,
                                const char *second_name)
{
    struct answer answer;
    answer_begin(&answer, response);
    json_object_begin(&answer.json);
    json_key(&answer.json, name);
    json_array_begin(&answer.json);
    json_array_end(&answer.json);
    if (second_name != NULL) {
        json_key(&answer.json, second_name);
        json_array_begin(&answer.json);
        json_array_end(&answer.json);
    }
    json_object_end(&answer.json);
    answer_end(&answer);
}

void alerting_rules(struct http_request *request, struct http_response *response, void *context)
{
    struct slice type = parameter_text(request, "type");
    if (type.len > 0 && !slice_eq_str(type, "alert") && !slice_eq_str(type, "record")) {
        answer_error(response, API_ERROR_BAD_DATA,
                     "invalid parameter \"type\": not supported value \"%.*s\"", SLICE_ARG(type));
        return;
    }
    alerting_empty_list(response, "groups", NULL);
}

void alerting_alerts(struct http_request *request, struct http_response *response, void *context)
{
    alerting_empty_list(response, "alerts", NULL);
}

void alerting_alertmanagers(struct http_request *request, struct http_response *response,
                            void *context)
{
    alerting_empty_list(response, "activeAlertmanagers", "droppedAlertmanagers");
}
