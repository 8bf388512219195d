#include "tool/prometheus_block_writer.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/path.h"
#include "tool/big_endian.h"
#include "tool/file_writer.h"
#include "tool/prometheus_format.h"
#include "tool/prometheus_histogram_chunk.h"
#include "tool/prometheus_index_writer.h"
#include "tool/prometheus_tombstones.h"
#include "tool/xor_chunk.h"

#define CHUNK_SAMPLES_MAX 120
/* The reference removes directories of this name when it starts. */
#define SUFFIX_WRITING ".tmp-for-creation"

struct prometheus_block_writer {
    const struct fs *fs;
    struct block_meta meta;
    char *directory;
    char *path;
    char *working;
    struct prometheus_index_writer index;
    struct file_writer chunks; /* the present file */
    uint32_t chunk_file_count;
    enum err failure;
    struct errbuf err;
    struct buf chunk;                        /* scratch */
    VEC(struct prometheus_chunk_meta) metas; /* of the series */
};

enum err prometheus_block_writer_open(const struct prometheus_block_writer_options *options,
                                      struct prometheus_block_writer **out, struct errbuf *err)
{
    struct prometheus_block_writer *writer = mem_zalloc(sizeof(*writer));
    writer->fs = options->fs;
    block_meta_copy(&writer->meta, options->meta);
    writer->meta.stats = (struct block_stats){0};
    const char *name = writer->meta.ulid.text;
    writer->directory = mem_strdup(options->directory);
    writer->path = path_join(options->directory, name);
    writer->working = path_print("%s/%s%s", options->directory, name, SUFFIX_WRITING);
    buf_init(&writer->chunk, BUF_SIZE_ANY);
    char *chunks CLEANUP(mem_cleanup) = path_join(writer->working, "chunks");
    char *index CLEANUP(mem_cleanup) = path_join(writer->working, "index");
    enum err code = fs_remove_tree(writer->fs, writer->working, err);
    if (code == ERR_NONE)
        code = fs_make_directories(writer->fs, chunks, err);
    if (code == ERR_NONE)
        prometheus_index_writer_open(&writer->index, writer->fs, index, options->list);
    if (code != ERR_NONE)
        prometheus_block_writer_abort(writer);
    else
        *out = writer;
    return code;
}

bool prometheus_block_writer_failed(const struct prometheus_block_writer *writer)
{
    return writer->failure != ERR_NONE || writer->index.file.failure != ERR_NONE ||
           (writer->chunks.path != NULL && writer->chunks.failure != ERR_NONE);
}

/* --- chunks --- */

static void finish_chunk_file(struct prometheus_block_writer *writer)
{
    if (writer->chunks.path == NULL)
        return;
    struct errbuf err = ERRBUF_INIT;
    enum err code = file_writer_finish(&writer->chunks, &err);
    if (code != ERR_NONE && writer->failure == ERR_NONE) {
        writer->failure = code;
        writer->err = err;
    }
}

static void next_chunk_file(struct prometheus_block_writer *writer)
{
    finish_chunk_file(writer);
    char *path CLEANUP(mem_cleanup) =
        path_print("%s/chunks/%06u", writer->working, ++writer->chunk_file_count);
    file_writer_open(&writer->chunks, writer->fs, path);
    struct buf *out = &writer->chunks.pending;
    big_endian_write_u32(out, CHUNKS_FILE_MAGIC);
    buf_append(out, (const char[]){CHUNKS_FILE_VERSION, 0, 0, 0}, 4);
}

/* writer->chunk holds encoding and data. */
static void write_chunk(struct prometheus_block_writer *writer, int64_t min_ms, int64_t max_ms)
{
    uint64_t size_max = writer->chunk.len + 16;
    if (writer->chunks.path == NULL ||
        file_writer_at(&writer->chunks) + size_max > CHUNKS_FILE_SIZE_MAX)
        next_chunk_file(writer);
    uint64_t at = file_writer_at(&writer->chunks);
    struct buf *out = &writer->chunks.pending;
    codec_write_uvarint(out, writer->chunk.len - 1);
    buf_append(out, writer->chunk.data, writer->chunk.len);
    big_endian_write_u32(out, crc32c(0, writer->chunk.data, writer->chunk.len));
    file_writer_spill(&writer->chunks);
    uint64_t ref = (uint64_t)(writer->chunk_file_count - 1) << 32 | at;
    vec_push(&writer->metas, (struct prometheus_chunk_meta){min_ms, max_ms, ref});
    writer->meta.stats.chunks++;
}

static const struct histogram *histogram_at(const struct sample_columns *samples, size_t i)
{
    return samples->histograms == NULL ? NULL : samples->histograms[i];
}

/* How many samples from `from` on go into one chunk. */
static size_t chunk_length(const struct sample_columns *samples, size_t from)
{
    size_t count = 1;
    while (from + count < samples->count && count < CHUNK_SAMPLES_MAX) {
        const struct histogram *before = histogram_at(samples, from + count - 1);
        const struct histogram *next = histogram_at(samples, from + count);
        if ((before == NULL) != (next == NULL) ||
            (next != NULL && !prometheus_histogram_chunk_continues(before, next)))
            break;
        count++;
    }
    return count;
}

