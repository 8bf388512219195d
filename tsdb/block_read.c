/*
 * The samples of a series of a block: its chunks, decoded one after another. What a reader unpacked
 * last stays with its columns, since the next series is mostly in the same page.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "model/sample.h"
#include "tsdb/block_internal.h"
#include "tsdb/block_pages.h"
#include "tsdb/chunk_sums.h"
#include "tsdb/histogram_chunk.h"
#include "tsdb/histogram_hints.h"
#include "tsdb/page.h"
#include "tsdb/time_column.h"
#include "tsdb/value_chunk.h"

struct block_reader {
    const struct block *block;
    struct block_pages pages;
    struct chunk_sums sums;
    struct block_times_cursor times;
};

static void reader_free(void *state)
{
    struct block_reader *reader = state;
    block_pages_release(&reader->pages);
    chunk_sums_release(&reader->sums);
    block_times_cursor_release(&reader->times);
    mem_free(reader);
}

static struct block_reader *reader_of(struct sample_columns *columns, const struct block *block)
{
    if (columns->reader.owner == block)
        return columns->reader.state;
    columns_reader_release(&columns->reader);
    struct block_reader *reader = mem_zalloc(sizeof(*reader));
    reader->block = block;
    block_pages_init(&reader->pages, block);
    block_times_cursor_init(&reader->times, &block->times);
    columns->reader.owner = block;
    columns->reader.state = reader;
    columns->reader.free_state = reader_free;
    return reader;
}

/* The first of `count` times that is at or after `time_ms`. */
static size_t lower_bound(const int64_t *times_ms, size_t count, int64_t time_ms)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (times_ms[middle] < time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The samples [low, high) of a chunk that are wanted. */
struct chunk_part {
    struct chunk_place place;
    const struct page_chunk *chunk;
    const int64_t *times_ms; /* of the whole chunk */
    size_t low;
    size_t high;
};

static bool is_histogram_chunk(const struct page_chunk *chunk)
{
    return chunk->kind == PAGE_CHUNK_HISTOGRAMS || chunk->kind == PAGE_CHUNK_HISTOGRAMS_SINCE;
}

static bool has_starts(const struct page_chunk *chunk)
{
    return chunk->kind == PAGE_CHUNK_VALUES_SINCE || chunk->kind == PAGE_CHUNK_HISTOGRAMS_SINCE;
}

/* Takes the start times from the front of the bytes. */
static bool read_starts(const struct chunk_part *part, struct codec_reader *bytes,
                        struct sample_columns *out)
{
    size_t count = part->chunk->count, before = out->start_timestamp_memory.len;
    if (!has_starts(part->chunk) && before == 0)
        return true;
    /* samples so far had none */
    vec_reserve(&out->start_timestamp_memory, out->timestamp_memory.len - before + count);
    while (out->start_timestamp_memory.len < out->timestamp_memory.len)
        vec_push(&out->start_timestamp_memory, 0);
    int64_t *to = out->start_timestamp_memory.items + out->start_timestamp_memory.len;
    size_t taken = part->high - part->low;
    if (!has_starts(part->chunk)) {
        memset(to, 0, taken * sizeof(*to));
    } else {
        if (!start_times_read(bytes, part->times_ms, count, to))
            return false;
        memmove(to, to + part->low, taken * sizeof(*to));
    }
    out->start_timestamp_memory.len += taken;
    return true;
}

static bool read_histograms(const struct chunk_part *part, struct slice bytes,
                            struct sample_columns *out)
{
    size_t count = part->chunk->count, taken = part->high - part->low;
    while (out->histogram_memory.len < out->timestamp_memory.len)
        vec_push(&out->histogram_memory, NULL);
    vec_reserve(&out->histogram_memory, count);
    const struct histogram **to = out->histogram_memory.items + out->histogram_memory.len;
    if (histogram_chunk_decode(bytes, count, &out->histogram_arena, to) != ERR_NONE)
        return false;
    memmove(to, to + part->low, taken * sizeof(*to));
    out->histogram_memory.len += taken;
    vec_reserve(&out->value_memory, taken);
    for (size_t i = 0; i < taken; i++)
        out->value_memory.items[out->value_memory.len++] = to[i]->sum;
    return true;
}

static bool read_values(struct chunk_sums *sums, const struct chunk_part *part, struct slice bytes,
                        struct sample_columns *out)
{
    size_t count = part->chunk->count, taken = part->high - part->low;
    vec_reserve(&out->value_memory, taken);
    double *to = out->value_memory.items + out->value_memory.len;
    bool good = has_starts(part->chunk)
                    ? value_chunk_decode_part(bytes, count, part->low, part->high, to) == ERR_NONE
                    : chunk_sums_decode(sums, &part->place, part->low, part->high, to);
    if (!good)
        return false;
    out->value_memory.len += taken;
    if (out->histogram_memory.len > 0) {
        for (size_t i = 0; i < taken; i++)
            vec_push(&out->histogram_memory, NULL);
    }
    return true;
}

/* Appends the part to the columns' memory. */
static bool read_part(struct chunk_sums *sums, const struct chunk_part *part,
                      struct sample_columns *out)
{
    struct codec_reader bytes = codec_reader(part->chunk->bytes.ptr, part->chunk->bytes.len);
    if (!read_starts(part, &bytes, out))
        return false;
    struct slice rest = slice_from((const char *)bytes.at, codec_left(&bytes));
    bool good = is_histogram_chunk(part->chunk) ? read_histograms(part, rest, out)
                                                : read_values(sums, part, rest, out);
    if (!good)
        return false;
    size_t taken = part->high - part->low;
    vec_reserve(&out->timestamp_memory, taken);
    memcpy(out->timestamp_memory.items + out->timestamp_memory.len, part->times_ms + part->low,
           taken * sizeof(int64_t));
    out->timestamp_memory.len += taken;
    return true;
}

/* Of the last sample of the range alone when that is said. */
static enum err read_chunk(struct block_reader *reader, const struct block_series *series,
                           uint32_t chunk, int64_t min_ms, int64_t max_ms, bool last_only,
                           struct sample_columns *out, struct errbuf *err)
{
    struct chunk_part part;
    uint64_t number = series->chunk_first + (uint64_t)chunk * series->chunk_step;
    enum err code =
        block_pages_chunk(&reader->pages, number, series->chunk_step > 1, &part.place, err);
    part.chunk = part.place.chunk;
    if (code == ERR_NONE)
        code = block_times_rows(&reader->times, part.chunk->time_column, part.chunk->row_first,
                                part.chunk->count, &part.times_ms, err);
    if (code != ERR_NONE)
        return code;
    part.low = lower_bound(part.times_ms, part.chunk->count, min_ms);
    part.high = max_ms == INT64_MAX ? part.chunk->count
                                    : lower_bound(part.times_ms, part.chunk->count, max_ms + 1);
    if (part.low >= part.high)
        return ERR_NONE;
    if (last_only)
        part.low = part.high - 1;
    if (!read_part(&reader->sums, &part, out))
        return paged_file_damaged(&reader->block->chunks, part.place.page_offset,
                                  "a chunk of the page makes no sense", err);
    return ERR_NONE;
}

/* What it was compared with is deleted. */
static void forget_hint(const struct histogram *histogram)
{
    if (histogram != NULL)
        histogram_hint_forget((struct histogram *)(uintptr_t)histogram); /* our own copy */
}

/* Takes samples out that are deleted. */
static void drop_deleted(struct tombstone_spans spans, struct sample_columns *out)
{
    if (LIKELY(spans.count == 0))
        return;
    sample_columns_publish(out); /* all columns are of one length now */
    size_t kept = out->kept, at = 0;
    bool behind_deleted = false;
    for (size_t i = kept; i < out->timestamp_memory.len; i++) {
        if (tombstone_spans_find(spans, &at, out->timestamp_memory.items[i]) != NULL) {
            behind_deleted = true;
            continue;
        }
        if (UNLIKELY(behind_deleted) && out->histogram_memory.len > 0)
            forget_hint(out->histogram_memory.items[i]);
        behind_deleted = false;
        out->timestamp_memory.items[kept] = out->timestamp_memory.items[i];
        out->value_memory.items[kept] = out->value_memory.items[i];
        if (out->histogram_memory.len > 0)
            out->histogram_memory.items[kept] = out->histogram_memory.items[i];
        if (out->start_timestamp_memory.len > 0)
            out->start_timestamp_memory.items[kept] = out->start_timestamp_memory.items[i];
        kept++;
    }
    out->timestamp_memory.len = out->value_memory.len = kept;
    out->histogram_memory.len = MIN(out->histogram_memory.len, kept);
    out->start_timestamp_memory.len = MIN(out->start_timestamp_memory.len, kept);
}

static bool chunk_overlaps(const struct block_series *series, uint32_t chunk, int64_t min_ms,
                           int64_t max_ms)
{
    return series->times[chunk].min_ms <= max_ms && series->times[chunk].max_ms >= min_ms;
}

enum err block_view_read(struct series_view *base, const struct series_entry *entry, int64_t min_ms,
                         int64_t max_ms, struct sample_columns *out, struct errbuf *err)
{
    struct block_view *view = (struct block_view *)base;
    const struct block_series *series = (const struct block_series *)(uintptr_t)entry->handle;
    struct block_reader *reader = reader_of(out, view->block);
    struct tombstone_spans deleted = tombstones_of(view->tombstones, series->id);
    enum err code = ERR_NONE;
    /* which one it is can be said before the values are there, unless it may be deleted */
    bool last_only = out->newest_only && deleted.count == 0;
    sample_columns_begin(out);
    for (uint32_t i = 0; i < series->chunk_count && code == ERR_NONE; i++) {
        uint32_t chunk = out->newest_only ? series->chunk_count - 1 - i : i;
        if (!chunk_overlaps(series, chunk, min_ms, max_ms))
            continue;
        code = read_chunk(reader, series, chunk, min_ms, max_ms, last_only, out, err);
        if (!out->newest_only)
            continue;
        if (deleted.count > 0)
            drop_deleted(deleted, out);
        if (out->timestamp_memory.len > out->kept)
            break;
    }
    if (!out->newest_only)
        drop_deleted(deleted, out);
    sample_columns_publish(out);
    return code;
}
