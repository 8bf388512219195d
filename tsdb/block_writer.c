#include "tsdb/block_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/path.h"
#include "model/histogram_arithmetic.h"
#include "tsdb/block_files.h"
#include "tsdb/block_times.h"
#include "tsdb/chunk_cutter.h"
#include "tsdb/chunk_family.h"
#include "tsdb/histogram_chunk.h"
#include "tsdb/index_rows.h"
#include "tsdb/index_writer.h"
#include "tsdb/packed.h"
#include "tsdb/page.h"
#include "tsdb/paged_file.h"
#include "tsdb/time_column.h"
#include "tsdb/tombstones.h"
#include "tsdb/value_chunk.h"

struct chunk_page {
    uint32_t chunks;
    size_t stored_len;
};

struct held_row {
    const struct labels *labels;
    uint64_t chunk_first;
    uint32_t chunk_step;
    uint32_t chunk_count;
    const struct index_chunk_times *times;
};

struct block_writer {
    const struct fs *fs;
    bool dense;
    const struct block_chunk_counters *chunk_counters;
    struct block_meta meta;
    char *directory;
    char *path;    /* of the block to be */
    char *working; /* while it is written */
    struct index_writer *index;
    struct block_times_writer times;
    struct paged_writer chunks;
    struct page_writer page;
    VEC(struct chunk_page) pages;
    struct chunk_family family;
    uint32_t depth; /* of the last chunk: on so many before it depends */
    /* rows of the index that are to be sorted */
    bool unsorted;
    VEC(struct held_row) rows;
    struct arena row_arena;
    /* the series: */
    const struct labels *labels;
    bool related;
    VEC(int64_t) timestamps_ms;
    VEC(double) values;
    VEC(const struct histogram *) histograms; /* empty where all are floats */
    VEC(int64_t) starts_ms;                   /* likewise, where none is known */
    struct arena histogram_arena;
    struct buf chunk;
    enum err failure;
    struct errbuf err;
};

static void writer_fail(struct block_writer *writer, enum err code)
{
    if (writer->failure == ERR_NONE)
        writer->failure = code;
}

static void open_files(struct block_writer *writer)
{
    const struct fs *fs = writer->fs;
    char *chunks = path_join(writer->working, BLOCK_FILE_CHUNKS);
    char *times = path_join(writer->working, BLOCK_FILE_TIMES);
    paged_writer_open(&writer->chunks, fs, chunks, CHUNKS_MAGIC);
    block_times_writer_open(&writer->times, fs, times);
    mem_free(chunks);
    mem_free(times);
}

enum err block_writer_open(const struct block_writer_options *options, struct block_writer **out,
                           struct errbuf *err)
{
    const struct fs *fs = options->fs;
    struct block_writer *writer = mem_zalloc(sizeof(*writer));
    writer->fs = fs;
    writer->dense = options->dense;
    writer->chunk_counters = options->chunk_counters;
    block_meta_copy(&writer->meta, options->meta);
    writer->meta.stats = (struct block_stats){0};
    const char *name = writer->meta.ulid.text;
    writer->directory = mem_dup(options->directory, strlen(options->directory) + 1);
    writer->path = path_join(options->directory, name);
    writer->working = path_print("%s/%s%s", options->directory, name, BLOCK_SUFFIX_WRITING);
    writer->index = index_writer_new();
    page_writer_init(&writer->page, options->dense);
    chunk_family_init(&writer->family);
    arena_init(&writer->row_arena, SIZE_MAX);
    arena_init(&writer->histogram_arena, SIZE_MAX);
    buf_init(&writer->chunk, PAGE_CHUNK_SIZE_MAX);
    /* what a process left that was killed while it wrote the same block */
    enum err code = fs_remove_tree(fs, writer->working, err);
    if (code == ERR_NONE)
        code = fs_make_directories(fs, writer->working, err);
    if (code != ERR_NONE) {
        block_writer_abort(writer);
        return code;
    }
    open_files(writer);
    *out = writer;
    return ERR_NONE;
}

bool block_writer_failed(const struct block_writer *writer)
{
    return writer->failure != ERR_NONE || writer->chunks.failure != ERR_NONE ||
           writer->times.file.failure != ERR_NONE;
}

/* --- chunks --- */

