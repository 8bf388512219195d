#include "model/series_source.h"

#include <string.h>

#include "base/assert.h"

/* A series within one query; queries have budgets of their own far below. */
#define HISTOGRAM_ARENA_BYTES_MAX ((size_t)1 << 32)

void sample_columns_init(struct sample_columns *columns)
{
    memset(columns, 0, sizeof(*columns));
    arena_init(&columns->histogram_arena, HISTOGRAM_ARENA_BYTES_MAX);
}

void sample_columns_release(struct sample_columns *columns)
{
    vec_release(&columns->timestamp_memory);
    vec_release(&columns->value_memory);
    vec_release(&columns->histogram_memory);
    vec_release(&columns->start_timestamp_memory);
    arena_release(&columns->histogram_arena);
    columns_reader_release(&columns->reader);
    memset(columns, 0, sizeof(*columns));
}

void columns_reader_release(struct columns_reader *reader)
{
    if (reader->state != NULL)
        reader->free_state(reader->state);
    *reader = (struct columns_reader){0};
}

void sample_columns_begin(struct sample_columns *columns)
{
    size_t kept = columns->kept;
    ASSERT(columns->timestamp_memory.len >= kept && columns->value_memory.len >= kept);
    columns->timestamp_memory.len = columns->value_memory.len = kept;
    columns->histogram_memory.len = MIN(columns->histogram_memory.len, kept);
    columns->start_timestamp_memory.len = MIN(columns->start_timestamp_memory.len, kept);
    if (kept == 0)
        arena_reset(&columns->histogram_arena);
}

void sample_columns_publish(struct sample_columns *columns)
{
    size_t count = columns->timestamp_memory.len;
    ASSERT(columns->value_memory.len == count);
    if (columns->histogram_memory.len > 0) {
        while (columns->histogram_memory.len < count)
            vec_push(&columns->histogram_memory, NULL);
    }
    if (columns->start_timestamp_memory.len > 0) {
        while (columns->start_timestamp_memory.len < count)
            vec_push(&columns->start_timestamp_memory, 0);
    }
    columns->timestamps_ms = columns->timestamp_memory.items;
    columns->values = columns->value_memory.items;
    columns->histograms =
        columns->histogram_memory.len == 0 ? NULL : columns->histogram_memory.items;
    columns->start_timestamps_ms =
        columns->start_timestamp_memory.len == 0 ? NULL : columns->start_timestamp_memory.items;
    columns->count = count;
}
