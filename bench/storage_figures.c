/*
 * What storage costs: 200 targets of 1,026 series, 36 rows at 5 s each (three minutes of scraping),
 * then a clean stop, a start from its snapshot, and a start from the log alone, as after a kill.
 * Prints nanoseconds of CPU a sample written and read, bytes of memory a series, bytes of log and
 * of head files a sample, seconds of stop and start, and seconds of replay a million samples, as
 * one line of JSON.
 *
 *     storage_figures [TARGETS [ROWS]]
 */
#include "base/alloc.h"
#include "bench/node_labels.h"
#include "bench/node_shape.h"
#include "tsdb/appender.h"
#include "tsdb/tsdb_internal.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define START_MS 1700000000000
#define INTERVAL_MS 5000

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

static double wall_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long rss_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long size = 0;
    long resident = 0;
    if (file == NULL || fscanf(file, "%ld %ld", &size, &resident) != 2)
        abort();
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static double write_row(struct tsdb *db, struct sample_group *group, const struct node_shape *shape,
                        struct node_target *target, size_t number, series_ref *refs, int64_t t_ms)
{
    struct errbuf err = ERRBUF_INIT;
    double start = cpu_seconds();
    struct appender *appender;
    check(appender_begin(db, group, t_ms, &appender, &err), &err);
    for (size_t i = 0; i < NODE_SERIES_COUNT; i++) {
        if (refs[i] == 0) {
            struct labels *labels = node_labels(&shape->series[i], number);
            refs[i] = appender_series(appender, labels);
            labels_unref(labels);
        }
        if (append(appender, refs[i], target->walks[i].value) != APPEND_OK)
            abort();
    }
    check(appender_commit(appender, &err), &err);
    double spent = cpu_seconds() - start;
    node_target_advance(target, INTERVAL_MS / 1000.0);
    return spent;
}

static double write_all(struct tsdb *db, size_t target_count, size_t row_count, long *out_rss)
{
    struct node_shape *shape = node_shape_new();
    struct node_target *targets = mem_alloc_array(target_count, sizeof(*targets));
    struct sample_group **groups = mem_alloc_array(target_count, sizeof(struct sample_group *));
    series_ref *refs = mem_zalloc_array(target_count * NODE_SERIES_COUNT, sizeof(*refs));
    for (size_t i = 0; i < target_count; i++) {
        node_target_init(&targets[i], shape, i);
        groups[i] = sample_group_new(db);
    }
    double spent = 0;
    for (size_t row = 0; row < row_count; row++) {
        for (size_t i = 0; i < target_count; i++) {
            double took =
                write_row(db, groups[i], shape, &targets[i], i, refs + i * NODE_SERIES_COUNT,
                          START_MS + (int64_t)row * INTERVAL_MS);
            spent += row > 0 ? took : 0;
        }
        if (row % 8 != 7)
            continue;
        double start = cpu_seconds();
        struct errbuf err = ERRBUF_INIT;
        check(tsdb_maintain(db, &err), &err); /* as the thread does, so that chunks are sealed */
        spent += row > 0 ? cpu_seconds() - start : 0;
    }
    malloc_trim(0);
    *out_rss = rss_bytes() - (long)(target_count * NODE_SERIES_COUNT * sizeof(*refs) +
                                    target_count * sizeof(*targets));
    for (size_t i = 0; i < target_count; i++)
        sample_group_free(groups[i]);
    mem_free(groups);
    mem_free(targets);
    mem_free(refs);
    node_shape_free(shape);
    return spent;
}

static int add_size(const char *name, void *context)
{
    struct {
        char path[256];
        uint64_t bytes;
    } *sum = context;
    char path[512];
    struct fs_stat stat;
    snprintf(path, sizeof(path), "%s/%s", sum->path, name);
    if (fs_system->stat(fs_system, path, &stat) == 0)
        sum->bytes += stat.size;
    return 0;
}

