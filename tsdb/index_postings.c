#include "tsdb/index_postings.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "tsdb/index_format.h"
#include "tsdb/integer_column.h"

/* A run costs about as much as so many packed ids. */
#define RUN_COST 3

static size_t count_runs(const uint32_t *ids, size_t count)
{
    size_t runs = 1;
    for (size_t i = 1; i < count; i++)
        runs += ids[i] != ids[i - 1] + 1;
    return runs;
}

static void write_runs(const uint32_t *ids, size_t count, size_t runs, struct buf *out)
{
    codec_write_uvarint(out, runs);
    uint32_t end = 0;
    for (size_t i = 0; i < count;) {
        size_t len = 1;
        while (i + len < count && ids[i + len] == ids[i] + len)
            len++;
        codec_write_uvarint(out, ids[i] - end);
        codec_write_uvarint(out, len - 1);
        end = ids[i] + (uint32_t)len;
        i += len;
    }
}

static void write_columns(const uint32_t *ids, size_t count, struct buf *out)
{
    uint64_t column[INDEX_COLUMN_SIZE];
    for (size_t from = 0; from < count; from += INDEX_COLUMN_SIZE) {
        size_t len = MIN(count - from, (size_t)INDEX_COLUMN_SIZE);
        for (size_t i = 0; i < len; i++)
            column[i] = ids[from + i];
        integer_column_encode(column, len, out);
    }
}

void index_postings_write(const uint32_t *ids, size_t count, struct buf *out)
{
    ASSERT(count > 0);
    size_t runs = count_runs(ids, count);
    bool as_runs = runs * RUN_COST <= count || count <= RUN_COST;
    codec_write_u8(out, as_runs ? INDEX_POSTINGS_RUNS : INDEX_POSTINGS_COLUMNS);
    if (as_runs)
        write_runs(ids, count, runs, out);
    else
        write_columns(ids, count, out);
}

static bool read_runs(struct codec_reader *reader, uint32_t count, uint32_t series_count,
                      series_ids *out)
{
    uint64_t runs = codec_read_uvarint(reader);
    uint64_t end = 0, total = 0;
    for (uint64_t i = 0; i < runs; i++) {
        uint64_t gap = codec_read_uvarint(reader);
        uint64_t len = codec_read_uvarint(reader) + 1;
        if (reader->failed || gap > series_count || len > series_count ||
            end + gap + len > series_count || total + len > count)
            return false;
        for (uint64_t k = 0; k < len; k++)
            out->items[out->len++] = (uint32_t)(end + gap + k);
        end += gap + len;
        total += len;
    }
    return total == count;
}

static bool read_columns(struct codec_reader *reader, uint32_t count, uint32_t series_count,
                         series_ids *out)
{
    uint64_t column[INDEX_COLUMN_SIZE + COLUMN_SLACK];
    uint64_t least = 0;
    for (uint32_t from = 0; from < count; from += INDEX_COLUMN_SIZE) {
        size_t len = MIN(count - from, (uint32_t)INDEX_COLUMN_SIZE);
        if (!integer_column_read(reader, len, column))
            return false;
        for (size_t i = 0; i < len; i++) {
            if (column[i] < least || column[i] >= series_count)
                return false;
            least = column[i] + 1;
            out->items[out->len++] = (uint32_t)column[i];
        }
    }
    return true;
}

enum err index_postings_read(struct slice bytes, uint32_t count, uint32_t series_count,
                             series_ids *out)
{
    struct codec_reader reader = codec_reader(bytes.ptr, bytes.len);
    uint8_t kind = codec_read_u8(&reader);
    if (reader.failed || count > series_count)
        return ERR_CORRUPT;
    vec_reserve(out, count);
    bool good = false;
    if (kind == INDEX_POSTINGS_RUNS)
        good = read_runs(&reader, count, series_count, out);
    else if (kind == INDEX_POSTINGS_COLUMNS)
        good = read_columns(&reader, count, series_count, out);
    return good && codec_left(&reader) == 0 ? ERR_NONE : ERR_CORRUPT;
}

static int id_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Through a set of bits, which costs no comparing: where there are not many more numbers than ids.
 */
static void sort_dense(series_ids *ids, uint32_t low, size_t words)
{
    CLEANUP(mem_cleanup) uint64_t *set = mem_zalloc_array(words, sizeof(*set));
    for (size_t i = 0; i < ids->len; i++) {
        uint32_t bit = ids->items[i] - low;
        set[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    size_t kept = 0;
    for (size_t i = 0; i < words; i++) {
        for (uint64_t word = set[i]; word != 0; word &= word - 1)
            ids->items[kept++] = low + (uint32_t)(i * 64 + (size_t)__builtin_ctzll(word));
    }
    ASSERT(kept <= ids->len);
    ids->len = kept;
}

void series_ids_sort(series_ids *ids)
{
    bool ascends = true;
    uint32_t low = UINT32_MAX, high = 0;
    for (size_t i = 1; i < ids->len && ascends; i++)
        ascends = ids->items[i] > ids->items[i - 1];
    if (ascends)
        return;
    for (size_t i = 0; i < ids->len; i++) {
        low = MIN(low, ids->items[i]);
        high = MAX(high, ids->items[i]);
    }
    size_t words = (size_t)(high - low) / 64 + 1;
    if (words <= ids->len) {
        sort_dense(ids, low, words);
        return;
    }
    qsort(ids->items, ids->len, sizeof(*ids->items), id_compare);
    size_t kept = 0;
    for (size_t i = 0; i < ids->len; i++) {
        if (i == 0 || ids->items[i] != ids->items[kept - 1])
            ids->items[kept++] = ids->items[i];
    }
    ids->len = kept;
}

/* Keeps the ids whose being in `other` is `wanted`. */
static void series_ids_keep(series_ids *ids, const series_ids *other, bool wanted)
{
    size_t kept = 0, at = 0;
    for (size_t i = 0; i < ids->len; i++) {
        uint32_t id = ids->items[i];
        while (at < other->len && other->items[at] < id)
            at++;
        bool found = at < other->len && other->items[at] == id;
        if (found == wanted)
            ids->items[kept++] = id;
    }
    ids->len = kept;
}

void series_ids_intersect(series_ids *ids, const series_ids *other)
{
    series_ids_keep(ids, other, true);
}

void series_ids_subtract(series_ids *ids, const series_ids *other)
{
    series_ids_keep(ids, other, false);
}
