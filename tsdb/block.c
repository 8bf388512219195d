#include "tsdb/block.h"

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/path.h"
#include "model/symbols.h"
#include "tsdb/block_files.h"
#include "tsdb/block_internal.h"
#include "tsdb/index_select.h"
#include "tsdb/packed.h"
#include "tsdb/page.h"

static char *file_path(const char *path, const char *name)
{
    return path_join(path, name);
}

/* --- opening --- */

static enum err open_meta(struct block *block, struct errbuf *err)
{
    char *path = file_path(block->path, BLOCK_FILE_META);
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, BLOCK_META_SIZE_MAX);
    enum err code = fs_read_file(block->fs, path, &text, err);
    if (code == ERR_NONE) {
        code = block_meta_parse(buf_slice(&text), &block->meta, err);
        if (code != ERR_NONE)
            errbuf_prefix(err, "%s: ", path);
    }
    const char *name = strrchr(block->path, '/');
    name = name == NULL ? block->path : name + 1;
    if (code == ERR_NONE && strcmp(name, block->meta.ulid.text) != 0)
        code = errbuf_set(err, ERR_CORRUPT, "%s: it describes the block %s", path,
                          block->meta.ulid.text);
    mem_free(path);
    return code;
}

static enum err parse_pages(struct block *block, struct slice raw, struct errbuf *err)
{
    const struct paged_file *file = &block->chunks;
    struct codec_reader reader = codec_reader(raw.ptr, raw.len);
    uint64_t count = codec_read_uvarint(&reader), chunks = 0, offset = PAGED_HEADER_SIZE;
    if (reader.failed || count > codec_left(&reader))
        return paged_file_damaged(file, file->directory_offset, "the directory makes no sense",
                                  err);
    block->page_count = (size_t)count;
    block->pages = mem_zalloc((block->page_count + 1) * sizeof(*block->pages));
    for (size_t i = 0; i < block->page_count; i++) {
        uint64_t of_page = codec_read_uvarint(&reader), stored = codec_read_uvarint(&reader);
        if (reader.failed || of_page == 0 || of_page > PAGE_CHUNKS_MAX ||
            stored > file->directory_offset - offset)
            return paged_file_damaged(file, file->directory_offset, "the directory makes no sense",
                                      err);
        block->pages[i] = (struct block_page){chunks, offset, (size_t)stored};
        chunks += of_page;
        offset += stored;
    }
    block->pages[block->page_count] = (struct block_page){chunks, offset, 0};
    if (codec_left(&reader) > 0 || offset != file->directory_offset ||
        chunks != block->index->chunk_count)
        return paged_file_damaged(file, file->directory_offset,
                                  "the directory does not fit the index", err);
    return ERR_NONE;
}

static enum err open_chunks(struct block *block, struct errbuf *err)
{
    char *path = file_path(block->path, BLOCK_FILE_CHUNKS);
    struct buf CLEANUP(buf_release) raw;
    buf_init(&raw, PACKED_RAW_SIZE_MAX);
    enum err code = paged_file_open(&block->chunks, block->fs, path, CHUNKS_MAGIC, &raw, err);
    if (code == ERR_NONE)
        code = parse_pages(block, buf_slice(&raw), err);
    mem_free(path);
    return code;
}

static uint64_t files_size(const struct block *block)
{
    static const char *const names[] = {BLOCK_FILE_META, BLOCK_FILE_INDEX, BLOCK_FILE_CHUNKS,
                                        BLOCK_FILE_TIMES, BLOCK_FILE_TOMBSTONES};
    uint64_t size = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct fs_stat stat;
        char *path = file_path(block->path, names[i]);
        if (block->fs->stat(block->fs, path, &stat) == 0)
            size += stat.size;
        mem_free(path);
    }
    return size;
}

static enum err open_files(struct block *block, struct errbuf *err)
{
    enum err code = open_meta(block, err);
    if (code == ERR_NONE) {
        char *path = file_path(block->path, BLOCK_FILE_INDEX);
        code = index_open(block->fs, path, &block->index, err);
        mem_free(path);
    }
    if (code == ERR_NONE)
        code = open_chunks(block, err);
    if (code == ERR_NONE) {
        char *path = file_path(block->path, BLOCK_FILE_TIMES);
        code = block_times_open(&block->times, block->fs, path, err);
        mem_free(path);
    }
    if (code == ERR_NONE) {
        char *path = file_path(block->path, BLOCK_FILE_TOMBSTONES);
        code = tombstones_read(block->fs, path, !block->meta.always_tombstones, &block->tombstones,
                               err);
        mem_free(path);
    }
    return code;
}

