/*
 * What samples cost on disk, by the shapes of sample_set.h: 240 rows an HOUR, which are 24 h of
 * what comes every 15 s and 96 minutes of what comes every second. They are written as blocks of
 * two hours and these merged into one, as compaction does. Prints bytes a sample of all files
 * before and after, and what writing and merging take, as a line of JSON for each shape.
 *
 *     disk_figures [HOURS [PREFIX [SHAPE ...]]]
 *
 * With a prefix, which may be empty, the same samples are written for the peers too:
 * PREFIX.SHAPE.om for `promtool tsdb create-blocks-from openmetrics`, and PREFIX.SHAPE.jsonl for
 * /api/v1/import of victoria-metrics.
 */
#include "base/alloc.h"
#include "base/float_text.h"
#include "base/rand.h"
#include "bench/capture.h"
#include "bench/sample_set.h"
#include "model/symbols.h"
#include "tsdb/block_writer.h"
#include "tsdb/bucket_order.h"
#include "tsdb/compaction.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_MS INT64_C(7200000)
#define ROWS_AN_HOUR 240
#define BLOCKS_MAX 512

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

/* --- blocks --- */

static uint64_t directory_bytes(const char *path)
{
    uint64_t bytes = 0;
    DIR *directory = opendir(path);
    if (directory == NULL)
        abort();
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char inner[1024];
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        if (stat(inner, &status) != 0)
            abort();
        bytes += S_ISDIR(status.st_mode) ? directory_bytes(inner) : (uint64_t)status.st_size;
    }
    closedir(directory);
    return bytes;
}

static void write_series(struct block_writer *writer, const struct sample_set *set, size_t series,
                         bool related, size_t from, size_t count)
{
    CLEANUP(mem_cleanup) int64_t *times_ms = mem_alloc_array(count, sizeof(*times_ms));
    CLEANUP(mem_cleanup) double *values = mem_alloc_array(count, sizeof(*values));
    size_t present = 0;
    for (size_t row = from; row < from + count; row++) {
        values[present] = set->values[series][row];
        times_ms[present] = set->times_ms[row];
        present += !capture_absent(values[present]);
    }
    struct sample_columns columns = {.timestamps_ms = times_ms, .values = values, .count = present};
    if (related)
        block_writer_relative(writer, set->labels[series]);
    else
        block_writer_series(writer, set->labels[series]);
    if (present > 0)
        block_writer_samples(writer, &columns);
}

/* In the order in which block_copy.h takes them from the head. */
static void write_all(struct block_writer *writer, const struct sample_set *set, size_t from,
                      size_t count)
{
    CLEANUP(mem_cleanup)
    struct series_entry *entries = mem_alloc_array(set->series_count, sizeof(*entries));
    bucket_places places = {0};
    for (size_t i = 0; i < set->series_count; i++)
        entries[i] = (struct series_entry){set->labels[i], i};
    for (size_t at = 0; at < set->series_count;) {
        bool buckets;
        size_t of_metric = bucket_order_metric(entries + at, set->series_count - at, &buckets);
        bucket_order_make(entries + at, of_metric, &places);
        block_writer_begin_unsorted(writer);
        for (size_t i = 0; i < of_metric; i++)
            write_series(writer, set, places.items[i].entry->handle, places.items[i].related, from,
                         count);
        block_writer_end_unsorted(writer);
        at += of_metric;
    }
    vec_release(&places);
}

