/* Tokens go to the open chunk only when something changes: see invariant 2. */
#include "tsdb/series.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "tsdb/out_of_order.h"
#include "tsdb/series_starts.h"
#include "tsdb/tokens.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

struct series *series_new(const struct labels *labels, series_ref ref)
{
    static_assert(sizeof(struct series) <= 104, "there are millions");
    struct series *series = mem_zalloc(sizeof(*series));
    series->labels = labels;
    series->ref = ref;
    series->last_ms = INT64_MIN;
    series->row_first = SERIES_ROW_NONE;
    series->flags = SERIES_EMPTY;
    return series;
}

void series_free(void *freed)
{
    struct series *series = freed;
    struct chunk *chunk = series->closed;
    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        chunk_free(chunk);
        chunk = next;
    }
    if (series->extra != NULL) {
        out_of_order_free(series->extra->out_of_order);
        series_starts_free(series->extra->series_starts);
        mem_free(series->extra->hidden);
        mem_free(series->extra);
    }
    ASSERT(series->len == 0);
    labels_unref(series->labels);
    mem_free(series);
}

struct series_extra *series_extra(struct series *series)
{
    if (series->extra == NULL)
        series->extra = mem_zalloc(sizeof(*series->extra));
    return series->extra;
}

static inline void bytes_append(struct byte_pool *pool, struct series *series, const uint8_t *data,
                                size_t len)
{
    byte_run_append(pool, &series->bytes, &series->len, data, len);
}

void series_drop_open(struct byte_pool *pool, struct series *series)
{
    byte_run_free(pool, &series->bytes, &series->len);
}

static void bytes_append_run(struct byte_pool *pool, struct series *series, uint64_t count)
{
    uint8_t run[TOKEN_RUN_SIZE_MAX];
    if (count > 0)
        bytes_append(pool, series, run, token_encode_run(run, count));
}

/* Gives a constant chunk of rows its bytes. */
static void row_materialise(struct byte_pool *pool, struct series *series, uint64_t bits,
                            uint8_t state)
{
    if (series->len > 0)
        return;
    uint8_t token[TOKEN_SIZE_MAX];
    bytes_append(pool, series, token, token_encode_absolute(token, bits, state));
    bytes_append_run(pool, series, (uint64_t)(series->tail - series->row_first));
}

void series_row_change(struct byte_pool *pool, struct series *series, uint32_t row, uint64_t bits,
                       uint8_t state, const uint8_t *token, size_t token_len)
{
    if (series->row_first == SERIES_ROW_NONE)
        series->row_first = (uint8_t)row;
    if (row == series->row_first) {
        ASSERT(series->len == 0);
        series->tail = (uint16_t)row;
        return;
    }
    row_materialise(pool, series, bits, state);
    bytes_append_run(pool, series, row - series->tail - 1u);
    bytes_append(pool, series, token, token_len);
    series->tail = (uint16_t)row;
}

void series_row_leave(struct byte_pool *pool, struct series *series, uint32_t row)
{
    if (series->row_first == SERIES_ROW_NONE || series->row_first == row) {
        series->row_first = SERIES_ROW_NONE;
        return;
    }
    if (series->len > 0)
        bytes_append_run(pool, series, row - 1 - series->tail);
    series->tail = (uint16_t)(row - 1);
}

void series_row_return(struct byte_pool *pool, struct series *series, uint32_t row, uint64_t bits,
                       uint8_t state)
{
    if (series->row_first == SERIES_ROW_NONE) {
        series->row_first = (uint8_t)row;
        series->tail = (uint16_t)row;
        return;
    }
    uint8_t gap[TOKEN_RUN_SIZE_MAX];
    row_materialise(pool, series, bits, state);
    bytes_append(pool, series, gap, token_encode_gap(gap, row - series->tail - 1u));
    series->tail = (uint16_t)(row - 1);
}

