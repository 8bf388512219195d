/* Series in memory for the query benchmarks. */
#include "bench/memory_source.h"

#include "base/alloc.h"
#include "base/protobuf_wire.h"
#include "bench/feed.h"
#include "model/labels_builder.h"

#include <stdlib.h>

#define INTERVAL_MS 10000

struct memory_series {
    struct labels *labels;
    double *values;
};

struct memory_source {
    struct series_source source;
    struct memory_series *series; /* sorted by labels */
    size_t series_count;
    int64_t *timestamps_ms; /* of all series */
    size_t sample_count;
};

struct memory_view {
    struct series_view view;
    struct memory_source *source;
};

static bool matches_all(const struct labels *labels, const struct series_query *query)
{
    for (size_t i = 0; i < query->matcher_count; i++) {
        const struct matcher *matcher = query->matchers[i];
        if (!matcher_matches(matcher, labels_get(labels, matcher->name)))
            return false;
    }
    return true;
}

static enum err memory_select(struct series_view *view, const struct series_query *query,
                              struct series_list *out, struct errbuf *err)
{
    struct memory_source *source = ((struct memory_view *)view)->source;
    for (size_t i = 0; i < source->series_count; i++) {
        if (matches_all(source->series[i].labels, query)) {
            struct series_entry entry = {.labels = source->series[i].labels, .handle = i};
            vec_push(&out->entries, entry);
        }
    }
    return ERR_NONE;
}

/* The first sample at or behind a time. */
static size_t memory_place(const struct memory_source *source, int64_t t_ms)
{
    size_t low = 0;
    size_t high = source->sample_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (source->timestamps_ms[middle] < t_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum err memory_read(struct series_view *view, const struct series_entry *series,
                            int64_t min_ms, int64_t max_ms, struct sample_columns *out,
                            struct errbuf *err)
{
    struct memory_source *source = ((struct memory_view *)view)->source;
    size_t start = memory_place(source, min_ms);
    size_t end = max_ms == INT64_MAX ? source->sample_count : memory_place(source, max_ms + 1);
    out->timestamps_ms = source->timestamps_ms + start;
    out->values = source->series[series->handle].values + start;
    out->histograms = NULL;
    out->count = end - start;
    return ERR_NONE;
}

static enum err memory_no_labels(struct errbuf *err)
{
    return errbuf_set(err, ERR_UNSUPPORTED, "the benchmark's series are for queries only");
}

static enum err memory_label_names(struct series_view *view, const struct series_query *query,
                                   struct arena *arena, struct text_list *out, struct errbuf *err)
{
    return memory_no_labels(err);
}

static enum err memory_label_values(struct series_view *view, struct slice name,
                                    const struct series_query *query, struct arena *arena,
                                    struct text_list *out, struct errbuf *err)
{
    return memory_no_labels(err);
}

static void memory_close(struct series_view *view)
{
    mem_free(view);
}

static enum err memory_open(struct series_source *source, int64_t min_ms, int64_t max_ms,
                            struct series_view **out, struct errbuf *err)
{
    static const struct series_view_operations operations = {
        .select = memory_select,
        .read = memory_read,
        .label_names = memory_label_names,
        .label_values = memory_label_values,
        .close = memory_close,
    };
    struct memory_view *view = mem_zalloc(sizeof(*view));
    view->view.operations = &operations;
    view->source = (struct memory_source *)source;
    *out = &view->view;
    return ERR_NONE;
}

/* The labels of a feed are encoded for the wire. */
static struct labels *memory_labels(struct slice encoded)
{
    struct labels_builder builder;
    labels_builder_init(&builder);
    struct protobuf_reader fields = protobuf_reader(encoded);
    struct protobuf_field field;
    while (protobuf_next(&fields, &field)) {
        struct protobuf_reader label = protobuf_reader(field.bytes);
        struct protobuf_field name;
        struct protobuf_field value;
        if (!protobuf_next(&label, &name) || !protobuf_next(&label, &value))
            abort();
        labels_builder_set(&builder, name.bytes, value.bytes);
    }
    struct labels *labels = labels_builder_build(&builder);
    labels_builder_release(&builder);
    return labels;
}

static int memory_order(const void *a, const void *b)
{
    return labels_compare(((const struct memory_series *)a)->labels,
                          ((const struct memory_series *)b)->labels);
}

struct memory_source *memory_source_new(size_t host_count, int64_t start_ms, size_t sample_count)
{
    static const struct series_source_operations operations = {.open = memory_open};
    struct memory_source *source = mem_zalloc(sizeof(*source));
    source->source.operations = &operations;
    source->sample_count = sample_count;
    source->timestamps_ms = mem_alloc_array(sample_count, sizeof(*source->timestamps_ms));
    for (size_t i = 0; i < sample_count; i++)
        source->timestamps_ms[i] = start_ms + (int64_t)i * INTERVAL_MS;
    struct feed feed;
    feed_init_tsbs(&feed, host_count, INTERVAL_MS / 1000.0);
    source->series_count = feed.series_count;
    source->series = mem_alloc_array(feed.series_count, sizeof(*source->series));
    for (size_t i = 0; i < feed.series_count; i++) {
        struct memory_series *series = &source->series[i];
        series->labels = memory_labels(feed_labels(&feed, &feed.series[i]));
        series->values = mem_alloc_array(sample_count, sizeof(*series->values));
        for (size_t k = 0; k < sample_count; k++)
            series->values[k] = feed_next(&feed, &feed.series[i]);
    }
    feed_release(&feed);
    qsort(source->series, source->series_count, sizeof(*source->series), memory_order);
    return source;
}

void memory_source_free(struct memory_source *source)
{
    for (size_t i = 0; i < source->series_count; i++) {
        labels_unref(source->series[i].labels);
        mem_free(source->series[i].values);
    }
    mem_free(source->series);
    mem_free(source->timestamps_ms);
    mem_free(source);
}

struct series_source *memory_source_source(struct memory_source *source)
{
    return &source->source;
}
