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
#include "tsdb/histogram_chunk.h"
#include "tsdb/page.h"
#include "tsdb/time_column.h"
#include "tsdb/value_chunk.h"

#define PAGE_STORED_MAX (PAGE_RAW_SIZE_MAX + (1u << 20))
/* Who reads one page after another gets so many bytes of them at once. */
#define READ_AHEAD_MAX 65536

struct block_reader {
    const struct block *block;
    struct buf stored; /* the pages [stored_first, stored_end) */
    size_t stored_first;
    size_t stored_end;
    struct page page;   /* may point into `stored` */
    size_t page_number; /* SIZE_MAX = none */
    struct block_times_cursor times;
};

static void reader_free(void *state)
{
    struct block_reader *reader = state;
    buf_release(&reader->stored);
    page_release(&reader->page);
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
    reader->page_number = SIZE_MAX;
    buf_init(&reader->stored, PAGE_STORED_MAX);
    block_times_cursor_init(&reader->times, &block->times);
    columns->reader.owner = block;
    columns->reader.state = reader;
    columns->reader.free_state = reader_free;
    return reader;
}

static enum err read_pages(struct block_reader *reader, size_t first, size_t end,
                           struct errbuf *err)
{
    const struct block_page *pages = reader->block->pages;
    reader->stored_first = reader->stored_end = 0;
    enum err code =
        paged_file_read(&reader->block->chunks, pages[first].offset,
                        (size_t)(pages[end].offset - pages[first].offset), &reader->stored, err);
    if (code != ERR_NONE)
        return code;
    reader->stored_first = first;
    reader->stored_end = end;
    return ERR_NONE;
}

/* With those behind it, when the one before it was read last. */
static enum err store_page(struct block_reader *reader, size_t number, struct errbuf *err)
{
    const struct block *block = reader->block;
    size_t end = number + 1;
    if (number >= reader->stored_first && number < reader->stored_end)
        return ERR_NONE;
    if (number > 0 && number == reader->stored_end) {
        while (end < block->page_count &&
               block->pages[end + 1].offset - block->pages[number].offset <= READ_AHEAD_MAX)
            end++;
    }
    /* the damage may be in a page that nobody asked for */
    if (end > number + 1 && read_pages(reader, number, end, NULL) == ERR_NONE)
        return ERR_NONE;
    return read_pages(reader, number, number + 1, err);
}

static enum err load_page(struct block_reader *reader, size_t number, struct errbuf *err)
{
    if (reader->page_number == number)
        return ERR_NONE;
    const struct block_page *page = &reader->block->pages[number];
    reader->page_number = SIZE_MAX;
    enum err code = store_page(reader, number, err);
    if (code != ERR_NONE)
        return code;
    size_t at = (size_t)(page->offset - reader->block->pages[reader->stored_first].offset);
    struct slice bytes = slice_sub(buf_slice(&reader->stored), at, page->stored_len);
    code = page_open(&reader->page, bytes, err);
    if (code != ERR_NONE) {
        errbuf_prefix(err, "%s: at offset %llu: ", reader->block->chunks.path,
                      (unsigned long long)page->offset);
        return code;
    }
    reader->page_number = number;
    return ERR_NONE;
}

static bool page_has(const struct block *block, size_t page, uint64_t chunk)
{
    return page < block->page_count && block->pages[page].chunk_first <= chunk &&
           chunk < block->pages[page + 1].chunk_first;
}

/* Mostly it is the one at hand or the next. */
static size_t page_of(const struct block *block, size_t at_hand, uint64_t chunk)
{
    if (page_has(block, at_hand, chunk))
        return at_hand;
    if (at_hand != SIZE_MAX && page_has(block, at_hand + 1, chunk))
        return at_hand + 1;
    size_t low = 0, high = block->page_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (block->pages[middle].chunk_first <= chunk)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static enum err chunk_damaged(const struct block_reader *reader, const char *what,
                              struct errbuf *err)
{
    const struct block *block = reader->block;
    return paged_file_damaged(&block->chunks, block->pages[reader->page_number].offset, what, err);
}

static enum err find_chunk(struct block_reader *reader, uint64_t number,
                           const struct page_chunk **out, struct errbuf *err)
{
    const struct block *block = reader->block;
    ASSERT(number < block->pages[block->page_count].chunk_first);
    size_t page = page_of(block, reader->page_number, number);
    enum err code = load_page(reader, page, err);
    if (code != ERR_NONE)
        return code;
    *out = page_chunk(&reader->page, (uint32_t)(number - block->pages[page].chunk_first));
    if (*out == NULL || (*out)->count == 0 || (*out)->count > VALUE_CHUNK_COUNT_MAX)
        return chunk_damaged(reader, "a chunk of the page is missing", err);
    return ERR_NONE;
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

static bool read_values(const struct chunk_part *part, struct slice bytes,
                        struct sample_columns *out)
{
    size_t count = part->chunk->count, taken = part->high - part->low;
    vec_reserve(&out->value_memory, taken);
    double *to = out->value_memory.items + out->value_memory.len;
    if (value_chunk_decode_part(bytes, count, part->low, part->high, to) != ERR_NONE)
        return false;
    out->value_memory.len += taken;
    if (out->histogram_memory.len > 0) {
        for (size_t i = 0; i < taken; i++)
            vec_push(&out->histogram_memory, NULL);
    }
    return true;
}

/* Appends the part to the columns' memory. */
static bool read_part(const struct chunk_part *part, struct sample_columns *out)
{
    struct codec_reader bytes = codec_reader(part->chunk->bytes.ptr, part->chunk->bytes.len);
    if (!read_starts(part, &bytes, out))
        return false;
    struct slice rest = slice_from((const char *)bytes.at, codec_left(&bytes));
    bool good = is_histogram_chunk(part->chunk) ? read_histograms(part, rest, out)
                                                : read_values(part, rest, out);
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
static enum err read_chunk(struct block_reader *reader, uint64_t number, int64_t min_ms,
                           int64_t max_ms, bool last_only, struct sample_columns *out,
                           struct errbuf *err)
{
    struct chunk_part part;
    enum err code = find_chunk(reader, number, &part.chunk, err);
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
    if (!read_part(&part, out))
        return chunk_damaged(reader, "a chunk of the page makes no sense", err);
    return ERR_NONE;
}

/* Takes samples out that are deleted. */
static void drop_deleted(struct tombstone_spans spans, struct sample_columns *out)
{
    if (LIKELY(spans.count == 0))
        return;
    sample_columns_publish(out); /* all columns are of one length now */
    size_t kept = out->kept, at = 0;
    for (size_t i = kept; i < out->timestamp_memory.len; i++) {
        if (tombstone_spans_find(spans, &at, out->timestamp_memory.items[i]) != NULL)
            continue;
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
        code = read_chunk(reader, series->chunk_first + chunk, min_ms, max_ms, last_only, out, err);
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