struct chunk *series_row_close(struct byte_pool *pool, struct series *series,
                               struct time_column *column, uint32_t row_end, uint64_t bits,
                               uint8_t state)
{
    if (series->row_first == SERIES_ROW_NONE || series->row_first >= row_end) {
        ASSERT(series->len == 0);
        series->row_first = SERIES_ROW_NONE;
        return NULL;
    }
    if (series->len == 0)
        series->tail = series->row_first;
    row_materialise(pool, series, bits, state);
    struct chunk_shape shape = {
        .kind = CHUNK_ROWS, .column = column, .row_first = series->row_first, .count = row_end};
    struct chunk *chunk = chunk_new(&shape, series->len);
    byte_run_copy(series->bytes, series->len, chunk_bytes(chunk));
    series_drop_open(pool, series);
    series->row_first = SERIES_ROW_NONE;
    return chunk;
}

bool series_loose_is_full(const struct series *series, int64_t t_ms, bool histogram)
{
    if (series->count == 0)
        return false;
    if (series->count >= CHUNK_FIRST_SAMPLES_MIN && series->closed == NULL &&
        series->count >= chunk_samples_first(series->ref))
        return true;
    if (series->count >= CHUNK_SAMPLES_MAX || histogram != !!(series->flags & SERIES_HISTOGRAM))
        return true;
    int64_t step = (int64_t)((uint64_t)t_ms - (uint64_t)series->last_ms);
    if (step <= 0 || step > CHUNK_STEP_MS_MAX)
        return true;
    return histogram && series->len >= CHUNK_HISTOGRAM_BYTES_MAX;
}

static void loose_append_varint(struct byte_pool *pool, struct series *series, int64_t value)
{
    uint64_t zigzag = codec_zigzag(value);
    uint8_t bytes[10];
    size_t len = 0;
    for (; zigzag >= 0x80; zigzag >>= 7)
        bytes[len++] = (uint8_t)(zigzag | 0x80);
    bytes[len++] = (uint8_t)zigzag;
    bytes_append(pool, series, bytes, len);
}

/* Gives a chunk of one value and one step its bytes; the state is still that of the last value. */
static void loose_materialise(struct byte_pool *pool, struct series *series)
{
    if (series->len > 0)
        return;
    uint8_t token[TOKEN_SIZE_MAX];
    loose_append_varint(pool, series,
                        series->last_ms - (int64_t)series->step_ms * (series->count - 1));
    loose_append_varint(pool, series, series->step_ms);
    bytes_append(pool, series, token,
                 token_encode_absolute(token, series->last_bits, series->state));
}

void series_loose_append(struct byte_pool *pool, struct series *series, int64_t t_ms, uint64_t bits,
                         const uint8_t *token, size_t token_len, uint8_t state)
{
    ASSERT(series->count < CHUNK_SAMPLES_MAX);
    if (series->count == 0) {
        series->step_ms = 0;
        series->tail = 0;
    } else {
        int32_t step_ms = (int32_t)(t_ms - series->last_ms);
        /* a token that changes the state has to be in the bytes, even for the same value */
        bool same_state = !((state ^ series->state) & ~TOKEN_STATE_RAW);
        bool same_value = bits == series->last_bits && (series->len == 0 || same_state);
        if (series->count == 1)
            series->step_ms = step_ms;
        if (same_value)
            series->state = state; /* bytes that begin now must lead to the state behind this one */
        if (same_value && step_ms == series->step_ms) {
            series->tail++;
        } else {
            loose_materialise(pool, series);
            bytes_append_run(pool, series, series->tail);
            series->tail = same_value;
            if (step_ms != series->step_ms) {
                uint8_t gap[TOKEN_RUN_SIZE_MAX];
                int64_t change = (int64_t)step_ms - series->step_ms;
                bytes_append(pool, series, gap, token_encode_gap(gap, codec_zigzag(change)));
                series->step_ms = step_ms;
            }
            if (!same_value)
                bytes_append(pool, series, token, token_len);
        }
    }
    atomic_store_explicit(&series->last_ms, t_ms, memory_order_relaxed);
    series->last_bits = bits;
    series->state = state;
    series->count++;
    series->flags = (uint8_t)(series->flags & ~(SERIES_HISTOGRAM | SERIES_EMPTY));
}

