/* A buffer of payloads and a list that is sorted by group. */
#include "tsdb/wal_window.h"

#include "base/codec.h"
#include "tsdb/wal_writer.h"

#include <stdlib.h>

void wal_window_init(struct wal_window *window)
{
    *window = (struct wal_window){.rows = {0}};
    buf_init(&window->bytes, BUF_SIZE_ANY);
}

void wal_window_release(struct wal_window *window)
{
    vec_release(&window->rows);
    buf_release(&window->bytes);
}

bool wal_window_add(struct wal_window *window, struct slice payload, size_t offset)
{
    struct codec_reader reader = codec_reader(payload.ptr, payload.len);
    uint8_t kind = codec_read_u8(&reader);
    if (kind != WAL_RECORD_ROW_ALONE && kind != WAL_RECORD_PACKED_ROW_ALONE)
        return false;
    uint64_t group = codec_read_uvarint(&reader);
    if (reader.failed)
        return false;
    vec_push(&window->rows, (struct wal_window_row){group, offset, window->bytes.len, payload.len});
    buf_append_slice(&window->bytes, payload);
    return true;
}

bool wal_window_is_full(const struct wal_window *window)
{
    return window->bytes.len >= WAL_WINDOW_BYTES;
}

static int by_group(const void *a, const void *b)
{
    const struct wal_window_row *x = a;
    const struct wal_window_row *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

void wal_window_sort(struct wal_window *window)
{
    if (window->rows.len > 1)
        qsort(window->rows.items, window->rows.len, sizeof(*window->rows.items), by_group);
}

void wal_window_reset(struct wal_window *window)
{
    vec_reset(&window->rows);
    buf_reset(&window->bytes);
}
