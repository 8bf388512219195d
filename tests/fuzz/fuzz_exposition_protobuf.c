/*
 * The protobuf format from hostile bytes, three ways: native histograms, native and classic ones,
 * and classic ones only. Labels of every series are taken apart, since its text is made by the
 * parser and so must be good.
 */
#include "base/arena.h"
#include "base/compiler.h"
#include "exposition/exposition.h"
#include "model/histogram.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_series(struct arena *arena, const struct exposition_series *series)
{
    struct slice name;
    struct exposition_label *labels;
    size_t count;
    arena_reset(arena);
    if (exposition_series_labels(series, arena, &name, &labels, &count, NULL) == ERR_INVALID)
        abort();
}

static enum exposition_answer see_sample(void *context, const struct exposition_series *series,
                                         double value, bool has_timestamp, int64_t timestamp_ms)
{
    read_series(context, series);
    return EXPOSITION_GO_ON;
}

static enum exposition_answer see_histogram(void *context, const struct exposition_series *series,
                                            const struct histogram *histogram, bool has_timestamp,
                                            int64_t timestamp_ms)
{
    read_series(context, series);
    struct errbuf err;
    return histogram_validate(histogram, &err) == ERR_NONE ? EXPOSITION_GO_ON : EXPOSITION_STOP;
}

static enum exposition_answer see_exemplar(void *context, const struct exemplar *exemplar)
{
    size_t bytes = 0;
    for (size_t i = 0; i < exemplar->label_count; i++)
        bytes += exemplar->labels[i].name.len + exemplar->labels[i].value.len;
    return bytes > ((size_t)1 << 30) ? EXPOSITION_STOP : EXPOSITION_GO_ON;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    for (int way = 0; way < 3; way++) {
        struct exposition_sink sink = {
            .context = &arena,
            .sample = see_sample,
            .histogram = way < 2 ? see_histogram : NULL,
            .classic_histograms_too = way == 1,
            .exemplar = see_exemplar,
        };
        struct errbuf err = ERRBUF_INIT;
        enum err code = exposition_parse(EXPOSITION_PROTOBUF, slice_from((const char *)data, size),
                                         &sink, &err);
        if (code == ERR_INVALID && err.text[0] == '\0')
            abort();
    }
    arena_release(&arena);
    return 0;
}