static void encode_chunk(struct prometheus_block_writer *writer,
                         const struct sample_columns *samples, size_t from, size_t count)
{
    const struct histogram *histogram = histogram_at(samples, from);
    buf_reset(&writer->chunk);
    if (histogram == NULL) {
        buf_append_byte(&writer->chunk, CHUNK_XOR);
        xor_chunk_write(samples->timestamps_ms + from, samples->values + from, count,
                        &writer->chunk);
        writer->meta.stats.float_samples += count;
        return;
    }
    buf_append_byte(&writer->chunk, histogram->is_float ? CHUNK_FLOAT_HISTOGRAM : CHUNK_HISTOGRAM);
    prometheus_histogram_chunk_write(samples->timestamps_ms + from, samples->histograms + from,
                                     count, &writer->chunk);
    writer->meta.stats.histogram_samples += count;
}

void prometheus_block_writer_series(struct prometheus_block_writer *writer, size_t number,
                                    const struct sample_columns *samples)
{
    if (samples->count == 0)
        return;
    ASSERT(samples->timestamps_ms[0] >= writer->meta.min_ms);
    ASSERT(samples->timestamps_ms[samples->count - 1] < writer->meta.max_ms);
    vec_reset(&writer->metas);
    for (size_t from = 0; from < samples->count;) {
        size_t count = chunk_length(samples, from);
        encode_chunk(writer, samples, from, count);
        write_chunk(writer, samples->timestamps_ms[from], samples->timestamps_ms[from + count - 1]);
        from += count;
    }
    prometheus_index_writer_series(&writer->index, number, writer->metas.items, writer->metas.len);
    writer->meta.stats.samples += samples->count;
    writer->meta.stats.series++;
}

/* --- the end --- */

static enum err write_meta(struct prometheus_block_writer *writer, struct errbuf *err)
{
    if (writer->meta.sources.len == 0)
        vec_push(&writer->meta.sources, writer->meta.ulid);
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, BLOCK_META_SIZE_MAX);
    block_meta_print_reference(&writer->meta, &text);
    char *path CLEANUP(mem_cleanup) = path_join(writer->working, "meta.json");
    return fs_replace_file(writer->fs, path, buf_slice(&text), err);
}

static enum err write_files(struct prometheus_block_writer *writer, struct errbuf *err)
{
    finish_chunk_file(writer);
    if (writer->failure != ERR_NONE)
        return errbuf_set(err, writer->failure, "%s", writer->err.text);
    char *chunks CLEANUP(mem_cleanup) = path_join(writer->working, "chunks");
    char *tombstones CLEANUP(mem_cleanup) = path_join(writer->working, "tombstones");
    enum err code = prometheus_index_writer_finish(&writer->index, err);
    if (code == ERR_NONE)
        code = prometheus_tombstones_write_none(writer->fs, tombstones, err);
    if (code == ERR_NONE)
        code = write_meta(writer, err);
    if (code != ERR_NONE)
        return code;
    int done = writer->fs->sync_directory(writer->fs, chunks);
    if (done == 0)
        done = writer->fs->sync_directory(writer->fs, writer->working);
    if (done == 0)
        done = writer->fs->rename(writer->fs, writer->working, writer->path);
    if (done == 0)
        done = writer->fs->sync_directory(writer->fs, writer->directory);
    return done == 0 ? ERR_NONE : errbuf_set_errno(err, -done, "finishing %s", writer->path);
}

static void writer_free(struct prometheus_block_writer *writer)
{
    if (writer->index.list != NULL)
        prometheus_index_writer_release(&writer->index);
    file_writer_release(&writer->chunks);
    block_meta_release(&writer->meta);
    vec_release(&writer->metas);
    buf_release(&writer->chunk);
    mem_free(writer->directory);
    mem_free(writer->path);
    mem_free(writer->working);
    mem_free(writer);
}

enum err prometheus_block_writer_finish(struct prometheus_block_writer *writer,
                                        struct block_meta *out_meta, struct errbuf *err)
{
    enum err code = ERR_NONE;
    if (writer->meta.stats.samples > 0)
        code = write_files(writer, err);
    if (code == ERR_NONE)
        block_meta_copy(out_meta, &writer->meta);
    if (code != ERR_NONE || writer->meta.stats.samples == 0) {
        prometheus_block_writer_abort(writer);
        return code;
    }
    writer_free(writer);
    return code;
}

void prometheus_block_writer_abort(struct prometheus_block_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->index.list != NULL)
        prometheus_index_writer_release(&writer->index);
    writer->index.list = NULL;
    file_writer_release(&writer->chunks);
    (void)!fs_remove_tree(writer->fs, writer->working, NULL);
    writer_free(writer);
}
