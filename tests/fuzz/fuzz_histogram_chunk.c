/* Two bytes: the count; the rest: a chunk of histograms. What decodes is encoded again to bytes
 * that decode. */
#include "tsdb/histogram_chunk.h"

#include "tsdb/histogram_codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct histogram *histograms[HISTOGRAM_CHUNK_COUNT_MAX];
    static const struct histogram *again[HISTOGRAM_CHUNK_COUNT_MAX];
    if (size < 2)
        return 0;
    size_t count = (size_t)data[0] | (size_t)data[1] << 8;
    struct slice bytes = slice_from((const char *)data + 2, size - 2);
    struct arena arena;
    struct buf out;
    arena_init(&arena, (size_t)64 << 20);
    buf_init(&out, BUF_SIZE_ANY);
    if (histogram_chunk_decode(bytes, count, &arena, histograms) == ERR_NONE) {
        for (size_t i = 0; i < count; i++) {
            if (!histogram_encodable(histograms[i]))
                abort();
        }
        size_t fits = histogram_chunk_fit(histograms, count);
        histogram_chunk_encode(histograms, fits, &out);
        arena_release(&arena);
        arena_init(&arena, (size_t)256 << 20);
        if (histogram_chunk_decode(buf_slice(&out), fits, &arena, again) != ERR_NONE)
            abort();
    }
    buf_release(&out);
    arena_release(&arena);
    return 0;
}
