#include "tsdb/chunk_sums.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tsdb/column_kernels.h"
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

/* Takes the place of the oldest. */
static struct chunk_sum *replace(struct chunk_sums *sums, size_t low, size_t high)
{
    struct chunk_sum *sum = &sums->kept[sums->next];
    sums->next = (sums->next + 1) % CHUNK_SUMS_KEPT;
    if (sum->values == NULL)
        sum->values = mem_alloc_array(VALUE_CHUNK_COUNT_MAX, sizeof(double));
    *sum = (struct chunk_sum){.low = low, .high = high, .values = sum->values};
    return sum;
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
    column_kernels()->add(sums->differences, high - low, values);
    return true;
}

/* The last chunk at or before the one asked for that stands by itself, which `*out_at` says, or whose
 * sums are known: what is known then advances. False where there is none. */
static bool find_start(struct chunk_sums *sums, const struct chunk_place *place, size_t low,
                       size_t high, uint32_t *out_at, struct chunk_sum **out_known)
{
    const struct page_chunk *chunks = place->page->chunks;
    uint32_t at = place->number;
    *out_known = find(sums, place->page_first + at, low, high);
    while (*out_known == NULL && is_above(place->page, at)) {
        if (at == 0 || !has_same_times(&chunks[at - 1], &chunks[at]))
            return false;
        *out_known = find(sums, place->page_first + --at, low, high);
    }
    *out_at = at;
    return *out_known != NULL || chunks[at].kind == PAGE_CHUNK_VALUES;
}

bool chunk_sums_decode(struct chunk_sums *sums, const struct chunk_place *place, size_t low,
                       size_t high, double *out)
{
    const struct page_chunk *chunks = place->page->chunks;
    ASSERT(place->number < place->page->count && low < high && high <= VALUE_CHUNK_COUNT_MAX);
    bool is_base = is_above(place->page, place->number + 1);
    if (!is_base && chunks[place->number].kind == PAGE_CHUNK_VALUES)
        return value_chunk_decode_part(chunks[place->number].bytes, chunks[place->number].count, low,
                                       high, out) == ERR_NONE;
    struct chunk_sum *sum;
    uint32_t at;
    if (!find_start(sums, place, low, high, &at, &sum))
        return false;
    if (sum == NULL) {
        sum = replace(sums, low, high);
        if (value_chunk_decode_part(chunks[at].bytes, chunks[at].count, low, high, sum->values) !=
            ERR_NONE)
            return false;
    }
    for (; at < place->number; at++) {
        sum->number = 0; /* until it is whole again */
        if (!add(sums, &chunks[at + 1], low, high, sum->values))
            return false;
    }
    sum->number = place->page_first + at + 1;
    memcpy(out, sum->values, (high - low) * sizeof(*out));
    return true;
}
