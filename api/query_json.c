/*
 * Query results as JSON: the member order and number forms of the reference. Times are seconds with
 * three decimals only where there is a fraction; values are strings in the shortest form.
 */
#include "api/api_internal.h"
#include "base/assert.h"
#include "base/float_text.h"
#include "model/timestamp.h"

#include <math.h>

/* Label texts are escaped as far as JSON needs it, not for HTML as all other strings. */
void json_labels(struct json_writer *json, const struct labels *labels)
{
    json_object_begin(json);
    for (uint32_t i = 0; labels != NULL && i < labels->count; i++) {
        json_key_plain(json, symbols_text(labels->pairs[i].name));
        json_string_plain(json, symbols_text(labels->pairs[i].value));
    }
    json_object_end(json);
}

static void json_float(struct json_writer *json, double value)
{
    char text[FLOAT_TEXT_SHORT_SIZE + 2];
    text[0] = '"';
    size_t len = float_text_json(value, text + 1);
    text[len + 1] = '"';
    json_raw(json, slice_from(text, len + 2));
}

#define TIME_TEXT_SIZE 24

/* Writes seconds, with three decimals where there is a fraction, so that the text ends at `end`;
 * returns where it begins. */
static char *time_text(int64_t timestamp_ms, char *end)
{
    uint64_t magnitude = timestamp_ms < 0 ? -(uint64_t)timestamp_ms : (uint64_t)timestamp_ms;
    uint64_t fraction = magnitude % 1000;
    uint64_t seconds = magnitude / 1000;
    if (fraction != 0) {
        for (int i = 0; i < 3; i++, fraction /= 10)
            *--end = (char)('0' + fraction % 10);
        *--end = '.';
    }
    do {
        *--end = (char)('0' + seconds % 10);
        seconds /= 10;
    } while (seconds != 0);
    if (timestamp_ms < 0)
        *--end = '-';
    return end;
}

static void json_time(struct json_writer *json, int64_t timestamp_ms)
{
    char text[TIME_TEXT_SIZE];
    char *end = text + sizeof(text);
    char *start = time_text(timestamp_ms, end);
    json_raw(json, slice_from(start, (size_t)(end - start)));
}

/* [time,"value"] in one piece: answers have hundreds of thousands of them. */
static void json_float_point(struct json_writer *json, int64_t timestamp_ms, double value)
{
    char text[TIME_TEXT_SIZE + 2 + FLOAT_TEXT_SHORT_SIZE + 2];
    char *at = text + TIME_TEXT_SIZE;
    char *start = time_text(timestamp_ms, at);
    *--start = '[';
    *at++ = ',';
    *at++ = '"';
    at += float_text_json(value, at);
    *at++ = '"';
    *at++ = ']';
    json_raw(json, slice_from(start, (size_t)(at - start)));
}

/* The inclusiveness of a bucket's bounds: 0 (a,b], 1 [a,b), 2 (a,b), 3 [a,b]. */
static void json_bucket(struct json_writer *json, int rule, double lower, double upper,
                        double count, bool *opened)
{
    if (count == 0)
        return;
    if (!*opened) {
        json_key(json, "buckets");
        json_array_begin(json);
        *opened = true;
    }
    json_array_begin(json);
    json_int(json, rule);
    json_float(json, lower);
    json_float(json, upper);
    json_float(json, count);
    json_array_end(json);
}

/* Upper bound of the exponential bucket `index`: 2^(index / 2^schema). */
static double histogram_bound(const struct histogram *histogram, int64_t index)
{
    if (histogram->schema == HISTOGRAM_SCHEMA_CUSTOM) {
        if (index < 0)
            return -INFINITY;
        return (uint64_t)index < histogram->custom_bound_count ? histogram->custom_bounds[index]
                                                               : INFINITY;
    }
    return exp2(ldexp((double)index, -histogram->schema));
}

static void json_negative_buckets(struct json_writer *json, const struct histogram *histogram,
                                  bool *opened)
{
    /* from the largest index down, so that bounds ascend */
    int64_t index = 0;
    for (uint32_t s = 0; s < histogram->negative_span_count; s++)
        index += histogram->negative_spans[s].offset + (int64_t)histogram->negative_spans[s].length;
    uint32_t bucket = histogram->negative_bucket_count;
    for (uint32_t s = histogram->negative_span_count; s-- > 0;) {
        for (uint32_t i = histogram->negative_spans[s].length; i-- > 0 && bucket > 0;) {
            index--;
            json_bucket(json, 1, -histogram_bound(histogram, index),
                        -histogram_bound(histogram, index - 1),
                        histogram->negative_buckets[--bucket], opened);
        }
        index -= histogram->negative_spans[s].offset;
    }
}

static void json_positive_buckets(struct json_writer *json, const struct histogram *histogram,
                                  bool *opened)
{
    bool custom = histogram->schema == HISTOGRAM_SCHEMA_CUSTOM;
    int64_t index = 0;
    uint32_t bucket = 0;
    for (uint32_t s = 0; s < histogram->positive_span_count; s++) {
        index += histogram->positive_spans[s].offset;
        for (uint32_t i = 0; i < histogram->positive_spans[s].length; i++, index++) {
            if (bucket >= histogram->positive_bucket_count)
                return;
            double lower = histogram_bound(histogram, index - 1);
            double upper = histogram_bound(histogram, index);
            int rule = custom && index == 0 ? 3 : 0;
            json_bucket(json, rule, lower, upper, histogram->positive_buckets[bucket++], opened);
        }
    }
}