enum err block_open(const struct fs *fs, const char *path, struct block **out, struct errbuf *err)
{
    struct block *block = mem_zalloc(sizeof(*block));
    block->source.operations = &block_source_operations;
    block->reference_count = 1;
    block->fs = fs;
    block->path = mem_dup(path, strlen(path) + 1);
    mutex_init(&block->lock, LOCK_RANK_BLOCK);
    enum err code = open_files(block, err);
    if (code != ERR_NONE) {
        block_unref(block);
        return code;
    }
    block->size_bytes = files_size(block);
    block->failed = block->meta.failed;
    *out = block;
    return ERR_NONE;
}

struct block *block_ref(struct block *block)
{
    block->reference_count++;
    return block;
}

static void release_symbols(struct block *block)
{
    _Atomic uint32_t *symbols = block->symbols;
    for (uint32_t i = 0; symbols != NULL && i < block->index->symbol_count; i++) {
        if (symbols[i] != 0)
            symbols_unref(symbols[i] - 1);
    }
    mem_free(symbols);
}

void block_unref(struct block *block)
{
    if (block == NULL || --block->reference_count > 0)
        return;
    release_symbols(block);
    index_close(block->index);
    paged_file_close(&block->chunks);
    mem_free(block->pages);
    block_times_close(&block->times);
    tombstones_unref(block->tombstones);
    block_meta_release(&block->meta);
    mutex_release(&block->lock);
    mem_free(block->path);
    mem_free(block);
}

const struct block_meta *block_meta(const struct block *block)
{
    return &block->meta;
}

void block_meta_now(const struct block *block, struct block_meta *out)
{
    struct block *locked = (struct block *)block;
    block_meta_copy(out, &block->meta);
    MUTEX_GUARD(&locked->lock);
    out->stats.tombstones = block->tombstones->items.len;
    out->failed = block->failed;
}

static enum err write_meta(const struct block *block, const struct block_meta *meta,
                           struct errbuf *err)
{
    struct buf CLEANUP(buf_release) text;
    buf_init(&text, BLOCK_META_SIZE_MAX);
    block_meta_print(meta, &text);
    char *path CLEANUP(mem_cleanup) = file_path(block->path, BLOCK_FILE_META);
    return fs_replace_file(block->fs, path, buf_slice(&text), err);
}

enum err block_mark_failed(struct block *block, struct errbuf *err)
{
    mutex_lock(&block->lock);
    block->failed = true;
    mutex_unlock(&block->lock);
    struct block_meta CLEANUP(block_meta_release) meta;
    block_meta_now(block, &meta);
    return write_meta(block, &meta, err);
}

enum err block_mark_out_of_order(struct block *block, struct errbuf *err)
{
    struct block_meta CLEANUP(block_meta_release) meta;
    block_meta_now(block, &meta);
    meta.out_of_order = true;
    return write_meta(block, &meta, err);
}

const char *block_path(const struct block *block)
{
    return block->path;
}

uint64_t block_size_bytes(const struct block *block)
{
    struct block *locked = (struct block *)block;
    MUTEX_GUARD(&locked->lock);
    return block->size_bytes;
}

uint64_t block_memory(const struct block *block)
{
    const struct index_reader *index = block->index;
    uint64_t bytes = sizeof(*block) + sizeof(*index) + index->arena.used;
    bytes += block->page_count * sizeof(*block->pages);
    bytes += block->times.page_count * sizeof(*block->times.pages);
    if (block->symbols != NULL)
        bytes += (uint64_t)index->symbol_count * sizeof(uint32_t);
    return bytes;
}

void block_keep_pages(struct block *block, struct index_leaves *leaves)
{
    block->index->leaves = leaves;
}

struct series_source *block_source(struct block *block)
{
    return &block->source;
}

/* --- symbols --- */

static _Atomic uint32_t *symbol_map(struct block *block)
{
    _Atomic uint32_t *symbols = block->symbols;
    if (symbols != NULL)
        return symbols;
    MUTEX_GUARD(&block->lock);
    if (block->symbols == NULL)
        block->symbols = mem_zalloc(((size_t)block->index->symbol_count + 1) * sizeof(*symbols));
    return block->symbols;
}

