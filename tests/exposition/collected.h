/* A sink that writes down what it is given, one line a call, so that tests compare text. */
#pragma once

#include "exposition/exposition.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/float_text.h"
#include "model/histogram_arithmetic.h"
#include "model/quote.h"

struct collected {
    struct buf text;
    struct arena arena;
    struct errbuf err;
    enum err label_code; /* of the first series whose labels were refused */
    size_t sample_count;
    size_t stop_after; /* samples; 0 = never */
    bool labels;       /* take the labels apart */
    bool histograms;   /* want native ones */
    bool classic_too;
    bool created_lines;
};

static inline enum exposition_answer collected_sample(void *context,
                                                      const struct exposition_series *series,
                                                      double value, bool has_timestamp,
                                                      int64_t timestamp_ms)
{
    struct collected *collected = context;
    char number[FLOAT_TEXT_SHORT_SIZE];
    buf_append_slice(&collected->text, series->text);
    if (collected->labels) {
        struct slice name;
        struct exposition_label *labels;
        size_t count;
        arena_reset(&collected->arena);
        collected->label_code = exposition_series_labels(series, &collected->arena, &name, &labels,
                                                         &count, &collected->err);
        if (collected->label_code != ERR_NONE)
            return EXPOSITION_STOP;
        buf_append_str(&collected->text, " => ");
        quote_go(name, &collected->text);
        for (size_t i = 0; i < count; i++) {
            buf_append_byte(&collected->text, ' ');
            quote_go(labels[i].name, &collected->text);
            buf_append_byte(&collected->text, '=');
            quote_go(labels[i].value, &collected->text);
        }
    }
    buf_append_str(&collected->text, " | ");
    buf_append(&collected->text, number, float_text_g(value, number));
    if (has_timestamp)
        buf_printf(&collected->text, " @%" PRId64, timestamp_ms);
    if (series->start_ms != 0)
        buf_printf(&collected->text, " since %" PRId64, series->start_ms);
    buf_append_byte(&collected->text, '\n');
    collected->sample_count++;
    return collected->sample_count == collected->stop_after ? EXPOSITION_STOP : EXPOSITION_GO_ON;
}

static inline enum exposition_answer collected_histogram(void *context,
                                                         const struct exposition_series *series,
                                                         const struct histogram *histogram,
                                                         bool has_timestamp, int64_t timestamp_ms)
{
    struct collected *collected = context;
    buf_append_slice(&collected->text, series->text);
    histogram_print(histogram, &collected->text);
    buf_append_str(&collected->text, histogram->is_float ? " float" : "");
    buf_append_str(&collected->text,
                   histogram->reset_hint == HISTOGRAM_RESET_GAUGE ? " gauge" : "");
    if (has_timestamp)
        buf_printf(&collected->text, " @%" PRId64, timestamp_ms);
    if (series->start_ms != 0)
        buf_printf(&collected->text, " since %" PRId64, series->start_ms);
    buf_append_byte(&collected->text, '\n');
    return EXPOSITION_GO_ON;
}

static inline enum exposition_answer collected_exemplar(void *context,
                                                        const struct exemplar *exemplar)
{
    struct collected *collected = context;
    char number[FLOAT_TEXT_SHORT_SIZE];
    buf_append_str(&collected->text, "  exemplar");
    for (size_t i = 0; i < exemplar->label_count; i++) {
        buf_append_byte(&collected->text, ' ');
        quote_go(exemplar->labels[i].name, &collected->text);
        buf_append_byte(&collected->text, '=');
        quote_go(exemplar->labels[i].value, &collected->text);
    }
    buf_append_str(&collected->text, " | ");
    buf_append(&collected->text, number, float_text_g(exemplar->value, number));
    if (exemplar->has_timestamp)
        buf_printf(&collected->text, " @%" PRId64, exemplar->timestamp_ms);
    buf_append_byte(&collected->text, '\n');
    return EXPOSITION_GO_ON;
}

static inline enum exposition_answer collected_type(void *context, struct slice family,
                                                    enum metric_type type)
{
    struct collected *collected = context;
    buf_printf(&collected->text, "type %.*s %s\n", SLICE_ARG(family), metric_type_name(type));
    return EXPOSITION_GO_ON;
}

static inline enum exposition_answer collected_help(void *context, struct slice family,
                                                    struct slice help)
{
    struct collected *collected = context;
    buf_printf(&collected->text, "help %.*s ", SLICE_ARG(family));
    quote_go(help, &collected->text);
    buf_append_byte(&collected->text, '\n');
    return EXPOSITION_GO_ON;
}

static inline enum exposition_answer collected_unit(void *context, struct slice family,
                                                    struct slice unit)
{
    struct collected *collected = context;
    buf_printf(&collected->text, "unit %.*s %.*s\n", SLICE_ARG(family), SLICE_ARG(unit));
    return EXPOSITION_GO_ON;
}

static inline void collected_init(struct collected *collected)
{
    memset(collected, 0, sizeof(*collected));
    buf_init(&collected->text, BUF_SIZE_ANY);
    arena_init(&collected->arena, (size_t)64 << 20);
    collected->labels = true;
}

static inline void collected_release(struct collected *collected)
{
    buf_release(&collected->text);
    arena_release(&collected->arena);
}

/* Parses an exact copy of the body, so that a read beyond its end is seen. */
static inline enum err collected_parse(struct collected *collected, enum exposition_format format,
                                       struct slice body)
{
    struct exposition_sink sink = {
        .context = collected,
        .sample = collected_sample,
        .exemplar = collected_exemplar,
        .histogram = collected->histograms ? collected_histogram : NULL,
        .classic_histograms_too = collected->classic_too,
        .created_lines = collected->created_lines,
        .type = collected_type,
        .help = collected_help,
        .unit = collected_unit,
    };
    char *copy = malloc(body.len == 0 ? 1 : body.len);
    memcpy(copy, body.ptr, body.len);
    enum err code = exposition_parse(format, slice_from(copy, body.len), &sink, &collected->err);
    free(copy);
    return code == ERR_CANCELED && collected->label_code != ERR_NONE ? collected->label_code : code;
}

static inline void assert_parsed(enum exposition_format format, struct slice body,
                                 const char *expected, int line)
{
    struct collected collected;
    collected_init(&collected);
    enum err code = collected_parse(&collected, format, body);
    ck_assert_msg(code == ERR_NONE, "line %d: %s", line, collected.err.text);
    ck_assert_msg(slice_eq_str(buf_slice(&collected.text), expected), "line %d: got\n%s", line,
                  buf_cstr(&collected.text));
    collected_release(&collected);
}

static inline void assert_refused(enum exposition_format format, struct slice body,
                                  const char *expected, int line)
{
    struct collected collected;
    collected_init(&collected);
    enum err code = collected_parse(&collected, format, body);
    ck_assert_msg(code == ERR_INVALID, "line %d: code %d, %s", line, (int)code,
                  buf_cstr(&collected.text));
    ck_assert_msg(strcmp(collected.err.text, expected) == 0, "line %d: got\n%s", line,
                  collected.err.text);
    collected_release(&collected);
}
