/* What the files of a block's reader share. */
#pragma once

#include "base/mutex.h"
#include "tsdb/block.h"
#include "tsdb/block_times.h"
#include "tsdb/index_reader.h"
#include "tsdb/paged_file.h"
#include "tsdb/tombstones.h"

#include <stdbool.h>
#include <stdint.h>

/* A page of the chunks file. */
struct block_page {
    uint64_t chunk_first;
    uint64_t offset;
    size_t stored_len;
};

struct block {
    struct series_source source; /* first */
    _Atomic uint32_t reference_count;
    const struct fs *fs;
    char *path;
    struct block_meta meta;
    struct index_reader *index;
    struct paged_file chunks;
    struct block_page *pages; /* one more than there are: where the chunks end */
    size_t page_count;
    struct block_times times;
    /* The process's symbol + 1 of each symbol of the index, 0 = not asked for yet; made at the
     * first use. Whole pages of symbols are interned at once, and given back with the block. */
    _Atomic(_Atomic uint32_t *) symbols;
    struct mutex lock;
    /* guarded by lock: */
    struct tombstones *tombstones;
    uint64_t size_bytes;
    bool failed; /* merging it */
};

/* One series of a view, in the view's arena. */
struct block_series {
    uint32_t id;
    uint32_t chunk_count;
    uint32_t chunk_step; /* chunks are chunk_first, chunk_first + chunk_step, ... */
    uint64_t chunk_first;
    const struct index_chunk_times *times;
};

struct block_view {
    struct series_view view;       /* first */
    struct block *block;           /* counted */
    struct tombstones *tombstones; /* counted */
    struct index_cursor cursor;
    struct arena arena;
    VEC(struct label_pair) pairs;
};

/* The process's symbol of one of the index, borrowed from the block. */
enum err block_symbol(struct block *block, struct index_cursor *cursor, uint32_t symbol,
                      uint32_t *out, struct errbuf *err) MUST_CHECK;

/* block_view.c */
extern const struct series_source_operations block_source_operations;
/* block_read.c: as series_view_operations.read */
enum err block_view_read(struct series_view *base, const struct series_entry *entry, int64_t min_ms,
                         int64_t max_ms, struct sample_columns *out, struct errbuf *err) MUST_CHECK;
