/*
 * Evaluating whatever parses, over a few series with gaps, stale markers, NaN and resets: no crash,
 * no overrun of limits, and results that keep their promises. The first byte chooses step and
 * features.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/compiler.h"
#include "promql/promql.h"
#include "tests/support/fake_source.h"
#include "tests/support/series_notation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FEATURES                                                                                   \
    (PROMQL_EXPERIMENTAL_FUNCTIONS | PROMQL_DURATION_EXPRESSIONS | PROMQL_FILL_MODIFIERS |         \
     PROMQL_EXTENDED_RANGE_SELECTORS)
#define GAP_MS 30000

static const char *const lines[] = {
    "a{i=\"1\",g=\"x\"} 1+1x20",
    "a{i=\"2\",g=\"x\"} 5 NaN 3 _ _ stale 7 8x10",
    "a{i=\"3\",g=\"y\"} Inf -Inf 0 -0 1e308 1e308 _x5 2x8",
    "b{i=\"1\",g=\"x\"} 10-1x20",
    "b{i=\"2\"} 1 0 1 0 1 0 1",
    "c_total{i=\"1\"} 0+10x5 3+7x10",
    "h_bucket{le=\"1\"} 1+1x20",
    "h_bucket{le=\"2\"} 2+1x9 1x10",
    "h_bucket{le=\"+Inf\"} 3+2x20",
    "h_bucket{le=\"x\"} 3+2x20",
    "{\"dotted.name\",i=\"1\"} 4x20",
    "n{i=\"1\"} {{schema:0 count:4 sum:4 buckets:[1 0 3]}}+{{schema:0 count:2 sum:1 buckets:[1 "
    "1]}}x20",
    "n{i=\"2\"} {{schema:3 count:9 z_bucket:1 z_bucket_w:0.1 buckets:[8]}}x3 {{count:1 "
    "buckets:[1]}}x9",
    "n{i=\"3\"} {{schema:-53 count:5 sum:5 custom_values:[1 2] buckets:[2 3]}}x4 stale "
    "{{schema:-53 count:9 sum:9 custom_values:[1 3] buckets:[4 5]}}x9",
    "u{instance=\"1\",job=\"x\"} 1+1x9 _x3 7x5",
    "u{instance=\"2\",job=\"x\",v=\"1\"} 1+1x20",
    "target_info{instance=\"1\",job=\"x\",v=\"1\"} 1x9 stale",
    "target_info{instance=\"1\",job=\"x\",v=\"2\"} _x7 1x9",
    "target_info{instance=\"2\",job=\"x\",v=\"1\",w=\"1\"} 1x20",
    "build_info{instance=\"2\",job=\"x\",v=\"1\",w=\"2\"} 1x5",
    "n{i=\"4\"} 1 2 {{count:4 n_buckets:[4]}} 3 {{count:4 counter_reset_hint:gauge buckets:[4]}}x9",
};

static struct fake_source *fake;
static struct promql_engine *engines[2];

static void prepare(void)
{
    fake = fake_source_new();
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct series_line line;
        ASSERT(series_line_parse(slice_str(lines[i]), &line));
        struct fake_series *series = fake_source_series(fake, line.labels);
        for (size_t k = 0; k < line.values.len; k++) {
            const struct series_value *value = &line.values.items[k];
            if (value->histogram != NULL)
                fake_series_add_histogram(series, (int64_t)k * GAP_MS, value->histogram);
            else if (!value->is_omitted)
                fake_series_add(series, (int64_t)k * GAP_MS, value->value);
            if (!value->is_omitted && (i + k) % 3 == 0)
                fake_series_set_start(series, (int64_t)k * GAP_MS - (int64_t)(k * i % 5) * 10000);
        }
        series_line_release(&line);
    }
    for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
        engines[i] = promql_engine_new(&(struct promql_engine_options){
            .timeout_ms = 2000,
            .samples_max = 200000,
            .query_bytes_max = 32 << 20,
            .features = i == 0 ? 0 : PROMQL_DELAYED_NAME_REMOVAL | PROMQL_START_TIMESTAMPS,
        });
}

static void check_points(const struct promql_result *result)
{
    for (size_t i = 0; i < result->points_count; i++) {
        ASSERT(result->points[i].count > 0);
        ASSERT(i == 0 ||
               labels_compare(result->points[i - 1].labels, result->points[i].labels) <= 0);
    }
}

/* No bits beyond the steps, no empty row, no label set twice, and order. */
static void check_result(const struct promql_result *result)
{
    size_t steps = result->steps.count;
    for (size_t i = 0; i < result->row_count; i++) {
        const struct promql_row *row = &result->rows[i];
        uint64_t any = 0;
        for (size_t word = 0; word < promql_bitmap_words(steps); word++)
            any |= row->present[word];
        ASSERT(any != 0);
        if (steps % 64 != 0)
            ASSERT(row->present[steps / 64] >> (steps % 64) == 0);
        for (size_t k = 0; k < i; k++)
            ASSERT(!labels_equal(result->rows[k].labels, row->labels));
        if (i > 0 && result->is_range_query)
            ASSERT(labels_compare(result->rows[i - 1].labels, row->labels) < 0);
    }
    check_points(result);
}

static void run(const struct promql_query *query, struct promql_engine *engine)
{
    struct promql_result *result = NULL;
    struct errbuf err = ERRBUF_INIT;
    if (promql_evaluate(engine, query, &result, &err) == ERR_NONE) {
        check_result(result);
        promql_result_free(result);
    } else {
        ASSERT(err.text[0] != '\0');
    }
    ASSERT(fake->open_views == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (fake == NULL)
        prepare();
    if (size == 0)
        return 0;
    struct promql_expression *expression;
    struct slice text = slice_from((const char *)data + 1, size - 1);
    if (promql_parse(text, FEATURES, &expression, NULL) != ERR_NONE)
        return 0;
    struct promql_query query = {
        .expression = expression, .source = &fake->source, .start_ms = 300000, .end_ms = 300000};
    run(&query, engines[data[0] & 1]);
    static const int64_t step_list_ms[] = {1000, 7000, 30000, 60000};
    query.start_ms = 60000;
    query.end_ms = 400000;
    query.step_ms = step_list_ms[(data[0] >> 1) & 3];
    run(&query, engines[data[0] & 1]);
    promql_expression_free(expression);
    return 0;
}
