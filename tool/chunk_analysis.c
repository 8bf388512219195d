#include "tool/chunk_analysis.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/vec.h"
#include "tool/progress.h"
#include "tool/prometheus_chunks.h"

#define STEP_MIN 10
#define STEP_FACTOR 10
#define STEP_GROWS_TO 10000
#define STEPS_WANTED 10

typedef VEC(size_t) figures;

struct analysis {
    size_t chunks;
    figures float_samples, float_bytes;
    figures histogram_samples, histogram_bytes, histogram_buckets;
};

static void add_chunk(void *context, const struct prometheus_chunk_figures *chunk)
{
    struct analysis *analysis = context;
    analysis->chunks++;
    if (!chunk->is_histogram) {
        vec_push(&analysis->float_samples, chunk->samples);
        vec_push(&analysis->float_bytes, chunk->bytes);
        return;
    }
    vec_push(&analysis->histogram_samples, chunk->samples);
    vec_push(&analysis->histogram_bytes, chunk->bytes);
    vec_push(&analysis->histogram_buckets, chunk->buckets);
}

static int figure_compare(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static int digits(size_t number)
{
    return snprintf(NULL, 0, "%zu", number);
}

struct scale {
    size_t start;
    size_t end;
    size_t step;
};

static struct scale scale_of(size_t min, size_t max)
{
    size_t step = STEP_MIN;
    while (step < (max - min) / STEPS_WANTED && step <= STEP_GROWS_TO)
        step *= STEP_FACTOR;
    return (struct scale){min - min % step, max - max % step + step, step};
}

static void print_bars(const size_t *counts, size_t count, const struct scale *scale, size_t total)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++)
        most = MAX(most, counts[i]);
    for (size_t i = 0; i < count; i++) {
        printf("[%*zu, %*zu]: %*zu ", digits(scale->end), i * scale->step + scale->start + 1,
               digits(scale->end + scale->step), (i + 1) * scale->step + scale->start, digits(most),
               counts[i]);
        for (size_t k = 0; k < 100 * counts[i] / total; k++)
            putchar('#');
        putchar('\n');
    }
    putchar('\n');
}

static void print_figures(const char *title, figures *list, size_t total)
{
    if (list->len == 0) {
        printf("%s: N/A\n\n", title);
        return;
    }
    qsort(list->items, list->len, sizeof(*list->items), figure_compare);
    size_t min = list->items[0], max = list->items[list->len - 1], sum = 0;
    struct scale scale = scale_of(min, max);
    size_t count = (scale.end - scale.start) / scale.step + 1;
    size_t *counts = mem_zalloc_array(count, sizeof(*counts));
    for (size_t i = 0; i < list->len; i++) {
        sum += list->items[i];
        counts[(list->items[i] - scale.start) / scale.step]++;
    }
    printf("%s (min/avg/max): %zu/%zu/%zu\n", title, min, sum / list->len, max);
    print_bars(counts, count, &scale, total);
    mem_free(counts);
}

enum err chunk_analysis_print(struct prometheus_block *block, const struct series_list *list,
                              struct errbuf *err)
{
    struct analysis analysis = {0};
    enum err code = ERR_NONE;
    for (size_t i = 0; i < list->entries.len && code == ERR_NONE; i++) {
        progress_show("chunks of series", i, list->entries.len);
        code = prometheus_block_measure(block, list->entries.items[i].handle, add_chunk, &analysis,
                                        err);
    }
    progress_clear();
    if (code == ERR_NONE) {
        printf("\nCompaction analysis:\n\n");
        print_figures("samples per float chunk", &analysis.float_samples, analysis.chunks);
        print_figures("bytes per float chunk", &analysis.float_bytes, analysis.chunks);
        print_figures("samples per histogram chunk", &analysis.histogram_samples, analysis.chunks);
        print_figures("bytes per histogram chunk", &analysis.histogram_bytes, analysis.chunks);
        print_figures("buckets per histogram chunk", &analysis.histogram_buckets, analysis.chunks);
    }
    vec_release(&analysis.float_samples);
    vec_release(&analysis.float_bytes);
    vec_release(&analysis.histogram_samples);
    vec_release(&analysis.histogram_bytes);
    vec_release(&analysis.histogram_buckets);
    return code;
}
