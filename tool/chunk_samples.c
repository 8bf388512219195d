#include "tool/chunk_samples.h"

#include <inttypes.h>

void chunk_samples_begin(struct chunk_samples *samples, struct sample_columns *out, int64_t min_ms,
                         int64_t max_ms, struct tombstone_spans deleted)
{
    *samples =
        (struct chunk_samples){.out = out, .min_ms = min_ms, .max_ms = max_ms, .deleted = deleted};
    vec_reset(&out->timestamp_memory);
    vec_reset(&out->value_memory);
    vec_reset(&out->histogram_memory);
    vec_reset(&out->start_timestamp_memory);
    arena_reset(&out->histogram_arena);
}

enum err chunk_samples_check(struct chunk_samples *samples, int64_t time_ms, bool *out_wanted,
                             struct errbuf *err)
{
    if (samples->has_last && time_ms <= samples->last_ms)
        return errbuf_set(err, ERR_CORRUPT, "a sample of %" PRId64 " stands behind one of %" PRId64,
                          time_ms, samples->last_ms);
    samples->has_last = true;
    samples->last_ms = time_ms;
    *out_wanted = time_ms >= samples->min_ms && time_ms <= samples->max_ms &&
                  tombstone_spans_find(samples->deleted, &samples->deleted_at, time_ms) == NULL;
    return ERR_NONE;
}

void chunk_samples_push(struct chunk_samples *samples, int64_t time_ms, double value,
                        const struct histogram *histogram, int64_t start_ms)
{
    struct sample_columns *out = samples->out;
    size_t at = out->timestamp_memory.len;
    vec_push(&out->timestamp_memory, time_ms);
    vec_push(&out->value_memory, value);
    /* these two begin with the first sample that needs them */
    if (histogram != NULL || out->histogram_memory.len > 0) {
        while (out->histogram_memory.len < at)
            vec_push(&out->histogram_memory, NULL);
        vec_push(&out->histogram_memory, histogram);
    }
    if (start_ms != 0 || out->start_timestamp_memory.len > 0) {
        while (out->start_timestamp_memory.len < at)
            vec_push(&out->start_timestamp_memory, 0);
        vec_push(&out->start_timestamp_memory, start_ms);
    }
}

void chunk_samples_finish(struct chunk_samples *samples)
{
    struct sample_columns *out = samples->out;
    out->timestamps_ms = out->timestamp_memory.items;
    out->values = out->value_memory.items;
    out->histograms = out->histogram_memory.len > 0 ? out->histogram_memory.items : NULL;
    out->start_timestamps_ms =
        out->start_timestamp_memory.len > 0 ? out->start_timestamp_memory.items : NULL;
    out->count = out->timestamp_memory.len;
}
