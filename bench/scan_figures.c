/*
 * What reading costs: targets of 1,026 series, eight hours of rows at 15 s. All samples of all
 * series are read, as a query reads them, from open chunks of the head (the first 100 rows), from
 * sealed ones, from blocks of two hours and from those merged. Prints nanoseconds of CPU a sample,
 * the least of three passes, as one line of JSON.
 *
 *     scan_figures [TARGETS]
 */
#include "base/alloc.h"
#include "base/log.h"
#include "bench/node_labels.h"
#include "tsdb/appender.h"
#include "tsdb/tsdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define START_MS 1699963200000 /* where a range of 18 hours begins */
#define INTERVAL_MS 15000
#define HOUR_MS 3600000
#define ROWS_OPEN 100
#define ROWS_ALL 1920
#define NEVER_MS 1000000000000
#define PASSES 3

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

struct load {
    struct node_shape *shape;
    size_t target_count;
    struct node_target *targets;
    struct sample_group **groups;
    series_ref *refs;
};

static void load_init(struct load *load, struct tsdb *db, size_t target_count)
{
    load->shape = node_shape_new();
    load->target_count = target_count;
    load->targets = mem_alloc_array(target_count, sizeof(*load->targets));
    load->groups = mem_alloc_array(target_count, sizeof(struct sample_group *));
    load->refs = mem_zalloc_array(target_count * NODE_SERIES_COUNT, sizeof(*load->refs));
    for (size_t i = 0; i < target_count; i++) {
        node_target_init(&load->targets[i], load->shape, i);
        load->groups[i] = sample_group_new(db);
    }
}

static void load_release(struct load *load)
{
    for (size_t i = 0; i < load->target_count; i++)
        sample_group_free(load->groups[i]);
    mem_free(load->groups);
    mem_free(load->targets);
    mem_free(load->refs);
    node_shape_free(load->shape);
}

static series_ref series_of(struct appender *appender, const struct node_series *series,
                            size_t target)
{
    struct labels *labels = node_labels(series, target);
    series_ref ref = appender_series(appender, labels);
    labels_unref(labels);
    return ref;
}

static void write_row(struct tsdb *db, struct load *load, size_t number, int64_t t_ms)
{
    struct errbuf err = ERRBUF_INIT;
    struct appender *appender;
    series_ref *refs = load->refs + number * NODE_SERIES_COUNT;
    check(appender_begin(db, load->groups[number], t_ms, &appender, &err), &err);
    for (size_t i = 0; i < NODE_SERIES_COUNT; i++) {
        if (refs[i] == 0)
            refs[i] = series_of(appender, &load->shape->series[i], number);
        if (append(appender, refs[i], load->targets[number].walks[i].value) != APPEND_OK)
            abort();
    }
    check(appender_commit(appender, &err), &err);
    node_target_advance(&load->targets[number], INTERVAL_MS / 1000.0);
}

static void write_rows(struct tsdb *db, struct load *load, size_t from, size_t to)
{
    for (size_t row = from; row < to; row++) {
        for (size_t i = 0; i < load->target_count; i++)
            write_row(db, load, i, START_MS + (int64_t)row * INTERVAL_MS);
    }
}

static double read_all(struct tsdb *db)
{
    struct errbuf err = ERRBUF_INIT;
    struct series_view *view;
    struct series_query query = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    struct series_list list = {0};
    struct sample_columns columns;
    double samples = 0, start = cpu_seconds();
    check(series_source_open(tsdb_source(db), INT64_MIN, INT64_MAX, &view, &err), &err);
    check(series_view_select(view, &query, &list, &err), &err);
    sample_columns_init(&columns);
    for (size_t i = 0; i < list.entries.len; i++) {
        check(series_view_read(view, &list.entries.items[i], INT64_MIN, INT64_MAX, &columns, &err),
              &err);
        samples += (double)columns.count;
    }
    sample_columns_release(&columns);
    series_list_release(&list);
    series_view_close(view);
    return (cpu_seconds() - start) * 1e9 / samples;
}

static double read_ns(struct tsdb *db)
{
    double least = read_all(db);
    for (int i = 1; i < PASSES; i++)
        least = MIN(least, read_all(db));
    return least;
}

int main(int argc, char **argv)
{
    size_t target_count = argc > 1 ? strtoul(argv[1], NULL, 10) : 10;
    char path[] = "/tmp/ferula-scan-XXXXXX";
    if (mkdtemp(path) == NULL || target_count == 0)
        return EXIT_FAILURE;
    log_set_level(LOG_ERROR);
    struct tsdb_options options = {.path = path,
                                   .seed = 1,
                                   .block_min_ms = NEVER_MS,
                                   .block_max_ms = NEVER_MS,
                                   .maintenance_interval_ms = NEVER_MS};
    struct errbuf err = ERRBUF_INIT;
    struct tsdb *db;
    struct load load;
    check(tsdb_open(&options, &db, &err), &err);
    load_init(&load, db, target_count);
    write_rows(db, &load, 0, ROWS_OPEN);
    double open_ns = read_ns(db);
    write_rows(db, &load, ROWS_OPEN, ROWS_ALL);
    load_release(&load);
    check(tsdb_maintain(db, &err), &err);
    double sealed_ns = read_ns(db);
    tsdb_close(db);
    options.block_min_ms = options.block_max_ms = 2 * HOUR_MS;
    check(tsdb_open(&options, &db, &err), &err);
    check(tsdb_compact(db, &err), &err);
    /* a snapshot has the rest of the head as a block, too */
    struct buf CLEANUP(buf_release) name, snapshot;
    buf_init(&name, 256);
    buf_init(&snapshot, 4096);
    check(tsdb_snapshot(db, false, &name, &err), &err);
    tsdb_close(db);
    buf_printf(&snapshot, "%s/snapshots/%s", path, buf_cstr(&name));
    options.path = buf_cstr(&snapshot);
    check(tsdb_open(&options, &db, &err), &err);
    double fresh_ns = read_ns(db);
    tsdb_close(db);
    options.block_max_ms = 6 * HOUR_MS;
    check(tsdb_open(&options, &db, &err), &err);
    check(tsdb_compact(db, &err), &err);
    double merged_ns = read_ns(db);
    tsdb_close(db);
    printf("{\"series\":%zu,\"rows\":%d,\"open_ns\":%.2f,\"sealed_ns\":%.2f,\"blocks_ns\":%.2f,"
           "\"merged_ns\":%.2f}\n",
           target_count * NODE_SERIES_COUNT, ROWS_ALL, open_ns, sealed_ns, fresh_ns, merged_ns);
    check(fs_remove_tree(fs_system, path, &err), &err);
    return EXIT_SUCCESS;
}
