/*
 * Query results as JSON: the member order and number forms of the reference. Times are seconds with
 * three decimals only where there is a fraction; values are strings in the shortest form.
 */
#include "api/api_internal.h"
#include "api/histogram_text.h"
#include "api/point_text.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/float_text.h"
#include "model/histogram_buckets.h"
#include "model/timestamp.h"

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

void json_float(struct json_writer *json, double value)
{
    char text[FLOAT_TEXT_SHORT_SIZE + 2];
    text[0] = '"';
    size_t len = float_text_json(value, text + 1);
    text[len + 1] = '"';
    json_raw(json, slice_from(text, len + 2));
}

/* What is kept from point to point. */
struct point_writers {
    struct point_writer points;
    struct histogram_writer *histograms; /* made for the first */
};

static void point_writers_init(struct point_writers *writers)
{
    point_writer_init(&writers->points);
    writers->histograms = NULL;
}

static void point_writers_release(struct point_writers *writers)
{
    mem_free(writers->histograms);
}

/* Empty buckets are not shown, nor is an empty list of them. */
static void json_histogram(struct json_writer *json, struct point_writers *writers,
                           const struct histogram *histogram)
{
    if (writers->histograms == NULL)
        writers->histograms = mem_zalloc(sizeof(*writers->histograms));
    json_object_begin(json);
    json_key(json, "count");
    json_float(json, histogram->count);
    json_key(json, "sum");
    json_float(json, histogram->sum);
    bool opened = false;
    struct histogram_buckets buckets;
    struct histogram_bucket bucket;
    histogram_buckets_init(&buckets, histogram, HISTOGRAM_ASCENDING);
    while (histogram_buckets_next(&buckets, &bucket)) {
        if (bucket.count == 0)
            continue;
        if (!opened) {
            json_key(json, "buckets");
            json_array_begin(json);
            opened = true;
        }
        char *start = json_raw_reserve(json, HISTOGRAM_BUCKET_TEXT_SIZE);
        if (start == NULL)
            return;
        char *end = histogram_put_bucket(writers->histograms, start, &bucket);
        json_raw_commit(json, (size_t)(end - start));
    }
    if (opened)
        json_array_end(json);
    json_object_end(json);
}

static void json_point(struct json_writer *json, struct point_writers *writers,
                       int64_t timestamp_ms, double value, const struct histogram *histogram)
{
    if (histogram != NULL)
        json_array_begin(json);
    char *start = json_raw_reserve(json, POINT_TEXT_SIZE);
    if (start == NULL)
        return;
    char *end = histogram == NULL ? point_put(&writers->points, start, timestamp_ms, value)
                                  : point_put_time(&writers->points, start, timestamp_ms);
    json_raw_commit(json, (size_t)(end - start));
    if (histogram == NULL)
        return;
    json_histogram(json, writers, histogram);
    json_array_end(json);
}

static void json_vector(struct answer *answer, const struct promql_result *result, size_t count)
{
    struct point_writers CLEANUP(point_writers_release) writers;
    point_writers_init(&writers);
    json_array_begin(&answer->json);
    for (size_t i = 0; i < count && answer_flush(answer); i++) {
        const struct promql_row *row = &result->rows[i];
        const struct histogram *histogram = row->histograms == NULL ? NULL : row->histograms[0];
        json_object_begin(&answer->json);
        json_key(&answer->json, "metric");
        json_labels(&answer->json, row->labels);
        json_key(&answer->json, histogram == NULL ? "value" : "histogram");
        json_point(&answer->json, &writers, result->steps.start_ms, row->values[0], histogram);
        json_object_end(&answer->json);
    }
    json_array_end(&answer->json);
}

/* A row of floats, 64 steps at a time. */
static void json_float_row(struct answer *answer, struct point_writers *writers,
                           const struct promql_steps *steps, const struct promql_row *row)
{
    struct json_writer *json = &answer->json;
    json_key(json, "values");
    json_array_begin(json);
    for (size_t word = 0; word < promql_bitmap_words(steps->count) && answer_flush(answer);
         word++) {
        uint64_t present = row->present[word];
        char *start = present == 0 ? NULL : json_raw_reserve(json, 64 * POINT_TEXT_SIZE);
        if (start == NULL)
            continue;
        char *at = start;
        for (; present != 0; present &= present - 1) {
            size_t step = word * 64 + (size_t)__builtin_ctzll(present);
            if (at > start)
                *at++ = ',';
            at = point_put(&writers->points, at, steps->start_ms + (int64_t)step * steps->step_ms,
                           row->values[step]);
        }
        json_raw_commit(json, (size_t)(at - start));
    }
    json_array_end(json);
}