static struct block *write_block(const struct sample_set *set, const char *directory, size_t from,
                                 size_t count)
{
    struct errbuf err = ERRBUF_INIT;
    struct rand rand;
    struct block_meta meta = {.level = 1,
                              .min_ms = SAMPLE_SET_START_MS + (int64_t)from * set->interval_ms};
    meta.max_ms = meta.min_ms + BLOCK_MS;
    rand_init(&rand, from);
    ulid_make(&meta.ulid, (int64_t)from, &rand);
    struct block_writer_options options = {.fs = fs_system, .directory = directory, .meta = &meta};
    struct block_writer *writer;
    check(block_writer_open(&options, &writer, &err), &err);
    write_all(writer, set, from, count);
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
    double samples = (double)set->sample_count;
    size_t block_rows = (size_t)(BLOCK_MS / set->interval_ms);
    if (mkdtemp(directory) == NULL)
        abort();
    double start_s = cpu_seconds();
    for (size_t from = 0; from < set->row_count; from += block_rows)
        blocks[count++] = write_block(set, directory, from, MIN(block_rows, set->row_count - from));
    double write_s = cpu_seconds() - start_s;
    uint64_t bytes = directory_bytes(directory);
    struct compaction compaction = {.fs = fs_system,
                                    .directory = directory,
                                    .blocks = blocks,
                                    .count = count,
                                    .rewrite = count == 1};
    struct rand rand;
    rand_init(&rand, 1);
    ulid_make(&compaction.ulid, SAMPLE_SET_START_MS, &rand);
    start_s = cpu_seconds();
    check(compaction_run(&compaction, &merged, &err), &err);
    double merge_s = cpu_seconds() - start_s;
    uint64_t merged_bytes = directory_bytes(directory) - bytes;
    if ((double)block_meta(merged)->stats.samples != samples)
        abort();
    printf("{\"shape\": \"%s\", \"samples\": %.0f, \"bytes_per_sample_2h\": %.4f, "
           "\"bytes_per_sample\": %.4f, \"write_ns\": %.1f, \"merge_ns\": %.1f}\n",
           set->name, samples, (double)bytes / samples, (double)merged_bytes / samples,
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
            if (capture_absent(set->values[i][row]))
                continue;
            print_labels(set->labels[i], out);
            fprintf(out, "%.*s %.3f\n", (int)float_text_g(set->values[i][row], value), value,
                    (double)set->times_ms[row] / 1000);
        }
    }
    fputs("# EOF\n", out);
    fclose(out);
}

/* One series a line: {"metric":{...},"values":[...],"timestamps":[...]} */
static void print_json_series(const struct sample_set *set, size_t series, FILE *out)
{
    const struct labels *labels = set->labels[series];
    const char *separator = "{\"metric\":{";
    for (uint32_t i = 0; i < labels->count; i++) {
        struct slice label = symbols_text(labels->pairs[i].name);
        struct slice value = symbols_text(labels->pairs[i].value);
        fprintf(out, "%s\"%.*s\":\"%.*s\"", separator, SLICE_ARG(label), SLICE_ARG(value));
        separator = ",";
    }
    separator = "},\"values\":[";
    for (size_t row = 0; row < set->row_count; row++) {
        char value[FLOAT_TEXT_SHORT_SIZE];
        if (capture_absent(set->values[series][row]))
            continue;
        fprintf(out, "%s%.*s", separator, (int)float_text_g(set->values[series][row], value),
                value);
        separator = ",";
    }
    separator = "],\"timestamps\":[";
    for (size_t row = 0; row < set->row_count; row++) {
        if (capture_absent(set->values[series][row]))
            continue;
        fprintf(out, "%s%lld", separator, (long long)set->times_ms[row]);
        separator = ",";
    }
    fputs("]}\n", out);
}

static void print_json(const struct sample_set *set, const char *prefix)
{
    char path[512];
    snprintf(path, sizeof(path), "%s.%s.jsonl", prefix, set->name);
    FILE *out = fopen(path, "w");
    if (out == NULL)
        abort();
    for (size_t i = 0; i < set->series_count; i++)
        print_json_series(set, i, out);
    fclose(out);
}

static bool is_wanted(const char *name, char **names, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return count <= 0;
}

int main(int argc, char **argv)
{
    size_t hours = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 24;
    if (hours == 0 || hours % 2 != 0 || hours / 2 > BLOCKS_MAX) {
        fprintf(stderr, "usage: disk_figures [HOURS [PREFIX [SHAPE ...]]], an even number\n");
        return 2;
    }
    for (size_t shape = 0; shape < sample_set_shape_count(); shape++) {
        struct sample_set set;
        if (!is_wanted(sample_set_shape_name(shape), argv + 3, argc - 3))
            continue;
        if (!sample_set_make(&set, shape, hours * ROWS_AN_HOUR)) {
            fprintf(stderr, "skipped %s: no captures (FERULA_SHARED)\n",
                    sample_set_shape_name(shape));
            continue;
        }
        measure(&set);
        if (argc > 2 && argv[2][0] != '\0') {
            print_openmetrics(&set, argv[2]);
            print_json(&set, argv[2]);
        }
        sample_set_release(&set);
    }
    return 0;
}
