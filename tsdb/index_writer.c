#include "tsdb/index_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "model/symbols.h"
#include "tsdb/index_format.h"
#include "tsdb/index_postings.h"
#include "tsdb/index_rows.h"
#include "tsdb/packed.h"
#include "tsdb/paged_file.h"

#define ROW_BYTES_MAX BUF_SIZE_ANY
/* Pairs that are sorted at a time. */
#define PAIR_BATCH ((uint64_t)4 << 20)
#define RADIX_BITS 11

/* A name of labels; `slot` is its symbol. */
struct writer_name {
    uint32_t slot;
    uint32_t rank;
    uint32_t ordinal; /* among names, by text */
    uint64_t pair_count;
    uint64_t *pairs; /* of the batch: value rank << 32 | series */
    uint64_t gathered;
};

struct symbol_slot {
    uint32_t symbol;
    uint32_t rank;
    uint32_t name; /* index in names, INDEX_NONE = is none */
};

/* A page of the directory. */
struct page_entry {
    uint32_t first;  /* symbol, value or series */
    uint32_t count;  /* of these */
    uint64_t chunks; /* series pages */
    size_t stored;
    struct slice text; /* symbol pages: the first */
};

struct index_writer {
    VEC(uint32_t) slot_of_symbol; /* slot + 1 */
    VEC(struct symbol_slot) slots;
    VEC(struct writer_name) names;
    struct buf rows; /* pairs are slots */
    struct index_row row;
    struct index_row before;
    bool row_is_open;
    uint32_t series_count;
    uint64_t chunk_count;
    /* while finishing: */
    VEC(uint32_t) by_rank; /* slots */
    VEC(struct page_entry) symbol_pages;
    VEC(struct page_entry) value_pages;
    VEC(uint32_t) pages_of_name; /* by ordinal */
    VEC(uint32_t) values_of_name;
    VEC(struct page_entry) series_pages;
    struct buf raw;
};

struct index_writer *index_writer_new(void)
{
    struct index_writer *writer = mem_zalloc(sizeof(*writer));
    buf_init(&writer->rows, ROW_BYTES_MAX);
    buf_init(&writer->raw, PACKED_RAW_SIZE_MAX);
    return writer;
}

void index_writer_free(struct index_writer *writer)
{
    if (writer == NULL)
        return;
    vec_release(&writer->slot_of_symbol);
    vec_release(&writer->slots);
    for (size_t i = 0; i < writer->names.len; i++)
        mem_free(writer->names.items[i].pairs);
    vec_release(&writer->names);
    buf_release(&writer->rows);
    index_row_release(&writer->row);
    index_row_release(&writer->before);
    vec_release(&writer->by_rank);
    vec_release(&writer->symbol_pages);
    vec_release(&writer->value_pages);
    vec_release(&writer->pages_of_name);
    vec_release(&writer->values_of_name);
    vec_release(&writer->series_pages);
    buf_release(&writer->raw);
    mem_free(writer);
}

/* --- taking series --- */

static uint32_t slot_of(struct index_writer *writer, uint32_t symbol)
{
    while (writer->slot_of_symbol.len <= symbol) {
        vec_reserve(&writer->slot_of_symbol, symbol + 1 - writer->slot_of_symbol.len);
        size_t more = writer->slot_of_symbol.cap - writer->slot_of_symbol.len;
        memset(writer->slot_of_symbol.items + writer->slot_of_symbol.len, 0,
               more * sizeof(uint32_t));
        writer->slot_of_symbol.len = writer->slot_of_symbol.cap;
    }
    uint32_t *slot = &writer->slot_of_symbol.items[symbol];
    if (*slot == 0) {
        vec_push(&writer->slots, (struct symbol_slot){.symbol = symbol, .name = INDEX_NONE});
        *slot = (uint32_t)writer->slots.len;
    }
    return *slot - 1;
}

static struct writer_name *name_of(struct index_writer *writer, uint32_t slot)
{
    struct symbol_slot *of_slot = &writer->slots.items[slot];
    if (of_slot->name == INDEX_NONE) {
        of_slot->name = (uint32_t)writer->names.len;
        vec_push(&writer->names, (struct writer_name){.slot = slot});
    }
    return &writer->names.items[of_slot->name];
}

static void close_row(struct index_writer *writer)
{
    if (writer->row_is_open)
        index_row_write(&writer->before, &writer->row, &writer->rows);
    writer->row_is_open = false;
}

