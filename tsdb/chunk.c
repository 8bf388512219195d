/* Decoding writes straight into the reader's columns. Of what is sealed the times come first, which say
 * what values are wanted; tokens are all decoded and trimmed afterwards. */
#include "tsdb/chunk.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "tsdb/chunk_pool.h"
#include "tsdb/head_file.h"
#include "tsdb/histogram_codec.h"
#include "tsdb/histogram_hints.h"
#include "tsdb/time_column.h"
#include "tsdb/tokens.h"
#include "tsdb/value_chunk.h"

#include <assert.h>
#include <string.h>

uint32_t chunk_samples_first(uint64_t number)
{
    uint32_t choices = CHUNK_SAMPLES_MAX - CHUNK_FIRST_SAMPLES_MIN + 1;
    return CHUNK_FIRST_SAMPLES_MIN + (uint32_t)(hash_mix(0, number) % choices);
}

struct time_column *time_column_new_visible(uint32_t capacity)
{
    ASSERT(capacity > 0 && capacity <= CHUNK_SEALED_MAX);
    struct time_column *column =
        mem_alloc(sizeof(*column) + capacity * sizeof(column->times_ms[0]));
    column->reference_count = 1;
    column->capacity = capacity;
    column->count = 0;
    column->commits = NULL;
    column->times_ms = (int64_t *)(column + 1);
    return column;
}

struct time_column *time_column_new(uint32_t capacity)
{
    ASSERT(capacity > 0 && capacity <= CHUNK_SAMPLES_MAX);
    struct time_column *column = mem_alloc(
        sizeof(*column) + capacity * (sizeof(column->times_ms[0]) + sizeof(column->commits[0])));
    column->reference_count = 1;
    column->capacity = capacity;
    column->count = 0;
    column->times_ms = (int64_t *)(column + 1);
    column->commits = (uint64_t *)(column->times_ms + capacity);
    return column;
}

size_t time_column_size(const struct time_column *column)
{
    size_t row = sizeof(column->times_ms[0]);
    if (column->commits != NULL)
        row += sizeof(column->commits[0]);
    return sizeof(*column) + column->capacity * row;
}

struct time_column *time_column_ref(struct time_column *column)
{
    column->reference_count++;
    return column;
}

void time_column_unref(struct time_column *column)
{
    if (column != NULL && --column->reference_count == 0)
        mem_free(column);
}

uint32_t time_column_visible(const struct time_column *column, uint64_t watermark)
{
    uint32_t count = column->count;
    if (column->commits == NULL)
        return count;
    while (count > 0 && column->commits[count - 1] > watermark)
        count--;
    return count;
}

static void chunk_shape_to(struct chunk *chunk, const struct chunk_shape *shape)
{
    chunk->next = NULL;
    chunk->kind = (uint8_t)shape->kind & 0x7f;
    chunk->count = (uint16_t)shape->count;
    chunk->row_first = (uint8_t)shape->row_first;
    if (chunk_kind_has_rows(shape->kind)) {
        ASSERT(shape->row_first < shape->count && shape->count <= shape->column->count);
        chunk->column = time_column_ref(shape->column);
        chunk->span_ms = 0;
    } else {
        /* what a damaged file says of its times need not be so */
        int64_t min_ms = MIN(shape->min_ms, shape->max_ms);
        uint64_t span_ms = (uint64_t)shape->max_ms - (uint64_t)min_ms;
        chunk->first_ms = min_ms;
        chunk->span_ms = (uint32_t)MIN(span_ms, (uint64_t)UINT32_MAX);
    }
}

struct chunk *chunk_new(const struct chunk_shape *shape, size_t len)
{
    static_assert(sizeof(struct chunk) == 32, "there are several for each series");
    struct chunk *chunk = mem_alloc(sizeof(*chunk) + len);
    chunk_shape_to(chunk, shape);
    chunk->in_file = false;
    chunk->offset = 0;
    chunk->len = (uint32_t)len;
    return chunk;
}

