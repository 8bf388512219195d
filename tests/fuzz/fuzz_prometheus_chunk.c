/* The data of a chunk of the reference behind a byte that tells its encoding; what is floats and
 * was read is written and must be read again. */
#include "base/assert.h"
#include "base/codec.h"
#include "tool/prometheus_format.h"
#include "tool/prometheus_histogram_chunk.h"
#include "tool/xor_chunk.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err read_chunk(uint8_t encoding, struct slice bytes, struct sample_columns *out)
{
    struct chunk_samples samples;
    struct errbuf err;
    chunk_samples_begin(&samples, out, INT64_MIN, INT64_MAX, (struct tombstone_spans){0});
    struct histogram_chunk_kind kind = {.is_float = encoding & 1, .has_starts = encoding & 2};
    enum err code = encoding == CHUNK_XOR ? xor_chunk_read(bytes, &samples, &err)
                    : encoding == CHUNK_XOR2
                        ? xor2_chunk_read(bytes, &samples, &err)
                        : prometheus_histogram_chunk_read(bytes, kind, &samples, &err);
    chunk_samples_finish(&samples);
    return code;
}

static void check_round_trip(const struct sample_columns *first)
{
    struct buf bytes;
    struct sample_columns second;
    buf_init(&bytes, BUF_SIZE_ANY);
    sample_columns_init(&second);
    xor_chunk_write(first->timestamps_ms, first->values, first->count, &bytes);
    ASSERT(read_chunk(CHUNK_XOR, buf_slice(&bytes), &second) == ERR_NONE);
    ASSERT(second.count == first->count);
    for (size_t i = 0; i < first->count; i++) {
        ASSERT(second.timestamps_ms[i] == first->timestamps_ms[i]);
        ASSERT(codec_double_bits(second.values[i]) == codec_double_bits(first->values[i]));
    }
    sample_columns_release(&second);
    buf_release(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct sample_columns columns;
    sample_columns_init(&columns);
    uint8_t encoding = data[0];
    struct slice bytes = slice_from((const char *)data + 1, size - 1);
    if (read_chunk(encoding, bytes, &columns) == ERR_NONE && columns.count > 0 &&
        columns.histograms == NULL)
        check_round_trip(&columns);
    sample_columns_release(&columns);
    return 0;
}