static uint64_t head_file_bytes(const char *directory)
{
    struct {
        char path[256];
        uint64_t bytes;
    } sum = {.bytes = 0};
    snprintf(sum.path, sizeof(sum.path), "%s/head", directory);
    fs_system->list(fs_system, sum.path, add_size, &sum);
    return sum.bytes;
}

static void remove_snapshot(const char *directory)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/head/snapshot", directory);
    fs_system->unlink(fs_system, path);
}

/* Every sample of every series once, as a query reads them. */
static void read_all(struct tsdb *db, double *out_samples)
{
    struct errbuf err = ERRBUF_INIT;
    struct series_view *view;
    check(series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, &err), &err);
    struct series_query query = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    struct series_list list = {0};
    check(series_view_select(view, &query, &list, &err), &err);
    struct sample_columns columns;
    sample_columns_init(&columns);
    for (size_t i = 0; i < list.entries.len; i++) {
        check(series_view_read(view, &list.entries.items[i], INT64_MIN, INT64_MAX, &columns, &err),
              &err);
        *out_samples += (double)columns.count;
    }
    sample_columns_release(&columns);
    series_list_release(&list);
    series_view_close(view);
}

int main(int argc, char **argv)
{
    size_t target_count = argc > 1 ? strtoul(argv[1], NULL, 10) : 200;
    size_t row_count = argc > 2 ? strtoul(argv[2], NULL, 10) : 36;
    char path[] = "/tmp/ferula-figures-XXXXXX";
    if (mkdtemp(path) == NULL || target_count == 0 || row_count < 2)
        return EXIT_FAILURE;
    struct tsdb_options options = {.path = path, .seed = 1};
    struct errbuf err = ERRBUF_INIT;
    struct tsdb *db;
    long before = rss_bytes();
    check(tsdb_open(&options, &db, &err), &err);
    long after;
    double spent = write_all(db, target_count, row_count, &after);
    struct tsdb_head_stats stats;
    tsdb_head_stats(db, &stats);
    mutex_lock(&db->commit_lock);
    size_t memory = head_memory(&db->head);
    mutex_unlock(&db->commit_lock);
    double start = wall_seconds();
    tsdb_close(db);
    double stop = wall_seconds() - start;
    uint64_t head_bytes = head_file_bytes(path);
    start = wall_seconds();
    double start_cpu = cpu_seconds();
    check(tsdb_open(&options, &db, &err), &err);
    double load = wall_seconds() - start;
    double load_cpu = cpu_seconds() - start_cpu;
    double samples_read = 0;
    start = cpu_seconds();
    read_all(db, &samples_read);
    double reading = cpu_seconds() - start;
    options.no_snapshot = true;
    tsdb_close(db);
    remove_snapshot(path);
    double start_wall = wall_seconds();
    start = cpu_seconds();
    check(tsdb_open(&options, &db, &err), &err);
    double replay = cpu_seconds() - start;
    double replay_wall = wall_seconds() - start_wall;
    tsdb_close(db);
    double series = (double)(target_count * NODE_SERIES_COUNT);
    double samples = series * (double)row_count;
    printf(
        "{\"series\":%.0f,\"samples\":%.0f,\"append_ns\":%.1f,\"rss_bytes_per_series\":%.0f,"
        "\"head_bytes_per_series\":%.0f,\"wal_bytes_per_sample\":%.3f,"
        "\"head_file_bytes_per_sample\":%.3f,\"stop_s\":%.3f,\"start_s\":%.3f,\"start_cpu_s\":%.3f,"
        "\"read_ns\":%.2f,\"replay_s_per_million\":%.4f,\"replay_wall_s_per_million\":%.4f}\n",
        series, samples, spent * 1e9 / (samples - series), (double)(after - before) / series,
        (double)memory / series, (double)stats.wal_bytes / samples,
        (double)head_bytes / samples, stop, load, load_cpu, reading * 1e9 / samples_read,
        replay * 1e6 / samples, replay_wall * 1e6 / samples);
    check(fs_remove_tree(fs_system, path, &err), &err);
    return EXIT_SUCCESS;
}
