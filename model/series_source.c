#include "model/series_source.h"

#include <string.h>

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
    if (columns->reader.state != NULL)
        columns->reader.free_state(columns->reader.state);
    memset(columns, 0, sizeof(*columns));
}
