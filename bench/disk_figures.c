/*
 * What samples cost on disk: 24 h at 15 s of one node_exporter target, the same with scrapes that
 * are late by 0 to 20 ms, and 1,000 integer gauges. They are written as blocks of two hours and
 * these merged into one, as compaction does. Prints bytes a sample of all files before and after,
 * and what writing and merging take, as a line of JSON for each shape.
 *
 *     disk_figures [HOURS [OPENMETRICS_PREFIX]]
 *
 * With a prefix the same samples are written to PREFIX.SHAPE.om too, for `promtool tsdb
 * create-blocks-from openmetrics`.
 */
#include "base/alloc.h"
#include "base/float_text.h"
#include "bench/node_shape.h"
#include "model/labels_builder.h"
#include "model/symbols.h"
#include "tsdb/block_writer.h"
#include "tsdb/compaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define START_MS INT64_C(1700006400000) /* a multiple of two hours */
#define INTERVAL_MS 15000
#define BLOCK_MS INT64_C(7200000)
#define BLOCK_ROWS (BLOCK_MS / INTERVAL_MS)
#define JITTER_MS 21
#define GAUGES 1000
#define BLOCKS_MAX 512

struct sample_set {
    const char *name;
    size_t series_count;
    size_t row_count;
    struct labels **labels; /* sorted */
    double **values;        /* by series */
    int64_t *times_ms;
};

