/* Buckets are compared by their index, since spans may be cut differently. */
#include "tsdb/histogram_hints.h"

#include "base/codec.h"
#include "model/sample.h"

#include <string.h>

/* The buckets of one side, by index. */
struct bucket_walk {
    const struct histogram_span *spans;
    const double *counts;
    uint32_t span_count;
    uint32_t span;
    uint32_t in_span;
    int64_t index;
};

static struct bucket_walk bucket_walk(const struct histogram_span *spans, uint32_t span_count,
                                      const double *counts)
{
    return (struct bucket_walk){
        .spans = spans, .counts = counts, .span_count = span_count, .index = -1};
}

/* The next bucket's index and count; false behind the last. */
static bool bucket_walk_next(struct bucket_walk *walk, double *out_count)
{
    while (walk->span < walk->span_count && walk->in_span == walk->spans[walk->span].length) {
        /* an empty span still moves what follows it */
        if (walk->in_span == 0)
            walk->index += walk->spans[walk->span].offset;
        walk->span++;
        walk->in_span = 0;
    }
    if (walk->span == walk->span_count)
        return false;
    if (walk->in_span == 0)
        walk->index += walk->spans[walk->span].offset;
    walk->index++;
    walk->in_span++;
    *out_count = *walk->counts++;
    return true;
}

/* Has every bucket that had something at least as much now? */
static bool side_continues(struct bucket_walk now, struct bucket_walk before)
{
    double now_count = 0;
    double before_count;
    bool more = bucket_walk_next(&now, &now_count);
    while (bucket_walk_next(&before, &before_count)) {
        while (more && now.index < before.index)
            more = bucket_walk_next(&now, &now_count);
        double count = more && now.index == before.index ? now_count : 0;
        if (count < before_count)
            return false;
    }
    return true;
}

static bool same_kind(const struct histogram *a, const struct histogram *b)
{
    if (a->is_float != b->is_float || a->schema != b->schema ||
        a->zero_threshold != b->zero_threshold)
        return false;
    if (a->schema != HISTOGRAM_SCHEMA_CUSTOM)
        return true;
    return a->custom_bound_count == b->custom_bound_count &&
           (a->custom_bound_count == 0 ||
            memcmp(a->custom_bounds, b->custom_bounds,
                   a->custom_bound_count * sizeof(*a->custom_bounds)) == 0);
}

/* Mostly the layout is the one before, and then the counts lie side by side. */
static bool same_layout(const struct histogram_span *a, uint32_t a_count,
                        const struct histogram_span *b, uint32_t b_count)
{
    return a_count == b_count && (a_count == 0 || memcmp(a, b, a_count * sizeof(*a)) == 0);
}

static bool none_decreased(const double *now, const double *before, uint32_t count)
{
    bool decreased = false;
    for (uint32_t i = 0; i < count; i++)
        decreased |= now[i] < before[i];
    return !decreased;
}

static bool histogram_continues(const struct histogram *histogram, const struct histogram *before)
{
    const struct histogram *now = histogram;
    if (!same_kind(now, before) || now->count < before->count ||
        now->zero_count < before->zero_count)
        return false;
    if (same_layout(now->positive_spans, now->positive_span_count, before->positive_spans,
                    before->positive_span_count) &&
        same_layout(now->negative_spans, now->negative_span_count, before->negative_spans,
                    before->negative_span_count))
        return none_decreased(now->positive_buckets, before->positive_buckets,
                              now->positive_bucket_count) &&
               none_decreased(now->negative_buckets, before->negative_buckets,
                              now->negative_bucket_count);
    return side_continues(
               bucket_walk(now->positive_spans, now->positive_span_count, now->positive_buckets),
               bucket_walk(before->positive_spans, before->positive_span_count,
                           before->positive_buckets)) &&
           side_continues(
               bucket_walk(now->negative_spans, now->negative_span_count, now->negative_buckets),
               bucket_walk(before->negative_spans, before->negative_span_count,
                           before->negative_buckets));
}

void histogram_hint_forget(struct histogram *histogram)
{
    if (histogram->reset_hint == HISTOGRAM_RESET_NO)
        histogram->reset_hint = HISTOGRAM_RESET_UNKNOWN;
}

static enum histogram_reset_hint hint_of(const struct histogram *histogram,
                                         const struct histogram *before, bool before_gauge)
{
    if (histogram->reset_hint == HISTOGRAM_RESET_GAUGE)
        return HISTOGRAM_RESET_GAUGE;
    bool continues = before != NULL && !before_gauge && !sample_is_stale(before->sum) &&
                     histogram->reset_hint != HISTOGRAM_RESET_YES &&
                     histogram_continues(histogram, before);
    return continues ? HISTOGRAM_RESET_NO : HISTOGRAM_RESET_UNKNOWN;
}

void histogram_hint_settle(struct histogram *histogram, const struct histogram *before)
{
    histogram->reset_hint =
        hint_of(histogram, before, before->reset_hint == HISTOGRAM_RESET_GAUGE);
}

void histogram_hints_settle(const struct histogram *const *histograms, size_t count)
{
    const struct histogram *before = NULL;
    bool before_gauge = false;
    for (size_t i = 0; i < count; i++) {
        /* the columns show constant histograms, but these are the reader's own */
        struct histogram *histogram = (struct histogram *)(uintptr_t)histograms[i];
        if (histogram == NULL) {
            before = NULL;
            continue;
        }
        bool gauge = histogram->reset_hint == HISTOGRAM_RESET_GAUGE;
        if (UNLIKELY(sample_is_stale(histogram->sum))) {
            *histogram = (struct histogram){.is_float = histogram->is_float, .sum = histogram->sum};
        } else if (i > 0 || histogram->reset_hint != HISTOGRAM_RESET_NO) {
            histogram->reset_hint = hint_of(histogram, before, before_gauge);
        }
        before = histogram;
        before_gauge = gauge;
    }
}
