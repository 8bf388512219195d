#include "tool/block_input.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

void block_input_init(struct block_input *input)
{
    *input = (struct block_input){.min_ms = INT64_MAX, .max_ms = INT64_MIN};
    table_init(&input->by_labels);
}

void block_input_release(struct block_input *input)
{
    for (size_t i = 0; i < input->series.len; i++) {
        labels_unref(input->series.items[i].labels);
        vec_release(&input->series.items[i].samples);
    }
    vec_release(&input->series);
    table_release(&input->by_labels);
}

struct labels_key {
    const struct block_input *input;
    const struct labels *labels;
};

static bool labels_are(const void *entry, const void *key)
{
    const struct labels_key *wanted = key;
    return labels_equal(wanted->input->series.items[(uintptr_t)entry - 1].labels, wanted->labels);
}

size_t block_input_series(struct block_input *input, struct labels *labels)
{
    struct labels_key key = {input, labels};
    uintptr_t entry = (uintptr_t)table_get(&input->by_labels, labels->hash, labels_are, &key);
    if (entry != 0) {
        labels_unref(labels);
        return entry - 1;
    }
    vec_push(&input->series, (struct input_series){.labels = labels});
    table_add(&input->by_labels, labels->hash, (void *)(uintptr_t)input->series.len);
    return input->series.len - 1;
}

void block_input_add(struct block_input *input, size_t series, int64_t time_ms, double value)
{
    vec_push(&input->series.items[series].samples, (struct input_sample){time_ms, value});
    input->min_ms = MIN(input->min_ms, time_ms);
    input->max_ms = MAX(input->max_ms, time_ms);
}

/* Equal times keep their order: the samples of a series are one array. */
static int sample_compare(const void *a, const void *b)
{
    const struct input_sample *x = *(struct input_sample *const *)a;
    const struct input_sample *y = *(struct input_sample *const *)b;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return (x > y) - (x < y);
}

static int series_compare(const void *a, const void *b)
{
    return labels_compare(((const struct input_series *)a)->labels,
                          ((const struct input_series *)b)->labels);
}

static bool is_sorted(const struct input_series *series)
{
    for (size_t i = 1; i < series->samples.len; i++) {
        if (series->samples.items[i - 1].time_ms >= series->samples.items[i].time_ms)
            return false;
    }
    return true;
}

static enum err fail_conflict(const struct input_series *series, int64_t time_ms,
                              struct errbuf *err)
{
    struct buf text CLEANUP(buf_release);
    buf_init(&text, 4096);
    labels_print(series->labels, &text);
    return errbuf_set(err, ERR_INVALID,
                      "%s has two values at %" PRId64 " ms: duplicate sample for timestamp",
                      buf_cstr(&text), time_ms);
}

static enum err sort_samples(struct input_series *series, enum input_conflict conflict,
                             struct errbuf *err)
{
    size_t count = series->samples.len;
    if (is_sorted(series))
        return ERR_NONE;
    struct input_sample **order = mem_alloc_array(count, sizeof(struct input_sample *));
    struct input_sample *sorted = mem_alloc_array(count, sizeof(*sorted));
    for (size_t i = 0; i < count; i++)
        order[i] = &series->samples.items[i];
    qsort(order, count, sizeof(struct input_sample *), sample_compare);
    enum err code = ERR_NONE;
    size_t kept = 0;
    for (size_t i = 0; i < count && code == ERR_NONE; i++) {
        if (kept == 0 || sorted[kept - 1].time_ms != order[i]->time_ms)
            sorted[kept++] = *order[i];
        else if (conflict == INPUT_CONFLICT_FAILS &&
                 memcmp(&sorted[kept - 1].value, &order[i]->value, sizeof(double)) != 0)
            code = fail_conflict(series, order[i]->time_ms, err);
    }
    mem_free(order);
    mem_free(series->samples.items);
    series->samples.items = sorted;
    series->samples.cap = count;
    series->samples.len = kept;
    return code;
}

enum err block_input_sort(struct block_input *input, enum input_conflict conflict,
                          struct errbuf *err)
{
    enum err code = ERR_NONE;
    for (size_t i = 0; i < input->series.len && code == ERR_NONE; i++)
        code = sort_samples(&input->series.items[i], conflict, err);
    if (code == ERR_NONE && input->series.len > 1)
        qsort(input->series.items, input->series.len, sizeof(*input->series.items), series_compare);
    return code;
}
