#include "tsdb/chunk_family.h"

#include "base/assert.h"
#include "base/codec.h"
#include "tsdb/value_chunk.h"

#include <string.h>

#define FAMILY_BYTES_MAX ((size_t)16 << 20)
#define FAMILY_MEMBERS_MAX 1024

/* Differences must save a tenth: they are read more slowly. */
#define GAIN_PART 10

void chunk_family_init(struct chunk_family *family)
{
    *family = (struct chunk_family){0};
    buf_init(&family->bytes, BUF_SIZE_ANY);
}

void chunk_family_release(struct chunk_family *family)
{
    vec_release(&family->members);
    vec_release(&family->chunks);
    vec_release(&family->before);
    vec_release(&family->differences);
    buf_release(&family->bytes);
}

void chunk_family_reset(struct chunk_family *family)
{
    vec_reset(&family->members);
    vec_reset(&family->chunks);
    vec_reset(&family->before);
    buf_reset(&family->bytes);
    family->slice_count = 0;
}

bool chunk_family_full(const struct chunk_family *family)
{
    return family->members.len == FAMILY_MEMBERS_MAX || family->bytes.len > FAMILY_BYTES_MAX;
}

void chunk_family_begin_member(struct chunk_family *family, const struct labels *labels)
{
    vec_push(&family->members, labels);
    family->first_of_last = family->chunks.len;
    family->aligned = family->members.len > 1;
    family->before_at = 0;
}

/* Do the chunks have the same samples' times? */
static bool is_alike(const struct page_chunk *a, const struct page_chunk *b)
{
    return a->kind == PAGE_CHUNK_VALUES && b->kind == PAGE_CHUNK_VALUES && a->count == b->count &&
           a->time_column == b->time_column && a->row_first == b->row_first;
}

/* False where adding them up does not give back every bit. */
static bool subtract(const double *values, const double *before, size_t count, double *out)
{
    bool exact = true;
    for (size_t i = 0; i < count; i++) {
        out[i] = values[i] - before[i];
        exact &= codec_double_bits(before[i] + out[i]) == codec_double_bits(values[i]);
    }
    return exact;
}

static void add_differences(struct chunk_family *family, struct family_chunk *chunk,
                            const double *values)
{
    size_t count = chunk->chunk.count, start = family->bytes.len;
    vec_reset(&family->differences);
    vec_reserve(&family->differences, count);
    if (!subtract(values, family->before.items + family->before_at, count,
                  family->differences.items))
        return;
    value_chunk_encode(family->differences.items, count, &family->bytes);
    chunk->above_offset = start;
    chunk->above_len = family->bytes.len - start;
    if (chunk->above_len + chunk->len / GAIN_PART < chunk->len)
        return;
    buf_truncate(&family->bytes, start);
    chunk->above_len = 0;
}

void chunk_family_add(struct chunk_family *family, const struct family_chunk *chunk,
                      const double *values)
{
    ASSERT(family->members.len > 0);
    struct family_chunk added = *chunk;
    size_t slice = family->chunks.len - family->first_of_last;
    added.offset = family->bytes.len;
    added.len = chunk->chunk.bytes.len;
    added.above_len = 0;
    buf_append_slice(&family->bytes, chunk->chunk.bytes);
    family->aligned = family->aligned && values != NULL && slice < family->slice_count &&
                      is_alike(&family->chunks.items[slice].chunk, &added.chunk);
    if (family->aligned) {
        add_differences(family, &added, values);
        family->before_at += added.chunk.count;
    }
    vec_push(&family->chunks, added);
}

bool chunk_family_end_member(struct chunk_family *family, const double *values, size_t count)
{
    size_t slices = family->chunks.len - family->first_of_last;
    bool fits = family->members.len == 1 || (family->aligned && slices == family->slice_count);
    if (family->members.len == 1)
        family->slice_count = slices;
    vec_reset(&family->before);
    vec_reserve(&family->before, count);
    if (count > 0)
        memcpy(family->before.items, values, count * sizeof(*values));
    family->before.len = count;
    return fits;
}

void chunk_family_keep_last(struct chunk_family *family)
{
    family->members.items[0] = *vec_last(&family->members);
    family->members.len = 1;
    family->slice_count = family->chunks.len - family->first_of_last;
    for (size_t i = 0; i < family->slice_count; i++) {
        family->chunks.items[i] = family->chunks.items[family->first_of_last + i];
        family->chunks.items[i].above_len = 0;
    }
    family->chunks.len = family->slice_count;
    family->first_of_last = 0;
}

const struct page_chunk *chunk_family_pick(struct chunk_family *family, size_t member, size_t slice,
                                           bool above)
{
    struct family_chunk *chunk = &family->chunks.items[member * family->slice_count + slice];
    const char *bytes = family->bytes.data;
    if (above) {
        ASSERT(chunk->above_len > 0 && chunk->chunk.kind == PAGE_CHUNK_VALUES);
        chunk->chunk.kind = PAGE_CHUNK_ABOVE;
        chunk->chunk.bytes = slice_from(bytes + chunk->above_offset, chunk->above_len);
    } else {
        chunk->chunk.bytes = slice_from(bytes + chunk->offset, chunk->len);
    }
    return &chunk->chunk;
}