void index_writer_series(struct index_writer *writer, const struct labels *labels)
{
    ASSERT(writer->series_count < INDEX_NONE - 1);
    close_row(writer);
    index_row_reset(&writer->row, writer->chunk_count);
    for (uint32_t i = 0; i < labels->count; i++) {
        uint32_t name = slot_of(writer, labels->pairs[i].name);
        uint32_t value = slot_of(writer, labels->pairs[i].value);
        name_of(writer, name)->pair_count++;
        vec_push(&writer->row.pairs, (struct index_pair){name, value});
    }
    writer->row_is_open = true;
    writer->series_count++;
}

void index_writer_chunk(struct index_writer *writer, int64_t min_ms, int64_t max_ms)
{
    ASSERT(writer->row_is_open && min_ms <= max_ms);
    vec_push(&writer->row.chunks, (struct index_chunk_times){min_ms, max_ms});
    writer->chunk_count++;
}

void index_writer_place(struct index_writer *writer, uint64_t first, uint32_t step)
{
    ASSERT(writer->row_is_open && step > 0);
    writer->row.chunk_first = first;
    writer->row.chunk_step = step;
}

/* --- symbols --- */

static int slot_compare(const void *a, const void *b, void *context)
{
    const struct index_writer *writer = context;
    const struct symbol_slot *slots = writer->slots.items;
    return slice_cmp(symbols_text(slots[*(const uint32_t *)a].symbol),
                     symbols_text(slots[*(const uint32_t *)b].symbol));
}

static struct slice text_of_rank(const struct index_writer *writer, size_t rank)
{
    return symbols_text(writer->slots.items[writer->by_rank.items[rank]].symbol);
}

static void rank_symbols(struct index_writer *writer)
{
    for (uint32_t i = 0; i < writer->slots.len; i++)
        vec_push(&writer->by_rank, i);
    if (writer->by_rank.len > 0)
        qsort_r(writer->by_rank.items, writer->by_rank.len, sizeof(uint32_t), slot_compare, writer);
    for (uint32_t rank = 0; rank < writer->by_rank.len; rank++)
        writer->slots.items[writer->by_rank.items[rank]].rank = rank;
}

static void write_symbol_pages(struct index_writer *writer, struct buf *out)
{
    for (size_t rank = 0; rank < writer->by_rank.len;) {
        struct page_entry page = {.first = (uint32_t)rank, .text = text_of_rank(writer, rank)};
        struct slice before = {0};
        buf_reset(&writer->raw);
        while (rank < writer->by_rank.len && writer->raw.len < INDEX_PAGE_SIZE) {
            struct slice text = text_of_rank(writer, rank++);
            size_t shared = 0;
            while (shared < MIN(before.len, text.len) && before.ptr[shared] == text.ptr[shared])
                shared++;
            codec_write_uvarint(&writer->raw, shared);
            codec_write_slice(&writer->raw, slice_from_index(text, shared));
            before = text;
            page.count++;
        }
        page.stored = packed_write(buf_slice(&writer->raw), out);
        vec_push(&writer->symbol_pages, page);
    }
}

/* --- values and who has them --- */