static void finish_page(struct block_writer *writer)
{
    if (writer->page.count == 0 || writer->failure != ERR_NONE)
        return;
    struct buf *pending = &writer->chunks.pending;
    struct chunk_page page = {.chunks = writer->page.count};
    size_t before = pending->len;
    enum err code = page_writer_finish(&writer->page, pending, &writer->err);
    if (code != ERR_NONE) {
        writer_fail(writer, code);
        return;
    }
    page.stored_len = pending->len - before;
    vec_push(&writer->pages, page);
    paged_writer_spill(&writer->chunks);
}

static bool any_start(const struct block_writer *writer, size_t from, size_t count)
{
    for (size_t i = 0; writer->starts_ms.len > 0 && i < count; i++) {
        if (writer->starts_ms.items[from + i] != 0)
            return true;
    }
    return false;
}

/* Samples [from, from + count) of the series, of one kind. */
static void make_chunk(struct block_writer *writer, size_t from, size_t count)
{
    const int64_t *times_ms = writer->timestamps_ms.items + from;
    bool histograms = writer->histograms.len > 0 && writer->histograms.items[from] != NULL;
    bool since = any_start(writer, from, count);
    struct page_chunk chunk = {.count = (uint32_t)count};
    chunk.kind = histograms ? since ? PAGE_CHUNK_HISTOGRAMS_SINCE : PAGE_CHUNK_HISTOGRAMS
                 : since    ? PAGE_CHUNK_VALUES_SINCE
                            : PAGE_CHUNK_VALUES;
    chunk.time_column = block_times_add(&writer->times, times_ms, count, &chunk.row_first);
    buf_reset(&writer->chunk);
    if (since)
        start_times_encode(writer->starts_ms.items + from, times_ms, count, &writer->chunk);
    if (histograms)
        histogram_chunk_encode(writer->histograms.items + from, count, &writer->chunk);
    else
        value_chunk_encode(writer->values.items + from, count, &writer->chunk);
    chunk.bytes = buf_slice(&writer->chunk);
    if (writer->chunk.overflow) {
        writer_fail(writer, errbuf_set(&writer->err, ERR_LIMIT, "a chunk is too large"));
        return;
    }
    struct family_chunk made = {
        .chunk = chunk, .min_ms = times_ms[0], .max_ms = times_ms[count - 1]};
    chunk_family_add(&writer->family, &made, histograms ? NULL : writer->values.items + from);
    *(histograms ? &writer->meta.stats.histogram_samples : &writer->meta.stats.float_samples) +=
        count;
}

/* How many samples from `from` on are of the kind of the first and fit into a chunk. */
static size_t same_kind(const struct block_writer *writer, size_t from, size_t count)
{
    if (writer->histograms.len == 0)
        return count;
    const struct histogram *const *histograms = writer->histograms.items + from;
    size_t same = 1;
    while (same < count && (histograms[same] != NULL) == (histograms[0] != NULL))
        same++;
    return histograms[0] == NULL ? same : histogram_chunk_fit(histograms, same);
}

/* --- families --- */

static void count_chunk(struct block_writer *writer, const struct page_chunk *chunk,
                        const struct family_chunk *times)
{
    const struct block_chunk_counters *counters = writer->chunk_counters;
    writer->meta.stats.chunks++;
    if (counters == NULL)
        return;
    counter_observe(counters->size_bytes, (double)chunk->bytes.len);
    counter_observe(counters->samples, chunk->count);
    counter_observe(counters->range_seconds, (double)((times->max_ms - times->min_ms) / 1000));
}

static const struct family_chunk *family_chunk(const struct block_writer *writer, size_t member,
                                               size_t slice)
{
    return &writer->family.chunks.items[member * writer->family.slice_count + slice];
}

/* Bytes of the first `members` in a slice, with differences where there are any. */
static size_t slice_size(const struct block_writer *writer, size_t members, size_t slice)
{
    size_t size = family_chunk(writer, 0, slice)->len;
    for (size_t i = 1; i < members; i++) {
        const struct family_chunk *chunk = family_chunk(writer, i, slice);
        size += chunk->above_len > 0 ? chunk->above_len : chunk->len;
    }
    return size;
}

