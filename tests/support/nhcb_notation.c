#include "tests/support/nhcb_notation.h"

#include <math.h>
#include <stdlib.h>

#include "base/float_text.h"
#include "model/histogram_arithmetic.h"
#include "model/labels_builder.h"

void nhcb_collection_release(struct nhcb_collection *collection)
{
    for (size_t i = 0; i < collection->series.len; i++) {
        struct nhcb_series *series = &collection->series.items[i];
        for (size_t s = 0; s < series->samples.len; s++)
            vec_release(&series->samples.items[s].buckets);
        vec_release(&series->samples);
        labels_unref(series->labels);
    }
    vec_release(&collection->series);
}

/* The series without its suffix and without le. */
static struct nhcb_series *collection_series(struct nhcb_collection *collection,
                                             const struct labels *labels, struct slice name)
{
    struct labels_builder CLEANUP(labels_builder_release) builder;
    labels_builder_init(&builder);
    for (uint32_t i = 0; i < labels->count; i++) {
        struct slice label = symbols_text(labels->pairs[i].name);
        if (!slice_eq_str(label, "le"))
            labels_builder_set(&builder, label,
                               slice_eq_str(label, LABEL_METRIC_NAME)
                                   ? name
                                   : symbols_text(labels->pairs[i].value));
    }
    struct labels *base = labels_builder_build(&builder);
    for (size_t i = 0; i < collection->series.len; i++) {
        if (!labels_equal(collection->series.items[i].labels, base))
            continue;
        labels_unref(base);
        return &collection->series.items[i];
    }
    struct nhcb_series *series = vec_add(&collection->series);
    series->labels = base;
    return series;
}

static struct nhcb_sample *series_sample(struct nhcb_series *series, int64_t timestamp_ms)
{
    for (size_t i = 0; i < series->samples.len; i++) {
        if (series->samples.items[i].timestamp_ms == timestamp_ms)
            return &series->samples.items[i];
    }
    struct nhcb_sample *sample = vec_add(&series->samples);
    sample->timestamp_ms = timestamp_ms;
    return sample;
}

void nhcb_collection_add(struct nhcb_collection *collection, const struct labels *labels,
                         int64_t timestamp_ms, double value)
{
    struct slice name = labels_get(labels, SLICE(LABEL_METRIC_NAME));
    double bound = 0;
    if (slice_has_suffix(name, SLICE("_bucket"))) {
        if (!float_text_parse(labels_get(labels, SLICE("le")), &bound, NULL))
            return;
        name = slice_sub(name, 0, name.len - strlen("_bucket"));
        struct nhcb_sample *sample =
            series_sample(collection_series(collection, labels, name), timestamp_ms);
        vec_push(&sample->buckets, (struct nhcb_bucket){bound, value});
    } else if (slice_has_suffix(name, SLICE("_count"))) {
        name = slice_sub(name, 0, name.len - strlen("_count"));
        struct nhcb_sample *sample =
            series_sample(collection_series(collection, labels, name), timestamp_ms);
        sample->count = value;
        sample->has_count = true;
    } else if (slice_has_suffix(name, SLICE("_sum"))) {
        name = slice_sub(name, 0, name.len - strlen("_sum"));
        series_sample(collection_series(collection, labels, name), timestamp_ms)->sum = value;
    }
}

static int compare_buckets(const void *a, const void *b)
{
    double x = ((const struct nhcb_bucket *)a)->bound, y = ((const struct nhcb_bucket *)b)->bound;
    return x < y ? -1 : x > y;
}

static int compare_samples(const void *a, const void *b)
{
    int64_t x = ((const struct nhcb_sample *)a)->timestamp_ms;
    int64_t y = ((const struct nhcb_sample *)b)->timestamp_ms;
    return x < y ? -1 : x > y;
}

static void sample_load(struct nhcb_sample *sample, struct fake_series *series)
{
    if (sample->buckets.len > 0)
        qsort(sample->buckets.items, sample->buckets.len, sizeof(*sample->buckets.items),
              compare_buckets);
    if (!sample->has_count && sample->buckets.len > 0)
        sample->count = vec_last(&sample->buckets)->count;
    if (sample->buckets.len == 0 || vec_last(&sample->buckets)->bound != INFINITY)
        vec_push(&sample->buckets, (struct nhcb_bucket){INFINITY, sample->count});
    size_t count = sample->buckets.len;
    struct arena CLEANUP(arena_release) arena;
    arena_init(&arena, SIZE_MAX);
    struct histogram_span span = {0, (uint32_t)count};
    struct histogram histogram = {
        .is_float = true,
        .schema = HISTOGRAM_SCHEMA_CUSTOM,
        .count = sample->count,
        .sum = sample->sum,
        .positive_spans = &span,
        .positive_span_count = 1,
        .positive_buckets = arena_alloc_array(&arena, count, sizeof(double)),
        .positive_bucket_count = (uint32_t)count,
        .custom_bounds = arena_alloc_array(&arena, count, sizeof(double)),
        .custom_bound_count = (uint32_t)count - 1,
    };
    double before = 0;
    for (size_t i = 0; i < count; i++) {
        histogram.positive_buckets[i] = sample->buckets.items[i].count - before;
        histogram.custom_bounds[i] = sample->buckets.items[i].bound;
        before = sample->buckets.items[i].count;
    }
    fake_series_add_histogram(series, sample->timestamp_ms,
                              histogram_compact(&arena, &histogram, 0));
}

void nhcb_collection_load(struct nhcb_collection *collection, struct fake_source *source)
{
    for (size_t i = 0; i < collection->series.len; i++) {
        struct nhcb_series *series = &collection->series.items[i];
        struct fake_series *target = fake_source_series(source, series->labels);
        qsort(series->samples.items, series->samples.len, sizeof(*series->samples.items),
              compare_samples);
        for (size_t s = 0; s < series->samples.len; s++)
            sample_load(&series->samples.items[s], target);
    }
}
