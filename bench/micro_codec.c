/*
 * Sealing and reading chunks of 480 samples in pages: ns a sample by the harness, and bytes a
 * sample, printed once a set: all that a block stores for values and times, and the values alone.
 */
#include "base/alloc.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "base/hash.h"
#include "bench/codec_sets.h"
#include "bench/harness.h"
#include "tsdb/page.h"
#include "tsdb/time_column.h"
#include "tsdb/value_chunk.h"

#include <stdio.h>
#include <stdlib.h>

#define CHUNK_ROWS 480
#define ROWS_MADE 1920

struct codec_state {
    struct codec_set *set;
    bool dense;
    uint64_t sample_count;
    size_t value_bytes;
    struct buf pages;
    struct buf times;
    struct buf chunk;
    struct page_writer writer;
    struct page page;
};

static void check(enum err code, const struct errbuf *err)
{
    if (code != ERR_NONE) {
        fprintf(stderr, "%s\n", err->text);
        abort();
    }
}

static void finish_page(struct codec_state *state)
{
    struct errbuf err = ERRBUF_INIT;
    check(page_writer_finish(&state->writer, &state->pages, &err), &err);
}

static void seal_series(struct codec_state *state, size_t series)
{
    for (size_t row = 0; row < state->set->counts[series]; row += CHUNK_ROWS) {
        size_t count = MIN(state->set->counts[series] - row, (size_t)CHUNK_ROWS);
        buf_reset(&state->chunk);
        value_chunk_encode(state->set->values[series] + row, count, &state->chunk);
        state->value_bytes += state->chunk.len;
        state->sample_count += count;
        if (page_writer_full(&state->writer, state->chunk.len))
            finish_page(state);
        struct page_chunk chunk = {.count = (uint32_t)count,
                                   .time_column = (uint32_t)(row / CHUNK_ROWS),
                                   .bytes = buf_slice(&state->chunk)};
        page_writer_add(&state->writer, &chunk);
    }
}

static uint64_t seal(void *context, uint64_t *out_units)
{
    struct codec_state *state = context;
    const struct codec_set *set = state->set;
    buf_reset(&state->pages);
    buf_reset(&state->times);
    state->sample_count = 0;
    state->value_bytes = 0;
    for (size_t row = 0; row < set->row_count; row += CHUNK_ROWS)
        time_column_encode(set->times_ms + row, MIN(set->row_count - row, (size_t)CHUNK_ROWS),
                           &state->times);
    for (size_t i = 0; i < set->series_count; i++)
        seal_series(state, i);
    if (state->writer.count > 0)
        finish_page(state);
    *out_units = state->sample_count;
    return hash_mix(state->pages.len, state->times.len);
}

static uint64_t scan(void *context, uint64_t *out_units)
{
    struct codec_state *state = context;
    double values[VALUE_CHUNK_COUNT_MAX];
    struct errbuf err = ERRBUF_INIT;
    uint64_t hash = 1;
    struct slice left = buf_slice(&state->pages);
    while (left.len > 0) {
        size_t size = 0;
        check(page_stored_size(left, &size, &err), &err);
        check(page_open(&state->page, slice_from(left.ptr, size), &err), &err);
        for (uint32_t i = 0; i < state->page.count; i++) {
            const struct page_chunk *chunk = page_chunk(&state->page, i);
            check(value_chunk_decode(chunk->bytes, chunk->count, values), &err);
            hash = hash_mix(hash, codec_double_bits(values[chunk->count - 1]));
            *out_units += chunk->count;
        }
        left = slice_from(left.ptr + size, left.len - size);
    }
    return hash;
}

static struct codec_state *open_set(struct codec_set *set, const char *name, bool dense)
{
    struct codec_state *state = mem_zalloc(sizeof(*state));
    state->set = set;
    state->dense = dense;
    buf_init(&state->pages, BUF_SIZE_ANY);
    buf_init(&state->times, BUF_SIZE_ANY);
    buf_init(&state->chunk, BUF_SIZE_ANY);
    page_writer_init(&state->writer, dense);
    uint64_t units = 0;
    seal(state, &units);
    printf("{\"name\":\"codec: %s%s\",\"samples\":%llu,\"bytes_per_sample\":%.4f,"
           "\"values_only\":%.4f,\"time_column_bytes\":%zu}\n",
           name, dense ? ", dense" : "", (unsigned long long)units,
           (double)(state->pages.len + state->times.len) / (double)units,
           (double)state->value_bytes / (double)units, state->times.len);
    return state;
}