static void write_chunk(struct block_writer *writer, size_t member, size_t slice)
{
    const struct family_chunk *chunk = family_chunk(writer, member, slice);
    bool above = member > 0 && chunk->above_len > 0 && writer->depth < CHUNK_FAMILY_DEPTH_MAX;
    if (page_writer_full(&writer->page, above ? chunk->above_len : chunk->len)) {
        finish_page(writer);
        above = false;
    }
    if (writer->failure != ERR_NONE)
        return;
    writer->depth = above ? writer->depth + 1 : 0;
    const struct page_chunk *picked = chunk_family_pick(&writer->family, member, slice, above);
    page_writer_add(&writer->page, picked);
    count_chunk(writer, picked, chunk);
}

static void put_row(struct block_writer *writer, const struct held_row *row)
{
    index_writer_series(writer->index, row->labels);
    for (uint32_t i = 0; i < row->chunk_count; i++)
        index_writer_chunk(writer->index, row->times[i].min_ms, row->times[i].max_ms);
    index_writer_place(writer->index, row->chunk_first, row->chunk_step);
    writer->meta.stats.series++;
}

/* Rows of the first `members`, which have chunks of the same times, `first` on. */
static void write_rows(struct block_writer *writer, size_t members, uint64_t first)
{
    size_t slices = writer->family.slice_count;
    struct index_chunk_times *times = arena_alloc_array(&writer->row_arena, slices, sizeof(*times));
    for (size_t i = 0; i < slices; i++) {
        const struct family_chunk *chunk = family_chunk(writer, 0, i);
        times[i] = (struct index_chunk_times){chunk->min_ms, chunk->max_ms};
    }
    for (size_t i = 0; i < members; i++) {
        struct held_row row = {.labels = writer->family.members.items[i],
                               .chunk_first = first + i,
                               .chunk_step = slices > 1 ? (uint32_t)members : 1,
                               .chunk_count = (uint32_t)slices,
                               .times = times};
        if (writer->unsorted)
            vec_push(&writer->rows, row);
        else
            put_row(writer, &row);
    }
    if (!writer->unsorted)
        arena_reset(&writer->row_arena);
}

/* The first `members` of the family, slice by slice: what belongs together is in one page. */
static void write_members(struct block_writer *writer, size_t members)
{
    uint64_t first = writer->meta.stats.chunks;
    for (size_t slice = 0; members > 0 && slice < writer->family.slice_count; slice++) {
        size_t size = slice_size(writer, members, slice);
        if (members > 1 && page_writer_full_for(&writer->page, members, size))
            finish_page(writer);
        writer->depth = 0;
        for (size_t i = 0; i < members && writer->failure == ERR_NONE; i++)
            write_chunk(writer, i, slice);
    }
    if (members > 0 && writer->failure == ERR_NONE)
        write_rows(writer, members, first);
}

static void finish_family(struct block_writer *writer)
{
    write_members(writer, writer->family.members.len);
    chunk_family_reset(&writer->family);
}

static void finish_series(struct block_writer *writer)
{
    size_t count = writer->timestamps_ms.len;
    const int64_t *times_ms = writer->timestamps_ms.items;
    if (!writer->related || chunk_family_full(&writer->family))
        finish_family(writer);
    if (writer->labels != NULL && count > 0) {
        chunk_family_begin_member(&writer->family, writer->labels);
        int64_t window_ms = chunk_cut_window_ms(times_ms, count, writer->dense);
        for (size_t from = 0; from < count && !block_writer_failed(writer);) {
            size_t len = chunk_cut_count(times_ms + from, count - from, window_ms, writer->dense);
            len = same_kind(writer, from, len);
            make_chunk(writer, from, len);
            from += len;
        }
        if (!chunk_family_end_member(&writer->family, writer->values.items, count)) {
            write_members(writer, writer->family.members.len - 1);
            chunk_family_keep_last(&writer->family);
        }
    }
    writer->labels = NULL;
    vec_reset(&writer->timestamps_ms);
    vec_reset(&writer->values);
    vec_reset(&writer->histograms);
    vec_reset(&writer->starts_ms);
    arena_reset(&writer->histogram_arena);
}

/* --- taking series --- */

/* Labels of a family are borrowed no longer than they have to be: it ends before the next begins.
 */
static void begin_series(struct block_writer *writer, const struct labels *labels, bool related)
{
    finish_series(writer);
    if (!related)
        finish_family(writer);
    writer->labels = labels;
    writer->related = related;
}

void block_writer_series(struct block_writer *writer, const struct labels *labels)
{
    begin_series(writer, labels, false);
}

