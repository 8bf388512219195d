/* The first byte chooses the format; whatever follows gives at most the size that was allowed. */
#include "base/compress.h"

#include <stdint.h>

#define RAW_SIZE_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct slice in = slice_from((const char *)data + 3, size - 3);
    struct buf out CLEANUP(buf_release);
    buf_init(&out, BUF_SIZE_ANY);
    size_t raw_len = (size_t)data[1] << 8 | data[2];
    enum err code;
    switch (data[0] % 3) {
    case 0:
        code = decompress_lz4(in, raw_len, &out, NULL);
        break;
    case 1:
        code = decompress_snappy(in, RAW_SIZE_MAX, &out, NULL);
        break;
    default:
        code = decompress_gzip(in, RAW_SIZE_MAX, &out, NULL);
        break;
    }
    if (out.len > RAW_SIZE_MAX || (code != ERR_NONE && out.len != 0))
        __builtin_trap();
    return 0;
}