struct chunk *chunk_new_in_file(const struct chunk_shape *shape, struct chunk_filler *filler,
                                size_t offset, size_t len)
{
    ASSERT(offset <= filler->file->size && len <= filler->file->size - offset);
    ASSERT(offset <= UINT32_MAX && len <= UINT32_MAX);
    struct chunk *chunk = chunk_filler_take(filler, shape->count - shape->row_first);
    chunk_shape_to(chunk, shape);
    chunk->in_file = true;
    chunk->offset = (uint32_t)offset;
    chunk->len = (uint32_t)len;
    return chunk;
}

void chunk_free(void *chunk)
{
    struct chunk *freed = chunk;
    time_column_unref(chunk_column(freed));
    if (freed->in_file)
        chunk_pool_give_back(freed);
    else
        mem_free(freed);
}

size_t chunk_size(const struct chunk *chunk)
{
    return chunk->in_file ? 0 : sizeof(*chunk) + chunk->len;
}

struct head_file *chunk_file(const struct chunk *chunk)
{
    return chunk->in_file ? chunk_page(chunk)->file : NULL;
}

uint8_t *chunk_bytes(const struct chunk *chunk)
{
    return chunk->in_file ? chunk_page(chunk)->file->data + chunk->offset
                          : (uint8_t *)(uintptr_t)(chunk + 1);
}

struct chunk_span chunk_span(const struct chunk *chunk, uint64_t watermark)
{
    struct chunk_span span = {
        .kind = (enum chunk_kind)chunk->kind,
        .bytes = chunk_bytes(chunk),
        .len = chunk->len,
        .column = chunk_column(chunk),
        .row_first = chunk->row_first,
        .count = chunk->count,
    };
    if (chunk_kind_has_rows(span.kind))
        span.row_end = MIN((uint32_t)chunk->count, time_column_visible(span.column, watermark));
    return span;
}

/* Where decoded samples go. */
struct chunk_output {
    int64_t *times;
    double *values;
    size_t count;
};

static void output_repeat(struct chunk_output *out, uint64_t bits, size_t count)
{
    double value = codec_bits_double(bits);
    for (size_t i = 0; i < count; i++)
        out->values[out->count + i] = value;
}

/* Rows up to `row_end`; their times follow. */
static void rows_repeat(struct chunk_output *out, const struct chunk_span *span, uint32_t *row,
                        uint64_t bits, uint64_t count)
{
    if (*row >= span->row_end)
        return;
    size_t taken = (size_t)MIN(count, (uint64_t)(span->row_end - *row));
    memcpy(out->times + out->count, span->column->times_ms + *row, taken * sizeof(*out->times));
    output_repeat(out, bits, taken);
    out->count += taken;
    *row += (uint32_t)taken;
}

static enum err rows_decode(const struct chunk_span *span, struct chunk_output *out)
{
    uint32_t row = span->row_first;
    struct token_reader reader = token_reader(span->bytes, span->len);
    uint64_t bits = span->bits;
    bool first = true;
    while (reader.at < reader.end && row < span->row_end) {
        enum token_kind kind = token_read(&reader);
        if (kind == TOKEN_VALUE) {
            out->times[out->count] = span->column->times_ms[row++];
            out->values[out->count++] = codec_bits_double(reader.bits);
            first = false;
        } else if (kind == TOKEN_RUN && !first) {
            rows_repeat(out, span, &row, reader.bits, reader.count);
        } else if (kind == TOKEN_GAP && !first && reader.count <= CHUNK_SAMPLES_MAX) {
            row += (uint32_t)reader.count;
        } else {
            return ERR_CORRUPT;
        }
        bits = reader.bits;
    }
    rows_repeat(out, span, &row, bits, CHUNK_SAMPLES_MAX);
    return ERR_NONE;
}

/* Times of loose samples: each one step after the last. */
struct loose_clock {
    int64_t next_ms;
    int64_t step_ms;
};

static void loose_repeat(struct chunk_output *out, struct loose_clock *clock, uint64_t bits,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out->times[out->count + i] = clock->next_ms;
        clock->next_ms = (int64_t)((uint64_t)clock->next_ms + (uint64_t)clock->step_ms);
    }
    output_repeat(out, bits, count);
    out->count += count;
}

