/* A page whose checksum is put right first, so that what is behind it is reached; its chunks are
 * decoded. */
#include "tsdb/page.h"

#include "base/alloc.h"
#include "base/crc32c.h"
#include "tsdb/chunk_sums.h"
#include "tsdb/histogram_chunk.h"
#include "tsdb/value_chunk.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const struct page *page, uint32_t number)
{
    const struct page_chunk *chunk = page_chunk(page, number);
    static double values[VALUE_CHUNK_COUNT_MAX];
    static const struct histogram *histograms[HISTOGRAM_CHUNK_COUNT_MAX];
    if (chunk->kind == PAGE_CHUNK_VALUES || chunk->kind == PAGE_CHUNK_ABOVE) {
        struct chunk_sums sums = {0};
        struct chunk_place place = {.page = page, .number = number, .chunk = chunk};
        if (chunk->count > 0 && chunk->count <= VALUE_CHUNK_COUNT_MAX)
            (void)!chunk_sums_decode(&sums, &place, 0, chunk->count, values);
        chunk_sums_release(&sums);
        return;
    }
    struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    (void)!histogram_chunk_decode(chunk->bytes, chunk->count, &arena, histograms);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < PAGE_HEADER_SIZE)
        return 0;
    char *bytes = mem_dup(data, size);
    uint32_t crc = crc32c(0, bytes, PAGE_HEADER_SIZE - 4);
    crc = crc32c(crc, bytes + PAGE_HEADER_SIZE, size - PAGE_HEADER_SIZE);
    for (unsigned i = 0; i < 4; i++)
        bytes[PAGE_HEADER_SIZE - 4 + i] = (char)(crc >> (8 * i));
    struct page page;
    memset(&page, 0, sizeof(page));
    struct errbuf err;
    if (page_open(&page, slice_from(bytes, size), &err) == ERR_NONE) {
        for (uint32_t i = 0; i < page.count; i++)
            decode(&page, i);
    }
    page_release(&page);
    mem_free(bytes);
    return 0;
}
