/* Walking through the pages of an index: see index_reader.h. */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "tsdb/index_reader.h"
#include "tsdb/packed.h"

/* Who reads so many pages one after another walks, and does not come back soon. */
#define RUN_OF_A_WALK 2
/* Fewer rows than this are passed as fast as a place is found. */
#define JUMP_MIN (INDEX_PLACES_APART / 2)

void index_cursor_init(struct index_cursor *cursor, const struct index_reader *index)
{
    *cursor = (struct index_cursor){.index = index,
                                    .symbols.number = SIZE_MAX,
                                    .values.number = SIZE_MAX,
                                    .series.number = SIZE_MAX};
    buf_init(&cursor->stored, PACKED_RAW_SIZE_MAX + PACKED_HEADER_SIZE);
    buf_init(&cursor->text, PACKED_RAW_SIZE_MAX);
}

void index_cursor_release(struct index_cursor *cursor)
{
    buf_release(&cursor->stored);
    index_leaf_unref(cursor->symbols.leaf);
    index_leaf_unref(cursor->values.leaf);
    index_leaf_unref(cursor->series.leaf);
    buf_release(&cursor->text);
    index_row_release(&cursor->row);
}

static enum err cursor_damaged(const struct index_cursor *cursor, const struct index_page *page,
                               const char *what, struct errbuf *err)
{
    return errbuf_set(err, ERR_CORRUPT, "%s: the page at offset %llu: %s", cursor->index->file.path,
                      (unsigned long long)page->offset, what);
}

/* Reads the page into a leaf of the cursor's own. */
static enum err cursor_read(struct index_cursor *cursor, const struct index_page *page,
                            struct index_cursor_page *into, struct errbuf *err)
{
    const struct index_reader *index = cursor->index;
    if (into->leaf == NULL || !index_leaf_is_own(into->leaf)) {
        index_leaf_unref(into->leaf);
        into->leaf = index_leaf_new();
    }
    into->leaf->index = index;
    into->leaf->page = page;
    return packed_read_file(index->file.fs, index->file.fd, index->file.path, page->offset,
                            page->stored_len, &cursor->stored, &into->leaf->raw, err);
}

/* Makes the page of this number the one at hand. */
static enum err cursor_load(struct index_cursor *cursor, const struct index_page *pages,
                            size_t number, struct index_cursor_page *at, struct errbuf *err)
{
    struct index_leaves *leaves = cursor->index->leaves;
    if (at->number == number)
        return ERR_NONE;
    at->run = at->number != SIZE_MAX && number == at->number + 1 ? at->run + 1 : 0;
    at->number = SIZE_MAX;
    at->again = false;
    bool walks = leaves == NULL || at->run >= RUN_OF_A_WALK;
    struct index_leaf *kept = walks ? NULL : index_leaves_find(leaves, &pages[number]);
    if (kept != NULL) {
        index_leaf_unref(at->leaf);
        at->leaf = kept;
        at->again = true;
    } else {
        enum err code = cursor_read(cursor, &pages[number], at, err);
        if (code != ERR_NONE)
            return code;
        if (!walks)
            index_leaves_keep(leaves, at->leaf);
    }
    at->number = number;
    return ERR_NONE;
}

static struct codec_reader page_reader(const struct index_cursor_page *page)
{
    return codec_reader(page->leaf->raw.data, page->leaf->raw.len);
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
    enum err code = cursor_load(cursor, cursor->index->symbol_pages, page, &cursor->symbols, err);
    if (code != ERR_NONE)
        return code;
    cursor->symbols_at = page_reader(&cursor->symbols);
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
    if (page != cursor->symbols.number || cursor->symbol_next > symbol + 1 ||
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
    enum err code = cursor_load(cursor, cursor->index->value_pages, page, &cursor->values, err);
    if (code != ERR_NONE)
        return code;
    *out = (struct value_walk){.page = entry, .symbol = entry->first, .left = entry->count};
    out->heads = page_reader(&cursor->values);
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
    enum err code = cursor_load(cursor, cursor->index->series_pages, page, &cursor->series, err);
    if (code != ERR_NONE)
        return code;
    cursor->series_at = page_reader(&cursor->series);
    cursor->series_next = entry->first;
    index_row_reset(&cursor->row, entry->chunk_first);
    return ERR_NONE;
}

/* Goes on from the last place before the series, if that is ahead. */
static void jump(struct index_cursor *cursor, uint32_t series)
{
    uint32_t first = cursor->index->series_pages[cursor->series.number].first;
    if (!cursor->series.again || series - cursor->series_next < JUMP_MIN)
        return;
    const struct index_places *places = index_leaf_places(cursor->series.leaf);
    size_t number = MIN((size_t)(series - first) / INDEX_PLACES_APART, places->items.len);
    uint32_t next = first + (uint32_t)number * INDEX_PLACES_APART;
    if (number == 0 || next <= cursor->series_next)
        return;
    index_place_restore(places, number - 1, &cursor->row);
    cursor->series_at = page_reader(&cursor->series);
    cursor->series_at.at += places->items.items[number - 1].offset;
    cursor->series_next = next;
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
    if (page != cursor->series.number || cursor->series_next > series) {
        enum err code = load_series(cursor, page, err);
        if (code != ERR_NONE)
            return code;
    }
    jump(cursor, series);
    while (cursor->series_next <= series) {
        if (!index_row_read(&cursor->series_at, &cursor->row, index->file.version)) {
            cursor->series.number = SIZE_MAX;
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
