/*
 * Arithmetic of native histograms as queries do it: sums and averages over series, increases and
 * resets within one, quantiles and deviations. Histograms are those of a latency: three spans, of
 * 20 and of 160 buckets; some series have buckets that others lack.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "base/hash.h"
#include "base/rand.h"
#include "bench/harness.h"
#include "model/histogram_arithmetic.h"
#include "model/histogram_statistics.h"

#define SERIES_COUNT 64
#define ARENA_SIZE_MAX ((size_t)256 << 20)

struct histogram_state {
    struct arena arena;
    struct arena results;
    struct histogram *histograms[SERIES_COUNT];
    size_t round_count;
};

static struct histogram *make_histogram(struct arena *arena, struct rand *rand, uint32_t buckets,
                                        int32_t first)
{
    struct histogram *histogram = arena_zalloc(arena, sizeof(*histogram));
    *histogram = (struct histogram){.is_float = true, .schema = 3, .zero_threshold = 0x1p-128};
    histogram->positive_span_count = 3;
    histogram->positive_spans = arena_alloc_array(arena, 3, sizeof(struct histogram_span));
    histogram->positive_spans[0] = (struct histogram_span){first, buckets / 4};
    histogram->positive_spans[1] = (struct histogram_span){2, buckets / 2};
    histogram->positive_spans[2] = (struct histogram_span){5, buckets - buckets / 4 - buckets / 2};
    histogram->positive_bucket_count = buckets;
    histogram->positive_buckets = arena_alloc_array(arena, buckets, sizeof(double));
    for (uint32_t i = 0; i < buckets; i++) {
        histogram->positive_buckets[i] = 1 + (double)rand_below(rand, 100000);
        histogram->count += histogram->positive_buckets[i];
    }
    histogram->sum = histogram->count * 0.37;
    return histogram;
}

static struct histogram_state *new_state(size_t rounds, uint32_t buckets, bool layouts_differ)
{
    struct histogram_state *state = mem_zalloc(sizeof(*state));
    struct rand rand;
    rand_init(&rand, 7);
    arena_init(&state->arena, ARENA_SIZE_MAX);
    arena_init(&state->results, ARENA_SIZE_MAX);
    for (size_t i = 0; i < SERIES_COUNT; i++)
        state->histograms[i] =
            make_histogram(&state->arena, &rand, buckets, layouts_differ ? (int32_t)(i % 5) : 0);
    state->round_count = rounds;
    return state;
}

static void *setup_small(size_t rounds)
{
    return new_state(rounds, 20, false);
}

static void *setup_large(size_t rounds)
{
    return new_state(rounds, 160, false);
}

static void *setup_differing(size_t rounds)
{
    return new_state(rounds, 160, true);
}

static void teardown(void *context)
{
    struct histogram_state *state = context;
    arena_release(&state->arena);
    arena_release(&state->results);
    mem_free(state);
}

static uint64_t hash_of(const struct histogram *histogram)
{
    uint64_t hash =
        hash_mix(codec_double_bits(histogram->count), codec_double_bits(histogram->sum));
    for (uint32_t i = 0; i < histogram->positive_bucket_count; i++)
        hash = hash_mix(hash, codec_double_bits(histogram->positive_buckets[i]));
    return hash;
}

static uint64_t run_sums(struct histogram_state *state, bool average, uint64_t *out_units)
{
    struct histogram_sum sum;
    uint64_t hash = 0;
    arena_reset(&state->results);
    histogram_sum_init(&sum, &state->results, average);
    for (size_t round = 0; round < state->round_count; round++) {
        histogram_sum_reset(&sum);
        for (size_t i = 0; i < SERIES_COUNT; i++) {
            if (histogram_sum_add(&sum, state->histograms[i]) != ERR_NONE)
                abort();
        }
    }
    hash = hash_of(histogram_sum_finish(&sum, &state->results));
    *out_units = state->round_count * SERIES_COUNT;
    return hash;
}

static uint64_t run_sum(void *context, uint64_t *out_units)
{
    return run_sums(context, false, out_units);
}

static uint64_t run_average(void *context, uint64_t *out_units)
{
    return run_sums(context, true, out_units);
}

/* As rate() does it: is it a reset, the difference, scaled and compact. */
static uint64_t run_increase(void *context, uint64_t *out_units)
{
    struct histogram_state *state = context;
    uint64_t hash = 0;
    for (size_t round = 0; round < state->round_count; round++) {
        arena_reset(&state->results);
        for (size_t i = 1; i < SERIES_COUNT; i++) {
            const struct histogram *before = state->histograms[i - 1];
            const struct histogram *now = state->histograms[i];
            struct histogram *increase;
            hash += histogram_is_reset(now, before);
            if (histogram_subtract(&state->results, now, before, &increase, NULL) != ERR_NONE)
                abort();
            increase = histogram_multiply(&state->results, increase, 0.25);
            histogram_compact_in_place(&state->results, increase);
            hash = hash_mix(hash, codec_double_bits(increase->count));
        }
    }
    *out_units = state->round_count * (SERIES_COUNT - 1);
    return hash;
}

static uint64_t run_quantile(void *context, uint64_t *out_units)
{
    struct histogram_state *state = context;
    uint64_t hash = 0;
    for (size_t round = 0; round < state->round_count; round++) {
        for (size_t i = 0; i < SERIES_COUNT; i++) {
            enum histogram_note note;
            double quantile = histogram_quantile(state->histograms[i], 0.95, &note);
            hash = hash_mix(hash, codec_double_bits(quantile));
        }
    }
    *out_units = state->round_count * SERIES_COUNT;
    return hash;
}

static uint64_t run_deviation(void *context, uint64_t *out_units)
{
    struct histogram_state *state = context;
    uint64_t hash = 0;
    for (size_t round = 0; round < state->round_count; round++) {
        for (size_t i = 0; i < SERIES_COUNT; i++)
            hash = hash_mix(hash,
                            codec_double_bits(histogram_standard_deviation(state->histograms[i])));
    }
    *out_units = state->round_count * SERIES_COUNT;
    return hash;
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        {"histogram: sum of 20 buckets", "histogram", 4000, 2, setup_small, run_sum, teardown},
        {"histogram: sum of 160 buckets", "histogram", 2000, 2, setup_large, run_sum, teardown},
        {"histogram: sum of layouts that differ", "histogram", 1000, 2, setup_differing, run_sum,
         teardown},
        {"histogram: average of 160 buckets", "histogram", 2000, 2, setup_large, run_average,
         teardown},
        {"histogram: increase of 160 buckets", "histogram", 2000, 2, setup_large, run_increase,
         teardown},
        {"histogram: increase of layouts that differ", "histogram", 1000, 2, setup_differing,
         run_increase, teardown},
        {"histogram: quantile", "histogram", 4000, 2, setup_large, run_quantile, teardown},
        {"histogram: deviation", "histogram", 500, 2, setup_large, run_deviation, teardown},
    };
    return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
