#include "tool/prometheus_index_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "model/labels.h"
#include "tool/big_endian.h"
#include "tool/prometheus_format.h"

#define POSTINGS_ALIGN 4
#define HASH_SEED 0

/* --- symbols --- */

static int symbol_compare(const void *a, const void *b)
{
    return slice_cmp(symbols_text(*(const uint32_t *)a), symbols_text(*(const uint32_t *)b));
}

static uint64_t symbol_hash(uint32_t symbol)
{
    return hash_mix(HASH_SEED, symbol);
}

/* A table holds pointers that are not NULL: symbol and number in one. */
static void *entry_of(uint32_t symbol, uint32_t number)
{
    return (void *)(uintptr_t)((uint64_t)number << 32 | symbol);
}

static bool entry_is(const void *entry, const void *key)
{
    return (uint32_t)(uintptr_t)entry == *(const uint32_t *)key;
}

static uint32_t number_of(const struct prometheus_index_writer *writer, uint32_t symbol)
{
    void *entry = table_get(&writer->numbers, symbol_hash(symbol), entry_is, &symbol);
    ASSERT(entry != NULL);
    return (uint32_t)((uintptr_t)entry >> 32);
}

static void collect_symbols(struct prometheus_index_writer *writer)
{
    struct table seen;
    table_init(&seen);
    for (size_t i = 0; i < writer->list->entries.len; i++) {
        const struct labels *labels = writer->list->entries.items[i].labels;
        for (uint32_t k = 0; k < labels->count * 2; k++) {
            uint32_t symbol = k & 1 ? labels->pairs[k / 2].value : labels->pairs[k / 2].name;
            if (table_get(&seen, symbol_hash(symbol), entry_is, &symbol) != NULL)
                continue;
            table_add(&seen, symbol_hash(symbol), entry_of(symbol, 0));
            vec_push(&writer->symbols, symbol);
        }
    }
    table_release(&seen);
    if (writer->symbols.len > 1)
        qsort(writer->symbols.items, writer->symbols.len, sizeof(uint32_t), symbol_compare);
    for (size_t i = 0; i < writer->symbols.len; i++) {
        uint32_t symbol = writer->symbols.items[i];
        table_add(&writer->numbers, symbol_hash(symbol), entry_of(symbol, (uint32_t)i));
    }
}

/* length, content, checksum of the content */
static void write_part(struct prometheus_index_writer *writer, const struct buf *content)
{
    struct buf *out = &writer->file.pending;
    if (content->len > UINT32_MAX && writer->file.failure == ERR_NONE)
        writer->file.failure = errbuf_set(&writer->file.err, ERR_LIMIT,
                                          "%s: a part would be larger than 4 GiB; the format "
                                          "does not allow that",
                                          writer->file.path);
    big_endian_write_u32(out, (uint32_t)content->len);
    buf_append(out, content->data, content->len);
    big_endian_write_u32(out, crc32c(0, content->data, content->len));
    file_writer_spill(&writer->file);
}

static void write_symbols(struct prometheus_index_writer *writer)
{
    struct buf CLEANUP(buf_release) content;
    buf_init(&content, BUF_SIZE_ANY);
    big_endian_write_u32(&content, (uint32_t)writer->symbols.len);
    for (size_t i = 0; i < writer->symbols.len; i++)
        codec_write_slice(&content, symbols_text(writer->symbols.items[i]));
    write_part(writer, &content);
}

static void align(struct prometheus_index_writer *writer, unsigned to)
{
    while (file_writer_at(&writer->file) % to != 0)
        buf_append_byte(&writer->file.pending, 0);
}

void prometheus_index_writer_open(struct prometheus_index_writer *writer, const struct fs *fs,
                                  const char *path, const struct series_list *list)
{
    *writer = (struct prometheus_index_writer){.list = list};
    table_init(&writer->numbers);
    writer->refs = mem_zalloc_array(list->entries.len, sizeof(*writer->refs));
    file_writer_open(&writer->file, fs, path);
    big_endian_write_u32(&writer->file.pending, INDEX_MAGIC);
    buf_append_byte(&writer->file.pending, INDEX_VERSION_2);
    collect_symbols(writer);
    write_symbols(writer);
    writer->series_begin = file_writer_at(&writer->file);
}

