#include "tsdb/block_writer.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "model/histogram_arithmetic.h"
#include "tsdb/block_files.h"
#include "tsdb/block_times.h"
#include "tsdb/chunk_cutter.h"
#include "tsdb/histogram_chunk.h"
#include "tsdb/index_writer.h"
#include "tsdb/packed.h"
#include "tsdb/page.h"
#include "tsdb/paged_file.h"
#include "tsdb/time_column.h"
#include "tsdb/tombstones.h"
#include "tsdb/value_chunk.h"

#define PATH_SIZE_MAX 8192

struct chunk_page {
    uint32_t chunks;
    size_t stored_len;
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
    /* the series: */
    const struct labels *labels;
    VEC(int64_t) timestamps_ms;
    VEC(double) values;
    VEC(const struct histogram *) histograms; /* empty where all are floats */
    VEC(int64_t) starts_ms;                   /* likewise, where none is known */
    struct arena histogram_arena;
    struct buf chunk;
    enum err failure;
    struct errbuf err;
};

static char *path_join(const char *directory, const char *name, const char *suffix)
{
    struct buf path;
    buf_init(&path, PATH_SIZE_MAX);
    buf_printf(&path, "%s/%s%s", directory, name, suffix);
    return buf_take(&path);
}

static void writer_fail(struct block_writer *writer, enum err code)
{
    if (writer->failure == ERR_NONE)
        writer->failure = code;
}

static void open_files(struct block_writer *writer)
{
    const struct fs *fs = writer->fs;
    char *chunks = path_join(writer->working, BLOCK_FILE_CHUNKS, "");
    char *times = path_join(writer->working, BLOCK_FILE_TIMES, "");
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
    writer->path = path_join(options->directory, name, "");
    writer->working = path_join(options->directory, name, BLOCK_SUFFIX_WRITING);
    writer->index = index_writer_new();
    page_writer_init(&writer->page, options->dense);
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

static void count_chunk(struct block_writer *writer, const struct page_chunk *chunk,
                        int64_t range_ms, bool histograms)
{
    struct block_stats *stats = &writer->meta.stats;
    stats->chunks++;
    *(histograms ? &stats->histogram_samples : &stats->float_samples) += chunk->count;
    if (writer->chunk_counters == NULL)
        return;
    counter_observe(writer->chunk_counters->size_bytes, (double)chunk->bytes.len);
    counter_observe(writer->chunk_counters->samples, chunk->count);
    counter_observe(writer->chunk_counters->range_seconds, (double)(range_ms / 1000));
}

/* Samples [from, from + count) of the series, of one kind. */
static void write_chunk(struct block_writer *writer, size_t from, size_t count)
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
    if (writer->page.count > 0 && page_writer_full(&writer->page, chunk.bytes.len))
        finish_page(writer);
    if (writer->failure != ERR_NONE)
        return;
    page_writer_add(&writer->page, &chunk);
    index_writer_chunk(writer->index, times_ms[0], times_ms[count - 1]);
    count_chunk(writer, &chunk, times_ms[count - 1] - times_ms[0], histograms);
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

static void finish_series(struct block_writer *writer)
{
    size_t count = writer->timestamps_ms.len;
    const int64_t *times_ms = writer->timestamps_ms.items;
    if (writer->labels != NULL && count > 0) {
        index_writer_series(writer->index, writer->labels);
        writer->meta.stats.series++;
        int64_t window_ms = chunk_cut_window_ms(times_ms, count, writer->dense);
        for (size_t from = 0; from < count && !block_writer_failed(writer);) {
            size_t len = chunk_cut_count(times_ms + from, count - from, window_ms, writer->dense);
            len = same_kind(writer, from, len);
            write_chunk(writer, from, len);
            from += len;
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

void block_writer_series(struct block_writer *writer, const struct labels *labels)
{
    finish_series(writer);
    writer->labels = labels;
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
        ASSERT(time_ms >= writer->meta.min_ms && time_ms < writer->meta.max_ms);
        ASSERT(writer->timestamps_ms.len == 0 || time_ms > *vec_last(&writer->timestamps_ms));
        vec_push(&writer->timestamps_ms, time_ms);
        vec_push(&writer->values, samples->values[i]);
        const struct histogram *histogram =
            samples->histograms == NULL ? NULL : samples->histograms[i];
        if (histogram != NULL)
            histogram = histogram_copy_into(&writer->histogram_arena, histogram);
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
    char *path = path_join(writer->working, name, "");
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
    char *path CLEANUP(mem_cleanup) = path_join(writer->working, BLOCK_FILE_TOMBSTONES, "");
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
    finish_series(writer);
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
