#include "tsdb/chunk_sums.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tsdb/value_chunk.h"

#include <string.h>

void chunk_sums_release(struct chunk_sums *sums)
{
    for (size_t i = 0; i < CHUNK_SUMS_KEPT; i++)
        mem_free(sums->kept[i].values);
    mem_free(sums->differences);
    *sums = (struct chunk_sums){0};
}

static struct chunk_sum *find(struct chunk_sums *sums, uint64_t number, size_t low, size_t high)
{
    for (size_t i = 0; i < CHUNK_SUMS_KEPT; i++) {
        struct chunk_sum *sum = &sums->kept[i];
        if (sum->number == number + 1 && sum->low == low && sum->high == high)
            return sum;
    }
    return NULL;
}

/* In place of what it was made from, which is not asked for again, or of the oldest. */
static void keep(struct chunk_sums *sums, struct chunk_sum *from, const struct chunk_sum *sum)
{
    if (from == NULL) {
        from = &sums->kept[sums->next];
        sums->next = (sums->next + 1) % CHUNK_SUMS_KEPT;
    }
    double *values = from->values;
    if (values == NULL)
        values = mem_alloc_array(VALUE_CHUNK_COUNT_MAX, sizeof(double));
    memcpy(values, sum->values, (sum->high - sum->low) * sizeof(*values));
    *from = *sum;
    from->values = values;
}

static bool is_above(const struct page *page, uint32_t number)
{
    return number < page->count && page->chunks[number].kind == PAGE_CHUNK_ABOVE;
}

static bool has_same_times(const struct page_chunk *a, const struct page_chunk *b)
{
    return a->count == b->count && a->time_column == b->time_column && a->row_first == b->row_first;
}

static bool add(struct chunk_sums *sums, const struct page_chunk *chunk, size_t low, size_t high,
                double *values)
{
    if (sums->differences == NULL)
        sums->differences = mem_alloc_array(VALUE_CHUNK_COUNT_MAX, sizeof(double));
    if (value_chunk_decode_part(chunk->bytes, chunk->count, low, high, sums->differences) !=
        ERR_NONE)
        return false;
    for (size_t i = 0; i < high - low; i++)
        values[i] += sums->differences[i];
    return true;
}

/* The last chunk at or before the one asked for that stands by itself, or whose sums are known: its
 * number in the page, and its values. */
static bool begin(struct chunk_sums *sums, const struct chunk_place *place, struct chunk_sum *sum,
                  uint32_t *out_number, struct chunk_sum **out_known)
{
    const struct page_chunk *chunks = place->page->chunks;
    size_t low = sum->low, high = sum->high;
    uint32_t at = place->number;
    bool depends = is_above(place->page, at) || is_above(place->page, at + 1);
    *out_known = depends ? find(sums, place->page_first + at, low, high) : NULL;
    while (*out_known == NULL && is_above(place->page, at)) {
        if (at == 0 || !has_same_times(&chunks[at - 1], &chunks[at]))
            return false;
        *out_known = find(sums, place->page_first + --at, low, high);
    }
    *out_number = at;
    if (*out_known == NULL)
        return chunks[at].kind == PAGE_CHUNK_VALUES &&
               value_chunk_decode_part(chunks[at].bytes, chunks[at].count, low, high,
                                       sum->values) == ERR_NONE;
    memcpy(sum->values, (*out_known)->values, (high - low) * sizeof(*sum->values));
    return true;
}

bool chunk_sums_decode(struct chunk_sums *sums, const struct chunk_place *place, size_t low,
                       size_t high, double *out)
{
    ASSERT(place->number < place->page->count && low < high && high <= VALUE_CHUNK_COUNT_MAX);
    struct chunk_sum sum = {.low = low, .high = high, .values = out};
    struct chunk_sum *known;
    uint32_t at;
    if (!begin(sums, place, &sum, &at, &known))
        return false;
    for (; at < place->number; at++) {
        if (!add(sums, &place->page->chunks[at + 1], low, high, out))
            return false;
    }
    sum.number = place->page_first + place->number + 1;
    if (is_above(place->page, place->number + 1))
        keep(sums, known, &sum);
    return true;
}
