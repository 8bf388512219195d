/* The figures of a query: stats=true, stats=all and stats=explain. */
#include "api/api_internal.h"

static double seconds_of_ns(int64_t duration_ns)
{
    return (double)duration_ns / 1e9;
}

static void timings_json(struct json_writer *json, const struct promql_statistics *statistics)
{
    int64_t evaluate_total_ns =
        statistics->prepare_ns + statistics->evaluate_ns + statistics->sort_ns;
    json_key(json, "timings");
    json_object_begin(json);
    json_key_double(json, "evalTotalTime", seconds_of_ns(evaluate_total_ns));
    json_key_double(json, "resultSortTime", seconds_of_ns(statistics->sort_ns));
    json_key_double(json, "queryPreparationTime", seconds_of_ns(statistics->prepare_ns));
    json_key_double(json, "innerEvalTime", seconds_of_ns(statistics->evaluate_ns));
    json_key_double(json, "execQueueTime", seconds_of_ns(statistics->queue_ns));
    json_key_double(json, "execTotalTime",
                    seconds_of_ns(evaluate_total_ns + statistics->queue_ns));
    json_object_end(json);
}

/* [[seconds, count], ...] */
static void counts_by_step_json(struct json_writer *json, const char *key,
                                const struct promql_steps *steps, const uint64_t *counts)
{
    if (counts == NULL)
        return;
    json_key(json, key);
    json_array_begin(json);
    for (size_t i = 0; i < steps->count; i++) {
        json_array_begin(json);
        json_double(json, (double)(steps->start_ms + (int64_t)i * steps->step_ms) / 1000);
        json_int(json, (int64_t)counts[i]);
        json_array_end(json);
    }
    json_array_end(json);
}

static void samples_json(struct json_writer *json, const struct promql_result *result)
{
    const struct promql_statistics *statistics = &result->statistics;
    json_key(json, "samples");
    json_object_begin(json);
    counts_by_step_json(json, "totalQueryableSamplesPerStep", &result->steps,
                        statistics->total_by_step);
    json_key_int(json, "totalQueryableSamples", (int64_t)statistics->samples_total);
    counts_by_step_json(json, "samplesReadPerStep", &result->steps, statistics->read_by_step);
    json_key_int(json, "samplesRead", (int64_t)statistics->samples_read);
    json_key_int(json, "peakSamples", (int64_t)statistics->samples_peak);
    json_object_end(json);
}

/* The engine tells of as many levels as the writer can nest. */
static void explanation_json(struct json_writer *json, const struct promql_explanation *explanation)
{
    int64_t own_ns = explanation->time_ns;
    uint64_t own_bytes = explanation->bytes;
    for (size_t i = 0; i < explanation->child_count; i++) {
        own_ns -= explanation->children[i]->time_ns;
        own_bytes -= MIN(own_bytes, explanation->children[i]->bytes);
    }
    json_object_begin(json);
    json_key_cstring(json, "operator", explanation->operation);
    json_key(json, "expression");
    json_string(json, explanation->expression);
    json_key_int(json, "rows", (int64_t)explanation->row_count);
    json_key_int(json, "values", (int64_t)explanation->value_count);
    json_key_int(json, "samples", (int64_t)explanation->sample_count);
    json_key_int(json, "bytes", (int64_t)explanation->bytes);
    json_key_int(json, "ownBytes", (int64_t)own_bytes);
    json_key_double(json, "seconds", seconds_of_ns(explanation->time_ns));
    json_key_double(json, "ownSeconds", seconds_of_ns(MAX(own_ns, 0)));
    json_key(json, "children");
    json_array_begin(json);
    for (size_t i = 0; i < explanation->child_count; i++)
        explanation_json(json, explanation->children[i]);
    json_array_end(json);
    json_object_end(json);
}

void query_statistics_json(struct json_writer *json, const struct promql_result *result)
{
    json_key(json, "stats");
    json_object_begin(json);
    timings_json(json, &result->statistics);
    samples_json(json, result);
    if (result->explanation != NULL) {
        json_key(json, "explain");
        explanation_json(json, result->explanation);
    }
    json_object_end(json);
}
