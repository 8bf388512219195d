#include "promql/range_column.h"

#include <string.h>

#include "base/assert.h"
#include "promql/range_mixed.h"

static const range_kernel kernels[FUNCTION_COUNT_ALL] = {
    [FUNCTION_RATE] = range_rate,
    [FUNCTION_INCREASE] = range_increase,
    [FUNCTION_DELTA] = range_delta,
    [FUNCTION_IRATE] = range_irate,
    [FUNCTION_IDELTA] = range_idelta,
    [FUNCTION_RESETS] = range_resets,
    [FUNCTION_CHANGES] = range_changes,
    [FUNCTION_SUM_OVER_TIME] = range_sum,
    [FUNCTION_AVG_OVER_TIME] = range_avg,
    [FUNCTION_COUNT_OVER_TIME] = range_count,
    [FUNCTION_PRESENT_OVER_TIME] = range_present,
    [FUNCTION_FIRST_OVER_TIME] = range_first,
    [FUNCTION_LAST_OVER_TIME] = range_last,
    [FUNCTION_TS_OF_FIRST_OVER_TIME] = range_time_of_first,
    [FUNCTION_TS_OF_LAST_OVER_TIME] = range_time_of_last,
    [FUNCTION_STDDEV_OVER_TIME] = range_stddev,
    [FUNCTION_STDVAR_OVER_TIME] = range_stdvar,
    [FUNCTION_MIN_OVER_TIME] = range_min,
    [FUNCTION_MAX_OVER_TIME] = range_max,
    [FUNCTION_TS_OF_MIN_OVER_TIME] = range_time_of_min,
    [FUNCTION_TS_OF_MAX_OVER_TIME] = range_time_of_max,
    [FUNCTION_QUANTILE_OVER_TIME] = range_quantile,
    [FUNCTION_MAD_OVER_TIME] = range_mad,
    [FUNCTION_DERIV] = range_deriv,
    [FUNCTION_PREDICT_LINEAR] = range_predict_linear,
    [FUNCTION_DOUBLE_EXPONENTIAL_SMOOTHING] = range_smooth,
};

range_kernel range_kernel_of(enum function_id id)
{
    ASSERT((size_t)id < ARRAY_SIZE(kernels));
    return kernels[id];
}

range_kernel range_kernel_of_extended(enum function_id id, enum selector_extension extension)
{
    switch (id) {
    case FUNCTION_RATE:
        return range_extended_rate;
    case FUNCTION_INCREASE:
        return range_extended_increase;
    case FUNCTION_DELTA:
        return range_extended_delta;
    case FUNCTION_CHANGES:
    case FUNCTION_RESETS: /* the windows begin with the anchor */
        return extension == SELECTOR_ANCHORED ? kernels[id] : NULL;
    default:
        return NULL;
    }
}

void range_column_init(struct range_column *column, struct evaluation *ev,
                       const struct range_plan *plan)
{
    *column = (struct range_column){
        .ev = ev,
        .plan = plan,
        .input = {.ev = ev,
                  .shift = &plan->source.shift,
                  .range_ms = plan->source.range_ms,
                  .extension = plan->source.extension},
    };
    range_scratch_init(&column->scratch);
    column->input.scratch = &column->scratch;
}

void range_column_release(struct range_column *column)
{
    range_scratch_release(&column->scratch);
    vec_release(&column->last_timestamps_ms);
}

bool range_column_start(struct range_column *column, struct evaluation *owner)
{
    const struct range_plan *plan = column->plan;
    size_t steps = plan->steps->count;
    column->input.steps = plan->steps;
    memcpy(column->input.arguments, plan->arguments, sizeof(plan->arguments));
    vec_reset(&column->last_timestamps_ms);
    if (column->window_steps >= steps)
        return true;
    struct windows *windows = &column->input.windows;
    windows->low = evaluation_alloc(owner, steps, sizeof(*windows->low));
    windows->high = evaluation_alloc(owner, steps, sizeof(*windows->high));
    if (windows->low == NULL || windows->high == NULL)
        return false;
    column->window_steps = steps;
    return true;
}

/* Counts samples as the reference does: every window in full, and what a step sees for the first
 * time. */
static void range_column_count_windows(struct range_column *column)
{
    const struct windows *windows = &column->input.windows;
    struct window_counts counts = {0};
    uint32_t seen = 0;
    bool refetch = !column->plan->source.shift.is_fixed;
    for (size_t i = 0; i < column->plan->steps->count; i++) {
        uint32_t low = windows->low[i], high = windows->high[i];
        counts.total += high - low;
        counts.last = high - low;
        counts.largest = MAX(counts.largest, counts.last);
        if (i == 0 || refetch)
            counts.read += high - MIN(high, MAX(low, seen));
        seen = high;
    }
    column->counts = counts;
}

