/* A sorted array: late samples mostly belong near its end. */
#include "tsdb/out_of_order.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tsdb/histogram_codec.h"
#include "tsdb/histogram_hints.h"

#include <string.h>

void out_of_order_free(struct out_of_order *samples)
{
    if (samples == NULL)
        return;
    for (size_t i = 0; i < samples->samples.len; i++)
        mem_free(samples->samples.items[i].histogram);
    vec_release(&samples->samples);
    mem_free(samples);
}

/* First index whose time is at least `t_ms`. */
static size_t lower_bound(const struct out_of_order *samples, int64_t t_ms)
{
    size_t low = 0;
    size_t high = samples->samples.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (samples->samples.items[middle].timestamp_ms < t_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct out_of_order_sample *out_of_order_find(const struct out_of_order *samples,
                                                    int64_t t_ms)
{
    size_t at = lower_bound(samples, t_ms);
    for (; at < samples->samples.len && samples->samples.items[at].timestamp_ms == t_ms; at++) {
        if (samples->samples.items[at].deletion == 0)
            return &samples->samples.items[at];
    }
    return NULL;
}

void out_of_order_insert(struct out_of_order *samples, struct out_of_order_sample sample)
{
    ASSERT(out_of_order_find(samples, sample.timestamp_ms) == NULL);
    size_t at = sample.timestamp_ms == INT64_MAX ? samples->samples.len
                                                 : lower_bound(samples, sample.timestamp_ms + 1);
    if (sample.histogram != NULL)
        sample.histogram = mem_dup(sample.histogram, sample.histogram_len);
    vec_push(&samples->samples, sample);
    struct out_of_order_sample *items = samples->samples.items;
    memmove(items + at + 1, items + at, (samples->samples.len - 1 - at) * sizeof(*items));
    items[at] = sample;
}

void out_of_order_drop_before(struct out_of_order *samples, int64_t min_ms)
{
    size_t dropped = lower_bound(samples, min_ms);
    for (size_t i = 0; i < dropped; i++)
        mem_free(samples->samples.items[i].histogram);
    samples->samples.len -= dropped;
    memmove(samples->samples.items, samples->samples.items + dropped,
            samples->samples.len * sizeof(*samples->samples.items));
}

void out_of_order_delete(struct out_of_order *samples, int64_t min_ms, int64_t max_ms,
                         uint64_t deletion)
{
    ASSERT(deletion > 0);
    for (size_t i = lower_bound(samples, min_ms); i < samples->samples.len; i++) {
        struct out_of_order_sample *sample = &samples->samples.items[i];
        if (sample->timestamp_ms > max_ms)
            break;
        if (sample->deletion == 0)
            sample->deletion = deletion;
    }
}

void out_of_order_drop_deleted(struct out_of_order *samples)
{
    size_t kept = 0;
    for (size_t i = 0; i < samples->samples.len; i++) {
        if (samples->samples.items[i].deletion == 0)
            samples->samples.items[kept++] = samples->samples.items[i];
        else
            mem_free(samples->samples.items[i].histogram);
    }
    samples->samples.len = kept;
}

void out_of_order_drop_commits(struct out_of_order *samples, uint64_t commit)
{
    size_t kept = 0;
    for (size_t i = 0; i < samples->samples.len; i++) {
        if (samples->samples.items[i].commit > commit)
            samples->samples.items[kept++] = samples->samples.items[i];
        else
            mem_free(samples->samples.items[i].histogram);
    }
    samples->samples.len = kept;
}

size_t out_of_order_count(const struct out_of_order *samples)
{
    size_t count = 0;
    for (size_t i = 0; i < samples->samples.len; i++)
        count += samples->samples.items[i].deletion == 0;
    return count;
}

static bool is_deleted(const struct out_of_order_sample *sample, struct out_of_order_sight sight)
{
    return sample->deletion != 0 && sample->deletion <= sight.deletion;
}

bool out_of_order_overlaps(const struct out_of_order *samples, struct out_of_order_sight sight,
                           int64_t min_ms, int64_t max_ms)
{
    for (size_t i = lower_bound(samples, min_ms); i < samples->samples.len; i++) {
        const struct out_of_order_sample *sample = &samples->samples.items[i];
        if (sample->timestamp_ms > max_ms)
            return false;
        if (!is_deleted(sample, sight))
            return true;
    }
    return false;
}

/* The samples that a view may see, without those whose time the columns have. */
typedef VEC(const struct out_of_order_sample *) visible_samples;

static void visible_collect(const struct out_of_order *samples, struct out_of_order_sight sight,
                            int64_t min_ms, int64_t max_ms, const struct sample_columns *out,
                            visible_samples *visible)
{
    size_t at = out->kept;
    for (size_t i = lower_bound(samples, min_ms); i < samples->samples.len; i++) {
        const struct out_of_order_sample *sample = &samples->samples.items[i];
        if (sample->timestamp_ms > max_ms)
            break;
        while (at < out->timestamp_memory.len &&
               out->timestamp_memory.items[at] < sample->timestamp_ms)
            at++;
        bool taken = at < out->timestamp_memory.len &&
                     out->timestamp_memory.items[at] == sample->timestamp_ms;
        if (!taken && !is_deleted(sample, sight) && sample->commit <= sight.watermark)
            vec_push(visible, sample);
    }
}

static enum err histogram_of(const struct out_of_order_sample *sample, struct sample_columns *out,
                             const struct histogram **out_histogram)
{
    *out_histogram = NULL;
    if (sample->histogram == NULL)
        return ERR_NONE;
    struct codec_reader reader = codec_reader(sample->histogram, sample->histogram_len);
    struct histogram *histogram = histogram_decode(&reader, &out->histogram_arena);
    if (histogram == NULL)
        return ERR_CORRUPT;
    histogram_hint_forget(histogram);
    *out_histogram = histogram;
    return ERR_NONE;
}

/* Gives the columns `more` places at their end, and histograms where one is needed. */
static void columns_extend(struct sample_columns *out, const visible_samples *visible)
{
    size_t len = out->timestamp_memory.len + visible->len;
    bool histograms = out->histogram_memory.len > 0;
    for (size_t i = 0; i < visible->len; i++)
        histograms = histograms || visible->items[i]->histogram != NULL;
    vec_reserve(&out->timestamp_memory, visible->len);
    vec_reserve(&out->value_memory, visible->len);
    out->timestamp_memory.len = out->value_memory.len = len;
    while (histograms && out->histogram_memory.len < len)
        vec_push(&out->histogram_memory, NULL);
}

enum err out_of_order_merge(const struct out_of_order *samples, struct out_of_order_sight sight,
                            int64_t min_ms, int64_t max_ms, struct sample_columns *out)
{
    visible_samples visible = {0};
    visible_collect(samples, sight, min_ms, max_ms, out, &visible);
    size_t left = out->timestamp_memory.len;
    columns_extend(out, &visible);
    enum err result = ERR_NONE;
    /* from the back, so that the columns are merged in place */
    size_t to = out->timestamp_memory.len;
    for (size_t from = visible.len; from > 0 && result == ERR_NONE; from--) {
        const struct out_of_order_sample *sample = visible.items[from - 1];
        for (; left > out->kept && out->timestamp_memory.items[left - 1] > sample->timestamp_ms; left--) {
            to--;
            out->timestamp_memory.items[to] = out->timestamp_memory.items[left - 1];
            out->value_memory.items[to] = out->value_memory.items[left - 1];
            if (out->histogram_memory.len > 0)
                out->histogram_memory.items[to] = out->histogram_memory.items[left - 1];
        }
        const struct histogram *histogram;
        result = histogram_of(sample, out, &histogram);
        to--;
        out->timestamp_memory.items[to] = sample->timestamp_ms;
        out->value_memory.items[to] = codec_bits_double(sample->bits);
        if (out->histogram_memory.len > 0)
            out->histogram_memory.items[to] = histogram;
    }
    vec_release(&visible);
    return result;
}
