/* Runs cases and prints their figures. */
#include "bench/harness.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS_DEFAULT 9
#define RUNS_MAX 1000

struct bench_options {
    bool smoke;
    size_t run_count;
    const char *name;
};

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int double_order(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static bool bench_run(const struct bench_case *bench, const struct bench_options *options)
{
    size_t run_count = options->smoke ? 1 : options->run_count;
    double *times = mem_alloc_array(run_count, sizeof(*times));
    void *state = bench->setup(options->smoke ? bench->smoke_size : bench->size);
    uint64_t units = 0;
    uint64_t hash = bench->run(state, &units);
    bool stable = units > 0;
    for (size_t i = 0; i < run_count; i++) {
        uint64_t units_again = 0;
        int64_t start_ns = cpu_ns();
        uint64_t hash_again = bench->run(state, &units_again);
        times[i] = (double)(cpu_ns() - start_ns) / (double)(units_again == 0 ? 1 : units_again);
        stable = stable && hash_again == hash && units_again == units;
    }
    bench->teardown(state);
    qsort(times, run_count, sizeof(*times), double_order);
    double median = times[run_count / 2];
    printf("{\"name\":\"%s\",\"unit\":\"%s\",\"units\":%" PRIu64 ",\"runs\":%zu,"
           "\"median_ns\":%.3f,\"min_ns\":%.3f,\"spread_percent\":%.1f,\"hash\":\"%016" PRIx64 "\"%s}\n",
           bench->name, bench->unit, units, run_count, median, times[0],
           median > 0 ? (times[run_count - 1] - times[0]) / median * 100 : 0, hash,
           stable ? "" : ",\"unstable\":true");
    fflush(stdout);
    mem_free(times);
    return stable;
}

static bool bench_parse(int argc, char **argv, struct bench_options *out)
{
    *out = (struct bench_options){.run_count = RUNS_DEFAULT};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--smoke") == 0)
            out->smoke = true;
        else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc)
            out->run_count = strtoul(argv[++i], NULL, 10);
        else if (argv[i][0] != '-' && out->name == NULL)
            out->name = argv[i];
        else
            return false;
    }
    return out->run_count > 0 && out->run_count <= RUNS_MAX;
}

int bench_main(int argc, char **argv, const struct bench_case *cases, size_t count)
{
    struct bench_options options;
    if (!bench_parse(argc, argv, &options)) {
        fprintf(stderr, "usage: %s [--smoke] [--runs N] [NAME]\n", argv[0]);
        return EXIT_FAILURE;
    }
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        if (options.name == NULL || strstr(cases[i].name, options.name) != NULL)
            good = bench_run(&cases[i], &options) && good;
    }
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