/* The same for samples with histograms, which count as much as they are large. */
static void range_column_count_cells(struct range_column *column)
{
    const struct windows *windows = &column->input.windows;
    const struct samples *samples = &column->input.samples;
    struct window_counts counts = {0};
    uint32_t seen = 0;
    bool refetch = !column->plan->source.shift.is_fixed;
    vec_reset(&column->scratch.cells);
    vec_push(&column->scratch.cells, 0);
    for (size_t i = 0; i < samples->count; i++) {
        const struct histogram *histogram = samples->histograms[i];
        uint64_t cells = histogram == NULL ? 1 : histogram_cells(histogram);
        vec_push(&column->scratch.cells, *vec_last(&column->scratch.cells) + cells);
    }
    const uint64_t *cells = column->scratch.cells.items;
    for (size_t i = 0; i < column->plan->steps->count; i++) {
        uint32_t low = windows->low[i], high = windows->high[i];
        counts.last = cells[high] - cells[low];
        counts.total += counts.last;
        counts.largest = MAX(counts.largest, counts.last);
        if (i == 0 || refetch)
            counts.read += cells[high] - cells[MIN(high, MAX(low, seen))];
        seen = high;
    }
    column->counts = counts;
}

void range_column_count_steps(const struct range_column *column, uint64_t *totals, uint64_t *reads)
{
    const struct range_source *source = &column->plan->source;
    const struct windows *windows = &column->input.windows;
    bool mixed = column->input.samples.histograms != NULL;
    const uint64_t *cells = column->scratch.cells.items;
    uint32_t seen = 0;
    for (size_t i = 0; i < column->plan->steps->count; i++) {
        uint32_t low = windows->low[i], high = windows->high[i];
        uint32_t fresh = MIN(high, MAX(low, seen));
        totals[i] += mixed ? cells[high] - cells[low] : high - low;
        if (i == 0 || !source->shift.is_fixed)
            reads[i] += mixed ? cells[high] - cells[fresh] : high - fresh;
        seen = high;
    }
}

/* The series of one target have been scraped together, so their times are often the same: then the
 * windows are, too. */
void range_column_find_windows(struct range_column *column, const struct samples *samples)
{
    ASSERT(samples->count > 0);
    struct range_input *input = &column->input;
    const struct range_plan *plan = column->plan;
    const struct range_source *source = &plan->source;
    input->samples = *samples;
    input->overlaps = 0;
    input->notes = 0;
    if (!plan->uses_starts)
        input->samples.start_timestamps_ms = NULL;
    size_t count = samples->count, bytes = count * sizeof(*samples->timestamps_ms);
    const int64_t *last = column->last_timestamps_ms.items;
    input->same_times = samples->histograms == NULL && count == column->last_timestamps_ms.len &&
                        samples->timestamps_ms[0] == last[0] &&
                        memcmp(samples->timestamps_ms, last, bytes) == 0;
    if (input->same_times)
        return;
    vec_reset(&column->last_timestamps_ms);
    vec_reserve(&column->last_timestamps_ms, count);
    memcpy(column->last_timestamps_ms.items, samples->timestamps_ms, bytes);
    column->last_timestamps_ms.len = count;
    windows_find(&input->windows, samples->timestamps_ms, count, plan->steps, &plan->reach_shift,
                 plan->reach_ms);
    if (UNLIKELY(samples->histograms != NULL))
        range_column_count_cells(column);
    else
        range_column_count_windows(column);
    if (source->extension == SELECTOR_ANCHORED &&
        (plan->id == FUNCTION_CHANGES || plan->id == FUNCTION_RESETS))
        windows_anchor(&input->windows, samples->timestamps_ms, count, plan->steps, &source->shift,
                       source->range_ms);
}

/* What is kept about windows and times from series to series is void then. */
static bool range_column_fill_mixed(struct range_column *column, struct row *row,
                                    const struct histogram **histograms, struct arena *made)
{
    const struct range_plan *plan = column->plan;
    struct range_input *input = &column->input;
    memset(histograms, 0, plan->steps->count * sizeof(*histograms));
    input->histograms = row->histograms = histograms;
    input->made = made;
    vec_reset(&column->last_timestamps_ms);
    return range_mixed(input, plan->id, plan->kernel);
}

bool range_column_fill(struct range_column *column, struct row *row,
                       const struct histogram **histograms, struct arena *made)
{
    struct range_input *input = &column->input;
    input->values = row->values;
    input->present = row->present;
    row->histograms = NULL;
    bitmap_clear(row->present, column->plan->steps->count);
    if (UNLIKELY(input->samples.histograms != NULL))
        return range_column_fill_mixed(column, row, histograms, made);
    return column->plan->kernel(input);
}

struct range_figures range_column_figures(const struct range_column *column)
{
    return (struct range_figures){
        .counts = column->counts,
        .overlaps = column->input.overlaps,
        .notes = column->input.notes,
    };
}