static void check(enum err code, const struct errbuf *err)
{
    if (code != ERR_NONE) {
        fprintf(stderr, "%s\n", err->text);
        abort();
    }
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- samples --- */

static void set_times(struct sample_set *set, struct rand *rand, bool late)
{
    for (size_t i = 0; i < set->row_count; i++)
        set->times_ms[i] =
            START_MS + (int64_t)i * INTERVAL_MS + (late ? (int64_t)rand_below(rand, JITTER_MS) : 0);
}

static void set_init(struct sample_set *set, const char *name, size_t series_count,
                     size_t row_count)
{
    *set = (struct sample_set){name, series_count, row_count, NULL, NULL, NULL};
    set->labels = mem_zalloc_array(series_count, sizeof(*set->labels));
    set->values = mem_zalloc_array(series_count, sizeof(*set->values));
    set->times_ms = mem_zalloc_array(row_count, sizeof(*set->times_ms));
    for (size_t i = 0; i < series_count; i++)
        set->values[i] = mem_zalloc_array(row_count, sizeof(double));
}

static void set_release(struct sample_set *set)
{
    for (size_t i = 0; i < set->series_count; i++) {
        labels_unref(set->labels[i]);
        mem_free(set->values[i]);
    }
    mem_free(set->labels);
    mem_free(set->values);
    mem_free(set->times_ms);
}

struct sort_item {
    struct labels *labels;
    double *values;
};

static int compare_items(const void *a, const void *b)
{
    return labels_compare(((const struct sort_item *)a)->labels,
                          ((const struct sort_item *)b)->labels);
}

static void set_sort(struct sample_set *set)
{
    struct sort_item *items = mem_zalloc_array(set->series_count, sizeof(*items));
    for (size_t i = 0; i < set->series_count; i++)
        items[i] = (struct sort_item){set->labels[i], set->values[i]};
    qsort(items, set->series_count, sizeof(*items), compare_items);
    for (size_t i = 0; i < set->series_count; i++) {
        set->labels[i] = items[i].labels;
        set->values[i] = items[i].values;
    }
    mem_free(items);
}

static void make_node(struct sample_set *set, const char *name, size_t row_count, bool late)
{
    struct node_shape *shape = node_shape_new();
    struct node_target *target = mem_zalloc(sizeof(*target));
    struct labels_builder builder;
    set_init(set, name, NODE_SERIES_COUNT, row_count);
    node_target_init(target, shape, 7);
    labels_builder_init(&builder);
    for (size_t i = 0; i < NODE_SERIES_COUNT; i++) {
        const struct node_series *series = &shape->series[i];
        labels_builder_reset(&builder);
        labels_builder_set(&builder, SLICE("__name__"), slice_str(series->family));
        labels_builder_set(&builder, SLICE("instance"), SLICE("host-1:9100"));
        labels_builder_set(&builder, SLICE("job"), SLICE("node"));
        for (size_t k = 0; k < series->label_count; k++)
            labels_builder_set(&builder, slice_str(series->labels[k].name),
                               slice_str(series->labels[k].value));
        set->labels[i] = labels_builder_build(&builder);
    }
    for (size_t row = 0; row < row_count; row++) {
        for (size_t i = 0; i < NODE_SERIES_COUNT; i++)
            set->values[i][row] = target->walks[i].value;
        node_target_advance(target, INTERVAL_MS / 1000);
    }
    set_times(set, &target->rand, late);
    set_sort(set);
    labels_builder_release(&builder);
    mem_free(target);
    node_shape_free(shape);
}

static void make_gauges(struct sample_set *set, size_t row_count)
{
    struct rand rand;
    struct labels_builder builder;
    rand_init(&rand, 11);
    set_init(set, "integers", GAUGES, row_count);
    labels_builder_init(&builder);
    for (size_t i = 0; i < GAUGES; i++) {
        char host[32];
        struct walk walk = walk_start(WALK_PERCENT, 0, &rand);
        snprintf(host, sizeof(host), "host_%zu", i);
        labels_builder_reset(&builder);
        labels_builder_set(&builder, SLICE("__name__"), SLICE("cpu_usage_user"));
        labels_builder_set(&builder, SLICE("hostname"), slice_str(host));
        set->labels[i] = labels_builder_build(&builder);
        for (size_t row = 0; row < row_count; row++)
            set->values[i][row] = walk_next(&walk, INTERVAL_MS / 1000, &rand);
    }
    set_times(set, &rand, false);
    set_sort(set);
    labels_builder_release(&builder);
}

/* --- blocks --- */

static struct block *write_block(const struct sample_set *set, const char *directory, size_t from,
                                 size_t count)
{
    struct errbuf err = ERRBUF_INIT;
    struct rand rand;
    struct block_meta meta = {.level = 1, .min_ms = START_MS + (int64_t)from * INTERVAL_MS};
    meta.max_ms = meta.min_ms + BLOCK_MS;
    rand_init(&rand, from);
    ulid_make(&meta.ulid, (int64_t)from, &rand);
    struct block_writer_options options = {.fs = fs_system, .directory = directory, .meta = &meta};
    struct block_writer *writer;
    check(block_writer_open(&options, &writer, &err), &err);
    for (size_t i = 0; i < set->series_count; i++) {
        struct sample_columns columns = {
            .timestamps_ms = set->times_ms + from, .values = set->values[i] + from, .count = count};
        block_writer_series(writer, set->labels[i]);
        block_writer_samples(writer, &columns);
    }
    struct block_meta written;
    check(block_writer_finish(writer, &written, &err), &err);
    block_meta_release(&written);
    char path[512];
    struct block *block;
    snprintf(path, sizeof(path), "%s/%s", directory, meta.ulid.text);
    check(block_open(fs_system, path, &block, &err), &err);
    return block;
}

static void measure(const struct sample_set *set)
{
    char directory[] = "/tmp/disk_figures-XXXXXX";
    struct block *blocks[BLOCKS_MAX], *merged;
    struct errbuf err = ERRBUF_INIT;
    size_t count = 0;
    uint64_t bytes = 0;
    double samples = (double)set->series_count * (double)set->row_count;
    if (mkdtemp(directory) == NULL)
        abort();
    double start_s = cpu_seconds();
    for (size_t from = 0; from < set->row_count; from += BLOCK_ROWS) {
        blocks[count] = write_block(set, directory, from, BLOCK_ROWS);
        bytes += block_size_bytes(blocks[count++]);
    }
    double write_s = cpu_seconds() - start_s;
    struct compaction compaction = {
        .fs = fs_system, .directory = directory, .blocks = blocks, .count = count};
    struct rand rand;
    rand_init(&rand, 1);
    ulid_make(&compaction.ulid, START_MS, &rand);
    start_s = cpu_seconds();
    check(compaction_run(&compaction, &merged, &err), &err);
    double merge_s = cpu_seconds() - start_s;
    if ((double)block_meta(merged)->stats.samples != samples)
        abort();
    printf("{\"shape\": \"%s\", \"samples\": %.0f, \"bytes_per_sample_2h\": %.4f, "
           "\"bytes_per_sample\": %.4f, \"write_ns\": %.1f, \"merge_ns\": %.1f}\n",
           set->name, samples, (double)bytes / samples, (double)block_size_bytes(merged) / samples,
           write_s * 1e9 / samples, merge_s * 1e9 / samples);
    fflush(stdout);
    for (size_t i = 0; i < count; i++)
        block_unref(blocks[i]);
    block_unref(merged);
    check(fs_remove_tree(fs_system, directory, &err), &err);
}

/* --- for the peers --- */

static void print_labels(const struct labels *labels, FILE *out)
{
    const char *separator = "{";
    struct slice name = labels_get(labels, SLICE("__name__"));
    fprintf(out, "%.*s", SLICE_ARG(name));
    for (uint32_t i = 0; i < labels->count; i++) {
        struct slice label = symbols_text(labels->pairs[i].name);
        struct slice value = symbols_text(labels->pairs[i].value);
        if (slice_eq_str(label, "__name__"))
            continue;
        fprintf(out, "%s%.*s=\"%.*s\"", separator, SLICE_ARG(label), SLICE_ARG(value));
        separator = ",";
    }
    fputs("} ", out);
}

static void print_openmetrics(const struct sample_set *set, const char *prefix)
{
    char path[512];
    snprintf(path, sizeof(path), "%s.%s.om", prefix, set->name);
    FILE *out = fopen(path, "w");
    if (out == NULL)
        abort();
    for (size_t i = 0; i < set->series_count; i++) {
        for (size_t row = 0; row < set->row_count; row++) {
            char value[FLOAT_TEXT_SHORT_SIZE];
            print_labels(set->labels[i], out);
            fprintf(out, "%.*s %.3f\n", (int)float_text_g(set->values[i][row], value), value,
                    (double)set->times_ms[row] / 1000);
        }
    }
    fputs("# EOF\n", out);
    fclose(out);
}

int main(int argc, char **argv)
{
    size_t hours = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 24;
    if (hours == 0 || hours % 2 != 0 || hours / 2 > BLOCKS_MAX) {
        fprintf(stderr, "usage: disk_figures [HOURS [OPENMETRICS_PREFIX]], an even number\n");
        return 2;
    }
    size_t row_count = hours * 3600 * 1000 / INTERVAL_MS;
    for (int shape = 0; shape < 3; shape++) {
        struct sample_set set;
        if (shape == 2)
            make_gauges(&set, row_count);
        else
            make_node(&set, shape == 0 ? "node" : "jitter", row_count, shape == 1);
        measure(&set);
        if (argc > 2)
            print_openmetrics(&set, argv[2]);
        set_release(&set);
    }
    return 0;
}