/* All symbols of a page: its neighbours are likely to be asked for next. */
static enum err intern_page(_Atomic uint32_t *symbols, struct index_cursor *cursor,
                            const struct index_page *page, struct errbuf *err)
{
    for (uint32_t i = 0; i < page->count; i++) {
        struct slice text;
        enum err code = index_cursor_symbol(cursor, page->first + i, &text, err);
        if (code != ERR_NONE)
            return code;
        uint32_t none = 0, symbol = symbols_intern(text);
        /* another view may have been faster */
        if (!atomic_compare_exchange_strong(&symbols[page->first + i], &none, symbol + 1))
            symbols_unref(symbol);
    }
    return ERR_NONE;
}

enum err block_symbol(struct block *block, struct index_cursor *cursor, uint32_t symbol,
                      uint32_t *out, struct errbuf *err)
{
    ASSERT(symbol < block->index->symbol_count);
    _Atomic uint32_t *symbols = symbol_map(block);
    uint32_t known = symbols[symbol];
    if (UNLIKELY(known == 0)) {
        size_t page = index_symbol_page(block->index, symbol);
        enum err code = intern_page(symbols, cursor, &block->index->symbol_pages[page], err);
        if (code != ERR_NONE)
            return code;
        known = symbols[symbol];
    }
    *out = known - 1;
    return ERR_NONE;
}

/* --- deleting --- */

/* The part of [min_ms, max_ms] that the series has chunks in; false when there is none. */
static bool series_span(const struct index_row *row, int64_t min_ms, int64_t max_ms,
                        struct tombstone *out)
{
    if (row->chunks.len == 0)
        return false;
    out->min_ms = MAX(min_ms, row->chunks.items[0].min_ms);
    out->max_ms = MIN(max_ms, row->chunks.items[row->chunks.len - 1].max_ms);
    return out->min_ms <= out->max_ms;
}

static enum err find_spans(struct block *block, const struct matcher *const *matchers, size_t count,
                           int64_t min_ms, int64_t max_ms, struct tombstones *found,
                           struct errbuf *err)
{
    struct index_cursor cursor;
    series_ids ids = {0};
    index_cursor_init(&cursor, block->index);
    enum err code = index_select(&cursor, matchers, count, &ids, err);
    for (size_t i = 0; i < ids.len && code == ERR_NONE; i++) {
        struct tombstone span = {.series = ids.items[i]};
        code = index_cursor_series(&cursor, ids.items[i], err);
        if (code == ERR_NONE && series_span(&cursor.row, min_ms, max_ms, &span))
            vec_push(&found->items, span);
    }
    vec_release(&ids);
    index_cursor_release(&cursor);
    return code;
}

static enum err write_deletions(struct block *block, struct tombstones *tombstones,
                                struct errbuf *err)
{
    char *path = file_path(block->path, BLOCK_FILE_TOMBSTONES);
    enum err code = tombstones_write(tombstones, block->fs, path, err);
    mem_free(path);
    return code;
}

enum err block_delete(struct block *block, const struct matcher *const *matchers, size_t count,
                      int64_t min_ms, int64_t max_ms, uint64_t *out_count, struct errbuf *err)
{
    struct tombstones *found = tombstones_new(NULL, NULL, 0);
    enum err code = find_spans(block, matchers, count, min_ms, max_ms, found, err);
    if (out_count != NULL)
        *out_count = found->items.len;
    if (code == ERR_NONE && found->items.len > 0) {
        /* one deletion at a time is the caller's business: maintenance_lock */
        struct tombstones *all =
            tombstones_new(block->tombstones, found->items.items, found->items.len);
        code = write_deletions(block, all, err);
        if (code == ERR_NONE) {
            uint64_t size_bytes = files_size(block);
            MUTEX_GUARD(&block->lock);
            struct tombstones *old = block->tombstones;
            block->tombstones = all;
            block->size_bytes = size_bytes;
            all = old;
        }
        tombstones_unref(all);
    }
    tombstones_unref(found);
    return code;
}

uint64_t block_tombstone_count(const struct block *block)
{
    struct block *locked = (struct block *)block;
    MUTEX_GUARD(&locked->lock);
    return block->tombstones->items.len;
}
