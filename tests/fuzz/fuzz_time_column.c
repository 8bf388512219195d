/* Two bytes: the count; the rest: a column of times, then of start times. What decodes comes back
 * when encoded again. */
#include "tsdb/time_column.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_times(const int64_t *times, size_t count)
{
    static int64_t again[COUNT_MAX];
    struct buf out;
    buf_init(&out, BUF_SIZE_ANY);
    time_column_encode(times, count, &out);
    bool ascends;
    if (time_column_decode(buf_slice(&out), count, again, &ascends) != ERR_NONE ||
        memcmp(times, again, count * sizeof(*times)) != 0)
        abort();
    buf_release(&out);
}

static void check_starts(const int64_t *starts, const int64_t *times, size_t count)
{
    static int64_t again[COUNT_MAX];
    struct buf out;
    buf_init(&out, BUF_SIZE_ANY);
    start_times_encode(starts, times, count, &out);
    struct codec_reader reader = codec_reader(out.data, out.len);
    if (!start_times_read(&reader, times, count, again) || codec_left(&reader) != 0 ||
        memcmp(starts, again, count * sizeof(*starts)) != 0)
        abort();
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int64_t times[COUNT_MAX];
    static int64_t starts[COUNT_MAX];
    if (size < 2)
        return 0;
    size_t count = (size_t)data[0] | (size_t)data[1] << 8;
    struct codec_reader reader = codec_reader(data + 2, size - 2);
    if (count == 0 || !time_column_read(&reader, count, times))
        return 0;
    check_times(times, count);
    if (start_times_read(&reader, times, count, starts))
        check_starts(starts, times, count);
    return 0;
}
