#include "promql/selection.h"

#include "promql/scan.h"

void series_reader_init(struct series_reader *reader, struct evaluation *ev, bool outlined)
{
    *reader = (struct series_reader){.ev = ev, .outlined = outlined};
    sample_columns_init(&reader->columns);
    histogram_outlines_init(&reader->outlines);
}

void series_reader_release(struct series_reader *reader)
{
    sample_columns_release(&reader->columns);
    histogram_outlines_release(&reader->outlines);
    vec_release(&reader->clean_timestamps_ms);
    vec_release(&reader->clean_values);
    vec_release(&reader->clean_start_timestamps_ms);
    vec_release(&reader->clean_histograms);
}

bool series_reader_read(struct series_reader *reader, const struct selection *selection,
                        const struct series_entry *entry, struct samples *out)
{
    struct evaluation *ev = reader->ev;
    struct sample_columns *columns = &reader->columns;
    enum err code = series_view_read(ev->view, entry, selection->min_ms, selection->max_ms,
                                     columns, ev->err);
    if (code != ERR_NONE)
        return evaluation_failed(ev, code);
    if (!evaluation_check(ev, columns->count + 1))
        return false;
    *out = (struct samples){
        .timestamps_ms = columns->timestamps_ms,
        .values = columns->values,
        .histograms = columns->histograms,
        .count = columns->count,
        .start_timestamps_ms = columns->start_timestamps_ms,
    };
    if (UNLIKELY(reader->outlined && columns->count > 0 && columns->histograms != NULL))
        out->histograms =
            histogram_outlines_make(&reader->outlines, columns->timestamps_ms, columns->histograms,
                                    columns->count, &selection->windows);
    return true;
}

/* Are stale markers among them, perhaps, or nothing but floats where histograms might be? */
static bool samples_are_clean(const struct samples *samples)
{
    if (LIKELY(samples->histograms == NULL))
        return !scan_has_nan(samples->values, samples->count);
    size_t floats = 0;
    for (size_t i = 0; i < samples->count; i++) {
        if (samples_is_stale(samples, i))
            return false;
        floats += samples->histograms[i] == NULL;
    }
    return floats < samples->count;
}

void series_reader_clean(struct series_reader *reader, struct samples *samples)
{
    if (samples_are_clean(samples))
        return;
    vec_reset(&reader->clean_timestamps_ms);
    vec_reset(&reader->clean_values);
    vec_reset(&reader->clean_histograms);
    vec_reserve(&reader->clean_timestamps_ms, samples->count);
    vec_reserve(&reader->clean_values, samples->count);
    const int64_t *starts_ms = samples->start_timestamps_ms;
    if (starts_ms != NULL)
        vec_reserve(&reader->clean_start_timestamps_ms, samples->count);
    if (samples->histograms != NULL)
        vec_reserve(&reader->clean_histograms, samples->count);
    size_t len = 0, histograms = 0;
    for (size_t i = 0; i < samples->count; i++) {
        if (samples_is_stale(samples, i))
            continue;
        reader->clean_timestamps_ms.items[len] = samples->timestamps_ms[i];
        reader->clean_values.items[len] = samples->values[i];
        if (starts_ms != NULL)
            reader->clean_start_timestamps_ms.items[len] = starts_ms[i];
        if (samples->histograms != NULL) {
            reader->clean_histograms.items[len] = samples->histograms[i];
            histograms += samples->histograms[i] != NULL;
        }
        len++;
    }
    *samples = (struct samples){
        .timestamps_ms = reader->clean_timestamps_ms.items,
        .values = reader->clean_values.items,
        .histograms = histograms == 0 ? NULL : reader->clean_histograms.items,
        .count = len,
        .start_timestamps_ms =
            starts_ms == NULL ? NULL : reader->clean_start_timestamps_ms.items,
    };
}

void selection_init(struct selection *selection, struct evaluation *ev, const struct node *selector,
                    bool sorted)
{
    *selection = (struct selection){.ev = ev, .selector = selector, .sorted = sorted};
    series_reader_init(&selection->reader, ev, histogram_outline_wanted(ev, selector));
}

void selection_release(struct selection *selection)
{
    series_list_release(&selection->list);
    series_reader_release(&selection->reader);
}

static bool selection_select(struct selection *selection)
{
    struct evaluation *ev = selection->ev;
    struct series_query query = {
        .matchers = (const struct matcher *const *)selection->selector->selector.matchers,
        .matcher_count = selection->selector->selector.matcher_count,
        .min_ms = selection->min_ms,
        .max_ms = selection->max_ms,
        .sorted = selection->sorted,
        .memory = &ev->selected,
    };
    vec_reset(&selection->list.entries);
    enum err code = series_view_select(ev->view, &query, &selection->list, ev->err);
    if (code != ERR_NONE)
        return evaluation_failed(ev, code);
    selection->is_selected = true;
    selection->selected_min_ms = selection->min_ms;
    selection->selected_max_ms = selection->max_ms;
    return true;
}

bool selection_has_one_name(const struct evaluation *ev, const struct node *selector)
{
    if (ev->reserved.type != SYMBOL_NONE || ev->reserved.unit != SYMBOL_NONE)
        return false;
    for (size_t i = 0; i < selector->selector.matcher_count; i++) {
        const struct matcher *matcher = selector->selector.matchers[i];
        if (matcher->type == MATCHER_EQUAL && matcher->value.len > 0 &&
            slice_eq(matcher->name, SLICE(LABEL_METRIC_NAME)))
            return true;
    }
    return false;
}

bool selection_start(struct selection *selection, const struct histogram_windows *windows)
{
    selection->windows = *windows;
    selection->min_ms = windows->first_end_ms - windows->reach_ms + 1;
    selection->max_ms = windows->last_end_ms;
    selection->at = 0;
    if (selection->is_selected && selection->min_ms >= selection->selected_min_ms &&
        selection->max_ms <= selection->selected_max_ms)
        return true;
    return selection_select(selection);
}

bool selection_next(struct selection *selection, const struct labels **out_labels,
                    struct samples *out)
{
    while (selection->at < selection->list.entries.len) {
        const struct series_entry *entry = &selection->list.entries.items[selection->at++];
        if (!series_reader_read(&selection->reader, selection, entry, out))
            return false;
        if (out->count == 0)
            continue;
        *out_labels = entry->labels;
        return true;
    }
    return false;
}

void selection_clean(struct selection *selection, struct samples *samples)
{
    series_reader_clean(&selection->reader, samples);
}
