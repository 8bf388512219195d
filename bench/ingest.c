/*
 * CPU of the scrape path without fetching: a body of many series, some of which move, goes through
 * parser, series cache and storage again and again.
 *
 *     bench_ingest [SERIES [ROUNDS [MOVING_PERCENT]]]
 *
 * Prints CPU seconds per million samples (median over ten parts of the rounds), for known and for
 * new series.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/rand.h"
#include "base/vec.h"
#include "scrape/ingest.h"

#define BODIES 20
#define PARTS 10 /* the rounds are measured in as many parts */

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* One body, shaped like node_exporter's: families with HELP and TYPE, two labels, counters and
 * floats. */
static void make_body(struct buf *out, size_t series, unsigned moving_percent, unsigned round)
{
    static const char *const modes[] = {"idle",    "iowait", "irq",    "nice",
                                        "softirq", "steal",  "system", "user"};
    struct rand rand;
    rand_init(&rand, 7);
    buf_init(out, BUF_SIZE_ANY);
    for (size_t i = 0; i < series; i++) {
        if (i % 8 == 0) {
            buf_printf(out,
                       "# HELP node_family_%zu_seconds_total Seconds the thing %zu spent.\n"
                       "# TYPE node_family_%zu_seconds_total counter\n",
                       i / 8, i / 8, i / 8);
        }
        bool moves = rand_below(&rand, 100) < moving_percent;
        double base = (double)rand_below(&rand, 10000000) / 100;
        if (moves)
            base += (double)round * (double)(1 + rand_below(&rand, 500)) / 100;
        buf_printf(out, "node_family_%zu_seconds_total{cpu=\"%zu\",mode=\"%s\"} %.2f\n", i / 8,
                   i / 64, modes[i % 8], base);
    }
}

struct bench {
    struct tsdb *db;
    struct sample_group *group;
    struct ingest ingest;
    struct series_cache cache;
    struct metadata_cache metadata;
    struct mutex lock;
    struct labels *target;
    struct config_scrape scrape;
    int64_t now_ms;
};

static void bench_body(struct bench *bench, const struct buf *body)
{
    struct errbuf err = ERRBUF_INIT;
    struct appender *appender;
    bench->now_ms += 5000;
    if (appender_begin(bench->db, bench->group, bench->now_ms, &appender, &err) != ERR_NONE)
        abort();
    struct ingest_job job = {.scrape = &bench->scrape,
                             .target = bench->target,
                             .cache = &bench->cache,
                             .metadata = &bench->metadata,
                             .appender = appender,
                             .now_ms = bench->now_ms};
    struct ingest_result result;
    if (ingest_body(&bench->ingest, &job, EXPOSITION_TEXT, buf_slice(body), &result, &err) !=
            ERR_NONE ||
        appender_commit(appender, &err) != ERR_NONE) {
        fprintf(stderr, "%s\n", err.text);
        exit(EXIT_FAILURE);
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void bench_open(struct bench *bench, const char *folder)
{
    struct errbuf err = ERRBUF_INIT;
    if (tsdb_open(&(struct tsdb_options){.path = folder}, &bench->db, &err) != ERR_NONE) {
        fprintf(stderr, "%s\n", err.text);
        exit(EXIT_FAILURE);
    }
    mutex_init(&bench->lock, LOCK_RANK_SCRAPE_METADATA);
    ingest_init(&bench->ingest, 1);
    bench->ingest.metadata_scan.lock = &bench->lock;
    bench->group = sample_group_new(bench->db);
    struct labels_builder builder;
    labels_builder_init(&builder);
    labels_builder_set(&builder, SLICE("job"), SLICE("node"));
    labels_builder_set(&builder, SLICE("instance"), SLICE("127.0.0.1:9100"));
    bench->target = labels_builder_build(&builder);
    labels_builder_release(&builder);
}

static void bench_close(struct bench *bench)
{
    ingest_release(&bench->ingest);
    series_cache_release(&bench->cache);
    metadata_cache_release(&bench->metadata);
    sample_group_free(bench->group);
    labels_unref(bench->target);
    mutex_release(&bench->lock);
    tsdb_close(bench->db);
}

static void bench_run(struct bench *bench, size_t series, size_t rounds, unsigned moving_percent)
{
    struct buf bodies[BODIES];
    size_t bytes = 0;
    for (unsigned i = 0; i < BODIES; i++) {
        make_body(&bodies[i], series, moving_percent, i);
        bytes += bodies[i].len;
    }
    double start = cpu_s();
    bench_body(bench, &bodies[0]);
    double fresh_s = cpu_s() - start;
    double parts[PARTS];
    size_t part_rounds = rounds < PARTS ? 1 : rounds / PARTS;
    for (size_t part = 0; part < PARTS; part++) {
        start = cpu_s();
        for (size_t i = 0; i < part_rounds; i++)
            bench_body(bench, &bodies[(part * part_rounds + i + 1) % BODIES]);
        parts[part] = (cpu_s() - start) / (double)(part_rounds * series) * 1e6;
    }
    qsort(parts, PARTS, sizeof(parts[0]), compare_doubles);
    printf("%zu series, %zu bytes a sample, %u %% moving: %.4f CPU s per million samples "
           "(least %.4f, most %.4f); a new series %.2f us\n",
           series, bytes / BODIES / series, moving_percent, parts[PARTS / 2], parts[0],
           parts[PARTS - 1], fresh_s / (double)series * 1e6);
    for (unsigned i = 0; i < BODIES; i++)
        buf_release(&bodies[i]);
}

int main(int argc, char **argv)
{
    size_t series = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
    unsigned moving_percent = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 46;
    struct bench bench = {.scrape = {.honor_timestamps = true, .utf8_names = true},
                          .now_ms = 1700000000000};
    char folder[] = "/tmp/bench-ingest-XXXXXX";
    if (series == 0 || mkdtemp(folder) == NULL)
        return EXIT_FAILURE;
    bench_open(&bench, folder);
    bench_run(&bench, series, rounds, moving_percent);
    bench_close(&bench);
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return EXIT_SUCCESS;
}
