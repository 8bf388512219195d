#include "tests/support/fake_source.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "model/histogram_arithmetic.h"
#include "model/sample.h"
#include "model/symbols.h"

struct fake_view {
    struct series_view view;
    struct fake_source *fake;
};

void fake_source_clear(struct fake_source *fake)
{
    ASSERT(fake->open_views == 0);
    for (size_t i = 0; i < fake->series.len; i++) {
        struct fake_series *series = fake->series.items[i];
        labels_unref(series->labels);
        vec_release(&series->timestamps_ms);
        vec_release(&series->values);
        vec_release(&series->histograms);
        arena_release(&series->arena);
        vec_release(&series->start_timestamps_ms);
        mem_free(series);
    }
    vec_reset(&fake->series);
}

void fake_source_free(struct fake_source *fake)
{
    if (fake == NULL)
        return;
    fake_source_clear(fake);
    vec_release(&fake->series);
    mem_free(fake);
}

struct fake_series *fake_source_series(struct fake_source *fake, const struct labels *labels)
{
    for (size_t i = 0; i < fake->series.len; i++) {
        if (labels_equal(fake->series.items[i]->labels, labels))
            return fake->series.items[i];
    }
    struct fake_series *series = mem_zalloc(sizeof(*series));
    series->labels = labels_copy(labels);
    arena_init(&series->arena, SIZE_MAX);
    vec_push(&fake->series, series);
    return series;
}

static void fake_series_put(struct fake_series *series, int64_t timestamp_ms, double value,
                            struct histogram *histogram)
{
    size_t len = series->timestamps_ms.len;
    series->has_histograms |= histogram != NULL;
    if (len > 0 && series->timestamps_ms.items[len - 1] == timestamp_ms) {
        series->values.items[len - 1] = value;
        series->histograms.items[len - 1] = histogram;
        series->start_timestamps_ms.items[len - 1] = 0;
        return;
    }
    ASSERT(len == 0 || series->timestamps_ms.items[len - 1] < timestamp_ms);
    vec_push(&series->timestamps_ms, timestamp_ms);
    vec_push(&series->values, value);
    vec_push(&series->histograms, histogram);
    vec_push(&series->start_timestamps_ms, 0);
}

void fake_series_set_start(struct fake_series *series, int64_t start_ms)
{
    size_t len = series->start_timestamps_ms.len;
    ASSERT(len > 0);
    series->start_timestamps_ms.items[len - 1] = start_ms;
    series->has_start_timestamps |= start_ms != 0;
}

static struct histogram *fake_last_histogram(const struct fake_series *series)
{
    size_t len = series->histograms.len;
    return len == 0 ? NULL : series->histograms.items[len - 1];
}

void fake_series_add(struct fake_series *series, int64_t timestamp_ms, double value)
{
    struct histogram *stale = NULL;
    if (sample_is_stale(value) && fake_last_histogram(series) != NULL) {
        stale = arena_zalloc(&series->arena, sizeof(*stale));
        *stale = (struct histogram){.is_float = true, .sum = value};
    }
    fake_series_put(series, timestamp_ms, value, stale);
}

/* What storage makes of the hint of a counter: whether it goes on is seen from the values. */
static enum histogram_reset_hint fake_hint(const struct histogram *now,
                                           const struct histogram *before)
{
    struct histogram unhinted = *now;
    unhinted.reset_hint = HISTOGRAM_RESET_UNKNOWN;
    if (now->reset_hint == HISTOGRAM_RESET_GAUGE)
        return HISTOGRAM_RESET_GAUGE;
    if (now->reset_hint == HISTOGRAM_RESET_YES || before == NULL || sample_is_stale(before->sum) ||
        before->reset_hint == HISTOGRAM_RESET_GAUGE || before->schema != now->schema ||
        before->zero_threshold != now->zero_threshold ||
        before->custom_bound_count != now->custom_bound_count)
        return HISTOGRAM_RESET_UNKNOWN;
    for (uint32_t i = 0; i < now->custom_bound_count; i++) {
        if (now->custom_bounds[i] != before->custom_bounds[i])
            return HISTOGRAM_RESET_UNKNOWN;
    }
    return histogram_is_reset(&unhinted, before) ? HISTOGRAM_RESET_UNKNOWN : HISTOGRAM_RESET_NO;
}

void fake_series_add_histogram(struct fake_series *series, int64_t timestamp_ms,
                               const struct histogram *histogram)
{
    struct histogram *copy = histogram_copy_into(&series->arena, histogram);
    copy->reset_hint = fake_hint(copy, fake_last_histogram(series));
    fake_series_put(series, timestamp_ms, 0, copy);
}

static bool fake_matches(const struct labels *labels, const struct series_query *query)
{
    for (size_t i = 0; i < query->matcher_count; i++) {
        const struct matcher *matcher = query->matchers[i];
        if (!matcher_matches(matcher, labels_get(labels, matcher->name)))
            return false;
    }
    return true;
}

static int compare_entries(const void *a, const void *b)
{
    return labels_compare(((const struct series_entry *)a)->labels,
                          ((const struct series_entry *)b)->labels);
}

