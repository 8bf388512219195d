/*
 * Pages: many chunks as one run of bytes, the unit that is compressed, checked and read.
 *
 * A page knows of each chunk its kind, its number of samples and where its times are (a time column
 * and the first row of it; numbers of the writer, which the page only keeps), so that a chunk is
 * found by (page, number) alone. LZ4 where it pays, else stored plain; CRC32C over all of it. The
 * bytes are drawn in docs/formats/chunk.md.
 *
 * Ownership: a writer owns its buffers. A page owns what it unpacked; its chunks' bytes are
 * borrowed from it, or from the stored bytes where the page is plain. Thread-safety: one owner; an
 * opened page is immutable. Limits: PAGE_CHUNKS_MAX chunks, PAGE_RAW_SIZE_MAX bytes.
 */
#pragma once

#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_CHUNKS_MAX 256
#define PAGE_CHUNKS_FAST 128
#define PAGE_SIZE_FAST 16384  /* a page is full at this many bytes of chunks; LZ4 */
#define PAGE_SIZE_DENSE 65536 /* for data that is written once: LZ4HC, up to PAGE_CHUNKS_MAX */
#define PAGE_RAW_SIZE_MAX (64u << 20)
#define PAGE_CHUNK_SIZE_MAX (60u << 20)
#define PAGE_HEADER_SIZE 16

enum page_chunk_kind {
    PAGE_CHUNK_VALUES,     /* value_chunk.h */
    PAGE_CHUNK_HISTOGRAMS, /* histogram_chunk.h */
    /* the same behind the start times of the samples (time_column.h) */
    PAGE_CHUNK_VALUES_SINCE,
    PAGE_CHUNK_HISTOGRAMS_SINCE,
    /* values, to be added to those of the chunk before in the page, which has the same times and is
     * of this kind or PAGE_CHUNK_VALUES */
    PAGE_CHUNK_ABOVE,
};
#define PAGE_CHUNK_KIND_MAX PAGE_CHUNK_ABOVE

struct page_chunk {
    enum page_chunk_kind kind;
    uint32_t count;       /* of samples */
    uint32_t time_column; /* the writer's number for it */
    uint32_t row_first;
    struct slice bytes;
};

struct page_writer {
    bool dense;
    uint32_t count;
    struct buf chunks;
    /* private */
    struct buf raw;
    struct buf packed;
    uint64_t lens[PAGE_CHUNKS_MAX];
    uint64_t kinds[PAGE_CHUNKS_MAX];
    uint64_t counts[PAGE_CHUNKS_MAX];
    uint64_t time_columns[PAGE_CHUNKS_MAX];
    uint64_t rows[PAGE_CHUNKS_MAX];
};

void page_writer_init(struct page_writer *writer, bool dense);
void page_writer_release(struct page_writer *writer);
/* Should the page be finished before another chunk of `len` bytes comes, or so many chunks, of
 * `len` bytes together? */
bool page_writer_full(const struct page_writer *writer, size_t len);
bool page_writer_full_for(const struct page_writer *writer, size_t chunks, size_t len);
/* Copies the chunk, of at most PAGE_CHUNK_SIZE_MAX bytes; returns its number in the page. The page
 * must not be full. */
uint32_t page_writer_add(struct page_writer *writer, const struct page_chunk *chunk);
/* Appends the page to `out` and begins a new one. There must be a chunk. */
enum err page_writer_finish(struct page_writer *writer, struct buf *out,
                            struct errbuf *err) MUST_CHECK;

struct page {
    uint32_t count;
    /* private */
    struct buf unpacked;
    struct page_chunk chunks[PAGE_CHUNKS_MAX];
};

/* How many bytes the page at the front of `bytes` has; ERR_CORRUPT when its header makes no sense
 * or bytes are missing. */
enum err page_stored_size(struct slice bytes, size_t *out_size, struct errbuf *err) MUST_CHECK;
/* Checks and unpacks the page that is all of `bytes`, which must live as long as the page. To be
 * called on zeroed memory or a page that was opened before; page_release after all of them. */
enum err page_open(struct page *page, struct slice bytes, struct errbuf *err) MUST_CHECK;
void page_release(struct page *page);
/* NULL above the last. Valid until the page is opened anew or released. */
const struct page_chunk *page_chunk(const struct page *page, uint32_t number);