static int name_compare(const void *a, const void *b)
{
    const struct writer_name *x = *(struct writer_name *const *)a;
    const struct writer_name *y = *(struct writer_name *const *)b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* All names by text, in memory of the caller's to free. */
static struct writer_name **sort_names(struct index_writer *writer)
{
    size_t count = writer->names.len;
    struct writer_name **names = mem_alloc_array(count + 1, sizeof(struct writer_name *));
    for (size_t i = 0; i < count; i++) {
        struct writer_name *name = names[i] = &writer->names.items[i];
        name->rank = writer->slots.items[name->slot].rank;
    }
    if (count > 0)
        qsort(names, count, sizeof(*names), name_compare);
    for (size_t i = 0; i < count; i++)
        names[i]->ordinal = (uint32_t)i;
    return names;
}

/* One pass over all rows for the names that have memory for their pairs. */
static void gather_pairs(struct index_writer *writer)
{
    struct codec_reader reader = codec_reader(writer->rows.data, writer->rows.len);
    struct index_row CLEANUP(index_row_release) row = {0};
    for (uint32_t series = 0; series < writer->series_count; series++) {
        bool good = index_row_read(&reader, &row, PAGED_VERSION);
        ASSERT(good);
        for (size_t i = 0; i < row.pairs.len; i++) {
            struct symbol_slot *slot = &writer->slots.items[row.pairs.items[i].name];
            struct writer_name *name = &writer->names.items[slot->name];
            if (name->pairs == NULL)
                continue;
            uint64_t rank = writer->slots.items[row.pairs.items[i].value].rank;
            name->pairs[name->gathered++] = rank << 32 | series;
        }
    }
}

/* By value; series of one value stay in order. */
static void sort_pairs(struct writer_name *name, uint64_t rank_max)
{
    uint64_t *from = name->pairs;
    uint64_t *to = mem_alloc_array(name->pair_count, sizeof(*to));
    for (unsigned shift = 32; rank_max >> (shift - 32) != 0; shift += RADIX_BITS) {
        size_t starts[1 << RADIX_BITS] = {0};
        for (uint64_t i = 0; i < name->pair_count; i++)
            starts[from[i] >> shift & ((1 << RADIX_BITS) - 1)]++;
        size_t start = 0;
        for (size_t digit = 0; digit < 1 << RADIX_BITS; digit++) {
            size_t count = starts[digit];
            starts[digit] = start;
            start += count;
        }
        for (uint64_t i = 0; i < name->pair_count; i++)
            to[starts[from[i] >> shift & ((1 << RADIX_BITS) - 1)]++] = from[i];
        uint64_t *other = from;
        from = to;
        to = other;
    }
    name->pairs = from;
    mem_free(to);
}

struct value_page {
    struct page_entry entry;
    struct buf head; /* value, count, length */
    struct buf postings;
};

static void value_page_finish(struct index_writer *writer, struct value_page *page, struct buf *out)
{
    if (page->entry.count == 0)
        return;
    buf_reset(&writer->raw);
    codec_write_uvarint(&writer->raw, page->entry.count);
    buf_append_slice(&writer->raw, buf_slice(&page->head));
    buf_append_slice(&writer->raw, buf_slice(&page->postings));
    page->entry.stored = packed_write(buf_slice(&writer->raw), out);
    vec_push(&writer->value_pages, page->entry);
    buf_reset(&page->head);
    buf_reset(&page->postings);
    page->entry = (struct page_entry){0};
}

static void write_values(struct index_writer *writer, const struct writer_name *name,
                         struct buf *out)
{
    struct value_page page = {0};
    buf_init(&page.head, PACKED_RAW_SIZE_MAX);
    buf_init(&page.postings, PACKED_RAW_SIZE_MAX);
    series_ids ids = {0};
    uint32_t page_count = 0, value_count = 0, last = 0;
    size_t pages_before = writer->value_pages.len;
    for (uint64_t i = 0; i < name->pair_count; value_count++) {
        uint32_t value = (uint32_t)(name->pairs[i] >> 32);
        vec_reset(&ids);
        for (; i < name->pair_count && name->pairs[i] >> 32 == value; i++)
            vec_push(&ids, (uint32_t)name->pairs[i]);
        size_t len = page.postings.len;
        index_postings_write(ids.items, ids.len, &page.postings);
        if (page.entry.count == 0)
            page.entry.first = last = value;
        codec_write_uvarint(&page.head, value - last);
        codec_write_uvarint(&page.head, ids.len);
        codec_write_uvarint(&page.head, page.postings.len - len);
        last = value;
        page.entry.count++;
        if (page.head.len + page.postings.len >= INDEX_PAGE_SIZE)
            value_page_finish(writer, &page, out);
    }
    value_page_finish(writer, &page, out);
    page_count = (uint32_t)(writer->value_pages.len - pages_before);
    vec_push(&writer->pages_of_name, page_count);
    vec_push(&writer->values_of_name, value_count);
    buf_release(&page.head);
    buf_release(&page.postings);
    vec_release(&ids);
}

/* Names in batches, so that the pairs of all need not be in memory at once. */
static void write_value_pages(struct index_writer *writer, struct writer_name **names,
                              struct buf *out)
{
    for (size_t from = 0; from < writer->names.len;) {
        uint64_t pairs = 0;
        size_t end = from;
        while (end < writer->names.len &&
               (end == from || pairs + names[end]->pair_count <= PAIR_BATCH)) {
            pairs += names[end]->pair_count;
            names[end]->pairs = mem_alloc_array(names[end]->pair_count, sizeof(uint64_t));
            end++;
        }
        gather_pairs(writer);
        for (; from < end; from++) {
            sort_pairs(names[from], writer->slots.len);
            write_values(writer, names[from], out);
            mem_free(names[from]->pairs);
            names[from]->pairs = NULL;
        }
    }
}

/* --- series --- */

static void row_to_ranks(const struct index_writer *writer, const struct index_row *from,
                         struct index_row *to)
{
    index_row_reset(to, from->chunk_first);
    to->chunk_step = from->chunk_step;
    for (size_t i = 0; i < from->pairs.len; i++) {
        const struct symbol_slot *name = &writer->slots.items[from->pairs.items[i].name];
        struct index_pair pair = {writer->names.items[name->name].ordinal,
                                  writer->slots.items[from->pairs.items[i].value].rank};
        vec_push(&to->pairs, pair);
    }
    for (size_t i = 0; i < from->chunks.len; i++)
        vec_push(&to->chunks, from->chunks.items[i]);
}

static void series_page_finish(struct index_writer *writer, struct page_entry *page,
                               struct buf *out)
{
    if (page->count == 0)
        return;
    page->stored = packed_write(buf_slice(&writer->raw), out);
    vec_push(&writer->series_pages, *page);
    *page = (struct page_entry){.first = page->first + page->count};
    buf_reset(&writer->raw);
}

static void write_series_pages(struct index_writer *writer, struct buf *out)
{
    struct codec_reader reader = codec_reader(writer->rows.data, writer->rows.len);
    struct index_row CLEANUP(index_row_release) slots = {0};
    struct index_row CLEANUP(index_row_release) ranks = {0};
    struct page_entry page = {0};
    uint64_t chunks = 0;
    buf_reset(&writer->raw);
    for (uint32_t series = 0; series < writer->series_count; series++) {
        bool good = index_row_read(&reader, &slots, PAGED_VERSION);
        ASSERT(good);
        row_to_ranks(writer, &slots, &ranks);
        if (page.count == 0)
            index_row_reset(&writer->before, chunks);
        index_row_write(&writer->before, &ranks, &writer->raw);
        page.count++;
        page.chunks += ranks.chunks.len;
        chunks += ranks.chunks.len;
        if (writer->raw.len >= INDEX_PAGE_SIZE)
            series_page_finish(writer, &page, out);
    }
    series_page_finish(writer, &page, out);
}

/* --- the file --- */

static void write_directory(struct index_writer *writer, struct writer_name **names,
                            struct buf *out)
{
    struct buf *raw = &writer->raw;
    buf_reset(raw);
    codec_write_uvarint(raw, writer->by_rank.len);
    codec_write_uvarint(raw, writer->series_count);
    codec_write_uvarint(raw, writer->chunk_count);
    codec_write_uvarint(raw, writer->symbol_pages.len);
    for (size_t i = 0; i < writer->symbol_pages.len; i++) {
        const struct page_entry *page = &writer->symbol_pages.items[i];
        codec_write_uvarint(raw, page->count);
        codec_write_uvarint(raw, page->stored);
        codec_write_slice(raw, page->text);
    }
    codec_write_uvarint(raw, writer->names.len);
    const struct page_entry *page = writer->value_pages.items;
    for (size_t i = 0; i < writer->names.len; i++) {
        codec_write_uvarint(raw, names[i]->rank);
        codec_write_uvarint(raw, names[i]->pair_count);
        codec_write_uvarint(raw, writer->values_of_name.items[i]);
        codec_write_uvarint(raw, writer->pages_of_name.items[i]);
        for (uint32_t k = 0; k < writer->pages_of_name.items[i]; k++, page++) {
            codec_write_uvarint(raw, page->first);
            codec_write_uvarint(raw, page->count);
            codec_write_uvarint(raw, page->stored);
        }
    }
    codec_write_uvarint(raw, writer->series_pages.len);
    for (size_t i = 0; i < writer->series_pages.len; i++) {
        codec_write_uvarint(raw, writer->series_pages.items[i].count);
        codec_write_uvarint(raw, writer->series_pages.items[i].chunks);
        codec_write_uvarint(raw, writer->series_pages.items[i].stored);
    }
    packed_write(buf_slice(raw), out);
}

enum err index_writer_finish(struct index_writer *writer, struct buf *out, struct errbuf *err)
{
    close_row(writer);
    if (writer->rows.overflow)
        return errbuf_set(err, ERR_LIMIT, "a block cannot hold the labels of so many series");
    size_t start = out->len;
    paged_header_write(out, INDEX_MAGIC);
    rank_symbols(writer);
    write_symbol_pages(writer, out);
    struct writer_name **names = sort_names(writer);
    write_value_pages(writer, names, out);
    write_series_pages(writer, out);
    size_t directory = out->len;
    write_directory(writer, names, out);
    mem_free(names);
    paged_trailer_write(out, directory - start, (uint32_t)(out->len - directory), INDEX_MAGIC);
    if (out->overflow || writer->raw.overflow)
        return errbuf_set(err, ERR_LIMIT, "the index of a block would be too large");
    return ERR_NONE;
}