/* --- series --- */

void prometheus_index_writer_series(struct prometheus_index_writer *writer, size_t number,
                                    const struct prometheus_chunk_meta *chunks, size_t count)
{
    ASSERT(count > 0 && number < writer->list->entries.len);
    struct buf CLEANUP(buf_release) row;
    buf_init(&row, BUF_SIZE_ANY);
    const struct labels *labels = writer->list->entries.items[number].labels;
    codec_write_uvarint(&row, labels->count);
    for (uint32_t i = 0; i < labels->count; i++) {
        codec_write_uvarint(&row, number_of(writer, labels->pairs[i].name));
        codec_write_uvarint(&row, number_of(writer, labels->pairs[i].value));
    }
    codec_write_uvarint(&row, count);
    for (size_t i = 0; i < count; i++) {
        if (i == 0)
            codec_write_varint(&row, chunks[0].min_ms);
        else
            codec_write_uvarint(&row, (uint64_t)chunks[i].min_ms - (uint64_t)chunks[i - 1].max_ms);
        codec_write_uvarint(&row, (uint64_t)chunks[i].max_ms - (uint64_t)chunks[i].min_ms);
        if (i == 0)
            codec_write_uvarint(&row, chunks[0].ref);
        else
            codec_write_varint(&row, (int64_t)(chunks[i].ref - chunks[i - 1].ref));
    }
    align(writer, INDEX_SERIES_ALIGN);
    writer->refs[number] = (uint32_t)(file_writer_at(&writer->file) / INDEX_SERIES_ALIGN);
    codec_write_uvarint(&writer->file.pending, row.len);
    buf_append(&writer->file.pending, row.data, row.len);
    big_endian_write_u32(&writer->file.pending, crc32c(0, row.data, row.len));
    file_writer_spill(&writer->file);
}

/* --- postings --- */

struct posting_pair {
    struct label_pair pair;
    uint32_t count;
    uint32_t number; /* as met first */
    uint64_t first;  /* place of its refs */
    uint32_t filled;
};

struct postings {
    VEC(struct posting_pair) pairs;
    struct table by_pair; /* number + 1, as a pointer */
    uint32_t *refs;
    uint64_t entry_count;
};

struct pair_key {
    const struct postings *postings;
    struct label_pair pair;
};

static bool pair_is(const void *entry, const void *key)
{
    const struct pair_key *wanted = key;
    const struct label_pair *pair = &wanted->postings->pairs.items[(uintptr_t)entry - 1].pair;
    return pair->name == wanted->pair.name && pair->value == wanted->pair.value;
}

static struct posting_pair *find_pair(struct postings *postings, struct label_pair pair)
{
    struct pair_key key = {postings, pair};
    uint64_t hash = hash_mix(hash_mix(HASH_SEED, pair.name), pair.value);
    uintptr_t entry = (uintptr_t)table_get(&postings->by_pair, hash, pair_is, &key);
    if (entry == 0) {
        uint32_t number = (uint32_t)postings->pairs.len;
        vec_push(&postings->pairs, (struct posting_pair){.pair = pair, .number = number});
        entry = postings->pairs.len;
        table_add(&postings->by_pair, hash, (void *)entry);
    }
    return &postings->pairs.items[entry - 1];
}

static void collect_postings(const struct prometheus_index_writer *writer,
                             struct postings *postings)
{
    const struct series_list *list = writer->list;
    for (size_t i = 0; i < list->entries.len; i++) {
        const struct labels *labels = list->entries.items[i].labels;
        for (uint32_t k = 0; writer->refs[i] != 0 && k < labels->count; k++)
            find_pair(postings, labels->pairs[k])->count++;
    }
    for (size_t i = 0; i < postings->pairs.len; i++) {
        postings->pairs.items[i].first = postings->entry_count;
        postings->entry_count += postings->pairs.items[i].count;
    }
    postings->refs = mem_alloc_array(postings->entry_count, sizeof(*postings->refs));
    for (size_t i = 0; i < list->entries.len; i++) {
        const struct labels *labels = list->entries.items[i].labels;
        for (uint32_t k = 0; writer->refs[i] != 0 && k < labels->count; k++) {
            struct posting_pair *pair = find_pair(postings, labels->pairs[k]);
            postings->refs[pair->first + pair->filled++] = writer->refs[i];
        }
    }
}

