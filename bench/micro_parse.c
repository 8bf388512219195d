/*
 * The text parser on bodies of a node_exporter: lines seen for the first time with their labels, lines
 * that the caller recognises (every scrape but the first), and the unpacking of gzip before it.
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/codec.h"
#include "base/compiler.h"
#include "base/compress.h"
#include "base/hash.h"
#include "bench/harness.h"
#include "bench/node_shape.h"
#include "exposition/exposition.h"

#include <stdlib.h>

#define BODY_SIZE_MAX ((size_t)64 << 20)

struct parse_state {
    struct buf body;
    struct buf packed;
    struct buf unpacked;
    struct slice *lines; /* series texts in the order of the body */
    size_t line_count;
    size_t line_at;
    size_t scrape_count;
    struct arena arena;
    uint64_t hash;
    uint64_t sample_count;
};

static enum exposition_answer keep_line(void *context, const struct exposition_series *series,
                                        double value, bool has_timestamp, int64_t timestamp_ms)
{
    struct parse_state *state = context;
    state->lines[state->line_count++] = series->text;
    return EXPOSITION_GO_ON;
}

static enum err parse(struct parse_state *state, const struct exposition_sink *sink)
{
    struct errbuf err = ERRBUF_INIT;
    if (exposition_parse(EXPOSITION_TEXT, buf_slice(&state->body), sink, &err) != ERR_NONE)
        abort();
    return ERR_NONE;
}

/* `size` is how often a run parses the body. */
static void *parse_setup(size_t size)
{
    struct parse_state *state = mem_zalloc(sizeof(*state));
    state->scrape_count = size;
    buf_init(&state->body, BODY_SIZE_MAX);
    buf_init(&state->packed, BODY_SIZE_MAX);
    buf_init(&state->unpacked, BODY_SIZE_MAX);
    arena_init(&state->arena, BODY_SIZE_MAX);
    struct node_shape *shape = node_shape_new();
    struct node_target *target = mem_alloc(sizeof(*target));
    node_target_init(target, shape, 1);
    node_target_write(target, &state->body);
    mem_free(target);
    node_shape_free(shape);
    state->lines = mem_alloc_array(NODE_SERIES_COUNT, sizeof(*state->lines));
    struct exposition_sink sink = {.context = state, .sample = keep_line};
    if (parse(state, &sink) != ERR_NONE)
        abort();
    struct compress_stream *stream = compress_stream_new(COMPRESS_GZIP);
    if (compress_stream_write(stream, buf_slice(&state->body), true, &state->packed, NULL) !=
        ERR_NONE)
        abort();
    compress_stream_free(stream);
    return state;
}

static void parse_teardown(void *context)
{
    struct parse_state *state = context;
    mem_free(state->lines);
    arena_release(&state->arena);
    buf_release(&state->unpacked);
    buf_release(&state->packed);
    buf_release(&state->body);
    mem_free(state);
}

static void take_value(struct parse_state *state, double value)
{
    state->hash = hash_mix(state->hash, codec_double_bits(value));
    state->sample_count++;
}

static enum exposition_answer take_labels(void *context, const struct exposition_series *series,
                                          double value, bool has_timestamp, int64_t timestamp_ms)
{
    struct parse_state *state = context;
    struct slice name;
    struct exposition_label *labels;
    size_t count;
    arena_reset(&state->arena);
    if (exposition_series_labels(series, &state->arena, &name, &labels, &count, NULL) != ERR_NONE)
        return EXPOSITION_STOP;
    state->hash = hash_mix(state->hash, name.len + count);
    take_value(state, value);
    return EXPOSITION_GO_ON;
}

static uint64_t parse_times(struct parse_state *state, const struct exposition_sink *sink,
                            uint64_t *out_units)
{
    state->hash = 0;
    state->sample_count = 0;
    for (size_t i = 0; i < state->scrape_count; i++) {
        state->line_at = 0;
        if (parse(state, sink) != ERR_NONE)
            abort();
    }
    *out_units = state->sample_count;
    return state->hash;
}

static uint64_t run_unknown(void *context, uint64_t *out_units)
{
    struct exposition_sink sink = {.context = context, .sample = take_labels};
    return parse_times(context, &sink, out_units);
}

static size_t recognise(void *context, struct slice rest)
{
    struct parse_state *state = context;
    if (state->line_at == state->line_count)
        return 0;
    struct slice line = state->lines[state->line_at];
    return slice_has_prefix(rest, line) ? line.len : 0;
}

static enum exposition_answer take_known(void *context, const struct exposition_series *series,
                                         double value, bool has_timestamp, int64_t timestamp_ms)
{
    struct parse_state *state = context;
    state->line_at++;
    take_value(state, value);
    return EXPOSITION_GO_ON;
}

static uint64_t run_known(void *context, uint64_t *out_units)
{
    struct exposition_sink sink = {
        .context = context, .recognise = recognise, .sample = take_known};
    return parse_times(context, &sink, out_units);
}

static uint64_t run_gzip(void *context, uint64_t *out_units)
{
    struct parse_state *state = context;
    uint64_t hash = 0;
    for (size_t i = 0; i < state->scrape_count; i++) {
        buf_reset(&state->unpacked);
        if (decompress_gzip(buf_slice(&state->packed), BODY_SIZE_MAX, &state->unpacked, NULL) !=
            ERR_NONE)
            abort();
        hash += state->unpacked.len;
    }
    *out_units = state->scrape_count * state->line_count;
    return hash;
}

int main(int argc, char **argv)
{
    static const struct bench_case cases[] = {
        {"parse: known lines", "sample", 500, 2, parse_setup, run_known, parse_teardown},
        {"parse: new lines with labels", "sample", 200, 2, parse_setup, run_unknown, parse_teardown},
        {"inflate gzip", "sample", 200, 2, parse_setup, run_gzip, parse_teardown},
    };
    return bench_main(argc, argv, cases, ARRAY_SIZE(cases));
}
