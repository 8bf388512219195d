/* Walking through the pages of an index: see index_reader.h. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "tsdb/index_reader.h"
#include "tsdb/packed.h"

void index_cursor_init(struct index_cursor *cursor, const struct index_reader *index)
{
    *cursor = (struct index_cursor){
        .index = index, .symbol_page = SIZE_MAX, .value_page = SIZE_MAX, .series_page = SIZE_MAX};
    buf_init(&cursor->stored, PACKED_RAW_SIZE_MAX + PACKED_HEADER_SIZE);
    buf_init(&cursor->symbols, PACKED_RAW_SIZE_MAX);
    buf_init(&cursor->values, PACKED_RAW_SIZE_MAX);
    buf_init(&cursor->series, PACKED_RAW_SIZE_MAX);
    buf_init(&cursor->text, PACKED_RAW_SIZE_MAX);
}

void index_cursor_release(struct index_cursor *cursor)
{
    buf_release(&cursor->stored);
    buf_release(&cursor->symbols);
    buf_release(&cursor->values);
    buf_release(&cursor->series);
    buf_release(&cursor->text);
    index_row_release(&cursor->row);
}

static enum err cursor_damaged(const struct index_cursor *cursor, const struct index_page *page,
                               const char *what, struct errbuf *err)
{
    return errbuf_set(err, ERR_CORRUPT, "%s: the page at offset %llu: %s", cursor->index->file.path,
                      (unsigned long long)page->offset, what);
}

static enum err cursor_load(struct index_cursor *cursor, const struct index_page *page,
                            struct buf *raw, struct errbuf *err)
{
    const struct index_reader *index = cursor->index;
    return packed_read_file(index->file.fs, index->file.fd, index->file.path, page->offset,
                            page->stored_len, &cursor->stored, raw, err);
}

/* The last page that begins at or before `first`. */
static size_t page_before(const struct index_page *pages, size_t count, uint32_t first)
{
    size_t low = 0, high = count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (pages[middle].first <= first)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* --- symbols --- */

size_t index_symbol_page(const struct index_reader *index, uint32_t symbol)
{
    return page_before(index->symbol_pages, index->symbol_page_count, symbol);
}

static enum err load_symbols(struct index_cursor *cursor, size_t page, struct errbuf *err)
{
    if (cursor->symbol_page != page) {
        cursor->symbol_page = SIZE_MAX;
        enum err code =
            cursor_load(cursor, &cursor->index->symbol_pages[page], &cursor->symbols, err);
        if (code != ERR_NONE)
            return code;
        cursor->symbol_page = page;
    }
    cursor->symbols_at = codec_reader(cursor->symbols.data, cursor->symbols.len);
    cursor->symbol_next = cursor->index->symbol_pages[page].first;
    buf_reset(&cursor->text);
    return ERR_NONE;
}

/* The next text of the page, into `text`. */
static bool next_symbol(struct index_cursor *cursor)
{
    uint64_t shared = codec_read_uvarint(&cursor->symbols_at);
    struct slice rest = codec_read_slice(&cursor->symbols_at);
    if (cursor->symbols_at.failed || shared > cursor->text.len)
        return false;
    buf_truncate(&cursor->text, (size_t)shared);
    cursor->symbol_next++;
    return buf_append_slice(&cursor->text, rest);
}

enum err index_cursor_symbol(struct index_cursor *cursor, uint32_t symbol, struct slice *out,
                             struct errbuf *err)
{
    const struct index_reader *index = cursor->index;
    ASSERT(symbol < index->symbol_count);
    size_t page = index_symbol_page(index, symbol);
    /* the text at hand is that of symbol_next - 1 */
    if (page != cursor->symbol_page || cursor->symbol_next > symbol + 1 ||
        cursor->symbol_next == index->symbol_pages[page].first) {
        enum err code = load_symbols(cursor, page, err);
        if (code != ERR_NONE)
            return code;
    }
    while (cursor->symbol_next <= symbol) {
        if (!next_symbol(cursor))
            return cursor_damaged(cursor, &index->symbol_pages[page], "the symbols make no sense",
                                  err);
    }
    *out = buf_slice(&cursor->text);
    return ERR_NONE;
}

/* The last page whose first text is at or before this one; SIZE_MAX = none. */
static size_t symbol_page_of(const struct index_reader *index, struct slice text)
{
    size_t low = 0, high = index->symbol_page_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_cmp(index->symbol_pages[middle].text, text) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? SIZE_MAX : low - 1;
}

/* A search through texts that ascend, each told by what it shares with the one before. */
struct text_search {
    struct slice text; /* that is looked for */
    size_t same;       /* bytes that it and the text at hand begin with */
    size_t len;        /* of the text at hand */
};

/* Compares the next text with the one that is looked for, as slice_cmp does, mostly without a look
 * at its bytes. The text at hand comes before the one that is looked for: what shares more with it
 * does so, too, and what shares less has a greater byte where they part. */
static int text_search_next(struct text_search *search, size_t shared, struct slice rest)
{
    search->len = shared + rest.len;
    if (shared != search->same)
        return shared > search->same ? -1 : 1;
    struct slice wanted = slice_sub(search->text, shared, search->text.len - shared);
    size_t len = MIN(rest.len, wanted.len), i = 0;
    while (i < len && rest.ptr[i] == wanted.ptr[i])
        i++;
    search->same += i;
    if (i < len)
        return (unsigned char)rest.ptr[i] < (unsigned char)wanted.ptr[i] ? -1 : 1;
    return (rest.len > wanted.len) - (rest.len < wanted.len);
}

enum err index_cursor_find_symbol(struct index_cursor *cursor, struct slice text, uint32_t *out,
                                  struct errbuf *err)
{
    *out = INDEX_NONE;
    size_t page = symbol_page_of(cursor->index, text);
    if (page == SIZE_MAX)
        return ERR_NONE;
    enum err code = load_symbols(cursor, page, err);
    const struct index_page *entry = &cursor->index->symbol_pages[page];
    struct codec_reader reader = cursor->symbols_at;
    struct text_search search = {.text = text};
    for (uint32_t i = 0; code == ERR_NONE && i < entry->count; i++) {
        uint64_t shared = codec_read_uvarint(&reader);
        struct slice rest = codec_read_slice(&reader);
        if (reader.failed || shared > search.len)
            return cursor_damaged(cursor, entry, "the symbols make no sense", err);
        int order = text_search_next(&search, (size_t)shared, rest);
        if (order == 0)
            *out = entry->first + i;
        if (order >= 0)
            break;
    }
    return code;
}

enum err index_cursor_find_name(struct index_cursor *cursor, struct slice text, uint32_t *out,
                                struct errbuf *err)
{
    const struct index_reader *index = cursor->index;
    uint32_t symbol;
    *out = INDEX_NONE;
    enum err code = index_cursor_find_symbol(cursor, text, &symbol, err);
    if (code != ERR_NONE || symbol == INDEX_NONE)
        return code;
    size_t low = 0, high = index->name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (index->names[middle].symbol < symbol)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < index->name_count && index->names[low].symbol == symbol)
        *out = (uint32_t)low;
    return ERR_NONE;
}

