/* Two bytes: the count; the rest: a chunk of values. What decodes comes back when encoded again. */
#include "tsdb/value_chunk.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static double values[VALUE_CHUNK_COUNT_MAX];
    static double again[VALUE_CHUNK_COUNT_MAX];
    if (size < 2)
        return 0;
    size_t count = (size_t)data[0] | (size_t)data[1] << 8;
    struct slice bytes = slice_from((const char *)data + 2, size - 2);
    if (value_chunk_decode(bytes, count, values) != ERR_NONE)
        return 0;
    struct buf out;
    buf_init(&out, BUF_SIZE_ANY);
    value_chunk_encode(values, count, &out);
    if (out.len > count * 9 + 64 || value_chunk_decode(buf_slice(&out), count, again) != ERR_NONE ||
        memcmp(values, again, count * sizeof(*values)) != 0)
        abort();
    buf_release(&out);
    return 0;
}
