/*
 * Reading the index of a block (index_format.h). Opening decodes the directory only; pages are read
 * when they are asked for, by pread and not through a mapping, since a mapped file that shrinks or
 * cannot be read ends the process.
 *
 * Every number that comes from the file is checked before it is used; ERR_CORRUPT names file and
 * offset.
 *
 * Ownership: heap object. Thread-safety: an open index is immutable but for the pages that are kept
 * of it (index_leaves.h); a cursor has one owner.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/slice.h"
#include "tsdb/index_format.h"
#include "tsdb/index_leaves.h"
#include "tsdb/index_postings.h"
#include "tsdb/index_rows.h"
#include "tsdb/paged_file.h"

#include <stdbool.h>
#include <stdint.h>

struct index_page {
    uint32_t first; /* symbol, value or series */
    uint32_t count;
    uint64_t chunk_first; /* series pages */
    uint64_t offset;
    size_t stored_len;
    struct slice text; /* symbol pages: the first symbol */
};

struct index_name {
    uint32_t symbol;
    uint32_t value_count;
    uint64_t pair_count; /* series that have it */
    size_t page_first;   /* in value_pages */
    size_t page_count;
};

struct index_reader {
    struct paged_file file;
    uint32_t symbol_count;
    uint32_t series_count;
    uint64_t chunk_count;
    struct index_page *symbol_pages;
    size_t symbol_page_count;
    struct index_name *names; /* ascending symbols, so sorted by text */
    size_t name_count;
    struct index_page *value_pages;
    size_t value_page_count;
    struct index_page *series_pages;
    size_t series_page_count;
    struct arena arena;
    _Atomic(struct index_leaves *) leaves; /* where pages are kept; borrowed, NULL = nowhere */
};

enum err index_open(const struct fs *fs, const char *path, struct index_reader **out,
                    struct errbuf *err) MUST_CHECK;
void index_close(struct index_reader *index);

/* A page that a reader unpacked last. */
struct index_cursor_page {
    size_t number; /* SIZE_MAX = none */
    size_t run;    /* so many pages before it were read one after another */
    bool again;    /* it was kept since somebody asked for it before */
    struct index_leaf *leaf;
};

/* Where a reader is. */
struct index_cursor {
    const struct index_reader *index;
    struct buf stored;
    struct index_cursor_page symbols;
    struct index_cursor_page values;
    struct index_cursor_page series;
    struct codec_reader series_at;
    uint32_t series_next; /* the one that would be read next */
    struct buf text;      /* of the symbol that was asked for last */
    struct codec_reader symbols_at;
    uint32_t symbol_next;
    /* what index_cursor_series found: */
    struct index_row row; /* names are ordinals, values symbols */
};

void index_cursor_init(struct index_cursor *cursor, const struct index_reader *index);
void index_cursor_release(struct index_cursor *cursor);

/* The page that has a symbol. */
size_t index_symbol_page(const struct index_reader *index, uint32_t symbol);
/* The text of a symbol; valid until the next call. Ascending symbols are cheapest. */
enum err index_cursor_symbol(struct index_cursor *cursor, uint32_t symbol, struct slice *out,
                             struct errbuf *err) MUST_CHECK;
/* The symbol of a text; INDEX_NONE when there is none. */
enum err index_cursor_find_symbol(struct index_cursor *cursor, struct slice text, uint32_t *out,
                                  struct errbuf *err) MUST_CHECK;
/* The ordinal of a name; INDEX_NONE when no series has it. */
enum err index_cursor_find_name(struct index_cursor *cursor, struct slice text, uint32_t *out,
                                struct errbuf *err) MUST_CHECK;

/* One value of a name and, as bytes, the series that have it. */
struct index_value {
    uint32_t symbol;
    uint32_t series_count;
    struct slice postings; /* valid until another page of values is read */
};
/* Calls `each` for the values of a name, ascending; ends with what it answers when that is not
 * ERR_NONE. */
enum err index_cursor_values(struct index_cursor *cursor, uint32_t name,
                             enum err (*each)(void *context, const struct index_value *value,
                                              struct errbuf *err),
                             void *context, struct errbuf *err) MUST_CHECK;
/* Appends the series that have one value; `out_count` (may be NULL) is how many. */
enum err index_cursor_postings(struct index_cursor *cursor, uint32_t name, uint32_t value,
                               series_ids *out, struct errbuf *err) MUST_CHECK;

/* Fills `row`. Ascending series are cheapest. */
enum err index_cursor_series(struct index_cursor *cursor, uint32_t series,
                             struct errbuf *err) MUST_CHECK;