void block_writer_relative(struct block_writer *writer, const struct labels *labels)
{
    begin_series(writer, labels, true);
}

void block_writer_begin_unsorted(struct block_writer *writer)
{
    begin_series(writer, NULL, false);
    writer->unsorted = true;
}

static int row_compare(const void *a, const void *b)
{
    return labels_compare(((const struct held_row *)a)->labels,
                          ((const struct held_row *)b)->labels);
}

void block_writer_end_unsorted(struct block_writer *writer)
{
    begin_series(writer, NULL, false);
    if (writer->rows.len > 1)
        qsort(writer->rows.items, writer->rows.len, sizeof(*writer->rows.items), row_compare);
    for (size_t i = 0; i < writer->rows.len; i++)
        put_row(writer, &writer->rows.items[i]);
    vec_reset(&writer->rows);
    arena_reset(&writer->row_arena);
    writer->unsorted = false;
}

static const struct histogram *copy_histogram(struct block_writer *writer,
                                              const struct histogram *histogram)
{
    struct histogram *copy = histogram_copy_into(&writer->histogram_arena, histogram);
    copy->is_float = histogram->is_float;
    return copy;
}

/* Samples so far were floats, or had no start: that is now said of each. */
static void begin_histograms(struct block_writer *writer)
{
    vec_reserve(&writer->histograms, writer->timestamps_ms.len);
    while (writer->histograms.len < writer->timestamps_ms.len)
        vec_push(&writer->histograms, NULL);
}

static void begin_starts(struct block_writer *writer)
{
    while (writer->starts_ms.len < writer->timestamps_ms.len)
        vec_push(&writer->starts_ms, 0);
}

/* What a damaged block says of its times need not be so. */
static bool takes_time(const struct block_writer *writer, int64_t time_ms)
{
    return time_ms >= writer->meta.min_ms && time_ms < writer->meta.max_ms &&
           (writer->timestamps_ms.len == 0 || time_ms > *vec_last(&writer->timestamps_ms));
}

void block_writer_samples(struct block_writer *writer, const struct sample_columns *samples)
{
    ASSERT(writer->labels != NULL);
    if (samples->histograms != NULL)
        begin_histograms(writer);
    if (samples->start_timestamps_ms != NULL)
        begin_starts(writer);
    bool histograms = samples->histograms != NULL || writer->histograms.len > 0;
    bool starts = samples->start_timestamps_ms != NULL || writer->starts_ms.len > 0;
    for (size_t i = 0; i < samples->count; i++) {
        int64_t time_ms = samples->timestamps_ms[i];
        if (UNLIKELY(!takes_time(writer, time_ms))) {
            writer_fail(writer, errbuf_set(&writer->err, ERR_CORRUPT,
                                           "the samples of a series are not in the order of time, "
                                           "or outside of the block's"));
            return;
        }
        vec_push(&writer->timestamps_ms, time_ms);
        vec_push(&writer->values, samples->values[i]);
        const struct histogram *histogram =
            samples->histograms == NULL ? NULL : samples->histograms[i];
        if (histogram != NULL)
            histogram = copy_histogram(writer, histogram);
        if (histograms)
            vec_push(&writer->histograms, histogram);
        if (starts)
            vec_push(&writer->starts_ms,
                     samples->start_timestamps_ms == NULL ? 0 : samples->start_timestamps_ms[i]);
    }
}

/* --- the end --- */

static enum err finish_chunks(struct block_writer *writer, struct errbuf *err)
{
    struct buf CLEANUP(buf_release) directory;
    buf_init(&directory, PACKED_RAW_SIZE_MAX);
    codec_write_uvarint(&directory, writer->pages.len);
    for (size_t i = 0; i < writer->pages.len; i++) {
        codec_write_uvarint(&directory, writer->pages.items[i].chunks);
        codec_write_uvarint(&directory, writer->pages.items[i].stored_len);
    }
    return paged_writer_finish(&writer->chunks, buf_slice(&directory), err);
}

static enum err write_file(struct block_writer *writer, const char *name, struct slice content,
                           struct errbuf *err)
{
    char *path = path_join(writer->working, name);
    enum err code = fs_replace_file(writer->fs, path, content, err);
    mem_free(path);
    return code;
}