static void json_histogram(struct json_writer *json, const struct histogram *histogram)
{
    json_object_begin(json);
    json_key(json, "count");
    json_float(json, histogram->count);
    json_key(json, "sum");
    json_float(json, histogram->sum);
    bool opened = false;
    json_negative_buckets(json, histogram, &opened);
    json_bucket(json, 3, -histogram->zero_threshold, histogram->zero_threshold,
                histogram->zero_count, &opened);
    json_positive_buckets(json, histogram, &opened);
    if (opened)
        json_array_end(json);
    json_object_end(json);
}

static void json_point(struct json_writer *json, int64_t timestamp_ms, double value,
                       const struct histogram *histogram)
{
    if (LIKELY(histogram == NULL)) {
        json_float_point(json, timestamp_ms, value);
        return;
    }
    json_array_begin(json);
    json_time(json, timestamp_ms);
    json_histogram(json, histogram);
    json_array_end(json);
}

static void json_vector(struct answer *answer, const struct promql_result *result, size_t count)
{
    json_array_begin(&answer->json);
    for (size_t i = 0; i < count && answer_flush(answer); i++) {
        const struct promql_row *row = &result->rows[i];
        const struct histogram *histogram = row->histograms == NULL ? NULL : row->histograms[0];
        json_object_begin(&answer->json);
        json_key(&answer->json, "metric");
        json_labels(&answer->json, row->labels);
        json_key(&answer->json, histogram == NULL ? "value" : "histogram");
        json_point(&answer->json, result->steps.start_ms, row->values[0], histogram);
        json_object_end(&answer->json);
    }
    json_array_end(&answer->json);
}

/* The floats (or the histograms) of one row; nothing where there are none. */
static void json_row_points(struct answer *answer, const struct promql_result *result,
                            const struct promql_row *row, bool histograms)
{
    bool opened = false;
    for (size_t i = 0; i < result->steps.count && answer_flush(answer); i++) {
        if (!promql_bitmap_get(row->present, i))
            continue;
        const struct histogram *histogram = row->histograms == NULL ? NULL : row->histograms[i];
        if ((histogram != NULL) != histograms)
            continue;
        if (!opened) {
            json_key(&answer->json, histograms ? "histograms" : "values");
            json_array_begin(&answer->json);
            opened = true;
        }
        json_point(&answer->json, result->steps.start_ms + (int64_t)i * result->steps.step_ms,
                   row->values[i], histogram);
    }
    if (opened)
        json_array_end(&answer->json);
}

static void json_matrix_rows(struct answer *answer, const struct promql_result *result,
                             size_t count)
{
    json_array_begin(&answer->json);
    for (size_t i = 0; i < count && answer_flush(answer); i++) {
        const struct promql_row *row = &result->rows[i];
        json_object_begin(&answer->json);
        json_key(&answer->json, "metric");
        json_labels(&answer->json, row->labels);
        json_row_points(answer, result, row, false);
        if (row->histograms != NULL)
            json_row_points(answer, result, row, true);
        json_object_end(&answer->json);
    }
    json_array_end(&answer->json);
}

static void json_own_points(struct answer *answer, const struct promql_points *points,
                            bool histograms)
{
    bool opened = false;
    for (size_t i = 0; i < points->count && answer_flush(answer); i++) {
        const struct histogram *histogram =
            points->histograms == NULL ? NULL : points->histograms[i];
        if ((histogram != NULL) != histograms)
            continue;
        if (!opened) {
            json_key(&answer->json, histograms ? "histograms" : "values");
            json_array_begin(&answer->json);
            opened = true;
        }
        json_point(&answer->json, points->timestamps_ms[i], points->values[i], histogram);
    }
    if (opened)
        json_array_end(&answer->json);
}

static void json_matrix_points(struct answer *answer, const struct promql_result *result,
                               size_t count)
{
    json_array_begin(&answer->json);
    for (size_t i = 0; i < count && answer_flush(answer); i++) {
        const struct promql_points *points = &result->points[i];
        json_object_begin(&answer->json);
        json_key(&answer->json, "metric");
        json_labels(&answer->json, points->labels);
        json_own_points(answer, points, false);
        if (points->histograms != NULL)
            json_own_points(answer, points, true);
        json_object_end(&answer->json);
    }
    json_array_end(&answer->json);
}

static size_t limited(struct answer *answer, size_t count, size_t limit)
{
    if (limit == 0 || count <= limit)
        return count;
    answer_warn(answer, SLICE("results truncated due to limit"));
    return limit;
}

/* A scalar or string that is the whole result is written by other code of the reference than points
 * are: no zeros behind the fraction of the time, no exponent in the value. */
static void json_lone_scalar(struct json_writer *json, int64_t timestamp_ms, double value)
{
    char text[FLOAT_TEXT_SIZE];
    json_array_begin(json);
    json_double(json, (double)timestamp_ms / 1000);
    json_string(json, slice_from(text, float_text_f(value, text)));
    json_array_end(json);
}

void query_result_json(struct answer *answer, const struct promql_result *result, size_t limit)
{
    struct json_writer *json = &answer->json;
    json_key_cstring(json, "resultType", promql_type_name(result->type));
    json_key(json, "result");
    switch (result->type) {
    case PROMQL_VECTOR:
        json_vector(answer, result, limited(answer, result->row_count, limit));
        break;
    case PROMQL_MATRIX:
        if (result->is_range_query)
            json_matrix_rows(answer, result, limited(answer, result->row_count, limit));
        else
            json_matrix_points(answer, result, limited(answer, result->points_count, limit));
        break;
    case PROMQL_SCALAR:
        ASSERT(result->row_count == 1);
        json_lone_scalar(json, result->steps.start_ms, result->rows[0].values[0]);
        break;
    case PROMQL_STRING:
        json_array_begin(json);
        json_double(json, (double)result->steps.start_ms / 1000);
        json_string(json, result->text);
        json_array_end(json);
        break;
    case PROMQL_NONE:
        json_null(json);
        break;
    }
}
