/* Remote write requests behind their compression: nothing is read outside of the message, what was
 * found whole is whole, and labels are sorted without duplicates. */
#include <stdint.h>
#include <stdlib.h>

#include "remote/write_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
    if (!condition)
        abort();
}

static void check_inside(struct slice part, struct slice message)
{
    check(part.len == 0 ||
          (part.ptr >= message.ptr && part.ptr + part.len <= message.ptr + message.len));
}

static void check_labels(const struct write_series *series)
{
    static struct write_label labels[WRITE_LABELS_MAX];
    struct errbuf err;
    size_t count;
    if (write_series_labels(series, labels, &count, &err) != ERR_NONE)
        return;
    check(count > 0);
    for (size_t i = 0; i < count; i++) {
        check_inside(labels[i].name, series->message);
        check_inside(labels[i].value, series->message);
        check(labels[i].name.len > 0 && labels[i].value.len > 0);
        check(i == 0 || slice_cmp(labels[i - 1].name, labels[i].name) < 0);
    }
}

static void check_items(const struct write_request *request, const struct write_series *series)
{
    struct write_items items = write_series_items(series);
    struct sample sample;
    struct slice message;
    enum write_item_kind kind;
    size_t count = 0;
    while ((kind = write_items_next(&items, &sample, &message)) != WRITE_ITEM_NONE) {
        count++;
        if (kind == WRITE_ITEM_SAMPLE) {
            check(sample.timestamp_ms >= request->oldest_ms &&
                  sample.timestamp_ms <= request->newest_ms);
            continue;
        }
        if (kind == WRITE_ITEM_EXEMPLAR) {
            struct exemplar_label labels[EXEMPLAR_LABEL_RUNES_MAX];
            struct exemplar exemplar;
            if (write_exemplar_read(message, labels, &exemplar))
                check(exemplar.label_count <= EXEMPLAR_LABEL_RUNES_MAX);
            continue;
        }
        struct arena arena;
        struct histogram histogram;
        struct errbuf err;
        int64_t time_ms;
        check_inside(message, series->message);
        arena_init(&arena, 1 << 22);
        if (write_histogram_read(message, &arena, &histogram, &time_ms, &err) == ERR_NONE)
            check(time_ms == write_histogram_time(message));
        arena_release(&arena);
    }
    check(count == series->item_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct write_request request = {0};
    struct slice message = slice_from((const char *)data, size);
    struct errbuf err;
    if (write_request_read(&request, message, &err) == ERR_NONE) {
        for (size_t i = 0; i < request.series.len; i++) {
            check_inside(request.series.items[i].message, message);
            check_labels(&request.series.items[i]);
            check_items(&request, &request.series.items[i]);
        }
    }
    write_request_release(&request);
    return 0;
}
