/*
 * Sealing and reading native histograms: a chunk of 480 samples of a service's latencies, all
 * buckets in use since the start. Bytes a histogram are printed beside.
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "base/hash.h"
#include "base/rand.h"
#include "bench/harness.h"
#include "tsdb/histogram_chunk.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_SAMPLES 480
#define BUCKET_COUNT 48
#define OBSERVATIONS 1500 /* at most, in one interval */

struct histogram_state {
    size_t chunk_count;
    struct arena arena;
    struct arena decoded;
    const struct histogram **histograms;
    struct buf bytes;
    size_t *ends;
};

/* The sum of twelve draws is nearly normal. */
static uint32_t random_bucket(struct rand *rand)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += rand_double(rand);
    double bucket = (sum - 6) * BUCKET_COUNT / 8 + BUCKET_COUNT / 2.0;
    return (uint32_t)fmin(BUCKET_COUNT - 1, fmax(0, bucket));
}

static const struct histogram *next_histogram(struct histogram_state *state, struct rand *rand,
                                              const struct histogram *last, size_t rate)
{
    struct histogram *next = arena_alloc(&state->arena, sizeof(*next));
    *next = *last;
    next->positive_buckets = arena_alloc_array(&state->arena, BUCKET_COUNT, sizeof(double));
    for (uint32_t i = 0; i < BUCKET_COUNT; i++)
        next->positive_buckets[i] = last->positive_buckets[i];
    size_t observations = rate / 2 + rand_below(rand, rate + 1);
    for (size_t i = 0; i < observations; i++) {
        uint32_t bucket = random_bucket(rand);
        next->positive_buckets[bucket]++;
        next->sum += exp2((double)bucket / 8 - 6) * (1 + rand_double(rand) / 12);
    }
    next->count += (double)observations;
    return next;
}

static uint64_t seal(void *context, uint64_t *out_units)
{
    struct histogram_state *state = context;
    buf_reset(&state->bytes);
    for (size_t i = 0; i < state->chunk_count; i++) {
        histogram_chunk_encode(state->histograms + i * CHUNK_SAMPLES, CHUNK_SAMPLES, &state->bytes);
        state->ends[i] = state->bytes.len;
        *out_units += CHUNK_SAMPLES;
    }
    return hash_mix(1, state->bytes.len);
}

static uint64_t scan(void *context, uint64_t *out_units)
{
    struct histogram_state *state = context;
    const struct histogram *out[CHUNK_SAMPLES];
    uint64_t hash = 1;
    size_t start = 0;
    for (size_t i = 0; i < state->chunk_count; i++) {
        arena_reset(&state->decoded);
        struct slice chunk = slice_from(state->bytes.data + start, state->ends[i] - start);
        if (histogram_chunk_decode(chunk, CHUNK_SAMPLES, &state->decoded, out) != ERR_NONE)
            abort();
        hash = hash_mix(hash, codec_double_bits(out[CHUNK_SAMPLES - 1]->sum));
        start = state->ends[i];
        *out_units += CHUNK_SAMPLES;
    }
    return hash;
}

/* `size` is the number of chunks. */
static void *setup(size_t size)
{
    struct histogram_state *state = mem_zalloc(sizeof(*state));
    struct rand rand;
    rand_init(&rand, 8);
    state->chunk_count = size;
    arena_init(&state->arena, (size_t)1 << 30);
    arena_init(&state->decoded, (size_t)1 << 30);
    buf_init(&state->bytes, BUF_SIZE_ANY);
    state->ends = mem_alloc_array(size, sizeof(*state->ends));
    state->histograms = mem_alloc_array(size * CHUNK_SAMPLES, sizeof(struct histogram *));
    struct histogram_span *span = arena_zalloc(&state->arena, sizeof(*span));
    *span = (struct histogram_span){-48, BUCKET_COUNT};
    struct histogram empty = {.schema = 3,
                              .zero_threshold = 2.938735877055719e-39,
                              .positive_span_count = 1,
                              .positive_spans = span,
                              .positive_bucket_count = BUCKET_COUNT};
    empty.positive_buckets = arena_zalloc_array(&state->arena, BUCKET_COUNT, sizeof(double));
    for (size_t i = 0; i < size; i++) {
        size_t rate = 1 + rand_below(&rand, OBSERVATIONS);
        const struct histogram *last = &empty;
        for (size_t k = i * CHUNK_SAMPLES; k < (i + 1) * CHUNK_SAMPLES; k++)
            last = state->histograms[k] = next_histogram(state, &rand, last, rate);
    }
    uint64_t units = 0;
    seal(state, &units);
    printf("{\"name\":\"codec: native histograms of %d buckets\",\"bytes_per_histogram\":%.2f}\n",
           BUCKET_COUNT, (double)state->bytes.len / (double)units);
    return state;
}

static void teardown(void *context)
{
    struct histogram_state *state = context;
    arena_release(&state->arena);
    arena_release(&state->decoded);
    buf_release(&state->bytes);
    mem_free(state->ends);
    mem_free(state->histograms);
    mem_free(state);
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        {"codec: native histograms, seal", "histogram", 20, 1, setup, seal, teardown},
        {"codec: native histograms, scan", "histogram", 20, 1, setup, scan, teardown},
    };
    return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
