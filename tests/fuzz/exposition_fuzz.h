/*
 * What the fuzz targets of the two text formats share: a body is parsed by the parser with its fast
 * paths, and token by token; both must give the same samples and agree on whether it is good.
 */
#pragma once

#include <stdint.h>
#include <stdlib.h>

#include "base/codec.h"
#include "base/hash.h"
#include "exposition/entry.h"

struct outcome {
    uint64_t hash; /* of all samples */
    size_t count;
    bool good;
    struct arena arena;
};

static inline void outcome_add(struct outcome *outcome, struct slice series, double value,
                               bool has_timestamp, int64_t timestamp_ms)
{
    uint64_t hash = hash_mix(outcome->hash, hash_slice(series, 0));
    hash = hash_mix(hash, codec_double_bits(value));
    outcome->hash = hash_mix(hash, has_timestamp ? (uint64_t)timestamp_ms : 1);
    outcome->count++;
}

static inline enum exposition_answer take_sample(void *context,
                                                 const struct exposition_series *series,
                                                 double value, bool has_timestamp,
                                                 int64_t timestamp_ms)
{
    struct outcome *outcome = context;
    struct slice name;
    struct exposition_label *labels;
    size_t count;
    struct errbuf err;
    arena_reset(&outcome->arena);
    if (exposition_series_labels(series, &outcome->arena, &name, &labels, &count, &err) != ERR_NONE)
        return EXPOSITION_STOP;
    outcome_add(outcome, series->text, value, has_timestamp, timestamp_ms);
    return EXPOSITION_GO_ON;
}

/* Not a part of the outcome: it is read to see that it does no harm. */
static inline enum exposition_answer take_exemplar(void *context, const struct exemplar *exemplar)
{
    uint64_t hash = codec_double_bits(exemplar->value);
    for (size_t i = 0; i < exemplar->label_count; i++)
        hash = hash_mix(
            hash, hash_slice(exemplar->labels[i].value, hash_slice(exemplar->labels[i].name, 0)));
    return hash == 0 && exemplar->label_count > EXEMPLAR_LABEL_RUNES_MAX ? EXPOSITION_STOP
                                                                         : EXPOSITION_GO_ON;
}

static inline enum exposition_answer take_text(void *context, struct slice family,
                                               struct slice text)
{
    struct outcome *outcome = context;
    outcome->hash = hash_mix(outcome->hash, family.len + text.len);
    return EXPOSITION_GO_ON;
}

static inline void by_tokens(struct slice body, bool openmetrics, struct outcome *out)
{
    struct exposition_lexer lexer = {.body = body, .openmetrics = openmetrics};
    struct entry entry;
    struct errbuf err;
    while (entry_read(&lexer, &entry, &err) == ERR_NONE) {
        if (entry.kind == ENTRY_END) {
            out->good = true;
            return;
        }
        if (entry.kind == ENTRY_SAMPLE)
            outcome_add(out, entry.series, entry.value, entry.has_timestamp, entry.timestamp_ms);
    }
}

static inline void fuzz_exposition(struct slice body, bool openmetrics)
{
    struct outcome fast = {0};
    struct outcome slow = {0};
    arena_init(&fast.arena, 1 << 24);
    struct exposition_sink sink = {
        .context = &fast, .sample = take_sample, .exemplar = take_exemplar};
    struct errbuf err;
    fast.good = exposition_parse(openmetrics ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT, body,
                                 &sink, &err) == ERR_NONE;
    if (openmetrics) {
        /* with start timestamps it is as good */
        struct outcome started = {0};
        arena_init(&started.arena, 1 << 24);
        sink.context = &started;
        sink.created_lines = true;
        started.good = exposition_parse(EXPOSITION_OPENMETRICS, body, &sink, &err) == ERR_NONE;
        if (started.count > fast.count || (fast.good && !started.good))
            abort();
        arena_release(&started.arena);
    }
    by_tokens(body, openmetrics, &slow);
    if (fast.good != slow.good || fast.count != slow.count || fast.hash != slow.hash)
        abort();
    struct outcome told = {0};
    struct exposition_sink teller = {
        .context = &told, .sample = take_sample, .help = take_text, .unit = take_text};
    arena_init(&told.arena, 1 << 24);
    bool good = exposition_parse(openmetrics ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT, body,
                                 &teller, NULL) == ERR_NONE;
    if (good != fast.good)
        abort();
    arena_release(&told.arena);
    arena_release(&fast.arena);
}
