/* A data directory of the reference: its log, its log of late samples, a file of head chunks, with
 * checksums put right. What is read with one window is read with many.
 *
 *     u24 length of the log  u24 length of the other log  both  the chunks */
#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "model/histogram_arithmetic.h"
#include "tests/support/memory_fs.h"
#include "tests/support/prometheus_log_builder.h"
#include "tool/prometheus_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t take_length(const uint8_t *data)
{
    return (size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2];
}

struct opened {
    struct prometheus_head *head;
    struct series_view *view;
    struct series_list list;
    struct sample_columns columns;
};

static bool open_head(struct opened *opened, const struct fs *fs, size_t window_bytes)
{
    struct prometheus_head_options options = {
        .fs = fs, .path = "d", .valid_from_ms = INT64_MIN, .window_bytes = window_bytes};
    struct errbuf err = ERRBUF_INIT;
    struct series_query query = {.min_ms = INT64_MIN, .max_ms = INT64_MAX, .sorted = true};
    *opened = (struct opened){0};
    if (prometheus_head_open(&options, &opened->head, &err) != ERR_NONE)
        return false;
    sample_columns_init(&opened->columns);
    struct series_source *source = prometheus_head_source(opened->head);
    ASSERT(series_source_open(source, INT64_MIN, INT64_MAX, &opened->view, &err) == ERR_NONE);
    ASSERT(series_view_select(opened->view, &query, &opened->list, &err) == ERR_NONE);
    return true;
}

static void close_head(struct opened *opened)
{
    if (opened->head == NULL)
        return;
    series_list_release(&opened->list);
    sample_columns_release(&opened->columns);
    series_view_close(opened->view);
    prometheus_head_close(opened->head);
}

static void compare(const struct sample_columns *a, const struct sample_columns *b)
{
    ASSERT(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        ASSERT(a->timestamps_ms[i] == b->timestamps_ms[i]);
        ASSERT(i == 0 || a->timestamps_ms[i] > a->timestamps_ms[i - 1]);
        ASSERT(codec_double_bits(a->values[i]) == codec_double_bits(b->values[i]));
    }
}

static void read_all(struct opened *whole, struct opened *parts)
{
    struct errbuf err = ERRBUF_INIT;
    ASSERT(whole->list.entries.len == parts->list.entries.len);
    for (size_t i = 0; i < whole->list.entries.len; i++) {
        enum err code = series_view_read(whole->view, &whole->list.entries.items[i], INT64_MIN,
                                         INT64_MAX, &whole->columns, &err);
        enum err again = series_view_read(parts->view, &parts->list.entries.items[i], INT64_MIN,
                                          INT64_MAX, &parts->columns, &err);
        ASSERT(code == ERR_NONE && again == ERR_NONE);
        compare(&whole->columns, &parts->columns);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 6)
        return 0;
    size_t left = size - 6, log = take_length(data), late = take_length(data + 3);
    log = MIN(log, left);
    late = MIN(late, left - log);
    uint8_t *bytes = mem_dup(data + 6, left);
    built_log_mend(bytes, log);
    built_log_mend(bytes + log, late);
    built_head_chunks_mend(bytes + log + late, left - log - late);
    const char *text = (const char *)bytes;
    struct memory_file files[] = {
        {"d/wal/00000000", slice_from(text, log)},
        {"d/wbl/00000000", slice_from(text + log, late)},
        {"d/chunks_head/000001", slice_from(text + log + late, left - log - late)}};
    struct memory_fs memory;
    memory_fs_init(&memory, files, ARRAY_SIZE(files));
    struct opened whole, parts;
    if (open_head(&whole, &memory.fs, 0) && open_head(&parts, &memory.fs, 1)) {
        read_all(&whole, &parts);
        close_head(&parts);
    }
    close_head(&whole);
    mem_free(bytes);
    return 0;
}