static enum err fake_select(struct series_view *view, const struct series_query *query,
                            struct series_list *out, struct errbuf *err)
{
    struct fake_source *fake = ((struct fake_view *)view)->fake;
    for (size_t i = 0; i < fake->series.len; i++) {
        if (fake_matches(fake->series.items[i]->labels, query))
            vec_push(&out->entries,
                     (struct series_entry){fake->series.items[i]->labels, (uint64_t)i});
    }
    if (query->sorted && out->entries.len > 0)
        qsort(out->entries.items, out->entries.len, sizeof(*out->entries.items), compare_entries);
    return ERR_NONE;
}

/* The index of the first sample that is not before a time. */
static size_t fake_first_at(const struct fake_series *series, int64_t time_ms)
{
    size_t low = 0, high = series->timestamps_ms.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (series->timestamps_ms.items[middle] < time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum err fake_read(struct series_view *view, const struct series_entry *entry,
                          int64_t min_ms, int64_t max_ms, struct sample_columns *out,
                          struct errbuf *err)
{
    const struct fake_source *fake = ((struct fake_view *)view)->fake;
    const struct fake_series *series = fake->series.items[entry->handle];
    const int64_t *timestamps_ms = series->timestamps_ms.items;
    size_t from = fake_first_at(series, min_ms);
    size_t until = max_ms < min_ms ? from : fake_first_at(series, max_ms + 1);
    out->timestamps_ms = timestamps_ms + from;
    out->values = series->values.items + from;
    out->count = until - from;
    if (series->has_start_timestamps)
        out->start_timestamps_ms = series->start_timestamps_ms.items + from;
    out->histograms = NULL;
    if (!series->has_histograms)
        return ERR_NONE;
    vec_reset(&out->histogram_memory);
    bool any = false;
    for (size_t i = from; i < until; i++) {
        any |= series->histograms.items[i] != NULL;
        vec_push(&out->histogram_memory, series->histograms.items[i]);
    }
    if (any)
        out->histograms = out->histogram_memory.items;
    return ERR_NONE;
}

static enum err fake_read_behind(struct series_view *view, const struct series_entry *entry,
                                 int64_t min_ms, int64_t max_ms, struct sample_columns *out,
                                 struct errbuf *err)
{
    const struct fake_source *fake = ((struct fake_view *)view)->fake;
    const struct fake_series *series = fake->series.items[entry->handle];
    size_t from = fake_first_at(series, min_ms);
    size_t until = max_ms < min_ms ? from : fake_first_at(series, max_ms + 1);
    sample_columns_begin(out);
    for (size_t i = from; i < until; i++) {
        if (series->has_histograms) {
            while (out->histogram_memory.len < out->timestamp_memory.len)
                vec_push(&out->histogram_memory, NULL);
            vec_push(&out->histogram_memory, series->histograms.items[i]);
        }
        if (series->has_start_timestamps) {
            while (out->start_timestamp_memory.len < out->timestamp_memory.len)
                vec_push(&out->start_timestamp_memory, 0);
            vec_push(&out->start_timestamp_memory, series->start_timestamps_ms.items[i]);
        }
        vec_push(&out->timestamp_memory, series->timestamps_ms.items[i]);
        vec_push(&out->value_memory, series->values.items[i]);
    }
    sample_columns_publish(out);
    return ERR_NONE;
}

static enum err fake_no_texts(struct series_view *view, const struct series_query *query,
                              struct arena *arena, struct text_list *out, struct errbuf *err)
{
    return errbuf_set(err, ERR_UNSUPPORTED, "the fake source has no label lists");
}

/* Of all series, in their order; repetitions stay. */
static enum err fake_values(struct series_view *view, struct slice name,
                            const struct series_query *query, struct arena *arena,
                            struct text_list *out, struct errbuf *err)
{
    struct fake_source *fake = ((struct fake_view *)view)->fake;
    *out = (struct text_list){
        .items = arena_alloc_array(arena, fake->series.len, sizeof(struct slice))};
    for (size_t i = 0; i < fake->series.len; i++) {
        if (fake_matches(fake->series.items[i]->labels, query))
            out->items[out->count++] = labels_get(fake->series.items[i]->labels, name);
    }
    return ERR_NONE;
}

static void fake_close(struct series_view *view)
{
    struct fake_view *fake_view = (struct fake_view *)view;
    fake_view->fake->open_views--;
    mem_free(fake_view);
}

static const struct series_view_operations view_operations = {
    .select = fake_select,
    .read = fake_read,
    .label_names = fake_no_texts,
    .label_values = fake_values,
    .close = fake_close,
};

static const struct series_view_operations appending_operations = {
    .appends = true,
    .select = fake_select,
    .read = fake_read_behind,
    .label_names = fake_no_texts,
    .label_values = fake_values,
    .close = fake_close,
};

static enum err fake_open(struct series_source *source, int64_t min_ms, int64_t max_ms,
                          struct series_view **out, struct errbuf *err)
{
    struct fake_source *fake = (struct fake_source *)source;
    struct fake_view *view = mem_zalloc(sizeof(*view));
    view->view.operations = fake->appends ? &appending_operations : &view_operations;
    view->fake = fake;
    fake->open_views++;
    *out = &view->view;
    return ERR_NONE;
}

static const struct series_source_operations source_operations = {.open = fake_open};

struct fake_source *fake_source_new(void)
{
    struct fake_source *fake = mem_zalloc(sizeof(*fake));
    fake->source.operations = &source_operations;
    return fake;
}
