/*
 * What merging many series takes: memory, processor and bytes, each step in a process of its own.
 *
 *     compaction_figures write DIRECTORY SERIES ROWS BLOCKS CHURN    blocks of two hours
 *     compaction_figures merge DIRECTORY                             all of them into one
 *     compaction_figures text SERIES ROWS BLOCKS CHURN               the same, as OpenMetrics
 *
 * SERIES are active at a time, with ROWS samples in each of the BLOCKS; CHURN percent of them are
 * replaced from block to block by series with another `pod`. Prints a line of JSON.
 */
#include "base/alloc.h"
#include "base/rand.h"
#include "base/vec.h"
#include "model/labels_builder.h"
#include "tsdb/block_writer.h"
#include "tsdb/compaction.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define START_MS INT64_C(1700006400000)
#define BLOCK_MS INT64_C(7200000)
#define METRICS 500 /* of each target */

struct plan {
    size_t series;
    size_t rows;
    size_t blocks;
    size_t churn_percent;
};

static void check(enum err code, const struct errbuf *err)
{
    if (code != ERR_NONE) {
        fprintf(stderr, "%s\n", err->text);
        abort();
    }
}

/* Which generation of a place among the series is active in a block. */
static size_t generation(const struct plan *plan, size_t place, size_t block)
{
    size_t phase = place * 37 % 100;
    return (block * plan->churn_percent + phase) / 100;
}

struct place {
    size_t number;
    size_t generation;
    struct labels *labels;
};

static int place_compare(const void *a, const void *b)
{
    return labels_compare(((const struct place *)a)->labels, ((const struct place *)b)->labels);
}

static struct place *make_places(const struct plan *plan, size_t block)
{
    struct labels_builder builder;
    struct place *places = mem_zalloc_array(plan->series, sizeof(*places));
    labels_builder_init(&builder);
    for (size_t i = 0; i < plan->series; i++) {
        char metric[32], instance[32], pod[48];
        struct place *place = &places[i];
        place->number = i;
        place->generation = generation(plan, i, block);
        snprintf(metric, sizeof(metric), "metric_%zu_total", i % METRICS);
        snprintf(instance, sizeof(instance), "10.0.%zu.%zu:9100", i / METRICS / 250,
                 i / METRICS % 250);
        snprintf(pod, sizeof(pod), "app-%08x-%zu",
                 (unsigned)(place->generation * 2654435761u ^ i / METRICS * 40503u),
                 place->generation);
        labels_builder_reset(&builder);
        labels_builder_set(&builder, SLICE("__name__"), slice_str(metric));
        labels_builder_set(&builder, SLICE("instance"), slice_str(instance));
        labels_builder_set(&builder, SLICE("job"), SLICE("app"));
        labels_builder_set(&builder, SLICE("pod"), slice_str(pod));
        place->labels = labels_builder_build(&builder);
    }
    labels_builder_release(&builder);
    qsort(places, plan->series, sizeof(*places), place_compare);
    return places;
}

static void free_places(const struct plan *plan, struct place *places)
{
    for (size_t i = 0; i < plan->series; i++)
        labels_unref(places[i].labels);
    mem_free(places);
}

/* Counters that move by small steps, each third one not at all. */
static void make_samples(const struct plan *plan, const struct place *place, size_t block,
                         int64_t *times_ms, double *values)
{
    struct rand rand;
    rand_init(&rand, place->number * 1000003 + block);
    double value = (double)(place->number * 1000 + block * plan->rows * 5);
    for (size_t row = 0; row < plan->rows; row++) {
        times_ms[row] =
            START_MS + (int64_t)block * BLOCK_MS + (int64_t)row * (BLOCK_MS / (int64_t)plan->rows);
        values[row] = value += place->number % 3 == 0 ? 0 : (double)rand_below(&rand, 10);
    }
}

static void write_block(const struct plan *plan, const char *directory, size_t block)
{
    struct errbuf err = ERRBUF_INIT;
    struct block_meta meta = {.level = 1, .min_ms = START_MS + (int64_t)block * BLOCK_MS}, written;
    struct rand rand;
    meta.max_ms = meta.min_ms + BLOCK_MS;
    rand_init(&rand, block);
    ulid_make(&meta.ulid, meta.min_ms, &rand);
    struct block_writer_options options = {.fs = fs_system, .directory = directory, .meta = &meta};
    struct block_writer *writer;
    check(block_writer_open(&options, &writer, &err), &err);
    struct place *places = make_places(plan, block);
    CLEANUP(mem_cleanup) int64_t *times_ms = mem_alloc_array(plan->rows, sizeof(*times_ms));
    CLEANUP(mem_cleanup) double *values = mem_alloc_array(plan->rows, sizeof(*values));
    for (size_t i = 0; i < plan->series; i++) {
        struct sample_columns columns = {
            .timestamps_ms = times_ms, .values = values, .count = plan->rows};
        make_samples(plan, &places[i], block, times_ms, values);
        block_writer_series(writer, places[i].labels);
        block_writer_samples(writer, &columns);
    }
    check(block_writer_finish(writer, &written, &err), &err);
    block_meta_release(&written);
    free_places(plan, places);
}

