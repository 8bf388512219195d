/*
 * What a start after a kill costs when the samples are loose, as remote write brings them: 100
 * targets of 1,026 series, 12 rounds at 15 s, 2,000 samples a commit from four senders that each
 * have a quarter of the series (the shape of bench_remote_writer), then a start from the log alone.
 * Prints bytes of log a sample and seconds of replay a million samples as one line of JSON;
 * storage_figures does the same for rows.
 *
 *     start_figures [TARGETS [ROUNDS [DIRECTORY]]]
 *
 * A directory is kept, and its log is read as it is where there is one already.
 */
#include "base/alloc.h"
#include "bench/node_labels.h"
#include "bench/node_shape.h"
#include "tsdb/appender.h"
#include "tsdb/tsdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define START_MS 1700000000000
#define INTERVAL_MS 15000
#define SENDERS 4
#define COMMIT_SIZE 2000

struct loose_load {
    struct tsdb *db;
    struct node_shape *shape;
    struct node_target *targets;
    series_ref *refs;
    size_t series_count;
};

static void check(enum err code, const struct errbuf *err)
{
    if (code != ERR_NONE) {
        fprintf(stderr, "%s\n", err->text);
        abort();
    }
}

static double clock_seconds(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void write_commit(struct loose_load *load, size_t from, size_t to, int64_t t_ms)
{
    struct errbuf err = ERRBUF_INIT;
    struct appender *appender;
    check(appender_begin(load->db, NULL, t_ms, &appender, &err), &err);
    for (size_t i = from; i < to; i++) {
        size_t target = i / NODE_SERIES_COUNT;
        size_t place = i % NODE_SERIES_COUNT;
        if (load->refs[i] == 0) {
            struct labels *labels = node_labels(&load->shape->series[place], target);
            load->refs[i] = appender_series(appender, labels);
            labels_unref(labels);
        }
        double value = load->targets[target].walks[place].value;
        if (append_at(appender, load->refs[i], t_ms, value) != APPEND_OK)
            abort();
    }
    check(appender_commit(appender, &err), &err);
}

static void write_round(struct loose_load *load, int64_t t_ms)
{
    size_t share = (load->series_count + SENDERS - 1) / SENDERS;
    for (size_t done = 0; done < share; done += COMMIT_SIZE) {
        for (size_t sender = 0; sender < SENDERS; sender++) {
            size_t end = MIN(load->series_count, (sender + 1) * share);
            size_t from = sender * share + done;
            if (from < end)
                write_commit(load, from, MIN(end, from + COMMIT_SIZE), t_ms);
        }
    }
}

static void write_all(struct tsdb *db, size_t target_count, size_t round_count)
{
    struct loose_load load = {.db = db, .series_count = target_count * NODE_SERIES_COUNT};
    load.shape = node_shape_new();
    load.targets = mem_alloc_array(target_count, sizeof(*load.targets));
    load.refs = mem_zalloc_array(load.series_count, sizeof(*load.refs));
    for (size_t i = 0; i < target_count; i++)
        node_target_init(&load.targets[i], load.shape, i + 1);
    for (size_t round = 0; round < round_count; round++) {
        write_round(&load, START_MS + (int64_t)round * INTERVAL_MS);
        for (size_t i = 0; i < target_count; i++)
            node_target_advance(&load.targets[i], INTERVAL_MS / 1000.0);
    }
    mem_free(load.refs);
    mem_free(load.targets);
    node_shape_free(load.shape);
}

/* Opens what is there, as a start does; prints what that cost. To be killed leaves a profile with
 * nothing but the start. */
static void start(const struct tsdb_options *options, bool killed)
{
    struct errbuf err = ERRBUF_INIT;
    struct tsdb *db;
    double cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    double wall = clock_seconds(CLOCK_MONOTONIC);
    check(tsdb_open(options, &db, &err), &err);
    cpu = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = clock_seconds(CLOCK_MONOTONIC) - wall;
    struct tsdb_head_stats stats;
    tsdb_head_stats(db, &stats);
    double samples = (double)stats.samples_appended;
    printf("{\"series\":%.0f,\"samples\":%.0f,\"wal_bytes_per_sample\":%.3f,"
           "\"start_cpu_s\":%.4f,\"start_wall_s\":%.4f,"
           "\"cpu_s_per_million\":%.4f,\"wall_s_per_million\":%.4f}\n",
           (double)stats.series_count, samples, (double)stats.wal_bytes / samples, cpu, wall,
           cpu * 1e6 / samples, wall * 1e6 / samples);
    fflush(stdout);
    if (killed)
        _exit(EXIT_SUCCESS);
    tsdb_close(db);
}

int main(int argc, char **argv)
{
    size_t target_count = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
    size_t round_count = argc > 2 ? strtoul(argv[2], NULL, 10) : 12;
    char made[] = "/tmp/ferula-start-XXXXXX";
    bool kept = argc > 3;
    if (target_count == 0 || round_count == 0 || (!kept && mkdtemp(made) == NULL))
        return EXIT_FAILURE;
    struct errbuf err = ERRBUF_INIT;
    struct tsdb_options options = {.path = kept ? argv[3] : made, .seed = 1, .no_snapshot = true};
    struct fs_stat stat;
    if (!kept || fs_system->stat(fs_system, argv[3], &stat) != 0) {
        struct tsdb *db;
        check(tsdb_open(&options, &db, &err), &err);
        write_all(db, target_count, round_count);
        tsdb_close(db);
    }
    start(&options, kept);
    check(fs_remove_tree(fs_system, made, &err), &err);
    return EXIT_SUCCESS;
}