static enum err loose_decode(const struct chunk_span *span, struct chunk_output *out)
{
    struct loose_clock clock = {span->first_ms, span->step_ms};
    uint64_t bits = span->bits;
    bool first = true;
    struct codec_reader header = codec_reader(span->bytes, span->len);
    if (span->len > 0) {
        clock.next_ms = codec_read_varint(&header);
        clock.step_ms = codec_read_varint(&header);
    }
    struct token_reader reader = token_reader(header.at, codec_left(&header));
    while (reader.at < reader.end && out->count < span->count) {
        enum token_kind kind = token_read(&reader);
        if (kind == TOKEN_VALUE) {
            loose_repeat(out, &clock, reader.bits, 1);
            first = false;
        } else if (kind == TOKEN_RUN && !first) {
            loose_repeat(out, &clock, reader.bits,
                         (size_t)MIN(reader.count, (uint64_t)(span->count - out->count)));
        } else if (kind == TOKEN_GAP && !first) {
            uint64_t change = (uint64_t)codec_unzigzag(reader.count);
            clock.next_ms = (int64_t)((uint64_t)clock.next_ms + change);
            clock.step_ms = (int64_t)((uint64_t)clock.step_ms + change);
        } else {
            return ERR_CORRUPT;
        }
        bits = reader.bits;
    }
    if (header.failed)
        return ERR_CORRUPT;
    loose_repeat(out, &clock, bits, span->count - out->count);
    return ERR_NONE;
}

static enum err tokens_decode(const struct chunk_span *span, struct chunk_output *out)
{
    switch (span->kind) {
    case CHUNK_ROWS:
        return rows_decode(span, out);
    case CHUNK_LOOSE:
        return loose_decode(span, out);
    default:
        return ERR_CORRUPT;
    }
}