/* --- values --- */

/* A page of values: heads first, postings behind them. */
struct value_walk {
    const struct index_page *page;
    struct codec_reader heads;
    struct codec_reader postings;
    uint32_t symbol;
    uint32_t left;
};

static void skip_heads(struct codec_reader *reader, uint32_t count)
{
    for (uint64_t i = 0; i < 3 * (uint64_t)count && !reader->failed; i++)
        (void)codec_read_uvarint(reader);
}

static enum err value_walk_start(struct index_cursor *cursor, size_t page, struct value_walk *out,
                                 struct errbuf *err)
{
    const struct index_page *entry = &cursor->index->value_pages[page];
    if (cursor->value_page != page) {
        cursor->value_page = SIZE_MAX;
        enum err code = cursor_load(cursor, entry, &cursor->values, err);
        if (code != ERR_NONE)
            return code;
        cursor->value_page = page;
    }
    *out = (struct value_walk){.page = entry, .symbol = entry->first, .left = entry->count};
    out->heads = codec_reader(cursor->values.data, cursor->values.len);
    if (codec_read_uvarint(&out->heads) != entry->count)
        return cursor_damaged(cursor, entry, "another number of values than announced", err);
    out->postings = out->heads;
    skip_heads(&out->postings, entry->count);
    return ERR_NONE;
}

static enum err value_walk_next(struct index_cursor *cursor, struct value_walk *walk,
                                struct index_value *out, struct errbuf *err)
{
    uint64_t symbol = walk->symbol + codec_read_uvarint(&walk->heads);
    uint64_t series_count = codec_read_uvarint(&walk->heads);
    uint64_t len = codec_read_uvarint(&walk->heads);
    out->postings = codec_read_bytes(&walk->postings, (size_t)len);
    if (walk->heads.failed || walk->postings.failed || symbol >= cursor->index->symbol_count ||
        series_count > cursor->index->series_count || series_count == 0)
        return cursor_damaged(cursor, walk->page, "the values make no sense", err);
    walk->symbol = out->symbol = (uint32_t)symbol;
    out->series_count = (uint32_t)series_count;
    walk->left--;
    return ERR_NONE;
}

