#include "promql/histogram_outline.h"

#include "base/assert.h"
#include "model/histogram_arithmetic.h"
#include "model/sample.h"
#include "promql/functions.h"

/* What stands above a selector. */
struct outline_path {
    bool suffices;      /* a function of count and sum */
    bool needs_buckets; /* or something to which buckets matter */
};

static void path_enter(struct outline_path *path, const struct node *node)
{
    switch (node->kind) {
    case NODE_SUBQUERY:
        /* its steps skip samples, so resets are looked for anew, in the buckets */
        path->needs_buckets = true;
        break;
    case NODE_BINARY:
        path->needs_buckets |=
            node->binary.op == OPERATOR_TRIM_LOWER || node->binary.op == OPERATOR_TRIM_UPPER;
        break;
    case NODE_CALL:
        switch (node->call.function->id) {
        case FUNCTION_HISTOGRAM_AVG:
        case FUNCTION_HISTOGRAM_COUNT:
        case FUNCTION_HISTOGRAM_SUM:
            path->suffices = true;
            break;
        case FUNCTION_HISTOGRAM_FRACTION:
        case FUNCTION_HISTOGRAM_QUANTILE:
        case FUNCTION_HISTOGRAM_QUANTILES:
            path->needs_buckets = true;
            break;
        default:
            break;
        }
        break;
    default:
        break;
    }
}

static void mark(struct evaluation *ev, const struct node *node, struct outline_path path)
{
    path_enter(&path, node);
    if (path.needs_buckets)
        return;
    if (node->kind == NODE_VECTOR_SELECTOR && path.suffices)
        vec_push(&ev->outlined, node);
    for (size_t i = 0; i < node->child_count; i++) {
        if (node->children[i] != NULL)
            mark(ev, node->children[i], path);
    }
}

void histogram_outline_mark(struct evaluation *ev, const struct node *root)
{
    mark(ev, root, (struct outline_path){0});
}

bool histogram_outline_wanted(const struct evaluation *ev, const struct node *selector)
{
    ASSERT(selector == NULL || selector->kind == NODE_VECTOR_SELECTOR);
    for (size_t i = 0; i < ev->outlined.len; i++) {
        if (ev->outlined.items[i] == selector)
            return true;
    }
    return false;
}

void histogram_outlines_init(struct histogram_outlines *outlines)
{
    *outlines = (struct histogram_outlines){0};
    arena_init(&outlines->arena, SIZE_MAX);
}

void histogram_outlines_release(struct histogram_outlines *outlines)
{
    arena_release(&outlines->arena);
    vec_release(&outlines->items);
}

static enum histogram_reset_hint outline_hint(const struct histogram *histogram,
                                              const struct histogram *before)
{
    if (histogram->reset_hint != HISTOGRAM_RESET_UNKNOWN || before == NULL)
        return histogram->reset_hint;
    return histogram_is_reset(histogram, before) ? HISTOGRAM_RESET_YES : HISTOGRAM_RESET_NO;
}

/* Where the reading stands: at sample `at`, after the windows that end before `end_ms`. */
struct outline_reading {
    const int64_t *timestamps_ms;
    size_t count;
    const struct histogram_windows *windows;
    size_t at;
    int64_t end_ms;
};

/* The first sample behind the next gap, or `count`. A reading goes on to the first sample at the
 * window's end or behind it, so that only a window that begins later leaves a gap. */
static size_t outline_reading_gap(struct outline_reading *reading)
{
    const struct histogram_windows *windows = reading->windows;
    const int64_t *timestamps_ms = reading->timestamps_ms;
    while (windows->step_ms > 0 && reading->end_ms < windows->last_end_ms) {
        while (reading->at < reading->count && timestamps_ms[reading->at] < reading->end_ms)
            reading->at++;
        if (reading->at == reading->count)
            break;
        reading->end_ms += windows->step_ms;
        size_t before = reading->at;
        while (reading->at < reading->count &&
               timestamps_ms[reading->at] < reading->end_ms - windows->reach_ms)
            reading->at++;
        if (reading->at > before)
            return reading->at;
    }
    return reading->count;
}

static struct histogram *outline_new(struct histogram_outlines *outlines,
                                     const struct histogram *histogram)
{
    struct histogram *outline = arena_alloc(&outlines->arena, sizeof(*outline));
    *outline = (struct histogram){
        .is_float = true,
        .reset_hint = histogram->reset_hint,
        .schema = histogram->schema,
        .count = histogram->count,
        .sum = histogram->sum,
    };
    return outline;
}

const struct histogram *const *histogram_outlines_make(struct histogram_outlines *outlines,
                                                       const int64_t *timestamps_ms,
                                                       const struct histogram *const *histograms,
                                                       size_t count,
                                                       const struct histogram_windows *windows)
{
    const struct histogram *before = NULL;
    struct outline_reading reading = {timestamps_ms, count, windows, 0, windows->first_end_ms};
    ASSERT(windows->first_end_ms <= windows->last_end_ms);
    arena_reset(&outlines->arena);
    vec_reset(&outlines->items);
    vec_reserve(&outlines->items, count);
    size_t gap = outline_reading_gap(&reading);
    for (size_t i = 0; i < count; i++) {
        const struct histogram *histogram = histograms[i];
        struct histogram *outline = NULL;
        if (i == gap) {
            before = NULL;
            gap = outline_reading_gap(&reading);
        }
        if (histogram != NULL)
            outline = outline_new(outlines, histogram);
        if (histogram != NULL && !sample_is_stale(histogram->sum)) {
            outline->reset_hint = outline_hint(histogram, before);
            before = histogram;
        }
        outlines->items.items[i] = outline;
    }
    return outlines->items.items;
}
