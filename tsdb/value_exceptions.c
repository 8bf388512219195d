/* Runs ascend and do not touch values twice, so that a list is never longer than the chunk. */
#include "tsdb/value_exceptions.h"

#include "base/assert.h"
#include "model/sample.h"

void value_exceptions_write(struct buf *out, const struct value_exception *exceptions, size_t count)
{
    codec_write_uvarint(out, count);
    uint32_t end = 0;
    for (size_t i = 0; i < count; i++) {
        const struct value_exception *run = &exceptions[i];
        ASSERT(run->position >= end && run->count > 0);
        bool stale = run->bits == SAMPLE_STALE_BITS;
        codec_write_uvarint(out, run->position - end);
        codec_write_uvarint(out, (uint64_t)(run->count - 1) << 1 | stale);
        if (!stale)
            codec_write_u64(out, run->bits);
        end = run->position + run->count;
    }
}

bool value_exceptions_read(struct codec_reader *reader, size_t count, size_t low, size_t high,
                           double *values)
{
    uint64_t runs = codec_read_uvarint(reader);
    uint64_t end = 0;
    for (uint64_t i = 0; i < runs && !reader->failed; i++) {
        uint64_t gap = codec_read_uvarint(reader);
        uint64_t shape = codec_read_uvarint(reader);
        uint64_t bits = shape & 1 ? SAMPLE_STALE_BITS : codec_read_u64(reader);
        uint64_t left = count - end;
        if (gap >= left || shape >> 1 >= left - gap) {
            reader->failed = true;
            break;
        }
        double value = codec_bits_double(bits);
        uint64_t from = end + gap;
        end = from + (shape >> 1) + 1;
        for (uint64_t k = MAX(from, (uint64_t)low); k < MIN(end, (uint64_t)high); k++)
            values[k - low] = value;
    }
    return !reader->failed;
}