static void close_set(void *context)
{
    struct codec_state *state = context;
    codec_set_free(state->set);
    page_writer_release(&state->writer);
    page_release(&state->page);
    buf_release(&state->pages);
    buf_release(&state->times);
    buf_release(&state->chunk);
    mem_free(state);
}

/* Setups take the number of series. */
#define CAPTURE(function, label, file, stride)                                                     \
    static void *function(size_t size)                                                             \
    {                                                                                              \
        return open_set(codec_set_capture(file, stride, size), label, false);                      \
    }
#define MADE(function, label, shape)                                                               \
    static void *function(size_t size)                                                             \
    {                                                                                              \
        return open_set(codec_set_made(shape, size, ROWS_MADE), label, false);                     \
    }

CAPTURE(setup_node, "node, 1 s", "node-1s", 1)
CAPTURE(setup_node_15, "node, 15 s", "node-1s", 15)
CAPTURE(setup_prometheus, "prometheus, 1 s", "prom-1s", 1)
CAPTURE(setup_victoria, "victoria-metrics, 1 s", "vm-1s", 1)
MADE(setup_histograms, "histograms", CODEC_HISTOGRAMS)
MADE(setup_decimals, "2 decimals", CODEC_DECIMALS)
MADE(setup_integers, "integers", CODEC_INTEGERS)
MADE(setup_random, "full mantissas", CODEC_RANDOM)

static void *setup_node_15_dense(size_t size)
{
    return open_set(codec_set_capture("node-1s", 15, size), "node, 15 s", true);
}

int main(int argc, char **argv)
{
    static const struct bench_case made[] = {
        {"codec: histograms, seal", "sample", 224, 14, setup_histograms, seal, close_set},
        {"codec: histograms, scan", "sample", 224, 14, setup_histograms, scan, close_set},
        {"codec: 2 decimals, seal", "sample", 200, 2, setup_decimals, seal, close_set},
        {"codec: 2 decimals, scan", "sample", 200, 2, setup_decimals, scan, close_set},
        {"codec: integers, seal", "sample", 200, 2, setup_integers, seal, close_set},
        {"codec: integers, scan", "sample", 200, 2, setup_integers, scan, close_set},
        {"codec: full mantissas, seal", "sample", 100, 2, setup_random, seal, close_set},
        {"codec: full mantissas, scan", "sample", 100, 2, setup_random, scan, close_set},
    };
    static const struct bench_case captured[] = {
        {"codec: node, 15 s, seal", "sample", 10000, 20, setup_node_15, seal, close_set},
        {"codec: node, 15 s, scan", "sample", 10000, 20, setup_node_15, scan, close_set},
        {"codec: node, 15 s, dense, seal", "sample", 10000, 20, setup_node_15_dense, seal,
         close_set},
        {"codec: node, 15 s, dense, scan", "sample", 10000, 20, setup_node_15_dense, scan,
         close_set},
        {"codec: node, 1 s, seal", "sample", 10000, 20, setup_node, seal, close_set},
        {"codec: node, 1 s, scan", "sample", 10000, 20, setup_node, scan, close_set},
        {"codec: prometheus, seal", "sample", 10000, 20, setup_prometheus, seal, close_set},
        {"codec: prometheus, scan", "sample", 10000, 20, setup_prometheus, scan, close_set},
        {"codec: victoria-metrics, seal", "sample", 10000, 20, setup_victoria, seal, close_set},
        {"codec: victoria-metrics, scan", "sample", 10000, 20, setup_victoria, scan, close_set},
    };
    int code = bench_main(argc, argv, made, ARRAY_SIZE(made));
    struct codec_set *probe = codec_set_capture("node-1s", 15, 1);
    if (probe == NULL) {
        printf("skipped: no captures (FERULA_SHARED)\n");
        return code;
    }
    codec_set_free(probe);
    return code == EXIT_SUCCESS ? bench_main(argc, argv, captured, ARRAY_SIZE(captured)) : code;
}