static enum err finish_index(struct block_writer *writer, struct errbuf *err)
{
    struct buf CLEANUP(buf_release) index;
    buf_init(&index, BUF_SIZE_ANY);
    enum err code = index_writer_finish(writer->index, &index, err);
    return code == ERR_NONE ? write_file(writer, BLOCK_FILE_INDEX, buf_slice(&index), err) : code;
}

static enum err finish_tombstones(struct block_writer *writer, struct errbuf *err)
{
    char *path CLEANUP(mem_cleanup) = path_join(writer->working, BLOCK_FILE_TOMBSTONES);
    struct tombstones *none = tombstones_new(NULL, NULL, 0);
    enum err code = tombstones_write(none, writer->fs, path, err);
    tombstones_unref(none);
    return code;
}

static enum err finish_meta(struct block_writer *writer, struct errbuf *err)
{
    struct block_meta *meta = &writer->meta;
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, BLOCK_META_SIZE_MAX);
    meta->stats.samples = meta->stats.float_samples + meta->stats.histogram_samples;
    meta->always_tombstones = true;
    if (meta->sources.len == 0)
        vec_push(&meta->sources, meta->ulid);
    block_meta_print(meta, &text);
    return write_file(writer, BLOCK_FILE_META, buf_slice(&text), err);
}

static enum err sync_directory(const struct fs *fs, const char *path, struct errbuf *err)
{
    int code = fs->sync_directory(fs, path);
    return code < 0 ? errbuf_set_errno(err, -code, "syncing %s", path) : ERR_NONE;
}

static enum err finish_files(struct block_writer *writer, struct errbuf *err)
{
    begin_series(writer, NULL, false);
    finish_page(writer);
    if (writer->failure != ERR_NONE) {
        if (err != NULL)
            *err = writer->err;
        return writer->failure;
    }
    enum err code = finish_chunks(writer, err);
    if (code == ERR_NONE)
        code = block_times_writer_finish(&writer->times, err);
    if (code == ERR_NONE && writer->meta.stats.chunks == 0)
        return ERR_NONE;
    if (code == ERR_NONE)
        code = finish_index(writer, err);
    if (code == ERR_NONE)
        code = finish_tombstones(writer, err);
    if (code == ERR_NONE)
        code = finish_meta(writer, err);
    if (code == ERR_NONE)
        code = sync_directory(writer->fs, writer->working, err);
    return code;
}

static void writer_free(struct block_writer *writer)
{
    index_writer_free(writer->index);
    block_times_writer_release(&writer->times);
    paged_writer_release(&writer->chunks);
    page_writer_release(&writer->page);
    vec_release(&writer->pages);
    chunk_family_release(&writer->family);
    vec_release(&writer->rows);
    arena_release(&writer->row_arena);
    vec_release(&writer->timestamps_ms);
    vec_release(&writer->values);
    vec_release(&writer->histograms);
    vec_release(&writer->starts_ms);
    arena_release(&writer->histogram_arena);
    buf_release(&writer->chunk);
    block_meta_release(&writer->meta);
    mem_free(writer->directory);
    mem_free(writer->path);
    mem_free(writer->working);
    mem_free(writer);
}

enum err block_writer_finish(struct block_writer *writer, struct block_meta *out_meta,
                             struct errbuf *err)
{
    const struct fs *fs = writer->fs;
    enum err code = finish_files(writer, err);
    block_meta_copy(out_meta, &writer->meta);
    if (code != ERR_NONE || writer->meta.stats.samples == 0) {
        block_writer_abort(writer);
        return code;
    }
    int renamed = fs->rename(fs, writer->working, writer->path);
    if (renamed < 0)
        code = errbuf_set_errno(err, -renamed, "renaming %s", writer->working);
    if (code == ERR_NONE)
        code = sync_directory(fs, writer->directory, err);
    if (code == ERR_NONE) {
        writer_free(writer);
        return ERR_NONE;
    }
    /* a start would take it for finished, and those that it was made of for left over, with all
     * that was deleted from them since */
    if (renamed == 0)
        (void)fs->rename(fs, writer->path, writer->working);
    block_writer_abort(writer);
    return code;
}

void block_writer_abort(struct block_writer *writer)
{
    paged_writer_release(&writer->chunks);
    block_times_writer_release(&writer->times);
    /* what stays is removed at the next start */
    enum err ignored = fs_remove_tree(writer->fs, writer->working, NULL);
    (void)ignored;
    writer_free(writer);
}
