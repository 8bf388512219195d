/* The query engine on series in memory: what it costs to compute, without storage and without JSON. */
#include "base/alloc.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "base/hash.h"
#include "bench/harness.h"
#include "bench/memory_source.h"
#include "promql/promql.h"

#include <stdio.h>
#include <stdlib.h>

#define START_MS 1700000003000
#define SAMPLE_COUNT 2160 /* six hours */
#define RANGE_END_MS (START_MS - 3000 + (int64_t)SAMPLE_COUNT * 10000)

struct query_state {
    struct memory_source *source;
    struct promql_engine *engine;
    struct promql_expression *expression;
    int64_t range_ms;
    int64_t step_ms;
};

/* Every case has its own setup for the sake of its expression; this is what they share. */
static void *query_setup(size_t host_count, const char *text, int64_t range_ms, int64_t step_ms)
{
    struct query_state *state = mem_zalloc(sizeof(*state));
    state->source = memory_source_new(host_count, START_MS, SAMPLE_COUNT);
    state->engine = promql_engine_new(&(struct promql_engine_options){0});
    state->range_ms = range_ms;
    state->step_ms = step_ms;
    struct errbuf err = ERRBUF_INIT;
    if (promql_parse(slice_str(text), 0, &state->expression, &err) != ERR_NONE) {
        fprintf(stderr, "%s: %s\n", text, err.text);
        abort();
    }
    return state;
}

static void query_teardown(void *context)
{
    struct query_state *state = context;
    promql_expression_free(state->expression);
    promql_engine_free(state->engine);
    memory_source_free(state->source);
    mem_free(state);
}

/* Counts the values of a result and hashes them; sums are rounded, since their order may change. */
static uint64_t result_hash(const struct promql_result *result, uint64_t *out_units)
{
    uint64_t hash = result->row_count;
    for (size_t row = 0; row < result->row_count; row++) {
        for (size_t step = 0; step < result->steps.count; step++) {
            if (!promql_bitmap_get(result->rows[row].present, step))
                continue;
            float rounded = (float)result->rows[row].values[step];
            hash = hash_mix(hash, codec_double_bits((double)rounded));
            ++*out_units;
        }
    }
    return hash;
}

static uint64_t query_run(void *context, uint64_t *out_units)
{
    struct query_state *state = context;
    struct promql_query query = {
        .expression = state->expression,
        .source = memory_source_source(state->source),
        .start_ms = RANGE_END_MS - state->range_ms,
        .end_ms = RANGE_END_MS,
        .step_ms = state->step_ms,
    };
    struct promql_result *result = NULL;
    struct errbuf err = ERRBUF_INIT;
    if (promql_evaluate(state->engine, &query, &result, &err) != ERR_NONE) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    uint64_t hash = result_hash(result, out_units);
    promql_result_free(result);
    return hash;
}

#define HOUR_MS 3600000
#define RATE "rate(net_bytes_total[5m])"

static void *setup_rate(size_t size)
{
    return query_setup(size, RATE, HOUR_MS, 60000);
}
static void *setup_sum_rate(size_t size)
{
    return query_setup(size, "sum by (hostname) (" RATE ")", 6 * HOUR_MS, 60000);
}
static void *setup_avg(size_t size)
{
    return query_setup(size, "avg by (region) (cpu_usage_user)", 6 * HOUR_MS, 60000);
}
static void *setup_quantile(size_t size)
{
    return query_setup(size,
                       "histogram_quantile(0.95, sum by (le) "
                       "(rate(http_request_duration_seconds_bucket[5m])))",
                       6 * HOUR_MS, 60000);
}
static void *setup_max(size_t size)
{
    return query_setup(size, "max_over_time(cpu_usage_user[1h])", 5 * HOUR_MS, HOUR_MS);
}
static void *setup_join(size_t size)
{
    return query_setup(size,
                       "sum by (hostname) (" RATE
                       ") * on (hostname) group_left (version) host_info",
                       HOUR_MS, 60000);
}
static void *setup_subquery(size_t size)
{
    return query_setup(size, "max_over_time(rate(net_bytes_total[1m])[1h:30s])", 0, 0);
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        {"query: rate, 1 h", "point", 400, 5, setup_rate, query_run, query_teardown},
        {"query: sum of rate, 6 h", "point", 400, 5, setup_sum_rate, query_run, query_teardown},
        {"query: avg, 6 h", "point", 400, 5, setup_avg, query_run, query_teardown},
        {"query: histogram_quantile, 6 h", "point", 400, 5, setup_quantile, query_run,
         query_teardown},
        {"query: max_over_time, 5 h", "point", 400, 5, setup_max, query_run, query_teardown},
        {"query: join, 1 h", "point", 400, 5, setup_join, query_run, query_teardown},
        {"query: subquery", "point", 400, 5, setup_subquery, query_run, query_teardown},
    };
    return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