/* First index whose time is at least `ms`. */
static size_t time_lower_bound(const int64_t *times, size_t count, int64_t ms)
{
    size_t low = 0;
    while (count > 0) {
        size_t half = count / 2;
        if (times[low + half] < ms) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

/* The samples of a chunk that are asked for. */
struct chunk_cut {
    int64_t min_ms;
    int64_t max_ms;
    uint32_t skip_last;
};

/* Which they are: from `low` to before `high`, perhaps none. */
static void cut_find(const struct chunk_cut *cut, const int64_t *times, size_t count,
                     size_t *out_low, size_t *out_high)
{
    size_t low = 0, high = count - MIN((size_t)cut->skip_last, count);
    if (high > 0 && times[0] < cut->min_ms)
        low = time_lower_bound(times, high, cut->min_ms);
    if (high > 0 && times[high - 1] > cut->max_ms)
        high = cut->max_ms == INT64_MAX ? high : time_lower_bound(times, high, cut->max_ms + 1);
    *out_low = MIN(low, high);
    *out_high = high;
}

/* Tokens are decoded from the first to the last. */
static enum err tokens_read(const struct chunk_span *span, const struct chunk_cut *cut,
                            struct chunk_output *out)
{
    size_t low, high;
    enum err result = tokens_decode(span, out);
    if (result != ERR_NONE)
        return result;
    cut_find(cut, out->times, out->count, &low, &high);
    out->count = high - low;
    if (low > 0) {
        memmove(out->times, out->times + low, out->count * sizeof(*out->times));
        memmove(out->values, out->values + low, out->count * sizeof(*out->values));
    }
    return ERR_NONE;
}

/* The times of all samples that the view may see; the reader is at the values then. */
static bool sealed_times(const struct chunk_span *span, struct codec_reader *reader,
                         struct chunk_output *out)
{
    if (span->kind == CHUNK_SEALED_LOOSE) {
        out->count = span->count;
        return time_column_read(reader, span->count, out->times);
    }
    out->count = span->row_end - MIN(span->row_first, span->row_end);
    memcpy(out->times, span->column->times_ms + span->row_first, out->count * sizeof(*out->times));
    return true;
}

/* Values are decoded only where they are asked for. */
static enum err sealed_read(const struct chunk_span *span, const struct chunk_cut *cut,
                            struct chunk_output *out)
{
    struct codec_reader reader = codec_reader(span->bytes, span->len);
    size_t values = span->kind == CHUNK_SEALED_ROWS ? span->count - span->row_first : span->count;
    size_t low, high;
    if (!sealed_times(span, &reader, out))
        return ERR_CORRUPT;
    cut_find(cut, out->times, out->count, &low, &high);
    out->count = high - low;
    if (out->count == 0)
        return ERR_NONE;
    if (low > 0)
        memmove(out->times, out->times + low, out->count * sizeof(*out->times));
    struct slice bytes = slice_from((const char *)reader.at, codec_left(&reader));
    return value_chunk_decode_part(bytes, values, low, high, out->values);
}

/* Adds NULLs for float samples when the columns have histograms. */
static void histograms_pad(struct sample_columns *out)
{
    while (out->histogram_memory.len < out->timestamp_memory.len)
        vec_push(&out->histogram_memory, NULL);
}

static enum err floats_read(const struct chunk_span *span, const struct chunk_cut *cut,
                            struct sample_columns *out)
{
    bool sealed = span->kind == CHUNK_SEALED_ROWS || span->kind == CHUNK_SEALED_LOOSE;
    size_t room = span->kind == CHUNK_ROWS ? CHUNK_SAMPLES_MAX : span->count;
    vec_reserve(&out->timestamp_memory, room);
    vec_reserve(&out->value_memory, room);
    struct chunk_output target = {out->timestamp_memory.items + out->timestamp_memory.len,
                                  out->value_memory.items + out->value_memory.len, 0};
    enum err result = sealed ? sealed_read(span, cut, &target) : tokens_read(span, cut, &target);
    if (result != ERR_NONE)
        return result;
    out->timestamp_memory.len += target.count;
    out->value_memory.len += target.count;
    if (out->histogram_memory.len > 0)
        histograms_pad(out);
    return ERR_NONE;
}

static struct histogram *histogram_decoded(struct slice encoded, struct arena *arena)
{
    struct codec_reader body = codec_reader(encoded.ptr, encoded.len);
    return histogram_decode(&body, arena);
}

/* The first sample of the range goes on from one that is not shown. */
static void hint_from_before(struct histogram *histogram, struct slice before, struct arena *arena)
{
    struct arena_mark mark = arena_mark(arena);
    const struct histogram *decoded = histogram_decoded(before, arena);
    if (decoded != NULL)
        histogram_hint_settle(histogram, decoded);
    arena_rewind(arena, mark);
}

static enum err histograms_read(const struct chunk_span *span, int64_t min_ms, int64_t max_ms,
                                uint32_t skip_last, struct sample_columns *out)
{
    struct codec_reader reader = codec_reader(span->bytes, span->len);
    uint32_t count = span->count - MIN(skip_last, span->count);
    int64_t time_ms = 0;
    struct slice before = SLICE_EMPTY; /* the range */
    for (uint32_t i = 0; i < count; i++) {
        time_ms = (int64_t)((uint64_t)time_ms + (uint64_t)codec_read_varint(&reader));
        struct slice encoded = codec_read_slice(&reader);
        if (reader.failed)
            return ERR_CORRUPT;
        if (time_ms < min_ms) {
            before = encoded;
            continue;
        }
        if (time_ms > max_ms)
            break;
        struct histogram *histogram = histogram_decoded(encoded, &out->histogram_arena);
        if (histogram == NULL)
            return ERR_CORRUPT;
        histogram_hint_forget(histogram);
        if (before.len > 0)
            hint_from_before(histogram, before, &out->histogram_arena);
        before = SLICE_EMPTY;
        histograms_pad(out);
        vec_push(&out->timestamp_memory, time_ms);
        vec_push(&out->value_memory, 0.0);
        vec_push(&out->histogram_memory, histogram);
    }
    return ERR_NONE;
}

enum err chunk_read(const struct chunk_span *span, int64_t min_ms, int64_t max_ms,
                    uint32_t skip_last, struct sample_columns *out)
{
    ASSERT(out->timestamp_memory.len == out->value_memory.len);
    if (span->kind == CHUNK_HISTOGRAM)
        return histograms_read(span, min_ms, max_ms, skip_last, out);
    return floats_read(span, &(struct chunk_cut){min_ms, max_ms, skip_last}, out);
}