enum err index_cursor_values(struct index_cursor *cursor, uint32_t name,
                             enum err (*each)(void *context, const struct index_value *value,
                                              struct errbuf *err),
                             void *context, struct errbuf *err)
{
    ASSERT(name < cursor->index->name_count);
    const struct index_name *entry = &cursor->index->names[name];
    enum err code = ERR_NONE;
    for (size_t i = 0; i < entry->page_count && code == ERR_NONE; i++) {
        struct value_walk walk;
        code = value_walk_start(cursor, entry->page_first + i, &walk, err);
        while (code == ERR_NONE && walk.left > 0) {
            struct index_value value;
            code = value_walk_next(cursor, &walk, &value, err);
            if (code == ERR_NONE)
                code = each(context, &value, err);
        }
    }
    return code;
}

enum err index_cursor_postings(struct index_cursor *cursor, uint32_t name, uint32_t value,
                               series_ids *out, struct errbuf *err)
{
    ASSERT(name < cursor->index->name_count);
    const struct index_name *entry = &cursor->index->names[name];
    const struct index_page *pages = cursor->index->value_pages + entry->page_first;
    if (entry->page_count == 0 || pages[0].first > value)
        return ERR_NONE;
    struct value_walk walk;
    size_t page = entry->page_first + page_before(pages, entry->page_count, value);
    enum err code = value_walk_start(cursor, page, &walk, err);
    while (code == ERR_NONE && walk.left > 0) {
        struct index_value found = {0};
        code = value_walk_next(cursor, &walk, &found, err);
        if (code != ERR_NONE || found.symbol < value)
            continue;
        if (found.symbol > value)
            break;
        code = index_postings_read(found.postings, found.series_count, cursor->index->series_count,
                                   out);
        if (code != ERR_NONE)
            return cursor_damaged(cursor, walk.page, "the list of series makes no sense", err);
        break;
    }
    return code;
}

/* --- series --- */

static enum err load_series(struct index_cursor *cursor, size_t page, struct errbuf *err)
{
    const struct index_page *entry = &cursor->index->series_pages[page];
    if (cursor->series_page != page) {
        cursor->series_page = SIZE_MAX;
        enum err code = cursor_load(cursor, entry, &cursor->series, err);
        if (code != ERR_NONE)
            return code;
        cursor->series_page = page;
    }
    cursor->series_at = codec_reader(cursor->series.data, cursor->series.len);
    cursor->series_next = entry->first;
    index_row_reset(&cursor->row, entry->chunk_first);
    return ERR_NONE;
}

static bool row_is_sound(const struct index_cursor *cursor)
{
    const struct index_reader *index = cursor->index;
    for (size_t i = 0; i < cursor->row.pairs.len; i++) {
        if (cursor->row.pairs.items[i].name >= index->name_count ||
            cursor->row.pairs.items[i].value >= index->symbol_count)
            return false;
    }
    const struct index_row *row = &cursor->row;
    if (row->chunks.len == 0)
        return true;
    /* at most 2^20 chunks and steps below 2^32 */
    uint64_t last = (row->chunks.len - 1) * (uint64_t)row->chunk_step;
    return row->chunk_first < index->chunk_count && last < index->chunk_count - row->chunk_first;
}

enum err index_cursor_series(struct index_cursor *cursor, uint32_t series, struct errbuf *err)
{
    const struct index_reader *index = cursor->index;
    ASSERT(series < index->series_count);
    size_t page = page_before(index->series_pages, index->series_page_count, series);
    if (page != cursor->series_page || cursor->series_next > series) {
        enum err code = load_series(cursor, page, err);
        if (code != ERR_NONE)
            return code;
    }
    while (cursor->series_next <= series) {
        if (!index_row_read(&cursor->series_at, &cursor->row, index->file.version)) {
            cursor->series_page = SIZE_MAX;
            return cursor_damaged(cursor, &index->series_pages[page], "the series make no sense",
                                  err);
        }
        cursor->series_next++;
    }
    if (row_is_sound(cursor))
        return ERR_NONE;
    return cursor_damaged(cursor, &index->series_pages[page],
                          "a series has unknown labels or chunks", err);
}