/* The floats (or the histograms) of a row that has both; nothing where there are none. */
static void json_mixed_row(struct answer *answer, struct point_writers *writers,
                           const struct promql_steps *steps, const struct promql_row *row,
                           bool histograms)
{
    bool opened = false;
    for (size_t i = 0; i < steps->count && answer_flush(answer); i++) {
        const struct histogram *histogram = row->histograms[i];
        if (!promql_bitmap_get(row->present, i) || (histogram != NULL) != histograms)
            continue;
        if (!opened) {
            json_key(&answer->json, histograms ? "histograms" : "values");
            json_array_begin(&answer->json);
            opened = true;
        }
        json_point(&answer->json, writers, steps->start_ms + (int64_t)i * steps->step_ms,
                   row->values[i], histogram);
    }
    if (opened)
        json_array_end(&answer->json);
}

static void json_matrix_rows(struct answer *answer, const struct promql_result *result,
                             size_t count)
{
    struct point_writers CLEANUP(point_writers_release) writers;
    point_writers_init(&writers);
    json_array_begin(&answer->json);
    for (size_t i = 0; i < count && answer_flush(answer); i++) {
        const struct promql_row *row = &result->rows[i];
        json_object_begin(&answer->json);
        json_key(&answer->json, "metric");
        json_labels(&answer->json, row->labels);
        if (row->histograms == NULL) {
            json_float_row(answer, &writers, &result->steps, row);
        } else {
            json_mixed_row(answer, &writers, &result->steps, row, false);
            json_mixed_row(answer, &writers, &result->steps, row, true);
        }
        json_object_end(&answer->json);
    }
    json_array_end(&answer->json);
}

#define POINTS_AT_ONCE 64

static void json_float_points(struct answer *answer, struct point_writers *writers,
                              const struct promql_points *points)
{
    struct json_writer *json = &answer->json;
    json_key(json, "values");
    json_array_begin(json);
    for (size_t first = 0; first < points->count && answer_flush(answer); first += POINTS_AT_ONCE) {
        size_t end = MIN(points->count, first + POINTS_AT_ONCE);
        char *start = json_raw_reserve(json, POINTS_AT_ONCE * POINT_TEXT_SIZE);
        if (start == NULL)
            return;
        char *at = start;
        for (size_t i = first; i < end; i++) {
            if (at > start)
                *at++ = ',';
            at = point_put(&writers->points, at, points->timestamps_ms[i], points->values[i]);
        }
        json_raw_commit(json, (size_t)(at - start));
    }
    json_array_end(json);
}

static void json_mixed_points(struct answer *answer, struct point_writers *writers,
                              const struct promql_points *points, bool histograms)
{
    bool opened = false;
    for (size_t i = 0; i < points->count && answer_flush(answer); i++) {
        const struct histogram *histogram = points->histograms[i];
        if ((histogram != NULL) != histograms)
            continue;
        if (!opened) {
            json_key(&answer->json, histograms ? "histograms" : "values");
            json_array_begin(&answer->json);
            opened = true;
        }
        json_point(&answer->json, writers, points->timestamps_ms[i], points->values[i], histogram);
    }
    if (opened)
        json_array_end(&answer->json);
}

static void json_matrix_points(struct answer *answer, const struct promql_result *result,
                               size_t count)
{
    struct point_writers CLEANUP(point_writers_release) writers;
    point_writers_init(&writers);
    json_array_begin(&answer->json);
    for (size_t i = 0; i < count && answer_flush(answer); i++) {
        const struct promql_points *points = &result->points[i];
        json_object_begin(&answer->json);
        json_key(&answer->json, "metric");
        json_labels(&answer->json, points->labels);
        if (points->histograms == NULL) {
            json_float_points(answer, &writers, points);
        } else {
            json_mixed_points(answer, &writers, points, false);
            json_mixed_points(answer, &writers, points, true);
        }
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