/* --- merging --- */

static uint64_t file_bytes(const char *directory, const char *name)
{
    char path[1024];
    struct stat status;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static void print_figures(const char *what, const struct block *block)
{
    const struct block_stats *stats = &block_meta(block)->stats;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    double samples = (double)stats->samples, series = (double)stats->series;
    printf("{\"what\": \"%s\", \"series\": %.0f, \"samples\": %.0f, \"chunks\": %llu, "
           "\"index_bytes_per_series\": %.2f, \"bytes_per_sample\": %.3f, \"cpu_s\": %.2f, "
           "\"cpu_ns_per_sample\": %.1f, \"rss_peak_mb\": %.1f}\n",
           what, series, samples, (unsigned long long)stats->chunks,
           (double)file_bytes(block_path(block), "index") / series,
           (double)block_size_bytes(block) / samples, cpu_s, cpu_s * 1e9 / samples,
           (double)usage.ru_maxrss / 1024);
}

static int block_compare(const void *a, const void *b)
{
    int64_t x = block_meta(*(struct block *const *)a)->min_ms;
    int64_t y = block_meta(*(struct block *const *)b)->min_ms;
    return (x > y) - (x < y);
}

static void merge(const char *directory)
{
    VEC(struct block *) blocks = {0};
    struct errbuf err = ERRBUF_INIT;
    struct rand rand;
    struct block *merged;
    DIR *names = opendir(directory);
    if (names == NULL)
        abort();
    for (struct dirent *entry = readdir(names); entry != NULL; entry = readdir(names)) {
        char path[1024];
        struct block *block;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        check(block_open(fs_system, path, &block, &err), &err);
        vec_push(&blocks, block);
    }
    closedir(names);
    qsort(blocks.items, blocks.len, sizeof(*blocks.items), block_compare);
    struct compaction compaction = {.fs = fs_system,
                                    .directory = directory,
                                    .blocks = blocks.items,
                                    .count = blocks.len,
                                    .rewrite = blocks.len == 1};
    rand_init(&rand, 99);
    ulid_make(&compaction.ulid, START_MS, &rand);
    check(compaction_run(&compaction, &merged, &err), &err);
    print_figures("merge", merged);
    check(fs_remove_tree(fs_system, block_path(merged), &err), &err);
    block_unref(merged);
    for (size_t i = 0; i < blocks.len; i++)
        block_unref(blocks.items[i]);
    vec_release(&blocks);
}

/* --- for the peers --- */

static void print_text(const struct plan *plan)
{
    CLEANUP(mem_cleanup) int64_t *times_ms = mem_alloc_array(plan->rows, sizeof(*times_ms));
    CLEANUP(mem_cleanup) double *values = mem_alloc_array(plan->rows, sizeof(*values));
    for (size_t block = 0; block < plan->blocks; block++) {
        struct place *places = make_places(plan, block);
        for (size_t i = 0; i < plan->series; i++) {
            const struct labels *labels = places[i].labels;
            make_samples(plan, &places[i], block, times_ms, values);
            for (size_t row = 0; row < plan->rows; row++)
                printf("%.*s{instance=\"%.*s\",job=\"app\",pod=\"%.*s\"} %.0f %.3f\n",
                       SLICE_ARG(labels_get(labels, SLICE("__name__"))),
                       SLICE_ARG(labels_get(labels, SLICE("instance"))),
                       SLICE_ARG(labels_get(labels, SLICE("pod"))), values[row],
                       (double)times_ms[row] / 1000);
        }
        free_places(plan, places);
    }
    puts("# EOF");
}

static struct plan read_plan(char **arguments)
{
    struct plan plan = {.series = strtoul(arguments[0], NULL, 10),
                        .rows = strtoul(arguments[1], NULL, 10),
                        .blocks = strtoul(arguments[2], NULL, 10),
                        .churn_percent = strtoul(arguments[3], NULL, 10)};
    if (plan.series == 0 || plan.rows == 0 || plan.rows > 7200 || plan.blocks == 0)
        abort();
    return plan;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "merge") == 0) {
        merge(argv[2]);
    } else if (argc == 7 && strcmp(argv[1], "write") == 0) {
        struct plan plan = read_plan(argv + 3);
        for (size_t block = 0; block < plan.blocks; block++)
            write_block(&plan, argv[2], block);
    } else if (argc == 6 && strcmp(argv[1], "text") == 0) {
        struct plan plan = read_plan(argv + 2);
        print_text(&plan);
    } else {
        fprintf(stderr, "usage: compaction_figures write DIRECTORY SERIES ROWS BLOCKS CHURN | "
                        "merge DIRECTORY | text SERIES ROWS BLOCKS CHURN\n");
        return 2;
    }
    return 0;
}
