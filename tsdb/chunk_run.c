/* Members of a group come one after another, so the column made last is mostly the right one. */
#include "tsdb/chunk_run.h"

#include "base/assert.h"

#include <string.h>

static size_t chunk_samples(const struct chunk *chunk)
{
    bool rows = chunk_kind_has_rows((enum chunk_kind)chunk->kind);
    return rows ? (size_t)chunk->count - chunk->row_first : chunk->count;
}

/* Does `older` go up to the end of its column, and `newer` begin with its own? */
static bool rows_follow(const struct chunk *older, const struct chunk *newer)
{
    return older->column != newer->column && older->count == older->column->count &&
           newer->row_first == 0 && chunk_max_ms(older) < chunk_min_ms(newer);
}

/* And is what they span not too long for one? */
static bool loose_follow(const struct chunk *older, const struct chunk *newer,
                         const struct chunk *newest)
{
    return chunk_max_ms(older) < chunk_min_ms(newer) &&
           (uint64_t)chunk_max_ms(newest) - (uint64_t)chunk_min_ms(older) <= UINT32_MAX;
}

/* With so many newer samples: not much shorter, so that a sample is rewritten twice and not ten
 * times. */
static bool is_mergeable(const struct chunk *chunk, size_t newer)
{
    size_t count = chunk_samples(chunk);
    return newer == 0 ? count <= CHUNK_SAMPLES_MAX
                      : count < CHUNK_RUN_SAMPLES_MIN && count <= newer + newer / 4;
}

bool chunk_run_find(struct chunk *newest, uint64_t low_watermark, struct chunk_run *out)
{
    bool rows = chunk_kind_has_rows((enum chunk_kind)newest->kind);
    size_t samples = 0;
    out->count = 0;
    for (struct chunk *chunk = newest; chunk != NULL && out->count < CHUNK_RUN_CHUNKS_MAX &&
                                       samples < CHUNK_RUN_SAMPLES_MIN;
         chunk = chunk->next) {
        if (chunk->kind == CHUNK_HISTOGRAM || !is_mergeable(chunk, samples) ||
            chunk_kind_has_rows((enum chunk_kind)chunk->kind) != rows)
            break;
        if (rows && (time_column_visible(chunk->column, low_watermark) < chunk->count ||
                     (out->count > 0 && !rows_follow(chunk, out->chunks[out->count - 1]))))
            break;
        if (!rows && out->count > 0 && !loose_follow(chunk, out->chunks[out->count - 1], newest))
            break;
        out->chunks[out->count++] = chunk;
        samples += chunk_samples(chunk);
    }
    return out->count > 1;
}

static bool is_column_of(const struct chunk_run_column *made, const struct chunk_run *run)
{
    if (made->part_count != run->count)
        return false;
    for (size_t i = 0; i < run->count; i++) {
        if (made->parts[i] != run->chunks[i]->column || made->rows[i] != run->chunks[i]->count)
            return false;
    }
    return true;
}

struct time_column *chunk_run_column(struct chunk_run_columns *columns, const struct chunk_run *run)
{
    ASSERT(run->count > 1);
    for (size_t i = columns->made.len; i > 0; i--) {
        if (is_column_of(&columns->made.items[i - 1], run))
            return columns->made.items[i - 1].column;
    }
    struct chunk_run_column made = {.part_count = run->count};
    uint32_t rows = 0;
    for (size_t i = 0; i < run->count; i++) {
        made.parts[i] = run->chunks[i]->column;
        made.rows[i] = run->chunks[i]->count;
        rows += made.rows[i];
    }
    made.column = time_column_new_visible(rows);
    int64_t *to = made.column->times_ms;
    for (size_t i = run->count; i > 0; i--) {
        memcpy(to, made.parts[i - 1]->times_ms, made.rows[i - 1] * sizeof(*to));
        to += made.rows[i - 1];
    }
    made.column->count = rows;
    vec_push(&columns->made, made);
    return made.column;
}

void chunk_run_columns_release(struct chunk_run_columns *columns)
{
    for (size_t i = 0; i < columns->made.len; i++)
        time_column_unref(columns->made.items[i].column);
    vec_release(&columns->made);
}