static int pair_compare(const void *a, const void *b)
{
    const struct posting_pair *x = a, *y = b;
    int order = x->pair.name == y->pair.name ? 0 : symbol_compare(&x->pair.name, &y->pair.name);
    return order != 0 ? order : symbol_compare(&x->pair.value, &y->pair.value);
}

/* One list, and its row in the table. */
static void write_list(struct prometheus_index_writer *writer, struct slice name,
                       struct slice value, const uint32_t *refs, size_t count, struct buf *table)
{
    struct buf CLEANUP(buf_release) content;
    buf_init(&content, BUF_SIZE_ANY);
    big_endian_write_u32(&content, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        big_endian_write_u32(&content, refs[i]);
    align(writer, POSTINGS_ALIGN);
    codec_write_uvarint(table, 2);
    codec_write_slice(table, name);
    codec_write_slice(table, value);
    codec_write_uvarint(table, file_writer_at(&writer->file));
    write_part(writer, &content);
}

static void write_all_series(struct prometheus_index_writer *writer, struct buf *table)
{
    VEC(uint32_t) refs = {0};
    for (size_t i = 0; i < writer->list->entries.len; i++) {
        if (writer->refs[i] != 0)
            vec_push(&refs, writer->refs[i]);
    }
    write_list(writer, SLICE_EMPTY, SLICE_EMPTY, refs.items, refs.len, table);
    vec_release(&refs);
}

static void write_postings(struct prometheus_index_writer *writer, struct buf *table)
{
    struct postings postings = {0};
    table_init(&postings.by_pair);
    collect_postings(writer, &postings);
    if (postings.pairs.len > 1)
        qsort(postings.pairs.items, postings.pairs.len, sizeof(*postings.pairs.items),
              pair_compare);
    big_endian_write_u32(table, (uint32_t)postings.pairs.len + 1);
    write_all_series(writer, table);
    for (size_t i = 0; i < postings.pairs.len; i++) {
        const struct posting_pair *pair = &postings.pairs.items[i];
        write_list(writer, symbols_text(pair->pair.name), symbols_text(pair->pair.value),
                   postings.refs + pair->first, pair->count, table);
    }
    vec_release(&postings.pairs);
    table_release(&postings.by_pair);
    mem_free(postings.refs);
}

enum err prometheus_index_writer_finish(struct prometheus_index_writer *writer, struct errbuf *err)
{
    struct buf CLEANUP(buf_release) table;
    buf_init(&table, BUF_SIZE_ANY);
    struct buf *out = &writer->file.pending;
    uint64_t lists = file_writer_at(&writer->file);
    write_postings(writer, &table);
    uint64_t table_at = file_writer_at(&writer->file);
    write_part(writer, &table);
    /* no lists of names: the reference does without them, too */
    uint64_t places[] = {INDEX_HEADER_SIZE, writer->series_begin, lists, table_at, lists, table_at};
    struct buf CLEANUP(buf_release) contents;
    buf_init(&contents, INDEX_TOC_SIZE);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        big_endian_write_u64(&contents, places[i]);
    buf_append(out, contents.data, contents.len);
    big_endian_write_u32(out, crc32c(0, contents.data, contents.len));
    return file_writer_finish(&writer->file, err);
}

void prometheus_index_writer_release(struct prometheus_index_writer *writer)
{
    file_writer_release(&writer->file);
    vec_release(&writer->symbols);
    table_release(&writer->numbers);
    mem_free(writer->refs);
    writer->refs = NULL;
}