void series_histogram_append(struct byte_pool *pool, struct series *series, int64_t t_ms,
                             struct slice encoded)
{
    ASSERT(series->count < CHUNK_SAMPLES_MAX);
    int64_t step_ms = (int64_t)((uint64_t)t_ms - (uint64_t)series->last_ms);
    loose_append_varint(pool, series, series->count == 0 ? t_ms : step_ms);
    uint8_t length[10];
    size_t length_len = 0;
    uint64_t left = encoded.len;
    for (; left >= 0x80; left >>= 7)
        length[length_len++] = (uint8_t)(left | 0x80);
    length[length_len++] = (uint8_t)left;
    bytes_append(pool, series, length, length_len);
    bytes_append(pool, series, (const uint8_t *)encoded.ptr, encoded.len);
    atomic_store_explicit(&series->last_ms, t_ms, memory_order_relaxed);
    series->state = 0;
    series->count++;
    series->flags = (uint8_t)((series->flags & ~SERIES_EMPTY) | SERIES_HISTOGRAM);
}

int64_t series_loose_first_ms(const struct series *series)
{
    uint8_t start[10];
    size_t len = MIN((size_t)series->len, sizeof(start));
    byte_run_copy(series->bytes, len, start);
    struct codec_reader reader = codec_reader(start, len);
    return codec_read_varint(&reader);
}

struct chunk *series_loose_close(struct byte_pool *pool, struct series *series)
{
    if (series->count == 0)
        return NULL;
    bool histogram = series->flags & SERIES_HISTOGRAM;
    if (!histogram)
        loose_materialise(pool, series);
    struct chunk_shape shape = {.kind = histogram ? CHUNK_HISTOGRAM : CHUNK_LOOSE,
                                .count = series->count,
                                .min_ms = series_loose_first_ms(series),
                                .max_ms = series->last_ms};
    struct chunk *chunk = chunk_new(&shape, series->len);
    byte_run_copy(series->bytes, series->len, chunk_bytes(chunk));
    series_drop_open(pool, series);
    series->count = 0;
    series->tail = 0;
    series->state = (uint8_t)(series->state & ~TOKEN_STATE_RAW);
    return chunk;
}

void series_note_commit(struct series *series, uint64_t commit, uint64_t low_watermark)
{
    if (series->last_commit == commit) {
        series->last_commit_count++;
        return;
    }
    struct series_extra *extra = series->extra;
    if (extra != NULL && extra->hidden_count > 0 &&
        extra->hidden[extra->hidden_count - 1].commit <= low_watermark) {
        mem_free(extra->hidden);
        extra->hidden = NULL;
        extra->hidden_count = 0;
    }
    if (series->last_commit > low_watermark) {
        extra = series_extra(series);
        extra->hidden =
            mem_realloc_array(extra->hidden, extra->hidden_count + 1, sizeof(*extra->hidden));
        extra->hidden[extra->hidden_count++] =
            (struct series_hidden){series->last_commit, series->last_commit_count};
    }
    series->last_commit = commit;
    series->last_commit_count = 1;
}

uint32_t series_hidden(const struct series *series, uint64_t watermark)
{
    uint32_t hidden = series->last_commit > watermark ? series->last_commit_count : 0;
    if (series->extra == NULL)
        return hidden;
    for (uint32_t i = 0; i < series->extra->hidden_count; i++) {
        if (series->extra->hidden[i].commit > watermark)
            hidden += series->extra->hidden[i].count;
    }
    return hidden;
}

void series_push_closed(struct series *series, struct chunk *chunk)
{
    if (chunk == NULL)
        return;
    chunk->next = (struct chunk *)series->closed;
    series->closed = chunk;
}

void series_drop_deleted(struct series *series)
{
    out_of_order_drop_deleted(series->extra->out_of_order);
    if (series->extra->out_of_order->samples.len > 0)
        return;
    out_of_order_free(series->extra->out_of_order);
    series->extra->out_of_order = NULL;
}

bool series_is_empty(const struct series *series)
{
    return series->closed == NULL && series->count == 0 && series->group == NULL &&
           (series->extra == NULL || series->extra->out_of_order == NULL);
}
