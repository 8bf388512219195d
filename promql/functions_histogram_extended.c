/*
 * rate, increase and delta of native histograms over anchored and smoothed ranges: the difference
 * of the histograms at the edges, with what counters had reached before each reset.
 */
#include "base/compiler.h"
#include "model/histogram_arithmetic.h"
#include "promql/extended_range.h"
#include "promql/range_mixed.h"

struct extended_window {
    struct extended_range range;
    const struct samples *samples;
    size_t first;
    size_t last;
    struct arena *arena;
    unsigned notes;
};

static bool is_gauge(const struct histogram *histogram)
{
    return histogram->reset_hint == HISTOGRAM_RESET_GAUGE;
}

/* Exponential and custom buckets do not go together. */
static bool extended_check_histograms(struct extended_window *window)
{
    const struct histogram *const *histograms = window->samples->histograms;
    bool custom = histograms[window->first]->schema == HISTOGRAM_SCHEMA_CUSTOM;
    for (size_t i = window->first; i <= window->last; i++) {
        if ((histograms[i]->schema == HISTOGRAM_SCHEMA_CUSTOM) != custom) {
            window->notes |= RANGE_NOTE_MIXED_SCHEMAS;
            return false;
        }
        if (window->range.is_counter && is_gauge(histograms[i]))
            window->notes |= RANGE_NOTE_NOT_COUNTER;
    }
    return true;
}

static const struct histogram *extended_left(struct extended_window *window)
{
    if (!window->range.is_smoothed ||
        window->samples->timestamps_ms[window->first] >= window->range.start_ms)
        return window->samples->histograms[window->first];
    return samples_interpolate_histogram(window->arena, window->samples, window->first,
                                         window->range.start_ms, window->range.is_counter,
                                         &window->notes);
}

static const struct histogram *extended_right(struct extended_window *window, size_t low)
{
    if (!window->range.is_smoothed || window->last == low ||
        window->samples->timestamps_ms[window->last] <= window->range.end_ms)
        return window->samples->histograms[window->last];
    return samples_interpolate_histogram(window->arena, window->samples, window->last - 1,
                                         window->range.end_ms, window->range.is_counter,
                                         &window->notes);
}

/* a + b; only b when there is no a. NULL where they do not go together. */
static const struct histogram *extended_sum(struct extended_window *window,
                                            const struct histogram *a, const struct histogram *b)
{
    struct histogram *sum;
    struct histogram_outcome outcome;
    if (a == NULL)
        return b;
    if (histogram_add(window->arena, a, b, &sum, &outcome) != ERR_NONE) {
        window->notes |= RANGE_NOTE_MIXED_SCHEMAS;
        return NULL;
    }
    if (outcome.bounds_reconciled)
        window->notes |= RANGE_NOTE_RECONCILED_SUM;
    return sum;
}

/*
 * What the counter had reached before its resets; *out is NULL where there were none. The edges
 * stand for the first and the last sample. Where the left edge lies between two samples across a
 * reset, that one is made good already.
 */
static bool extended_find_correction(struct extended_window *window, const struct histogram *left,
                                     const struct histogram *right, const struct histogram **out)
{
    const struct histogram *const *histograms = window->samples->histograms;
    const struct histogram *before = left;
    size_t from = window->first + 1;
    *out = NULL;
    if (window->range.is_smoothed &&
        window->samples->timestamps_ms[window->first] < window->range.start_ms &&
        histogram_is_reset(histograms[from], histograms[window->first])) {
        before = histograms[from];
        from++;
    }
    if (from > window->last)
        return true;
    for (size_t i = from; i < window->last; i++) {
        if (histogram_is_reset(histograms[i], before)) {
            *out = extended_sum(window, *out, before);
            if (*out == NULL)
                return false;
        }
        before = histograms[i];
    }
    if (histogram_is_reset(right, before))
        *out = extended_sum(window, *out, before);
    else
        return true;
    return *out != NULL;
}

static const struct histogram *extended_increase(struct extended_window *window, size_t low)
{
    if (!extended_check_histograms(window))
        return NULL;
    const struct histogram *left = extended_left(window);
    const struct histogram *right = left == NULL ? NULL : extended_right(window, low);
    if (right == NULL)
        return NULL;
    if (!window->range.is_counter && (!is_gauge(left) || !is_gauge(right)))
        window->notes |= RANGE_NOTE_NOT_GAUGE;
    struct histogram *difference;
    struct histogram_outcome outcome;
    if (histogram_subtract(window->arena, right, left, &difference, &outcome) != ERR_NONE) {
        window->notes |= RANGE_NOTE_MIXED_SCHEMAS;
        return NULL;
    }
    if (outcome.bounds_reconciled)
        window->notes |= RANGE_NOTE_RECONCILED_DIFFERENCE;
    const struct histogram *correction = NULL;
    if (window->range.is_counter && !extended_find_correction(window, left, right, &correction))
        return NULL;
    return correction == NULL ? difference : extended_sum(window, difference, correction);
}

static const struct histogram *extended_of(struct range_input *in, size_t step, uint32_t low,
                                           uint32_t count, bool is_counter, bool is_rate)
{
    int64_t end_ms = time_shift_apply(in->shift, steps_time(in->steps, step));
    struct extended_window window = {
        .range = {.start_ms = end_ms - in->range_ms,
                  .end_ms = end_ms,
                  .is_smoothed = in->extension == SELECTOR_SMOOTHED,
                  .is_counter = is_counter},
        .samples = &in->samples,
        .arena = &in->scratch->steps_own,
    };
    if (!extended_range_find(&window.range, &in->samples, low, low + count, &window.first,
                             &window.last) ||
        in->samples.timestamps_ms[low] > end_ms)
        return NULL;
    const struct histogram *increase = extended_increase(&window, low);
    in->notes |= window.notes;
    if (increase == NULL)
        return NULL;
    struct histogram *result = is_rate ? histogram_divide(in->made, increase, range_seconds_of(in))
                                       : histogram_copy_into(in->made, increase);
    result->reset_hint = HISTOGRAM_RESET_GAUGE;
    histogram_compact_in_place(in->made, result);
    return result;
}

const struct histogram *range_histogram_extended_rate(struct range_input *in, size_t step,
                                                      uint32_t low, uint32_t count)
{
    return extended_of(in, step, low, count, true, true);
}

const struct histogram *range_histogram_extended_increase(struct range_input *in, size_t step,
                                                          uint32_t low, uint32_t count)
{
    return extended_of(in, step, low, count, true, false);
}

const struct histogram *range_histogram_extended_delta(struct range_input *in, size_t step,
                                                       uint32_t low, uint32_t count)
{
    return extended_of(in, step, low, count, false, false);
}
